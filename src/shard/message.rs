//! What cores tell each other. Between two cores messages keep their order.

use crate::api::{Answer, Post, Question};
use crate::channel::inquiry::Inquiry;
use crate::channel::{Member, Position};
use crate::clock::Mono;
use crate::id::{ClientId, Core, Slot, Ticket};
use crate::proto::client::{ClientInfo, Publication};
use crate::protocol::feeds::FeedSet;
use crate::protocol::filter::{Filter, Tags};
use crate::protocol::frame::{Block, Rendition};
use crate::session::{Entered, Policy, Since, outside};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// A message between cores.
#[derive(Clone)]
pub enum Message {
    /// To the owner: `from` wants the channel's publications for these feeds (a bit each) from now on.
    Listen {
        /// The channel.
        channel: Arc<str>,
        /// Who listens.
        from: Core,
        /// None: it has left.
        feeds: FeedSet,
        /// Comes back in `Listening`.
        serial: u64,
    },
    /// From the owner: the wish with this serial number is in force.
    Listening {
        /// The channel.
        channel: Arc<str>,
        /// Of the wish.
        serial: u64,
    },
    /// To the owner, behind the wish: one subscriber comes.
    Enter {
        /// The channel.
        channel: Arc<str>,
        /// Where it is.
        from: Core,
        /// Comes back in `Entered`.
        ticket: Ticket,
        /// What it wants.
        entry: Box<Entry>,
    },
    /// From the owner: publications that follow this message are behind the position in it.
    Entered {
        /// Of the subscriber.
        ticket: Ticket,
        /// The owner's answer.
        entered: Box<Entered>,
    },
    /// To the owner: where does the channel stand?
    AskTop {
        /// The channel.
        channel: Arc<str>,
        /// Who asks.
        from: Core,
        /// The feeds that it has asked for.
        feeds: FeedSet,
    },
    /// From the owner: here; publications that follow this message are behind it.
    Top {
        /// The channel.
        channel: Arc<str>,
        /// `None`: the asker has missed something.
        top: Option<Position>,
    },
    /// To the owner: what presence says of a subscriber has changed.
    Renew {
        /// The channel.
        channel: Arc<str>,
        /// As it is now.
        member: Box<Member>,
    },
    /// To the owner: others are told that a client has come.
    Arrive {
        /// The channel.
        channel: Arc<str>,
        /// Who.
        info: Box<ClientInfo>,
    },
    /// To the owner: a subscriber has left.
    Depart {
        /// The channel.
        channel: Arc<str>,
        /// Who, and what to do.
        departure: Box<Departure>,
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
        /// Where it is kept, if it is.
        position: Option<Position>,
    },
    /// From the owner: a publication for the listeners of this core.
    Deliver {
        /// The channel.
        channel: Arc<str>,
        /// Ready to write.
        frames: Frames,
    },
    /// From the owner: a join or leave for those listeners of this core who want it.
    DeliverJoins {
        /// The channel.
        channel: Arc<str>,
        /// Ready to write.
        frames: Frames,
    },
    /// To the owner: a question about its channel.
    AskOwner {
        /// The channel.
        channel: Arc<str>,
        /// What.
        question: Inquiry,
        /// Who asks.
        from: Core,
        /// Comes back in `Answered`.
        ticket: Ticket,
    },
    /// To the owner: a subscriber has fallen behind and reads on.
    ReadOn {
        /// The channel.
        channel: Arc<str>,
        /// Where it is.
        from: Core,
        /// Comes back in `Page`.
        ticket: Ticket,
        /// From where on.
        gap: Box<Gap>,
    },
    /// From the owner: publications that follow this message are behind the top of its time.
    Page {
        /// Of the question.
        ticket: Ticket,
        /// What the subscriber has missed; `None`: it is not kept any more.
        page: Option<Box<Page>>,
    },
    /// To itself: a page brought nothing for this client, and there are more.
    TurnPage(Slot),
    /// To itself: the next slice of long work.
    Continue(Ticket),
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
    /// To an owner: send this back when everything that was told before is done.
    Echo {
        /// Who asks.
        from: Core,
        /// Comes back in `Echoed`.
        ticket: Ticket,
    },
    /// From an owner: it is.
    Echoed(Ticket),
    /// To the core that the user's name falls to: this client wants to be the only one of its user.
    Claim {
        /// The user.
        user: Arc<str>,
        /// Who claims.
        client: ClientId,
    },
    /// From that core, to all in the same order: the connections of the user end, except those whose claims come behind.
    Displace {
        /// The user.
        user: Arc<str>,
        /// Who has claimed.
        except: ClientId,
    },
    /// The side thread's answer.
    Outside {
        /// Of the question.
        ticket: Ticket,
        /// What it says.
        answer: outside::Answer,
    },
    /// New rules for sessions (reload).
    Reload(Arc<Policy>),
    /// The process will stop: go on, and say that it is not ready to whom asks.
    Drain,
    /// Stop listening, answer what is in flight, then report that the core is quiet.
    Stop,
    /// All cores are quiet: tell the clients (3001), spread over this time, and end.
    End(Duration),
}

/// What a subscriber wants of the owner.
#[derive(Clone)]
pub struct Entry {
    /// It is listed.
    pub member: Option<Member>,
    /// It is told its position.
    pub is_positioned: bool,
    /// The position that it has reached.
    pub since: Option<Since>,
}

/// What a subscriber that has fallen behind asks for.
#[derive(Clone)]
pub struct Gap {
    /// The position that it has reached.
    pub since: Position,
    /// It wants only those that pass.
    pub filter: Option<Arc<Filter>>,
    /// It takes so many bytes, or one publication.
    pub bytes_max: usize,
}

/// A page of what it has missed.
#[derive(Clone)]
pub struct Page {
    /// In their order.
    pub publications: Vec<Publication>,
    /// The page goes up to this offset.
    pub reached: u64,
    /// That is the top: there is nothing behind it.
    pub is_top: bool,
}

/// A subscriber that has left.
#[derive(Clone)]
pub struct Departure {
    /// Who.
    pub client: ClientId,
    /// It is listed no more.
    pub presence: bool,
    /// Others are told this.
    pub info: Option<ClientInfo>,
}

/// One publication in each rendition that somebody wants.
#[derive(Clone, Default)]
pub struct Frames {
    plain: SmallVec<[(Rendition, Rendered); 2]>,
    deltas: Option<Box<[Option<Delta>; Rendition::COUNT]>>,
    /// What filters look at, where the namespace has filters; `None`: no tags.
    pub tags: Option<Arc<Tags>>,
    /// Its place in the history, if it is kept.
    pub kept: Option<Kept>,
    /// The offset, where slow subscribers can read it again; else 0.
    pub offset: u64,
    /// How long it may wait for more before it is written.
    pub delay: Duration,
}

/// A publication's place in the history of its channel.
#[derive(Clone)]
pub struct Kept {
    /// Its own.
    pub position: Position,
    /// When it was published.
    pub at: Mono,
}

/// A publication in one rendition.
#[derive(Clone)]
pub enum Rendered {
    /// It is there.
    Frame {
        /// Ready to write.
        block: Block,
        /// Bytes of the message, without framing and before compression.
        bytes: u32,
    },
    /// The payload is not JSON, so subscribers of this rendition cannot have it (3506).
    NotJson,
}

/// A publication for those with deltas, in one rendition.
#[derive(Clone)]
pub struct Delta {
    /// For those who do not have the one before.
    pub whole: Rendered,
    /// For those who do; `None`: they get the whole one too.
    pub patch: Option<Rendered>,
}

impl Frames {
    /// Fills in a rendition for those with deltas.
    pub fn set_delta(&mut self, rendition: Rendition, delta: Delta) {
        self.deltas.get_or_insert_default()[rendition.index()] = Some(delta);
    }

    /// True when there is a form for those with deltas.
    pub fn has_deltas(&self) -> bool {
        self.deltas.is_some()
    }

    /// The renditions for those with deltas that are there.
    pub fn deltas(&self) -> impl Iterator<Item = (Rendition, &Delta)> {
        let place = |r: &'static Rendition| Some((*r, self.deltas.as_ref()?[r.index()].as_ref()?));
        Rendition::ALL.iter().filter_map(place)
    }

    /// Fills in a rendition.
    pub fn set(&mut self, rendition: Rendition, rendered: Rendered) {
        debug_assert!(self.iter().all(|(known, _)| known != rendition), "once");
        self.plain.push((rendition, rendered));
    }

    /// The renditions that are there.
    pub fn iter(&self) -> impl Iterator<Item = (Rendition, &Rendered)> {
        self.plain.iter().map(|(rendition, rendered)| (*rendition, rendered))
    }
}
