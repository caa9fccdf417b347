//! `watch`: prints publications as they come, a JSON line each; what happens to the connection goes to standard error.

use crate::client::{Broken, Event, Link, Url};
use crate::proto::client::Publication;
use crate::protocol::command::Protocol;
use crate::protocol::payload::is_json;
use base64::Engine;
use clap::ArgMatches;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value};
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// Runs until the server closes or standard output does.
pub(super) fn run(matches: &ArgMatches) -> Result<String, String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let channels: Vec<String> = matches.get_many::<String>("channel").into_iter().flatten().cloned().collect();
    let url = Url::parse(&text("url"))?;
    let protocol = if matches.get_flag("protobuf") { Protocol::Protobuf } else { Protocol::Json };
    let mut stream = connect(&url)?;
    let seed = StdRng::from_os_rng().random();
    let mut link = Link::new(&url, protocol, &text("token"), &channels, seed);
    let mut buffer = vec![0; 64 << 10];
    loop {
        stream.write_all(&link.take_outgoing()).map_err(|e| lost(&url, &e))?;
        let n = stream.read(&mut buffer).map_err(|e| lost(&url, &e))?;
        if n == 0 {
            return Err(format!("{}: the server ended the connection", url.authority()));
        }
        let events = link.receive(&buffer[..n]).map_err(|broken| refused(&url, &broken))?;
        for event in events {
            if let Some(ended) = show(event, &mut io::stdout().lock())? {
                return Err(ended);
            }
        }
    }
}

pub(super) fn connect(url: &Url) -> Result<TcpStream, String> {
    TcpStream::connect((url.host.as_str(), url.port)).map_err(|e| lost(url, &e))
}

pub(super) fn lost(url: &Url, error: &io::Error) -> String {
    format!("{}: {error}; is the server running there?", url.authority())
}

fn refused(url: &Url, broken: &Broken) -> String {
    match broken {
        Broken::Refused(status) => format!("{}{}: the server answers {status}", url.authority(), url.path),
        Broken::Garbage => format!("{}{}: this is no server of the protocol", url.authority(), url.path),
    }
}

/// Prints an event; the text of what ends the command, if it does.
fn show(event: Event, out: &mut impl Write) -> Result<Option<String>, String> {
    match event {
        Event::Connected(client) => eprintln!("connected as {client}"),
        Event::Subscribed(channel) => eprintln!("subscribed to {channel}"),
        Event::Publication(channel, publication) => {
            let line = line(channel, &publication);
            writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|e| format!("standard output: {e}"))?;
        }
        Event::Unsubscribed(channel, code, reason) => eprintln!("unsubscribed from {channel}: {code} {reason}"),
        Event::Refused(channel, code, message) if channel.is_empty() => {
            return Ok(Some(format!("connect: {code} {message}")));
        }
        Event::Refused(channel, code, message) => return Ok(Some(format!("{channel}: {code} {message}"))),
        Event::Closed(code, reason) => return Ok(Some(format!("disconnected: {code} {reason}"))),
    }
    Ok(None)
}

/// A publication as one JSON object; octets that are no JSON stand as `b64data`.
fn line(channel: String, publication: &Publication) -> String {
    let mut object = Map::new();
    object.insert("channel".into(), channel.into());
    if is_json(&publication.data, &mut Vec::new()) {
        let data = serde_json::from_slice(&publication.data).unwrap_or(Value::Null);
        object.insert("data".into(), data);
    } else {
        let text = base64::engine::general_purpose::STANDARD.encode(&publication.data);
        object.insert("b64data".into(), text.into());
    }
    if let Some(info) = &publication.info {
        let publisher = [("user", info.user.clone().into()), ("client", info.client.clone().into())];
        object.insert("info".into(), publisher.map(|(k, v): (&str, Value)| (k.to_string(), v)).into_iter().collect());
    }
    if !publication.tags.is_empty() {
        let tags: Map<String, Value> =
            publication.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        object.insert("tags".into(), tags.into());
    }
    if publication.offset > 0 {
        object.insert("offset".into(), publication.offset.into());
    }
    Value::Object(object).to_string()
}
