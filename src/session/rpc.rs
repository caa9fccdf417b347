//! `rpc`: there is no hook for it yet, so only the ping extension answers (client-protocol 3.7).

use super::{Context, Flow, Session, reply_to};
use crate::proto::client::RpcResult;
use crate::protocol::code::Error;

impl Session {
    pub(super) fn rpc(&self, id: u32, method: &str, cx: &Context<'_>) -> Flow {
        #[cfg(test)]
        assert_ne!(method, "panic", "asked for by a test");
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
