//! `connect`: who the client is, and what it is told (client-protocol 3.1).

use super::outside::Held;
use super::{Context, Flow, Joined, Session, State, Subscription, Waiting, Wanted, subscribe};
use crate::auth::{ConnectionClaims, Need, Said, TokenError};
use crate::channel::features::Overrides;
use crate::channel::{Features, Position};
use crate::clock::{Mono, Now};
use crate::mutation::{self, Mutation};
use crate::proto::client::{ConnectRequest, ConnectResult, SubscribeResult};
use crate::protocol::code::{Disconnect, Error};
use crate::protocol::told::{Recovered, Told};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Connections are told at most a year (Centrifugo v6).
const TTL_SECONDS_MAX: i64 = 365 * 24 * 3600;

/// A `connect` that waits for its server-side subscriptions.
pub struct Connecting {
    id: u32,
    expire_at: i64,
    subs: Vec<Granting>,
}

/// A server-side subscription that waits for the owner of its channel.
struct Granting {
    channel: Arc<str>,
    granted: Granted,
    features: Features,
    since: Option<Position>,
}

/// A server-side subscription as it was granted.
#[derive(Default)]
struct Granted {
    info: Bytes,
    data: Bytes,
    overrides: Overrides,
}

/// Who the client proved to be; the anonymous user without anything else.
#[derive(Default)]
struct Identity {
    user: String,
    info: Bytes,
    expire_at: i64,
    subs: BTreeMap<String, Granted>,
    /// Channels of the token.
    token_channels: Vec<Arc<str>>,
    /// A trusted proxy has named the user: no personal channel, and the client's wishes in `connect.subs` do not count.
    is_from_header: bool,
}

impl Session {
    pub(super) fn connect(&mut self, id: u32, request: ConnectRequest, said: Said, cx: &mut Context<'_>) -> Flow {
        let mut identity = match self.identify(&request, said, cx) {
            Ok(identity) => identity,
            Err(Denied::Error(error)) => return self.refuse(id, error),
            Err(Denied::Disconnect(disconnect)) => return Flow::Disconnect(disconnect),
            Err(Denied::Yet(need)) => return self.wait_for(id, *need, Held::Connect(Box::new(request))),
        };
        if let Some(personal) = cx.policy.rules.personal_channel(&identity.user).filter(|_| !identity.is_from_header) {
            if cx.policy.rules.namespace(&personal).is_none() {
                return self.refuse(id, Error::UNKNOWN_CHANNEL);
            }
            // It is as its namespace says, whatever a token grants, and no token has to name it again.
            identity.token_channels.retain(|channel| **channel != *personal);
            identity.subs.insert(personal, Granted::default());
        }
        if !identity.is_from_header {
            for channel in request.subs.keys() {
                match cx.policy.rules.may_connect_with(channel, &identity.user) {
                    Ok(true) => _ = identity.subs.entry(channel.clone()).or_default(),
                    Ok(false) => {}
                    Err(_) => return Flow::Disconnect(Disconnect::BAD_REQUEST),
                }
            }
        }
        if identity.subs.len() > cx.policy.client.channel_limit {
            return Flow::Disconnect(Disconnect::CHANNEL_LIMIT);
        }
        // Before it costs anything; it counts when it has connected.
        if !(cx.has_room_for)(&identity.user) {
            return Flow::Disconnect(Disconnect::CONNECTION_LIMIT);
        }
        if identity.expire_at > 0 && identity.expire_at <= cx.now.wall.seconds() {
            return self.refuse(id, Error::EXPIRED);
        }
        self.user = Arc::from(identity.user);
        self.info = identity.info;
        self.token_channels = identity.token_channels.into();
        let subs =
            identity.subs.into_iter().map(|(channel, granted)| granting(&channel, granted, &request, cx)).collect();
        let connecting = Connecting { id, expire_at: identity.expire_at, subs };
        if connecting.subs.is_empty() {
            return self.connected(connecting, Vec::new(), cx);
        }
        let wanted = connecting.subs.iter().map(|sub| sub.wanted(cx)).collect();
        self.waiting = Some(Waiting::Connect(Box::new(connecting)));
        Flow::Listen(wanted)
    }

    pub(super) fn refuse(&mut self, id: u32, error: Error) -> Flow {
        self.state = State::Refused;
        Flow::Refuse(crate::protocol::reply::error_reply(id, error))
    }

    /// Token, then anonymous or insecure access, then the trusted header.
    fn identify(&self, request: &ConnectRequest, said: Said, cx: &mut Context<'_>) -> Result<Identity, Denied> {
        let client = &cx.policy.client;
        if !request.token.is_empty() {
            let now = cx.now.wall.seconds();
            return match cx.policy.connection_tokens.connection(&request.token, now, cx.lookup(said)) {
                Ok(claims) => identity_of(claims, cx),
                Err(TokenError::Expired) => Err(Denied::Error(Error::TOKEN_EXPIRED)),
                Err(TokenError::Invalid(_)) => Err(Denied::Disconnect(Disconnect::INVALID_TOKEN)),
                Err(TokenError::BadInfo) => Err(Denied::Error(Error::INTERNAL)),
                Err(TokenError::Needs(need)) => Err(Denied::Yet(need)),
            };
        }
        let anonymous = client.allow_anonymous_connect_without_token || client.insecure;
        match (&self.header_user, anonymous) {
            (_, true) => Ok(Identity::default()),
            (Some(user), false) => Ok(Identity { user: user.to_string(), is_from_header: true, ..Identity::default() }),
            (None, false) => Err(Denied::Disconnect(Disconnect::BAD_REQUEST)),
        }
    }

    /// All server-side subscriptions are in place: the reply goes out.
    pub(super) fn connected(&mut self, connecting: Connecting, joined: Vec<Joined>, cx: &mut Context<'_>) -> Flow {
        let client = &cx.policy.client;
        self.state = State::Connected;
        self.header_user = None;
        self.deadlines.connected(cx.now.mono, client, self.native_ping, cx.random);
        let (mut subs, mut arrivals) = (BTreeMap::new(), Vec::new());
        for (sub, joined) in connecting.subs.into_iter().zip(joined) {
            let subscription = Subscription {
                channel: sub.channel.clone(),
                key: joined.key,
                seat: joined.seat,
                info: sub.granted.info,
                expiry: Mono::NEVER,
                features: sub.features,
                is_server_side: true,
            };
            arrivals.extend(self.arrival(&subscription));
            self.add(subscription);
            let mut result = SubscribeResult { data: sub.granted.data, ..SubscribeResult::default() };
            result.was_recovering = sub.since.is_some();
            result.delta = sub.features.delta;
            let missed = subscribe::tell_position(&mut result, sub.features, joined.entered, sub.since);
            subs.insert(sub.channel.to_string(), Recovered::new(result, missed));
        }
        let mut result = ConnectResult {
            client: self.client.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..ConnectResult::default()
        };
        if connecting.expire_at > 0 && !client.insecure {
            self.deadlines.expires(cx.now.mono, time_until(connecting.expire_at, client.expired_close_delay, cx.now));
            (result.expires, result.ttl) = (true, ttl(connecting.expire_at, cx.now));
        }
        if !self.native_ping
            && let Some(interval) = client.ping_interval
        {
            result.ping = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX);
            result.pong = client.pong_timeout.is_some();
        }
        if client.connect_include_server_time {
            result.time = i64::try_from(cx.now.wall.0).unwrap_or(i64::MAX);
        }
        Flow::Connected(Box::new(Told::Connected(connecting.id, result, subs)), arrivals)
    }
}

/// A server-side subscription with the options of its namespace, and the position that the client says it has reached.
fn granting(channel: &str, granted: Granted, request: &ConnectRequest, cx: &Context<'_>) -> Granting {
    let namespace = cx.policy.rules.namespace(channel);
    let mut features = namespace.map(|namespace| namespace.features(&granted.overrides)).unwrap_or_default();
    let asked = request.subs.get(channel);
    features.delta = asked.zip(namespace).is_some_and(|(sub, namespace)| namespace.grants_delta(&sub.delta));
    let asked = asked.filter(|sub| sub.recover);
    let mut since = asked.map(|sub| Position { offset: sub.offset, epoch: sub.epoch.as_str().into() });
    if features.recoverable && namespace.is_some_and(|namespace| namespace.recovers_unasked()) {
        since.get_or_insert_default();
    }
    Granting { channel: channel.into(), granted, features, since }
}

impl Granting {
    fn wanted(&self, cx: &Context<'_>) -> Wanted {
        subscribe::wanted(&self.channel, self.features, &self.granted.info, self.since.as_ref(), None, cx)
    }
}

enum Denied {
    Error(Error),
    Disconnect(Disconnect),
    /// It depends on what the side thread says.
    Yet(Box<Need>),
}

fn identity_of(claims: ConnectionClaims, cx: &Context<'_>) -> Result<Identity, Denied> {
    // Channels of a token need no permission, but their namespace must exist.
    if claims.subs.keys().any(|channel| cx.policy.rules.namespace(channel).is_none()) {
        return Err(Denied::Error(Error::UNKNOWN_CHANNEL));
    }
    if claims.user.is_empty() && cx.policy.client.disallow_anonymous_connection_tokens {
        return Err(Denied::Disconnect(Disconnect::PERMISSION_DENIED));
    }
    let granted = |options: crate::auth::SubscribeOptions| Granted {
        info: options.info,
        data: options.data,
        overrides: options.overrides,
    };
    Ok(Identity {
        token_channels: claims.subs.keys().map(|channel| channel.as_str().into()).collect(),
        subs: claims.subs.into_iter().map(|(channel, options)| (channel, granted(options))).collect(),
        info: claims.info,
        expire_at: claims.expire_at,
        user: claims.user,
        is_from_header: false,
    })
}

/// What a client is told of the time until its connection ends: whole seconds, a year at most.
pub(super) fn ttl(expire_at: i64, now: Now) -> u32 {
    expire_at.saturating_sub(now.wall.seconds()).clamp(0, TTL_SECONDS_MAX) as u32
}

/// From now to the end of the grace behind a time of day in whole seconds; zero when it has passed. While an owner core
/// was asked the time itself may have passed: that costs grace.
pub(super) fn time_until(unix_seconds: i64, grace: Duration, now: Now) -> Duration {
    let grace = if mutation::is(Mutation::EndHasNoGrace) { Duration::ZERO } else { grace };
    let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
    let end = unix_seconds.saturating_mul(1000).saturating_add(grace);
    let millis = end.saturating_sub(i64::try_from(now.wall.0).unwrap_or(i64::MAX));
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    #[test]
    fn a_time_that_has_passed_leaves_the_rest_of_its_grace() {
        let at = |millis| Now { mono: Mono(0), wall: UnixMillis(millis) };
        let left = |millis| time_until(100, Duration::from_secs(25), at(millis)).as_millis();
        assert_eq!([99_500, 100_000, 102_300, 125_000, 200_000].map(left), [25_500, 25_000, 22_700, 0, 0]);
        assert_eq!(time_until(i64::MAX, Duration::from_secs(1), at(0)), Duration::from_millis(i64::MAX as u64));
    }
}
