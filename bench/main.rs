//! Measures a server of the protocol against the floor in the same run: CPU per message, latency, loss.
//!
//! ```text
//! bench                       all scenarios, floor and Corecast alternately, three rounds
//! bench --quick               the same, small
//! bench --peer "COMMAND" --peer-url 127.0.0.1:18000 --peer-grpc 127.0.0.1:18001 --peer-key K
//!                             another server of the protocol in turn with them, started for each round
//! bench --only fan-out        scenarios whose name contains this
//! bench --results FOLDER      where the file and the picture of the run go; without it there are none
//! ```
//! The server runs on CPU 0, the load on CPU 1. The figure that counts is the ratio of medians.

mod beside;
mod calls;
mod clients;
mod frames;
mod mesh;
mod publishers;
mod requests;
mod results;
mod returns;
mod scenarios;
mod server;
mod summary;

use beside::Probe;
use results::{Conditions, Row};
use scenarios::{Scale, Scenario};
use server::{Peer, Server};
use std::path::PathBuf;
use summary::Summary;

struct Options {
    quick: bool,
    only: String,
    peer: Option<Peer>,
    rounds: usize,
    results: Option<PathBuf>,
}

fn options() -> Options {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let quick = arguments.iter().any(|a| a == "--quick");
    Options {
        quick,
        only: value("--only").unwrap_or_default(),
        peer: value("--peer").filter(|command| !command.is_empty()).map(|command| {
            let text = |name| value(name).unwrap_or_default();
            let key = value("--peer-key").unwrap_or_else(|| "k".into());
            Peer { command, address: text("--peer-url"), grpc: text("--peer-grpc"), key }
        }),
        rounds: value("--rounds").and_then(|text| text.parse().ok()).unwrap_or(3),
        results: value("--results").map(PathBuf::from),
    }
}

fn scenarios(quick: bool) -> Vec<Scenario> {
    use Scenario::*;
    if quick {
        let mut few = vec![Fanout(100, 1), Fanout(1000, 1), Fanout(1000, 16), Publish(1), Publish(64), Call(4, 16)];
        few.extend([Broadcast(4, 1000), ClientPublish(64), Connect(500, true), Return(500, 50), Idle(2000), Hop]);
        return few;
    }
    let mut all = Vec::new();
    for subscribers in [100, 1000, 5000] {
        all.extend([1, 4, 16].map(|burst| Fanout(subscribers, burst)));
    }
    all.extend([Fanout(10_000, 16), Saturated(1000), Trickle(100, false), Trickle(100, true)]);
    all.extend([Probe::Publication, Probe::Ping, Probe::Request].map(|probe| Beside(10_000, probe)));
    all.extend([FanoutDeflated(1000, 1), FanoutDeflated(1000, 16), Deflate(150), Deflate(10_240)]);
    all.extend([Publish(1), Publish(64), Call(64, 1), Call(4, 16), Broadcast(4, 1000), PublishKept(64)]);
    all.extend([History(16), PresenceStats(16), ClientPublish(64), Users(1000), Channels(1000)]);
    all.extend([Connect(500, false), Connect(500, true)]);
    all.extend([0, 50, 100].map(|missed| Return(500, missed)));
    all.extend([Idle(18_000), IdleSubscribed(10_000), IdleDeflated(10_000), Hop, Mesh(false), Mesh(true)]);
    all
}

fn main() {
    let options = options();
    _ = rustix::thread::sched_setaffinity(None, &{
        let mut cpus = rustix::thread::CpuSet::new();
        cpus.set(1);
        cpus
    });
    let scale = Scale { seconds: if options.quick { 0.7 } else { 2.0 } };
    println!("server on CPU 0, load on CPU 1, {} rounds of {} s, 150-byte payloads", options.rounds, scale.seconds);
    let wanted = scenarios(options.quick).into_iter().filter(|scenario| scenario.name().contains(&options.only));
    let rows: Vec<Row> = wanted.map(|scenario| measure(scenario, &options, scale)).collect();
    if let Some(folder) = &options.results {
        let peer = options.peer.map(|peer| peer.command);
        let conditions = Conditions { rounds: options.rounds, seconds: scale.seconds, quick: options.quick, peer };
        let base = results::write(folder, &rows, &conditions).expect("a folder for the results");
        println!("\n{}.json and .svg", base.display());
    }
}

/// One scenario on all servers in turn.
fn measure(scenario: Scenario, options: &Options, scale: Scale) -> Row {
    let [mut floor, mut plain, mut ours, mut two, mut peer] = [const { Vec::new() }; 5];
    for _ in 0..options.rounds {
        if scenario.has_floor() {
            floor.push(scenario.run(&Server::floor(), scale));
        }
        if let Some(yardstick) = scenario.yardstick() {
            plain.push(yardstick.run(&Server::corecast(1), scale));
        }
        ours.push(scenario.run(&Server::corecast(1), scale));
        if scenario.has_two_cores() && !options.quick {
            two.push(scenario.run(&Server::corecast(2), scale));
        }
        if let Some(other) = options.peer.as_ref().filter(|peer| scenario.has_peer(!peer.grpc.is_empty())) {
            peer.push(scenario.run(&Server::peer(other), scale));
        }
    }
    println!("\n{} (CPU µs per {})", scenario.name(), scenario.unit());
    let all = [("floor", floor), ("publish", plain), ("corecast", ours), ("two cores", two), ("peer", peer)];
    let servers = all.into_iter().filter_map(|(name, runs)| Summary::new(name, runs)).collect();
    let row = Row { scenario, servers };
    row.servers.iter().for_each(Summary::print);
    for (other, what) in
        [("floor", "floor"), ("publish", "one publication over HTTP"), ("peer", "the peer"), ("two cores", "two cores")]
    {
        if let Some(ratio) = row.ratio_to(other) {
            println!("  ratio    {ratio:>8.2} to {what}");
        }
    }
    row
}
