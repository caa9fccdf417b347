//! Variables: `CORECAST_…` and `CENTRIFUGO_…`, names of both dialects, lists of objects, and items of named lists.
//!
//! `CORECAST_X` beats `CENTRIFUGO_X`, a v6 name beats a v5 name. An empty variable is none. What Kubernetes injects for
//! services (`…_PORT=tcp://10.0.0.1:80`) is passed over, since v5 reads a variable of that name as its port.

use super::{
    entries::{Entries, Source, WarningKind, bad_value},
    error::LoadError,
    items::{Item, Reader},
    nearest::nearest,
    table::{Dialect, Name, env_suffix, table},
    tree::normal,
    value::{Bad, Kind, Value, from_text},
};
use regex::Regex;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

const PREFIXES: [&str; 2] = ["CENTRIFUGO_", "CORECAST_"];
/// Lists whose items have variables of their own, with the struct of their objects.
const NAMED_LISTS: [&str; 4] = ["channel.namespaces", "rpc.namespaces", "proxies", "consumers"];
const JSON_LIST: Bad = Bad { expected: "JSON text of a list of objects", remedy: "write [{…}, {…}]" };

/// Variables of ours, by name. The higher prefix wins before anything is read.
pub(super) fn ours(env: &[(String, String)]) -> HashMap<&str, &str> {
    let named = |(name, value): &(String, String)| !value.is_empty() && PREFIXES.iter().any(|p| name.starts_with(p));
    env.iter().filter(|pair| named(pair)).map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Reads all variables. `dialect` is the file's; it decides where a name means the same thing in both.
pub(super) fn collect(
    dialect: Dialect,
    variables: &HashMap<&str, &str>,
    entries: &mut Entries,
) -> Result<(), LoadError> {
    let mut used: HashSet<&str> = HashSet::new();
    // The strongest comes last: the prefix counts before the dialect.
    for prefix in PREFIXES {
        for wanted in [Dialect::V5, Dialect::V6] {
            let sorted: BTreeMap<&str, &str> = variables.iter().map(|(name, value)| (*name, *value)).collect();
            for (variable, text) in sorted {
                let Some(suffix) = variable.strip_prefix(prefix) else { continue };
                let Some(name) = chosen(suffix, dialect) else { continue };
                used.insert(variable);
                if name.dialect == wanted && !is_service_link(suffix, text) {
                    option(name, variable, text, variables, entries)?;
                }
            }
        }
    }
    items(variables, &mut used, entries)?;
    unknown(dialect, variables, &used, entries);
    Ok(())
}

/// A suffix that both dialects have means one option; the file's dialect says how lists in it are written.
fn chosen(suffix: &str, dialect: Dialect) -> Option<&'static Name> {
    let names: Vec<&Name> = table().by_env(suffix).collect();
    let lists = names.iter().any(|name| name.kind == Kind::Objects);
    let preferred = if lists { dialect } else { Dialect::V6 };
    names.iter().find(|name| name.dialect == preferred).or(names.first()).copied()
}

fn is_service_link(suffix: &str, text: &str) -> bool {
    suffix == "PORT" && text.contains("://")
}

fn option(
    name: &Name,
    variable: &str,
    text: &str,
    variables: &HashMap<&str, &str>,
    entries: &mut Entries,
) -> Result<(), LoadError> {
    let source = Source::Variable;
    if name.kind == Kind::Objects {
        return list(name, variable, text, variables, entries);
    }
    let value = match from_text(name.kind, name.dialect, text) {
        Ok(value) => value,
        Err(_) if name.dialect == Dialect::V5 && matches!(name.kind, Kind::Bool | Kind::Int) => {
            let fields = vec![("var", variable.to_owned()), ("value", text.to_owned())];
            entries.warn(WarningKind::BadValue, "value of the wrong type counts as zero", fields);
            name.kind.zero()
        }
        Err(bad) => return Err(bad_value(bad, variable, format!("{text:?}"), &source)),
    };
    entries.put(name, value, variable, &source)
}

fn list(
    name: &Name,
    variable: &str,
    text: &str,
    variables: &HashMap<&str, &str>,
    entries: &mut Entries,
) -> Result<(), LoadError> {
    let paths: Vec<&'static str> = name.targets.iter().map(|&target| table().opts[target].path).collect();
    let names_allowed = name.dialect == Dialect::V6 && NAMED_LISTS.contains(&name.text);
    if names_allowed && !text.trim_start().starts_with(['[', '{']) {
        for path in &paths {
            let items = entries.lists.entry(path).or_default();
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                items.push(Item::named(name.text, items.len(), word, variable));
            }
        }
    } else {
        let bad = || bad_value(JSON_LIST, variable, format!("{text:?}"), &Source::Variable);
        let node: Json = serde_json::from_str(text).map_err(|_| bad())?;
        let Json::Array(objects) = node else { return Err(bad()) };
        let objects = objects.into_iter().map(|object| match object {
            Json::Object(map) => Ok(Json::Object(normal(map, false))),
            _ => Err(bad()),
        });
        let node = Json::Array(objects.collect::<Result<_, _>>()?);
        let reader = Reader { dialect: name.dialect, source: Source::Variable, zero_is_default: false, variables };
        let items = reader.list(name, 0, &node, &mut entries.warnings)?;
        paths.iter().for_each(|path| drop(entries.lists.insert(path, items.clone())));
    }
    let count = paths.first().and_then(|path| entries.lists.get(path)).map_or(0, Vec::len);
    entries.put(name, Value::Objects(count), variable, &Source::Variable)
}

/// `CENTRIFUGO_CHANNEL_NAMESPACES_<NAME>_<OPTION>` and the same for the other named lists.
fn items<'a>(
    variables: &HashMap<&'a str, &str>,
    used: &mut HashSet<&'a str>,
    entries: &mut Entries,
) -> Result<(), LoadError> {
    for path in NAMED_LISTS {
        let Some(items) = entries.lists.get_mut(path) else { continue };
        let element = table().name(Dialect::V6, path).and_then(|name| name.element).unwrap_or("");
        for item in items {
            let name = item.name().to_uppercase().replace(['-', '.'], "_");
            for prefix in PREFIXES {
                for field in table().fields(Dialect::V6, element).iter().filter(|field| field.kind != Kind::Objects) {
                    let variable = format!("{prefix}{}_{name}_{}", env_suffix(path), env_suffix(field.path));
                    if let Some((&variable, text)) = variables.get_key_value(variable.as_str()) {
                        used.insert(variable);
                        item.put_text(field, variable, text)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn unknown(dialect: Dialect, variables: &HashMap<&str, &str>, used: &HashSet<&str>, entries: &mut Entries) {
    let mut names: Vec<&str> = variables.keys().copied().filter(|name| !used.contains(name)).collect();
    names.sort_unstable();
    for variable in names.into_iter().filter(|name| !is_expected(dialect, name)) {
        let (prefix, suffix) = variable.split_at(variable.find('_').map_or(0, |at| at + 1));
        let known: Vec<String> = table().names.iter().map(|name| env_suffix(name.text)).collect();
        let near = nearest(suffix, known.iter().map(String::as_str)).map(|near| format!("{prefix}{near}"));
        let mut fields = vec![("var", variable.to_owned())];
        fields.extend(near.map(|near| ("did_you_mean", near)));
        entries.warn(WarningKind::UnknownVariable, "unknown var in environment", fields);
    }
}

/// Names that others put there: interpolation, service links, and for v5 anything about consumers.
fn is_expected(dialect: Dialect, variable: &str) -> bool {
    static LINK: OnceLock<Regex> = OnceLock::new();
    let pattern = "^(?:CENTRIFUGO|CORECAST)(?:_[A-Z0-9_]+)?_(?:PORT|SERVICE_)";
    let link = LINK.get_or_init(|| Regex::new(pattern).expect("the pattern is constant"));
    variable.starts_with("CENTRIFUGO_VAR_")
        || link.is_match(variable)
        || (dialect == Dialect::V5 && variable.starts_with("CENTRIFUGO_CONSUMERS_"))
}
