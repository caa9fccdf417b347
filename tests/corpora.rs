//! Every fuzz target runs over its corpus with the tests: each input as it is, and some hundred mutations of it that are
//! the same in every run. What fuzzing has once found is among them (`fuzz/regressions/`).

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cell::Cell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

/// Mutations of one input, as long as there is time.
const MUTATIONS: u64 = 300;
/// For the mutations of one target.
const TIME: Duration = Duration::from_millis(1200);

thread_local! {
    /// Panics of this thread, also those that the server contains.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            former(info);
        }));
    });
}

/// True when the target takes the input without a panic.
fn holds(target: fn(&[u8]), input: &[u8]) -> bool {
    let before = PANICS.get();
    let result = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    result.is_ok() && PANICS.get() == before
}

fn inputs(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let folders = ["corpora", "regressions"].map(|folder| root.join(folder).join(name));
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("an input"))).collect()
}

/// Some bytes are changed, doubled, left out or taken from another input.
fn mutated(input: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..=out.len());
        let end = (at + random.random_range(0..8)).min(out.len());
        match random.random_range(0..6) {
            0 if at < out.len() => out[at] ^= 1 << random.random_range(0..8),
            1 if at < out.len() => out[at] = random.random(),
            2 => drop(out.drain(at..end)),
            3 => drop(out.splice(at..at, out[at..end].to_vec())),
            4 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let piece = &other[from..(from + random.random_range(1..32)).min(other.len())];
                drop(out.splice(at..end, piece.iter().copied()));
            }
            _ => out.insert(at, *b"\0\xff\n\"{}1 ".get(random.random_range(0..8)).expect("one of them")),
        }
    }
    out
}

fn run(name: &str, target: fn(&[u8])) {
    count_panics();
    let (inputs, began) = (inputs(name), Instant::now());
    let mut bad: Vec<String> = Vec::new();
    for (path, input) in &inputs {
        if !holds(target, input) {
            bad.push(path.display().to_string());
        }
    }
    'rounds: for round in 0..MUTATIONS {
        for (at, (path, input)) in inputs.iter().enumerate() {
            if began.elapsed() > TIME || bad.len() > 3 {
                break 'rounds;
            }
            let seed = round << 32 | at as u64;
            let mut random = StdRng::seed_from_u64(seed);
            let other = &inputs[random.random_range(0..inputs.len())].1;
            let mutation = mutated(input, other, &mut random);
            if !holds(target, &mutation) {
                let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}"));
                fs::write(&kept, &mutation).expect("room for an input");
                bad.push(format!("{}, a mutation of {}", kept.display(), path.display()));
            }
        }
    }
    assert!(bad.is_empty(), "{name} fails:\n{}", bad.join("\n"));
}

#[test]
fn the_corpora_are_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let folders = ["corpora", "regressions"].map(|folder| root.join(folder));
    let targets = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let inputs = targets.flat_map(|target| fs::read_dir(target.expect("an entry").path()).expect("a folder"));
    let bytes: u64 = inputs.map(|input| input.expect("an entry").metadata().expect("of a file").len()).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}

macro_rules! corpora {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name), targets::$name::run);
            }
        )*

        #[test]
        fn every_target_is_built_and_has_a_corpus() {
            let manifest = include_str!("../fuzz/Cargo.toml");
            let names = [$(stringify!($name)),*];
            let built: Vec<&str> = manifest.split("[[bin]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
            assert_eq!(built.len(), names.len());
            assert!(built.iter().all(|name| names.contains(name)), "{built:?}");
        }
    };
}

corpora! {
    api_bodies channel_names configs deflate deltas filters globs grpc_messages handshakes http1 http2 json_commands
    key_sets protobuf_commands sessions tokens websocket
}
