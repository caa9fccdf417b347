//! Configurations: a file in one of its formats, and behind a line of `%%` variables and flags. They are good or an error
//! says why; loading twice gives the same; the same tree in another format means the same; whatever a start makes of good
//! ones is made without a panic.

use super::script::Script;
use corecast::config::{Failure, LoadError, Loaded, Sources, format_duration, load, parse_duration};
use corecast::http2::Options;
use corecast::session::Policy;
use corecast::transport::{Routes, Scope};
use corecast::wire::handshake::Origins;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

const NAMES: [&str; 4] = ["config.json", "config.yaml", "config.toml", "config.ini"];

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let (name, rest) = (script.choose(&NAMES), script.rest());
    let at = rest.windows(4).position(|window| window == b"\n%%\n");
    let (file, lines) = at.map_or((rest, &b""[..]), |at| (&rest[..at + 1], &rest[at + 4..]));
    let pairs = String::from_utf8_lossy(lines);
    let result = read(name, file, &pairs);
    assert_eq!(read(name, file, &pairs).ok(), result.as_ref().ok().cloned(), "twice the same");
    match result {
        Err(error) => refused(&error),
        Ok(loaded) => {
            begin(&loaded);
            if name == "config.json" {
                in_other_formats(file, &pairs, &loaded);
            }
        }
    }
    pairs.lines().for_each(duration);
}

fn read(name: &str, file: &[u8], pairs: &str) -> Result<Loaded, LoadError> {
    let (mut env, mut flags) = (Vec::new(), Vec::new());
    for (name, value) in pairs.lines().filter_map(|line| line.split_once('=')) {
        match name.strip_prefix("--") {
            Some(flag) => flags.push((flag.to_string(), value.to_string())),
            None => env.push((name.to_string(), value.to_string())),
        }
    }
    let read = |path: &Path| -> io::Result<Vec<u8>> {
        if path == Path::new("key") { Ok(b"-----BEGIN x-----".to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    load(&Sources { file: Some((PathBuf::from(name), file.to_vec())), env, flags, read: &read })
}

/// The operator is told what is wrong, in one line.
fn refused(error: &LoadError) {
    let text = error.to_string();
    assert!(!text.is_empty() && !error.failure.message().is_empty());
    assert!(!matches!(error.failure, Failure::Reading) || text.len() > 10, "{text}");
}

/// What a start makes of settings; some of it may still be refused, with a reason.
fn begin(loaded: &Loaded) {
    let settings = &loaded.settings;
    let reasons = [Policy::new(settings).err(), Origins::new(&settings.client.allowed_origins).err()];
    assert!(reasons.into_iter().flatten().all(|reason| !reason.is_empty()));
    for scope in [Scope::All, Scope::External, Scope::Internal] {
        _ = Routes::new(settings, scope);
    }
    _ = Options::new(&settings.grpc_api);
    for warning in &loaded.warnings {
        assert!(!warning.message.is_empty() && warning.field("no such field").is_none());
    }
}

fn in_other_formats(file: &[u8], pairs: &str, loaded: &Loaded) {
    let text = std::str::from_utf8(file).expect("good JSON").trim_start_matches('\u{feff}');
    let Ok(tree) = serde_json::from_str::<Value>(text) else { return };
    if let Ok(toml) = toml::to_string(&tree) {
        let other = read("config.toml", toml.as_bytes(), pairs);
        assert_eq!(other.map(|other| other.settings).as_ref(), Ok(&loaded.settings), "{toml}");
    }
    // JSON is YAML.
    if let Ok(other) = read("config.yaml", file, pairs) {
        assert_eq!(other.settings, loaded.settings, "YAML");
    }
}

/// Printed as Go prints it, a duration is the same.
fn duration(text: &str) {
    if let Some(nanos) = parse_duration(text) {
        assert_eq!(parse_duration(&format_duration(nanos)), Some(nanos), "{text}");
    }
}
