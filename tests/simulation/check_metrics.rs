//! What the server counts is what the clients know: gauges at rest exactly, and counters exactly where nobody has lost
//! anything of what was sent to it.

use crate::client::Client;
use crate::realm;
use crate::world::World;
use std::collections::BTreeSet;

/// At rest: who is connected, and to what.
pub fn check(world: &mut World) {
    let mut counted = 0;
    for core in 0..world.nodes.len() {
        gauges(world, core);
        counted += usize::from(counters(world, core));
    }
    check_users(world);
    world.model.tally.count("cores whose messages were counted exactly", counted);
}

fn gauges(world: &World, core: usize) {
    let counters = world.nodes[core].shard.counters();
    let clients: Vec<&Client> = connected(world).filter(|client| client.core == core).collect();
    let users: BTreeSet<&str> = clients.iter().map(|client| &client.user[..]).collect();
    let active = |client: &Client| client.stretches.iter().filter(|stretch| !stretch.ended).count();
    let subscriptions: usize = clients.iter().map(|client| active(client)).sum();
    let links = world.links.iter().filter(|link| link.core == core && link.is_open).count();
    let heard: BTreeSet<&str> = connected(world)
        .flat_map(|client| client.stretches.iter().filter(|stretch| !stretch.ended))
        .map(|stretch| &stretch.channel[..])
        .filter(|channel| world.owner(channel) == core)
        .collect();
    let present = connected(world)
        .flat_map(|client| client.stretches.iter().filter(|s| !s.ended && s.has_presence()))
        .filter(|stretch| world.owner(&stretch.channel) == core)
        .count();
    let told = [
        counters.clients.get(),
        counters.users.get(),
        counters.subscriptions.get(),
        counters.connections.get(),
        counters.channels.get(),
        counters.presence_entries.get(),
    ];
    let known = [clients.len(), users.len(), subscriptions, links, heard.len(), present].map(|count| count as u64);
    assert_eq!(told, known, "core {core} counts clients, users, subscriptions, sockets, channels, members");
}

/// Nobody has more connections than a user may have.
fn check_users(world: &World) {
    for client in connected(world).filter(|client| !client.user.is_empty()) {
        let count = connected(world).filter(|other| other.user == client.user).count();
        assert!(count <= realm::USER_CONNECTIONS_MAX, "{} has {count} connections", client.user);
    }
}

fn connected(world: &World) -> impl Iterator<Item = &Client> {
    world.clients.iter().filter(move |client| world.is_alive(client) && client.id.is_some())
}

/// True when they could be compared exactly.
fn counters(world: &World, core: usize) -> bool {
    let counters = world.nodes[core].shard.counters();
    let mut clients = world.clients.iter().filter(|client| client.core == core);
    let sum = |of: fn(&Client) -> u64| clients.clone().map(of).sum::<u64>();
    let received = sum(|client| client.received);
    assert!(received <= counters.messages_sent.get(), "core {core} has sent less than has come");
    assert!(sum(|client| client.answered) <= counters.commands.get(), "core {core} has answered what it never took");
    let unsubscribed = sum(|client| client.unsubscribed);
    let told: u64 = counters.unsubscribes.cells().iter().map(|cell| cell.get()).sum();
    assert!(unsubscribed <= told, "core {core} has ended more subscriptions than it counts");
    // Who is cut loses what waits, and who never connected what was held for it.
    // So does one whose connection was given up before it could take everything.
    let is_gone = |client: &Client| client.closed.is_none() && !world.is_alive(client);
    let has_lost =
        |client: &Client| matches!(client.closed, Some(3008..=3010)) || client.id.is_none() || is_gone(client);
    if !world.chaos.is_calm() || clients.any(has_lost) {
        return false;
    }
    assert_eq!(received, counters.messages_sent.get(), "core {core} counts what it sends to clients");
    assert_eq!(counters.slow_clients.get(), 0, "core {core} has cut nobody");
    true
}

/// Bounds that are meant to be exact.
pub fn check_limits(client: &Client) {
    let active = client.stretches.iter().filter(|stretch| !stretch.ended).count();
    assert!(active <= realm::CHANNEL_LIMIT, "a connection has {active} subscriptions");
}
