//! One connection per user (`single_connection`), on real sockets.

use super::common::server::{PATIENCE, Server};
use super::common::socket::Socket;
use super::common::ws::Arrival;
use serde_json::json;
use std::time::Instant;

#[test]
fn of_many_real_connections_of_a_user_the_last_one_stays() {
    let config = json!({
        "client": {
            "token": {"hmac_secret_key": "secret"},
            "subscribe_to_user_personal_channel":
                {"enabled": true, "personal_channel_namespace": "listed", "single_connection": true},
        },
        "http_api": {"key": "k"},
        "channel": {"namespaces": [{"name": "listed", "presence": true}]},
    });
    let server = Server::start(&config.to_string(), 2);
    for user in ["a", "b", "c", "d"] {
        let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
        let token =
            jsonwebtoken::encode(&jsonwebtoken::Header::default(), &json!({"sub": user}), &key).expect("a token");
        let connect = json!({"id": 1, "connect": {"token": token}}).to_string();
        let mut sockets: Vec<Socket> = (0..12).map(|_| Socket::open(&server)).collect();
        // All at once: the cores meet them in different orders.
        sockets.iter_mut().for_each(|socket| socket.send(&connect));
        let replies = sockets.iter_mut().map(|socket| socket.text().expect("a reply"));
        assert!(replies.into_iter().all(|reply| reply.contains("\"connect\"")));
        // Those who go have left presence before they are told; the one that stays hears of what comes then.
        let channel = format!("listed:#{user}");
        let deadline = Instant::now() + PATIENCE;
        let stats = json!({"channel": channel}).to_string();
        while !server.api("presence_stats", &stats).1.contains("\"num_clients\":1,") {
            assert!(Instant::now() < deadline, "one is left");
        }
        assert_eq!(server.api("publish", &json!({"channel": channel, "data": 1}).to_string()).0, 200);
        let heard: Vec<_> = sockets.iter_mut().map(Socket::next).collect();
        let end = Some(Arrival::Close(Some(3504), "connection limit".into()));
        let kept =
            heard.iter().filter(|heard| matches!(heard, Some(Arrival::Text(text)) if text.starts_with(b"{\"push")));
        assert_eq!(heard.iter().filter(|heard| **heard == end).count(), 11, "{heard:?}");
        assert_eq!(kept.count(), 1, "{heard:?}");
    }
}
