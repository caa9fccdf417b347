//! What others notice while publications go to very many subscribers: another channel, a ping, a request.
//!
//! The many are published to in an open loop that asks for about half of a core. Beside it a thread of higher priority, so that
//! the load's own work does not count, does one thing after another and takes the time of each.

use crate::clients::{Clients, payload};
use crate::publishers::{message, upgrade};
use crate::requests::post;
use crate::scenarios::{Figures, Scale, bulk};
use crate::server::Server;
use hdrhistogram::Histogram;
use memchr::memmem;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What is done beside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// A publication of another channel reaches its one subscriber.
    Publication,
    /// A WebSocket ping is answered.
    Ping,
    /// A publication that nobody listens to is answered.
    Request,
}

/// Between two of them, so that they come at any time of a fan-out.
const PAUSE: Duration = Duration::from_micros(1_700);

/// A ping with a mask of zeros, and its answer.
const PING: &[u8] = &[0x89, 0x80, 0, 0, 0, 0];
const PONG: &[u8] = &[0x8a, 0];

/// Two connections of one who asks.
struct Asker<'a> {
    server: &'a Server,
    requests: TcpStream,
    client: TcpStream,
    asked: u64,
}

impl Asker<'_> {
    fn new(server: &Server) -> Asker<'_> {
        let open = || {
            let stream = TcpStream::connect(server.address).expect("the server listens");
            stream.set_nodelay(true).expect("an option");
            stream
        };
        let mut asker = Asker { server, requests: open(), client: open(), asked: 0 };
        asker.client.write_all(&upgrade(server)).expect("open");
        read_to(&mut asker.client, b"\r\n\r\n");
        let commands = [r#"{"id":1,"connect":{}}"#, r#"{"id":2,"subscribe":{"channel":"bench:beside"}}"#];
        for (command, reply) in commands.iter().zip([&b"\"connect\":"[..], b"\"subscribe\":"]) {
            asker.client.write_all(&message(command)).expect("open");
            read_to(&mut asker.client, reply);
        }
        asker
    }

    fn publish(&mut self, channel: &str) {
        let body = format!(r#"{{"channel":"{channel}","data":{}}}"#, payload(0, self.asked));
        self.requests.write_all(&post(self.server, "publish", &body)).expect("open");
    }

    fn ask(&mut self, probe: Probe) -> Duration {
        self.asked += 1;
        let began = Instant::now();
        match probe {
            Probe::Publication => {
                self.publish("bench:beside");
                read_to(&mut self.client, format!(".{:010}.", self.asked).as_bytes());
            }
            Probe::Ping => {
                self.client.write_all(PING).expect("open");
                read_to(&mut self.client, PONG);
            }
            Probe::Request => {
                self.publish("bench:nobody");
                read_to(&mut self.requests, b"\"result\":");
            }
        }
        let time = began.elapsed();
        if probe == Probe::Publication {
            read_to(&mut self.requests, b"\"result\":");
        }
        time
    }
}

fn read_to(stream: &mut TcpStream, what: &[u8]) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while memmem::find(&seen, what).is_none() {
        let n = stream.read(&mut buffer).expect("an answer");
        assert!(n > 0, "the server keeps the connection");
        seen.extend_from_slice(&buffer[..n]);
    }
}

/// CPU per delivery to the many; the latency is that of the probes.
pub fn beside(server: &Server, scale: Scale, subscribers: usize, probe: Probe) -> Figures {
    let start = Instant::now();
    let clients = Clients::connect(server.address, subscribers, start, |_| Some("bench:0".into()));
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probes = scope.spawn(|| {
            // Without the right to it the figures are worse, for all servers.
            _ = rustix::process::setpriority_process(None, -19);
            let mut latency = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("bounds");
            let mut asker = Asker::new(server);
            while !ends.load(Ordering::Relaxed) {
                _ = latency.record((asker.ask(probe).as_nanos() as u64).max(1_000));
                std::thread::sleep(PAUSE);
            }
            latency
        });
        let interval = Duration::from_micros(subscribers as u64 * 10);
        let mut figures = bulk(server, scale, clients, start, interval);
        ends.store(true, Ordering::Relaxed);
        figures.latency = Some(probes.join().expect("the probes end"));
        figures
    })
}
