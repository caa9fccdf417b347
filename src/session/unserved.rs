//! Commands whose feature no configuration switches on yet: 108 `not available`, as Centrifugo answers where it is off.

use super::{Context, Flow, Session, reply_to};
use crate::proto::client::RpcResult;
use crate::protocol::code::Error;
use crate::protocol::command::Kind;

impl Session {
    pub(super) fn unserved(&mut self, id: u32, command: &Kind, cx: &Context<'_>) -> Flow {
        match command {
            Kind::Rpc(request) => self.rpc(id, &request.method, cx),
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
