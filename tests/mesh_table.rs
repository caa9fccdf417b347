//! What a publication costs between cores, on 1 to 64 of them: messages, wakes and cache lines, by where its subscribers are.
//! The counts are asserted, and the table in `docs/ARCHITECTURE.md` is made of them (`UPDATE=1` writes it).
//!
//! Whole cores without a runtime take turns, one after another: each handles what was in its inbox, writes and tells others.
//! A core that finds nothing to do parks; whoever sends to a parked core wakes it, once. The publisher is connected to
//! core 0; the owner is where the channel's name falls.
//!
//! Lines of 64 bytes that move from one core's cache to another's: the slot of a message in its queue and the queue's end, the
//! boxes that it carries, the bytes of a frame for each core that writes it out, and its count of references, which the
//! core takes and gives back; the flag of a parked core.

mod common;

use common::pure::Pure;
use common::ws::{Peer, upgrade};
use corecast::api::Post;
use corecast::counters::Counters;
use corecast::hub::{Sent, Sink};
use corecast::id::{Core, Slot};
use corecast::proto::client::{Command, ConnectRequest, SubscribeRequest};
use corecast::proto::json;
use corecast::shard::{Effect, Event, Message, Placement, Shard};
use corecast::wire::websocket::Opcode;
use std::collections::VecDeque;
use std::fmt::Write;
use std::path::Path;

const CORES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const CHANNELS: usize = 32;
const BURST: usize = 16;
const DATA: usize = 150;
const LINE: usize = 64;

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true, "channel_limit": 1000},
  "http_api": {"key": "k"},
  "channel": {"without_namespace": {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}}
}"#;

/// Where the subscribers of a channel are.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Seats {
    Owner,
    Other,
    Every,
}

/// What was counted.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
struct Costs {
    messages: usize,
    wakes: usize,
    lines: usize,
}

struct Null;

impl Sink for Null {
    fn send(&mut self, _: u32, bytes: &[u8]) -> Sent {
        Sent::Bytes(bytes.len())
    }

    fn watch(&mut self, _: u32) {}
}

struct Node {
    shard: Shard,
    inbox: VecDeque<Message>,
    is_parked: bool,
}

struct World {
    nodes: Vec<Node>,
    publisher: Slot,
    costs: Costs,
}

/// Lines that so many bytes take.
fn lines(bytes: usize) -> usize {
    bytes.div_ceil(LINE)
}

/// Lines that move with a message to another core. A frame is a block behind two counters.
fn lines_of(message: &Message) -> usize {
    let slot = lines(size_of::<Message>() + size_of::<usize>()) + 1;
    let payload = match message {
        Message::Publish { post, .. } => {
            lines(size_of::<Post>()) + lines(post.channel.len()) + lines(post.publication.data.len())
        }
        Message::Deliver { channel, frames } => {
            let counters = 2 * size_of::<usize>();
            let name = lines(counters + channel.len());
            let frame = lines(counters + DATA + r#"{"push":{"channel":"","pub":{"data":}}}"#.len() + channel.len() + 4);
            assert_eq!(frames.iter().count(), 1, "one rendition");
            // Each count of references comes and goes back.
            name + frame + 2
        }
        _ => 0,
    };
    slot + payload
}

impl World {
    /// A client on each of these cores, subscribed to its channels.
    fn new(cores: usize, seats: impl Fn(&str, Core) -> Vec<usize>) -> World {
        let pure = Pure::new(&common::load(CONFIG), cores);
        let (door, now) = (pure.door(), pure.now);
        let node = |shard| Node { shard, inbox: VecDeque::new(), is_parked: true };
        let mut nodes: Vec<Node> = pure.shards.into_iter().map(node).collect();
        // A place of its own for each connection, whatever its core.
        let slots: Vec<Slot> = (0..=cores as u32).map(|index| Slot { index, generation: 0 }).collect();
        for core in 0..cores {
            nodes[core].shard.handle(now, Event::Opened { slot: slots[core], door: door.clone() });
        }
        nodes[0].shard.handle(now, Event::Opened { slot: slots[cores], door });
        let mut world = World { nodes, publisher: slots[cores], costs: Costs::default() };
        let mut peers: Vec<Peer> = (0..cores).map(|_| Peer::default()).collect();
        for core in 0..cores {
            world.receive(core, slots[core], upgrade("", ""));
            let connect = Command { id: 1, connect: Some(ConnectRequest::default()), ..Command::default() };
            world.receive(core, slots[core], frame(&mut peers[core], &connect));
        }
        let placement = Placement::new(1, cores);
        for channel in (0..CHANNELS).map(name) {
            for core in seats(&channel, placement.owner(&channel)) {
                let subscribe = SubscribeRequest { channel: channel.clone(), ..SubscribeRequest::default() };
                let command = Command { id: 2, subscribe: Some(subscribe), ..Command::default() };
                world.receive(core, slots[core], frame(&mut peers[core], &command));
            }
        }
        world
    }

    /// Bytes come to a core, and all that follows from them happens.
    fn receive(&mut self, core: usize, slot: Slot, mut bytes: Vec<u8>) {
        self.nodes[core].is_parked = false;
        let now = common::pure::begin();
        self.nodes[core].shard.handle(now, Event::Received { slot, bytes: &mut bytes });
        while self.nodes.iter().any(|node| !node.is_parked) {
            for core in 0..self.nodes.len() {
                if !self.nodes[core].is_parked {
                    self.turn(core);
                }
            }
        }
    }

    /// One turn of a core that is awake.
    fn turn(&mut self, core: usize) {
        let now = common::pure::begin();
        let node = &mut self.nodes[core];
        let inbox = std::mem::take(&mut node.inbox);
        let had_work = !inbox.is_empty();
        inbox.into_iter().for_each(|message| node.shard.handle(now, Event::Message(message)));
        let mut sent = Vec::new();
        loop {
            while let Some(effect) = node.shard.poll_effect() {
                if let Effect::Send(to, message) = effect {
                    sent.push((to.index(), message));
                }
            }
            if !node.shard.flush(64, &mut Null) {
                break;
            }
        }
        node.is_parked = !had_work && sent.is_empty();
        for (to, message) in sent {
            if to != core {
                self.costs.messages += 1;
                self.costs.lines += lines_of(&message);
                if std::mem::take(&mut self.nodes[to].is_parked) {
                    self.costs.wakes += 1;
                    self.costs.lines += 1;
                }
            } else {
                self.nodes[to].is_parked = false;
            }
            self.nodes[to].inbox.push_back(message);
        }
    }

    /// What a request with so many publications for the channel costs; everybody sleeps before.
    fn publish(&mut self, channel: &str, count: usize) -> Costs {
        let data = "x".repeat(DATA - 2);
        let command = format!(r#"{{"channel":"{channel}","data":"{data}"}}"#);
        let (method, body) = match count {
            1 => ("publish", command),
            _ => ("batch", format!(r#"{{"parallel":true,"commands":[{}]}}"#, batch(&command, count))),
        };
        let fields = format!("Host: t\r\nX-API-Key: k\r\nContent-Length: {}", body.len());
        let request = format!("POST /api/{method} HTTP/1.1\r\n{fields}\r\n\r\n{body}");
        self.costs = Costs::default();
        let handed_out = |world: &World| -> u64 { world.sum(|counters| counters.publications_received.get()) };
        let before = handed_out(self);
        let publisher = self.publisher;
        self.receive(0, publisher, request.into_bytes());
        assert_eq!(handed_out(self) - before, count as u64, "all are handed out");
        self.costs
    }

    fn sum(&self, cell: impl Fn(&Counters) -> u64) -> u64 {
        self.nodes.iter().map(|node| cell(node.shard.counters())).sum()
    }
}

fn batch(command: &str, count: usize) -> String {
    vec![format!(r#"{{"publish":{command}}}"#); count].join(",")
}

fn name(number: usize) -> String {
    format!("channel-{number:03}")
}

fn frame(peer: &mut Peer, command: &Command) -> Vec<u8> {
    let mut line = Vec::new();
    json::encode_line(command, &mut line).expect("JSON");
    peer.frame(Opcode::Text, &line)
}

impl Seats {
    const ALL: [Seats; 3] = [Seats::Owner, Seats::Other, Seats::Every];

    fn cores(self, channel: &str, owner: Core, cores: usize) -> Vec<usize> {
        match self {
            Seats::Owner => vec![owner.index()],
            // Another one for each channel, as for users who are anywhere.
            Seats::Other if cores > 1 => {
                let number: usize = channel[channel.len() - 3..].parse().expect("a number");
                vec![(owner.index() + 1 + number % (cores - 1)) % cores]
            }
            Seats::Other => vec![0],
            Seats::Every => (0..cores).collect(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Seats::Owner => "all on the owner's core",
            Seats::Other => "all on one other core (a user's channel)",
            Seats::Every => "on every core, however many there",
        }
    }
}

/// Sums over the channels, each checked by itself.
fn measure(cores: usize, seats: Seats, burst: usize) -> Costs {
    let mut world = World::new(cores, |channel, owner| seats.cores(channel, owner, cores));
    let placement = Placement::new(1, cores);
    let mut sum = Costs::default();
    for channel in (0..CHANNELS).map(name) {
        let owner = placement.owner(&channel);
        let listening = seats.cores(&channel, owner, cores);
        let others = listening.iter().filter(|core| **core != owner.index()).count();
        let is_asked = owner.index() != 0;
        let costs = world.publish(&channel, burst);
        let each = 2 * usize::from(is_asked) + others;
        assert_eq!(
            costs.messages,
            burst * each,
            "one message per core that listens, and the way to the owner and back"
        );
        // The publisher's core sleeps again before its answer comes only if it waits for one.
        let sleepers = listening.iter().filter(|core| **core != owner.index() && **core != 0).count();
        let most = sleepers + 2 * usize::from(is_asked);
        assert!(costs.wakes <= most, "{} wakes of {most}: one per core, however long the burst", costs.wakes);
        sum.messages += costs.messages;
        sum.wakes += costs.wakes;
        sum.lines += costs.lines;
    }
    sum
}

fn cell(costs: Costs, publications: usize) -> String {
    let per = |count: usize| format!("{:.1}", count as f64 / publications as f64);
    format!("{} / {} / {}", per(costs.messages), per(costs.wakes), per(costs.lines))
}

fn table() -> String {
    let mut out = String::from("| subscribers |");
    CORES.iter().for_each(|cores| _ = write!(out, " {cores} |"));
    out += "\n|---|";
    CORES.iter().for_each(|_| out += "---|");
    for burst in [1, BURST] {
        for seats in Seats::ALL {
            let what = if burst == 1 { String::new() } else { format!(", {burst} at once") };
            _ = write!(out, "\n| {}{what} |", seats.words());
            for cores in CORES {
                _ = write!(out, " {} |", cell(measure(cores, seats, burst), CHANNELS * burst));
            }
        }
    }
    out
}

const BEGIN: &str = "<!-- made by tests/mesh_table.rs -->\n";
const END: &str = "\n<!-- end -->";

#[test]
fn the_table_of_the_mesh_is_what_whole_cores_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).expect("the page");
    let (head, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (present, tail) = rest.split_once(END).expect("where it ends");
    let table = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, [head, BEGIN, &table, END, tail].concat()).expect("written");
    } else {
        assert!(present == table, "run `make docs`; it is now\n{table}");
    }
}
