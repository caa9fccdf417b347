//! A GRPC client over `h2` that shows everything: metadata, flags of messages, trailers. One connection, unary calls and
//! one kind of streams (requests first, then answers).

use crate::common::server::PATIENCE;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What came back from a call.
#[derive(Debug)]
pub struct Reply {
    /// `grpc-status`.
    pub status: u16,
    /// `grpc-message`.
    pub message: String,
    /// The messages, decompressed.
    pub messages: Vec<Vec<u8>>,
    /// True when a message came compressed.
    pub was_compressed: bool,
    /// First fields, and trailers (the same when there is nothing between them).
    pub head: HeaderMap,
    pub trailers: HeaderMap,
}

impl Reply {
    /// The only message of a call that went well.
    pub fn message(&self) -> Result<&[u8], String> {
        match (self.status, self.messages.as_slice()) {
            (0, [message]) => Ok(message),
            _ => Err(format!("status {} {:?}, {} messages", self.status, self.message, self.messages.len())),
        }
    }

    /// The payload of `grpc-status-details-bin`.
    pub fn details(&self) -> Option<Vec<u8>> {
        use base64::Engine;
        let text = self.trailers.get("grpc-status-details-bin")?.to_str().ok()?;
        let text = text.trim_end_matches('=');
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).ok()
    }
}

/// What a call may carry besides its message.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    pub metadata: &'a [(&'a str, &'a str)],
    /// Compresses the message and says so.
    pub gzip: bool,
}

pub struct Grpc {
    runtime: Runtime,
    address: SocketAddr,
    /// After the first call: the connection, or why there is none.
    sender: Option<Result<SendRequest<Bytes>, String>>,
    /// Sent with each call.
    pub authorization: Option<String>,
}

impl Grpc {
    /// Connects with the first call, as soon as the port is open.
    pub fn new(address: SocketAddr, key: &str) -> Grpc {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let authorization = (!key.is_empty()).then(|| format!("apikey {key}"));
        Grpc { runtime, address, sender: None, authorization }
    }

    /// Calls a method of the server API.
    pub fn api(&mut self, rpc: &str, message: &[u8], metadata: &[(&str, &str)]) -> Result<Reply, String> {
        let path = format!("/centrifugal.centrifugo.api.CentrifugoApi/{rpc}");
        self.call(&path, &[message], Options { metadata, ..Options::default() })
    }

    /// Calls any method with these messages.
    pub fn call(&mut self, path: &str, messages: &[&[u8]], options: Options<'_>) -> Result<Reply, String> {
        let body = messages.iter().flat_map(|message| frame(message, options.gzip)).collect();
        self.call_raw(path, body, options)
    }

    /// Calls with these bytes as the body.
    pub fn call_raw(&mut self, path: &str, body: Vec<u8>, options: Options<'_>) -> Result<Reply, String> {
        let mut request = Request::post(format!("http://{}{path}", self.address))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("user-agent", "contract");
        if options.gzip {
            request = request.header("grpc-encoding", "gzip").header("grpc-accept-encoding", "gzip");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (key, value) in options.metadata {
            request = request.header(*key, *value);
        }
        let request = request.body(()).expect("a request");
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => self.runtime.block_on(open(self.address)),
        };
        self.sender = Some(sender.clone());
        let sender = sender?;
        self.runtime.block_on(async {
            let answer = tokio::time::timeout(PATIENCE, exchange(sender, request, body.into()));
            answer.await.map_err(|_| format!("{path}: no answer within {PATIENCE:?}"))?
        })
    }
}

async fn open(address: SocketAddr) -> Result<SendRequest<Bytes>, String> {
    let deadline = Instant::now() + PATIENCE;
    let stream = loop {
        match tokio::net::TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(e) if Instant::now() > deadline => return Err(format!("nobody listens on {address}: {e}")),
            // The port is opened a moment after the main one.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    stream.set_nodelay(true).expect("an option");
    let (sender, connection) = h2::client::handshake(stream).await.map_err(|e| format!("no HTTP/2: {e}"))?;
    tokio::spawn(async move { _ = connection.await });
    Ok(sender)
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<()>, body: Bytes) -> Result<Reply, String> {
    let wrong = |what: &'static str| move |e: h2::Error| format!("{what}: {e}");
    let mut sender = sender.ready().await.map_err(wrong("the connection is gone"))?;
    let (response, stream) = sender.send_request(request, false).map_err(wrong("not sent"))?;
    tokio::spawn(send_body(stream, body));
    let response = response.await.map_err(wrong("no response"))?;
    if response.status() != 200 {
        return Err(format!("HTTP status {}", response.status()));
    }
    let (head, mut stream) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(wrong("the answer broke off"))?;
        _ = stream.flow_control().release_capacity(piece.len());
        bytes.extend_from_slice(&piece);
    }
    let trailers = stream.trailers().await.map_err(wrong("no trailers"))?;
    let trailers = trailers.unwrap_or_else(|| head.headers.clone());
    let (messages, was_compressed) = unframe(&bytes)?;
    let text = |name: &str| trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_string());
    let status = text("grpc-status").ok_or("no grpc-status")?.parse().map_err(|_| "a bad grpc-status")?;
    let message = text("grpc-message").unwrap_or_default();
    Ok(Reply { status, message, messages, was_compressed, head: head.headers, trailers })
}

/// The server may lose interest in the middle: then the rest is not sent.
async fn send_body(mut stream: h2::SendStream<Bytes>, mut body: Bytes) {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
            Some(Ok(room)) => {
                let piece = body.split_to(room.min(body.len()));
                if stream.send_data(piece, false).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
    _ = stream.send_data(Bytes::new(), true);
}

fn frame(message: &[u8], gzip: bool) -> Vec<u8> {
    let packed = if gzip { compress(message) } else { message.to_vec() };
    let length = u32::try_from(packed.len()).expect("short enough");
    [&[u8::from(gzip)], &length.to_be_bytes()[..], &packed].concat()
}

fn compress(message: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(message).expect("memory");
    encoder.finish().expect("memory")
}

fn unframe(mut bytes: &[u8]) -> Result<(Vec<Vec<u8>>, bool), String> {
    let (mut messages, mut was_compressed) = (Vec::new(), false);
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(5).ok_or("half a message")?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let (message, rest) = rest.split_at_checked(length).ok_or("half a message")?;
        messages.push(match head[0] {
            0 => message.to_vec(),
            _ => {
                was_compressed = true;
                let mut plain = Vec::new();
                let mut decoder = flate2::read::GzDecoder::new(message);
                decoder.read_to_end(&mut plain).map_err(|e| format!("bad gzip: {e}"))?;
                plain
            }
        });
        bytes = rest;
    }
    Ok((messages, was_compressed))
}
