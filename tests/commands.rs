//! Outputs and exit codes of the commands, through the real binary.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const SECRET: &str = r#"{"client": {"token": {"hmac_secret_key": "secret"}}}"#;

struct Folder(TempDir);

impl Folder {
    fn with(name: &str, text: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        std::fs::write(folder.path().join(name), text).expect("a file");
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, words: &[&str]) -> (i32, String) {
        let output = self.output(words, &[]);
        (output.status.code().expect("an exit"), String::from_utf8(output.stdout).expect("text"))
    }

    fn output(&self, words: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corecast"));
        for (name, _) in std::env::vars_os() {
            let ours = name.to_str().is_some_and(|n| n.starts_with("CENTRIFUGO_") || n.starts_with("CORECAST_"));
            if ours {
                command.env_remove(name);
            }
        }
        command.args(words).envs(env.iter().copied()).current_dir(self.path()).output().expect("it runs")
    }
}

fn empty() -> Folder {
    Folder::with("unrelated", "")
}

fn claims(token: &str) -> String {
    let payload = token.split('.').nth(1).expect("a payload");
    String::from_utf8(URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("text")
}

#[test]
fn version_names_the_server_and_its_version() {
    let wanted = format!("Corecast v{}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(empty().run(&["version"]), (0, wanted));
}

#[test]
fn an_unknown_flag_or_command_exits_with_2() {
    for word in ["--nope", "nope"] {
        let output = empty().output(&[word], &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{word}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(word));
    }
}

#[test]
fn genconfig_writes_what_checkconfig_accepts_without_a_word() {
    let folder = empty();
    for file in ["config.json", "a.toml", "b.yaml", "c.yml"] {
        assert_eq!(folder.run(&["genconfig", "-c", file]), (0, String::new()), "{file}");
        // Two secrets are for the admin page, which is not served yet.
        let (code, text) = folder.run(&["checkconfig", "-c", file]);
        assert_eq!((code, text.lines().count()), (0, 2), "{text}");
        let exists = format!("error: output config file already exists: {file}\n");
        assert_eq!(folder.run(&["genconfig", "-c", file]), (1, exists));
    }
    let tree: Value = serde_json::from_slice(&std::fs::read(folder.path().join("config.json")).unwrap()).unwrap();
    let secret = tree["client"]["token"]["hmac_secret_key"].as_str().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(secret).unwrap().len(), 64);
    assert_eq!(URL_SAFE_NO_PAD.decode(tree["admin"]["password"].as_str().unwrap()).unwrap().len(), 16);
    let unsupported = "error: output config file must have one of supported extensions: json, toml, yaml, yml\n";
    assert_eq!(folder.run(&["genconfig", "-c", "x.ini"]), (1, unsupported.to_owned()));
}

#[test]
fn checkconfig_is_silent_when_everything_has_an_effect() {
    assert_eq!(Folder::with("config.json", SECRET).run(&["checkconfig"]), (0, String::new()));
}

#[test]
fn checkconfig_prints_what_would_be_ignored() {
    let folder = Folder::with("c.toml", "[client]\ninsecrue = true\n[sse]\nenabled = true\n");
    let (code, text) = folder.run(&["checkconfig", "-c", "c.toml"]);
    let wanted = "unknown key in configuration file: client.insecrue, did you mean client.insecure\n\
                  option is not served yet and has no effect: sse.enabled\n";
    assert_eq!((code, text.as_str()), (0, wanted));
    let strict = "unknown keys in config: client.insecrue\n".to_owned();
    assert_eq!(folder.run(&["checkconfig", "-s", "-c", "c.toml"]), (1, strict));
}

#[test]
fn checkconfig_tells_what_is_wrong_in_one_line() {
    for (text, wanted) in [
        ("{", "error getting config: config.json: line 1, column 1: JSON: "),
        (r#"{"client": {"ping_interval": "1s"}}"#, "error validating config: config.json: client.ping_interval = 1s: "),
        (
            r#"{"engine": "redis"}"#,
            "option is not served yet and must not be ignored: config.json: engine = \"redis\": ",
        ),
        (
            r#"{"token_rsa_public_key": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}"#,
            "error creating token verifier: config.json: ",
        ),
    ] {
        let (code, line) = Folder::with("config.json", text).run(&["checkconfig"]);
        assert!(code == 1 && line.starts_with(wanted) && line.lines().count() == 1, "{code} {line}");
    }
    assert_eq!(empty().run(&["checkconfig"]), (1, "config file not found\n".to_owned()));
}

#[test]
fn gentoken_prints_a_title_and_a_token_that_checktoken_accepts() {
    let folder = Folder::with("config.json", SECRET);
    let (code, text) = folder.run(&["gentoken", "-u", "42"]);
    let (title, token) = text.trim_end().split_once('\n').unwrap();
    assert_eq!((code, title), (0, "HMAC SHA-256 JWT for user \"42\" with expiration TTL 168h0m0s:"));
    assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."));
    assert!(claims(token).starts_with(r#"{"sub":"42","exp":"#), "{}", claims(token));
    let (code, text) = folder.run(&["checktoken", token]);
    let (log, text) = text.split_once('\n').unwrap();
    assert_eq!((code, text), (0, format!("valid token for user 42\npayload: {}\n", claims(token)).as_str()));
    let log: Value = serde_json::from_str(log).unwrap();
    assert_eq!((&log["level"], &log["message"]), (&"info".into(), &"enabled JWT verifiers".into()));
    assert_eq!(log["algorithms"], "HS256, HS384, HS512");
}

#[test]
fn gentoken_knows_anonymous_endless_and_quiet_tokens() {
    let folder = Folder::with("config.json", SECRET);
    let (_, text) = folder.run(&["gentoken", "-t", "-1"]);
    assert!(text.starts_with("HMAC SHA-256 JWT for anonymous user without expiration:\n"), "{text}");
    let (_, text) = folder.run(&["gentoken", "-t", "0"]);
    assert!(text.starts_with("HMAC SHA-256 JWT for anonymous user with expiration TTL 0s:\n"), "{text}");
    let (_, token) = folder.run(&["gentoken", "-q", "-t", "0"]);
    assert!(!token.contains('\n') && claims(&token).starts_with("{\"iat\":"), "{token}");
    let (_, text) = folder.run(&["checktoken", &token]);
    assert!(text.contains("\nvalid token for anonymous user\npayload: {"), "{text}");
}

#[test]
fn gentoken_without_a_secret_names_the_option() {
    let (code, text) = Folder::with("config.json", "{}").run(&["gentoken"]);
    assert!(code == 1 && text.starts_with("error: gentoken only supports "), "{text}");
    assert!(text.contains("client.token.hmac_secret_key") && text.lines().count() == 1, "{text}");
}

#[test]
fn gensubtoken_and_checksubtoken_agree() {
    let folder = Folder::with("config.json", SECRET);
    assert_eq!(folder.run(&["gensubtoken", "-u", "42"]), (1, "channel is required\n".to_owned()));
    let (code, text) = folder.run(&["gensubtoken", "-u", "42", "-s", "ch"]);
    let (title, token) = text.trim_end().split_once('\n').unwrap();
    let wanted = "HMAC SHA-256 JWT for user \"42\" and channel \"ch\" with expiration TTL 168h0m0s:";
    assert_eq!((code, title), (0, wanted));
    let (code, text) = folder.run(&["checksubtoken", token]);
    let wanted = format!("\nvalid subscription token for user \"42\" and channel \"ch\"\npayload: {}\n", claims(token));
    assert!(code == 0 && text.ends_with(&wanted), "{text}");
}

#[test]
fn checktoken_says_why_a_token_is_refused() {
    let folder = Folder::with("config.json", SECRET);
    let (_, token) = folder.run(&["gentoken", "-q", "-u", "42"]);
    let (_, subscription) = folder.run(&["gensubtoken", "-q", "-u", "42", "-s", "ch"]);
    let forged = &token[..token.rfind('.').unwrap()];
    let line = |claims: String, why: &str| {
        format!("error: token with algorithm HS256 and claims {claims} has error: invalid token: {why}\n")
    };
    for (words, wanted) in [
        (["checktoken", &format!("{forged}.AAAA")], line(claims(&token), "signature is not valid")),
        (
            ["checktoken", &subscription],
            line(claims(&subscription), "connection JWT can not contain channel claim, only subscription JWT can"),
        ),
        (["checksubtoken", &token], line(claims(&token), "channel claim is required for subscription JWT")),
        (["checktoken", "abc"], "error: token format is not valid\n".to_owned()),
    ] {
        let (code, text) = folder.run(&words);
        assert!(code == 1 && text.ends_with(&wanted), "{words:?}: {text}");
    }
    let wanted = "error: provide token to check [corecast checktoken <TOKEN>]\n";
    assert_eq!(folder.run(&["checktoken"]), (1, wanted.to_owned()));
}

#[test]
fn a_start_that_fails_is_one_fatal_line_and_exit_1() {
    let folder = Folder::with("config.json", r#"{"client": {"ping_interval": "25"}}"#);
    let output = folder.output(&[], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line: Value = serde_json::from_str(text.trim_end()).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!((output.status.code(), &line["level"]), (Some(1), &"fatal".into()));
    assert_eq!(line["message"], "error getting config");
    let error = line["error"].as_str().unwrap();
    for part in ["config.json", "client.ping_interval", "\"25\"", "a duration such as 25s", "write"] {
        assert!(error.contains(part), "{error}");
    }
    let time = line["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");
}

#[test]
fn a_log_file_takes_every_line() {
    let folder = Folder::with("config.json", r#"{"log": {"file": "out.log"}, "zz": 1}"#);
    // More cores than there are: the start fails after the log is open.
    let output = folder.output(&["--cores", "100000"], &[("CENTRIFUGO_NOPE", "1")]);
    let text = std::fs::read_to_string(folder.path().join("out.log")).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{text}");
    for part in ["using config file", "unknown key in configuration file", "\"var\":\"CENTRIFUGO_NOPE\"", "fatal"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_missing_file_is_told_and_the_start_goes_on() {
    let (code, text) = empty().run(&["--cores", "100000", "--log.level=warn"]);
    assert_eq!(code, 1);
    let first = text.lines().next().unwrap();
    assert!(first.contains("config file not found, continue using environment and flag options"), "{text}");
}
