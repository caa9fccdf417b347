//! The scenarios whose instructions are counted play at a small size. No count is judged here.

#[path = "../bench/counted.rs"]
mod counted;
#[path = "../bench/lone_core.rs"]
mod lone_core;

use counted::SCENARIOS;
use std::collections::BTreeSet;

#[test]
fn every_scenario_does_what_it_counts() {
    SCENARIOS.iter().for_each(|scenario| scenario.play(1, 1));
}

#[test]
fn each_scenario_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), SCENARIOS.len());
    assert!(SCENARIOS.iter().all(|scenario| scenario.units > 0 && !scenario.unit.is_empty()));
}
