//! A server that cannot start says why in one message and exits with 1.

use super::CONFIG;
use super::common::server::Server;
use std::process::Command;

/// Starts the binary under `wrapper` and returns exit code and output.
fn refused(wrapper: &[&str], config: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.json");
    std::fs::write(&file, config).expect("the configuration");
    let mut all: Vec<&str> = wrapper.to_vec();
    all.extend([env!("CARGO_BIN_EXE_corecast"), "--config", file.to_str().expect("a path")]);
    all.extend(["--address", "127.0.0.1"]);
    all.extend(arguments);
    let output = Command::new(all[0]).args(&all[1..]).output().expect("started");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).to_string())
}

/// It is refused, once, with these words.
pub fn expect(wrapper: &[&str], config: &str, arguments: &[&str], parts: &[&str]) {
    let (code, text) = refused(wrapper, config, arguments);
    assert_eq!(code, Some(1), "{text}");
    assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in {text}");
    assert_eq!(text.matches("\"level\":\"fatal\"").count(), 1, "one message: {text}");
    assert!(!text.contains("serving"), "nothing is served: {text}");
}

#[test]
fn a_port_in_use_is_named() {
    let server = Server::start(CONFIG, 1);
    let port = server.address.port().to_string();
    for cores in ["1", "2"] {
        expect(&[], CONFIG, &["--port", &port, "--cores", cores], &[&port, "another process listens there"]);
    }
}

#[test]
fn more_cores_than_there_are_is_refused() {
    expect(&[], CONFIG, &["--port", "0", "--cores", "64"], &["corecast.cores is 64"]);
}

#[test]
fn a_process_held_to_one_cpu_uses_one_core() {
    let mut server = Server::start_under(&["taskset", "-c", "0"], CONFIG, &[]);
    assert_eq!(server.api("info", "{}").0, 200);
    assert_eq!(server.end("TERM"), Some(0));
}

#[test]
fn too_few_descriptors_are_refused() {
    expect(&["prlimit", "--nofile=40:40"], CONFIG, &["--port", "0"], &["open files are limited to 40", "ulimit -n"]);
}

#[test]
fn too_little_locked_memory_is_refused() {
    expect(
        &["prlimit", "--memlock=65536:65536"],
        CONFIG,
        &["--port", "0", "--cores", "1"],
        &["locked memory", "ulimit -l"],
    );
}

#[test]
fn a_container_that_denies_io_uring_is_told_what_to_allow() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/deny_io_uring.py");
    expect(&["python3", script], CONFIG, &["--port", "0"], &["io_uring is denied", "seccomp"]);
}

#[test]
fn a_bad_configuration_names_file_place_key_and_value() {
    expect(&[], "{\n  \"http_api\": {\"key\": }\n}", &["--port", "0"], &["config.json", "line 2"]);
    expect(
        &[],
        r#"{"client": {"channel_limit": "many"}}"#,
        &["--port", "0"],
        &["config.json", "client.channel_limit", "many"],
    );
    expect(&[], r#"{"client": {"token": {"rsa_public_key": "x"}}}"#, &["--port", "0"], &["rsa_public_key", "PEM"]);
    expect(&[], r#"{"channel": {"namespaces": [{"name": "a"}]}}"#, &["--port", "0"], &["namespace"]);
}

#[test]
fn an_unknown_flag_or_command_exits_with_two() {
    for argument in ["--no-such-flag", "nosuchcommand"] {
        let output = Command::new(env!("CARGO_BIN_EXE_corecast")).arg(argument).output().expect("started");
        assert_eq!(output.status.code(), Some(2), "{argument}");
    }
}

#[test]
fn a_dangerous_option_that_is_not_served_is_refused() {
    expect(&[], r#"{"engine": {"type": "redis"}}"#, &["--port", "0"], &["engine", "redis"]);
    expect(&[], r#"{"http_server": {"tls_autocert": {"enabled": true}}}"#, &["--port", "0"], &["tls_autocert.enabled"]);
}

#[test]
fn tls_that_cannot_work_is_refused_with_option_and_remedy() {
    let enabled = r#"{"http_server": {"tls": {"enabled": true, "key_pem": "/k"}}}"#;
    expect(&[], enabled, &["--port", "0"], &["http_server.tls.cert_pem", "write the path of a PEM file"]);
    expect(&[], r#"{"tls": true, "tls_cert": "/c"}"#, &["--port", "0"], &["tls_key", "private key"]);
    let missing = r#"{"http_server": {"tls": {"enabled": true, "cert_pem": "/no/c.pem", "key_pem": "/no/k.pem"}}}"#;
    expect(&[], missing, &["--port", "0"], &["http_server.tls.cert_pem", "/no/c.pem", "cannot be read"]);
    let version = r#"{"corecast": {"tls": {"min_version": "1.1"}}}"#;
    expect(&[], version, &["--port", "0"], &["corecast.tls.min_version", "1.1"]);
}

#[test]
fn an_internal_port_takes_the_api_along_and_the_process_tells_who_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let pid_file = folder.path().join("corecast.pid");
    let extra = format!(
        r#"{{"pid_file": "{}", "node": {{"name": "me"}},
            "http_server": {{"internal_port": "0", "internal_address": "127.0.0.1"}},"#,
        pid_file.display()
    );
    let mut server = Server::start(&CONFIG.replacen('{', &extra, 1), 2);
    let line = server.wait_for_log("serving api");
    let digits: String =
        line.split("127.0.0.1:").nth(1).expect("an address").chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(server.api("info", "{}").0, 404, "not on the main port");
    assert_eq!(server.request("GET", "/health", "", "").0, 404);
    server.address.set_port(digits.parse().expect("a port"));
    let (status, info) = server.api("info", "{}");
    assert!(status == 200 && info.contains(r#""name":"me""#), "{info}");
    assert_eq!(server.request("GET", "/connection/websocket", "", "").0, 404, "clients use the main port");
    assert_eq!(std::fs::read_to_string(pid_file).expect("written").trim(), server.pid().to_string());
}
