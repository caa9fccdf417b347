//! Where the API is served: the internal port, the external one, another prefix, the root, nowhere.

use super::config::{self, Dialect};
use super::http::Http;
use super::pattern::Names;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};

const NOT_FOUND: &str = "404 page not found\n";

fn is_served(address: SocketAddr, name: &str, served: bool) {
    let mut http = Http::new(address);
    let mut names = Names::default();
    let calls = [
        ("/api/publish", r#"{"channel":"a","data":1}"#, r#"{"result":{}}"#),
        ("/api/batch", "{}", "{}"),
        ("/api", r#"{"method":"publish","params":{"channel":"a","data":1}}"#, r#"{"result":{}}"#),
    ];
    for (path, body, want) in calls {
        match served {
            true => http.expect(&mut names, name, path, body, 200, want),
            false => http.expect(&mut names, name, path, body, 404, NOT_FOUND),
        }
    }
}

fn internal(dialect: Dialect, port: u16, external: bool) -> Value {
    match dialect {
        Dialect::V5 => json!({
            "internal_address": "127.0.0.1", "internal_port": port.to_string(), "api_external": external, "health": true
        }),
        Dialect::V6 => json!({
            "http_server": {"internal_address": "127.0.0.1", "internal_port": port.to_string()},
            "http_api": {"external": external},
            "health": {"enabled": true}
        }),
    }
}

#[test]
fn the_internal_port_has_the_api_unless_it_is_external() {
    for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
        for external in [false, true] {
            let port = config::free_port();
            let server = config::start(dialect, cores, internal(dialect, port, external));
            let name = format!("{dialect:?}, external {external}");
            is_served(server.address, &format!("{name}, main port"), external);
            is_served(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &format!("{name}, internal port"), !external);
        }
    }
}

#[test]
fn a_disabled_api_is_nowhere() {
    for (dialect, changes) in
        [(Dialect::V5, json!({"api_disable": true})), (Dialect::V6, json!({"http_api": {"disabled": true}}))]
    {
        let server = config::start(dialect, 1, changes);
        is_served(server.address, "disabled", false);
    }
}

#[test]
fn another_prefix_moves_all_of_it() {
    for (dialect, changes) in [
        (Dialect::V5, json!({"api_handler_prefix": "/x/api/"})),
        (Dialect::V6, json!({"http_api": {"handler_prefix": "/x/api"}})),
    ] {
        let server = config::start(dialect, 2, changes);
        is_served(server.address, "the usual paths", false);
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        let publish = r#"{"channel":"a","data":1}"#;
        http.expect(&mut names, "prefix", "/x/api/publish", publish, 200, r#"{"result":{}}"#);
        http.expect(
            &mut names,
            "prefix",
            "/x/api",
            r#"{"method":"channels","params":null}"#,
            200,
            r#"{"result":{"channels":{}}}"#,
        );
        http.expect(&mut names, "prefix", "/x/api/batch", "{}", 200, "{}");
        http.expect(&mut names, "prefix", "/x/api/", "{}", 404, NOT_FOUND);
    }
}

#[test]
fn at_the_root_methods_lose_their_prefix_and_everything_else_is_a_command_stream() {
    for (dialect, changes) in
        [(Dialect::V5, json!({"api_handler_prefix": "/"})), (Dialect::V6, json!({"http_api": {"handler_prefix": "/"}}))]
    {
        let server = config::start(dialect, 2, changes);
        let mut http = Http::new(server.address);
        let mut names = Names::default();
        let publish = r#"{"channel":"a","data":1}"#;
        let command = r#"{"method":"publish","params":{"channel":"a","data":1}}"#;
        http.expect(&mut names, "root", "/publish", publish, 200, r#"{"result":{}}"#);
        http.expect(&mut names, "root", "/batch", "{}", 200, "{}");
        for path in ["/", "/api", "/api/publish", "/whatever/else", "/publish/"] {
            http.expect(&mut names, "catch-all", path, command, 200, r#"{"result":{}}"#);
            // A request of a method is a command without parameters here.
            let error = r#"{"error":{"code":107,"message":"bad request"}}"#;
            http.expect(&mut names, "catch-all", path, publish, 200, error);
            let answer = http.request("POST", path, "", command.as_bytes()).expect("an answer");
            assert_eq!(answer.status, 401, "{path} without a key");
            let answer = http.request("GET", path, "", b"").expect("an answer");
            assert_eq!(answer.status, 405, "GET {path}");
        }
        // Clients still find their endpoint.
        let mut client = super::clients::Client::connect(&server, "42");
        assert_eq!(client.subscribe("open:a"), r#"{"id":2,"subscribe":{}}"#);
    }
}
