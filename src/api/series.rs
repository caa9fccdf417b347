//! All figures of the node as Prometheus sees them: metrics, each with its series, summed over the cores. `/metrics` and
//! the items of `info` are two ways to write this list. Not here: figures of the process, which need I/O (`metrics`).
//!
//! A set of labels is shown whole when it is small, else only what has occurred.

use super::METHODS;
use crate::calls::METHODS_MAX;
use crate::counters::{Counters, Kind, ROWS, Row};
use crate::tally::{ApiErrorCode, ApiProtocol, Labels, Set};
use crate::timing::Durations;
use std::sync::Arc;

const _: () = assert!(METHODS.len() <= METHODS_MAX, "each method has its cells");

/// Sets up to this size are shown whole.
const WHOLE_MAX: usize = 16;

/// One metric.
pub struct Family {
    /// Prometheus name.
    pub name: &'static str,
    /// Text of `# HELP`.
    pub help: &'static str,
    /// Text of `# TYPE`.
    pub kind: Kind,
    /// Its series; there may be none yet.
    pub series: Vec<Series>,
}

/// One series of a metric.
pub struct Series {
    /// Sorted by name.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// The value of a series.
pub enum Value {
    /// Of counters and gauges.
    Number(u64),
    /// Of summaries and histograms.
    Durations(Box<Durations>),
}

impl Series {
    fn new(mut labels: Labels, value: Value) -> Series {
        labels.sort_unstable_by_key(|(name, _)| *name);
        Series { labels, value }
    }
}

/// Reads all cells of all cores.
pub fn collect(cores: &[Arc<Counters>]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::with_capacity(ROWS.len() + 8);
    for row in ROWS {
        if families.last().is_none_or(|last| last.name != row.name) {
            families.push(Family { name: row.name, help: row.help, kind: row.kind, series: Vec::new() });
        }
        if let Some(family) = families.last_mut() {
            family.series.extend(cells(row, cores));
        }
    }
    families.extend(durations(cores));
    families.push(errors(cores));
    families.push(per_core(cores));
    families.extend(node());
    families
}

/// How evenly connections are spread.
fn per_core(cores: &[Arc<Counters>]) -> Family {
    let series = |(core, counters): (usize, &Arc<Counters>)| {
        let value = settled(Kind::Gauge, counters.connections.get());
        Series::new([("core", core.to_string().into())].into_iter().collect(), Value::Number(value))
    };
    let (name, help) = ("corecast_core_connections", "Open connections of each core.");
    Family { name, help, kind: Kind::Gauge, series: cores.iter().enumerate().map(series).collect() }
}

fn cells(row: &'static Row, cores: &[Arc<Counters>]) -> Vec<Series> {
    let mut sums = Vec::new();
    for cells in cores.iter().map(|core| (row.cells)(core)) {
        sums.resize(cells.len(), 0u64);
        sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum = sum.wrapping_add(cell.get()));
    }
    let is_whole = sums.len() <= WHOLE_MAX;
    let shown = sums.into_iter().enumerate().filter(|(_, sum)| is_whole || *sum > 0);
    let series = shown.map(|(place, sum)| {
        let fixed = row.labels.iter().map(|(name, value)| (*name, (*value).into()));
        Series::new(fixed.chain((row.place_labels)(place)).collect(), Value::Number(settled(row.kind, sum)))
    });
    series.collect()
}

/// Cores are read one after another, so a gauge whose parts move between them may seem to be below zero for a moment.
fn settled(kind: Kind, sum: u64) -> u64 {
    if kind == Kind::Gauge && i64::try_from(sum).is_err() { 0 } else { sum }
}

fn call_labels(protocol: ApiProtocol, method: usize) -> Labels {
    vec![("method", METHODS[method].name.into()), ("protocol", protocol.name().into())]
}

/// Places of methods with all protocols.
fn calls() -> impl Iterator<Item = (usize, ApiProtocol)> {
    (0..METHODS.len()).flat_map(|method| ApiProtocol::ALL.iter().map(move |protocol| (method, *protocol)))
}

fn durations(cores: &[Arc<Counters>]) -> [Family; 2] {
    let mut summary = Family {
        name: "centrifugo_api_command_duration_seconds",
        help: "How long server API calls took; quantiles of the last minutes.",
        kind: Kind::Summary,
        series: Vec::new(),
    };
    let mut histogram = Family {
        name: "centrifugo_api_command_duration_seconds_histogram",
        help: "How long server API calls took.",
        kind: Kind::Histogram,
        series: Vec::new(),
    };
    for (method, protocol) in calls() {
        let merged = Durations::merge(cores.iter().filter_map(|core| core.api.timing(method, protocol)));
        if merged.count() > 0 {
            let series = || Series::new(call_labels(protocol, method), Value::Durations(Box::new(merged.clone())));
            summary.series.push(series());
            histogram.series.push(series());
        }
    }
    [summary, histogram]
}

fn errors(cores: &[Arc<Counters>]) -> Family {
    let mut family = Family {
        name: "centrifugo_api_command_errors_total",
        help: "Errors of server API calls, by code.",
        kind: Kind::Counter,
        series: Vec::new(),
    };
    for (method, protocol) in calls() {
        for place in 0..ApiErrorCode::PLACES {
            let count = cores.iter().map(|core| core.api.errors(method, protocol)[place].get()).sum();
            if count > 0 {
                let labels = call_labels(protocol, method).into_iter().chain(ApiErrorCode::labels(place));
                family.series.push(Series::new(labels.collect(), Value::Number(count)));
            }
        }
    }
    family
}

/// What does not change while the node runs.
fn node() -> [Family; 2] {
    let one = |name, help, labels| Family {
        name,
        help,
        kind: Kind::Gauge,
        series: vec![Series::new(labels, Value::Number(1))],
    };
    [
        one("centrifugo_node_build", "The version that runs.", vec![("version", env!("CARGO_PKG_VERSION").into())]),
        one("centrifugo_node_num_nodes", "Nodes of the cluster.", Labels::new()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ApiError;
    use crate::tally::{Action, ClientMethod};
    use std::time::Duration;

    fn value(cores: &[Arc<Counters>], name: &str, wanted: &[(&str, &str)]) -> Option<u64> {
        let family = collect(cores).into_iter().find(|family| family.name == name)?;
        let has = |series: &Series| wanted.iter().all(|(n, v)| series.labels.iter().any(|(k, w)| k == n && w == v));
        family.series.into_iter().find(has).and_then(|series| match series.value {
            Value::Number(n) => Some(n),
            Value::Durations(_) => None,
        })
    }

    fn cores() -> Vec<Arc<Counters>> {
        (0..2).map(|_| Arc::default()).collect()
    }

    #[test]
    fn small_sets_are_whole_and_large_ones_show_what_occurred() {
        let cores = cores();
        cores[1].actions.add(Action::Survey);
        cores[1].disconnects.add(3501);
        cores[0].disconnects.add(3501);
        cores[0].reply_errors_by_code.add((ClientMethod::Connect, 109));
        let of = |name, label: (&str, &str)| value(&cores, name, &[label]);
        assert_eq!(of("centrifugo_node_action_count", ("action", "survey")), Some(1));
        assert_eq!(of("centrifugo_node_action_count", ("action", "history")), Some(0));
        assert_eq!(of("centrifugo_client_num_server_disconnects", ("code", "3501")), Some(2));
        assert_eq!(of("centrifugo_client_num_server_disconnects", ("code", "3502")), None);
        assert_eq!(of("centrifugo_client_num_reply_errors", ("method", "connect")), Some(1));
    }

    #[test]
    fn errors_are_shown_by_protocol_method_and_number() {
        let cores = cores();
        cores[1].api.add(0, ApiProtocol::Grpc, Duration::ZERO, Some(102));
        let labels = [("protocol", "grpc"), ("method", "publish"), ("error", "102")];
        assert_eq!(value(&cores, "centrifugo_api_command_errors_total", &labels), Some(1));
        assert_eq!(value(&cores, "centrifugo_api_command_errors_total", &[("protocol", "http")]), None);
    }

    #[test]
    fn every_error_of_the_api_has_its_own_place() {
        let custom = ApiErrorCode::place(0);
        assert!(ApiError::ALL.iter().all(|error| ApiErrorCode::place(error.code) != custom));
    }

    #[test]
    fn a_gauge_whose_parts_moved_between_two_reads_is_not_below_zero() {
        let cores = cores();
        cores[0].clients.sub(1);
        assert_eq!(value(&cores, "centrifugo_node_num_clients", &[]), Some(0));
    }
}
