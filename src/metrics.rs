//! `/metrics`: the cells of all cores as Prometheus text (version 0.0.4). Renders what is counted, counts nothing.

use crate::counters::{Counters, Kind, ROWS};
use std::fmt::Write;
use std::sync::Arc;

/// The text for the cells of all cores.
pub fn render(cores: &[Arc<Counters>]) -> String {
    let mut out = String::with_capacity(8192);
    let mut last = "";
    for row in ROWS {
        if row.name != last {
            last = row.name;
            head(&mut out, row.name, row.help, row.kind);
        }
        let value = cores.iter().fold(0u64, |sum, core| sum.wrapping_add((row.cell)(core).get()));
        let labels = if row.labels.is_empty() { String::new() } else { format!("{{{}}}", row.labels) };
        _ = writeln!(out, "{}{labels} {value}", row.name);
    }
    disconnects(&mut out, cores);
    head(&mut out, "centrifugo_node_build", "The version that runs.", Kind::Gauge);
    _ = writeln!(out, "centrifugo_node_build{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    head(&mut out, "centrifugo_node_num_nodes", "Nodes of the cluster.", Kind::Gauge);
    out.push_str("centrifugo_node_num_nodes 1\n");
    out
}

fn head(out: &mut String, name: &str, help: &str, kind: Kind) {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn disconnects(out: &mut String, cores: &[Arc<Counters>]) {
    const NAME: &str = "centrifugo_client_num_server_disconnects";
    head(out, NAME, "Disconnects by the server, by code.", Kind::Counter);
    let mut by_code = std::collections::BTreeMap::new();
    for (code, count) in cores.iter().flat_map(|core| core.disconnects.iter()) {
        *by_code.entry(code).or_insert(0) += count;
    }
    for (code, count) in by_code {
        let code = code.map_or("custom".to_string(), |code| code.to_string());
        _ = writeln!(out, "{NAME}{{code=\"{code}\"}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_all_cores_are_summed_under_one_head() {
        let cores: Vec<Arc<Counters>> = (0..2).map(|_| Arc::default()).collect();
        cores[0].publications_sent.add(2);
        cores[1].publications_sent.add(3);
        cores[1].disconnects.add(3501);
        let text = render(&cores);
        assert!(text.contains("centrifugo_node_messages_sent_count{type=\"publication\",channel_namespace=\"\"} 5\n"));
        assert!(text.contains("centrifugo_client_num_server_disconnects{code=\"3501\"} 1\n"));
        for name in ROWS.iter().map(|row| row.name) {
            assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
        }
    }
}
