//! `subscribe`: the checks of client-protocol 3.2 in their order, then the wait for the owner core.

use super::connect::time_until;
use super::outside::Held;
use super::{Context, Entered, Flow, Joined, Session, Since, Subscription, Waiting, Wanted};
use crate::auth::{Need, Said, TokenError};
use crate::channel::features::Overrides;
use crate::channel::rules::{Asked, Refusal};
use crate::channel::{Features, Position};
use crate::clock::Mono;
use crate::mutation::{self, Mutation};
use crate::proto::client::{SubscribeRequest, SubscribeResult};
use crate::protocol::code::{Disconnect, Error};
use crate::protocol::filter::Filter;
use crate::protocol::missed::Missed;
use crate::protocol::told::{Recovered, Told};
use bytes::Bytes;
use std::sync::Arc;

/// Bit of `flag` in `subscribe`: a stream that cannot be recovered is answered with error 112 (client-protocol 4.4).
const FLAG_STRICT: i64 = 2;

/// A subscription that waits for the owner core of its channel.
pub struct Subscribing {
    id: u32,
    channel: Arc<str>,
    info: Bytes,
    data: Bytes,
    features: Features,
    /// What publications have to pass.
    filter: Option<Arc<Filter>>,
    /// The position that the client has reached and wants to go on from.
    since: Option<Position>,
    /// It is not subscribed unless its stream is recovered.
    is_strict: bool,
    /// Unix seconds, from a token that expires; 0: never.
    expire_at: i64,
}

impl Session {
    pub(super) fn subscribe(&mut self, id: u32, request: SubscribeRequest, said: Said, cx: &mut Context<'_>) -> Flow {
        match self.try_subscribe(id, &request, said, cx) {
            Ok(subscribing) => {
                let wanted = subscribing.wanted(cx);
                self.waiting = Some(Waiting::Subscribe(Box::new(subscribing)));
                Flow::Listen(vec![wanted])
            }
            Err(Denied::Error(error)) => self.error(id, error),
            Err(Denied::Disconnect(disconnect)) => Flow::Disconnect(disconnect),
            Err(Denied::Yet(need)) => self.wait_for(id, *need, Held::Subscribe(Box::new(request))),
        }
    }

    fn try_subscribe(
        &self,
        id: u32,
        request: &SubscribeRequest,
        said: Said,
        cx: &mut Context<'_>,
    ) -> Result<Subscribing, Denied> {
        let policy = cx.policy;
        let rules = &policy.rules;
        if request.channel.is_empty() {
            return Err(Denied::Disconnect(Disconnect::BAD_REQUEST));
        }
        match request.r#type {
            // Map and shared-poll subscriptions are switched on per namespace; none has them (client-protocol 9).
            1..=3 => return Err(Denied::Error(Error::PERMISSION_DENIED)),
            4 => return Err(Denied::Error(Error::NOT_AVAILABLE)),
            5.. => return Err(Denied::Disconnect(Disconnect::SERVER_ERROR)),
            _ => {}
        }
        if !matches!(request.delta.as_str(), "" | "fossil") {
            return Err(Denied::Disconnect(Disconnect::BAD_REQUEST));
        }
        if !rules.has_good_length(&request.channel) {
            return Err(Denied::Error(Error::BAD_REQUEST));
        }
        if self.find(&request.channel).is_some() {
            return Err(Denied::Error(Error::ALREADY_SUBSCRIBED));
        }
        let excess = usize::from(mutation::is(Mutation::LimitIsOneMore));
        if self.places() >= cx.policy.client.channel_limit + excess {
            return Err(Denied::Error(Error::LIMIT_EXCEEDED));
        }
        let namespace = rules.named(&request.channel)?;
        let mut subscribing = Subscribing {
            id,
            info: Bytes::new(),
            data: Bytes::new(),
            features: Features::default(),
            filter: None,
            since: request.recover.then(|| Position { offset: request.offset, epoch: request.epoch.as_str().into() }),
            is_strict: request.flag & FLAG_STRICT != 0,
            expire_at: 0,
            channel: request.channel.as_str().into(),
        };
        let mut overrides = Overrides::default();
        if !request.token.is_empty() {
            overrides = self.redeem(request, &mut subscribing, said, cx)?;
        } else if !rules.may_subscribe(&request.channel, namespace, &self.user) {
            return Err(Denied::Error(Error::PERMISSION_DENIED));
        }
        if let Some(tree) = &request.tf {
            let filter = Some(tree).filter(|_| namespace.allows_filter()).map(Filter::compile);
            let Some(Ok(filter)) = filter else { return Err(Denied::Error(Error::BAD_REQUEST)) };
            subscribing.filter = Some(Arc::new(filter));
        }
        subscribing.features = namespace.features(&overrides);
        let asked =
            Asked { positioned: request.positioned, recoverable: request.recoverable, join_leave: request.join_leave };
        rules.extend(&mut subscribing.features, namespace, &self.user, asked);
        if subscribing.features.recoverable && namespace.recovers_unasked() {
            subscribing.since.get_or_insert_default();
        }
        subscribing.features.delta = namespace.grants_delta(&request.delta);
        if subscribing.features.delta {
            // Every publication is the base of the next, so none is left out.
            subscribing.filter = None;
        }
        Ok(subscribing)
    }

    /// Checks a subscription token and takes over what it grants.
    fn redeem(
        &self,
        request: &SubscribeRequest,
        to: &mut Subscribing,
        said: Said,
        cx: &mut Context<'_>,
    ) -> Result<Overrides, Denied> {
        let now = cx.now.wall.seconds();
        let claims = match cx.policy.subscription_tokens().subscription(&request.token, now, cx.lookup(said)) {
            Ok(claims) => claims,
            Err(TokenError::Expired) => return Err(Denied::Error(Error::TOKEN_EXPIRED)),
            Err(TokenError::Invalid(_) | TokenError::BadInfo) => return Err(Denied::Error(Error::PERMISSION_DENIED)),
            Err(TokenError::Needs(need)) => return Err(Denied::Yet(need)),
        };
        if cx.policy.rules.namespace(&claims.channel).is_none() {
            return Err(Denied::Error(Error::UNKNOWN_CHANNEL));
        }
        if !self.is_for_us(&claims, &request.channel) {
            return Err(Denied::Disconnect(Disconnect::INVALID_TOKEN));
        }
        if claims.expire_at > 0 && claims.expire_at <= now {
            return Err(Denied::Error(Error::EXPIRED));
        }
        (to.info, to.data, to.expire_at) = (claims.info, claims.data, claims.expire_at);
        Ok(claims.overrides)
    }

    /// The owner core knows that this core listens, or has refused the subscriber.
    pub(super) fn subscribed(&mut self, subscribing: Subscribing, joined: Vec<Joined>, cx: &Context<'_>) -> Flow {
        let Some(joined) = joined.into_iter().next() else {
            return self.error(subscribing.id, Error::UNRECOVERABLE_POSITION);
        };
        let mut expiry = Mono::NEVER;
        if subscribing.expire_at > 0 {
            expiry = cx.now.mono + time_until(subscribing.expire_at, cx.policy.client.expired_sub_close_delay, cx.now);
            self.deadlines.subscription_expires(expiry);
        }
        let subscription = Subscription {
            channel: subscribing.channel,
            key: joined.key,
            seat: joined.seat,
            info: subscribing.info,
            expiry,
            features: subscribing.features,
            is_server_side: false,
        };
        let arrival = self.arrival(&subscription).map(Box::new);
        self.add(subscription);
        let mut result = SubscribeResult {
            data: subscribing.data,
            was_recovering: subscribing.since.is_some(),
            ..SubscribeResult::default()
        };
        result.delta = subscribing.features.delta;
        let missed = tell_position(&mut result, subscribing.features, joined.entered, subscribing.since);
        if subscribing.expire_at > 0 {
            let ttl = subscribing.expire_at - cx.now.wall.seconds();
            (result.expires, result.ttl) = (true, u32::try_from(ttl.max(0)).unwrap_or(u32::MAX));
        }
        Flow::Subscribed(Box::new(Told::Subscribed(subscribing.id, Recovered::new(result, missed))), arrival)
    }
}

impl Subscribing {
    fn wanted(&self, cx: &Context<'_>) -> Wanted {
        let (since, filter) = (self.since.as_ref(), self.filter.as_ref());
        let mut wanted = wanted(&self.channel, self.features, &self.info, since, filter, cx);
        wanted.since.iter_mut().for_each(|since| since.is_strict = self.is_strict);
        wanted
    }
}

/// What the owner of a channel is asked for; a position counts only where the channel recovers.
pub(super) fn wanted(
    channel: &Arc<str>,
    features: Features,
    info: &Bytes,
    since: Option<&Position>,
    filter: Option<&Arc<Filter>>,
    cx: &Context<'_>,
) -> Wanted {
    let since = since.filter(|_| features.recoverable).map(|position| Since {
        position: position.clone(),
        publications_max: cx.policy.client.recovery_max_publication_limit,
        mode: features.recovery_mode,
        filter: filter.cloned(),
        is_strict: false,
    });
    Wanted { channel: channel.clone(), features, info: info.clone(), since, filter: filter.cloned() }
}

/// What the reply says of positions (client-protocol 4.4): a recovered client is told its own offset and advances by
/// the publications, which are returned.
pub(super) fn tell_position(
    result: &mut SubscribeResult,
    features: Features,
    entered: Option<Entered>,
    since: Option<Position>,
) -> Missed {
    let Some(Entered { top: Some(top), is_recovered, missed, .. }) = entered else { return Missed::default() };
    result.recoverable = features.recoverable;
    result.positioned = true;
    result.epoch = top.epoch.to_string();
    result.offset = top.offset;
    let Some(since) = since.filter(|_| is_recovered) else { return Missed::default() };
    result.recovered = true;
    result.offset = since.offset;
    missed
}

enum Denied {
    Error(Error),
    Disconnect(Disconnect),
    /// It depends on what the side thread says.
    Yet(Box<Need>),
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Denied {
        Denied::Error(refusal.into())
    }
}
