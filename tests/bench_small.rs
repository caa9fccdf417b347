//! The bench at a small size: every scenario runs against the floor and the server, nothing is lost or doubled. No time is
//! judged here.
#![cfg(feature = "bench")]

#[path = "../bench/beside.rs"]
mod beside;
#[path = "../bench/calls.rs"]
mod calls;
#[path = "../bench/clients.rs"]
#[allow(dead_code)]
mod clients;
#[path = "../bench/frames.rs"]
#[allow(dead_code)]
mod frames;
#[path = "../bench/mesh.rs"]
mod mesh;
#[path = "../bench/publishers.rs"]
mod publishers;
#[path = "../bench/requests.rs"]
mod requests;
#[path = "../bench/returns.rs"]
mod returns;
#[path = "../bench/scenarios.rs"]
#[allow(dead_code)]
mod scenarios;
#[path = "../bench/server.rs"]
#[allow(dead_code)]
mod server;

use beside::Probe;
use scenarios::{Scale, Scenario};
use server::Server;

fn run(scenario: Scenario, server: &Server) {
    let figures = scenario.run(server, Scale { seconds: 0.2 });
    assert_eq!((figures.lost, figures.twice), (0, 0), "{}", scenario.name());
    assert!(figures.units > 1, "{}", scenario.name());
}

#[test]
fn the_floor_and_the_server_lose_and_double_nothing() {
    for scenario in [Scenario::Fanout(10, 1), Scenario::Fanout(10, 4), Scenario::Publish(1), Scenario::Hop] {
        run(scenario, &Server::floor());
        run(scenario, &Server::corecast(1));
        run(scenario, &Server::corecast(2));
    }
    for missed in [0, 50] {
        run(Scenario::Return(20, missed), &Server::floor());
        run(Scenario::Return(20, missed), &Server::corecast(1));
        run(Scenario::Return(20, missed), &Server::corecast(2));
    }
    for scenario in [Scenario::Saturated(10), Scenario::ClientPublish(4), Scenario::Connect(20, true)] {
        run(scenario, &Server::floor());
        run(scenario, &Server::corecast(2));
    }
    for scenario in [Scenario::Channels(20), Scenario::Users(20), Scenario::Connect(20, false)] {
        run(scenario, &Server::corecast(2));
    }
    for probe in [Probe::Publication, Probe::Ping, Probe::Request] {
        run(Scenario::Beside(20, probe), &Server::corecast(1));
        run(Scenario::Beside(20, probe), &Server::corecast(2));
    }
    for is_gathered in [false, true] {
        run(Scenario::Trickle(20, is_gathered), &Server::corecast(2));
    }
    for sleeps in [false, true] {
        run(Scenario::Mesh(sleeps), &Server::corecast(1));
    }
    run(Scenario::Idle(50), &Server::corecast(1));
    run(Scenario::IdleSubscribed(50), &Server::corecast(2));
}

#[test]
fn compression_is_measured() {
    for scenario in [Scenario::FanoutDeflated(10, 4), Scenario::IdleDeflated(50), Scenario::Deflate(150)] {
        run(scenario, &Server::corecast(2));
    }
}

#[test]
fn the_server_api_is_measured_on_one_core() {
    use Scenario::{Broadcast, Call, History, PresenceStats, PublishKept};
    for scenario in [Call(2, 4), Broadcast(2, 20), PublishKept(2), History(2), PresenceStats(2)] {
        if scenario.has_floor() {
            run(scenario, &Server::floor());
        }
        run(scenario, &Server::corecast(1));
    }
}
