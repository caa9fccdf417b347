use super::*;
use proptest::prelude::*;

const BODY_MAX: usize = 1 << 20;

/// What came of a stream: each request in short, and the refusal that ended it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Seen {
    requests: Vec<String>,
    continues: usize,
    refusal: Option<Refusal>,
}

/// Feeds the stream in pieces that end at `cuts`.
fn feed(stream: &[u8], cuts: &[usize]) -> Seen {
    let (mut decoder, mut input, mut fed, mut seen) = (Decoder::new(), Vec::new(), 0, Seen::default());
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let cut = cut.clamp(fed, stream.len());
        input.extend_from_slice(&stream[fed..cut]);
        fed = cut;
        loop {
            let (used, is_done) = match decoder.decode(&input, &Limits::default(), &mut |_| BODY_MAX) {
                Ok(Step::Request(request)) => {
                    let head = &request.head;
                    let body = String::from_utf8_lossy(request.body);
                    seen.requests.push(format!("{} {} {} {body}", head.method, head.target, head.keep_alive()));
                    (request.consumed, false)
                }
                Ok(Step::More { consumed, expects_continue }) => {
                    seen.continues += usize::from(expects_continue);
                    (consumed, true)
                }
                Err(refusal) => {
                    seen.refusal = Some(refusal);
                    return seen;
                }
            };
            input.drain(..used);
            if is_done {
                break;
            }
        }
    }
    seen
}

fn whole(stream: &str) -> Seen {
    feed(stream.as_bytes(), &[])
}

#[test]
fn each_ambiguity_has_its_refusal() {
    let get = |fields: &str| format!("GET / HTTP/1.1\r\nHost: t\r\n{fields}\r\n");
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nHost: t\r\n{fields}\r\n{body}");
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let rows: &[(u16, String)] = &[
        (400, post("Content-Length: 1\r\nContent-Length: 1\r\n", "a")),
        (400, post("Content-Length: 1, 1\r\n", "a")),
        (400, post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")),
        (501, post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")),
        (501, post("Transfer-Encoding: x, Chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: identity\r\n", "")),
        (400, post("Transfer-Encoding: gzip\r\n", "")),
        (400, post("Transfer-Encoding: xchunked\r\n", "")),
        (400, post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: gzip, chunked, chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding: \"x\", chunked\r\n", "0\r\n\r\n")),
        (400, post("Transfer-Encoding:\r\n", "0\r\n\r\n")),
        (400, post("Content-Length: +1\r\n", "a")),
        (400, post("Content-Length: -1\r\n", "a")),
        (400, post("Content-Length: 0x1\r\n", "a")),
        (400, post("Content-Length: 1 \t1\r\n", "a")),
        (400, post("Content-Length:\r\n", "a")),
        (400, post("Content-Length: 184467440737095516160\r\n", "a")),
        (413, post("Content-Length: 1048577\r\n", "")),
        (400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into()),
        (400, get("Host: u\r\n")),
        (400, "GET / HTTP/1.1\r\n\r\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into()),
        (400, get("X : y\r\n")),
        (400, get(" X: y\r\n")),
        (400, get("X: y\r\n z\r\n")),
        (400, get("X\r\n")),
        (400, get(": y\r\n")),
        (400, get("X: a\0b\r\n")),
        (400, get("X: a\rb\r\n")),
        (400, "GET / HTTP/1.1\nHost: t\n\n".into()),
        (400, "GET / HTTP/1.1\r\nHost: t\nX: y\r\n\r\n".into()),
        (400, "GET  / HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "GET\t/ HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "GET /a b HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "GET /\r\n\r\n".into()),
        (400, "G@T / HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "GET /a#b HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "GET /a%zz HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "GET /é HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (501, "CONNECT t:80 HTTP/1.1\r\nHost: t:80\r\n\r\n".into()),
        (400, "CONNECT t HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (400, "CONNECT / HTTP/1.1\r\nHost: t\r\n\r\n".into()),
        (505, "GET / HTTP/0.9\r\nHost: t\r\n\r\n".into()),
        (505, "GET / HTTP/2.0\r\nHost: t\r\n\r\n".into()),
        (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()),
        (417, post("Expect: something\r\nContent-Length: 1\r\n", "a")),
        (431, get(&"X: y\r\n".repeat(129))),
        (431, get(&format!("X: {}\r\n", "y".repeat(70_000)))),
        (414, format!("GET /{} HTTP/1.1\r\nHost: t\r\n\r\n", "a".repeat(70_000))),
        (400, chunked("g\r\n")),
        (400, chunked("0x1\r\na\r\n0\r\n\r\n")),
        (400, chunked(" 1\r\na\r\n0\r\n\r\n")),
        (400, chunked("-1\r\n")),
        (400, chunked("1\na\n0\n\n")),
        (400, chunked("1\r\nab\r\n0\r\n\r\n")),
        (400, chunked("11111111111111111\r\n")),
        (400, chunked("1 \r\na\r\n0\r\n\r\n")),
        (400, chunked("1;\r\na\r\n0\r\n\r\n")),
        (400, chunked("1;a=\"b\r\na\r\n0\r\n\r\n")),
        (400, chunked("1;a\n\r\na\r\n0\r\n\r\n")),
        (400, chunked(&format!("1;{}\r\na\r\n0\r\n\r\n", "a".repeat(256)))),
        (413, chunked("100001\r\n")),
        (400, chunked("0\r\nContent-Length: 1\r\n\r\n")),
    ];
    for (status, stream) in rows {
        let seen = whole(stream);
        let got = seen.refusal.map(Refusal::status);
        assert_eq!(got, Some(*status), "{:?} gave {seen:?}", &stream[..stream.len().min(100)]);
        assert!(seen.requests.is_empty(), "{:?}", &stream[..stream.len().min(100)]);
    }
}

#[test]
fn odd_but_clear_requests_are_understood() {
    let rows = [
        ("\r\n\r\nGET /a HTTP/1.1\r\nHost: t\r\n\r\n", "GET /a true "),
        ("GET /a HTTP/1.0\r\n\r\n", "GET /a false "),
        ("GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET /a true "),
        ("GET /a HTTP/1.1\r\nHost:t\r\nConnection: x, CLOSE\r\n\r\n", "GET /a false "),
        ("POST /a HTTP/1.1\r\nHost: t\r\nCONTENT-length: 2 \r\n\r\nhi", "POST /a true hi"),
        (
            "POST /a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked\r\n\r\n1;a=b\r\nh\r\n01 ; a = \"\\\"\" ;b\r\ni\r\n0\r\nX: y\r\n\r\n",
            "POST /a true hi",
        ),
        ("GET http://h:80/a?b HTTP/1.1\r\nHost: h:80\r\n\r\n", "GET http://h:80/a?b true "),
    ];
    for (stream, expected) in rows {
        assert_eq!(whole(stream), Seen { requests: vec![expected.into()], ..Seen::default() }, "{stream}");
    }
}

#[test]
fn every_cut_of_a_stream_yields_the_same_requests() {
    let stream = b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello\
        GET /b?x=1 HTTP/1.1\r\nHost: t\r\n\r\n\
        POST /c HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\n\
        GET /d HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let all = feed(stream, &[]);
    assert_eq!(all.requests, ["POST /a true hello", "GET /b?x=1 true ", "POST /c true abcde", "GET /d false "]);
    for cut in 0..stream.len() {
        assert_eq!(feed(stream, &[cut]).requests, all.requests, "cut at {cut}");
    }
    let each: Vec<usize> = (0..stream.len()).collect();
    let seen = feed(stream, &each);
    assert_eq!((seen.requests, seen.continues), (all.requests, 1), "byte by byte, asked to go on once");
}

#[test]
fn a_request_that_lies_whole_in_the_input_is_lent_from_it() {
    let input = b"POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello";
    let mut decoder = Decoder::new();
    let Ok(Step::Request(request)) = decoder.decode(input, &Limits::default(), &mut |_| BODY_MAX) else {
        panic!("a request")
    };
    assert!(input.as_ptr_range().contains(&request.body.as_ptr()) && request.consumed == input.len());
    assert!(size_of::<Decoder>() <= 48, "an idle connection is small");
}

#[test]
fn the_query_is_read_as_go_reads_it() {
    let input = b"GET /a%62c%2Fd?x=1&api_key=a+b%21&api_key=z HTTP/1.1\r\nHost: t\r\nA: 1\r\na:  2 \r\n\r\n";
    let mut decoder = Decoder::new();
    let Ok(Step::Request(request)) = decoder.decode(input, &Limits::default(), &mut |_| 0) else { panic!("a request") };
    let head = request.head;
    assert_eq!(head.query_value("api_key").as_deref(), Some("a b!"), "the first one");
    assert_eq!(head.query_value("API_KEY"), None);
    assert_eq!(head.path(), "/a%62c%2Fd");
    assert_ne!(head.path_decoded().as_deref(), Some("/abc/d"), "an escaped slash is no separator");
    assert_eq!(head.fields("a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!((head.field("A"), head.has_token("a", "2")), (Some(&b"1"[..]), true));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_cuts_do_not_matter(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0usize..300,
    ) {
        prop_assert_eq!(feed(&stream, &[cut]).requests, feed(&stream, &[]).requests);
    }

    #[test]
    fn nearly_good_requests_never_panic_and_cuts_do_not_matter(
        text in r"(GET|POST) /[a-z%0-9?=&]{0,8} HTTP/1\.[01]\r\nHost: [a-z:]{0,3}\r\n((Content-Length: [0-9]{1,3}|Transfer-Encoding: chunked|[A-Z]{1,3}:[ -~]{0,5})\r\n){0,3}\r\n([0-9a-f]{1,2}\r\n)?[a-z\r\n]{0,40}",
        cut in 0usize..150,
    ) {
        prop_assert_eq!(feed(text.as_bytes(), &[cut]).requests, feed(text.as_bytes(), &[]).requests);
    }
}
