use crate::config::{Failure, LoadError, Sources, load};
use serde_json::{Value, json};

fn refused(tree: Value) -> LoadError {
    load(&Sources::of_file("config.json", &tree.to_string())).expect_err(&tree.to_string())
}

fn accepted(tree: Value) {
    if let Err(error) = load(&Sources::of_file("config.json", &tree.to_string())) {
        panic!("{tree}: {error}");
    }
}

fn namespaces(list: Value) -> Value {
    json!({"channel": {"namespaces": list}})
}

fn namespace(options: Value) -> Value {
    let mut namespace = json!({"name": "ns"});
    namespace.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    namespaces(json!([namespace]))
}

/// The rule holds in a namespace of v6, without namespace in v6, and in v5.
fn refused_everywhere(options: Value, key: &str) {
    for (tree, prefix) in [
        (namespace(options.clone()), "channel.namespaces.[0]."),
        (json!({"channel": {"without_namespace": options.clone()}}), "channel.without_namespace."),
        (options.clone(), ""),
    ] {
        let error = refused(tree);
        assert_eq!(error.failure, Failure::Validating, "{error}");
        assert_eq!(&*error.key, format!("{prefix}{key}"), "{error}");
        assert!(!error.remedy.is_empty(), "{error}");
    }
}

#[test]
fn who_is_to_catch_up_needs_history_and_a_position() {
    let field = "corecast_slow_consumer";
    refused_everywhere(json!({field: "wait"}), field);
    refused_everywhere(json!({field: "catch_up", "allow_positioning": true}), field);
    refused_everywhere(json!({field: "catch_up", "history_size": 9, "history_ttl": "9s"}), field);
    for positioning in ["force_positioning", "force_recovery", "allow_positioning", "allow_recovery"] {
        accepted(namespace(json!({field: "catch_up", "history_size": 9, "history_ttl": "9s", positioning: true})));
    }
    accepted(namespace(json!({field: "disconnect"})));
}

#[test]
fn pushes_wait_for_seconds_at_most() {
    for delay in ["-1ms", "10.001s", "1h"] {
        refused_everywhere(json!({"corecast_write_delay": delay}), "corecast_write_delay");
        assert_eq!(&*refused(json!({"client": {"write_delay": delay}})).key, "client.write_delay");
        assert_eq!(&*refused(json!({"client_write_delay": delay})).key, "client_write_delay", "as in v5");
    }
    for delay in ["0s", "100ms", "10s"] {
        accepted(namespace(json!({"corecast_write_delay": delay})));
        accepted(json!({"client": {"write_delay": delay}}));
    }
}

#[test]
fn names_of_namespaces_are_checked() {
    for (list, reason) in [
        (json!([{"presence": true}]), "missing"),
        (json!([{"name": "a"}]), "bad name"),
        (json!([{"name": "a b"}]), "bad name"),
        (json!([{"name": "ab"}, {"name": "ab"}]), "twice"),
    ] {
        for tree in [namespaces(list.clone()), json!({"namespaces": list}), json!({"rpc": {"namespaces": list}})] {
            let error = refused(tree);
            assert!(error.reason.contains(reason) && !error.remedy.is_empty(), "{error}");
        }
    }
    accepted(namespaces(json!([{"name": "a.B-c_1"}])));
}

#[test]
fn history_needs_size_and_time_within_the_meta_time() {
    refused_everywhere(json!({"history_size": 1}), "history_size");
    refused_everywhere(json!({"history_ttl": "1s"}), "history_ttl");
    let long = json!({"history_size": 1, "history_ttl": "2h", "history_meta_ttl": "1h"});
    refused_everywhere(long, "history_ttl");
    refused_everywhere(json!({"history_size": 1, "history_ttl": "721h"}), "history_ttl");
    accepted(namespace(json!({"history_size": 1, "history_ttl": "1h"})));
}

#[test]
fn history_times_are_whole_seconds_except_in_namespaces_of_v5() {
    let options = json!({"history_size": 1, "history_ttl": "1.5s"});
    assert!(refused(namespace(options.clone())).reason.contains("whole seconds"));
    assert!(refused(options).reason.contains("whole seconds"));
    accepted(json!({"namespaces": [{"name": "ns", "history_size": 1, "history_ttl": "1.5s"}]}));
    let global = refused(json!({"channel": {"history_meta_ttl": "1500ms"}}));
    assert_eq!(&*global.key, "channel.history_meta_ttl");
}

#[test]
fn recovery_needs_history_and_known_words() {
    refused_everywhere(json!({"force_recovery": true}), "force_recovery");
    refused_everywhere(json!({"force_recovery_mode": "x"}), "force_recovery_mode");
    refused_everywhere(json!({"allowed_delta_types": ["x"]}), "allowed_delta_types");
    refused_everywhere(json!({"channel_regex": "("}), "channel_regex");
    for options in [
        json!({"auto_cache_recover": true}),
        json!({"publication_data_format": "x"}),
        json!({"subscription_type": "x"}),
        json!({"subscription_type": "map"}),
        json!({"shared_poll": {"mode": "x"}}),
        json!({"subscription_type": "map", "map": {"mode": "persistent", "key_ttl": "1s"}}),
        json!({"subscription_type": "map", "map": {"mode": "ephemeral", "key_ttl": "1s", "stream_size": 1}}),
        json!({"subscribe_stream_proxy_enabled": true, "subscribe_proxy_enabled": true}),
    ] {
        assert_eq!(refused(namespace(options)).failure, Failure::Validating);
    }
}

#[test]
fn engines_and_brokers_must_be_known() {
    for (tree, key) in [
        (json!({"engine": "x"}), "engine"),
        (json!({"engine": {"type": "x"}}), "engine.type"),
        (json!({"broker": "x"}), "broker"),
        (json!({"broker": {"type": "x"}}), "broker.type"),
    ] {
        let error = refused(tree);
        assert_eq!((error.failure, &*error.key), (Failure::Engine, key), "{error}");
        assert!(error.remedy.contains("memory"), "{error}");
    }
}

#[test]
fn a_ping_comes_later_than_its_pong_is_due() {
    for tree in [
        json!({"client": {"ping_interval": "5s"}}),
        json!({"client": {"ping_interval": "8s"}}),
        json!({"client": {"ping_interval": "-1s"}}),
        json!({"ping_interval": "5s"}),
    ] {
        let error = refused(tree);
        assert!(error.reason.contains("client.pong_timeout, which is 8s"), "{error}");
    }
}

#[test]
fn token_options_must_fit_together() {
    for (v6, v5) in [("token", "token"), ("subscription_token", "subscription_token")] {
        for field in ["audience", "issuer"] {
            let both = json!({field: "x", format!("{field}_regex"): "x"});
            assert_eq!(refused(json!({"client": {v6: both}})).failure, Failure::Token);
            let both = json!({format!("{v5}_{field}"): "x", format!("{v5}_{field}_regex"): "x"});
            assert_eq!(refused(both).failure, Failure::Token);
            let bad = json!({"client": {v6: {format!("{field}_regex"): "("}}});
            assert!(refused(bad).reason.contains("regular expression"));
        }
        assert_eq!(refused(json!({"client": {v6: {"user_id_claim": "a-b"}}})).failure, Failure::Validating);
    }
    let error = refused(json!({"token_rsa_public_key": "no key"}));
    assert_eq!((error.failure, &*error.key), (Failure::Token, "token_rsa_public_key"), "{error}");
}

#[test]
fn a_personal_channel_needs_its_namespace() {
    let personal = |options: Value| json!({"client": {"subscribe_to_user_personal_channel": options}});
    accepted(personal(json!({"enabled": true})));
    assert!(
        refused(personal(json!({"enabled": true, "personal_channel_namespace": "zz"}))).reason.contains("no names")
    );
    assert!(refused(personal(json!({"enabled": true, "single_connection": true}))).reason.contains("presence"));
    let v5 = json!({"user_subscribe_to_personal": true, "user_personal_single_connection": true});
    let loaded = load(&Sources::of_file("config.json", &v5.to_string())).expect("v5 starts without presence");
    let warning = loaded.warnings.iter().find(|warning| warning.message.contains("presence")).expect("a warning");
    assert_eq!(warning.fields, [("key", "user_personal_single_connection".to_owned())]);
}

#[test]
fn other_words_are_checked() {
    assert_eq!(&*refused(json!({"http_api": {"error_mode": "x"}})).key, "http_api.error_mode");
    assert_eq!(&*refused(json!({"api_error_mode": "x"})).key, "api_error_mode");
    accepted(json!({"grpc_api": {"error_mode": "x"}}));
    assert_eq!(&*refused(json!({"grpc_api": {"enabled": true, "error_mode": "x"}})).key, "grpc_api.error_mode");
    assert_eq!(&*refused(json!({"internal_port": "x"})).key, "internal_port");
    assert_eq!(&*refused(json!({"proxies": [{"name": "default"}]})).reason, "namespace default: this name is reserved");
}

#[test]
fn levels_of_compression_are_those_of_go() {
    for level in [-2, -1, 0, 1, 9] {
        accepted(json!({"websocket": {"compression_level": level}}));
    }
    for level in [-3, 10, 100] {
        let error = refused(json!({"websocket": {"compression": true, "compression_level": level}}));
        assert_eq!((error.failure, &*error.key), (Failure::Validating, "websocket.compression_level"), "{error}");
        assert!(error.to_string().contains(&level.to_string()) && !error.remedy.is_empty(), "{error}");
    }
    assert_eq!(&*refused(json!({"websocket_compression_level": 12})).key, "websocket_compression_level", "as in v5");
}
