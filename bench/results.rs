//! A run for the reader: a file for programs and a picture, named after the day, in `bench/results/`.

use crate::scenarios::Scenario;
use crate::summary::Summary;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};

/// One scenario with all servers that it was played on.
pub struct Row {
    pub scenario: Scenario,
    pub servers: Vec<Summary>,
}

impl Row {
    pub fn find(&self, name: &str) -> Option<&Summary> {
        self.servers.iter().find(|summary| summary.name == name)
    }

    /// Our CPU per unit as a multiple of another server's; `None` where that used nothing.
    pub fn ratio_to(&self, other: &str) -> Option<f64> {
        let (ours, other) = (self.find("corecast")?.cpu, self.find(other)?.cpu);
        (other > 0.0).then(|| ours / other)
    }
}

/// What holds for the whole run.
pub struct Conditions {
    pub rounds: usize,
    pub seconds: f64,
    pub quick: bool,
    pub peer: Option<String>,
}

/// Servers with their colours.
const SERVERS: [(&str, RGBColor); 3] =
    [("floor", RGBColor(150, 150, 150)), ("corecast", RGBColor(20, 110, 190)), ("peer", RGBColor(215, 110, 30))];

/// Writes both files and returns their common path without the extension.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(folder: &Path, rows: &[Row], conditions: &Conditions) -> Result<PathBuf, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let day = jiff::Timestamp::now().to_string();
    let day = day.split('T').next().unwrap_or(&day);
    let name = if conditions.quick { format!("{day}-quick") } else { day.to_owned() };
    let base = folder.join(name);
    let text = serde_json::to_string_pretty(&to_json(rows, conditions))?;
    std::fs::write(base.with_extension("json"), text + "\n")?;
    picture(&base.with_extension("svg"), rows)?;
    Ok(base)
}

fn to_json(rows: &[Row], conditions: &Conditions) -> Value {
    let row = |row: &Row| {
        json!({
            "scenario": row.scenario.name(), "unit": row.scenario.unit(),
            "servers": row.servers.iter().map(Summary::to_json).collect::<Vec<_>>(),
            "ratio_to_floor": row.ratio_to("floor"), "ratio_to_publish": row.ratio_to("publish"),
            "ratio_to_peer": row.ratio_to("peer"), "ratio_to_two_cores": row.ratio_to("two cores"),
        })
    };
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "version": env!("CARGO_PKG_VERSION"), "kernel": kernel.trim(), "rounds": conditions.rounds,
        "seconds": conditions.seconds, "quick": conditions.quick, "peer": conditions.peer.as_deref().map(without_folder),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A command without the place of its program, which is the reader's own.
fn without_folder(command: &str) -> &str {
    let end = command.find(' ').unwrap_or(command.len());
    command[..end].rfind('/').map_or(command, |slash| &command[slash + 1..])
}

/// CPU per unit of all rows above, latency percentiles of the fan-out rows below.
fn picture(path: &Path, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let measured: Vec<&Row> =
        rows.iter().filter(|row| row.find("corecast").is_some_and(|ours| ours.cpu > 0.0)).collect();
    let curves: Vec<&Row> = rows.iter().filter(|row| matches!(row.scenario, Scenario::Fanout(..))).collect();
    let above = 60 + 44 * measured.len().max(1) as u32;
    let below = 320 * (curves.len() as u32).div_ceil(3);
    let root = SVGBackend::new(path, (1200, above + below)).into_drawing_area();
    root.fill(&WHITE)?;
    let (bars, lines) = root.split_vertically(above);
    cpu_bars(&bars, &measured)?;
    if !curves.is_empty() {
        for (row, area) in curves.iter().zip(lines.split_evenly((curves.len().div_ceil(3), 3))) {
            percentiles(&area, row)?;
        }
    }
    root.present()?;
    Ok(())
}

/// A group of bars for each row, on a logarithmic axis: a tenth of the cost is as wide everywhere.
fn cpu_bars(area: &DrawingArea<SVGBackend<'_>, Shift>, rows: &[&Row]) -> Result<(), Box<dyn Error>> {
    let all = || rows.iter().flat_map(|row| &row.servers).map(|summary| summary.cpu).filter(|cpu| *cpu > 0.0);
    let least = all().fold(f64::MAX, f64::min).min(1.0) / 2.0;
    let most = all().fold(least * 4.0, f64::max) * 2.0;
    let mut chart = ChartBuilder::on(area)
        .caption("CPU per unit, µs (logarithmic)", ("sans-serif", 18))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(420)
        .build_cartesian_2d((least..most).log_scale(), 0.0..rows.len() as f64)?;
    let label = |at: &f64| {
        let row = rows.get(rows.len().wrapping_sub(1 + at.floor() as usize));
        row.map_or_else(String::new, |row| format!("{}, per {}", row.scenario.name(), row.scenario.unit()))
    };
    chart.configure_mesh().disable_mesh().disable_y_axis().y_labels(0).draw()?;
    for (number, row) in rows.iter().enumerate() {
        let top = (rows.len() - number) as f64;
        let (_, middle) = chart.backend_coord(&(least, top - 0.5));
        area.draw(&Text::new(label(&(top - 0.5)), (8, middle - 6), ("sans-serif", 13)))?;
        for (place, (name, color)) in SERVERS.iter().enumerate() {
            let Some(summary) = row.find(name).filter(|summary| summary.cpu > 0.0) else { continue };
            let (high, low) = (top - 0.1 - 0.27 * place as f64, top - 0.35 - 0.27 * place as f64);
            chart.draw_series([Rectangle::new([(least, low), (summary.cpu, high)], color.filled())])?;
            let text = format!("{name} {:.3}", summary.cpu);
            chart.draw_series([Text::new(text, (summary.cpu * 1.05, high), ("sans-serif", 11))])?;
        }
    }
    Ok(())
}

/// Latency over the share of deliveries that took longer.
fn percentiles(area: &DrawingArea<SVGBackend<'_>, Shift>, row: &Row) -> Result<(), Box<dyn Error>> {
    /// From half of the deliveries down to one in ten thousand.
    const POINTS: i32 = 24;
    let points = |summary: &Summary| -> Vec<(f64, f64)> {
        let share = |n: i32| 0.5 * (0.0002_f64).powf(f64::from(n) / f64::from(POINTS));
        (0..=POINTS).filter_map(|n| Some((1.0 / share(n), summary.latency(1.0 - share(n))?.max(0.001)))).collect()
    };
    let curves: Vec<_> = SERVERS.iter().filter_map(|(name, color)| Some((points(row.find(name)?), color))).collect();
    let values = || curves.iter().flat_map(|(points, _)| points).map(|point| point.1);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.01, f64::max));
    let mut chart = ChartBuilder::on(area)
        .caption(format!("{}: latency, ms", row.scenario.name()), ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(48)
        .build_cartesian_2d((2.0..10_000.0).log_scale(), ((least / 1.5).min(most / 4.0)..most * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(5)
        .x_label_formatter(&|one_in: &f64| format!("{} %", (1e6 - 1e6 / one_in).round() / 1e4))
        .draw()?;
    for (points, color) in curves {
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    Ok(())
}
