//! Log lines, in the shape that Centrifugo's have: one JSON object each, or coloured text on a terminal.
//!
//! Lines of `tracing` and our own (whose fields are known at run time only) meet in one sink; each is written in one
//! piece. `fatal` and `none` are levels that `tracing` does not have. Not here: when a log is rotated.

use crate::config::settings::Log;
use crate::metrics;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::Context, layer::SubscriberExt, registry::Registry};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// What happens normally.
    Info,
    /// What the operator should look at.
    Warn,
    /// Something did not work.
    Error,
    /// The process ends.
    Fatal,
}

struct Sink {
    /// `None`: nothing at all.
    least: Option<Level>,
    coloured: bool,
    out: Mutex<Box<dyn Write + Send>>,
}

static SINK: OnceLock<Sink> = OnceLock::new();

/// Opens the log and makes it the one of `tracing`. The first call of a process counts.
///
/// # Errors
/// `log.file` cannot be opened.
pub fn init(settings: &Log) -> io::Result<()> {
    let (out, coloured): (Box<dyn Write + Send>, bool) = if settings.file.is_empty() {
        (Box::new(io::stdout()), io::stdout().is_terminal())
    } else {
        (Box::new(OpenOptions::new().create(true).append(true).open(&settings.file)?), false)
    };
    let least = Level::least(&settings.level);
    let filter = least.map_or(LevelFilter::OFF, Level::filter);
    if SINK.set(Sink { least, coloured, out: Mutex::new(out) }).is_ok() {
        // Somebody else's subscriber (a test's) may be there already; then lines of `tracing` are theirs.
        let _ = tracing::subscriber::set_global_default(Registry::default().with(Lines.with_filter(filter)));
    }
    Ok(())
}

/// Writes one line.
pub fn write(level: Level, message: &str, fields: &[(&str, String)]) {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    line(level, fields, message);
}

/// Writes the last line of the process and gives its exit code.
#[must_use]
pub fn fatal(message: &str, fields: &[(&str, String)]) -> ExitCode {
    write(Level::Fatal, message, fields);
    ExitCode::FAILURE
}

fn line(level: Level, fields: Map<String, Value>, message: &str) {
    let Some(sink) = SINK.get().filter(|sink| sink.least.is_some_and(|least| level >= least)) else { return };
    let now = jiff::Timestamp::now();
    let text = if sink.coloured {
        coloured(level, &fields, &now.strftime("%Y-%m-%d %H:%M:%S").to_string(), message)
    } else {
        json(level, fields, &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), message)
    };
    let mut out = sink.out.lock().unwrap_or_else(PoisonError::into_inner);
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        metrics::LOG_LINES_LOST.fetch_add(1, Ordering::Relaxed);
    }
}

fn json(level: Level, fields: Map<String, Value>, time: &str, message: &str) -> String {
    let mut text = format!("{{\"level\":\"{}\"", level.name());
    for (name, value) in fields {
        let _ = write!(text, ",{}:{value}", Value::from(name));
    }
    let _ = writeln!(text, ",\"time\":\"{time}\",\"message\":{}}}", Value::from(message));
    text
}

fn coloured(level: Level, fields: &Map<String, Value>, time: &str, message: &str) -> String {
    let (colour, short) = level.look();
    let mut text = format!("\x1b[90m{time}\x1b[0m [\x1b[{colour}m{short}\x1b[0m] {}", plain(message));
    for (name, value) in fields {
        let value = match value {
            Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=']) => plain(word),
            other => plain(&other.to_string()),
        };
        let _ = write!(text, " \x1b[36m{name}=\x1b[0m{value}");
    }
    text.push('\n');
    text
}

/// Without control characters: a value must not paint the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Level {
    /// The lowest level that is written; an unknown word counts as `info`.
    fn least(word: &str) -> Option<Level> {
        Some(match word.to_ascii_lowercase().as_str() {
            "none" => return None,
            "trace" => Level::Trace,
            "debug" => Level::Debug,
            "warn" => Level::Warn,
            "error" => Level::Error,
            "fatal" => Level::Fatal,
            _ => Level::Info,
        })
    }

    fn filter(self) -> LevelFilter {
        match self {
            Level::Trace => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Fatal => LevelFilter::OFF,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Fatal => "fatal",
        }
    }

    /// Colour and short name.
    fn look(self) -> (u8, &'static str) {
        match self {
            Level::Trace => (35, "TRC"),
            Level::Debug => (33, "DBG"),
            Level::Info => (32, "INF"),
            Level::Warn => (33, "WRN"),
            Level::Error => (31, "ERR"),
            Level::Fatal => (31, "FTL"),
        }
    }
}

/// Hands events of `tracing` to the sink.
struct Lines;

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Trace,
        };
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let message = match fields.0.remove("message") {
            Some(Value::String(message)) => message,
            _ => String::new(),
        };
        line(level, fields.0, &message);
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Map<String, Value> {
        [("key".to_owned(), Value::from("a b")), ("n".to_owned(), Value::from(7))].into_iter().collect()
    }

    #[test]
    fn a_json_line_has_level_fields_time_and_message_in_this_order() {
        let text = json(Level::Fatal, fields(), "2026-11-24T08:00:00Z", "it \"broke\"");
        let wanted = "{\"level\":\"fatal\",\"key\":\"a b\",\"n\":7,\"time\":\"2026-11-24T08:00:00Z\",\
                      \"message\":\"it \\\"broke\\\"\"}\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn a_terminal_line_reads_as_time_level_message_fields() {
        let text = coloured(Level::Info, &fields(), "2026-11-24 08:00:00", "mes\x1b[2Jsage");
        let bare = ["90", "0", "32", "36"].iter().fold(text, |t, c| t.replace(&format!("\x1b[{c}m"), ""));
        assert_eq!(bare, "2026-11-24 08:00:00 [INF] mes\u{fffd}[2Jsage key=\"a b\" n=7\n");
    }

    #[test]
    fn an_unknown_level_counts_as_info_and_none_as_silence() {
        assert_eq!(Level::least("noise"), Some(Level::Info));
        assert_eq!(Level::least("ERROR"), Some(Level::Error));
        assert_eq!(Level::least("none"), None);
    }
}
