//! What the client libraries of backends send, header for header, and what each of them makes of the answer.
//!
//! A library that talks to `/api/<method>` takes the body as one document; one that talks to `/api` splits it at line
//! breaks and wants as many documents as it sent commands. All of them want status 200.

use super::clients::Client;
use super::config::{self, Dialect};
use super::http::Http;
use super::pattern::Names;
use serde_json::json;

const OK: &str = r#"{"result":{}}"#;
const BAD: &str = r#"{"error":{"code":107,"message":"bad request"}}"#;
const UNKNOWN: &str = r#"{"error":{"code":102,"message":"unknown channel"}}"#;
const OFF: &str = r#"{"error":{"code":108,"message":"not available"}}"#;
const FIRST: &str = r#"{"result":{"offset":1,"epoch":"<e>"}}"#;
const SECOND: &str = r#"{"result":{"offset":2,"epoch":"<e>"}}"#;
const HISTORY: &str = r#"{"result":{"publications":[],"epoch":"<e>","offset":2}}"#;
const NOBODY: &str = r#"{"result":{"presence":{}}}"#;
const NO_STATS: &str = r#"{"result":{"num_clients":0,"num_users":0}}"#;
const NO_CHANNELS: &str = r#"{"result":{"channels":{}}}"#;
const NODES: &str = r#"{"result":{"nodes":[{"uid":"<STRING>","name":"<STRING>","version":"<STRING>","num_clients":"<NUMBER>","num_users":"<NUMBER>","num_channels":"<NUMBER>","uptime?":"<NUMBER>","metrics?":"<OBJECT>","num_subs":"<NUMBER>"}]}}"#;

/// How a library sends.
struct Library {
    name: &'static str,
    /// The fields between the request line and the length.
    fields: &'static [&'static str],
    /// The length is not told beforehand.
    is_chunked: bool,
    /// Paths, bodies, and the documents of the answer.
    calls: &'static [(&'static str, &'static str, &'static [&'static str])],
}

const LIBRARIES: &[Library] = &[
    Library {
        name: "phpcent",
        fields: &[
            "Host: localhost:8000",
            "User-Agent: curl/7.39.0",
            "Accept: */*",
            "Content-Type: application/json",
            "X-API-Key: secret",
        ],
        is_chunked: false,
        calls: &[
            ("/api/publish", r#"{"channel":"channel","data":{"message":"Hello World"},"skip_history":false}"#, &[OK]),
            (
                "/api/publish",
                r#"{"channel":"namespace:channel","data":{"message":"Hello World"},"skip_history":false}"#,
                &[UNKNOWN],
            ),
            (
                "/api/publish",
                r#"{"channel":"hist:a","data":{"url":"http:\/\/x\/","t":"\u043f\u0440"},"skip_history":false}"#,
                &[FIRST],
            ),
            (
                "/api/broadcast",
                r#"{"channels":["a","hist:a"],"data":[],"skip_history":false}"#,
                &[r#"{"result":{"responses":[{"result":{}},{"result":{"offset":2,"epoch":"<e>"}}]}}"#],
            ),
            ("/api/subscribe", r#"{"channel":"chat:a","user":"7","client":""}"#, &[OK]),
            ("/api/unsubscribe", r#"{"channel":"chat:a","user":"7","client":""}"#, &[OK]),
            ("/api/disconnect", r#"{"user":"7","client":""}"#, &[OK]),
            ("/api/presence", r#"{"channel":"pres:a"}"#, &[NOBODY]),
            ("/api/presence_stats", r#"{"channel":"pres:a"}"#, &[NO_STATS]),
            ("/api/history", r#"{"channel":"hist:a","limit":0,"reverse":false}"#, &[HISTORY]),
            (
                "/api/history",
                r#"{"channel":"hist:a","limit":1,"reverse":false,"since":{"offset":1,"epoch":"<e>"}}"#,
                &[r#"{"result":{"publications":[{"data":[],"offset":2}],"epoch":"<e>","offset":2}}"#],
            ),
            ("/api/history_remove", r#"{"channel":"hist:a"}"#, &[OK]),
            ("/api/channels", r#"{"pattern":""}"#, &[NO_CHANNELS]),
            ("/api/info", "{}", &[NODES]),
            (
                "/api/batch",
                r#"{"commands":[{"publish":{"channel":"a","data":{"k":"v"}}},{"presence":{"channel":"a"}}],"parallel":true}"#,
                &[r#"{"replies":[{"publish":{}},{"error":{"code":108,"message":"not available"}}]}"#],
            ),
        ],
    },
    Library {
        name: "rubycent",
        fields: &[
            "Content-Type: application/json",
            "X-Api-Key: secret",
            "User-Agent: Faraday v2.12.2",
            "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
            "Accept: */*",
            "Connection: close",
            "Host: localhost:8000",
        ],
        is_chunked: false,
        calls: &[
            (
                "/api/publish",
                r#"{"channel":"hist:a","data":{"text":"hi"},"tags":{"t":"1"},"idempotency_key":"k","delta":false}"#,
                &[FIRST],
            ),
            ("/api/publish", r#"{"channel":"hist:a","data":{"text":"hi"},"idempotency_key":"k"}"#, &[FIRST]),
            ("/api/publish", r#"{"channel":"unknown:b","data":{}}"#, &[UNKNOWN]),
            (
                "/api/broadcast",
                r#"{"channels":["a","b"],"data":"x","b64data":"eyJhIjoxfQ=="}"#,
                &[r#"{"result":{"responses":[{"result":{}},{"result":{}}]}}"#],
            ),
            (
                "/api/subscribe",
                r#"{"user":"7","channel":"chat:a","info":{"a":1},"override":{"presence":{"value":true}}}"#,
                &[OK],
            ),
            ("/api/unsubscribe", r#"{"user":"7","channel":"chat:a"}"#, &[OK]),
            ("/api/disconnect", r#"{"user":"7","whitelist":["c"],"disconnect":{"code":4000,"reason":"x"}}"#, &[OK]),
            ("/api/refresh", r#"{"user":"7","expired":true}"#, &[OK]),
            ("/api/presence", r#"{"channel":"a"}"#, &[OFF]),
            ("/api/presence_stats", r#"{"channel":"pres:a"}"#, &[NO_STATS]),
            (
                "/api/history",
                r#"{"channel":"hist:a","limit":-1,"reverse":true}"#,
                &[
                    r#"{"result":{"publications":[{"data":{"text":"hi"},"offset":1,"tags":{"t":"1"}}],"epoch":"<e>","offset":1}}"#,
                ],
            ),
            ("/api/history_remove", r#"{"channel":"hist:a"}"#, &[OK]),
            ("/api/channels", "{}", &[NO_CHANNELS]),
            ("/api/info", "{}", &[NODES]),
            (
                "/api/batch",
                r#"{"commands":[{"publish":{"channel":"a","data":{}}},{"publish":{"channel":"unknown:b","data":{}}}]}"#,
                &[r#"{"replies":[{"publish":{}},{"error":{"code":102,"message":"unknown channel"}}]}"#],
            ),
        ],
    },
    Library {
        name: "crystalcent",
        fields: &[
            "Authorization: apikey secret",
            "Accept: application/json",
            "User-Agent: Centrifugo.cr v0.1.0",
            "Content-Type: application/json",
            "Connection: keep-alive",
            "Host: localhost:8000",
            "Accept-Encoding: gzip, deflate",
        ],
        is_chunked: false,
        calls: &[
            ("/api", r#"{"method":"publish","params":{"channel":"hist:a","data":{"text":"value1"}}}"#, &[FIRST]),
            ("/api", r#"{"method":"broadcast","params":{"channel":["a","b"],"data":{"stam":"data"}}}"#, &[BAD]),
            ("/api", r#"{"method":"unsubscribe","params":{"channel":"a","user":"7"}}"#, &[OK]),
            ("/api", r#"{"method":"disconnect","params":{"user":"7"}}"#, &[OK]),
            ("/api", r#"{"method":"presence","params":{"channel":"pres:a"}}"#, &[NOBODY]),
            ("/api", r#"{"method":"presence_stats","params":{"channel":"pres:a"}}"#, &[NO_STATS]),
            (
                "/api",
                r#"{"method":"history","params":{"channel":"hist:a"}}"#,
                &[r#"{"result":{"publications":[],"epoch":"<e>","offset":1}}"#],
            ),
            ("/api", r#"{"method":"channels","params":"{}"}"#, &[BAD]),
            ("/api", r#"{"method":"info","params":"{}"}"#, &[NODES]),
        ],
    },
    Library {
        name: "Centrifugo.AspNetCore",
        fields: &[
            "Host: localhost:8000",
            "Authorization: apikey secret",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "Content-Type: application/json; charset=utf-8",
        ],
        is_chunked: false,
        calls: ASP_NET_CORE,
    },
    Library {
        name: "Centrifugo.AspNetCore, streaming",
        fields: &[
            "Host: localhost:8000",
            "Authorization: apikey secret",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "Content-Type: application/json; charset=utf-8",
        ],
        is_chunked: true,
        calls: ASP_NET_CORE,
    },
    Library {
        name: "rucent",
        fields: &[
            "content-type: application/json",
            "authorization: apikey secret",
            "accept: */*",
            "host: localhost:8000",
        ],
        is_chunked: false,
        calls: &[
            (
                "/api",
                r#"{"method":"publish","params":{"channel":"hist:a","data":{"a":1},"skip_history":null}}"#,
                &[FIRST],
            ),
            (
                "/api",
                r#"{"method":"broadcast","params":{"channels":["a","hist:a"],"data":{"a":1},"skip_history":false}}"#,
                &[r#"{"result":{"responses":[{"result":{}},{"result":{"offset":2,"epoch":"<e>"}}]}}"#],
            ),
            (
                "/api",
                "{\"method\":\"presence_stats\",\"params\":{\"channel\":\"pres:a\"}}\n{\"method\":\"presence\",\"params\":{\"channel\":\"pres:a\"}}\n{\"method\":\"channels\",\"params\":{\"pattern\":\"*\"}}",
                &[NO_STATS, NOBODY, NO_CHANNELS],
            ),
            (
                "/api",
                r#"{"method":"subscribe","params":{"channel":"chat:a","user":"7","presence":true,"join_leave":true,"position":true,"recover":true,"data":null}}"#,
                &[OK],
            ),
            (
                "/api",
                r#"{"method":"disconnect","params":{"user":"7","disconnect":{"code":4000,"reason":"x","reconnect":false},"client_whitelist":["x"]}}"#,
                &[OK],
            ),
            ("/api", r#"{"method":"info","params":{}}"#, &[NODES]),
        ],
    },
    Library {
        name: "gocent",
        fields: &[
            "Host: localhost:8000",
            "User-Agent: Go-http-client/1.1",
            "Authorization: apikey secret",
            "Content-Type: application/json",
            "Accept-Encoding: gzip",
        ],
        is_chunked: false,
        calls: &[
            (
                "/api",
                "{\"method\":\"publish\",\"params\":{\"channel\":\"hist:a\",\"data\":{\"input\":\"test\"}}}\n",
                &[FIRST],
            ),
            (
                "/api",
                "{\"method\":\"publish\",\"params\":{\"channel\":\"hist:a\",\"data\":1}}\n{\"method\":\"broadcast\",\"params\":{\"channels\":[\"a\"],\"data\":1,\"skip_history\":true}}\n{\"method\":\"presence\",\"params\":{\"channel\":\"a\"}}\n",
                &[SECOND, r#"{"result":{"responses":[{"result":{}}]}}"#, OFF],
            ),
            (
                "/api",
                "{\"method\":\"subscribe\",\"params\":{\"channel\":\"chat:a\",\"user\":\"7\",\"presence\":true,\"join_leave\":true,\"position\":true,\"recover\":true,\"data\":{\"a\":1},\"recover_since\":{\"offset\":1,\"epoch\":\"x\"}}}\n",
                &[OK],
            ),
            ("/api", "{\"method\":\"unsubscribe\",\"params\":{\"channel\":\"chat:a\",\"user\":\"7\"}}\n", &[OK]),
            (
                "/api",
                "{\"method\":\"disconnect\",\"params\":{\"user\":\"7\",\"Disconnect\":null,\"ClientWhitelist\":null}}\n",
                &[OK],
            ),
            ("/api", "{\"method\":\"presence_stats\",\"params\":{\"channel\":\"pres:a\"}}\n", &[NO_STATS]),
            ("/api", "{\"method\":\"history\",\"params\":{\"channel\":\"hist:a\"}}\n", &[HISTORY]),
            (
                "/api",
                "{\"method\":\"history\",\"params\":{\"channel\":\"hist:a\",\"since\":{\"offset\":1,\"epoch\":\"<e>\"},\"limit\":10}}\n",
                &[r#"{"result":{"publications":[{"data":1,"offset":2}],"epoch":"<e>","offset":2}}"#],
            ),
            ("/api", "{\"method\":\"history_remove\",\"params\":{\"channel\":\"hist:a\"}}\n", &[OK]),
            (
                "/api",
                "{\"method\":\"channels\",\"params\":{}}\n{\"method\":\"info\",\"params\":{}}\n",
                &[NO_CHANNELS, NODES],
            ),
        ],
    },
    Library {
        name: "cent 4",
        fields: &[
            "Host: localhost:8000",
            "User-Agent: python-requests/2.31.0",
            "Accept-Encoding: gzip, deflate",
            "Accept: */*",
            "Connection: keep-alive",
            "Content-type: application/json",
            "Authorization: apikey secret",
        ],
        is_chunked: false,
        calls: &[
            (
                "/api",
                r#"{"method": "publish", "params": {"channel": "hist:a", "data": {"input": "\u0434\u0430"}, "skip_history": false}}"#,
                &[FIRST],
            ),
            (
                "/api",
                "{\"uid\": \"1\", \"method\": \"publish\", \"params\": {\"channel\": \"hist:a\", \"data\": 1}}\n{\"method\": \"publish\", \"params\": {\"channel\": \"no:a\", \"data\": 1}}\n{\"method\": \"history\", \"params\": {\"channel\": \"hist:a\", \"limit\": 0, \"reverse\": false}}",
                &[SECOND, UNKNOWN, HISTORY],
            ),
            (
                "/api",
                r#"{"method": "broadcast", "params": {"channels": ["a", "b"], "data": {}, "skip_history": false}}"#,
                &[r#"{"result":{"responses":[{"result":{}},{"result":{}}]}}"#],
            ),
            ("/api", r#"{"method": "subscribe", "params": {"user": "7", "channel": "chat:a", "client": "c"}}"#, &[OK]),
            ("/api", r#"{"method": "unsubscribe", "params": {"user": "7", "channel": "chat:a"}}"#, &[OK]),
            ("/api", r#"{"method": "disconnect", "params": {"user": "7"}}"#, &[OK]),
            ("/api", r#"{"method": "presence", "params": {"channel": "pres:a"}}"#, &[NOBODY]),
            ("/api", r#"{"method": "presence_stats", "params": {"channel": "pres:a"}}"#, &[NO_STATS]),
            ("/api", r#"{"method": "history_remove", "params": {"channel": "hist:a"}}"#, &[OK]),
            ("/api", r#"{"method": "channels", "params": {"pattern": ""}}"#, &[NO_CHANNELS]),
            ("/api", r#"{"method": "info", "params": {}}"#, &[NODES]),
        ],
    },
    Library {
        name: "cent.js",
        fields: &[
            "Accept: application/json, text/plain, */*",
            "Content-Type: application/json",
            "X-API-Key: secret",
            "User-Agent: axios/1.7.9",
            "Accept-Encoding: gzip, compress, deflate, br",
            "Host: localhost:8000",
            "Connection: keep-alive",
        ],
        is_chunked: false,
        calls: &[
            ("/api/publish", r#"{"channel":"hist:a","data":{"text":"hi"},"tagsFilter":{"op":"eq"}}"#, &[FIRST]),
            (
                "/api",
                "{\"method\":\"publish\",\"params\":{\"channel\":\"hist:a\",\"data\":{}}}\n{\"method\":\"info\",\"params\":{}}\n{\"method\":\"publish\",\"params\":{\"channel\":\"no:a\",\"data\":{}}}",
                &[SECOND, NODES, UNKNOWN],
            ),
            ("/api/subscribe", r#"{"user":"7","channel":"chat:a","recover_since":{"offset":0,"epoch":""}}"#, &[OK]),
            ("/api/refresh", r#"{"user":"7","expire_at":1700000000}"#, &[OK]),
            ("/api/history", r#"{"channel":"hist:a"}"#, &[HISTORY]),
            ("/api/presence_stats", r#"{"channel":"pres:a"}"#, &[NO_STATS]),
            ("/api/channels", "{}", &[NO_CHANNELS]),
            ("/api/info", "{}", &[NODES]),
        ],
    },
];

const ASP_NET_CORE: &[(&str, &str, &[&str])] = &[
    ("/api", r#"{"Method":"Publish","Params":{"Channel":"hist:a","Data":{"Text":"hi"}}}"#, &[FIRST]),
    ("/api", r#"{"Method":"Publish","Params":{"Channel":"no:a","Data":null}}"#, &[UNKNOWN]),
    (
        "/api",
        r#"{"Method":"Broadcast","Params":{"Channels":["a","hist:a"],"Data":{"Text":"hi"}}}"#,
        &[r#"{"result":{"responses":[{"result":{}},{"result":{"offset":2,"epoch":"<e>"}}]}}"#],
    ),
    ("/api", r#"{"Method":"Subscribe","Params":{"User":"7","Channel":"chat:a"}}"#, &[OK]),
    ("/api", r#"{"Method":"UnSubscribe","Params":{"User":"7","Channel":"chat:a"}}"#, &[OK]),
    ("/api", r#"{"Method":"Disconnect","Params":{"User":"7"}}"#, &[OK]),
    ("/api", r#"{"Method":"Refresh","Params":{"User":"7","Client":null,"Expired":false,"Expire_At":0}}"#, &[OK]),
    ("/api", r#"{"Method":"Presence","Params":{"Channel":"pres:a"}}"#, &[NOBODY]),
    ("/api", r#"{"Method":"Presence_Stats","Params":{"Channel":"pres:a"}}"#, &[NO_STATS]),
    ("/api", r#"{"Method":"History","Params":{"Channel":"hist:a"}}"#, &[HISTORY]),
    ("/api", r#"{"Method":"History_Remove","Params":{"Channel":"hist:a"}}"#, &[OK]),
    ("/api", r#"{"Method":"Channels","Params":{}}"#, &[NO_CHANNELS]),
    ("/api", r#"{"Method":"Info","Params":{}}"#, &[NODES]),
    // Newer versions write camel case.
    ("/api", r#"{"method":"Presence_Stats","params":{"channel":"pres:a"}}"#, &[NO_STATS]),
];

impl Library {
    fn request(&self, path: &str, body: &str) -> Vec<u8> {
        let fields = self.fields.join("\r\n");
        if self.is_chunked {
            let (first, second) = body.split_at(body.len() / 2);
            let chunks = [first, second].map(|part| format!("{:X}\r\n{part}\r\n", part.len())).concat();
            let coding = "Transfer-Encoding: chunked";
            return format!("POST {path} HTTP/1.1\r\n{fields}\r\n{coding}\r\n\r\n{chunks}0\r\n\r\n").into_bytes();
        }
        format!("POST {path} HTTP/1.1\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }
}

#[test]
fn libraries_of_backends_are_understood_and_understand() {
    for library in LIBRARIES {
        for (dialect, cores) in [(Dialect::V5, 1), (Dialect::V6, 2)] {
            let server = config::start(dialect, cores, json!({}));
            let mut http = Http::new(server.address);
            let mut names = Names::default();
            for (path, body, wants) in library.calls {
                let name = format!("{} {path} {body}", library.name);
                let answer = http.exchange(&library.request(path, &names.fill(body)));
                let answer = answer.unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(answer.status, 200, "{name}: {}", answer.text());
                assert_eq!(answer.field("content-type"), Some("application/json"), "{name}");
                assert_eq!(answer.field("content-encoding"), None, "{name}");
                let documents: Vec<&str> = answer.text().split('\n').collect();
                assert_eq!(documents.len(), wants.len(), "{name}: {}", answer.text());
                documents.iter().zip(*wants).for_each(|(got, want)| names.expect(&name, want, got));
            }
        }
    }
}

#[test]
fn a_large_body_of_phpcent_waits_until_it_is_asked_for() {
    let server = config::start(Dialect::V5, 2, json!({}));
    let mut http = Http::new(server.address);
    let body = format!(r#"{{"channel":"a","data":"{}","skip_history":false}}"#, "x".repeat(2 << 20));
    let fields = LIBRARIES[0].fields.join("\r\n");
    let head = format!(
        "POST /api/publish HTTP/1.1\r\n{fields}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    http.send(head.as_bytes()).expect("sent");
    assert_eq!(http.interim().as_deref(), Ok("HTTP/1.1 100 Continue"));
    let answer = http.exchange(body.as_bytes()).expect("an answer");
    assert_eq!((answer.status, answer.text()), (200, OK));
}

#[test]
fn a_wrong_key_is_unauthorized_for_every_library() {
    let server = config::start(Dialect::V6, 1, json!({}));
    for library in LIBRARIES {
        let mut http = Http::new(server.address);
        let request = String::from_utf8(library.request(library.calls[0].0, library.calls[0].1)).expect("text");
        let answer = http.exchange(request.replace("secret", "wrong!").as_bytes()).expect(library.name);
        assert_eq!((answer.status, answer.text()), (401, ""), "{}", library.name);
    }
}

#[test]
fn the_disconnect_of_gocent_closes_with_its_code() {
    let server = config::start(Dialect::V5, 2, json!({}));
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(&server, "7")).collect();
    let gocent = LIBRARIES.iter().find(|library| library.name == "gocent").expect("listed");
    let body = "{\"method\":\"disconnect\",\"params\":{\"user\":\"7\",\"Disconnect\":{\"code\":4000,\"reason\":\"x\",\"reconnect\":false},\"ClientWhitelist\":null}}\n";
    let answer = Http::new(server.address).exchange(&gocent.request("/api", body)).expect("an answer");
    assert_eq!(answer.text(), OK);
    clients.iter_mut().for_each(|client| client.expect_close("D14", 4000, "x"));
}
