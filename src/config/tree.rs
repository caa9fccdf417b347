//! The text of a file as one tree: three formats, keys in lower case, dotted keys taken apart.
//!
//! Lower case reaches into maps of texts, as it does in Centrifugo. A dotted key is taken apart in sections only, not
//! in objects of lists.

use super::error::{Failure, LoadError};
use serde_json::{Map, Value as Json};
use std::path::Path;

/// Parses by extension. An empty file is an empty tree.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Map<String, Json>, LoadError> {
    let fail = |reason: String, place| LoadError {
        place,
        ..LoadError::new(Failure::Reading, reason).file(Some(path.to_owned()))
    };
    let text = std::str::from_utf8(bytes).map_err(|_| fail("the file is not UTF-8 text".into(), None))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    let tree = match extension.as_str() {
        "json" if text.trim().is_empty() => Json::Null,
        "json" => serde_json::from_str(text)
            .map_err(|e| fail(format!("JSON: {}", without_place(&e.to_string())), Some((e.line(), e.column()))))?,
        "yaml" | "yml" if text.trim().is_empty() => Json::Null,
        "yaml" | "yml" => serde_saphyr::from_str(text).map_err(|e| {
            let place = e.location().map(|at| (at.line() as usize, at.column() as usize));
            fail(format!("YAML: {}", e.to_string().lines().next().unwrap_or_default()), place)
        })?,
        "toml" => toml::from_str::<toml::Table>(text)
            .map(|table| from_toml(toml::Value::Table(table)))
            .map_err(|e| fail(format!("TOML: {}", e.message()), e.span().map(|span| place(text, span.start))))?,
        _ => {
            let reason = format!("unsupported config type {extension:?}");
            return Err(fail(reason, None).remedy("name the file .json, .toml, .yaml or .yml"));
        }
    };
    match tree {
        Json::Null => Ok(Map::new()),
        Json::Object(map) => Ok(normal(map, true)),
        _ => Err(fail("the top level must be an object".into(), None)),
    }
}

/// Keys in lower case; with `dotted`, `a.b` as `b` in `a`.
pub(super) fn normal(map: Map<String, Json>, dotted: bool) -> Map<String, Json> {
    let mut out = Map::new();
    for (key, value) in map {
        let value = match value {
            Json::Object(inner) => Json::Object(normal(inner, dotted)),
            Json::Array(list) => Json::Array(list.into_iter().map(normal_element).collect()),
            other => other,
        };
        let key = key.to_lowercase();
        match key.split_once('.') {
            Some(_) if dotted => insert(&mut out, &key, value),
            _ => merge(&mut out, key, value),
        }
    }
    out
}

fn normal_element(element: Json) -> Json {
    match element {
        Json::Object(map) => Json::Object(normal(map, false)),
        other => other,
    }
}

fn insert(map: &mut Map<String, Json>, dotted: &str, value: Json) {
    match dotted.split_once('.') {
        None => merge(map, dotted.to_owned(), value),
        Some((head, rest)) => {
            let mut inner = Map::new();
            insert(&mut inner, rest, value);
            merge(map, head.to_owned(), Json::Object(inner));
        }
    }
}

fn merge(map: &mut Map<String, Json>, key: String, value: Json) {
    match (map.get_mut(&key), value) {
        (Some(Json::Object(old)), Json::Object(new)) => new.into_iter().for_each(|(k, v)| merge(old, k, v)),
        (_, value) => {
            map.insert(key, value);
        }
    }
}

fn from_toml(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(n) => n.into(),
        toml::Value::Float(n) => serde_json::Number::from_f64(n).map_or(Json::Null, Json::Number),
        toml::Value::Boolean(on) => Json::Bool(on),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(list) => Json::Array(list.into_iter().map(from_toml).collect()),
        toml::Value::Table(table) => Json::Object(table.into_iter().map(|(k, v)| (k, from_toml(v))).collect()),
    }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// serde_json ends its message in the place, which we say ourselves.
fn without_place(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| &message[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Json, LoadError> {
        parse(Path::new(name), text.as_bytes()).map(Json::Object)
    }

    #[test]
    fn three_formats_give_one_tree() {
        let json = r#"{"client": {"insecure": true, "channel_limit": 7}, "channel": {"namespaces": [{"name": "ns"}]}}"#;
        let toml = "[client]\ninsecure = true\nchannel_limit = 7\n[[channel.namespaces]]\nname = \"ns\"\n";
        let yaml = "client:\n  insecure: true\n  channel_limit: 7\nchannel:\n  namespaces:\n  - name: ns\n";
        let tree = read("a.json", json).unwrap();
        assert_eq!(read("a.toml", toml).unwrap(), tree);
        assert_eq!(read("a.yaml", yaml).unwrap(), tree);
        assert_eq!(read("a.YML", yaml).unwrap(), tree);
    }

    #[test]
    fn keys_lose_their_case_and_their_dots() {
        let tree = read("a.json", r#"{"Client.Insecure": true, "CLIENT": {"channel_Limit": 7}}"#).unwrap();
        assert_eq!(tree, serde_json::json!({"client": {"insecure": true, "channel_limit": 7}}));
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        for (name, text) in [("a.json", "{\n  \"a\": }"), ("a.toml", "a = 1\nb = = 2"), ("a.yaml", "a: 1\nb: [1,")] {
            let error = read(name, text).unwrap_err();
            assert!(matches!(error.place, Some((2.., 1..))), "{error}");
            assert!(error.to_string().starts_with(name), "{error}");
        }
    }

    #[test]
    fn an_unknown_extension_a_list_and_bad_text_are_refused() {
        assert!(read("a.ini", "").unwrap_err().to_string().contains("\"ini\""));
        assert!(read("a", "").unwrap_err().to_string().contains("\"\""));
        assert!(read("a.json", "[]").unwrap_err().to_string().contains("must be an object"));
        assert!(parse(Path::new("a.json"), b"\xff").unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn an_empty_file_says_nothing() {
        for name in ["a.json", "a.yaml", "a.toml"] {
            assert_eq!(read(name, " \n").unwrap(), serde_json::json!({}), "{name}");
        }
    }
}
