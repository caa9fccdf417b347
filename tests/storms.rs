//! Many clients at once on whole cores in virtual time: what they share is made once, and what nobody asked for costs
//! nothing. The same with real sockets: `tests/server/storm.rs`.

#![allow(unsafe_code)] // An allocator is unsafe by its interface.

mod common;

use common::pure::Pure;
use common::ws::{Arrival, DEFLATE, Peer, upgrade};
use corecast::counters::{Cell, Counters};
use corecast::proto::client::{Command, ConnectRequest, Publication, Reply, SubscribeRequest};
use corecast::proto::json;
use corecast::wire::websocket::Opcode;
use prost::Message;
use std::alloc::{GlobalAlloc, Layout, System};

struct Counting;

thread_local! {
    static ALLOCATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true},
  "websocket": {"compression": true},
  "http_api": {"key": "k"},
  "channel": {"namespaces": [
    {"name": "hist", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
     "history_size": 100, "history_ttl": "300s", "history_meta_ttl": "400s", "force_recovery": true, "allowed_delta_types": ["fossil"]},
    {"name": "quiet", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
     "presence": true, "join_leave": true, "allow_presence_for_subscriber": true, "allow_presence_for_anonymous": true},
    {"name": "open", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}
  ]}
}"#;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Encoding {
    Json,
    Protobuf,
}
use Encoding::{Json, Protobuf};

struct Client {
    wire: usize,
    encoding: Encoding,
    peer: Peer,
}

impl Client {
    /// Connected; clients take the cores in turn.
    fn connect(pure: &mut Pure, encoding: Encoding) -> Client {
        Client::connect_with(pure, encoding, "")
    }

    /// The same with further fields of the upgrade.
    fn connect_with(pure: &mut Pure, encoding: Encoding, fields: &str) -> Client {
        let mut client = Client { wire: pure.open(), encoding, peer: Peer::default() };
        pure.send(client.wire, upgrade(if encoding == Json { "" } else { "?cf_protocol=protobuf" }, fields));
        client.ask(pure, &Command { id: 1, connect: Some(ConnectRequest::default()), ..Command::default() });
        client
    }

    fn frame(&mut self, command: &Command) -> Vec<u8> {
        match self.encoding {
            Json => {
                let mut text = Vec::new();
                json::encode_line(command, &mut text).expect("JSON");
                self.peer.frame(Opcode::Text, &text)
            }
            Protobuf => self.peer.frame(Opcode::Binary, &command.encode_length_delimited_to_vec()),
        }
    }

    fn ask(&mut self, pure: &mut Pure, command: &Command) -> Vec<Reply> {
        let frame = self.frame(command);
        pure.send(self.wire, frame);
        self.replies(pure)
    }

    /// What has come since the last look.
    fn replies(&mut self, pure: &mut Pure) -> Vec<Reply> {
        let mut replies = Vec::new();
        for arrival in self.peer.take(&pure.take(self.wire)) {
            match arrival {
                Arrival::Text(text) => {
                    let lines = text.split(|byte| *byte == b'\n');
                    replies.extend(lines.map(|line| json::decode(line).expect("a reply")));
                }
                Arrival::Binary(bytes) => {
                    let mut rest = &bytes[..];
                    while !rest.is_empty() {
                        replies.push(Reply::decode_length_delimited(&mut rest).expect("a reply"));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        replies
    }

    /// Subscribes; the publications that it has missed.
    fn subscribe(&mut self, pure: &mut Pure, request: SubscribeRequest) -> Vec<Publication> {
        let command = Command { id: 2, subscribe: Some(request), ..Command::default() };
        let reply = self.ask(pure, &command).into_iter().find(|reply| reply.id == 2).expect("a reply");
        reply.subscribe.unwrap_or_else(|| panic!("{:?}", reply.error)).publications
    }
}

fn world(cores: usize) -> Pure {
    Pure::new(&common::load(CONFIG), cores)
}

fn channel(name: &str) -> SubscribeRequest {
    SubscribeRequest { channel: name.into(), ..SubscribeRequest::default() }
}

/// Goes on behind this offset.
fn since(name: &str, offset: u64) -> SubscribeRequest {
    SubscribeRequest { recover: true, offset, ..channel(name) }
}

fn publish(pure: &mut Pure, channel: &str, count: usize) {
    let wire = pure.open();
    for n in 0..count {
        let body = format!(r#"{{"channel":"{channel}","data":{{"n":{n},"text":"as long as a message is"}}}}"#);
        let head = format!(
            "POST /api/publish HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        pure.send(wire, head.into_bytes());
        assert!(pure.take(wire).starts_with(b"HTTP/1.1 200"));
    }
    pure.hang_up(wire);
}

/// Of all cores together.
fn count(pure: &Pure, cell: fn(&Counters) -> &Cell) -> u64 {
    pure.shards.iter().map(|shard| cell(shard.counters()).get()).sum()
}

fn encoded(pure: &Pure) -> u64 {
    count(pure, |counters| &counters.recovered_lists_encoded)
}

fn shared(pure: &Pure) -> u64 {
    count(pure, |counters| &counters.recovered_lists_shared)
}

fn messages(pure: &Pure) -> u64 {
    count(pure, |counters| &counters.mesh_sent)
}

#[test]
fn what_many_have_missed_is_encoded_once_for_clients_of_both_cores() {
    let mut pure = world(2);
    publish(&mut pure, "hist:a", 60);
    for encoding in [Json, Protobuf] {
        let before = (encoded(&pure), shared(&pure));
        let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(&mut pure, encoding)).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            // Some were away a little shorter than others.
            let offset = 10 + (n as u64 % 7);
            let missed = client.subscribe(&mut pure, since("hist:a", offset));
            let offsets: Vec<u64> = missed.iter().map(|publication| publication.offset).collect();
            assert_eq!(offsets, (offset + 1..=60).collect::<Vec<_>>());
        }
        assert_eq!((encoded(&pure) - before.0, shared(&pure) - before.1), (1, 99), "{encoding:?}");
    }
}

#[test]
fn with_deltas_a_list_is_a_form_of_its_own_and_each_client_begins_with_a_whole_publication() {
    let mut pure = world(2);
    publish(&mut pure, "hist:a", 60);
    for n in 0..50 {
        let mut client = Client::connect(&mut pure, Protobuf);
        let request = SubscribeRequest { delta: "fossil".into(), ..since("hist:a", 10 + n % 3) };
        let missed = client.subscribe(&mut pure, request);
        let deltas: Vec<bool> = missed.iter().map(|publication| publication.delta).collect();
        assert!(!deltas[0] && deltas[1..].iter().all(|is_patch| *is_patch));
        assert_eq!(deltas.len() as u64, 50 - n % 3);
    }
    assert_eq!((encoded(&pure), shared(&pure)), (1, 49));
}

#[test]
fn what_many_have_missed_is_compressed_once_for_clients_of_both_cores() {
    let mut pure = world(2);
    publish(&mut pure, "hist:a", 60);
    for n in 0..100 {
        let mut client = Client::connect_with(&mut pure, Json, DEFLATE);
        let before = client.peer.deflated;
        assert_eq!(client.subscribe(&mut pure, since("hist:a", 10 + n % 2)).len() as u64, 50 - n % 2);
        assert!(client.peer.has_deflate() && client.peer.deflated == before + 1);
    }
    assert_eq!((encoded(&pure), shared(&pure)), (1, 99));
    let deflated = count(&pure, |counters| &counters.recovered_lists_deflated);
    assert_eq!(deflated, 2, "once for each of the two places that they come from");
}

#[test]
fn a_publication_among_those_who_come_back_makes_one_list_more() {
    let mut pure = world(2);
    publish(&mut pure, "hist:a", 20);
    for round in 0..5 {
        for _ in 0..10 {
            let mut client = Client::connect(&mut pure, Json);
            assert_eq!(client.subscribe(&mut pure, since("hist:a", 5)).len(), 15 + round);
        }
        publish(&mut pure, "hist:a", 1);
    }
    assert_eq!((encoded(&pure), shared(&pure)), (5, 45));
}

/// Allocations that one more client costs that comes back and has missed so many.
fn allocations(missed: u64) -> usize {
    let mut pure = world(1);
    publish(&mut pure, "hist:a", 60);
    let mut took = 0;
    // The first clients grow the tables to their size.
    for _ in 0..20 {
        let mut client = Client::connect(&mut pure, Json);
        let request = Some(since("hist:a", 60 - missed));
        let frame = client.frame(&Command { id: 2, subscribe: request, ..Command::default() });
        let before = ALLOCATIONS.get();
        pure.send(client.wire, frame);
        took = ALLOCATIONS.get() - before;
        assert!(!client.replies(&mut pure).is_empty());
    }
    took
}

#[test]
fn a_further_client_takes_as_many_allocations_whatever_it_has_missed() {
    let (few, many) = (allocations(5), allocations(50));
    println!("{many} allocations");
    assert_eq!(few, many);
}

#[test]
fn a_list_that_was_shared_is_forgotten_when_the_storm_is_over() {
    let mut pure = world(2);
    publish(&mut pure, "hist:a", 3);
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&mut pure, Json)).collect();
    assert!(clients.iter_mut().all(|client| client.subscribe(&mut pure, since("hist:a", 1)).len() == 2));
    clients.iter().for_each(|client| pure.hang_up(client.wire));
    pure.advance(std::time::Duration::from_secs(500));
    pure.shards.iter().for_each(|shard| shard.check_empty());
}

#[test]
fn joins_and_leaves_that_nobody_asked_for_are_told_to_nobody() {
    let mut pure = world(2);
    let mut clients: Vec<Client> = (0..200).map(|_| Client::connect(&mut pure, Json)).collect();
    let (before, began) = (messages(&pure), count(&pure, |counters| &counters.joins_sent));
    for client in &mut clients {
        client.subscribe(&mut pure, channel("quiet:a"));
    }
    let remote = clients.len() as u64 / 2;
    // Of each client whose core is not the owner: it enters, the answer, it is announced. Once: that core listens.
    assert_eq!(messages(&pure) - before, 3 * remote + 2);
    let before = messages(&pure);
    for client in &clients[20..] {
        pure.hang_up(client.wire);
    }
    assert_eq!(messages(&pure) - before, remote - 10, "one for each that leaves");
    for client in &mut clients[..20] {
        assert_eq!(client.replies(&mut pure), [], "nobody has asked");
    }
    assert_eq!(count(&pure, |counters| &counters.joins_sent) - began, 200, "the owner knows of them all the same");
}

#[test]
fn who_asked_for_joins_and_leaves_gets_each_of_them_and_the_others_get_none() {
    let mut pure = world(2);
    let asked = SubscribeRequest { join_leave: true, ..channel("quiet:a") };
    let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(&mut pure, Json)).collect();
    let (curious, crowd) = clients.split_at_mut(4);
    curious.iter_mut().for_each(|client| _ = client.subscribe(&mut pure, asked.clone()));
    curious.iter_mut().for_each(|client| _ = client.replies(&mut pure));
    let before = messages(&pure);
    crowd.iter_mut().for_each(|client| _ = client.subscribe(&mut pure, channel("quiet:a")));
    // 48 of the crowd are on the other core, with three messages each, and two when that core begins to listen for those
    // without joins; each join goes there once, to the two who are curious.
    assert_eq!(messages(&pure) - before, 48 * 3 + 2 + 96);
    let (gone, left) = crowd.split_at_mut(50);
    gone.iter().for_each(|client| pure.hang_up(client.wire));
    for client in curious {
        let pushes: Vec<_> = client.replies(&mut pure).into_iter().filter_map(|reply| reply.push).collect();
        let joins = pushes.iter().filter(|push| push.join.is_some()).count();
        let leaves = pushes.iter().filter(|push| push.leave.is_some()).count();
        assert_eq!((joins, leaves, pushes.len()), (96, 50, 146));
    }
    assert!(left.iter_mut().all(|client| client.replies(&mut pure).is_empty()));
}

#[test]
fn subscribers_that_come_from_another_core_take_two_messages_each_or_none() {
    for (name, each) in [("hist:a", 2), ("open:a", 0)] {
        let mut pure = world(2);
        let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(&mut pure, Json)).collect();
        let before = messages(&pure);
        clients.iter_mut().for_each(|client| _ = client.subscribe(&mut pure, channel(name)));
        assert_eq!(messages(&pure) - before, 50 * each + 2, "{name}: and two when the core begins to listen");
        // A publication takes one, however many listen there.
        let before = messages(&pure);
        publish(&mut pure, name, 2);
        let asked_elsewhere = 2 * 2;
        assert!(messages(&pure) - before <= 2 + asked_elsewhere);
        for client in &mut clients {
            assert_eq!(client.replies(&mut pure).len(), 2);
        }
    }
}
