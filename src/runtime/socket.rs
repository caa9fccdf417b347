//! The sockets of one core: descriptors, what the ring still has in flight for them, direct writes, closing.
//!
//! A place (slot index) is free → open → closing → free. Closing shuts the socket down and waits until every request
//! of the ring that names it has completed; then the descriptor is closed and the generation counts up, so that a late
//! completion never reaches the next owner of the place.
//!
//! An encrypted connection has its TLS beside it, by the same index; plain ones only ask one flag that lies with the
//! descriptor.

#![allow(unsafe_code)]

use super::ring::{Op, Ring};
use super::tls::{Flow, Tls};
use crate::hub::{Sent, Sink};
use crate::id::Slot;
use std::io::{ErrorKind, IoSlice, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Free,
    Open,
    /// Shut down; waits for the ring's last completion.
    Closing,
}

#[derive(Clone, Copy)]
struct Socket {
    fd: RawFd,
    generation: u32,
    phase: Phase,
    receiving: bool,
    polling: bool,
    /// The shard asked not to be given bytes for now.
    paused: bool,
    /// `Sockets::tls` has an entry.
    is_tls: bool,
}

/// A send touches one cache line of sockets.
const _: () = assert!(size_of::<Socket>() == 16);

const FREE: Socket = Socket {
    fd: -1,
    generation: 0,
    phase: Phase::Free,
    receiving: false,
    polling: false,
    paused: false,
    is_tls: false,
};

/// All sockets of one core.
pub struct Sockets {
    sockets: Vec<Socket>,
    /// By place; reaches as far as the highest place that was ever encrypted.
    tls: Vec<Option<Box<Tls>>>,
    free: Vec<u32>,
    open: usize,
    /// Places that ask the ring for a writability poll.
    watch: Vec<u32>,
    /// Places whose receive is to be armed (again) once the turn's buffers are back.
    arm: Vec<u32>,
}

impl Default for Sockets {
    fn default() -> Sockets {
        Sockets::new()
    }
}

impl Sockets {
    /// None yet.
    pub fn new() -> Sockets {
        Sockets { sockets: Vec::new(), tls: Vec::new(), free: Vec::new(), open: 0, watch: Vec::new(), arm: Vec::new() }
    }

    /// Sockets whose descriptor is open, closing ones included.
    pub fn len(&self) -> usize {
        self.sockets.len() - self.free.len()
    }

    /// True without sockets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a connection. Its receive is armed by [`Sockets::settle`].
    pub fn open(&mut self, fd: OwnedFd) -> Slot {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.sockets.push(FREE);
                self.sockets.len() as u32 - 1
            }
        };
        let socket = &mut self.sockets[index as usize];
        let fd = std::os::fd::IntoRawFd::into_raw_fd(fd);
        *socket = Socket { fd, generation: socket.generation, phase: Phase::Open, ..FREE };
        self.open += 1;
        self.arm.push(index);
        Slot { index, generation: socket.generation }
    }

    /// Takes an encrypted connection.
    pub fn open_tls(&mut self, fd: OwnedFd, tls: Box<Tls>) -> Slot {
        let slot = self.open(fd);
        let place = slot.index as usize;
        if place >= self.tls.len() {
            self.tls.resize_with(place + 1, || None);
        }
        self.tls[place] = Some(tls);
        self.sockets[place].is_tls = true;
        slot
    }

    /// True when `slot` is the present owner of its place and not closing.
    pub fn is_open(&self, slot: Slot) -> bool {
        let socket = self.sockets.get(slot.index as usize);
        socket.is_some_and(|s| s.phase == Phase::Open && s.generation == slot.generation)
    }

    /// A receive completed. `ended`: it is no longer armed; `again`: it should be.
    pub fn received(&mut self, slot: Slot, ended: bool, again: bool) {
        if !ended {
            return;
        }
        let socket = &mut self.sockets[slot.index as usize];
        debug_assert_eq!(socket.generation, slot.generation, "the place is held until its requests have completed");
        socket.receiving = false;
        if socket.phase == Phase::Open && again && !socket.paused {
            self.arm.push(slot.index);
        }
        self.release(slot.index);
    }

    /// True when the peer's bytes are to be given to [`Sockets::decrypt`].
    pub fn is_tls(&self, slot: Slot) -> bool {
        self.is_open(slot) && self.sockets[slot.index as usize].is_tls
    }

    /// Appends what the bytes of an encrypted connection mean to `plaintext`. What TLS answers by itself goes out.
    pub fn decrypt(&mut self, slot: Slot, bytes: &[u8], plaintext: &mut Vec<u8>) -> Flow {
        let Some(tls) = &mut self.tls[slot.index as usize] else { return Flow::Failed };
        let flow = tls.receive(bytes, plaintext);
        self.write_out(slot.index);
        flow
    }

    /// True when the end of the peer's stream is no news: TLS has said it already.
    pub fn is_over(&self, slot: Slot) -> bool {
        self.is_tls(slot) && self.tls[slot.index as usize].as_ref().is_some_and(|tls| tls.is_over())
    }

    /// Sends waiting ciphertext of an encrypted connection, and ends our side behind it if that was wished.
    fn write_out(&mut self, index: u32) {
        let (place, fd) = (index as usize, self.sockets[index as usize].fd);
        let Some(tls) = &mut self.tls[place] else { return };
        match tls.write_out(&mut Out(fd)) {
            Ok(false) => self.watch.push(index),
            // SAFETY: the descriptor is ours until `release`.
            Ok(true) if tls.has_ended() => _ = unsafe { libc::shutdown(fd, libc::SHUT_WR) },
            // An error ends the receive too, which tells the shard.
            Ok(true) | Err(_) => {}
        }
    }

    /// A writability poll completed; true when the connection may be written to.
    pub fn polled(&mut self, slot: Slot) -> bool {
        let socket = &mut self.sockets[slot.index as usize];
        socket.polling = false;
        let is_open = socket.phase == Phase::Open;
        if is_open && socket.is_tls {
            self.write_out(slot.index);
        }
        self.release(slot.index);
        is_open
    }

    /// Stops the flow of bytes from a connection.
    pub fn pause(&mut self, slot: Slot, ring: &mut Ring) {
        if !self.is_open(slot) {
            return;
        }
        let socket = &mut self.sockets[slot.index as usize];
        if !std::mem::replace(&mut socket.paused, true) && socket.receiving {
            ring.cancel(Op::Receive, slot);
        }
    }

    /// Lets bytes flow again.
    pub fn resume(&mut self, slot: Slot) {
        if self.is_open(slot) {
            self.sockets[slot.index as usize].paused = false;
            self.arm.push(slot.index);
        }
    }

    /// Tells the peer that nothing more will come, and goes on reading.
    pub fn shutdown_write(&mut self, slot: Slot) {
        if !self.is_open(slot) {
            return;
        }
        let socket = &self.sockets[slot.index as usize];
        if socket.is_tls {
            self.tls[slot.index as usize].iter_mut().for_each(|tls| tls.end());
            return self.write_out(slot.index);
        }
        // SAFETY: the descriptor is ours until `release`.
        unsafe { libc::shutdown(socket.fd, libc::SHUT_WR) };
    }

    /// Shuts down; the descriptor and the place stay taken until the ring has let go of them.
    pub fn close(&mut self, slot: Slot, ring: &mut Ring) {
        if !self.is_open(slot) {
            return;
        }
        if self.sockets[slot.index as usize].is_tls {
            self.close_tls(slot.index);
        }
        let socket = &mut self.sockets[slot.index as usize];
        socket.phase = Phase::Closing;
        // SAFETY: the descriptor is ours until `release`.
        unsafe { libc::shutdown(socket.fd, libc::SHUT_RDWR) };
        // The shutdown completes both in nearly every case; a socket that was reset before may need the cancels.
        if socket.receiving {
            ring.cancel(Op::Receive, slot);
        }
        if socket.polling {
            ring.cancel(Op::Writable, slot);
        }
        self.release(slot.index);
    }

    /// Says close_notify if the kernel takes it, and frees the memory at once.
    fn close_tls(&mut self, index: u32) {
        if let Some(mut tls) = self.tls[index as usize].take() {
            tls.end();
            _ = tls.write_out(&mut Out(self.sockets[index as usize].fd));
        }
    }

    fn release(&mut self, index: u32) {
        let socket = &mut self.sockets[index as usize];
        if socket.phase != Phase::Closing || socket.receiving || socket.polling {
            return;
        }
        // SAFETY: the descriptor was taken by `open`, no request names it any more, and it is forgotten here.
        drop(unsafe { OwnedFd::from_raw_fd(socket.fd) });
        *socket = Socket { generation: socket.generation.wrapping_add(1) & 0xff_ffff, ..FREE };
        self.open -= 1;
        self.free.push(index);
    }

    /// Arms what handling and writing asked for. Called when the turn's buffers are back.
    pub fn settle(&mut self, ring: &mut Ring) {
        while let Some(index) = self.arm.pop() {
            let socket = &mut self.sockets[index as usize];
            if socket.phase == Phase::Open && !socket.receiving && !socket.paused {
                socket.receiving = true;
                ring.receive(socket.fd, Slot { index, generation: socket.generation });
            }
        }
        while let Some(index) = self.watch.pop() {
            let socket = &mut self.sockets[index as usize];
            if socket.phase == Phase::Open && !socket.polling {
                socket.polling = true;
                ring.writable(socket.fd, Slot { index, generation: socket.generation });
            }
        }
    }
}

impl Sink for Sockets {
    fn send(&mut self, index: u32, bytes: &[u8]) -> Sent {
        let socket = &self.sockets[index as usize];
        if socket.phase != Phase::Open {
            return Sent::Broken;
        }
        if socket.is_tls {
            let tls = &mut self.tls[index as usize];
            return tls.as_mut().map_or(Sent::Broken, |tls| tls.send(bytes, &mut Out(socket.fd)));
        }
        send(socket.fd, bytes)
    }

    fn watch(&mut self, index: u32) {
        self.watch.push(index);
    }

    fn unsent(&self, index: u32) -> usize {
        unsent(self.sockets[index as usize].fd)
    }
}

/// Bytes of the socket's send queue that the peer has not acknowledged; 0 when the kernel does not say.
fn unsent(fd: RawFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the request writes one `int`, which is ours.
    let result = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut bytes) };
    if result < 0 { 0 } else { usize::try_from(bytes).unwrap_or(0) }
}

/// One `send(2)`, without waiting and without a signal.
fn send(fd: RawFd, bytes: &[u8]) -> Sent {
    // SAFETY: pointer and length come from one slice.
    let n = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), FLAGS) };
    match usize::try_from(n) {
        Ok(n) if n == bytes.len() => Sent::Bytes(n),
        Ok(n) => Sent::Full(n),
        Err(_) if is_full() => Sent::Full(0),
        Err(_) => Sent::Broken,
    }
}

const FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// The last system call failed because there is no room now.
fn is_full() -> bool {
    let error = std::io::Error::last_os_error().raw_os_error();
    matches!(error, Some(libc::EAGAIN | libc::EINTR | libc::ENOBUFS))
}

/// The same for the records of an encrypted connection: one call for all of them.
struct Out(RawFd);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match send(self.0, bytes) {
            Sent::Bytes(n) | Sent::Full(n @ 1..) => Ok(n),
            Sent::Full(0) => Err(ErrorKind::WouldBlock.into()),
            Sent::Broken => Err(ErrorKind::BrokenPipe.into()),
        }
    }

    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> std::io::Result<usize> {
        if let [record] = records {
            return self.write(record);
        }
        // SAFETY: all zeros is a valid header; an `IoSlice` is an `iovec` by its documentation, and `sendmsg` only reads.
        let n = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = records.as_ptr().cast_mut().cast();
            message.msg_iovlen = records.len();
            libc::sendmsg(self.0, &message, FLAGS)
        };
        match usize::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) if is_full() => Err(ErrorKind::WouldBlock.into()),
            Err(_) => Err(std::io::Error::last_os_error()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Takes over a descriptor that the ring accepted.
pub fn adopt(fd: i32) -> OwnedFd {
    // SAFETY: an accept completion hands over a new descriptor exactly once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// The peer's address.
pub fn peer(fd: &OwnedFd) -> Option<std::net::SocketAddr> {
    rustix::net::getpeername(fd).ok().flatten()?.try_into().ok()
}

/// The raw number, for the ring.
pub fn raw(fd: &impl AsRawFd) -> RawFd {
    fd.as_raw_fd()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn ring() -> (Ring, OwnedFd) {
        let bell = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        (Ring::new(bell.as_raw_fd()).expect("io_uring"), bell)
    }

    fn drive(ring: &mut Ring, sockets: &mut Sockets) {
        for _ in 0..200 {
            sockets.settle(ring);
            ring.poll().expect("the ring works");
            while let Some(completion) = ring.take() {
                completion.buffer.into_iter().for_each(|id| ring.give_back(id));
                if completion.op == Op::Receive {
                    let again = completion.result > 0;
                    sockets.received(completion.slot, !completion.more, again);
                }
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_place_is_reused_only_after_its_last_completion_and_under_a_new_generation() {
        let (mut ring, _bell) = ring();
        let (mut sockets, (one, _peer)) = (Sockets::new(), UnixStream::pair().expect("a pair"));
        let first = sockets.open(one.into());
        drive(&mut ring, &mut sockets);
        sockets.close(first, &mut ring);
        assert_eq!((sockets.is_open(first), sockets.len()), (false, 1), "the receive is still in flight");
        let (two, _peer2) = UnixStream::pair().expect("a pair");
        let second = sockets.open(two.into());
        assert_ne!(second.index, first.index);
        drive(&mut ring, &mut sockets);
        assert_eq!(sockets.len(), 1);
        let (three, _peer3) = UnixStream::pair().expect("a pair");
        let third = sockets.open(three.into());
        assert_eq!((third.index, third.generation), (first.index, first.generation + 1));
        assert!(!sockets.is_open(first) && sockets.is_open(third));
    }

    #[test]
    fn a_full_socket_takes_a_part_and_a_closed_one_is_broken() {
        let (mut ring, _bell) = ring();
        let (mut sockets, (server, mut peer)) = (Sockets::new(), UnixStream::pair().expect("a pair"));
        let slot = sockets.open(server.into());
        let big = vec![1; 8 << 20];
        let Sent::Full(n) = sockets.send(slot.index, &big) else { panic!("open") };
        assert!(n < big.len());
        assert_eq!(sockets.send(slot.index, b"x"), Sent::Full(0));
        let full = sockets.unsent(slot.index);
        let mut room = vec![0; n];
        peer.read_exact(&mut room).expect("sent");
        assert!(sockets.unsent(slot.index) < full, "the peer has taken it");
        assert_eq!(sockets.send(slot.index, b"x"), Sent::Bytes(1));
        sockets.close(slot, &mut ring);
        assert_eq!(sockets.send(slot.index, b"x"), Sent::Broken);
    }

    #[test]
    fn a_paused_connection_is_not_read_until_it_is_resumed() {
        use std::io::Write;
        let (mut ring, _bell) = ring();
        let (mut sockets, (server, mut peer)) = (Sockets::new(), UnixStream::pair().expect("a pair"));
        let slot = sockets.open(server.into());
        drive(&mut ring, &mut sockets);
        sockets.pause(slot, &mut ring);
        drive(&mut ring, &mut sockets);
        peer.write_all(b"late").expect("open");
        for _ in 0..200 {
            sockets.settle(&mut ring);
            ring.poll().expect("the ring works");
            assert!(ring.take().is_none_or(|c| c.op != Op::Receive || c.result <= 0));
        }
        sockets.resume(slot);
        let mut got = None;
        for _ in 0..10_000 {
            sockets.settle(&mut ring);
            ring.poll().expect("the ring works");
            if let Some(c) = ring.take().filter(|c| c.op == Op::Receive) {
                got = Some(c.result);
                break;
            }
        }
        assert_eq!(got, Some(4));
    }
}
