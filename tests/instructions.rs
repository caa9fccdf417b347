//! The counter of instructions without valgrind: its scenarios play, its record is complete and shown, its verdicts. The counts
//! themselves: `make bench-instructions`.

#[path = "../bench/counted.rs"]
#[allow(dead_code)]
mod counted;
#[path = "../bench/lone_core.rs"]
mod lone_core;
#[path = "../bench/record.rs"]
#[allow(dead_code)]
mod record;

use counted::SCENARIOS;
use record::{Record, Verdict, judge, with_table};
use std::collections::{BTreeMap, BTreeSet};

fn committed() -> Record {
    Record::parse(include_str!("../bench/instructions.json")).expect("a record")
}

#[test]
fn every_scenario_does_what_it_counts() {
    SCENARIOS.iter().for_each(|scenario| scenario.play(1, 1));
}

#[test]
fn exactly_the_scenarios_are_recorded() {
    let names: BTreeSet<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), SCENARIOS.len(), "each has a name of its own");
    let record = committed();
    let recorded: BTreeSet<&str> = record.instructions.keys().map(String::as_str).collect();
    assert_eq!(recorded, names, "`make bench-instructions UPDATE=1` records them");
}

#[test]
fn the_page_shows_the_record() {
    let page = include_str!("../bench/README.md");
    let units: Vec<(&str, &str)> = SCENARIOS.iter().map(|scenario| (scenario.name, scenario.unit)).collect();
    let fresh = with_table(page, &committed().table(&units)).expect("a place for the table");
    assert!(fresh == page, "`make bench-instructions UPDATE=1` shows it");
}

#[test]
fn three_percent_are_allowed_in_both_directions() {
    let verdict = |counted| judge(1000.0, counted).0;
    assert_eq!([970.5, 1000.0, 1029.5].map(verdict), [Verdict::Same; 3]);
    assert_eq!((verdict(1030.5), verdict(969.5)), (Verdict::Worse, Verdict::Better));
}

#[test]
fn counts_of_other_tools_are_not_compared() {
    let made_with = |rustc: &str| BTreeMap::from([("rustc".to_owned(), rustc.to_owned())]);
    let record = Record { made_with: made_with("1.95.0"), ..Record::default() };
    assert!(record.differences(&made_with("1.95.0")).is_empty());
    assert_eq!(record.differences(&made_with("1.96.0")), [r#"rustc "1.95.0", here "1.96.0""#]);
    let mut more = made_with("1.95.0");
    more.insert("cpu".into(), "avx2".into());
    assert_eq!(record.differences(&more), [r#"cpu "", here "avx2""#]);
}

#[test]
fn a_record_without_sense_is_refused() {
    for bad in ["", "{}", r#"{"made_with":{},"instructions":{"a":0}}"#, r#"{"made_with":{},"instructions":{"a":"1"}}"#]
    {
        assert!(Record::parse(bad).is_err(), "{bad}");
    }
    let mut record = Record::default();
    record.put("a", 12.34);
    assert_eq!(Record::parse(&record.text()).map(|read| read.instructions["a"]), Ok(12.3));
}
