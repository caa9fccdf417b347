//! What a kept publication costs: its payload and a small constant, whatever the number; an expired channel leaves nothing.

#![allow(unsafe_code)] // An allocator is unsafe by its interface.

use corecast::channel::Store;
use corecast::channel::history::Retention;
use corecast::channel::store::Keeping;
use corecast::clock::Mono;
use corecast::proto::client::Publication;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

struct Counting;

thread_local! {
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PAYLOAD: usize = 150;
const KEPT: usize = 16;
const KEEPING: Keeping<'static> = Keeping {
    retention: Retention { size: KEPT, ttl: Duration::from_secs(60) },
    meta_ttl: Duration::from_secs(3600),
    version_epoch: "",
};

#[test]
fn a_kept_publication_costs_its_payload_and_less_than_ninety_bytes() {
    let mut random = StdRng::seed_from_u64(1);
    let before = BYTES.get();
    let mut store = Store::new(1);
    let channels: Vec<String> = (0..2_000).map(|n| format!("hist:{n}")).collect();
    let names = BYTES.get();
    for channel in channels.iter().cycle().take(channels.len() * KEPT * 3) {
        let publication = Publication { data: vec![b'x'; PAYLOAD].into(), ..Publication::default() };
        store.append(channel, &publication, KEEPING, Mono(0), &mut random);
    }
    let kept = store.totals().publications;
    assert_eq!(kept, channels.len() * KEPT);
    let each = (BYTES.get() - names) / kept;
    assert!(each < PAYLOAD + 90, "{each} bytes each, the channel's own share included");
    // Both times pass: what is left is the room of the tables, and that is given back.
    let late = Mono(0) + Duration::from_secs(4000);
    while store.next_deadline().is_some_and(|at| at <= late) {
        store.expire(late, 1_000, |_| Duration::ZERO);
    }
    assert!(store.is_empty());
    drop(channels);
    let left = BYTES.get().saturating_sub(before);
    // Up to 4,096 places of a table, 64 bytes each, are kept for the next channels.
    assert!(left < 330_000, "{left} bytes are left of {kept} publications");
}
