//! The endpoint that conformance suites talk to: it is there only where it is asked for, and changes nothing.

use super::CONFIG;
use super::common::server::{Server, parse_answer};
use super::common::socket::Socket;
use super::common::ws::{Arrival, DEFLATE, Peer, upgrade};
use corecast::wire::websocket::Opcode;
use std::io::{Read, Write};
use std::net::TcpStream;

fn echo_server(cores: usize) -> Server {
    let config = r#"{"corecast": {"echo": {"enabled": true}}, "websocket": {"compression": true, "message_size_limit": 100000},"#;
    Server::start(&CONFIG.replacen('{', config, 1), cores)
}

/// A WebSocket to the echo endpoint.
fn open(server: &Server, fields: &str) -> (TcpStream, Peer) {
    let mut stream = server.connect();
    let request = String::from_utf8(upgrade("", fields)).expect("text").replace("/websocket ", "/echo ");
    stream.write_all(request.as_bytes()).expect("open");
    (stream, Peer::default())
}

/// The next `count` things that arrive; fewer when the stream ends.
fn arrivals(stream: &mut TcpStream, peer: &mut Peer, count: usize) -> Vec<Arrival> {
    let (mut arrived, mut buffer) = (Vec::new(), vec![0; 65536]);
    while arrived.len() < count {
        match stream.read(&mut buffer).expect("the server answers") {
            0 => break,
            n => arrived.extend(peer.take(&buffer[..n])),
        }
    }
    arrived
}

#[test]
fn messages_come_back_as_they_are_compressed_where_that_was_agreed_on() {
    for (cores, fields) in [(1, ""), (2, DEFLATE)] {
        let mut server = echo_server(cores);
        let (mut stream, mut peer) = open(&server, fields);
        let long = vec![b'x'; 90_000];
        let frames = [
            peer.frame(Opcode::Text, "grüße".as_bytes()),
            peer.frame(Opcode::Ping, b"p"),
            peer.frame(Opcode::Binary, &[0, 255, 1]),
            peer.frame(Opcode::Binary, &long),
        ];
        stream.write_all(&frames.concat()).expect("open");
        let expected = [
            Arrival::Text("grüße".into()),
            Arrival::Pong(b"p".into()),
            Arrival::Binary(vec![0, 255, 1]),
            Arrival::Binary(long),
        ];
        assert_eq!(arrivals(&mut stream, &mut peer, 4), expected);
        assert_eq!((peer.has_deflate(), peer.deflated > 0), (cores == 2, cores == 2));
        // What came before a violation is on the wire before the close frame, though all came in one read.
        let last = [peer.frame(Opcode::Text, b"last"), vec![0x81, 0x01, b'x']].concat();
        stream.write_all(&last).expect("open");
        let end = arrivals(&mut stream, &mut peer, 3);
        assert_eq!(end[0], Arrival::Text(b"last".into()));
        assert!(matches!(end[1], Arrival::Close(Some(1002), _)) && end.len() == 2, "{end:?}");
        // An open one does not keep the server from ending.
        let (mut open_one, mut its_peer) = open(&server, "");
        let frame = its_peer.frame(Opcode::Text, b"here");
        open_one.write_all(&frame).expect("open");
        assert_eq!(arrivals(&mut open_one, &mut its_peer, 1), [Arrival::Text(b"here".into())]);
        server.signal("TERM");
        assert_eq!(arrivals(&mut open_one, &mut its_peer, 1), []);
        drop(open_one);
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn whoever_does_not_read_what_comes_back_is_not_read() {
    let server = echo_server(1);
    let (mut stream, mut peer) = open(&server, "");
    let before = server.anonymous_memory_kib();
    stream.set_write_timeout(Some(std::time::Duration::from_millis(500))).expect("an option");
    let frame = peer.frame(Opcode::Binary, &[7; 60_000]);
    let refused = (0..10_000).find(|_| stream.write_all(&frame).is_err());
    assert!(refused.is_some(), "the server reads without end");
    let grown = server.anonymous_memory_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KiB");
}

#[test]
fn without_the_option_there_is_no_such_endpoint() {
    let server = Server::start(CONFIG, 1);
    let (mut stream, _) = open(&server, "Connection: close\r\n");
    let mut answer = vec![0; 4096];
    let n = stream.read(&mut answer).expect("an answer");
    assert_eq!(parse_answer(&answer[..n]).0, 404);
    // And the clients of the other endpoint are clients.
    Socket::subscribed(&server, &["open:a"]);
}
