//! HTTP/1.1 of a server (RFC 9112) without I/O: received bytes in, requests out, and the bytes of whole responses.
//!
//! `httparse` splits a head into tokens; how long a message is and where its lines end is decided here and in the
//! sibling files, strictly: whatever two implementations could read differently is refused, because a proxy in front
//! of us may read it the other way (request smuggling). Not here: routes, upgrades, time limits, streamed responses.
//!
//! Invariants: where the input was cut never changes what is decoded; `admit` is asked once per request; a request
//! that lies whole in the input is neither copied nor allocated for, a chunked or partial one is gathered in a box
//! that exists only as long as that request; after a refusal nothing more is parsed.

pub use super::http1_head::Head;
pub use super::http1_response::{Response, reason};

use std::fmt;

use super::http1_chunked::Chunked;
use super::http1_head::{self as head, Framing};

/// Default bound of a request line with its header fields: browsers send cookies of some 10 KiB.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Default bound of header fields per request, and the most that [`Limits`] can allow.
pub const FIELDS_MAX: usize = 128;
/// Empty lines accepted before a request line; old clients send one after a body (RFC 9112 2.2).
const BLANK_LINES_MAX: u8 = 4;
/// A body is allocated as it arrives beyond this size, since its announced length costs the peer nothing.
const BODY_RESERVE_MAX: usize = 64 * 1024;

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the request line and the header fields with the empty line that ends them.
    pub head_bytes_max: usize,
    /// Header field lines; more than [`FIELDS_MAX`] has no effect.
    pub fields_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes_max: HEAD_BYTES_MAX, fields_max: FIELDS_MAX }
    }
}

/// A whole request.
#[derive(Debug)]
pub struct Request<'a> {
    /// The request line and the header fields.
    pub head: Head<'a>,
    /// The body without its framing; empty when there is none.
    pub body: &'a [u8],
    /// Bytes of this call's input that belong to the request: the caller drops them afterwards.
    pub consumed: usize,
}

/// The bytes of a head, and those behind it.
type HeadAndRest<'i> = (&'i [u8], &'i [u8]);

/// What the input amounted to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // It lives on the stack for one call; a box would cost the hot path an allocation.
pub enum Step<'a> {
    /// More bytes are needed.
    More {
        /// Bytes that the decoder took over: the caller drops them.
        consumed: usize,
        /// The peer waits for [`CONTINUE`] before it sends the body. True at most once per request.
        expects_continue: bool,
    },
    /// A request is complete.
    Request(Request<'a>),
}

/// The interim response that answers `Expect: 100-continue`.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why a connection cannot go on: the peer gets [`Refusal::status`] and the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request line is not `method SP target SP HTTP/1.x`.
    RequestLine,
    /// The protocol version is well written, but is neither 1.0 nor 1.1.
    Version,
    /// The request target has none of the four forms, or not the one that its method needs.
    Target,
    /// `CONNECT`: what follows may be meant for the far end of a tunnel (RFC 9931), so it is not read.
    Tunnel,
    /// A line ends in a bare LF, or too many empty lines precede the request.
    LineEnd,
    /// A field name is no token, or a value holds control characters, or a line is folded.
    Field,
    /// `Host` is missing, repeated or not written as a host.
    Host,
    /// `Content-Length` is repeated or no plain number.
    ContentLength,
    /// `Transfer-Encoding` contradicts another field, the version or itself.
    TransferEncoding,
    /// `Transfer-Encoding` ends in `chunked`, but names another coding too.
    Coding,
    /// `Expect` asks for something other than `100-continue`.
    Expectation,
    /// The request line alone passes the bound of the head.
    TargetTooLong,
    /// The head passes one of its bounds.
    HeadTooLarge,
    /// The body is longer than it was admitted to be.
    BodyTooLarge,
    /// The framing of a chunked body is broken.
    Chunk,
    /// A trailer field is malformed or may not be a trailer.
    Trailer,
}

impl Refusal {
    /// The status code of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::RequestLine | Self::Target | Self::LineEnd | Self::Field | Self::Host => 400,
            Self::ContentLength | Self::TransferEncoding | Self::Chunk | Self::Trailer => 400,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge => 431,
            Self::Coding | Self::Tunnel => 501,
            Self::Version => 505,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestLine => "malformed request line",
            Self::Version => "unsupported protocol version",
            Self::Target => "malformed request target",
            Self::Tunnel => "tunnels are not made",
            Self::LineEnd => "malformed line end",
            Self::Field => "malformed header field",
            Self::Host => "missing, repeated or malformed Host",
            Self::ContentLength => "repeated or malformed Content-Length",
            Self::TransferEncoding => "contradictory Transfer-Encoding",
            Self::Coding => "unsupported transfer coding",
            Self::Expectation => "unsupported expectation",
            Self::TargetTooLong => "request target too long",
            Self::HeadTooLarge => "request head too large",
            Self::BodyTooLarge => "request body too large",
            Self::Chunk => "malformed chunk",
            Self::Trailer => "malformed trailer field",
        })
    }
}

/// Decodes the requests of one connection.
///
/// The caller keeps the bytes that were not consumed and calls [`Decoder::decode`] with more appended, until it
/// answers `More`; that last call also frees what the previous request held.
///
/// States: between requests or in a head (`gathering` is `None`) → body arriving → body complete, lent to the caller
/// until the next call → between requests. From each to refused, for good.
#[derive(Debug, Default)]
pub struct Decoder {
    scan: HeadScan,
    blank_lines: u8,
    refused: Option<Refusal>,
    gathering: Option<Box<Gathering>>,
}

/// What a call achieved, borrowing nothing of the decoder.
#[allow(clippy::large_enum_variant)] // As for `Step`.
enum Progress<'i> {
    More { consumed: usize, expects_continue: bool },
    Whole(Request<'i>),
    Gathered { consumed: usize },
}

impl Decoder {
    /// A decoder for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the next request from `input`, the not yet consumed bytes of the connection. `admit` is asked once per
    /// request, when its head is complete, how many body bytes that request may have.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a [u8],
        limits: &Limits,
        admit: &mut dyn FnMut(&Head<'_>) -> usize,
    ) -> Result<Step<'a>, Refusal> {
        if let Some(refusal) = self.refused {
            return Err(refusal);
        }
        match self.advance(input, limits, admit) {
            Ok(Progress::Whole(request)) => Ok(Step::Request(request)),
            Ok(Progress::More { consumed, expects_continue }) => Ok(Step::More { consumed, expects_continue }),
            Ok(Progress::Gathered { consumed }) => self.lend(consumed, limits),
            Err(refusal) => {
                self.gathering = None;
                self.refused = Some(refusal);
                Err(refusal)
            }
        }
    }

    /// Bytes of a request that is gathered.
    pub fn held_bytes(&self) -> usize {
        self.gathering.as_ref().map_or(0, |gathering| gathering.head.len() + gathering.body.capacity())
    }

    /// True when nothing of a request has been taken in by the decoder itself, so that with an empty input the
    /// connection rests between requests.
    pub fn is_idle(&self) -> bool {
        self.refused.is_none() && self.gathering.as_ref().is_none_or(|gathering| gathering.is_complete())
    }

    fn advance<'i>(
        &mut self,
        input: &'i [u8],
        limits: &Limits,
        admit: &mut dyn FnMut(&Head<'_>) -> usize,
    ) -> Result<Progress<'i>, Refusal> {
        if let Some(gathering) = &mut self.gathering {
            if !gathering.is_complete() {
                return gathering.take(input);
            }
            self.gathering = None;
        }
        let rest = self.skip_blank_lines(input)?;
        let skipped = input.len() - rest.len();
        let Some((head_bytes, body_bytes)) = self.scan.split(rest, limits)? else {
            return Ok(Progress::More { consumed: skipped, expects_continue: false });
        };
        self.scan = HeadScan::default();
        self.blank_lines = 0;
        let head = head::parse(head_bytes, limits)?;
        let framing = head.framing()?;
        let expects_continue = head.expects_continue()? && body_bytes.is_empty();
        let body_bytes_max = admit(&head);
        let consumed = skipped + head_bytes.len();
        if let Framing::Length(length) = framing {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > body_bytes_max {
                return Err(Refusal::BodyTooLarge);
            }
            if let Some(body) = body_bytes.get(..length) {
                return Ok(Progress::Whole(Request { head, body, consumed: consumed + length }));
            }
        }
        let gathering = self.gathering.insert(Box::new(Gathering::new(head_bytes, framing, body_bytes_max)));
        Ok(match gathering.take(body_bytes)? {
            Progress::More { consumed: taken, .. } => Progress::More { consumed: consumed + taken, expects_continue },
            Progress::Gathered { consumed: taken } => Progress::Gathered { consumed: consumed + taken },
            whole @ Progress::Whole(_) => whole,
        })
    }

    /// The input from the first byte that belongs to a request line, or from a CR that may begin another empty line.
    fn skip_blank_lines<'i>(&mut self, mut input: &'i [u8]) -> Result<&'i [u8], Refusal> {
        while let [b'\r', b'\n', rest @ ..] = input {
            if self.blank_lines == BLANK_LINES_MAX {
                return Err(Refusal::LineEnd);
            }
            self.blank_lines += 1;
            input = rest;
        }
        match input {
            [] | [b'\r'] => Ok(input),
            [b'\r' | b'\n', ..] => Err(Refusal::LineEnd),
            // Such as the first byte of a TLS hello: answered at once rather than after the time limit of a head.
            [first, ..] if !head::is_token_byte(*first) => Err(Refusal::RequestLine),
            _ => Ok(input),
        }
    }

    /// Hands out the request that `gathering` holds.
    fn lend(&self, consumed: usize, limits: &Limits) -> Result<Step<'_>, Refusal> {
        // Both were checked when the box was made: the errors are for form.
        let gathering = self.gathering.as_deref().ok_or(Refusal::RequestLine)?;
        let head = head::parse(&gathering.head, limits)?;
        Ok(Step::Request(Request { head, body: &gathering.body, consumed }))
    }
}

/// How far the search for the end of a head has come, so that a head which trickles in is searched once.
#[derive(Debug, Default)]
struct HeadScan {
    /// Bytes that hold no end of a head.
    searched: usize,
    /// Where the request line ends, 0 while that is unknown.
    line_end: usize,
}

impl HeadScan {
    /// Splits `input` behind the empty line that ends the head; `None` while that has not arrived. Every line up to
    /// there ends in CRLF.
    fn split<'i>(&mut self, input: &'i [u8], limits: &Limits) -> Result<Option<HeadAndRest<'i>>, Refusal> {
        let line_was_known = self.line_end != 0;
        let refusal = match self.find_end(input, limits) {
            Ok(Some(end)) => return Ok(input.split_at_checked(end)),
            Ok(None) => None,
            Err(refusal) => Some(refusal),
        };
        // A bad request line is answered at once (a 0.9 client sends nothing more) and whatever follows it.
        if !line_was_known && self.line_end != 0 {
            head::check_request_line(input.get(..self.line_end).unwrap_or_default())?;
        }
        refusal.map_or(Ok(None), Err)
    }

    fn find_end(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let window = input.get(..limits.head_bytes_max).unwrap_or(input);
        let before = |at: usize, distance: usize| at.checked_sub(distance).and_then(|at| window.get(at)).copied();
        for offset in memchr::memchr_iter(b'\n', window.get(self.searched..).unwrap_or_default()) {
            let line_feed = self.searched + offset;
            if self.line_end == 0 {
                self.line_end = line_feed + 1;
            }
            if before(line_feed, 1) != Some(b'\r') {
                return Err(Refusal::LineEnd);
            }
            if before(line_feed, 2) == Some(b'\n') {
                return Ok(Some(line_feed + 1));
            }
        }
        self.searched = window.len();
        match (input.len() >= limits.head_bytes_max, self.line_end) {
            (false, _) => Ok(None),
            (true, 0) => Err(Refusal::TargetTooLong),
            (true, _) => Err(Refusal::HeadTooLarge),
        }
    }
}

/// A request whose body arrives in parts or in chunks.
#[derive(Debug)]
struct Gathering {
    head: Box<[u8]>,
    body: Vec<u8>,
    remaining: Remaining,
}

#[derive(Debug)]
enum Remaining {
    Bytes(usize),
    Chunks(Chunked),
}

impl Gathering {
    fn new(head: &[u8], framing: Framing, body_bytes_max: usize) -> Self {
        let (body, remaining) = match framing {
            Framing::Chunked => (Vec::new(), Remaining::Chunks(Chunked::new(body_bytes_max))),
            Framing::Length(length) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(body_bytes_max);
                (Vec::with_capacity(length.min(BODY_RESERVE_MAX)), Remaining::Bytes(length))
            }
        };
        Self { head: head.into(), body, remaining }
    }

    fn is_complete(&self) -> bool {
        match &self.remaining {
            Remaining::Bytes(left) => *left == 0,
            Remaining::Chunks(chunks) => chunks.is_complete(),
        }
    }

    fn take<'i>(&mut self, input: &[u8]) -> Result<Progress<'i>, Refusal> {
        let consumed = match &mut self.remaining {
            Remaining::Chunks(chunks) => chunks.decode(input, &mut self.body)?,
            Remaining::Bytes(left) => {
                let taken = input.get(..*left).unwrap_or(input);
                self.body.extend_from_slice(taken);
                *left -= taken.len();
                taken.len()
            }
        };
        Ok(match self.is_complete() {
            true => Progress::Gathered { consumed },
            false => Progress::More { consumed, expects_continue: false },
        })
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
