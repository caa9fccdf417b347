//! WebSocket connections: frames in, commands to the session, and what the session wants.

use super::publications::Posted;
use super::{Message, Shard};
use crate::api::Post;
use crate::channel::inquiry::Finding;
use crate::config::settings::Websocket;
use crate::conn::{Client, Conn, Kind, contained};
use crate::counters::Counters;
use crate::id::Slot;
use crate::mutation::{self, Mutation};
use crate::proto::client::Reply;
use crate::proto::json::NotJson;
use crate::protocol::code::Disconnect;
use crate::protocol::command::{Commands, Protocol};
use crate::protocol::frame::{Block, Rendition};
use crate::protocol::framer::Framer;
use crate::protocol::missed::{Splice, Work};
use crate::protocol::reply;
use crate::protocol::told::Told;
use crate::session::flow::PublishWish;
use crate::session::outside::Answer;
use crate::session::{Context, Flow, Session};
use crate::tally::ClientMethod;
use crate::wire::deflate::{self, Deflater, Uninflatable};
use crate::wire::websocket::{self, Event, Opcode};
use std::sync::Arc;

/// What makes frames under these settings.
pub(super) fn framer(settings: &Websocket, counters: &Arc<Counters>) -> Framer {
    let framer = Framer::new(counters.clone());
    match settings.compression {
        true => framer.with_deflater(Deflater::new(settings.compression_level), settings.compression_min_size),
        false => framer,
    }
}

/// The ping of each rendition: `{}` or a zero byte.
pub(super) fn ping_frames(framer: &mut Framer) -> [Block; Rendition::COUNT] {
    Rendition::ALL.map(|rendition| framer.frame(rendition, ping(rendition.protocol())))
}

/// The message that asks for a pong.
fn ping(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Json => b"{}",
        Protocol::Protobuf => &[0],
    }
}

/// What a step leaves to be done with the connection.
pub(super) enum After {
    /// Nothing: further commands may be handled unless the session waits.
    Nothing,
    /// Nothing more will be answered (an error reply to `connect`).
    Refused,
    /// Close with this code.
    Disconnect(Disconnect),
    /// End TCP now.
    Drop,
}

/// Why a compressed message leads to nothing.
enum NotInflated {
    Uninflatable(Uninflatable),
    Panicked,
}

macro_rules! context {
    ($shard:ident) => {
        &mut Context {
            now: $shard.now,
            policy: &$shard.policy,
            random: &mut $shard.random,
            keys: &mut $shard.keys,
            has_room_for: &|user| $shard.shared.gate.has_room_for(user),
        }
    };
}
pub(super) use context;

impl Shard {
    /// One frame. Returns how many bytes it used, 0 when more are needed, `None` when TCP ends now.
    pub(super) fn websocket(&mut self, conn: &mut Conn, bytes: &mut [u8]) -> Option<usize> {
        let slot = conn.slot;
        let Kind::WebSocket(ws) = &mut conn.kind else { return None };
        let limit = self.shared.settings.websocket.message_size_limit;
        let (decoder, client, len) = (&mut ws.decoder, &mut ws.client, bytes.len());
        let Some(decoded) = contained(move || decoder.decode(bytes, limit)) else {
            self.counters.decode_panics.add(1);
            return None;
        };
        let (used, event) = match decoded {
            Ok(step) => (step.consumed, step.event),
            Err(violation) => {
                self.violated(conn, violation);
                return Some(len);
            }
        };
        let after = match event {
            None => After::Nothing,
            Some(Event::Message { payload, .. }) => self.client_message(slot, client, payload),
            Some(Event::Deflated { opcode, payload }) => match self.inflate(opcode, payload) {
                Ok(message) => {
                    let after = self.client_message(slot, client, &message);
                    self.inflated = deflate::kept(message);
                    after
                }
                Err(NotInflated::Uninflatable(Uninflatable::Broken)) => After::Disconnect(Disconnect::BAD_REQUEST),
                Err(NotInflated::Uninflatable(Uninflatable::Violation(violation))) => {
                    self.violated(conn, violation);
                    return Some(len);
                }
                Err(NotInflated::Panicked) => return None,
            },
            Some(Event::Ping(payload)) => {
                self.queue_frame(slot, Opcode::Pong, payload);
                After::Nothing
            }
            Some(Event::Pong(_)) => {
                client.session.native_pong(self.now.mono, &self.policy.client);
                After::Nothing
            }
            Some(Event::Close { code, .. }) => {
                self.answer_close(conn, code);
                return Some(len);
            }
        };
        self.follow(conn, after).then_some(used)
    }

    /// A whole message.
    fn client_message(&mut self, slot: Slot, client: &mut Client, message: &[u8]) -> After {
        self.counters.messages_received.add(1);
        self.counters.messages_received_bytes.add(message.len() as u64);
        self.commands(slot, client, Commands::new(client.session.protocol(), message))
    }

    /// The message that came compressed, in the core's room for such.
    fn inflate(&mut self, opcode: Opcode, deflated: &[u8]) -> Result<Vec<u8>, NotInflated> {
        let bytes_max = self.shared.settings.websocket.inflated_bytes_max();
        let mut message = std::mem::take(&mut self.inflated);
        let inflater = self.inflater.get_or_insert_default();
        let Some(inflated) = contained(|| inflater.inflate(opcode, deflated, bytes_max, &mut message)) else {
            self.counters.decode_panics.add(1);
            self.inflater = None;
            return Err(NotInflated::Panicked);
        };
        self.counters.inflated_messages.add(1);
        self.counters.inflated_bytes_in.add(deflated.len() as u64);
        self.counters.inflated_bytes_out.add(message.len() as u64);
        inflated.map(|()| message).map_err(NotInflated::Uninflatable)
    }

    /// Goes on with the commands behind one that waited; false when TCP ends now.
    pub(super) fn go_on(&mut self, conn: &mut Conn) -> bool {
        let slot = conn.slot;
        let Some(client) = conn.client() else { return true };
        if client.session.is_waiting() {
            return true;
        }
        let backlog = std::mem::take(&mut client.backlog);
        let after = self.commands(slot, client, Commands::resume(client.session.protocol(), &backlog));
        self.follow(conn, after) && self.consume_input(conn)
    }

    /// Handles commands until one waits or the session is over.
    fn commands(&mut self, slot: Slot, client: &mut Client, mut commands: Commands<'_>) -> After {
        loop {
            let Some(command) = contained(|| commands.next()) else {
                self.counters.decode_panics.add(1);
                return After::Drop;
            };
            let flow = match command {
                None => return After::Nothing,
                Some(Err(_)) => Flow::Disconnect(Disconnect::BAD_REQUEST),
                Some(Ok(command)) => {
                    self.counters.commands.add(1);
                    client.session.handle(command, context!(self))
                }
            };
            match self.perform(slot, client, flow) {
                After::Nothing if client.session.is_waiting() => {
                    client.backlog = commands.rest().to_vec();
                    return After::Nothing;
                }
                After::Nothing => {}
                other => return other,
            }
        }
    }

    /// Carries out a flow and what follows from it at once.
    pub(super) fn perform(&mut self, slot: Slot, client: &mut Client, mut flow: Flow) -> After {
        let rendition = client.session.rendition();
        loop {
            flow = match flow {
                Flow::Nothing => return After::Nothing,
                Flow::Reply(reply) => return self.reply(slot, rendition, &reply),
                Flow::Error(reply) => {
                    self.count_error(&reply);
                    return self.reply(slot, rendition, &reply);
                }
                Flow::Refuse(reply) => {
                    self.count_error(&reply);
                    self.reply(slot, rendition, &reply);
                    return After::Refused;
                }
                Flow::Connected(told, arrivals) => {
                    if !self.count_client(slot.index, client) {
                        return After::Disconnect(Disconnect::CONNECTION_LIMIT);
                    }
                    let after = self.tell(slot, rendition, &told);
                    arrivals.into_iter().for_each(|arrival| self.announce(arrival));
                    if matches!(after, After::Nothing) {
                        self.claim_user(client);
                    }
                    return after;
                }
                Flow::Subscribed(told, arrival) => {
                    let after = self.tell(slot, rendition, &told);
                    arrival.into_iter().for_each(|arrival| self.announce(*arrival));
                    return after;
                }
                Flow::Unsubscribed(subscription, reply) => {
                    if !mutation::is(Mutation::LeaverIsHeard) {
                        self.leave(client, &subscription);
                    }
                    if mutation::is(Mutation::ReplyIsDropped) && reply.id % 4 == 3 {
                        return After::Nothing;
                    }
                    if mutation::is(Mutation::ReplyIsRepeated) && reply.id % 4 == 3 {
                        self.reply(slot, rendition, &reply);
                    }
                    return self.reply(slot, rendition, &reply);
                }
                Flow::Ended(subscription, reason) => {
                    self.leave(client, &subscription);
                    self.counters.unsubscribes.add(reason.code);
                    return self.reply(slot, rendition, &reply::unsubscribe_push(&subscription.channel, reason));
                }
                Flow::Listen(channels) => match self.listen(slot, client, channels) {
                    Some(joined) => client.session.listening(joined, context!(self)),
                    None => return After::Nothing,
                },
                Flow::Publish(wish) => {
                    let is_json = rendition.protocol() == Protocol::Json;
                    let PublishWish { channel, publication } = *wish;
                    match self.post(Post { channel, publication, is_json, delta: false, extras: None }) {
                        Posted::Done(_) => client.session.published(),
                        Posted::Waits(ticket) => {
                            self.publishing.insert(ticket, slot);
                            return After::Nothing;
                        }
                    }
                }
                Flow::Ask(channel, inquiry) => {
                    let owner = self.shared.placement.owner(&channel);
                    if owner == self.core {
                        client.session.found(self.ask_owned(&channel, inquiry))
                    } else {
                        let (ticket, from) = (self.ticket(), self.core);
                        self.asking.insert(ticket, slot);
                        self.send(owner, Message::AskOwner { channel, question: inquiry, from, ticket });
                        return After::Nothing;
                    }
                }
                Flow::Outside(ask) => {
                    self.ask_outside(slot, *ask);
                    return After::Nothing;
                }
                Flow::Present(members) => {
                    self.present(client, members);
                    return After::Nothing;
                }
                Flow::Ping => {
                    let (identity, block) = &self.pings[rendition.index()];
                    self.output.queue_shared(slot.index, *identity, block);
                    self.counters.messages_sent.add(1);
                    self.counters.messages_sent_bytes.add(ping(rendition.protocol()).len() as u64);
                    return After::Nothing;
                }
                Flow::NativePing => {
                    self.queue_frame(slot, Opcode::Ping, &[]);
                    return After::Nothing;
                }
                Flow::Disconnect(disconnect) => return After::Disconnect(disconnect),
                Flow::Drop => return After::Drop,
            }
        }
    }

    fn reply(&mut self, slot: Slot, rendition: Rendition, reply: &Reply) -> After {
        self.scratch.clear();
        let encoded = reply::encode_reply(rendition.protocol(), reply, &mut self.scratch);
        self.queue_reply(slot, rendition, encoded, &[])
    }

    /// Answers with what may hold recovered lists.
    fn tell(&mut self, slot: Slot, rendition: Rendition, told: &Told) -> After {
        let protocol = rendition.protocol();
        for work in told.prepare(protocol) {
            match work {
                Work::Encoded => self.counters.recovered_lists_encoded.add(1),
                Work::Shared => self.counters.recovered_lists_shared.add(1),
            }
        }
        self.scratch.clear();
        let encoded = told.encode(protocol, &mut self.scratch);
        let splices = if rendition.is_deflated() { told.splices(protocol) } else { Vec::new() };
        self.queue_reply(slot, rendition, encoded, &splices)
    }

    /// Queues what stands in `scratch`.
    fn queue_reply(
        &mut self,
        slot: Slot,
        rendition: Rendition,
        encoded: Result<(), NotJson>,
        splices: &[Splice<'_>],
    ) -> After {
        if encoded.is_err() {
            return After::Disconnect(Disconnect::INAPPROPRIATE_PROTOCOL);
        }
        let block = self.framer.frame_spliced(rendition, &self.scratch, splices);
        if !mutation::is(Mutation::MessageIsNotCounted) {
            self.counters.messages_sent.add(1);
        }
        self.counters.messages_sent_bytes.add(self.scratch.len() as u64);
        self.output.queue(slot.index, &block);
        After::Nothing
    }

    fn count_error(&self, reply: &Reply) {
        self.counters.reply_errors.add(1);
        let code = reply.error.as_ref().map_or(0, |error| error.code);
        self.counters.reply_errors_by_code.add((ClientMethod::Unknown, code));
    }

    pub(super) fn queue_frame(&mut self, slot: Slot, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::with_capacity(payload.len() + 2);
        websocket::encode(opcode, payload, &mut bytes);
        self.output.queue(slot.index, &Block::from(bytes));
    }

    /// Follows a step; false when TCP ends now.
    pub(super) fn follow(&mut self, conn: &mut Conn, after: After) -> bool {
        match after {
            After::Nothing => true,
            After::Refused => {
                self.end_refused(conn);
                true
            }
            After::Disconnect(disconnect) => self.disconnect(conn, &disconnect),
            After::Drop => false,
        }
    }

    /// Deadlines of the session; false when TCP ends now.
    pub(super) fn session_timeout(&mut self, conn: &mut Conn) -> bool {
        let slot = conn.slot;
        while let Some(client) = conn.client() {
            let flow = client.session.expire(context!(self));
            if matches!(flow, Flow::Nothing) {
                return true;
            }
            let after = self.perform(slot, client, flow);
            if !self.follow(conn, after) {
                return false;
            }
        }
        true
    }

    /// The owner has taken a client's publication: its reply goes out, and what waited behind it goes on.
    pub(super) fn client_published(&mut self, slot: Slot) {
        self.client_answered(slot, Session::published);
    }

    /// The owner has answered a client's question.
    pub(super) fn client_found(&mut self, slot: Slot, finding: Finding) {
        self.client_answered(slot, |session| session.found(finding));
    }

    /// The side thread has said what a client's token waited for.
    pub(super) fn client_told(&mut self, slot: Slot, answer: &Answer) {
        self.client_stepped(slot, |session, cx| session.told(answer, cx));
    }

    fn client_answered(&mut self, slot: Slot, answer: impl FnOnce(&mut Session) -> Flow) {
        self.client_stepped(slot, |session, _| answer(session));
    }

    fn client_stepped(&mut self, slot: Slot, step: impl FnOnce(&mut Session, &mut Context<'_>) -> Flow) {
        let Some(mut conn) = self.take(slot) else { return };
        let mut goes_on = true;
        if let Some(client) = conn.client()
            && client.session.is_waiting()
        {
            let flow = step(&mut client.session, context!(self));
            let after = self.perform(slot, client, flow);
            goes_on = self.follow(&mut conn, after) && self.go_on(&mut conn);
        }
        if goes_on { self.put(conn) } else { self.drop_conn(conn) }
    }

    /// All channels of a wish are listened to: the waiting command goes on.
    pub(super) fn client_listening(&mut self, mut conn: Box<Conn>) {
        let slot = conn.slot;
        let mut goes_on = true;
        if let Some(client) = conn.client()
            && let Some(listening) = client.listening.take()
        {
            let flow = client.session.listening(listening.joined(), context!(self));
            let after = self.perform(slot, client, flow);
            if matches!(after, After::Nothing) {
                self.output.release(slot.index);
            }
            goes_on = self.follow(&mut conn, after) && self.go_on(&mut conn);
        }
        if goes_on { self.put(conn) } else { self.drop_conn(conn) }
    }
}
