//! The head of a request: request line and header fields, and what they say about the body.
//!
//! `httparse` makes the tokens. It is lax about message length and `Host`, and takes bare LF as a line end: length
//! and `Host` are checked here, line ends before (`http1.rs`). Rules: RFC 9112 2, 3, 5 and 6, RFC 9110 10.1.1.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::{Header, Status};
use smallvec::SmallVec;

use super::http1::{FIELDS_MAX, Limits, Refusal};
use super::http1_target::{self as target, Target};

/// Fields kept without allocation; an upgrade request of a browser has about 14.
const FIELDS_INLINE: usize = 16;
/// Digits of a length: the most that cannot overflow 64 bits.
const LENGTH_DIGITS_MAX: usize = 19;

/// A parsed head; borrows the received bytes.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method as sent; methods are case-sensitive.
    pub method: &'a str,
    /// The request target as sent.
    pub target: &'a str,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub version_minor: u8,
    parts: Target<'a>,
    fields: SmallVec<[Header<'a>; FIELDS_INLINE]>,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// It has this many bytes; 0 also when nothing announces a body.
    Length(u64),
    /// It comes in chunks.
    Chunked,
}

impl<'a> Head<'a> {
    /// The path as sent, up to the first `?`. Of an absolute target only its path.
    pub fn path(&self) -> &'a str {
        self.parts.path
    }

    /// The path with its escapes decoded, except that `%2F` stays as it is: it is no separator. `None` when an escape
    /// is broken.
    pub fn path_decoded(&self) -> Option<Cow<'a, str>> {
        target::decode_path(self.parts.path)
    }

    /// What follows the first `?` as sent, or nothing.
    pub fn query(&self) -> &'a str {
        self.parts.query
    }

    /// The first value of a query parameter, decoded as Go's `url.ParseQuery` does.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        target::query_value(self.parts.query, name)
    }

    /// Host and port that the request is for: of the target when it names one (RFC 9112 3.2.2), else of `Host`.
    /// Empty when neither does.
    pub fn host(&self) -> &'a str {
        let host = || self.field("host").and_then(|value| std::str::from_utf8(value).ok());
        self.parts.authority.or_else(host).unwrap_or("")
    }

    /// The first field line of that name without the white space around it. Names are compared without case.
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields(name).next()
    }

    /// The values of all field lines of that name, in the order received.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// All field lines, name and value, in the order received.
    pub fn field_lines(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.fields.iter().map(|field| (field.name, field.value))
    }

    /// True when a comma list, over all its lines, holds `token`, compared without case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.fields(name).flat_map(list).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether the peer wants to use the connection again.
    pub fn keep_alive(&self) -> bool {
        let is_default = self.version_minor >= 1;
        !self.has_token("connection", "close") && (is_default || self.has_token("connection", "keep-alive"))
    }

    /// How the body is framed; refuses whatever could be read in two ways.
    pub(super) fn framing(&self) -> Result<Framing, Refusal> {
        let (mut lengths, mut codings) = (self.fields("content-length"), self.fields("transfer-encoding"));
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Framing::Length(0)),
            (Some(_), Some(_)) => Err(Refusal::TransferEncoding),
            (Some(_), None) if lengths.next().is_some() => Err(Refusal::ContentLength),
            (Some(length), None) => parse_length(length).map(Framing::Length).ok_or(Refusal::ContentLength),
            (None, Some(_)) if self.version_minor == 0 || codings.next().is_some() => Err(Refusal::TransferEncoding),
            (None, Some(coding)) => check_coding(coding).map(|()| Framing::Chunked),
        }
    }

    /// Whether the peer waits for an interim response; HTTP/1.0 knows none. Refuses unknown expectations.
    pub(super) fn expects_continue(&self) -> Result<bool, Refusal> {
        let mut expectations = self.fields("expect").flat_map(list).filter(|item| !item.is_empty()).peekable();
        let is_asked = expectations.peek().is_some() && self.version_minor >= 1;
        let all_known = expectations.all(|item| item.eq_ignore_ascii_case(b"100-continue"));
        if all_known { Ok(is_asked) } else { Err(Refusal::Expectation) }
    }

    fn check_host(&self) -> Result<(), Refusal> {
        let mut hosts = self.fields("host");
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if target::is_authority(host) => Ok(()),
            (None, _) if self.version_minor == 0 => Ok(()),
            _ => Err(Refusal::Host),
        }
    }
}

/// Parses a head that ends in an empty line and whose line ends have been checked.
pub(super) fn parse<'i>(bytes: &'i [u8], limits: &Limits) -> Result<Head<'i>, Refusal> {
    let mut slots = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let slots = slots.get_mut(..limits.fields_max.min(FIELDS_MAX)).unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, slots) {
        Ok(Status::Complete(parsed)) if parsed == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        _ => {
            let line_end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            check_request_line(bytes.get(..line_end).unwrap_or_default())?;
            return Err(Refusal::Field);
        }
    }
    let (Some(method), Some(target), Some(version_minor)) = (request.method, request.path, request.version) else {
        return Err(Refusal::RequestLine);
    };
    let parts = Target::parse(method, target).ok_or(Refusal::Target)?;
    let head = Head { method, target, version_minor, parts, fields: SmallVec::from_slice(request.headers) };
    head.check_host()?;
    if method == "CONNECT" { Err(Refusal::Tunnel) } else { Ok(head) }
}

/// Refuses a request line, given with its line end, that `httparse` does not accept.
pub(super) fn check_request_line(line: &[u8]) -> Result<(), Refusal> {
    match httparse::Request::new(&mut []).parse(line) {
        Ok(_) => Ok(()),
        Err(httparse::Error::Version) if has_foreign_version(line) => Err(Refusal::Version),
        Err(_) => Err(Refusal::RequestLine),
    }
}

/// True when the line is well written but for a version that is not ours. One from 1.2 on could be read as 1.1, but who
/// forwards it may not read it so.
fn has_foreign_version(line: &[u8]) -> bool {
    let mut words = line.strip_suffix(b"\r\n").unwrap_or(line).split(|byte| *byte == b' ').skip(2);
    let is_foreign = matches!(words.next(), Some([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9']));
    is_foreign && words.next().is_none()
}

/// The items of a comma list without the white space around them.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(|item| item.trim_ascii())
}

fn parse_length(value: &[u8]) -> Option<u64> {
    let is_plain = (1..=LENGTH_DIGITS_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let length = value.iter().fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit & 0xf)));
    is_plain.then_some(length)
}

/// Accepts exactly `chunked`. A list that ends in it names a coding that we lack; where any other list ends, nobody
/// knows where the body does (RFC 9112 6.3). Nor may an item be no token, or `chunked` come twice.
fn check_coding(value: &[u8]) -> Result<(), Refusal> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(value) {
        return Ok(());
    }
    let is_token = |coding: &[u8]| !coding.is_empty() && coding.iter().all(|byte| is_token_byte(*byte));
    let first_chunked = list(value).position(is_chunked);
    let is_clear = list(value).all(is_token) && first_chunked == list(value).count().checked_sub(1);
    Err(if is_clear { Refusal::Coding } else { Refusal::TransferEncoding })
}

/// True for the bytes of a token (RFC 9110 5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// True for the bytes that may stand in a field value (RFC 9110 5.5).
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
