//! `docs/compatibility.md` is made of this list and of the lists in the code; `UPDATE=1` writes it. Every row that
//! says «works» or «differs» names its proof, and the proof must exist.

#[path = "compatibility/codes.rs"]
mod codes;

use State::{Differs, NotYet, Works};
use corecast::api::METHODS;
use std::fmt::Write;
use std::path::Path;

enum State {
    Works,
    NotYet,
    Differs(&'static str),
}

/// Part, feature, state, proof: a test function or the beginning of a dialogue's name.
type Row = (&'static str, &'static str, State, &'static str);

const ROWS: &[Row] = &[
    (
        "Transports",
        "WebSocket, JSON and Protobuf, subprotocols and query parameters",
        Works,
        "upgrades_are_judged_as_centrifugo_does",
    ),
    (
        "Transports",
        "pings of the server, pongs of the client, native ping mode",
        Works,
        "F31 an unanswered ping ends the connection",
    ),
    (
        "Transports",
        "permessage-deflate without context takeover; a publication is compressed once for all who get it",
        Works,
        "a_publication_to_a_hundred_compressed_subscribers_is_compressed_once",
    ),
    (
        "Transports",
        "compressed messages of clients, limits before and after decompression",
        Works,
        "what_a_compressed_client_does_wrong_has_its_code",
    ),
    (
        "Transports",
        "offers of permessage-deflate with `server_max_window_bits`",
        Differs(
            "the window is 4 KiB instead of 32, so 12 and more are kept to; with less, which Centrifugo ignores, or \
             with a parameter that is not valid the connection goes on without compression",
        ),
        "an_offer_that_is_not_understood_or_not_valid_is_declined",
    ),
    ("Transports", "SSE, HTTP stream, emulation, WebTransport, unidirectional transports", NotYet, ""),
    (
        "Transports",
        "TLS 1.2 and 1.3 on the HTTP ports, `tls_external`, `internal_tls`; PEM as path, text or base64",
        Works,
        "the_api_and_websockets_work_over_tls",
    ),
    (
        "Transports",
        "clients show a certificate where `client_ca_pem` is set",
        Works,
        "clients_show_a_certificate_where_an_authority_is_named",
    ),
    (
        "Transports",
        "certificates are replaced without a restart, when their files change and on SIGHUP",
        Works,
        "a_certificate_is_replaced_while_old_connections_go_on",
    ),
    (
        "Transports",
        "plain HTTP on an encrypted port is answered by a TLS alert",
        Differs("nothing is said in clear"),
        "what_is_no_tls_is_turned_away_and_counted",
    ),
    ("Transports", "HTTP/2, HTTP/3, `tls_autocert`", NotYet, ""),
    (
        "Client protocol",
        "`connect` with JWT, anonymous, insecure and trusted-header access",
        Works,
        "F04 a token that expires",
    ),
    (
        "Client protocol",
        "server-side subscriptions of tokens and of `connect.subs`",
        Works,
        "F11 channels of the token",
    ),
    (
        "Client protocol",
        "`subscribe` with permissions and subscription tokens, `unsubscribe`",
        Works,
        "F60 a token opens a channel",
    ),
    ("Client protocol", "`publish`", Works, "F88 the publisher's push"),
    ("Client protocol", "`rpc` with the ping extension; other methods answer 108", Works, "F105, F112, F113"),
    (
        "Client protocol",
        "`presence`, `presence_stats`, `history` with their permissions",
        Works,
        "F107 the beginning of a history",
    ),
    ("Client protocol", "`refresh`, `sub_refresh` by token", Works, "F116 a new token prolongs"),
    (
        "Client protocol",
        "positions and recovery of streams, forced or asked for",
        Works,
        "F71 what was missed is recovered, and what follows comes",
    ),
    (
        "Client protocol",
        "a lost position ends the subscription (2500) or the connection (3010): by offset, `channel_position_max_time_lag`",
        Works,
        "the_publication_behind_a_lost_one_ends_subscriptions_with_a_position_only",
    ),
    (
        "Client protocol",
        "silent channels are compared with their owner (`channel_position_check_delay`)",
        Works,
        "a_silent_channel_is_checked_and_one_in_order_is_left_alone",
    ),
    (
        "Client protocol",
        "a channel with subscribers never loses its stream by `history_meta_ttl`",
        Differs("in Centrifugo it does, and positioned subscribers are told 2500"),
        "a_channel_with_listeners_keeps_its_position",
    ),
    (
        "Client protocol",
        "`flag` 2 of `subscribe`: error 112 instead of a subscription that is not recovered",
        Works,
        "F75 who insists on what it has missed is not subscribed without it",
    ),
    (
        "Client protocol",
        "join and leave, forced or asked for",
        Works,
        "joins_and_leaves_reach_all_cores_but_no_leave_reaches_its_own_client",
    ),
    (
        "Client protocol",
        "tags filter: live and recovered publications; numbers compared exactly",
        Works,
        "F83 a filter lets through what it matches",
    ),
    (
        "Client protocol",
        "recovery in cache mode, `auto_cache_recover`",
        Works,
        "F77, F78, F78b and F79 recovery in cache mode",
    ),
    (
        "Client protocol",
        "what many have missed is encoded once for all of them, on all cores; after a cut they come back without loss",
        Works,
        "what_many_have_missed_is_encoded_once_for_clients_of_both_cores",
    ),
    (
        "Client protocol",
        "delta compression (fossil), in `subscribe` and `connect.subs`, `allowed_delta_types`, `delta_publish`",
        Works,
        "F80, F95 and F96 a delta subscription",
    ),
    (
        "Client protocol",
        "a patch never cuts a character, so JSON clients get every one",
        Differs("Centrifugo sends patches that its JSON clients cannot apply"),
        "patches_between_texts_are_texts_and_apply",
    ),
    (
        "Client protocol",
        "after a recovery without publications the first push is whole; subscriptions without position get patches too",
        Differs("who starts at a remembered position has no payload to patch; every subscriber gets one chain"),
        "places_are_told_and_those_who_are_ready_stand_in_front",
    ),
    (
        "Client protocol",
        "map and shared-poll subscriptions are refused as Centrifugo refuses them by default",
        Works,
        "F85 types that no namespace has",
    ),
    (
        "Client protocol",
        "expiry of connections (3005) and of subscriptions (2501)",
        Works,
        "F124 an expired subscription",
    ),
    (
        "Client protocol",
        "a `sub_refresh` with an expired token is answered `{}` and changes nothing",
        Differs("in Centrifugo it takes the expiry of the subscription away"),
        "F122 an expired token leaves a subscription as it was",
    ),
    (
        "Client protocol",
        "a `refresh` with a token without expiry ends the expiry of the connection",
        Differs("in Centrifugo the former deadline stays in force"),
        "F119 a token without expiry ends the expiry of the connection",
    ),
    (
        "Client protocol",
        "several commands in one message; replies in their order",
        Works,
        "F22 two commands in one message",
    ),
    (
        "Client protocol",
        "a message of the server holds one reply or push, never up to 16",
        Differs("SDKs split messages either way; several frames leave in one write"),
        "a_burst_reaches_each_socket_in_one_write",
    ),
    (
        "Client protocol",
        "bytes that are no UTF-8 within a JSON payload become U+FFFD",
        Differs("a text frame must be UTF-8 (RFC 6455 8.1)"),
        "strings_are_lenient",
    ),
    (
        "Client protocol",
        "bad UTF-8 in a text frame closes with 1007",
        Differs("RFC 6455 8.1; Centrifugo does not look"),
        "every_violation_has_its_code",
    ),
    (
        "Client protocol",
        "a close frame of one byte or with an illegal code closes with 1002",
        Differs("RFC 6455 7.4"),
        "every_violation_has_its_code",
    ),
    (
        "Client protocol",
        "with `pong_timeout` below zero every ping may be answered",
        Differs("Centrifugo takes a second late pong for a bad request"),
        "two_cores_keep_their_promises",
    ),
    (
        "Tokens",
        "HS, RS, ES 256–512, previous HMAC key, audience, issuer, user id claim",
        Works,
        "public_keys_verify_their_own_algorithm_only",
    ),
    (
        "Tokens",
        "`jwks_public_endpoint`: RSA, EC and Ed25519 keys (RS, ES, EdDSA), kept for an hour after each use",
        Works,
        "every_kind_of_key_is_fetched_and_verifies",
    ),
    (
        "Tokens",
        "templates of it, filled from named groups of `issuer_regex` and `audience_regex`",
        Works,
        "each_tenant_has_its_own_set",
    ),
    (
        "Tokens",
        "unknown key ids cost at most two fetches a second of one address; redirects are not followed",
        Differs("in Centrifugo each costs a fetch"),
        "unknown_key_ids_are_invalid_and_a_flood_of_them_is_few_requests",
    ),
    (
        "Tokens",
        "a key set on a loopback or private address needs `corecast.jwks.allow_private_targets`",
        Differs("Centrifugo asks any address"),
        "a_private_target_is_not_asked_unless_that_is_allowed",
    ),
    (
        "Tokens",
        "key sets are asked for directly, whatever `HTTP_PROXY` says",
        Differs("a proxy would be asked for private addresses"),
        "a_private_target_is_refused_before_anything_is_sent",
    ),
    (
        "Tokens",
        "a disconnect code 3000 drops TCP; a reason above 123 bytes too",
        Works,
        "close_frames_carry_code_and_reason",
    ),
    (
        "Channels",
        "namespaces, boundaries, `channel_regex`, private and user-limited channels",
        Works,
        "subscribing_is_decided_in_order",
    ),
    ("Channels", "`publication_data_format`", Works, "publishing_is_decided_in_order"),
    (
        "Channels",
        "history by size and time, its position by `history_meta_ttl`",
        Works,
        "publications_vanish_after_their_time_and_the_position_stays",
    ),
    ("Channels", "presence of all cores", Works, "presence_has_the_clients_of_all_cores"),
    (
        "Channels",
        "information that `refresh` or `sub_refresh` changes reaches presence at the next tick (`presence_update_interval`)",
        Works,
        "information that a refresh changes reaches publications at once and presence with the next tick",
    ),
    (
        "Channels",
        "personal channels with the options of their namespace",
        Works,
        "F25 a user's connections are subscribed",
    ),
    (
        "Channels",
        "`single_connection`: a new connection ends the user's others on all cores (3504)",
        Works,
        "one_connection_of_a_user_replaces_another_where_users_are_listed",
    ),
    (
        "Channels",
        "of connections that come at the same moment one stays; one that left its personal channel is ended too",
        Differs("in Centrifugo each ends the other, and who leaves the channel is not found"),
        "of_connections_that_come_at_the_same_moment_exactly_one_stays",
    ),
    ("Channels", "proxies", NotYet, ""),
    (
        "Server API",
        "HTTP: order of checks, keys, error bodies, transport error mode",
        Works,
        "the_order_of_checks_of_the_api_is_centrifugos",
    ),
    ("Server API", "`idempotency_key`", Works, "B27 a repeat of an idempotency key"),
    (
        "Server API",
        "at most 100,000 idempotency keys per core are remembered",
        Differs("a bound on memory; the oldest key is forgotten early"),
        "the_oldest_key_makes_room_at_the_bound",
    ),
    (
        "Server API",
        "a request body above `corecast.http_api.max_body_size` (64 MiB) is answered 413",
        Differs("Centrifugo has no limit"),
        "ambiguous_and_broken_http_is_refused_and_closed",
    ),
    (
        "Server API",
        "`version` and `version_epoch` of `publish`",
        Works,
        "what_is_not_newer_than_the_top_is_not_delivered",
    ),
    ("Server API", "`delta` of `publish` and `broadcast`", Works, "patches are made for publications that ask"),
    (
        "Server API",
        "paths that need cleaning (`//api`) are not found instead of redirected",
        Differs("no known client asks for them"),
        "the_order_of_checks_of_the_api_is_centrifugos",
    ),
    (
        "Server API",
        "a batch command `null` answers 107, an unknown `method` key 104",
        Works,
        "the_order_of_checks_of_the_api_is_centrifugos",
    ),
    (
        "Server API",
        "API page at `swagger.handler_prefix`, made of the OpenAPI document at `/openapi.json`, without other hosts",
        Works,
        "the_binary_serves_the_api_page",
    ),
    (
        "Server API",
        "every method over HTTP, in batches, in the legacy form and over GRPC",
        Works,
        "every_row_holds_in_every_form_with_two_cores",
    ),
    (
        "Server API",
        "requests of phpcent, rubycent, crystalcent, ASP.NET Core, rucent, gocent, cent and cent.js",
        Works,
        "libraries_of_backends_are_understood_and_understand",
    ),
    (
        "Server API",
        "internal port, `external`, `disabled`, `handler_prefix`",
        Works,
        "the_internal_port_has_the_api_unless_it_is_external",
    ),
    (
        "Server API",
        "what the API does to clients is done when the call is answered",
        Works,
        "presence_and_channels_follow_at_once",
    ),
    (
        "Server API",
        "`disconnect` with code 0 closes with 3503",
        Differs("no close frame can carry 0"),
        "odd_codes_are_passed_on_as_they_are",
    ),
    (
        "Server API",
        "`info` counts at once",
        Differs("Centrifugo lags up to three seconds"),
        "channels_and_info_count_over_all_cores",
    ),
    (
        "Server API",
        "GRPC: key, error modes, gzip, reflection v1 and v1alpha",
        Works,
        "errors_are_statuses_when_the_call_or_the_option_asks_for_it",
    ),
    (
        "Server API",
        "GRPC: health v1, without a key",
        Differs("an addition; Centrifugo has none"),
        "health_is_told_without_a_key",
    ),
    (
        "Server API",
        "GRPC: a known field of another wire type is status 13",
        Differs("Centrifugo takes it for an unknown field"),
        "a_message_that_cannot_be_read_is_an_internal_error",
    ),
    (
        "Server API",
        "GRPC: at most 250 calls of a connection in flight; rapid resets and floods of header fields end it",
        Differs("Centrifugo has no limit"),
        "a_flood_of_resets_is_cut",
    ),
    (
        "Server API",
        "map and shared-poll methods answer as unknown ones",
        Differs("switched off in Centrifugo too unless a namespace asks for them"),
        "what_is_not_served_is_unimplemented",
    ),
    ("HTTP", "ambiguous framing is refused with 400 and close", Works, "each_ambiguity_has_its_refusal"),
    (
        "HTTP",
        "slow heads and bodies are answered 408",
        Differs("Centrifugo waits without limit"),
        "a_head_that_drips_is_refused_after_ten_seconds",
    ),
    (
        "Process",
        "configuration of both dialects in JSON, YAML and TOML, environment, flags",
        Works,
        "a_bad_configuration_names_file_place_key_and_value",
    ),
    (
        "Process",
        "an unknown flag or command exits with 2",
        Differs("Centrifugo exits with 0"),
        "an_unknown_flag_or_command_exits_with_two",
    ),
    (
        "Process",
        "an option that is not served: warned about, or refused where silence would be dangerous",
        Differs("see docs/options.md"),
        "a_dangerous_option_that_is_not_served_is_refused",
    ),
    (
        "Process",
        "SIGTERM and SIGINT: 3001 to every client, exit 0; exit 1 at `shutdown.timeout`",
        Works,
        "sigterm_tells_every_client_and_exits_with_zero",
    ),
    (
        "Process",
        "a second signal ends at once with exit code 1 and says what was cut; in `shutdown.termination_delay` it ends the delay",
        Differs("Centrifugo ignores it"),
        "a_second_signal_ends_at_once",
    ),
    (
        "Process",
        "`/health/ready`: 503 from the first signal on; `/health` stays 200",
        Differs("ours alone"),
        "a_node_that_will_stop_says_so_and_serves_on",
    ),
    (
        "Process",
        "`shutdown.termination_delay` (v5: `shutdown_termination_delay`): not ready, and serving, for so long",
        Differs("in Centrifugo v5 only, where nothing shows it"),
        "a_node_that_will_stop_says_so_and_serves_on",
    ),
    (
        "Process",
        "`shutdown.spread`: clients get 3001 one after another within so long a time, behind all that waits for them",
        Differs("ours alone; off by default, as Centrifugo tells all at once"),
        "clients_are_told_one_after_another",
    ),
    (
        "Process",
        "short of memory: compression, then quick publishers, new clients (503), the slowest clients (3008) and publications (error 111) are given up, in this order, and come back (`corecast.memory.budget`)",
        Differs("Centrifugo has a limit for each client and none for all"),
        "whoever_does_not_read_costs_new_clients_first",
    ),
    (
        "Process",
        "`corecast.limits.connections_per_address` and `.connection_rate_per_address`: more are closed at once",
        Differs("ours alone; off by default, since behind a proxy all have one address"),
        "an_address_has_so_many_connections_and_no_more",
    ),
    (
        "Process",
        "`corecast.limits.commands_per_second` of one client, then 3013",
        Differs("Centrifugo PRO has rate limits of its own; off by default"),
        "more_commands_than_allowed_cost_the_connection",
    ),
    (
        "Process",
        "1,000 pings, pongs or empty fragments at once, or 100 per second: 3013; a message that takes 30 s to come: 1008",
        Differs("Centrifugo takes any number and waits for ever"),
        "a_message_that_drips_is_refused_after_half_a_minute",
    ),
    (
        "Process",
        "a request body of less than 500 bytes per second, behind 30 s: 408; an answer that nobody takes for 30 s: cut",
        Differs("Centrifugo waits for ever"),
        "a_body_that_drips_is_refused",
    ),
    (
        "Process",
        "`corecast.echo.enabled`: `/connection/echo` sends WebSocket messages back, for conformance suites",
        Differs("ours alone; off by default, warned about"),
        "messages_come_back_as_they_are",
    ),
    ("Process", "SIGHUP reloads channel and client rules, all or nothing", Works, "a_reload_that_does_not_hold"),
    (
        "Process",
        "`/metrics` under Centrifugo's names, as far as there is something to count",
        Works,
        "cells_of_all_cores_are_summed_under_one_head",
    ),
    ("Process", "a slow client gets 3008 behind the frame that was begun", Works, "a_slow_reader_is_disconnected"),
    (
        "Process",
        "`corecast_slow_consumer: catch_up`: a slow client loses its queue instead of its connection and reads on from history",
        Differs("ours alone; without the option nothing changes"),
        "one_slow_client_among_hundreds_loses_nothing_on_two_cores",
    ),
    (
        "Process",
        "`client.write_delay` and `corecast_write_delay`: pushes wait for more and leave in one write; replies do not wait",
        Differs("the first is a name of Centrifugo PRO, the second, of a namespace, ours alone; off by default"),
        "publications_within_the_delay_leave_in_few_writes",
    ),
    (
        "Process",
        "a client that takes nothing for `websocket.write_timeout` is cut and counted under 3009",
        Differs("Centrifugo cuts whoever does not take a whole message in that time"),
        "a_client_that_reads_little_by_little_keeps",
    ),
    (
        "Process",
        "a core that panics ends the process with exit code 70",
        Differs("clients recover from a restart"),
        "a_core_that_panics_ends_the_process_with_70",
    ),
    (
        "Process",
        "a session that panics costs its connection and is counted",
        Differs("in Centrifugo the process ends"),
        "a_session_that_panics_costs_its_connection_and_nothing_else",
    ),
    ("Process", "engines Redis and NATS, cluster, admin page, consumers", NotYet, ""),
    (
        "Official clients, against one core and against two (`make live`)",
        "`centrifuge-python` 0.7.0: all 185 tests of its own",
        Works,
        "the_tests_of_centrifuge_python_pass",
    ),
    (
        "Official clients, against one core and against two (`make live`)",
        "`centrifuge-go` 0.12.1: all 72 tests of its own",
        Works,
        "the_tests_of_centrifuge_go_pass",
    ),
    (
        "Official clients, against one core and against two (`make live`)",
        "npm `centrifuge` 5.8.0, JSON and Protobuf: tokens and their refresh, history, presence, joins and leaves, filters, \
         recovery behind a cut line, subscriptions of the server, cache mode",
        Works,
        "cuts_amid_a_stream_lose_and_double_nothing",
    ),
    (
        "Official clients, against one core and against two (`make live`)",
        "deltas as npm `centrifuge` and `centrifuge-python` apply them, over random documents, live and recovered",
        Works,
        "deltas_become_the_documents_that_were_published",
    ),
    (
        "Official clients, against one core and against two (`make live`)",
        "the server API with `cent` 5.2.0 and `gocent` 3.3.0, npm `cent.js` 6.1.0, GRPC with stubs of `api.proto`",
        Works,
        "cent_publishes_and_reads_history",
    ),
];

/// Methods of Centrifugo's free edition.
const API: &[&str] = &[
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "refresh",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
];

fn page() -> String {
    let mut out = String::from(
        "# Compatibility with Centrifugo\n\n\
         What a team that moves from Centrifugo finds, feature by feature, with the test that proves it. Replies of the\n\
         server API are those of v5.4.9 with the additions of v6 that do not conflict; what a client sees is v6.9.1.\n\
         Made by `UPDATE=1 cargo test --test compatibility`; do not edit.\n",
    );
    let mut part = "";
    for (of, feature, state, proof) in ROWS {
        if *of != part {
            part = of;
            _ = write!(out, "\n## {part}\n\n| feature | state | proof |\n|---|---|---|\n");
        }
        let state = match state {
            Works => "works".to_string(),
            NotYet => "not yet".to_string(),
            Differs(why) => format!("differs on purpose: {why}"),
        };
        let proof = if proof.is_empty() { String::new() } else { format!("`{proof}`") };
        _ = writeln!(out, "| {feature} | {state} | {proof} |");
    }
    lists(&mut out);
    out
}

/// What the code lists by itself.
fn lists(out: &mut String) {
    out.push_str("\n## Server API methods\n\n| method | state |\n|---|---|\n");
    for name in API.iter().chain(&["batch"]) {
        let is_served = *name == "batch" || METHODS.iter().any(|method| method.name == *name);
        _ = writeln!(out, "| `{name}` | {} |", if is_served { "works" } else { "not yet (404)" });
    }
    codes::page(out);
}

/// All test code and dialogues in one text.
fn proofs(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        let is_kept_out =
            path.file_name().is_some_and(|n| n == "node_modules" || n == ".venv" || n == "compatibility.rs");
        if path.is_dir() && !is_kept_out {
            proofs(&path, out);
        } else if path.extension().is_some_and(|e| ["rs", "txt", "py", "mjs"].iter().any(|kind| e == *kind))
            && !is_kept_out
        {
            out.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn the_page_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page()).expect("written");
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(present == page(), "run `make docs`");
}

#[test]
fn every_proof_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    ["src", "tests"].iter().for_each(|folder| proofs(&root.join(folder), &mut text));
    for (_, feature, state, proof) in ROWS {
        let names = ["fn", "#", "def", "function"].map(|before| format!("{before} {proof}"));
        assert!(proof.is_empty() || names.iter().any(|name| text.contains(name)), "{feature}: no {proof}");
        assert!(!proof.is_empty() || matches!(state, NotYet | Differs(_)), "{feature} has no proof");
    }
}
