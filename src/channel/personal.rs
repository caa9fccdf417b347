//! The channel that a user's connections are subscribed to without asking: `[namespace:]#user` (auth-and-proxies C.1).

use super::name::Syntax;
use crate::config::settings;

/// How the names of personal channels are made.
#[derive(Debug)]
pub struct Personal {
    prefix: String,
    is_sole: bool,
}

impl Personal {
    /// `None` when the option is off. One connection replaces another only where users are listed.
    pub fn new(options: &settings::PersonalChannel, syntax: &Syntax, has_presence: bool) -> Option<Personal> {
        options.enabled.then(|| Personal {
            prefix: syntax.personal_prefix(&options.namespace),
            is_sole: options.single_connection && has_presence,
        })
    }

    /// The channel of a user; the anonymous user has none.
    pub fn channel(&self, user: &str) -> Option<String> {
        (!user.is_empty()).then(|| format!("{}{user}", self.prefix))
    }

    /// True when a new connection ends the user's others.
    pub fn is_sole(&self) -> bool {
        self.is_sole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_boundaries() {
        let syntax = |boundary: &str| {
            Syntax::new(&settings::Channel { user_boundary: boundary.into(), ..settings::Channel::default() })
        };
        let options = |namespace: &str, enabled| settings::PersonalChannel {
            enabled,
            namespace: namespace.into(),
            single_connection: true,
        };
        let rows = [("", "#", "#42"), ("mine", "#", "mine:#42"), ("mine", "@", "mine:@42")];
        for (namespace, boundary, channel) in rows {
            let personal = Personal::new(&options(namespace, true), &syntax(boundary), true).expect("it is on");
            assert_eq!((personal.channel("42").as_deref(), personal.channel("")), (Some(channel), None));
            assert!(personal.is_sole());
        }
        assert!(Personal::new(&options("", false), &syntax("#"), true).is_none());
        assert!(!Personal::new(&options("", true), &syntax("#"), false).expect("it is on").is_sole());
    }
}
