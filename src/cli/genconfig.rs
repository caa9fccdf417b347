//! `corecast genconfig`: a first configuration with fresh secrets, in the tree of v6.

use super::Answer;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::ArgMatches;
use rand::{TryRngCore, rngs::OsRng};
use std::{fs::OpenOptions, io, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

/// Bytes of a secret; the password of the admin page is for people.
const SECRET_BYTES: usize = 64;
const PASSWORD_BYTES: usize = 16;

struct Secrets {
    token: String,
    password: String,
    admin: String,
    api: String,
}

/// Writes the file that `--config` names.
pub(super) fn run(matches: &ArgMatches) -> Answer {
    let path = matches.get_one::<String>("config").map_or("", String::as_str);
    let secrets = Secrets {
        token: secret(SECRET_BYTES)?,
        password: secret(PASSWORD_BYTES)?,
        admin: secret(SECRET_BYTES)?,
        api: secret(SECRET_BYTES)?,
    };
    if Path::new(path).exists() {
        return Err(exists(path));
    }
    let Some(text) = text(path, &secrets) else {
        return Err("error: output config file must have one of supported extensions: json, toml, yaml, yml".into());
    };
    // Secrets are inside: only the owner may read.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(String::new()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(format!("error: {path}: {error}")),
    }
}

fn exists(path: &str) -> String {
    format!("error: output config file already exists: {path}")
}

fn secret(bytes: usize) -> Result<String, String> {
    let mut secret = vec![0; bytes];
    OsRng.try_fill_bytes(&mut secret).map_err(|error| format!("error: no random numbers: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(secret))
}

/// The file's text by its extension. Secrets need no escapes in any format.
fn text(path: &str, secrets: &Secrets) -> Option<String> {
    let Secrets { token, password, admin, api } = secrets;
    Some(match Path::new(path).extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "json" => format!(
            r#"{{
  "client": {{
    "token": {{
      "hmac_secret_key": "{token}"
    }},
    "allowed_origins": []
  }},
  "admin": {{
    "enabled": false,
    "password": "{password}",
    "secret": "{admin}"
  }},
  "http_api": {{
    "key": "{api}"
  }}
}}
"#
        ),
        "toml" => format!(
            r#"[client]
allowed_origins = []

[client.token]
hmac_secret_key = "{token}"

[admin]
enabled = false
password = "{password}"
secret = "{admin}"

[http_api]
key = "{api}"
"#
        ),
        "yaml" | "yml" => format!(
            r#"client:
  token:
    hmac_secret_key: "{token}"
  allowed_origins: []
admin:
  enabled: false
  password: "{password}"
  secret: "{admin}"
http_api:
  key: "{api}"
"#
        ),
        _ => return None,
    })
}
