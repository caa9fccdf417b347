//! The path of a publication: to the owner of its channel, there into history and frames, from there to every core that
//! listens.

use super::message::{Delta, Frames, Kept, Rendered};
use super::{Message, Shard};
use crate::api::Post;
use crate::channel::interest::Interest;
use crate::channel::store::{Appended, Keeping};
use crate::channel::{Position, rules::Namespace};
use crate::counters::Counters;
use crate::hub::audiences::Group;
use crate::hub::lists::Source;
use crate::hub::tracked::Tracked;
use crate::hub::{Output, Way};
use crate::id::{ChannelKey, Ticket};
use crate::mutation::{self, Mutation};
use crate::proto::client::Publication;
use crate::protocol::code::Disconnect;
use crate::protocol::command::Protocol;
use crate::protocol::filter::Tags;
use crate::protocol::frame::{Feed, Rendition};
use crate::protocol::{delta, payload, push};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What became of a post.
pub(super) enum Posted {
    /// It was handed out here and now; its position, if it is kept.
    Done(Option<Position>),
    /// The owner will say.
    Waits(Ticket),
}

impl Shard {
    /// Hands the post to the owner of its channel.
    pub(super) fn post(&mut self, post: Post) -> Posted {
        self.counters.publications_sent.add(1);
        let owner = self.shared.placement.owner(&post.channel);
        if owner == self.core {
            return Posted::Done(self.publish_owned(post));
        }
        let (ticket, from) = (self.ticket(), self.core);
        self.send(owner, Message::Publish { post: Box::new(post), from, ticket });
        Posted::Waits(ticket)
    }

    /// The channel is ours: keep it, encode once per rendition, then one message per core that listens.
    pub(super) fn publish_owned(&mut self, mut post: Post) -> Option<Position> {
        let extras = post.extras.take();
        let key = extras.as_ref().map_or("", |extras| extras.idempotency_key.as_str());
        if !key.is_empty()
            && let Some(first) = self.store.dedup.find(&post.channel, key, self.now.mono)
        {
            self.counters.suppressed_by_idempotency.add(1);
            return first.filter(|_| !mutation::is(Mutation::RepeatIsToldNothing));
        }
        let skip_history = extras.as_ref().is_some_and(|extras| extras.skip_history);
        let version_epoch = extras.as_ref().map_or("", |extras| extras.version_epoch.as_str());
        let kept = if skip_history { None } else { self.keep(&post, version_epoch) };
        let position = match kept {
            Some((Appended::Outdated(top), _)) => {
                self.counters.suppressed_by_version.add(1);
                Some(top)
            }
            Some((Appended::At(position), base)) => {
                post.publication.offset = position.offset;
                if position.offset == 1 {
                    post.publication.epoch = position.epoch.to_string();
                }
                self.hand_out(&post, Some(&position), base.as_ref());
                Some(position)
            }
            None => {
                if mutation::is(Mutation::UnkeptIsHandedOutTwice) {
                    self.hand_out(&post, None, None);
                }
                self.hand_out(&post, None, None);
                None
            }
        };
        if !key.is_empty() {
            self.store.dedup.remember(&post.channel, key, position.clone(), self.now.mono);
            self.counters.idempotency_keys_evicted.set(self.store.dedup.evicted());
        }
        position
    }

    /// Keeps a publication in the history of its channel, if it has one. Also returns what a patch may be made against.
    fn keep(&mut self, post: &Post, version_epoch: &str) -> Option<(Appended, Option<Bytes>)> {
        let namespace = self.policy.rules.namespace(&post.channel)?;
        let Some(retention) = namespace.retention() else {
            // What was kept under former rules would say to those who come back that they have missed nothing.
            if self.has_reloaded {
                self.store.end_stream(&post.channel);
            }
            return None;
        };
        let keeping = Keeping { retention, meta_ttl: namespace.meta_ttl(), version_epoch };
        let is_delta = post.delta || namespace.publishes_deltas();
        let base = if is_delta { self.store.base(&post.channel) } else { None };
        let appended = self.store.append(&post.channel, &post.publication, keeping, self.now.mono, &mut self.random);
        self.store_gauges();
        Some((appended, base))
    }

    /// Encodes and sends to whoever listens. `position`: where it is kept; `base`: the publication that was handed out
    /// before this one, which those with deltas have.
    fn hand_out(&mut self, post: &Post, position: Option<&Position>, base: Option<&Bytes>) {
        self.counters.publications_received.add(1);
        let Some((name, interest)) = self.store.listeners(&post.channel) else {
            return self.counters.publications_without_listener.add(1);
        };
        let (name, interest) = (name.clone(), interest.clone());
        let mut frames = Frames::default();
        frames.tags = self.tags(post);
        frames.kept = position.map(|position| Kept { position: position.clone(), at: self.now.mono });
        frames.offset = self.offset_to_return_to(post);
        frames.delay = self.write_delay(&post.channel);
        for protocol in Protocol::ALL {
            let renditions = Rendition::of(protocol, |rendition| interest.wants(rendition));
            if !renditions.is_empty() {
                self.render(&renditions, &name, post, &mut frames);
            }
        }
        if interest.wants_deltas() {
            self.render_deltas(&name, &interest, post, base, &mut frames);
        }
        for core in interest.cores() {
            if core == self.core {
                self.deliver(&name, &frames);
            } else {
                self.send(core, Message::Deliver { channel: name.clone(), frames: frames.clone() });
            }
        }
    }

    /// The patch is made once; each rendition gets it, and the whole publication for those who come too late for it.
    fn render_deltas(
        &mut self,
        channel: &str,
        interest: &Interest,
        post: &Post,
        base: Option<&Bytes>,
        frames: &mut Frames,
    ) {
        let publication = &post.publication;
        if publication.offset == 0 {
            self.store.interrupt(channel);
        }
        let patch = base.and_then(|base| delta::patch(base, &publication.data));
        for protocol in Protocol::ALL {
            let renditions = Rendition::of(protocol, |rendition| interest.wants_deltas_in(rendition));
            if renditions.is_empty() {
                continue;
            }
            if protocol == Protocol::Json && !self.is_json(post) {
                let not_json = |rendition| frames.set_delta(rendition, Delta { whole: Rendered::NotJson, patch: None });
                renditions.into_iter().for_each(not_json);
                continue;
            }
            let mut shaped = |patch: Option<&[u8]>| {
                let mut publication = publication.clone();
                delta::shape(protocol, &mut publication, patch);
                (publication.delta, self.encode(&renditions, channel, &publication))
            };
            let (_, whole) = shaped(None);
            // What could not be a patch after all is whole.
            let patch = patch.as_deref().map(|patch| shaped(Some(patch))).filter(|(is_patch, _)| *is_patch);
            let mut patch = patch.map(|(_, rendered)| rendered.into_iter());
            for (rendition, whole) in whole {
                let patch = patch.as_mut().and_then(|patch| patch.next()).map(|(_, rendered)| rendered);
                frames.set_delta(rendition, Delta { whole, patch });
            }
        }
    }

    fn is_json(&mut self, post: &Post) -> bool {
        post.is_json || payload::is_json(&post.publication.data, &mut self.json_scratch)
    }

    /// What filters look at: copied only where somebody may have one.
    fn tags(&self, post: &Post) -> Option<Arc<Tags>> {
        let tags = &post.publication.tags;
        let has_filters = || self.policy.rules.namespace(&post.channel).is_some_and(|n| n.allows_filter());
        (!tags.is_empty() && has_filters()).then(|| Arc::new(tags.clone()))
    }

    /// How long what is pushed in a channel may wait.
    pub(super) fn write_delay(&self, channel: &str) -> Duration {
        self.policy.rules.namespace(channel).map_or(Duration::ZERO, Namespace::write_delay)
    }

    /// Where a slow subscriber can read the publication again; 0: nowhere.
    fn offset_to_return_to(&self, post: &Post) -> u64 {
        let offset = post.publication.offset;
        let catches_up = || self.policy.rules.namespace(&post.channel).is_some_and(|n| n.catches_up());
        if offset > 0 && catches_up() { offset } else { 0 }
    }

    /// Fills in renditions of one encoding.
    fn render(&mut self, renditions: &[Rendition], channel: &str, post: &Post, frames: &mut Frames) {
        if renditions[0].protocol() == Protocol::Json && !self.is_json(post) {
            return renditions.iter().for_each(|rendition| frames.set(*rendition, Rendered::NotJson));
        }
        let rendered = self.encode(renditions, channel, &post.publication);
        rendered.into_iter().for_each(|(rendition, rendered)| frames.set(rendition, rendered));
    }

    /// Encodes once for renditions of one encoding.
    pub(super) fn encode(
        &mut self,
        renditions: &[Rendition],
        channel: &str,
        publication: &Publication,
    ) -> SmallVec<[(Rendition, Rendered); 2]> {
        self.scratch.clear();
        push::encode_publication(renditions[0].protocol(), channel, publication, &mut self.scratch);
        self.framed(renditions).collect()
    }

    /// Frames the message in `scratch`.
    pub(super) fn framed(&mut self, renditions: &[Rendition]) -> impl Iterator<Item = (Rendition, Rendered)> + use<> {
        let bytes = u32::try_from(self.scratch.len()).unwrap_or(u32::MAX);
        let blocks = self.framer.frames(renditions, &self.scratch);
        blocks.into_iter().map(move |(rendition, block)| (rendition, Rendered::Frame { block, bytes }))
    }

    /// Marks the listeners of this core, each group with a filter only when the publication passes it.
    pub(super) fn deliver(&mut self, channel: &str, frames: &Frames) {
        let Some(key) = self.registry.find(channel) else { return };
        if frames.kept.as_ref().is_some_and(|kept| !self.follows(key, kept)) {
            return;
        }
        let source = Source { channel: key, offset: frames.offset };
        let Some((listeners, tracked)) = self.registry.audiences(key) else { return };
        let (output, counters, verdicts) = (&mut self.output, &self.counters, &mut self.verdicts);
        let mut marker = Marker { output, counters, verdicts, lost: lost(tracked), source, delay: frames.delay };
        let (no_tags, tags) = (Tags::new(), frames.tags.as_deref());
        let is_ignored = mutation::is(Mutation::FilterIsIgnored);
        let passes = |group: &&Group| is_ignored || group.filter.matches(tags.unwrap_or(&no_tags));
        let groups: SmallVec<[&Group; 8]> = listeners.groups().filter(passes).collect();
        for (rendition, rendered) in frames.iter() {
            let filtered = groups.iter().flat_map(|group| group.audiences(rendition));
            marker.mark(rendered, listeners.audiences(rendition).into_iter().chain(filtered));
        }
        drop(groups);
        if frames.has_deltas() {
            self.deliver_deltas(key, frames);
        }
    }

    /// Marks the listeners with deltas: those who have the publication before this one get the patch, others the whole.
    fn deliver_deltas(&mut self, key: ChannelKey, frames: &Frames) {
        let source = Source { channel: key, offset: frames.offset };
        let Some((listeners, tracked)) = self.registry.audiences(key) else { return };
        let (output, counters, verdicts) = (&mut self.output, &self.counters, &mut self.verdicts);
        let mut marker = Marker { output, counters, verdicts, lost: lost(tracked), source, delay: frames.delay };
        for (rendition, delta) in frames.deltas() {
            let [ready, fresh] = listeners.patched(rendition);
            match &delta.patch {
                Some(patch) => {
                    marker.mark(patch, ready.into_iter());
                    marker.mark(&delta.whole, fresh.into_iter());
                }
                None => marker.mark(&delta.whole, ready.into_iter().chain(fresh)),
            }
        }
        self.registry.make_ready(key);
    }

    /// Marks those listeners of this core who want to know of joins and leaves; filters do not concern them.
    pub(super) fn deliver_joins(&mut self, channel: &Arc<str>, frames: &Frames) {
        let Some(listeners) = self.registry.listeners(channel) else { return };
        for (rendition, rendered) in frames.iter() {
            let Rendered::Frame { block, bytes } = rendered else { continue };
            let (feed, frame) = (Feed { rendition, joins: true, delta: false }, self.output.frame_id());
            let plain = [listeners.audience(feed), listeners.audience(Feed { delta: true, ..feed })];
            let filtered = listeners.groups().map(|group| group.audience(feed));
            let audiences: Audiences<'_> = plain.into_iter().chain(filtered).collect();
            let count = count(&audiences);
            self.counters.messages_sent.add(count as u64);
            self.counters.messages_sent_bytes.add(count as u64 * u64::from(*bytes));
            let way = Way::to(count, frames.delay);
            audiences.iter().for_each(|audience| self.output.broadcast(audience, frame, Source::NONE, block, way));
        }
    }
}

/// Those who get the same frame: without a filter, with joins and without, and once more for each filter.
type Audiences<'a> = SmallVec<[&'a [u32]; 8]>;

/// How many connections they are together.
fn count(audiences: &[&[u32]]) -> usize {
    audiences.iter().map(|audience| audience.len()).sum()
}

/// What marks listeners.
struct Marker<'a> {
    output: &'a mut Output,
    counters: &'a Counters,
    verdicts: &'a mut Vec<(u32, Disconnect)>,
    /// Those who have missed something and get nothing more; `None`: nobody has.
    lost: Option<&'a BTreeSet<u32>>,
    source: Source,
    delay: Duration,
}

fn lost(tracked: Option<&Tracked>) -> Option<&BTreeSet<u32>> {
    tracked.map(Tracked::lost).filter(|lost| !lost.is_empty())
}

impl Marker<'_> {
    /// One frame for several audiences. Those who cannot have it are disconnected.
    fn mark<'b>(&mut self, rendered: &Rendered, audiences: impl Iterator<Item = &'b [u32]>) {
        let Some(lost) = self.lost else { return self.mark_all(rendered, audiences) };
        let others: Vec<u32> = audiences.flatten().filter(|index| !lost.contains(index)).copied().collect();
        self.mark_all(rendered, [&others[..]].into_iter());
    }

    fn mark_all<'b>(&mut self, rendered: &Rendered, audiences: impl Iterator<Item = &'b [u32]>) {
        match rendered {
            Rendered::Frame { block, bytes } => {
                let (frame, audiences) = (self.output.frame_id(), audiences.collect::<Audiences<'_>>());
                let count = count(&audiences);
                self.counters.deliveries.add(count as u64);
                self.counters.messages_sent.add(count as u64);
                self.counters.messages_sent_bytes.add(count as u64 * u64::from(*bytes));
                let way = Way::to(count, self.delay);
                audiences.iter().for_each(|audience| self.output.broadcast(audience, frame, self.source, block, way));
            }
            Rendered::NotJson => {
                let verdict = |index: &u32| (*index, Disconnect::INAPPROPRIATE_PROTOCOL);
                self.verdicts.extend(audiences.flatten().map(verdict));
            }
        }
    }
}
