//! Why connections end, and that those end whose time is over: never early, never a live one, never late.

use crate::clocks::Moment;
use crate::realm::{self, EXPIRING};
use crate::stretch::Stretch;
use crate::world::World;
use std::time::Duration;

/// Timers are late by a tick of the wheel at most.
const TICK: Duration = Duration::from_millis(18);

impl World {
    /// The server has closed the connection of a client: it must have had a reason.
    pub fn check_end(&mut self, at: usize, code: u16) {
        let (client, now) = (&self.clients[at], self.model.now);
        let is_ours = EXPIRING.contains(&&client.user[..]);
        let because = match code {
            // A token that had expired before it was looked at: judged where the reply is.
            109 | 110 => Some("connections refused with an expired token"),
            3005 if is_ours => client.may_have_expired(&self.model).then_some("connections that expired"),
            3005 => {
                // One that is carried out too late ends the connection at once.
                let mut expiries = self.model.expiries.get(&client.user[..]).into_iter().flatten();
                let is_over = |(until, since): &(i64, Moment)| self.model.clocks.may_have_come(*until, *since, now);
                expiries.any(is_over).then_some("connections whose end the backend has set")
            }
            3006 => {
                let mut of_server = client.stretches.iter().filter(|stretch| stretch.is_server_side && !stretch.ended);
                of_server
                    .any(|stretch| client.may_have_expired_in(stretch, &self.model))
                    .then_some("connections ended with an expired subscription")
            }
            // While it connects, what is broadcast waits elsewhere: too much of that ends it together with the reply.
            3008 => {
                let connects = client.connected.is_none_or(|connected| connected.step == now.step);
                (self.links[client.link].was_full || connects).then_some("slow readers")
            }
            3010 => {
                let is_lossy =
                    |s: &&Stretch| s.is_server_side && !s.ended && client.has_missed(&s.channel, &self.model);
                let mut behind = client
                    .stretches
                    .iter()
                    .filter(|s| s.is_server_side && !s.ended && s.position.is_some() && realm::catches_up(&s.channel));
                // Who connects is not told its subscriptions before the loss.
                let loses = self.model.loss.as_ref().is_some_and(|(_, core)| *core == client.core);
                let is_lost = client.connected.is_none() && loses;
                if is_lost || client.stretches.iter().any(|s| is_lossy(&s)) {
                    Some("connections told of a loss")
                } else {
                    let (link, first) = (client.link, behind.next());
                    first.map(|first| {
                        self.model.give_up(link, std::iter::once(first).chain(behind));
                        "connections that could not catch up"
                    })
                }
            }
            3502 => client.is_stale(now).then_some("connections that took too long to connect"),
            3503 | 4001 => (!is_ours).then_some("connections ended by the backend"),
            3505 => (client.subscribed().count() + usize::from(client.subscribes()) + self.model.hoarding.len()
                >= realm::CHANNEL_LIMIT)
                .then_some("connections ended for a subscription above the limit"),
            3504 => {
                let others = self.clients.iter().filter(|other| other.user == client.user).count();
                (others > realm::USER_CONNECTIONS_MAX).then_some("connections above the limit of their user")
            }
            _ => None,
        };
        match because {
            Some(because) => self.model.tally.count(because, 1),
            None => panic!("client {at} of {} was closed without a reason: {code} at {now:?}", client.user),
        }
    }

    /// Nobody is there whose time is over.
    pub fn check_expiries(&mut self) {
        // Also one whose time was over before it was known.
        self.pass_time(TICK);
        self.come_to_rest();
        let mut late = self.model.now;
        late.at = late.at - TICK;
        for (at, client) in self.clients.iter().enumerate().filter(|(_, client)| self.is_alive(client)) {
            assert!(!client.has_expired(late), "client {at} has outlived its token");
            let mut active = client.stretches.iter().filter(|stretch| !stretch.ended);
            let is_over = |stretch: &&Stretch| stretch.end.is_some_and(|end| end.is_over(late, realm::SUB_CLOSE_DELAY));
            let outlived = active.find(is_over);
            assert!(outlived.is_none(), "client {at} has outlived a subscription: {outlived:?}");
        }
    }
}
