use super::*;
use proptest::prelude::*;

fn leaf(key: &str, cmp: &str, val: &str) -> FilterNode {
    FilterNode { key: key.into(), cmp: cmp.into(), val: val.into(), ..FilterNode::default() }
}

fn list(key: &str, cmp: &str, vals: &[&str]) -> FilterNode {
    FilterNode { vals: vals.iter().map(|v| v.to_string()).collect(), ..leaf(key, cmp, "") }
}

fn branch(op: &str, nodes: &[FilterNode]) -> FilterNode {
    FilterNode { op: op.into(), nodes: nodes.to_vec(), ..FilterNode::default() }
}

fn tags(list: &[(&str, &str)]) -> Tags {
    list.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn passes(node: &FilterNode, list: &[(&str, &str)]) -> bool {
    Filter::compile(node).expect("a good filter").matches(&tags(list))
}

#[test]
fn a_node_has_what_its_kind_needs_and_nothing_else() {
    let good = leaf("k", "eq", "v");
    for node in [
        leaf("", "ex", ""),
        leaf("k", "nex", ""),
        leaf("k", "lt", "no number"),
        list("k", "in", &[""]),
        FilterNode { nodes: vec![FilterNode::default()], ..good.clone() },
        FilterNode { key: "k".into(), cmp: "zz".into(), val: "v".into(), ..branch("and", std::slice::from_ref(&good)) },
        branch("not", std::slice::from_ref(&good)),
    ] {
        assert!(Filter::compile(&node).is_ok(), "{node:?}");
    }
    for node in [
        FilterNode::default(),
        leaf("k", "eq", ""),
        leaf("", "eq", "v"),
        leaf("k", "zz", "v"),
        leaf("k", "", "v"),
        leaf("k", "ex", "v"),
        leaf("k", "in", "v"),
        list("k", "in", &[]),
        list("", "in", &["v"]),
        list("k", "eq", &["v"]),
        list("k", "nex", &["v"]),
        FilterNode { vals: vec!["v".into()], ..good.clone() },
        branch("and", &[]),
        branch("or", &[]),
        branch("not", &[]),
        branch("not", &[good.clone(), good.clone()]),
        branch("xor", std::slice::from_ref(&good)),
        branch("or", &[good.clone(), FilterNode::default()]),
    ] {
        assert_eq!(Filter::compile(&node), Err(Malformed), "{node:?}");
    }
}

#[test]
fn a_missing_tag_has_rules_of_its_own() {
    for (node, expected) in [
        (leaf("k", "eq", "v"), false),
        (leaf("k", "neq", "v"), true),
        (list("k", "in", &["v"]), false),
        (list("k", "nin", &["v"]), true),
        (list("k", "in", &["v", ""]), true),
        (list("k", "nin", &["", "v"]), false),
        (leaf("k", "ex", ""), false),
        (leaf("k", "nex", ""), true),
        (leaf("k", "sw", "v"), false),
        (leaf("k", "ew", "v"), false),
        (leaf("k", "ct", "v"), false),
        (leaf("k", "lt", "1"), false),
        (leaf("k", "gte", "0"), false),
    ] {
        assert_eq!(passes(&node, &[("other", "v")]), expected, "{node:?}");
    }
}

#[test]
fn numbers_are_exact_and_strict() {
    for (left, cmp, right, expected) in [
        ("10", "gt", "9", true),
        ("1.50", "lte", "1.5", true),
        ("1.50", "gte", "1.5", true),
        ("1.5", "lt", "1.49", false),
        ("-2", "lt", "-1", true),
        ("-0", "gte", "+0.0", true),
        ("0000000000000000000000012", "gt", "11.9999999999999999999", true),
        ("123456789012345678901234567891", "gt", "123456789012345678901234567890", true),
        ("0.1234567890123456789", "gt", "0.1234567890123456788", true),
        ("0.12345678901234567890", "gt", "0", false),
        (".6", "gt", "0", false),
        ("6.", "gt", "0", false),
        ("1e3", "gt", "0", false),
        ("1_000", "gt", "0", false),
        (" 1", "gt", "0", false),
        ("", "gte", "0", false),
        ("+", "gte", "0", false),
        ("+-1", "lt", "0", false),
        ("1", "lt", "2x", false),
        ("1", "gt", "2x", false),
    ] {
        assert_eq!(passes(&leaf("k", cmp, right), &[("k", left)]), expected, "{left} {cmp} {right}");
    }
    assert!(!passes(&leaf("k", "eq", "1.0"), &[("k", "1")]), "eq compares text");
}

#[test]
fn equal_filters_are_one_key() {
    let compiled = |node: &FilterNode| Filter::compile(node).expect("good");
    assert_eq!(compiled(&list("k", "in", &["a", "b"])), compiled(&list("k", "in", &["b", "a", "b"])));
    assert_eq!(compiled(&leaf("k", "lt", "01.50")), compiled(&leaf("k", "lt", "1.5")));
    assert_ne!(compiled(&leaf("k", "eq", "01")), compiled(&leaf("k", "eq", "1")));
}

/// The sheet read aloud, without anything prepared.
fn naive(node: &FilterNode, tags: &Tags) -> bool {
    let tag = tags.get(&node.key);
    let text = tag.cloned().unwrap_or_default();
    match (node.op.as_str(), node.cmp.as_str()) {
        ("and", _) => node.nodes.iter().all(|node| naive(node, tags)),
        ("or", _) => node.nodes.iter().any(|node| naive(node, tags)),
        ("not", _) => !naive(&node.nodes[0], tags),
        (_, "eq") => tag.is_some() && text == node.val,
        (_, "neq") => tag.is_none() || text != node.val,
        (_, "in") => node.vals.contains(&text),
        (_, "nin") => !node.vals.contains(&text),
        (_, "ex") => tag.is_some(),
        (_, "nex") => tag.is_none(),
        (_, "sw") => tag.is_some() && text.starts_with(&node.val),
        (_, "ew") => tag.is_some() && text.ends_with(&node.val),
        (_, "ct") => tag.is_some() && text.contains(&node.val),
        (_, cmp) => match (scaled(&text), scaled(&node.val)) {
            (Some(left), Some(right)) => match cmp {
                "lt" => left < right,
                "lte" => left <= right,
                "gt" => left > right,
                _ => left >= right,
            },
            _ => false,
        },
    }
}

/// A short number in units of ten to the minus four.
fn scaled(text: &str) -> Option<i128> {
    let pattern = regex::Regex::new(r"^([+-]?)([0-9]+)(?:\.([0-9]{1,19}))?$").expect("a pattern");
    let parts = pattern.captures(text)?;
    let fraction = format!("{:0<4}", parts.get(3).map_or("", |m| m.as_str()));
    let number: i128 = format!("{}{fraction}", &parts[2]).parse().expect("digits");
    Some(if &parts[1] == "-" { -number } else { number })
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,3}", "[+-]?[0-2]{1,3}(\\.[0-2]{1,4})?", "[+-]?[0-1]{0,1}\\.?[0-1]{0,1}"]
}

fn any_filter() -> impl Strategy<Value = FilterNode> {
    let single = ("[xyz]", prop::sample::select(vec!["eq", "neq", "sw", "ew", "ct", "lt", "lte", "gt", "gte"]))
        .prop_flat_map(|(key, cmp)| any_value().prop_map(move |val| leaf(&key, cmp, &val)))
        .prop_filter("a value is needed", |node| !node.val.is_empty());
    let several = ("[xyz]", prop::sample::select(vec!["in", "nin"]), prop::collection::vec(any_value(), 1..4))
        .prop_map(|(key, cmp, vals)| FilterNode { vals, ..leaf(&key, cmp, "") });
    let presence = ("[xyz]", prop::sample::select(vec!["ex", "nex"])).prop_map(|(key, cmp)| leaf(&key, cmp, ""));
    prop_oneof![single, several, presence].prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|nodes| branch("and", &nodes)),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|nodes| branch("or", &nodes)),
            inner.prop_map(|node| branch("not", &[node])),
        ]
    })
}

proptest! {
    #[test]
    fn the_compiled_filter_decides_as_the_naive_one(
        node in any_filter(),
        tags in prop::collection::btree_map("[xyz]", any_value(), 0..4),
    ) {
        let compiled = Filter::compile(&node).expect("generated filters are good");
        prop_assert_eq!(compiled.matches(&tags), naive(&node, &tags));
    }
}
