//! A client of the simulation: it connects, subscribes, recovers, answers pings and writes down what it gets.
//!
//! What a single client can judge by itself is asserted here, at once; what takes the others is in `check_delivery` and
//! `check_presence`.

use crate::model::{Grant, Item, Model, Position};
use crate::realm;
use corecast::proto::client::{Command, Reply};
use corecast::proto::json as codec;
use corecast::wire::websocket::Opcode;
use prost::Message;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

#[path = "../common/ws.rs"]
#[allow(dead_code)]
pub mod ws;
use ws::{Arrival, Peer};

/// What a subscriber is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// With its offset; 0: it is not kept.
    Publication(Item, u64),
    Join(String),
    Leave(String),
}

impl Heard {
    pub fn item(&self) -> Option<Item> {
        match self {
            Heard::Publication(item, _) => Some(*item),
            Heard::Join(_) | Heard::Leave(_) => None,
        }
    }
}

/// One stretch of a subscription, from its reply or push to its end.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub channel: String,
    /// How many publications of the channel had been begun when it began; later ones must all arrive.
    pub published_before: usize,
    /// The options of the backend, when it made the subscription.
    pub grant: Grant,
    /// Offset and epoch of the reply or push.
    pub position: Option<Position>,
    /// The position that the client wanted to go on from.
    pub since: Option<Position>,
    pub is_recovered: bool,
    /// What the reply held of what the client had missed.
    pub missed: Vec<(Item, u64)>,
    /// It is over.
    pub ended: bool,
    /// The backend has put another one in its place.
    pub replaced: bool,
    /// What arrived.
    pub got: Vec<Heard>,
}

impl Stretch {
    pub fn has_presence(&self) -> bool {
        self.grant.presence.unwrap_or_else(|| realm::has_presence(&self.channel))
    }

    pub fn hears_joins(&self) -> bool {
        self.grant.hears_joins.unwrap_or_else(|| realm::has_presence(&self.channel))
    }

    pub fn is_recoverable(&self) -> bool {
        self.grant.recovery.unwrap_or_else(|| realm::has_history(&self.channel))
    }

    /// The last position that the client knows.
    fn reached(&self) -> Option<Position> {
        let (offset, epoch) = self.position.clone()?;
        let last_offset = self.got.iter().rev().find_map(|heard| match heard {
            Heard::Publication(_, offset) if *offset > 0 => Some(*offset),
            _ => None,
        });
        let missed = self.missed.last().map(|(_, offset)| *offset);
        Some((last_offset.or(missed).unwrap_or(offset), epoch))
    }
}

enum Asked {
    Connect(BTreeMap<String, Option<Position>>),
    Subscribe(String, Option<Position>),
    Unsubscribe(String),
    Publish(String, Item),
    History(String),
}

pub struct Client {
    pub peer: Peer,
    pub link: usize,
    pub user: String,
    /// Its id, once it is connected.
    pub id: Option<String>,
    /// Speaks Protobuf instead of JSON.
    protobuf: bool,
    /// Closed by the server with this code.
    pub closed: Option<u16>,
    ids: u64,
    /// Commands that wait for their replies, in order.
    waiting: VecDeque<(u64, Asked)>,
    pub stretches: Vec<Stretch>,
    /// Positions that it has reached, for recovery.
    pub known: BTreeMap<String, Position>,
    /// Another client has taken over what it knew.
    pub is_succeeded: bool,
}

impl Client {
    pub fn new(link: usize, user: &str, protobuf: bool) -> Client {
        Client {
            peer: Peer::default(),
            link,
            user: user.to_string(),
            id: None,
            protobuf,
            closed: None,
            ids: 0,
            waiting: VecDeque::new(),
            stretches: Vec::new(),
            known: BTreeMap::new(),
            is_succeeded: false,
        }
    }

    fn command(&mut self, key: &str, body: Value, asked: Asked) -> Vec<u8> {
        self.ids += 1;
        self.waiting.push_back((self.ids, asked));
        let text = json!({ "id": self.ids, key: body }).to_string();
        if !self.protobuf {
            return self.peer.frame(Opcode::Text, text.as_bytes());
        }
        let command: Command = codec::decode(text.as_bytes()).expect("a command");
        self.peer.frame(Opcode::Binary, &command.encode_length_delimited_to_vec())
    }

    /// `subs`: channels that it wants with its connection.
    pub fn connect(&mut self, token: &str, subs: &[&str]) -> Vec<u8> {
        let wishes = subs.iter().map(|channel| (channel.to_string(), self.known.remove(*channel)));
        let wishes: BTreeMap<String, Option<Position>> = wishes.collect();
        let body = |since: &Option<Position>| since.as_ref().map_or(json!({}), recovering);
        let subs: BTreeMap<&str, Value> = wishes.iter().map(|(channel, since)| (&channel[..], body(since))).collect();
        self.command("connect", json!({ "token": token, "subs": subs }), Asked::Connect(wishes))
    }

    pub fn subscribe(&mut self, channel: &str) -> Vec<u8> {
        let since = self.known.remove(channel);
        let mut body = since.as_ref().map_or(json!({}), recovering);
        body["channel"] = channel.into();
        self.command("subscribe", body, Asked::Subscribe(channel.to_string(), since))
    }

    pub fn unsubscribe(&mut self, channel: &str) -> Vec<u8> {
        self.command("unsubscribe", json!({ "channel": channel }), Asked::Unsubscribe(channel.to_string()))
    }

    pub fn publish(&mut self, channel: &str, item: Item) -> Vec<u8> {
        let body = json!({ "channel": channel, "data": { "p": item.0, "n": item.1 } });
        self.command("publish", body, Asked::Publish(channel.to_string(), item))
    }

    /// Reads the oldest that is kept.
    pub fn history(&mut self, channel: &str) -> Vec<u8> {
        self.command("history", json!({ "channel": channel, "limit": 3 }), Asked::History(channel.to_string()))
    }

    /// True when no reply is missing.
    pub fn is_answered(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The present subscription to the channel.
    pub fn active(&self, channel: &str) -> Option<&Stretch> {
        self.stretches.iter().rev().find(|s| s.channel == channel).filter(|s| !s.ended)
    }

    /// Takes over what a former client of the same user has reached.
    pub fn succeed(&mut self, former: &mut Client) {
        former.is_succeeded = true;
        self.known = std::mem::take(&mut former.known);
        for stretch in former.stretches.iter().filter(|stretch| stretch.is_recoverable()) {
            self.known.extend(stretch.reached().map(|position| (stretch.channel.clone(), position)));
        }
    }

    /// Takes in what the server wrote; returns what the client answers.
    pub fn receive(&mut self, bytes: &[u8], model: &mut Model) -> Vec<u8> {
        let mut answers = Vec::new();
        for arrival in self.peer.take(bytes) {
            match arrival {
                Arrival::Text(text) if text == b"{}" => answers.extend(self.peer.frame(Opcode::Text, b"{}")),
                Arrival::Text(text) => self.message(&text, model),
                Arrival::Binary(bytes) if bytes == [0] => answers.extend(self.peer.frame(Opcode::Binary, &[0])),
                Arrival::Binary(bytes) => {
                    let reply = Reply::decode_length_delimited(bytes.as_slice()).expect("Protobuf of the server");
                    let mut text = Vec::new();
                    codec::encode_line(&reply, &mut text).expect("JSON payloads");
                    self.message(&text, model);
                }
                Arrival::Close(code, _) => {
                    self.closed = code.or(Some(1005));
                    answers.extend(self.peer.close(code.unwrap_or(1000)));
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        answers
    }

    fn message(&mut self, text: &[u8], model: &mut Model) {
        assert!(self.closed.is_none(), "nothing follows a close frame");
        let value: Value = serde_json::from_slice(text).expect("JSON of the server");
        match value["id"].as_u64() {
            Some(id) => self.reply(id, &value, model),
            None => self.push(&value["push"], model),
        }
    }

    fn reply(&mut self, id: u64, value: &Value, model: &mut Model) {
        let (expected, asked) = self.waiting.pop_front().expect("a command");
        assert_eq!(id, expected, "replies are in the order of commands");
        if let (Some(105), Asked::Subscribe(channel, since)) = (value["error"]["code"].as_u64(), &asked) {
            assert!(self.active(channel).is_some(), "already subscribed, by the backend");
            self.known.extend(since.clone().map(|since| (channel.clone(), since)));
            return;
        }
        if let (Some(103), Asked::History(channel)) = (value["error"]["code"].as_u64(), &asked) {
            return assert!(self.active(channel).is_none(), "subscribers may read: {value}");
        }
        assert!(value["error"].is_null(), "no command of the simulation is wrong: {value}");
        match asked {
            Asked::Connect(wishes) => {
                self.id = value["connect"]["client"].as_str().map(str::to_string);
                for (channel, since) in wishes {
                    let body = &value["connect"]["subs"][&channel];
                    assert!(body.is_object(), "it may have the subscription: {value}");
                    self.begin(&channel, body, since, Grant::default(), model);
                }
            }
            Asked::Subscribe(channel, since) => {
                self.begin(&channel, &value["subscribe"], since, Grant::default(), model);
            }
            Asked::Unsubscribe(channel) => self.end(&channel),
            Asked::History(channel) => model.read(&channel, &value["history"], false),
            Asked::Publish(channel, item) => _ = model.answered.insert((channel, item)),
        }
    }

    fn begin(&mut self, channel: &str, body: &Value, since: Option<Position>, grant: Grant, model: &Model) {
        if let Some(former) = self.stretches.iter_mut().rev().find(|s| s.channel == channel && !s.ended) {
            (former.ended, former.replaced) = (true, true);
        }
        let epoch = body["epoch"].as_str().unwrap_or_default().to_string();
        let is_positioned = body["positioned"] == true;
        let publications = body["publications"].as_array().into_iter().flatten();
        let stretch = Stretch {
            channel: channel.to_string(),
            published_before: model.count(channel),
            grant,
            position: is_positioned.then(|| (body["offset"].as_u64().unwrap_or(0), epoch)),
            since,
            is_recovered: body["recovered"] == true,
            missed: publications.map(|publication| (item(publication), offset(publication))).collect(),
            ended: false,
            replaced: false,
            got: Vec::new(),
        };
        assert_eq!(stretch.position.is_some(), stretch.is_recoverable(), "a position where one is due: {body}");
        stretch.check_recovery(model);
        self.stretches.push(stretch);
    }

    fn end(&mut self, channel: &str) {
        for stretch in self.stretches.iter_mut().filter(|s| s.channel == channel && !s.ended) {
            stretch.ended = true;
            if stretch.is_recoverable() {
                self.known.extend(stretch.reached().map(|position| (channel.to_string(), position)));
            }
        }
    }

    fn push(&mut self, push: &Value, model: &Model) {
        assert!(self.id.is_some(), "nothing goes ahead of the reply to connect: {push}");
        let channel = push["channel"].as_str().unwrap_or_default();
        if push["subscribe"].is_object() {
            let number = push["subscribe"]["data"]["g"].as_u64().expect("the number of a grant");
            let grant = model.grants[number as usize];
            return self.begin(channel, &push["subscribe"], None, grant, model);
        }
        if push["unsubscribe"].is_object() {
            return self.end(channel);
        }
        if push["refresh"].is_object() {
            return;
        }
        let who = |event: &Value| event["info"]["client"].as_str().expect("a client").to_string();
        let heard = match push.as_object().and_then(|push| push.keys().find(|key| *key != "channel")) {
            Some(key) if key == "pub" => Heard::Publication(item(&push["pub"]), offset(&push["pub"])),
            Some(key) if key == "join" => Heard::Join(who(&push["join"])),
            Some(key) if key == "leave" => Heard::Leave(who(&push["leave"])),
            _ => panic!("unexpected: {push}"),
        };
        match self.stretches.iter_mut().rev().find(|s| s.channel == channel).filter(|s| !s.ended) {
            Some(stretch) => stretch.got.push(heard),
            None => panic!("no subscription to what has come: {push}"),
        }
    }
}

impl Stretch {
    /// The recovered list is complete, and what could be recovered was.
    fn check_recovery(&self, model: &Model) {
        let (Some(since), Some((top, epoch))) = (&self.since, &self.position) else {
            return assert!(self.missed.is_empty() && !self.is_recovered, "{self:?}");
        };
        let offsets: Vec<u64> = self.missed.iter().map(|(_, offset)| *offset).collect();
        if self.is_recovered {
            assert_eq!((*top, epoch), (since.0, &since.1), "it goes on where it was: {self:?}");
            let expected: Vec<u64> = (since.0 + 1..).take(offsets.len()).collect();
            assert_eq!(offsets, expected, "the recovered list has a gap: {self:?}");
            return assert!(offsets.len() <= realm::RECOVERY_MAX, "{self:?}");
        }
        assert!(offsets.is_empty(), "{self:?}");
        let is_within = *epoch == since.1 && (since.0..=since.0 + realm::RECOVERY_MAX as u64).contains(top);
        assert!(!is_within || !model.keeps(&self.channel), "it could have been recovered: {self:?}");
    }
}

fn recovering((offset, epoch): &Position) -> Value {
    json!({ "recover": true, "offset": offset, "epoch": epoch })
}

/// Who published it, and its number.
pub fn item(publication: &Value) -> Item {
    let data = &publication["data"];
    (data["p"].as_u64().expect("a publisher"), data["n"].as_u64().expect("a number"))
}

/// Its offset; 0: none.
pub fn offset(publication: &Value) -> u64 {
    publication["offset"].as_u64().unwrap_or(0)
}
