//! What the server API does to a session: subscriptions that the backend makes and ends, and its expiry
//! (server-api 2.3, 2.4, 2.6).

use super::connect::{time_until, ttl};
use super::{Context, Flow, Joined, Session, Since, Subscription, Wanted};
use crate::channel::features::RecoveryMode;
use crate::channel::{Features, Position};
use crate::clock::Mono;
use crate::proto::client::{Push, Refresh, Reply, Subscribe};
use crate::protocol::code::Disconnect;
use crate::protocol::command::Protocol;
use crate::protocol::payload;
use crate::protocol::told::Told;
use bytes::Bytes;
use std::sync::Arc;

/// A subscription that the backend makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Where.
    pub channel: Arc<str>,
    /// The namespace's options with the caller's exceptions.
    pub features: Features,
    /// `chan_info` of the subscriber.
    pub info: Bytes,
    /// For the client, in the push.
    pub data: Bytes,
    /// Unix seconds at which it ends; 0: never.
    pub expire_at: i64,
    /// The position that the subscriber has reached.
    pub since: Option<Position>,
}

/// A new expiry that the backend sets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Renewal {
    /// The connection ends at once.
    pub expired: bool,
    /// Unix seconds; 0 and less: never.
    pub expire_at: i64,
    /// Replaces the information of the connection unless it is empty.
    pub info: Bytes,
}

/// Why a grant cannot be carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ungranted {
    /// It would have ended already, or its data cannot be told to the client: an error for the caller.
    Failed,
    /// The client has too many subscriptions.
    Disconnect(Disconnect),
}

impl Session {
    /// The checks before a grant; behind them it holds its place until [`Session::granted`].
    ///
    /// # Errors
    /// It has expired, its data is not for this client, or the client is at its limit.
    pub fn grant(&mut self, grant: &Grant, cx: &mut Context<'_>) -> Result<Wanted, Ungranted> {
        if grant.expire_at > 0 && grant.expire_at <= cx.now.wall.seconds() {
            return Err(Ungranted::Failed);
        }
        let is_tellable = self.protocol() == Protocol::Protobuf || payload::is_json(&grant.data, &mut Vec::new());
        if !grant.data.is_empty() && !is_tellable {
            return Err(Ungranted::Failed);
        }
        if self.places() >= cx.policy.client.channel_limit {
            return Err(Ungranted::Disconnect(Disconnect::CHANNEL_LIMIT));
        }
        self.granting += 1;
        let since = grant.since.clone().filter(|_| grant.features.recoverable);
        Ok(Wanted {
            channel: grant.channel.clone(),
            features: grant.features,
            info: grant.info.clone(),
            since: since.map(|position| Since {
                position,
                publications_max: 0,
                mode: RecoveryMode::Stream,
                filter: None,
                is_strict: false,
            }),
            filter: None,
        })
    }

    /// The grant is in place: the client is told. The session has no other subscription to the channel any more.
    pub fn granted(&mut self, grant: &Grant, joined: Joined, cx: &mut Context<'_>) -> Flow {
        debug_assert!(self.find(&grant.channel).is_none(), "the former one was taken out");
        self.granting -= 1;
        let mut expiry = Mono::NEVER;
        if grant.expire_at > 0 {
            expiry = cx.now.mono + time_until(grant.expire_at, cx.policy.client.expired_sub_close_delay, cx.now);
            self.deadlines.subscription_expires(expiry);
        }
        let subscription = Subscription {
            channel: grant.channel.clone(),
            key: joined.key,
            seat: joined.seat,
            info: grant.info.clone(),
            expiry,
            features: grant.features,
            is_server_side: true,
        };
        let arrival = self.arrival(&subscription).map(Box::new);
        self.add(subscription);
        let mut body = Subscribe { data: grant.data.clone(), ..Subscribe::default() };
        if let Some(entered) = joined.entered
            && let Some(top) = entered.top
        {
            let known = grant.since.as_ref().filter(|_| entered.is_recovered).map(|since| since.offset);
            body.recoverable = grant.features.recoverable;
            body.positioned = true;
            body.epoch = top.epoch.to_string();
            body.offset = known.unwrap_or(top.offset);
        }
        let push = Push { channel: grant.channel.to_string(), subscribe: Some(body), ..Push::default() };
        let push = Box::new(Reply { push: Some(push), ..Reply::default() });
        Flow::Subscribed(Box::new(Told::Push(push)), arrival)
    }

    /// Takes a subscription out, for its end or for another one in its place.
    pub fn take_subscription(&mut self, channel: &str) -> Option<Subscription> {
        self.find(channel).map(|at| self.subscriptions.swap_remove(at))
    }

    /// A new expiry of the connection.
    pub fn renew(&mut self, renewal: &Renewal, cx: &mut Context<'_>) -> Flow {
        let now = cx.now.wall.seconds();
        if renewal.expired || (renewal.expire_at > 0 && renewal.expire_at <= now) {
            return Flow::Disconnect(Disconnect::EXPIRED);
        }
        let mut body = Refresh::default();
        if renewal.expire_at > 0 {
            let left = time_until(renewal.expire_at, cx.policy.client.expired_close_delay, cx.now);
            self.deadlines.expires(cx.now.mono, left);
            if !renewal.info.is_empty() {
                self.inform(renewal.info.clone(), cx);
            }
            (body.expires, body.ttl) = (true, ttl(renewal.expire_at, cx.now));
        } else {
            self.deadlines.never_expires();
        }
        let push = Push { refresh: Some(body), ..Push::default() };
        Flow::Reply(Box::new(Reply { push: Some(push), ..Reply::default() }))
    }
}
