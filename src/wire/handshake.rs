//! The WebSocket handshake (RFC 6455 4.2) as Centrifugo judges it: what an upgrade request must say, whose origin is
//! allowed, and the fields of the answers (client-protocol 1.1). Reads no HTTP by itself: the caller fills an [`Offer`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use sha1::{Digest, Sha1};
use std::io::Write;

/// RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What an upgrade request says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// Of the request line.
    pub method: &'a str,
    /// 1 for HTTP/1.1.
    pub version_minor: u8,
    /// `Upgrade` lists `websocket`.
    pub upgrade_websocket: bool,
    /// `Connection` lists `upgrade`.
    pub connection_upgrade: bool,
    /// `Sec-WebSocket-Version`.
    pub version: Option<&'a [u8]>,
    /// `Sec-WebSocket-Key`.
    pub key: Option<&'a [u8]>,
    /// `Origin`.
    pub origin: Option<&'a [u8]>,
    /// All values of `Sec-WebSocket-Protocol`.
    pub protocols: &'a [&'a [u8]],
}

/// Why a request is no good upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It does not ask for one.
    NotAnUpgrade,
    /// It asks with another method than GET.
    Method,
    /// Another version than 13.
    Version,
    /// The key is missing or is not 16 bytes in base64.
    Key,
    /// The page that opened it is not allowed to.
    Origin,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Refusal::NotAnUpgrade | Refusal::Version | Refusal::Key => 400,
            Refusal::Method => 405,
            Refusal::Origin => 403,
        }
    }
}

/// The subprotocols that the server knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subprotocol {
    /// `centrifuge-json`
    Json,
    /// `centrifuge-protobuf`
    Protobuf,
}

impl Subprotocol {
    fn name(self) -> &'static str {
        match self {
            Subprotocol::Json => "centrifuge-json",
            Subprotocol::Protobuf => "centrifuge-protobuf",
        }
    }
}

/// A good upgrade.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The first one of the client's list that the server knows.
    pub subprotocol: Option<Subprotocol>,
}

/// Judges an upgrade request.
///
/// # Errors
/// The first check that fails.
pub fn negotiate(offer: &Offer<'_>, origins: &Origins) -> Result<Accepted, Refusal> {
    if !offer.upgrade_websocket || !offer.connection_upgrade || offer.version_minor == 0 {
        return Err(Refusal::NotAnUpgrade);
    }
    if offer.method != "GET" {
        return Err(Refusal::Method);
    }
    if offer.version != Some(b"13") {
        return Err(Refusal::Version);
    }
    let key = offer.key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16)).ok_or(Refusal::Key)?;
    if !origins.allow(offer.origin) {
        return Err(Refusal::Origin);
    }
    let names = offer.protocols.iter().flat_map(|value| value.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let known = |name: &[u8]| {
        [Subprotocol::Json, Subprotocol::Protobuf].into_iter().find(|protocol| protocol.name().as_bytes() == name)
    };
    Ok(Accepted { accept: accept(key), subprotocol: names.into_iter().find_map(known) })
}

/// The proof that the server has read the key.
pub fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

impl Accepted {
    /// Appends the whole 101 answer.
    pub fn encode(&self, origin: Option<&[u8]>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        // Writing to memory cannot fail.
        _ = write!(out, "Sec-WebSocket-Accept: {}\r\n", self.accept);
        if let Some(subprotocol) = self.subprotocol {
            _ = write!(out, "Sec-WebSocket-Protocol: {}\r\n", subprotocol.name());
        }
        for (name, value) in cors_fields(origin) {
            _ = write!(out, "{name}: {value}\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// CORS fields are on every answer of the endpoint; the origin is echoed, an empty value when there was none.
pub fn cors_fields(origin: Option<&[u8]>) -> [(&'static str, String); 2] {
    let origin = String::from_utf8_lossy(origin.unwrap_or_default()).into_owned();
    [("Access-Control-Allow-Credentials", "true".into()), ("Access-Control-Allow-Origin", origin)]
}

/// The further fields of a refusal.
pub fn refusal_fields(origin: Option<&[u8]>) -> Vec<(&'static str, String)> {
    let mut fields = vec![("Sec-WebSocket-Version", "13".to_string())];
    fields.extend(cors_fields(origin));
    fields
}

/// `client.allowed_origins`, compiled.
#[derive(Debug)]
pub struct Origins {
    any: bool,
    patterns: Vec<Regex>,
}

impl Origins {
    /// Compiles the patterns: `*` is any run of characters, `?` any one character, the rest stands for itself.
    ///
    /// # Errors
    /// A text for the operator that names the pattern.
    pub fn new(patterns: &[String]) -> Result<Origins, String> {
        let any = patterns.iter().any(|pattern| pattern == "*");
        let patterns = patterns.iter().map(|pattern| compile(pattern)).collect::<Result<_, _>>()?;
        Ok(Origins { any, patterns })
    }

    /// A request without an origin comes from no page and is always allowed.
    pub fn allow(&self, origin: Option<&[u8]>) -> bool {
        let Some(origin) = origin.filter(|origin| !origin.is_empty()) else { return true };
        let Ok(origin) = std::str::from_utf8(origin) else { return self.any };
        let origin = origin.to_lowercase();
        self.any || self.patterns.iter().any(|pattern| pattern.is_match(&origin))
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let mut text = String::from(r"(?s)\A");
    for c in pattern.to_lowercase().chars() {
        match c {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            other => text.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    text.push_str(r"\z");
    Regex::new(&text).map_err(|e| format!("pattern \"{pattern}\" cannot be used: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

    fn offer() -> Offer<'static> {
        Offer {
            method: "GET",
            version_minor: 1,
            upgrade_websocket: true,
            connection_upgrade: true,
            version: Some(b"13"),
            key: Some(KEY),
            ..Offer::default()
        }
    }

    fn origins(patterns: &[&str]) -> Origins {
        Origins::new(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("patterns")
    }

    #[test]
    fn the_answer_to_the_key_of_the_rfc() {
        assert_eq!(accept(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_refusal_has_its_status() {
        let rows = [
            (Offer { upgrade_websocket: false, ..offer() }, 400),
            (Offer { connection_upgrade: false, method: "POST", ..offer() }, 400),
            (Offer { method: "POST", ..offer() }, 405),
            (Offer { version: Some(b"12"), ..offer() }, 400),
            (Offer { version: None, ..offer() }, 400),
            (Offer { key: None, ..offer() }, 400),
            (Offer { key: Some(b"c2hvcnQ="), ..offer() }, 400),
            (Offer { origin: Some(b"https://evil.example"), ..offer() }, 403),
        ];
        for (offer, status) in rows {
            assert_eq!(negotiate(&offer, &origins(&[])).map_err(Refusal::status).err(), Some(status), "{offer:?}");
        }
    }

    #[test]
    fn the_first_known_subprotocol_of_the_client_is_chosen() {
        let chosen =
            |list: &[&[u8]]| negotiate(&Offer { protocols: list, ..offer() }, &origins(&[])).map(|a| a.subprotocol);
        assert_eq!(chosen(&[b"x, centrifuge-protobuf", b"centrifuge-json"]), Ok(Some(Subprotocol::Protobuf)));
        assert_eq!(chosen(&[b"centrifuge-json,centrifuge-protobuf"]), Ok(Some(Subprotocol::Json)));
        assert_eq!(chosen(&[b"mqtt"]), Ok(None));
    }

    #[test]
    fn the_answer_echoes_the_origin() {
        let mut out = Vec::new();
        let accepted = negotiate(&Offer { protocols: &[b"centrifuge-json"], ..offer() }, &origins(&[])).expect("good");
        accepted.encode(Some(b"https://a.example"), &mut out);
        let text = String::from_utf8(out).expect("text");
        assert!(text.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && text.ends_with("\r\n\r\n"));
        assert!(text.contains("Sec-WebSocket-Protocol: centrifuge-json\r\n"));
        assert!(text.contains("Access-Control-Allow-Origin: https://a.example\r\n"));
    }

    #[test]
    fn origins_are_patterns_over_the_lower_cased_origin() {
        let rows: &[(&[&str], &str, bool)] = &[
            (&[], "https://a.example", false),
            (&["*"], "https://a.example", true),
            (&["https://a.example"], "HTTPS://A.example", true),
            (&["https://*.example.com"], "https://x.example.com", true),
            (&["https://*.example.com"], "https://example.com", false),
            (&["https://a.example"], "https://a.example.evil", false),
            (&["http://b", "https://a.?"], "https://a.x", true),
        ];
        for (patterns, origin, allowed) in rows {
            assert_eq!(origins(patterns).allow(Some(origin.as_bytes())), *allowed, "{patterns:?} {origin}");
        }
        assert!(origins(&[]).allow(None), "no page, no origin");
    }
}
