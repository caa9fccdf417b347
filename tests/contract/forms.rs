//! The forms in which the API is spoken. One request goes out in any of them; what comes back is told in the words that
//! all forms share.

use super::grpc_client::Grpc;
use super::http::{Answer, Http};
use super::rows::{Want, message, statuses};
use corecast::api::Method;
use corecast::proto::api::{Command, Error, Reply};
use corecast::proto::json;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `POST /api/<name>`
    Http,
    /// `POST /api/<name>` in transport error mode
    HttpTransport,
    /// `POST /api/batch`
    Batch,
    /// `POST /api/batch` with `parallel`
    BatchParallel,
    /// `POST /api` with the method's name
    LegacyName,
    /// `POST /api` with the method's number
    LegacyNumber,
    /// A GRPC call
    Grpc,
    /// A GRPC call in transport error mode
    GrpcTransport,
}

pub const FORMS: [Form; 8] = [
    Form::Http,
    Form::HttpTransport,
    Form::Batch,
    Form::BatchParallel,
    Form::LegacyName,
    Form::LegacyNumber,
    Form::Grpc,
    Form::GrpcTransport,
];

/// What came back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    /// A result, as JSON.
    Result(String),
    /// An error of the API, and the status (of HTTP or GRPC) with which it travelled.
    Error { status: u16, code: u32, message: String },
    /// An HTTP answer that is no answer of the API.
    Refused(u16, String),
    /// A result that cannot be told in JSON.
    Octets,
    /// No answer, or one that has not the shape of an answer.
    Broken(String),
}

/// What this form makes of a row; `None` when the form has no such requests.
pub fn wanted(form: Form, want: Want) -> Option<Got> {
    let is_grpc = matches!(form, Form::Grpc | Form::GrpcTransport);
    let is_legacy = matches!(form, Form::LegacyName | Form::LegacyNumber);
    let error = |code| {
        let (http, grpc) = statuses(code);
        let status = match form {
            Form::HttpTransport => http,
            Form::GrpcTransport => grpc,
            Form::Grpc => 0,
            _ => 200,
        };
        Got::Error { status, code, message: message(code).to_string() }
    };
    Some(match want {
        Want::Result(result) => Got::Result(result.to_string()),
        Want::Error(code) => error(code),
        Want::Octets if is_grpc => Got::Octets,
        Want::Octets => Got::Refused(500, "Internal Server Error\n".into()),
        Want::Mistyped | Want::Garbled if is_grpc => return None,
        Want::Mistyped if is_legacy => error(107),
        Want::Mistyped | Want::Garbled => Got::Refused(400, "Bad Request\n".into()),
    })
}

/// A caller in one form.
pub struct Caller {
    pub form: Form,
    pub http: Http,
    pub grpc: Grpc,
}

impl Caller {
    pub fn call(&mut self, method: &Method, request: &str) -> Got {
        let (name, number) = (method.name, method.number);
        match self.form {
            Form::Http => self.method(name, request, ""),
            Form::HttpTransport => self.method(name, request, "X-Centrifugo-Error-Mode: transport\r\n"),
            Form::Batch => self.batch(name, &format!(r#"{{"commands":[{{"{name}":{request}}}]}}"#)),
            Form::BatchParallel => {
                self.batch(name, &format!(r#"{{"parallel":true,"commands":[{{"{name}":{request}}}]}}"#))
            }
            Form::LegacyName => self.legacy(&format!(r#"{{"id":7,"method":"{name}","params":{request}}}"#)),
            Form::LegacyNumber => self.legacy(&format!(r#"{{"id":7,"method":{number},"params":{request}}}"#)),
            Form::Grpc => self.rpc(method, request, &[]),
            Form::GrpcTransport => self.rpc(method, request, &[("x-centrifugo-error-mode", "transport")]),
        }
        .unwrap_or_else(Got::Broken)
    }

    fn method(&mut self, name: &str, request: &str, fields: &str) -> Result<Got, String> {
        let fields = format!("X-API-Key: {}\r\n{fields}", super::config::KEY);
        let answer = self.http.request("POST", &format!("/api/{name}"), &fields, request.as_bytes())?;
        if let Some(refused) = refused(&answer)? {
            return Ok(refused);
        }
        if answer.status != 200 {
            return Ok(error_of(answer.status, answer.text()));
        }
        one_of(answer.text(), "result")
    }

    fn batch(&mut self, name: &str, body: &str) -> Result<Got, String> {
        let answer = self.http.post("/api/batch", body.as_bytes())?;
        if let Some(refused) = refused(&answer)? {
            return Ok(refused);
        }
        let shape = || format!("no batch reply: {} {}", answer.status, answer.text());
        let outer: BTreeMap<String, Vec<&RawValue>> = serde_json::from_str(answer.text()).map_err(|_| shape())?;
        match (answer.status, outer.len(), outer.get("replies").map(Vec::as_slice)) {
            (200, 1, Some([reply])) => one_of(reply.get(), name),
            _ => Err(shape()),
        }
    }

    fn legacy(&mut self, body: &str) -> Result<Got, String> {
        let answer = self.http.post("/api", body.as_bytes())?;
        if let Some(refused) = refused(&answer)? {
            return Ok(refused);
        }
        match answer.text().strip_prefix(r#"{"id":7,"#) {
            Some(rest) if answer.status == 200 => one_of(&format!("{{{rest}"), "result"),
            _ => Err(format!("no legacy reply: {} {}", answer.status, answer.text())),
        }
    }

    fn rpc(&mut self, method: &Method, request: &str, metadata: &[(&str, &str)]) -> Result<Got, String> {
        let (tag, message) = protobuf(method.name, request);
        let reply = self.grpc.api(method.rpc, &message, metadata)?;
        if reply.status != 0 {
            let detail = detail(&reply.details().ok_or(format!("no details: {reply:?}"))?)?;
            let is_same = detail.0 == reply.status && detail.1 == reply.message && detail.2.message == reply.message;
            let got = Got::Error { status: reply.status, code: detail.2.code, message: reply.message };
            return if is_same { Ok(got) } else { Err(format!("the details differ: {got:?} {detail:?}")) };
        }
        unpack(tag, reply.message()?)
    }
}

/// An answer that stems from before the API.
fn refused(answer: &Answer) -> Result<Option<Got>, String> {
    match answer.field("content-type") {
        Some("application/json") => Ok(None),
        Some("text/plain; charset=utf-8") => Ok(Some(Got::Refused(answer.status, answer.text().to_string()))),
        other => Err(format!("status {} with content type {other:?}: {}", answer.status, answer.text())),
    }
}

/// `{"error":…}` or `{"<name>":…}`, and nothing besides.
fn one_of(text: &str, name: &str) -> Result<Got, String> {
    let wrong = || format!("neither error nor {name}: {text}");
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| wrong())?;
    match (members.len(), members.get("error"), members.get(name)) {
        (1, Some(error), None) => Ok(error_of(200, error.get())),
        (1, None, Some(result)) => Ok(Got::Result(result.get().to_string())),
        _ => Err(wrong()),
    }
}

fn error_of(status: u16, text: &str) -> Got {
    let read = |value: serde_json::Value| {
        let members = value.as_object()?;
        let code = u32::try_from(members.get("code")?.as_u64()?).ok()?;
        let message = members.get("message")?.as_str()?.to_string();
        (members.len() == 2).then_some(Got::Error { status, code, message })
    };
    serde_json::from_str(text).ok().and_then(read).unwrap_or_else(|| Got::Broken(format!("no error: {text}")))
}

/// A request as a Protobuf message, and the number that its method has in `Command` and `Reply`.
pub fn protobuf(name: &str, request: &str) -> (u32, Vec<u8>) {
    let command: Command = json::decode(format!(r#"{{"{name}":{request}}}"#).as_bytes())
        .unwrap_or_else(|_| panic!("{name} {request} has no Protobuf form"));
    let bytes = command.encode_to_vec();
    let mut rest = bytes.as_slice();
    let (tag, _) = decode_key(&mut rest).expect("a method is set");
    let length = decode_varint(&mut rest).expect("a length");
    assert_eq!(length as usize, rest.len(), "{name} {request}: only one member of a command");
    (tag, rest.to_vec())
}

/// `<Rpc>Response`: error in field 1 or result in field 2, each at most once.
fn unpack(tag: u32, mut message: &[u8]) -> Result<Got, String> {
    let whole = message;
    let mut got = Vec::new();
    while !message.is_empty() {
        let (field, _) = decode_key(&mut message).map_err(|e| format!("{e} in {whole:?}"))?;
        let length = decode_varint(&mut message).map_err(|e| format!("{e} in {whole:?}"))? as usize;
        let (value, rest) = message.split_at_checked(length).ok_or(format!("cut off: {whole:?}"))?;
        got.push(match field {
            1 => {
                let error = Error::decode(value).map_err(|e| format!("{e} in {whole:?}"))?;
                Got::Error { status: 0, code: error.code, message: error.message }
            }
            2 => result(tag, value)?,
            other => return Err(format!("field {other} in {whole:?}")),
        });
        message = rest;
    }
    if got.len() == 1 { Ok(got.remove(0)) } else { Err(format!("not exactly one of error and result: {got:?}")) }
}

/// A `<Rpc>Result`, told in JSON by way of the member that it has in `Reply`.
fn result(tag: u32, value: &[u8]) -> Result<Got, String> {
    let mut bytes = Vec::new();
    encode_key(tag, WireType::LengthDelimited, &mut bytes);
    encode_varint(value.len() as u64, &mut bytes);
    bytes.extend_from_slice(value);
    let reply = Reply::decode(bytes.as_slice()).map_err(|e| format!("{e} in the result {value:?}"))?;
    let mut text = Vec::new();
    if json::encode(&reply, &mut text).is_err() {
        return Ok(Got::Octets);
    }
    let text = String::from_utf8(text).map_err(|e| e.to_string())?;
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let result = members.values().next().ok_or("the result is not known to Reply")?;
    Ok(Got::Result(result.get().to_string()))
}

/// `google.rpc.Status` with the API's error as its only detail: code, message, error.
pub fn detail(bytes: &[u8]) -> Result<(u16, String, Error), String> {
    #[derive(Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<prost_types::Any>,
    }
    let status = Status::decode(bytes).map_err(|e| format!("{e} in the details {bytes:?}"))?;
    match status.details.as_slice() {
        [any] if any.type_url == "type.googleapis.com/centrifugal.centrifugo.api.Error" => {
            let error = Error::decode(any.value.as_slice()).map_err(|e| e.to_string())?;
            Ok((u16::try_from(status.code).unwrap_or(u16::MAX), status.message, error))
        }
        other => Err(format!("not one error as detail: {other:?}")),
    }
}
