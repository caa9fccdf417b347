//! Two lives of a server: the process ends without a word, another begins, and clients come back with what they know of the
//! first. History in memory dies with its process, so nothing of it may be taken for recovered.

use crate::check_delivery;
use crate::client::Client;
use crate::faults::some_seeds;
use crate::realm::{self, EXPIRING, USERS};
use crate::world::{Eyes, World};
use std::collections::BTreeSet;

/// Clients that come back from the first life.
const HEIRS_MAX: usize = 12;

/// Between the seeds of two lives.
const ANOTHER: u64 = 1_000_003;

impl World {
    /// Clients of a former life come and subscribe at their positions in it; returns the epochs of those.
    fn inherit(&mut self, old: &mut World) -> BTreeSet<String> {
        let mut epochs = BTreeSet::new();
        let is_ordinary = |client: &&mut Client| {
            let user = &client.user[..];
            !client.is_succeeded && (USERS.contains(&user) || EXPIRING.contains(&user))
        };
        for former in old.clients.iter_mut().filter(is_ordinary).take(HEIRS_MAX) {
            let mut heir = Client::new(0, 0, &former.user, false);
            heir.succeed(former);
            heir.known.retain(|channel, _| self.channels.contains(&&channel[..]));
            if heir.known.is_empty() {
                continue;
            }
            let protobuf = self.any(2) == 0;
            let at = self.open_client_after(None, &heir.user, protobuf, 1 << 20, 0);
            epochs.extend(heir.known.values().map(|(_, epoch)| epoch.clone()));
            let channels: Vec<String> = heir.known.keys().cloned().collect();
            self.clients[at].known = heir.known;
            for channel in channels {
                let wish = self.wish(&channel);
                let bytes = self.clients[at].subscribe(&channel, wish, 0, self.model.now);
                self.send(self.clients[at].link, bytes);
            }
        }
        epochs
    }

    /// Whoever came with a position of the former life was told that it is worth nothing.
    fn check_lives(&mut self, epochs: &BTreeSet<String>) {
        for order in check_delivery::orders(self) {
            let is_another = order.epoch.is_none_or(|epoch| !epochs.contains(epoch));
            assert!(is_another, "{}: both lives have one epoch", order.channel);
        }
        let stretches = self.clients.iter().flat_map(|client| &client.stretches);
        let is_old = |since: &Option<(u64, String)>| since.as_ref().is_some_and(|(_, epoch)| epochs.contains(epoch));
        let mut count = 0;
        for stretch in stretches.filter(|stretch| is_old(&stretch.since)) {
            // The newest publication is what a cache has to tell, whatever the client knew.
            let is_wrong = stretch.is_recovered && !realm::is_cache(&stretch.channel);
            assert!(!is_wrong, "the other life was recovered: {stretch:?}");
            count += 1;
        }
        self.model.tally.count("positions of a former life", count);
    }
}

/// The second of two.
pub fn two_lives(seed: u64, cores: usize, eyes: Eyes) -> World {
    let mut old = crate::begin(seed, cores, eyes);
    crate::live(&mut old);
    let mut new = crate::begin(seed + ANOTHER, cores, eyes);
    let epochs = new.inherit(&mut old);
    crate::live(&mut new);
    new.check_lives(&epochs);
    crate::judge(&mut new);
    new
}

#[test]
fn a_new_process_recovers_nothing_of_the_one_before() {
    let seeds = some_seeds();
    let tally = crate::for_each(seeds.clone(), |seed| {
        let cores = crate::CORES[seed as usize % crate::CORES.len()];
        two_lives(seed, cores, Eyes::Inside).model.tally
    });
    println!("a process follows another:\n{tally}");
    let told = tally.0.get("positions of a former life").copied().unwrap_or(0);
    assert!(told > 0 || seeds.end - seeds.start < 10, "nobody came back");
}
