//! Which key sets are known and which are being fetched: one fetch per address at a time, with a pause between two.
//!
//! ```text
//!            a key that is not known          the answer is there
//!   Idle ────────────────────────▶ Fetching ─────────────────────▶ Idle
//!                                     │ further questions join
//! ```
//!
//! A question that comes within the pause after a fetch waits for the next one instead of getting the old answer: the
//! key of a token that was signed a moment ago may be newer than that answer. So a flood of made-up key ids costs two
//! fetches a second at most, and a rotation is seen at once.

use crate::auth::{KeyName, KeySet};
use crate::clock::Mono;
use crate::id::{Core, Ticket};
use crate::limits;
use crate::session::outside::Answer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const TTL: Duration = Duration::from_millis(limits::JWKS_TTL_MS);
const PAUSE: Duration = Duration::from_millis(limits::JWKS_FETCH_INTERVAL_MS);

/// The usable keys of one answer, shared with the cores.
pub type Set = Arc<KeySet>;

/// Who gets the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asker {
    /// The core.
    pub core: Core,
    /// Its question.
    pub ticket: Ticket,
}

/// What a question leads to.
#[derive(Debug)]
pub enum Step {
    /// Nothing: a fetch is under way.
    Wait,
    /// This answer, at once.
    Answer(Asker, Answer),
    /// A fetch after this pause; then [`Sources::fetched`].
    Fetch(Arc<str>, Duration),
}

/// All addresses that were asked for.
#[derive(Default)]
pub struct Sources {
    by_url: BTreeMap<Arc<str>, Source>,
}

#[derive(Default)]
struct Source {
    set: Option<Set>,
    /// When the last fetch ended.
    fetched: Mono,
    /// Who waits for the fetch that is under way; none is while nobody waits.
    waiting: Vec<Asker>,
}

impl Sources {
    /// Takes a question for a key.
    pub fn ask(&mut self, asker: Asker, name: KeyName, now: Mono) -> Step {
        if !self.by_url.contains_key(&name.url) && !self.make_room() {
            return Step::Answer(asker, Answer::Busy);
        }
        let is_new = !self.by_url.contains_key(&name.url);
        let source = self.by_url.entry(name.url.clone()).or_default();
        if let Some(set) = source.known(&name.kid, now) {
            return Step::Answer(asker, Answer::Keys(name.url, set));
        }
        source.waiting.push(asker);
        if source.waiting.len() > 1 {
            return Step::Wait;
        }
        let next = if is_new { now } else { source.fetched + PAUSE };
        Step::Fetch(name.url, next.since(now))
    }

    /// A fetch has ended: everybody who waited gets the answer. A set that could not be had leaves the former one.
    pub fn fetched(&mut self, url: &Arc<str>, set: Option<Set>, now: Mono) -> Vec<(Asker, Answer)> {
        let Some(source) = self.by_url.get_mut(url) else { return Vec::new() };
        let answer = match &set {
            Some(set) => Answer::Keys(url.clone(), set.clone()),
            None => Answer::NoKeys,
        };
        source.fetched = now;
        source.set = set.or_else(|| source.set.take());
        std::mem::take(&mut source.waiting).into_iter().map(|asker| (asker, answer.clone())).collect()
    }

    /// At the bound the address that was fetched the longest time ago is forgotten; false when all are in use.
    fn make_room(&mut self) -> bool {
        if self.by_url.len() < limits::JWKS_URLS_MAX {
            return true;
        }
        let idle = self.by_url.iter().filter(|(_, source)| source.waiting.is_empty());
        let Some(oldest) = idle.min_by_key(|(_, source)| source.fetched).map(|(url, _)| url.clone()) else {
            return false;
        };
        self.by_url.remove(&oldest);
        true
    }
}

impl Source {
    /// The set, if it has the key and is not too old: another core fetched it.
    fn known(&self, kid: &str, now: Mono) -> Option<Set> {
        let has_key = |set: &&Set| set.iter().any(|(own, _)| **own == *kid);
        self.set.as_ref().filter(has_key).filter(|_| now < self.fetched + TTL).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::jwks;

    fn asker(ticket: u64) -> Asker {
        Asker { core: Core(0), ticket: Ticket(ticket) }
    }

    fn name(url: &str, kid: &str) -> KeyName {
        KeyName { url: url.into(), kid: kid.into() }
    }

    fn set(kid: &str) -> Option<Set> {
        let text = format!(r#"{{"keys":[{{"kty":"RSA","kid":"{kid}","use":"sig","n":"wQ","e":"AQAB"}}]}}"#);
        jwks::decode(text.as_bytes()).map(Arc::new)
    }

    fn at(ms: u64) -> Mono {
        Mono(0) + Duration::from_millis(ms)
    }

    #[test]
    fn questions_for_one_address_share_a_fetch() {
        let mut sources = Sources::default();
        assert!(matches!(sources.ask(asker(1), name("u", "a"), at(0)), Step::Fetch(_, Duration::ZERO)));
        for n in 2..=100 {
            assert!(matches!(sources.ask(asker(n), name("u", "a"), at(n)), Step::Wait));
        }
        assert!(matches!(sources.ask(asker(101), name("v", "a"), at(0)), Step::Fetch(..)), "another tenant");
        let answers = sources.fetched(&"u".into(), set("a"), at(200));
        assert_eq!(answers.len(), 100);
        assert!(answers.iter().all(|(_, answer)| matches!(answer, Answer::Keys(..))));
    }

    #[test]
    fn a_key_that_another_core_fetched_costs_no_fetch() {
        let mut sources = Sources::default();
        sources.ask(asker(1), name("u", "a"), at(0));
        sources.fetched(&"u".into(), set("a"), at(10));
        assert!(matches!(sources.ask(asker(2), name("u", "a"), at(20)), Step::Answer(_, Answer::Keys(..))));
        let later = at(10 + limits::JWKS_TTL_MS);
        assert!(
            matches!(sources.ask(asker(3), name("u", "a"), later), Step::Fetch(..)),
            "after an hour it is asked again"
        );
    }

    #[test]
    fn unknown_keys_are_fetched_with_a_pause_between() {
        let mut sources = Sources::default();
        sources.ask(asker(1), name("u", "a"), at(0));
        sources.fetched(&"u".into(), set("a"), at(10));
        let step = sources.ask(asker(2), name("u", "b"), at(110));
        let Step::Fetch(_, pause) = step else { panic!("{step:?}") };
        assert_eq!(pause, PAUSE - Duration::from_millis(100));
        assert!(matches!(sources.ask(asker(3), name("u", "c"), at(120)), Step::Wait));
        assert_eq!(sources.fetched(&"u".into(), set("b"), at(600)).len(), 2);
        let late = sources.ask(asker(4), name("u", "d"), at(5000));
        assert!(matches!(late, Step::Fetch(_, Duration::ZERO)));
    }

    #[test]
    fn a_failed_fetch_is_an_answer_and_leaves_the_former_set() {
        let mut sources = Sources::default();
        sources.ask(asker(1), name("u", "a"), at(0));
        sources.fetched(&"u".into(), set("a"), at(10));
        sources.ask(asker(2), name("u", "b"), at(1000));
        let answers = sources.fetched(&"u".into(), None, at(1010));
        assert!(matches!(answers[..], [(_, Answer::NoKeys)]));
        assert!(matches!(sources.ask(asker(3), name("u", "a"), at(1020)), Step::Answer(..)));
    }

    #[test]
    fn at_the_bound_an_idle_address_is_forgotten_and_busy_ones_are_not() {
        let mut sources = Sources::default();
        for n in 0..limits::JWKS_URLS_MAX as u64 {
            assert!(matches!(sources.ask(asker(n), name(&format!("u{n}"), "a"), at(n)), Step::Fetch(..)));
        }
        assert!(matches!(sources.ask(asker(99), name("x", "a"), at(99)), Step::Answer(_, Answer::Busy)));
        sources.fetched(&"u7".into(), set("a"), at(100));
        assert!(matches!(sources.ask(asker(99), name("x", "a"), at(101)), Step::Fetch(..)));
        assert_eq!(sources.by_url.len(), limits::JWKS_URLS_MAX);
        assert!(!sources.by_url.contains_key("u7"));
    }
}
