//! What happens at the bounds: slow readers, descriptors, channels, memory and time of idle connections.

use super::CONFIG;
use super::common::server::Server;
use super::common::socket::Socket;
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn a_slow_reader_is_disconnected_and_the_others_are_not() {
    let server = Server::start(CONFIG, 2);
    let mut slow = Socket::subscribed(&server, &["open:flood"]);
    let mut fast = Socket::subscribed(&server, &["open:flood"]);
    let data = "y".repeat(60_000);
    let reader =
        std::thread::spawn(move || (0..400).map(|_| fast.text().expect("kept")).filter(|t| t.len() > 60_000).count());
    for _ in 0..400 {
        assert_eq!(server.api("publish", &format!(r#"{{"channel":"open:flood","data":"{data}"}}"#)).0, 200);
    }
    assert_eq!(reader.join().expect("the fast reader"), 400);
    // What was begun is completed, then comes the close frame; what waited behind it is gone.
    let closed = slow.closed();
    assert_eq!(closed, Some((3008, "slow".into())));
    let metrics = server.request("GET", "/metrics", "", "").1;
    assert!(metrics.contains("corecast_slow_clients_total 1\n"), "{metrics}");
}

/// A server whose clients may have much waiting for them, but have to take something within `timeout`.
fn patient_server(timeout: &str) -> Server {
    let config = CONFIG.replacen('{', &format!(r#"{{ "websocket": {{"write_timeout": "{timeout}"}}, "#), 1);
    Server::start(&config.replacen(r#""client": {"#, r#""client": {"queue_max_size": 1000000000, "#, 1), 2)
}

/// So many publications of 60 kB, more than a socket takes at once.
const FLOOD: usize = 500;

fn flood(server: &Server, channel: &str) {
    let data = "y".repeat(60_000);
    for _ in 0..FLOOD {
        let body = format!(r#"{{"channel":"{channel}","data":"{data}"}}"#);
        assert_eq!(server.api("publish", &body).0, 200);
    }
}

#[test]
fn a_client_that_takes_nothing_for_the_write_timeout_is_cut() {
    let server = patient_server("500ms");
    let mut silent = Socket::subscribed(&server, &["open:flood"]);
    flood(&server, "open:flood");
    let deadline = std::time::Instant::now() + super::common::server::PATIENCE;
    let is_cut = || {
        let metrics = server.request("GET", "/metrics", "", "").1;
        metrics.contains("centrifugo_client_num_server_disconnects{code=\"3009\"} 1\n")
            && metrics.contains("centrifugo_node_num_clients 0\n")
    };
    while !is_cut() {
        assert!(std::time::Instant::now() < deadline, "it is still there");
    }
    // What the kernel had taken can be read; there is no close frame behind it.
    while let Some(arrival) = silent.next() {
        assert!(matches!(arrival, super::common::ws::Arrival::Text(_)), "{arrival:?}");
    }
}

#[test]
fn a_client_that_reads_little_by_little_keeps_its_connection_for_many_write_timeouts() {
    let server = patient_server("1s");
    let mut slow = Socket::subscribed(&server, &["open:flood"]);
    // It reads from the first publication on: however long the flood takes, no second passes without a read.
    let reader = std::thread::spawn(move || {
        let began = std::time::Instant::now();
        for n in 0..FLOOD {
            assert!(slow.text().is_some_and(|text| text.len() > 60_000), "publication {n}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        began.elapsed()
    });
    flood(&server, "open:flood");
    let took = reader.join().expect("the slow reader");
    assert!(took > Duration::from_secs(1) * 3, "many times the timeout: {took:?}");
}

#[test]
fn the_hundred_and_twenty_ninth_subscription_is_one_too_many() {
    let server = Server::start(CONFIG, 2);
    let mut socket = Socket::subscribed(&server, &[]);
    for n in 0..129 {
        socket.send(&format!(r#"{{"id":{},"subscribe":{{"channel":"open:{n}"}}}}"#, n + 2));
    }
    let replies: Vec<String> = (0..129).map(|_| socket.text().expect("a reply")).collect();
    assert!(replies[..128].iter().all(|reply| reply.ends_with(r#""subscribe":{}}"#)));
    assert_eq!(replies[128], r#"{"id":130,"error":{"code":106,"message":"limit exceeded"}}"#);
    let long = format!("open:{}", "a".repeat(251));
    socket.send(&format!(r#"{{"id":200,"subscribe":{{"channel":"{long}"}}}}"#));
    assert_eq!(socket.text().as_deref(), Some(r#"{"id":200,"error":{"code":107,"message":"bad request"}}"#));
}

#[test]
fn without_descriptors_new_clients_are_turned_away_and_old_ones_served() {
    let server = Server::start_under(&["prlimit", "--nofile=160:160"], CONFIG, &["--cores", "1"]);
    let mut kept: Vec<Socket> = (0..60).map(|_| Socket::subscribed(&server, &["open:kept"])).collect();
    let mut crowd: Vec<std::net::TcpStream> = (0..120).map(|_| server.connect()).collect();
    let last = crowd.last_mut().expect("a crowd");
    let mut byte = [0];
    assert!(matches!(last.read(&mut byte), Ok(0) | Err(_)), "turned away instead of left waiting");
    // Those who are in do not notice: a client publishes, all get it.
    kept[0].send(r#"{"id":9,"publish":{"channel":"open:kept","data":1}}"#);
    for socket in &mut kept {
        assert!(socket.text().is_some_and(|text| text.contains(r#""data":1"#)));
    }
    drop(crowd);
    let deadline = std::time::Instant::now() + super::common::server::PATIENCE;
    while std::panic::catch_unwind(|| server.request("GET", "/health", "", "")).map_or(0, |a| a.0) != 200 {
        assert!(std::time::Instant::now() < deadline, "room again, service again");
    }
    // Accepting goes on as before: no error is counted any more.
    let errors = || {
        let metrics = server.request("GET", "/metrics", "", "").1;
        metrics.lines().find(|line| line.starts_with("corecast_accept_errors_total ")).map(String::from)
    };
    let before = errors();
    (0..20).for_each(|_| assert_eq!(server.request("GET", "/health", "", "").0, 200));
    assert!(before.is_some() && errors() == before, "{before:?}");
}

/// A connection from this address, to a server on 127.0.0.1; `None`: it was closed at once.
fn from_address(server: &Server, address: [u8; 4]) -> Option<std::net::TcpStream> {
    use socket2::{Domain, Socket as Raw, Type};
    let raw = Raw::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    raw.bind(&std::net::SocketAddr::from((address, 0)).into()).expect("an address of this host");
    raw.connect(&server.address.into()).expect("the server listens");
    let mut stream = std::net::TcpStream::from(raw);
    stream.set_read_timeout(Some(super::common::server::PATIENCE)).expect("an option");
    // A refused one may be closed while the request is on its way.
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n").ok()?;
    let mut answer = [0; 1024];
    matches!(stream.read(&mut answer), Ok(1..)).then_some(stream)
}

fn limited(limits: &str, cores: usize) -> Server {
    Server::start(&CONFIG.replacen('{', &format!(r#"{{"corecast": {{"limits": {limits}}}, "#), 1), cores)
}

fn refused_by_address(server: &Server) -> String {
    let metrics = server.request("GET", "/metrics", "", "").1;
    let line = metrics.lines().find(|line| line.starts_with("corecast_connections_refused_by_address_total "));
    line.expect("a counter").to_string()
}

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let (one, other) = ([127, 0, 0, 2], [127, 0, 0, 3]);
    for cores in [1, 2] {
        let server = limited(r#"{"connections_per_address": 3}"#, cores);
        let mut kept: Vec<_> = (0..5).filter_map(|_| from_address(&server, one)).collect();
        assert_eq!(kept.len(), 3);
        assert!(from_address(&server, other).is_some(), "others have theirs");
        assert_eq!(refused_by_address(&server), "corecast_connections_refused_by_address_total 2");
        kept.pop();
        let deadline = std::time::Instant::now() + super::common::server::PATIENCE;
        while from_address(&server, one).is_none() {
            assert!(std::time::Instant::now() < deadline, "room again");
        }
    }
}

#[test]
fn an_address_comes_so_often_and_no_more() {
    for cores in [1, 2] {
        let server = limited(r#"{"connection_rate_per_address": 2}"#, cores);
        let began = std::time::Instant::now();
        let came = (0..10).filter(|_| from_address(&server, [127, 0, 0, 2]).is_some()).count();
        let most = 2 + (began.elapsed().as_secs_f64() * 2.0).ceil() as usize;
        assert!((2..=most.min(9)).contains(&came), "{came} in {:?}", began.elapsed());
        assert!(from_address(&server, [127, 0, 0, 3]).is_some());
        let deadline = std::time::Instant::now() + super::common::server::PATIENCE;
        while from_address(&server, [127, 0, 0, 2]).is_none() {
            assert!(std::time::Instant::now() < deadline, "it refills");
        }
    }
}

#[test]
fn idle_connections_cost_little_memory_and_no_time() {
    let server = Server::start(CONFIG, 1);
    let connect = |count: usize| -> Vec<Socket> { (0..count).map(|_| Socket::subscribed(&server, &[])).collect() };
    let first = connect(2_000);
    let before = server.anonymous_memory_kib();
    let second = connect(8_000);
    let after = server.anonymous_memory_kib();
    let bytes_each = (after.saturating_sub(before)) * 1024 / second.len() as u64;
    println!("{bytes_each} bytes of memory for each idle connection");
    assert!(bytes_each <= 2048, "{bytes_each} bytes each");
    // Nobody talks: the first pings are 12.5 s away. An awake core would burn 100 ticks a second.
    let before = server.cpu_ticks();
    std::thread::park_timeout(Duration::from_secs(2));
    let ticks = server.cpu_ticks() - before;
    println!("{ticks} ticks of 10 ms in 2 s with {} idle connections", first.len() + second.len());
    assert!(ticks <= 20, "{ticks} ticks: a busy loop");
}

#[test]
fn who_asks_and_does_not_read_is_not_read_and_loses_no_answer() {
    let server = Server::start(CONFIG, 1);
    let request = b"POST /api/rpc HTTP/1.1\r\nHost: t\r\nX-API-Key: k\r\nContent-Length: 14\r\n\r\n{\"method\":\"x\"}";
    let stream = server.connect();
    let before = server.anonymous_memory_kib();
    let mut writer = stream.try_clone().expect("a descriptor");
    writer.set_write_timeout(Some(Duration::from_millis(500))).expect("an option");
    // Until the server reads no more: then neither its answers nor our requests find room.
    let (mut sent, mut rest) = (0, &request[..]);
    loop {
        match writer.write(rest) {
            Ok(n) if n == rest.len() => (sent, rest) = (sent + 1, &request[..]),
            Ok(n) => rest = &rest[n..],
            Err(_) => break,
        }
        assert!(sent < 2_000_000, "the server reads without end");
    }
    let grown = server.anonymous_memory_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for {sent} requests whose answers nobody reads");
    // The rest of the last request, and every answer.
    let reader = std::thread::spawn(move || {
        let (mut stream, mut answers, mut buffer, mut carry) = (stream, 0, vec![0; 1 << 16], Vec::new());
        while answers < sent + 1 {
            let n = stream.read(&mut buffer).expect("answers");
            assert!(n > 0, "the connection lives");
            carry.extend_from_slice(&buffer[..n]);
            let head = b"HTTP/1.1 200";
            answers += carry.windows(head.len()).filter(|window| window == head).count();
            carry.drain(..carry.len().saturating_sub(head.len() - 1));
        }
        answers
    });
    writer.set_write_timeout(None).expect("an option");
    writer.write_all(rest).expect("it is read again");
    assert_eq!(reader.join().expect("all answers"), sent + 1);
}
