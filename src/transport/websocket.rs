//! `/connection/websocket`: the upgrade, and what the query says of the session (client-protocol 1.1, 1.5, 1.7).

use super::Answer;
use crate::config::settings::Settings;
use crate::protocol::command::Protocol;
use crate::protocol::frame::Rendition;
use crate::session::Opening;
use crate::wire::handshake::{self, Offer, Origins, Subprotocol};
use crate::wire::http1::{Head, Request};
use smallvec::SmallVec;

/// What an accepted upgrade leads to.
pub struct Upgrade {
    /// The whole 101 answer.
    pub reply: Vec<u8>,
    /// How the session begins.
    pub opening: Opening,
}

/// Decides about an upgrade request.
///
/// # Errors
/// The answer to a request that is no good upgrade.
pub fn upgrade(request: &Request<'_>, origins: &Origins, settings: &Settings) -> Result<Upgrade, Answer> {
    let head = &request.head;
    let protocols: SmallVec<[&[u8]; 4]> = head.fields("sec-websocket-protocol").collect();
    let extensions: SmallVec<[&[u8]; 4]> = match settings.websocket.compression {
        true => head.fields("sec-websocket-extensions").collect(),
        false => SmallVec::new(),
    };
    let origin = head.field("origin");
    let offer = Offer {
        method: head.method,
        version_minor: head.version_minor,
        upgrade_websocket: head.has_token("upgrade", "websocket"),
        connection_upgrade: head.has_token("connection", "upgrade"),
        version: head.field("sec-websocket-version"),
        key: head.field("sec-websocket-key"),
        origin,
        protocols: &protocols,
        extensions: &extensions,
    };
    let accepted = handshake::negotiate(&offer, origins).map_err(|refusal| refused(refusal.status(), origin))?;
    // Who forwards may take the protocol to have changed behind the head, and the content for frames.
    if !request.body.is_empty() {
        return Err(refused(400, origin));
    }
    let mut reply = Vec::with_capacity(256);
    accepted.encode(origin, &mut reply);
    let is = |name, value| head.query_value(name).is_some_and(|v| v == value);
    let protobuf = accepted.subprotocol == Some(Subprotocol::Protobuf)
        || is("format", "protobuf")
        || is("cf_protocol", "protobuf");
    let protocol = if protobuf { Protocol::Protobuf } else { Protocol::Json };
    let user_field = &settings.client.user_id_http_header;
    let header_user = if user_field.is_empty() { None } else { head.field(user_field) };
    let header_user = header_user.filter(|value| !value.is_empty());
    let opening = Opening {
        rendition: Rendition::websocket(protocol, accepted.deflate),
        native_ping: is("cf_ws_frame_ping_pong", "true"),
        header_user: header_user.map(|value| String::from_utf8_lossy(value).into()),
    };
    Ok(Upgrade { reply, opening })
}

/// The node takes no more clients for now.
pub fn full(head: &Head<'_>) -> Answer {
    let mut answer = refused(503, head.field("origin"));
    answer.fields.push(("Retry-After", "1".into()));
    answer
}

fn refused(status: u16, origin: Option<&[u8]>) -> Answer {
    let mut answer = Answer::text(status, crate::wire::http1::reason(status));
    answer.fields.extend(handshake::refusal_fields(origin));
    answer
}
