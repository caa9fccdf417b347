//! What was counted last and is committed, and what a new count says about it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A count may be so much higher or lower than the recorded one.
pub const TOLERANCE: f64 = 0.03;

/// Around the table in the page that shows the record.
const MARKS: [&str; 2] =
    ["<!-- counted: made by `make bench-instructions UPDATE=1` -->\n\n", "\n<!-- counted: end -->"];

/// The committed file.
#[derive(Serialize, Deserialize, PartialEq, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Tools and CPU. Counts that others made do not compare.
    pub made_with: BTreeMap<String, String>,
    /// Instructions per unit, by the name of the scenario.
    pub instructions: BTreeMap<String, f64>,
}

/// What a count says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is as recorded, or near enough.
    Same,
    /// It takes more.
    Worse,
    /// It takes less.
    Better,
}

/// Judges a count; also returns by which share it is above the recorded one.
pub fn judge(recorded: f64, counted: f64) -> (Verdict, f64) {
    let deviation = counted / recorded - 1.0;
    let verdict = match deviation {
        more if more > TOLERANCE => Verdict::Worse,
        less if less < -TOLERANCE => Verdict::Better,
        _ => Verdict::Same,
    };
    (verdict, deviation)
}

impl Record {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Record, String> {
        let record: Record = serde_json::from_str(text).map_err(|e| e.to_string())?;
        match record.instructions.iter().find(|(_, count)| **count <= 0.0) {
            Some((name, count)) => Err(format!("\"{name}\" is {count}: a positive number is expected")),
            None => Ok(record),
        }
    }

    /// Takes a count over, with one decimal.
    pub fn put(&mut self, name: &str, count: f64) {
        self.instructions.insert(name.into(), (count * 10.0).round() / 10.0);
    }

    /// The file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What else than `made_with` it was made with; empty: its counts may be compared.
    pub fn differences(&self, made_with: &BTreeMap<String, String>) -> Vec<String> {
        let names = self.made_with.keys().chain(made_with.keys().filter(|name| !self.made_with.contains_key(*name)));
        let differs = |name: &&String| self.made_with.get(*name) != made_with.get(*name);
        let value = |values: &BTreeMap<String, String>, name: &String| values.get(name).cloned().unwrap_or_default();
        let text = |name| format!("{name} \"{}\", here \"{}\"", value(&self.made_with, name), value(made_with, name));
        names.filter(differs).map(text).collect()
    }

    /// The table for the page; `units` in the order in which the rows are shown.
    pub fn table(&self, units: &[(&str, &str)]) -> String {
        let mut lines = vec!["| scenario | per | instructions |".to_owned(), "|---|---|---|".to_owned()];
        let row = |(name, unit): &(&str, &str)| {
            self.instructions.get(*name).map(|count| format!("| {name} | {unit} | {count:.1} |"))
        };
        lines.extend(units.iter().filter_map(row));
        let made_with: Vec<&str> = self.made_with.values().map(String::as_str).collect();
        format!("{}\n\nMade with {}.\n", lines.join("\n"), made_with.join("; "))
    }
}

/// The page with another table; `None`: it has no place for it.
pub fn with_table(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(MARKS[0])?;
    let (_, after) = rest.split_once(MARKS[1])?;
    Some([before, MARKS[0], table, MARKS[1], after].concat())
}
