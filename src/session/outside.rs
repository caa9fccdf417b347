//! What a session has to know from outside the core before it can decide about a token, and the wait for it.
//!
//! The waiting command is kept whole. When the answer has come it is handled again from its start, so that every check
//! sees the state of then; only what was said about the token goes along. A token may wait twice: for its key and, if
//! that key's signatures take long, for the verdict on its own.

use super::{Context, Flow, Session, Waiting};
use crate::auth::{KeyName, KeySet, Lookup, Need, Proof, Said};
use crate::proto::client::{ConnectRequest, SubRefreshRequest, SubscribeRequest};
use crate::protocol::code::Error;
use std::sync::Arc;

/// A question to the side thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// The set that holds this key.
    Keys(KeyName),
    /// Is this signature good?
    Verify(Proof),
}

/// What the side thread says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The usable keys of the set with this address.
    Keys(Arc<str>, Arc<KeySet>),
    /// The set could not be had; the reason is logged there.
    NoKeys,
    /// The signature is good, or is not.
    Verified(bool),
    /// Too many questions wait already.
    Busy,
}

/// A command whose token waits.
pub(super) enum Held {
    Connect(Box<ConnectRequest>),
    Subscribe(Box<SubscribeRequest>),
    Refresh(Box<str>),
    SubRefresh(Box<SubRefreshRequest>),
}

impl Session {
    /// Keeps the command and asks.
    pub(super) fn wait_for(&mut self, id: u32, need: Need, held: Held) -> Flow {
        self.waiting = Some(Waiting::Token { id, held });
        Flow::Outside(Box::new(match need {
            Need::Key(name) => Ask::Keys(name),
            Need::Proof(proof) => Ask::Verify(proof),
        }))
    }

    /// The answer has come; keys are in the core's cache already. Error 100 makes clients try again later.
    pub fn told(&mut self, answer: &Answer, cx: &mut Context<'_>) -> Flow {
        let Some(Waiting::Token { id, held }) = self.waiting.take() else { unreachable!("only tokens wait for this") };
        let said = match answer {
            Answer::Keys(..) | Answer::NoKeys => Said::Keys,
            Answer::Verified(is_good) => Said::Signature(*is_good),
            Answer::Busy if matches!(held, Held::Connect(_)) => return self.refuse(id, Error::INTERNAL),
            Answer::Busy => return self.error(id, Error::INTERNAL),
        };
        match held {
            Held::Connect(request) => self.connect(id, *request, said, cx),
            Held::Subscribe(request) => self.subscribe(id, *request, said, cx),
            Held::Refresh(token) => self.refresh(id, &token, said, cx),
            Held::SubRefresh(request) => self.sub_refresh(id, &request, said, cx),
        }
    }
}

impl Context<'_> {
    /// What a token is checked by.
    pub(super) fn lookup(&mut self, said: Said) -> Lookup<'_> {
        Lookup { keys: self.keys, now: self.now.mono, said }
    }
}
