//! Walks the whole table of options (`tests/data/options.json`: every option of Centrifugo v6 and v5): each is known with
//! its type, default and variable; each that is served is read from files in three formats and from the environment, in
//! both dialects; each other one is warned about by name or refused. `UPDATE=1` writes `docs/options.md`.

use corecast::config::{Dialect, Loaded, Sources, Value, is_served, load, page, read_back, table::table};
use serde_json::{Value as Json, json};
use std::path::Path;

fn facts() -> Json {
    serde_json::from_str(include_str!("data/options.json")).expect("the table")
}

fn rows(dialect: &str) -> Vec<Json> {
    facts()[dialect].as_array().expect("a list").clone()
}

fn text<'a>(row: &'a Json, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_default()
}

/// A value that is not the default, as an operator would write it; `None` for kinds with rules of their own.
fn sample(path: &str, row: &Json) -> Option<Json> {
    let special = match path {
        "http_api.error_mode" | "api_error_mode" => json!("transport"),
        "client.ping_interval" | "ping_interval" => json!("77s"),
        "client.pong_timeout" | "pong_timeout" => json!("7s"),
        p if p.ends_with("publication_data_format") => json!("json"),
        p if p.ends_with("channel_regex") => json!("^a$"),
        p if p.ends_with("rsa_public_key") => json!(include_str!("data/rsa.pub")),
        p if p.ends_with("ecdsa_public_key") => json!(include_str!("data/p256.pub")),
        p if p.ends_with("user_id_claim") => json!("uid"),
        _ => Json::Null,
    };
    if !special.is_null() {
        return Some(special);
    }
    Some(match text(row, "type") {
        "bool" => json!(!row["default"].as_bool().unwrap_or_default()),
        "int" | "int32" | "int64" | "uint" | "uint64" => json!(77),
        "string" if path.ends_with("prefix") => json!("/x"),
        "string" => json!("77"),
        "duration" => json!("77s"),
        "string_list" => json!(["77"]),
        _ => return None,
    })
}

fn nested(path: &str, value: Json) -> Json {
    path.rsplit('.').fold(value, |inner, part| json!({ part: inner }))
}

/// The file in one of the three formats, by turns.
fn file(turn: usize, document: &Json) -> (&'static str, String) {
    match turn % 3 {
        0 => ("config.json", document.to_string()),
        1 => ("config.yaml", yaml(document, 0)),
        _ => ("config.toml", toml::to_string(document).expect("TOML")),
    }
}

/// Maps as indented blocks; everything else is the same in JSON.
fn yaml(document: &Json, depth: usize) -> String {
    let Some(map) = document.as_object() else { return format!(" {document}\n") };
    let line = |(key, value): (&String, &Json)| {
        let pad = "  ".repeat(depth);
        let inner = yaml(value, depth + 1);
        if value.is_object() { format!("{pad}{key}:\n{inner}") } else { format!("{pad}{key}:{inner}") }
    };
    map.iter().map(line).collect()
}

fn loads(name: &str, document: &str, env: Vec<(String, String)>) -> Result<Loaded, String> {
    let mut sources = Sources::of_file(name, document);
    sources.env = env;
    load(&sources).map_err(|e| e.to_string())
}

/// The value as the loader should have understood it.
fn is_value(read: &Value, wanted: &Json) -> bool {
    let shown = format!("{read:?}").to_lowercase();
    match wanted {
        Json::String(s) if s.starts_with("-----BEGIN") => shown.contains("begin public key"),
        Json::Bool(b) => shown.contains(&b.to_string()),
        Json::Array(items) => items.iter().all(|item| shown.contains(item.as_str().unwrap_or_default())),
        Json::String(s) => shown.contains(s.trim_end_matches('s').trim_start_matches('/')),
        other => shown.contains(&other.to_string()),
    }
}

fn variable(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => items.iter().map(|i| i.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

#[test]
fn every_option_of_both_dialects_is_known() {
    for (dialect, list, name) in [(Dialect::V6, "v6", "path"), (Dialect::V5, "v5", "key")] {
        let rows = rows(list);
        assert!(rows.len() > 300, "{list}");
        for row in &rows {
            let own = if row[name].is_null() { text(row, "path") } else { text(row, name) };
            assert!(table().name(dialect, own).is_some(), "{list}: {own}");
            let suffix = text(row, "env").trim_start_matches("CENTRIFUGO_");
            assert!(suffix.is_empty() || table().by_env(suffix).next().is_some(), "{list}: {own}: {suffix}");
        }
    }
}

#[test]
fn every_served_option_of_v6_is_read_from_files_and_from_the_environment() {
    let mut served = 0;
    for (turn, row) in rows("v6").iter().enumerate() {
        let path = text(row, "path");
        let Some(value) = sample(path, row).filter(|_| is_served(path)) else { continue };
        // Tokens for subscriptions count only when they are switched on.
        let mut document = nested(path, value.clone());
        if path.starts_with("client.subscription_token.") {
            document["client"]["subscription_token"]["enabled"] = json!(true);
        }
        let (name, text) = file(turn, &document);
        let env = vec![(format!("CORECAST_{}", path.to_uppercase().replace('.', "_")), variable(&value))];
        let switch = ("CORECAST_CLIENT_SUBSCRIPTION_TOKEN_ENABLED".to_string(), "true".to_string());
        let env = if path.starts_with("client.subscription_token.") { [env, vec![switch]].concat() } else { env };
        for (name, text, env) in [(name, text.as_str(), Vec::new()), ("config.json", "{}", env)] {
            let loaded = loads(name, text, env).unwrap_or_else(|e| panic!("{path} from {name}: {e}\n{text}"));
            let read = read_back(&loaded.settings, path).unwrap_or_else(|| panic!("{path} is served"));
            assert!(is_value(&read, &value), "{path} from {name}: {read:?} instead of {value}");
        }
        served += 1;
    }
    assert!(served > 50, "{served}");
}

#[test]
fn every_served_option_of_v5_is_read_under_its_own_key() {
    let mut served = 0;
    for (turn, row) in rows("v5").iter().enumerate() {
        let key = if row["key"].is_null() { text(row, "path") } else { text(row, "key") };
        let Some(name) = table().name(Dialect::V5, key) else { continue };
        let Some(target) = name.targets.first().map(|at| table().opts[*at].path).filter(|path| is_served(path)) else {
            continue;
        };
        let Some(value) = sample(key, row) else { continue };
        if target.starts_with("client.subscription_token") {
            continue; // Read only together with its switch; v6 above covers the fields.
        }
        // A key that only v5 has makes the file a v5 file.
        let mut document = nested(key, value.clone());
        document["client_channel_limit"] = if key == "client_channel_limit" { value.clone() } else { json!(128) };
        let (file_name, text) = file(turn, &document);
        let loaded = loads(file_name, &text, Vec::new()).unwrap_or_else(|e| panic!("{key}: {e}\n{text}"));
        assert_eq!(loaded.dialect, Dialect::V5, "{key}");
        let read = read_back(&loaded.settings, target).unwrap_or_else(|| panic!("{key} is served"));
        let is_switch_off = target.ends_with("disabled") != key.ends_with("disable") && target.ends_with("disabled");
        assert!(is_switch_off || is_value(&read, &value), "{key}: {read:?} instead of {value}");
        served += 1;
    }
    assert!(served > 40, "{served}");
}

#[test]
fn every_other_option_is_warned_about_by_name_or_refused() {
    let (mut warned, mut refused) = (0, 0);
    for row in rows("v6") {
        let path = text(&row, "path");
        let Some(value) = sample(path, &row).filter(|_| !is_served(path)) else { continue };
        match loads("config.json", &nested(path, value).to_string(), Vec::new()) {
            Ok(loaded) => {
                let is_named = loaded.warnings.iter().any(|warning| format!("{warning:?}").contains(path));
                assert!(is_named, "{path} is passed over in silence: {:?}", loaded.warnings);
                warned += 1;
            }
            Err(error) => {
                let section = path.split('.').next().unwrap_or_default();
                assert!(error.contains(section), "{path}: {error}");
                refused += 1;
            }
        }
    }
    assert!(warned > 100 && refused > 100, "{warned} warned about, {refused} refused");
}

#[test]
fn the_page_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/options.md");
    let made = page::options_page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made).expect("written");
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(present == made, "run `make docs`");
}
