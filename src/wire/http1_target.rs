//! Request targets (RFC 9112 3.2) and what is written in them: authorities, percent-escapes, query parameters.
//!
//! Not a URL library: targets are split, never normalised. Escapes follow Go's `net/url`, which decides what the
//! clients of Centrifugo get away with.

use std::borrow::Cow;

/// A request target, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Host and port of absolute-form and authority-form.
    pub(super) authority: Option<&'a str>,
    /// The path as sent: `*` in asterisk-form, empty in authority-form.
    pub(super) path: &'a str,
    /// What follows the first `?`.
    pub(super) query: &'a str,
}

impl<'a> Target<'a> {
    /// Takes `target` apart; `None` when it has no form that `method` may use.
    pub(super) fn parse(method: &str, target: &'a str) -> Option<Self> {
        // Fragments stay with the client. Browsers escape bytes beyond ASCII, but not all that RFC 3986 tells them to.
        if !target.is_ascii() || memchr::memchr(b'#', target.as_bytes()).is_some() {
            return None;
        }
        if method == "CONNECT" {
            return is_tunnel_end(target).then_some(Self { authority: Some(target), path: "", query: "" });
        }
        if target.starts_with('/') {
            return Self::from_path(None, target);
        }
        if target == "*" {
            return (method == "OPTIONS").then_some(Self { authority: None, path: target, query: "" });
        }
        let (scheme, rest) = target.split_once("://")?;
        Self::from_absolute(scheme, rest)
    }

    fn from_absolute(scheme: &str, rest: &'a str) -> Option<Self> {
        let is_known = ["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
        let is_valid = is_known && !authority.is_empty() && is_authority(authority.as_bytes());
        if is_valid { Self::from_path(Some(authority), path) } else { None }
    }

    /// `None` when an escape of the path is broken. Those of a query only spoil the pair that they stand in.
    fn from_path(authority: Option<&'a str>, path_and_query: &'a str) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        // Only absolute-form can leave the path out, and means the root by it.
        has_whole_escapes(path).then_some(Self { authority, path: if path.is_empty() { "/" } else { path }, query })
    }
}

/// True for a host with a port, both of them there: what `CONNECT` names (RFC 9112 3.2.3).
fn is_tunnel_end(text: &str) -> bool {
    let has_port = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && !port.is_empty());
    has_port && !text.ends_with(']') && is_authority(text.as_bytes())
}

fn has_whole_escapes(path: &str) -> bool {
    let is_hex = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    memchr::memchr_iter(b'%', path.as_bytes()).all(|at| is_hex(at + 1) && is_hex(at + 2))
}

/// True for `uri-host [":" port]` (RFC 3986 3.2.2) without user information. An empty host is one.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let (host_is_valid, port) = match text {
        [b'[', rest @ ..] => match memchr::memchr(b']', rest).and_then(|at| rest.split_at_checked(at)) {
            Some((address, [_, port @ ..])) => (!address.is_empty() && address.iter().all(is_address_byte), port),
            _ => return false,
        },
        _ => {
            let end = memchr::memchr(b':', text).unwrap_or(text.len());
            let (name, port) = text.split_at_checked(end).unwrap_or((text, &[]));
            (is_registered_name(name), port)
        }
    };
    let port_is_valid = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    host_is_valid && port_is_valid
}

/// Bytes of an address in brackets, with a zone (RFC 6874).
fn is_address_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'.' | b'%' | b'-' | b'_' | b'~')
}

fn is_registered_name(mut name: &[u8]) -> bool {
    loop {
        name = match name {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        }
    }
}

/// The path with its escapes decoded, except that `%2F` stays as it is: it is no separator. `None` when an escape is
/// broken. Bytes that are no UTF-8 become U+FFFD, which no route contains.
pub(super) fn decode_path(path: &str) -> Option<Cow<'_, str>> {
    decode(path, false, true)
}

/// The first value of the query parameter `name`, which is compared decoded. As in Go's `ParseQuery`, pairs with a
/// broken escape or a semicolon do not count.
pub(super) fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')).find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decode(key, true, false)? == name { decode(value, true, false) } else { None }
    })
}

fn decode(text: &str, plus_is_space: bool, keeps_slash_escape: bool) -> Option<Cow<'_, str>> {
    let is_plain = |byte: &u8| *byte != b'%' && !(plus_is_space && *byte == b'+');
    if text.as_bytes().iter().all(is_plain) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (*byte, after) {
            (b'%', [high, low, behind @ ..]) => {
                let byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
                if byte == b'/' && keeps_slash_escape {
                    decoded.extend_from_slice(&[b'%', *high, *low]);
                } else {
                    decoded.push(byte);
                }
                rest = behind;
            }
            (b'%', _) => return None,
            (b'+', _) if plus_is_space => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
    }
    Some(match String::from_utf8(decoded) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(method: &str, target: &'a str) -> Option<(Option<&'a str>, &'a str, &'a str)> {
        Target::parse(method, target).map(|target| (target.authority, target.path, target.query))
    }

    #[test]
    fn each_form_of_a_target_is_taken_apart() {
        let rows = [
            ("GET", "/", Some((None, "/", ""))),
            ("GET", "/a?b?c", Some((None, "/a", "b?c"))),
            ("GET", "//a/../b", Some((None, "//a/../b", ""))),
            ("GET", "http://h:80/a?b", Some((Some("h:80"), "/a", "b"))),
            ("GET", "HTTPS://[::1]", Some((Some("[::1]"), "/", ""))),
            ("GET", "http://h?b=http://c/", Some((Some("h"), "/", "b=http://c/"))),
            ("OPTIONS", "*", Some((None, "*", ""))),
            ("CONNECT", "h:443", Some((Some("h:443"), "", ""))),
            ("GET", "*", None),
            ("GET", "h:443", None),
            ("GET", "a/b", None),
            ("GET", "?a", None),
            ("GET", "ftp://h/", None),
            ("GET", "http:///a", None),
            ("GET", "http://user@h/", None),
            ("GET", "http://h:x/", None),
            ("CONNECT", "user@h:443", None),
            ("CONNECT", "[::1]:443", Some((Some("[::1]:443"), "", ""))),
            ("CONNECT", "h", None),
            ("CONNECT", "h:", None),
            ("CONNECT", ":443", None),
            ("CONNECT", "[::1]", None),
            ("CONNECT", "/a", None),
            ("CONNECT", "http://h:80/", None),
            ("GET", "/a%2", None),
            ("GET", "/a%zz?b", None),
            ("GET", "http://h/%", None),
            ("GET", "/a?b=%zz", Some((None, "/a", "b=%zz"))),
            ("GET", "/a?b={|}", Some((None, "/a", "b={|}"))),
            ("GET", "/a#b", None),
            ("GET", "/a?b#c", None),
            ("GET", "/é", None),
            ("GET", "/a?é", None),
        ];
        for (method, target, expected) in rows {
            assert_eq!(parts(method, target), expected, "{method} {target}");
        }
    }

    #[test]
    fn authorities_are_hosts_with_an_optional_port() {
        for valid in ["", "a", "a.b-c_d", "a:", "a:8000", "1.2.3.4:1", "[::1]", "[fe80::1%25en0]:80", "%61", "a,b"] {
            assert!(is_authority(valid.as_bytes()), "{valid}");
        }
        for invalid in
            ["a b", "a/b", "a@b", "a:b", "a:1:2", "a:123456", "[", "[]", "[::1", "[::1]a", "::1", "%6", "%zz"]
        {
            assert!(!is_authority(invalid.as_bytes()), "{invalid}");
        }
        assert!(!is_authority("é".as_bytes()));
    }

    #[test]
    fn an_escaped_slash_is_no_separator() {
        let rows = [
            ("/api/publish", Some("/api/publish")),
            ("/api/publis%68", Some("/api/publish")),
            ("/api%2Fpublish", Some("/api%2Fpublish")),
            ("/api%2fpublish", Some("/api%2fpublish")),
            ("/a+b", Some("/a+b")),
            ("/%D1%8E", Some("/ю")),
            ("/%ff", Some("/\u{fffd}")),
            ("/%", None),
            ("/%6", None),
            ("/%6g", None),
            ("/%+6", None),
        ];
        for (path, expected) in rows {
            assert_eq!(decode_path(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn query_values_are_decoded_as_go_does() {
        let rows = [
            ("api_key=secret", Some("secret")),
            ("a=1&api_key=x&api_key=y", Some("x")),
            ("api%5Fkey=a%20b+c", Some("a b c")),
            ("api_key", Some("")),
            ("api_key=&api_key=x", Some("")),
            ("api_key=a=b", Some("a=b")),
            ("api_key=%zz&api_key=x", Some("x")),
            ("api_key=a;b&api_key=x", Some("x")),
            ("&&api_key=x", Some("x")),
            ("API_KEY=x", None),
            ("", None),
        ];
        for (query, expected) in rows {
            assert_eq!(query_value(query, "api_key").as_deref(), expected, "{query}");
        }
    }
}
