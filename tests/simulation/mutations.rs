//! Every deliberate fault of the server (`corecast::mutation`) is noticed by some checker, within so many seeds.
//!
//! The first seeds are judged by what clients, callers and metrics are told alone; a fault that hides from those is looked
//! for in the cores' own tables. `UPDATE=1` writes what was found to `docs/mutations.md`; the seeds in it move with every
//! change of the simulation, so only its list is compared.

use crate::faults::{in_silence, words};
use crate::world::Eyes;
use crate::{CORES, faults, lives};
use corecast::mutation::{self, Mutation};
use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A fault that lives so long is not noticed.
const SEEDS_MAX: u64 = 1000;
/// So many seeds are judged from outside.
const SEEDS_OUTSIDE: u64 = 40;

/// What shows the fault.
fn live(mutation: Mutation, seed: u64, cores: usize, eyes: Eyes) {
    match mutation {
        Mutation::GapIsNotTold | Mutation::NoPositionIsChecked => drop(faults::lose_one(seed, cores, eyes)),
        Mutation::EpochIsReused => drop(lives::two_lives(seed, cores, eyes)),
        Mutation::EpochIsNoise => {
            let [first, second] = [0; 2].map(|_| crate::run(seed, cores, eyes).digest);
            assert_eq!(first, second, "a seed does not replay");
        }
        _ => drop(crate::run(seed, cores, eyes)),
    }
}

/// How a fault was found.
struct Found {
    seed: u64,
    cores: usize,
    eyes: Eyes,
    says: String,
}

fn find(mutation: Mutation) -> Option<Found> {
    let seeds = (0..SEEDS_OUTSIDE).map(|seed| (seed, Eyes::Outside));
    for (seed, eyes) in seeds.chain((0..SEEDS_MAX).map(|seed| (seed, Eyes::Inside))) {
        for cores in CORES {
            mutation::set(Some(mutation));
            let result = in_silence(|| live(mutation, seed, cores, eyes));
            mutation::set(None);
            if let Err(panic) = result {
                return Some(Found { seed, cores, eyes, says: words(panic) });
            }
        }
    }
    None
}

fn row(mutation: Mutation, found: &Option<Found>) -> String {
    let (invariant, what) = (mutation.invariant(), mutation.what());
    match found {
        Some(Found { seed, cores, eyes, says }) => {
            let eyes = if *eyes == Eyes::Outside { "outside" } else { "inside" };
            format!("| `{mutation:?}` | {invariant} | {what} | {seed} ({cores}) | {eyes} | {says} |")
        }
        None => format!("| `{mutation:?}` | {invariant} | {what} | | | not noticed |"),
    }
}

#[test]
fn every_fault_is_noticed() {
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let thread = || {
        while let Some(mutation) = Mutation::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = find(*mutation);
            let row = (*mutation as usize, row(*mutation, &found), found.is_some());
            println!("{}", row.1);
            rows.lock().expect("no panic").push(row);
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        (0..threads).for_each(|_| _ = scope.spawn(thread));
    });
    let mut rows = rows.into_inner().expect("no panic");
    rows.sort_unstable();
    let unseen: Vec<&str> = rows.iter().filter(|(.., is_found)| !is_found).map(|(_, row, _)| &row[..]).collect();
    assert!(unseen.is_empty(), "not noticed within {SEEDS_MAX} seeds:\n{}", unseen.join("\n"));
    let mut page = HEAD.to_string();
    rows.iter().for_each(|(_, row, _)| writeln!(page, "{row}").expect("a string"));
    compare(&page);
}

const HEAD: &str = "# Faults that the simulation notices

Each line is a fault that somebody could have made, and the first seed with which a checker notices it, on one, two or five
cores. *Outside*: by what clients, callers and metrics are told alone; *inside*: by the cores' own tables too
(`Shard::check_invariants`, `check_at_rest`, `check_empty`). The invariants are listed in
[`tests/simulation/main.rs`](../tests/simulation/main.rs), the faults are made in [`src/mutation.rs`](../src/mutation.rs).
`make mutations UPDATE=1` makes this page.

| fault | invariant | what is done wrong | seed (cores) | seen from | what the checker says |
|---|---|---|---|---|---|
";

/// The page lists what there is.
fn compare(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/mutations.md");
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(&path, page).expect("docs are writable");
    }
    let list = |page: &str| -> Vec<String> {
        page.lines().map(|line| line.split('|').take(4).collect::<Vec<_>>().join("|")).collect()
    };
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(list(&known), list(page), "docs/mutations.md lists other faults: make mutations UPDATE=1");
}
