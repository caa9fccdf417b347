//! Rules inside namespaces, and between them: names, history, recovery, modes, proxies, maps.

use super::{
    entries::{Entries, Entry},
    error::{Failure, LoadError},
    items::Item,
    served::WITHOUT_NAMESPACE,
    table::{Dialect, table},
    validate::{WRITE_DELAY_REMEDY, bad_write_delay, regex_error},
    value::Value,
};
use std::collections::HashSet;

pub(super) const DATA_FORMATS: &[&str] = &["", "json", "json_object", "binary"];
const SUBSCRIPTION_TYPES: &[&str] = &["", "stream", "map", "map_clients", "map_users", "shared_poll"];

/// The options of one namespace, or of channels without one (name "").
pub(super) struct View<'a> {
    pub name: &'a str,
    label: &'a str,
    from: From<'a>,
}

enum From<'a> {
    Entries(&'a Entries),
    Item(&'a Item),
}

/// Channels without namespace, then each namespace.
pub(super) fn views(entries: &Entries) -> impl Iterator<Item = View<'_>> {
    let without = View { name: "", label: WITHOUT_NAMESPACE.trim_end_matches('.'), from: From::Entries(entries) };
    let view = |item| named(item);
    std::iter::once(without).chain(items(entries, "channel.namespaces").iter().map(view))
}

fn named(item: &Item) -> View<'_> {
    View { name: item.name(), label: &item.label, from: From::Item(item) }
}

fn items<'a>(entries: &'a Entries, list: &str) -> &'a [Item] {
    entries.lists.get(list).map_or(&[], Vec::as_slice)
}

/// Checks every namespace of channels and of RPC.
pub(super) fn check_all(dialect: Dialect, entries: &Entries) -> Result<(), LoadError> {
    names(items(entries, "channel.namespaces"))?;
    names(items(entries, "rpc.namespaces"))?;
    names(items(entries, "proxies"))?;
    if let Some(proxy) = items(entries, "proxies").iter().find(|item| item.name() == "default") {
        return Err(named(proxy).error("name", "this name is reserved").remedy("choose another one"));
    }
    for view in views(entries) {
        history(dialect, entries, &view)?;
        recovery(&view)?;
        slow_consumer(&view)?;
        write_delay(&view)?;
        words(&view)?;
        proxies(&view)?;
        map(&view)?;
    }
    Ok(())
}

fn names(items: &[Item]) -> Result<(), LoadError> {
    let mut seen = HashSet::new();
    for item in items {
        let (name, view) = (item.name(), named(item));
        let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() {
            return Err(view.error("name", "the name is missing").remedy("give it a name"));
        }
        if name.len() < 2 || !name.chars().all(is_good) {
            let error = view.error("name", "bad name");
            return Err(error.remedy("use two or more of letters, digits, -, _ and ."));
        }
        if !seen.insert(name) {
            return Err(view.error("name", "this name stands there twice").remedy("rename or remove one of them"));
        }
    }
    Ok(())
}

fn history(dialect: Dialect, entries: &Entries, view: &View<'_>) -> Result<(), LoadError> {
    let (size, ttl, own_meta) = (view.int("history_size"), view.nanos("history_ttl"), view.nanos("history_meta_ttl"));
    // A v5 file may give fractions in namespaces, not at the top level.
    let fractions = dialect == Dialect::V5 && !view.name.is_empty();
    for field in ["history_ttl", "history_meta_ttl"] {
        if !fractions && view.nanos(field) % 1_000_000_000 != 0 {
            return Err(view.error(field, "expected whole seconds").remedy("round to seconds"));
        }
    }
    match (size != 0, ttl != 0) {
        (true, false) => {
            return Err(view.error("history_size", "needs history_ttl").remedy("set both or neither"));
        }
        (false, true) => {
            return Err(view.error("history_ttl", "needs history_size").remedy("set both or neither"));
        }
        _ => {}
    }
    let meta = if own_meta == 0 { entries.nanos("channel.history_meta_ttl") } else { own_meta };
    if ttl > meta {
        let error = view.error("history_ttl", "longer than history_meta_ttl");
        return Err(error.remedy("raise history_meta_ttl, here or in channel.history_meta_ttl"));
    }
    Ok(())
}

fn recovery(view: &View<'_>) -> Result<(), LoadError> {
    let has_history = view.int("history_size") != 0 && view.nanos("history_ttl") != 0;
    if view.is_on("force_recovery") && !has_history {
        let error = view.error("force_recovery", "needs history");
        return Err(error.remedy("set history_size and history_ttl"));
    }
    view.one_of("force_recovery_mode", &["", "stream", "cache"])?;
    let cache = view.is_on("force_recovery") && view.text("force_recovery_mode") == "cache";
    if view.is_on("auto_cache_recover") && !cache {
        let error = view.error("auto_cache_recover", "needs force_recovery and force_recovery_mode cache");
        return Err(error.remedy("set them too"));
    }
    if let Value::List(types) = view.value("allowed_delta_types")
        && types.iter().any(|name| name != "fossil")
    {
        return Err(view.error("allowed_delta_types", "unknown delta type").remedy("write [\"fossil\"]"));
    }
    Ok(())
}

/// Who is to catch up needs something to catch up from, and a position to do it at.
fn slow_consumer(view: &View<'_>) -> Result<(), LoadError> {
    const FIELD: &str = "corecast_slow_consumer";
    view.one_of(FIELD, &["", "disconnect", "catch_up"])?;
    if view.text(FIELD) != "catch_up" {
        return Ok(());
    }
    if view.int("history_size") == 0 || view.nanos("history_ttl") == 0 {
        return Err(view.error(FIELD, "catch_up needs history").remedy("set history_size and history_ttl"));
    }
    let positioning = ["force_positioning", "force_recovery", "allow_positioning", "allow_recovery"];
    if positioning.iter().any(|field| view.is_on(field)) {
        return Ok(());
    }
    let error = view.error(FIELD, "catch_up needs subscriptions with a position, and none can have one here");
    Err(error.remedy(format!("set one of {positioning:?}")))
}

fn write_delay(view: &View<'_>) -> Result<(), LoadError> {
    const FIELD: &str = "corecast_write_delay";
    match bad_write_delay(view.nanos(FIELD)) {
        None => Ok(()),
        Some(reason) => Err(view.error(FIELD, reason).remedy(WRITE_DELAY_REMEDY)),
    }
}

fn words(view: &View<'_>) -> Result<(), LoadError> {
    if let Some(reason) = regex_error(&view.text("channel_regex")) {
        return Err(view.error("channel_regex", reason).remedy("correct the regular expression"));
    }
    view.one_of("publication_data_format", DATA_FORMATS)?;
    view.one_of("subscription_type", SUBSCRIPTION_TYPES)?;
    view.one_of("shared_poll.mode", &["", "versionless", "versioned"])
}

/// The subscription stream excludes the other hooks of a subscription.
fn proxies(view: &View<'_>) -> Result<(), LoadError> {
    let others = ["subscribe_proxy_enabled", "publish_proxy_enabled", "sub_refresh_proxy_enabled"];
    match others.into_iter().find(|field| view.is_on("subscribe_stream_proxy_enabled") && view.is_on(field)) {
        None => Ok(()),
        Some(other) => {
            let reason = format!("cannot be combined with {other}");
            Err(view.error("subscribe_stream_proxy_enabled", reason).remedy("keep one of the two"))
        }
    }
}

fn map(view: &View<'_>) -> Result<(), LoadError> {
    view.one_of("map.mode", &["", "ephemeral", "recoverable", "persistent"])?;
    view.one_of("map.client_key", &["", "client_id", "user_id"])?;
    if !view.text("subscription_type").starts_with("map") {
        return Ok(());
    }
    let (mode, key_ttl) = (view.text("map.mode"), view.nanos("map.key_ttl"));
    if mode.is_empty() {
        let error = view.error("map.mode", "a map needs a mode");
        return Err(error.remedy("write ephemeral, recoverable or persistent"));
    }
    if (mode == "persistent") != (key_ttl == 0) {
        let error = view.error("map.key_ttl", "needed in the modes ephemeral and recoverable, refused in persistent");
        return Err(error.remedy("set it for these modes alone"));
    }
    let stream = ["map.stream_size", "map.stream_ttl", "map.meta_ttl"];
    if let Some(field) = stream.into_iter().find(|field| mode == "ephemeral" && !view.value(field).is_zero()) {
        return Err(view.error(field, "an ephemeral map has no stream").remedy("remove it"));
    }
    Ok(())
}

impl View<'_> {
    fn entry(&self, field: &str) -> Option<&Entry> {
        match self.from {
            From::Entries(entries) => entries.values.get(format!("{WITHOUT_NAMESPACE}{field}").as_str()),
            From::Item(item) => item.values.get(field),
        }
    }

    /// What was said, or the default.
    pub(super) fn value(&self, field: &str) -> Value {
        let default = || table().opt(&format!("{WITHOUT_NAMESPACE}{field}")).map(|opt| opt.default.clone());
        self.entry(field).map(|entry| entry.value.clone()).or_else(default).unwrap_or(Value::Bool(false))
    }

    fn is_on(&self, field: &str) -> bool {
        self.value(field) == Value::Bool(true)
    }

    fn text(&self, field: &str) -> String {
        match self.value(field) {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    fn nanos(&self, field: &str) -> i64 {
        match self.value(field) {
            Value::Duration(nanos) => nanos,
            _ => 0,
        }
    }

    fn int(&self, field: &str) -> i64 {
        match self.value(field) {
            Value::Int(n) => n,
            _ => 0,
        }
    }

    fn one_of(&self, field: &str, known: &[&str]) -> Result<(), LoadError> {
        if known.contains(&self.text(field).as_str()) {
            return Ok(());
        }
        Err(self.error(field, "unknown value").remedy(format!("write one of {known:?}")))
    }

    fn error(&self, field: &str, reason: impl Into<String>) -> LoadError {
        let reason = reason.into();
        let reason = match self.name {
            "" => reason,
            name => format!("namespace {name}: {reason}"),
        };
        match self.entry(field) {
            Some(entry) => entry.error(Failure::Validating, reason),
            None => LoadError::new(Failure::Validating, reason).key(format!("{}.{field}", self.label)),
        }
    }
}
