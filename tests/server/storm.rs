//! All clients are cut at once and come back while publications go on: every one of them gets every publication once.

use super::common::server::{PATIENCE, Server};
use super::common::socket::Socket;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A debug build, of the server as of these clients, needs several times as long for each. The other tests of this process
/// leave descriptors for no more.
const CLIENTS: usize = if cfg!(debug_assertions) { 2_000 } else { 5_000 };
const CHANNELS: usize = 4;
/// Threads that play the clients.
const PLAYERS: usize = 4;
/// Between two publications of a channel.
const PACE: Duration = Duration::from_millis(60);

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true},
  "http_api": {"key": "k"},
  "prometheus": {"enabled": true},
  "channel": {"namespaces": [
    {"name": "hist", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
     "history_size": 10000, "history_ttl": "300s", "force_recovery": true}
  ]}
}"#;

/// What clients and the publisher tell each other.
#[derive(Default)]
struct Stage {
    /// Publications of each channel so far.
    published: AtomicU64,
    is_over: AtomicBool,
}

impl Stage {
    /// Waits until so many more are published.
    fn wait_for(&self, more: u64) {
        let (until, deadline) = (self.published.load(Ordering::Acquire) + more, Instant::now() + PATIENCE);
        while self.published.load(Ordering::Acquire) < until {
            assert!(Instant::now() < deadline, "nothing is published");
            std::thread::park_timeout(PACE / 4);
        }
    }
}

/// Ends the publisher, also when a client has failed.
struct End<'a>(&'a Stage);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
    }
}

/// Publishes to all channels in turn until all clients are back; the offset is the number of the publication.
fn publish(server: SocketAddr, stage: &Stage) {
    let mut stream = connect(server);
    let mut answer = [0; 4096];
    while !stage.is_over.load(Ordering::Acquire) {
        let n = stage.published.load(Ordering::Relaxed) + 1;
        let one = |channel| format!(r#"{{"publish":{{"channel":"hist:{channel}","data":{{"n":{n}}}}}}}"#);
        let body = format!(r#"{{"commands":[{}]}}"#, (0..CHANNELS).map(one).collect::<Vec<_>>().join(","));
        let length = body.len();
        let head = format!("POST /api/batch HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("open");
        assert!(stream.read(&mut answer).expect("an answer") > 0);
        stage.published.store(n, Ordering::Release);
        std::thread::park_timeout(PACE);
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// One client, which survives its connections.
struct Client {
    channel: String,
    epoch: String,
    /// The newest publication that it has.
    offset: u64,
    socket: Option<Socket>,
}

impl Client {
    fn new(number: usize) -> Client {
        Client { channel: format!("hist:{}", number % CHANNELS), epoch: String::new(), offset: 0, socket: None }
    }

    /// Everything that a client says at the beginning, in one go.
    fn open(&mut self, server: SocketAddr, recovers: bool) {
        let mut socket = Socket::over(connect(server));
        let (channel, offset, epoch) = (&self.channel, self.offset, &self.epoch);
        let position = format!(r#","recover":true,"offset":{offset},"epoch":"{epoch}""#);
        let position = if recovers { &position } else { "" };
        socket.send(&format!(
            "{}\n{}",
            r#"{"id":1,"connect":{}}"#,
            format_args!(r#"{{"id":2,"subscribe":{{"channel":"{channel}"{position}}}}}"#)
        ));
        self.socket = Some(socket);
    }

    fn next(&mut self) -> Value {
        let text = self.socket.as_mut().and_then(Socket::text).expect("the client is kept");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Reads the answers to what [`Client::open`] has said.
    fn enter(&mut self, recovers: bool) {
        assert!(self.next()["connect"].is_object());
        let result = self.next()["subscribe"].take();
        self.epoch = result["epoch"].as_str().expect("an epoch").to_string();
        if !recovers {
            self.offset = result["offset"].as_u64().unwrap_or(0);
            return;
        }
        assert_eq!(result["recovered"], true);
        let missed = result["publications"].as_array().expect("publications");
        missed.iter().for_each(|publication| self.take(publication));
    }

    /// The next publication: not one is left out or comes twice.
    fn take(&mut self, publication: &Value) {
        self.offset += 1;
        let got = (publication["offset"].as_u64(), publication["data"]["n"].as_u64());
        assert_eq!(got, (Some(self.offset), Some(self.offset)), "{}", self.channel);
    }

    fn read_until(&mut self, offset: u64) {
        while self.offset < offset {
            let push = self.next();
            self.take(&push["push"]["pub"]);
        }
    }
}

/// Each player has its share of the clients and does this with every one of them.
fn each(players: &mut [Vec<Client>], act: impl Fn(&mut [Client]) + Sync) {
    std::thread::scope(|scope| {
        for clients in players {
            scope.spawn(|| act(clients));
        }
    });
}

fn enter(server: SocketAddr, clients: &mut [Client], recovers: bool) {
    // In handfuls, so that answers are read while others are on their way.
    for handful in clients.chunks_mut(50) {
        handful.iter_mut().for_each(|client| client.open(server, recovers));
        handful.iter_mut().for_each(|client| client.enter(recovers));
    }
}

fn figure(server: &Server, name: &str) -> u64 {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("a counter");
    line.trim().parse().expect("a number")
}

fn all_come_back(cores: usize) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _descriptors = ONE_AT_A_TIME.lock();
    let (running, stage) = (Server::start(CONFIG, cores), Stage::default());
    let server = running.address;
    let share = |player| (0..CLIENTS / PLAYERS).map(move |n| Client::new(n + player)).collect();
    let mut players: Vec<Vec<Client>> = (0..PLAYERS).map(share).collect();
    std::thread::scope(|scope| {
        let end = End(&stage);
        scope.spawn(|| publish(server, &stage));
        // One who is not cut reads on through all of it.
        let mut steady = Client::new(0);
        steady.open(server, false);
        steady.enter(false);
        each(&mut players, |clients| enter(server, clients, false));
        stage.wait_for(10);
        // Some have read more than others when they are cut.
        let published = stage.published.load(Ordering::Acquire);
        each(&mut players, |clients| clients.iter_mut().for_each(|client| client.read_until(published - 5)));
        each(&mut players, |clients| clients.iter_mut().for_each(|client| client.socket = None));
        stage.wait_for(40);
        let began = Instant::now();
        each(&mut players, |clients| enter(server, clients, true));
        println!("{CLIENTS} clients were back after {:?} with {cores} cores", began.elapsed());
        stage.wait_for(5);
        let published = stage.published.load(Ordering::Acquire);
        each(&mut players, |clients| clients.iter_mut().for_each(|client| client.read_until(published)));
        steady.read_until(published);
        drop(end);
    });
    let [encoded, shared] =
        ["encoded", "shared"].map(|what| figure(&running, &format!("corecast_recovered_lists_{what}_total ")));
    println!("{encoded} lists were encoded and {shared} shared");
    assert_eq!(encoded + shared, (CLIENTS / PLAYERS * PLAYERS) as u64, "each has missed something");
    assert!(encoded * 4 < shared, "{encoded} were encoded and {shared} shared");
}

#[test]
fn all_clients_come_back_at_once_and_miss_nothing_on_one_core() {
    all_come_back(1);
}

#[test]
fn all_clients_come_back_at_once_and_miss_nothing_on_two_cores() {
    all_come_back(2);
}
