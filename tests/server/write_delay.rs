//! Publications that wait for more (`corecast_write_delay`, `client.write_delay`) over real sockets: they leave in few writes.

use super::common::server::Server;
use super::common::socket::Socket;

const PUBLICATIONS: usize = 20;
const SUBSCRIBERS: usize = 12;

/// Pushes wait for a second, or for as long as the namespace says.
const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true, "write_delay": "1s"},
  "http_api": {"key": "k"},
  "prometheus": {"enabled": true},
  "rpc": {"ping": {"enabled": true}},
  "channel": {
    "without_namespace": {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true},
    "namespaces": [{"name": "quick", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
      "history_size": 100, "history_ttl": "300s", "force_recovery": true, "corecast_write_delay": "500ms"}]
  }
}"#;

fn writes(server: &Server) -> usize {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let line = metrics.lines().find(|line| line.starts_with("corecast_writes_total ")).expect("a counter");
    line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

fn publish(server: &Server, channel: &str, n: usize) {
    let answer = server.api("publish", &format!(r#"{{"channel":"{channel}","data":{n}}}"#));
    assert_eq!(answer.0, 200);
}

fn few_writes(cores: usize, channel: &str) {
    let server = Server::start(CONFIG, cores);
    let mut clients: Vec<Socket> = (0..SUBSCRIBERS).map(|_| Socket::subscribed(&server, &[channel])).collect();
    let before = writes(&server);
    (0..PUBLICATIONS).for_each(|n| publish(&server, channel, n));
    for client in &mut clients {
        for n in 0..PUBLICATIONS {
            let push = client.text().expect("everything comes");
            assert!(push.contains(&format!(r#""data":{n}"#)), "in order: {push}");
        }
    }
    // The answers and the counter's own request; the machine may need more than one delay for all publications.
    let most = PUBLICATIONS + 1 + SUBSCRIBERS * 3;
    let count = writes(&server) - before;
    assert!(count <= most, "{count} writes instead of {} on {cores} cores", PUBLICATIONS * (SUBSCRIBERS + 1));
}

#[test]
fn publications_within_the_delay_leave_in_few_writes() {
    for cores in [1, 2] {
        few_writes(cores, "news");
        few_writes(cores, "quick:news");
    }
}

#[test]
fn a_reply_does_not_wait_and_takes_along_what_does() {
    let server = Server::start(&CONFIG.replace(r#""1s""#, r#""10s""#), 2);
    let mut clients: Vec<Socket> = (0..4).map(|_| Socket::subscribed(&server, &["news"])).collect();
    publish(&server, "news", 7);
    let published = std::time::Instant::now();
    for client in &mut clients {
        client.send(r#"{"id":9,"rpc":{"method":"ping"}}"#);
        assert!(client.text().expect("the publication").contains(r#""data":7"#));
        assert!(client.text().expect("the reply").contains(r#""id":9"#));
    }
    assert!(published.elapsed().as_secs() < 9, "the delay was not over");
}
