//! What publishers were told, and what was said of history and recovered of it, against the order that the witness saw.
//!
//! What is kept is known but for what was under way at the time: from a publication on for its time unless somebody
//! removed it (`Window::holds`), not any more when its time was over as its owner looked, or when a removal was answered
//! (`Window::has_lost`). Between the two either answer is right.

use crate::calls::Purpose;
use crate::check_delivery::Order;
use crate::clocks::Moment;
use crate::model::{GivenUp, Item, Model, Page, Position, Removal, Tally};
use crate::realm;
use crate::stretch::Stretch;
use crate::world::World;
use serde_json::{Value, json};

/// Positions that were told are those of the order, also for repeats of an idempotency key.
pub fn check(world: &World, orders: &[Order<'_>], tally: &mut Tally) {
    let order = |channel: &str| orders.iter().find(|order| order.channel == channel).expect("a channel");
    for ((channel, item), position) in &world.model.placed {
        is_place(order(channel), std::slice::from_ref(item), position.as_ref());
    }
    for ((channel, key), keyed) in &world.model.keyed {
        let first = keyed.positions.first();
        assert!(
            keyed.positions.iter().all(|position| Some(position) == first),
            "{channel} {key}: positions of a key differ: {keyed:?}"
        );
        if let Some(position) = first {
            is_place(order(channel), &keyed.items, position.as_ref());
        }
    }
    for page in &world.model.pages {
        let Page { channel, kept, top: (top, epoch), .. } = page;
        let order = order(channel);
        assert_eq!(order.epoch, Some(&epoch[..]), "{channel}: another epoch");
        assert!(*top <= order.offsets.len() as u64, "{channel}: nobody saw offset {top}");
        let is_item = |(item, offset): &(Item, u64)| order.offsets.get(offset) == Some(item);
        assert!(kept.iter().all(is_item), "{channel}: history is not what was handed out: {kept:?}");
    }
    let histories = orders.iter().filter(|order| realm::has_history(order.channel));
    let windows: Vec<Window<'_>> = histories.map(|order| Window::new(world, order)).collect();
    check_given_up(world, &windows, tally);
    for window in &windows {
        let order = window.order;
        tally.count("histories that were surely emptied", window.emptied.len());
        world.model.pages.iter().filter(|page| page.channel == order.channel).for_each(|page| window.check_page(page));
        let stretches = world.clients.iter().flat_map(|client| &client.stretches);
        stretches.filter(|s| s.channel == order.channel).for_each(|stretch| window.check_recovery(stretch));
    }
}

/// Who was told that it cannot catch up was slow, and what it had missed was not surely kept.
fn check_given_up(world: &World, windows: &[Window<'_>], tally: &mut Tally) {
    for GivenUp { link, reached, told } in &world.model.given_up {
        assert!(world.links[*link].was_full, "it was not slow: {reached:?} at {told:?}");
        let is_lost = |(channel, offset): &(String, u64)| {
            let window = windows.iter().find(|window| window.order.channel == channel).expect("a history");
            let handed_out =
                window.order.offsets.iter().rev().find(|(_, item)| window.model.begun[item].step <= told.step);
            handed_out.is_some_and(|(top, _)| !window.holds(*offset, *top, *told))
        };
        assert!(reached.iter().any(is_lost), "it could have caught up: {reached:?} at {told:?}");
        tally.count("slow subscribers whose hole could not be filled", 1);
    }
}

/// A history that surely has nothing of what it had.
struct Emptied {
    begun: u64,
    done: u64,
}

/// What of a channel was kept when.
struct Window<'a> {
    order: &'a Order<'a>,
    model: &'a Model,
    removals: &'a [Removal],
    emptied: Vec<Emptied>,
}

impl<'a> Window<'a> {
    fn new(world: &'a World, order: &'a Order<'a>) -> Window<'a> {
        let model = &world.model;
        let removals = model.removals.get(order.channel).map_or(&[][..], Vec::as_slice);
        let removed = removals.iter().filter_map(|r| Some(Emptied { begun: r.begun.step, done: r.done?.step }));
        let mut window = Window { order, model, removals, emptied: removed.collect() };
        let ticks = world.ticks_of_owner(order.channel).iter().filter(|tick| window.is_over(tick));
        let expired: Vec<Emptied> = ticks.map(|tick| Emptied { begun: tick.step, done: tick.step }).collect();
        window.emptied.extend(expired);
        window
    }

    fn begun(&self, offset: u64) -> Moment {
        self.model.begun[&self.order.offsets[&offset]]
    }

    fn seen(&self, item: Item) -> Moment {
        self.model.seen[self.order.channel][&item]
    }

    /// Everything that was kept then had had its time.
    fn is_over(&self, tick: &Moment) -> bool {
        let had_its_time = |item: &Item| self.seen(*item).at + realm::HISTORY_TTL <= tick.at;
        self.order.offsets.values().all(|item| self.model.begun[item].step > tick.step || had_its_time(item))
    }

    /// Everything behind `since` up to the top was surely kept until `told`.
    fn holds(&self, since: u64, top: u64, told: Moment) -> bool {
        if since >= top {
            return since == top;
        }
        let is_removed = |removal: &Removal| {
            removal.begun.step <= told.step && removal.done.is_none_or(|done| done.step >= self.begun(since + 1).step)
        };
        // Each publication gives those before it new time, if they still have some.
        let next = |offset: u64| if offset == top { told } else { self.seen(self.order.offsets[&(offset + 1)]) };
        top - since <= realm::HISTORY_SIZE as u64
            && (since + 1..=top).all(|offset| next(offset).at < self.begun(offset).at + realm::HISTORY_TTL)
            && !self.removals.iter().any(is_removed)
    }

    /// The publication was surely not kept any more at `asked`.
    fn has_lost(&self, item: Item, asked: Moment) -> bool {
        let seen = self.seen(item).step;
        self.emptied.iter().any(|emptied| seen < emptied.begun && emptied.done < asked.step)
    }

    /// A page has nothing that was gone; the whole goes up to the top and misses nothing that was kept.
    fn check_page(&self, page: &Page) {
        let Page { kept, top: (top, _), .. } = page;
        assert!(!kept.iter().any(|(item, _)| self.has_lost(*item, page.asked)), "it was not kept any more: {page:?}");
        if page.is_whole {
            assert!(kept.last().is_none_or(|(_, offset)| offset == top), "not up to the top: {page:?}");
            let floor = kept.first().map_or(*top, |(_, offset)| offset - 1);
            assert!(floor == 0 || !self.holds(floor - 1, *top, page.told), "too little: {page:?}");
        }
    }

    /// What could be recovered was, and nothing else.
    fn check_recovery(&self, stretch: &Stretch) {
        let (Some(since), Some((offset, epoch))) = (&stretch.since, &stretch.position) else { return };
        let is_lost = |(item, _): &(Item, u64)| self.has_lost(*item, stretch.asked);
        assert!(!stretch.missed.iter().any(is_lost), "it was not kept any more: {stretch:?}");
        if stretch.is_recovered {
            return;
        }
        let is_known = since.1.is_empty() || *epoch == since.1;
        let could_be = if realm::is_cache(&stretch.channel) {
            *offset > 0 && self.holds(offset - 1, *offset, stretch.told)
        } else {
            is_known && !stretch.misses_too_much() && self.holds(since.0, *offset, stretch.told)
        };
        assert!(!could_be, "it could have been recovered: {stretch:?}");
    }
}

/// One of the items stands at this position.
fn is_place(order: &Order<'_>, items: &[Item], position: Option<&Position>) {
    let Some((offset, epoch)) = position else { return };
    let is_there = order.offsets.get(offset).is_some_and(|item| items.contains(item));
    assert!(is_there && order.epoch == Some(&epoch[..]), "{}: {items:?} at {position:?}", order.channel);
}

/// So long after the last publication nothing is kept, but the positions are.
pub fn check_expiry(world: &mut World) {
    let tops: Vec<(&str, u64)> = {
        let orders = crate::check_delivery::orders(world);
        orders.iter().map(|order| (order.channel, order.offsets.len() as u64)).collect()
    };
    world.pass_time(realm::HISTORY_TTL);
    world.come_to_rest();
    world.check_expiries();
    for (channel, top) in tops.into_iter().filter(|(channel, _)| realm::has_history(channel)) {
        let call = world.call("history", json!({ "channel": channel, "limit": -1 }), Purpose::Look);
        world.come_to_rest();
        let result = &world.calls[call].answer.as_ref().expect("an answer")["result"];
        assert_eq!(
            (&result["publications"], &result["offset"]),
            (&json!([]), &Value::from(top)),
            "{channel} keeps its position alone"
        );
    }
}
