use super::*;
use serde_json::json;

const V6: Rules = Rules { dialect: Dialect::V6, in_list: false };
const V5: Rules = Rules { dialect: Dialect::V5, in_list: false };
const V5_LIST: Rules = Rules { dialect: Dialect::V5, in_list: true };

#[test]
fn booleans_are_typed_weakly_in_files() {
    for (node, want) in
        [(json!(true), true), (json!("true"), true), (json!(1), true), (json!(0), false), (json!(""), false)]
    {
        assert_eq!(from_tree(Kind::Bool, V6, &node), Ok(Value::Bool(want)), "{node}");
    }
    for node in [json!("yes"), json!({}), json!([])] {
        assert_eq!(from_tree(Kind::Bool, V6, &node), Err(BOOL), "{node}");
    }
}

#[test]
fn integers_are_typed_weakly_in_files() {
    for (node, want) in [(json!(7), 7), (json!("7"), 7), (json!(1.7), 1), (json!(-1.7), -1), (json!("0x10"), 16)] {
        assert_eq!(from_tree(Kind::Int, V6, &node), Ok(Value::Int(want)), "{node}");
    }
    for node in [json!("seven"), json!("7.5"), json!({}), json!(1e300)] {
        assert_eq!(from_tree(Kind::Int, V6, &node), Err(INT), "{node}");
    }
}

#[test]
fn a_bare_number_is_nanoseconds_in_v6_and_refused_at_the_top_of_v5() {
    assert_eq!(from_tree(Kind::Duration, V6, &json!(25)), Ok(Value::Duration(25)));
    assert_eq!(from_tree(Kind::Duration, V5, &json!(25)), Err(DURATION));
    assert_eq!(from_tree(Kind::Duration, V5, &json!(0)), Ok(Value::Duration(0)));
    assert_eq!(from_tree(Kind::Duration, V5_LIST, &json!(2_000_000)), Ok(Value::Duration(2_000_000)));
    assert_eq!(from_tree(Kind::Duration, V5_LIST, &json!(25)), Err(SHORT));
    assert_eq!(from_tree(Kind::Duration, V6, &json!("25")), Err(DURATION));
    assert_eq!(from_tree(Kind::Duration, V5, &json!("10us")), Err(SHORT));
}

#[test]
fn a_text_alone_is_a_list_of_one_in_v6_and_split_in_v5() {
    let list = |words: &[&str]| Ok(Value::List(words.iter().map(|word| word.to_string()).collect()));
    assert_eq!(from_tree(Kind::List, V6, &json!("a b")), list(&["a b"]));
    assert_eq!(from_tree(Kind::List, V5, &json!("a  b")), list(&["a", "b"]));
    assert_eq!(from_tree(Kind::List, V6, &json!([1, "b"])), list(&["1", "b"]));
    assert_eq!(from_tree(Kind::List, V6, &json!({"a": 1})), Err(LIST));
}

#[test]
fn a_list_in_a_variable_is_split_at_each_space_in_v6() {
    let list = |words: &[&str]| Ok(Value::List(words.iter().map(|word| word.to_string()).collect()));
    assert_eq!(from_text(Kind::List, Dialect::V6, "a  b"), list(&["a", "", "b"]));
    assert_eq!(from_text(Kind::List, Dialect::V5, "a  b"), list(&["a", "b"]));
}

#[test]
fn integers_of_variables_have_go_bases() {
    for (text, want) in [("10", 10), ("0x10", 16), ("0o7", 7), ("0b11", 3), ("-5", -5), ("+5", 5), ("010", 8), ("0", 0)]
    {
        assert_eq!(from_text(Kind::Int, Dialect::V6, text), Ok(Value::Int(want)), "{text}");
    }
    for text in ["", "x", "1.5", "--1", "0x", "-+1", "99999999999999999999", "09"] {
        assert_eq!(from_text(Kind::Int, Dialect::V6, text), Err(INT), "{text}");
    }
}

#[test]
fn booleans_of_variables_are_the_words_of_go() {
    for text in ["1", "t", "T", "true", "True", "TRUE"] {
        assert_eq!(from_text(Kind::Bool, Dialect::V6, text), Ok(Value::Bool(true)));
    }
    for text in ["yes", "on", "tRUE", ""] {
        assert_eq!(from_text(Kind::Bool, Dialect::V6, text), Err(BOOL), "{text}");
    }
}

#[test]
fn a_map_is_an_object_or_pairs_in_a_file_and_an_object_in_a_variable() {
    let map = Ok(Value::Map([("X-A".to_owned(), "1".to_owned())].into()));
    assert_eq!(from_tree(Kind::Map, V6, &json!({"X-A": "1"})), map);
    assert_eq!(from_tree(Kind::Map, V6, &json!([{"key": "X-A", "value": "1"}])), map);
    let twice = json!([{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]);
    assert_eq!(from_tree(Kind::Map, V6, &twice), Err(MAP));
    assert_eq!(from_tree(Kind::Map, V6, &json!({"a": 1})), Err(MAP));
    assert_eq!(from_text(Kind::Map, Dialect::V6, r#"{"X-A":"1"}"#), map);
    for text in ["X-A:1", r#"[{"key":"X-A","value":"1"}]"#] {
        assert_eq!(from_text(Kind::Map, Dialect::V6, text), Err(MAP));
    }
}
