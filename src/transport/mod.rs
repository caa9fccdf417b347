//! What each endpoint does with a request: where it is served, who may use it, what it answers.
//!
//! [`TRANSPORTS`] lists the endpoints once; [`Routes`] is that list under the operator's settings, for one listener.
//! Here is no state of connections (`conn`) and no waiting (`shard`).

pub mod addresses;
pub mod admission;
pub mod api;
pub mod health;
pub mod swagger;
pub mod websocket;

use crate::api::METHODS;
use crate::clock::Mono;
use crate::config::settings::Settings;
use crate::limits;
use crate::wire::http1::Head;
use std::time::Duration;

/// What answers a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `/connection/websocket`
    Websocket,
    /// `/connection/echo`: a WebSocket whose messages come back, for conformance suites.
    Echo,
    /// `/api/<name>`: a place in [`METHODS`].
    Api(usize),
    /// `/api/batch`
    ApiBatch,
    /// `/api`: the legacy form.
    ApiLegacy,
    /// `/health`
    Health,
    /// `/health/ready`: Corecast's own.
    Ready,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
    /// The API page: what continues its prefix.
    Swagger(&'static str),
}

impl Endpoint {
    /// True when it asks for the key of the API.
    pub fn is_api(self) -> bool {
        matches!(self, Endpoint::Api(_) | Endpoint::ApiBatch | Endpoint::ApiLegacy)
    }
}

/// Which endpoints a listener serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The only port: everything.
    All,
    /// The main port beside an internal one.
    External,
    /// The internal port.
    Internal,
}

/// One kind of endpoint and how it is placed.
struct Transport {
    /// The paths that it answers; none when it is switched off.
    paths: fn(&Settings) -> Vec<(String, Endpoint)>,
    /// True when it belongs to clients and so to the external port.
    is_external: fn(&Settings) -> bool,
}

/// All kinds of endpoints.
const TRANSPORTS: &[Transport] = &[
    Transport {
        paths: |s| endpoint(!s.websocket.disabled, &s.websocket.handler_prefix, Endpoint::Websocket),
        is_external: |_| true,
    },
    Transport {
        paths: |s| endpoint(s.corecast.echo_enabled, "/connection/echo", Endpoint::Echo),
        is_external: |_| true,
    },
    Transport { paths: api_paths, is_external: |s| s.http_api.external },
    Transport { paths: health_paths, is_external: |_| false },
    Transport {
        paths: |s| endpoint(s.prometheus.enabled, &s.prometheus.handler_prefix, Endpoint::Metrics),
        is_external: |_| false,
    },
    Transport { paths: |s| endpoint(s.swagger.enabled, "/openapi.json", Endpoint::OpenApi), is_external: |_| false },
    Transport { paths: swagger_paths, is_external: |_| false },
];

fn endpoint(enabled: bool, prefix: &str, endpoint: Endpoint) -> Vec<(String, Endpoint)> {
    if enabled { vec![(trimmed(prefix), endpoint)] } else { Vec::new() }
}

fn health_paths(settings: &Settings) -> Vec<(String, Endpoint)> {
    if !settings.health.enabled {
        return Vec::new();
    }
    let prefix = settings.health.handler_prefix.trim_end_matches('/');
    vec![(trimmed(prefix), Endpoint::Health), (format!("{prefix}/ready"), Endpoint::Ready)]
}

fn api_paths(settings: &Settings) -> Vec<(String, Endpoint)> {
    if settings.http_api.disabled {
        return Vec::new();
    }
    let prefix = settings.http_api.handler_prefix.trim_end_matches('/');
    let methods = METHODS.iter().enumerate().map(|(at, m)| (format!("{prefix}/{}", m.name), Endpoint::Api(at)));
    // Under the root every path that nothing else answers is the legacy endpoint.
    let legacy = if prefix.is_empty() { ANY_PATH } else { prefix };
    methods.chain([(format!("{prefix}/batch"), Endpoint::ApiBatch), (legacy.into(), Endpoint::ApiLegacy)]).collect()
}

fn swagger_paths(settings: &Settings) -> Vec<(String, Endpoint)> {
    if !settings.swagger.enabled {
        return Vec::new();
    }
    let prefix = settings.swagger.handler_prefix.trim_end_matches('/');
    swagger::paths().map(|rest| (format!("{prefix}{rest}"), Endpoint::Swagger(rest))).collect()
}

/// Answers what nothing else does.
const ANY_PATH: &str = "*";

/// A prefix without its trailing slash; `/` itself stays.
fn trimmed(prefix: &str) -> String {
    let text = prefix.trim_end_matches('/');
    if text.is_empty() { "/".into() } else { text.into() }
}

/// The paths of one listener.
#[derive(Clone, Debug)]
pub struct Routes(Vec<(String, Endpoint)>);

impl Routes {
    /// Places the endpoints.
    pub fn new(settings: &Settings, scope: Scope) -> Routes {
        let here = TRANSPORTS.iter().filter(|transport| match scope {
            Scope::All => true,
            Scope::External => (transport.is_external)(settings),
            Scope::Internal => !(transport.is_external)(settings),
        });
        Routes(here.flat_map(|transport| (transport.paths)(settings)).collect())
    }

    /// What answers this request. Paths match exactly, after percent-decoding.
    pub fn find(&self, head: &Head<'_>) -> Option<Endpoint> {
        let path = head.path_decoded()?;
        let found = self.0.iter().find(|(known, _)| *known == path);
        found.or_else(|| self.0.iter().find(|(known, _)| known == ANY_PATH)).map(|(_, endpoint)| *endpoint)
    }
}

/// Until when more of a body has to come, after `bytes` of it came now: it may be silent for a while, but it has to bring
/// [`limits::HTTP_BODY_BYTES_PER_SECOND_MIN`] in the long run.
pub fn body_deadline(until: Mono, bytes: usize, now: Mono) -> Mono {
    let earned = Duration::from_millis(bytes as u64 * 1000 / limits::HTTP_BODY_BYTES_PER_SECOND_MIN);
    (now + Duration::from_millis(limits::HTTP_BODY_TIMEOUT_MS)).min(until + earned)
}

/// A whole answer to a request, before it is encoded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<&'static str>,
    /// Further fields.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A status without a body.
    pub fn empty(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }

    /// A short text of the server for people, as Go's `http.Error` gives it.
    pub fn text(status: u16, text: &str) -> Answer {
        Answer {
            status,
            content_type: Some("text/plain; charset=utf-8"),
            fields: vec![("X-Content-Type-Options", "nosniff".into())],
            body: format!("{text}\n").into_bytes(),
        }
    }

    /// A JSON document.
    pub fn json(status: u16, body: Vec<u8>) -> Answer {
        Answer { status, content_type: Some("application/json"), fields: Vec::new(), body }
    }

    /// No endpoint answers this request. `OPTIONS *` asks about none, and gets what Go gives.
    pub fn without_endpoint(head: &Head<'_>) -> Answer {
        if head.path() == "*" { Answer::empty(200) } else { Answer::not_found() }
    }

    /// No endpoint answers this path.
    pub fn not_found() -> Answer {
        Answer::text(404, "404 page not found")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(settings: &Settings, scope: Scope) -> Vec<Endpoint> {
        Routes::new(settings, scope).0.into_iter().map(|(_, endpoint)| endpoint).collect()
    }

    #[test]
    fn an_internal_port_takes_the_api_away_from_the_main_one() {
        let mut settings = Settings::default();
        settings.health.enabled = true;
        assert_eq!(endpoints(&settings, Scope::External), [Endpoint::Websocket]);
        assert!(endpoints(&settings, Scope::Internal).contains(&Endpoint::ApiBatch));
        assert!(!endpoints(&settings, Scope::Internal).contains(&Endpoint::Websocket));
        settings.http_api.external = true;
        assert!(endpoints(&settings, Scope::External).contains(&Endpoint::Api(0)));
        assert_eq!(endpoints(&settings, Scope::Internal), [Endpoint::Health, Endpoint::Ready]);
    }

    #[test]
    fn prefixes_lose_their_trailing_slash_and_a_bare_one_puts_methods_at_the_root() {
        let mut settings = Settings::default();
        settings.http_api.handler_prefix = "/x/api/".into();
        settings.websocket.handler_prefix = "/ws/".into();
        let paths = |s: &Settings| Routes::new(s, Scope::All).0.into_iter().map(|(p, _)| p).collect::<Vec<_>>();
        assert_eq!(paths(&settings)[..2], ["/ws", "/x/api/publish"]);
        settings.http_api.handler_prefix = "/".into();
        assert_eq!(paths(&settings)[1], "/publish");
    }
}
