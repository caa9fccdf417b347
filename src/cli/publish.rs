//! `publish`: posts one publication and prints the answer.

use super::source::Place;
use super::watch::{connect, lost};
use crate::client::Url;
use clap::ArgMatches;
use serde_json::{Value, json};
use std::io::{Read, Write};

/// Posts; DATA that is no JSON is published as a JSON string.
pub(super) fn run(matches: &ArgMatches) -> Result<String, String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let url = Url::parse(&text("url"))?;
    let key = match matches.get_one::<String>("key") {
        Some(key) => key.clone(),
        None => Place::file_alone(matches).load().map_err(|e| e.to_string())?.settings.http_api.key,
    };
    if key.bytes().any(|b| b.is_ascii_control()) {
        return Err("the key holds control characters".into());
    }
    let data = text("data");
    let data: Value = serde_json::from_str(&data).unwrap_or(Value::String(data));
    let body = json!({ "channel": text("channel"), "data": data }).to_string();
    let path = format!("{}/publish", url.path.trim_end_matches('/'));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        url.authority(),
        body.len()
    );
    let mut stream = connect(&url)?;
    let mut answer = Vec::new();
    stream
        .write_all(&[head.as_bytes(), body.as_bytes()].concat())
        .and_then(|()| stream.read_to_end(&mut answer))
        .map_err(|e| lost(&url, &e))?;
    judge(&String::from_utf8_lossy(&answer), &path)
}

/// The body of an answer, or why there is none.
fn judge(answer: &str, path: &str) -> Result<String, String> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    match head.split(' ').nth(1) {
        Some("200") if body.starts_with("{\"error\"") => Err(body.to_string()),
        Some("200") => Ok(format!("{body}\n")),
        Some("401") => Err("401: the key is wrong; give it with --key, or its configuration with --config".into()),
        Some("404") => Err(format!("404: there is no API at {path}")),
        Some(status) => Err(format!("{status}: {}", body.trim_end())),
        None => Err("this is no HTTP server".into()),
    }
}
