//! `history_remove`: publications are forgotten, the position stays (server-api 2.10).

use super::{Method, OwnerQuestion, Plan, history, method};
use crate::channel::Rules;
use crate::proto::api::HistoryRemoveRequest;

pub(super) const METHOD: Method = method!(history_remove, "HistoryRemove", 7, plan);

fn plan(request: HistoryRemoveRequest, rules: &Rules) -> Plan {
    history::ask(request.channel, rules, OwnerQuestion::HistoryRemove)
}
