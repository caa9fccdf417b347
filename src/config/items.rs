//! Objects in lists: namespaces above all, and the elements of every other list of objects.

use super::{
    entries::{Entry, Source, Warning, WarningKind, bad_value},
    error::{Failure, LoadError},
    nearest::nearest,
    table::{Dialect, Field, Name, table},
    value::{Bad, Kind, Rules, Value, from_text, from_tree},
};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, HashMap};

/// One object of a list, its fields under their v6 names.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// `channel.namespaces.[0]`
    pub label: String,
    pub values: BTreeMap<&'static str, Entry>,
}

impl Item {
    pub(super) fn text(&self, path: &str) -> &str {
        match self.values.get(path).map(|entry| &entry.value) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    pub(super) fn name(&self) -> &str {
        self.text("name")
    }
}

/// How objects and values of one source are read.
pub(super) struct Reader<'a> {
    pub dialect: Dialect,
    pub source: Source,
    /// Zero means the default, as in v6.
    pub zero_is_default: bool,
    /// For `${CENTRIFUGO_VAR_X}` in maps of texts.
    pub variables: &'a HashMap<&'a str, &'a str>,
}

impl Reader<'_> {
    /// One value; `None`: as if nothing had been written.
    pub(super) fn value(
        &self,
        kind: Kind,
        default: &Value,
        in_list: bool,
        key: &str,
        node: &Json,
    ) -> Result<Option<Value>, LoadError> {
        if node.is_null() {
            return Ok(None);
        }
        let rules = Rules { dialect: self.dialect, in_list };
        let mut value = from_tree(kind, rules, node).map_err(|bad| bad_value(bad, key, shown(node), &self.source))?;
        if let (Value::Map(map), Dialect::V6) = (&mut value, self.dialect) {
            map.values_mut().try_for_each(|text| self.interpolate(key, text))?;
        }
        let dropped = self.zero_is_default && value.is_zero() && !default.is_zero();
        Ok((!dropped).then_some(value))
    }

    fn interpolate(&self, key: &str, text: &mut String) -> Result<(), LoadError> {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((head, tail)) = rest.split_once("${CENTRIFUGO_VAR_") {
            let Some((name, after)) = tail.split_once('}') else { break };
            let variable = format!("CENTRIFUGO_VAR_{name}");
            let Some(value) = self.variables.get(variable.as_str()) else {
                let reason = format!("the environment variable {variable} is not set");
                return Err(LoadError::new(Failure::Reading, reason).key(key).file(self.source.file()));
            };
            out.extend([head, value]);
            rest = after;
        }
        out.push_str(rest);
        *text = out;
        Ok(())
    }

    /// The objects of the list `name`; `first` is the position of the first one.
    pub(super) fn list(
        &self,
        name: &Name,
        first: usize,
        node: &Json,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Item>, LoadError> {
        let objects: Vec<&Map<String, Json>> = match node {
            Json::Array(list) => list.iter().filter_map(Json::as_object).collect(),
            Json::Object(map) => vec![map],
            _ => Vec::new(),
        };
        let fields = table().fields(name.dialect, name.element.unwrap_or(""));
        let read = |(position, map)| {
            let mut item = Item { label: format!("{}.[{position}]", name.text), values: BTreeMap::new() };
            self.fields(fields, "", map, &mut item, warnings)?;
            Ok(item)
        };
        (first..).zip(objects).map(read).collect()
    }

    fn fields(
        &self,
        fields: &'static [Field],
        prefix: &str,
        map: &Map<String, Json>,
        item: &mut Item,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), LoadError> {
        for (key, node) in map {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let section = format!("{path}.");
            let name = map.get("name").and_then(Json::as_str).unwrap_or_else(|| item.name()).to_owned();
            if let Some(field) = fields.iter().find(|field| field.path == path) {
                self.field(field, node, item)?;
            } else if !fields.iter().any(|field| field.path.starts_with(&section)) {
                warnings.push(self.unknown(fields, &path, &item.label, name));
            } else if let Json::Object(inner) = node {
                self.fields(fields, &path, inner, item, warnings)?;
            } else if !node.is_null() {
                let bad = Bad { expected: "an object", remedy: "write {…} with its options" };
                return Err(bad_value(bad, &format!("{}.{path}", item.label), shown(node), &self.source));
            }
        }
        Ok(())
    }

    fn field(&self, field: &'static Field, node: &Json, item: &mut Item) -> Result<(), LoadError> {
        let key = format!("{}.{}", item.label, field.path);
        if let Some(value) = self.value(field.kind, &field.default, true, &key, node)? {
            item.put(field, value, key, &self.source);
        }
        Ok(())
    }

    fn unknown(&self, fields: &'static [Field], path: &str, label: &str, name: String) -> Warning {
        let near = nearest(path, fields.iter().map(|field| field.path));
        let (message, mut fields) = match self.dialect {
            Dialect::V6 => ("unknown key in configuration file", vec![("key", format!("{label}.{path}"))]),
            Dialect::V5 if label.starts_with("namespaces") => {
                ("unknown key found in the namespace object", vec![("key", path.into()), ("namespace_name", name)])
            }
            Dialect::V5 => ("unknown key found in the configuration file", vec![("key", format!("{label}.{path}"))]),
        };
        fields.extend(near.map(|near| ("did_you_mean", near.to_owned())));
        Warning { kind: WarningKind::UnknownKey, message: message.to_owned(), fields }
    }
}

impl Item {
    /// An item that is only a name, as variables may add it.
    pub(super) fn named(list: &str, position: usize, name: &str, variable: &str) -> Item {
        let value = Value::Text(name.to_owned());
        let entry = Entry { value, key: variable.to_owned(), source: Source::Variable, changed: true };
        Item { label: format!("{list}.[{position}]"), values: BTreeMap::from([("name", entry)]) }
    }

    fn put(&mut self, field: &'static Field, value: Value, key: String, source: &Source) {
        let changed = value != field.default;
        let (target, value) = match (field.target.strip_prefix('!'), value) {
            (Some(target), Value::Bool(on)) => (target, Value::Bool(!on)),
            (_, value) => (field.target, value),
        };
        // A few fields of v5 are read and have no effect there either.
        if !target.is_empty() {
            self.values.insert(target, Entry { value, key, source: source.clone(), changed });
        }
    }

    /// Takes the value of a variable of its own.
    pub(super) fn put_text(&mut self, field: &'static Field, variable: &str, text: &str) -> Result<(), LoadError> {
        let value = from_text(field.kind, Dialect::V6, text)
            .map_err(|bad| bad_value(bad, variable, format!("{text:?}"), &Source::Variable))?;
        self.put(field, value, variable.to_owned(), &Source::Variable);
        Ok(())
    }
}

/// A value as an error shows it.
pub(super) fn shown(node: &Json) -> String {
    node.to_string()
}
