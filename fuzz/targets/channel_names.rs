//! Names of channels under any separators. A naive reader finds the same namespace and users; who is let in without a token
//! has a reason for it; a personal channel belongs to its user.

use super::script::Script;
use corecast::channel::Rules;
use corecast::channel::name::Syntax;
use corecast::channel::rules::Refusal;
use corecast::config::settings;

const SEPARATORS: [&str; 8] = ["", ":", "#", ",", "$", "::", "/", "é"];

pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut channel = settings::Channel {
        private_prefix: script.choose(&SEPARATORS).into(),
        namespace_boundary: script.choose(&SEPARATORS).into(),
        user_boundary: script.choose(&SEPARATORS).into(),
        user_separator: script.choose(&SEPARATORS).into(),
        ..settings::Channel::default()
    };
    let bits = script.byte();
    let open = settings::Namespace {
        allow_subscribe_for_client: bits & 1 != 0,
        allow_subscribe_for_anonymous: bits & 2 != 0,
        allow_user_limited_channels: bits & 4 != 0,
        channel_regex: if bits & 8 != 0 { "^[a-z]+$".into() } else { String::new() },
        ..settings::Namespace::default()
    };
    channel.namespaces = vec![("a".into(), open)];
    let mut client = settings::Client { insecure: bits & 16 != 0, ..settings::Client::default() };
    client.personal_channel.enabled = bits & 32 != 0;
    let rules = Rules::new(&channel, &client).expect("good settings");
    let user = String::from_utf8_lossy(script.until(b'\n')).into_owned();
    let name = String::from_utf8_lossy(script.rest()).into_owned();
    split(&channel, &name);
    enter(&channel, &client, &rules, &name, &user);
    personal(&channel, &rules, &user);
}

/// The parts of a name.
fn split(channel: &settings::Channel, name: &str) {
    let syntax = Syntax::new(channel);
    let (prefix, boundary) = (&channel.private_prefix, &channel.namespace_boundary);
    let is_private = !prefix.is_empty() && name.find(&prefix[..]) == Some(0);
    assert_eq!(syntax.is_private(name), is_private);
    let bare = if is_private { &name[prefix.len()..] } else { name };
    let expected = match bare.find(&boundary[..]) {
        Some(at) if at > 0 && !boundary.is_empty() => (&bare[..at], &bare[at + boundary.len()..]),
        _ => ("", name),
    };
    assert_eq!(syntax.split(name), expected, "{name:?}");
    let users = syntax.users(name).map(|users| users.map(String::from).collect());
    assert_eq!(users, naive_users(channel, name), "{name:?}");
}

fn naive_users(channel: &settings::Channel, name: &str) -> Option<Vec<String>> {
    let (boundary, separator) = (&channel.user_boundary[..], &channel.user_separator[..]);
    let at = name.rfind(boundary).filter(|_| !boundary.is_empty())?;
    let users = &name[at + boundary.len()..];
    // An empty separator is nowhere.
    if separator.is_empty() {
        return Some(vec![users.to_string()]);
    }
    Some(users.split(separator).map(String::from).collect())
}

/// Who may subscribe without a token.
fn enter(channel: &settings::Channel, client: &settings::Client, rules: &Rules, name: &str, user: &str) {
    let (namespace, rest) = Syntax::new(channel).split(name);
    let named = rules.named(name);
    if !matches!(namespace, "" | "a") {
        assert_eq!(named.err(), Some(Refusal::UnknownChannel));
        return;
    }
    let options = if namespace == "a" { &channel.namespaces[0].1 } else { &channel.without_namespace };
    let is_well_formed = match options.channel_regex.is_empty() {
        true => name.is_ascii(),
        false => !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase()),
    };
    let Ok(found) = named else {
        assert!(!is_well_formed, "{name:?}");
        return;
    };
    assert!(is_well_formed, "{name:?}");
    let listed = naive_users(channel, name).filter(|_| options.allow_user_limited_channels);
    let is_allowed = match listed {
        Some(users) => users.iter().any(|listed| listed == user),
        None => options.allow_subscribe_for_client && (!user.is_empty() || options.allow_subscribe_for_anonymous),
    };
    let expected = !rules.is_private(name) && (is_allowed || client.insecure);
    assert_eq!(rules.may_subscribe(name, found, user), expected, "{name:?} {user:?}");
    let by_connect = rules.may_connect_with(name, user).expect("its namespace is known");
    assert!(!by_connect || (expected && !name.is_empty()), "connect lets nobody in whom subscribe does not");
}

/// The channel that a user has to himself lists him and nobody else.
fn personal(channel: &settings::Channel, rules: &Rules, user: &str) {
    let Some(name) = rules.personal_channel(user) else { return };
    assert!(!user.is_empty() && name.ends_with(user));
    let is_plain = SEPARATORS.iter().all(|separator| separator.is_empty() || !user.contains(separator));
    if is_plain && !channel.user_boundary.is_empty() {
        assert_eq!(naive_users(channel, &name), Some(vec![user.to_string()]));
    }
}
