//! `rpc`: the free edition knows no method, so every name is not found (server-api 2.14).

use super::{ApiError, Method, Plan, method};
use crate::channel::Rules;
use crate::proto::api::RpcRequest;

pub(super) const METHOD: Method = method!(rpc, "RPC", 10, plan);

fn plan(request: RpcRequest, _: &Rules) -> Plan {
    let error = if request.method.is_empty() { ApiError::BAD_REQUEST } else { ApiError::NOT_FOUND };
    Plan::Refused(error)
}
