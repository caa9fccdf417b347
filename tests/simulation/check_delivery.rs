//! What every subscriber must have been told.
//!
//! The reference is the witness: what it heard of a channel is the order in which the channel's owner handed things out;
//! everybody else must have a piece of it. Joins and leaves stand in the same order as publications.

use crate::model::{Item, Model, Tally};
use crate::realm;
use crate::stretch::{Heard, Stretch};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// The order of one channel, and the epoch of its positions.
pub struct Order<'a> {
    pub channel: &'static str,
    pub heard: &'a [Heard],
    pub epoch: Option<&'a str>,
    /// Kept publications by offset.
    pub offsets: BTreeMap<u64, Item>,
}

pub fn orders(world: &World) -> Vec<Order<'_>> {
    let witness = &world.clients[World::WITNESS];
    assert!(world.is_alive(witness), "the witness sees it through: {:?}", witness.closed);
    let order = |channel| {
        let mut stretches = witness.stretches.iter().filter(|s| s.channel == channel);
        let (Some(stretch), None) = (stretches.next(), stretches.next()) else { panic!("{channel}: one subscription") };
        let offsets = stretch.got.iter().filter_map(|heard| Some((heard.offset()?, heard.item()?)));
        let epoch = stretch.position.as_ref().map(|(_, epoch)| &epoch[..]);
        Order { channel, heard: &stretch.got, epoch, offsets: offsets.collect() }
    };
    world.channels.iter().copied().map(order).collect()
}

/// No loss, no duplicate, one order per channel, no silent gap; positions without a hole.
pub fn check(world: &World, orders: &[Order<'_>], tally: &mut Tally) {
    for order in orders {
        complete(order, &world.model);
        dense(order);
        for (at, client) in world.clients.iter().enumerate() {
            // Without a position nobody is told; with one the publications are those behind it all the same.
            let is_lossy = client.has_missed(order.channel, &world.model);
            let stretches: Vec<&Stretch> = client.stretches.iter().filter(|s| s.channel == order.channel).collect();
            for stretch in &stretches {
                count(stretch, tally);
                positions(at, stretch, order);
                if !is_lossy {
                    is_piece(at, stretch, order);
                    begins_in_time(at, stretch, order, world.model.published.get(order.channel));
                }
            }
            // One that has fallen behind has its position alone to go on from.
            let may_be_behind = realm::catches_up(order.channel) && world.links[client.link].was_full;
            for pair in stretches.windows(2).filter(|pair| pair[0].replaced && !is_lossy) {
                if pair[1].position.is_some() || !may_be_behind {
                    follows(at, pair, order);
                }
            }
            if let Some(last) = stretches.last().filter(|stretch| !stretch.ended && world.is_alive(client)) {
                reaches_the_top(at, last, order);
                if !is_lossy {
                    reaches_the_end(at, last, order, world.model.published.get(order.channel));
                }
            }
        }
    }
}

/// Whoever has a position in the channel of the loss has everything again or is not subscribed any more, without a further
/// publication that would have shown the gap.
pub fn check_loss(world: &World) {
    let orders = orders(world);
    for (at, client) in world.clients.iter().enumerate().filter(|(_, client)| world.is_alive(client)) {
        for order in orders.iter().filter(|order| client.has_missed(order.channel, &world.model)) {
            client.active(order.channel).into_iter().for_each(|stretch| reaches_the_top(at, stretch, order));
        }
    }
}

/// What the stretch is an example of.
fn count(stretch: &Stretch, tally: &mut Tally) {
    let got = stretch.got.iter().filter(|heard| heard.item().is_some()).count();
    tally.count("subscriptions", 1);
    tally.count("publications", got);
    tally.count("patches", stretch.patches);
    tally.count("filtered publications", if stretch.filter.is_some() { got } else { 0 });
    let recovery = match (stretch.is_recovered, realm::is_cache(&stretch.channel)) {
        _ if stretch.since.is_none() => return,
        (false, true) => "not recovered in cache mode",
        (false, false) if stretch.misses_too_much() => "not recovered, too much was missed",
        (false, false) => "not recovered, history was gone",
        (true, false) if stretch.missed.is_empty() => "recovered, nothing was missed",
        (true, false) if stretch.filter.is_some() => "recovered with a filter",
        (true, false) => "recovered",
        (true, true) if stretch.missed.is_empty() => "recovered in cache mode, nothing was missed",
        (true, true) => "recovered in cache mode",
    };
    tally.count(recovery, 1);
}

/// The order holds every answered publication, none twice, and nothing that nobody published; of calls with the same
/// idempotency key it holds one.
fn complete(order: &Order<'_>, model: &Model) {
    let channel = order.channel;
    let items: Vec<Item> = order.heard.iter().filter_map(Heard::item).collect();
    let unique: BTreeSet<Item> = items.iter().copied().collect();
    assert_eq!(unique.len(), items.len(), "{channel}: a publication was handed out twice");
    let published: BTreeSet<Item> = model.published.get(channel).into_iter().flatten().copied().collect();
    assert!(unique.is_subset(&published), "{channel}: nobody published that");
    let answered = model.answered.iter().filter(|(of, _)| of == channel);
    let lost: Vec<&Item> = answered.map(|(_, item)| item).filter(|item| !unique.contains(*item)).collect();
    assert!(lost.is_empty(), "{channel}: answered but never handed out: {lost:?}");
    for ((_, key), keyed) in model.keyed.iter().filter(|((of, _), _)| of == channel) {
        let asked: BTreeSet<Item> = keyed.items.iter().copied().collect();
        let handed_out = asked.intersection(&unique).count();
        assert!(handed_out <= 1, "{channel} {key}: a repeat was handed out");
        assert!(handed_out == 1 || keyed.positions.is_empty(), "{channel} {key}: answered but never handed out");
    }
    // Publications of one publisher are begun in the order of their numbers.
    let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
    for (publisher, number) in items {
        let former = newest.insert(publisher, number);
        assert!(former.is_none_or(|former| former < number), "{channel}: publisher {publisher} was reordered");
    }
}

/// The witness was there from the first publication on, so it has seen every offset in its order.
fn dense(order: &Order<'_>) {
    let seen: Vec<u64> = order.heard.iter().filter_map(Heard::offset).collect();
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "{}: offsets have a hole", order.channel);
}

/// What the order looks like to this subscriber.
fn view(stretch: &Stretch, order: &Order<'_>) -> Vec<Heard> {
    let is_told = |heard: &&Heard| match heard.item() {
        Some(item) => stretch.wants(item),
        None => stretch.hears_joins(),
    };
    order.heard.iter().filter(is_told).filter(|heard| counts(order, heard)).cloned().collect()
}

/// What it has got of that.
fn got(stretch: &Stretch, order: &Order<'_>) -> Vec<Heard> {
    stretch.got.iter().filter(|heard| counts(order, heard)).cloned().collect()
}

/// Who falls behind and catches up may lose what is not kept.
fn counts(order: &Order<'_>, heard: &Heard) -> bool {
    !realm::catches_up(order.channel) || heard.offset().is_some()
}

/// No gap, no duplicate, no other order, whatever became of the client.
fn is_piece(client: usize, stretch: &Stretch, order: &Order<'_>) {
    let got = got(stretch, order);
    let is_there = got.is_empty() || view(stretch, order).windows(got.len()).any(|piece| piece == got);
    assert!(is_there, "client {client} has a gap or another order: {stretch:?}");
}

/// Nothing is missing ahead of what has come, also when the rest was cut off: what was begun after its reply, and before
/// something that it has got, it has got too.
fn begins_in_time(client: usize, stretch: &Stretch, order: &Order<'_>, published: Option<&Vec<Item>>) {
    let after = published.and_then(|published| published.get(stretch.published_before..)).unwrap_or_default();
    let (got, view) = (got(stretch, order), view(stretch, order));
    let Some(first) = got.iter().position(|heard| heard.item().is_some()) else { return };
    let begin = view.iter().position(|heard| *heard == got[first]).map_or(0, |at| at.saturating_sub(first));
    let due = view.iter().position(|heard| heard.item().is_some_and(|item| after.contains(&item)));
    assert!(due.is_none_or(|due| begin <= due), "client {client} has lost the first of what waited: {stretch:?}");
}

/// What it recovered and what came then are all that it wants behind its position; the epoch is the channel's.
fn positions(client: usize, stretch: &Stretch, order: &Order<'_>) {
    let Some((told, epoch)) = &stretch.position else { return };
    // A cache tells where it was asked from.
    let first = stretch.got.iter().find_map(Heard::offset).filter(|_| !realm::is_cache(&stretch.channel));
    assert!(first.is_none_or(|first| first > *told), "client {client} was told more than it had: {stretch:?}");
    assert_eq!(Some(&epoch[..]), order.epoch, "client {client} was told another epoch: {stretch:?}");
    let is_item = |(item, offset): &(Item, u64)| order.offsets.get(offset) == Some(item);
    assert!(stretch.missed.iter().all(is_item), "client {client} recovered something else: {stretch:?}");
    let Some(expected) = behind(stretch, order) else { return };
    let got = offsets(stretch);
    assert!(expected.starts_with(&got), "client {client} has a gap: {got:?} of {expected:?}, {stretch:?}");
}

/// Offsets of what the subscriber wants behind the position that it was told; `None` when that cannot be known.
fn behind(stretch: &Stretch, order: &Order<'_>) -> Option<Vec<u64>> {
    stretch.position.as_ref()?;
    // Who does not know where it begins begins where it does.
    let first = || Some(offsets(stretch).first()? - 1);
    let behind = order.offsets.range(stretch.goes_on_behind().or_else(first)? + 1..);
    Some(behind.filter(|(_, item)| stretch.wants(**item)).map(|(offset, _)| *offset).collect())
}

/// Offsets of what the subscriber has got.
fn offsets(stretch: &Stretch) -> Vec<u64> {
    let missed = stretch.missed.iter().map(|(_, offset)| *offset).filter(|_| !realm::is_cache(&stretch.channel));
    missed.chain(stretch.got.iter().filter_map(Heard::offset)).collect()
}

/// A subscription that the backend has put in place of another one goes on where that one was: nothing of what both
/// want is missing between them.
fn follows(client: usize, pair: &[&Stretch], order: &Order<'_>) {
    let is_for_both = |item: &Item| pair.iter().all(|stretch| stretch.wants(*item));
    let is_due = |heard: &&Heard| counts(order, heard);
    let items = |heard: &[Heard]| -> Vec<Item> {
        heard.iter().filter(is_due).filter_map(Heard::item).filter(is_for_both).collect()
    };
    let (got, all) = ([items(&pair[0].got), items(&pair[1].got)].concat(), items(order.heard));
    let is_there = got.is_empty() || all.windows(got.len()).any(|piece| piece == got);
    assert!(is_there, "client {client} missed something when its subscription was replaced: {pair:?}");
}

/// A client that is still subscribed has everything from its reply on.
fn reaches_the_end(client: usize, stretch: &Stretch, order: &Order<'_>, published: Option<&Vec<Item>>) {
    assert!(view(stretch, order).ends_with(&self::got(stretch, order)), "client {client} stopped: {stretch:?}");
    let after = published.and_then(|published| published.get(stretch.published_before..)).unwrap_or_default();
    let got: BTreeSet<Item> = stretch.got.iter().filter_map(Heard::item).collect();
    let is_lost = |item: &Item| stretch.wants(*item) && after.contains(item) && !got.contains(item);
    let all = order.heard.iter().filter(|heard| counts(order, heard));
    let lost: Vec<Item> = all.filter_map(Heard::item).filter(is_lost).collect();
    assert!(lost.is_empty(), "client {client} lost {lost:?}: {stretch:?}");
}

/// A client that is still subscribed has all that it wants up to the newest.
fn reaches_the_top(client: usize, stretch: &Stretch, order: &Order<'_>) {
    if let Some(expected) = behind(stretch, order) {
        assert_eq!(offsets(stretch), expected, "client {client} is behind the top: {stretch:?}");
    }
}
