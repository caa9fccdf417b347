//! The path of a publication: to the owner of its channel, there into history and frames, from there to every core that
//! listens.

use super::message::{Frames, Rendered};
use super::{Message, Shard};
use crate::api::Post;
use crate::channel::Position;
use crate::channel::store::{Appended, Keeping};
use crate::id::Ticket;
use crate::proto::client::Publication;
use crate::protocol::code::Disconnect;
use crate::protocol::command::Protocol;
use crate::protocol::frame::{self, Feed, Rendition};
use crate::protocol::{payload, push};
use std::sync::Arc;

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
            return first;
        }
        let skip_history = extras.as_ref().is_some_and(|extras| extras.skip_history);
        let version_epoch = extras.as_ref().map_or("", |extras| extras.version_epoch.as_str());
        let appended = if skip_history { None } else { self.keep(&post.channel, &post.publication, version_epoch) };
        let position = match appended {
            Some(Appended::Outdated(top)) => {
                self.counters.suppressed_by_version.add(1);
                Some(top)
            }
            Some(Appended::At(position)) => {
                post.publication.offset = position.offset;
                if position.offset == 1 {
                    post.publication.epoch = position.epoch.to_string();
                }
                self.hand_out(&post);
                Some(position)
            }
            None => {
                self.hand_out(&post);
                None
            }
        };
        if !key.is_empty() {
            self.store.dedup.remember(&post.channel, key, position.clone(), self.now.mono);
            self.counters.idempotency_keys_evicted.set(self.store.dedup.evicted());
        }
        position
    }

    /// Keeps a publication in the history of its channel, if it has one.
    fn keep(&mut self, channel: &str, publication: &Publication, version_epoch: &str) -> Option<Appended> {
        let namespace = self.policy.rules.namespace(channel)?;
        let keeping = Keeping { retention: namespace.retention()?, meta_ttl: namespace.meta_ttl(), version_epoch };
        let appended = self.store.append(channel, publication, keeping, self.now.mono, &mut self.random);
        self.store_gauges();
        Some(appended)
    }

    fn hand_out(&mut self, post: &Post) {
        self.counters.publications_received.add(1);
        let Some((name, interest)) = self.store.listeners(&post.channel) else {
            return self.counters.publications_without_listener.add(1);
        };
        let name = name.clone();
        let mut frames = Frames::default();
        for rendition in Rendition::ALL.iter().filter(|r| interest.wants(**r)) {
            let rendered = self.render(*rendition, &name, &post.publication, post.is_json);
            frames.set(*rendition, rendered);
        }
        for core in interest.cores() {
            if core == self.core {
                self.deliver(&name, &frames);
            } else {
                self.send(core, Message::Deliver { channel: name.clone(), frames: frames.clone() });
            }
        }
    }

    fn render(&mut self, rendition: Rendition, channel: &str, publication: &Publication, is_json: bool) -> Rendered {
        let protocol = rendition.protocol();
        if protocol == Protocol::Json && !is_json && !payload::is_json(&publication.data, &mut self.json_scratch) {
            return Rendered::NotJson;
        }
        self.scratch.clear();
        push::encode_publication(protocol, channel, publication, &mut self.scratch);
        Rendered::Frame(frame::frame(rendition, &self.scratch))
    }

    /// Marks the listeners of this core.
    pub(super) fn deliver(&mut self, channel: &str, frames: &Frames) {
        for (rendition, rendered) in frames.iter() {
            let audiences = self.registry.audiences(channel, rendition);
            match rendered {
                Rendered::Frame(block) => {
                    let frame = self.output.frame_id();
                    for audience in audiences {
                        let count = audience.len() as u64;
                        self.counters.deliveries.add(count);
                        self.counters.messages_sent.add(count);
                        self.counters.messages_sent_bytes.add(count * block.len() as u64);
                        self.output.broadcast(audience, frame, block);
                    }
                }
                Rendered::NotJson => {
                    let verdict = |index: &u32| (*index, Disconnect::INAPPROPRIATE_PROTOCOL);
                    self.verdicts.extend(audiences.into_iter().flatten().map(verdict));
                }
            }
        }
    }

    /// Marks those listeners of this core who want to know of joins and leaves.
    pub(super) fn deliver_joins(&mut self, channel: &Arc<str>, frames: &Frames) {
        for (rendition, rendered) in frames.iter() {
            let audience = self.registry.audience(channel, Feed { rendition, joins: true });
            if let Rendered::Frame(block) = rendered {
                let frame = self.output.frame_id();
                self.output.broadcast(audience, frame, block);
            }
        }
    }
}
