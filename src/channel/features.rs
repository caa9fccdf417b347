//! What a subscription does besides receiving publications: the options of its namespace, and what overrides them.

use crate::config::settings;
use crate::protocol::frame::{Feed, Rendition};

/// What a recovered subscriber gets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RecoveryMode {
    /// All that it has missed.
    #[default]
    Stream,
    /// The newest publication.
    Cache,
}

/// What one subscription has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Features {
    /// The subscriber is listed.
    pub presence: bool,
    /// Others are told when it comes and goes.
    pub join_leave: bool,
    /// It is told when others come and go.
    pub push_join_leave: bool,
    /// It is told its position.
    pub positioned: bool,
    /// It may be recovered.
    pub recoverable: bool,
    /// With what.
    pub recovery_mode: RecoveryMode,
    /// It gets publications as patches of those before them; asked for by the client.
    pub delta: bool,
    /// When too much waits for its client, its publications are dropped and read again from history.
    pub catches_up: bool,
}

/// Options that a caller sets for one subscription; `None` keeps what the namespace says.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Overrides {
    /// `presence`
    pub presence: Option<bool>,
    /// `join_leave`
    pub join_leave: Option<bool>,
    /// `force_push_join_leave`
    pub force_push_join_leave: Option<bool>,
    /// `force_positioning`
    pub force_positioning: Option<bool>,
    /// `force_recovery`
    pub force_recovery: Option<bool>,
}

impl Features {
    /// What the namespace gives to everybody, with exceptions.
    pub fn new(namespace: &settings::Namespace, overrides: &Overrides) -> Features {
        let recoverable = overrides.force_recovery.unwrap_or(namespace.force_recovery);
        Features {
            presence: overrides.presence.unwrap_or(namespace.presence),
            join_leave: overrides.join_leave.unwrap_or(namespace.join_leave),
            push_join_leave: overrides.force_push_join_leave.unwrap_or(namespace.force_push_join_leave),
            // What can be recovered has a position.
            positioned: overrides.force_positioning.unwrap_or(namespace.force_positioning) || recoverable,
            recoverable,
            recovery_mode: match namespace.force_recovery_mode.as_str() {
                "cache" => RecoveryMode::Cache,
                _ => RecoveryMode::Stream,
            },
            delta: false,
            catches_up: namespace.catches_up(),
        }
    }

    /// The feed of a subscriber whose connection has this rendition.
    pub fn feed(&self, rendition: Rendition) -> Feed {
        Feed { rendition, joins: self.push_join_leave, delta: self.delta }
    }

    /// True when the owner of the channel has to do something for the subscriber alone.
    pub fn needs_owner(&self) -> bool {
        self.presence || self.positioned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_replaces_its_option_only() {
        let namespace = settings::Namespace { presence: true, force_recovery: true, ..Default::default() };
        let plain = Features::new(&namespace, &Overrides::default());
        assert!(plain.presence && plain.recoverable && plain.positioned && !plain.join_leave);
        let overrides = Overrides { force_recovery: Some(false), join_leave: Some(true), ..Default::default() };
        let changed = Features::new(&namespace, &overrides);
        assert!(changed.presence && changed.join_leave && !changed.recoverable && !changed.positioned);
    }
}
