use super::*;
use crate::proto::api::{BatchRequest, BroadcastRequest, Command, PublishRequest, SubscribeRequest};
use crate::proto::client::{FilterNode, SubscribeRequest as ClientSubscribe};

fn publish(document: &str) -> Result<PublishRequest, Malformed> {
    decode(document.as_bytes())
}

#[test]
fn keys_are_matched_in_any_case_and_the_last_one_wins() {
    let channel = |document: &str| publish(document).map(|p| p.channel);
    assert_eq!(channel(r#"{"Channel":"a"}"#), Ok("a".into()));
    assert_eq!(channel(r#"{"channel":"a","CHANNEL":"b"}"#), Ok("b".into()));
    assert_eq!(channel(r#"{"CHANNEL":"b","channel":"a"}"#), Ok("a".into()));
    assert_eq!(channel("{\"\\u0063hannel\":\"a\"}"), Ok("a".into()));
    let skip = publish("{\"\u{17f}\u{212a}ip_history\":true}").map(|p| p.skip_history);
    assert_eq!(skip, Ok(true), "the letters that fold to s and k");
    assert_eq!(publish(r#"{"skipHistory":true,"unknown":[{"x":1}]}"#), Ok(PublishRequest::default()));
}

#[test]
fn what_is_no_document_is_refused() {
    for bad in [
        "",
        " ",
        "[]",
        "\"x\"",
        "1",
        "{",
        "{} x",
        "{}{}",
        "\u{feff}{}",
        "{/*c*/}",
        "{\"channel\":\"a\",}",
        "{'channel':1}",
        "{\"data\":NaN}",
        "{\"data\":01}",
        "{\"channel\":\"a\nb\"}",
        "{\"data\":{bad}}",
    ] {
        assert_eq!(publish(bad), Err(Malformed), "{bad:?}");
    }
    assert_eq!(publish("null"), Ok(PublishRequest::default()));
    assert_eq!(publish(" \n{ } \r\n"), Ok(PublishRequest::default()));
}

#[test]
fn null_is_nothing_except_in_raw_fields() {
    let request =
        publish(r#"{"channel":null,"skip_history":null,"tags":null,"version":null,"data":null}"#).expect("good");
    assert_eq!(request, PublishRequest { data: "null".into(), ..PublishRequest::default() });
    assert_eq!(publish(r#"{"tags":{"a":null}}"#).map(|p| p.tags["a"].clone()), Ok(String::new()));
    let broadcast: BroadcastRequest = decode(br#"{"channels":["a",null]}"#).expect("good");
    assert_eq!(broadcast.channels, ["a", ""]);
    let subscribe: SubscribeRequest = decode(br#"{"override":{"presence":{}},"recover_since":null}"#).expect("good");
    assert!(
        subscribe.r#override.is_some_and(|o| o.presence.is_some_and(|p| !p.value)) && subscribe.recover_since.is_none()
    );
}

#[test]
fn types_are_strict() {
    for bad in [
        r#"{"channel":1}"#,
        r#"{"channel":["a"]}"#,
        r#"{"skip_history":"true"}"#,
        r#"{"skip_history":1}"#,
        r#"{"idempotency_key":123}"#,
        r#"{"tags":{"a":1}}"#,
        r#"{"tags":[]}"#,
        r#"{"version":-1}"#,
        r#"{"version":1.0}"#,
        r#"{"version":1e1}"#,
        r#"{"version":"5"}"#,
        r#"{"version":18446744073709551616}"#,
    ] {
        assert_eq!(publish(bad), Err(Malformed), "{bad}");
    }
    assert_eq!(publish(r#"{"version":18446744073709551615}"#).map(|p| p.version), Ok(u64::MAX));
    assert!(decode::<SubscribeRequest>(br#"{"override":{"presence":true}}"#).is_err(), "a bare bool is no BoolValue");
    assert!(decode::<BroadcastRequest>(br#"{"channels":"a"}"#).is_err());
    assert!(decode::<BatchRequest>(br#"{"commands":{}}"#).is_err());
    assert!(decode::<Command>(br#"{"id":-1}"#).is_err());
}

#[test]
fn raw_fields_keep_every_byte() {
    let data = "{ \"b\" : 1.0, \"a\":\"\\u0041\\/<&>\",  \"a\": 1e2 ,\n\"n\":12345678901234567890123456789012345678901234567890}";
    let request = publish(&format!("{{\"data\":  {data}  }}")).expect("good");
    assert_eq!(request.data, data.as_bytes());
}

#[test]
fn strings_are_lenient() {
    let channel = |document: &[u8]| decode::<PublishRequest>(document).map(|p| p.channel);
    assert_eq!(channel(br#"{"channel":"\u0068ist:\t\"\\\/"}"#), Ok("hist:\t\"\\/".into()));
    assert_eq!(channel(br#"{"channel":"\ud83d\ude00"}"#), Ok("\u{1f600}".into()));
    assert_eq!(channel(br#"{"channel":"\ud800x"}"#), Ok("\u{fffd}x".into()));
    assert_eq!(channel(br#"{"channel":"\ude00\ud800\u0041"}"#), Ok("\u{fffd}\u{fffd}A".into()));
    assert_eq!(channel(b"{\"channel\":\"a\xff\xfe\"}"), Ok("a\u{fffd}\u{fffd}".into()));
    let data = decode::<PublishRequest>(b"{\"data\":\"\\ud800 \xff\"}").map(|p| p.data);
    assert_eq!(data, Ok("\"\\ud800 \u{fffd}\"".into()), "escapes stay, broken bytes cannot");
}

#[test]
fn nesting_has_a_bound() {
    let nested = |depth: usize| format!("{{\"data\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(publish(&nested(9_999)).is_ok());
    assert_eq!(publish(&nested(10_001)), Err(Malformed));
    let brackets = format!("{{\"data\":\"{}\"}}", "[\\\"".repeat(10_001));
    assert!(publish(&brackets).is_ok(), "brackets within a string do not count");
    let filter = |depth: usize| format!("{{\"tf\":{}{{}}{}}}", "{\"nodes\":[".repeat(depth), "]}".repeat(depth));
    assert!(decode::<ClientSubscribe>(filter(30).as_bytes()).is_ok());
    assert!(decode::<ClientSubscribe>(filter(100_000).as_bytes()).is_err(), "recursion is bounded");
}

#[test]
fn only_the_first_value_of_a_line_counts() {
    let first = |line: &str| decode_first::<PublishRequest>(line.as_bytes()).map(|p| p.channel);
    assert_eq!(first(r#"{"channel":"a"}{"channel":"b"}"#), Ok("a".into()));
    assert_eq!(first(r#"{"channel":"a"} garbage"#), Ok("a".into()));
    assert_eq!(first(r#"{"channel":"a""#), Err(Malformed));
}

#[test]
fn the_api_compacts_and_escapes_raw_json() {
    let node = FilterNode { key: "<".into(), vals: vec!["a".into()], ..FilterNode::default() };
    let mut out = Vec::new();
    encode(&node, &mut out).expect("JSON");
    assert_eq!(out, br#"{"key":"\u003c","vals":["a"]}"#);
    let request =
        PublishRequest { data: "{ \"a b\" : [1,\n \"<\\\" &\u{2028}\u{e9}\"] }".into(), ..PublishRequest::default() };
    out.clear();
    encode(&request, &mut out).expect("JSON");
    assert_eq!(String::from_utf8(out).expect("text"), "{\"data\":{\"a b\":[1,\"\\u003c\\\" \\u0026\\u2028\u{e9}\"]}}");
    let octets = PublishRequest { data: vec![0].into(), ..PublishRequest::default() };
    assert_eq!(encode(&octets, &mut Vec::new()), Err(NotJson));
}
