//! Whole cores: connections that come, speak and go, calls of the server API, time, messages between two cores that are
//! held up, peers that stop reading. Nothing panics; a connection's replies are one for each command, in their order; no
//! push goes ahead of the reply to `connect`; nothing follows a close frame or the end of a side; when all are gone nothing
//! is left on the cores.

use super::pure::{Pure, START_UNIX};
use super::script::Script;
use super::sessions_peer::{Client, Speech};
use corecast::config::settings::Settings;
use corecast::config::{Sources, load};
use corecast::limits;
use std::sync::LazyLock;
use std::time::Duration;

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true, "queue_max_size": 4000, "channel_limit": 6,
    "insecure_skip_token_signature_verify": true, "channel_position_check_delay": "3s",
    "recovery_max_publication_limit": 6, "history_max_publication_limit": 5,
    "subscribe_to_user_personal_channel": {"enabled": true, "personal_channel_namespace": "all"}},
  "websocket": {"compression": true, "compression_min_size": 60, "message_size_limit": 3000, "write_timeout": "5s"},
  "rpc": {"ping": {"enabled": true}},
  "http_api": {"key": "k"},
  "channel": {"history_meta_ttl": "40s",
    "without_namespace": {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
      "allow_publish_for_client": true, "allow_publish_for_anonymous": true},
    "namespaces": [
      {"name": "all", NAMESPACE, "force_recovery": true, "presence": true, "join_leave": true, "force_push_join_leave": true,
        "allow_presence_for_subscriber": true, "allow_presence_for_anonymous": true, "corecast_write_delay": "100ms"},
      {"name": "rec", NAMESPACE, "force_recovery": true, "corecast_slow_consumer": "catch_up"},
      {"name": "auto", NAMESPACE, "force_recovery": true, "force_recovery_mode": "cache", "auto_cache_recover": true},
      {"name": "usr", NAMESPACE, "force_recovery": true, "allow_user_limited_channels": true},
      {"name": "pos", NAMESPACE, "force_positioning": true, "channel_regex": "^[a-z0-9]+$"}
    ]}
}"#;
const NAMESPACE: &str = r#""allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
  "allow_publish_for_client": true, "allow_publish_for_anonymous": true, "allow_history_for_client": true,
  "allow_history_for_anonymous": true, "history_size": 4, "history_ttl": "20s", "allow_tags_filter": true, "allowed_delta_types": ["fossil"], "delta_publish": true"#;

static SETTINGS: LazyLock<[Settings; 2]> = LazyLock::new(|| {
    let read = |text: &str| load(&Sources::of_file("config.json", text)).unwrap_or_else(|e| panic!("{e}")).settings;
    let mut open = read(&CONFIG.replace("NAMESPACE", NAMESPACE));
    open.client.user_connection_limit = 2;
    // What `info` says of the last interval is half of the time otherwise.
    open.node.info_metrics_aggregate_interval = Duration::from_secs(3600);
    let mut strict = open.clone();
    strict.client.personal_channel.single_connection = true;
    strict.client.queue_max_size = 600;
    strict.client.connection_limit = 4;
    strict.client.ping_interval = Some(Duration::from_secs(5));
    strict.client.pong_timeout = Some(Duration::from_secs(2));
    [open, strict]
});

/// More would only be more of the same.
const CONNECTIONS_MAX: usize = 10;
const STEPS_MAX: usize = 150;

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (settings, cores) = (&SETTINGS[script.below(2)], 1 + script.below(2));
    let mut world = World { pure: Pure::new(settings, cores), clients: Vec::new() };
    if script.flag() {
        world.pure.hold_messages();
    }
    for _ in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        world.step(&mut script);
    }
    world.end();
}

struct World {
    pure: Pure,
    clients: Vec<Client>,
}

impl World {
    fn step(&mut self, script: &mut Script<'_>) {
        let op = script.byte();
        match op % 16 {
            0 => self.open(script),
            1 => self.with_client(script, |client, pure, script| client.connect(pure, script)),
            2..=7 => self.with_client(script, |client, pure, script| client.command(pure, script)),
            8 => self.with_client(script, |client, pure, script| client.raw_message(pure, script)),
            9 => self.with_client(script, |client, pure, script| client.raw_bytes(pure, script)),
            10 | 11 => self.call(script),
            12 => self.pass(script),
            13 => _ = self.pure.let_go(script.below(8)),
            14 => self.with_client(script, |client, pure, script| client.take_only(pure, script)),
            _ => self.with_client(script, |client, pure, script| client.leave(pure, script)),
        }
        self.look();
    }

    fn open(&mut self, script: &mut Script<'_>) {
        if self.clients.len() < CONNECTIONS_MAX {
            let speech = script.choose(&[Speech::Json, Speech::Protobuf, Speech::Http, Speech::Json]);
            self.clients.push(Client::open(&mut self.pure, speech, script.byte()));
        }
    }

    fn with_client(&mut self, script: &mut Script<'_>, act: impl Fn(&mut Client, &mut Pure, &mut Script<'_>)) {
        let at = script.byte();
        if !self.clients.is_empty() {
            let at = usize::from(at) % self.clients.len();
            act(&mut self.clients[at], &mut self.pure, script);
        }
    }

    /// A call of the server API, by the last connection that speaks HTTP.
    fn call(&mut self, script: &mut Script<'_>) {
        if let Some(client) = self.clients.iter_mut().rfind(|client| client.speech() == Speech::Http) {
            client.call(&mut self.pure, script);
        }
    }

    fn pass(&mut self, script: &mut Script<'_>) {
        let millis = script.choose(&[1, 150, 1_000, 4_000, 9_000, 26_000, 70_000]);
        self.pure.advance(Duration::from_millis(millis));
    }

    fn look(&mut self) {
        for client in &mut self.clients {
            client.look(&mut self.pure);
        }
    }

    /// Everything arrives and everybody reads; then everybody goes.
    fn end(&mut self) {
        for wire in 0..self.clients.len() {
            self.pure.limit(wire, None);
        }
        self.settle(1);
        self.look();
        self.settle(1);
        self.look();
        assert!(self.pure.asks.is_empty(), "no key is fetched here");
        self.clients.iter_mut().for_each(|client| client.is_answered(&self.pure));
        for shard in &self.pure.shards {
            shard.check_at_rest();
        }
        for client in &mut self.clients {
            client.go(&mut self.pure);
        }
        self.settle(limits::CLOSE_TIMEOUT_MS / 1000 + limits::GATHER_TIMEOUT_MS / 1000);
        // What is remembered of channels is over by then, wherever the clock stands, and so are the timers of connections.
        self.settle(200.max(limits::HTTP_IDLE_TIMEOUT_MS / 1000));
        assert!(self.pure.now.wall.0 > START_UNIX * 1000);
        for shard in &self.pure.shards {
            shard.check_empty();
        }
    }

    fn settle(&mut self, seconds: u64) {
        while self.pure.let_go(0) {}
        for _ in 0..4 {
            self.pure.advance(Duration::from_millis(seconds * 250));
            while self.pure.let_go(0) {}
        }
    }
}
