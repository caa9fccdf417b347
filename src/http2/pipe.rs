//! What h2 takes for a socket: two buffers in memory, and the bells that stand for a runtime's wake-ups.
//!
//! Invariant: whoever is refused here (nothing to read, no room to write) is polled again after a bell was rung, never
//! by a task of its own. The output is bounded by not taking more; the input by the owner, who asks [`Pipe::unread`].

use crate::limits;
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Tells that something should be polled again.
pub(super) struct Bell {
    rung: Arc<Rung>,
    waker: Waker,
}

struct Rung(AtomicBool);

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Bell {
    /// Already rung: everything is polled once.
    pub(super) fn new() -> Bell {
        let rung = Arc::new(Rung(AtomicBool::new(true)));
        Bell { waker: rung.clone().into(), rung }
    }

    pub(super) fn ring(&self) {
        self.rung.0.store(true, Ordering::Relaxed);
    }

    /// True once per ringing.
    pub(super) fn answer(&self) -> bool {
        self.rung.0.swap(false, Ordering::Relaxed)
    }

    /// For what h2 wants polled. A clone: the context must not keep its owner borrowed.
    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

/// Both ends of the pipe share this.
#[derive(Clone, Default)]
pub(super) struct Pipe(Rc<RefCell<Buffers>>);

#[derive(Default)]
struct Buffers {
    input: Vec<u8>,
    /// Bytes of `input` that were read.
    read: usize,
    at_end: bool,
    output: Vec<u8>,
    is_blocked: bool,
    /// A write was refused.
    is_stalled: bool,
}

impl Pipe {
    /// Bytes came from the socket.
    pub(super) fn feed(&self, bytes: &[u8]) {
        self.0.borrow_mut().input.extend_from_slice(bytes);
    }

    /// No more will come.
    pub(super) fn end(&self) {
        self.0.borrow_mut().at_end = true;
    }

    /// Bytes that h2 did not read yet: it stops while it has something to write and no room.
    pub(super) fn unread(&self) -> usize {
        let buffers = self.0.borrow();
        buffers.input.len() - buffers.read
    }

    /// Output for the socket, and whether a write waits for the room that this makes.
    pub(super) fn take(&self) -> (Vec<u8>, bool) {
        let mut buffers = self.0.borrow_mut();
        let output = std::mem::take(&mut buffers.output);
        let was_stalled = !buffers.is_blocked && std::mem::take(&mut buffers.is_stalled);
        (output, was_stalled)
    }

    /// The socket takes nothing, or does again. True when a write waited for it.
    pub(super) fn set_blocked(&self, is_blocked: bool) -> bool {
        let mut buffers = self.0.borrow_mut();
        buffers.is_blocked = is_blocked;
        !is_blocked && std::mem::take(&mut buffers.is_stalled)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut buffers = self.0.borrow_mut();
        let left = &buffers.input[buffers.read..];
        let count = left.len().min(into.remaining());
        into.put_slice(&left[..count]);
        buffers.read += count;
        if buffers.read == buffers.input.len() {
            buffers.read = 0;
            buffers.input.clear();
            // An idle connection owns no big buffer.
            buffers.input.shrink_to(limits::RECEIVE_BUFFER_BYTES);
        }
        if count == 0 && !buffers.at_end { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut buffers = self.0.borrow_mut();
        if buffers.is_blocked || buffers.output.len() >= limits::HTTP2_OUTPUT_BYTES_MAX {
            buffers.is_stalled = true;
            return Poll::Pending;
        }
        buffers.output.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
