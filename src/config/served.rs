//! Which options reach `Settings`: one row binds a v6 path to its field. Everything else is `unserved`.

use super::{
    settings::{Namespace, Settings, Tls, Token},
    tls::SECTIONS as TLS_SECTIONS,
    value::Value,
};
use std::time::Duration;

/// How a value goes into a field, and back.
pub(super) enum Bind<T> {
    Switch(fn(&mut T) -> &mut bool),
    Text(fn(&mut T) -> &mut String),
    /// A path of an endpoint: no slash at its end.
    Prefix(fn(&mut T) -> &mut String),
    /// Text, base64 or a path; the caller has already made it text.
    Pem(fn(&mut T) -> &mut String),
    Words(fn(&mut T) -> &mut Vec<String>),
    Number(fn(&mut T) -> &mut i64),
    /// 0 means the default.
    Size(fn(&mut T) -> &mut usize),
    /// 0 and less mean none.
    Limit(fn(&mut T) -> &mut usize),
    Port(fn(&mut T) -> &mut u16),
    /// Less than 0 is 0.
    Span(fn(&mut T) -> &mut Duration),
    /// Less than 0 switches it off.
    Period(fn(&mut T) -> &mut Option<Duration>),
}

use Bind::{Limit, Number, Pem, Period, Port, Prefix, Size, Span, Switch, Text, Words};

/// Options of the tree, without those of tokens, TLS objects and namespaces.
pub(super) const ROWS: &[(&str, Bind<Settings>)] = &[
    ("node.name", Text(|s| &mut s.node.name)),
    ("node.info_metrics_aggregate_interval", Span(|s| &mut s.node.info_metrics_aggregate_interval)),
    ("log.level", Text(|s| &mut s.log.level)),
    ("log.file", Text(|s| &mut s.log.file)),
    ("http_server.address", Text(|s| &mut s.http_server.address)),
    ("http_server.port", Port(|s| &mut s.http_server.port)),
    ("http_server.internal_address", Text(|s| &mut s.http_server.internal_address)),
    ("http_server.internal_port", Text(|s| &mut s.http_server.internal_port)),
    ("http_server.tls_external", Switch(|s| &mut s.http_server.tls_external)),
    ("http_api.disabled", Switch(|s| &mut s.http_api.disabled)),
    ("http_api.external", Switch(|s| &mut s.http_api.external)),
    ("http_api.handler_prefix", Prefix(|s| &mut s.http_api.handler_prefix)),
    ("http_api.key", Text(|s| &mut s.http_api.key)),
    ("http_api.error_mode", Text(|s| &mut s.http_api.error_mode)),
    ("http_api.insecure", Switch(|s| &mut s.http_api.insecure)),
    ("grpc_api.enabled", Switch(|s| &mut s.grpc_api.enabled)),
    ("grpc_api.address", Text(|s| &mut s.grpc_api.address)),
    ("grpc_api.port", Port(|s| &mut s.grpc_api.port)),
    ("grpc_api.key", Text(|s| &mut s.grpc_api.key)),
    ("grpc_api.error_mode", Text(|s| &mut s.grpc_api.error_mode)),
    ("grpc_api.reflection", Switch(|s| &mut s.grpc_api.reflection)),
    ("grpc_api.max_receive_message_size", Limit(|s| &mut s.grpc_api.max_receive_message_size)),
    ("grpc_api_tls_disable", Switch(|s| &mut s.grpc_api.tls_disable)),
    ("swagger.enabled", Switch(|s| &mut s.swagger.enabled)),
    ("swagger.handler_prefix", Prefix(|s| &mut s.swagger.handler_prefix)),
    ("websocket.disabled", Switch(|s| &mut s.websocket.disabled)),
    ("websocket.handler_prefix", Prefix(|s| &mut s.websocket.handler_prefix)),
    ("websocket.compression", Switch(|s| &mut s.websocket.compression)),
    ("websocket.compression_min_size", Limit(|s| &mut s.websocket.compression_min_size)),
    ("websocket.compression_level", Number(|s| &mut s.websocket.compression_level)),
    ("websocket.message_size_limit", Size(|s| &mut s.websocket.message_size_limit)),
    ("websocket.decompressed_message_size_limit", Limit(|s| &mut s.websocket.decompressed_message_size_limit)),
    ("websocket.write_timeout", Period(|s| &mut s.websocket.write_timeout)),
    ("health.enabled", Switch(|s| &mut s.health.enabled)),
    ("health.handler_prefix", Prefix(|s| &mut s.health.handler_prefix)),
    ("prometheus.enabled", Switch(|s| &mut s.prometheus.enabled)),
    ("prometheus.handler_prefix", Prefix(|s| &mut s.prometheus.handler_prefix)),
    ("client.allowed_origins", Words(|s| &mut s.client.allowed_origins)),
    ("client.ping_interval", Period(|s| &mut s.client.ping_interval)),
    ("client.pong_timeout", Period(|s| &mut s.client.pong_timeout)),
    ("client.write_delay", Span(|s| &mut s.client.write_delay)),
    ("client.stale_close_delay", Span(|s| &mut s.client.stale_close_delay)),
    ("client.expired_close_delay", Span(|s| &mut s.client.expired_close_delay)),
    ("client.expired_sub_close_delay", Span(|s| &mut s.client.expired_sub_close_delay)),
    ("client.channel_limit", Size(|s| &mut s.client.channel_limit)),
    ("client.queue_max_size", Size(|s| &mut s.client.queue_max_size)),
    ("client.connection_limit", Limit(|s| &mut s.client.connection_limit)),
    ("client.connection_rate_limit", Limit(|s| &mut s.client.connection_rate_limit)),
    ("client.user_connection_limit", Limit(|s| &mut s.client.user_connection_limit)),
    ("client.history_max_publication_limit", Size(|s| &mut s.client.history_max_publication_limit)),
    ("client.channel_position_check_delay", Span(|s| &mut s.client.channel_position_check_delay)),
    ("client.channel_position_max_time_lag", Span(|s| &mut s.client.channel_position_max_time_lag)),
    ("client.presence_update_interval", Span(|s| &mut s.client.presence_update_interval)),
    ("client.recovery_max_publication_limit", Size(|s| &mut s.client.recovery_max_publication_limit)),
    ("client.connect_include_server_time", Switch(|s| &mut s.client.connect_include_server_time)),
    ("client.allow_anonymous_connect_without_token", Switch(|s| &mut s.client.allow_anonymous_connect_without_token)),
    ("client.disallow_anonymous_connection_tokens", Switch(|s| &mut s.client.disallow_anonymous_connection_tokens)),
    ("client.insecure", Switch(|s| &mut s.client.insecure)),
    ("client.insecure_skip_token_signature_verify", Switch(|s| &mut s.client.insecure_skip_token_signature_verify)),
    ("client.user_id_http_header", Text(|s| &mut s.client.user_id_http_header)),
    ("client.subscribe_to_user_personal_channel.enabled", Switch(|s| &mut s.client.personal_channel.enabled)),
    (
        "client.subscribe_to_user_personal_channel.personal_channel_namespace",
        Text(|s| &mut s.client.personal_channel.namespace),
    ),
    (
        "client.subscribe_to_user_personal_channel.single_connection",
        Switch(|s| &mut s.client.personal_channel.single_connection),
    ),
    ("channel.max_length", Size(|s| &mut s.channel.max_length)),
    ("channel.private_prefix", Text(|s| &mut s.channel.private_prefix)),
    ("channel.namespace_boundary", Text(|s| &mut s.channel.namespace_boundary)),
    ("channel.user_boundary", Text(|s| &mut s.channel.user_boundary)),
    ("channel.user_separator", Text(|s| &mut s.channel.user_separator)),
    ("channel.publication_data_format", Text(|s| &mut s.channel.publication_data_format)),
    ("channel.history_meta_ttl", Span(|s| &mut s.channel.history_meta_ttl)),
    ("rpc.ping.enabled", Switch(|s| &mut s.rpc_ping.enabled)),
    ("rpc.ping.method", Text(|s| &mut s.rpc_ping.method)),
    ("shutdown.timeout", Span(|s| &mut s.shutdown.timeout)),
    ("shutdown.termination_delay", Span(|s| &mut s.shutdown.termination_delay)),
    ("shutdown.spread", Span(|s| &mut s.shutdown.spread)),
    ("pid_file", Text(|s| &mut s.pid_file)),
    ("corecast.cores", Limit(|s| &mut s.corecast.cores)),
    ("corecast.echo.enabled", Switch(|s| &mut s.corecast.echo_enabled)),
    ("corecast.http_api.max_body_size", Size(|s| &mut s.corecast.http_api_max_body_size)),
    ("corecast.jwks.allow_private_targets", Switch(|s| &mut s.corecast.jwks_allow_private_targets)),
    ("corecast.limits.commands_per_second", Limit(|s| &mut s.corecast.commands_per_second)),
    ("corecast.limits.connection_rate_per_address", Limit(|s| &mut s.corecast.connection_rate_per_address)),
    ("corecast.limits.connections_per_address", Limit(|s| &mut s.corecast.connections_per_address)),
    ("corecast.memory.budget", Limit(|s| &mut s.corecast.memory_budget)),
    ("corecast.tls.min_version", Text(|s| &mut s.corecast.tls_min_version)),
];

/// Options under `client.token` and `client.subscription_token`.
pub(super) const TOKEN: &[(&str, Bind<Token>)] = &[
    ("hmac_secret_key", Text(|t| &mut t.hmac_secret_key)),
    ("hmac_previous_secret_key", Text(|t| &mut t.hmac_previous_secret_key)),
    ("hmac_previous_secret_key_valid_until", Number(|t| &mut t.hmac_previous_secret_key_valid_until)),
    ("rsa_public_key", Pem(|t| &mut t.rsa_public_key)),
    ("ecdsa_public_key", Pem(|t| &mut t.ecdsa_public_key)),
    ("jwks_public_endpoint", Text(|t| &mut t.jwks_public_endpoint)),
    ("insecure_skip_jwks_endpoint_safety_check", Switch(|t| &mut t.insecure_skip_jwks_endpoint_safety_check)),
    ("audience", Text(|t| &mut t.audience)),
    ("audience_regex", Text(|t| &mut t.audience_regex)),
    ("issuer", Text(|t| &mut t.issuer)),
    ("issuer_regex", Text(|t| &mut t.issuer_regex)),
    ("user_id_claim", Text(|t| &mut t.user_id_claim)),
];

/// Options of a TLS object. PEM values stay as written: who uses them reads the files, and reads them again.
pub(super) const TLS: &[(&str, Bind<Tls>)] = &[
    ("enabled", Switch(|t| &mut t.enabled)),
    ("cert_pem", Text(|t| &mut t.cert_pem)),
    ("key_pem", Text(|t| &mut t.key_pem)),
    ("client_ca_pem", Text(|t| &mut t.client_ca_pem)),
    ("server_ca_pem", Text(|t| &mut t.server_ca_pem)),
    ("server_name", Text(|t| &mut t.server_name)),
    ("insecure_skip_verify", Switch(|t| &mut t.insecure_skip_verify)),
];

/// Options of namespaces, and of channels without one.
pub(super) const NAMESPACE: &[(&str, Bind<Namespace>)] = &[
    ("allow_subscribe_for_client", Switch(|n| &mut n.allow_subscribe_for_client)),
    ("allow_subscribe_for_anonymous", Switch(|n| &mut n.allow_subscribe_for_anonymous)),
    ("allow_publish_for_client", Switch(|n| &mut n.allow_publish_for_client)),
    ("allow_publish_for_subscriber", Switch(|n| &mut n.allow_publish_for_subscriber)),
    ("allow_publish_for_anonymous", Switch(|n| &mut n.allow_publish_for_anonymous)),
    ("allow_user_limited_channels", Switch(|n| &mut n.allow_user_limited_channels)),
    ("channel_regex", Text(|n| &mut n.channel_regex)),
    ("publication_data_format", Text(|n| &mut n.publication_data_format)),
    ("presence", Switch(|n| &mut n.presence)),
    ("join_leave", Switch(|n| &mut n.join_leave)),
    ("force_push_join_leave", Switch(|n| &mut n.force_push_join_leave)),
    ("history_size", Limit(|n| &mut n.history_size)),
    ("history_ttl", Span(|n| &mut n.history_ttl)),
    ("history_meta_ttl", Span(|n| &mut n.history_meta_ttl)),
    ("force_positioning", Switch(|n| &mut n.force_positioning)),
    ("force_recovery", Switch(|n| &mut n.force_recovery)),
    ("force_recovery_mode", Text(|n| &mut n.force_recovery_mode)),
    ("auto_cache_recover", Switch(|n| &mut n.auto_cache_recover)),
    ("allowed_delta_types", Words(|n| &mut n.allowed_delta_types)),
    ("delta_publish", Switch(|n| &mut n.delta_publish)),
    ("allow_tags_filter", Switch(|n| &mut n.allow_tags_filter)),
    ("allow_positioning", Switch(|n| &mut n.allow_positioning)),
    ("allow_recovery", Switch(|n| &mut n.allow_recovery)),
    ("allow_presence_for_client", Switch(|n| &mut n.allow_presence_for_client)),
    ("allow_presence_for_subscriber", Switch(|n| &mut n.allow_presence_for_subscriber)),
    ("allow_presence_for_anonymous", Switch(|n| &mut n.allow_presence_for_anonymous)),
    ("allow_history_for_client", Switch(|n| &mut n.allow_history_for_client)),
    ("allow_history_for_subscriber", Switch(|n| &mut n.allow_history_for_subscriber)),
    ("allow_history_for_anonymous", Switch(|n| &mut n.allow_history_for_anonymous)),
    ("corecast_slow_consumer", Text(|n| &mut n.corecast_slow_consumer)),
    ("corecast_write_delay", Span(|n| &mut n.corecast_write_delay)),
];

/// Where token rows hang.
pub(super) const TOKEN_SECTIONS: [&str; 2] = ["client.token.", "client.subscription_token."];
pub(super) const SUBSCRIPTION_TOKEN_ENABLED: &str = "client.subscription_token.enabled";
pub(super) const WITHOUT_NAMESPACE: &str = "channel.without_namespace.";
pub(super) const NAMESPACES: &str = "channel.namespaces";

/// Does the option with this v6 path have an effect?
pub fn is_served(path: &str) -> bool {
    let token = || TOKEN_SECTIONS.iter().find_map(|section| path.strip_prefix(section));
    ROWS.iter().any(|(row, _)| *row == path)
        || path == NAMESPACES
        || path == SUBSCRIPTION_TOKEN_ENABLED
        || tls_field(path).is_some_and(|(_, field)| TLS.iter().any(|(row, _)| *row == field))
        || token().is_some_and(|field| TOKEN.iter().any(|(row, _)| *row == field))
        || path.strip_prefix(WITHOUT_NAMESPACE).is_some_and(is_served_in_namespace)
}

/// The section and the field of an option of a TLS object.
fn tls_field(path: &str) -> Option<(&'static str, &str)> {
    TLS_SECTIONS.iter().find_map(|section| Some((*section, path.strip_prefix(section)?.strip_prefix('.')?)))
}

/// The TLS object of a section.
pub(super) fn tls_object<'a>(settings: &'a mut Settings, section: &str) -> &'a mut Tls {
    let [main, internal, _] = TLS_SECTIONS;
    match section {
        _ if section == main => &mut settings.http_server.tls,
        _ if section == internal => &mut settings.http_server.internal_tls,
        _ => &mut settings.grpc_api.tls,
    }
}

/// The same for a field of a namespace.
pub(super) fn is_served_in_namespace(field: &str) -> bool {
    field == "name" || NAMESPACE.iter().any(|(row, _)| *row == field)
}

/// What `settings` holds for the option with this path: the way back, for tests and the commands.
pub fn read_back(settings: &Settings, path: &str) -> Option<Value> {
    let mut settings = settings.clone();
    if let Some((_, bind)) = ROWS.iter().find(|(row, _)| *row == path) {
        return Some(bind.get(&mut settings));
    }
    if path == SUBSCRIPTION_TOKEN_ENABLED {
        return Some(Value::Bool(settings.client.subscription_token.is_some()));
    }
    if path == NAMESPACES {
        return Some(Value::Objects(settings.channel.namespaces.len()));
    }
    if let Some(field) = path.strip_prefix(WITHOUT_NAMESPACE) {
        let (_, bind) = NAMESPACE.iter().find(|(row, _)| *row == field)?;
        return Some(bind.get(&mut settings.channel.without_namespace));
    }
    if let Some((section, field)) = tls_field(path) {
        let (_, bind) = TLS.iter().find(|(row, _)| *row == field)?;
        return Some(bind.get(tls_object(&mut settings, section)));
    }
    let [connection, subscription] = TOKEN_SECTIONS;
    let (mut token, field) = match path.strip_prefix(connection) {
        Some(field) => (settings.client.token, field),
        None => (settings.client.subscription_token?, path.strip_prefix(subscription)?),
    };
    TOKEN.iter().find(|(row, _)| *row == field).map(|(_, bind)| bind.get(&mut token))
}

impl<T> Bind<T> {
    /// Puts `value` in. The error says what was expected.
    pub(super) fn set(&self, into: &mut T, value: Value) -> Result<(), &'static str> {
        match (self, value) {
            (Switch(field), Value::Bool(on)) => *field(into) = on,
            (Text(field) | Pem(field), Value::Text(text)) => *field(into) = text,
            (Prefix(field), Value::Text(text)) => *field(into) = without_slash(&text),
            (Words(field), Value::List(list)) => *field(into) = list,
            (Number(field), Value::Int(n)) => *field(into) = n,
            (Size(_), Value::Int(0)) => {}
            (Size(field), Value::Int(n)) => *field(into) = usize::try_from(n).map_err(|_| "expected 0 or more")?,
            (Limit(field), Value::Int(n)) => *field(into) = usize::try_from(n).unwrap_or(0),
            (Port(field), Value::Int(n)) => *field(into) = u16::try_from(n).map_err(|_| "expected 0 to 65535")?,
            (Span(field), Value::Duration(n)) => *field(into) = span(n).unwrap_or_default(),
            (Period(field), Value::Duration(n)) => *field(into) = span(n),
            _ => return Err("the option table and the settings disagree about the type"),
        }
        Ok(())
    }

    /// What is in there.
    fn get(&self, from: &mut T) -> Value {
        let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let nanos = |d: Duration| Value::Duration(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX));
        match self {
            Switch(field) => Value::Bool(*field(from)),
            Text(field) | Prefix(field) | Pem(field) => Value::Text(field(from).clone()),
            Words(field) => Value::List(field(from).clone()),
            Number(field) => Value::Int(*field(from)),
            Size(field) | Limit(field) => count(*field(from)),
            Port(field) => Value::Int(i64::from(*field(from))),
            Span(field) => nanos(*field(from)),
            Period(field) => field(from).map_or(Value::Duration(-1), nanos),
        }
    }

    pub(super) fn is_pem(&self) -> bool {
        matches!(self, Pem(_))
    }
}

fn span(nanos: i64) -> Option<Duration> {
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

fn without_slash(prefix: &str) -> String {
    match prefix.trim_end_matches('/') {
        "" if !prefix.is_empty() => "/".to_owned(),
        rest => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::table;

    #[test]
    fn every_row_is_an_option_of_the_table_with_the_same_default() {
        let settings = Settings::default();
        for (path, _) in ROWS {
            let opt = table().opt(path).unwrap_or_else(|| panic!("{path} is in no table"));
            assert_eq!(read_back(&settings, path), Some(opt.default.clone()), "{path}");
        }
        for (field, _) in TOKEN {
            let path = format!("client.token.{field}");
            assert_eq!(read_back(&settings, &path), table().opt(&path).map(|opt| opt.default.clone()), "{path}");
        }
        for (section, (field, _)) in TLS_SECTIONS.iter().flat_map(|section| TLS.iter().map(move |row| (section, row))) {
            let path = format!("{section}.{field}");
            assert_eq!(read_back(&settings, &path), table().opt(&path).map(|opt| opt.default.clone()), "{path}");
        }
        for (field, _) in NAMESPACE {
            let path = format!("{WITHOUT_NAMESPACE}{field}");
            assert_eq!(read_back(&settings, &path), table().opt(&path).map(|opt| opt.default.clone()), "{path}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_a_prefix_does_not_count() {
        assert_eq!(without_slash("/api/"), "/api");
        assert_eq!(without_slash("/"), "/");
        assert_eq!(without_slash(""), "");
    }
}
