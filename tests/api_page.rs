//! `docs/api.md` keeps its word: its examples are run against the real binary with the configuration that it shows, and
//! it names every method with every field of its request.

mod common;

use common::server::Server;
use corecast::api::{METHODS, manual, openapi};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Stands for a value that differs from run to run.
const ANY: &str = "…";

/// A fenced block of the page.
struct Block {
    language: &'static str,
    text: &'static str,
}

fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for fenced in manual::PAGE.split("\n```").skip(1).step_by(2) {
        let (language, text) = fenced.split_once('\n').expect("a block has lines");
        blocks.push(Block { language, text });
    }
    blocks
}

/// Commands and their answers, in the order of the page.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = blocks();
    let pairs = blocks.windows(2).filter(|pair| pair[0].text.starts_with("curl ") && pair[1].language == "json");
    pairs.map(|pair| (pair[0].text, pair[1].text)).collect()
}

/// One value after the other, as `curl` printed them.
fn values(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    serde_json::Deserializer::from_str(text).into_iter().collect()
}

/// What is not as expected, with its place.
fn difference(place: &str, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::String(text), _) if text == ANY => None,
        (Value::Object(expected), Value::Object(got)) => {
            let of_any = expected.get(ANY);
            let missing = expected.keys().find(|key| *key != ANY && !got.contains_key(*key));
            if let Some(key) = missing.or_else(|| of_any.filter(|_| got.is_empty()).and(expected.keys().next())) {
                return Some(format!("{place} has no member {key:?}"));
            }
            got.iter().find_map(|(key, value)| match expected.get(key).or(of_any) {
                Some(expected) => difference(&format!("{place}.{key}"), expected, value),
                None => Some(format!("{place} has a member {key:?}: {value}")),
            })
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            let mut pairs = expected.iter().zip(got).enumerate();
            pairs.find_map(|(at, (expected, got))| difference(&format!("{place}[{at}]"), expected, got))
        }
        // 60 and 60.0 are one number.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        _ if expected == got => None,
        _ => Some(format!("{place}: expected {expected}, got {got}")),
    }
}

/// The configuration of the page, with ports that are free here.
fn configuration() -> String {
    let blocks = blocks();
    let text = blocks.iter().find(|block| block.language == "json").expect("the first block").text;
    let mut config: Value = serde_json::from_str(text).expect("JSON");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    config["grpc_api"]["address"] = json!("127.0.0.1");
    config["grpc_api"]["port"] = json!(free);
    config.to_string()
}

/// A command of the page in a shell: `corecast` is the binary under test, the address is that of the server.
fn shell(command: &str, server: &Server, folder: &Path) -> Command {
    let address = server.address.to_string();
    let watch = format!("exec corecast watch --url ws://{address}/connection/websocket ");
    let command = command.replace("127.0.0.1:8000", &address).replace("corecast watch ", &watch);
    let binaries = Path::new(env!("CARGO_BIN_EXE_corecast")).parent().expect("a folder");
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", &command]).current_dir(folder).env("PATH", path).env("CURL_HOME", folder);
    shell
}

/// The client of user 42, ended with the test.
struct Watcher(Child);

impl Watcher {
    fn start(server: &Server, folder: &Path) -> Watcher {
        let blocks = blocks();
        let command = blocks.iter().find(|block| block.text.starts_with("corecast watch")).expect("on the page").text;
        let mut child = shell(command, server, folder).stderr(Stdio::piped()).spawn().expect("a shell");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let watcher = Watcher(child);
        let mut seen = Vec::new();
        for line in lines.map_while(Result::ok) {
            if line.starts_with("subscribed") {
                return watcher;
            }
            seen.push(line);
        }
        panic!("the client is not subscribed: {seen:?}");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// `info` has `uptime` from the first second on, as every server has that somebody looks at.
fn wait_for_uptime(server: &Server, folder: &Path) {
    let examples = examples();
    let (info, _) = examples.iter().find(|(command, _)| command.contains("/api/info")).expect("on the page");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let output = shell(info, server, folder).output().expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout);
        if text.contains("\"uptime\"") {
            return;
        }
        assert!(Instant::now() < deadline, "no uptime in {text}");
    }
}

#[test]
fn every_example_gives_the_answer_that_the_page_shows() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configuration();
    std::fs::write(folder.path().join("config.json"), &config).expect("written");
    std::fs::write(folder.path().join(".curlrc"), "no-progress-meter\n").expect("written");
    let server = Server::start(&config, 2);
    let _watcher = Watcher::start(&server, folder.path());
    wait_for_uptime(&server, folder.path());
    let mut wrong = Vec::new();
    for (command, answer) in examples() {
        let output = shell(command, &server, folder.path()).output().expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout).to_string();
        let expected = Value::Array(values(answer).unwrap_or_else(|e| panic!("{answer}: {e}")));
        let found = match values(&text) {
            Ok(got) => difference("the answer", &expected, &Value::Array(got)),
            Err(_) => Some(format!("the answer is no JSON: {text}{}", String::from_utf8_lossy(&output.stderr))),
        };
        wrong.extend(found.map(|found| format!("{command}\n-> {found}\n")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_binary_serves_the_api_page() {
    let server = Server::start(&configuration(), 1);
    let get = |path: &str| server.request("GET", path, "", "");
    assert_eq!(get("/swagger").0, 301);
    let (status, page) = get("/swagger/");
    assert!(status == 200 && page.contains("swagger-ui-bundle.js"), "{status} {page}");
    let (status, script) = get("/swagger/swagger-ui-bundle.js");
    assert!(status == 200 && script.len() > 1_000_000, "{status}, {} bytes", script.len());
    let (status, document) = get("/openapi.json");
    assert_eq!((status, document), (200, openapi::document("/api")));
    assert_eq!(server.request("POST", "/openapi.json", "", "{}").0, 405);
    assert_eq!(get("/swagger/nope").0, 404);
}

#[test]
fn every_method_has_a_section_with_an_example_and_every_field_of_its_request() {
    let document: Value = serde_json::from_str(&openapi::document("/api")).expect("JSON");
    let examples = examples();
    for (name, rpc) in METHODS.iter().map(|method| (method.name, method.rpc)).chain([("batch", "Batch")]) {
        let section = manual::section(name).unwrap_or_else(|| panic!("docs/api.md has no section {name}"));
        let url = format!("/api/{name}");
        assert!(examples.iter().any(|(command, _)| command.ends_with(&url)), "{name} has no example with its answer");
        let answer = if name == "batch" { "BatchResponse".into() } else { format!("{rpc}Result") };
        for message in [format!("{rpc}Request"), answer] {
            fields_have_rows(&document, section, &message);
        }
    }
}

/// The message's table stands in the section, and what the message holds is told of somewhere on the page.
fn fields_have_rows(document: &Value, section: &str, message: &str) {
    let properties = |message: &str| document["components"]["schemas"][message]["properties"].as_object().cloned();
    let Some(fields) = properties(message) else { return };
    assert!(fields.is_empty() || section.contains(&format!("| `{message}` |")), "no table of {message}: {section}");
    let mut left = vec![message.to_string()];
    let mut done = Vec::new();
    while let Some(message) = left.pop() {
        // The members of a batch are the methods themselves.
        if done.contains(&message) || ["Command", "Reply"].contains(&message.as_str()) {
            continue;
        }
        let rows = manual::rows(&message);
        for (field, schema) in properties(&message).unwrap_or_default() {
            let is_told = rows.iter().any(|row| row.fields.contains(&field.as_str()) && !row.meaning.is_empty());
            assert!(is_told, "docs/api.md does not tell of {message}.{field}");
            let text = schema.to_string();
            let held = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
            left.extend(held.filter(|held| !held.ends_with("Response")).map(str::to_string));
        }
        let is_known = |field: &str| properties(&message).is_some_and(|fields| fields.contains_key(field));
        for field in rows.iter().flat_map(|row| &row.fields) {
            assert!(is_known(field), "docs/api.md tells of {message}.{field}, which does not exist");
        }
        done.push(message);
    }
}

#[test]
fn answers_are_compared_member_by_member() {
    let of = |expected: Value, got: Value| difference("it", &expected, &got);
    assert_eq!(of(json!({"a": ANY, "b": [1, 2]}), json!({"a": {"c": 1}, "b": [1, 2]})), None);
    assert_eq!(of(json!({ANY: {"a": 1}}), json!({"x": {"a": 1}, "y": {"a": 1}})), None);
    assert_eq!(of(json!(60), json!(60.0)), None);
    assert_eq!(of(json!({"a": 1}), json!({"a": 2})), Some("it.a: expected 1, got 2".into()));
    assert_eq!(of(json!({"a": 1}), json!({"a": 1, "b": 2})), Some("it has a member \"b\": 2".into()));
    assert_eq!(of(json!({"a": 1}), json!({})), Some("it has no member \"a\"".into()));
    assert_eq!(of(json!({ANY: 1}), json!({})), Some(format!("it has no member \"{ANY}\"")));
    assert_eq!(of(json!([1]), json!([])), Some("it: expected [1], got []".into()));
}
