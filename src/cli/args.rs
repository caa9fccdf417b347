//! The grammar of the command line, made from the option table.

use crate::config::table::{Name, SHORT_FLAGS, table};
use crate::config::{Kind, Value};
use clap::{Arg, ArgAction, Command};
use std::collections::BTreeSet;

/// The grammar as a whole.
pub(super) fn command() -> Command {
    let flags = server_flags();
    Command::new("corecast")
        .about("Real-time messaging server. Without a command it serves.")
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args_conflicts_with_subcommands(true)
        .arg(config("path of the configuration file"))
        .args(flags)
        .subcommands(commands())
}

fn commands() -> [Command; 9] {
    let user = || Arg::new("user").short('u').long("user").default_value("").help("user ID; empty: anonymous");
    let ttl = || {
        let ttl = Arg::new("ttl").short('t').long("ttl").default_value("604800").allow_negative_numbers(true);
        ttl.value_parser(clap::value_parser!(i64)).help("seconds until the token expires; -1: never")
    };
    let quiet = || Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("print the token alone");
    let channel = Arg::new("channel").short('s').long("channel").default_value("").help("channel to subscribe to");
    let token = || Arg::new("token").help("the token to check");
    let strict = Arg::new("strict").short('s').long("strict").action(ArgAction::SetTrue);
    let read = || config("path of the configuration file");
    [
        Command::new("version").about("Print the version"),
        Command::new("genconfig").about("Write a first configuration with fresh secrets").arg(config("file to write")),
        Command::new("checkconfig")
            .about("Check a configuration and print what would be ignored")
            .arg(read())
            .arg(strict.help("fail on unknown keys")),
        Command::new("gentoken").about("Make a connection token (HS256)").args([read(), user(), ttl(), quiet()]),
        Command::new("gensubtoken").about("Make a subscription token (HS256)").args([
            read(),
            user(),
            channel,
            ttl(),
            quiet(),
        ]),
        Command::new("checktoken").about("Check a connection token").args([read(), token()]),
        Command::new("checksubtoken").about("Check a subscription token").args([read(), token()]),
        watch(),
        publish(),
    ]
}

fn url(default: &'static str) -> Arg {
    Arg::new("url").long("url").value_name("URL").default_value(default).help("where the server is")
}

fn watch() -> Command {
    let protobuf = Arg::new("protobuf").long("protobuf").action(ArgAction::SetTrue).help("speak Protobuf, not JSON");
    let channels = Arg::new("channel").required(true).num_args(1..).value_name("CHANNEL").help("what to watch");
    Command::new("watch").about("Print publications as they come, a JSON line each").args([
        channels,
        url("ws://127.0.0.1:8000/connection/websocket"),
        Arg::new("token").long("token").value_name("JWT").help("connection token"),
        protobuf,
    ])
}

fn publish() -> Command {
    Command::new("publish").about("Publish one message over the server API").args([
        Arg::new("channel").required(true).value_name("CHANNEL").help("where to"),
        Arg::new("data").required(true).value_name("DATA").help("JSON; anything else counts as a string"),
        url("http://127.0.0.1:8000/api"),
        Arg::new("key").long("key").short('k').value_name("KEY").help("API key; without it that of the configuration"),
        config("path of the configuration that holds the key"),
    ])
}

fn config(help: &'static str) -> Arg {
    Arg::new("config").short('c').long("config").value_name("FILE").default_value("config.json").help(help)
}

/// Texts of the server's flags: both dialects, and short ones of our own.
pub(super) fn server_flag_names() -> BTreeSet<&'static str> {
    let named = table().names.iter().filter(|name| name.flag).map(|name| name.text);
    named.chain(SHORT_FLAGS.map(|(flag, _)| flag)).collect()
}

fn server_flags() -> Vec<Arg> {
    let mut shorts = BTreeSet::new();
    let mut flag = |text| {
        let name = table().by_flag(text)?;
        // Both dialects have -a and -p, for the same option; the table lists v6 first.
        let own = if name.text == text { name.short } else { None };
        Some(arg(text, name, own.filter(|short| shorts.insert(*short))))
    };
    // In the order of the table; the short forms at the end.
    let mut seen = BTreeSet::new();
    let names = table().names.iter().filter(|name| name.flag).map(|name| name.text);
    let names = names.chain(SHORT_FLAGS.map(|(flag, _)| flag)).filter(|text| seen.insert(*text));
    names.filter_map(&mut flag).collect()
}

fn arg(text: &'static str, name: &Name, short: Option<char>) -> Arg {
    let path = name.targets.first().map_or(name.text, |&target| table().opts[target].path);
    let default = match &name.default {
        Value::Text(text) if text.is_empty() => String::new(),
        default => format!(", default {default}"),
    };
    let arg = Arg::new(text).long(text).help(format!("sets {path}{default}"));
    let arg = match name.kind {
        Kind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
        _ => arg.num_args(1).value_name("VALUE").allow_hyphen_values(true),
    };
    match short {
        Some(short) => arg.short(short),
        None => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_both_dialects_and_our_short_ones_are_accepted() {
        let words = [
            "corecast",
            "-c",
            "x.toml",
            "--http_server.port=1",
            "--client_insecure",
            "--client.insecure=false",
            "-n",
            "me",
            "--port",
            "2",
            "--cores",
            "3",
            "-a",
            "::1",
            "-e",
            "memory",
            "--pid_file",
            "p",
        ];
        let matches = command().try_get_matches_from(words).unwrap();
        let one = |flag: &str| matches.get_one::<String>(flag).map(String::as_str);
        assert_eq!(one("client_insecure"), Some("true"));
        assert_eq!(one("client.insecure"), Some("false"));
        assert_eq!((one("port"), one("cores"), one("http_server.address")), (Some("2"), Some("3"), Some("::1")));
    }

    #[test]
    fn the_last_of_a_flag_counts() {
        let matches = command().try_get_matches_from(["corecast", "--port", "1", "--port", "2"]).unwrap();
        assert_eq!(matches.get_one::<String>("port").map(String::as_str), Some("2"));
    }

    #[test]
    fn an_unknown_flag_or_command_exits_with_2() {
        for words in [["corecast", "--nope"], ["corecast", "nope"], ["corecast", "--client.channel_limit=1"]] {
            assert_eq!(command().try_get_matches_from(words).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn every_flag_of_the_table_is_in_the_grammar() {
        let command = command();
        let known: BTreeSet<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
        assert!(server_flag_names().is_subset(&known));
    }
}
