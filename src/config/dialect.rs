//! Which dialect a file is written in.
//!
//! v5 if it has a key that only v5 has, or a shared name in its v5 shape (`admin: true`); v6 likewise; both in one
//! file is an error that names one key of each; neither is v6. Unknown keys say nothing.

use super::{
    error::{Failure, LoadError},
    table::{Dialect, table},
};
use serde_json::{Map, Value as Json};
use std::path::Path;

#[derive(Default)]
struct Evidence {
    v5: Option<String>,
    v6: Option<String>,
}

/// The dialect of a normal tree.
pub(super) fn detect(file: &Path, tree: &Map<String, Json>) -> Result<Dialect, LoadError> {
    let mut evidence = Evidence::default();
    visit("", tree, &mut evidence);
    match (evidence.v5, evidence.v6) {
        (Some(v5), Some(v6)) => {
            let reason = format!("{v5} is a key of Centrifugo v5 and {v6} of v6: one file cannot be both");
            let remedy = "write all keys in one dialect; docs/options.md lists both names of each option";
            Err(LoadError::new(Failure::Reading, reason).remedy(remedy).file(Some(file.to_owned())))
        }
        (Some(_), None) => Ok(Dialect::V5),
        _ => Ok(Dialect::V6),
    }
}

fn visit(prefix: &str, map: &Map<String, Json>, evidence: &mut Evidence) {
    for (key, node) in map {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let is_section = |dialect| table().is_section(dialect, &path);
        if let Json::Object(inner) = node
            && (is_section(Dialect::V5) || is_section(Dialect::V6))
        {
            visit(&path, inner, evidence);
            continue;
        }
        let is_name = |dialect| table().name(dialect, &path).is_some();
        match (node.is_null(), is_name(Dialect::V5), is_name(Dialect::V6)) {
            (false, true, false) => evidence.v5 = evidence.v5.take().or(Some(path)),
            (false, false, true) => evidence.v6 = evidence.v6.take().or(Some(path)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(tree: Json) -> Result<Dialect, LoadError> {
        detect(Path::new("config.json"), tree.as_object().unwrap())
    }

    #[test]
    fn a_key_that_one_dialect_has_decides() {
        assert_eq!(of(json!({"token_hmac_secret_key": "x"})), Ok(Dialect::V5));
        assert_eq!(of(json!({"client": {"insecure": true}})), Ok(Dialect::V6));
        assert_eq!(of(json!({"nats_tls": {"enabled": false}})), Ok(Dialect::V5));
    }

    #[test]
    fn the_shape_of_a_shared_name_decides() {
        assert_eq!(of(json!({"admin": true})), Ok(Dialect::V5));
        assert_eq!(of(json!({"admin": {"enabled": true}})), Ok(Dialect::V6));
        assert_eq!(of(json!({"engine": "memory"})), Ok(Dialect::V5));
    }

    #[test]
    fn nothing_that_decides_means_v6() {
        for tree in [json!({}), json!({"pid_file": "p"}), json!({"admin": null}), json!({"corecast": {"cores": 1}})] {
            assert_eq!(of(tree), Ok(Dialect::V6));
        }
        assert_eq!(of(json!({"corecast": {"cores": 1}, "port": 1})), Ok(Dialect::V5));
        assert_eq!(of(json!({"client": {"unknown": 1}, "port": 1})), Ok(Dialect::V5));
    }

    #[test]
    fn a_mixture_is_refused_with_both_keys() {
        let error = of(json!({"port": 1, "client": {"insecure": true}})).unwrap_err().to_string();
        assert!(error.contains("port") && error.contains("client.insecure"), "{error}");
    }
}
