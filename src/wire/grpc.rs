//! GRPC as bytes (PROTOCOL-HTTP2 of the GRPC project): length-prefixed messages, gzip of messages, statuses and their
//! spelling in trailers, `grpc-timeout`. Not here: HTTP/2 (`http2`), which calls there are.
//!
//! Input is bounded before it is kept: a message that says it is too long is refused on its first five bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Buf, Bytes, BytesMut};
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use std::fmt::Write;
use std::io::Read;
use std::time::Duration;

/// Compressed or not, and four bytes of length.
const PREFIX_BYTES: usize = 5;

/// Shorter answers go out as they are: gzip's own 20 bytes and its tables cost more than they save.
const GZIP_BYTES_MIN: usize = 128;

/// Why a call ended; the numbers are GRPC's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Code {
    Ok = 0,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    ResourceExhausted = 8,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// Why messages of a stream cannot be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// A message is longer than allowed.
    TooLong {
        /// What it says of itself.
        length: usize,
    },
    /// A compressed message would be longer than allowed.
    TooLongInflated,
    /// The first byte is neither 0 nor 1, or says compressed where no compression was agreed on.
    BadFlag,
    /// It is not what gzip makes.
    NotGzip,
}

/// Takes messages apart. Bytes that arrive whole are not copied.
pub struct Reader {
    /// What came and was not taken, when it is one piece.
    piece: Bytes,
    /// The same, when it is more.
    joined: BytesMut,
    bytes_max: usize,
    is_gzip: bool,
}

impl Reader {
    /// `is_gzip`: messages may be compressed.
    pub fn new(bytes_max: usize, is_gzip: bool) -> Reader {
        Reader { piece: Bytes::new(), joined: BytesMut::new(), bytes_max, is_gzip }
    }

    /// More of the body came.
    pub fn push(&mut self, data: Bytes) {
        if self.is_empty() {
            self.piece = data;
            return;
        }
        self.joined.extend_from_slice(&std::mem::take(&mut self.piece));
        self.joined.extend_from_slice(&data);
    }

    /// Bytes of messages that are not whole.
    pub fn held_bytes(&self) -> usize {
        self.piece.len() + self.joined.capacity()
    }

    /// True when no message was begun.
    pub fn is_empty(&self) -> bool {
        self.piece.is_empty() && self.joined.is_empty()
    }

    /// The next message, inflated; `None` when more bytes are needed.
    ///
    /// # Errors
    /// Nothing more can be read from this stream.
    pub fn poll(&mut self) -> Result<Option<Bytes>, Unreadable> {
        let have: &[u8] = if self.joined.is_empty() { &self.piece } else { &self.joined };
        let Some((prefix, rest)) = have.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let [flag, a, b, c, d] = *prefix;
        if flag > u8::from(self.is_gzip) {
            return Err(Unreadable::BadFlag);
        }
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > self.bytes_max {
            return Err(Unreadable::TooLong { length });
        }
        if rest.len() < length {
            return Ok(None);
        }
        let message = self.take(length);
        if flag == 0 { Ok(Some(message)) } else { gunzip(&message, self.bytes_max).map(Some) }
    }

    fn take(&mut self, length: usize) -> Bytes {
        if self.joined.is_empty() {
            self.piece.advance(PREFIX_BYTES);
            return self.piece.split_to(length);
        }
        self.joined.advance(PREFIX_BYTES);
        let message = self.joined.split_to(length).freeze();
        self.piece = self.joined.split().freeze();
        message
    }
}

/// A message with its prefix, compressed when that is agreed on and worth it.
pub fn encode(message: &[u8], is_gzip: bool) -> Bytes {
    let is_gzip = is_gzip && message.len() >= GZIP_BYTES_MIN;
    let mut out = Vec::with_capacity(PREFIX_BYTES + if is_gzip { message.len() / 2 } else { message.len() });
    out.extend_from_slice(&[u8::from(is_gzip), 0, 0, 0, 0]);
    if is_gzip {
        GzEncoder::new(message, Compression::fast()).read_to_end(&mut out).expect("memory has no I/O errors");
    } else {
        out.extend_from_slice(message);
    }
    let length = u32::try_from(out.len() - PREFIX_BYTES).expect("answers are far below 4 GiB");
    out[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    out.into()
}

fn gunzip(message: &[u8], bytes_max: usize) -> Result<Bytes, Unreadable> {
    let mut out = Vec::new();
    let bound = bytes_max as u64 + 1;
    MultiGzDecoder::new(message).take(bound).read_to_end(&mut out).map_err(|_| Unreadable::NotGzip)?;
    if out.len() > bytes_max { Err(Unreadable::TooLongInflated) } else { Ok(out.into()) }
}

/// `grpc-message`: everything but printable ASCII, and `%` itself, is escaped.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").expect("memory"),
        }
    }
    out
}

/// The value of a field whose name ends in `-bin`.
pub fn binary(value: &[u8]) -> String {
    STANDARD_NO_PAD.encode(value)
}

/// `grpc-timeout`: one to eight digits and a unit; `None` when it is anything else.
pub fn timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_is_read_whole_or_in_pieces() {
        let encoded = encode(b"hello", false);
        let mut whole = Reader::new(5, false);
        whole.push(encoded.clone());
        assert_eq!(whole.poll(), Ok(Some(Bytes::from_static(b"hello"))));
        assert!(whole.is_empty());
        let mut pieces = Reader::new(5, false);
        for byte in encoded.chunks(1) {
            assert_eq!(pieces.poll(), Ok(None));
            pieces.push(Bytes::copy_from_slice(byte));
        }
        pieces.push(encoded);
        for _ in 0..2 {
            assert_eq!(pieces.poll(), Ok(Some(Bytes::from_static(b"hello"))));
        }
        assert_eq!(pieces.poll(), Ok(None));
        assert!(pieces.is_empty());
    }

    #[test]
    fn a_long_message_is_refused_on_its_prefix() {
        let mut reader = Reader::new(5, false);
        reader.push(Bytes::from_static(&[0, 0, 0, 1, 0]));
        assert_eq!(reader.poll(), Err(Unreadable::TooLong { length: 256 }));
    }

    #[test]
    fn gzip_is_inflated_up_to_the_bound() {
        let zeros = vec![0; 1000];
        let encoded = encode(&zeros, true);
        assert!(encoded[0] == 1 && encoded.len() < 100);
        let read = |bytes_max, is_gzip, encoded: Bytes| {
            let mut reader = Reader::new(bytes_max, is_gzip);
            reader.push(encoded);
            reader.poll()
        };
        assert_eq!(read(1000, true, encoded.clone()), Ok(Some(zeros.into())));
        assert_eq!(read(999, true, encoded.clone()), Err(Unreadable::TooLongInflated));
        assert_eq!(read(1000, false, encoded), Err(Unreadable::BadFlag));
        assert_eq!(read(1000, true, Bytes::from_static(&[1, 0, 0, 0, 1, 7])), Err(Unreadable::NotGzip));
        assert_eq!(encode(b"short", true)[0], 0);
    }

    #[test]
    fn texts_of_statuses_are_printable_ascii() {
        assert_eq!(percent_encode("50% of ü\n"), "50%25 of %C3%BC%0A");
        assert_eq!(binary(&[1, 2]), "AQI");
    }

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        assert_eq!(timeout(b"10S"), Some(Duration::from_secs(10)));
        assert_eq!(timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(timeout(b"5m"), Some(Duration::from_millis(5)));
        for bad in ["", "S", "10", "-1S", "+1S", "123456789S", "1s", "1 S"] {
            assert_eq!(timeout(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(pieces: Vec<Vec<u8>>, is_gzip: bool) {
            let mut reader = Reader::new(64, is_gzip);
            for piece in pieces {
                reader.push(piece.into());
                while let Ok(Some(message)) = reader.poll() {
                    prop_assert!(message.len() <= 64);
                }
            }
        }
    }
}
