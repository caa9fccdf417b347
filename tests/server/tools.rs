//! `watch` and `publish`, the pair of tools for people.

use super::CONFIG;
use super::common::server::Server;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corecast"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A watcher that is subscribed.
fn watch(server: &Server, extra: &[&str]) -> Child {
    let url = format!("ws://{}/connection/websocket", server.address);
    let arguments = [&["watch", "open:a", "open:b", "--url", &url], extra].concat();
    let mut child = tool(&arguments).spawn().expect("started");
    let stderr = BufReader::new(child.stderr.as_mut().expect("piped"));
    let mut lines = stderr.lines().map(|line| line.expect("text"));
    assert!(lines.next().expect("a line").starts_with("connected as "));
    assert_eq!(
        [lines.next(), lines.next()],
        [Some("subscribed to open:a".into()), Some("subscribed to open:b".into())]
    );
    child
}

#[test]
fn what_publish_posts_watch_prints() {
    let server = Server::start(CONFIG, 2);
    for extra in [&[][..], &["--protobuf"]] {
        let mut watcher = watch(&server, extra);
        let api = format!("http://{}/api", server.address);
        for data in [r#"{"n": 1}"#, "plain text"] {
            let output = tool(&["publish", "open:b", data, "--key", "k", "--url", &api]).output().expect("ended");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"result\":{}}\n");
            assert_eq!(output.status.code(), Some(0));
        }
        server.api("publish", r#"{"channel":"open:a","data":2,"tags":{"t":"x"}}"#);
        let mut lines = BufReader::new(watcher.stdout.as_mut().expect("piped")).lines().map(|line| line.expect("text"));
        assert_eq!(lines.next().as_deref(), Some(r#"{"channel":"open:b","data":{"n":1}}"#));
        assert_eq!(lines.next().as_deref(), Some(r#"{"channel":"open:b","data":"plain text"}"#));
        assert_eq!(lines.next().as_deref(), Some(r#"{"channel":"open:a","data":2,"tags":{"t":"x"}}"#));
        watcher.kill().expect("running");
        watcher.wait().expect("ended");
    }
}

#[test]
fn the_tools_say_what_is_wrong_and_exit_with_one() {
    let mut server = Server::start(CONFIG, 1);
    let api = format!("http://{}/api", server.address);
    let url = format!("ws://{}/connection/websocket", server.address);
    let rows: &[(&[&str], &str)] = &[
        (&["publish", "open:a", "1", "--key", "bad", "--url", &api], "401"),
        (&["publish", "nope:a", "1", "--key", "k", "--url", &api], "unknown channel"),
        (&["publish", "open:a", "1", "--key", "k", "--url", "ftp://x"], "is no URL"),
        (&["watch", "nope:a", "--url", &url], "nope:a: 102 unknown channel"),
        (&["watch", "open:a", "--token", "x", "--url", &url], "disconnected: 3500 invalid token"),
        (&["watch", "open:a", "--url", &api.replace("http", "ws")], "the server answers 405"),
    ];
    for (arguments, part) in rows {
        let output = tool(arguments).output().expect("ended");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).to_string();
        assert!(text.contains(part), "{arguments:?}: {text}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    // A watcher learns that the server stops.
    let mut watcher = watch(&server, &[]);
    assert_eq!(server.end("TERM"), Some(0));
    assert_eq!(watcher.wait().expect("ended").code(), Some(1));
}
