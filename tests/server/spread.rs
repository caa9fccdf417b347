//! Connections are spread over the cores, whoever accepts them.

use super::CONFIG;
use super::common::server::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const CONNECTIONS: usize = 1_000;

/// Asks for the figures over one connection, which is counted too.
struct Figures(BufReader<TcpStream>);

impl Figures {
    fn new(server: &Server) -> Figures {
        Figures(BufReader::new(TcpStream::connect(server.address).expect("it listens")))
    }

    /// Open connections of each core.
    fn loads(&mut self) -> Vec<usize> {
        self.0.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n").expect("open");
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            assert!(self.0.read_line(&mut line).expect("an answer") > 0, "the server keeps the connection");
            length = line.strip_prefix("Content-Length: ").map_or(length, |n| n.trim().parse().expect("a number"));
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).expect("the body");
        let text = String::from_utf8(text).expect("text");
        let of_cores = text.lines().filter(|line| line.starts_with("corecast_core_connections{"));
        of_cores.map(|line| line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")).collect()
    }

    /// The same when all cores together have so many connections besides this one.
    fn loads_at(&mut self, total: usize) -> Vec<usize> {
        loop {
            let loads = self.loads();
            if loads.iter().sum::<usize>() == total + 1 {
                return loads;
            }
        }
    }
}

fn is_even(loads: &[usize]) -> bool {
    let even = loads.iter().sum::<usize>() / loads.len();
    loads.iter().all(|load| load.abs_diff(even) <= even / 10)
}

#[test]
fn a_thousand_connections_are_spread_evenly_over_two_cores() {
    let server = Server::start(CONFIG, 2);
    let mut figures = Figures::new(&server);
    let _streams: Vec<TcpStream> =
        (0..CONNECTIONS).map(|_| TcpStream::connect(server.address).expect("it listens")).collect();
    let loads = figures.loads_at(CONNECTIONS);
    assert!(loads.len() == 2 && is_even(&loads), "{loads:?}");
}

#[test]
fn a_core_that_has_lost_its_connections_gets_the_next_ones() {
    let server = Server::start(CONFIG, 2);
    let mut figures = Figures::new(&server);
    let mut before = figures.loads_at(0);
    let mut of_cores: [Vec<TcpStream>; 2] = Default::default();
    let open = || TcpStream::connect(server.address).expect("it listens");
    for n in 1..=200 {
        let stream = open();
        let loads = figures.loads_at(n);
        of_cores[usize::from(loads[1] > before[1])].push(stream);
        before = loads;
    }
    let lost = std::mem::take(&mut of_cores[0]).len();
    assert!(lost > 50, "{lost}");
    figures.loads_at(200 - lost);
    let _again: Vec<TcpStream> = (0..lost).map(|_| open()).collect();
    let loads = figures.loads_at(200);
    assert!(is_even(&loads), "{loads:?}");
}
