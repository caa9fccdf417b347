//! The other side for tests: h2's client over a pipe of the same kind, polled by hand, and frames made byte by byte.

use super::pipe::Pipe;
use super::{Answer, Call, Event, Http2, Options, StreamKey};
use crate::api::ErrorMode;
use crate::clock::Mono;
use crate::wire::grpc;
use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

pub(super) const PUBLISH: &str = "/centrifugal.centrifugo.api.CentrifugoApi/Publish";

/// A client and its server, joined in memory.
pub(super) struct Peer {
    pub(super) server: Http2,
    pub(super) now: Mono,
    /// The server's output does not reach the client while this is false.
    pub(super) is_reading: bool,
    /// What arrives at the server at once.
    pub(super) piece_bytes: usize,
    /// Bytes that the client has sent.
    pub(super) sent: usize,
    pub(super) calls: Vec<(StreamKey, Call)>,
    pub(super) cancelled: Vec<StreamKey>,
    /// How the connection ended.
    pub(super) end: Option<Result<(), h2::Error>>,
    pipe: Pipe,
    connection: Connection<Pipe, Bytes>,
    requests: SendRequest<Bytes>,
}

/// One stream as the client sees it.
pub(super) struct Exchange {
    pub(super) out: SendStream<Bytes>,
    response: ResponseFuture,
    body: Option<RecvStream>,
    pub(super) reply: Reply,
}

/// What came back so far.
#[derive(Default, Debug)]
pub(super) struct Reply {
    pub(super) http: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) error: Option<h2::Error>,
    pub(super) is_whole: bool,
}

pub(super) fn options() -> Options {
    Options { key: String::new(), error_mode: ErrorMode::Body, reflection: true, message_bytes_max: 4 << 20 }
}

/// A POST with the fields that every call has; further fields win over them.
pub(super) fn request(path: &str, fields: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::post(format!("http://server{path}")).body(()).expect("a request");
    request.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
    for (name, value) in fields {
        request.headers_mut().remove(*name);
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

impl Peer {
    pub(super) fn new(options: Options) -> Peer {
        Peer::with(options, &h2::client::Builder::new())
    }

    pub(super) fn with(options: Options, builder: &h2::client::Builder) -> Peer {
        let pipe = Pipe::default();
        let cx = &mut Context::from_waker(Waker::noop());
        let Poll::Ready(Ok((requests, connection))) = pin!(builder.handshake(pipe.clone())).poll(cx) else {
            panic!("the client's half waits for nobody")
        };
        let server = Http2::new(Arc::new(options), Mono(0));
        let (calls, cancelled) = (Vec::new(), Vec::new());
        Peer {
            server,
            now: Mono(0),
            is_reading: true,
            piece_bytes: usize::MAX,
            sent: 0,
            calls,
            cancelled,
            end: None,
            pipe,
            connection,
            requests,
        }
    }

    /// Moves bytes both ways until both sides are quiet.
    pub(super) fn turn(&mut self) {
        loop {
            if self.end.is_none() {
                let cx = &mut Context::from_waker(Waker::noop());
                if let Poll::Ready(end) = Pin::new(&mut self.connection).poll(cx) {
                    self.end = Some(end);
                }
            }
            let (up, _) = self.pipe.take();
            up.chunks(self.piece_bytes).for_each(|piece| self.server.receive(piece, self.now));
            self.sent += up.len();
            while let Some(event) = self.server.poll_event() {
                match event {
                    Event::Call { stream, call } => self.calls.push((stream, call)),
                    Event::Cancelled { stream } => self.cancelled.push(stream),
                }
            }
            let down = if self.is_reading { self.server.take_output() } else { Vec::new() };
            self.pipe.feed(&down);
            if up.is_empty() && down.is_empty() {
                return;
            }
        }
    }

    /// Begins a call and sends body bytes, the last ones if `is_whole`.
    pub(super) fn begin(&mut self, request: Request<()>, body: impl Into<Bytes>, is_whole: bool) -> Exchange {
        let (response, mut out) = self.requests.send_request(request, false).expect("a stream");
        out.send_data(body.into(), is_whole).expect("an open stream");
        let exchange = Exchange { out, response, body: None, reply: Reply::default() };
        self.turn();
        exchange
    }

    /// A whole call with one message and what it leads to without an answer of the API.
    pub(super) fn call(&mut self, request: Request<()>, message: &[u8]) -> Exchange {
        self.begin(request, grpc::encode(message, false), true)
    }

    /// The same up to its reply.
    pub(super) fn reply(&mut self, request: Request<()>, message: &[u8]) -> Reply {
        let exchange = self.call(request, message);
        self.read(exchange)
    }

    /// Answers the oldest call.
    pub(super) fn answer(&mut self, answer: Answer) {
        let (stream, _) = self.calls.remove(0);
        self.server.answer(stream, answer, self.now);
        self.turn();
    }

    /// Reads what there is of a reply.
    pub(super) fn read(&mut self, mut exchange: Exchange) -> Reply {
        self.look(&mut exchange);
        exchange.reply
    }

    pub(super) fn look(&mut self, exchange: &mut Exchange) {
        loop {
            self.turn();
            let before = exchange.reply.body.len();
            exchange.read();
            self.turn();
            if exchange.reply.body.len() == before {
                return;
            }
        }
    }
}

impl Exchange {
    fn read(&mut self) {
        if let Err(error) = self.try_read() {
            self.reply.error = Some(error);
        }
    }

    fn try_read(&mut self) -> Result<(), h2::Error> {
        let cx = &mut Context::from_waker(Waker::noop());
        if self.body.is_none() {
            let Poll::Ready(response) = Pin::new(&mut self.response).poll(cx) else { return Ok(()) };
            let (head, body) = response?.into_parts();
            (self.reply.http, self.reply.headers) = (head.status.as_u16(), head.headers);
            self.body = Some(body);
        }
        let Some(body) = &mut self.body else { return Ok(()) };
        while let Poll::Ready(data) = body.poll_data(cx) {
            let Some(data) = data else {
                if let Poll::Ready(trailers) = body.poll_trailers(cx) {
                    self.reply.is_whole = true;
                    self.reply.trailers = trailers?.or(self.reply.trailers.take());
                }
                return Ok(());
            };
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            self.reply.body.extend_from_slice(&data);
        }
        Ok(())
    }
}

impl Reply {
    /// `grpc-status` and `grpc-message`, wherever they came.
    pub(super) fn status(&self) -> (u16, &str) {
        let fields = self.trailers.as_ref().unwrap_or(&self.headers);
        let text = |name| fields.get(name).map_or("", |value| value.to_str().expect("text"));
        (text("grpc-status").parse().unwrap_or(999), text("grpc-message"))
    }

    /// The messages of the body.
    pub(super) fn messages(&self) -> Vec<Bytes> {
        let mut reader = grpc::Reader::new(usize::MAX >> 1, self.headers.contains_key("grpc-encoding"));
        reader.push(Bytes::copy_from_slice(&self.body));
        std::iter::from_fn(|| reader.poll().expect("readable")).collect()
    }
}

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame (RFC 9113 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// The reasons of the GOAWAY frames in a server's output.
pub(super) fn goaways(mut output: &[u8]) -> Vec<u32> {
    let mut reasons = Vec::new();
    while let Some((head, rest)) = output.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (payload, after) = rest.split_at(length);
        if head[3] == 7 {
            reasons.push(u32::from_be_bytes(payload[4..8].try_into().expect("four bytes")));
        }
        output = after;
    }
    reasons
}
