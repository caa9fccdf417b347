//! From the tree of a file to entries: every leaf is an option, a known section's wrong shape, or unknown.

use super::{
    entries::{Entries, Warning, WarningKind, bad_value},
    error::LoadError,
    items::{Reader, shown},
    nearest::nearest,
    table::{Dialect, Name, table},
    value::{Bad, Kind},
};
use serde_json::{Map, Value as Json};

/// Reads the whole tree.
pub(super) fn collect(reader: &Reader<'_>, tree: &Map<String, Json>, entries: &mut Entries) -> Result<(), LoadError> {
    section(reader, "", tree, entries)
}

fn section(reader: &Reader<'_>, prefix: &str, map: &Map<String, Json>, entries: &mut Entries) -> Result<(), LoadError> {
    for (key, node) in map {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let is_section = table().is_section(reader.dialect, &path);
        if let Some(name) = table().name(reader.dialect, &path) {
            option(reader, name, node, entries)?;
        } else if !is_section {
            entries.warnings.push(unknown(reader.dialect, &path));
        } else if let Json::Object(inner) = node {
            section(reader, &path, inner, entries)?;
        } else if !node.is_null() {
            let bad = Bad { expected: "an object", remedy: "write {…} with the options of this section" };
            return Err(bad_value(bad, &path, shown(node), &reader.source));
        }
    }
    Ok(())
}

fn option(reader: &Reader<'_>, name: &Name, node: &Json, entries: &mut Entries) -> Result<(), LoadError> {
    let value = match reader.value(name.kind, &name.default, false, name.text, node) {
        Ok(None) => return Ok(()),
        Ok(Some(value)) => value,
        Err(error) if reader.dialect == Dialect::V5 && matches!(name.kind, Kind::Bool | Kind::Int) => {
            let fields = vec![("key", name.text.to_owned()), ("value", error.value.into())];
            entries.warn(WarningKind::BadValue, "value of the wrong type counts as zero", fields);
            name.kind.zero()
        }
        Err(error) => return Err(error),
    };
    if name.kind == Kind::Objects {
        let items = reader.list(name, 0, node, &mut entries.warnings)?;
        let targets = name.targets.iter().map(|&target| table().opts[target].path);
        targets.for_each(|path| drop(entries.lists.insert(path, items.clone())));
    }
    entries.put(name, value, name.text, &reader.source)
}

fn unknown(dialect: Dialect, path: &str) -> Warning {
    let known = table().names.iter().filter(|name| name.dialect == dialect).map(|name| name.text);
    let message = match dialect {
        Dialect::V6 => "unknown key in configuration file",
        Dialect::V5 => "unknown key found in the configuration file",
    };
    let mut fields = vec![("key", path.to_owned())];
    fields.extend(nearest(path, known).map(|near| ("did_you_mean", near.to_owned())));
    Warning { kind: WarningKind::UnknownKey, message: message.to_owned(), fields }
}
