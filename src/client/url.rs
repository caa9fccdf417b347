//! The few URLs that a client needs: `ws://host:port/path` and `http://host:port/path`, without encryption.

/// Where a server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// Name or address, an IPv6 address without its brackets.
    pub host: String,
    /// 80 when the URL names none.
    pub port: u16,
    /// Path and query, with the leading slash.
    pub path: String,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Url, String> {
        let bad = |what: &str| {
            format!("{text} is no URL of a server: {what}, as in ws://127.0.0.1:8000/connection/websocket")
        };
        let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| bad("it begins with ws:// or http://"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| bad("its port is a number"))?)
            }
            _ => (authority, 80),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(bad("it names a host"));
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Url { host: host.into(), port, path: path.into() })
    }

    /// For the `Host` field.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, host, port, path) in [
            ("ws://a:1/b?c", "a", 1, "/b?c"),
            ("http://127.0.0.1:8000", "127.0.0.1", 8000, "/"),
            ("ws://[::1]:9/x", "::1", 9, "/x"),
            ("ws://h/x", "h", 80, "/x"),
        ] {
            assert_eq!(Url::parse(text), Ok(Url { host: host.into(), port, path: path.into() }), "{text}");
        }
        for bad in ["wss://a/b", "a:1", "ws://", "ws://a:x/", "ws://:1/"] {
            assert!(Url::parse(bad).is_err(), "{bad}");
        }
    }
}
