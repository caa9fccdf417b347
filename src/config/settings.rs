//! What the server was told, as it is meant: one tree, typed, independent of the dialect that it was written in.
//!
//! Field paths are the names of Centrifugo v6 (`client.channel_limit` is `settings.client.channel_limit`), except
//! `corecast`, which holds options of our own. Only options that are served stand here.
//! Not here: the defaults (`settings_defaults`), reading (`config::load`), the table of names (`config::table`).

use std::time::Duration;

/// The whole tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `node.*`
    pub node: Node,
    /// `log.*`
    pub log: Log,
    /// `http_server.*`
    pub http_server: HttpServer,
    /// `http_api.*`
    pub http_api: HttpApi,
    /// `grpc_api.*`
    pub grpc_api: GrpcApi,
    /// `swagger.*`
    pub swagger: Swagger,
    /// `websocket.*`
    pub websocket: Websocket,
    /// `health.*`
    pub health: Health,
    /// `prometheus.*`
    pub prometheus: Prometheus,
    /// `client.*`
    pub client: Client,
    /// `channel.*`
    pub channel: Channel,
    /// `rpc.ping.*`
    pub rpc_ping: RpcPing,
    /// `shutdown.*`
    pub shutdown: Shutdown,
    /// `pid_file`: written at start, removed never. Empty: none.
    pub pid_file: String,
    /// `corecast.*`: options that Centrifugo does not have.
    pub corecast: Corecast,
}

/// `node.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Shown by `info`. Empty: `<hostname>_<port>`.
    pub name: String,
    /// How long the figures of `info` are collected before they are shown.
    pub info_metrics_aggregate_interval: Duration,
}

/// `log.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// `trace debug info warn error fatal none`; anything else counts as `info`.
    pub level: String,
    /// Takes every line when not empty; standard output then stays silent.
    pub file: String,
}

/// `http_server.*`
#[derive(Clone, Debug, PartialEq)]
pub struct HttpServer {
    /// Empty: all interfaces, IPv6 and IPv4.
    pub address: String,
    /// TCP port of client endpoints, and of all others unless `internal_port` is set.
    pub port: u16,
    /// Empty: as `address`.
    pub internal_address: String,
    /// Empty: internal endpoints share `port`.
    pub internal_port: String,
    /// Encrypts `port`, and `internal_port` unless told otherwise.
    pub tls: Tls,
    /// `tls` is for `port` alone.
    pub tls_external: bool,
    /// Encrypts `internal_port` in place of `tls`.
    pub internal_tls: Tls,
}

/// `http_server.tls.*`, `http_server.internal_tls.*`, `grpc_api.tls.*`. PEM values are as written: text, base64 or a
/// path, so that a file can be read again when it changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// The rest counts only then.
    pub enabled: bool,
    /// The certificate, and those between it and the root.
    pub cert_pem: String,
    /// Its private key.
    pub key_pem: String,
    /// Who signs the certificates that clients must show. Empty: clients show none.
    pub client_ca_pem: String,
    /// For the client's side of a connection; without effect on a server.
    pub server_ca_pem: String,
    /// The same.
    pub server_name: String,
    /// The same.
    pub insecure_skip_verify: bool,
}

/// `http_api.*`
#[derive(Clone, Debug, PartialEq)]
pub struct HttpApi {
    /// No API over HTTP at all.
    pub disabled: bool,
    /// Served on the external port although an internal one exists.
    pub external: bool,
    /// Without a trailing slash; `/` alone puts methods at the root.
    pub handler_prefix: String,
    /// Empty: every request is refused with 401.
    pub key: String,
    /// `transport`: API errors become HTTP statuses. Empty: status 200 with an error object.
    pub error_mode: String,
    /// No key is asked for.
    pub insecure: bool,
}

/// `grpc_api.*`
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcApi {
    /// Serves the API over GRPC on a port of its own.
    pub enabled: bool,
    /// Empty: all interfaces, IPv6 and IPv4.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Empty: no key is asked for.
    pub key: String,
    /// `transport`: API errors become GRPC statuses. Empty: status OK with the error in the reply.
    pub error_mode: String,
    /// Clients may ask for the description of the services.
    pub reflection: bool,
    /// Bytes of one request; 0: 4 MiB.
    pub max_receive_message_size: usize,
    /// Encrypts the port.
    pub tls: Tls,
    /// `grpc_api_tls_disable` of v5: `http_server.tls` does not count here.
    pub tls_disable: bool,
    /// Without an own `tls`, `http_server.tls` counts: it was switched on in the words of v5.
    pub tls_inherits: bool,
}

/// `swagger.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Swagger {
    /// Serves the API page and `/openapi.json`.
    pub enabled: bool,
    /// Path of the page.
    pub handler_prefix: String,
}

/// `websocket.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Websocket {
    /// No WebSocket endpoint.
    pub disabled: bool,
    /// Path of the endpoint.
    pub handler_prefix: String,
    /// Clients that offer permessage-deflate get it.
    pub compression: bool,
    /// Shorter messages to clients, and those of just this length, go out as they are; 0: all are compressed.
    pub compression_min_size: usize,
    /// As in Go's library: 0 to 9, -1 for the usual 6, -2 for what is quickest.
    pub compression_level: i64,
    /// Bytes of one message from a client, as it comes; a larger one closes with 1009.
    pub message_size_limit: usize,
    /// The same for a compressed one when it is inflated; 0: ten times the other limit.
    pub decompressed_message_size_limit: usize,
    /// A client that takes nothing for so long while its socket is full is cut (3009); `None`, and 0: never.
    pub write_timeout: Option<Duration>,
}

impl Websocket {
    /// Bytes that a compressed message may have when it is inflated.
    pub fn inflated_bytes_max(&self) -> usize {
        match self.decompressed_message_size_limit {
            0 => self.message_size_limit.saturating_mul(10),
            limit => limit,
        }
    }
}

/// `health.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Serves `GET handler_prefix`.
    pub enabled: bool,
    /// Path of the endpoint.
    pub handler_prefix: String,
}

/// `prometheus.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Prometheus {
    /// Serves `GET handler_prefix`.
    pub enabled: bool,
    /// Path of the endpoint.
    pub handler_prefix: String,
}

/// `client.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Patterns against the lower-cased `Origin`; `*` matches all, empty refuses every request that has one.
    pub allowed_origins: Vec<String>,
    /// Between two pings to a client. `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// A pong is due within. `None`: pongs are not asked for.
    pub pong_timeout: Option<Duration>,
    /// A connection without a successful `connect` is closed with 3502 after this.
    pub stale_close_delay: Duration,
    /// `client.write_delay` (Centrifugo PRO): how long pushes may wait for more before they are written.
    pub write_delay: Duration,
    /// Grace after the expiry of a connection.
    pub expired_close_delay: Duration,
    /// Grace after the expiry of a subscription.
    pub expired_sub_close_delay: Duration,
    /// A channel with positioned subscribers that was silent for so long is compared with its owner; at least a second.
    pub channel_position_check_delay: Duration,
    /// Publications that come later are missed by positioned subscribers; zero: never.
    pub channel_position_max_time_lag: Duration,
    /// How often changed information of clients reaches presence; at least a second.
    pub presence_update_interval: Duration,
    /// Subscriptions of one connection.
    pub channel_limit: usize,
    /// Bytes that may wait for one client; above it the client is disconnected with 3008.
    pub queue_max_size: usize,
    /// Connections of this node; 0: no limit. One more gets 503.
    pub connection_limit: usize,
    /// New connections of this node per second; 0: no limit. One more gets 503.
    pub connection_rate_limit: usize,
    /// Connections of one user on this node; 0: no limit.
    pub user_connection_limit: usize,
    /// Publications that one recovery may bring; a client that missed more is not recovered.
    pub recovery_max_publication_limit: usize,
    /// Publications that one `history` of a client may bring.
    pub history_max_publication_limit: usize,
    /// The connect reply carries `time`.
    pub connect_include_server_time: bool,
    /// A client without a token is user "".
    pub allow_anonymous_connect_without_token: bool,
    /// A token with an empty user is refused with 3507.
    pub disallow_anonymous_connection_tokens: bool,
    /// Everything is permitted except private channels without a token.
    pub insecure: bool,
    /// Signatures of tokens are not checked.
    pub insecure_skip_token_signature_verify: bool,
    /// A trusted proxy names the user in this header. Empty: off.
    pub user_id_http_header: String,
    /// `client.subscribe_to_user_personal_channel.*`
    pub personal_channel: PersonalChannel,
    /// `client.token.*`
    pub token: Token,
    /// `client.subscription_token.*` when `client.subscription_token.enabled`; else `token` serves both kinds.
    pub subscription_token: Option<Token>,
}

/// `client.subscribe_to_user_personal_channel.*`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonalChannel {
    /// Every connection with a user is subscribed to the channel of that user.
    pub enabled: bool,
    /// Where the channel is. Empty: it names no namespace.
    pub namespace: String,
    /// A new connection ends the user's others with 3504; without presence in the namespace it does not.
    pub single_connection: bool,
}

/// `client.token.*` and `client.subscription_token.*`. Empty texts mean: not set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Token {
    /// HS256, HS384, HS512.
    pub hmac_secret_key: String,
    /// Tried after the current key failed.
    pub hmac_previous_secret_key: String,
    /// Unix seconds until which the previous key counts; 0: for ever.
    pub hmac_previous_secret_key_valid_until: i64,
    /// PEM text, RS256, RS384, RS512.
    pub rsa_public_key: String,
    /// PEM text, the ES algorithm of its curve.
    pub ecdsa_public_key: String,
    /// Address of a key set, or a template of one; then the keys above do not count.
    pub jwks_public_endpoint: String,
    /// A group that fills the template may match any text.
    pub insecure_skip_jwks_endpoint_safety_check: bool,
    /// Must be one of `aud`.
    pub audience: String,
    /// Must match one of `aud`.
    pub audience_regex: String,
    /// Must equal `iss`.
    pub issuer: String,
    /// Must match `iss`.
    pub issuer_regex: String,
    /// Claim that names the user instead of `sub`.
    pub user_id_claim: String,
}

/// `channel.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    /// Bytes of a channel name, checked by the client's `subscribe` alone.
    pub max_length: usize,
    /// A channel that begins with it needs a subscription token. Empty: off.
    pub private_prefix: String,
    /// Text before the first one names the namespace. Empty: no namespaces.
    pub namespace_boundary: String,
    /// Text after the last one lists users.
    pub user_boundary: String,
    /// Between listed users.
    pub user_separator: String,
    /// For namespaces that leave theirs empty: "", `json`, `json_object`, `binary`.
    pub publication_data_format: String,
    /// For namespaces that leave theirs 0: how long offset and epoch outlive the last use of a channel.
    pub history_meta_ttl: Duration,
    /// Options of channels without namespace.
    pub without_namespace: Namespace,
    /// Options of the others by name, in the order of the file.
    pub namespaces: Vec<(String, Namespace)>,
}

/// Options of one namespace (`channel.without_namespace.*`, `channel.namespaces[].*`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    /// A client may subscribe.
    pub allow_subscribe_for_client: bool,
    /// Also user "".
    pub allow_subscribe_for_anonymous: bool,
    /// A client may publish.
    pub allow_publish_for_client: bool,
    /// A subscribed client may publish.
    pub allow_publish_for_subscriber: bool,
    /// Also user "".
    pub allow_publish_for_anonymous: bool,
    /// `name#1,2` is open to users 1 and 2.
    pub allow_user_limited_channels: bool,
    /// The name after the boundary must match. Empty: ASCII is enough.
    pub channel_regex: String,
    /// What a publication may hold: "" (not empty), `json`, `json_object`, `binary`.
    pub publication_data_format: String,
    /// Subscribers are listed.
    pub presence: bool,
    /// Subscribers are told who comes and goes, if they want to know it.
    pub join_leave: bool,
    /// All subscribers are told.
    pub force_push_join_leave: bool,
    /// Publications kept; 0: none.
    pub history_size: usize,
    /// How long they are kept after the last one; 0: not at all.
    pub history_ttl: Duration,
    /// How long offset and epoch outlive the last use of a channel; 0: as `channel.history_meta_ttl` says.
    pub history_meta_ttl: Duration,
    /// Every subscription is told its position.
    pub force_positioning: bool,
    /// Every subscription may be recovered.
    pub force_recovery: bool,
    /// What a recovered subscriber gets: "" and `stream`, all that it has missed; `cache`, the newest publication.
    pub force_recovery_mode: String,
    /// Every subscriber is recovered, asked for or not; in mode `cache` alone.
    pub auto_cache_recover: bool,
    /// Kinds of deltas that a subscriber may ask for: `fossil`.
    pub allowed_delta_types: Vec<String>,
    /// Every publication is made a delta for those who asked.
    pub delta_publish: bool,
    /// A subscriber may choose publications by their tags.
    pub allow_tags_filter: bool,
    /// A subscriber may ask for its position.
    pub allow_positioning: bool,
    /// A subscriber may ask to be recovered.
    pub allow_recovery: bool,
    /// A client may ask who is there.
    pub allow_presence_for_client: bool,
    /// A subscribed client may.
    pub allow_presence_for_subscriber: bool,
    /// Also user "".
    pub allow_presence_for_anonymous: bool,
    /// A client may ask what was published.
    pub allow_history_for_client: bool,
    /// A subscribed client may.
    pub allow_history_for_subscriber: bool,
    /// Also user "".
    pub allow_history_for_anonymous: bool,
    /// What becomes of a client for which too much waits: "" and `disconnect`, it is told 3008; `catch_up`, publications of
    /// this namespace are dropped and read again from history.
    pub corecast_slow_consumer: String,
    /// How long pushes may wait for more before they are written. Zero: as `client.write_delay` says.
    pub corecast_write_delay: Duration,
}

impl Namespace {
    /// True when slow subscribers catch up.
    pub fn catches_up(&self) -> bool {
        self.corecast_slow_consumer == "catch_up"
    }
}

/// `rpc.ping.*`
#[derive(Clone, Debug, PartialEq)]
pub struct RpcPing {
    /// `rpc` with `method` answers by itself.
    pub enabled: bool,
    /// Its method name.
    pub method: String,
}

/// `shutdown.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Shutdown {
    /// Time to end in order; then what is left is cut and the exit code is 1.
    pub timeout: Duration,
    /// `shutdown.termination_delay`: so long the server goes on and says that it is not ready, before it ends.
    pub termination_delay: Duration,
    /// `shutdown.spread`: clients are told over so long a time, so that they do not all come back at once.
    pub spread: Duration,
}

/// `corecast.*`
#[derive(Clone, Debug, PartialEq)]
pub struct Corecast {
    /// Cores to use; 0: as many as the affinity mask and the CPU quota allow.
    pub cores: usize,
    /// `corecast.http_api.max_body_size`: bytes of one API request; more is refused with 413.
    pub http_api_max_body_size: usize,
    /// `corecast.limits.connections_per_address`: at a time; 0: no limit.
    pub connections_per_address: usize,
    /// `corecast.limits.connection_rate_per_address`: new ones per second, and at once; 0: no limit.
    pub connection_rate_per_address: usize,
    /// `corecast.limits.commands_per_second`: of one client, and at once; 0: no limit.
    pub commands_per_second: usize,
    /// `corecast.memory.budget`: bytes that the node may hold before it gives up something; 0: three quarters of what the
    /// control group or the machine has.
    pub memory_budget: usize,
    /// `corecast.tls.min_version`: `1.2` or `1.3`, for all ports.
    pub tls_min_version: String,
    /// `corecast.echo.enabled`: `/connection/echo` is there. For conformance suites, not for production.
    pub echo_enabled: bool,
    /// `corecast.jwks.allow_private_targets`: key sets may be on loopback and private addresses.
    pub jwks_allow_private_targets: bool,
}
