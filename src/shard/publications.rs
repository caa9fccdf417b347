//! The path of a publication: to the owner of its channel, there into frames, from there to every core that listens.

use super::message::{Frames, Rendered};
use super::{Message, Shard};
use crate::api::Post;
use crate::id::Ticket;
use crate::proto::client::Publication;
use crate::protocol::code::Disconnect;
use crate::protocol::command::Protocol;
use crate::protocol::frame::{self, Rendition};
use crate::protocol::{payload, push};

impl Shard {
    /// Hands the post to the owner of its channel. `None`: done here and now; otherwise `Published` brings the ticket.
    pub(super) fn post(&mut self, post: Post) -> Option<Ticket> {
        self.counters.publications_sent.add(1);
        let owner = self.shared.placement.owner(&post.channel);
        if owner == self.core {
            self.publish_owned(post);
            return None;
        }
        let (ticket, from) = (self.ticket(), self.core);
        self.send(owner, Message::Publish { post: Box::new(post), from, ticket });
        Some(ticket)
    }

    /// The channel is ours: encode once per rendition, then one message per core that listens.
    pub(super) fn publish_owned(&mut self, post: Post) {
        let key = &post.idempotency_key;
        if !key.is_empty() && !self.dedup.is_first(&post.channel, key, self.now.mono) {
            return;
        }
        self.counters.publications_received.add(1);
        let Some((name, interest)) = self.table.listeners(&post.channel) else {
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
            let audience = self.registry.audience(channel, rendition);
            match rendered {
                Rendered::Frame(block) => {
                    self.counters.deliveries.add(audience.len() as u64);
                    self.output.broadcast(audience, block);
                }
                Rendered::NotJson => {
                    let verdict = |index: &u32| (*index, Disconnect::INAPPROPRIATE_PROTOCOL);
                    self.verdicts.extend(audience.iter().map(verdict));
                }
            }
        }
    }
}
