//! What `docs/api.md` says of the API: the API page shows the sentences that backend developers read anyway, so there is
//! one text of each. `tests/api_page.rs` sees to it that the page names every method and every field.
//!
//! Not a Markdown reader: it knows the three forms that the page uses for methods, messages and examples.

/// The page.
pub const PAGE: &str = include_str!("../../docs/api.md");

/// A row of a table whose first heading is a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The fields that it tells of.
    pub fields: Vec<&'static str>,
    /// What they mean.
    pub meaning: &'static str,
}

impl Row {
    /// A call without the field is refused.
    pub fn is_required(&self) -> bool {
        self.meaning.starts_with("Required")
    }
}

/// The part of the page below the heading of a method.
pub fn section(method: &str) -> Option<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n### {method}\n"))?;
    let end = ["\n## ", "\n### "].into_iter().filter_map(|heading| rest.find(heading)).min();
    Some(rest[..end.unwrap_or(rest.len())].trim())
}

/// The first paragraph of a section, as one line.
pub fn summary(section: &str) -> String {
    let paragraph = section.split("\n\n").next().unwrap_or_default();
    paragraph.replace('\n', " ")
}

/// The body of the first `curl` of a section.
pub fn example(section: &'static str) -> Option<&'static str> {
    let (_, rest) = section.split_once("-d '")?;
    rest.split_once('\'').map(|(body, _)| body)
}

/// The rows of the table of a message.
pub fn rows(message: &str) -> Vec<Row> {
    let heading = format!("\n| `{message}` |");
    let Some((_, table)) = PAGE.split_once(&heading) else { return Vec::new() };
    // What is left of the heading, and the line below it.
    table.lines().skip(2).map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |")).map(row).collect()
}

fn row(line: &'static str) -> Row {
    let mut cells = line.splitn(3, " | ");
    let fields = cells.next().unwrap_or_default().split('`').skip(1).step_by(2).collect();
    Row { fields, meaning: cells.nth(1).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_end_at_the_next_heading() {
        let section = section("publish").expect("a section");
        assert!(section.contains("curl") && !section.contains("\n### "), "{section}");
        assert!(summary(section).ends_with('.'), "{}", summary(section));
        assert!(example(section).is_some_and(|body| body.starts_with("{\"channel\":")));
    }

    #[test]
    fn rows_name_their_fields() {
        let rows = rows("HistoryRequest");
        assert_eq!(rows[0].fields, ["channel"]);
        assert!(rows[0].is_required() && !rows[1].is_required());
        assert!(rows.iter().all(|row| row.meaning.ends_with('.')), "{rows:?}");
    }

    #[test]
    fn an_unknown_name_has_nothing() {
        assert!(section("nope").is_none() && rows("Nope").is_empty());
    }
}
