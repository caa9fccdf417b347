//! `corecast checktoken` and `checksubtoken`: does the server accept this token, and whom does it prove?

use super::{Answer, gentoken::now_unix, log, source::Place};
use crate::auth::{KeyCache, Lookup, Need, Said, TokenError, Verifier};
use crate::clock::Mono;
use crate::config::settings::{Client, Log, Settings};
use crate::outbound;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::ArgMatches;

/// A connection token.
pub(super) fn connection(matches: &ArgMatches) -> Answer {
    let (settings, parts) = prepare(matches, "checktoken")?;
    let verifier = verifier(&settings.client, &settings.client.token)?;
    let claims = settle(&settings, |lookup| verifier.connection(&parts.token, now_unix(), lookup));
    let claims = claims.map_err(|error| parts.refusal(error))?;
    let who = if claims.user.is_empty() { "anonymous user".into() } else { format!("user {}", claims.user) };
    Ok(format!("valid token for {who}\npayload: {}\n", parts.payload))
}

/// A subscription token.
pub(super) fn subscription(matches: &ArgMatches) -> Answer {
    let (settings, parts) = prepare(matches, "checksubtoken")?;
    let client = &settings.client;
    let verifier = verifier(client, client.subscription_token.as_ref().unwrap_or(&client.token))?;
    let claims = settle(&settings, |lookup| verifier.subscription(&parts.token, now_unix(), lookup));
    let claims = claims.map_err(|error| parts.refusal(error))?;
    let who = if claims.user.is_empty() { "anonymous user".into() } else { format!("user {:?}", claims.user) };
    Ok(format!("valid subscription token for {who} and channel {:?}\npayload: {}\n", claims.channel, parts.payload))
}

/// Gets what the check needs, here and now, until it is decided.
fn settle<T>(settings: &Settings, mut check: impl FnMut(Lookup<'_>) -> Result<T, TokenError>) -> Result<T, TokenError> {
    let options = outbound::Options { allow_private_targets: settings.corecast.jwks_allow_private_targets };
    let (mut keys, mut said) = (KeyCache::default(), Said::Nothing);
    loop {
        let now = Mono(0);
        match check(Lookup { keys: &mut keys, now, said }) {
            Err(TokenError::Needs(need)) => match *need {
                Need::Proof(proof) => said = Said::Signature(proof.holds()),
                Need::Key(name) => {
                    said = Said::Keys;
                    match outbound::fetch_once(&name.url, options) {
                        Ok(set) => keys.put(&name.url, &set, now),
                        Err(error) => log::write(log::Level::Error, "no key set", &[("error", error)]),
                    }
                }
            },
            decided => return decided,
        }
    }
}

fn prepare(matches: &ArgMatches, command: &str) -> Result<(Settings, Parts), String> {
    let Some(token) = matches.get_one::<String>("token") else {
        return Err(format!("error: provide token to check [corecast {command} <TOKEN>]"));
    };
    let loaded = Place::file_alone(matches).load().map_err(|error| format!("error: {error}"))?;
    Ok((loaded.settings, Parts::of(token).ok_or("error: token format is not valid")?))
}

fn verifier(client: &Client, keys: &crate::config::settings::Token) -> Result<Verifier, String> {
    let skip = client.insecure_skip_token_signature_verify;
    let verifier = Verifier::new(keys, skip).map_err(|error| format!("error: {error}"))?;
    // Standard output is open; a log file would hide the line from who asks.
    let _ = log::init(&Log::default());
    log::write(log::Level::Info, "enabled JWT verifiers", &[("algorithms", verifier.algorithms().join(", "))]);
    Ok(verifier)
}

/// What a token says before anybody has checked it.
struct Parts {
    token: String,
    algorithm: String,
    payload: String,
}

impl Parts {
    fn of(token: &str) -> Option<Parts> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        let header: serde_json::Value = serde_json::from_str(&text(header)?).ok()?;
        let algorithm = header.get("alg").and_then(|alg| alg.as_str()).unwrap_or("").to_owned();
        Some(Parts { token: token.to_owned(), algorithm, payload: text(payload)? })
    }

    fn refusal(&self, error: TokenError) -> String {
        let error = match error {
            TokenError::Expired => "token expired".to_owned(),
            TokenError::Invalid(reason) => format!("invalid token: {reason}"),
            TokenError::BadInfo => "invalid token: b64info is not base64".to_owned(),
            TokenError::Needs(_) => "undecided".to_owned(),
        };
        let Parts { algorithm, payload, .. } = self;
        format!("error: token with algorithm {algorithm} and claims {payload} has error: {error}")
    }
}
