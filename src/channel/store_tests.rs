use super::*;
use crate::protocol::frame::{Feed, Rendition};
use rand::SeedableRng;

const JSON: Feed = Feed { rendition: Rendition::JsonWebSocket, joins: false, delta: false };
const SECOND: Duration = Duration::from_secs(1);
const KEEPING: Keeping<'static> = Keeping {
    retention: Retention { size: 3, ttl: Duration::from_secs(60) },
    meta_ttl: Duration::from_secs(600),
    version_epoch: "",
};

fn publication(data: &str) -> Publication {
    Publication { data: data.to_string().into(), ..Publication::default() }
}

fn position(appended: Appended) -> Position {
    match appended {
        Appended::At(position) | Appended::Outdated(position) => position,
    }
}

fn drain(store: &mut Store, now: Mono) {
    while store.next_deadline().is_some_and(|at| at <= now) {
        store.expire(now, 100, |_| KEEPING.meta_ttl);
    }
    store.check_invariants();
}

#[test]
fn a_channel_without_listeners_is_forgotten() {
    let (mut store, name) = (Store::new(1), Arc::<str>::from("c"));
    store.listen(&name, Core(1), JSON.bit());
    assert_eq!((store.heard(), store.listeners("c").is_some()), (1, true));
    store.listen(&name, Core(1), 0);
    assert!(store.listeners("c").is_none() && store.is_empty() && store.heard() == 0);
    store.listen(&name, Core(1), 0);
    assert!(store.is_empty(), "leaving twice changes nothing");
}

#[test]
fn publications_vanish_after_their_time_and_the_position_stays() {
    let (mut store, mut random) = (Store::new(1), StdRng::seed_from_u64(1));
    let first = position(store.append("c", &publication("1"), KEEPING, Mono(0), &mut random));
    // The second publication moves both deadlines.
    let later = Mono(0) + 50 * SECOND;
    store.append("c", &publication("2"), KEEPING, later, &mut random);
    drain(&mut store, Mono(0) + 61 * SECOND);
    assert_eq!(store.totals().publications, 2);
    drain(&mut store, later + 61 * SECOND);
    assert_eq!((store.totals(), store.len()), (Totals::default(), 1));
    let third = position(store.append("c", &publication("3"), KEEPING, later + 100 * SECOND, &mut random));
    assert_eq!((third.offset, &third.epoch), (3, &first.epoch));
    drain(&mut store, later + 800 * SECOND);
    assert!(store.is_empty(), "nothing is left of an unused channel");
    assert!(store.next_deadline().is_none());
    let again = position(store.append("c", &publication("1"), KEEPING, later + 900 * SECOND, &mut random));
    assert_eq!(again.offset, 1);
    assert_ne!(again.epoch, first.epoch);
}

#[test]
fn reading_begins_a_stream_and_keeps_it() {
    let (mut store, mut random) = (Store::new(1), StdRng::seed_from_u64(1));
    let read = |store: &mut Store, random: &mut StdRng, seconds: u32| {
        let page = Page { limit: None, ..Page::default() };
        store.read("c", &page, KEEPING.meta_ttl, Mono(0) + seconds * SECOND, random)
    };
    let (publications, top) = read(&mut store, &mut random, 0);
    assert!(publications.is_empty() && top.offset == 0 && top.epoch.len() == 8);
    assert_eq!(read(&mut store, &mut random, 599).1, top);
    drain(&mut store, Mono(0) + 601 * SECOND);
    assert_eq!(read(&mut store, &mut random, 601).1, top, "the second reading kept it");
    drain(&mut store, Mono(0) + 1300 * SECOND);
    assert!(store.is_empty());
}

#[test]
fn a_channel_with_listeners_keeps_its_position() {
    let (mut store, mut random) = (Store::new(1), StdRng::seed_from_u64(1));
    let (name, day) = (Arc::<str>::from("c"), 24 * 3600 * SECOND);
    let first = position(store.append("c", &publication("1"), KEEPING, Mono(0), &mut random));
    store.listen(&name, Core(1), JSON.bit());
    drain(&mut store, Mono(0) + day);
    store.listen(&name, Core(1), 0);
    store.keep_position("c", Mono(0) + day + KEEPING.meta_ttl);
    drain(&mut store, Mono(0) + day + 599 * SECOND);
    let top = store.stream("c", KEEPING.meta_ttl, Mono(0) + day + 599 * SECOND, &mut random).top();
    assert_eq!((top, store.totals().publications), (first, 0));
    drain(&mut store, Mono(0) + 2 * day);
    assert!(store.is_empty());
}

#[test]
fn removed_history_keeps_its_position() {
    let (mut store, mut random) = (Store::new(1), StdRng::seed_from_u64(1));
    for n in 1..=4 {
        let appended = store.append("c", &publication("xx"), KEEPING, Mono(0), &mut random);
        assert_eq!(position(appended).offset, n);
    }
    assert_eq!(store.totals(), Totals { publications: 3, bytes: 6, members: 0 });
    store.remove_history("c");
    store.remove_history("never");
    store.check_invariants();
    let (publications, top) = store.read("c", &Page::default(), KEEPING.meta_ttl, Mono(0), &mut random);
    assert_eq!((publications.len(), top.offset), (0, 4));
}

#[test]
fn members_keep_their_channel_until_the_last_one_leaves() {
    let mut store = Store::new(1);
    let client = ClientId::from_random([1; 16]);
    let member = Member { client, user: "42".into(), conn_info: Default::default(), chan_info: Default::default() };
    store.enter("c", member.clone());
    store.enter("c", member);
    store.check_invariants();
    assert_eq!((store.totals().members, store.heard()), (1, 0));
    assert!(store.leave("c", client) && !store.leave("c", client) && store.is_empty());
}

#[test]
fn a_million_publications_come_and_go_without_a_trace() {
    let (mut store, mut random) = (Store::new(1), StdRng::seed_from_u64(1));
    let payload = publication(&"x".repeat(20));
    for n in 0..1_000_000u64 {
        let now = Mono(0) + Duration::from_micros(n * 100);
        store.append(&format!("c{}", n % 200_000), &payload, KEEPING, now, &mut random);
        store.expire(now, 8, |_| KEEPING.meta_ttl);
    }
    assert_eq!((store.len(), store.totals().publications), (200_000, 600_000), "three of five are kept each");
    assert!(store.deadlines.len() <= 400_000, "one entry a channel, and those that were overtaken");
    drain(&mut store, Mono(0) + 1000 * SECOND);
    assert!(store.is_empty() && store.totals() == Totals::default() && store.deadlines.is_empty());
    assert!(store.channels.capacity() < 10_000, "the room is given back");
}
