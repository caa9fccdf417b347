//! The real binary over real sockets: deliveries across cores, compression, bad input, fetched keys, slow readers, those
//! that catch up, write delays, floods, one connection per user, signals, TLS, refused starts, filters of system calls.

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod catch_up;
mod confined;
mod deflate;
mod delivery;
mod echo;
mod faults;
mod jwks;
mod limits;
mod overload;
mod restart;
mod secrets;
mod sole;
mod spread;
mod start;
mod stop;
mod storm;
mod tls;
mod tools;
mod write_delay;

/// One open namespace, key `k`.
const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true, "allowed_origins": ["https://good.example"]},
  "http_api": {"key": "k"},
  "health": {"enabled": true},
  "prometheus": {"enabled": true},
  "channel": {"namespaces": [
    {"name": "open", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
     "allow_publish_for_client": true, "allow_publish_for_anonymous": true}
  ]}
}"#;
