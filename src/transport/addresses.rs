//! How much one address may take: `corecast.limits.connections_per_address` and
//! `corecast.limits.connection_rate_per_address`. Behind a proxy all clients have one address, so both are off by default.
//!
//! One table for all cores, touched when a connection comes and when it goes, and only where a limit is set.

use crate::clock::{Bucket, Mono};
use hashbrown::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Addresses without connections are forgotten when there are so many more than at the last time.
const FORGET_EVERY: usize = 1024;

/// What the node knows of addresses.
#[derive(Debug)]
pub struct Addresses {
    connections_max: usize,
    per_second_max: u32,
    table: Mutex<Table>,
}

#[derive(Default, Debug)]
struct Table {
    entries: HashMap<IpAddr, Entry>,
    /// Look for forgotten ones when there are more.
    sweep_at: usize,
}

#[derive(Default, Debug)]
struct Entry {
    connections: usize,
    bucket: Bucket,
}

impl Addresses {
    /// 0 means no limit.
    pub fn new(connections_max: usize, per_second_max: usize) -> Addresses {
        let per_second_max = u32::try_from(per_second_max).unwrap_or(u32::MAX);
        Addresses { connections_max, per_second_max, table: Mutex::default() }
    }

    /// True when there is anything to count.
    pub fn is_limited(&self) -> bool {
        self.connections_max > 0 || self.per_second_max > 0
    }

    /// Lets a connection of the address in, or not. Every entry is followed by one [`Addresses::leave`].
    pub fn enter(&self, address: IpAddr, now: Mono) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.sweep(now, self.per_second_max);
        let entry = table.entries.entry(network(address)).or_default();
        if self.connections_max > 0 && entry.connections >= self.connections_max {
            return false;
        }
        if self.per_second_max > 0 && !entry.bucket.take(now, self.per_second_max, self.per_second_max) {
            return false;
        }
        entry.connections += 1;
        true
    }

    /// A connection of the address is gone.
    pub fn leave(&self, address: IpAddr) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = table.entries.get_mut(&network(address)) {
            entry.connections = entry.connections.saturating_sub(1);
        }
    }
}

impl Table {
    /// Forgets addresses without connections whose bucket is full again.
    fn sweep(&mut self, now: Mono, per_second: u32) {
        if self.entries.len() < self.sweep_at.max(FORGET_EVERY) {
            return;
        }
        self.entries.retain(|_, entry| entry.connections > 0 || !entry.bucket.is_full(now, per_second));
        self.sweep_at = self.entries.len() + FORGET_EVERY;
    }
}

/// What counts as one address: of IPv6 the network of a site.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let (addresses, one) = (Addresses::new(2, 0), address("192.0.2.1"));
        assert_eq!([(); 3].map(|()| addresses.enter(one, Mono(0))), [true, true, false]);
        assert!(addresses.enter(address("192.0.2.2"), Mono(0)), "another address");
        assert!(!addresses.enter(address("::ffff:192.0.2.1"), Mono(0)), "the same in the form of IPv6");
        addresses.leave(one);
        assert!(addresses.enter(one, Mono(0)));
        let of_a_site = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"].map(address);
        assert_eq!(of_a_site.map(|one| addresses.enter(one, Mono(0))), [true, true, false, true]);
    }

    #[test]
    fn its_rate_refills_evenly() {
        let (addresses, one) = (Addresses::new(0, 10), address("192.0.2.1"));
        let mut now = Mono(0) + Duration::from_secs(1);
        assert_eq!((0..50).filter(|_| addresses.enter(one, now)).count(), 10);
        for _ in 0..20 {
            now = now + Duration::from_millis(100);
            assert_eq!((0..5).filter(|_| addresses.enter(one, now)).count(), 1);
        }
    }

    #[test]
    fn addresses_that_are_gone_are_forgotten() {
        let addresses = Addresses::new(1, 5);
        for n in 0..10_000u32 {
            let one = IpAddr::from(n.to_be_bytes());
            assert!(addresses.enter(one, Mono(u64::from(n) * 1_000_000_000)));
            addresses.leave(one);
        }
        let table = addresses.table.lock().expect("nobody has it");
        assert!(table.entries.len() <= 2 * FORGET_EVERY, "{}", table.entries.len());
    }
}
