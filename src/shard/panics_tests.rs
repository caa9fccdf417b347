//! A session that panics costs its connection and nothing else.

#[path = "../../tests/common/pure.rs"]
#[allow(dead_code)]
mod pure;
#[path = "../../tests/common/ws.rs"]
#[allow(dead_code)]
mod ws;

use crate::config::{Sources, load};
use crate::wire::websocket::Opcode;
use pure::Pure;
use ws::{Arrival, Peer, upgrade};

const CONFIG: &str = r#"{"client": {"allow_anonymous_connect_without_token": true}, "http_api": {"key": "k"},
    "channel": {"without_namespace": {"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
    "presence": true}}}"#;

fn subscribed(pure: &mut Pure) -> (usize, Peer) {
    let (wire, mut peer) = (pure.open(), Peer::default());
    pure.send(wire, upgrade("", ""));
    let frame = peer.frame(Opcode::Text, b"{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}");
    pure.send(wire, frame);
    assert_eq!(peer.take(&pure.take(wire)).len(), 2, "both replies");
    (wire, peer)
}

#[test]
fn a_session_that_panics_costs_its_connection_and_nothing_else() {
    for cores in [1, 2] {
        let settings = load(&Sources::of_file("config.json", CONFIG)).unwrap_or_else(|e| panic!("{e}")).settings;
        let mut pure = Pure::new(&settings, cores);
        let (wire, mut peer) = subscribed(&mut pure);
        let others = [subscribed(&mut pure), subscribed(&mut pure)];
        let frame = peer.frame(Opcode::Text, br#"{"id":3,"rpc":{"method":"panic"}}"#);
        pure.send(wire, frame);
        assert!(pure.is_over(wire));
        let panics: u64 = pure.shards.iter().map(|shard| shard.counters().connection_panics.get()).sum();
        assert_eq!(panics, 1);
        for (other, mut peer) in others {
            let frame = peer.frame(Opcode::Text, br#"{"id":4,"publish":{"channel":"a","data":{}}}"#);
            pure.send(other, frame);
            assert!(matches!(&peer.take(&pure.take(other))[..], [Arrival::Text(_)]), "it is answered");
        }
        let subscriptions: u64 = pure.shards.iter().map(|shard| shard.counters().subscriptions.get()).sum();
        assert_eq!(subscriptions, 2, "what it held is given up");
        pure.shards.iter().for_each(|shard| shard.check_at_rest());
    }
}
