//! When a session has to act without having been asked.

use super::flow::Flow;
use crate::clock::Mono;
use crate::config::settings::Client;
use crate::mutation::{self, Mutation};
use crate::protocol::code::Disconnect;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;

/// The deadlines of one session; [`Mono::NEVER`] where there is none.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// `connect` must have succeeded.
    stale: Mono,
    /// The next ping goes out.
    ping: Mono,
    /// The pong is overdue. With native pings: nothing was heard for too long.
    pong: Mono,
    /// The connection has expired and its grace is over.
    expiry: Mono,
    /// Some subscription has expired and its grace is over.
    subscriptions: Mono,
    /// The first presence tick of the connection; the others follow at their interval.
    first_tick: Mono,
    /// The next one, when something is to be told then.
    tick: Mono,
    /// Pings whose pong has not come: more than one only where pongs have no time limit.
    unanswered: u32,
}

impl Deadlines {
    /// Of a session that is not connected yet.
    pub fn fresh(now: Mono, stale_close_delay: Duration) -> Deadlines {
        let stale = if stale_close_delay.is_zero() { Mono::NEVER } else { now + stale_close_delay };
        Deadlines {
            stale,
            ping: Mono::NEVER,
            pong: Mono::NEVER,
            expiry: Mono::NEVER,
            subscriptions: Mono::NEVER,
            first_tick: Mono::NEVER,
            tick: Mono::NEVER,
            unanswered: 0,
        }
    }

    /// The earliest of them.
    pub fn next(&self) -> Mono {
        self.stale.min(self.ping).min(self.pong).min(self.expiry).min(self.subscriptions).min(self.tick)
    }

    /// `connect` has succeeded: pings begin after a random part of the interval, so that clients which connected
    /// together are not pinged together.
    pub fn connected(&mut self, now: Mono, client: &Client, native: bool, random: &mut StdRng) {
        self.stale = Mono::NEVER;
        self.first_tick = now + second_half(tick_interval(client), random);
        let Some(interval) = client.ping_interval else { return };
        if native {
            self.ping = now + interval;
            self.native_pong(now, client);
            return;
        }
        self.ping = now + second_half(interval, random);
    }

    /// The connection ends `left` from now if nothing extends it.
    pub fn expires(&mut self, now: Mono, left: Duration) {
        if !mutation::is(Mutation::EndHasNoTimer) {
            self.expiry = now + left;
        }
    }

    /// The connection does not end by itself.
    pub fn never_expires(&mut self) {
        self.expiry = Mono::NEVER;
    }

    /// A subscription ends at `at` if nothing extends it.
    pub fn subscription_expires(&mut self, at: Mono) {
        if !mutation::is(Mutation::SubscriptionEndHasNoTimer) {
            self.subscriptions = self.subscriptions.min(at);
        }
    }

    /// True when subscriptions are to be looked at; the earliest of the rest is told by `next`.
    pub fn take_subscriptions(&mut self, now: Mono, next: impl FnOnce() -> Mono) -> bool {
        let is_due = self.subscriptions <= now;
        if is_due {
            self.subscriptions = next();
        }
        is_due
    }

    /// Presence is told something at the next tick.
    pub fn present_later(&mut self, now: Mono, client: &Client) {
        if self.tick != Mono::NEVER {
            return;
        }
        self.tick = self.first_tick;
        if self.first_tick <= now {
            let interval = tick_interval(client).as_nanos() as u64;
            let passed = (now.0 - self.first_tick.0) / interval;
            self.tick = self.first_tick + Duration::from_nanos(interval.saturating_mul(passed + 1));
        }
    }

    /// True when presence is to be told something now.
    pub fn take_tick(&mut self, now: Mono) -> bool {
        let is_due = self.tick <= now;
        if is_due {
            self.tick = Mono::NEVER;
        }
        is_due
    }

    /// A pong came; false when none was awaited.
    pub fn pong(&mut self) -> bool {
        self.pong = Mono::NEVER;
        let was_awaited = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        was_awaited
    }

    /// A WebSocket pong came: the peer lives for another interval and timeout.
    pub fn native_pong(&mut self, now: Mono, client: &Client) {
        if let (Some(interval), Some(timeout)) = (client.ping_interval, client.pong_timeout) {
            self.pong = now + interval + timeout;
        }
    }

    /// What is due, the gravest first.
    pub fn expire(&mut self, now: Mono, client: &Client, native: bool) -> Flow {
        if self.stale <= now {
            self.stale = Mono::NEVER;
            return Flow::Disconnect(Disconnect::STALE);
        }
        if self.expiry <= now {
            self.expiry = Mono::NEVER;
            return Flow::Disconnect(Disconnect::EXPIRED);
        }
        if self.pong <= now {
            self.pong = Mono::NEVER;
            return if native { Flow::Drop } else { Flow::Disconnect(Disconnect::NO_PONG) };
        }
        if self.ping <= now {
            self.ping = client.ping_interval.map_or(Mono::NEVER, |interval| now + interval);
            if native {
                return Flow::NativePing;
            }
            self.unanswered = self.unanswered.saturating_add(1);
            self.pong = client.pong_timeout.map_or(Mono::NEVER, |timeout| now + timeout);
            return Flow::Ping;
        }
        Flow::Nothing
    }
}

/// A time in the second half of an interval, so that what began together does not go on together.
fn second_half(interval: Duration, random: &mut StdRng) -> Duration {
    let half = interval / 2;
    half + random.random_range(Duration::ZERO..half.max(Duration::from_nanos(1)))
}

/// `client.presence_update_interval`; more than one tick a second would only make noise.
fn tick_interval(client: &Client) -> Duration {
    client.presence_update_interval.max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_ping_comes_in_the_second_half_of_the_interval() {
        let client = Client::default();
        for seed in 0..200 {
            let mut deadlines = Deadlines::fresh(Mono(0), 10 * SECOND);
            deadlines.connected(Mono(0), &client, false, &mut StdRng::seed_from_u64(seed));
            let first = deadlines.next().since(Mono(0));
            assert!(first >= Duration::from_millis(12_500) && first < 25 * SECOND, "{first:?}");
        }
    }

    #[test]
    fn presence_ticks_only_when_there_is_something_to_tell() {
        let client = Client { ping_interval: None, ..Client::default() };
        let (mut deadlines, interval) = (Deadlines::fresh(Mono(0), Duration::ZERO), 27 * SECOND);
        deadlines.connected(Mono(0), &client, false, &mut StdRng::seed_from_u64(1));
        assert_eq!(deadlines.next(), Mono::NEVER);
        deadlines.present_later(Mono(0), &client);
        let first = deadlines.next();
        assert!(first >= Mono(0) + interval / 2 && first < Mono(0) + interval);
        assert!(!deadlines.take_tick(first - SECOND) && deadlines.take_tick(first) && !deadlines.take_tick(first));
        for later in [first, first + SECOND, first + 26 * SECOND] {
            deadlines.present_later(later, &client);
            assert_eq!(deadlines.next(), first + interval, "all ticks lie an interval apart");
        }
        assert!(deadlines.take_tick(first + interval));
        deadlines.present_later(first + 100 * SECOND, &client);
        assert_eq!(deadlines.next(), first + 4 * interval);
    }

    #[test]
    fn a_missing_pong_ends_the_session_and_a_pong_in_time_does_not() {
        let (client, mut deadlines) = (Client::default(), Deadlines::fresh(Mono(0), Duration::ZERO));
        deadlines.connected(Mono(0), &client, false, &mut StdRng::seed_from_u64(1));
        let ping = deadlines.next();
        assert!(matches!(deadlines.expire(ping, &client, false), Flow::Ping));
        assert_eq!(deadlines.next(), ping + 8 * SECOND);
        assert!(deadlines.pong() && !deadlines.pong(), "one pong for one ping");
        assert_eq!(deadlines.next(), ping + 25 * SECOND);
        assert!(matches!(deadlines.expire(ping + 25 * SECOND, &client, false), Flow::Ping));
        let Flow::Disconnect(end) = deadlines.expire(ping + 33 * SECOND, &client, false) else { panic!("an end") };
        assert_eq!(end, Disconnect::NO_PONG);
    }

    #[test]
    fn native_pings_expect_control_frames_and_end_without_a_word() {
        let (client, mut deadlines) = (Client::default(), Deadlines::fresh(Mono(0), Duration::ZERO));
        deadlines.connected(Mono(0), &client, true, &mut StdRng::seed_from_u64(1));
        assert_eq!(deadlines.next(), Mono(0) + 25 * SECOND);
        assert!(matches!(deadlines.expire(Mono(0) + 25 * SECOND, &client, true), Flow::NativePing));
        deadlines.native_pong(Mono(0) + 26 * SECOND, &client);
        assert!(matches!(deadlines.expire(Mono(0) + 33 * SECOND, &client, true), Flow::Nothing));
        assert!(matches!(deadlines.expire(Mono(0) + 59 * SECOND, &client, true), Flow::Drop));
    }
}
