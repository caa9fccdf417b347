//! `history`: publications that are kept, and the position (server-api 2.9).

use super::{ApiError, Method, Plan, method};
use crate::channel::history::Page;
use crate::channel::inquiry::Inquiry;
use crate::channel::{Position, Rules};
use crate::proto::api::{self, HistoryRequest, HistoryResult};
use crate::proto::client::{ClientInfo, Publication};

pub(super) const METHOD: Method = method!(history, "History", 6, plan);

fn plan(request: HistoryRequest, rules: &Rules) -> Plan {
    let offset = request.since.as_ref().map(|since| since.offset);
    // A reversed page begins before an offset; Centrifugo's own refusal of 0 counts as an internal error.
    let has_no_start = request.reverse && offset == Some(0);
    let page = Page { limit: usize::try_from(request.limit).ok(), since: offset, reverse: request.reverse };
    let epoch = request.since.map(|since| since.epoch).unwrap_or_default();
    match ask(request.channel, rules, Inquiry::History(page, epoch.into())) {
        Plan::Owner(..) if has_no_start => Plan::Refused(ApiError::INTERNAL),
        plan => plan,
    }
}

/// The checks that `history` and `history_remove` share: name, namespace, option.
pub(super) fn ask(channel: String, rules: &Rules, question: Inquiry) -> Plan {
    if channel.is_empty() {
        return Plan::Refused(ApiError::BAD_REQUEST);
    }
    match rules.namespace(&channel) {
        None => Plan::Refused(ApiError::UNKNOWN_CHANNEL),
        Some(namespace) if namespace.retention().is_none() => Plan::Refused(ApiError::NOT_AVAILABLE),
        Some(_) => Plan::Owner(channel.into(), question),
    }
}

/// The result.
pub(super) fn result(publications: Vec<Publication>, top: &Position) -> HistoryResult {
    let publications = publications.into_iter().map(publication).collect();
    HistoryResult { publications, epoch: top.epoch.to_string(), offset: top.offset }
}

fn publication(kept: Publication) -> api::Publication {
    api::Publication { data: kept.data, info: kept.info.map(info), offset: kept.offset, tags: kept.tags }
}

fn info(publisher: ClientInfo) -> api::ClientInfo {
    let ClientInfo { user, client, conn_info, chan_info } = publisher;
    api::ClientInfo { user, client, conn_info, chan_info }
}
