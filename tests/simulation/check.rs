//! What must hold for every run.
//!
//! The reference is the witness: a client that subscribed to every channel before anything happened, reads fast and is
//! never torn. What it got of a channel is the order of that channel; everybody else must have a piece of it.

use crate::client::Stretch;
use crate::world::World;
use std::collections::BTreeSet;

type Item = (u64, u64);

/// No loss, no duplicate, one order per channel, no silent gap.
pub fn check(world: &World) {
    let witness = &world.clients[World::WITNESS];
    assert!(witness.is_open && witness.closed.is_none(), "the witness sees it through: {:?}", witness.closed);
    for (channel, published) in &world.published {
        let order = witness.stretches.iter().find(|s| s.channel == *channel).map_or(&[][..], |s| &s.got);
        complete(channel, order, published, &world.answered);
        for (at, client) in world.clients.iter().enumerate() {
            let stretches = client.stretches.iter().filter(|s| s.channel == *channel);
            for stretch in stretches {
                is_piece(at, stretch, order);
                if client.is_open && client.closed.is_none() && !stretch.ended {
                    reaches_the_end(at, stretch, order, published);
                }
            }
        }
    }
}

/// The order holds every answered publication, none twice, and nothing that nobody published.
fn complete(channel: &str, order: &[Item], published: &[Item], answered: &BTreeSet<Item>) {
    let unique: BTreeSet<&Item> = order.iter().collect();
    assert_eq!(unique.len(), order.len(), "{channel}: a publication was handed out twice");
    assert!(order.iter().all(|item| published.contains(item)), "{channel}: nobody published that");
    let lost: Vec<&Item> = published.iter().filter(|i| answered.contains(*i) && !unique.contains(*i)).collect();
    assert!(lost.is_empty(), "{channel}: answered but never handed out: {lost:?}");
    // Publications of one publisher are begun in the order of their numbers.
    for (at, (publisher, number)) in order.iter().enumerate() {
        let later = order[at + 1..].iter().find(|(p, n)| p == publisher && n < number);
        assert_eq!(later, None, "{channel}: publisher {publisher} was reordered");
    }
}

/// No gap, no duplicate, no other order, whatever became of the client.
fn is_piece(client: usize, stretch: &Stretch, order: &[Item]) {
    let Some(first) = stretch.got.first() else { return };
    let start = order.iter().position(|item| item == first);
    let start = start.unwrap_or_else(|| panic!("client {client} got what the witness did not: {stretch:?}"));
    let piece = order.get(start..start + stretch.got.len());
    assert_eq!(piece, Some(stretch.got.as_slice()), "client {client} has a gap or another order: {stretch:?}");
}

/// A client that is still subscribed has everything from its reply on.
fn reaches_the_end(client: usize, stretch: &Stretch, order: &[Item], published: &[Item]) {
    assert!(stretch.got.is_empty() || stretch.got.last() == order.last(), "client {client} stopped: {stretch:?}");
    let after_reply = published.get(stretch.published_before..).unwrap_or_default();
    let lost: Vec<&Item> =
        order.iter().filter(|item| after_reply.contains(item) && !stretch.got.contains(item)).collect();
    assert!(lost.is_empty(), "client {client} lost {lost:?} of {}", stretch.channel);
}
