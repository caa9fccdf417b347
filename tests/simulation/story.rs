//! What happens in the world: clients come, subscribe, publish, are torn, read slowly and come back; cores stand still;
//! time passes. What the backend does is in `calls` and `probe`.

use crate::client::{Client, ws};
use crate::realm::{CHANNELS, META_TTL, USERS, has_history};
use crate::world::{Who, World};
use std::time::Duration;

/// Clients of one run.
const CLIENTS_MAX: usize = 26;

impl World {
    /// The first client sees everything: it subscribes before anything happens, reads fast and is never torn.
    pub const WITNESS: usize = 0;

    /// Subscribes the witness to every channel and waits until it is.
    pub fn call_the_witness(&mut self) {
        self.open_client("witness", false, usize::MAX / 2, &[]);
        for channel in CHANNELS {
            let bytes = self.clients[World::WITNESS].subscribe(channel);
            self.send(self.clients[World::WITNESS].link, bytes);
        }
        self.come_to_rest();
        assert_eq!(self.clients[World::WITNESS].stretches.len(), CHANNELS.len());
    }

    /// Lets one thing happen.
    pub fn step(&mut self) {
        let action = self.any(1000);
        self.trace.push(action as u64);
        match action {
            0..40 => self.someone_comes(),
            40..130 => self.client_command(),
            130..230 => self.publish(),
            230..250 => self.lose_client(),
            250..290 => self.stall(),
            290..420 => self.give_room(),
            420..450 => self.let_time_pass(),
            450..530 => self.some_call(),
            530..620 => self.probe_step(),
            _ => {
                // The more cores there are the more of them are at work.
                for _ in 0..1 + self.nodes.len() / 2 {
                    let core = self.any(self.nodes.len());
                    self.turn(core);
                }
            }
        }
    }

    pub fn channel(&mut self) -> &'static str {
        CHANNELS[self.any(CHANNELS.len())]
    }

    /// A client of `user` connects to any core; the channels in `subs` come with the connection.
    pub fn open_client(&mut self, user: &str, protobuf: bool, room: usize, subs: &[&str]) -> usize {
        let (at, core) = (self.clients.len(), self.any(self.nodes.len()));
        let link = self.open(Who::Client(at), core, room);
        let mut client = Client::new(link, user, protobuf);
        if self.any(2) == 0
            && let Some(former) = self.former(user)
        {
            client.succeed(&mut self.clients[former]);
        }
        let mut bytes = ws::upgrade(if protobuf { "?cf_protocol=protobuf" } else { "" }, "");
        let token = self.tokens.entry(user.to_string()).or_insert_with(|| crate::realm::token(user));
        bytes.extend(client.connect(token, subs));
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
        let room = if self.any(4) == 0 { 1000 } else { 1 << 20 };
        let mut subs: Vec<&str> = Vec::new();
        if self.any(3) == 0 {
            subs.extend((0..1 + self.any(4)).map(|_| self.channel()).collect::<Vec<_>>());
        }
        let (user, protobuf) = (USERS[self.any(USERS.len())], self.any(2) == 0);
        self.open_client(user, protobuf, room, &subs);
    }

    fn open_clients(&self) -> Vec<usize> {
        let is_ordinary = |client: &&Client| USERS.contains(&client.user.as_str()) && self.is_alive(client);
        (0..self.clients.len()).filter(|at| is_ordinary(&&self.clients[*at])).collect()
    }

    /// Any client but the witness and those of the probes.
    pub fn some_client(&mut self) -> Option<usize> {
        let open = self.open_clients();
        (!open.is_empty()).then(|| open[self.any(open.len())])
    }

    fn client_command(&mut self) {
        let Some(at) = self.some_client() else { return };
        let channel = self.channel();
        let reads = has_history(channel) && self.any(3) == 0;
        let client = &mut self.clients[at];
        let bytes = match client.active(channel).is_some() {
            true if reads => client.history(channel),
            true => client.unsubscribe(channel),
            false => client.subscribe(channel),
        };
        self.send(self.clients[at].link, bytes);
    }

    fn publish(&mut self) {
        let Some(at) = self.some_client() else { return };
        let channel = self.channel();
        for _ in 0..1 + self.any(4) {
            let item = self.model.begin(channel, at as u64);
            let bytes = self.clients[at].publish(channel, item);
            self.send(self.clients[at].link, bytes);
        }
    }

    fn lose_client(&mut self) {
        let Some(at) = self.some_client() else { return };
        self.tear(self.clients[at].link);
    }

    /// A core stands still for some time.
    pub fn stall(&mut self) {
        let (core, steps) = (self.any(self.nodes.len()), self.any(40));
        self.nodes[core].stalled = steps;
    }

    fn give_room(&mut self) {
        let Some(at) = self.some_client() else { return };
        let room = 1 + self.any(2000);
        let link = self.clients[at].link;
        self.links[link].room = self.links[link].room.saturating_add(room);
    }

    /// Mostly less than a second; now and then so much that history vanishes. Peers that are about to say something are
    /// not kept waiting so long.
    fn let_time_pass(&mut self) {
        let millis = match self.any(30) {
            0 if self.nodes.iter().all(|node| node.sockets.is_empty()) => 5_000 + self.any(30_000),
            _ => self.any(700),
        };
        self.pass_time(Duration::from_millis(millis as u64));
    }

    /// Nothing that waits is left anywhere.
    pub fn check_at_rest(&self) {
        self.nodes.iter().for_each(|node| node.shard.check_at_rest());
    }

    /// Everybody goes. When the times of all channels are over, the cores remember nothing.
    pub fn end(&mut self) {
        for link in (0..self.links.len()).filter(|link| self.links[*link].is_open).collect::<Vec<_>>() {
            self.tear(link);
        }
        self.come_to_rest();
        // The position of a channel may have been used a moment ago.
        for _ in 0..3 {
            self.pass_time(META_TTL);
            self.come_to_rest();
        }
        self.nodes.iter().for_each(|node| node.shard.check_empty());
    }
}
