//! HTTP/1.1, heads and bodies. Where the input is cut never changes what is understood or refused; what is accepted a
//! second, naive reader of RFC 9112 accepts too, with the same fields, body and end; a body keeps to its limit; a request
//! that is written again says the same.

use super::script::{Script, pieces};
use corecast::wire::http1::{Decoder, Head, Limits, Refusal, Step};

const BODY_BYTES_MAX: usize = 300;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Seen {
    line: [String; 2],
    version_minor: u8,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (cut, is_narrow) = (script.byte(), script.flag());
    let limits = if is_narrow { Limits { head_bytes_max: 200, fields_max: 6 } } else { Limits::default() };
    let stream = script.rest();
    let whole = requests(&[stream], &limits);
    assert_eq!(requests(&pieces(stream, cut), &limits), whole, "cut by {cut}");
    let mut rest = stream;
    for seen in &whole.0 {
        rest = rest.trim_prefix_lines();
        let (expected, used) = strict(rest).expect("a strict reader accepts it too");
        assert_eq!(*seen, expected);
        rest = &rest[used..];
        write_again(seen, &limits);
    }
}

/// Everything that a stream leads to: requests, and the refusal that ends it.
fn requests(pieces: &[&[u8]], limits: &Limits) -> (Vec<Seen>, Option<Refusal>) {
    let (mut decoder, mut input, mut all, mut ended) = (Decoder::new(), Vec::new(), Vec::new(), None);
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut admitted = 0;
            let mut admit = |head: &Head<'_>| {
                admitted += 1;
                look_at(head);
                BODY_BYTES_MAX
            };
            let (used, is_done) = match decoder.decode(&input, limits, &mut admit) {
                Ok(Step::Request(request)) => {
                    assert!(request.body.len() <= BODY_BYTES_MAX);
                    all.push(seen(&request.head, request.body));
                    (request.consumed, false)
                }
                Ok(Step::More { consumed, .. }) => (consumed, true),
                Err(refusal) => {
                    ended = Some(refusal);
                    (0, true)
                }
            };
            assert!(admitted <= 1 && used <= input.len());
            input.drain(..used);
            if let Some(refusal) = ended {
                assert!(reads_nothing_more(&mut decoder, limits, refusal));
                return (all, ended);
            }
            if is_done {
                assert!(input.len() <= limits.head_bytes_max, "the rest of a head at most");
                break;
            }
        }
    }
    (all, None)
}

fn reads_nothing_more(decoder: &mut Decoder, limits: &Limits, refusal: Refusal) -> bool {
    let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    matches!(decoder.decode(good, limits, &mut |_| 0), Err(again) if again == refusal) && refusal.status() >= 400
}

/// What routes and the like ask a head.
fn look_at(head: &Head<'_>) {
    _ = (head.path_decoded(), head.query_value("api_key"), head.host(), head.keep_alive());
    assert!(head.target.contains(head.path()) || head.path() == "/");
}

fn seen(head: &Head<'_>, body: &[u8]) -> Seen {
    let fields = head.field_lines().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
    let line = [head.method.to_string(), head.target.to_string()];
    Seen { line, version_minor: head.version_minor, fields, body: body.to_vec() }
}

/// The request with its length in front says the same.
fn write_again(seen: &Seen, limits: &Limits) {
    let mut text = format!("{} {} HTTP/1.{}\r\n", seen.line[0], seen.line[1], seen.version_minor).into_bytes();
    let mut expected = seen.clone();
    for (name, value) in &mut expected.fields {
        if name.eq_ignore_ascii_case("transfer-encoding") {
            (*name, *value) = ("Content-Length".into(), seen.body.len().to_string().into_bytes());
        }
        text.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    text.extend([b"\r\n", &seen.body[..]].concat());
    // It may be longer, with a blank behind each colon.
    let limits = Limits { head_bytes_max: limits.head_bytes_max * 2, ..*limits };
    assert_eq!(requests(&[&text], &limits), (vec![expected], None));
}

trait Lines {
    fn trim_prefix_lines(&self) -> &Self;
}

impl Lines for [u8] {
    fn trim_prefix_lines(&self) -> &[u8] {
        let mut rest = self;
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        rest
    }
}

/// The request at the beginning of `input` and its length, as the strictest reader has it; `None`: no good request.
fn strict(input: &[u8]) -> Option<(Seen, usize)> {
    let end = input.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&input[..end]).ok().map(str::as_bytes).unwrap_or(&input[..end]);
    let mut lines = split(head, b"\r\n").into_iter();
    let words: Vec<&[u8]> = lines.next()?.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words[..] else { return None };
    let version_minor = match version {
        b"HTTP/1.0" => 0,
        b"HTTP/1.1" => 1,
        _ => return None,
    };
    let is_printable = |text: &[u8]| !text.is_empty() && text.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    if !is_token(method) || !is_printable(target) {
        return None;
    }
    let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
    let (body, used) = body(&fields, version_minor, &input[end + 4..])?;
    let line = [method, target].map(|text| String::from_utf8_lossy(text).into_owned());
    Some((Seen { line, version_minor, fields, body }, end + 4 + used))
}

fn split<'a>(text: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

fn is_token(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_part)
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_value = value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    let is_good = is_token(name) && is_value;
    is_good.then(|| (String::from_utf8_lossy(name).into_owned(), trim(value).to_vec()))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn body(fields: &[(String, Vec<u8>)], version_minor: u8, input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let all = |name: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..]).collect()
    };
    match (&all("host")[..], version_minor) {
        ([_], _) | ([], 0) => {}
        _ => return None,
    }
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => Some((Vec::new(), 0)),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok()?.parse().ok()?;
            Some((input.get(..length)?.to_vec(), length))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && version_minor == 1 => chunks(input),
        _ => None,
    }
}

fn chunks(input: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut rest) = (Vec::new(), input);
    let line = |rest: &mut &[u8]| -> Option<Vec<u8>> {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let line = rest[..end].to_vec();
        *rest = &rest[end + 2..];
        Some(line)
    };
    loop {
        let head = line(&mut rest)?;
        if head.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        let mut size = head.split(|byte| *byte == b';').next()?;
        // RFC 9112 7.1.1: white space may stand before an extension, and nowhere without one.
        while size.len() < head.len() && matches!(size.last(), Some(b' ' | b'\t')) {
            size = &size[..size.len() - 1];
        }
        if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    loop {
        match line(&mut rest)? {
            end if end.is_empty() => return Some((body, input.len() - rest.len())),
            trailer => _ = field(&trailer)?,
        }
    }
}
