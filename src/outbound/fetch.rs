//! Gets a key set over HTTP: a plain GET, no redirects, no proxy of the environment, two attempts of a second each.
//!
//! Loopback and private addresses are refused unless `corecast.jwks.allow_private_targets` is set. Names are judged by
//! what they resolve to, in the resolver of the connection itself: a name cannot change its mind between check and use.

use super::sources::Set;
use crate::auth::jwks;
use crate::limits;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, ClientBuilder, Response, Url};
use rustls::RootCertStore;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const REMEDY: &str = "set corecast.jwks.allow_private_targets if that is meant";

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Targets on loopback and private addresses.
    pub allow_private_targets: bool,
}

/// Fetches key sets.
#[derive(Clone)]
pub struct Fetcher {
    options: Options,
    /// Made with the first fetch: it reads the system's certificates.
    client: Arc<OnceLock<Result<Client, String>>>,
}

/// Why an attempt failed.
enum Failed {
    /// Another attempt may succeed.
    Once(String),
    /// The answer is not what is wanted.
    ForGood(String),
}

impl Fetcher {
    /// Without connections yet.
    pub fn new(options: Options) -> Fetcher {
        Fetcher { options, client: Arc::default() }
    }

    /// The set, or a log line that says why not.
    pub async fn fetch(&self, url: &str) -> Option<Set> {
        match self.try_fetch(url).await {
            Ok(set) => Some(set),
            Err(error) => {
                tracing::warn!(url, error, "a key set could not be fetched, tokens that need it are invalid");
                None
            }
        }
    }

    /// The set.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn try_fetch(&self, url: &str) -> Result<Set, String> {
        let url = Url::parse(url).map_err(|e| e.to_string())?;
        self.check_host(&url)?;
        let client = self.client.get_or_init(|| client(self.options)).as_ref().map_err(Clone::clone)?;
        let mut last = String::new();
        for _ in 0..limits::JWKS_ATTEMPTS {
            match attempt(client, &url).await {
                Ok(set) => return Ok(set),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::Once(error)) => last = error,
            }
        }
        Err(last)
    }

    /// An address in place of a name never meets the resolver.
    fn check_host(&self, url: &Url) -> Result<(), String> {
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match address {
            Ok(address) if !self.options.allow_private_targets && !is_public(address) => {
                Err(format!("{address} is no public address: {REMEDY}"))
            }
            _ => Ok(()),
        }
    }
}

fn client(options: Options) -> Result<Client, String> {
    // Another part of the process may have chosen the same one before.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let build = |builder: ClientBuilder| limited(builder, options).build();
    // A container without certificates still reaches issuers in clear; others are then of an unknown authority.
    let bare = || rustls::ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    build(Client::builder())
        .or_else(|_| build(Client::builder().tls_backend_preconfigured(bare())))
        .map_err(|e| said(&e))
}

fn limited(builder: ClientBuilder, options: Options) -> ClientBuilder {
    builder
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_millis(limits::JWKS_ATTEMPT_MS))
        .pool_max_idle_per_host(1)
        .dns_resolver(Arc::new(Resolver(options)))
}

async fn attempt(client: &Client, url: &Url) -> Result<Set, Failed> {
    let once = |e: reqwest::Error| Failed::Once(said(&e));
    let answer = client.get(url.clone()).send().await.map_err(once)?;
    if answer.status() != 200 {
        return Err(Failed::Once(format!("the answer has status {}, 200 is expected", answer.status().as_u16())));
    }
    let body = body(answer).await?;
    jwks::decode(&body).map(Arc::new).ok_or_else(|| Failed::ForGood("the answer is no key set".into()))
}

/// The body, unless it is too long.
async fn body(mut answer: Response) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| Failed::Once(said(&e)))? {
        if body.len() + chunk.len() > limits::JWKS_BYTES_MAX {
            return Err(Failed::ForGood(format!("the answer has more than {} bytes", limits::JWKS_BYTES_MAX)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error with its causes: the outermost one alone says little.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The system's resolver, without addresses that are not allowed.
struct Resolver(Options);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows_all = self.0.allow_private_targets;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| allows_all || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(format!("{} has no public address: {REMEDY}", name.as_str()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// An address that the whole Internet knows (RFC 6890, without its rarer exceptions).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            match v6.to_ipv4_mapped() {
                Some(v4) => is_public_v4(v4),
                // 2000::/3 is all that is given out; 2002::/16 and 64:ff9b::/96 hold addresses of version 4.
                None => first & 0xe000 == 0x2000 && first != 0x2002 && !(first == 0x2001 && second < 0x200),
            }
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_special = a == 0 || a >= 224 || (a == 192 && b == 0 && c == 0) || (a == 198 && b & 0xfe == 18);
    !(address.is_private() || address.is_loopback() || address.is_link_local() || is_shared || is_special)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public_are_known() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        for text in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn a_private_target_is_refused_before_anything_is_sent() {
        let fetch = |url: &str| super::super::fetch_once(url, Options::default()).expect_err("refused");
        for url in ["http://127.0.0.1:1/keys", "http://[::1]:1/keys", "http://2130706433:1/keys", "http://0x7f.1:1/"] {
            let error = fetch(url);
            assert!(error.contains("corecast.jwks.allow_private_targets"), "{url}: {error}");
        }
        let error = fetch("http://localhost:1/keys");
        assert!(error.contains("localhost has no public address"), "{error}");
    }
}
