//! RFC 6455 frames without I/O: bytes in, messages and control frames out; and the encoders of both directions.
//!
//! What a peer sends is judged by the RFC, down to minimal lengths and legal close codes. What we send is
//! the caller's choice, odd close codes included (Centrifugo passes on what its API caller asks for).
//! The first reserved bit marks a compressed message where that was agreed on (RFC 7692); such a message is handed out as
//! it came, for [`super::deflate::Inflater`]. Every other reserved bit is a violation.
//!
//! A text that can no longer become valid is refused while its frame is still under way.
//!
//! Invariants: a frame is unmasked in place once, when it is whole; where the input was cut changes nothing but how early
//! such a text is refused; the decoder owns memory only from the first fragment of a message to the call after the one
//! that hands it out.

use std::ops::Range;

/// The kind of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// More of a fragmented message.
    Continuation = 0,
    /// UTF-8.
    Text = 1,
    /// Octets.
    Binary = 2,
    /// The end, with an optional code and reason.
    Close = 8,
    /// To be answered by a pong with the same payload.
    Ping = 9,
    /// The answer, or unasked.
    Pong = 10,
}

impl Opcode {
    fn of(bits: u8) -> Option<Opcode> {
        use Opcode::*;
        [Continuation, Text, Binary, Close, Ping, Pong].into_iter().find(|opcode| *opcode as u8 == bits)
    }

    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// Something whole that the peer sent.
#[derive(PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A message, defragmented; text is valid UTF-8.
    Message {
        /// `Text` or `Binary`.
        opcode: Opcode,
        /// Borrowed from the input, or from the decoder if it came in fragments.
        payload: &'a [u8],
    },
    /// A message that is still compressed, defragmented.
    Deflated {
        /// `Text` or `Binary`.
        opcode: Opcode,
        /// Borrowed as that of a message.
        payload: &'a [u8],
    },
    /// Wants a pong.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// The peer closes.
    Close {
        /// `None`: the frame was empty.
        code: Option<u16>,
        /// May be empty.
        reason: &'a str,
    },
}

/// What one call of [`Decoder::decode`] did.
#[derive(PartialEq, Eq, Debug)]
pub struct Step<'a> {
    /// Input bytes that are used up; 0: more are needed.
    pub consumed: usize,
    /// A fragment that is not the last one is consumed without an event.
    pub event: Option<Event<'a>>,
}

/// What the peer did wrong: the code and reason of the close frame that answers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// 1002, 1007 or 1009.
    pub code: u16,
    /// Short; empty for a message that came too big, as Centrifugo has it.
    pub reason: &'static str,
}

const fn protocol(reason: &'static str) -> Violation {
    Violation { code: 1002, reason }
}

const NOT_UTF8: Violation = Violation { code: 1007, reason: "invalid UTF-8" };
const TOO_BIG: Violation = Violation { code: 1009, reason: "" };

/// Whose frames are decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// We are the server: frames must be masked.
    Server,
    /// We are the client: frames must not be masked.
    Client,
}

/// Takes a stream of frames apart.
pub struct Decoder {
    role: Role,
    /// Messages may be compressed.
    has_deflate: bool,
    /// The open one is.
    is_deflated: bool,
    /// Kind of the fragmented message that is open.
    open: Option<Opcode>,
    /// Its fragments so far, or the last message that was handed out.
    message: Vec<u8>,
    /// How much of an open text is known to be whole characters.
    checked: usize,
    /// The same of the payload of a frame that is not whole yet.
    ahead: u32,
}

/// A parsed frame header.
struct Header {
    is_final: bool,
    is_deflated: bool,
    opcode: Opcode,
    payload: Range<usize>,
    key: [u8; 4],
}

impl Decoder {
    /// For one connection.
    pub fn new(role: Role) -> Decoder {
        Decoder { role, has_deflate: false, is_deflated: false, open: None, message: Vec::new(), checked: 0, ahead: 0 }
    }

    /// Messages may be compressed if `agreed`.
    pub fn with_deflate(self, agreed: bool) -> Decoder {
        Decoder { has_deflate: agreed, ..self }
    }

    /// True while a fragmented message is open.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Bytes of a fragmented message so far.
    pub fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// Takes the first frame of `input`, the unused bytes of the connection. `message_bytes_max` bounds a message.
    ///
    /// # Errors
    /// The peer broke the protocol; nothing that follows can be trusted.
    pub fn decode<'a>(&'a mut self, input: &'a mut [u8], message_bytes_max: usize) -> Result<Step<'a>, Violation> {
        if self.open.is_none() && !self.message.is_empty() {
            self.message = Vec::new();
        }
        let Some(header) = self.header(input, message_bytes_max)? else { return Ok(Step { consumed: 0, event: None }) };
        if header.payload.end > input.len() {
            self.check_ahead(&header, &input[header.payload.start.min(input.len())..])?;
            return Ok(Step { consumed: 0, event: None });
        }
        self.ahead = 0;
        let (consumed, payload) = (header.payload.end, &mut input[header.payload.clone()]);
        if self.role == Role::Server {
            unmask(payload, header.key);
        }
        let payload: &'a [u8] = payload;
        let event = match header.opcode {
            Opcode::Ping => Some(Event::Ping(payload)),
            Opcode::Pong => Some(Event::Pong(payload)),
            Opcode::Close => Some(close(payload)?),
            _ => self.data(&header, payload)?,
        };
        Ok(Step { consumed, event })
    }

    /// The header of the first frame; `None` while bytes of it are missing.
    fn header(&self, input: &[u8], message_bytes_max: usize) -> Result<Option<Header>, Violation> {
        let [first, second, ..] = *input else { return Ok(None) };
        let opcode = Opcode::of(first & 15).ok_or(protocol("unknown opcode"))?;
        let is_deflated = first & DEFLATED != 0;
        let may_be_deflated = self.has_deflate && matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & 0x30 != 0 || (is_deflated && !may_be_deflated) {
            return Err(protocol("reserved bits are set"));
        }
        let (is_final, is_masked) = (first & 0x80 != 0, second & 0x80 != 0);
        if is_masked != (self.role == Role::Server) {
            return Err(protocol("wrong masking"));
        }
        match (opcode, self.open) {
            (Opcode::Continuation, None) => return Err(protocol("continuation of nothing")),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(protocol("message within a message")),
            _ => {}
        }
        if opcode.is_control() && (!is_final || second & 127 > 125) {
            return Err(protocol("control frame is long or fragmented"));
        }
        let Some((length, start)) = length(input)? else { return Ok(None) };
        let room = if opcode.is_control() { 125 } else { message_bytes_max.saturating_sub(self.message.len()) };
        let length = usize::try_from(length).ok().filter(|length| *length <= room).ok_or(TOO_BIG)?;
        let start = start + if is_masked { 4 } else { 0 };
        let mut key = [0; 4];
        if is_masked {
            let Some(bytes) = input.get(start - 4..start) else { return Ok(None) };
            key.copy_from_slice(bytes);
        }
        Ok(Some(Header { is_final, is_deflated, opcode, payload: start..start + length, key }))
    }

    fn data<'a>(&'a mut self, header: &Header, payload: &'a [u8]) -> Result<Option<Event<'a>>, Violation> {
        let Header { is_final, is_deflated, opcode, .. } = *header;
        if is_final && self.open.is_none() {
            // The common case: a whole message in one frame, handed out where it stands.
            if is_deflated {
                return Ok(Some(Event::Deflated { opcode, payload }));
            }
            check_text(opcode, payload)?;
            return Ok(Some(Event::Message { opcode, payload }));
        }
        let kind = *self.open.get_or_insert(opcode);
        if opcode != Opcode::Continuation {
            self.checked = 0;
            self.is_deflated = is_deflated;
        }
        self.message.extend_from_slice(payload);
        if kind == Opcode::Text && !self.is_deflated {
            self.check_fragment(is_final)?;
        }
        if !is_final {
            return Ok(None);
        }
        self.open = None;
        let payload = &self.message[..];
        Ok(Some(match self.is_deflated {
            true => Event::Deflated { opcode: kind, payload },
            false => Event::Message { opcode: kind, payload },
        }))
    }

    /// Refuses a text whose frame is not whole, when what has come of it shows that it is none. Each byte is looked at once.
    fn check_ahead(&mut self, header: &Header, payload: &[u8]) -> Result<(), Violation> {
        let Header { is_deflated, opcode, key, .. } = *header;
        let is_text = match opcode {
            Opcode::Text => !is_deflated,
            Opcode::Continuation => self.open == Some(Opcode::Text) && !self.is_deflated,
            _ => false,
        };
        let ahead = self.ahead as usize;
        if !is_text || payload.len() <= ahead || u32::try_from(payload.len()).is_err() {
            return Ok(());
        }
        // The character that the fragment before has begun, if this one has not gone on with it yet.
        let begun = if ahead == 0 && opcode == Opcode::Continuation { self.checked..self.message.len() } else { 0..0 };
        let mut text = self.message[begun.clone()].to_vec();
        text.extend_from_slice(&payload[ahead..]);
        if self.role == Role::Server {
            let [a, b, c, d] = key;
            let turned = [[a, b, c, d], [b, c, d, a], [c, d, a, b], [d, a, b, c]];
            unmask(&mut text[begun.len()..], turned[ahead % 4]);
        }
        match simdutf8::compat::from_utf8(&text) {
            Ok(_) => self.ahead = payload.len() as u32,
            Err(e) if e.error_len().is_none() => self.ahead += e.valid_up_to().saturating_sub(begun.len()) as u32,
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }

    /// Refuses a text at the first fragment after which it can no longer become valid.
    fn check_fragment(&mut self, is_final: bool) -> Result<(), Violation> {
        match simdutf8::compat::from_utf8(&self.message[self.checked..]) {
            Ok(_) => self.checked = self.message.len(),
            Err(e) if e.error_len().is_none() && !is_final => self.checked += e.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

/// Refuses a whole text that is no UTF-8.
pub(super) fn check_text(opcode: Opcode, payload: &[u8]) -> Result<(), Violation> {
    match opcode {
        Opcode::Text if simdutf8::basic::from_utf8(payload).is_err() => Err(NOT_UTF8),
        _ => Ok(()),
    }
}

/// Payload length and where the header ends, without the key; `None` while bytes are missing.
fn length(input: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, end, least) = match input {
        [_, second, a, b, ..] if second & 127 == 126 => (u64::from(u16::from_be_bytes([*a, *b])), 4, 126),
        [_, second, rest @ ..] if second & 127 == 127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 10, 1 << 16),
            None => return Ok(None),
        },
        [_, second, ..] if second & 127 < 126 => (u64::from(second & 127), 2, 0),
        _ => return Ok(None),
    };
    if length < least || length > i64::MAX as u64 {
        return Err(protocol("length is not minimal or too large"));
    }
    Ok(Some((length, end)))
}

fn close(payload: &[u8]) -> Result<Event<'_>, Violation> {
    match payload {
        [] => Ok(Event::Close { code: None, reason: "" }),
        [_] => Err(protocol("close frame of one byte")),
        [a, b, reason @ ..] => {
            let code = u16::from_be_bytes([*a, *b]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(protocol("illegal close code"));
            }
            let reason = simdutf8::basic::from_utf8(reason).map_err(|_| NOT_UTF8)?;
            Ok(Event::Close { code: Some(code), reason })
        }
    }
}

/// By words of eight bytes: 7 ns for 150 bytes.
fn unmask(data: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = data.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// The reserved bit that marks the first frame of a compressed message.
const DEFLATED: u8 = 0x40;

/// Bytes of the longest header without a mask.
pub const HEADER_BYTES_MAX: usize = 10;

/// Appends the header of a whole unmasked frame.
pub fn encode_header(opcode: Opcode, payload_bytes: usize, out: &mut impl Extend<u8>) {
    header(opcode as u8, payload_bytes, 0, out);
}

fn header(opcode_bits: u8, payload_bytes: usize, mask_bit: u8, out: &mut impl Extend<u8>) {
    let first = 0x80 | opcode_bits;
    match payload_bytes {
        0..126 => out.extend([first, mask_bit | payload_bytes as u8]),
        126..65536 => {
            out.extend([first, mask_bit | 126]);
            out.extend((payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.extend([first, mask_bit | 127]);
            out.extend((payload_bytes as u64).to_be_bytes());
        }
    }
}

/// Appends a frame of the server.
pub fn encode(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    encode_header(opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

/// Appends a frame of the server that holds a compressed message.
pub fn encode_deflated(opcode: Opcode, deflated: &[u8], out: &mut Vec<u8>) {
    header(opcode as u8 | DEFLATED, deflated.len(), 0, out);
    out.extend_from_slice(deflated);
}

/// Appends a frame of a client.
pub fn encode_masked(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    mask(opcode as u8, payload, key, out);
}

/// Appends a frame of a client that holds a compressed message.
pub fn encode_deflated_masked(opcode: Opcode, deflated: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    mask(opcode as u8 | DEFLATED, deflated, key, out);
}

fn mask(opcode_bits: u8, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    header(opcode_bits, payload.len(), 0x80, out);
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], key);
}

/// Appends the server's close frame; false, and nothing, when the reason does not fit one.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) -> bool {
    if reason.len() > crate::limits::CLOSE_REASON_BYTES_MAX {
        return false;
    }
    encode_header(Opcode::Close, reason.len() + 2, out);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
    true
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
