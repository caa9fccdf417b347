//! Tags filters as clients ask for them, each beside what it means.

use crate::model::Item;
use crate::realm::tags;
use serde_json::{Value, json};

/// A filter by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filter(usize);

impl Filter {
    pub const COUNT: usize = 6;

    pub fn number(n: usize) -> Filter {
        Filter(n % Filter::COUNT)
    }

    /// As the request has it.
    pub fn tree(self) -> Value {
        match self.0 {
            0 => json!({ "key": "k", "cmp": "eq", "val": "a" }),
            1 => json!({ "key": "k", "cmp": "neq", "val": "a" }),
            2 => json!({ "key": "k", "cmp": "in", "vals": ["a", "b"] }),
            3 => json!({ "op": "not", "nodes": [{ "key": "k", "cmp": "ex" }] }),
            4 => json!({ "key": "n", "cmp": "gte", "val": "5" }),
            _ => json!({ "op": "or", "nodes": [
                { "op": "and", "nodes": [{ "key": "k", "cmp": "eq", "val": "b" }, { "key": "n", "cmp": "lt", "val": "5" }] },
                { "key": "k", "cmp": "eq", "val": "c" },
            ] }),
        }
    }

    /// True when the publication is let through.
    pub fn passes(self, item: Item) -> bool {
        let tags = tags(item);
        let (kind, count) = (tags.get("k").map(|kind| &kind[..]), tags.get("n").and_then(|n| n.parse::<u64>().ok()));
        match self.0 {
            0 => kind == Some("a"),
            1 => kind != Some("a"),
            2 => matches!(kind, Some("a" | "b")),
            3 => kind.is_none(),
            4 => count.is_some_and(|count| count >= 5),
            _ => kind == Some("c") || (kind == Some("b") && count.is_some_and(|count| count < 5)),
        }
    }
}
