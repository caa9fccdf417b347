//! The fan-out allocates nothing per delivery: marking an audience and writing it takes as many allocations for a
//! thousand subscribers as for ten.

#![allow(unsafe_code)] // An allocator is unsafe by its interface.

use corecast::counters::Counters;
use corecast::hub::lists::Source;
use corecast::hub::{Output, Sent, Sink};
use corecast::protocol::frame::Block;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Null(usize);

impl Sink for Null {
    fn send(&mut self, _: u32, bytes: &[u8]) -> Sent {
        self.0 += 1;
        Sent::Bytes(bytes.len())
    }

    fn watch(&mut self, _: u32) {}
}

/// Allocations of one burst of `k` publications to `subscribers`, in the steady state, and the writes it took.
fn burst(subscribers: u32, k: usize) -> (usize, usize) {
    let (mut output, mut sink, counters) = (Output::new(1 << 20), Null(0), Counters::default());
    let audience: Vec<u32> = (0..subscribers).collect();
    audience.iter().for_each(|index| output.open(*index));
    let blocks: Vec<Block> = (0..k).map(|n| Block::from(vec![n as u8; 150])).collect();
    let mut measured = (0, 0);
    // The first rounds grow the lists to their size.
    for _ in 0..5 {
        let (allocations, writes) = (ALLOCATIONS.get(), sink.0);
        blocks.iter().for_each(|block| {
            let frame = output.frame_id();
            output.broadcast(&audience, frame, Source::NONE, block);
        });
        while output.flush(64, &mut sink, &counters) {}
        measured = (ALLOCATIONS.get() - allocations, sink.0 - writes);
    }
    measured
}

#[test]
fn a_delivery_allocates_nothing() {
    for k in [1, 4, 16] {
        let (few, _) = burst(10, k);
        let (many, writes) = burst(1_000, k);
        assert_eq!(writes, 1_000, "one write per socket and burst");
        assert_eq!(many, few, "bursts of {k}: the joined buffer is made once, whoever gets it");
    }
    assert_eq!(burst(1_000, 1).0, 0, "a single publication is written from its block");
}
