//! Tokens whose keys are fetched over real sockets: an issuer within the test serves key sets and counts how often it
//! is asked.

use crate::common::jwks::{ALGORITHMS, Signer, set};
use crate::common::server::Server;
use crate::common::socket::Socket;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the issuer answers, and what it was asked.
struct State {
    head: String,
    body: String,
    delay: Duration,
    paths: Vec<String>,
}

/// A small HTTP server that lives as long as the process.
#[derive(Clone)]
struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    fn start(signers: &[&Signer]) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let head = "200 OK".to_string();
        let state = State { head, body: set(signers), delay: Duration::ZERO, paths: Vec::new() };
        let issuer = Issuer { address, state: Arc::new(Mutex::new(state)) };
        let own = issuer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let issuer = own.clone();
                std::thread::spawn(move || issuer.serve(stream));
            }
        });
        issuer
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut input = BufReader::new(stream.try_clone().expect("a descriptor"));
        loop {
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                if input.read_line(&mut request).unwrap_or(0) == 0 {
                    return;
                }
            }
            let (answer, delay) = {
                let mut state = self.state.lock().expect("whole");
                state.paths.push(request.split(' ').nth(1).unwrap_or_default().to_string());
                let (head, body) = (&state.head, &state.body);
                (format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()), state.delay)
            };
            // The time that an issuer takes, not a wait for something.
            std::thread::sleep(delay);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("whole"));
    }

    fn asked(&self) -> usize {
        self.state.lock().expect("whole").paths.len()
    }

    fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }
}

fn config(token: &str, allows_private: bool) -> String {
    format!(
        r#"{{"client": {{"token": {{{token}}}}}, "corecast": {{"jwks": {{"allow_private_targets": {allows_private}}}}}}}"#
    )
}

fn server(issuer: &Issuer, cores: usize) -> Server {
    Server::start(&config(&format!(r#""jwks_public_endpoint": "{}""#, issuer.url()), true), cores)
}

/// A client whose `connect` is under way.
fn connecting(server: &Server, token: &str) -> Socket {
    let mut socket = Socket::open(server);
    socket.send(&format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#));
    socket
}

fn is_accepted(mut socket: Socket) -> bool {
    socket.text().is_some_and(|reply| reply.contains(r#""client":"#))
}

/// The code with which the client was closed.
fn code(mut socket: Socket) -> u16 {
    socket.closed().expect("a close frame").0
}

#[test]
fn a_hundred_clients_that_come_together_cost_one_request() {
    for cores in [1, 2] {
        let signer = Signer::new("EdDSA", "k");
        let issuer = Issuer::start(&[&signer]);
        issuer.change(|state| state.delay = Duration::from_millis(300));
        let server = server(&issuer, cores);
        let sockets: Vec<Socket> =
            (0..100).map(|n| connecting(&server, &signer.token(&format!(r#"{{"sub":"{n}"}}"#)))).collect();
        assert!(sockets.into_iter().all(is_accepted));
        assert_eq!(issuer.asked(), 1, "{cores} cores");
    }
}

#[test]
fn every_kind_of_key_is_fetched_and_verifies() {
    let signers: Vec<Signer> = ALGORITHMS.iter().map(|alg| Signer::new(alg, alg)).collect();
    let issuer = Issuer::start(&signers.iter().collect::<Vec<_>>());
    let server = server(&issuer, 2);
    for signer in &signers {
        assert!(is_accepted(connecting(&server, &signer.token(r#"{"sub":"42"}"#))));
    }
    assert_eq!(issuer.asked(), 1, "all keys of an answer are kept");
    for alg in ALGORITHMS {
        assert_eq!(code(connecting(&server, &Signer::new(alg, alg).token("{}"))), 3500, "{alg}: a forged token");
    }
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn a_rotated_key_is_accepted_at_once_and_the_former_one_stays() {
    for cores in [1, 2] {
        let (old, new) = (Signer::new("ES256", "old"), Signer::new("ES256", "new"));
        let issuer = Issuer::start(&[&old]);
        let server = server(&issuer, cores);
        assert!(is_accepted(connecting(&server, &old.token("{}"))));
        issuer.change(|state| state.body = set(&[&new]));
        assert!(is_accepted(connecting(&server, &new.token("{}"))));
        assert_eq!(issuer.asked(), 2);
    }
}

#[test]
fn unknown_key_ids_are_invalid_and_a_flood_of_them_is_few_requests() {
    let signer = Signer::new("EdDSA", "k");
    let issuer = Issuer::start(&[&signer]);
    let server = server(&issuer, 2);
    assert!(is_accepted(connecting(&server, &signer.token("{}"))));
    let began = Instant::now();
    let unknown: Vec<Signer> = (0..50).map(|n| Signer::new("EdDSA", &format!("unknown-{n}"))).collect();
    let sockets: Vec<Socket> = unknown.iter().map(|signer| connecting(&server, &signer.token("{}"))).collect();
    assert!(is_accepted(connecting(&server, &signer.token("{}"))), "who has a key does not wait");
    assert!(sockets.into_iter().all(|socket| code(socket) == 3500));
    // One for the good key; then one at once, and one for each pause of half a second.
    let most = 3 + began.elapsed().as_millis() as usize / 500;
    assert!((2..=most).contains(&issuer.asked()), "{}", issuer.asked());
}

#[test]
fn an_issuer_that_is_down_makes_tokens_invalid_until_it_is_back() {
    let signer = Signer::new("EdDSA", "k");
    let issuer = Issuer::start(&[&signer]);
    issuer.change(|state| state.head = "503 Service Unavailable".into());
    let mut server = server(&issuer, 1);
    assert_eq!(code(connecting(&server, &signer.token("{}"))), 3500);
    assert_eq!(issuer.asked(), 2, "two attempts");
    assert!(server.wait_for_log("key set").contains("503"));
    issuer.change(|state| state.head = "200 OK".into());
    assert!(is_accepted(connecting(&server, &signer.token("{}"))));
    issuer.change(|state| state.body = "<html>".into());
    assert_eq!(code(connecting(&server, &Signer::new("EdDSA", "x").token("{}"))), 3500);
    assert_eq!(issuer.asked(), 4, "one attempt for what is no key set");
}

#[test]
fn nobody_listening_is_an_invalid_token_and_keeps_nobody_waiting() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let server = Server::start(&config(&format!(r#""jwks_public_endpoint": "http://{closed}/""#), true), 2);
    assert_eq!(code(connecting(&server, &Signer::new("EdDSA", "k").token("{}"))), 3500);
}

#[test]
fn a_redirect_is_not_followed() {
    let signer = Signer::new("EdDSA", "k");
    let (target, issuer) = (Issuer::start(&[&signer]), Issuer::start(&[]));
    issuer.change(|state| state.head = format!("302 Found\r\nLocation: {}", target.url()));
    let server = server(&issuer, 1);
    assert_eq!(code(connecting(&server, &signer.token("{}"))), 3500);
    assert_eq!((issuer.asked(), target.asked()), (2, 0));
}

#[test]
fn a_private_target_is_not_asked_unless_that_is_allowed() {
    let signer = Signer::new("EdDSA", "k");
    let issuer = Issuer::start(&[&signer]);
    let endpoint = format!(r#""jwks_public_endpoint": "{}""#, issuer.url());
    let mut server = Server::start(&config(&endpoint, false), 1);
    assert_eq!(code(connecting(&server, &signer.token("{}"))), 3500);
    assert!(server.wait_for_log("key set").contains("corecast.jwks.allow_private_targets"));
    assert_eq!(issuer.asked(), 0);
}

#[test]
fn each_tenant_has_its_own_set() {
    let signer = Signer::new("EdDSA", "k");
    let issuer = Issuer::start(&[&signer]);
    let token = format!(
        r#""jwks_public_endpoint": "http://{}/{{{{tenant}}}}/keys", "issuer_regex": "^(?P<tenant>one|two)$""#,
        issuer.address
    );
    let server = Server::start(&config(&token, true), 1);
    for tenant in ["one", "two", "one"] {
        assert!(is_accepted(connecting(&server, &signer.token(&format!(r#"{{"iss":"{tenant}"}}"#)))));
    }
    assert_eq!(code(connecting(&server, &signer.token(r#"{"iss":"three"}"#))), 3500);
    assert_eq!(issuer.state.lock().expect("whole").paths, ["/one/keys", "/two/keys"]);
}

#[test]
fn a_system_without_certificates_reaches_an_issuer_in_clear() {
    let signer = Signer::new("EdDSA", "k");
    let issuer = Issuer::start(&[&signer]);
    let bare = ["env", "SSL_CERT_FILE=/nowhere", "SSL_CERT_DIR=/nowhere"];
    let config = config(&format!(r#""jwks_public_endpoint": "{}""#, issuer.url()), true);
    let server = Server::start_under(&bare, &config, &["--cores", "1"]);
    assert!(is_accepted(connecting(&server, &signer.token("{}"))));
}

#[test]
fn checktoken_fetches_the_key() {
    let signer = Signer::new("ES384", "k");
    let issuer = Issuer::start(&[&signer]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.json");
    let config = config(&format!(r#""jwks_public_endpoint": "{}""#, issuer.url()), true);
    std::fs::write(&file, config).expect("the configuration");
    let check = |token: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corecast"));
        let output = command.args(["checktoken", "-c"]).arg(&file).arg(token).output().expect("the binary");
        String::from_utf8_lossy(&output.stdout).to_string() + &String::from_utf8_lossy(&output.stderr)
    };
    let said = check(&signer.token(r#"{"sub":"42"}"#));
    assert!(said.contains("valid token for user 42"), "{said}");
    let said = check(&Signer::new("ES384", "k").token("{}"));
    assert!(said.contains("signature is not valid"), "{said}");
}

#[test]
fn a_reload_brings_another_set_into_force() {
    let (first, second) = (Signer::new("EdDSA", "first"), Signer::new("EdDSA", "second"));
    let (one, two) = (Issuer::start(&[&first]), Issuer::start(&[&second]));
    let mut server = server(&one, 1);
    assert!(is_accepted(connecting(&server, &first.token("{}"))));
    server.rewrite_config(&config(&format!(r#""jwks_public_endpoint": "{}""#, two.url()), true));
    server.signal("HUP");
    server.wait_for_log("successfully reloaded");
    assert!(is_accepted(connecting(&server, &second.token("{}"))));
    assert_eq!(code(connecting(&server, &first.token("{}"))), 3500);
}
