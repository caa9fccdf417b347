//! A subscription that may fall behind and catch up in its place (namespaces with `corecast_slow_consumer: catch_up`).
//!
//! ```text
//!            too much waits: its publications are taken out of the queue
//!   in the audience ─────────────────────────────────────────────▶ behind (a hole is known)
//!          ▲                                                      │ nothing waits any more: a page of history is asked for
//!          └──────── the page reaches the top: it joins there ─────────┘
//! ```
//!
//! The session knows nothing of it: the subscription, its presence and its end are what they are. Not here: what is done
//! (`shard/catch_up.rs`).

use crate::id::{ChannelKey, Ticket};
use crate::protocol::filter::Filter;
use crate::protocol::frame::Feed;
use std::sync::Arc;

/// One such subscription.
pub struct Follower {
    /// Its channel.
    pub channel: Arc<str>,
    /// The channel on this core.
    pub key: ChannelKey,
    /// Which audience it belongs to.
    pub feed: Feed,
    /// What is marked for this subscription has later frames; earlier ones belong to a former one.
    pub since_frame: u64,
    /// Of the positions.
    pub epoch: Arc<str>,
    /// What it has missed, when it is behind.
    pub hole: Option<Hole>,
}

/// Publications that a subscription has missed.
pub struct Hole {
    /// It has, or will have of what waits, everything up to this offset.
    pub after: u64,
    /// What publications have to pass.
    pub filter: Option<Arc<Filter>>,
    /// The open question for a page.
    pub question: Option<Ticket>,
    /// Pages that were asked for: who has had the fewest is the next.
    pub pages: u32,
}

impl Hole {
    /// A hole behind an offset.
    pub fn new(after: u64, filter: Option<Arc<Filter>>) -> Hole {
        Hole { after, filter, question: None, pages: 0 }
    }
}
