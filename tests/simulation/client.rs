//! A client of the simulation: it connects, subscribes, recovers, answers pings and writes down what it gets.
//!
//! What a single client can judge by itself is asserted here, at once; what takes the others is in `check_delivery` and
//! `check_presence`.

use crate::check_metrics;
use crate::clocks::{End, Moment};
use crate::fences;
use crate::filters::Filter;
use crate::model::{Grant, Item, Model, Position, Reading};
use crate::realm;
use crate::reloads;
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
    Connect(BTreeMap<String, (Option<Position>, Wish)>, i64),
    Subscribe(String, Option<Position>, Wish, i64),
    Refresh(i64),
    SubRefresh(String, i64),
    Unsubscribe(String),
    Publish(String, Item),
    History(String),
    /// What the rules decide: in a channel of `fences` or `reloads`.
    Deed(String, Deed),
}

/// Something that may be allowed or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Deed {
    Subscribe { delta: bool, filter: bool },
    Publish(Item),
    Presence,
    History,
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
    /// Where it is connected.
    pub core: usize,
    pub user: String,
    /// Its id, once it is connected.
    pub id: Option<String>,
    /// When it was told so.
    pub connected: Option<Moment>,
    /// Speaks Protobuf instead of JSON.
    protobuf: bool,
    /// When the connection ends; `None`: never.
    end: Option<End>,
    /// Closed by the server with this code, or refused with this error.
    pub closed: Option<u16>,
    ids: u64,
    /// Commands that wait for their replies, in order.
    waiting: VecDeque<Waiting>,
    pub stretches: Vec<Stretch>,
    /// Positions that it has reached, for recovery.
    pub known: BTreeMap<String, Position>,
    /// Another client has taken over what it knew.
    pub is_succeeded: bool,
    /// Messages that have come, and how many of them were replies.
    pub received: u64,
    pub answered: u64,
    /// Subscriptions that the server has ended.
    pub unsubscribed: u64,
}

impl Client {
    pub fn new(link: usize, core: usize, user: &str, protobuf: bool) -> Client {
        Client {
            peer: Peer::default(),
            link,
            core,
            user: user.to_string(),
            id: None,
            connected: None,
            protobuf,
            end: None,
            closed: None,
            ids: 0,
            waiting: VecDeque::new(),
            stretches: Vec::new(),
            known: BTreeMap::new(),
            is_succeeded: false,
            received: 0,
            answered: 0,
            unsubscribed: 0,
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
    pub fn connect(&mut self, token: &str, until: i64, subs: &[(&str, Wish)], now: Moment) -> Vec<u8> {
        let mut body = json!({ "token": token, "subs": {} });
        let mut wishes = BTreeMap::new();
        for (channel, wish) in subs {
            let (since, wish) = (self.known.remove(*channel), Wish { filter: None, ..*wish });
            body["subs"][channel] = request(since.as_ref(), wish);
            wishes.insert(channel.to_string(), (since, wish));
        }
        self.command("connect", body, Asked::Connect(wishes, until), now)
    }

    /// `until`: with a token that is good until then; 0: without one.
    pub fn subscribe(&mut self, channel: &str, wish: Wish, until: i64, now: Moment) -> Vec<u8> {
        let since = self.known.remove(channel);
        let mut body = request(since.as_ref(), wish);
        body["channel"] = channel.into();
        if until > 0 {
            body["token"] = realm::token(&self.user, Some(channel), until).into();
        }
        self.command("subscribe", body, Asked::Subscribe(channel.to_string(), since, wish, until), now)
    }

    /// Another token for the connection.
    pub fn refresh(&mut self, until: i64, now: Moment) -> Vec<u8> {
        let body = json!({ "token": realm::token(&self.user, None, until) });
        self.command("refresh", body, Asked::Refresh(until), now)
    }

    /// Another token for a subscription.
    pub fn sub_refresh(&mut self, channel: &str, until: i64, now: Moment) -> Vec<u8> {
        let body = json!({ "channel": channel, "token": realm::token(&self.user, Some(channel), until) });
        self.command("sub_refresh", body, Asked::SubRefresh(channel.to_string(), until), now)
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

    /// Tries what may not be allowed.
    pub fn attempt(&mut self, channel: &str, deed: Deed, now: Moment) -> Vec<u8> {
        let mut body = json!({ "channel": channel });
        let key = match &deed {
            Deed::Subscribe { delta, filter } => {
                let wish = Wish { delta: *delta, filter: filter.then(|| Filter::number(0)) };
                body = request(None, wish);
                body["channel"] = channel.into();
                "subscribe"
            }
            Deed::Publish(item) => {
                body["data"] = realm::payload(*item);
                "publish"
            }
            Deed::Presence => "presence",
            Deed::History => "history",
        };
        self.command(key, body, Asked::Deed(channel.to_string(), deed), now)
    }

    /// Channels that it is subscribed to.
    pub fn subscribed(&self) -> impl Iterator<Item = &str> {
        self.stretches.iter().filter(|stretch| !stretch.ended).map(|stretch| &stretch.channel[..])
    }

    /// A subscription that it has asked for is under way.
    pub fn subscribes(&self) -> bool {
        self.waiting.iter().any(|waiting| matches!(waiting.asked, Asked::Subscribe(..)))
    }

    /// True when no reply is missing.
    pub fn is_answered(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The present subscription to the channel.
    pub fn active(&self, channel: &str) -> Option<&Stretch> {
        self.stretches.iter().rev().find(|s| s.channel == channel).filter(|s| !s.ended)
    }

    fn active_mut(&mut self, channel: &str) -> Option<&mut Stretch> {
        self.stretches.iter_mut().rev().find(|s| s.channel == channel).filter(|s| !s.ended)
    }

    /// A publication of the channel was lost on its way to the core of this client.
    pub fn has_missed(&self, channel: &str, model: &Model) -> bool {
        model.loss.as_ref().is_some_and(|(lossy, core)| lossy == channel && *core == self.core)
    }

    /// It has no connection, and has waited for so long.
    pub fn is_stale(&self, now: Moment) -> bool {
        let since = self.waiting.front().filter(|waiting| matches!(waiting.asked, Asked::Connect(..)));
        since.is_some_and(|since| now.at.since(since.at.at) >= realm::STALE_DELAY)
    }

    /// The connection may have expired: by what the client knows, or by a refresh whose reply it does not have.
    pub fn may_have_expired(&self, model: &Model) -> bool {
        let has_come = |w: &Waiting| match w.asked {
            Asked::Refresh(until) => model.clocks.may_have_come(until, w.at, model.now),
            _ => false,
        };
        self.end.is_some_and(|end| end.may_be_over(model.now, realm::CLOSE_DELAY)) || self.waiting.iter().any(has_come)
    }

    /// The same of a subscription.
    pub fn may_have_expired_in(&self, stretch: &Stretch, model: &Model) -> bool {
        let (now, grace) = (model.now, realm::SUB_CLOSE_DELAY);
        let is_over = |end: Option<End>| end.is_some_and(|end| end.may_be_over(now, grace));
        let is_refreshed = |w: &Waiting| match &w.asked {
            Asked::SubRefresh(channel, until) => {
                *channel == stretch.channel && is_over(model.clocks.end(*until, w.at, now))
            }
            _ => false,
        };
        is_over(stretch.end) || self.waiting.iter().any(is_refreshed)
    }

    /// The connection is surely over at `now`.
    pub fn has_expired(&self, now: Moment) -> bool {
        self.end.is_some_and(|end| end.is_over(now, realm::CLOSE_DELAY))
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
            assert!(self.closed.is_none(), "nothing follows a close frame: {arrival:?}");
            self.received += u64::from(matches!(arrival, Arrival::Text(_) | Arrival::Binary(_)));
            match arrival {
                Arrival::Text(text) if text == b"{}" => {
                    assert!(self.id.is_some(), "no ping goes ahead of the reply to connect");
                    answers.extend(self.peer.frame(Opcode::Text, b"{}"));
                }
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
        let mut value: Value = serde_json::from_slice(text).expect("JSON of the server");
        match value["id"].as_u64() {
            Some(id) => self.reply(id, value, model),
            None => self.push(&mut value["push"], model),
        }
    }

    fn reply(&mut self, id: u64, mut value: Value, model: &mut Model) {
        let Waiting { id: expected, asked, at } = self.waiting.pop_front().expect("a command");
        assert_eq!(id, expected, "replies are in the order of commands");
        self.answered += 1;
        if let Asked::Deed(channel, deed) = asked {
            return self.judged(&channel, &deed, &mut value, at, model);
        }
        if let Some(code) = value["error"]["code"].as_u64() {
            return self.refused(code as u16, asked, at, model);
        }
        let unasked = |channel: &str| realm::recovers_unasked(channel).then(Position::default);
        match asked {
            Asked::Connect(wishes, until) => {
                check_ttl(&value["connect"], until, at, model);
                self.end = model.clocks.end(until, at, model.now);
                self.id = value["connect"]["client"].as_str().map(str::to_string);
                self.connected = Some(model.now);
                for (channel, (since, wish)) in wishes {
                    let body = &mut value["connect"]["subs"][&channel];
                    assert!(body.is_object(), "it may have the subscription: {channel}");
                    let since = since.or_else(|| unasked(&channel));
                    let mut stretch = Stretch::new(&channel, body, since, Grant::default(), wish);
                    stretch.is_server_side = true;
                    self.begin(stretch, at, model);
                }
            }
            Asked::Subscribe(channel, since, wish, until) => {
                let (body, since) = (&mut value["subscribe"], since.or_else(|| unasked(&channel)));
                check_ttl(body, until, at, model);
                let mut stretch = Stretch::new(&channel, body, since, Grant::default(), wish);
                stretch.end = model.clocks.end(until, at, model.now);
                self.begin(stretch, at, model);
            }
            Asked::Refresh(until) => {
                check_ttl(&value["refresh"], until, at, model);
                self.end = model.clocks.end(until, at, model.now);
                model.tally.count("connections refreshed", 1);
            }
            Asked::SubRefresh(channel, until) => {
                let stretch = self.active_mut(&channel).expect("a subscription that is refreshed");
                if value["sub_refresh"]["expires"] == true {
                    stretch.end = model.clocks.end(until, at, model.now);
                    check_ttl(&value["sub_refresh"], until, at, model);
                    model.tally.count("subscriptions refreshed", 1);
                } else {
                    // A token that has expired changes nothing.
                    let has_expired = model.clocks.may_have_come(until, at, model.now);
                    assert!(has_expired, "a good token was ignored: {value}");
                }
            }
            Asked::Unsubscribe(channel) => self.end(&channel),
            Asked::History(channel) => model.read(&channel, &value["history"], at, Reading::Part),
            Asked::Publish(channel, item) => {
                model.taken(at);
                model.succeeded(&channel, item, None, None);
            }
            Asked::Deed(..) => unreachable!("judged above"),
        }
    }

    /// The rules have decided; whether rightly is known.
    fn judged(&mut self, channel: &str, deed: &Deed, value: &mut Value, at: Moment, model: &mut Model) {
        let code = value["error"]["code"].as_u64().unwrap_or(0);
        let has_deltas = value["subscribe"]["delta"] == true;
        if let (111, Deed::Publish(item)) = (code, deed) {
            return model.refused_for_memory(&[channel], *item, at);
        }
        match channel.starts_with("flip:") {
            true => reloads::check(self, deed, (code, has_deltas), at, model, channel),
            false => fences::check(self, channel, deed, code, model),
        }
        match deed {
            Deed::Subscribe { .. } if code == 0 => {
                let wish = Wish { delta: has_deltas, filter: None };
                let stretch = Stretch::new(channel, &mut value["subscribe"], None, Grant::default(), wish);
                self.begin(stretch, at, model);
            }
            Deed::Publish(item) if code > 0 => model.refuse(channel, *item),
            _ => {}
        }
    }

    fn refused(&mut self, code: u16, asked: Asked, at: Moment, model: &mut Model) {
        let has_come = |until| model.clocks.may_have_come(until, at, model.now);
        match (code, asked) {
            (105, Asked::Subscribe(channel, since, ..)) => {
                assert!(self.active(&channel).is_some(), "already subscribed, by the backend");
                self.known.extend(since.map(|since| (channel, since)));
            }
            (109 | 110, Asked::Subscribe(channel, since, _, until)) => {
                assert!(has_come(until), "{channel}: a token for {until} from {at:?} to {:?}", model.now);
                self.known.extend(since.map(|since| (channel, since)));
            }
            (109 | 110, Asked::Connect(_, until)) => {
                assert!(has_come(until), "a token for {until} from {at:?} to {:?}", model.now);
                self.closed = Some(code);
            }
            (109 | 110, Asked::Refresh(until) | Asked::SubRefresh(_, until)) => assert!(has_come(until)),
            (103, Asked::History(channel) | Asked::SubRefresh(channel, _)) => {
                assert!(self.active(&channel).is_none(), "subscribers may: {channel}");
            }
            (111, Asked::Publish(channel, item)) => model.refused_for_memory(&[&channel], item, at),
            (106, Asked::Subscribe(..)) => {
                // Grants that were under way held their places, and the client hears of them behind this.
                let places = self.subscribed().count() + model.hoarding.len();
                assert!(places >= realm::CHANNEL_LIMIT, "it has room for more than {places}");
                model.tally.count("subscriptions above the limit", 1);
            }
            (code, _) => panic!("no command of the simulation is wrong: {code}"),
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
        check_metrics::check_limits(self);
    }

    fn end(&mut self, channel: &str) {
        for stretch in self.stretches.iter_mut().filter(|s| s.channel == channel && !s.ended) {
            stretch.ended = true;
            if stretch.is_recoverable() {
                self.known.extend(stretch.reached().map(|position| (channel.to_string(), position)));
            }
        }
    }

    /// The server ends a subscription for a reason.
    fn check_unsubscribe(&self, channel: &str, code: Option<u64>, model: &mut Model) {
        match code {
            // The backend tells all clients of a user, whether they are subscribed or not.
            Some(2000) => {}
            Some(2501) => {
                let stretch = self.active(channel).expect("an expired subscription");
                let is_over = !stretch.is_server_side && self.may_have_expired_in(stretch, model);
                assert!(is_over, "it has not expired: {stretch:?} at {:?}", model.now);
                model.tally.count("subscriptions that expired", 1);
            }
            Some(2500) => {
                let stretch = self.active(channel).expect("a subscription that has missed something");
                assert!(!stretch.is_server_side && stretch.position.is_some(), "it has no position: {stretch:?}");
                if self.has_missed(channel, model) {
                    return model.tally.count("subscriptions told of a loss", 1);
                }
                assert!(realm::catches_up(channel), "nothing was lost: {stretch:?}");
                model.give_up(self.link, std::iter::once(stretch));
            }
            code => panic!("{channel}: no reason to end the subscription: {code:?}"),
        }
    }

    fn push(&mut self, push: &mut Value, model: &mut Model) {
        assert!(self.id.is_some(), "nothing goes ahead of the reply to connect: {push}");
        let channel = push["channel"].as_str().unwrap_or_default().to_string();
        if push["subscribe"].is_object() {
            let number = push["subscribe"]["data"]["g"].as_u64().expect("the number of a grant");
            let grant = model.grants[number as usize];
            model.hoarding.remove(&(number as usize));
            let mut stretch = Stretch::new(&channel, &mut push["subscribe"], None, grant, Wish::default());
            stretch.is_server_side = true;
            stretch.end = model.clocks.end(grant.expire_at, grant.asked, model.now);
            return self.begin(stretch, model.now, model);
        }
        if push["unsubscribe"].is_object() {
            // The backend tells all clients of a user, whether they are subscribed or not.
            self.unsubscribed += u64::from(self.active(&channel).is_some());
            self.check_unsubscribe(&channel, push["unsubscribe"]["code"].as_u64(), model);
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

/// What a reply says of the time that is left.
fn check_ttl(result: &Value, until: i64, asked: Moment, model: &Model) {
    let (expires, ttl) = (result["expires"] == true, result["ttl"].as_i64().unwrap_or(0));
    let is_right = match until {
        0 => !expires && ttl == 0,
        until => expires && model.clocks.left(until, asked, model.now).contains(&ttl),
    };
    assert!(is_right, "{until} was asked for from {asked:?} to {:?}: {result}", model.now);
}

/// A payload that a subscription with deltas gets in Protobuf, as it gets it in JSON.
fn as_text(publication: &mut Publication) {
    let text = std::str::from_utf8(&publication.data).expect("patches of texts are texts");
    publication.data = Value::from(text).to_string().into_bytes().into();
}
