//! `/metrics`: the figures of all cores and of the process as Prometheus text (version 0.0.4). Renders what is counted,
//! counts nothing.

use crate::api::series::{self, Family, Series, Value};
use crate::counters::{Counters, Kind};
use crate::timing::{BOUNDS, Durations, QUANTILES};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// Lines that the log did not take: nothing else can tell of it.
pub static LOG_LINES_LOST: AtomicU64 = AtomicU64::new(0);

/// The text for the cells of all cores.
pub fn render(cores: &[Arc<Counters>]) -> String {
    let mut out = String::with_capacity(32 << 10);
    for family in series::collect(cores).iter().filter(|family| !family.series.is_empty()) {
        head(&mut out, family.name, family.help, family.kind);
        family.series.iter().for_each(|series| samples(&mut out, family, series));
    }
    process::render(&mut out);
    out
}

fn head(out: &mut String, name: &str, help: &str, kind: Kind) {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Summary => "summary",
        Kind::Histogram => "histogram",
    };
    _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn samples(out: &mut String, family: &Family, series: &Series) {
    match &series.value {
        Value::Number(n) => sample(out, family.name, "", series, None, n),
        Value::Durations(durations) => {
            match family.kind {
                Kind::Histogram => buckets(out, family.name, series, durations),
                _ => quantiles(out, family.name, series, durations),
            }
            sample(out, family.name, "_sum", series, None, durations.sum_seconds);
            sample(out, family.name, "_count", series, None, durations.count());
        }
    }
}

fn buckets(out: &mut String, name: &str, series: &Series, durations: &Durations) {
    let mut below = 0;
    let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
    for (bound, count) in bounds.zip(durations.buckets) {
        below += count;
        sample(out, name, "_bucket", series, Some(("le", bound)), below);
    }
}

fn quantiles(out: &mut String, name: &str, series: &Series, durations: &Durations) {
    for ((_, quantile), value) in QUANTILES.iter().zip(durations.quantiles) {
        sample(out, name, "", series, Some(("quantile", quantile)), value.unwrap_or(f64::NAN));
    }
}

/// One line. Values of labels come from closed sets and need no escapes.
fn sample(
    out: &mut String,
    name: &str,
    suffix: &str,
    series: &Series,
    last: Option<(&str, &str)>,
    value: impl std::fmt::Display,
) {
    _ = write!(out, "{name}{suffix}");
    let labels = series.labels.iter().map(|(name, value)| (*name, value.as_ref())).chain(last);
    let mut opening = '{';
    for (label, text) in labels {
        _ = write!(out, "{opening}{label}=\"{text}\"");
        opening = ',';
    }
    if opening == ',' {
        out.push('}');
    }
    _ = writeln!(out, " {value}");
}

/// What the kernel says of the process, under the names of Prometheus' client libraries.
mod process {
    use super::{Kind, LOG_LINES_LOST, head};
    use rustix::process::{Resource, getrlimit};
    use rustix::time::{ClockId, clock_gettime};
    use std::fmt::Write;
    use std::fs;
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering::Relaxed;

    /// Ticks of a second in `/proc`: the kernel shows them to all programs so.
    const TICKS: f64 = 100.0;

    type Read = fn() -> Option<f64>;

    const LOST: &str = "Lines that could not be written to the log, as on a full disk.";

    const ROWS: &[(&str, Kind, &str, Read)] = &[
        ("process_cpu_seconds_total", Kind::Counter, "User and system time of the process.", cpu_seconds),
        ("process_resident_memory_bytes", Kind::Gauge, "Resident memory of the process.", resident_bytes),
        ("process_open_fds", Kind::Gauge, "Open descriptors of the process.", open_descriptors),
        ("process_max_fds", Kind::Gauge, "Limit of open descriptors.", descriptors_max),
        ("process_start_time_seconds", Kind::Gauge, "Start of the process, seconds since 1970.", start_seconds),
        ("corecast_log_lines_lost_total", Kind::Counter, LOST, || Some(LOG_LINES_LOST.load(Relaxed) as f64)),
    ];

    /// What cannot be read is left out.
    pub(super) fn render(out: &mut String) {
        for (name, kind, help, read) in ROWS {
            if let Some(value) = read() {
                head(out, name, help, *kind);
                _ = writeln!(out, "{name} {value}");
            }
        }
    }

    fn cpu_seconds() -> Option<f64> {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
    }

    fn resident_bytes() -> Option<f64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        Some(number_behind(&status, "VmRSS:")? * 1024.0)
    }

    /// Since Linux 6.2 the size of the folder is the number; counting the entries of 100,000 connections would hold the
    /// core up for many milliseconds.
    fn open_descriptors() -> Option<f64> {
        match fs::metadata("/proc/self/fd").ok()?.len() {
            0 => Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64),
            open => Some(open as f64),
        }
    }

    fn descriptors_max() -> Option<f64> {
        getrlimit(Resource::Nofile).current.map(|max| max as f64)
    }

    fn start_seconds() -> Option<f64> {
        static START: OnceLock<Option<f64>> = OnceLock::new();
        *START.get_or_init(|| {
            let boot = number_behind(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
            let stat = fs::read_to_string("/proc/self/stat").ok()?;
            // The name in parentheses may hold spaces; the 22nd field is the 20th behind it.
            let ticks: f64 = stat.rsplit(')').next()?.split_whitespace().nth(19)?.parse().ok()?;
            Some(boot + ticks / TICKS)
        })
    }

    fn number_behind(text: &str, name: &str) -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::time::{SystemTime, UNIX_EPOCH};

        #[test]
        fn the_process_is_measured() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
            let start = start_seconds().expect("known");
            assert!(start <= now + 2.0 && start > now - 7200.0, "{start}");
            let open = open_descriptors().expect("known");
            let _file = fs::File::open("/dev/null").expect("a descriptor");
            assert!(open >= 3.0 && descriptors_max().is_none_or(|max| max >= open));
            assert!(resident_bytes().is_some_and(|bytes| bytes > 1e6));
            assert!(cpu_seconds().is_some_and(|seconds| seconds > 0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::ROWS;
    use crate::tally::ApiProtocol;
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    fn cores() -> Vec<Arc<Counters>> {
        let cores: Vec<Arc<Counters>> = (0..2).map(|_| Arc::default()).collect();
        cores[0].publications_sent.add(2);
        cores[1].publications_sent.add(3);
        cores[1].disconnects.add(3501);
        for millis in 0..1000 {
            cores[millis % 2].api.add(0, ApiProtocol::Http, Duration::from_millis(millis as u64), None);
        }
        cores[0].api.add(1, ApiProtocol::Grpc, Duration::from_secs(20), Some(102));
        cores
    }

    /// A sample line: name, labels, value.
    fn parse(line: &str) -> (&str, Vec<(String, String)>, f64) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value = value.parse().expect("a number");
        let Some((name, labels)) = series.split_once('{') else { return (series, Vec::new(), value) };
        let labels = labels.strip_suffix("\"}").expect("an end").split("\",");
        let pair = |label: &str| {
            let (name, text) = label.split_once("=\"").expect("a pair");
            assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            assert!(!text.contains(['"', '\\', '\n']), "{line}");
            (name.to_string(), text.to_string())
        };
        (name, labels.map(pair).collect(), value)
    }

    #[test]
    fn cells_of_all_cores_are_summed_under_one_head() {
        let text = render(&cores());
        assert!(text.contains("centrifugo_node_messages_sent_count{channel_namespace=\"\",type=\"publication\"} 5\n"));
        assert!(text.contains("centrifugo_client_num_server_disconnects{code=\"3501\"} 1\n"));
        assert!(text.contains("\ncorecast_sockets 0\n"));
        for row in ROWS.iter().filter(|row| row.name != "centrifugo_client_num_reply_errors") {
            assert_eq!(text.matches(&format!("# TYPE {} ", row.name)).count(), 1, "{}", row.name);
        }
    }

    #[test]
    fn every_line_is_a_head_or_a_sample_of_the_last_head() {
        let (mut heads, mut seen, mut current) = (BTreeSet::new(), BTreeSet::new(), "");
        let text = render(&cores());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                current = help.split(' ').next().expect("a name");
                assert!(heads.insert(current), "{line}: a second head");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                assert_eq!(kind.split(' ').next(), Some(current));
            } else {
                let (name, labels, value) = parse(line);
                let suffix = name.strip_prefix(current).unwrap_or_else(|| panic!("{line} stands under {current}"));
                assert!(["", "_sum", "_count", "_bucket"].contains(&suffix), "{line}");
                assert!(seen.insert((name, labels)), "{line}: a second time");
                assert!(value >= 0.0, "{line}");
            }
        }
    }

    #[test]
    fn histograms_are_cumulative_and_end_with_all() {
        let text = render(&cores());
        let mut buckets = BTreeMap::<String, Vec<(String, f64)>>::new();
        for line in text.lines().filter(|line| line.contains("_histogram_bucket{")) {
            let (_, labels, value) = parse(line);
            let (le, rest): (Vec<_>, Vec<_>) = labels.into_iter().partition(|(name, _)| name == "le");
            buckets.entry(format!("{rest:?}")).or_default().push((le[0].1.clone(), value));
        }
        assert_eq!(buckets.len(), 2);
        for (of, buckets) in buckets {
            assert!(buckets.is_sorted_by(|(_, a), (_, b)| a <= b), "{of}");
            assert_eq!(buckets.len(), BOUNDS.len() + 1);
            assert_eq!(buckets.last().expect("a bucket").0, "+Inf");
        }
        let name = "centrifugo_api_command_duration_seconds_histogram";
        let publish = "{method=\"publish\",protocol=\"http\"";
        assert!(text.contains(&format!("{name}_bucket{publish},le=\"0.1\"}} 101\n")));
        assert!(text.contains(&format!("{name}_bucket{publish},le=\"+Inf\"}} 1000\n")));
        assert!(text.contains(&format!("{name}_sum{publish}}} 499.5\n")));
        assert!(text.contains(&format!("{name}_count{publish}}} 1000\n")));
    }

    #[test]
    fn summaries_have_their_quantiles() {
        let text = render(&cores());
        let quantile = |quantile: &str| {
            let start = format!(
                "centrifugo_api_command_duration_seconds{{method=\"publish\",protocol=\"http\",quantile=\"{quantile}\"}} "
            );
            let line = text.lines().find(|line| line.starts_with(&start)).expect("a quantile");
            parse(line).2
        };
        assert!((quantile("0.5") - 0.5).abs() < 0.5 / 31.0);
        assert!((quantile("0.99") - 0.99).abs() < 0.99 / 31.0);
        assert!((quantile("0.999") - 0.999).abs() < 0.999 / 31.0);
    }
}
