//! Each method of the API, in each form, with each of its outcomes.

use super::clients::Client;
use super::config::{self, Dialect, KEY};
use super::forms::{Caller, FORMS, Form, Got, wanted};
use super::grpc_client::Grpc;
use super::http::Http;
use super::pattern::Names;
use super::rows::{self, ERRORS, NAMES, Row, Want};
use corecast::api::{METHODS, Method};
use serde_json::json;
use std::collections::BTreeSet;

fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

#[test]
fn every_method_has_rows_for_its_result_and_all_its_errors() {
    let known: BTreeSet<&str> = ERRORS.iter().map(|(name, _)| *name).collect();
    let served: BTreeSet<&str> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!(served, known, "the methods that are served and those that the table knows");
    for (name, errors) in ERRORS {
        let wants = || rows::all().filter(|row| row.method == *name).map(|row| row.want);
        let codes: BTreeSet<u32> =
            wants().filter_map(|want| if let Want::Error(code) = want { Some(code) } else { None }).collect();
        // `rpc` has no result without an extension.
        assert!(
            *name == "rpc" || wants().any(|want| matches!(want, Want::Result(_))),
            "{name} has no row that succeeds"
        );
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), *errors, "{name}");
    }
}

#[test]
fn the_methods_have_the_numbers_and_calls_of_the_schema() {
    let numbers = [
        ("publish", 0, "Publish"),
        ("broadcast", 1, "Broadcast"),
        ("unsubscribe", 2, "Unsubscribe"),
        ("disconnect", 3, "Disconnect"),
        ("presence", 4, "Presence"),
        ("presence_stats", 5, "PresenceStats"),
        ("history", 6, "History"),
        ("history_remove", 7, "HistoryRemove"),
        ("channels", 8, "Channels"),
        ("info", 9, "Info"),
        ("rpc", 10, "RPC"),
        ("subscribe", 11, "Subscribe"),
        ("refresh", 12, "Refresh"),
    ];
    for (name, number, rpc) in numbers {
        let found = method(name).map(|method| (method.number, method.rpc));
        assert_eq!(found, Some((number, rpc)), "{name}");
    }
}

#[test]
fn names_of_rows_are_unique() {
    let mut seen = BTreeSet::new();
    for row in rows::all() {
        assert!(seen.insert(row.name), "{} twice", row.name);
    }
}

#[test]
fn every_row_holds_in_every_form_with_one_core() {
    walk(Dialect::V5, 1);
}

#[test]
fn every_row_holds_in_every_form_with_two_cores() {
    walk(Dialect::V6, 2);
}

fn walk(dialect: Dialect, cores: usize) {
    let faults: Vec<String> = FORMS.iter().flat_map(|form| walk_form(*form, dialect, cores)).collect();
    assert!(faults.is_empty(), "{} faults with {cores} cores:\n{}", faults.len(), faults.join("\n"));
}

/// Plays the whole table in one form on a server of its own; returns what went wrong.
fn walk_form(form: Form, dialect: Dialect, cores: usize) -> Vec<String> {
    let (server, grpc) = config::start_with_grpc(dialect, cores, KEY, json!({}));
    let mut caller = Caller { form, http: Http::new(server.address), grpc: Grpc::new(grpc, KEY) };
    let mut names = Names::default();
    NAMES.iter().for_each(|(name, value)| names.set(name, value));
    let mut faults: Vec<String> = rows::alone().filter_map(|row| play(row, &mut caller, &mut names)).collect();
    let clients = crowd(&server);
    ["id_a", "id_b", "id_c"].iter().zip(&clients).for_each(|(name, client)| names.set(name, &client.id));
    faults.extend(rows::crowded().filter_map(|row| play(row, &mut caller, &mut names)));
    faults
}

/// Enough clients that each core has some.
fn crowd(server: &crate::common::server::Server) -> Vec<Client> {
    let users = ["42", "42", ""].map(String::from).into_iter().chain((1..14).map(|n| format!("n{n}")));
    users.map(|user| Client::connect(server, &user)).collect()
}

/// The fault of one row, if it has one.
fn play(row: &Row, caller: &mut Caller, names: &mut Names) -> Option<String> {
    let want = wanted(caller.form, row.want)?;
    let request = names.fill(row.request);
    let got = match method(row.method) {
        Some(method) => caller.call(method, &request),
        None => Got::Broken("no such method".into()),
    };
    let difference = match (&want, &got) {
        (Got::Result(want), Got::Result(got)) => names.check(want, got).err()?,
        _ if want == got => return None,
        _ => format!("wanted {want:?}\n         got {got:?}"),
    };
    Some(format!("{} {:?} {} {request}:\n      {difference}", row.name, caller.form, row.method))
}

#[test]
fn a_batch_that_cannot_be_decoded_does_nothing() {
    for cores in [1, 2] {
        let server = config::start(Dialect::V6, cores, json!({}));
        let mut http = Http::new(server.address);
        let bad = rows::all().filter(|row| matches!(row.want, Want::Mistyped | Want::Garbled));
        for row in bad {
            let (name, request) = (row.method, row.request);
            let first = r#"{"publish":{"channel":"hist:untouched","data":1}}"#;
            let body = format!(r#"{{"commands":[{first},{{"{name}":{request}}}]}}"#);
            let answer = http.post("/api/batch", body.as_bytes()).unwrap_or_else(|e| panic!("{}: {e}", row.name));
            assert_eq!((answer.status, answer.text()), (400, "Bad Request\n"), "{} {body}", row.name);
        }
        let answer = http.post("/api/publish", br#"{"channel":"hist:untouched","data":1}"#).expect("an answer");
        assert!(answer.text().starts_with(r#"{"result":{"offset":1,"#), "{}", answer.text());
    }
}
