//! Keys that were fetched, by the address of their set and `kid`. Each use prolongs a key's time (auth-and-proxies B.1);
//! a key that its issuer has withdrawn lives until nobody has used it for that long.

use super::jwks::{KeyName, KeySet};
use super::key::Key;
use crate::clock::Mono;
use crate::limits;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a key is kept without being used.
const TTL: Duration = Duration::from_millis(limits::JWKS_TTL_MS);

/// The keys that one core knows.
#[derive(Default)]
pub struct KeyCache {
    sets: BTreeMap<Arc<str>, BTreeMap<Box<str>, Kept>>,
    len: usize,
}

struct Kept {
    key: Arc<Key>,
    until: Mono,
}

impl KeyCache {
    /// The key, if it is known.
    pub fn get(&mut self, name: &KeyName, now: Mono) -> Option<Arc<Key>> {
        let kept = self.sets.get_mut(&name.url)?.get_mut(&name.kid)?;
        if kept.until <= now {
            return None;
        }
        kept.until = now + TTL;
        Some(kept.key.clone())
    }

    /// Takes over a set. When there are too many keys, those that were not used for the longest time go.
    pub fn put(&mut self, url: &Arc<str>, set: &KeySet, now: Mono) {
        let kept = self.sets.entry(url.clone()).or_default();
        for (kid, key) in set.iter().take(limits::JWKS_KEYS_MAX) {
            let fresh = Kept { key: key.clone(), until: now + TTL };
            self.len += usize::from(kept.insert(kid.clone(), fresh).is_none());
        }
        if self.len > limits::JWKS_KEYS_MAX {
            self.shrink();
        }
    }

    /// How many keys are kept.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when no key is kept.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn shrink(&mut self) {
        let mut times: Vec<Mono> = self.sets.values().flat_map(|set| set.values().map(|kept| kept.until)).collect();
        times.sort_unstable();
        // What has the same time as the last one that must go goes too: one set is all of one time.
        let last = times[times.len() - limits::JWKS_KEYS_MAX - 1];
        let newest = times[times.len() - 1];
        self.sets.retain(|_, set| {
            set.retain(|_, kept| kept.until > last || kept.until == newest);
            !set.is_empty()
        });
        self.len = self.sets.values().map(BTreeMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kids: &[&str]) -> KeySet {
        let key = Arc::new(Key::rsa("wQ", "AQAB").expect("a key"));
        kids.iter().map(|kid| ((*kid).into(), key.clone())).collect()
    }

    fn name(url: &str, kid: &str) -> KeyName {
        KeyName { url: url.into(), kid: kid.into() }
    }

    #[test]
    fn a_key_is_known_by_its_set_and_name() {
        let mut cache = KeyCache::default();
        cache.put(&"u".into(), &set(&["a", "b"]), Mono(0));
        assert!(cache.get(&name("u", "a"), Mono(1)).is_some());
        assert!(cache.get(&name("v", "a"), Mono(1)).is_none(), "a tenant's keys are its own");
        assert!(cache.get(&name("u", "c"), Mono(1)).is_none());
    }

    #[test]
    fn each_use_prolongs_a_key_by_an_hour() {
        let mut cache = KeyCache::default();
        cache.put(&"u".into(), &set(&["a", "b"]), Mono(0));
        let almost = Mono(0) + TTL - Duration::from_millis(1);
        assert!(cache.get(&name("u", "a"), almost).is_some());
        assert!(cache.get(&name("u", "a"), Mono(0) + TTL).is_some());
        assert!(cache.get(&name("u", "b"), Mono(0) + TTL).is_none());
    }

    #[test]
    fn at_the_bound_the_longest_unused_keys_go() {
        let mut cache = KeyCache::default();
        for n in 0..=limits::JWKS_KEYS_MAX as u64 {
            cache.put(&format!("u{n}").into(), &set(&["a"]), Mono(n));
        }
        assert_eq!(cache.len(), limits::JWKS_KEYS_MAX);
        assert!(cache.get(&name("u0", "a"), Mono(5)).is_none());
        assert!(cache.get(&name("u1", "a"), Mono(5)).is_some());
    }
}
