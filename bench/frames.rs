//! HTTP/2 frames as bytes (RFC 9113 4.1), for the caller and the floor. Not here: header compression, which neither needs
//! to understand.

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;

/// Of DATA and HEADERS; of SETTINGS and PING the same bit means an acknowledgement.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One frame that has come whole.
pub struct Frame<'a> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

/// Appends a frame.
pub fn put(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Takes a whole frame off the input.
pub fn take<'a>(input: &mut &'a [u8]) -> Option<Frame<'a>> {
    let (head, rest) = input.split_first_chunk::<9>()?;
    let [a, b, c, kind, flags, id @ ..] = *head;
    let (payload, rest) = rest.split_at_checked(u32::from_be_bytes([0, a, b, c]) as usize)?;
    *input = rest;
    Some(Frame { kind, flags, stream: u32::from_be_bytes(id), payload })
}
