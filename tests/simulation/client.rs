//! A client of the simulation: it connects, subscribes, recovers, answers pings and writes down what it gets.
//!
//! What a single client can judge by itself is asserted here, at once; what takes the others is in `check_delivery` and
//! `check_presence`.

use crate::model::{Grant, Item, Model, Moment, Position, Reading};
use crate::realm;
use crate::stretch::{Heard, Stretch, Wish};
use corecast::proto::client::{Command, Publication, Reply};
use corecast::proto::json as codec;
use corecast::wire::websocket::Opcode;
use prost::Message;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

#[path = "../common/ws.rs"]
#[allow(dead_code)]
pub mod ws;
use ws::{Arrival, Peer};

enum Asked {
    Connect(BTreeMap<String, (Option<Position>, Wish)>),
    Subscribe(String, Option<Position>, Wish),
    Unsubscribe(String),
    Publish(String, Item),
    History(String),
}

/// A command that waits for its reply.
struct Waiting {
    id: u64,
    asked: Asked,
    at: Moment,
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
    waiting: VecDeque<Waiting>,
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

    fn command(&mut self, key: &str, body: Value, asked: Asked, at: Moment) -> Vec<u8> {
        self.ids += 1;
        self.waiting.push_back(Waiting { id: self.ids, asked, at });
        let text = json!({ "id": self.ids, key: body }).to_string();
        if !self.protobuf {
            return self.peer.frame(Opcode::Text, text.as_bytes());
        }
        let command: Command = codec::decode(text.as_bytes()).expect("a command");
        self.peer.frame(Opcode::Binary, &command.encode_length_delimited_to_vec())
    }

    /// `subs`: channels that it wants with its connection; filters are for `subscribe` alone.
    pub fn connect(&mut self, token: &str, subs: &[(&str, Wish)], now: Moment) -> Vec<u8> {
        let mut body = json!({ "token": token, "subs": {} });
        let mut wishes = BTreeMap::new();
        for (channel, wish) in subs {
            let (since, wish) = (self.known.remove(*channel), Wish { filter: None, ..*wish });
            body["subs"][channel] = request(since.as_ref(), wish);
            wishes.insert(channel.to_string(), (since, wish));
        }
        self.command("connect", body, Asked::Connect(wishes), now)
    }

    pub fn subscribe(&mut self, channel: &str, wish: Wish, now: Moment) -> Vec<u8> {
        let since = self.known.remove(channel);
        let mut body = request(since.as_ref(), wish);
        body["channel"] = channel.into();
        self.command("subscribe", body, Asked::Subscribe(channel.to_string(), since, wish), now)
    }

    pub fn unsubscribe(&mut self, channel: &str, now: Moment) -> Vec<u8> {
        self.command("unsubscribe", json!({ "channel": channel }), Asked::Unsubscribe(channel.to_string()), now)
    }

    pub fn publish(&mut self, channel: &str, item: Item, now: Moment) -> Vec<u8> {
        let body = json!({ "channel": channel, "data": realm::payload(item) });
        self.command("publish", body, Asked::Publish(channel.to_string(), item), now)
    }

    /// Reads the oldest that is kept.
    pub fn history(&mut self, channel: &str, now: Moment) -> Vec<u8> {
        let body = json!({ "channel": channel, "limit": 3 });
        self.command("history", body, Asked::History(channel.to_string()), now)
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
                    let mut reply = Reply::decode_length_delimited(bytes.as_slice()).expect("Protobuf of the server");
                    self.tell_patches_as_text(&mut reply);
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

    fn tell_patches_as_text(&self, reply: &mut Reply) {
        if let Some(push) = &mut reply.push
            && self.active(&push.channel).is_some_and(|stretch| stretch.has_deltas)
        {
            push.r#pub.iter_mut().for_each(as_text);
        }
        let connected = reply.connect.iter_mut().flat_map(|connect| connect.subs.values_mut());
        for result in connected.chain(&mut reply.subscribe).filter(|result| result.delta) {
            result.publications.iter_mut().for_each(as_text);
        }
    }

    fn message(&mut self, text: &[u8], model: &mut Model) {
        assert!(self.closed.is_none(), "nothing follows a close frame");
        let mut value: Value = serde_json::from_slice(text).expect("JSON of the server");
        match value["id"].as_u64() {
            Some(id) => self.reply(id, value, model),
            None => self.push(&mut value["push"], model),
        }
    }

    fn reply(&mut self, id: u64, mut value: Value, model: &mut Model) {
        let Waiting { id: expected, asked, at } = self.waiting.pop_front().expect("a command");
        assert_eq!(id, expected, "replies are in the order of commands");
        if let (Some(105), Asked::Subscribe(channel, since, _)) = (value["error"]["code"].as_u64(), &asked) {
            assert!(self.active(channel).is_some(), "already subscribed, by the backend");
            self.known.extend(since.clone().map(|since| (channel.clone(), since)));
            return;
        }
        if let (Some(103), Asked::History(channel)) = (value["error"]["code"].as_u64(), &asked) {
            return assert!(self.active(channel).is_none(), "subscribers may read: {value}");
        }
        assert!(value["error"].is_null(), "no command of the simulation is wrong: {value}");
        let unasked = |channel: &str| realm::recovers_unasked(channel).then(Position::default);
        match asked {
            Asked::Connect(wishes) => {
                self.id = value["connect"]["client"].as_str().map(str::to_string);
                for (channel, (since, wish)) in wishes {
                    let body = &mut value["connect"]["subs"][&channel];
                    assert!(body.is_object(), "it may have the subscription: {channel}");
                    let since = since.or_else(|| unasked(&channel));
                    self.begin(Stretch::new(&channel, body, since, Grant::default(), wish), at, model);
                }
            }
            Asked::Subscribe(channel, since, wish) => {
                let (body, since) = (&mut value["subscribe"], since.or_else(|| unasked(&channel)));
                self.begin(Stretch::new(&channel, body, since, Grant::default(), wish), at, model);
            }
            Asked::Unsubscribe(channel) => self.end(&channel),
            Asked::History(channel) => model.read(&channel, &value["history"], at, Reading::Part),
            Asked::Publish(channel, item) => model.succeeded(&channel, item, None, None),
        }
    }

    fn begin(&mut self, mut stretch: Stretch, asked: Moment, model: &mut Model) {
        if let Some(former) = self.stretches.iter_mut().rev().find(|s| s.channel == stretch.channel && !s.ended) {
            (former.ended, former.replaced) = (true, true);
        }
        (stretch.asked, stretch.told) = (asked, model.now);
        stretch.published_before = model.count(&stretch.channel);
        assert_eq!(stretch.position.is_some(), stretch.is_recoverable(), "a position where one is due: {stretch:?}");
        stretch.check_recovery();
        for (item, _) in &stretch.missed {
            model.see(&stretch.channel, *item);
        }
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

    fn push(&mut self, push: &mut Value, model: &mut Model) {
        assert!(self.id.is_some(), "nothing goes ahead of the reply to connect: {push}");
        let channel = push["channel"].as_str().unwrap_or_default().to_string();
        if push["subscribe"].is_object() {
            let number = push["subscribe"]["data"]["g"].as_u64().expect("the number of a grant");
            let grant = model.grants[number as usize];
            let stretch = Stretch::new(&channel, &mut push["subscribe"], None, grant, Wish::default());
            return self.begin(stretch, model.now, model);
        }
        if push["unsubscribe"].is_object() {
            return self.end(&channel);
        }
        if push["refresh"].is_object() {
            return;
        }
        let Some(stretch) = self.stretches.iter_mut().rev().find(|s| s.channel == channel).filter(|s| !s.ended) else {
            panic!("no subscription to what has come: {push}");
        };
        let who = |event: &Value| event["info"]["client"].as_str().expect("a client").to_string();
        match push.as_object().and_then(|push| push.keys().find(|key| *key != "channel")) {
            Some(key) if key == "pub" => {
                stretch.hear(&mut push["pub"]);
                stretch.got.last().and_then(Heard::item).into_iter().for_each(|item| model.see(&channel, item));
            }
            Some(key) if key == "join" => stretch.got.push(Heard::Join(who(&push["join"]))),
            Some(key) if key == "leave" => stretch.got.push(Heard::Leave(who(&push["leave"]))),
            _ => panic!("unexpected: {push}"),
        }
    }
}

/// The body of a request for a subscription.
fn request(since: Option<&Position>, wish: Wish) -> Value {
    let mut body = json!({});
    if let Some((offset, epoch)) = since {
        body = json!({ "recover": true, "offset": offset, "epoch": epoch });
    }
    if wish.delta {
        body["delta"] = "fossil".into();
    }
    if let Some(filter) = wish.filter {
        body["tf"] = filter.tree();
    }
    body
}

/// A payload that a subscription with deltas gets in Protobuf, as it gets it in JSON.
fn as_text(publication: &mut Publication) {
    let text = std::str::from_utf8(&publication.data).expect("patches of texts are texts");
    publication.data = Value::from(text).to_string().into_bytes().into();
}
