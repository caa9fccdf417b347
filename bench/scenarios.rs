//! What is measured. Each scenario drives one server once and returns its figures.

use crate::beside::{Probe, beside};
use crate::calls::calls;
use crate::clients::{Clients, payload};
use crate::mesh::hops;
use crate::publishers::publishers;
use crate::requests::{ask, post, requests};
use crate::returns::{Ask, returns};
use crate::server::{Cpu, Server};
use corecast::proto::api::PublishRequest;
use corecast::protocol::frame::Rendition;
use corecast::protocol::framer::Framer;
use corecast::wire::deflate::Deflater;
use hdrhistogram::Histogram;
use prost::Message;
use rustix::time::{ClockId, clock_gettime};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one run of a scenario gave.
pub struct Figures {
    /// Deliveries, requests, or connections times seconds: what the CPU is divided by.
    pub units: u64,
    pub seconds: f64,
    pub cpu: Cpu,
    pub latency: Option<Histogram<u64>>,
    pub lost: u64,
    pub twice: u64,
    /// Publications in one read, or bytes of memory per connection, where it says something.
    pub extra: f64,
}

/// How long and how large.
#[derive(Clone, Copy)]
pub struct Scale {
    pub seconds: f64,
}

/// One scenario.
#[derive(Clone, Copy)]
pub enum Scenario {
    /// To so many subscribers of one channel, so many publications per burst.
    Fanout(usize, usize),
    /// The same with compression.
    FanoutDeflated(usize, usize),
    /// To so many subscribers of one channel, 500 single publications a second; pushes may be gathered for 20 ms.
    Trickle(usize, bool),
    /// What others notice of a fan-out to so many.
    Beside(usize, Probe),
    /// Over HTTP from so many connections, nobody listens.
    Publish(usize),
    /// The same to a channel of each connection that keeps ten publications.
    PublishKept(usize),
    /// The same over GRPC: connections, calls in flight on each.
    Call(usize, usize),
    /// One publication for so many channels in a request: connections, channels.
    Broadcast(usize, usize),
    /// Ten kept publications are read, from so many connections.
    History(usize),
    /// Members are counted, from so many connections.
    PresenceStats(usize),
    /// One subscriber on each of so many channels, a hundred publications in a request.
    Channels(usize),
    /// The same with a request for each publication, sixteen at a time.
    Users(usize),
    /// To so many subscribers of one channel, single publications, two of them always under way.
    Saturated(usize),
    /// So many clients publish over their own connections, nobody listens.
    ClientPublish(usize),
    /// So many clients at a time connect and subscribe, with or without a token.
    Connect(usize, bool),
    /// So many connections that say nothing.
    Idle(usize),
    /// The same, each subscribed to a channel of its own.
    IdleSubscribed(usize),
    /// The same with compression.
    IdleDeflated(usize),
    /// A JSON message of so many bytes is compressed and framed, without a server: once per publication and encoding.
    Deflate(usize),
    /// So many clients come back over and over, each has missed so many publications.
    Return(usize, usize),
    /// Publication to delivery, one at a time.
    Hop,
    /// A message to another core and back, without a server; both sleep before, or look all the time.
    Mesh(bool),
}

impl Scenario {
    pub fn name(self) -> String {
        match self {
            Scenario::Fanout(n, k) => format!("fan-out to {n}, {k} per burst"),
            Scenario::FanoutDeflated(n, k) => format!("compressed fan-out to {n}, {k} per burst"),
            Scenario::Trickle(n, false) => format!("500 publications a second to {n}"),
            Scenario::Trickle(n, true) => format!("500 publications a second to {n}, write_delay 20 ms"),
            Scenario::Beside(n, Probe::Publication) => format!("beside a fan-out to {n}: another channel"),
            Scenario::Beside(n, Probe::Ping) => format!("beside a fan-out to {n}: a ping"),
            Scenario::Beside(n, Probe::Request) => format!("beside a fan-out to {n}: a request"),
            Scenario::Publish(n) => format!("publish over HTTP, {n} connections"),
            Scenario::PublishKept(n) => format!("publish with history over HTTP, {n} connections"),
            Scenario::Call(n, k) => format!("publish over GRPC, {n} connections, {k} in flight on each"),
            Scenario::Broadcast(n, channels) => format!("broadcast to {channels} channels, {n} connections"),
            Scenario::History(n) => format!("history of 10, {n} connections"),
            Scenario::PresenceStats(n) => format!("presence_stats, {n} connections"),
            Scenario::Channels(n) => format!("one subscriber on each of {n} channels"),
            Scenario::Users(n) => format!("one publication for each of {n} users"),
            Scenario::Saturated(n) => format!("fan-out to {n}, two under way"),
            Scenario::ClientPublish(n) => format!("publish over WebSocket, {n} clients"),
            Scenario::Connect(n, false) => format!("{n} clients connect and subscribe"),
            Scenario::Connect(n, true) => format!("{n} clients connect and subscribe, with a token"),
            Scenario::Idle(n) => format!("{n} idle connections"),
            Scenario::IdleSubscribed(n) => format!("{n} idle connections with a subscription"),
            Scenario::IdleDeflated(n) => format!("{n} idle connections with compression"),
            Scenario::Deflate(n) => format!("compressing a message of {n} bytes"),
            Scenario::Return(n, missed) => format!("{n} clients come back, {missed} missed"),
            Scenario::Hop => "publication to delivery, one at a time".into(),
            Scenario::Mesh(false) => "mesh: a message to a core that is awake".into(),
            Scenario::Mesh(true) => "mesh: a message to a core that sleeps".into(),
        }
    }

    /// What one unit of the CPU figure is.
    pub fn unit(self) -> &'static str {
        use Scenario::*;
        match self {
            Publish(_) | PublishKept(_) | Call(..) | History(_) | PresenceStats(_) => "request",
            ClientPublish(_) => "publication",
            Broadcast(..) => "channel",
            Idle(_) | IdleSubscribed(_) | IdleDeflated(_) => "connection and second",
            Deflate(_) | Mesh(_) => "message",
            Connect(..) => "client",
            Return(..) => "client that is back",
            _ => "delivery",
        }
    }

    /// What it is compared with besides the floor: one publication over HTTP, in turn with it.
    pub fn yardstick(self) -> Option<Scenario> {
        use Scenario::{Broadcast, Call, History, PresenceStats, Publish, PublishKept};
        matches!(self, PublishKept(_) | Call(..) | Broadcast(..) | History(_) | PresenceStats(_)).then_some(Publish(64))
    }

    /// It is also measured with two cores, of which one is shared with the load.
    pub fn has_two_cores(self) -> bool {
        matches!(self, Scenario::Fanout(1000, 1 | 16) | Scenario::Publish(64) | Scenario::Users(_) | Scenario::Hop)
    }

    /// The floor does the same in its way. It keeps no channels apart, and all its answers are short.
    pub fn has_floor(self) -> bool {
        use Scenario::{Beside, Broadcast, Channels, Deflate, History, Mesh, Trickle, Users};
        let keeps_apart = matches!(self, Channels(_) | Users(_) | Beside(..) | Trickle(_, true));
        !keeps_apart && !matches!(self, Broadcast(..) | History(_) | Deflate(_) | Mesh(_))
    }

    /// Others can do the same, calls if they have a port for them.
    pub fn has_peer(self, has_grpc: bool) -> bool {
        match self {
            Scenario::Call(..) => has_grpc,
            Scenario::Deflate(_) | Scenario::Mesh(_) | Scenario::Trickle(_, true) => false,
            _ => true,
        }
    }

    pub fn run(self, server: &Server, scale: Scale) -> Figures {
        match self {
            Scenario::Fanout(subscribers, burst) => fanout(server, scale, subscribers, burst, false),
            Scenario::FanoutDeflated(subscribers, burst) => fanout(server, scale, subscribers, burst, true),
            Scenario::Trickle(subscribers, is_gathered) => trickle(server, scale, subscribers, is_gathered),
            Scenario::Beside(subscribers, probe) => beside(server, scale, subscribers, probe),
            Scenario::Publish(connections) => {
                requests(server, scale, connections, 1, |_| burst_request(server, "bench:0", 0, 0, 1))
            }
            Scenario::PublishKept(connections) => {
                requests(server, scale, connections, 1, |n| post(server, "publish", &command(&format!("kept:{n}"))))
            }
            Scenario::Call(connections, in_flight) => calls_each(server, scale, connections, in_flight),
            Scenario::Broadcast(connections, channels) => broadcast(server, scale, connections, channels),
            Scenario::History(connections) => history(server, scale, connections),
            Scenario::PresenceStats(connections) => presence_stats(server, scale, connections),
            Scenario::Channels(channels) => channels_each(server, scale, channels),
            Scenario::Users(users) => users_each(server, scale, users),
            Scenario::Saturated(subscribers) => saturated(server, scale, subscribers),
            Scenario::ClientPublish(clients) => publishers(server, scale, clients),
            Scenario::Connect(clients, false) => returns(server, scale, clients, Ask::Anonymous),
            Scenario::Connect(clients, true) => returns(server, scale, clients, Ask::Token),
            Scenario::Idle(connections) => idle(server, scale, connections, false, |_| None),
            Scenario::IdleSubscribed(connections) => {
                idle(server, scale, connections, false, |n| Some(format!("bench:{n}")))
            }
            Scenario::IdleDeflated(connections) => idle(server, scale, connections, true, |_| None),
            Scenario::Deflate(bytes) => deflate(scale, bytes),
            Scenario::Return(clients, missed) => returns(server, scale, clients, Ask::Missed(missed)),
            Scenario::Hop => hop(server, scale),
            Scenario::Mesh(sleeps) => hops(scale, sleeps),
        }
    }
}

fn burst_request(server: &Server, channel: &str, intended: u64, first: u64, burst: usize) -> Vec<u8> {
    let command = |number| format!(r#"{{"channel":"{channel}","data":{}}}"#, payload(intended, number));
    if burst == 1 {
        return post(server, "publish", &command(first));
    }
    let commands: Vec<String> =
        (first..first + burst as u64).map(|number| format!(r#"{{"publish":{}}}"#, command(number))).collect();
    post(server, "batch", &format!(r#"{{"commands":[{}]}}"#, commands.join(",")))
}

/// Open loop: bursts leave at their times whatever the server does. About half of a core is asked for.
fn fanout(server: &Server, scale: Scale, subscribers: usize, burst: usize, deflate: bool) -> Figures {
    let start = Instant::now();
    let channel = |_| Some("bench:0".into());
    let clients = Clients::connect_with(server.address, subscribers, start, deflate, channel);
    let interval = Duration::from_micros((subscribers as u64 * 20).max(2_500));
    open_loop(server, scale, clients, start, interval, "bench:0", burst)
}

/// Single publications every two milliseconds, to a namespace that gathers them or to one that does not.
fn trickle(server: &Server, scale: Scale, subscribers: usize, is_gathered: bool) -> Figures {
    let start = Instant::now();
    let channel = if is_gathered { "late:0" } else { "bench:0" };
    let clients = Clients::connect(server.address, subscribers, start, |_| Some(channel.into()));
    open_loop(server, scale, clients, start, Duration::from_millis(2), channel, 1)
}

/// Single publications to clients that are there.
pub fn bulk(server: &Server, scale: Scale, clients: Clients, start: Instant, interval: Duration) -> Figures {
    open_loop(server, scale, clients, start, interval, "bench:0", 1)
}

fn open_loop(
    server: &Server,
    scale: Scale,
    mut clients: Clients,
    start: Instant,
    interval: Duration,
    channel: &str,
    burst: usize,
) -> Figures {
    let subscribers = clients.len();
    let mut publisher = TcpStream::connect(server.address).expect("the server listens");
    publisher.set_nodelay(true).expect("an option");
    publisher.set_nonblocking(true).expect("an option");
    let bursts = ((scale.seconds / interval.as_secs_f64()) as u64).max(3);
    let (before, began) = (server.cpu(), Instant::now());
    let mut replies = vec![0; 65536];
    for n in 0..bursts {
        let due = began + interval * n as u32;
        while Instant::now() < due {
            clients.read(due.saturating_duration_since(Instant::now()).min(Duration::from_millis(1)));
            _ = publisher.read(&mut replies);
        }
        let intended = (due - start).as_nanos() as u64;
        let request = burst_request(server, channel, intended, n * burst as u64, burst);
        write_all(&mut publisher, &request, &mut clients);
    }
    clients.read_until(bursts * burst as u64 * subscribers as u64);
    clients.figures(server.cpu().since(before), began.elapsed())
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8], clients: &mut Clients) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => clients.read(Duration::from_millis(1)),
            Err(e) => panic!("the publisher was cut off: {e}"),
        }
    }
}

/// 150 bytes for one channel.
fn command(channel: &str) -> String {
    format!(r#"{{"channel":"{channel}","data":{}}}"#, payload(0, 0))
}

/// A GRPC call for every answered one.
fn calls_each(server: &Server, scale: Scale, connections: usize, in_flight: usize) -> Figures {
    let request = PublishRequest { channel: "bench:0".into(), data: payload(0, 0).into(), ..PublishRequest::default() };
    calls(server, scale, connections, in_flight, "Publish", &request.encode_to_vec())
}

/// One request for all channels; a unit is a channel.
fn broadcast(server: &Server, scale: Scale, connections: usize, channels: usize) -> Figures {
    let names: Vec<String> = (0..channels).map(|n| format!("\"bench:{n}\"")).collect();
    let body = format!(r#"{{"channels":[{}],"data":{}}}"#, names.join(","), payload(0, 0));
    requests(server, scale, connections, channels, |_| post(server, "broadcast", &body))
}

/// Ten publications, as they are kept, in every answer.
fn history(server: &Server, scale: Scale, connections: usize) -> Figures {
    (0..10).for_each(|_| ask(server, post(server, "publish", &command("kept:0"))));
    requests(server, scale, connections, 1, |_| post(server, "history", r#"{"channel":"kept:0","limit":10}"#))
}

/// With a hundred members who say nothing.
fn presence_stats(server: &Server, scale: Scale, connections: usize) -> Figures {
    let _members = Clients::connect(server.address, 100, Instant::now(), |_| Some("kept:0".into()));
    requests(server, scale, connections, 1, |_| post(server, "presence_stats", r#"{"channel":"kept:0"}"#))
}

/// Publications to all channels in turn, a hundred in a request, the next request when the first have arrived.
fn channels_each(server: &Server, scale: Scale, channels: usize) -> Figures {
    let start = Instant::now();
    let mut clients = Clients::connect(server.address, channels, start, |n| Some(format!("bench:{n}")));
    let mut publisher = TcpStream::connect(server.address).expect("the server listens");
    publisher.set_nodelay(true).expect("an option");
    let (before, began) = (server.cpu(), Instant::now());
    let (mut sent, mut round, mut buffer) = (0, 0, vec![0; 65536]);
    while began.elapsed().as_secs_f64() < scale.seconds {
        for group in (0..channels).collect::<Vec<_>>().chunks(100) {
            let now = start.elapsed().as_nanos() as u64;
            let publish =
                |n: &usize| format!(r#"{{"publish":{{"channel":"bench:{n}","data":{}}}}}"#, payload(now, round));
            let commands: Vec<String> = group.iter().map(publish).collect();
            let request = post(server, "batch", &format!(r#"{{"commands":[{}]}}"#, commands.join(",")));
            publisher.write_all(&request).expect("open");
            sent += group.len() as u64;
            while clients.delivered < sent {
                clients.read(Duration::from_millis(5));
            }
            assert!(publisher.read(&mut buffer).expect("an answer") > 0);
        }
        round += 1;
    }
    clients.figures(server.cpu().since(before), began.elapsed())
}

/// Closed loop of single publications for users in turn, sixteen connections with one under way on each.
fn users_each(server: &Server, scale: Scale, users: usize) -> Figures {
    let start = Instant::now();
    let mut clients = Clients::connect(server.address, users, start, |n| Some(format!("bench:{n}")));
    let mut publishers: Vec<TcpStream> =
        (0..16).map(|_| TcpStream::connect(server.address).expect("the server listens")).collect();
    publishers.iter().for_each(|publisher| publisher.set_nodelay(true).expect("an option"));
    let (before, began) = (server.cpu(), Instant::now());
    let (mut sent, mut buffer) = (0, vec![0; 4096]);
    while began.elapsed().as_secs_f64() < scale.seconds {
        for publisher in &mut publishers {
            let (user, round) = (sent % users as u64, sent / users as u64);
            let data = payload(start.elapsed().as_nanos() as u64, round);
            let body = format!(r#"{{"channel":"bench:{user}","data":{data}}}"#);
            publisher.write_all(&post(server, "publish", &body)).expect("open");
            sent += 1;
        }
        clients.read_until(sent);
        for publisher in &mut publishers {
            assert!(publisher.read(&mut buffer).expect("an answer") > 0);
        }
    }
    clients.figures(server.cpu().since(before), began.elapsed())
}

/// The next publication leaves when the last but one has arrived everywhere.
fn saturated(server: &Server, scale: Scale, subscribers: usize) -> Figures {
    let start = Instant::now();
    let mut clients = Clients::connect(server.address, subscribers, start, |_| Some("bench:0".into()));
    let mut publisher = TcpStream::connect(server.address).expect("the server listens");
    publisher.set_nodelay(true).expect("an option");
    publisher.set_nonblocking(true).expect("an option");
    let (before, began) = (server.cpu(), Instant::now());
    let (mut number, mut buffer) = (0, vec![0; 65536]);
    while began.elapsed().as_secs_f64() < scale.seconds {
        let request = burst_request(server, "bench:0", start.elapsed().as_nanos() as u64, number, 1);
        write_all(&mut publisher, &request, &mut clients);
        number += 1;
        clients.read_until((number - 1) * subscribers as u64);
        _ = publisher.read(&mut buffer);
    }
    clients.read_until(number * subscribers as u64);
    clients.figures(server.cpu().since(before), began.elapsed())
}

/// Memory as a slope between a few connections and many; CPU while nobody says anything but pings.
fn idle(
    server: &Server,
    scale: Scale,
    connections: usize,
    deflate: bool,
    channel: impl Fn(usize) -> Option<String>,
) -> Figures {
    let start = Instant::now();
    let first = (connections / 10).max(1);
    let mut few = Clients::connect_with(server.address, first, start, deflate, &channel);
    let small = server.memory();
    let mut many = Clients::connect_with(server.address, connections - first, start, deflate, |n| channel(first + n));
    let slope = server.memory().saturating_sub(small) as f64 / many.len() as f64;
    let (before, began) = (server.cpu(), Instant::now());
    while began.elapsed().as_secs_f64() < scale.seconds {
        few.read(Duration::from_millis(10));
        many.read(Duration::from_millis(10));
    }
    let (cpu, seconds) = (server.cpu().since(before), began.elapsed().as_secs_f64());
    let units = (connections as f64 * seconds) as u64;
    Figures { units: units.max(1), seconds, cpu, latency: None, lost: 0, twice: 0, extra: slope }
}

/// One thread, one message again and again; `extra` is the length of its frame.
fn deflate(scale: Scale, bytes: usize) -> Figures {
    let item =
        |n: usize| format!(r#"{{"id":{n},"price":{}.{:02},"symbol":"S{}"}},"#, n * 7919 % 1000, n % 100, n * 31 % 64);
    let mut message = String::from(r#"{"push":{"channel":"bench:0","pub":{"data":["#);
    for n in 0.. {
        if message.len() >= bytes {
            break;
        }
        message += &item(n);
    }
    message.truncate(bytes);
    let mut framer = Framer::new(Arc::default()).with_deflater(Deflater::new(1), 0);
    let time = || clock_gettime(ClockId::ThreadCPUTime);
    let (before, began, mut units, mut length) = (time(), Instant::now(), 0, 0);
    while began.elapsed().as_secs_f64() < scale.seconds {
        for _ in 0..100 {
            length = framer.frame(Rendition::JsonDeflate, message.as_bytes()).len();
        }
        units += 100;
    }
    let spent = time() - before;
    let total = spent.tv_sec as u64 * 1_000_000_000 + spent.tv_nsec as u64;
    let cpu = Cpu { total, user: total, ..Cpu::default() };
    let seconds = began.elapsed().as_secs_f64();
    Figures { units, seconds, cpu, latency: None, lost: 0, twice: 0, extra: length as f64 }
}

/// The next publication leaves when the former one has arrived.
fn hop(server: &Server, scale: Scale) -> Figures {
    let start = Instant::now();
    let mut clients = Clients::connect(server.address, 1, start, |_| Some("bench:0".into()));
    let mut publisher = TcpStream::connect(server.address).expect("the server listens");
    publisher.set_nodelay(true).expect("an option");
    let (before, began) = (server.cpu(), Instant::now());
    let (mut number, mut buffer) = (0, vec![0; 4096]);
    while began.elapsed().as_secs_f64() < scale.seconds {
        let request = burst_request(server, "bench:0", start.elapsed().as_nanos() as u64, number, 1);
        publisher.write_all(&request).expect("open");
        number += 1;
        clients.read_until(number);
        assert!(publisher.read(&mut buffer).expect("an answer") > 0);
    }
    clients.figures(server.cpu().since(before), began.elapsed())
}
