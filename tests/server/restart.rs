//! A process that dies takes its history along; who comes back is told so, and never that nothing was missed.

use super::common::server::{PATIENCE, Server};
use super::common::socket::Socket;
use std::time::{Duration, Instant};

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true}, "http_api": {"key": "k"},
  "channel": {"namespaces": [{"name": "rec", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
    "history_size": 100, "history_ttl": "300s", "force_recovery": true}]}
}"#;

fn member<'a>(text: &'a str, name: &str) -> &'a str {
    let rest = text.split(&format!(r#""{name}":"#)).nth(1).unwrap_or_default();
    rest.split([',', '}']).next().unwrap_or_default().trim_matches('"')
}

/// Subscribes and tells the epoch.
fn subscribe(server: &Server, recover: &str) -> (Socket, String) {
    let mut socket = Socket::open(server);
    socket.send(&format!(r#"{{"id":1,"connect":{{}}}}{}{{"id":2,"subscribe":{{"channel":"rec:a"{recover}}}}}"#, "\n"));
    socket.text().expect("connected");
    let reply = socket.text().expect("subscribed");
    (socket, reply)
}

#[test]
fn who_comes_back_after_a_kill_hears_that_nothing_was_recovered_and_a_new_epoch() {
    for cores in [1, 2] {
        let mut server = Server::start(CONFIG, cores);
        for n in 1..=5 {
            server.api("publish", &format!(r#"{{"channel":"rec:a","data":{n}}}"#));
        }
        let (mut socket, reply) = subscribe(&server, "");
        let (epoch, offset) = (member(&reply, "epoch").to_string(), member(&reply, "offset").to_string());
        assert_eq!((epoch.len(), offset.as_str()), (8, "5"), "{reply}");
        server.api("publish", r#"{"channel":"rec:a","data":6}"#);
        assert!(socket.text().is_some_and(|text| text.contains(r#""offset":6"#)));
        let back = format!(r#","recover":true,"epoch":"{epoch}","offset":4"#);
        let (_, reply) = subscribe(&server, &back);
        assert!(reply.contains(r#""recovered":true"#) && reply.contains(r#""offset":6"#), "{reply}");
        let port = server.address.port().to_string();
        server.signal("KILL");
        assert_eq!(server.wait(), None, "killed");
        assert_eq!(socket.text(), None, "nobody says good-bye");
        let began = Instant::now();
        let server = Server::start_under(&[], CONFIG, &["--cores", &cores.to_string(), "--port", &port]);
        println!("served again {:?} after the start", began.elapsed());
        assert_eq!(server.address.port().to_string(), port);
        // As many as there were, and more, so that its position exists again.
        for n in 1..=7 {
            server.api("publish", &format!(r#"{{"channel":"rec:a","data":{n}}}"#));
        }
        let (_, reply) = subscribe(&server, &back);
        assert!(!reply.contains(r#""recovered":true"#), "{reply}");
        assert!(reply.contains(r#""was_recovering":true"#) && !reply.contains("publications"), "{reply}");
        assert_ne!(member(&reply, "epoch"), epoch);
        assert_eq!(member(&reply, "offset"), "7");
        assert!(began.elapsed() < PATIENCE + Duration::from_secs(1));
    }
}
