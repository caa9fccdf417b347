//! Every kind of bad input gets its answer; the process lives and other connections see nothing of it.

use super::CONFIG;
use super::common::server::{Server, parse_answer};
use super::common::socket::Socket;
use corecast::wire::websocket::Opcode;
use std::io::{Read, Write};

/// Sends bytes on a connection of their own and reads to the end of the stream.
fn exchange(server: &Server, bytes: &[u8]) -> (u16, String) {
    let mut stream = server.connect();
    stream.write_all(bytes).expect("open");
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    parse_answer(&answer)
}

#[test]
fn ambiguous_and_broken_http_is_refused_and_closed() {
    let server = Server::start(CONFIG, 1);
    let mut witness = Socket::subscribed(&server, &["open:w"]);
    let post = "POST /api/info HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\n";
    let rows: &[(u16, String)] = &[
        (400, format!("{post}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}")),
        (400, format!("{post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{{}}")),
        (400, format!("{post}Content-Length: +2\r\n\r\n{{}}")),
        (400, format!("{post}Content-Length: -2\r\n\r\n{{}}")),
        (400, format!("{post}Content-Length: 99999999999999999999\r\n\r\n{{}}")),
        (400, format!("{post}Content-Length : 2\r\n\r\n{{}}")),
        (400, format!("{post}X: a\r\n b\r\nContent-Length: 2\r\n\r\n{{}}")),
        (400, "POST /api/info HTTP/1.1\nHost: t\nContent-Length: 2\n\n{}".into()),
        (400, "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into()),
        (400, "GET /health HTTP/1.1\r\n\r\n".into()),
        (400, "GET /he\0alth HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "nonsense\r\n\r\n".into()),
        (501, format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n")),
        (400, format!("{post}Transfer-Encoding: gzip\r\n\r\n")),
        (400, format!("{post}Transfer-Encoding: chunked\r\n\r\n0x2\r\n{{}}\r\n0\r\n\r\n")),
        (417, format!("{post}Expect: more\r\nContent-Length: 2\r\n\r\n{{}}")),
        (413, format!("{post}Content-Length: 68719476736\r\n\r\n")),
        (431, format!("GET /health HTTP/1.1\r\nHost: t\r\n{}\r\n", "X: y\r\n".repeat(200))),
        (431, format!("GET /health HTTP/1.1\r\nHost: t\r\nX: {}\r\n\r\n", "y".repeat(100_000))),
        (505, "GET /health HTTP/2.0\r\nHost: t\r\n\r\n".into()),
    ];
    for (status, request) in rows {
        let (got, _) = exchange(&server, request.as_bytes());
        assert_eq!(got, *status, "{:?}", &request[..request.len().min(120)]);
    }
    assert_eq!(server.api("publish", r#"{"channel":"open:w","data":7}"#), (200, r#"{"result":{}}"#.into()));
    assert_eq!(witness.text().as_deref(), Some(r#"{"push":{"channel":"open:w","pub":{"data":7}}}"#));
}

#[test]
fn the_order_of_checks_of_the_api_is_centrifugos() {
    let server = Server::start(CONFIG, 1);
    let rows: &[(&str, &str, &str, &str, u16, &str)] = &[
        ("GET", "/api/publish", "", "", 405, ""),
        ("OPTIONS", "/api/publish", "X-API-Key: k\r\n", "", 405, ""),
        ("POST", "/api/unknown", "", "{}", 404, "404 page not found\n"),
        ("POST", "/api/publish/", "X-API-Key: k\r\n", "{}", 404, "404 page not found\n"),
        ("POST", "/API/publish", "X-API-Key: k\r\n", "{}", 404, "404 page not found\n"),
        ("POST", "/api%2Fpublish", "X-API-Key: k\r\n", "{}", 404, "404 page not found\n"),
        ("POST", "/api/publis%68", "X-API-Key: k\r\n", "{bad", 400, "Bad Request\n"),
        ("POST", "/api/info", "", "{}", 401, ""),
        ("POST", "/api/info", "X-API-Key: bad\r\nAuthorization: apikey k\r\n", "{}", 401, ""),
        ("POST", "/api/info?api_key=bad", "", "{}", 401, ""),
        (
            "POST",
            "/api/publish?api_key=k",
            "X-API-Key: bad\r\n",
            r#"{"channel":"open:a","data":1}"#,
            200,
            r#"{"result":{}}"#,
        ),
        (
            "POST",
            "/api/publish",
            "Authorization: ApiKey   k\r\n",
            r#"{"channel":"open:a","data":1}"#,
            200,
            r#"{"result":{}}"#,
        ),
        ("POST", "/api/publish", "X-API-Key: k\r\n", "", 400, "Bad Request\n"),
        ("POST", "/api/publish", "X-API-Key: k\r\n", "{}{}", 400, "Bad Request\n"),
        ("POST", "/api/publish", "X-API-Key: k\r\n", "null", 200, r#"{"error":{"code":107,"message":"bad request"}}"#),
        (
            "POST",
            "/api/publish",
            "X-API-Key: k\r\n",
            r#"{"channel":"nope:a","data":1}"#,
            200,
            r#"{"error":{"code":102,"message":"unknown channel"}}"#,
        ),
        (
            "POST",
            "/api/publish",
            "X-API-Key: k\r\n",
            r#"{"channel":"nope:a"}"#,
            200,
            r#"{"error":{"code":107,"message":"bad request"}}"#,
        ),
        (
            "POST",
            "/api/publish",
            "X-API-Key: k\r\nX-Centrifugo-Error-Mode: transport\r\n",
            r#"{"channel":"nope:a","data":1}"#,
            404,
            r#"{"code":102,"message":"unknown channel"}"#,
        ),
        (
            "POST",
            "/api/publish",
            "X-API-Key: k\r\nX-Centrifugo-Error-Mode: Transport\r\n",
            "{}",
            200,
            r#"{"error":{"code":107,"message":"bad request"}}"#,
        ),
        (
            "POST",
            "/api/broadcast",
            "X-API-Key: k\r\n",
            r#"{"channels":[],"data":1}"#,
            200,
            r#"{"error":{"code":107,"message":"bad request"}}"#,
        ),
        (
            "POST",
            "/api/broadcast",
            "X-API-Key: k\r\n",
            r#"{"channels":["a",null],"data":1}"#,
            200,
            r#"{"result":{"responses":[{"result":{}},{"error":{"code":107,"message":"bad request"}}]}}"#,
        ),
        ("POST", "/api/batch", "X-API-Key: k\r\n", "{}", 200, "{}"),
        (
            "POST",
            "/api/batch",
            "X-API-Key: k\r\n",
            r#"{"commands":[{},null,{"publish":{}},{"info":{},"publish":{"channel":"a","data":1}}],"parallel":true}"#,
            200,
            r#"{"replies":[{"error":{"code":104,"message":"not found"}},{"error":{"code":107,"message":"bad request"}},{"error":{"code":107,"message":"bad request"}},{"publish":{}}]}"#,
        ),
        ("GET", "/health", "", "", 200, "{}"),
        ("HEAD", "/health", "", "", 200, ""),
    ];
    for (method, path, fields, body, status, expected) in rows {
        let got = server.request(method, path, fields, body);
        assert_eq!(got, (*status, expected.to_string()), "{method} {path} {body}");
    }
}

#[test]
fn requests_may_be_pipelined_chunked_and_announced() {
    let server = Server::start(CONFIG, 2);
    let one = |n: usize| {
        let body = format!(r#"{{"channel":"open:{n}","data":1}}"#);
        format!("POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let mut all: String = (0..50).map(one).collect();
    all.push_str("GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let mut stream = server.connect();
    stream.write_all(all.as_bytes()).expect("open");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("answers");
    assert_eq!(answers.matches(r#"{"result":{}}"#).count(), 50);
    assert!(answers.ends_with("\r\n\r\n{}"), "in order");
    let chunked = "POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                   11\r\n{\"channel\":\"open:\r\n0c;x=y\r\na\",\"data\":1}\r\n0\r\nX-Checksum: x\r\n\r\n";
    assert_eq!(exchange(&server, chunked.as_bytes()), (200, r#"{"result":{}}"#.into()));
    let mut stream = server.connect();
    let head = "POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 29\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("open");
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).expect("an interim answer");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(br#"{"channel":"open:a","data":1}"#).expect("open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    assert_eq!(parse_answer(&answer), (200, r#"{"result":{}}"#.into()));
}

#[test]
fn a_large_body_arrives_whole() {
    let server = Server::start(CONFIG, 1);
    let data = "x".repeat(20 << 20);
    assert_eq!(
        server.api("publish", &format!(r#"{{"channel":"open:a","data":"{data}"}}"#)),
        (200, r#"{"result":{}}"#.into())
    );
}

#[test]
fn broken_websocket_frames_have_their_close_codes() {
    let server = Server::start(CONFIG, 1);
    let mut witness = Socket::subscribed(&server, &["open:w"]);
    let big = vec![b' '; 65537];
    type Row<'a> = (u16, &'a dyn Fn(&mut Socket) -> Vec<u8>);
    let rows: &[Row<'_>] = &[
        (1002, &|_| vec![0x81, 0x02, b'{', b'}']),
        (1002, &|s| [&[0xc1], &s.frame(Opcode::Text, b"{}")[1..]].concat()),
        (1002, &|s| [&[0x83], &s.frame(Opcode::Text, b"{}")[1..]].concat()),
        (1002, &|s| s.frame(Opcode::Continuation, b"{}")),
        (1002, &|s| s.frame(Opcode::Close, &[3])),
        (1007, &|s| s.frame(Opcode::Text, &[0xff])),
        (1009, &|s| s.frame(Opcode::Text, &big)),
        (3501, &|s| s.frame(Opcode::Text, b"x")),
        (3501, &|s| s.frame(Opcode::Text, b"")),
    ];
    for (code, bytes) in rows {
        let mut socket = Socket::open(&server);
        let bytes = bytes(&mut socket);
        socket.send_raw(&bytes);
        let closed = socket.closed().expect("a close frame");
        assert_eq!(closed.0, *code, "{closed:?}");
        assert!(*code != 1009 || closed.1.is_empty(), "no reason for a message that is too big");
        socket.close(closed.0);
        assert!(socket.next().is_none(), "then TCP ends");
    }
    assert_eq!(server.api("publish", r#"{"channel":"open:w","data":7}"#).0, 200);
    assert_eq!(witness.text().as_deref(), Some(r#"{"push":{"channel":"open:w","pub":{"data":7}}}"#));
}

#[test]
fn control_frames_and_the_closing_handshake_follow_the_rfc() {
    use super::common::ws::Arrival;
    let server = Server::start(CONFIG, 1);
    let mut socket = Socket::open(&server);
    let ping = socket.frame(Opcode::Ping, b"are you there");
    socket.send_raw(&ping);
    assert_eq!(socket.next(), Some(Arrival::Pong(b"are you there".to_vec())));
    // A command in three fragments with a ping between them.
    let mut first = socket.frame(Opcode::Text, br#"{"id":1,"#);
    first[0] = 0x01;
    let ping = socket.frame(Opcode::Ping, b"");
    let mut middle = socket.frame(Opcode::Continuation, br#""conn"#);
    middle[0] = 0x00;
    let last = socket.frame(Opcode::Continuation, br#"ect":{}}"#);
    socket.send_raw(&[first, ping, middle, last].concat());
    assert_eq!(socket.next(), Some(Arrival::Pong(Vec::new())));
    assert!(socket.text().is_some_and(|text| text.starts_with(r#"{"id":1,"connect":{"client":""#)));
    socket.close(4321);
    assert_eq!(socket.next(), Some(Arrival::Close(Some(4321), String::new())), "the same code, no reason");
    assert_eq!(socket.next(), None);
}

#[test]
fn upgrades_are_judged_as_centrifugo_does() {
    let server = Server::start(CONFIG, 1);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let both = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let rows = [
        ("GET", String::new(), 400),
        ("POST", format!("{both}Sec-WebSocket-Version: 13\r\n{key}"), 405),
        ("GET", format!("{both}Sec-WebSocket-Version: 8\r\n{key}"), 400),
        ("GET", format!("{both}Sec-WebSocket-Version: 13\r\n"), 400),
        ("GET", format!("{both}Sec-WebSocket-Version: 13\r\n{key}Origin: https://evil.example\r\n"), 403),
    ];
    for (method, fields, status) in rows {
        let request =
            format!("{method} /connection/websocket HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{fields}\r\n");
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).expect("open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert_eq!(parse_answer(&answer).0, status, "{fields}");
        let head = String::from_utf8_lossy(&answer).to_string();
        assert!(
            head.contains("Sec-WebSocket-Version: 13\r\n")
                && head.contains("Access-Control-Allow-Credentials: true\r\n")
        );
    }
    let good = format!(
        "GET /connection/websocket HTTP/1.1\r\nHost: t\r\n{both}Sec-WebSocket-Version: 13\r\n{key}Origin: https://good.example\r\nSec-WebSocket-Protocol: x, centrifuge-protobuf\r\n\r\n"
    );
    let mut stream = server.connect();
    stream.write_all(good.as_bytes()).expect("open");
    let mut answer = [0; 4096];
    let n = stream.read(&mut answer).expect("an answer");
    let head = String::from_utf8_lossy(&answer[..n]);
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
    );
    assert!(head.contains("Sec-WebSocket-Protocol: centrifuge-protobuf\r\n"));
    assert!(head.contains("Access-Control-Allow-Origin: https://good.example\r\n"));
}
