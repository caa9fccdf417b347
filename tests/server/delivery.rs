//! Complete, in order per channel, no duplicate: whichever core accepted, owns and delivers.

use super::CONFIG;
use super::common::server::Server;
use super::common::socket::Socket;
use std::io::{Read, Write};
use std::net::TcpStream;

const SUBSCRIBERS: usize = 200;
const CHANNELS: usize = 20;
const PUBLICATIONS: usize = 100_000;
const PUBLISHERS: usize = 2;
/// Publications in one request.
const BATCH: usize = 50;

/// Publishes this publisher's share over one keep-alive connection: number n goes to channel n mod CHANNELS.
fn publish(mut stream: TcpStream, publisher: usize) {
    for start in (0..PUBLICATIONS / PUBLISHERS).step_by(BATCH) {
        let command = |n: usize| {
            let channel = n % CHANNELS;
            format!(r#"{{"publish":{{"channel":"open:{channel}","data":{{"p":{publisher},"n":{n}}}}}}}"#)
        };
        let commands: Vec<String> = (start..start + BATCH).map(command).collect();
        let body = format!(r#"{{"commands":[{}]}}"#, commands.join(","));
        let head =
            format!("POST /api/batch HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("open");
        answer(&mut stream);
    }
}

fn answer(stream: &mut TcpStream) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 16384]);
    loop {
        let n = stream.read(&mut piece).expect("an answer");
        assert!(n > 0, "the server keeps the connection");
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        if body.len() == length.parse::<usize>().expect("a number") {
            assert!(!body.contains("error"), "{body}");
            return;
        }
    }
}

/// Reads a channel to its end and checks that every publisher's numbers are complete and in order.
fn read_channel(mut socket: Socket, channel: usize) {
    let mut next = [channel; PUBLISHERS];
    let each = PUBLICATIONS / PUBLISHERS;
    while next.iter().any(|n| *n < each) {
        let text = socket.text().expect("the subscriber is kept");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let data = &value["push"]["pub"]["data"];
        let publisher = data["p"].as_u64().expect("a publisher") as usize;
        assert_eq!(data["n"].as_u64(), Some(next[publisher] as u64), "channel {channel}, publisher {publisher}");
        next[publisher] += CHANNELS;
    }
}

fn everything_arrives(cores: usize) {
    let server = Server::start(CONFIG, cores);
    let mut readers = Vec::new();
    let mut torn = Vec::new();
    for n in 0..SUBSCRIBERS {
        let channel = n % CHANNELS;
        let socket = Socket::subscribed(&server, &[&format!("open:{channel}")]);
        if n < SUBSCRIBERS / 2 {
            torn.push(socket);
        } else {
            readers.push(std::thread::spawn(move || read_channel(socket, channel)));
        }
    }
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let stream = server.connect();
            std::thread::spawn(move || publish(stream, publisher))
        })
        .collect();
    // Torn off while publications are on their way, some of them unread: a reset for the server.
    torn.iter_mut().for_each(|socket| _ = socket.next());
    drop(torn);
    publishers.into_iter().for_each(|publisher| publisher.join().expect("all is published"));
    readers.into_iter().for_each(|reader| reader.join().expect("all has arrived"));
}

#[test]
fn a_hundred_thousand_publications_arrive_complete_and_in_order_on_two_cores() {
    everything_arrives(2);
}

#[test]
fn a_hundred_thousand_publications_arrive_complete_and_in_order_on_one_core() {
    everything_arrives(1);
}

#[test]
fn connections_land_on_both_cores() {
    let server = Server::start(CONFIG, 2);
    let sockets: Vec<Socket> = (0..64).map(|_| Socket::subscribed(&server, &["open:spread"])).collect();
    let before = mesh_messages(&server);
    for n in 0..20 {
        assert_eq!(server.api("publish", &format!(r#"{{"channel":"open:{n}","data":1}}"#)).0, 200);
    }
    assert!(mesh_messages(&server) > before, "some channel is owned by the core that did not accept the request");
    drop(sockets);
}

fn mesh_messages(server: &Server) -> u64 {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let line = metrics.lines().find(|line| line.starts_with("corecast_mesh_messages_total ")).expect("a counter");
    line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}
