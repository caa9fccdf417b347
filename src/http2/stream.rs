//! One HTTP/2 stream: a call from its header block to its last answer.
//!
//! ```text
//!   Reading ── whole message ──▶ Waiting ── answer ──▶ gone (h2 sends on by itself)
//!      │ Watch: its message, reflection: at once
//!      ▼
//!   Talking: answers follow one another until the peer or the server ends it
//!
//!   Refusing ── end of a request that is no call ──▶ gone
//! ```
//!
//! Contract: [`Stream::poll`] until it says [`Step::Nothing`], again whenever the streams' bell rang. Window is given
//! back as soon as body bytes are read: a call's memory is bounded by the size of its message, not by its window.

use super::answer::{self, Answer, Status};
use super::reflection;
use super::request::{Admitted, Service};
use crate::clock::Mono;
use crate::transport::body_deadline;
use crate::wire::grpc::{self, Code, Reader, Unreadable};
use bytes::Bytes;
use h2::RecvStream;
use h2::SendStream;
use h2::server::SendResponse;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use std::task::{Context, Poll, ready};

/// A stream of a connection.
pub(super) struct Stream {
    pub(super) service: Service,
    respond: SendResponse<Bytes>,
    body: RecvStream,
    reader: Reader,
    message_bytes_max: usize,
    takes_gzip: bool,
    /// What the peer set.
    deadline: Mono,
    stage: Stage,
}

/// What a stream waits for.
enum Stage {
    /// The rest of the request; `until`: more of it has to come.
    Reading { message: Option<Bytes>, until: Mono },
    /// The answer.
    Waiting,
    /// The peer's next question, or news.
    Talking(SendStream<Bytes>),
    /// The rest of a request that is no call; `until`: more of it has to come.
    Refusing { status: Status, until: Mono },
}

/// What a look at a stream led to.
pub(super) enum Step {
    /// There is nothing to do now.
    Nothing,
    /// The request of a call is whole.
    Message(Bytes),
    /// The stream is over without an answer of ours.
    Gone,
    /// It ends with this status.
    Ends(Status),
}

impl Stream {
    pub(super) fn new(
        admitted: Admitted,
        respond: SendResponse<Bytes>,
        body: RecvStream,
        message_bytes_max: usize,
        now: Mono,
    ) -> Stream {
        let mut stream = Stream {
            service: admitted.service,
            respond,
            body,
            reader: Reader::new(message_bytes_max, admitted.is_gzip),
            message_bytes_max,
            takes_gzip: admitted.takes_gzip,
            deadline: admitted.timeout.map_or(Mono::NEVER, |timeout| now + timeout),
            stage: Stage::Reading { message: None, until: body_deadline(Mono::NEVER, 0, now) },
        };
        if matches!(stream.service, Service::Reflection) {
            stream.talk();
        }
        stream
    }

    /// A request that is no call: it is read to its end, then answered with this status.
    pub(super) fn refused(
        http: StatusCode,
        status: Status,
        respond: SendResponse<Bytes>,
        body: RecvStream,
        now: Mono,
    ) -> Stream {
        Stream {
            service: Service::Refused(http),
            respond,
            body,
            reader: Reader::new(0, false),
            message_bytes_max: 0,
            takes_gzip: false,
            deadline: Mono::NEVER,
            stage: Stage::Refusing { status, until: body_deadline(Mono::NEVER, 0, now) },
        }
    }

    /// Bytes of a request that is not whole.
    pub(super) fn held_bytes(&self) -> usize {
        let whole = match &self.stage {
            Stage::Reading { message: Some(message), .. } => message.len(),
            _ => 0,
        };
        self.reader.held_bytes() + whole
    }

    /// When the stream acts by itself.
    pub(super) fn deadline(&self) -> Mono {
        match self.stage {
            Stage::Reading { until, .. } | Stage::Refusing { until, .. } => self.deadline.min(until),
            Stage::Waiting | Stage::Talking(_) => self.deadline,
        }
    }

    /// True while the answer is being made elsewhere.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting)
    }

    /// True when answers may follow one another.
    pub(super) fn is_talking(&self) -> bool {
        matches!(self.stage, Stage::Talking(_))
    }

    /// Sees what the peer did with the stream.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Mono) -> Step {
        match &mut self.stage {
            Stage::Reading { .. } => match self.read(cx, now) {
                Poll::Pending => Step::Nothing,
                Poll::Ready(Err(step)) => step,
                Poll::Ready(Ok(message)) => self.wait(cx, message),
            },
            Stage::Waiting => match self.respond.poll_reset(cx) {
                Poll::Pending => Step::Nothing,
                Poll::Ready(_) => Step::Gone,
            },
            Stage::Talking(_) => match self.converse(cx) {
                Poll::Pending => Step::Nothing,
                Poll::Ready(step) => step,
            },
            Stage::Refusing { .. } => match self.skip(cx, now) {
                Poll::Pending => Step::Nothing,
                Poll::Ready(step) => step,
            },
        }
    }

    /// The request is whole: unless the peer has given it up already, its answer is waited for.
    fn wait(&mut self, cx: &mut Context<'_>, message: Bytes) -> Step {
        if self.respond.poll_reset(cx).is_ready() {
            return Step::Gone;
        }
        self.stage = Stage::Waiting;
        Step::Message(message)
    }

    /// Exactly one message and then the end. An error is the step to take instead.
    fn read(&mut self, cx: &mut Context<'_>, now: Mono) -> Poll<Result<Bytes, Step>> {
        loop {
            let more = self.take_message()?;
            let Stage::Reading { message, until } = &mut self.stage else { return Poll::Pending };
            if more.is_some() {
                *message = more;
            }
            if message.is_some() && !self.reader.is_empty() {
                return Poll::Ready(Err(Step::Ends(Status::new(Code::Internal, "more than one request message"))));
            }
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) => {
                    *until = body_deadline(*until, data.len(), now);
                    self.keep(data);
                }
                Some(Err(_)) => return Poll::Ready(Err(Step::Gone)),
                None if message.is_some() => return Poll::Ready(Ok(message.take().unwrap_or_default())),
                None => {
                    let text = if self.reader.is_empty() { "no request message" } else { "a cut request message" };
                    return Poll::Ready(Err(Step::Ends(Status::new(Code::Internal, text))));
                }
            }
        }
    }

    /// Drops the body of a request that is no call.
    fn skip(&mut self, cx: &mut Context<'_>, now: Mono) -> Poll<Step> {
        loop {
            let Stage::Refusing { status, until } = &mut self.stage else { return Poll::Pending };
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) => {
                    *until = body_deadline(*until, data.len(), now);
                    _ = self.body.flow_control().release_capacity(data.len());
                }
                Some(Err(_)) => return Poll::Ready(Step::Gone),
                None => return Poll::Ready(Step::Ends(status.clone())),
            }
        }
    }

    /// Answers questions while the peer takes the answers.
    fn converse(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            let Stage::Talking(out) = &mut self.stage else { return Poll::Pending };
            if out.poll_reset(cx).is_ready() {
                return Poll::Ready(Step::Gone);
            }
            // An answer that has not left counts against the stream's room, so that room means that it has.
            out.reserve_capacity(1);
            if out.capacity() == 0 && !matches!(ready!(out.poll_capacity(cx)), Some(Ok(_))) {
                return Poll::Ready(Step::Gone);
            }
            if let Err(step) = ready!(self.next_question(cx)) {
                return Poll::Ready(step);
            }
        }
    }

    /// Waits for one question and answers it.
    fn next_question(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Step>> {
        loop {
            if let Some(question) = self.take_message()? {
                match (self.service, reflection::answer(question)) {
                    (Service::Reflection, Ok(message)) => self.say(&message),
                    (Service::Reflection, Err(status)) => return Poll::Ready(Err(Step::Ends(status))),
                    _ => return Poll::Ready(Err(Step::Ends(Status::new(Code::Internal, "more than one message")))),
                }
                return Poll::Ready(Ok(()));
            }
            match ready!(self.body.poll_data(cx)) {
                Some(Ok(data)) => self.keep(data),
                Some(Err(_)) => return Poll::Ready(Err(Step::Gone)),
                // A watcher has asked all that it will ask and goes on listening.
                None if matches!(self.service, Service::HealthWatch) => return Poll::Pending,
                None => return Poll::Ready(Err(Step::Ends(Status::new(Code::Ok, "")))),
            }
        }
    }

    /// Takes over body bytes and lets the peer send as many more.
    fn keep(&mut self, data: Bytes) {
        // It fails only on a stream that is over, which the next poll tells.
        _ = self.body.flow_control().release_capacity(data.len());
        self.reader.push(data);
    }

    fn take_message(&mut self) -> Result<Option<Bytes>, Step> {
        self.reader.poll().map_err(|unreadable| Step::Ends(self.unreadable(unreadable)))
    }

    fn unreadable(&self, why: Unreadable) -> Status {
        let max = self.message_bytes_max;
        match why {
            Unreadable::TooLong { length } => Status::new(
                Code::ResourceExhausted,
                format!("grpc: received message larger than max ({length} vs. {max})"),
            ),
            Unreadable::TooLongInflated => {
                Status::new(Code::ResourceExhausted, format!("the inflated message is larger than max ({max})"))
            }
            Unreadable::BadFlag => {
                Status::new(Code::Internal, "a message is flagged as compressed without an encoding")
            }
            Unreadable::NotGzip => Status::new(Code::Internal, "a compressed message cannot be inflated"),
        }
    }

    /// Sends the header block; answers follow.
    pub(super) fn talk(&mut self) {
        if let Ok(out) = self.respond.send_response(answer::head(self.takes_gzip), false) {
            self.stage = Stage::Talking(out);
        }
    }

    /// One answer of several.
    pub(super) fn say(&mut self, message: &[u8]) {
        if let Stage::Talking(out) = &mut self.stage {
            // It fails only on a stream that is over, which the next poll tells.
            _ = out.send_data(grpc::encode(message, self.takes_gzip), false);
        }
    }

    /// The last answer. h2 keeps what the peer's window does not take yet, and the stream counts against
    /// [`limits::HTTP2_STREAMS_MAX`] until it is out. Errors mean that the peer is gone: nobody to tell.
    pub(super) fn finish(mut self: Box<Self>, answer: Answer) {
        if let Stage::Refusing { status, .. } = &self.stage {
            return refuse(&mut self.respond, self.service, status);
        }
        let (message, status) = match answer {
            Answer::Message(message) => (Some(message), Status::new(Code::Ok, "")),
            Answer::Status(status) => (None, status),
        };
        if !self.is_talking() && message.is_none() {
            _ = self.respond.send_response(answer::refusal(StatusCode::OK, &status), true);
            return;
        }
        if !self.is_talking() {
            self.talk();
        }
        if let Some(message) = message {
            self.say(&message);
        }
        self.end(status.fields());
    }

    fn end(self: Box<Self>, trailers: HeaderMap) {
        if let Stage::Talking(mut out) = self.stage {
            _ = out.send_trailers(trailers);
        }
    }
}

/// The answer to what is no call: its status, and its words for people as a body.
fn refuse(respond: &mut SendResponse<Bytes>, service: Service, status: &Status) {
    let Service::Refused(http) = service else { return };
    let mut head = answer::refusal(http, status);
    head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(mut out) = respond.send_response(head, false) {
        _ = out.send_data(Bytes::from(format!("{}\n", status.message)), true);
    }
}
