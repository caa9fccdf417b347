//! Replies that hold recovered lists: the list's bytes, which many share, are put where the general encoders would put
//! them. Equal to what those make of the same reply with the publications in it (tested).

use super::command::Protocol;
use super::missed::{Missed, Pieces, Splice, Work};
use super::reply::encode_reply;
use crate::proto::client::{ConnectResult, Reply, SubscribeResult};
use crate::proto::json::{self, NotJson, Object};
use crate::proto::json_write::{Value, Writer};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Fields of client.proto.
const REPLY_CONNECT: u32 = 5;
const REPLY_SUBSCRIBE: u32 = 6;
const CONNECT_SUBS: u32 = 6;
const SUBS_KEY: u32 = 1;
const SUBS_VALUE: u32 = 2;

/// What a client is told of its subscription or its subscriptions.
#[derive(Debug)]
pub enum Told {
    /// In a push: it holds no list.
    Push(Box<Reply>),
    /// The answer to this command.
    Subscribed(u32, Recovered),
    /// The answer to this command; the result's own `subs` are empty.
    Connected(u32, ConnectResult, BTreeMap<String, Recovered>),
}

/// A result with its list, in the order of its fields.
#[derive(Default, Debug)]
pub struct Recovered {
    head: SubscribeResult,
    missed: Missed,
    tail: SubscribeResult,
    /// Where the shared part of the list was put last, and how long it is.
    part: Cell<(usize, usize)>,
}

impl Recovered {
    /// `result` is without publications.
    pub fn new(mut result: SubscribeResult, missed: Missed) -> Recovered {
        debug_assert!(result.publications.is_empty());
        let head = SubscribeResult {
            expires: std::mem::take(&mut result.expires),
            ttl: std::mem::take(&mut result.ttl),
            recoverable: std::mem::take(&mut result.recoverable),
            epoch: std::mem::take(&mut result.epoch),
            ..SubscribeResult::default()
        };
        Recovered { head, missed, tail: result, part: Cell::default() }
    }

    fn pieces(&self, protocol: Protocol) -> Result<Pieces<'_>, NotJson> {
        self.missed.pieces(protocol, self.tail.delta)
    }

    fn splice(&self, protocol: Protocol) -> Option<Splice<'_>> {
        let (start, length) = self.part.get();
        Some(Splice { start, length, deflated: self.missed.deflated(protocol, self.tail.delta)? })
    }
}

impl Told {
    /// Makes the forms of the lists that it needs; says of each whether it was there.
    pub fn prepare(&self, protocol: Protocol) -> impl Iterator<Item = Work> {
        self.all().filter_map(move |recovered| recovered.missed.prepare(protocol, recovered.tail.delta))
    }

    /// The parts of the reply that others get too, as it was encoded last.
    pub fn splices(&self, protocol: Protocol) -> Vec<Splice<'_>> {
        self.all().filter_map(|recovered| recovered.splice(protocol)).collect()
    }

    /// In the order in which they are encoded.
    fn all(&self) -> impl Iterator<Item = &Recovered> {
        let (one, many) = match self {
            Told::Push(_) => (None, None),
            Told::Subscribed(_, recovered) => (Some(recovered), None),
            Told::Connected(_, _, subs) => (None, Some(subs.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Appends the reply: a line without its newline, or a message behind its length.
    ///
    /// # Errors
    /// A JSON reply would hold octets that are no JSON.
    pub fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), NotJson> {
        match (protocol, self) {
            (_, Told::Push(push)) => encode_reply(protocol, push, out),
            (Protocol::Json, _) => json::encode_line(self, out),
            (Protocol::Protobuf, Told::Subscribed(id, recovered)) => {
                let body = Body::new(recovered)?;
                reply(*id, REPLY_SUBSCRIBE, body.len, out, |out| body.put(out));
                Ok(())
            }
            (Protocol::Protobuf, Told::Connected(id, result, subs)) => connected(*id, result, subs, out),
        }
    }
}

impl Value for Told {
    fn is_zero(&self) -> bool {
        false
    }

    fn value(&self, to: &mut Writer<'_>) {
        to.object(|to| match self {
            Told::Push(push) => Object::write(&**push, to),
            Told::Subscribed(id, recovered) => {
                to.member("id", id);
                to.member("subscribe", recovered);
            }
            Told::Connected(id, result, subs) => {
                to.member("id", id);
                to.member("connect", &Connected(result, subs));
            }
        });
    }
}

impl Value for Recovered {
    fn is_zero(&self) -> bool {
        false
    }

    fn value(&self, to: &mut Writer<'_>) {
        let Ok(pieces) = self.pieces(Protocol::Json) else { return to.refuse() };
        to.object(|to| {
            self.head.write(to);
            if !pieces.is_empty() {
                to.list_of("publications", |out| self.part.set(pieces.put(out)));
            }
            self.tail.write(to);
        });
    }
}

/// The result of `connect` with its subscriptions.
struct Connected<'a>(&'a ConnectResult, &'a BTreeMap<String, Recovered>);

impl Value for Connected<'_> {
    fn is_zero(&self) -> bool {
        false
    }

    fn value(&self, to: &mut Writer<'_>) {
        let (head, tail) = halves(self.0);
        to.object(|to| {
            head.write(to);
            to.member("subs", self.1);
            tail.write(to);
        });
    }
}

/// What stands before the subscriptions and behind them.
fn halves(result: &ConnectResult) -> (ConnectResult, ConnectResult) {
    let ConnectResult { client, version, expires, ttl, data, ping, pong, session, node, time, subs } = result;
    debug_assert!(subs.is_empty());
    let (client, version, data) = (client.clone(), version.clone(), data.clone());
    let head = ConnectResult { client, version, expires: *expires, ttl: *ttl, data, ..ConnectResult::default() };
    let (session, node) = (session.clone(), node.clone());
    let tail = ConnectResult { ping: *ping, pong: *pong, session, node, time: *time, ..ConnectResult::default() };
    (head, tail)
}

/// A result on its way into Protobuf.
struct Body<'a> {
    recovered: &'a Recovered,
    pieces: Pieces<'a>,
    len: usize,
}

impl Body<'_> {
    fn new(recovered: &Recovered) -> Result<Body<'_>, NotJson> {
        let pieces = recovered.pieces(Protocol::Protobuf)?;
        let len = recovered.head.encoded_len() + pieces.len() + recovered.tail.encoded_len();
        Ok(Body { recovered, pieces, len })
    }

    fn put(&self, out: &mut Vec<u8>) {
        // A Vec grows as needed, so neither can fail.
        _ = self.recovered.head.encode(out);
        self.recovered.part.set(self.pieces.put(out));
        _ = self.recovered.tail.encode(out);
    }
}

/// A field with its length that is written by hand.
fn field(tag: u32, len: usize, out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

fn field_len(tag: u32, len: usize) -> usize {
    prost::encoding::key_len(tag) + encoded_len_varint(len as u64) + len
}

/// A reply of which one field is written by hand, behind its length.
fn reply(id: u32, tag: u32, len: usize, out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) {
    let envelope = Reply { id, ..Reply::default() };
    let whole = envelope.encoded_len() + field_len(tag, len);
    out.reserve(whole + encoded_len_varint(whole as u64));
    encode_varint(whole as u64, out);
    _ = envelope.encode(out);
    field(tag, len, out);
    put(out);
}

fn connected(
    id: u32,
    result: &ConnectResult,
    subs: &BTreeMap<String, Recovered>,
    out: &mut Vec<u8>,
) -> Result<(), NotJson> {
    let (head, tail) = halves(result);
    let bodies: Vec<(&String, Body<'_>)> =
        subs.iter().map(|(channel, recovered)| Ok((channel, Body::new(recovered)?))).collect::<Result<_, NotJson>>()?;
    // What is empty is there in maps (`proto::maps`).
    let entry =
        |(channel, body): &(&String, Body<'_>)| field_len(SUBS_KEY, channel.len()) + field_len(SUBS_VALUE, body.len);
    let entries: usize = bodies.iter().map(|each| field_len(CONNECT_SUBS, entry(each))).sum();
    reply(id, REPLY_CONNECT, head.encoded_len() + entries + tail.encoded_len(), out, |out| {
        _ = head.encode(out);
        for each in &bodies {
            field(CONNECT_SUBS, entry(each), out);
            let (channel, body) = each;
            field(SUBS_KEY, channel.len(), out);
            out.extend_from_slice(channel.as_bytes());
            field(SUBS_VALUE, body.len, out);
            body.put(out);
        }
        _ = tail.encode(out);
    });
    Ok(())
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
