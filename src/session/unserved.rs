//! Commands whose feature no namespace has yet: the checks come in Centrifugo's order, the feature itself answers
//! 108 `not available` as Centrifugo does where it is switched off.

use super::{Context, Flow, Session, reply_to};
use crate::proto::client::RpcResult;
use crate::protocol::code::{Disconnect, Error};
use crate::protocol::command::Kind;

impl Session {
    pub(super) fn unserved(&mut self, id: u32, command: &Kind, cx: &Context<'_>) -> Flow {
        match command {
            Kind::Rpc(request) => self.rpc(id, &request.method, cx),
            Kind::Refresh(request) if request.token.is_empty() => Flow::Disconnect(Disconnect::BAD_REQUEST),
            Kind::SubRefresh(request) if request.channel.is_empty() => Flow::Disconnect(Disconnect::BAD_REQUEST),
            Kind::SubRefresh(request) if self.find(&request.channel).is_none() => {
                self.error(id, Error::PERMISSION_DENIED)
            }
            _ => self.error(id, Error::NOT_AVAILABLE),
        }
    }

    /// Only the ping extension is there (client-protocol 3.7).
    fn rpc(&self, id: u32, method: &str, cx: &Context<'_>) -> Flow {
        let ping = &cx.policy.rpc_ping;
        if !ping.enabled {
            return self.error(id, Error::NOT_AVAILABLE);
        }
        if method != ping.method {
            return self.error(id, Error::METHOD_NOT_FOUND);
        }
        let mut reply = reply_to(id);
        reply.rpc = Some(RpcResult::default());
        Flow::Reply(Box::new(reply))
    }
}
