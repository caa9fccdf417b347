//! Measures a server of the protocol against the floor in the same run: CPU per message, latency, loss.
//!
//! ```text
//! bench                                   all scenarios, floor and Corecast alternately, three rounds
//! bench --quick                           the same, small
//! bench --target 127.0.0.1:8000 --grpc 127.0.0.1:10000 --pid N --key K     another server instead of Corecast
//! bench --only fan-out                    scenarios whose name contains this
//! ```
//! The server runs on CPU 0, the load on CPU 1. The figure that counts is the ratio of medians.

mod calls;
mod clients;
mod frames;
mod requests;
mod returns;
mod scenarios;
mod server;

use scenarios::{Figures, Scale, Scenario};
use server::Server;

struct Options {
    quick: bool,
    only: String,
    target: Option<Target>,
    rounds: usize,
}

/// A server that runs already.
struct Target {
    address: String,
    grpc: String,
    pid: u32,
    key: String,
}

impl Options {
    fn server(&self) -> Server {
        match &self.target {
            Some(target) => Server::foreign(&target.address, &target.grpc, target.pid, &target.key),
            None => Server::corecast(1),
        }
    }
}

fn options() -> Options {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let quick = arguments.iter().any(|a| a == "--quick");
    let pid = value("--pid").and_then(|text| text.parse().ok()).unwrap_or(0);
    Options {
        quick,
        only: value("--only").unwrap_or_default(),
        target: value("--target").map(|address| {
            let text = |name| value(name).unwrap_or_default();
            Target { address, grpc: text("--grpc"), pid, key: text("--key") }
        }),
        rounds: value("--rounds").and_then(|text| text.parse().ok()).unwrap_or(3),
    }
}

fn scenarios(quick: bool) -> Vec<Scenario> {
    use Scenario::{Broadcast, Call, Channels, Deflate, Fanout, FanoutDeflated, History, Hop, Idle, IdleDeflated};
    use Scenario::{PresenceStats, Publish, PublishKept, Return};
    let api = [Call(4, 16), Broadcast(4, 1000), PublishKept(64), History(16), PresenceStats(16)];
    if quick {
        let hub = [Fanout(100, 1), Fanout(1000, 1), Fanout(1000, 16), Publish(1), Publish(64), Idle(2000), Hop];
        return hub.into_iter().chain(api).chain([Return(500, 50)]).collect();
    }
    let mut all = Vec::new();
    for subscribers in [100, 1000, 5000] {
        all.extend([1, 4, 16].map(|burst| Fanout(subscribers, burst)));
    }
    all.extend([FanoutDeflated(1000, 1), FanoutDeflated(1000, 16), Deflate(150), Deflate(10_240)]);
    all.extend([Publish(1), Publish(64), Call(64, 1)]);
    all.extend(api);
    all.extend([0, 50, 100].map(|missed| Return(500, missed)));
    all.extend([Channels(1000), Idle(10_000), IdleDeflated(10_000), Hop]);
    all
}

fn main() {
    let options = options();
    _ = rustix::thread::sched_setaffinity(None, &{
        let mut cpus = rustix::thread::CpuSet::new();
        cpus.set(1);
        cpus
    });
    let scale = Scale { seconds: if options.quick { 1.0 } else { 4.0 } };
    println!("server on CPU 0, load on CPU 1, {} rounds of {} s, 150-byte payloads", options.rounds, scale.seconds);
    for scenario in scenarios(options.quick).into_iter().filter(|s| s.name().contains(&options.only)) {
        let (mut floor, mut plain, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            if scenario.has_floor() {
                floor.push(scenario.run(&Server::floor(), scale));
            }
            if let Some(yardstick) = scenario.yardstick() {
                plain.push(yardstick.run(&options.server(), scale));
            }
            ours.push(scenario.run(&options.server(), scale));
        }
        println!("\n{} (CPU µs per {})", scenario.name(), scenario.unit());
        let floor = report("floor", &floor);
        let plain = report("publish", &plain);
        let ours = report("server", &ours);
        // An idle floor uses nothing: there is no ratio to it.
        for (name, other) in [("floor", floor), ("one publish over HTTP", plain)] {
            if let Some((other, ours)) = other.zip(ours).filter(|(other, _)| *other > 0.0) {
                println!("  ratio    {:>8.2} to {name}", ours / other);
            }
        }
    }
    if options.target.is_none() && "two cores".contains(&options.only) {
        println!("\ntwo cores, one of them shared with the load: {}", Scenario::Hop.name());
        let runs: Vec<Figures> = (0..options.rounds).map(|_| Scenario::Hop.run(&Server::corecast(2), scale)).collect();
        report("server", &runs);
    }
}

/// Prints the medians of the rounds; returns the median CPU per unit in microseconds.
fn report(name: &str, runs: &[Figures]) -> Option<f64> {
    let each: Vec<f64> = runs.iter().map(|run| run.cpu.total as f64 / 1e3 / run.units as f64).collect();
    let middle = median(each.clone())?;
    let widest = each.iter().map(|cpu| (cpu - middle).abs()).fold(0.0, f64::max);
    let spread = if middle > 0.0 { widest / middle * 100.0 } else { 0.0 };
    let rate = median(runs.iter().map(|run| run.units as f64 / run.seconds).collect())?;
    let user = median(runs.iter().map(|run| run.cpu.user_share() * 100.0).collect())?;
    let softirq = median(runs.iter().map(|run| run.cpu.softirq as f64 / 1e3 / run.units as f64).collect())?;
    let extra = median(runs.iter().map(|run| run.extra).collect())?;
    let (lost, twice): (u64, u64) = runs.iter().fold((0, 0), |sum, run| (sum.0 + run.lost, sum.1 + run.twice));
    print!("  {name:<8} {middle:>8.3} ±{spread:>3.0} %  user {user:>3.0} %  +softirq {softirq:.3}  {rate:>9.0}/s");
    if runs.iter().any(|run| run.latency.is_some()) {
        let quantile = |q: f64| {
            let at = |run: &Figures| run.latency.as_ref().map_or(0.0, |l| l.value_at_quantile(q) as f64 / 1e6);
            median(runs.iter().map(at).collect()).unwrap_or(0.0)
        };
        let points: Vec<String> = [0.5, 0.9, 0.99, 0.999, 1.0].iter().map(|q| format!("{:.2}", quantile(*q))).collect();
        print!("  p50/90/99/99.9/max {} ms  per read {extra:.1}  lost {lost} twice {twice}", points.join("/"));
    } else {
        print!("  {extra:.0} bytes each");
    }
    println!();
    Some(middle)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
