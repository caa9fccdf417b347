//! Who may do what: channels with rules, everybody who tries, and a second, naive reading of the rules.
//!
//! The table says for each channel what its namespace is configured to allow, as an operator would read it; the server
//! compiles its rules from the settings. Nothing that is refused ever reaches anybody.

use crate::client::{Client, Deed};
use crate::clocks::Moment;
use crate::model::Model;
use crate::world::World;
use corecast::config::settings::Namespace;
use std::time::Duration;

/// Who is let do something.
#[derive(Clone, Copy)]
struct Doors {
    clients: bool,
    subscribers: bool,
    anonymous: bool,
}

const NOBODY: Doors = Doors { clients: false, subscribers: false, anonymous: false };
const USERS: Doors = Doors { clients: true, ..NOBODY };
const ALL: Doors = Doors { anonymous: true, ..USERS };
const SUBSCRIBERS: Doors = Doors { subscribers: true, ..NOBODY };

/// A channel, and what is allowed in it.
struct Fence {
    channel: &'static str,
    /// Why nothing is: its namespace is unknown, or its name has the wrong form.
    is_refused: Option<u64>,
    needs_token: bool,
    /// Only these users.
    members: Option<&'static [&'static str]>,
    subscribe: Doors,
    publish: Doors,
    /// `None`: the feature is switched off.
    presence: Option<Doors>,
    history: Option<Doors>,
}

const SHUT: Fence = Fence {
    channel: "shut:0",
    is_refused: None,
    needs_token: false,
    members: None,
    subscribe: NOBODY,
    publish: NOBODY,
    presence: None,
    history: None,
};
const FANS: Fence =
    Fence { channel: "fans:0", subscribe: ALL, publish: SUBSCRIBERS, presence: Some(SUBSCRIBERS), ..SHUT };
const CLUB: Fence = Fence { channel: "club:0", publish: ALL, ..SHUT };
const CODE: Fence = Fence { channel: "code:abc", subscribe: USERS, history: Some(USERS), ..SHUT };

const FENCES: [Fence; 9] = [
    SHUT,
    FANS,
    Fence { channel: "$fans:1", needs_token: true, ..FANS },
    CLUB,
    Fence { channel: "club:1#u0,e1", members: Some(&["u0", "e1"]), ..CLUB },
    Fence { channel: "club:2#", members: Some(&[""]), ..CLUB },
    CODE,
    Fence { channel: "code:a1", is_refused: Some(107), ..CODE },
    Fence { channel: "nope:0", is_refused: Some(102), ..SHUT },
];

/// The same for the server.
pub fn namespaces() -> [(&'static str, Namespace); 4] {
    let shut = Namespace::default();
    let fans = Namespace {
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_publish_for_subscriber: true,
        presence: true,
        allow_presence_for_subscriber: true,
        ..shut.clone()
    };
    let club = Namespace {
        allow_user_limited_channels: true,
        allow_publish_for_client: true,
        allow_publish_for_anonymous: true,
        ..shut.clone()
    };
    let code = Namespace {
        channel_regex: "^[a-z]+$".into(),
        allow_subscribe_for_client: true,
        allow_history_for_client: true,
        history_size: 3,
        history_ttl: Duration::from_secs(10),
        history_meta_ttl: Duration::from_secs(20),
        ..shut.clone()
    };
    [("shut", shut), ("fans", fans), ("club", club), ("code", code)]
}

impl Doors {
    fn let_in(self, user: &str, is_subscribed: bool) -> bool {
        (self.clients || (self.subscribers && is_subscribed)) && (!user.is_empty() || self.anonymous)
    }
}

impl Fence {
    /// The error that a deed is answered with; 0: none.
    fn verdict(&self, deed: &Deed, user: &str, is_subscribed: bool) -> u64 {
        if let (Deed::Subscribe { .. }, true) = (deed, is_subscribed) {
            return 105;
        }
        if let Some(code) = self.is_refused {
            return code;
        }
        let may = match deed {
            Deed::Subscribe { .. } if self.needs_token => false,
            Deed::Subscribe { .. } => match self.members {
                Some(members) => members.contains(&user),
                None => self.subscribe.let_in(user, false),
            },
            Deed::Publish(..) => self.publish.let_in(user, is_subscribed),
            Deed::Presence => match self.presence {
                Some(doors) => doors.let_in(user, is_subscribed),
                None => return 108,
            },
            Deed::History => match self.history {
                Some(doors) => doors.let_in(user, is_subscribed),
                None => return 108,
            },
        };
        if may { 0 } else { 103 }
    }
}

/// A deed was answered with this error, or none.
pub fn check(client: &Client, channel: &str, deed: &Deed, code: u64, model: &mut Model) {
    let fence = FENCES.iter().find(|fence| fence.channel == channel).expect("a fenced channel");
    let expected = fence.verdict(deed, &client.user, client.active(channel).is_some());
    assert_eq!(code, expected, "the rules say otherwise of {deed:?} in {channel} by {:?}", client.user);
    model.tally.count(if code == 0 { "deeds that are allowed" } else { "deeds that are refused" }, 1);
}

impl World {
    /// Somebody tries something; a client without a user comes for that alone.
    pub fn try_a_fence(&mut self) {
        let at = match self.any(4) {
            0 => self.stranger(),
            _ => self.some_client(),
        };
        let Some(at) = at else { return };
        let channel = FENCES[self.any(FENCES.len())].channel;
        let deed = match self.any(5) {
            0 | 1 => Deed::Subscribe { delta: false, filter: false },
            2 => Deed::Publish(self.model.begin(&[channel], at as u64)),
            3 => Deed::Presence,
            _ => Deed::History,
        };
        self.attempt(at, channel, deed);
    }

    /// A client without a user.
    fn stranger(&mut self) -> Option<usize> {
        let is_there = |client: &Client| client.user.is_empty() && self.is_alive(client);
        match self.clients.iter().position(is_there) {
            Some(at) => Some(at),
            None if self.clients.len() < crate::story::CLIENTS_MAX => Some(self.open_client("", false, 1 << 20, 0)),
            None => None,
        }
    }

    pub fn attempt(&mut self, at: usize, channel: &str, deed: Deed) {
        let now: Moment = self.model.now;
        let bytes = self.clients[at].attempt(channel, deed, now);
        self.send(self.clients[at].link, bytes);
    }
}
