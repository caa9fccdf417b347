//! Where the keys of a token are: an address, or a template whose `{{name}}` are filled with what the named groups of
//! `issuer_regex` and `audience_regex` matched.
//!
//! Whoever sends a token chooses its issuer before any signature is checked, so a template must not become a way to make
//! the server ask any address: a group may only be a choice among literals, unless the operator says otherwise, and a
//! value that could change the shape of the address fills nothing.

use crate::config::settings::Token;
use regex::{Captures, Regex};
use regex_syntax::ast::{Ast, GroupKind, parse::Parser};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An address or a template of one.
#[derive(Debug)]
pub struct Endpoint {
    parts: Vec<Part>,
    /// The address, when nothing has to be filled in.
    fixed: Option<Arc<str>>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Group(String),
}

/// What the named groups matched.
pub type Groups = BTreeMap<String, String>;

impl Endpoint {
    /// Reads the option; `None` when it is empty.
    ///
    /// # Errors
    /// A text for the operator.
    pub fn new(token: &Token) -> Result<Option<Endpoint>, String> {
        let url = token.jwks_public_endpoint.as_str();
        if url.is_empty() {
            return Ok(None);
        }
        let wrong = |what: &str| format!("client.token.jwks_public_endpoint is \"{url}\": {what}");
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(wrong("an address that begins with http:// or https:// is expected"));
        }
        let parts = parts(url).ok_or_else(|| wrong("a \"{{\" is not closed by \"}}\""))?;
        for part in &parts {
            let Part::Group(name) = part else { continue };
            let group = [&token.issuer_regex, &token.audience_regex].into_iter().find_map(|text| group(text, name));
            let Some(group) = group else {
                return Err(wrong(&format!("neither issuer_regex nor audience_regex has a group named {name}")));
            };
            if !is_choice(&group) && !token.insecure_skip_jwks_endpoint_safety_check {
                return Err(wrong(&format!(
                    "the group {name} must be a choice among literal texts, such as (?P<{name}>a|b), or a token could \
                     name any address; insecure_skip_jwks_endpoint_safety_check allows others"
                )));
            }
        }
        let fixed = parts.iter().all(|part| matches!(part, Part::Text(_))).then(|| url.into());
        Ok(Some(Endpoint { parts, fixed }))
    }

    /// The address for a token. `None`: the groups of this token make no good one.
    pub fn resolve(&self, groups: &Groups) -> Option<Arc<str>> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.clone());
        }
        let mut url = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => url.push_str(text),
                Part::Group(name) => url.push_str(groups.get(name).filter(|value| is_plain(value))?),
            }
        }
        has_clean_path(&url).then(|| url.into())
    }

    /// True when groups have to be remembered.
    pub fn is_template(&self) -> bool {
        self.fixed.is_none()
    }
}

/// Adds the named groups of a match.
pub fn remember(pattern: &Regex, captures: &Captures<'_>, into: &mut Groups) {
    let named = pattern.capture_names().flatten();
    let values = named.filter_map(|name| Some((name.to_string(), captures.name(name)?.as_str().to_string())));
    into.extend(values);
}

fn parts(mut url: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    while let Some((text, rest)) = url.split_once("{{") {
        let (name, rest) = rest.split_once("}}")?;
        parts.push(Part::Text(text.to_string()));
        parts.push(Part::Group(name.trim().to_string()));
        url = rest;
    }
    parts.push(Part::Text(url.to_string()));
    Some(parts)
}

/// What stands within the named group of a pattern.
fn group(pattern: &str, name: &str) -> Option<Ast> {
    fn find(ast: &Ast, name: &str) -> Option<Ast> {
        match ast {
            Ast::Group(group) => match &group.kind {
                GroupKind::CaptureName { name: own, .. } if own.name == name => Some((*group.ast).clone()),
                _ => find(&group.ast, name),
            },
            Ast::Repetition(repetition) => find(&repetition.ast, name),
            Ast::Alternation(list) => list.asts.iter().find_map(|ast| find(ast, name)),
            Ast::Concat(list) => list.asts.iter().find_map(|ast| find(ast, name)),
            _ => None,
        }
    }
    find(&Parser::new().parse(pattern).ok()?, name)
}

/// True when a group can only match texts that the operator wrote down.
fn is_choice(ast: &Ast) -> bool {
    match ast {
        Ast::Literal(_) => true,
        Ast::Concat(list) => list.asts.iter().all(is_choice),
        Ast::Alternation(list) => list.asts.iter().all(is_choice),
        Ast::Group(group) => is_choice(&group.ast),
        _ => false,
    }
}

/// No character that begins another part of an address (RFC 3986 2.2), a slash and a port's colon excepted.
fn is_plain(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    !value.is_empty() && value.bytes().all(is_plain)
}

fn has_clean_path(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let has_host = !path.starts_with('/');
    has_host && !path.contains("//") && !path.split('/').any(|segment| segment == ".." || segment == ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, issuer_regex: &str, skip: bool) -> Result<Option<Endpoint>, String> {
        Endpoint::new(&Token {
            jwks_public_endpoint: url.into(),
            issuer_regex: issuer_regex.into(),
            insecure_skip_jwks_endpoint_safety_check: skip,
            ..Token::default()
        })
    }

    fn resolve(endpoint: &Endpoint, value: &str) -> Option<String> {
        endpoint.resolve(&[("t".to_string(), value.to_string())].into()).map(|url| url.to_string())
    }

    #[test]
    fn an_address_without_groups_is_taken_as_it_is() {
        let endpoint = endpoint("https://a/keys", "", false).expect("good").expect("set");
        assert!(!endpoint.is_template());
        assert_eq!(endpoint.resolve(&Groups::new()).as_deref(), Some("https://a/keys"));
    }

    #[test]
    fn groups_fill_a_template() {
        let endpoint = endpoint("https://a/{{t}}/keys", "^https://(?P<t>one|two)$", false).expect("good").expect("set");
        assert_eq!(resolve(&endpoint, "one").as_deref(), Some("https://a/one/keys"));
        assert_eq!(endpoint.resolve(&Groups::new()), None);
    }

    #[test]
    fn a_group_must_be_a_choice_among_literals() {
        for good in ["(?P<t>one|two)", "(?<t>one)", "(?P<t>(?:a|b)c|d\\.e)", "x(?P<t>a)?"] {
            assert!(endpoint("https://a/{{t}}", good, false).is_ok(), "{good}");
        }
        for bad in ["(?P<t>.*)", "(?P<t>[a-z])", "(?P<t>a+)", "(?P<t>\\w)", "(?P<t>one|.)", "(?P<t>)", "(?P<u>a)", ""] {
            assert!(endpoint("https://a/{{t}}", bad, false).is_err(), "{bad}");
        }
        assert!(endpoint("https://a/{{t}}", "(?P<t>.*)", true).is_ok());
        assert!(endpoint("https://a/{{t}}", "(?P<u>.*)", true).is_err(), "nothing would ever fill it");
    }

    #[test]
    fn a_value_never_changes_the_shape_of_an_address() {
        let endpoint = endpoint("https://a/{{t}}/keys", "(?P<t>.*)", true).expect("good").expect("set");
        for bad in ["", "..", "a/../b", "a//b", "/a", "a?b", "a#b", "a@b", "a\\b", "a b", "é", "a%2fb"] {
            assert_eq!(resolve(&endpoint, bad), None, "{bad}");
        }
        assert!(resolve(&endpoint, "a.b/c-d").is_some());
    }

    #[test]
    fn other_schemes_and_open_braces_are_refused() {
        for bad in ["ftp://a", "a/keys", "https://a/{{t", "file:///etc/passwd"] {
            assert!(endpoint(bad, "(?P<t>a)", false).is_err(), "{bad}");
        }
        assert!(endpoint("", "", false).expect("good").is_none());
    }
}
