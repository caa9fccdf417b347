//! A client of the simulation: it connects, subscribes, answers pings and writes down what it gets.

use crate::world::Pipe;
use corecast::proto::client::{Command, Reply};
use corecast::proto::json as codec;
use corecast::wire::websocket::Opcode;
use prost::Message;
use serde_json::{Value, json};
use std::collections::VecDeque;

#[path = "../common/ws.rs"]
#[allow(dead_code)]
pub mod ws;
use ws::{Arrival, Peer};

/// One stretch of a subscription, from its reply to its end.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub channel: String,
    /// How many publications of the channel had been begun when the reply was read; later ones must all arrive.
    pub published_before: usize,
    /// The client gave the subscription up.
    pub ended: bool,
    /// What arrived, as (publisher, number).
    pub got: Vec<(u64, u64)>,
}

enum Asked {
    Subscribe(String),
    Publish((u64, u64)),
    Other,
}

pub struct Client {
    pub peer: Peer,
    pub pipe: Pipe,
    pub core: usize,
    /// Speaks Protobuf instead of JSON.
    protobuf: bool,
    pub is_open: bool,
    /// Closed by the server with this code.
    pub closed: Option<u16>,
    ids: u64,
    /// Commands that wait for their replies, in order.
    waiting: VecDeque<(u64, Asked)>,
    /// Publications that were answered.
    pub answered: Vec<(u64, u64)>,
    pub stretches: Vec<Stretch>,
}

impl Client {
    pub fn new(core: usize, protobuf: bool, pipe: Pipe) -> Client {
        Client {
            peer: Peer::default(),
            pipe,
            core,
            protobuf,
            is_open: true,
            closed: None,
            ids: 0,
            waiting: VecDeque::new(),
            answered: Vec::new(),
            stretches: Vec::new(),
        }
    }

    fn command(&mut self, key: &str, body: Value, asked: Asked) -> Vec<u8> {
        self.ids += 1;
        self.waiting.push_back((self.ids, asked));
        let text = json!({ "id": self.ids, key: body }).to_string();
        if !self.protobuf {
            return self.peer.frame(Opcode::Text, text.as_bytes());
        }
        let command: Command = codec::decode(text.as_bytes()).expect("a command");
        self.peer.frame(Opcode::Binary, &command.encode_length_delimited_to_vec())
    }

    pub fn connect(&mut self) -> Vec<u8> {
        self.command("connect", json!({}), Asked::Other)
    }

    pub fn subscribe(&mut self, channel: &str) -> Vec<u8> {
        self.command("subscribe", json!({ "channel": channel }), Asked::Subscribe(channel.to_string()))
    }

    pub fn unsubscribe(&mut self, channel: &str) -> Vec<u8> {
        for stretch in self.stretches.iter_mut().filter(|s| s.channel == channel) {
            stretch.ended = true;
        }
        self.command("unsubscribe", json!({ "channel": channel }), Asked::Other)
    }

    pub fn publish(&mut self, channel: &str, publisher: u64, number: u64) -> Vec<u8> {
        let body = json!({ "channel": channel, "data": { "p": publisher, "n": number } });
        self.command("publish", body, Asked::Publish((publisher, number)))
    }

    /// True when no reply is missing.
    pub fn is_answered(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True when it is subscribed to the channel or about to be.
    pub fn wants(&self, channel: &str) -> bool {
        self.stretches.iter().any(|s| s.channel == channel && !s.ended)
    }

    /// Takes in what the server wrote; returns what the client answers. `published` counts a channel's publications.
    pub fn receive(&mut self, bytes: &[u8], published: impl Fn(&str) -> usize) -> Vec<u8> {
        let mut answers = Vec::new();
        for arrival in self.peer.take(bytes) {
            match arrival {
                Arrival::Text(text) if text == b"{}" => answers.extend(self.peer.frame(Opcode::Text, b"{}")),
                Arrival::Text(text) => self.message(&text, &published),
                Arrival::Binary(bytes) if bytes == [0] => answers.extend(self.peer.frame(Opcode::Binary, &[0])),
                Arrival::Binary(bytes) => {
                    let reply = Reply::decode_length_delimited(bytes.as_slice()).expect("Protobuf of the server");
                    let mut text = Vec::new();
                    codec::encode_line(&reply, &mut text).expect("JSON payloads");
                    self.message(&text, &published);
                }
                Arrival::Close(code, _) => {
                    self.closed = code.or(Some(1005));
                    answers.extend(self.peer.close(code.unwrap_or(1000)));
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
        answers
    }

    fn message(&mut self, text: &[u8], published: &impl Fn(&str) -> usize) {
        let value: Value = serde_json::from_slice(text).expect("JSON of the server");
        if let Some(id) = value["id"].as_u64() {
            let (expected, asked) = self.waiting.pop_front().expect("a command");
            assert_eq!(id, expected, "replies are in the order of commands");
            assert!(value["error"].is_null(), "no command of the simulation is wrong: {value}");
            match asked {
                Asked::Subscribe(channel) => {
                    let published_before = published(&channel);
                    self.stretches.push(Stretch { channel, published_before, ended: false, got: Vec::new() });
                }
                Asked::Publish(item) => self.answered.push(item),
                Asked::Other => {}
            }
            return;
        }
        let push = &value["push"];
        let channel = push["channel"].as_str().expect("a channel");
        let data = &push["pub"]["data"];
        let item = (data["p"].as_u64().expect("a publisher"), data["n"].as_u64().expect("a number"));
        match self.stretches.iter_mut().rev().find(|s| s.channel == channel) {
            Some(stretch) => stretch.got.push(item),
            None => panic!("a publication of {channel} without a subscription"),
        }
    }
}
