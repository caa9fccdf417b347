//! What happens in the world: clients come, subscribe, publish, are torn, read slowly and come back; cores stand still;
//! time passes. What the backend does is in `calls` and `probe`.

use crate::calls::Purpose;
use crate::client::{Client, ws};
use crate::filters::Filter;
use crate::realm::{self, EXPIRING, META_TTL, USERS, has_history};
use crate::stretch::Wish;
use crate::world::{Eyes, UNLIMITED, Who, World};
use corecast::id::Core;
use corecast::limits;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// Clients of one run.
pub const CLIENTS_MAX: usize = 50;

/// When all is well, a publication reaches everybody in so long.
const CANARY: Duration = Duration::from_secs(2);

impl World {
    /// The first client sees everything: it subscribes before anything happens, reads fast and is never torn.
    pub const WITNESS: usize = 0;

    /// Subscribes the witness to every channel and waits until it is.
    pub fn call_the_witness(&mut self) {
        self.open_client("witness", false, UNLIMITED, 0);
        for channel in self.channels.clone() {
            let bytes = self.clients[World::WITNESS].subscribe(channel, Wish::default(), 0, self.model.now);
            self.send(self.clients[World::WITNESS].link, bytes);
        }
        self.come_to_rest();
        assert_eq!(self.clients[World::WITNESS].stretches.len(), self.channels.len());
    }

    /// Lets one thing happen.
    pub fn step(&mut self) {
        let action = self.any(1080);
        self.model.now.step += 1;
        self.digest.add(action, &[]);
        match action {
            0..60 => self.someone_comes(),
            60..170 => self.client_command(),
            170..240 => self.publish(),
            240..290 => self.lose_client(),
            290..320 => self.disturb_a_core(),
            320..430 => self.give_room(),
            430..456 => self.let_time_pass(),
            456..460 => self.set_clock(),
            460..540 => self.some_call(),
            540..620 => self.probe_step(),
            620..650 => self.try_a_fence(),
            650..672 => self.try_the_rules(),
            672..676 => self.reload(),
            676..690 => self.hoard(),
            690..700 => self.cut_budget(),
            _ => {
                // The more cores there are the more of them are at work.
                for _ in 0..self.pace * (1 + self.nodes.len() / 2) {
                    let core = self.any(self.nodes.len());
                    self.turn(core);
                }
            }
        }
    }

    pub fn channel(&mut self) -> &'static str {
        let at = self.any(self.channels.len());
        self.channels[at]
    }

    /// A client of `user` connects to any core; so many channels come with the connection.
    pub fn open_client(&mut self, user: &str, protobuf: bool, room: usize, subs: usize) -> usize {
        let former = if self.any(4) > 0 { self.former(user) } else { None };
        self.open_client_after(former, user, protobuf, room, subs)
    }

    /// The same, knowing what `former` knew.
    pub fn open_client_after(
        &mut self,
        former: Option<usize>,
        user: &str,
        protobuf: bool,
        room: usize,
        subs: usize,
    ) -> usize {
        let (at, core) = (self.clients.len(), self.any(self.nodes.len()));
        let link = self.open(Who::Client(at), core, room);
        let mut client = Client::new(link, core, user, protobuf);
        if let Some(former) = former {
            client.succeed(&mut self.clients[former]);
        }
        let mut wishes: Vec<(&str, Wish)> = Vec::new();
        for _ in 0..subs {
            let channel = self.channel_for(&client);
            wishes.push((channel, self.wish(channel)));
        }
        let fields = if at.is_multiple_of(3) { ws::DEFLATE } else { "" };
        let mut bytes = ws::upgrade(if protobuf { "?cf_protocol=protobuf" } else { "" }, fields);
        if EXPIRING.contains(&user) {
            let until = self.some_end();
            bytes.extend(client.connect(&realm::token(user, None, until), until, &wishes, self.model.now));
        } else {
            let token = self.tokens.entry(user.to_string()).or_insert_with(|| realm::token(user, None, 0));
            bytes.extend(client.connect(token, 0, &wishes, self.model.now));
        }
        self.clients.push(client);
        self.send(link, bytes);
        at
    }

    /// A client of the user that is gone and that nobody has come back for.
    fn former(&mut self, user: &str) -> Option<usize> {
        let is_gone = |client: &Client| client.user == user && !client.is_succeeded && !self.is_alive(client);
        let gone: Vec<usize> = (0..self.clients.len()).filter(|at| is_gone(&self.clients[*at])).collect();
        (!gone.is_empty()).then(|| gone[self.any(gone.len())])
    }

    fn someone_comes(&mut self) {
        if self.clients.len() >= CLIENTS_MAX {
            return;
        }
        let room = if self.any(4) == 0 && self.chaos.reads_slowly { 1000 } else { 1 << 20 };
        let subs = if self.any(3) > 0 { 1 + self.any(5) } else { 0 };
        let users = [&USERS[..], &EXPIRING].concat();
        let (user, protobuf) = (users[self.any(users.len())], self.any(2) == 0);
        self.open_client(user, protobuf, room, subs);
    }

    fn open_clients(&self) -> Vec<usize> {
        let is_user = |user: &str| USERS.contains(&user) || EXPIRING.contains(&user);
        let is_ordinary = |client: &&Client| is_user(&client.user) && self.is_alive(client);
        (0..self.clients.len()).filter(|at| is_ordinary(&&self.clients[*at])).collect()
    }

    /// Any client but the witness and those of the probes.
    pub fn some_client(&mut self) -> Option<usize> {
        let open = self.open_clients();
        (!open.is_empty()).then(|| open[self.any(open.len())])
    }

    /// Mostly one that the client was in before.
    fn channel_for(&mut self, client: &Client) -> &'static str {
        let is_known = |channel: &&&str| client.known.contains_key(**channel);
        let known: Vec<&'static str> = self.channels.iter().filter(is_known).copied().collect();
        if known.is_empty() || self.any(6) == 0 { self.channel() } else { known[self.any(known.len())] }
    }

    /// What a client wants of the channel: often something that the channel has.
    pub fn wish(&mut self, channel: &str) -> Wish {
        let filter = Filter::number(self.any(Filter::COUNT));
        Wish { delta: self.any(2) == 0, filter: (realm::has_filters(channel) && self.any(2) == 0).then_some(filter) }
    }

    fn client_command(&mut self) {
        let Some(at) = self.some_client() else { return };
        let client = std::mem::replace(&mut self.clients[at], Client::new(0, 0, "", false));
        let channel = self.channel_for(&client);
        self.clients[at] = client;
        let (reads, wish, now) = (has_history(channel) && self.any(3) == 0, self.wish(channel), self.model.now);
        let (refreshes, renews) = (self.any(5) == 0, self.any(4) == 0);
        let (expires, end) = (self.any(4) == 0, self.some_end());
        let client = &mut self.clients[at];
        let bytes = match client.active(channel).is_some() {
            _ if renews && EXPIRING.contains(&&client.user[..]) => client.refresh(end, now),
            true if refreshes => client.sub_refresh(channel, end, now),
            true if reads => client.history(channel, now),
            true => client.unsubscribe(channel, now),
            false => client.subscribe(channel, wish, if expires { end } else { 0 }, now),
        };
        self.send(self.clients[at].link, bytes);
    }

    /// Soon, or not within a run; perhaps too soon for the server to see the token in time.
    fn some_end(&mut self) -> i64 {
        let seconds = if self.any(5) == 0 { 1000 } else { 1 + self.any(12) as i64 };
        self.now.wall.seconds() + seconds
    }

    fn publish(&mut self) {
        let Some(at) = self.some_client() else { return };
        let channel = self.channel();
        for _ in 0..1 + self.any(4) {
            let item = self.model.begin(&[channel], at as u64);
            let bytes = self.clients[at].publish(channel, item, self.model.now);
            self.send(self.clients[at].link, bytes);
        }
    }

    fn lose_client(&mut self) {
        let Some(at) = self.some_client() else { return };
        if self.clients[at].id.is_none() && self.any(4) > 0 {
            return;
        }
        if !self.chaos.tears {
            return;
        }
        self.tear(self.clients[at].link);
        if self.any(3) > 0 && self.clients.len() < CLIENTS_MAX {
            // It comes back at once, when what it knows is still worth something.
            let (user, protobuf, subs) = (self.clients[at].user.clone(), self.any(2) == 0, 1 + self.any(4));
            self.open_client_after(Some(at), &user, protobuf, 1 << 20, subs);
        }
    }

    fn give_room(&mut self) {
        let Some(at) = self.some_client() else { return };
        let room = 1 + self.any(2000);
        let link = self.clients[at].link;
        self.links[link].room = self.links[link].room.saturating_add(room);
    }

    /// So much time passes that every core has asked where its channels stand.
    pub fn wait_for_checks(&mut self) {
        for _ in 0..3 {
            self.pass_time(realm::CHECK_DELAY);
            self.come_to_rest();
        }
    }

    /// Everybody subscribes again to what it has lost.
    pub fn resubscribe(&mut self) {
        let present: Vec<usize> = (0..self.clients.len()).filter(|at| self.is_alive(&self.clients[*at])).collect();
        for at in present {
            let channels: Vec<String> = self.clients[at].known.keys().cloned().collect();
            for channel in channels
                .iter()
                .filter(|channel| self.clients[at].active(channel).is_none())
                .cloned()
                .collect::<Vec<_>>()
            {
                let bytes = self.clients[at].subscribe(&channel, Wish::default(), 0, self.model.now);
                self.send(self.clients[at].link, bytes);
            }
        }
        self.come_to_rest();
    }

    /// Nothing that waits is left anywhere.
    pub fn check_at_rest(&mut self) {
        self.check_expiries();
        if self.eyes == Eyes::Inside {
            self.nodes.iter().for_each(|node| node.shard.check_at_rest());
            self.nodes.iter().for_each(|node| node.shard.check_timers());
            self.check_interest();
        }
    }

    /// Every owner knows what each core wants to hear, and nothing else.
    fn check_interest(&self) {
        let channels: BTreeSet<&str> =
            self.clients.iter().flat_map(|client| &client.stretches).map(|stretch| &stretch.channel[..]).collect();
        for channel in channels {
            let owner = &self.nodes[self.owner(channel)].shard;
            for (core, node) in self.nodes.iter().enumerate() {
                let known = owner.known_of(channel, Core(core as u16));
                assert_eq!(known, node.shard.asked_of(channel), "{channel}: what core {core} wants");
            }
        }
    }

    /// One publication more for every channel: it reaches everybody who is subscribed, within two seconds.
    pub fn sing(&mut self) {
        let began = self.now.mono;
        let item = self.model.begin(&self.channels, realm::CALLS + self.calls.len() as u64);
        let body = json!({ "channels": self.channels, "data": realm::payload(item), "tags": realm::tags(item) });
        let channels = self.channels.clone();
        self.call("broadcast", body, Purpose::Publish { channels, item, key: None, skips_history: false });
        self.come_to_rest();
        assert!(self.now.mono.since(began) <= CANARY, "the last publication took {:?}", self.now.mono.since(began));
        for (at, client) in self.clients.iter().enumerate().filter(|(_, client)| self.is_alive(client)) {
            for channel in &self.channels {
                let Some(stretch) = client.active(channel).filter(|stretch| stretch.wants(item)) else { continue };
                let has_come = stretch.got.iter().rev().any(|heard| heard.item() == Some(item));
                assert!(has_come, "client {at} has not got the last publication: {stretch:?}");
            }
        }
    }

    /// Everybody goes. When the times of all channels are over, the cores remember nothing.
    pub fn end(&mut self) {
        for link in (0..self.links.len()).filter(|link| self.links[*link].is_open).collect::<Vec<_>>() {
            self.tear(link);
        }
        self.come_to_rest();
        // The position of a channel may have been used a moment ago. No timer lasts longer than that of a silent peer.
        let silence = Duration::from_millis(limits::HTTP_IDLE_TIMEOUT_MS);
        for delay in [META_TTL, META_TTL, META_TTL, silence] {
            self.pass_time(delay);
            self.come_to_rest();
        }
        if self.eyes == Eyes::Inside {
            self.nodes.iter().for_each(|node| node.shard.check_empty());
        }
    }
}
