//! The part of the page about codes: each one that the server sends, and each thing that clients do wrong, with a test
//! in which that code really goes out. A row is one line.

use super::proofs;
use corecast::api::ApiError;
use corecast::protocol::code::{Disconnect, Error, Unsubscribe};
use std::fmt::Write;
use std::path::Path;

/// Every code that the server sends, with a test in which it is sent: a function, or the beginning of a dialogue's name.
/// One line each; a code of `src/protocol/code.rs` or `src/api/error.rs` without one fails the test.
const CODES: &[(Kind, u32, &str)] = &[
    (Kind::Error, 100, "information of a token that is no base64"),
    (Kind::Error, 102, "F53 a channel of an unknown namespace"),
    (Kind::Error, 103, "F54 a channel that nobody opened"),
    (Kind::Error, 104, "F114 the method ping, and no other"),
    (Kind::Error, 105, "F51 and F52 subscribe, and once more"),
    (Kind::Error, 106, "F86 one subscription too many"),
    (Kind::Error, 107, "F55 a name that is too long"),
    (Kind::Error, 108, "F105 presence for those who may not"),
    (Kind::Error, 109, "F06 an expired token"),
    (Kind::Error, 110, "F14 a session that expired before it began"),
    (Kind::Error, 111, "a_full_history_refuses_publications_until_it_has_expired"),
    (Kind::Error, 112, "F110 history of another epoch"),
    (Kind::Api, 100, "F126e expiries of subscriptions, and an unknown namespace"),
    (Kind::Api, 102, "F126e expiries of subscriptions, and an unknown namespace"),
    (Kind::Api, 104, "calls that ask for what is not there"),
    (Kind::Api, 107, "calls that ask for what is not there"),
    (Kind::Api, 108, "calls that ask for what is not there"),
    (Kind::Api, 111, "a_full_history_refuses_publications_until_it_has_expired"),
    (Kind::Api, 112, "calls that ask for what is not there"),
    (Kind::Disconnect, 3001, "F129 the server stops"),
    (Kind::Disconnect, 3004, "F85 a type that nobody knows"),
    (Kind::Disconnect, 3005, "F117 an expired token"),
    (Kind::Disconnect, 3006, "a subscription of the backend expires with its connection"),
    (Kind::Disconnect, 3008, "F98 more waits for a client than it may have"),
    (Kind::Disconnect, 3009, "a_client_that_takes_nothing_for_the_write_timeout_is_cut"),
    (Kind::Disconnect, 3010, "F118 a token with other channels"),
    (Kind::Disconnect, 3012, "F31 an unanswered ping ends the connection"),
    (Kind::Disconnect, 3013, "more_commands_than_allowed_cost_the_connection"),
    (Kind::Disconnect, 3500, "F08 a token that is none"),
    (Kind::Disconnect, 3501, "F20 the first command is not connect"),
    (Kind::Disconnect, 3502, "F24 a silent client is stale after ten seconds"),
    (Kind::Disconnect, 3503, "F127 the backend ends a user's connections"),
    (Kind::Disconnect, 3504, "F27 a user with one connection too many"),
    (Kind::Disconnect, 3505, "more server-side subscriptions than one client may have"),
    (Kind::Disconnect, 3506, "F97 and F97b octets of a Protobuf client"),
    (Kind::Disconnect, 3507, "F10 a token without a user where that is not allowed"),
    (Kind::Disconnect, 3508, "F115 nobody takes asynchronous messages"),
    (Kind::Unsubscribe, 2000, "F125 the backend ends a subscription"),
    (Kind::Unsubscribe, 2500, "many_subscribers_are_told_in_slices_and_get_nothing_out_of_order_meanwhile"),
    (Kind::Unsubscribe, 2501, "F124 an expired subscription ends and the connection stays"),
];

/// Codes of Centrifugo that this server never sends by itself, and why.
const NEVER: &[(Kind, u32, &str)] = &[
    (Kind::Error, 101, "Centrifugo does not send it either"),
    (Kind::Error, 113, "map subscriptions"),
    (Kind::Api, 113, "no method of Centrifugo answers it either"),
    (Kind::Disconnect, 3000, "the client is gone; a backend that names it drops TCP"),
    (Kind::Disconnect, 3011, "only when a backend names it"),
    (Kind::Disconnect, 3014, "map subscriptions"),
    (Kind::Disconnect, 3509, "Centrifugo PRO"),
    (Kind::Unsubscribe, 2502, "map subscriptions"),
];

/// What clients do wrong, the code that answers it, tests in which it does.
const VIOLATIONS: &[(&str, &str, &[&str])] = &[
    (
        "a message that cannot be parsed, an empty one, a blank line",
        "⊗ 3501",
        &["F34 broken JSON", "an empty message", "F35 a blank line", "F50 a message that is cut short"],
    ),
    (
        "the first command is not `connect`; a second `connect`",
        "⊗ 3501",
        &["F20 the first command is not connect", "F19 a second connect"],
    ),
    ("no `connect` in ten seconds", "⊗ 3502", &["F24 a silent client is stale after ten seconds"]),
    (
        "a pong that nobody asked for, a command without `id`",
        "⊗ 3501",
        &["F32 a pong that nobody asked for", "F33 two pongs for one ping", "a command without an id"],
    ),
    ("nothing but an unknown command, or `ping`", "⊗ 3501", &["F40 an unknown command", "F41 the dead ping command"]),
    (
        "an empty channel in any command of a channel",
        "⊗ 3501",
        &["F58 no channel", "F100 no channel", "no channel in any other command"],
    ),
    ("a message above 64 KiB", "⊗ 1009", &["F43 a message of 65537 bytes is one byte too long"]),
    (
        "more subscriptions than `client.channel_limit`",
        "106",
        &["F86 one subscription too many", "the_hundred_and_twenty_ninth_subscription_is_one_too_many"],
    ),
    (
        "more server-side ones, by `connect` or the API",
        "⊗ 3505",
        &["more server-side subscriptions than one client may have"],
    ),
    ("a client that does not read", "⊗ 3008", &["F98 more waits for a client than it may have"]),
    ("no pong in eight seconds", "⊗ 3012", &["F31 an unanswered ping ends the connection"]),
    ("`send`", "⊗ 3508", &["F115 nobody takes asynchronous messages"]),
    ("`refresh` without a token", "⊗ 3501", &["F117 no token"]),
    ("an expired connection token in `connect`", "109", &["F06 an expired token"]),
    ("an expired connection token in `refresh`", "⊗ 3005", &["F117 an expired token"]),
    ("a bad connection token", "⊗ 3500", &["F08 a token that is none", "F117 garbage as a token"]),
    ("an expired subscription token", "109", &["F62 an expired subscription token"]),
    ("a bad subscription token", "103", &["F63 a subscription token that is none"]),
    (
        "a subscription token for another channel, user or client",
        "⊗ 3500",
        &[
            "F64 a subscription token for another channel",
            "F64 a subscription token for another client",
            "F65 a subscription token of another user",
        ],
    ),
];

/// Which of the lists of codes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Error,
    Api,
    Disconnect,
    Unsubscribe,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Error => "error reply",
            Kind::Api => "server API error",
            Kind::Disconnect => "disconnect",
            Kind::Unsubscribe => "unsubscribe",
        }
    }

    /// How a dialogue shows it.
    fn shown(self, code: u32) -> String {
        match self {
            Kind::Error | Kind::Api => format!(r#""error":{{"code":{code},"#),
            Kind::Disconnect => format!("⊗ {code}"),
            Kind::Unsubscribe => format!(r#""unsubscribe":{{"code":{code},"#),
        }
    }
}

/// All codes that the code knows.
fn codes() -> impl Iterator<Item = (Kind, u32, String)> {
    let errors = Error::ALL.iter().map(|e| (Kind::Error, e.code, e.message.to_string()));
    let api = ApiError::ALL.iter().map(|e| (Kind::Api, e.code, e.message.to_string()));
    let disconnects = Disconnect::ALL.iter().map(|d| (Kind::Disconnect, d.code, d.reason.to_string()));
    let unsubscribes = Unsubscribe::ALL.iter().map(|u| (Kind::Unsubscribe, u.code, u.reason.to_string()));
    errors.chain(api).chain(disconnects).chain(unsubscribes)
}

fn of<'a>(list: &'a [(Kind, u32, &'a str)], kind: Kind, code: u32) -> Option<&'a str> {
    list.iter().find(|(k, c, _)| (*k, *c) == (kind, code)).map(|(_, _, text)| *text)
}

/// Writes the tables.
pub fn page(out: &mut String) {
    out.push_str("\n## Codes that the server sends\n\n| kind | code | text | proof |\n|---|---|---|---|\n");
    for (kind, code, text) in codes() {
        if let Some(proof) = of(CODES, kind, code) {
            _ = writeln!(out, "| {} | {code} | {text} | `{proof}` |", kind.name());
        }
    }
    out.push_str("\n## Codes of Centrifugo that it does not send\n\n| kind | code | why |\n|---|---|---|\n");
    for (kind, code, why) in NEVER {
        _ = writeln!(out, "| {} | {code} | {why} |", kind.name());
    }
    out.push_str(
        "\n## What clients do wrong\n\n`⊗` closes the connection with that code; other codes are error replies.\n\n",
    );
    out.push_str("| what | answer | proof |\n|---|---|---|\n");
    for (what, answer, proofs) in VIOLATIONS {
        let proofs: Vec<String> = proofs.iter().map(|proof| format!("`{proof}`")).collect();
        _ = writeln!(out, "| {what} | {answer} | {} |", proofs.join(", "));
    }
}

/// The text of a test function or a dialogue.
fn text_of<'a>(all: &'a str, proof: &str) -> &'a str {
    let dialogue = all.find(&format!("# {proof}")).map(|at| (at, "\n# "));
    let place = all.find(&format!("fn {proof}(")).map(|at| (at, "\n}\n")).or(dialogue);
    let (at, end) = place.unwrap_or_else(|| panic!("no {proof}"));
    let rest = &all[at..];
    &rest[..rest.find(end).unwrap_or(rest.len())]
}

#[test]
fn every_code_is_sent_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    proofs(&root.join("tests"), &mut all);
    let shows = |proof: &str, shown: &str, code: &str| {
        let text = text_of(&all, proof);
        text.contains(if text.starts_with("fn ") { code } else { shown })
    };
    for (kind, code, text) in codes() {
        let named = [CODES, NEVER].iter().filter(|list| of(list, kind, code).is_some()).count();
        assert_eq!(named, 1, "{} {code} {text}: a proof, or a reason why it is never sent", kind.name());
    }
    for (kind, code, proof) in CODES {
        assert!(codes().any(|(k, c, _)| (k, c) == (*kind, *code)), "{} {code} is no code of ours", kind.name());
        assert!(shows(proof, &kind.shown(*code), &code.to_string()), "{} {code} is not in {proof}", kind.name());
    }
    for (what, answer, proofs) in VIOLATIONS {
        let code = answer.trim_start_matches("⊗ ");
        let shown = if answer.starts_with('⊗') { answer.to_string() } else { format!(r#""code":{code}"#) };
        for proof in *proofs {
            assert!(shows(proof, &shown, code), "{what}: {code} is not in {proof}");
        }
    }
}
