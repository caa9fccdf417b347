//! The command line: arguments to exit code. The server command has no name (`corecast --config x`).
//!
//! Texts of commands go to standard output and failures exit with 1, as Centrifugo's do; an unknown flag or command
//! exits with 2, where Centrifugo says 0. Not here: what the server does (`node`), what options mean (`config`).

mod args;
mod checkconfig;
mod checktoken;
mod genconfig;
mod gentoken;
pub mod log;
mod publish;
mod source;
mod version;
mod watch;

use crate::config::{Loaded, Warning, settings::Settings};
use std::process::ExitCode;

/// Reads the settings again, for SIGHUP.
pub type Reread = Box<dyn Fn() -> Result<Settings, String>>;

/// Text for standard output, or the one line of a failure.
type Answer = Result<String, String>;

/// Runs the command that the process was started with. `run` is the server.
pub fn main(run: impl FnOnce(Settings, &Reread) -> Result<(), String>) -> ExitCode {
    let matches = args::command().get_matches();
    let Some((name, matches)) = matches.subcommand() else {
        return serve(source::Place::of(&matches), run);
    };
    let answer = match name {
        "version" => Ok(version::text()),
        "genconfig" => genconfig::run(matches),
        "checkconfig" => checkconfig::run(matches),
        "gentoken" => gentoken::connection(matches),
        "gensubtoken" => gentoken::subscription(matches),
        "checktoken" => checktoken::connection(matches),
        "watch" => watch::run(matches),
        "publish" => publish::run(matches),
        _ => checktoken::subscription(matches),
    };
    match answer {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(line) => {
            println!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn serve(place: source::Place, run: impl FnOnce(Settings, &Reread) -> Result<(), String>) -> ExitCode {
    let loaded = match place.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            // The level and the file of the log are part of what could not be read.
            let _ = log::init(&Settings::default().log);
            return log::fatal(error.failure.message(), &[("error", error.to_string())]);
        }
    };
    if let Err(error) = log::init(&loaded.settings.log) {
        let _ = log::init(&Settings::default().log);
        let path = loaded.settings.log.file;
        return log::fatal("log.file cannot be written", &[("path", path), ("error", error.to_string())]);
    }
    report(&place, &loaded);
    let had_file = loaded.file.is_some();
    let reread: Reread = Box::new(move || {
        let loaded = place.load().map_err(|error| error.to_string())?;
        if had_file && loaded.file.is_none() {
            return Err(format!("{}: the config file is gone", place.path().display()));
        }
        warn(&loaded.warnings);
        Ok(loaded.settings)
    });
    match run(loaded.settings, &reread) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log::fatal("error running server", &[("error", error)]),
    }
}

/// What the configuration came from and what is odd about it.
fn report(place: &source::Place, loaded: &Loaded) {
    match &loaded.file {
        Some(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            log::write(log::Level::Info, "using config file", &[("path", path.display().to_string())]);
        }
        None => {
            let fields = [("path", place.path().display().to_string())];
            let message = "config file not found, continue using environment and flag options";
            log::write(log::Level::Warn, message, &fields);
        }
    }
    warn(&loaded.warnings);
}

fn warn(warnings: &[Warning]) {
    for warning in warnings {
        log::write(log::Level::Warn, &warning.message, &warning.fields);
    }
}
