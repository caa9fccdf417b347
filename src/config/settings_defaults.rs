//! `Default` of the settings: the defaults of the bare binary, which are Centrifugo's where it has the option.

use super::settings::{
    Channel, Client, Corecast, GrpcApi, Health, HttpApi, HttpServer, Log, Namespace, Node, PersonalChannel, Prometheus,
    RpcPing, Shutdown, Swagger, Tls, Token, Websocket,
};
use std::time::Duration;

impl Default for Log {
    fn default() -> Log {
        Log { level: "info".into(), file: String::new() }
    }
}

impl Default for HttpServer {
    fn default() -> HttpServer {
        HttpServer {
            address: String::new(),
            port: 8000,
            internal_address: String::new(),
            internal_port: String::new(),
            tls: Tls::default(),
            tls_external: false,
            internal_tls: Tls::default(),
        }
    }
}

impl Default for HttpApi {
    fn default() -> HttpApi {
        HttpApi {
            disabled: false,
            external: false,
            handler_prefix: "/api".into(),
            key: String::new(),
            error_mode: String::new(),
            insecure: false,
        }
    }
}

impl Default for Node {
    fn default() -> Node {
        Node { name: String::new(), info_metrics_aggregate_interval: Duration::from_secs(60) }
    }
}

impl Default for GrpcApi {
    fn default() -> GrpcApi {
        GrpcApi {
            enabled: false,
            address: String::new(),
            port: 10_000,
            key: String::new(),
            error_mode: String::new(),
            reflection: false,
            max_receive_message_size: 0,
            tls: Tls::default(),
            tls_disable: false,
            tls_inherits: false,
        }
    }
}

impl Default for Swagger {
    fn default() -> Swagger {
        Swagger { enabled: false, handler_prefix: "/swagger".into() }
    }
}

impl Default for Websocket {
    fn default() -> Websocket {
        Websocket {
            disabled: false,
            handler_prefix: "/connection/websocket".into(),
            compression: false,
            compression_min_size: 0,
            compression_level: 1,
            message_size_limit: 65536,
            decompressed_message_size_limit: 0,
            write_timeout: Some(Duration::from_secs(1)),
        }
    }
}

impl Default for Health {
    fn default() -> Health {
        Health { enabled: false, handler_prefix: "/health".into() }
    }
}

impl Default for Prometheus {
    fn default() -> Prometheus {
        Prometheus { enabled: false, handler_prefix: "/metrics".into() }
    }
}

impl Default for Client {
    fn default() -> Client {
        Client {
            allowed_origins: Vec::new(),
            ping_interval: Some(Duration::from_secs(25)),
            pong_timeout: Some(Duration::from_secs(8)),
            stale_close_delay: Duration::from_secs(10),
            write_delay: Duration::ZERO,
            expired_close_delay: Duration::from_secs(25),
            expired_sub_close_delay: Duration::from_secs(25),
            channel_position_check_delay: Duration::from_secs(40),
            channel_position_max_time_lag: Duration::ZERO,
            presence_update_interval: Duration::from_secs(27),
            channel_limit: 128,
            queue_max_size: 1 << 20,
            connection_limit: 0,
            connection_rate_limit: 0,
            user_connection_limit: 0,
            recovery_max_publication_limit: 300,
            history_max_publication_limit: 300,
            connect_include_server_time: false,
            allow_anonymous_connect_without_token: false,
            disallow_anonymous_connection_tokens: false,
            insecure: false,
            insecure_skip_token_signature_verify: false,
            user_id_http_header: String::new(),
            personal_channel: PersonalChannel::default(),
            token: Token::default(),
            subscription_token: None,
        }
    }
}

impl Default for Channel {
    fn default() -> Channel {
        Channel {
            max_length: 255,
            private_prefix: "$".into(),
            namespace_boundary: ":".into(),
            user_boundary: "#".into(),
            user_separator: ",".into(),
            publication_data_format: String::new(),
            history_meta_ttl: Duration::from_secs(720 * 3600),
            without_namespace: Namespace::default(),
            namespaces: Vec::new(),
        }
    }
}

impl Default for RpcPing {
    fn default() -> RpcPing {
        RpcPing { enabled: false, method: "ping".into() }
    }
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { timeout: Duration::from_secs(30), termination_delay: Duration::ZERO, spread: Duration::ZERO }
    }
}

impl Default for Corecast {
    fn default() -> Corecast {
        Corecast {
            cores: 0,
            http_api_max_body_size: 64 << 20,
            tls_min_version: "1.2".into(),
            echo_enabled: false,
            connections_per_address: 0,
            connection_rate_per_address: 0,
            commands_per_second: 0,
            memory_budget: 0,
            jwks_allow_private_targets: false,
        }
    }
}
