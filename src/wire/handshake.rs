//! The WebSocket handshake (RFC 6455 4.2) as Centrifugo judges it: what an upgrade request must say, and the
//! fields of the answers (client-protocol 1.1, 1.7). Reads no HTTP by itself: the caller fills an [`Offer`]. Whose origin is
//! allowed and which offers of compression are agreed to stands in sibling files.

use super::deflate_offers;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1::{Digest, Sha1};
use std::io::Write;

pub use super::handshake_origins::Origins;

/// RFC 6455 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Only the key's length matters, and the sample key of RFC 6455 4.1 itself ends in set trailing bits.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
/// 16 bytes in base64.
const KEY_CHARS: usize = 24;

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
    /// All values of `Sec-WebSocket-Extensions`; none where no extension is wanted.
    pub extensions: &'a [&'a [u8]],
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
    /// Messages may be compressed.
    pub deflate: bool,
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
    let key = offer.key.filter(|key| is_key(key)).ok_or(Refusal::Key)?;
    if !origins.allow(offer.origin) {
        return Err(Refusal::Origin);
    }
    let names = offer.protocols.iter().flat_map(|value| value.split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let known = |name: &[u8]| {
        [Subprotocol::Json, Subprotocol::Protobuf].into_iter().find(|protocol| protocol.name().as_bytes() == name)
    };
    Ok(Accepted {
        accept: accept(key),
        subprotocol: names.into_iter().find_map(known),
        deflate: deflate_offers::has_acceptable(offer.extensions),
    })
}

fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; KEY_CHARS / 4 * 3];
    key.len() == KEY_CHARS && LENIENT.decode_slice(key, &mut bytes) == Ok(16)
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
        if self.deflate {
            _ = write!(out, "Sec-WebSocket-Extensions: {}\r\n", deflate_offers::AGREED);
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
    fn a_key_is_sixteen_bytes_in_base64() {
        let rows: &[(&[u8], bool)] = &[
            (KEY, true),
            (b"AQIDBAUGBwgJCgsMDQ4PEC==", true), // The sample of RFC 6455 4.1, whose last bits are set.
            (b"", false),
            (b"c2hvcnQ=", false),
            (b"dGhlIHNhbXBsZSBub25jZQ", false),   // No padding.
            (b"dGhlIHNhbXBsZSBub25jZTE=", false), // 17 bytes.
            (b"dGhlIHNhbXBsZSBub25jZTEy", false), // 18 bytes.
            (b"dGhlIHNhbXBsZSBub25j\xff\xff==", false),
            (b"dGhlIHNhbXBsZSBub25jZ_==", false), // The alphabet of URLs.
            (b"dGhlIHNhbXBsZSBub25jZQ====", false),
        ];
        for (key, good) in rows {
            let refusal = negotiate(&Offer { key: Some(key), ..offer() }, &origins(&[])).err();
            assert_eq!(refusal, (!good).then_some(Refusal::Key), "{key:?}");
        }
    }

    #[test]
    fn each_refusal_has_its_status() {
        let rows = [
            (Offer { upgrade_websocket: false, ..offer() }, Refusal::NotAnUpgrade, 400),
            (Offer { connection_upgrade: false, ..offer() }, Refusal::NotAnUpgrade, 400),
            (Offer { version_minor: 0, ..offer() }, Refusal::NotAnUpgrade, 400),
            (Offer { method: "POST", ..offer() }, Refusal::Method, 405),
            (Offer { method: "get", ..offer() }, Refusal::Method, 405),
            (Offer { version: Some(b"12"), ..offer() }, Refusal::Version, 400),
            (Offer { version: None, ..offer() }, Refusal::Version, 400),
            (Offer { key: None, ..offer() }, Refusal::Key, 400),
            (Offer { origin: Some(b"https://evil.example"), ..offer() }, Refusal::Origin, 403),
        ];
        for (offer, refusal, status) in rows {
            assert_eq!(negotiate(&offer, &origins(&[])).err(), Some(refusal), "{offer:?}");
            assert_eq!(refusal.status(), status, "{refusal:?}");
        }
    }

    #[test]
    fn the_first_failing_check_decides() {
        let mut offer = Offer { origin: Some(b"https://evil.example"), version_minor: 1, ..Offer::default() };
        let refused = |offer: &Offer<'_>| negotiate(offer, &origins(&[])).err();
        assert_eq!(refused(&offer), Some(Refusal::NotAnUpgrade));
        (offer.upgrade_websocket, offer.connection_upgrade) = (true, true);
        assert_eq!(refused(&offer), Some(Refusal::Method));
        offer.method = "GET";
        assert_eq!(refused(&offer), Some(Refusal::Version));
        offer.version = Some(b"13");
        assert_eq!(refused(&offer), Some(Refusal::Key));
        offer.key = Some(KEY);
        assert_eq!(refused(&offer), Some(Refusal::Origin));
        offer.origin = None;
        assert_eq!(refused(&offer), None, "no page opened it");
    }

    #[test]
    fn the_first_known_subprotocol_of_the_client_is_chosen() {
        let chosen =
            |list: &[&[u8]]| negotiate(&Offer { protocols: list, ..offer() }, &origins(&[])).map(|a| a.subprotocol);
        assert_eq!(chosen(&[b"x, centrifuge-protobuf", b"centrifuge-json"]), Ok(Some(Subprotocol::Protobuf)));
        assert_eq!(chosen(&[b"centrifuge-json,centrifuge-protobuf"]), Ok(Some(Subprotocol::Json)));
        assert_eq!(chosen(&[b"mqtt", b",, ", b"Centrifuge-Json"]), Ok(None));
        assert_eq!(chosen(&[]), Ok(None));
    }

    #[test]
    fn the_answer_says_what_was_agreed_and_nothing_else() {
        let answer = |protocols: &[&[u8]], origin: Option<&[u8]>| {
            let mut out = Vec::new();
            let offer = Offer { protocols, origin, ..offer() };
            negotiate(&offer, &origins(&["*"])).expect("good").encode(origin, &mut out);
            String::from_utf8(out).expect("text")
        };
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
        let cors = "Access-Control-Allow-Credentials: true\r\nAccess-Control-Allow-Origin: ";
        assert_eq!(
            answer(&[b"centrifuge-json"], Some(b"https://a.example")),
            format!("{head}Sec-WebSocket-Protocol: centrifuge-json\r\n{cors}https://a.example\r\n\r\n")
        );
        assert_eq!(answer(&[], None), format!("{head}{cors}\r\n\r\n"), "an empty value when none was sent");
    }

    #[test]
    fn compression_is_agreed_to_without_parameters_of_its_own() {
        let answer = |extensions: &[&[u8]]| {
            let mut out = Vec::new();
            negotiate(&Offer { extensions, ..offer() }, &origins(&[])).expect("good").encode(None, &mut out);
            let text = String::from_utf8(out).expect("text");
            text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: ").map(String::from))
        };
        let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(answer(&[b"permessage-deflate; client_max_window_bits"]).as_deref(), Some(agreed));
        assert_eq!(answer(&[b"permessage-deflate; server_max_window_bits=9"]), None);
        assert_eq!(answer(&[]), None);
    }

    #[test]
    fn a_refusal_tells_the_version_and_the_origin() {
        let fields = refusal_fields(Some(b"https://a.example"));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let expected = [
            ("Sec-WebSocket-Version", "13"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Origin", "https://a.example"),
        ];
        assert_eq!(fields, expected);
    }
}
