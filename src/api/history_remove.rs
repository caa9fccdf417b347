//! `history_remove`: publications are forgotten, the position stays (server-api 2.10).

use super::{Method, Plan, history, method};
use crate::channel::Rules;
use crate::channel::inquiry::Inquiry;
use crate::proto::api::HistoryRemoveRequest;

pub(super) const METHOD: Method = method!(history_remove, "HistoryRemove", 7, plan);

fn plan(request: HistoryRemoveRequest, rules: &Rules) -> Plan {
    history::ask(request.channel, rules, Inquiry::HistoryRemove)
}
