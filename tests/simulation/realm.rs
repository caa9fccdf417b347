//! The channels of the simulated world and what their namespaces promise.

use corecast::config::settings::{Namespace, Settings};
use std::time::Duration;

/// Channels that everybody uses; the witness listens to all of them.
pub const CHANNELS: [&str; 7] = ["c0", "c1", "c2", "rec:0", "rec:1", "pres:0", "all:0"];
/// Users whose clients come and go, and whom calls of the API are about.
pub const USERS: [&str; 3] = ["u0", "u1", "u2"];
/// Bytes that may wait for one client.
pub const OUTBOX: usize = 6000;
/// Publications kept.
pub const HISTORY_SIZE: usize = 8;
/// They vanish so long after the last one.
pub const HISTORY_TTL: Duration = Duration::from_secs(20);
/// A position outlives the last use of its channel by so much: less than a run may last.
pub const META_TTL: Duration = Duration::from_secs(30);
/// More is not recovered.
pub const RECOVERY_MAX: usize = 6;
/// Connections of one user.
pub const USER_CONNECTIONS_MAX: usize = 6;
const SECRET: &str = "secret";

/// True when subscribers of the channel are listed, and hear of each other.
pub fn has_presence(channel: &str) -> bool {
    channel.starts_with("pres:") || channel.starts_with("all:")
}

/// True when publications of the channel have positions.
pub fn has_history(channel: &str) -> bool {
    channel.starts_with("rec:") || channel.starts_with("all:")
}

pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.client.token.hmac_secret_key = SECRET.into();
    settings.client.queue_max_size = OUTBOX;
    settings.client.recovery_max_publication_limit = RECOVERY_MAX;
    settings.client.expired_close_delay = Duration::from_secs(1);
    // A core that stands still for long is part of the world; its clients must not be blamed for it.
    settings.client.pong_timeout = None;
    settings.http_api.key = "k".into();
    let open = Namespace { allow_subscribe_for_client: true, allow_publish_for_client: true, ..Namespace::default() };
    let history = Namespace {
        history_size: HISTORY_SIZE,
        history_ttl: HISTORY_TTL,
        history_meta_ttl: META_TTL,
        force_recovery: true,
        allow_history_for_subscriber: true,
        ..open.clone()
    };
    let presence = |namespace: &Namespace| Namespace {
        presence: true,
        join_leave: true,
        force_push_join_leave: true,
        ..namespace.clone()
    };
    settings.channel.without_namespace = open.clone();
    settings.channel.namespaces =
        vec![("rec".into(), history.clone()), ("pres".into(), presence(&open)), ("all".into(), presence(&history))];
    settings
}

/// A connection token of a user.
pub fn token(user: &str) -> String {
    use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
    let claims = serde_json::json!({ "sub": user });
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token")
}
