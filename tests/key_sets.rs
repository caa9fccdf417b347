//! Tokens whose keys are fetched, on whole cores in virtual time: the side thread's answers are values. What is fetched
//! over real sockets is in `tests/server/jwks.rs`.

mod common;

use common::jwks::{ALGORITHMS, Signer, set};
use common::pure::{Pure, START_UNIX};
use common::ws::{Arrival, Peer, upgrade};
use corecast::auth::jwks;
use corecast::session::outside::{Answer, Ask};
use corecast::wire::websocket::Opcode;
use std::sync::Arc;
use std::time::Duration;

const CONFIG: &str = r#"{
  "client": {"token": {"jwks_public_endpoint": "https://keys.example/set"}},
  "channel": {"namespaces": [{"name": "open", "allow_subscribe_for_client": true}]}
}"#;

struct Client {
    wire: usize,
    peer: Peer,
}

impl Client {
    fn open(pure: &mut Pure) -> Client {
        let wire = pure.open();
        pure.send(wire, upgrade("", ""));
        Client { wire, peer: Peer::default() }
    }

    fn connecting(pure: &mut Pure, token: &str) -> Client {
        let mut client = Client::open(pure);
        client.say(pure, &format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#));
        client
    }

    fn say(&mut self, pure: &mut Pure, text: &str) {
        let frame = self.peer.frame(Opcode::Text, text.as_bytes());
        pure.send(self.wire, frame);
    }

    /// What has come, a line each; a close frame as its code.
    fn hear(&mut self, pure: &mut Pure) -> String {
        let bytes = pure.take(self.wire);
        let lines = self.peer.take(&bytes).into_iter().map(|arrival| match arrival {
            Arrival::Text(text) => String::from_utf8(text).expect("UTF-8"),
            Arrival::Close(code, _) => code.unwrap_or(0).to_string(),
            other => format!("{other:?}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn world(config: &str, cores: usize) -> Pure {
    Pure::new(&common::load(config), cores)
}

/// The answer of an issuer that has these keys; a verdict where one is asked for.
fn issuer(signers: &[&Signer]) -> impl Fn(&Ask) -> Answer {
    let text = set(signers);
    move |ask| match ask {
        Ask::Keys(name) => {
            let set = jwks::decode(text.as_bytes()).expect("a set");
            Answer::Keys(name.url.clone(), Arc::new(set))
        }
        Ask::Verify(proof) => Answer::Verified(proof.holds()),
    }
}

/// Answers until nothing is asked any more; says how often.
fn answer_all(pure: &mut Pure, answer: impl Fn(&Ask) -> Answer) -> usize {
    let mut count = 0;
    while !pure.asks.is_empty() {
        pure.answer(&answer);
        count += 1;
    }
    count
}

#[test]
fn every_kind_of_key_verifies_and_slow_ones_away_from_the_core() {
    for alg in ALGORITHMS {
        let signer = Signer::new(alg, "k");
        let mut pure = world(CONFIG, 1);
        let mut client = Client::connecting(&mut pure, &signer.token(r#"{"sub":"42"}"#));
        assert_eq!(client.hear(&mut pure), "", "{alg}: it waits");
        let asked = answer_all(&mut pure, issuer(&[&signer]));
        assert_eq!(asked, if matches!(alg, "ES384" | "ES512") { 2 } else { 1 }, "{alg}");
        assert!(client.hear(&mut pure).contains(r#""client":"#), "{alg}");
        let forged = Signer::new(alg, "k").token("{}");
        let mut client = Client::connecting(&mut pure, &forged);
        answer_all(&mut pure, issuer(&[&signer]));
        assert_eq!(client.hear(&mut pure), "3500", "{alg}: another key's signature");
    }
}

#[test]
fn clients_that_need_one_key_share_a_question() {
    let signer = Signer::new("EdDSA", "k");
    let mut pure = world(CONFIG, 2);
    let token = signer.token("{}");
    let mut clients: Vec<Client> = (0..10).map(|_| Client::connecting(&mut pure, &token)).collect();
    assert_eq!(pure.asks.len(), 2, "one per core");
    answer_all(&mut pure, issuer(&[&signer]));
    assert!(clients.iter_mut().all(|client| client.hear(&mut pure).contains(r#""client":"#)));
}

#[test]
fn a_known_key_is_not_asked_for_until_an_hour_without_use() {
    let signer = Signer::new("EdDSA", "k");
    let mut pure = world(CONFIG, 1);
    let asks = |pure: &mut Pure| {
        let mut client = Client::connecting(pure, &signer.token("{}"));
        let asked = answer_all(pure, issuer(&[&signer]));
        assert!(client.hear(pure).contains(r#""client":"#));
        asked
    };
    assert_eq!((asks(&mut pure), asks(&mut pure)), (1, 0));
    pure.advance(Duration::from_secs(3599));
    assert_eq!(asks(&mut pure), 0, "its use prolongs it");
    pure.advance(Duration::from_secs(3600));
    assert_eq!(asks(&mut pure), 1);
}

#[test]
fn a_key_that_cannot_be_had_makes_the_token_invalid() {
    let (signer, other) = (Signer::new("EdDSA", "k"), Signer::new("EdDSA", "other"));
    let mut pure = world(CONFIG, 1);
    let mut client = Client::connecting(&mut pure, &signer.token("{}"));
    answer_all(&mut pure, |_| Answer::NoKeys);
    assert_eq!(client.hear(&mut pure), "3500");
    let mut client = Client::connecting(&mut pure, &signer.token("{}"));
    assert_eq!(answer_all(&mut pure, issuer(&[&other])), 1, "an unknown kid is asked for once");
    assert_eq!(client.hear(&mut pure), "3500");
}

#[test]
fn a_token_that_names_no_key_costs_no_question() {
    let mut pure = world(CONFIG, 1);
    let hmac = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln";
    let mut client = Client::connecting(&mut pure, hmac);
    assert!(pure.asks.is_empty());
    assert_eq!(client.hear(&mut pure), "3500");
}

#[test]
fn too_many_questions_are_a_temporary_error() {
    let signer = Signer::new("EdDSA", "k");
    let mut pure = world(CONFIG, 1);
    let mut client = Client::connecting(&mut pure, &signer.token("{}"));
    answer_all(&mut pure, |_| Answer::Busy);
    let reply = client.hear(&mut pure);
    assert!(reply.contains(r#""code":100"#) && reply.contains(r#""temporary":true"#), "{reply}");
}

#[test]
fn commands_behind_a_token_that_waits_keep_their_order() {
    let signer = Signer::new("ES384", "k");
    let mut pure = world(CONFIG, 2);
    let mut client = Client::open(&mut pure);
    let (connect, subscribe) = (signer.token(r#"{"sub":"42"}"#), signer.token(r#"{"sub":"42","channel":"$private"}"#));
    client.say(
        &mut pure,
        &format!(
            "{{\"id\":1,\"connect\":{{\"token\":\"{connect}\"}}}}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"$private\",\
             \"token\":\"{subscribe}\"}}}}\n{{\"id\":3,\"subscribe\":{{\"channel\":\"open:a\"}}}}"
        ),
    );
    client.say(&mut pure, r#"{"id":4,"unsubscribe":{"channel":"open:a"}}"#);
    assert_eq!(client.hear(&mut pure), "");
    assert_eq!(answer_all(&mut pure, issuer(&[&signer])), 3, "the key, and a verdict for each token");
    let heard = client.hear(&mut pure);
    let ids: Vec<&str> = heard.lines().map(|line| &line[..7]).collect();
    assert_eq!(ids, [r#"{"id":1"#, r#"{"id":2"#, r#"{"id":3"#, r#"{"id":4"#], "{heard}");
    assert!(!heard.contains("error"), "{heard}");
}

#[test]
fn subscriptions_and_refreshes_wait_for_keys_too() {
    let (old, new) = (Signer::new("EdDSA", "old"), Signer::new("EdDSA", "new"));
    let mut pure = world(CONFIG, 1);
    let soon = START_UNIX + 60;
    let mut client = Client::connecting(&mut pure, &old.token(&format!(r#"{{"sub":"42","exp":{soon}}}"#)));
    answer_all(&mut pure, issuer(&[&old]));
    client.hear(&mut pure);
    let later = |signer: &Signer, more: &str| signer.token(&format!(r#"{{"sub":"42","exp":{}{more}}}"#, soon + 60));
    let channel = r#","channel":"$c""#;
    for (command, expected) in [
        (format!(r#"{{"id":2,"refresh":{{"token":"{}"}}}}"#, later(&new, "")), r#"{"id":2,"refresh":{"#),
        (
            format!(r#"{{"id":3,"subscribe":{{"channel":"$c","token":"{}"}}}}"#, later(&new, channel)),
            r#"{"id":3,"subscribe":{"expires":true,"#,
        ),
        (
            format!(r#"{{"id":4,"sub_refresh":{{"channel":"$c","token":"{}"}}}}"#, later(&new, channel)),
            r#"{"id":4,"sub_refresh":{"expires":true,"#,
        ),
    ] {
        client.say(&mut pure, &command);
        answer_all(&mut pure, issuer(&[&old, &new]));
        let heard = client.hear(&mut pure);
        assert!(heard.starts_with(expected), "{heard}");
    }
}

#[test]
fn refusals_are_those_of_each_command() {
    let (known, unknown) = (Signer::new("EdDSA", "known"), Signer::new("EdDSA", "unknown"));
    for (command, expected) in [
        (r#"{"id":2,"refresh":{"token":"<T>"}}"#, "3500"),
        (r#"{"id":2,"subscribe":{"channel":"$c","token":"<T>"}}"#, r#"{"id":2,"error":{"code":103"#),
        (r#"{"id":2,"sub_refresh":{"channel":"open:a","token":"<T>"}}"#, "3500"),
    ] {
        let mut pure = world(CONFIG, 1);
        let mut client = Client::connecting(&mut pure, &known.token(r#"{"sub":"42"}"#));
        answer_all(&mut pure, issuer(&[&known]));
        client.say(&mut pure, r#"{"id":9,"subscribe":{"channel":"open:a"}}"#);
        client.hear(&mut pure);
        let token = unknown.token(r#"{"sub":"42","channel":"$c"}"#);
        client.say(&mut pure, &command.replace("<T>", &token));
        assert_eq!(client.hear(&mut pure), "", "{command}");
        answer_all(&mut pure, issuer(&[&known]));
        let heard = client.hear(&mut pure);
        assert!(heard.starts_with(expected), "{command}: {heard}");
    }
}

#[test]
fn an_answer_to_somebody_who_has_left_is_nothing() {
    let signer = Signer::new("EdDSA", "k");
    let mut pure = world(CONFIG, 1);
    let client = Client::connecting(&mut pure, &signer.token("{}"));
    pure.hang_up(client.wire);
    assert!(pure.is_over(client.wire));
    answer_all(&mut pure, issuer(&[&signer]));
    let mut late = Client::connecting(&mut pure, &signer.token("{}"));
    assert!(late.hear(&mut pure).contains(r#""client":"#), "the key was kept all the same");
}

#[test]
fn a_client_that_waits_too_long_is_closed_as_stale() {
    let signer = Signer::new("EdDSA", "k");
    let mut pure = world(CONFIG, 1);
    let mut client = Client::connecting(&mut pure, &signer.token("{}"));
    pure.advance(Duration::from_secs(11));
    assert_eq!(client.hear(&mut pure), "3502");
    answer_all(&mut pure, issuer(&[&signer]));
    assert_eq!(client.hear(&mut pure), "");
}

#[test]
fn the_issuer_chooses_the_set_and_a_tenant_has_its_own_keys() {
    let config = r#"{"client": {"token": {"jwks_public_endpoint": "https://keys.example/{{tenant}}/set",
        "issuer_regex": "^https://(?P<tenant>one|two)\\.example$"}}}"#;
    let signer = Signer::new("EdDSA", "k");
    let mut pure = world(config, 1);
    for (tenant, url) in [("one", "https://keys.example/one/set"), ("two", "https://keys.example/two/set")] {
        let _client = Client::connecting(&mut pure, &signer.token(&format!(r#"{{"iss":"https://{tenant}.example"}}"#)));
        let Some((_, _, Ask::Keys(name))) = pure.asks.first() else { panic!("nothing was asked") };
        assert_eq!((&*name.url, &*name.kid), (url, "k"));
        answer_all(&mut pure, issuer(&[&signer]));
    }
    let mut other = Client::connecting(&mut pure, &signer.token(r#"{"iss":"https://three.example"}"#));
    assert!(pure.asks.is_empty());
    assert_eq!(other.hear(&mut pure), "3500");
}
