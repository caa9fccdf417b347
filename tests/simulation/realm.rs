//! The channels of the simulated world and what their namespaces promise.

use crate::fences;
use crate::model::Item;
use corecast::config::settings::{Namespace, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Channels that everybody uses; a world has some of them, and the last one always. The witness listens to all.
pub const CHANNELS: [&str; 11] =
    ["c0", "c1", "c2", "rec:0", "rec:1", "pres:0", "tag:0", "del:0", "cache:0", "auto:0", "all:0"];
/// Users whose clients come and go, and whom calls of the API are about.
pub const USERS: [&str; 3] = ["u0", "u1", "u2"];
/// Users whose connections expire unless they are refreshed; calls of the API leave those alone.
pub const EXPIRING: [&str; 2] = ["e0", "e1"];
/// A silent channel is asked for its position after so long.
pub const CHECK_DELAY: Duration = Duration::from_secs(3);
/// A connection that has not connected by then is closed.
pub const STALE_DELAY: Duration = Duration::from_secs(10);
/// A connection lives so much longer than its token says, and a subscription than its own.
pub const CLOSE_DELAY: Duration = Duration::from_secs(1);
pub const SUB_CLOSE_DELAY: Duration = Duration::from_secs(2);
/// Bytes that may wait for one client.
pub const OUTBOX: usize = 1500;
/// Publications kept.
pub const HISTORY_SIZE: usize = 8;
/// They vanish so long after the last one.
pub const HISTORY_TTL: Duration = Duration::from_secs(20);
/// A position outlives the last use of its channel by so much: less than a run may last.
pub const META_TTL: Duration = Duration::from_secs(30);
/// So long what is pushed in some channels waits for more.
pub const WRITE_DELAY: Duration = Duration::from_millis(100);
/// More is not recovered.
pub const RECOVERY_MAX: usize = 6;
/// Subscriptions of one connection: more than any but the hoarder has.
pub const CHANNEL_LIMIT: usize = 20;
/// Connections of one user.
pub const USER_CONNECTIONS_MAX: usize = 10;
/// Who publishes has a number: those of calls of the API begin here.
pub const CALLS: u64 = 1000;
const SECRET: &str = "secret";

fn is_of(channel: &str, namespaces: &[&str]) -> bool {
    channel.split_once(':').is_some_and(|(namespace, _)| namespaces.contains(&namespace))
}

/// True when subscribers of the channel are listed, and hear of each other.
pub fn has_presence(channel: &str) -> bool {
    is_of(channel, &["pres", "all", "fans"])
}

/// True when publications of the channel have positions.
pub fn has_history(channel: &str) -> bool {
    is_of(channel, &["rec", "del", "cache", "auto", "all"])
}

/// True when subscribers are recovered by the newest publication alone.
pub fn is_cache(channel: &str) -> bool {
    is_of(channel, &["cache", "auto"])
}

/// True when that happens to all of them.
pub fn recovers_unasked(channel: &str) -> bool {
    is_of(channel, &["auto"])
}

/// True when subscribers may choose publications by their tags.
pub fn has_filters(channel: &str) -> bool {
    is_of(channel, &["tag", "cache", "all"])
}

/// True when subscribers may have deltas.
pub fn has_deltas(channel: &str) -> bool {
    is_of(channel, &["del", "cache", "all"])
}

/// What a publication says. Every other one is long enough to be told as a patch of the one before.
pub fn payload((publisher, number): Item) -> Value {
    if number % 3 == 0 {
        return json!({ "n": number, "p": publisher });
    }
    let text = "Déjà vu: a counter is read by all, and the naïve reader takes what it says for time.".chars();
    json!({ "n": number, "p": publisher, "text": text.take(40 + (number % 2) as usize * 20).collect::<String>() })
}

/// Its tags. Those of clients have none.
pub fn tags((publisher, number): Item) -> BTreeMap<&'static str, String> {
    if publisher < CALLS || number % 4 == 0 {
        return BTreeMap::new();
    }
    BTreeMap::from([("k", ["a", "b", "c"][number as usize % 3].to_string()), ("n", (number % 10).to_string())])
}

/// True when its slow subscribers fall behind and catch up.
pub fn catches_up(channel: &str) -> bool {
    is_of(channel, &["rec", "del"])
}

pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.client.token.hmac_secret_key = SECRET.into();
    settings.client.queue_max_size = OUTBOX;
    settings.websocket.write_timeout = Some(Duration::from_secs(5));
    settings.client.channel_limit = CHANNEL_LIMIT;
    settings.client.recovery_max_publication_limit = RECOVERY_MAX;
    settings.client.channel_position_check_delay = CHECK_DELAY;
    settings.client.stale_close_delay = STALE_DELAY;
    settings.client.expired_close_delay = CLOSE_DELAY;
    settings.client.expired_sub_close_delay = SUB_CLOSE_DELAY;
    // A core that stands still for long is part of the world; its clients must not be blamed for it.
    settings.client.pong_timeout = None;
    settings.websocket.compression_min_size = 80;
    settings.http_api.key = "k".into();
    settings.channel.without_namespace = open();
    let namespaces = namespaces().into_iter().chain(fences::namespaces());
    settings.channel.namespaces = namespaces.map(|(name, options)| (name.to_string(), options)).collect();
    settings
}

fn open() -> Namespace {
    Namespace { allow_subscribe_for_client: true, allow_publish_for_client: true, ..Namespace::default() }
}

fn namespaces() -> [(&'static str, Namespace); 7] {
    let history = Namespace {
        history_size: HISTORY_SIZE,
        history_ttl: HISTORY_TTL,
        history_meta_ttl: META_TTL,
        force_recovery: true,
        allow_history_for_subscriber: true,
        ..open()
    };
    let presence = Namespace { presence: true, join_leave: true, force_push_join_leave: true, ..open() };
    let deltas = vec!["fossil".to_string()];
    let cache = Namespace { force_recovery_mode: "cache".into(), ..history.clone() };
    let catch_up = Namespace { corecast_slow_consumer: "catch_up".into(), ..history.clone() };
    [
        ("rec", catch_up.clone()),
        ("tag", Namespace { allow_tags_filter: true, corecast_write_delay: WRITE_DELAY, ..open() }),
        ("del", Namespace { allowed_delta_types: deltas.clone(), delta_publish: true, ..catch_up }),
        ("auto", Namespace { auto_cache_recover: true, ..cache.clone() }),
        ("cache", Namespace { allow_tags_filter: true, allowed_delta_types: deltas.clone(), ..cache }),
        ("pres", presence.clone()),
        (
            "all",
            Namespace {
                presence: true,
                join_leave: true,
                force_push_join_leave: true,
                allow_tags_filter: true,
                allowed_delta_types: deltas,
                corecast_write_delay: WRITE_DELAY,
                ..history
            },
        ),
    ]
}

/// A token of a user: for a connection, or for a subscription to `channel`. Good until `until`, in Unix seconds; 0: for
/// ever.
pub fn token(user: &str, channel: Option<&str>, until: i64) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let mut claims = json!({ "sub": user });
    if let Some(channel) = channel {
        claims["channel"] = channel.into();
    }
    if until > 0 {
        claims["exp"] = until.into();
    }
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}
