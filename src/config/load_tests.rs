use super::*;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::time::Duration;

fn json(text: &str) -> Sources<'static> {
    Sources::of_file("config.json", text)
}

fn with(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
    load(&Sources { env: own(env), flags: own(flags), ..json(text) })
}

fn ok(text: &str) -> Loaded {
    load(&json(text)).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str) -> LoadError {
    load(&json(text)).expect_err(text)
}

#[test]
fn nothing_said_means_defaults_without_warnings() {
    let loaded = load(&Sources { file: None, ..json("") }).unwrap();
    assert_eq!((loaded.settings, loaded.warnings, loaded.file), (Settings::default(), vec![], None));
}

#[test]
fn both_dialects_mean_the_same() {
    let v5 = ok(r#"{"token_hmac_secret_key": "s", "api_key": "k", "allowed_origins": ["*"], "port": "9000",
        "ping_interval": "10s", "namespaces": [{"name": "ns", "allow_subscribe_for_client": true}]}"#);
    let v6 = ok(r#"{"client": {"token": {"hmac_secret_key": "s"}, "allowed_origins": ["*"], "ping_interval": "10s"},
        "http_api": {"key": "k"}, "http_server": {"port": 9000},
        "channel": {"namespaces": [{"name": "ns", "allow_subscribe_for_client": true}]}}"#);
    assert_eq!(v5.settings, v6.settings);
    assert_eq!((v5.dialect, v6.dialect), (Dialect::V5, Dialect::V6));
    assert_eq!(v6.settings.http_server.port, 9000);
    assert!(v6.settings.channel.namespaces[0].1.allow_subscribe_for_client);
}

#[test]
fn a_flag_beats_a_variable_and_a_variable_beats_the_file() {
    let file = r#"{"http_server": {"port": 1}, "client": {"insecure": true}}"#;
    let env = [("CENTRIFUGO_HTTP_SERVER_PORT", "2"), ("CENTRIFUGO_CLIENT_INSECURE", "false")];
    let loaded = with(file, &env, &[("port", "3")]).unwrap();
    assert_eq!((loaded.settings.http_server.port, loaded.settings.client.insecure), (3, false));
    assert_eq!(with(file, &env, &[]).unwrap().settings.http_server.port, 2);
}

#[test]
fn our_prefix_beats_centrifugos_even_with_a_default() {
    let env = [("CORECAST_PORT", "8000"), ("CENTRIFUGO_HTTP_SERVER_PORT", "2"), ("CORECAST_CLIENT_INSECURE", "0")];
    let settings = with(r#"{"client": {"insecure": true}}"#, &env, &[]).unwrap().settings;
    assert_eq!((settings.http_server.port, settings.client.insecure), (8000, false));
}

#[test]
fn variables_of_both_dialects_are_read_whatever_the_file_is() {
    let env = [("CENTRIFUGO_TOKEN_HMAC_SECRET_KEY", "s"), ("CENTRIFUGO_HTTP_API_KEY", "k")];
    let settings = with("{}", &env, &[]).unwrap().settings;
    assert_eq!((settings.client.token.hmac_secret_key.as_str(), settings.http_api.key.as_str()), ("s", "k"));
}

#[test]
fn an_empty_variable_is_none() {
    let settings = with(r#"{"port": 9}"#, &[("CENTRIFUGO_PORT", "")], &[]).unwrap().settings;
    assert_eq!(settings.http_server.port, 9);
}

#[test]
fn a_service_link_of_kubernetes_is_not_a_port() {
    let env = [("CENTRIFUGO_PORT", "tcp://10.0.0.1:8000"), ("CENTRIFUGO_PORT_8000_TCP", "x")];
    let loaded = with("{}", &env, &[]).unwrap();
    assert_eq!((loaded.settings.http_server.port, loaded.warnings), (8000, vec![]));
}

#[test]
fn zero_in_a_v6_file_is_the_default_and_in_v5_it_stays() {
    let v6 = ok(r#"{"channel": {"private_prefix": "", "max_length": 0}, "http_server": {"port": 0}}"#);
    assert_eq!(v6.settings, Settings::default());
    let v5 = ok(r#"{"channel_private_prefix": "", "channel_max_length": 0, "client_channel_limit": 0}"#);
    assert_eq!(v5.settings.channel.private_prefix, "");
    assert_eq!((v5.settings.channel.max_length, v5.settings.client.channel_limit), (255, 128));
    let env = with("{}", &[("CENTRIFUGO_HTTP_SERVER_PORT", "0")], &[]).unwrap();
    assert_eq!(env.settings.http_server.port, 0);
}

#[test]
fn namespaces_come_as_json_as_names_and_by_item() {
    let file = r#"{"channel": {"namespaces": [{"name": "one"}]}}"#;
    let names = |loaded: &Loaded| loaded.settings.channel.namespaces.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    let appended = with(
        file,
        &[
            ("CENTRIFUGO_CHANNEL_NAMESPACES", "my-two three"),
            ("CENTRIFUGO_CHANNEL_NAMESPACES_MY_TWO_ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
            ("CORECAST_CHANNEL_NAMESPACES_ONE_CHANNEL_REGEX", "^x$"),
        ],
        &[],
    )
    .unwrap();
    assert_eq!(names(&appended), ["one", "my-two", "three"]);
    assert!(appended.settings.channel.namespaces[1].1.allow_subscribe_for_client);
    assert_eq!(appended.settings.channel.namespaces[0].1.channel_regex, "^x$");
    assert_eq!(appended.warnings, vec![]);
    let replaced = with(file, &[("CENTRIFUGO_CHANNEL_NAMESPACES", r#"[{"name":"two"}]"#)], &[]).unwrap();
    assert_eq!(names(&replaced), ["two"]);
    let v5 = with("{}", &[("CENTRIFUGO_NAMESPACES", r#"[{"Name":"two"}]"#)], &[]).unwrap();
    assert_eq!(names(&v5), ["two"]);
    assert!(with("{}", &[("CENTRIFUGO_NAMESPACES", "two")], &[]).is_err());
}

#[test]
fn a_negative_ping_switches_pings_off() {
    let client = ok(r#"{"client": {"ping_interval": "-1s", "pong_timeout": "-2s"}}"#).settings.client;
    assert_eq!((client.ping_interval, client.pong_timeout), (None, None));
    let client = ok(r#"{"ping_interval": "5s", "pong_timeout": "-1s"}"#).settings.client;
    assert_eq!((client.ping_interval, client.pong_timeout), (Some(Duration::from_secs(5)), None));
}

#[test]
fn a_subscription_token_counts_when_it_is_enabled() {
    let file = |enabled| {
        format!(r#"{{"client": {{"subscription_token": {{"enabled": {enabled}, "hmac_secret_key": "s"}}}}}}"#)
    };
    assert_eq!(ok(&file(false)).settings.client.subscription_token, None);
    let token = ok(&file(true)).settings.client.subscription_token.unwrap();
    assert_eq!(token.hmac_secret_key, "s");
}

#[test]
fn unknown_keys_are_warned_about_with_the_nearest_one() {
    let loaded = ok(r#"{"client": {"insecrue": true}, "channel": {"namespaces": [{"name": "ab", "presense": true}]}}"#);
    let said: Vec<_> = loaded.warnings.iter().map(|w| (w.field("key"), w.field("did_you_mean"))).collect();
    let first = (Some("channel.namespaces.[0].presense"), Some("presence"));
    assert_eq!(said, [first, (Some("client.insecrue"), Some("client.insecure"))]);
    assert!(loaded.warnings.iter().all(|w| w.message == "unknown key in configuration file"));
}

#[test]
fn unknown_keys_of_v5_are_told_in_its_words() {
    let loaded = ok(r#"{"port": 1, "zz": 1, "namespaces": [{"name": "ab", "qq": 1}]}"#);
    assert_eq!(loaded.warnings[0].message, "unknown key found in the namespace object");
    assert_eq!(loaded.warnings[0].field("namespace_name"), Some("ab"));
    assert_eq!(loaded.warnings[1].message, "unknown key found in the configuration file");
}

#[test]
fn unknown_variables_are_warned_about_with_exceptions() {
    let env = [
        ("CENTRIFUGO_CLIENT_INSECUER", "1"),
        ("CENTRIFUGO_VAR_X", "1"),
        ("CENTRIFUGO_SERVICE_HOST", "1"),
        ("CENTRIFUGO_MY_SERVICE_PORT", "1"),
        ("CORECAST_ZZ", "1"),
        ("PATH", "1"),
    ];
    let warnings = with("{}", &env, &[]).unwrap().warnings;
    let said: Vec<_> = warnings.iter().map(|w| (w.field("var"), w.field("did_you_mean"))).collect();
    let near = (Some("CENTRIFUGO_CLIENT_INSECUER"), Some("CENTRIFUGO_CLIENT_INSECURE"));
    assert_eq!(said, [near, (Some("CORECAST_ZZ"), None)]);
    let consumers = [("CENTRIFUGO_CONSUMERS_KAFKA_X_BROKERS", "1")];
    assert_eq!(with(r#"{"port": 1}"#, &consumers, &[]).unwrap().warnings, vec![]);
}

#[test]
fn what_is_not_served_is_warned_about_once_or_refused() {
    let loaded = ok(r#"{"channel": {"without_namespace": {"shared_poll": {"mode": "versioned"}}},
        "sse": {"enabled": true}, "uni_sse": {"enabled": false}}"#);
    let keys: Vec<_> = loaded.warnings.iter().filter_map(|w| w.field("key")).collect();
    let wanted = ["channel.without_namespace.shared_poll.mode", "sse.enabled"];
    assert_eq!(keys, wanted);
    for text in [
        r#"{"engine": "redis"}"#,
        r#"{"engine": {"type": "redis"}}"#,
        r#"{"tls_autocert": true}"#,
        r#"{"http_server": {"tls_autocert": {"enabled": true}}}"#,
        r#"{"proxy_connect_endpoint": "http://x"}"#,
        r#"{"namespaces": [{"name": "ns", "proxy_subscribe": true}]}"#,
        r#"{"channel": {"namespaces": [{"name": "ns", "subscribe_proxy_enabled": true}]}}"#,
    ] {
        assert_eq!(refused(text).failure, Failure::NotServed, "{text}");
    }
}

#[test]
fn a_default_written_out_is_no_wish() {
    let loaded = ok(r#"{"engine": "memory", "broker": "", "tls": false, "proxy_http_headers": [], "redis_prefix":
        "centrifugo", "namespaces": [{"name": "ns", "proxy_subscribe": false, "subscribe_proxy_name": ""}]}"#);
    assert_eq!(loaded.warnings, vec![]);
}

#[test]
fn a_secret_is_not_shown_in_an_error() {
    let error = refused(r#"{"redis_password": "hunter2"}"#).to_string();
    assert!(error.contains("redis_password") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_bad_value_names_file_key_value_and_remedy() {
    let error = refused(r#"{"client": {"ping_interval": "25"}}"#).to_string();
    let wanted = "config.json: client.ping_interval = \"25\": expected a duration such as 25s, 1m30s or 300ms; \
                  write a number with its unit";
    assert_eq!(error, wanted);
    let error = with("{}", &[("CENTRIFUGO_CLIENT_INSECURE", "yes")], &[]).unwrap_err().to_string();
    assert_eq!(error, "CENTRIFUGO_CLIENT_INSECURE = \"yes\": expected true or false; write true or false");
    assert!(refused(r#"{"client": 5}"#).to_string().contains("client = 5: expected an object"));
    assert!(refused(r#"{"http_server": {"port": 70000}}"#).to_string().contains("0 to 65535"));
}

#[test]
fn a_bad_boolean_of_v5_counts_as_false_and_is_told() {
    let loaded = ok(r#"{"client_insecure": "yes", "client_connection_limit": "many"}"#);
    assert!(!loaded.settings.client.insecure);
    assert!(loaded.warnings.iter().all(|w| w.kind == WarningKind::BadValue) && loaded.warnings.len() == 2);
}

#[test]
fn insecure_switches_are_warned_about() {
    let loaded = ok(r#"{"client_insecure": true, "api_insecure": true}"#);
    let keys: Vec<_> = loaded.warnings.iter().map(|w| (w.kind, w.field("key").unwrap())).collect();
    assert_eq!(keys, [(WarningKind::Insecure, "client_insecure"), (WarningKind::Insecure, "api_insecure")]);
}

const PEM: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";

#[test]
fn a_key_is_text_base64_or_a_path() {
    let read = |path: &Path| {
        if path == Path::new("/k.pem") { Ok(PEM.as_bytes().to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    let key = |text: &str| {
        let file = serde_json::json!({"client": {"token": {"rsa_public_key": text}}}).to_string();
        load(&Sources { read: &read, ..json(&file) }).map(|loaded| loaded.settings.client.token.rsa_public_key)
    };
    for text in [PEM, &STANDARD.encode(PEM), "/k.pem"] {
        assert_eq!(key(text).as_deref(), Ok(PEM));
    }
    assert_eq!(key("/missing.pem").unwrap_err().failure, Failure::Token);
}

#[test]
fn maps_of_texts_take_variables_and_miss_unset_ones() {
    let file = r#"{"broker": {"nats": {"raw_mode": {"channel_replacements": {"a": "${CENTRIFUGO_VAR_X}"}}}}}"#;
    assert_eq!(with(file, &[("CENTRIFUGO_VAR_X", "1")], &[]).unwrap_err().failure, Failure::NotServed);
    let error = with(file, &[], &[]).unwrap_err();
    assert!(error.to_string().contains("CENTRIFUGO_VAR_X"), "{error}");
}

#[test]
fn our_own_options_have_short_variables() {
    let settings = with(r#"{"corecast": {"cores": 3, "http_api": {"max_body_size": 5}}}"#, &[], &[]).unwrap().settings;
    assert_eq!((settings.corecast.cores, settings.corecast.http_api_max_body_size), (3, 5));
    for variable in ["CORECAST_CORES", "CORECAST_CORECAST_CORES", "CENTRIFUGO_CORECAST_CORES"] {
        assert_eq!(with("{}", &[(variable, "2")], &[]).unwrap().settings.corecast.cores, 2);
    }
    assert_eq!(with("{}", &[], &[("cores", "4")]).unwrap().settings.corecast.cores, 4);
}

#[test]
fn loading_again_gives_the_same() {
    let sources = json(r#"{"port": 1, "zz": 1, "sse": true}"#);
    assert_eq!(load(&sources), load(&sources));
}
