//! Walks the whole option table: it holds what Centrifugo has (`tests/data/options.json`), each served option is read
//! from JSON, YAML and TOML by turns and from the environment, in both dialects, with its type and default; each other
//! one is warned about by name, or refused.

use corecast::config::settings::Settings;
use corecast::config::table::{Dialect, Name, env_suffix, table};
use corecast::config::{
    Failure, Kind, LoadError, Loaded, Sources, Unserved, Value, WarningKind, is_served, load, page, read_back, unserved,
};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

const PEM: &str = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";

fn facts() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/options.json");
    serde_json::from_slice(&std::fs::read(path).expect("the facts")).expect("JSON")
}

fn list<'a>(facts: &'a Json, key: &str) -> &'a [Json] {
    facts[key].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn the_table_has_every_v6_option_with_type_default_variable_and_flag() {
    let facts = facts();
    for fact in list(&facts, "v6") {
        let path = fact["path"].as_str().unwrap();
        let opt = table().opt(path).unwrap_or_else(|| panic!("{path} is missing"));
        let name = table().name(Dialect::V6, path).unwrap();
        assert_eq!(opt.type_name, fact["type"].as_str().unwrap(), "{path}");
        assert_eq!(shown(&opt.default), fact["default"], "{path}");
        assert_eq!(format!("CENTRIFUGO_{}", env_suffix(path)), fact["env"].as_str().unwrap());
        assert_eq!(name.flag, fact.get("flag").is_some(), "{path}");
        assert_eq!(name.short.map(|c| format!("-{c}")).as_deref(), fact.get("flag_short").and_then(Json::as_str));
        let keys: Vec<&str> = fact["v5"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        let mut known = opt.v5.clone();
        known.sort_unstable();
        assert_eq!(known, keys, "{path}");
    }
    assert_eq!(list(&facts, "v6").len(), 825);
}

#[test]
fn the_table_has_every_v5_key_with_type_default_variable_and_flag() {
    let facts = facts();
    for fact in list(&facts, "v5") {
        let key = fact["key"].as_str().unwrap();
        let name = table().name(Dialect::V5, key).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!(shown(&name.default), fact["default"], "{key}");
        assert_eq!(format!("CENTRIFUGO_{}", env_suffix(key)), fact["env"].as_str().unwrap());
        assert_eq!(name.flag, fact.get("flag").is_some(), "{key}");
    }
    assert_eq!(list(&facts, "v5").len(), 349);
}

#[test]
fn the_structs_of_lists_are_complete() {
    let facts = facts();
    for (key, dialect) in [("v6_items", Dialect::V6), ("v5_items", Dialect::V5)] {
        for (element, fields) in facts[key].as_object().unwrap() {
            if dialect == Dialect::V5 && ["tls_v2", "transforms"].contains(&element.as_str()) {
                continue; // Parts of other structs; the transforms are those of v6.
            }
            let known = table().fields(dialect, element);
            for path in fields.as_array().unwrap().iter().map(|field| field["path"].as_str().unwrap()) {
                let inside = format!("{path}.");
                assert!(known.iter().any(|f| f.path == path || f.path.starts_with(&inside)), "{element} {path}");
            }
        }
    }
}

#[test]
fn every_option_is_read_from_a_file_of_each_format_or_told_not_to_be_served() {
    let mut turns = ["json", "yaml", "toml"].into_iter().cycle();
    for name in &table().names {
        let tree = tree_of(name, sample(name));
        let extension = turns.next().unwrap();
        let loaded = load(&Sources::of_file(&format!("config.{extension}"), &text(extension, &tree)));
        check(name, name.text, loaded, &format!("{extension}: {tree}"));
    }
}

#[test]
fn every_option_is_read_from_its_variable_or_told_not_to_be_served() {
    for (name, prefix) in table().names.iter().zip(["CENTRIFUGO_", "CORECAST_"].into_iter().cycle()) {
        let variable = format!("{prefix}{}", env_suffix(name.text));
        let mut env = vec![(variable.clone(), variable_text(&sample(name)))];
        for (path, value) in company(name) {
            env.push((format!("CENTRIFUGO_{}", env_suffix(&path)), variable_text(&value)));
        }
        let what = format!("{env:?}");
        let loaded = load(&Sources { file: None, env, ..Sources::of_file("", "") });
        check(name, &variable, loaded, &what);
    }
}

#[test]
fn every_flag_is_read_or_told_not_to_be_served() {
    for name in table().names.iter().filter(|name| name.flag) {
        let flags = vec![(name.text.to_owned(), variable_text(&sample(name)))];
        let env = company(name).into_iter();
        let env = env.map(|(path, value)| (format!("CENTRIFUGO_{}", env_suffix(&path)), variable_text(&value)));
        let loaded = load(&Sources { file: None, flags, env: env.collect(), ..Sources::of_file("", "") });
        check(name, &format!("--{}", name.text), loaded, name.text);
    }
}

#[test]
fn zero_in_a_file_becomes_the_default_in_v6_where_the_facts_say_so() {
    let facts = facts();
    let zeroed = list(&facts, "v6").iter().filter(|fact| fact["zero_in_file_becomes_default"] == true);
    for path in zeroed.map(|fact| fact["path"].as_str().unwrap()) {
        let name = table().name(Dialect::V6, path).unwrap();
        let zero = match name.kind {
            Kind::Int => json!(0),
            Kind::Duration => json!("0s"),
            Kind::List => json!([]),
            Kind::Map => json!({}),
            _ => json!(""),
        };
        let loaded = load(&Sources::of_file("c.json", &nested(path, zero).to_string())).expect(path);
        assert_eq!((loaded.settings, loaded.warnings), (Settings::default(), vec![]), "{path}");
    }
}

#[test]
fn the_page_of_options_is_fresh() {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs", "options.md"].iter().collect();
    let page = page::options_page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/options.md is stale: UPDATE=1 cargo test --test options_table");
}

/// The option arrived, or the operator was told by name that it has no effect.
fn check(name: &Name, key: &str, loaded: Result<Loaded, LoadError>, what: &str) {
    for &target in &name.targets {
        let opt = &table().opts[target];
        match (is_served(opt.path), unserved(opt.path.trim_start_matches("channel.without_namespace."))) {
            (true, _) => {
                let loaded = loaded.as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
                let wanted = expected(name, opt.kind, opt.path);
                assert_ne!(wanted, opt.default, "{what}: the sample shows nothing");
                assert_eq!(read_back(&loaded.settings, opt.path), Some(wanted), "{what}");
            }
            (false, Unserved::Warned) => {
                let loaded = loaded.as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
                let told = |kind| kind == WarningKind::NotServed;
                assert!(loaded.warnings.iter().any(|w| told(w.kind) && w.field("key") == Some(key)), "{what}");
            }
            (false, Unserved::Refused(_)) => {
                let error = loaded.as_ref().expect_err(what);
                assert_eq!((error.failure, &*error.key), (Failure::NotServed, key), "{what}: {error}");
            }
        }
    }
}

/// A value that is not the default and that no rule refuses.
fn sample(name: &Name) -> Json {
    let path = table().opts[name.targets[0]].path;
    let last = path.rsplit('.').next().unwrap_or(path);
    match (last, name.kind) {
        ("error_mode", _) => json!("transport"),
        ("publication_data_format", _) => json!("json"),
        ("corecast_slow_consumer", _) => json!("catch_up"),
        ("force_recovery_mode", _) => json!("cache"),
        ("allowed_delta_types", _) => json!(["fossil"]),
        ("subscription_type", _) => json!("stream"),
        ("client_key", _) => json!("user_id"),
        ("mode", _) => json!(if path.contains("map") { "ephemeral" } else { "versioned" }),
        ("type", _) => json!("redis"),
        ("internal_port" | "port", Kind::Text) => json!("9001"),
        ("user_id_claim", _) => json!("uid"),
        ("min_version", _) => json!("1.3"),
        ("compression_level", _) => json!(7),
        (_, Kind::Bool) => json!(true),
        (_, Kind::Int) => json!(77),
        (_, Kind::Duration) => json!("9s"),
        (_, Kind::List) => json!(["a", "b"]),
        (_, Kind::Map) => json!({"a": "b"}),
        (_, Kind::Objects) if path.ends_with("transforms") => json!([{}]),
        (_, Kind::Objects) => json!([{"name": "ns"}]),
        ("rsa_public_key" | "ecdsa_public_key", _) => json!(PEM),
        (_, Kind::Text | Kind::Pem) => json!("/sample"),
    }
}

/// What `sample` means.
fn expected(name: &Name, kind: Kind, path: &str) -> Value {
    match (sample(name), kind) {
        (Json::Bool(on), _) => Value::Bool(on),
        (Json::Number(n), _) => Value::Int(n.as_i64().unwrap()),
        (Json::String(text), Kind::Int) => Value::Int(text.parse().unwrap()),
        (Json::String(_), Kind::Duration) => Value::Duration(9_000_000_000),
        (Json::String(text), _) => Value::Text(text),
        (Json::Array(items), Kind::Objects) => Value::Objects(items.len()),
        (Json::Array(items), _) => Value::List(items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()),
        (other, _) => panic!("{path}: {other}"),
    }
}

/// Options without which a rule refuses this one, in the words of its dialect.
fn company(name: &Name) -> Vec<(String, Json)> {
    let path = table().opts[name.targets[0]].path;
    let without = match name.dialect {
        Dialect::V5 => "",
        Dialect::V6 => "channel.without_namespace.",
    };
    let own = |pairs: &[(&str, Json)]| pairs.iter().map(|(k, v)| (format!("{without}{k}"), v.clone())).collect();
    match path.strip_prefix("channel.without_namespace.") {
        Some("history_size") => own(&[("history_ttl", json!("9s"))]),
        Some("history_ttl") => own(&[("history_size", json!(7))]),
        Some("force_recovery") => own(&[("history_ttl", json!("9s")), ("history_size", json!(7))]),
        Some("corecast_slow_consumer") => {
            own(&[("history_ttl", json!("9s")), ("history_size", json!(7)), ("allow_positioning", json!(true))])
        }
        Some("auto_cache_recover") => own(&[
            ("history_ttl", json!("9s")),
            ("history_size", json!(7)),
            ("force_recovery", json!(true)),
            ("force_recovery_mode", json!("cache")),
        ]),
        _ if path.starts_with("client.subscription_token.") && !path.ends_with("enabled") => {
            let enabled = match name.dialect {
                Dialect::V5 => "separate_subscription_token_config",
                Dialect::V6 => "client.subscription_token.enabled",
            };
            vec![(enabled.to_owned(), json!(true))]
        }
        _ if is_served(path) && path.ends_with("tls.enabled") => match name.dialect {
            Dialect::V5 => [format!("{}_cert", name.text), format!("{}_key", name.text)],
            Dialect::V6 => [path.replace("enabled", "cert_pem"), path.replace("enabled", "key_pem")],
        }
        .map(|key| (key, json!("/sample")))
        .to_vec(),
        _ => Vec::new(),
    }
}

fn tree_of(name: &Name, value: Json) -> Json {
    let mut tree = nested(name.text, value);
    for (path, value) in company(name) {
        merge(&mut tree, nested(&path, value));
    }
    tree
}

fn nested(path: &str, value: Json) -> Json {
    path.rsplit('.').fold(value, |inner, part| json!({ part: inner }))
}

fn merge(into: &mut Json, from: Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn text(extension: &str, tree: &Json) -> String {
    match extension {
        "json" => tree.to_string(),
        "yaml" => serde_saphyr::to_string(tree).expect("YAML"),
        _ => toml::to_string(tree).expect("TOML"),
    }
}

fn variable_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) if items.iter().all(Json::is_string) => {
            items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A default as the facts write it.
fn shown(value: &Value) -> Json {
    match value {
        Value::Bool(on) => json!(on),
        Value::Int(n) => json!(n),
        Value::Text(text) => json!(text),
        Value::Duration(nanos) => json!(corecast::config::format_duration(*nanos)),
        Value::List(list) => json!(list),
        Value::Map(map) => json!(map),
        Value::Objects(_) => json!([]),
    }
}
