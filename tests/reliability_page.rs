//! `docs/reliability.md` names tests, counters, options and limits: each of them exists.

use corecast::counters::ROWS;
use std::path::Path;

fn text_of(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with(".venv") && !path.ends_with("node_modules") {
            text_of(&path, out);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            out.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn what_the_page_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/reliability.md")).expect("the page");
    let mut sources = String::new();
    ["src", "tests", "fuzz/targets"].iter().for_each(|folder| text_of(&root.join(folder), &mut sources));
    let of_the_process = corecast::metrics::render(&[]);
    let (mut tests, mut missing) = (0, Vec::new());
    for word in page.split('`').skip(1).step_by(2) {
        let is_name = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let is_there = if word.starts_with("corecast_") || word.starts_with("centrifugo_") {
            let word = word.trim_end_matches('*');
            ROWS.iter().any(|row| row.name == word || (word.ends_with('_') && row.name.starts_with(word)))
                || of_the_process.contains(&format!("\n{word} "))
        } else if is_name && word.matches('_').count() >= 4 {
            tests += 1;
            sources.contains(&format!("fn {word}("))
        } else if word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '*') {
            sources.contains(&format!("pub const {}", word.trim_end_matches('*')))
        } else {
            true
        };
        if !is_there {
            missing.push(word);
        }
    }
    assert!(missing.is_empty(), "the page names what is not there: {missing:?}");
    assert!(tests > 40, "{tests} tests are named");
    for link in page.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
        assert!(root.join("docs").join(link).exists(), "{link} leads nowhere");
    }
}
