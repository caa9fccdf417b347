//! Counts instructions of the pure half under callgrind and compares them with `bench/instructions.json`. Times of a busy
//! machine say nothing; these counts are the same each time.
//!
//! ```text
//! instructions                all scenarios against the record; fails when one takes more than 3 % more
//! instructions --only fan-out those whose name contains this
//! instructions --update       records all, and shows them in bench/README.md
//! instructions --play NAME    what runs under callgrind
//! instructions --cpu          what it can do on the CPU that it sees
//! ```

mod callgrind;
mod counted;
mod lone_core;
mod record;

use counted::{SCENARIOS, Scenario};
use record::{Record, Verdict, judge};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

// As the server has it: its instructions count too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORD: &str = "bench/instructions.json";
const PAGE: &str = "bench/README.md";
const REMEDY: &str = "`make bench-instructions UPDATE=1` records it, with the reason in the commit";

/// Until tables have their size and the timers of those who have left are swept.
const WARM_UP: u64 = 30;
const ROUNDS: u64 = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let done = match (value("--play"), value("--only")) {
        (Some(name), _) => play(name),
        (None, Some(_)) if has("--update") => Err("--update records all: leave --only out".into()),
        (None, only) if !has("--cpu") => count(only.map_or("", String::as_str), has("--update")),
        _ => {
            println!("{}", cpu());
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// On a thread of its own: below the main thread lie arguments and variables, whose length would shift the stack, and
/// `memcpy` goes by the alignment of what it copies.
fn play(name: &str) -> Result<bool, String> {
    let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or(format!("no scenario \"{name}\""))?;
    let player = std::thread::spawn(|| scenario.play(WARM_UP, ROUNDS));
    player.join().map(|()| true).map_err(|_| format!("\"{name}\" does not do what it counts"))
}

/// What libraries ask the CPU for before they choose a way.
fn cpu() -> String {
    let mut words = vec![std::env::consts::ARCH];
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! features {
            ($($name:tt)*) => { [$(($name, std::arch::is_x86_feature_detected!($name))),*] };
        }
        let all = features!("sse4.2" "avx" "avx2" "bmi2" "adx" "sha" "vaes" "avx512f");
        words.extend(all.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name));
    }
    words.join(" ")
}

/// False when something takes more than it did.
fn count(only: &str, update: bool) -> Result<bool, String> {
    let program = std::env::current_exe().map_err(|e| format!("this program has no path ({e})"))?;
    let record = read(update)?;
    let made_with = callgrind::made_with(&program);
    let differences = record.differences(&made_with);
    let is_comparable = differences.is_empty();
    let wanted = SCENARIOS.iter().filter(|scenario| scenario.name.contains(only));
    let recorded = |scenario: &Scenario| record.instructions.get(scenario.name).filter(|_| is_comparable).copied();
    let counts = wanted.map(|scenario| Count::of(scenario, &program, recorded(scenario)));
    let counts: Vec<Count> = counts.collect::<Result<_, _>>()?;
    if update {
        return write(made_with, &counts).map(|()| true);
    }
    if !is_comparable {
        println!("\nNothing is judged: the record was made with {}.", differences.join("; with "));
        println!("Such counts do not compare. If it is to be made here from now on: make bench-instructions UPDATE=1.");
        return Ok(true);
    }
    counts.iter().filter(|count| count.verdict() == Some(Verdict::Better)).for_each(Count::report);
    let bad = |count: &&Count| matches!(count.verdict(), None | Some(Verdict::Worse));
    let bad: Vec<&Count> = counts.iter().filter(bad).collect();
    bad.iter().for_each(|count| count.report());
    let gone: Vec<&String> = record.instructions.keys().filter(|name| !is_scenario(name)).collect();
    gone.iter().for_each(|name| println!("GONE: {name} is recorded and there is no such scenario; {REMEDY}"));
    Ok(bad.is_empty() && gone.is_empty())
}

fn is_scenario(name: &str) -> bool {
    SCENARIOS.iter().any(|scenario| scenario.name == name)
}

fn read(update: bool) -> Result<Record, String> {
    match std::fs::read_to_string(RECORD) {
        Ok(text) => Record::parse(&text).map_err(|e| format!("{RECORD}: {e}")),
        Err(_) if update => Ok(Record::default()),
        Err(e) => Err(format!("{RECORD}: {e}; run this in the folder of the project")),
    }
}

fn write(made_with: BTreeMap<String, String>, counts: &[Count]) -> Result<(), String> {
    let mut record = Record { made_with, ..Record::default() };
    counts.iter().for_each(|count| record.put(count.scenario.name, count.counted));
    let page = std::fs::read_to_string(PAGE).map_err(|e| format!("{PAGE}: {e}"))?;
    let units: Vec<(&str, &str)> = SCENARIOS.iter().map(|scenario| (scenario.name, scenario.unit)).collect();
    let page = record::with_table(&page, &record.table(&units)).ok_or(format!("{PAGE} has no place for the table"))?;
    std::fs::write(RECORD, record.text()).map_err(|e| format!("{RECORD}: {e}"))?;
    std::fs::write(PAGE, page).map_err(|e| format!("{PAGE}: {e}"))
}

/// One scenario, counted.
struct Count {
    scenario: &'static Scenario,
    recorded: Option<f64>,
    counted: f64,
    profile: PathBuf,
}

impl Count {
    /// Counts and shows it.
    fn of(scenario: &'static Scenario, program: &Path, recorded: Option<f64>) -> Result<Count, String> {
        let folder = program.with_file_name("instructions-profiles");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = scenario.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let profile = folder.join(file).with_extension("callgrind");
        let total = callgrind::count(program, scenario.name, &profile)?;
        let counted = total as f64 / (scenario.units * ROUNDS) as f64;
        let change = recorded.map_or_else(String::new, |recorded| percent(judge(recorded, counted).1));
        println!("{:<40} {counted:>10.1} per {:<10} {change:>9}", scenario.name, scenario.unit);
        Ok(Count { scenario, recorded, counted, profile })
    }

    /// `None`: it is not recorded.
    fn verdict(&self) -> Option<Verdict> {
        self.recorded.map(|recorded| judge(recorded, self.counted).0)
    }

    /// What it means for whoever runs this.
    fn report(&self) {
        let Scenario { name, unit, .. } = self.scenario;
        let Some(recorded) = self.recorded else {
            return println!("NEW: {name} is not recorded; {REMEDY}");
        };
        let (verdict, deviation) = judge(recorded, self.counted);
        let counts = format!("{recorded:.1} instructions per {unit} recorded, {:.1} counted", self.counted);
        let (change, limit) = (percent(deviation), record::TOLERANCE * 100.0);
        match verdict {
            Verdict::Same => {}
            Verdict::Better => println!("BETTER: {name}: {counts} ({change}): renew the record; {REMEDY}"),
            Verdict::Worse => {
                println!("WORSE: {name}: {counts} ({change}, {limit} % are allowed); {REMEDY}");
                println!("       where they go: callgrind_annotate {}", self.profile.display());
            }
        }
    }
}

fn percent(share: f64) -> String {
    // No minus before what is nothing when it is rounded.
    format!("{:+.1} %", (share * 1000.0).round() / 10.0 + 0.0)
}
