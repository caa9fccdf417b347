//! The backend: calls of the server API over HTTP connections to any core, and what their answers say.

use crate::clocks::Moment;
use crate::model::{Grant, Item, Position, Reading, Removal};
use crate::realm::{self, USERS};
use crate::stretch::offset;
use crate::world::{UNLIMITED, Who, World};
use corecast::limits;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

/// What a call is for, and what its answer is compared with.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// The same publication for these channels.
    Publish { channels: Vec<&'static str>, item: Item, key: Option<String>, skips_history: bool },
    /// A page of history, asked for when the top was at least so high.
    History { channel: &'static str, known_top: u64, reading: Reading },
    /// The removal with this number.
    Remove(&'static str, usize),
    /// A subscription that ends then; 0: never.
    Subscribe { expire_at: i64 },
    /// Something happens to sessions, or a figure is read that nobody can predict meanwhile.
    Other,
    /// A step of a probe.
    Probe(usize),
    /// Looked at by whoever made it.
    Look,
}

pub struct Call {
    pub method: &'static str,
    pub purpose: Purpose,
    began: Moment,
    /// The body of the answer.
    pub answer: Option<Value>,
    /// Its connection was torn: nobody waits for the answer.
    is_given_up: bool,
}

impl Call {
    pub fn is_over(&self) -> bool {
        self.answer.is_some() || self.is_given_up
    }
}

/// An HTTP connection of the backend.
pub struct Caller {
    link: usize,
    /// Calls that wait for their answers, in order.
    waiting: VecDeque<usize>,
    input: Vec<u8>,
}

impl World {
    /// Begins a call over a connection to any core.
    pub fn call(&mut self, method: &'static str, body: Value, purpose: Purpose) -> usize {
        let core = self.any(self.nodes.len());
        self.call_at(core, method, body, purpose)
    }

    /// Begins a call over a connection to `core`.
    pub fn call_at(&mut self, core: usize, method: &'static str, body: Value, purpose: Purpose) -> usize {
        let at = self.calls.len();
        self.calls.push(Call { method, purpose, began: self.model.now, answer: None, is_given_up: false });
        let is_usable = |caller: &Caller| self.links[caller.link].is_open && self.links[caller.link].core == core;
        let usable = self.callers.iter().position(is_usable);
        // Mostly the connection that is there, also when it still waits for another answer.
        let caller = match usable.filter(|_| self.any(4) > 0) {
            Some(caller) => caller,
            None => {
                let link = self.open(Who::Caller(self.callers.len()), core, UNLIMITED);
                self.callers.push(Caller { link, waiting: VecDeque::new(), input: Vec::new() });
                self.callers.len() - 1
            }
        };
        self.callers[caller].waiting.push_back(at);
        let body = body.to_string();
        let head = format!("POST /api/{method} HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: ");
        let request = format!("{head}{}\r\n\r\n{body}", body.len());
        self.send(self.callers[caller].link, request.into_bytes());
        at
    }

    /// The backend gives a connection up, perhaps in the middle of a call.
    fn tear_caller(&mut self) {
        if !self.chaos.tears {
            return;
        }
        let open: Vec<usize> =
            (0..self.callers.len()).filter(|at| self.links[self.callers[*at].link].is_open).collect();
        if open.is_empty() {
            return;
        }
        let at = open[self.any(open.len())];
        for call in self.callers[at].waiting.drain(..) {
            self.calls[call].is_given_up = true;
            if let Purpose::Probe(probe) = self.calls[call].purpose {
                self.probes[probe].lose();
            }
        }
        self.tear(self.callers[at].link);
    }

    /// A core that could read nothing for so long has closed the connection for its silence.
    pub fn forget_refused_calls(&mut self) {
        for caller in self.callers.iter_mut().filter(|caller| !self.links[caller.link].is_pending()) {
            let head_timeout = Duration::from_millis(limits::HTTP_HEAD_TIMEOUT_MS);
            let is_old = |call: &usize| self.now.mono.since(self.calls[*call].began.at) >= head_timeout;
            if !caller.waiting.front().is_some_and(is_old) {
                continue;
            }
            for call in caller.waiting.drain(..) {
                self.calls[call].is_given_up = true;
                self.model.late += 1;
            }
        }
    }

    /// Bytes of the server for a connection of the backend.
    pub fn caller_reads(&mut self, at: usize, bytes: &[u8]) {
        self.callers[at].input.extend_from_slice(bytes);
        while let Some((status, body)) = take_answer(&mut self.callers[at].input) {
            let call = self.callers[at].waiting.pop_front().expect("a call for each answer");
            assert_eq!(status, 200, "{} is answered: {body}", self.calls[call].method);
            let body = serde_json::from_str(&body).expect("JSON");
            self.answered(call, body);
        }
    }

    fn answered(&mut self, at: usize, answer: Value) {
        let waited = self.now.mono.since(self.calls[at].began.at);
        let (method, purpose) = (self.calls[at].method, self.calls[at].purpose.clone());
        *self.model.calls.entry(method).or_default() += 1;
        let code = answer["error"]["code"].as_u64();
        let (began, clocks) = (self.calls[at].began, &self.model.clocks);
        let may_have_come = |until| clocks.may_have_come(until, began, self.model.now);
        if let (Some(111), Purpose::Publish { channels, item, .. }) = (code, &purpose) {
            self.model.refused_for_memory(channels, *item, began);
            self.calls[at].answer = Some(answer);
            return;
        }
        let has_expired = matches!(purpose, Purpose::Subscribe { expire_at } if may_have_come(expire_at));
        if code == Some(100) && waited >= Duration::from_millis(limits::GATHER_TIMEOUT_MS) {
            self.model.late += 1;
        } else if code != Some(100) || !has_expired {
            assert!(answer["error"].is_null(), "no call of the simulation is wrong: {method} {answer}");
        }
        match &purpose {
            Purpose::Publish { channels, item, key, skips_history } => {
                self.model.taken(began);
                self.published(channels, *item, key.as_deref(), *skips_history, &answer);
            }
            Purpose::History { channel, known_top, reading } if code.is_none() => {
                assert!(offset(&answer["result"]) >= *known_top, "{channel}: {known_top} is known, {answer}");
                self.model.read(channel, &answer["result"], self.calls[at].began, *reading);
            }
            Purpose::Remove(channel, number) if code.is_none() => {
                self.model.removals.get_mut(*channel).expect("begun")[*number].done = Some(self.model.now);
            }
            Purpose::Probe(probe) => self.probe_hears(*probe, method, &answer),
            Purpose::History { .. }
            | Purpose::Remove(..)
            | Purpose::Subscribe { .. }
            | Purpose::Other
            | Purpose::Look => {}
        }
        self.calls[at].answer = Some(answer);
    }

    fn published(&mut self, channels: &[&str], item: Item, key: Option<&str>, skips_history: bool, answer: &Value) {
        let responses: Vec<&Value> = match answer["result"]["responses"].as_array() {
            Some(responses) => responses.iter().collect(),
            None => vec![answer],
        };
        if !answer["error"].is_null() {
            return;
        }
        assert_eq!(responses.len(), channels.len(), "one response for each channel: {answer}");
        for (channel, response) in channels.iter().zip(responses) {
            let result = &response["result"];
            let epoch = result["epoch"].as_str().map(str::to_string);
            let position: Option<Position> = epoch.map(|epoch| (offset(result), epoch));
            // A repeat may have another mind about history than the first call.
            let is_due = realm::has_history(channel) && !skips_history;
            assert!(key.is_some() || position.is_some() == is_due, "{channel}: a position where one is due: {answer}");
            self.model.succeeded(channel, item, key, position);
        }
    }

    /// One call of the backend, whatever it may be.
    pub fn some_call(&mut self) {
        match self.any(100) {
            0..34 => self.publishing(),
            34..46 => self.subscribing(),
            46..54 => {
                let body = json!({ "user": self.user(), "channel": self.channel() });
                self.call("unsubscribe", body, Purpose::Other);
            }
            54..58 => self.disconnecting(),
            58..62 => self.refreshing(),
            62..80 => self.reading(),
            80..82 => {
                let channel = self.channel_with(realm::has_history);
                let removals = self.model.removals.entry(channel.to_string()).or_default();
                removals.push(Removal { begun: self.model.now, done: None });
                let purpose = Purpose::Remove(channel, removals.len() - 1);
                self.call("history_remove", json!({ "channel": channel }), purpose);
            }
            82..84 => self.tear_caller(),
            _ => {
                let channel = self.channel_with(realm::has_presence);
                let method = ["presence", "presence_stats", "channels", "info"][self.any(4)];
                self.call(method, json!({ "channel": channel }), Purpose::Other);
            }
        }
    }

    fn user(&mut self) -> &'static str {
        USERS[self.any(USERS.len())]
    }

    fn channel_with(&mut self, has: fn(&str) -> bool) -> &'static str {
        let channels: Vec<&'static str> = self.channels.iter().copied().filter(|channel| has(channel)).collect();
        channels[self.any(channels.len())]
    }

    /// `publish` or `broadcast`, with and without history and idempotency keys; a publisher of its own each time, since
    /// calls over several connections have no order.
    fn publishing(&mut self) {
        let key = (self.any(3) == 0).then(|| format!("k{}", self.any(6)));
        let skips_history = self.any(6) == 0;
        let mut channels = vec![self.channel()];
        if self.any(3) == 0 {
            channels.extend((0..self.any(5)).map(|_| self.channel()).collect::<Vec<_>>());
            if key.is_none() {
                channels.sort_unstable();
                channels.dedup();
            }
        }
        let item = self.model.begin(&channels, realm::CALLS + self.calls.len() as u64);
        if let Some(key) = &key {
            for channel in &channels {
                let keyed = self.model.keyed.entry((channel.to_string(), key.clone())).or_default();
                keyed.items.push(item);
            }
        }
        let mut body = json!({ "data": realm::payload(item), "skip_history": skips_history });
        let tags = realm::tags(item);
        if !tags.is_empty() {
            body["tags"] = json!(tags);
        }
        if self.any(2) == 0 {
            body["delta"] = true.into();
        }
        if let Some(key) = &key {
            body["idempotency_key"] = key.as_str().into();
        }
        let is_single = channels.len() == 1 && self.any(2) == 0;
        let method = if is_single { "publish" } else { "broadcast" };
        match method {
            "publish" => body["channel"] = channels[0].into(),
            _ => body["channels"] = json!(channels),
        }
        self.call(method, body, Purpose::Publish { channels, item, key, skips_history });
    }

    fn subscribing(&mut self) {
        let (user, channel) = (self.user(), self.channel());
        let mut grant = Grant { asked: self.model.now, ..Grant::default() };
        let mut body = json!({ "user": user, "channel": channel });
        let mut exception = |world: &mut World, name: &str| {
            let value = (world.any(6) == 0).then(|| world.any(2) == 0)?;
            body["override"][name] = json!({ "value": value });
            Some(value)
        };
        if realm::has_presence(channel) {
            grant.presence = exception(self, "presence");
            grant.hears_joins = exception(self, "force_push_join_leave");
        }
        if realm::has_history(channel) {
            grant.recovery = exception(self, "force_recovery");
        }
        if self.any(4) == 0
            && let Some(page) = self.model.pages.iter().rev().find(|page| page.channel == channel)
        {
            let (top, epoch) = &page.top;
            grant.has_since = true;
            body["recover_since"] = json!({ "offset": top, "epoch": epoch });
        }
        let mut expire_at = 0;
        if self.any(12) == 0 {
            expire_at = self.now.wall.seconds() + 2 + self.any(10) as i64;
            grant.expire_at = expire_at;
            body["expire_at"] = expire_at.into();
        }
        if self.any(3) == 0
            && let Some(client) = self.some_client()
            && let Some(id) = self.clients[client].id.clone()
        {
            (body["user"], body["client"]) = (self.clients[client].user.clone().into(), id.into());
        }
        body["data"] = json!({ "g": self.model.grants.len() });
        self.model.grants.push(grant);
        self.call("subscribe", body, Purpose::Subscribe { expire_at });
    }

    fn disconnecting(&mut self) {
        let user = self.user();
        let id = self.some_client().and_then(|client| self.clients[client].id.clone()).unwrap_or_default();
        let body = match self.any(3) {
            0 => json!({ "user": user, "whitelist": [id] }),
            1 => json!({ "user": user, "client": id, "disconnect": { "code": 4001, "reason": "bye" } }),
            _ => json!({ "user": user, "client": id }),
        };
        self.call("disconnect", body, Purpose::Other);
    }

    fn refreshing(&mut self) {
        let (user, now) = (self.user(), self.now.wall.seconds());
        let (body, end) = match self.any(4) {
            0 => (json!({ "user": user, "expire_at": now + 2 }), now + 2),
            1 => (json!({ "user": user, "expire_at": 0 }), 0),
            2 if self.any(2) == 0 => (json!({ "user": user, "expired": true }), -1),
            _ => (json!({ "user": user, "expire_at": now + 1000, "info": { "i": now } }), now + 1000),
        };
        self.model.expiries.entry(user.to_string()).or_default().push((end, self.model.now));
        self.call("refresh", body, Purpose::Other);
    }

    fn reading(&mut self) {
        let channel = self.channel_with(realm::has_history);
        let (kind, reverse) = (self.any(4), self.any(4) == 0);
        let mut body = json!({ "channel": channel, "reverse": reverse, "limit": -1 });
        match kind {
            0 => body["limit"] = (self.any(5) as u64).into(),
            1 => body["since"] = json!({ "offset": 1 + self.any(20) }),
            _ => {}
        }
        let known = |((placed, _), position): (&(String, Item), &Option<Position>)| {
            position.as_ref().filter(|_| placed == channel).map(|position| position.0)
        };
        let known_top = self.model.placed.iter().filter_map(known).max().unwrap_or(0);
        let reading = match (kind, reverse) {
            (2.., reverse) => Reading::Whole { reverse },
            (_, true) => Reading::ReversePart,
            (_, false) => Reading::Part,
        };
        self.call("history", body, Purpose::History { channel, known_top, reading });
    }
}

/// One answer, if it is complete.
fn take_answer(input: &mut Vec<u8>) -> Option<(u16, String)> {
    let end = input.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&input[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().expect("a status");
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a length");
    let total = end + length.parse::<usize>().expect("a number");
    if input.len() < total {
        return None;
    }
    let body = String::from_utf8_lossy(&input[end..total]).to_string();
    input.drain(..total);
    Some((status, body))
}
