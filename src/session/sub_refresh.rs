//! `sub_refresh`: a new token in time prolongs a subscription (client-protocol 3.10).

use super::connect::{time_until, ttl};
use super::outside::Held;
use super::{Context, Flow, Session, reply_to};
use crate::auth::{Said, SubscriptionClaims, TokenError};
use crate::clock::Mono;
use crate::proto::client::{SubRefreshRequest, SubRefreshResult};
use crate::protocol::code::{Disconnect, Error};

impl Session {
    pub(super) fn sub_refresh(
        &mut self,
        id: u32,
        request: &SubRefreshRequest,
        said: Said,
        cx: &mut Context<'_>,
    ) -> Flow {
        // Keys of shared polls, which no namespace has, are tracked by the same command.
        if request.r#type != 0 {
            return self.error(id, Error::NOT_AVAILABLE);
        }
        if request.channel.is_empty() {
            return Flow::Disconnect(Disconnect::BAD_REQUEST);
        }
        let Some(at) = self.find(&request.channel) else { return self.error(id, Error::PERMISSION_DENIED) };
        if request.token.is_empty() {
            return self.error(id, Error::BAD_REQUEST);
        }
        let now = cx.now.wall.seconds();
        let claims = match cx.policy.subscription_tokens().subscription(&request.token, now, cx.lookup(said)) {
            Ok(claims) if cx.policy.rules.namespace(&claims.channel).is_none() => {
                return self.error(id, Error::UNKNOWN_CHANNEL);
            }
            Ok(claims) if self.is_for_us(&claims, &request.channel) => claims,
            // Answered as in Centrifugo, where it ends the expiry of the subscription; here it changes nothing.
            Err(TokenError::Expired) => return sub_refreshed(id, SubRefreshResult::default()),
            Err(TokenError::Needs(need)) => {
                return self.wait_for(id, *need, Held::SubRefresh(Box::new(request.clone())));
            }
            _ => return Flow::Disconnect(Disconnect::INVALID_TOKEN),
        };
        if claims.expire_at > 0 && claims.expire_at <= now {
            return self.error(id, Error::EXPIRED);
        }
        let mut result = SubRefreshResult::default();
        if self.subscriptions[at].info != claims.info {
            self.present_later(cx.now.mono, &cx.policy.client);
        }
        let subscription = &mut self.subscriptions[at];
        subscription.info = claims.info;
        subscription.expiry = Mono::NEVER;
        if claims.expire_at > 0 {
            let left = time_until(claims.expire_at, cx.policy.client.expired_sub_close_delay, cx.now);
            subscription.expiry = cx.now.mono + left;
            let expiry = subscription.expiry;
            self.deadlines.subscription_expires(expiry);
            (result.expires, result.ttl) = (true, ttl(claims.expire_at, cx.now));
        }
        sub_refreshed(id, result)
    }

    /// True when a subscription token was made for this channel, user and client.
    pub(super) fn is_for_us(&self, claims: &SubscriptionClaims, channel: &str) -> bool {
        let client_fits = claims.client.is_empty() || self.client.is(&claims.client);
        claims.channel == channel && claims.user == *self.user && client_fits
    }
}

fn sub_refreshed(id: u32, result: SubRefreshResult) -> Flow {
    let mut reply = reply_to(id);
    reply.sub_refresh = Some(result);
    Flow::Reply(Box::new(reply))
}
