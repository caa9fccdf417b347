//! What may be done with a channel, in Centrifugo's order of decisions (auth-and-proxies C, client-protocol 3.2 and 3.4).
//! Compiled from the settings once; looking a namespace up allocates nothing.
//!
//! Not here: tokens (a caller with a good one skips [`Rules::may_subscribe`]), limits of a connection (`session`).

use super::features::{Features, Overrides};
use super::history::Retention;
use super::name::Syntax;
use super::personal::Personal;
use crate::config::settings;
use crate::mutation::{self, Mutation};
use crate::protocol::code::Error;
use hashbrown::HashMap;
use regex::Regex;
use serde::de::IgnoredAny;
use std::time::Duration;

/// What a publication may hold (`publication_data_format`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    /// Anything but nothing.
    NotEmpty,
    /// A JSON value.
    Json,
    /// A JSON object.
    JsonObject,
    /// Anything, also nothing.
    Binary,
}

/// The options of one namespace, compiled.
#[derive(Debug)]
pub struct Namespace {
    options: settings::Namespace,
    pattern: Option<Regex>,
    format: Format,
    retention: Option<Retention>,
    meta_ttl: Duration,
    write_delay: Duration,
}

impl Namespace {
    fn new(
        name: &str,
        options: &settings::Namespace,
        channel: &settings::Channel,
        client: &settings::Client,
    ) -> Result<Namespace, String> {
        let pattern = match options.channel_regex.as_str() {
            "" => None,
            text => Some(Regex::new(text).map_err(|e| {
                format!("channel_regex of namespace \"{name}\" is \"{text}\": a regular expression is expected ({e})")
            })?),
        };
        let format = match options.publication_data_format.as_str() {
            "" => &channel.publication_data_format,
            own => own,
        };
        let format = match format {
            "" => Format::NotEmpty,
            "json" => Format::Json,
            "json_object" => Format::JsonObject,
            "binary" => Format::Binary,
            other => {
                return Err(format!(
                    "publication_data_format of namespace \"{name}\" is \"{other}\": json, json_object or binary is expected"
                ));
            }
        };
        let has_history = options.history_size > 0 && !options.history_ttl.is_zero();
        let retention = Retention { size: options.history_size, ttl: options.history_ttl };
        let meta_ttl =
            if options.history_meta_ttl.is_zero() { channel.history_meta_ttl } else { options.history_meta_ttl };
        let own_delay = options.corecast_write_delay;
        let write_delay = if own_delay.is_zero() { client.write_delay } else { own_delay };
        Ok(Namespace {
            options: options.clone(),
            pattern,
            format,
            retention: has_history.then_some(retention),
            meta_ttl,
            write_delay,
        })
    }

    /// How much history is kept; `None`: none.
    pub fn retention(&self) -> Option<Retention> {
        self.retention
    }

    /// How long a position outlives the last use of its channel.
    pub fn meta_ttl(&self) -> Duration {
        self.meta_ttl
    }

    /// True when subscribers are listed.
    pub fn has_presence(&self) -> bool {
        self.options.presence
    }

    /// True when a subscriber that can be recovered is, also when it does not ask for it.
    pub fn recovers_unasked(&self) -> bool {
        self.options.auto_cache_recover
    }

    /// True when a subscriber that asks for this kind of delta gets it.
    pub fn grants_delta(&self, kind: &str) -> bool {
        kind == "fossil" && self.options.allowed_delta_types.iter().any(|allowed| allowed == kind)
    }

    /// True when every publication is a patch for those with deltas.
    pub fn publishes_deltas(&self) -> bool {
        self.options.delta_publish
    }

    /// How long what is pushed may wait for more, so that it leaves together.
    pub fn write_delay(&self) -> Duration {
        self.write_delay
    }

    /// True when the publications of slow subscribers are dropped and read again from history.
    pub fn catches_up(&self) -> bool {
        self.options.catches_up() && self.retention.is_some()
    }

    /// True when a subscriber may choose publications by their tags.
    pub fn allows_filter(&self) -> bool {
        self.options.allow_tags_filter || mutation::is(Mutation::FilterRuleIsStale)
    }

    /// What a subscription has, with the exceptions that its caller makes.
    pub fn features(&self, overrides: &Overrides) -> Features {
        Features::new(&self.options, overrides)
    }

    /// True when the feature is switched on.
    fn has(&self, feature: Feature) -> bool {
        match feature {
            Feature::Presence => self.options.presence,
            Feature::History => self.retention.is_some(),
        }
    }

    /// Whether a user has access to the feature, on or not.
    fn opens(&self, feature: Feature, user: &str, is_subscribed: bool) -> bool {
        let options = &self.options;
        let (client, subscriber, anonymous) = match feature {
            Feature::Presence => (
                options.allow_presence_for_client,
                options.allow_presence_for_subscriber,
                options.allow_presence_for_anonymous,
            ),
            Feature::History => (
                options.allow_history_for_client,
                options.allow_history_for_subscriber,
                options.allow_history_for_anonymous,
            ),
        };
        (client || (subscriber && is_subscribed)) && (!user.is_empty() || anonymous)
    }

    /// True when `data` is what publications here may hold.
    pub fn allows_payload(&self, data: &[u8]) -> bool {
        match self.format {
            Format::NotEmpty => !data.is_empty(),
            Format::Json => serde_json::from_slice::<IgnoredAny>(data).is_ok(),
            Format::JsonObject => {
                data.trim_ascii_start().first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(data).is_ok()
            }
            Format::Binary => true,
        }
    }
}

/// What a subscriber asks for beside publications.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Asked {
    /// To be told its position.
    pub positioned: bool,
    /// To be recovered later.
    pub recoverable: bool,
    /// To be told who comes and goes.
    pub join_leave: bool,
}

/// What a client may ask about a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// Who is there.
    Presence,
    /// What was published.
    History,
}

/// Why something is not permitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The namespace is not configured.
    UnknownChannel,
    /// Not for this user.
    PermissionDenied,
    /// The name, or the payload, is not of the required form.
    BadRequest,
    /// The feature is switched off.
    NotAvailable,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::UnknownChannel => Error::UNKNOWN_CHANNEL,
            Refusal::PermissionDenied => Error::PERMISSION_DENIED,
            Refusal::BadRequest => Error::BAD_REQUEST,
            Refusal::NotAvailable => Error::NOT_AVAILABLE,
        }
    }
}

/// The rules for channels.
#[derive(Debug)]
pub struct Rules {
    syntax: Syntax,
    length_max: usize,
    insecure: bool,
    without_namespace: Namespace,
    namespaces: HashMap<String, Namespace>,
    personal: Option<Personal>,
}

impl Rules {
    /// Compiles the settings.
    ///
    /// # Errors
    /// A text for the operator: the namespace, the option, its value, what is expected.
    pub fn new(channel: &settings::Channel, client: &settings::Client) -> Result<Rules, String> {
        let compile = |(name, options): &(String, settings::Namespace)| {
            Namespace::new(name, options, channel, client).map(|namespace| (name.clone(), namespace))
        };
        let mut rules = Rules {
            syntax: Syntax::new(channel),
            length_max: channel.max_length,
            insecure: client.insecure,
            without_namespace: Namespace::new("", &channel.without_namespace, channel, client)?,
            namespaces: channel.namespaces.iter().map(compile).collect::<Result<_, _>>()?,
            personal: None,
        };
        let has_presence = rules.configured(&client.personal_channel.namespace).is_some_and(Namespace::has_presence);
        rules.personal = Personal::new(&client.personal_channel, &rules.syntax, has_presence);
        Ok(rules)
    }

    /// The options that hold for a channel; `None`: its namespace is not configured.
    pub fn namespace(&self, channel: &str) -> Option<&Namespace> {
        self.configured(self.syntax.split(channel).0)
    }

    fn configured(&self, name: &str) -> Option<&Namespace> {
        if name.is_empty() { Some(&self.without_namespace) } else { self.namespaces.get(name) }
    }

    /// The channel that connections of this user are subscribed to, if there is one.
    pub fn personal_channel(&self, user: &str) -> Option<String> {
        self.personal.as_ref()?.channel(user)
    }

    /// True when a new connection with a personal channel ends the others of its user.
    pub fn wants_sole(&self) -> bool {
        self.personal.as_ref().is_some_and(Personal::is_sole)
    }

    /// The length that a client may subscribe to.
    pub fn has_good_length(&self, channel: &str) -> bool {
        channel.len() <= self.length_max
    }

    /// The namespace of a channel whose name has the required form.
    ///
    /// # Errors
    /// The namespace is unknown, or the name does not match.
    pub fn named(&self, channel: &str) -> Result<&Namespace, Refusal> {
        let namespace = self.namespace(channel).ok_or(Refusal::UnknownChannel)?;
        let is_good = match &namespace.pattern {
            Some(pattern) => pattern.is_match(self.syntax.split(channel).1),
            None => channel.is_ascii(),
        };
        if is_good { Ok(namespace) } else { Err(Refusal::BadRequest) }
    }

    /// True when the channel needs a subscription token, also where everything else is permitted.
    pub fn is_private(&self, channel: &str) -> bool {
        self.syntax.is_private(channel)
    }

    /// Whether `user` may subscribe without a token. The name was checked by [`Rules::named`].
    pub fn may_subscribe(&self, channel: &str, namespace: &Namespace, user: &str) -> bool {
        if mutation::is(Mutation::EverybodyMaySubscribe) {
            return true;
        }
        !self.is_private(channel)
            && (self.lists(channel, namespace, user).unwrap_or_else(|| allows_subscribe(&namespace.options, user))
                || self.insecure)
    }

    /// Whether a user-limited channel lists the user; `None` when the channel is not user-limited.
    fn lists(&self, channel: &str, namespace: &Namespace, user: &str) -> Option<bool> {
        if !namespace.options.allow_user_limited_channels {
            return None;
        }
        self.syntax.users(channel).map(|mut users| users.any(|listed| listed == user))
    }

    /// Whether a client gets the server-side subscription that it asks for in `connect` (client-protocol 3.1, step 6).
    ///
    /// # Errors
    /// The namespace is unknown: the whole connection is refused.
    pub fn may_connect_with(&self, channel: &str, user: &str) -> Result<bool, Refusal> {
        let namespace = match self.named(channel) {
            Ok(namespace) => namespace,
            Err(Refusal::UnknownChannel) => return Err(Refusal::UnknownChannel),
            Err(_) => return Ok(false),
        };
        if channel.is_empty() || self.is_private(channel) {
            return Ok(false);
        }
        Ok(match self.lists(channel, namespace, user) {
            Some(is_listed) => (is_listed && !user.is_empty()) || self.insecure,
            None => allows_subscribe(&namespace.options, user) || self.insecure,
        })
    }

    /// Whether `user` may ask for a feature of the channel.
    ///
    /// # Errors
    /// The first check of client-protocol 3.5 that fails.
    pub fn ask(&self, channel: &str, user: &str, is_subscribed: bool, feature: Feature) -> Result<(), Refusal> {
        let namespace = self.named(channel)?;
        if !namespace.has(feature) {
            return Err(Refusal::NotAvailable);
        }
        let is_allowed = namespace.opens(feature, user, is_subscribed) || self.insecure;
        if is_allowed { Ok(()) } else { Err(Refusal::PermissionDenied) }
    }

    /// What a subscriber may ask for beside what it gets anyhow (client-protocol 3.2): a position, recovery, and to be
    /// told of others. What it may not is passed over.
    pub fn extend(&self, features: &mut Features, namespace: &Namespace, user: &str, asked: Asked) {
        let options = &namespace.options;
        let has_access = |feature| namespace.opens(feature, user, true) || self.insecure;
        let history = has_access(Feature::History);
        features.recoverable |= asked.recoverable && (options.allow_recovery || history);
        features.positioned |= features.recoverable || (asked.positioned && (options.allow_positioning || history));
        features.push_join_leave |= asked.join_leave && options.join_leave && has_access(Feature::Presence);
    }

    /// Whether `user` may publish `data`.
    ///
    /// # Errors
    /// The first check of client-protocol 3.4 that fails.
    pub fn publish(&self, channel: &str, user: &str, is_subscribed: bool, data: &[u8]) -> Result<(), Refusal> {
        let namespace = self.named(channel)?;
        if !namespace.allows_payload(data) {
            return Err(Refusal::BadRequest);
        }
        let options = &namespace.options;
        let is_allowed = options.allow_publish_for_client || (options.allow_publish_for_subscriber && is_subscribed);
        if mutation::is(Mutation::EverybodyMayPublish) {
            return Ok(());
        }
        let is_user_allowed = !user.is_empty() || options.allow_publish_for_anonymous;
        if (is_allowed && is_user_allowed) || self.insecure { Ok(()) } else { Err(Refusal::PermissionDenied) }
    }
}

fn allows_subscribe(options: &settings::Namespace, user: &str) -> bool {
    options.allow_subscribe_for_client && (!user.is_empty() || options.allow_subscribe_for_anonymous)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
