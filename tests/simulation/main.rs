//! Whole cores in one thread: seeded order, virtual time, slow readers, full queues between cores, torn connections.
//!
//! A run is a seed. It makes a world of shards, clients and publishers, lets things happen in an order that the seed
//! decides, then lets everything come to rest and checks what each client received against the order in which the
//! channel's owner handed publications out (`check`). A failing seed is printed; `CORECAST_SIM_SEED=N` replays it alone.

mod check;
mod client;
mod world;

use world::World;

/// Steps of one run: enough for hundreds of publications with everything else in between.
const STEPS: usize = 600;

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match number("CORECAST_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CORECAST_SIM_SEEDS").unwrap_or(1_000),
    }
}

fn run(seed: u64, cores: usize) {
    let mut world = World::new(seed, cores);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    check::check(&world);
}

fn run_all(cores: usize) {
    for seed in seeds() {
        let result = std::panic::catch_unwind(|| run(seed, cores));
        if let Err(panic) = result {
            eprintln!("failing seed: CORECAST_SIM_SEED={seed} ({cores} cores)");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn one_core_loses_doubles_and_disorders_nothing() {
    run_all(1);
}

#[test]
fn two_cores_lose_double_and_disorder_nothing() {
    run_all(2);
}

#[test]
fn five_cores_lose_double_and_disorder_nothing() {
    run_all(5);
}

#[test]
fn a_seed_replays_exactly() {
    let trace = |seed| {
        let mut world = World::new(seed, 3);
        (0..200).for_each(|_| world.step());
        world.come_to_rest();
        world.trace()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
