//! Connections are spread over the cores, whoever accepts them.

use super::CONFIG;
use super::common::server::Server;
use std::net::TcpStream;

const CONNECTIONS: usize = 1_000;

/// Open connections of each core, the one that asks included.
fn loads(server: &Server) -> Vec<usize> {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let of_cores = metrics.lines().filter(|line| line.starts_with("corecast_core_connections{"));
    of_cores.map(|line| line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")).collect()
}

fn wait_for(server: &Server, at_least: usize, at_most: usize) -> Vec<usize> {
    loop {
        let loads = loads(server);
        if (at_least..=at_most).contains(&loads.iter().sum()) {
            return loads;
        }
    }
}

#[test]
fn a_thousand_connections_are_spread_evenly_over_two_cores() {
    let server = Server::start(CONFIG, 2);
    let open = || TcpStream::connect(server.address).expect("it listens");
    let mut streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| open()).collect();
    let is_even = |loads: &[usize], total: usize| {
        let even = total / 2;
        loads.len() == 2 && loads.iter().all(|load| load.abs_diff(even) <= even / 10)
    };
    let all = wait_for(&server, CONNECTIONS, CONNECTIONS + 8);
    assert!(is_even(&all, CONNECTIONS), "{all:?}");
    // Whoever has lost the most gets the next ones.
    streams.truncate(CONNECTIONS / 2);
    wait_for(&server, CONNECTIONS / 2, CONNECTIONS / 2 + 8);
    streams.extend((0..CONNECTIONS / 2).map(|_| open()));
    let again = wait_for(&server, CONNECTIONS, CONNECTIONS + 8);
    assert!(is_even(&again, CONNECTIONS), "{again:?}");
}
