//! `corecast gentoken` and `gensubtoken`: HS256 tokens with the secret of the configuration.

use super::{Answer, source::Place};
use crate::config::{format_duration, settings::Token};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::ArgMatches;
use std::time::{SystemTime, UNIX_EPOCH};

/// A token for connections.
pub(super) fn connection(matches: &ArgMatches) -> Answer {
    let settings = Place::file_alone(matches).load().map_err(|error| format!("error: {error}"))?.settings;
    let wish = Wish::of(matches);
    let token = signed(&settings.client.token, "gentoken", &wish.claims(None))?;
    Ok(wish.told(&format!("HMAC SHA-256 JWT for {}", wish.who()), token))
}

/// A token for one channel.
pub(super) fn subscription(matches: &ArgMatches) -> Answer {
    let wish = Wish::of(matches);
    let channel = matches.get_one::<String>("channel").map_or("", String::as_str);
    if channel.is_empty() {
        return Err("channel is required".into());
    }
    let client = Place::file_alone(matches).load().map_err(|error| format!("error: {error}"))?.settings.client;
    let keys = client.subscription_token.as_ref().unwrap_or(&client.token);
    let token = signed(keys, "gensubtoken", &wish.claims(Some(channel)))?;
    let title = format!("HMAC SHA-256 JWT for {} and channel {}", wish.who(), quoted(channel));
    Ok(wish.told(&title, token))
}

/// What the token is to say.
struct Wish {
    user: String,
    ttl: i64,
    quiet: bool,
}

impl Wish {
    fn of(matches: &ArgMatches) -> Wish {
        Wish {
            user: matches.get_one::<String>("user").cloned().unwrap_or_default(),
            ttl: matches.get_one::<i64>("ttl").copied().unwrap_or_default(),
            quiet: matches.get_flag("quiet"),
        }
    }

    fn who(&self) -> String {
        if self.user.is_empty() { "anonymous user".into() } else { format!("user {}", quoted(&self.user)) }
    }

    /// `sub`, `exp`, `iat`, `channel`, in this order; `sub` and `exp` only if they say something.
    fn claims(&self, channel: Option<&str>) -> String {
        let now = now_unix();
        let mut claims = Vec::new();
        if !self.user.is_empty() {
            claims.push(format!("\"sub\":{}", quoted(&self.user)));
        }
        if self.ttl > 0 {
            claims.push(format!("\"exp\":{}", now.saturating_add(self.ttl)));
        }
        claims.push(format!("\"iat\":{now}"));
        claims.extend(channel.map(|channel| format!("\"channel\":{}", quoted(channel))));
        format!("{{{}}}", claims.join(","))
    }

    fn told(&self, title: &str, token: String) -> String {
        let nanos = self.ttl.saturating_mul(1_000_000_000);
        match (self.quiet, self.ttl < 0) {
            (true, _) => token,
            (false, true) => format!("{title} without expiration:\n{token}\n"),
            (false, false) => format!("{title} with expiration TTL {}:\n{token}\n", format_duration(nanos)),
        }
    }
}

/// JSON text, which also serves as quotes for people.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Unix seconds of the wall clock.
pub(super) fn now_unix() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn signed(keys: &Token, command: &str, claims: &str) -> Result<String, String> {
    if keys.hmac_secret_key.is_empty() {
        let remedy = "set client.token.hmac_secret_key";
        return Err(format!("error: {command} only supports tokens signed with an HMAC secret key: {remedy}"));
    }
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, keys.hmac_secret_key.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{KeyCache, Lookup, Said, Verifier};
    use crate::clock::Mono;

    fn wish(user: &str, ttl: i64) -> Wish {
        Wish { user: user.into(), ttl, quiet: false }
    }

    #[test]
    fn a_token_that_we_make_is_one_that_we_accept() {
        let settings = Token { hmac_secret_key: "secret".into(), ..Token::default() };
        let verifier = Verifier::new(&settings, false).unwrap();
        let mut keys = KeyCache::default();
        let token = signed(&settings, "gentoken", &wish("4\"2", 60).claims(None)).unwrap();
        assert_eq!(
            verifier
                .connection(&token, now_unix(), Lookup { keys: &mut keys, now: Mono(0), said: Said::Nothing })
                .unwrap()
                .user,
            "4\"2"
        );
        let token = signed(&settings, "gensubtoken", &wish("42", -1).claims(Some("ch"))).unwrap();
        assert_eq!(
            verifier
                .subscription(&token, now_unix(), Lookup { keys: &mut keys, now: Mono(0), said: Said::Nothing })
                .unwrap()
                .channel,
            "ch"
        );
    }

    #[test]
    fn claims_without_a_value_are_left_out() {
        let claims = wish("", -1).claims(None);
        assert!(claims.starts_with("{\"iat\":") && !claims.contains("exp"), "{claims}");
        assert!(!wish("", 0).claims(None).contains("exp"));
    }

    #[test]
    fn the_title_says_for_whom_and_how_long() {
        assert_eq!(wish("", 604_800).told("T", "x".into()), "T with expiration TTL 168h0m0s:\nx\n");
        assert_eq!(wish("", 0).told("T", "x".into()), "T with expiration TTL 0s:\nx\n");
        assert_eq!(wish("", -1).told("T", "x".into()), "T without expiration:\nx\n");
    }
}
