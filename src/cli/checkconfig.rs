//! `corecast checkconfig`: would the server start with this file and environment, and what would it ignore?

use super::{Answer, source::Place};
use crate::config::{Warning, WarningKind};
use crate::runtime::certificates::Certificates;
use clap::ArgMatches;

/// Silent when everything has an effect; else one line for each thing that has none.
pub(super) fn run(matches: &ArgMatches) -> Answer {
    let place = Place::file_alone(matches);
    let loaded = place.load().map_err(|error| format!("{}: {error}", error.failure.message()))?;
    if loaded.file.is_none() {
        return Err("config file not found".into());
    }
    Certificates::new(&loaded.settings).map_err(|error| format!("error getting TLS certificates: {error}"))?;
    if matches.get_flag("strict") {
        let unknown: Vec<&str> = loaded.warnings.iter().filter_map(unknown_key).collect();
        if !unknown.is_empty() {
            return Err(format!("unknown keys in config: {}", unknown.join(", ")));
        }
    }
    Ok(loaded.warnings.iter().map(line).collect())
}

fn unknown_key(warning: &Warning) -> Option<&str> {
    if warning.kind == WarningKind::UnknownKey { warning.field("key") } else { None }
}

fn line(warning: &Warning) -> String {
    let fields = warning.fields.iter().map(|(name, value)| match *name {
        "key" | "var" => value.clone(),
        name => format!("{} {value}", name.replace('_', " ")),
    });
    format!("{}: {}\n", warning.message, fields.collect::<Vec<_>>().join(", "))
}
