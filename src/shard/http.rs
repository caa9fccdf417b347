//! HTTP connections: requests to endpoints, answers in order.

use super::jobs::Begun;
use super::{Shard, sessions::context};
use crate::config::settings::Settings;
use crate::conn::{Client, Conn, Kind, Peer, PendingAnswer, WaitsFor, WebSocket, contained};
use crate::id::{Slot, Ticket};
use crate::limits;
use crate::protocol::frame::Block;
use crate::session::{Context, Session};
use crate::tally::ApiProtocol;
use crate::transport::api::{Form, Outcomes};
use crate::transport::websocket::Upgrade;
use crate::transport::{Answer, Endpoint, Routes, api, health, swagger, websocket as endpoint};
use crate::wire::http1::{self, Head, Request, Response, Step};

const LIMITS: http1::Limits =
    http1::Limits { head_bytes_max: limits::HTTP_HEAD_BYTES_MAX, fields_max: limits::HTTP_FIELDS_MAX };

/// What answers a head, and whether it carries the key of the API.
fn judge(head: &Head<'_>, routes: &Routes, settings: &Settings) -> (Option<Endpoint>, bool) {
    let found = routes.find(head);
    let is_api = found.is_some_and(Endpoint::is_api);
    (found, is_api && api::is_authorized(head, &settings.http_api))
}

/// What a request led to.
enum Outcome {
    Answer(Answer),
    Job(Ticket, Form),
    Upgrade(Box<Upgrade>),
    /// A WebSocket whose messages come back.
    Echo(Box<Upgrade>),
}

/// What the input amounted to.
enum Read {
    More { consumed: usize, expects_continue: bool },
    Request { consumed: usize, outcome: Outcome, close: bool, head_only: bool },
    Refused(u16),
}

impl Shard {
    /// One request. Returns how many bytes it used, 0 when more are needed, `None` when the connection is over.
    pub(super) fn http(&mut self, conn: &mut Conn, bytes: &[u8]) -> Option<usize> {
        let read = self.read(conn, bytes)?;
        let Kind::Http(http) = &mut conn.kind else { return None };
        let (used, outcome, close, head_only) = match read {
            Read::More { consumed, expects_continue } => {
                let is_body = expects_continue || !http.decoder.is_idle();
                match is_body {
                    true => http.has_body(consumed, self.now.mono),
                    false => http.wait_for(WaitsFor::Head, self.now.mono),
                }
                if expects_continue {
                    self.output.queue(conn.slot.index, &Block::from(http1::CONTINUE));
                }
                return Some(consumed);
            }
            Read::Request { consumed, outcome, close, head_only } => (consumed, outcome, close, head_only),
            Read::Refused(status) => {
                self.counters.http_refused.add(1);
                // Without a body: it may have been HEAD, which is answered without one.
                (bytes.len(), Outcome::Answer(Answer::empty(status)), true, false)
            }
        };
        http.wait_for(WaitsFor::Answer, self.now.mono);
        match outcome {
            Outcome::Answer(answer) => self.respond(conn, answer, close, head_only),
            Outcome::Job(job, form) => http.pending = Some(PendingAnswer { job, form, close }),
            Outcome::Upgrade(upgrade) => self.upgrade(conn, *upgrade),
            Outcome::Echo(upgrade) => self.echo(conn, &upgrade),
        }
        Some(used)
    }

    /// Decodes a request and hands it to its endpoint; `None` when decoding panicked.
    fn read(&mut self, conn: &mut Conn, bytes: &[u8]) -> Option<Read> {
        let (slot, settings) = (conn.slot, &self.shared.settings);
        let Kind::Http(http) = &mut conn.kind else { return None };
        let routes = &http.routes;
        // Nearly always the head is looked at and its request is whole in the same call: the key is compared once.
        let mut judged = None;
        let mut admit = |head: &Head<'_>| {
            let (found, is_authorized) = *judged.insert(judge(head, routes, settings));
            match found {
                Some(found) if is_authorized && found.is_api() => settings.corecast.http_api_max_body_size,
                _ => limits::HTTP_BODY_BYTES_UNAUTHORIZED_MAX,
            }
        };
        let decoder = &mut http.decoder;
        let Some(decoded) = contained(|| decoder.decode(bytes, &LIMITS, &mut admit)) else {
            self.counters.connection_panics.add(1);
            return None;
        };
        Some(match decoded {
            Ok(Step::More { consumed, expects_continue }) => Read::More { consumed, expects_continue },
            Err(refusal) => Read::Refused(refusal.status()),
            Ok(Step::Request(request)) => {
                self.counters.http_requests.add(1);
                let (found, is_authorized) = judged.unwrap_or_else(|| judge(&request.head, routes, settings));
                let outcome = match found {
                    Some(found) => self.request(slot, found, &request, is_authorized),
                    None => Outcome::Answer(Answer::without_endpoint(&request.head)),
                };
                // Who forwards a refused upgrade may believe that the protocol has changed: nothing behind it is read.
                let is_refused_upgrade = matches!(found, Some(Endpoint::Websocket | Endpoint::Echo));
                Read::Request {
                    consumed: request.consumed,
                    outcome,
                    close: !request.head.keep_alive() || is_refused_upgrade || self.is_stopping(),
                    head_only: request.head.method == "HEAD",
                }
            }
        })
    }

    fn request(&mut self, slot: Slot, found: Endpoint, request: &Request<'_>, is_authorized: bool) -> Outcome {
        match found {
            Endpoint::Health => Outcome::Answer(health::answer()),
            Endpoint::Ready => Outcome::Answer(health::ready(self.obstacle())),
            Endpoint::Metrics => {
                let text = (self.shared.render_metrics)(&self.shared.counters);
                let content_type = Some("text/plain; version=0.0.4; charset=utf-8");
                Outcome::Answer(Answer { status: 200, content_type, fields: Vec::new(), body: text.into_bytes() })
            }
            Endpoint::OpenApi => Outcome::Answer(swagger::openapi(request.head.method, &self.shared.settings)),
            Endpoint::Swagger(path) => {
                Outcome::Answer(swagger::answer(path, request.head.method, &self.shared.settings))
            }
            Endpoint::Websocket => self.websocket_request(request),
            Endpoint::Echo => match endpoint::upgrade(request, &self.shared.origins, &self.shared.settings) {
                Err(answer) => Outcome::Answer(answer),
                Ok(upgrade) => Outcome::Echo(Box::new(upgrade)),
            },
            Endpoint::Api(_) | Endpoint::ApiBatch | Endpoint::ApiLegacy => {
                let settings = &self.shared.settings.http_api;
                let rules = &self.policy.rules;
                match contained(|| api::accept(found, request, is_authorized, settings, rules)) {
                    None => {
                        self.counters.connection_panics.add(1);
                        Outcome::Answer(Answer::empty(500))
                    }
                    Some(Err(answer)) => Outcome::Answer(answer),
                    Some(Ok(call)) => match self.begin(slot, call.work, ApiProtocol::Http) {
                        Begun::Done(outcomes) => {
                            Outcome::Answer(call.form.answer(outcomes, std::mem::take(&mut self.body_scratch)))
                        }
                        Begun::Waits(ticket) => Outcome::Job(ticket, call.form),
                    },
                }
            }
        }
    }

    /// Why the node should not be sent clients.
    fn obstacle(&self) -> Option<&'static str> {
        let overloaded = (!self.takes_clients()).then_some("short of memory");
        (!self.is_ready()).then_some("shutting down").or(overloaded)
    }

    fn websocket_request(&mut self, request: &Request<'_>) -> Outcome {
        let shared = self.shared.clone();
        match endpoint::upgrade(request, &shared.origins, &shared.settings) {
            Err(answer) => Outcome::Answer(answer),
            Ok(_) if !self.takes_clients() => {
                self.counters.overload_refused.add(1);
                Outcome::Answer(endpoint::full(&request.head))
            }
            Ok(upgrade) if !self.is_stopping() && shared.gate.enter(self.now.mono) => {
                Outcome::Upgrade(Box::new(upgrade))
            }
            Ok(_) => {
                self.counters.connections_refused.add(1);
                Outcome::Answer(endpoint::full(&request.head))
            }
        }
    }

    fn upgrade(&mut self, conn: &mut Conn, upgrade: Upgrade) {
        self.output.queue(conn.slot.index, &Block::from(upgrade.reply));
        let has_deflate = upgrade.opening.rendition.is_deflated();
        let session = Session::new(upgrade.opening, context!(self));
        let peer = Peer::Client(Client::new(session));
        conn.kind = Kind::WebSocket(Box::new(WebSocket::new(peer, has_deflate)));
    }

    fn echo(&mut self, conn: &mut Conn, upgrade: &Upgrade) {
        self.output.queue(conn.slot.index, &Block::from(upgrade.reply.as_slice()));
        let rendition = upgrade.opening.rendition;
        conn.kind = Kind::WebSocket(Box::new(WebSocket::new(Peer::Echo(rendition), rendition.is_deflated())));
    }

    /// Queues an answer; the connection goes on to its next request or ends.
    fn respond(&mut self, conn: &mut Conn, answer: Answer, close: bool, head_only: bool) {
        self.refresh_date();
        self.scratch.clear();
        let fields: smallvec::SmallVec<[(&str, &str); 4]> =
            answer.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = Response {
            status: answer.status,
            content_type: answer.content_type,
            fields: &fields,
            body: &answer.body,
            close,
            head_only,
            date: &self.date,
        };
        response.encode(&mut self.scratch);
        self.output.queue(conn.slot.index, &Block::from(self.scratch.as_slice()));
        if answer.body.capacity() <= limits::BODY_SCRATCH_BYTES_MAX {
            self.body_scratch = answer.body;
            self.body_scratch.clear();
        }
        if close {
            return self.end_after_output(conn);
        }
        if let Kind::Http(http) = &mut conn.kind {
            http.wait_for(WaitsFor::Request, self.now.mono);
        }
    }

    /// The job of a request is done: its answer goes out, and what waited behind it goes on.
    pub(super) fn job_done(&mut self, slot: Slot, job: Ticket, outcomes: Outcomes) {
        let Some(mut conn) = self.take(slot) else { return };
        let Kind::Http(http) = &mut conn.kind else {
            self.put(conn);
            return self.call_done(slot, job, outcomes);
        };
        let Some(pending) = http.pending.take_if(|pending| pending.job == job) else { return self.put(conn) };
        let close = pending.close || self.is_stopping();
        let answer = pending.form.answer(outcomes, std::mem::take(&mut self.body_scratch));
        self.respond(&mut conn, answer, close, false);
        if !self.consume_input(&mut conn) {
            return self.drop_conn(conn);
        }
        let is_idle = !conn.is_waiting() && !matches!(conn.kind, Kind::Ending(_));
        if conn.at_end && is_idle {
            self.end_after_output(&mut conn);
        }
        self.put(conn);
        self.check_stop();
    }

    /// A client that is too slow with its request is told so; an idle connection just ends.
    pub(super) fn http_timeout(&mut self, conn: &mut Conn) -> bool {
        let Kind::Http(http) = &conn.kind else { return false };
        if http.waits_for == WaitsFor::Request || (conn.input.is_empty() && http.decoder.is_idle()) {
            self.end_after_output(conn);
        } else {
            self.counters.http_refused.add(1);
            self.respond(conn, Answer::empty(408), true, false);
        }
        true
    }

    /// The `Date` field changes once a second.
    fn refresh_date(&mut self) {
        let seconds = self.now.wall.seconds();
        if seconds != self.date_seconds {
            self.date_seconds = seconds;
            let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
            self.date = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        }
    }
}
