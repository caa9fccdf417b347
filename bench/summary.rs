//! What the rounds of one server gave: medians, how far they are apart, latency.

use crate::scenarios::Figures;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The quantiles that are printed.
pub const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

/// One server in one scenario.
pub struct Summary {
    /// `floor`, `publish` (one publication over HTTP by our server), `corecast`, `two cores` or `peer`.
    pub name: &'static str,
    /// Median CPU per unit in microseconds.
    pub cpu: f64,
    /// The round farthest from the median, as a share of it.
    pub spread: f64,
    user: f64,
    softirq: f64,
    rate: f64,
    extra: f64,
    lost: u64,
    twice: u64,
    latencies: Vec<Histogram<u64>>,
}

impl Summary {
    /// `None` without rounds.
    pub fn new(name: &'static str, runs: Vec<Figures>) -> Option<Summary> {
        let of = |figure: &dyn Fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
        let each = |run: &Figures| run.cpu.total as f64 / 1e3 / run.units as f64;
        let cpu = of(&each)?;
        let widest = runs.iter().map(|run| (each(run) - cpu).abs()).fold(0.0, f64::max);
        Some(Summary {
            name,
            cpu,
            spread: if cpu > 0.0 { widest / cpu } else { 0.0 },
            user: of(&|run| run.cpu.user_share())?,
            softirq: of(&|run| run.cpu.softirq as f64 / 1e3 / run.units as f64)?,
            rate: of(&|run| run.units as f64 / run.seconds)?,
            extra: of(&|run| run.extra)?,
            lost: runs.iter().map(|run| run.lost).sum(),
            twice: runs.iter().map(|run| run.twice).sum(),
            latencies: runs.into_iter().filter_map(|run| run.latency).collect(),
        })
    }

    /// Median over the rounds, in milliseconds; `None` where latency is not measured.
    pub fn latency(&self, quantile: f64) -> Option<f64> {
        median(self.latencies.iter().map(|latency| latency.value_at_quantile(quantile) as f64 / 1e6).collect())
    }

    /// One line on standard output.
    pub fn print(&self) {
        let Summary { name, cpu, rate, extra, lost, twice, .. } = self;
        let (spread, user) = (self.spread * 100.0, self.user * 100.0);
        let softirq = self.softirq;
        print!("  {name:<9} {cpu:>8.3} ±{spread:>3.0} %  user {user:>3.0} %  +softirq {softirq:.3}  {rate:>9.0}/s");
        let points: Vec<String> = QUANTILES.iter().filter_map(|q| Some(short(self.latency(*q)?))).collect();
        if points.is_empty() {
            println!("  {extra:.0} bytes each");
        } else {
            let points = points.join("/");
            println!("  p50/90/99/99.9/max {points} ms  per read {extra:.1}  lost {lost} twice {twice}");
        }
    }

    /// The same for programs. `per_read` are publications in one read of a subscriber: a starved server coalesces.
    pub fn to_json(&self) -> Value {
        let latency = |q: &f64| Some(json!({"quantile": q, "ms": self.latency(*q)?}));
        let latency: Vec<Value> = QUANTILES.iter().filter_map(latency).collect();
        let extra = if latency.is_empty() { "bytes_each" } else { "per_read" };
        let mut value = json!({
            "server": self.name, "cpu_us": self.cpu, "spread": self.spread, "user_share": self.user,
            "softirq_us": self.softirq, "per_second": self.rate, "lost": self.lost, "twice": self.twice,
            "latency": latency,
        });
        value[extra] = self.extra.into();
        value
    }
}

/// Milliseconds with as many digits as say something.
fn short(ms: f64) -> String {
    if ms < 0.1 { format!("{ms:.5}") } else { format!("{ms:.2}") }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
