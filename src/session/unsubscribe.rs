//! `unsubscribe`: always succeeds, also when there is nothing to leave (client-protocol 3.3).

use super::{Flow, Session, reply_to};
use crate::proto::client::{UnsubscribeRequest, UnsubscribeResult};
use crate::protocol::code::Disconnect;

impl Session {
    pub(super) fn unsubscribe(&mut self, id: u32, request: &UnsubscribeRequest) -> Flow {
        if request.channel.is_empty() {
            return Flow::Disconnect(Disconnect::BAD_REQUEST);
        }
        let mut reply = reply_to(id);
        reply.unsubscribe = Some(UnsubscribeResult {});
        match self.find(&request.channel) {
            Some(at) => Flow::Unsubscribed(self.subscriptions.swap_remove(at), reply),
            None => Flow::Reply(Box::new(reply)),
        }
    }
}
