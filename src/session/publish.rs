//! `publish`: permission and format, then the wait for the owner core (client-protocol 3.4).

use super::{Context, Flow, Session, Waiting, reply_to};
use crate::proto::client::{Publication, PublishRequest, PublishResult};
use crate::protocol::code::{Disconnect, Error};
use crate::session::flow::PublishWish;

impl Session {
    pub(super) fn publish(&mut self, id: u32, request: PublishRequest, cx: &Context<'_>) -> Flow {
        if request.channel.is_empty() {
            return Flow::Disconnect(Disconnect::BAD_REQUEST);
        }
        let is_subscribed = self.find(&request.channel).is_some();
        if let Err(refusal) = cx.policy.rules.publish(&request.channel, &self.user, is_subscribed, &request.data) {
            return self.error(id, refusal.into());
        }
        let info = Some(self.publisher(&request.channel));
        let publication = Publication { data: request.data, info, ..Publication::default() };
        self.waiting = Some(Waiting::Publish { id });
        Flow::Publish(Box::new(PublishWish { channel: request.channel, publication }))
    }

    /// The server takes no publications for now.
    pub fn not_published(&mut self) -> Flow {
        let Some(Waiting::Publish { id }) = self.waiting.take() else {
            unreachable!("only publish waits for a publication")
        };
        self.error(id, Error::TOO_MANY_REQUESTS)
    }

    /// The owner core has taken the publication; its push, if this client gets one, is queued already.
    pub fn published(&mut self) -> Flow {
        let Some(Waiting::Publish { id }) = self.waiting.take() else {
            unreachable!("only publish waits for a publication")
        };
        let mut reply = reply_to(id);
        reply.publish = Some(PublishResult {});
        Flow::Reply(Box::new(reply))
    }
}
