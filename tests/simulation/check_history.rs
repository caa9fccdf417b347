//! What publishers were told, and what the API said of history, against the order that the witness saw.

use crate::calls::Purpose;
use crate::check_delivery::Order;
use crate::model::{Item, Page, Position};
use crate::realm;
use crate::world::World;
use serde_json::{Value, json};

/// Positions that were told are those of the order, also for repeats of an idempotency key.
pub fn check(world: &World, orders: &[Order<'_>]) {
    let order = |channel: &str| orders.iter().find(|order| order.channel == channel).expect("a channel");
    for ((channel, item), position) in &world.model.placed {
        is_place(order(channel), std::slice::from_ref(item), position.as_ref());
    }
    for ((channel, key), keyed) in &world.model.keyed {
        let first = keyed.positions.first();
        assert!(keyed.positions.iter().all(|position| Some(position) == first), "{channel} {key}: {keyed:?}");
        if let Some(position) = first {
            is_place(order(channel), &keyed.items, position.as_ref());
        }
    }
    for Page { channel, kept, top: (top, epoch) } in &world.model.pages {
        let order = order(channel);
        assert_eq!(order.epoch, Some(&epoch[..]), "{channel}: another epoch");
        assert!(*top <= order.offsets.len() as u64, "{channel}: nobody saw offset {top}");
        let is_item = |(item, offset): &(Item, u64)| order.offsets.get(offset) == Some(item);
        assert!(kept.iter().all(is_item), "{channel}: history is not what was handed out: {kept:?}");
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
    for (channel, top) in tops.into_iter().filter(|(channel, _)| realm::has_history(channel)) {
        let call = world.call("history", json!({ "channel": channel, "limit": -1 }), Purpose::Look);
        world.come_to_rest();
        let result = &world.calls[call].answer.as_ref().expect("an answer")["result"];
        assert_eq!((&result["publications"], &result["offset"]), (&json!([]), &Value::from(top)), "{channel}");
    }
}
