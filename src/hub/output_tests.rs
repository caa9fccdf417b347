use super::*;
use proptest::prelude::*;

fn broadcast(output: &mut Output, audience: &[u32], block: &Block) {
    let frame = output.frame_id();
    let way = Way::to(audience.len(), Duration::ZERO);
    output.broadcast(audience, frame, Source::NONE, block, way);
}

/// A socket layer with room for so many bytes per connection.
#[derive(Default)]
struct Pipes {
    room: Vec<usize>,
    got: Vec<Vec<u8>>,
    sends: usize,
    watched: Vec<u32>,
    broken: Vec<u32>,
    /// Takes everything that is offered and holds what there is no room for, as encryption does.
    holds: bool,
    held: Vec<Vec<u8>>,
    unsent: usize,
}

impl Pipes {
    fn new(count: usize, room: usize) -> Pipes {
        Pipes { room: vec![room; count], got: vec![Vec::new(); count], ..Pipes::default() }
    }

    /// The same behind encryption.
    fn holding(count: usize, room: usize) -> Pipes {
        Pipes { holds: true, held: vec![Vec::new(); count], ..Pipes::new(count, room) }
    }

    /// As much as there is room for; how much that was.
    fn fill(&mut self, index: u32, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room[index as usize]);
        self.room[index as usize] -= n;
        self.got[index as usize].extend_from_slice(&bytes[..n]);
        n
    }

    fn hold(&mut self, index: u32, bytes: &[u8]) -> Sent {
        let mut held = std::mem::take(&mut self.held[index as usize]);
        let taken = if held.is_empty() { bytes.len() } else { 0 };
        held.extend_from_slice(&bytes[..taken]);
        let sent = self.fill(index, &held);
        let rest = held.split_off(sent);
        let is_full = !rest.is_empty();
        self.held[index as usize] = rest;
        match (is_full, taken == bytes.len()) {
            (true, _) => Sent::Full(taken),
            (false, true) => Sent::Bytes(taken),
            (false, false) => self.hold(index, bytes),
        }
    }
}

impl Sink for Pipes {
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent {
        if self.broken.contains(&index) {
            return Sent::Broken;
        }
        self.sends += 1;
        if self.holds {
            return self.hold(index, bytes);
        }
        match self.fill(index, bytes) {
            n if n < bytes.len() => Sent::Full(n),
            n => Sent::Bytes(n),
        }
    }

    fn watch(&mut self, index: u32) {
        self.watched.push(index);
    }

    fn unsent(&self, _: u32) -> usize {
        self.unsent
    }
}

fn output(connections: u32, outbox_bytes_max: usize) -> Output {
    let mut output = Output::new(outbox_bytes_max);
    (0..connections).for_each(|index| output.open(index));
    output
}

fn block(text: &str) -> Block {
    Block::from(text.as_bytes().to_vec())
}

#[test]
fn a_burst_reaches_each_socket_in_one_write() {
    let (mut output, mut pipes, counters) = (output(3, 100), Pipes::new(3, 100), Counters::default());
    for text in ["a", "b", "c"] {
        broadcast(&mut output, &[0, 1, 2], &block(text));
    }
    while output.flush(2, &mut pipes, &counters) {}
    assert_eq!((pipes.got, pipes.sends), (vec![b"abc".to_vec(); 3], 3));
}

#[test]
fn a_frame_that_comes_during_a_pass_joins_the_sockets_not_yet_written() {
    let (mut output, mut pipes, counters) = (output(3, 100), Pipes::new(3, 100), Counters::default());
    broadcast(&mut output, &[0, 1, 2], &block("a"));
    assert!(output.flush(1, &mut pipes, &counters));
    broadcast(&mut output, &[0, 1, 2], &block("b"));
    output.check_invariants();
    while output.flush(1, &mut pipes, &counters) {}
    assert_eq!((pipes.got, pipes.sends), (vec![b"ab".to_vec(); 3], 4));
}

#[test]
fn a_full_socket_is_resumed_in_order_when_it_is_writable() {
    let (mut output, mut pipes, counters) = (output(1, 100), Pipes::new(1, 1), Counters::default());
    output.queue(0, &block("abc"));
    output.flush(64, &mut pipes, &counters);
    output.queue(0, &block("de"));
    output.flush(64, &mut pipes, &counters);
    assert_eq!((pipes.watched.len(), output.outbox_bytes(0)), (1, 4));
    pipes.room[0] = 100;
    output.writable(0, &mut pipes, &counters);
    assert_eq!((pipes.got[0].as_slice(), output.outbox_bytes(0)), (&b"abcde"[..], 0));
    output.check_invariants();
}

#[test]
fn more_than_the_bound_is_reported_as_slow() {
    let (mut output, mut pipes, counters) = (output(1, 3), Pipes::new(1, 1), Counters::default());
    output.queue(0, &block("abcd"));
    output.flush(64, &mut pipes, &counters);
    assert_eq!((output.poll_notice(), output.poll_notice()), (Some(Notice::Blocked(0)), None));
    output.queue(0, &block("e"));
    output.flush(64, &mut pipes, &counters);
    assert_eq!(output.poll_notice(), Some(Notice::Slow(0)));
    output.discard(0);
    output.queue(0, &block("Z"));
    output.flush(64, &mut pipes, &counters);
    pipes.room[0] = 100;
    output.writable(0, &mut pipes, &counters);
    assert_eq!(pipes.got[0], b"abcdZ", "the begun frame is completed, then comes the close frame");
}

#[test]
fn drained_is_reported_once_and_only_when_everything_is_written() {
    let (mut output, mut pipes, counters) = (output(1, 100), Pipes::new(1, 1), Counters::default());
    output.queue(0, &block("ab"));
    output.notify_drained(0);
    output.flush(64, &mut pipes, &counters);
    assert_eq!((output.poll_notice(), output.poll_notice()), (Some(Notice::Blocked(0)), None));
    pipes.room[0] = 9;
    output.writable(0, &mut pipes, &counters);
    assert_eq!((output.poll_notice(), output.poll_notice()), (Some(Notice::Drained(0)), None));
    output.notify_drained(0);
    assert_eq!(output.poll_notice(), Some(Notice::Drained(0)), "at once when nothing waits");
}

#[test]
fn nothing_is_drained_while_the_sink_holds_what_it_took() {
    let (mut output, mut pipes, counters) = (output(1, 100), Pipes::holding(1, 1), Counters::default());
    output.queue(0, &block("abc"));
    output.notify_drained(0);
    output.flush(64, &mut pipes, &counters);
    output.check_invariants();
    assert_eq!(output.poll_notice(), Some(Notice::Blocked(0)));
    assert_eq!((output.poll_notice(), output.outbox_bytes(0), pipes.watched.len()), (None, 0, 1));
    output.queue(0, &block("de"));
    output.flush(64, &mut pipes, &counters);
    assert_eq!(output.outbox_bytes(0), 2, "blocked, though nothing waited in the outbox");
    pipes.room[0] = 1;
    output.writable(0, &mut pipes, &counters);
    assert_eq!((output.poll_notice(), output.outbox_bytes(0)), (None, 2));
    pipes.room[0] = 9;
    output.writable(0, &mut pipes, &counters);
    assert_eq!((output.poll_notice(), pipes.got[0].as_slice()), (Some(Notice::Drained(0)), &b"abcde"[..]));
    output.check_invariants();
}

#[test]
fn a_broken_connection_takes_no_more_marks_and_disturbs_nobody() {
    let (mut output, mut pipes, counters) = (output(2, 100), Pipes::new(2, 100), Counters::default());
    pipes.broken.push(0);
    broadcast(&mut output, &[0, 1], &block("a"));
    output.flush(64, &mut pipes, &counters);
    broadcast(&mut output, &[0, 1], &block("b"));
    output.flush(64, &mut pipes, &counters);
    assert_eq!(pipes.got, [b"".to_vec(), b"ab".to_vec()]);
}

#[test]
fn a_place_reused_within_a_pass_gets_nothing_of_its_former_owner() {
    let (mut output, mut pipes, counters) = (output(2, 100), Pipes::new(2, 100), Counters::default());
    broadcast(&mut output, &[0, 1], &block("old"));
    output.close(0);
    output.open(0);
    output.queue(0, &block("new"));
    while output.flush(1, &mut pipes, &counters) {}
    assert_eq!(pipes.got, [b"new".to_vec(), b"old".to_vec()]);
}

#[test]
fn a_blocked_peer_is_doubted_until_it_takes_something() {
    let (mut output, mut pipes, counters) = (output(1, 100), Pipes::new(1, 1), Counters::default());
    let look = |output: &mut Output, pipes: &mut Pipes| {
        output.doubt(0);
        output.flush(64, pipes, &counters);
        output.check_invariants();
        output.poll_notice()
    };
    output.queue(0, &block("abcd"));
    output.flush(64, &mut pipes, &counters);
    assert_eq!(output.poll_notice(), Some(Notice::Blocked(0)));
    (pipes.room[0], pipes.unsent) = (1, 9);
    output.writable(0, &mut pipes, &counters);
    assert_eq!(look(&mut output, &mut pipes), Some(Notice::Blocked(0)), "it has taken a byte");
    pipes.unsent = 8;
    assert_eq!(look(&mut output, &mut pipes), Some(Notice::Blocked(0)), "the kernel has got rid of something");
    assert_eq!(look(&mut output, &mut pipes), Some(Notice::Stuck(0)));
    pipes.room[0] = 9;
    output.writable(0, &mut pipes, &counters);
    assert_eq!(look(&mut output, &mut pipes), None, "not blocked any more");
}

proptest! {
    #[test]
    fn every_socket_gets_every_frame_once_and_in_order(
        steps in prop::collection::vec((0u8..6, 0u32..4, 1usize..40), 1..120),
        holds in any::<bool>(),
    ) {
        let (mut output, counters) = (output(4, usize::MAX), Counters::default());
        let mut pipes = if holds { Pipes::holding(4, 0) } else { Pipes::new(4, 0) };
        let (mut want, mut serial, mut now) = (vec![Vec::new(); 4], 0, Mono(0));
        for (action, index, amount) in steps {
            match action {
                0 => {
                    serial += 1;
                    let text = format!("<{serial}>");
                    broadcast(&mut output, &[0, 1, 2, 3], &block(&text));
                    want.iter_mut().for_each(|w: &mut Vec<u8>| w.extend_from_slice(text.as_bytes()));
                }
                1 => {
                    serial += 1;
                    let text = format!("[{serial}]");
                    output.queue(index, &block(&text));
                    want[index as usize].extend_from_slice(text.as_bytes());
                }
                2 => {
                    output.flush(amount % 3 + 1, &mut pipes, &counters);
                }
                3 => {
                    serial += 1;
                    let text = format!("({serial})");
                    let (frame, delay) = (output.frame_id(), Duration::from_millis(10 << (index % 2)));
                    output.broadcast(&[index, 3 - index], frame, Source::NONE, &block(&text), Way::Wait(delay));
                    [index, 3 - index].iter().for_each(|at| want[*at as usize].extend_from_slice(text.as_bytes()));
                }
                4 => {
                    now = now + Duration::from_millis(amount as u64 / 4);
                    output.set_time(now);
                }
                _ => {
                    pipes.room[index as usize] += amount;
                    if let Some(at) = pipes.watched.iter().position(|w| *w == index) {
                        pipes.watched.swap_remove(at);
                        output.writable(index, &mut pipes, &counters);
                    }
                }
            }
            output.check_invariants();
        }
        pipes.room.iter_mut().for_each(|room| *room = usize::MAX / 2);
        output.set_time(now + Duration::from_millis(20));
        while output.flush(2, &mut pipes, &counters) {}
        while let Some(index) = pipes.watched.pop() {
            output.writable(index, &mut pipes, &counters);
        }
        prop_assert_eq!(&pipes.got, &want);
    }
}

#[test]
fn what_is_broadcast_to_a_held_connection_follows_what_is_queued_before_its_release() {
    let (mut output, counters, mut pipes) = (Output::new(1000), Counters::default(), Pipes::new(2, 1000));
    (0..2).for_each(|index| output.open(index));
    output.hold(0);
    broadcast(&mut output, &[0, 1], &Block::from(&b"a"[..]));
    output.flush(9, &mut pipes, &counters);
    output.queue(0, &Block::from(&b"reply"[..]));
    broadcast(&mut output, &[0, 1], &Block::from(&b"b"[..]));
    output.release(0);
    broadcast(&mut output, &[0, 1], &Block::from(&b"c"[..]));
    while output.flush(9, &mut pipes, &counters) {}
    output.check_invariants();
    assert_eq!([&pipes.got[0][..], &pipes.got[1][..]], [&b"replyabc"[..], b"abc"]);
}

#[test]
fn what_was_said_before_a_held_connection_became_slow_is_said() {
    let (mut output, counters, mut pipes) = (Output::new(3), Counters::default(), Pipes::new(1, 1000));
    output.open(0);
    output.queue(0, &block("upgrade"));
    output.hold(0);
    broadcast(&mut output, &[0], &block("abcd"));
    broadcast(&mut output, &[0], &block("e"));
    output.queue(0, &block("reply"));
    output.release(0);
    broadcast(&mut output, &[0], &block("f"));
    assert_eq!(output.poll_notice(), Some(Notice::Slow(0)));
    output.discard(0);
    output.queue(0, &block("close"));
    while output.flush(9, &mut pipes, &counters) {}
    output.check_invariants();
    assert_eq!(pipes.got[0], b"upgradereplyclose", "and nothing behind what was dropped");
}

#[test]
fn a_held_connection_that_waits_too_long_is_slow() {
    let mut output = Output::new(3);
    output.open(0);
    output.hold(0);
    broadcast(&mut output, &[0], &Block::from(&b"abcd"[..]));
    assert_eq!(output.poll_notice(), Some(Notice::Slow(0)));
    output.close(0);
    output.open(0);
    output.check_invariants();
}

const DELAY: Duration = Duration::from_millis(50);

fn ms(ms: u64) -> Mono {
    Mono(ms * 1_000_000)
}

fn delayed(output: &mut Output, audience: &[u32], text: &str) {
    let frame = output.frame_id();
    output.broadcast(audience, frame, Source::NONE, &block(text), Way::Wait(DELAY));
}

#[test]
fn what_comes_within_the_delay_leaves_in_one_write() {
    let (mut output, mut pipes, counters) = (output(3, 100), Pipes::new(3, 100), Counters::default());
    for (at, text) in [(0, "a"), (20, "b"), (49, "c")] {
        output.set_time(ms(at));
        delayed(&mut output, &[0, 1, 2], text);
        assert!(!output.flush(2, &mut pipes, &counters) && pipes.sends == 0);
        output.check_invariants();
    }
    assert_eq!(output.next_deadline(), Some(ms(50)));
    output.set_time(ms(50));
    while output.flush(2, &mut pipes, &counters) {}
    assert_eq!((&pipes.got, pipes.sends, output.next_deadline()), (&vec![b"abc".to_vec(); 3], 3, None));
    output.set_time(ms(51));
    delayed(&mut output, &[0], "d");
    assert_eq!(output.next_deadline(), Some(ms(101)), "it waits anew");
}

#[test]
fn what_does_not_wait_takes_along_what_does() {
    let (mut output, mut pipes, counters) = (output(2, 100), Pipes::new(2, 100), Counters::default());
    delayed(&mut output, &[0, 1], "a");
    output.queue(1, &block("reply"));
    while output.flush(2, &mut pipes, &counters) {}
    assert_eq!(pipes.got, [&b""[..], b"areply"]);
    output.set_time(ms(30));
    delayed(&mut output, &[1], "b");
    output.notify_drained(0);
    while output.flush(2, &mut pipes, &counters) {}
    assert_eq!(
        (&pipes.got, output.poll_notice()),
        (&vec![b"a".to_vec(), b"areply".to_vec()], Some(Notice::Drained(0)))
    );
    output.set_time(ms(80));
    while output.flush(2, &mut pipes, &counters) {}
    assert_eq!(pipes.got[1], b"areplyb");
    output.flush(2, &mut pipes, &counters);
    assert!(output.lists.is_empty(), "nobody stands on them any more");
}

#[test]
fn who_gets_much_does_not_wait() {
    let (mut output, mut pipes, counters) = (output(1, 1 << 20), Pipes::new(1, 1 << 20), Counters::default());
    let half = "x".repeat(limits::WAITING_BYTES / 2);
    for sends in [0, 0, 1] {
        delayed(&mut output, &[0], &half);
        output.flush(2, &mut pipes, &counters);
        assert_eq!(pipes.sends, sends);
    }
    output.check_invariants();
}

/// Flushes once; who was written to.
fn slice(output: &mut Output, pipes: &mut Pipes) -> Vec<usize> {
    let before: Vec<usize> = pipes.got.iter().map(Vec::len).collect();
    output.flush(limits::WRITES_PER_SLICE, pipes, &Counters::default());
    output.check_invariants();
    (0..before.len()).filter(|at| pipes.got[*at].len() > before[*at]).collect()
}

#[test]
fn what_goes_to_a_few_does_not_stand_behind_what_goes_to_many() {
    let many: Vec<u32> = (0..1_000).collect();
    let (mut output, mut pipes) = (output(1_010, 100), Pipes::new(1_010, 100));
    broadcast(&mut output, &many, &block("a"));
    assert_eq!(slice(&mut output, &mut pipes).len(), limits::WRITES_PER_SLICE);
    let last = *output.pass.last().expect("a pass");
    output.queue(1_000, &block("reply"));
    broadcast(&mut output, &[1_001, 1_002], &block("b"));
    output.queue(last, &block("pong"));
    let written = slice(&mut output, &mut pipes);
    assert!([1_000, 1_001, 1_002, last as usize].iter().all(|at| written.contains(at)), "with the next slice");
    assert_eq!((written.len(), &pipes.got[last as usize][..]), (limits::WRITES_PER_SLICE, &b"apong"[..]));
    while output.flush(64, &mut pipes, &Counters::default()) {}
    assert!(many.iter().all(|index| pipes.got[*index as usize].starts_with(b"a")));
    assert_eq!(pipes.sends, 1_003, "nobody is written to twice");
}

#[test]
fn what_goes_to_many_goes_on_however_much_goes_to_a_few() {
    let many: Vec<u32> = (0..1_000).collect();
    let (mut output, mut pipes) = (output(2_000, 1 << 20), Pipes::new(2_000, 1 << 20));
    broadcast(&mut output, &many, &block("a"));
    let (mut slices, mut written) = (0, 0);
    while written < 1_000 {
        (1_000..1_100).for_each(|index| output.queue(index, &block("reply")));
        written += slice(&mut output, &mut pipes).iter().filter(|at| **at < 1_000).count();
        slices += 1;
    }
    assert_eq!(slices, 1_000_usize.div_ceil(limits::WRITES_PER_SLICE / 4));
    while output.flush(64, &mut pipes, &Counters::default()) {}
    output.flush(64, &mut pipes, &Counters::default());
    assert!(output.lists.is_empty(), "nobody stands on them any more");
}

#[test]
fn lists_of_a_core_that_only_answers_do_not_gather() {
    let (mut output, mut pipes) = (output(10, 1 << 20), Pipes::new(10, 1 << 20));
    for n in 0..100 {
        (0..10).for_each(|index| output.queue(index, &block(&n.to_string())));
        slice(&mut output, &mut pipes);
        assert!(output.lists.len() <= 20, "those of two slices");
    }
}

#[test]
fn each_visit_and_each_resumption_is_one_call() {
    let (mut output, mut pipes, counters) = (output(1, usize::MAX), Pipes::new(1, usize::MAX / 2), Counters::default());
    let big = "x".repeat(100 << 10);
    (0..5).for_each(|_| output.queue(0, &block(&big)));
    output.flush(64, &mut pipes, &counters);
    assert_eq!(
        (pipes.sends, output.outbox_bytes(0)),
        (0, 5 * big.len()),
        "too long for one call: it waits for its socket"
    );
    for sends in 1..=5 {
        assert_eq!(pipes.watched.pop(), Some(0), "there is more");
        output.writable(0, &mut pipes, &counters);
        assert_eq!((pipes.sends, pipes.got[0].len()), (sends, sends * big.len()));
        output.check_invariants();
    }
    assert!(pipes.watched.is_empty() && !output.is_blocked(0));
    assert_eq!(counters.short_writes.get(), 0, "it was never full");
}

#[test]
fn many_are_the_bulk_and_a_delay_holds_for_few_and_many() {
    assert_eq!(Way::to(limits::EXPRESS_AUDIENCE, Duration::ZERO), Way::Express);
    assert_eq!(Way::to(limits::EXPRESS_AUDIENCE + 1, Duration::ZERO), Way::Bulk);
    assert_eq!(Way::to(1, DELAY), Way::Wait(DELAY));
}
