//! Rules between options that are readable one by one. A broken rule stops the start, as in Centrifugo; options that
//! are not served yet are checked all the same, so that a configuration which passes here stays good later.

use super::{
    duration,
    entries::{Entries, WarningKind},
    error::{Failure, LoadError},
    table::Dialect,
    tls,
    validate_namespace::{self as namespace},
    value::Value,
};
use crate::limits;
use regex::Regex;

/// Checks everything, first things first: the first broken rule is reported.
pub(super) fn check(dialect: Dialect, entries: &Entries) -> Result<(), LoadError> {
    engines(entries)?;
    pings(entries)?;
    ports(entries)?;
    for section in ["client.token.", "client.subscription_token."] {
        token(entries, section)?;
    }
    tls::check(dialect, entries)?;
    one_of(entries, "corecast.tls.min_version", &["1.2", "1.3"])?;
    one_of(entries, "http_api.error_mode", &["", "transport"])?;
    if entries.is_on("grpc_api.enabled") {
        one_of(entries, "grpc_api.error_mode", &["", "transport"])?;
    }
    one_of(entries, "channel.publication_data_format", namespace::DATA_FORMATS)?;
    compression_level(entries)?;
    whole_seconds(entries, "channel.history_meta_ttl")?;
    write_delay(entries)?;
    shutdown(entries)?;
    namespace::check_all(dialect, entries)?;
    personal_channel(dialect, entries)
}

/// Engines and brokers of either dialect; whether we serve them is another question.
fn engines(entries: &Entries) -> Result<(), LoadError> {
    let known: [(&str, &[&str]); 4] = [
        ("engine.type", &["memory", "redis", "tarantool"]),
        ("broker.type", &["", "memory", "redis", "nats", "postgres", "redisnats", "tarantool"]),
        ("presence_manager.type", &["memory", "redis"]),
        ("map_broker.type", &["memory", "redis", "postgres"]),
    ];
    for (path, known) in known {
        if !known.contains(&entries.text(path).as_str()) {
            let what = path.split('.').next().unwrap_or(path);
            let reason = format!("unknown {what}");
            return Err(entries.error(Failure::Engine, path, reason).remedy(format!("write one of {known:?}")));
        }
    }
    Ok(())
}

fn pings(entries: &Entries) -> Result<(), LoadError> {
    let (ping, pong) = (entries.nanos("client.ping_interval"), entries.nanos("client.pong_timeout"));
    if ping > pong {
        return Ok(());
    }
    let pong = duration::format(pong);
    let reason = format!("must be longer than client.pong_timeout, which is {pong}");
    let error = entries.error(Failure::Validating, "client.ping_interval", reason);
    Err(error.remedy("raise the interval or lower the timeout; both less than 0 switch pings off"))
}

fn ports(entries: &Entries) -> Result<(), LoadError> {
    let port = entries.text("http_server.internal_port");
    if port.is_empty() || port.parse::<u16>().is_ok() {
        return Ok(());
    }
    Err(entries.error(Failure::Validating, "http_server.internal_port", "expected a port, 0 to 65535"))
}

fn token(entries: &Entries, section: &str) -> Result<(), LoadError> {
    let path = |field: &str| format!("{section}{field}");
    for field in ["audience", "issuer"] {
        let (exact, pattern) = (path(field), path(&format!("{field}_regex")));
        regex(entries, &pattern)?;
        if !entries.text(&exact).is_empty() && !entries.text(&pattern).is_empty() {
            let reason = format!("cannot be set together with {field}_regex");
            return Err(entries.error(Failure::Token, &exact, reason).remedy("keep one of the two"));
        }
    }
    let claim = entries.text(&path("user_id_claim"));
    if !claim.chars().all(|c| c.is_ascii_alphabetic() || c == '_') {
        let error = entries.error(Failure::Validating, &path("user_id_claim"), "expected letters and _ only");
        return Err(error.remedy("name the claim as it stands in the token"));
    }
    Ok(())
}

fn regex(entries: &Entries, path: &str) -> Result<(), LoadError> {
    match regex_error(&entries.text(path)) {
        None => Ok(()),
        Some(reason) => Err(entries.error(Failure::Token, path, reason).remedy("correct the regular expression")),
    }
}

/// Why `pattern` is no regular expression, in one line.
pub(super) fn regex_error(pattern: &str) -> Option<String> {
    let error = Regex::new(pattern).err()?.to_string();
    let last = error.lines().last().unwrap_or("bad pattern");
    Some(format!("not a regular expression: {}", last.trim_start_matches("error: ")))
}

fn one_of(entries: &Entries, path: &str, known: &[&str]) -> Result<(), LoadError> {
    if known.contains(&entries.text(path).as_str()) {
        return Ok(());
    }
    let error = entries.error(Failure::Validating, path, "unknown value");
    Err(error.remedy(format!("write one of {known:?}")))
}

/// The levels of Go's library, which Centrifugo compresses with.
fn compression_level(entries: &Entries) -> Result<(), LoadError> {
    let path = "websocket.compression_level";
    match entries.value(path) {
        Value::Int(-2..=9) => Ok(()),
        _ => {
            let error = entries.error(Failure::Validating, path, "unknown level of compression");
            Err(error.remedy("write 1 (quick) to 9 (small), or -2 to 0 as Go's library has them"))
        }
    }
}

fn whole_seconds(entries: &Entries, path: &str) -> Result<(), LoadError> {
    if entries.nanos(path) % 1_000_000_000 == 0 {
        return Ok(());
    }
    Err(entries.error(Failure::Validating, path, "expected whole seconds").remedy("round to seconds"))
}

/// All clients have to be told within the time for everything.
fn shutdown(entries: &Entries) -> Result<(), LoadError> {
    for path in ["shutdown.termination_delay", "shutdown.spread"] {
        if entries.nanos(path) < 0 {
            let error = entries.error(Failure::Validating, path, "must not be negative");
            return Err(error.remedy("write a duration such as 10s, or 0s to do without"));
        }
    }
    let (spread, timeout) = (entries.nanos("shutdown.spread"), entries.nanos("shutdown.timeout"));
    if spread > 0 && spread >= timeout {
        let reason = format!("must be shorter than shutdown.timeout, which is {}", duration::format(timeout));
        let error = entries.error(Failure::Validating, "shutdown.spread", reason);
        return Err(
            error.remedy("raise shutdown.timeout or lower the spread; clients need some seconds to say goodbye")
        );
    }
    Ok(())
}

fn write_delay(entries: &Entries) -> Result<(), LoadError> {
    const PATH: &str = "client.write_delay";
    match bad_write_delay(entries.nanos(PATH)) {
        None => Ok(()),
        Some(reason) => Err(entries.error(Failure::Validating, PATH, reason).remedy(WRITE_DELAY_REMEDY)),
    }
}

/// How to mend a write delay.
pub(super) const WRITE_DELAY_REMEDY: &str = "write some milliseconds; 0s: nothing waits";

/// Why pushes cannot wait so long.
pub(super) fn bad_write_delay(nanos: i64) -> Option<String> {
    let max = limits::WRITE_DELAY_SECONDS_MAX;
    let is_good = u64::try_from(nanos).is_ok_and(|nanos| nanos <= max * 1_000_000_000);
    (!is_good).then(|| format!("expected 0s to {max}s"))
}

const PERSONAL_ENABLED: &str = "client.subscribe_to_user_personal_channel.enabled";
const PERSONAL_NAMESPACE: &str = "client.subscribe_to_user_personal_channel.personal_channel_namespace";
const SINGLE_CONNECTION: &str = "client.subscribe_to_user_personal_channel.single_connection";

/// The namespace of personal channels must exist; v6 also wants presence where one connection replaces another.
fn personal_channel(dialect: Dialect, entries: &Entries) -> Result<(), LoadError> {
    if !entries.is_on(PERSONAL_ENABLED) {
        return Ok(());
    }
    let name = entries.text(PERSONAL_NAMESPACE);
    if !namespace::views(entries).any(|view| view.name == name) {
        let error = entries.error(Failure::Validating, PERSONAL_NAMESPACE, "there is no namespace of this name");
        return Err(error.remedy("add it to channel.namespaces, or leave the name empty"));
    }
    if dialect == Dialect::V6 && lacks_presence(entries) {
        let reason = "needs presence in the namespace of personal channels";
        let error = entries.error(Failure::Validating, SINGLE_CONNECTION, reason);
        return Err(error.remedy("set presence to true there"));
    }
    Ok(())
}

/// One connection is to replace another where nobody is listed.
fn lacks_presence(entries: &Entries) -> bool {
    let name = entries.text(PERSONAL_NAMESPACE);
    let is_listed = |view: &namespace::View<'_>| view.name == name && view.value("presence") == Value::Bool(true);
    entries.is_on(PERSONAL_ENABLED)
        && entries.is_on(SINGLE_CONNECTION)
        && !namespace::views(entries).any(|view| is_listed(&view))
}

/// v5 starts without presence, and then nobody is replaced: the operator is told.
pub(super) fn warn_single_connection(entries: &mut Entries) {
    if lacks_presence(entries) {
        let key = entries.values.get(SINGLE_CONNECTION).map_or(SINGLE_CONNECTION.into(), |entry| entry.key.clone());
        let message = "option has no effect without presence in the namespace of personal channels";
        entries.warn(WarningKind::NotServed, message, vec![("key", key)]);
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
