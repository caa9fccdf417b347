//! One core's io_uring: multishot accept and receive with provided buffers, writability polls, cancels.
//!
//! Not a general ring: sends are plain system calls (`socket`), timers are the shard's wheel, files and parking stay
//! with glommio, which keeps rings of its own. Every request carries (operation, slot), so a completion never reaches
//! a later owner of the place.
//!
//! A multishot request ends whenever it likes; the only truth is the missing `more`. Receives end with ENOBUFS when
//! all buffers are taken and are armed again after the turn gave them back.

#![allow(unsafe_code)]

use crate::id::Slot;
use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS};
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use std::{io, ptr, slice};

const SUBMISSIONS: u32 = 512;
const COMPLETIONS: u32 = 4096;
const BUFFER_GROUP: u16 = 0;
const GENERATION_MASK: u32 = 0xff_ffff;

/// What a request was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// New connections of listener `slot.index`.
    Accept,
    /// Bytes of a connection.
    Receive,
    /// The connection takes bytes again.
    Writable,
    /// The answer to a cancel; the cancelled request answers by itself.
    Cancel,
    /// A timer has run out.
    Timer,
}

const OPS: [Op; 8] = [Op::Accept, Op::Receive, Op::Writable, Op::Cancel, Op::Timer, Op::Timer, Op::Timer, Op::Timer];

fn pack(op: Op, slot: Slot) -> u64 {
    (op as u64) << 56 | u64::from(slot.generation & GENERATION_MASK) << 32 | u64::from(slot.index)
}

fn unpack(word: u64) -> (Op, Slot) {
    let slot = Slot { index: word as u32, generation: (word >> 32) as u32 & GENERATION_MASK };
    (OPS[(word >> 56) as usize & 7], slot)
}

/// One answer of the kernel.
#[derive(Debug)]
pub struct Completion {
    /// What was asked for.
    pub op: Op,
    /// For whom.
    pub slot: Slot,
    /// As the system call would return it; negative: −errno.
    pub result: i32,
    /// The request stays armed.
    pub more: bool,
    /// The buffer that holds received bytes.
    pub buffer: Option<u16>,
}

/// The ring of one core. All calls come from the thread that made it.
pub struct Ring {
    ring: IoUring,
    memory: *mut u8,
    entries: *mut types::BufRingEntry,
    tail: u16,
    timer: Box<types::Timespec>,
}

impl Ring {
    /// Must run on the thread that will use the ring (SINGLE_ISSUER). The kernel writes `doorbell`, an eventfd, when
    /// completions arrive.
    ///
    /// # Errors
    /// What the kernel refused: EPERM (containers), ENOSYS, ENOMEM (memlock), EINVAL (kernel older than 6.1).
    pub fn new(doorbell: RawFd) -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            // Pending work is visible in user memory: an idle look costs no system call.
            .setup_taskrun_flag()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)?;
        let memory = map(usize::from(RECEIVE_BUFFERS) * RECEIVE_BUFFER_BYTES)?;
        let entries = map(usize::from(RECEIVE_BUFFERS) * size_of::<types::BufRingEntry>())?.cast();
        // SAFETY: `entries` is page aligned, zeroed, holds RECEIVE_BUFFERS entries and is never unmapped.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, RECEIVE_BUFFERS, BUFFER_GROUP, 0)? };
        ring.submitter().register_eventfd(doorbell)?;
        let timer = Box::new(types::Timespec::new());
        let mut ring = Ring { ring, memory, entries, tail: 0, timer };
        (0..RECEIVE_BUFFERS).for_each(|id| ring.give_back(id));
        Ok(ring)
    }

    /// Arms a multishot accept; sockets come non-blocking and close-on-exec.
    pub fn accept(&mut self, listener_fd: RawFd, listener: u32) {
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let entry = opcode::AcceptMulti::new(types::Fd(listener_fd)).flags(flags).build();
        self.push(entry, Op::Accept, Slot { index: listener, generation: 0 });
    }

    /// Arms a multishot receive.
    pub fn receive(&mut self, fd: RawFd, slot: Slot) {
        self.push(opcode::RecvMulti::new(types::Fd(fd), BUFFER_GROUP).build(), Op::Receive, slot);
    }

    /// Asks once for writability.
    pub fn writable(&mut self, fd: RawFd, slot: Slot) {
        self.push(opcode::PollAdd::new(types::Fd(fd), libc::POLLOUT as u32).build(), Op::Writable, slot);
    }

    /// Ends an armed request; it completes with ECANCELED unless it completes otherwise.
    pub fn cancel(&mut self, op: Op, slot: Slot) {
        self.push(opcode::AsyncCancel::new(pack(op, slot)).build(), Op::Cancel, slot);
    }

    /// Completes once after `delay`. Submits at once: the kernel reads the time from memory that the next call reuses.
    ///
    /// # Errors
    /// As [`Ring::poll`].
    pub fn timer(&mut self, delay: Duration) -> io::Result<()> {
        *self.timer = types::Timespec::from(delay);
        let entry = opcode::Timeout::new(&*self.timer).build();
        self.push(entry, Op::Timer, Slot { index: 0, generation: 0 });
        self.poll()
    }

    /// Whether [`Ring::poll`] would find something; reads user memory only.
    pub fn is_ready(&mut self) -> bool {
        let submissions = self.ring.submission();
        if !submissions.is_empty() || submissions.taskrun() || submissions.cq_overflow() {
            return true;
        }
        drop(submissions);
        !self.ring.completion().is_empty()
    }

    /// Submits what was queued and runs the kernel's deferred work. Never blocks.
    pub fn poll(&mut self) -> io::Result<()> {
        let submissions = self.ring.submission();
        let enter = !submissions.is_empty() || submissions.taskrun() || submissions.cq_overflow();
        drop(submissions);
        if !enter {
            return Ok(());
        }
        match self.ring.submit() {
            // EBUSY: completions wait for room; reaping makes it.
            Err(e) if !matches!(e.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN)) => Err(e),
            _ => Ok(()),
        }
    }

    /// Completions that wait; only [`Ring::poll`] brings more.
    pub fn ready(&mut self) -> usize {
        self.ring.completion().len()
    }

    /// The next completion.
    pub fn take(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let (op, slot) = unpack(entry.user_data());
        Some(Completion {
            op,
            slot,
            result: entry.result(),
            more: cqueue::more(entry.flags()),
            buffer: cqueue::buffer_select(entry.flags()),
        })
    }

    /// The bytes that a receive completion announced.
    pub fn buffer(&mut self, id: u16, len: usize) -> &mut [u8] {
        assert!(id < RECEIVE_BUFFERS && len <= RECEIVE_BUFFER_BYTES);
        // SAFETY: in bounds; the kernel gave this buffer away with the completion and gets it back by `give_back`,
        // which needs `&mut self`, thus after this borrow.
        unsafe { slice::from_raw_parts_mut(self.memory.add(usize::from(id) * RECEIVE_BUFFER_BYTES), len) }
    }

    /// Hands a buffer back to the kernel. Call it once per completion that had one.
    pub fn give_back(&mut self, id: u16) {
        assert!(id < RECEIVE_BUFFERS);
        // SAFETY: the index is masked into the ring; the tail word lives in the first entry's reserved field, and the
        // release store publishes the entry before the kernel can see the new tail.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(self.tail & (RECEIVE_BUFFERS - 1)));
            entry.set_addr(self.memory.add(usize::from(id) * RECEIVE_BUFFER_BYTES) as u64);
            entry.set_len(RECEIVE_BUFFER_BYTES as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = types::BufRingEntry::tail(self.entries).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    fn push(&mut self, entry: squeue::Entry, op: Op, slot: Slot) {
        let entry = entry.user_data(pack(op, slot));
        // SAFETY: entries name descriptors, or the boxed time that lives as long as the ring and is submitted at once.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            if let Err(e) = self.ring.submit()
                && !matches!(e.raw_os_error(), Some(libc::EINTR | libc::EBUSY | libc::EAGAIN))
            {
                panic!("a full submission queue can be submitted: {e}");
            }
        }
    }
}

fn map(bytes: usize) -> io::Result<*mut u8> {
    // SAFETY: a fresh private anonymous mapping.
    let at = unsafe {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0)
    };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(at.cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    fn wait(ring: &mut Ring) -> Completion {
        loop {
            ring.poll().expect("the ring works");
            if let Some(completion) = ring.take() {
                return completion;
            }
            std::thread::yield_now();
        }
    }

    fn ring() -> (Ring, std::os::fd::OwnedFd) {
        let bell = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        (Ring::new(bell.as_raw_fd()).expect("io_uring"), bell)
    }

    #[test]
    fn tags_survive_the_kernel() {
        let slot = Slot { index: u32::MAX, generation: GENERATION_MASK };
        for op in [Op::Accept, Op::Receive, Op::Writable, Op::Cancel, Op::Timer] {
            assert_eq!(unpack(pack(op, slot)), (op, slot));
        }
    }

    #[test]
    fn one_request_accepts_and_receives_many_times() {
        let (mut ring, _bell) = ring();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        ring.accept(listener.as_raw_fd(), 3);
        for _ in 0..2 {
            let mut peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("accepted");
            let accepted = wait(&mut ring);
            assert_eq!((accepted.op, accepted.slot.index, accepted.more), (Op::Accept, 3, true));
            let slot = Slot { index: 7, generation: 1 };
            ring.receive(accepted.result, slot);
            for text in ["one", "two"] {
                peer.write_all(text.as_bytes()).expect("open");
                let received = wait(&mut ring);
                assert_eq!((received.op, received.slot, received.more), (Op::Receive, slot, true));
                let id = received.buffer.expect("bytes have a buffer");
                assert_eq!(ring.buffer(id, received.result as usize), text.as_bytes());
                ring.give_back(id);
            }
            drop(peer);
            let end = wait(&mut ring);
            assert_eq!((end.op, end.result, end.more), (Op::Receive, 0, false));
        }
    }

    #[test]
    fn without_buffers_a_receive_ends_and_loses_nothing() {
        let (mut ring, _bell) = ring();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("accepted");
        let (server, _) = listener.accept().expect("connected");
        let slot = Slot { index: 0, generation: 0 };
        ring.receive(server.as_raw_fd(), slot);
        let total = usize::from(RECEIVE_BUFFERS) * RECEIVE_BUFFER_BYTES + 5000;
        let writer = std::thread::spawn(move || {
            peer.write_all(&vec![7; total]).expect("read at the other end");
            peer
        });
        let (mut held, mut got, mut exhausted) = (Vec::new(), 0, 0);
        while got < total {
            let received = wait(&mut ring);
            if received.result == -libc::ENOBUFS {
                exhausted += 1;
                assert!(!received.more);
                held.drain(..).for_each(|id| ring.give_back(id));
                ring.receive(server.as_raw_fd(), slot);
                continue;
            }
            got += usize::try_from(received.result).expect("bytes");
            held.extend(received.buffer);
            if !received.more {
                held.drain(..).for_each(|id| ring.give_back(id));
                ring.receive(server.as_raw_fd(), slot);
            }
        }
        assert!(exhausted > 0, "the test reaches the bound");
        drop(writer.join());
    }
}
