//! Upgrades to WebSocket, from the bytes of the request on. Who is accepted has asked for it in every field, in the naive
//! reading of RFC 6455 4.2.1; the answer is one head that no field of the request can break; compression was offered.

use super::script::Script;
use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use corecast::config::settings::Settings;
use corecast::transport::websocket::upgrade;
use corecast::wire::handshake::{Origins, accept};
use corecast::wire::http1::{Decoder, Head, Limits, Step};
use std::sync::LazyLock;

/// Patterns of the operator; the second one has none.
static ORIGINS: LazyLock<[Origins; 4]> = LazyLock::new(|| {
    [&["*"][..], &[], &["https://a.example"], &["http{,s}://*.a.example"]].map(|patterns| {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        Origins::new(&patterns).expect("good patterns")
    })
});
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (at, compression) = (script.below(ORIGINS.len()), script.flag());
    let mut settings = Settings::default();
    settings.websocket.compression = compression;
    settings.client.user_id_http_header = "X-User".into();
    let mut decoder = Decoder::new();
    let Ok(Step::Request(request)) = decoder.decode(script.rest(), &Limits::default(), &mut |_| 100) else { return };
    let head = &request.head;
    match upgrade(&request, &ORIGINS[at], &settings) {
        Ok(upgrade) => {
            let reply = String::from_utf8(upgrade.reply).expect("a head is text here");
            accepted(head, &reply, at == 1, compression);
            let user = head.fields("x-user").next().filter(|value| !value.is_empty());
            let expected = user.map(|user| String::from_utf8_lossy(user).into_owned());
            assert_eq!(upgrade.opening.header_user.map(|user| user.to_string()), expected);
        }
        Err(answer) => {
            assert!(matches!(answer.status, 400 | 403 | 405));
            assert!(answer.fields.iter().all(|(_, value)| !value.contains(['\r', '\n', '\0'])));
        }
    }
}

fn has_word(head: &Head<'_>, name: &str, word: &str) -> bool {
    let text: Vec<String> = head.fields(name).map(|value| String::from_utf8_lossy(value).to_lowercase()).collect();
    text.join(",").split(',').any(|item| item.trim() == word)
}

fn accepted(head: &Head<'_>, reply: &str, denies_pages: bool, compression: bool) {
    assert!(head.method == "GET" && head.version_minor == 1);
    assert!(has_word(head, "upgrade", "websocket") && has_word(head, "connection", "upgrade"));
    assert_eq!(head.field("sec-websocket-version"), Some(&b"13"[..]));
    let key = head.field("sec-websocket-key").expect("a key");
    assert_eq!(BASE64.decode(key).map(|bytes| bytes.len()), Ok(16));
    let origin = head.field("origin").filter(|origin| !origin.is_empty());
    assert!(!denies_pages || origin.is_none(), "no page is allowed");
    let lines: Vec<&str> = reply.split("\r\n").collect();
    let has_protocol = reply.contains("\r\nSec-WebSocket-Protocol: ");
    let has_deflate = reply.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; server_no");
    // The status, three fields of the upgrade, two of CORS, two that are agreed on, and the end.
    assert_eq!(lines.len(), 8 + usize::from(has_protocol) + usize::from(has_deflate), "{reply}");
    assert_eq!(lines[0], "HTTP/1.1 101 Switching Protocols");
    assert!(reply.ends_with("\r\n\r\n") && !lines.iter().any(|line| line.contains(['\r', '\n', '\0'])));
    assert_eq!(lines[3], format!("Sec-WebSocket-Accept: {}", accept(key)));
    if has_deflate {
        let offers: Vec<&[u8]> = head.fields("sec-websocket-extensions").collect();
        let is_offered = |field: &[u8]| String::from_utf8_lossy(field).contains("permessage-deflate");
        assert!(compression && offers.into_iter().any(is_offered));
    }
    for name in ["centrifuge-json", "centrifuge-protobuf"] {
        let is_chosen = reply.contains(&format!("\r\nSec-WebSocket-Protocol: {name}\r\n"));
        let is_offered =
            head.fields("sec-websocket-protocol").any(|value| String::from_utf8_lossy(value).contains(name));
        assert!(!is_chosen || is_offered);
    }
}
