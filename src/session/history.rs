//! `history`: a page of what is kept (client-protocol 3.6).

use super::{Context, Flow, Session};
use crate::channel::history::Page;
use crate::channel::inquiry::Inquiry;
use crate::channel::rules::Feature;
use crate::proto::client::HistoryRequest;
use crate::protocol::code::Error;

impl Session {
    pub(super) fn history(&mut self, id: u32, request: &HistoryRequest, cx: &Context<'_>) -> Flow {
        let limit_max = cx.policy.client.history_max_publication_limit;
        let limit = usize::try_from(request.limit).map_or(limit_max, |limit| limit.min(limit_max));
        let since = request.since.as_ref();
        let page = Page { limit: Some(limit), since: since.map(|since| since.offset), reverse: request.reverse };
        let epoch = since.map_or("", |since| since.epoch.as_str()).into();
        let has_no_start = request.reverse && page.since == Some(0);
        let flow = self.ask(id, &request.channel, Feature::History, Inquiry::History(page, epoch), cx);
        if has_no_start && matches!(flow, Flow::Ask(..)) {
            self.waiting = None;
            return self.error(id, Error::BAD_REQUEST);
        }
        flow
    }
}
