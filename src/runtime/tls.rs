//! TLS of one connection, between its socket and its core: rustls' connection, which does no I/O of its own.
//!
//! Received bytes go in and plaintext comes out; what the flush writes goes in joined and comes out as records, in one
//! call of the kernel. Ciphertext that the kernel does not take stays with rustls, and [`Tls::send`] then answers
//! [`Sent::Full`], so that nobody takes the data for sent (RFC 8446 6.1: it would be lost by a close).
//!
//! ```text
//!   Open (handshake, then data) ── close_notify ──▶ Ended: still written to
//!    └──────── broken by the peer ──▶ Failed: the alert is out, nothing more is read or written
//! ```
//!
//! Not here: descriptors (`socket`), certificates and protocol versions (`certificates`). A handshake has no time limit
//! of its own: its bytes never reach the core, whose limit for the first request thus covers it.

use crate::conn::contained;
use crate::hub::Sent;
use crate::limits::TLS_BUFFER_BYTES;
use rustls::{Error, IoState, ServerConfig, ServerConnection};
use std::io::{ErrorKind, Read, Result, Write};
use std::sync::Arc;

/// What received bytes have done to the peer's side of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// It goes on.
    Open,
    /// The peer has said that nothing more comes.
    Ended,
    /// What came is no TLS that we accept.
    Failed,
}

/// One encrypted connection.
pub struct Tls {
    connection: ServerConnection,
    /// Leaves `Open` once, and is told once.
    flow: Flow,
    /// Our side of the stream ends when all ciphertext is out.
    ends: bool,
}

impl Tls {
    /// A connection whose handshake begins; `None` when rustls has no use for the configuration.
    pub fn new(config: Arc<ServerConfig>) -> Option<Tls> {
        let mut connection = ServerConnection::new(config).ok()?;
        connection.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        Some(Tls { connection, flow: Flow::Open, ends: false })
    }

    /// Takes received bytes in and appends what they mean to `plaintext`. `Ended` and `Failed` are said once; bytes
    /// behind them are dropped. There may be an answer to write out.
    pub fn receive(&mut self, mut bytes: &[u8], plaintext: &mut Vec<u8>) -> Flow {
        while self.flow == Flow::Open && !bytes.is_empty() {
            self.flow = self.read(&mut bytes, plaintext);
            if self.flow != Flow::Open {
                return self.flow;
            }
        }
        Flow::Open
    }

    /// As much of `bytes` as rustls buffers in one step; it never buffers nothing.
    fn read(&mut self, bytes: &mut &[u8], plaintext: &mut Vec<u8>) -> Flow {
        let connection = &mut self.connection;
        let Ok(1..) = connection.read_tls(bytes) else { return Flow::Failed };
        let Some(processed) = contained(|| connection.process_new_packets()) else { return Flow::Failed };
        match processed.and_then(|state| self.take(&state, plaintext)) {
            Ok(flow) => flow,
            Err(error) => {
                tracing::debug!(%error, "TLS failed");
                Flow::Failed
            }
        }
    }

    fn take(&mut self, state: &IoState, plaintext: &mut Vec<u8>) -> std::result::Result<Flow, Error> {
        let begin = plaintext.len();
        plaintext.resize(begin + state.plaintext_bytes_to_read(), 0);
        let read = self.connection.reader().read_exact(&mut plaintext[begin..]);
        read.map_err(|error| Error::General(error.to_string()))?;
        Ok(if state.peer_has_closed() { Flow::Ended } else { Flow::Open })
    }

    /// The peer's side has ended, or was broken, and that was told.
    pub fn is_over(&self) -> bool {
        self.flow != Flow::Open
    }

    /// Encrypts and sends, as [`Sink::send`](crate::hub::Sink::send) demands. Before the handshake is over there is
    /// nobody to talk to.
    pub fn send(&mut self, bytes: &[u8], out: &mut impl Write) -> Sent {
        if self.flow == Flow::Failed || self.connection.is_handshaking() {
            return Sent::Broken;
        }
        let mut taken = 0;
        loop {
            match self.write_out(out) {
                Ok(true) if taken == bytes.len() => return Sent::Bytes(taken),
                Ok(true) => {}
                Ok(false) => return Sent::Full(taken),
                Err(_) => return Sent::Broken,
            }
            // Up to the limit of rustls' buffer, which is empty here.
            let Ok(n @ 1..) = self.connection.writer().write(&bytes[taken..]) else { return Sent::Broken };
            taken += n;
        }
    }

    /// Sends ciphertext that is ready; false when the kernel takes no more for now.
    pub fn write_out(&mut self, out: &mut impl Write) -> Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(out) {
                Ok(1..) => {}
                Ok(0) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says close_notify; the socket is to be shut for writing as soon as [`Tls::has_ended`].
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ends, true) && self.flow != Flow::Failed {
            self.connection.send_close_notify();
        }
    }

    /// True when our close_notify is out.
    pub fn has_ended(&self) -> bool {
        self.ends && !self.connection.wants_write()
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
