//! Encrypted ports: certificates and their replacement, client certificates, versions.

use super::CONFIG;
use super::common::server::Server;
use super::common::socket::Socket;
use super::common::tls::{Authority, Client, Pair, Stream, connect, request};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::HandshakeKind;
use rustls::client::Resumption;
use serde_json::json;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A pair of files that a server uses.
struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn of(pair: &Pair) -> Files {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let files = Files { _folder: folder, certificate, key };
        files.put(pair);
        files
    }

    fn put(&self, pair: &Pair) {
        std::fs::write(&self.certificate, &pair.certificate).expect("written");
        std::fs::write(&self.key, &pair.key).expect("written");
    }

    fn config(&self) -> String {
        config(json!({"tls": tls(&text(&self.certificate), &text(&self.key))}))
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path").to_owned()
}

fn tls(certificate: &str, key: &str) -> serde_json::Value {
    json!({"enabled": true, "cert_pem": certificate, "key_pem": key})
}

/// The usual configuration with an `http_server` section.
fn config(http_server: serde_json::Value) -> String {
    CONFIG.replacen('{', &format!(r#"{{"http_server": {http_server},"#), 1)
}

fn subscribed(client: &Client, server: &Server) -> Socket<Stream> {
    let mut socket = Socket::over(connect(&client.new, server.address).expect("a handshake"));
    socket.subscribe(&["open:tls"]);
    socket
}

fn publish(client: &Client, address: SocketAddr, data: &str) {
    let body = json!({"channel": "open:tls", "data": data}).to_string();
    let (status, text) = request(&client.new, address, "/api/publish", &body).expect("encrypted");
    assert_eq!((status, text.as_str()), (200, r#"{"result":{}}"#));
}

/// The certificate that a new connection is shown. A resumed session would show none.
fn shown(client: &Client, server: &Server) -> Vec<u8> {
    let mut config = (*client.new).clone();
    config.resumption = Resumption::disabled();
    let stream = connect(&Arc::new(config), server.address).expect("a handshake");
    stream.conn.peer_certificates().expect("shown")[0].to_vec()
}

fn metric(client: &Client, server: &Server, name: &str) -> u64 {
    let mut stream = connect(&client.new, server.address).expect("a handshake");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").expect("open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let line = answer.lines().find_map(|line| line.strip_prefix(name)).expect("a metric");
    line.trim().parse().expect("a number")
}

#[test]
fn the_api_and_websockets_work_over_tls() {
    let authority = Authority::new();
    let (files, client) = (Files::of(&authority.issue()), authority.client(None));
    for cores in [1, 2] {
        let mut server = Server::start(&files.config(), cores);
        let mut sockets: Vec<_> = (0..10).map(|_| subscribed(&client, &server)).collect();
        for data in ["short".to_owned(), "long".repeat(50_000)] {
            publish(&client, server.address, &data);
            for socket in &mut sockets {
                assert!(socket.text().is_some_and(|text| text.contains(&data)));
            }
        }
        let (status, _) = request(&client.old, server.address, "/api/info", "{}").expect("TLS 1.2");
        assert_eq!(status, 200);
        server.signal("TERM");
        for socket in &mut sockets {
            assert_eq!(socket.closed(), Some((3001, "shutdown".into())));
            socket.close(3001);
            assert!(socket.next().is_none(), "the end is said by close_notify");
        }
        drop(sockets);
        assert_eq!(server.wait(), Some(0));
    }
}

#[test]
fn a_session_of_one_core_is_resumed_on_the_other() {
    let authority = Authority::new();
    let (files, client) = (Files::of(&authority.issue()), authority.client(None));
    let server = Server::start(&files.config(), 2);
    for config in [&client.new, &client.old] {
        request(config, server.address, "/api/info", "{}").expect("encrypted");
        for _ in 0..10 {
            // Each brings new tickets for the next.
            let mut stream = connect(config, server.address).expect("a handshake");
            assert_eq!(stream.conn.handshake_kind(), Some(HandshakeKind::Resumed));
            stream.write_all(b"GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").expect("open");
            stream.read_to_end(&mut Vec::new()).expect("an answer");
        }
    }
}

#[test]
fn what_is_no_tls_is_turned_away_and_counted() {
    let authority = Authority::new();
    let (files, client) = (Files::of(&authority.issue()), authority.client(None));
    let server = Server::start(&files.config(), 1);
    let mut stream = server.connect();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n").expect("open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the end");
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    assert_eq!(metric(&client, &server, "corecast_tls_errors_total"), 1);
    let stranger = Authority::new().client(None);
    assert!(connect(&stranger.new, server.address).is_err(), "it does not trust the server, and says so");
    while metric(&client, &server, "corecast_tls_errors_total") < 2 {}
}

#[test]
fn a_slow_reader_over_tls_is_told_behind_what_was_begun() {
    let authority = Authority::new();
    let (files, client) = (Files::of(&authority.issue()), authority.client(None));
    let server = Server::start(&files.config(), 2);
    let mut slow = subscribed(&client, &server);
    let data = "y".repeat(60_000);
    (0..200).for_each(|_| publish(&client, server.address, &data));
    assert_eq!(slow.closed(), Some((3008, "slow".into())), "every frame before it was whole");
}

#[test]
fn a_certificate_is_replaced_while_old_connections_go_on() {
    let authority = Authority::new();
    let (first, client) = (authority.issue(), authority.client(None));
    let files = Files::of(&first);
    for cores in [1, 2] {
        files.put(&first);
        let mut server = Server::start(&files.config(), cores);
        let mut old = subscribed(&client, &server);
        for by_signal in [false, true] {
            let next = authority.issue();
            files.put(&next);
            if by_signal {
                server.signal("HUP");
            }
            server.wait_for_log("TLS certificate reloaded");
            // All cores look at the same configuration: none shows the former one any more.
            for _ in 0..4 {
                assert_eq!(shown(&client, &server), next.chain()[0].to_vec());
            }
            publish(&client, server.address, "still there");
            assert!(old.text().is_some_and(|text| text.contains("still there")));
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_used_keeps_the_former_one() {
    let authority = Authority::new();
    let (first, client) = (authority.issue(), authority.client(None));
    let files = Files::of(&first);
    let mut server = Server::start(&files.config(), 1);
    std::fs::write(&files.key, authority.issue().key).expect("written");
    let line = server.wait_for_log("TLS certificate not reloaded");
    let parts = ["\"error\"", "http_server.tls.key_pem", &text(&files.key), "does not belong to the certificate"];
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    assert_eq!(shown(&client, &server), first.chain()[0].to_vec());
    std::fs::write(&files.certificate, "broken").expect("written");
    server.signal("HUP");
    let line = server.wait_for_log("configuration not reloaded");
    assert!(line.contains("http_server.tls.cert_pem") && line.contains("no certificate"), "{line}");
    assert_eq!(shown(&client, &server), first.chain()[0].to_vec());
}

#[test]
fn pem_is_a_path_text_or_base64() {
    let authority = Authority::new();
    let (pair, client) = (authority.issue(), authority.client(None));
    let base64 = [STANDARD.encode(&pair.certificate), STANDARD.encode(&pair.key)];
    for [certificate, key] in [[pair.certificate.clone(), pair.key.clone()], base64] {
        let server = Server::start(&config(json!({"tls": tls(&certificate, &key)})), 1);
        assert_eq!(shown(&client, &server), pair.chain()[0].to_vec());
    }
    let (files, v5) = (Files::of(&pair), r#"{"tls": true, "tls_cert": "C", "tls_key": "K", "api_key": "k"}"#);
    let v5 = v5.replace("\"C\"", &json!(text(&files.certificate)).to_string());
    let server = Server::start(&v5.replace("\"K\"", &json!(text(&files.key)).to_string()), 1);
    assert_eq!(request(&client.new, server.address, "/api/info", "{}").expect("encrypted").0, 200);
}

#[test]
fn clients_show_a_certificate_where_an_authority_is_named() {
    let authority = Authority::new();
    let pair = authority.issue();
    let mut section = tls(&pair.certificate, &pair.key);
    section["client_ca_pem"] = json!(authority.pem());
    let server = Server::start(&config(json!({"tls": section})), 1);
    let known = authority.client(Some(&authority.issue()));
    let stranger = authority.client(Some(&Authority::new().issue()));
    let nobody = authority.client(None);
    for (new, old) in [(&stranger.new, &stranger.old), (&nobody.new, &nobody.old)] {
        assert!(request(new, server.address, "/api/info", "{}").is_err());
        assert!(request(old, server.address, "/api/info", "{}").is_err());
    }
    for config in [&known.new, &known.old] {
        assert_eq!(request(config, server.address, "/api/info", "{}").expect("let in").0, 200);
    }
    assert_eq!(metric(&known, &server, "corecast_tls_errors_total"), 4);
}

#[test]
fn the_lowest_version_is_an_option() {
    let authority = Authority::new();
    let (files, client) = (Files::of(&authority.issue()), authority.client(None));
    let only_13 = files.config().replacen('{', r#"{"corecast": {"tls": {"min_version": "1.3"}},"#, 1);
    let server = Server::start(&only_13, 1);
    assert!(connect(&client.old, server.address).is_err());
    assert_eq!(request(&client.new, server.address, "/api/info", "{}").expect("encrypted").0, 200);
}

#[test]
fn tls_external_leaves_the_internal_port_in_clear() {
    let authority = Authority::new();
    let (pair, client) = (authority.issue(), authority.client(None));
    let mut section = json!({"internal_port": "0", "internal_address": "127.0.0.1", "tls_external": true});
    section["tls"] = tls(&pair.certificate, &pair.key);
    for external_alone in [true, false] {
        section["tls_external"] = json!(external_alone);
        let mut server = Server::start(&config(section.clone()), 2);
        let line = server.wait_for_log("serving api");
        assert_eq!(line.contains("with TLS"), !external_alone, "{line}");
        let mut socket = subscribed(&client, &server);
        let port = line.split("127.0.0.1:").nth(1).expect("an address");
        let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
        server.address.set_port(digits.parse().expect("a port"));
        if external_alone {
            assert_eq!(server.api("publish", r#"{"channel":"open:tls","data":"inside"}"#).0, 200);
        } else {
            publish(&client, server.address, "inside");
        }
        assert!(socket.text().is_some_and(|text| text.contains("inside")));
    }
}
