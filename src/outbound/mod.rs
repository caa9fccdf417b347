//! Everything that waits on the outside world: one side thread with a tokio runtime. A core hands over a question and
//! goes on; the answer comes back through its mesh inbox like any other message (decision 9 of the design).
//!
//! Invariants: handing over never blocks a core; every question that was taken gets exactly one answer; at most
//! [`limits::OUTSIDE_ASKS_MAX`] questions are without one, a further one is not taken (`Busy`).
//!
//! Not here: what a key set is (`auth`), who waits for what (`shard::outside`).

pub mod fetch;
pub mod sources;

pub use fetch::Options;

use crate::id::{Core, Ticket};
use crate::limits;
use crate::runtime::clocks::Clock;
use crate::runtime::mesh;
use crate::runtime::spread::Mail;
use crate::runtime::turn::Outlet;
use crate::session::outside::{Answer, Ask};
use crate::shard::Message;
use fetch::Fetcher;
use sources::{Asker, Set, Sources, Step};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

/// What happens to the side thread.
enum Event {
    Asked(Asker, Ask),
    Fetched(Arc<str>, Option<Set>),
}

/// The way back to the cores.
#[derive(Clone)]
struct Answers {
    cores: mesh::Outside<Mail>,
    open: Arc<AtomicUsize>,
}

impl Answers {
    /// Waits while the core's queue is full; a core drains its inbox whatever else it does, so that ends.
    fn send(&self, asker: Asker, answer: Answer) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.cores.send(asker.core.index(), Message::Outside { ticket: asker.ticket, answer });
    }
}

/// The side thread's own state.
struct Side {
    answers: Answers,
    sources: Sources,
    fetcher: Fetcher,
    clock: Clock,
    /// For its own tasks; room is there for all of them, one per address.
    events: Sender<Event>,
}

/// Starts the side thread and returns the way to it.
///
/// # Errors
/// No thread, or no descriptors for its runtime.
pub fn start(cores: mesh::Outside<Mail>, clock: Clock, options: Options) -> Result<Outlet, String> {
    let failed = |e: std::io::Error| format!("the thread for outgoing requests cannot be started: {e}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::OUTSIDE_THREADS_MAX)
        .thread_name("outbound-work")
        .build()
        .map_err(failed)?;
    let (events, inbox) = channel(limits::OUTSIDE_ASKS_MAX + limits::JWKS_URLS_MAX);
    let open = Arc::new(AtomicUsize::new(0));
    let answers = Answers { cores, open: open.clone() };
    let fetcher = Fetcher::new(options);
    let side = Side { answers, sources: Sources::default(), fetcher, clock, events: events.clone() };
    let run = move || runtime.block_on(side.run(inbox));
    std::thread::Builder::new().name("outbound".into()).spawn(run).map_err(failed)?;
    Ok(Arc::new(move |core, ticket, ask| take(&events, &open, core, ticket, ask)))
}

/// Hands a question over, from a core's thread.
fn take(events: &Sender<Event>, open: &AtomicUsize, core: Core, ticket: Ticket, ask: Ask) -> bool {
    if open.fetch_add(1, Ordering::Relaxed) >= limits::OUTSIDE_ASKS_MAX {
        open.fetch_sub(1, Ordering::Relaxed);
        return false;
    }
    match events.try_send(Event::Asked(Asker { core, ticket }, ask)) {
        Ok(()) => true,
        Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
            open.fetch_sub(1, Ordering::Relaxed);
            false
        }
    }
}

impl Side {
    async fn run(mut self, mut inbox: Receiver<Event>) {
        while let Some(event) = inbox.recv().await {
            match event {
                Event::Asked(asker, Ask::Keys(name)) => {
                    let step = self.sources.ask(asker, name, self.clock.mono());
                    self.follow(step);
                }
                Event::Asked(asker, Ask::Verify(proof)) => {
                    let answers = self.answers.clone();
                    // The handle is not needed: the answer goes out from there.
                    drop(tokio::task::spawn_blocking(move || answers.send(asker, Answer::Verified(proof.holds()))));
                }
                Event::Fetched(url, set) => {
                    for (asker, answer) in self.sources.fetched(&url, set, self.clock.mono()) {
                        self.answers.send(asker, answer);
                    }
                }
            }
        }
    }

    fn follow(&self, step: Step) {
        match step {
            Step::Wait => {}
            Step::Answer(asker, answer) => self.answers.send(asker, answer),
            Step::Fetch(url, pause) => self.fetch(url, pause),
        }
    }

    fn fetch(&self, url: Arc<str>, pause: Duration) {
        let (fetcher, events) = (self.fetcher.clone(), self.events.clone());
        drop(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let set = fetcher.fetch(&url).await;
            // The receiver ends with the process.
            _ = events.send(Event::Fetched(url, set)).await;
        }));
    }
}

/// One fetch on the caller's thread, for commands that check a token.
///
/// # Errors
/// Why there is no set.
pub fn fetch_once(url: &str, options: Options) -> Result<Set, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(Fetcher::new(options).try_fetch(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::KeyName;

    fn ask() -> Ask {
        Ask::Keys(KeyName { url: "u".into(), kid: "k".into() })
    }

    #[test]
    fn a_question_too_many_is_not_taken_and_blocks_nobody() {
        let (events, _inbox) = channel(limits::OUTSIDE_ASKS_MAX + 1);
        let open = AtomicUsize::new(0);
        let taken = |n: usize| take(&events, &open, Core(0), Ticket(n as u64), ask());
        assert!((0..limits::OUTSIDE_ASKS_MAX).all(taken));
        assert!(!taken(0) && !taken(0));
        open.fetch_sub(1, Ordering::Relaxed);
        assert!(taken(0), "an answer makes room");
    }

    #[test]
    fn a_question_after_the_end_of_the_side_thread_is_not_taken() {
        let (events, inbox) = channel(4);
        drop(inbox);
        let open = AtomicUsize::new(0);
        assert!(!take(&events, &open, Core(0), Ticket(1), ask()));
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}
