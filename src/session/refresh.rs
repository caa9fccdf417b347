//! `refresh`: a new token in time prolongs a connection (client-protocol 3.9).

use super::connect::{time_until, ttl};
use super::outside::Held;
use super::{Context, Flow, Session, reply_to};
use crate::auth::{Said, TokenError};
use crate::proto::client::RefreshResult;
use crate::protocol::code::{Disconnect, Error};

impl Session {
    pub(super) fn refresh(&mut self, id: u32, token: &str, said: Said, cx: &mut Context<'_>) -> Flow {
        if token.is_empty() {
            return Flow::Disconnect(Disconnect::BAD_REQUEST);
        }
        let now = cx.now.wall.seconds();
        let claims = match cx.policy.connection_tokens.connection(token, now, cx.lookup(said)) {
            Ok(claims) if claims.user == *self.user => claims,
            Ok(_) | Err(TokenError::Invalid(_)) => return Flow::Disconnect(Disconnect::INVALID_TOKEN),
            Err(TokenError::Expired) => return Flow::Disconnect(Disconnect::EXPIRED),
            Err(TokenError::BadInfo) => return self.error(id, Error::INTERNAL),
            Err(TokenError::Needs(need)) => return self.wait_for(id, *need, Held::Refresh(token.into())),
        };
        if claims.subs.keys().any(|channel| cx.policy.rules.namespace(channel).is_none()) {
            return self.error(id, Error::UNKNOWN_CHANNEL);
        }
        // The channels of a token belong to the connection; another set wants another connection. What the client has
        // unsubscribed from is none of them any more, and what it has by other means need not be granted again.
        let has_all = claims.subs.keys().all(|name| self.find(name).is_some());
        let is_left = |name: &str| self.find(name).is_none_or(|at| !self.subscriptions[at].is_server_side);
        if !has_all || !self.token_channels.iter().all(|name| claims.subs.contains_key(&**name) || is_left(name)) {
            return Flow::Disconnect(Disconnect::INSUFFICIENT_STATE);
        }
        if claims.expire_at > 0 && claims.expire_at <= now {
            return self.error(id, Error::EXPIRED);
        }
        if !claims.info.is_empty() {
            self.inform(claims.info, cx);
        }
        let mut result = RefreshResult::default();
        // A token without expiry takes the former deadline away; in Centrifugo that stays in force.
        self.deadlines.never_expires();
        if claims.expire_at > 0 && !cx.policy.client.insecure {
            let left = time_until(claims.expire_at, cx.policy.client.expired_close_delay, cx.now);
            self.deadlines.expires(cx.now.mono, left);
            (result.expires, result.ttl) = (true, ttl(claims.expire_at, cx.now));
        }
        let mut reply = reply_to(id);
        reply.refresh = Some(result);
        Flow::Reply(Box::new(reply))
    }
}
