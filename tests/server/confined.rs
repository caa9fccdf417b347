//! Under the filters of system calls that come with the server: tuning/seccomp.json for containers and that of
//! tuning/corecast.service. No container runtime and no systemd is needed: under_seccomp.py makes the filter.

use super::CONFIG;
use super::common::server::{Server, free_port};
use super::common::socket::Socket;
use super::start::expect;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/under_seccomp.py");
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tuning/seccomp.json");
const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tuning/corecast.service");

#[test]
fn under_the_profile_for_containers_everything_is_served() {
    is_served_under(PROFILE);
}

#[test]
fn without_one_of_the_three_calls_of_io_uring_the_refusal_names_them() {
    for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        let wrapper = ["python3", SCRIPT, PROFILE, &format!("-{call}")];
        expect(&wrapper, CONFIG, &["--port", "0"], &["io_uring is denied", "seccomp", call]);
    }
}

#[test]
fn what_the_server_does_not_need_is_refused_by_the_profile() {
    let under =
        |program: &[&str]| Command::new("python3").args([SCRIPT, PROFILE]).args(program).output().expect("ended");
    assert!(under(&["/bin/sh", "-c", "true | true"]).status.success(), "a shell and its processes are not");
    let made = under(&["/usr/bin/env", "unshare", "--user", "true"]);
    assert!(
        !made.status.success() && String::from_utf8_lossy(&made.stderr).contains("not permitted"),
        "a namespace is"
    );
}

/// What systemd makes of the unit's `SystemCallFilter` lines, in their order, as it knows the groups itself.
#[test]
fn under_the_filter_of_the_unit_everything_is_served() {
    let text = std::fs::read_to_string(UNIT).expect("readable");
    let mut calls = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (names, is_allowed) = line.strip_prefix('~').map_or((line, true), |names| (names, false));
        for name in names.split(' ') {
            let Some(members) = members(name) else { return eprintln!("systemd-analyze is not here") };
            calls = if is_allowed { &calls | &members } else { &calls - &members };
        }
    }
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}],
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("profile.json");
    std::fs::write(&path, profile.to_string()).expect("written");
    is_served_under(path.to_str().expect("a path"));
}

/// The system calls of a group of systemd; a name that is none stands for itself.
fn members(name: &str) -> Option<BTreeSet<String>> {
    if !name.starts_with('@') {
        return Some(BTreeSet::from([name.to_owned()]));
    }
    let output = Command::new("systemd-analyze").args(["syscall-filter", name]).output().ok()?;
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parts: Vec<_> = lines.map(members).collect::<Option<_>>()?;
    Some(parts.into_iter().flatten().collect())
}

/// Health, API, WebSocket, HTTP/2, metrics, reload and the orderly end.
fn is_served_under(profile: &str) {
    // 0 would be the default, which other tests and servers have too.
    let grpc = format!(r#"{{"grpc_api": {{"enabled": true, "address": "127.0.0.1", "port": {}}},"#, free_port());
    let grpc = CONFIG.replacen('{', &grpc, 1);
    let mut server = Server::start_under(&["python3", SCRIPT, profile], &grpc, &[]);
    let line = server.wait_for_log("serving grpc api");
    let digits = line.split("127.0.0.1:").nth(1).expect("an address").split('"').next().expect("a port").to_owned();
    assert_eq!(server.request("GET", "/health", "", "").0, 200);
    let mut subscribers: Vec<Socket> = (0..8).map(|_| Socket::subscribed(&server, &["open:a"])).collect();
    assert_eq!(server.api("publish", r#"{"channel":"open:a","data":"confined"}"#).0, 200);
    for socket in &mut subscribers {
        assert!(socket.text().is_some_and(|text| text.contains("confined")));
    }
    let metrics = server.request("GET", "/metrics", "", "").1;
    assert!(
        ["process_start_time_seconds ", "process_open_fds "].iter().all(|name| metrics.contains(name)),
        "{metrics}"
    );
    assert_eq!(kind_of_first_frame(digits.parse().expect("a port")), SETTINGS);
    server.signal("HUP");
    server.wait_for_log("configuration successfully reloaded");
    drop(subscribers);
    assert_eq!(server.end("TERM"), Some(0));
}

/// RFC 9113, 6.5.
const SETTINGS: u8 = 4;

fn kind_of_first_frame(port: u16) -> u8 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("open");
    let mut head = [0; 9];
    stream.read_exact(&mut head).expect("a frame");
    head[3]
}
