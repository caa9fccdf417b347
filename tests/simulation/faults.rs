//! A fault of the mesh: one message between two cores is swallowed. No core does that; the checkers must notice when one
//! did, or the protocol must bear it.

use crate::model::Tally;
use crate::world::{Eyes, World};
use crate::{check_delivery, for_each, seeds};
use corecast::shard::Message;
use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Once;

/// Runs for each kind of message.
const SEEDS_MAX: u64 = 100;

/// Kinds of messages between cores.
const KINDS: [&str; 14] = [
    "Listen",
    "Listening",
    "Enter",
    "Entered",
    "Arrive",
    "Depart",
    "Publish",
    "Published",
    "Deliver",
    "DeliverJoins",
    "AskOwner",
    "Ask",
    "Answered",
    "Echo or Echoed",
];

pub fn kind(message: &Message) -> &'static str {
    match message {
        Message::Listen { .. } => "Listen",
        Message::Listening { .. } => "Listening",
        Message::Enter { .. } => "Enter",
        Message::Entered { .. } => "Entered",
        Message::Arrive { .. } => "Arrive",
        Message::Depart { .. } => "Depart",
        Message::Publish { .. } => "Publish",
        Message::Published { .. } => "Published",
        Message::Deliver { .. } => "Deliver",
        Message::DeliverJoins { .. } => "DeliverJoins",
        Message::AskOwner { .. } => "AskOwner",
        Message::Ask { .. } => "Ask",
        Message::Answered { .. } => "Answered",
        Message::Echo { .. } | Message::Echoed(_) => "Echo or Echoed",
        // A core's own, the process's, or of options that no namespace here has.
        _ => "another",
    }
}

/// The message that is swallowed: one of a kind, with so many before it.
#[derive(Clone, Copy)]
pub struct Fault {
    pub kind: &'static str,
    pub before: usize,
    /// Only a kept publication, and none for this core.
    pub spares: Option<usize>,
}

impl World {
    /// True when the message is the one that is swallowed.
    pub fn swallows(&mut self, from: usize, to: usize, message: &Message) -> bool {
        let Some(fault) = self.fault.as_mut().filter(|fault| from != to && fault.kind == kind(message)) else {
            return false;
        };
        let publication = match message {
            Message::Deliver { channel, frames } if frames.kept.is_some() => Some(channel),
            _ => None,
        };
        if fault.spares.is_some_and(|core| core == to || publication.is_none()) {
            return false;
        }
        if fault.before > 0 {
            fault.before -= 1;
            return false;
        }
        if fault.spares.is_some() {
            self.model.loss = publication.map(|channel| (channel.to_string(), to));
        }
        self.fault = None;
        true
    }
}

/// Panics of this thread say nothing.
pub fn in_silence<T>(act: impl FnOnce() -> T + std::panic::UnwindSafe) -> std::thread::Result<T> {
    thread_local!(static IS_SILENT: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_SILENT.get() {
                usual(panic);
            }
        }));
    });
    IS_SILENT.set(true);
    let result = std::panic::catch_unwind(act);
    IS_SILENT.set(false);
    result
}

/// What becomes of a run in which one message is swallowed: "borne", or what a checker says; `None`: there was none.
fn run_with(seed: u64, fault: Fault) -> Option<String> {
    let result = in_silence(|| {
        let mut world = crate::begin(seed, if seed.is_multiple_of(2) { 2 } else { 5 }, Eyes::Inside);
        world.fault = Some(fault);
        crate::live(&mut world);
        crate::judge(&mut world);
        world.fault.is_none()
    });
    match result {
        Ok(was_swallowed) => was_swallowed.then(|| "borne".to_string()),
        Err(panic) => Some(words(panic)),
    }
}

/// What a checker says: what it is about, without who and where.
pub fn words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or_default();
    let text = text.strip_prefix("assertion `left == right` failed: ").unwrap_or(text);
    let words = text.split(['[', '{', '\n']).next().unwrap_or_default().split_whitespace();
    let words: Vec<&str> = words.filter(|word| !word.contains(|c: char| c.is_ascii_digit())).collect();
    let words = words.join(" ");
    words.strip_suffix(" Stretch").unwrap_or(&words).trim_end_matches(':').to_string()
}

/// A world in which one publication is lost on its way to a core, which is not the witness's.
pub fn lose_one(seed: u64, cores: usize, eyes: Eyes) -> World {
    let mut world = crate::begin(seed, cores, eyes);
    let spares = Some(world.clients[World::WITNESS].core);
    world.fault = Some(Fault { kind: "Deliver", before: scatter(seed) % 40, spares });
    crate::live(&mut world);
    // What is published from here on reaches everybody.
    world.fault = None;
    world.wait_for_checks();
    check_delivery::check_loss(&world);
    world.resubscribe();
    crate::judge(&mut world);
    world.model.tally.count("losses", usize::from(world.model.loss.is_some()));
    world
}

fn scatter(seed: u64) -> usize {
    (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize
}

/// The first seeds of the run.
pub fn some_seeds() -> Range<u64> {
    let seeds = seeds();
    seeds.start..seeds.end.min(seeds.start + SEEDS_MAX)
}

/// Positioned subscribers of the core are told, at once or when the core asks, and go on from where they were; nobody
/// else notices. The other promises hold as always.
#[test]
fn a_lost_publication_is_told_to_those_who_have_a_position() {
    let seeds = some_seeds();
    let tally = for_each(seeds.clone(), |seed| {
        lose_one(seed, if seed.is_multiple_of(2) { 2 } else { 5 }, Eyes::Inside).model.tally
    });
    println!("a publication is lost:\n{tally}");
    let told = tally.0.get("subscriptions told of a loss").copied().unwrap_or(0);
    assert!(told > 0 || seeds.end - seeds.start < 10, "nobody is told");
}

#[test]
fn a_swallowed_message_is_noticed() {
    let seeds = some_seeds();
    for kind in KINDS {
        let tally = for_each(seeds.clone(), |seed| {
            // Any of the first ones, most often an early one.
            let choice = scatter(seed);
            let mut tally = Tally::default();
            let outcome = run_with(seed, Fault { kind, before: (choice % 4) * (choice / 4 % 12), spares: None });
            outcome.into_iter().for_each(|outcome| tally.count(&outcome, 1));
            tally
        });
        println!("{kind} is swallowed:\n{tally}");
        let is_noticed = tally.0.keys().any(|outcome| outcome != "borne");
        assert!(is_noticed || seeds.end - seeds.start < 10, "nobody notices when {kind} is swallowed");
    }
}
