//! Who is where: what the API says when everything is at rest, and what receivers were told of joins and leaves.

use crate::calls::Purpose;
use crate::check_delivery::Order;
use crate::client::Client;
use crate::realm;
use crate::stretch::{Heard, Stretch};
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Clients that are subscribed to the channel, with a condition.
fn subscribed<'a>(world: &'a World, channel: &str, has: fn(&Stretch) -> bool) -> Vec<&'a Client> {
    let is_in = |client: &&Client| world.is_alive(client) && client.active(channel).is_some_and(has);
    world.clients.iter().filter(is_in).collect()
}

fn ids(clients: &[&Client]) -> BTreeSet<String> {
    clients.iter().map(|client| client.id.clone().expect("connected")).collect()
}

/// A join before its leave, no leave without one; what is left over is who is there.
pub fn check_joins(world: &World, orders: &[Order<'_>]) {
    for order in orders.iter().filter(|order| realm::has_presence(order.channel)) {
        let mut present = BTreeSet::new();
        for heard in order.heard {
            match heard {
                // Who is subscribed anew by the backend joins again.
                Heard::Join(client) => _ = present.insert(client.clone()),
                Heard::Leave(client) => {
                    assert!(present.remove(client), "{}: {client} has left without a join", order.channel);
                }
                Heard::Publication(..) => {}
            }
        }
        let expected = ids(&subscribed(world, order.channel, |_| true));
        assert_eq!(present, expected, "{}: joins less leaves are who is there", order.channel);
    }
}

/// Every core says the same of presence and channels, and it is what the clients were told.
pub fn check(world: &mut World) {
    let mut looks = Vec::new();
    for core in 0..world.nodes.len() {
        for channel in world.channels.clone().into_iter().filter(|channel| realm::has_presence(channel)) {
            for method in ["presence", "presence_stats"] {
                let call = world.call_at(core, method, json!({ "channel": channel }), Purpose::Look);
                looks.push((call, channel));
            }
        }
        looks.push((world.call_at(core, "channels", json!({}), Purpose::Look), ""));
    }
    world.come_to_rest();
    for (call, channel) in looks {
        let answer = world.calls[call].answer.clone().expect("an answer");
        match world.calls[call].method {
            "channels" => channels(world, &answer["result"]["channels"]),
            "presence" => presence(world, channel, &answer["result"]["presence"]),
            _ => stats(world, channel, &answer["result"]),
        }
    }
}

fn presence(world: &World, channel: &str, entries: &Value) {
    let clients = subscribed(world, channel, |stretch| stretch.has_presence());
    let present: BTreeSet<String> = entries.as_object().expect("a map").keys().cloned().collect();
    assert_eq!(present, ids(&clients), "{channel}: presence is who is subscribed with presence");
    for client in clients {
        let entry = &entries[client.id.as_deref().expect("connected")];
        assert_eq!(entry["user"], Value::from(client.user.as_str()), "{channel}: {entry}");
    }
}

fn stats(world: &World, channel: &str, result: &Value) {
    let clients = subscribed(world, channel, |stretch| stretch.has_presence());
    let users: BTreeSet<&str> = clients.iter().map(|client| &client.user[..]).collect();
    let expected = json!({ "num_clients": clients.len(), "num_users": users.len() });
    assert_eq!(*result, expected, "{channel}");
}

fn channels(world: &World, result: &Value) {
    let all: BTreeSet<&str> = world.clients.iter().flat_map(|c| &c.stretches).map(|s| &s.channel[..]).collect();
    let count = |channel: &&str| subscribed(world, channel, |_| true).len();
    let expected: Vec<(&str, usize)> =
        all.into_iter().map(|channel| (channel, count(&channel))).filter(|(_, count)| *count > 0).collect();
    let mut got: Vec<(&str, usize)> = Vec::new();
    for (channel, figures) in result.as_object().expect("a map") {
        got.push((channel, figures["num_clients"].as_u64().expect("a number") as usize));
    }
    got.sort_unstable();
    assert_eq!(got, expected, "channels are those with subscribers");
}
