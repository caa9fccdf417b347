//! What cores tell each other. Between two cores messages keep their order.

use crate::api::{Answer, Post, Question};
use crate::id::{Core, Ticket};
use crate::protocol::frame::{Block, Rendition};
use crate::session::Policy;
use std::sync::Arc;

/// A message between cores.
#[derive(Clone)]
pub enum Message {
    /// To the owner: `from` wants the channel's publications in these renditions (a bit each) from now on.
    Listen {
        /// The channel.
        channel: Arc<str>,
        /// Who listens.
        from: Core,
        /// None: it has left.
        renditions: u8,
        /// Comes back in `Listening`.
        serial: u32,
    },
    /// From the owner: the wish with this serial number is in force.
    Listening {
        /// The channel.
        channel: Arc<str>,
        /// Of the wish.
        serial: u32,
    },
    /// To the owner: order this publication and hand it out, then answer with `Published`.
    Publish {
        /// What and where.
        post: Box<Post>,
        /// Who asks.
        from: Core,
        /// Comes back in `Published`.
        ticket: Ticket,
    },
    /// From the owner: the publication was handed out; deliveries for the asker went ahead of this message.
    Published {
        /// Of the request.
        ticket: Ticket,
    },
    /// From the owner: a publication for the listeners of this core.
    Deliver {
        /// The channel.
        channel: Arc<str>,
        /// Ready to write.
        frames: Frames,
    },
    /// A question to every core.
    Ask {
        /// What.
        question: Question,
        /// Who asks.
        from: Core,
        /// Comes back in `Answered`.
        ticket: Ticket,
    },
    /// A core's answer.
    Answered {
        /// Of the question.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// New rules for sessions (reload).
    Reload(Arc<Policy>),
    /// Stop listening, answer what is in flight, then report that the core is quiet.
    Stop,
    /// All cores are quiet: tell the clients (3001) and end.
    End,
}

/// One publication in each rendition that somebody wants.
#[derive(Clone, Default)]
pub struct Frames([Option<Rendered>; Rendition::COUNT]);

/// A publication in one rendition.
#[derive(Clone)]
pub enum Rendered {
    /// Ready to write.
    Frame(Block),
    /// The payload is not JSON, so subscribers of this rendition cannot have it (3506).
    NotJson,
}

impl Frames {
    /// Fills in a rendition.
    pub fn set(&mut self, rendition: Rendition, rendered: Rendered) {
        self.0[rendition.index()] = Some(rendered);
    }

    /// The renditions that are there.
    pub fn iter(&self) -> impl Iterator<Item = (Rendition, &Rendered)> {
        Rendition::ALL.iter().filter_map(|r| self.0[r.index()].as_ref().map(|rendered| (*r, rendered)))
    }
}
