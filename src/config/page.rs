//! `docs/options.md`, written from the table.

use super::{
    served::{is_served, is_served_in_namespace},
    table::{Dialect, Opt, env_suffix, table},
    unserved::{Unserved, unserved},
    value::Value,
};
use std::fmt::Write;

const HEAD: &str = "# Options

Made from the option table by `UPDATE=1 cargo test --test options_table`; do not edit.

Each option has a name in the tree of Centrifugo v6 and usually a key in the flat files of v5; a file uses one of the
two dialects. The variable is written here without its prefix: `CORECAST_` or `CENTRIFUGO_`, of which the first wins.
A v5 key is also a variable. A flag beats a variable, a variable beats the file.

*Served*: it works. *Ignored*: it is recognised, has no effect yet, and is warned about when it says something else
than its default. *Refused*: it is recognised, and a start with something else than its default fails, because going on
without it would be dangerous.

A `pem` value is PEM text, base64 of it, or the path of a file with it. The TLS objects of the server's own ports
(`http_server.tls`, `http_server.internal_tls`, `grpc_api.tls`) are of one shape with those of clients: in them
`server_ca_pem`, `server_name` and `insecure_skip_verify` have no effect, in Centrifugo neither. Who may connect is
said by `client_ca_pem` alone.

Options under `corecast` are ours. `corecast.memory.budget` is in bytes, for all cores together (decisions/0016);
`corecast.limits.*` count per second and at once, and 0 means no limit: set those of addresses only where clients connect
directly, since behind a proxy all have one address. `corecast.echo.enabled` is for conformance suites and nothing else. Ours
too, in a section of Centrifugo's: with `shutdown.termination_delay` the server goes on for so long after the signal and says
503 at `/health/ready`; within `shutdown.spread` clients are told to reconnect (3001) one after another. Both come in time if
they and the clients' good-byes end before whoever stops the process kills it.

| name | key in v5 | variable | flag | type | default | state |
|---|---|---|---|---|---|---|
";

const NAMESPACES: &str = "
## Options of a namespace

Fields of the objects in `channel.namespaces` (v5: `namespaces`). The variable of a field is
`CHANNEL_NAMESPACES_<NAME>_<FIELD>`.

`corecast_slow_consumer` is ours: `disconnect`, the default, ends a connection for which more waits than
`client.queue_max_size` (3008). With `catch_up`, publications of the namespace are taken out of the queue of such a client
and read again from history when it has read the rest. It needs history and subscriptions with a position. Joins, leaves
and publications that are not kept are lost meanwhile; when history is too short, the subscription ends with 2500, one that
the server made with 3010.

`corecast_write_delay` is ours too: publications, joins and leaves of the namespace wait up to so long for more, and leave in
one write. It saves CPU where a client gets many of them, for as much latency; it does nothing for one publication to many
clients. Replies, pings and disconnects do not wait, and take along what does. Without it, `client.write_delay` holds (a
name of Centrifugo PRO, where replies wait too).

| field | key in v5 | type | default | state |
|---|---|---|---|---|
";

/// The whole page.
pub fn options_page() -> String {
    let mut page = HEAD.to_owned();
    for opt in &table().opts {
        row(&mut page, opt);
    }
    page.push_str(NAMESPACES);
    let v5 = table().fields(Dialect::V5, "namespaces");
    for field in table().fields(Dialect::V6, "channel_namespace") {
        let key = v5.iter().find(|v5| v5.target == field.path).map_or("", |v5| v5.path);
        let state = state(is_served_in_namespace(field.path), field.path);
        let (path, kind, default) = (field.path, field.kind.word(), shown(&field.default));
        writeln!(page, "| `{path}` | {} | {kind} | {default} | {state} |", code(key)).expect("a string takes all");
    }
    page
}

fn row(page: &mut String, opt: &Opt) {
    let dialect = if opt.only_v5 { Dialect::V5 } else { Dialect::V6 };
    let flag = table().name(dialect, opt.path).filter(|name| name.flag).map_or(String::new(), |name| {
        let short = name.short.map_or(String::new(), |short| format!(", `-{short}`"));
        format!("`--{}`{short}", name.text)
    });
    let name = if opt.only_v5 { String::new() } else { code(opt.path) };
    let keys = opt.v5.iter().map(|key| code(key)).collect::<Vec<_>>().join(", ");
    let state = state(is_served(opt.path), opt.path);
    let (env, kind, default) = (env_suffix(opt.path), opt.type_name, shown(&opt.default));
    writeln!(page, "| {name} | {keys} | `{env}` | {flag} | {kind} | {default} | {state} |")
        .expect("a string takes all");
}

fn state(served: bool, path: &str) -> &'static str {
    match (served, unserved(path)) {
        (true, _) => "served",
        (false, Unserved::Warned) => "ignored",
        (false, Unserved::Refused(_)) => "refused",
    }
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn shown(value: &Value) -> String {
    if value.is_zero() && !matches!(value, Value::Int(_) | Value::Bool(_)) {
        String::new()
    } else {
        format!("`{value}`")
    }
}
