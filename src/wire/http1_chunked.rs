//! Chunked bodies (RFC 9112 7.1), decoded from whatever pieces arrive.
//!
//! Strict where readers are known to disagree: every line ends in CRLF, a size is 1 to 16 hexadecimal digits and
//! nothing else. Extensions and trailers are read, bounded and dropped.

use super::http1::Refusal;
use super::http1_extension::Extension;

/// Digits of a chunk size: as many as 64 bits need.
const SIZE_DIGITS_MAX: u8 = 16;
/// Bytes of the extensions of one chunk, from the first semicolon or the white space before it on.
const EXTENSION_BYTES_MAX: usize = 256;
/// Bytes of all extensions of a body: one-byte chunks with extensions are a cheap way to keep a reader busy.
const EXTENSION_BYTES_TOTAL_MAX: usize = 16 * 1024;
/// Bytes of the trailer section with the empty line that ends it.
const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Field lines of the trailer section.
const TRAILER_FIELDS_MAX: usize = 32;
/// Fields that say how a message is framed, routed or trusted; behind the body they come too late (RFC 9110 6.5.1).
const FORBIDDEN_TRAILERS: [&str; 14] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
];

/// The state of one chunked body.
///
/// `Size → (Extension →) SizeLf → Data → DataCr → DataLf → Size …`; after the size 0 `SizeLf → Trailer → Complete`.
#[derive(Debug)]
pub(super) struct Chunked {
    state: State,
    /// Size of the current chunk as read so far.
    size: u64,
    body_bytes_max: usize,
    extension_bytes_total: usize,
    trailer: Vec<u8>,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { digits: u8 },
    Extension { at: Extension, bytes: usize },
    SizeLf,
    Data { left: usize },
    DataCr,
    DataLf,
    Trailer,
    Complete,
}

impl Chunked {
    /// A body of at most `body_bytes_max` bytes, of which nothing has arrived.
    pub(super) fn new(body_bytes_max: usize) -> Self {
        let state = State::Size { digits: 0 };
        Self { state, size: 0, body_bytes_max, extension_bytes_total: 0, trailer: Vec::new() }
    }

    /// True once the empty line behind the last chunk and the trailers has been read.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Appends the data in `input` to `body`; returns how many bytes of `input` belong to this body.
    pub(super) fn decode(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, Refusal> {
        let mut rest = input;
        while let [byte, after @ ..] = rest {
            match self.state {
                State::Complete => break,
                State::Trailer => rest = self.take_trailer(rest)?,
                State::Data { left } => {
                    let taken = rest.get(..left).unwrap_or(rest);
                    body.extend_from_slice(taken);
                    rest = rest.get(taken.len()..).unwrap_or_default();
                    self.state =
                        if taken.len() == left { State::DataCr } else { State::Data { left: left - taken.len() } };
                }
                State::Size { digits } => {
                    self.state = self.read_size(*byte, digits)?;
                    rest = after;
                }
                State::Extension { at, bytes } => {
                    self.state = self.read_extension(*byte, at, bytes)?;
                    rest = after;
                }
                State::SizeLf => {
                    self.state = self.end_size_line(*byte, body.len())?;
                    rest = after;
                }
                State::DataCr | State::DataLf => {
                    self.state = self.read_data_end(*byte)?;
                    rest = after;
                }
            }
        }
        Ok(input.len() - rest.len())
    }

    fn read_size(&mut self, byte: u8, digits: u8) -> Result<State, Refusal> {
        match (char::from(byte).to_digit(16), byte) {
            (Some(_), _) if digits == SIZE_DIGITS_MAX => Err(Refusal::Chunk),
            (Some(digit), _) => {
                self.size = self.size << 4 | u64::from(digit);
                Ok(State::Size { digits: digits + 1 })
            }
            (None, b'\r') if digits > 0 => Ok(State::SizeLf),
            _ if digits > 0 => self.read_extension(byte, Extension::default(), 0),
            _ => Err(Refusal::Chunk),
        }
    }

    fn read_extension(&mut self, byte: u8, at: Extension, bytes: usize) -> Result<State, Refusal> {
        if byte == b'\r' && at.may_end() {
            return Ok(State::SizeLf);
        }
        self.extension_bytes_total += 1;
        let is_bounded = bytes < EXTENSION_BYTES_MAX && self.extension_bytes_total <= EXTENSION_BYTES_TOTAL_MAX;
        let next = at.next(byte).filter(|_| is_bounded).ok_or(Refusal::Chunk)?;
        Ok(State::Extension { at: next, bytes: bytes + 1 })
    }

    fn end_size_line(&mut self, byte: u8, body_bytes: usize) -> Result<State, Refusal> {
        if byte != b'\n' {
            return Err(Refusal::Chunk);
        }
        let left = usize::try_from(self.size).map_err(|_| Refusal::BodyTooLarge)?;
        if left > self.body_bytes_max.saturating_sub(body_bytes) {
            return Err(Refusal::BodyTooLarge);
        }
        self.size = 0;
        Ok(if left == 0 { State::Trailer } else { State::Data { left } })
    }

    fn read_data_end(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { digits: 0 }),
            _ => Err(Refusal::Chunk),
        }
    }

    /// Keeps the trailer section up to the next line end; returns the input behind it.
    fn take_trailer<'i>(&mut self, input: &'i [u8]) -> Result<&'i [u8], Refusal> {
        let line_end = memchr::memchr(b'\n', input).map(|at| at + 1);
        let (taken, rest) = input.split_at_checked(line_end.unwrap_or(input.len())).unwrap_or((input, &[]));
        if taken.len() > TRAILER_BYTES_MAX - self.trailer.len() {
            return Err(Refusal::HeadTooLarge);
        }
        self.trailer.extend_from_slice(taken);
        if line_end.is_none() {
            return Ok(rest);
        }
        if !self.trailer.ends_with(b"\r\n") {
            return Err(Refusal::Trailer);
        }
        if self.trailer == b"\r\n" {
            self.state = State::Complete;
        } else if self.trailer.ends_with(b"\r\n\r\n") {
            check_trailer(&self.trailer)?;
            self.state = State::Complete;
        }
        Ok(rest)
    }
}

fn check_trailer(section: &[u8]) -> Result<(), Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    match httparse::parse_headers(section, &mut fields) {
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::HeadTooLarge),
        Ok(httparse::Status::Complete((_, fields))) => {
            let is_forbidden = |name: &str| FORBIDDEN_TRAILERS.iter().any(|other| name.eq_ignore_ascii_case(other));
            if fields.iter().any(|field| is_forbidden(field.name)) { Err(Refusal::Trailer) } else { Ok(()) }
        }
        _ => Err(Refusal::Trailer),
    }
}
