//! Sources in, settings out: file, then variables, then flags, then rules, then fields.

use super::{
    dialect,
    entries::{Entries, Entry, Source, Warning, WarningKind, bad_value},
    environ,
    error::{Failure, LoadError},
    file,
    items::{Item, Reader},
    pem::{self, Pem},
    served::{
        Bind, NAMESPACE, NAMESPACES, ROWS, SUBSCRIPTION_TOKEN_ENABLED, TLS, TOKEN, TOKEN_SECTIONS, WITHOUT_NAMESPACE,
        tls_object,
    },
    settings::{Namespace, Settings, Token},
    table::{Dialect, table},
    tls, tree, unserved, validate,
    value::{Value, from_text},
};
use std::{io, path::Path, path::PathBuf};

/// Everything that a configuration comes from. The caller has done the reading.
pub struct Sources<'a> {
    /// Path and content of the file, if there is one.
    pub file: Option<(PathBuf, Vec<u8>)>,
    /// The environment. Other variables than ours are passed over.
    pub env: Vec<(String, String)>,
    /// Flags that were given: name without dashes, value.
    pub flags: Vec<(String, String)>,
    /// Reads a file that an option names instead of holding its text (keys).
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

/// Settings and what to say about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What the server is told.
    pub settings: Settings,
    /// What the operator is told.
    pub warnings: Vec<Warning>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// How it is written.
    pub dialect: Dialect,
}

impl Sources<'_> {
    /// A file alone, and no key files.
    pub fn of_file(path: &str, text: &str) -> Sources<'static> {
        let file = Some((PathBuf::from(path), text.as_bytes().to_vec()));
        Sources { file, env: Vec::new(), flags: Vec::new(), read: &no_file }
    }
}

fn no_file(_: &Path) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::NotFound.into())
}

/// Reads everything from nothing. Loading twice gives the same twice.
pub fn load(sources: &Sources<'_>) -> Result<Loaded, LoadError> {
    let mut entries = Entries::default();
    let variables = environ::ours(&sources.env);
    let mut dialect = Dialect::V6;
    if let Some((path, bytes)) = &sources.file {
        let tree = tree::parse(path, bytes)?;
        dialect = dialect::detect(path, &tree)?;
        let zero_is_default = dialect == Dialect::V6;
        let reader = Reader { dialect, source: Source::File(path.clone()), zero_is_default, variables: &variables };
        file::collect(&reader, &tree, &mut entries)?;
    }
    environ::collect(dialect, &variables, &mut entries)?;
    flags(&sources.flags, &mut entries)?;
    validate::check(dialect, &entries)?;
    unserved::check(&mut entries)?;
    let mut settings = settings(&entries, sources.read)?;
    settings.grpc_api.tls_inherits = tls::grpc_inherits(dialect, &entries);
    tls::warn(&mut entries);
    validate::warn_single_connection(&mut entries);
    warn_insecure(&settings, &mut entries);
    let file = sources.file.as_ref().map(|(path, _)| path.clone());
    Ok(Loaded { settings, warnings: entries.warnings, file, dialect })
}

fn flags(flags: &[(String, String)], entries: &mut Entries) -> Result<(), LoadError> {
    for (flag, text) in flags {
        let key = format!("--{flag}");
        let Some(name) = table().by_flag(flag) else {
            return Err(LoadError::new(Failure::Reading, "no such flag").key(key));
        };
        let value = from_text(name.kind, name.dialect, text)
            .map_err(|bad| bad_value(bad, &key, format!("{text:?}"), &Source::Flag))?;
        entries.put(name, value, &key, &Source::Flag)?;
    }
    Ok(())
}

type Read<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

fn settings(entries: &Entries, read: Read<'_>) -> Result<Settings, LoadError> {
    let mut settings = Settings::default();
    let at = |path: &str| entries.values.get(path);
    fill(ROWS, &mut settings, at, read)?;
    let token = |section: &str| {
        let mut token = Token::default();
        fill(TOKEN, &mut token, |field| at(&format!("{section}{field}")), read).map(|()| token)
    };
    settings.client.token = token(TOKEN_SECTIONS[0])?;
    if entries.is_on(SUBSCRIPTION_TOKEN_ENABLED) {
        settings.client.subscription_token = Some(token(TOKEN_SECTIONS[1])?);
    }
    for section in tls::SECTIONS {
        fill(TLS, tls_object(&mut settings, section), |field| at(&format!("{section}.{field}")), read)?;
    }
    let without = &mut settings.channel.without_namespace;
    fill(NAMESPACE, without, |field| at(&format!("{WITHOUT_NAMESPACE}{field}")), read)?;
    let items = entries.lists.get(NAMESPACES).into_iter().flatten();
    settings.channel.namespaces = items.map(|item| namespace(item, read)).collect::<Result<_, _>>()?;
    pong_within_ping(&mut settings);
    Ok(settings)
}

fn namespace(item: &Item, read: Read<'_>) -> Result<(String, Namespace), LoadError> {
    let mut namespace = Namespace::default();
    fill(NAMESPACE, &mut namespace, |field| item.values.get(field), read)?;
    Ok((item.name().to_owned(), namespace))
}

/// A pong timeout of 0 (a variable can say so) means that it follows from the interval.
fn pong_within_ping(settings: &mut Settings) {
    if let (Some(ping), Some(pong)) = (settings.client.ping_interval, &mut settings.client.pong_timeout)
        && pong.is_zero()
    {
        *pong = ping / 3;
    }
}

fn fill<'e, T>(
    rows: &[(&str, Bind<T>)],
    into: &mut T,
    at: impl Fn(&str) -> Option<&'e Entry>,
    read: Read<'_>,
) -> Result<(), LoadError> {
    for (path, bind) in rows {
        let Some(entry) = at(path) else { continue };
        let value = if bind.is_pem() { pem(entry, read)? } else { entry.value.clone() };
        bind.set(into, value).map_err(|reason| entry.error(Failure::Reading, reason))?;
    }
    Ok(())
}

/// PEM text, else base64 of it, else a path to it.
fn pem(entry: &Entry, read: Read<'_>) -> Result<Value, LoadError> {
    let Value::Text(text) = &entry.value else { return Ok(entry.value.clone()) };
    if text.is_empty() {
        return Ok(entry.value.clone());
    }
    let found = match Pem::of(text) {
        Pem::Text(text) => Some(text),
        Pem::File(path) => read(&path).ok().and_then(pem::text),
    };
    found.map(Value::Text).ok_or_else(|| {
        let error = entry.error(Failure::Token, "expected PEM text, base64 of PEM, or the path of a PEM file");
        error.remedy("check that the path is readable and that the text begins with -----BEGIN")
    })
}

fn warn_insecure(settings: &Settings, entries: &mut Entries) {
    let switches = [
        (settings.client.insecure, "client.insecure", "clients connect, subscribe and publish without any permission"),
        (
            settings.client.insecure_skip_token_signature_verify,
            "client.insecure_skip_token_signature_verify",
            "signatures of tokens are not checked: any client can be any user",
        ),
        (settings.http_api.insecure, "http_api.insecure", "the server API answers without a key"),
        (
            settings.corecast.echo_enabled,
            "corecast.echo.enabled",
            "/connection/echo is open to everybody, which is for conformance suites only",
        ),
    ];
    for (on, path, message) in switches {
        if on {
            let key = entries.values.get(path).map_or(path.to_owned(), |entry| entry.key.clone());
            entries.warn(WarningKind::Insecure, message, vec![("key", key)]);
        }
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
