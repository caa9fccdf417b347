//! What was said so far: one entry per option, from whichever source ranks highest, and the warnings on the way.

use super::{
    error::{Failure, LoadError},
    items::Item,
    table::{Name, table},
    value::{Bad, Value},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Something that does not stop the start but that the operator should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// What kind of thing.
    pub kind: WarningKind,
    /// Text of the log line.
    pub message: String,
    /// Fields of the log line.
    pub fields: Vec<(&'static str, String)>,
}

/// Kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// A key of the file that no option has.
    UnknownKey,
    /// A variable that no option has.
    UnknownVariable,
    /// Recognised, and without effect in this version.
    NotServed,
    /// Switches a protection off.
    Insecure,
    /// A v5 value of the wrong kind counts as zero, as it does there.
    BadValue,
}

impl Warning {
    /// The value of one field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str())
    }
}

/// Where something was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    File(PathBuf),
    Variable,
    Flag,
}

/// One value with its origin.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub value: Value,
    /// As written: a key, a variable or a flag.
    pub key: String,
    pub source: Source,
    /// It says something else than the default of the name that it was written under.
    pub changed: bool,
}

/// Everything that was said.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// By path of the option.
    pub values: BTreeMap<&'static str, Entry>,
    /// Objects of lists, by path of the list.
    pub lists: BTreeMap<&'static str, Vec<Item>>,
    pub warnings: Vec<Warning>,
}

impl Source {
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Source::File(path) => Some(path.clone()),
            _ => None,
        }
    }
}

impl Entry {
    /// An error about this entry.
    pub(super) fn error(&self, failure: Failure, reason: impl Into<String>) -> LoadError {
        LoadError::new(failure, reason).key(&self.key).value(&self.value).file(self.source.file())
    }
}

impl Entries {
    /// Takes a value that was written under `name`. A default does not undo what another key of the same file said:
    /// v5 has several keys for one thing, and dumps of a configuration list them all.
    pub(super) fn put(&mut self, name: &Name, value: Value, key: &str, source: &Source) -> Result<(), LoadError> {
        let changed = value != name.default;
        for &target in &name.targets {
            let opt = &table().opts[target];
            let value = value.clone().into_kind(opt.kind).map_err(|bad| bad_value(bad, key, &value, source))?;
            if let Some(old) = self.values.get(opt.path)
                && matches!(source, Source::File(_))
                && old.source == *source
                && old.changed
                && !changed
            {
                continue;
            }
            self.values.insert(opt.path, Entry { value, key: key.to_owned(), source: source.clone(), changed });
        }
        Ok(())
    }

    /// The value of an option, or its default.
    pub(super) fn value(&self, path: &str) -> Value {
        match self.values.get(path) {
            Some(entry) => entry.value.clone(),
            None => table().opt(path).map_or(Value::Bool(false), |opt| opt.default.clone()),
        }
    }

    pub(super) fn text(&self, path: &str) -> String {
        match self.value(path) {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    pub(super) fn is_on(&self, path: &str) -> bool {
        self.value(path) == Value::Bool(true)
    }

    pub(super) fn nanos(&self, path: &str) -> i64 {
        match self.value(path) {
            Value::Duration(nanos) => nanos,
            _ => 0,
        }
    }

    /// An error about an option: names it as it was written, or by its path when nobody wrote it.
    pub(super) fn error(&self, failure: Failure, path: &str, reason: impl Into<String>) -> LoadError {
        match self.values.get(path) {
            Some(entry) => entry.error(failure, reason),
            None => LoadError::new(failure, reason).key(path).value(self.value(path)),
        }
    }

    pub(super) fn warn(&mut self, kind: WarningKind, message: &str, fields: Vec<(&'static str, String)>) {
        self.warnings.push(Warning { kind, message: message.to_owned(), fields });
    }
}

/// The error for a value that is not of its kind.
pub(super) fn bad_value(bad: Bad, key: &str, value: impl std::fmt::Display, source: &Source) -> LoadError {
    LoadError::new(Failure::Reading, format!("expected {}", bad.expected))
        .key(key)
        .value(value)
        .remedy(bad.remedy)
        .file(source.file())
}
