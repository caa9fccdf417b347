//! The configuration that the sheet's rows speak of, in both dialects, and a server that has it.

use crate::common::server::Server;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

pub const KEY: &str = "secret";

/// How the configuration file is written. It changes nothing of what a server answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    V5,
    V6,
}

/// The sheet's namespaces and a few with other features.
fn namespaces() -> Value {
    json!([
        {"name": "hist", "history_size": 5, "history_ttl": "300s"},
        {"name": "pres", "presence": true},
        {"name": "plain"},
        {"name": "chat"},
        {"name": "rec", "history_size": 5, "history_ttl": "300s", "force_recovery": true},
        {"name": "pos", "history_size": 5, "history_ttl": "300s", "force_positioning": true},
        {"name": "jl", "presence": true, "join_leave": true, "force_push_join_leave": true},
        {"name": "long", "history_size": 10000, "history_ttl": "300s"},
        {"name": "open", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}
    ])
}

/// The configuration with `changes` laid over it.
pub fn text(dialect: Dialect, changes: Value) -> String {
    let mut config = match dialect {
        Dialect::V5 => json!({
            "api_key": KEY,
            "allow_anonymous_connect_without_token": true,
            "token_hmac_secret_key": "hmac",
            "namespaces": namespaces()
        }),
        Dialect::V6 => json!({
            "http_api": {"key": KEY},
            "client": {
                "allow_anonymous_connect_without_token": true,
                "token": {"hmac_secret_key": "hmac"}
            },
            "channel": {"namespaces": namespaces()}
        }),
    };
    lay_over(&mut config, changes);
    config.to_string()
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

pub fn start(dialect: Dialect, cores: usize, changes: Value) -> Server {
    Server::start(&text(dialect, changes), cores)
}

/// A server that also speaks GRPC, with the key when `key` is not empty; further options as `changes`.
pub fn start_with_grpc(dialect: Dialect, cores: usize, key: &str, changes: Value) -> (Server, SocketAddr) {
    let port = free_port();
    let mut all = match dialect {
        Dialect::V5 => json!({
            "grpc_api": true, "grpc_api_address": "127.0.0.1", "grpc_api_port": port, "grpc_api_key": key
        }),
        Dialect::V6 => json!({"grpc_api": {"enabled": true, "address": "127.0.0.1", "port": port, "key": key}}),
    };
    lay_over(&mut all, changes);
    let mut server = start(dialect, cores, all);
    if server.address.port() == port {
        // The first line of the log spoke of the other port.
        let line = server.wait_for_log("serving");
        server.address.set_port(port_of(&line));
    }
    (server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// The port in a line of the log about an address of this machine.
pub fn port_of(line: &str) -> u16 {
    let rest = line.split("127.0.0.1:").nth(1).expect("an address");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a port")
}

/// A port that nobody listens on and that the kernel gives to nobody else in the meantime: it lies below the ports of
/// the kernel's choice, and each caller gets another.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id() * 211;
        let port = 12_000 + (turn % 20_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A connection token with these claims.
pub fn token(claims: &Value) -> String {
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(b"hmac");
    jsonwebtoken::encode(&header, claims, &key).expect("a token")
}
