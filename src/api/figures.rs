//! The `metrics` of `info` (server-api 2.12): gauges as they are, counters as what they grew in the last full interval.
//!
//! Until the first interval is over, and for what was first counted after the last one, the growth since the start
//! counts. Only Centrifugo's names are items, and no histograms; a name is cut into namespace, subsystem and rest.
//!
//! Contract: [`Figures::roll`] when [`Figures::next_deadline`] has passed.

use super::series::{self, Family, Series, Value};
use crate::clock::Mono;
use crate::counters::{Counters, Kind};
use crate::proto::api::Metrics;
use crate::timing::QUANTILES;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const NAMESPACE: &str = "centrifugo_";

/// `node.info_metrics_aggregate_interval` when it is 0.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);

/// What counters grew, interval by interval.
pub struct Figures {
    interval: Duration,
    deadline: Mono,
    /// The counters at the end of the last interval.
    marks: BTreeMap<String, f64>,
    /// What they grew in it.
    growth: BTreeMap<String, f64>,
}

/// One item before it is decided what of it is shown.
struct Item {
    key: String,
    value: f64,
    grows: bool,
}

impl Figures {
    /// Begins the first interval; an interval of zero is 60 seconds.
    pub fn new(now: Mono, interval: Duration) -> Figures {
        let interval = if interval.is_zero() { INTERVAL_DEFAULT } else { interval };
        Figures { interval, deadline: now + interval, marks: BTreeMap::new(), growth: BTreeMap::new() }
    }

    /// When the interval is over.
    pub fn next_deadline(&self) -> Mono {
        self.deadline
    }

    /// Ends the interval if it is over and begins the next.
    pub fn roll(&mut self, now: Mono, cores: &[Arc<Counters>]) {
        if now < self.deadline {
            return;
        }
        let next = self.deadline + self.interval;
        // Late: what nobody rolled is part of this interval, and the next one is a whole one again.
        self.deadline = if next > now { next } else { now + self.interval };
        let counters = items(cores).into_iter().filter(|item| item.grows);
        let marks: BTreeMap<String, f64> = counters.map(|item| (item.key, item.value)).collect();
        let growth = marks.iter().map(|(key, value)| (key.clone(), value - self.marks.get(key).unwrap_or(&0.0)));
        self.growth = growth.collect();
        self.marks = marks;
    }

    /// The figures now.
    pub fn metrics(&self, cores: &[Arc<Counters>]) -> Metrics {
        let shown = items(cores).into_iter().map(|item| {
            let growth = self.growth.get(&item.key).filter(|_| item.grows);
            let value = growth.copied().unwrap_or(item.value);
            (item.key, value)
        });
        Metrics { interval: self.interval.as_secs_f64(), items: shown.collect() }
    }
}

fn items(cores: &[Arc<Counters>]) -> Vec<Item> {
    let mut items = Vec::new();
    let families = series::collect(cores);
    for family in families.iter().filter(|f| f.name.starts_with(NAMESPACE) && f.kind != Kind::Histogram) {
        family.series.iter().for_each(|series| add(&mut items, family, series));
    }
    items
}

fn add(items: &mut Vec<Item>, family: &Family, series: &Series) {
    let key = |part: &str| key(family.name, part, series);
    match &series.value {
        Value::Number(n) => items.push(Item { key: key(""), value: *n as f64, grows: family.kind == Kind::Counter }),
        Value::Durations(durations) => {
            items.push(Item { key: key(".count"), value: durations.count() as f64, grows: true });
            items.push(Item { key: key(".sum"), value: durations.sum_seconds, grows: true });
            for ((quantile, _), value) in QUANTILES.iter().zip(durations.quantiles) {
                if let Some(value) = value {
                    let key = key(&format!(".quantile.{}", quantile_text(*quantile)));
                    items.push(Item { key, value, grows: false });
                }
            }
        }
    }
}

/// 0.5, 0.99 and 0.999 are written 50, 99 and 999.
fn quantile_text(quantile: f64) -> String {
    let digits = format!("{:.3}", quantile);
    let digits = digits.trim_start_matches("0.");
    digits.strip_suffix('0').unwrap_or(digits).into()
}

fn key(name: &str, part: &str, series: &Series) -> String {
    let mut key = name.splitn(3, '_').collect::<Vec<_>>().join(".");
    key.push_str(part);
    for (label, value) in series.labels.iter().filter(|(_, value)| !value.is_empty()) {
        key.push('.');
        key.push_str(label);
        key.push('.');
        key.push_str(value);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::ApiProtocol;

    const SENT: &str = "centrifugo.node.messages_sent_count.type.publication";
    const SECOND: Duration = Duration::from_secs(1);

    fn cores() -> Vec<Arc<Counters>> {
        (0..2).map(|_| Arc::default()).collect()
    }

    #[test]
    fn an_interval_of_zero_is_a_minute_and_there_are_always_items() {
        let figures = Figures::new(Mono(5), Duration::ZERO);
        assert_eq!(figures.next_deadline(), Mono(5) + 60 * SECOND);
        let metrics = figures.metrics(&cores());
        assert_eq!(metrics.interval, 60.0);
        assert_eq!(metrics.items["centrifugo.node.num_nodes"], 1.0);
        assert!(metrics.items.keys().all(|key| key.starts_with("centrifugo.")));
    }

    #[test]
    fn counters_show_the_last_full_interval_and_gauges_the_present() {
        let (cores, mut figures) = (cores(), Figures::new(Mono(0), 10 * SECOND));
        let sent = |figures: &Figures| figures.metrics(&cores).items[SENT];
        cores[0].publications_sent.add(3);
        assert_eq!(sent(&figures), 3.0, "since the start");
        figures.roll(Mono(0) + 9 * SECOND, &cores);
        cores[1].publications_sent.add(1);
        figures.roll(Mono(0) + 10 * SECOND, &cores);
        cores[1].publications_sent.add(70);
        cores[1].clients.set(7);
        assert_eq!(sent(&figures), 4.0, "the first interval");
        assert_eq!(figures.metrics(&cores).items["centrifugo.node.num_clients"], 7.0);
        figures.roll(figures.next_deadline(), &cores);
        assert_eq!(sent(&figures), 70.0, "the second");
        figures.roll(figures.next_deadline(), &cores);
        assert_eq!(sent(&figures), 0.0, "nothing in the third");
    }

    #[test]
    fn after_a_late_roll_the_next_interval_is_a_whole_one() {
        let (cores, mut figures) = (cores(), Figures::new(Mono(0), 10 * SECOND));
        figures.roll(Mono(0) + 14 * SECOND, &cores);
        assert_eq!(figures.next_deadline(), Mono(0) + 20 * SECOND, "a little late");
        figures.roll(Mono(0) + 300 * SECOND, &cores);
        assert_eq!(figures.next_deadline(), Mono(0) + 310 * SECOND);
    }

    #[test]
    fn what_first_occurs_after_an_interval_counts_from_the_start() {
        let (cores, mut figures) = (cores(), Figures::new(Mono(0), SECOND));
        figures.roll(figures.next_deadline(), &cores);
        cores[0].disconnects.add(3501);
        assert_eq!(figures.metrics(&cores).items["centrifugo.client.num_server_disconnects.code.3501"], 1.0);
    }

    #[test]
    fn a_call_has_count_sum_and_quantiles() {
        let (cores, figures) = (cores(), Figures::new(Mono(0), SECOND));
        cores[1].api.add(0, ApiProtocol::Http, 2 * SECOND, Some(107));
        let items = figures.metrics(&cores).items;
        let of =
            |part: &str| items[&format!("centrifugo.api.command_duration_seconds.{part}.method.publish.protocol.http")];
        assert_eq!((of("count"), of("sum")), (1.0, 2.0));
        for quantile in ["50", "99", "999"] {
            assert!((of(&format!("quantile.{quantile}")) - 2.0).abs() < 0.1);
        }
        assert_eq!(items["centrifugo.api.command_errors_total.error.107.method.publish.protocol.http"], 1.0);
        assert!(items.keys().all(|key| !key.contains("histogram") && !key.contains("..")));
    }
}
