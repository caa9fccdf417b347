//! What a channel's name says by its form: private or not, its namespace, the users it is limited to (auth-and-proxies C.1).

use crate::config::settings;

/// The separators that the operator chose; an empty one switches its meaning off.
#[derive(Clone, Debug)]
pub struct Syntax {
    private_prefix: String,
    namespace_boundary: String,
    user_boundary: String,
    user_separator: String,
}

impl Syntax {
    /// Of the settings.
    pub fn new(channel: &settings::Channel) -> Syntax {
        Syntax {
            private_prefix: channel.private_prefix.clone(),
            namespace_boundary: channel.namespace_boundary.clone(),
            user_boundary: channel.user_boundary.clone(),
            user_separator: channel.user_separator.clone(),
        }
    }

    /// How the personal channels of a namespace begin; "" is no namespace.
    pub fn personal_prefix(&self, namespace: &str) -> String {
        let boundary = if namespace.is_empty() { "" } else { &self.namespace_boundary };
        format!("{namespace}{boundary}{}", self.user_boundary)
    }

    /// True when the channel needs a subscription token.
    pub fn is_private(&self, channel: &str) -> bool {
        !self.private_prefix.is_empty() && channel.starts_with(&self.private_prefix)
    }

    /// The namespace and the name within it. "" is the namespace of channels that name none; their name is the whole
    /// channel.
    pub fn split<'a>(&self, channel: &'a str) -> (&'a str, &'a str) {
        let bare = match self.is_private(channel) {
            true => &channel[self.private_prefix.len()..],
            false => channel,
        };
        match cut(bare, &self.namespace_boundary) {
            Some((namespace, name)) if !namespace.is_empty() => (namespace, name),
            _ => ("", channel),
        }
    }

    /// The users behind the last user boundary; `None` when there is no boundary.
    pub fn users<'a>(&'a self, channel: &'a str) -> Option<impl Iterator<Item = &'a str>> {
        if self.user_boundary.is_empty() {
            return None;
        }
        let (_, users) = channel.rsplit_once(&self.user_boundary)?;
        let (list, only) = match self.user_separator.as_str() {
            "" => (None, Some(users)),
            separator => (Some(users.split(separator)), None),
        };
        Some(list.into_iter().flatten().chain(only))
    }
}

/// Splits at the first boundary; an empty one is nowhere. Every publication comes by here twice: a search for a text is
/// prepared at more expense than a name is long, so a boundary of one byte, as nearly all are, is looked for as a byte.
fn cut<'a>(text: &'a str, boundary: &str) -> Option<(&'a str, &'a str)> {
    match boundary.as_bytes() {
        [] => None,
        [byte] => memchr::memchr(*byte, text.as_bytes()).map(|at| (&text[..at], &text[at + 1..])),
        _ => text.split_once(boundary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_boundary_ends_the_namespace() {
        let syntax = Syntax::new(&settings::Channel::default());
        let rows = [
            ("a:b:c", "a", "b:c"),
            ("$ns:x", "ns", "x"),
            (":x", "", ":x"),
            ("user#42", "", "user#42"),
            ("ns:d#1,2", "ns", "d#1,2"),
            ("plain", "", "plain"),
        ];
        for (channel, namespace, name) in rows {
            assert_eq!(syntax.split(channel), (namespace, name), "{channel}");
        }
    }

    #[test]
    fn a_boundary_may_be_longer() {
        let longer = settings::Channel { namespace_boundary: "::".into(), ..settings::Channel::default() };
        let syntax = Syntax::new(&longer);
        let rows = [("a::b::c", "a", "b::c"), ("a:b", "", "a:b"), ("a::", "a", ""), ("é::ü", "é", "ü")];
        for (channel, namespace, name) in rows {
            assert_eq!(syntax.split(channel), (namespace, name), "{channel}");
        }
    }

    #[test]
    fn users_stand_behind_the_last_boundary() {
        let syntax = Syntax::new(&settings::Channel::default());
        let users = |channel: &str| syntax.users(channel).map(|users| users.map(String::from).collect::<Vec<_>>());
        assert_eq!(users("room#42,43"), Some(vec!["42".into(), "43".into()]));
        assert_eq!(users("a#42#c"), Some(vec!["c".into()]));
        assert_eq!(users("room#"), Some(vec!["".into()]));
        assert_eq!(users("room"), None);
    }

    #[test]
    fn an_empty_separator_means_nothing() {
        let channel = settings::Channel {
            private_prefix: String::new(),
            namespace_boundary: String::new(),
            user_boundary: String::new(),
            ..settings::Channel::default()
        };
        let syntax = Syntax::new(&channel);
        assert!(!syntax.is_private("$a") && syntax.users("a#1").is_none());
        assert_eq!(syntax.split("a:b"), ("", "a:b"));
        let single = Syntax::new(&settings::Channel { user_separator: String::new(), ..settings::Channel::default() });
        let users = |channel| single.users(channel).map(|users| users.collect::<Vec<_>>());
        assert_eq!(users("a#1,\0"), Some(vec!["1,\0"]), "whatever stands there is one user");
    }
}
