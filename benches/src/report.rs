//! Figures, their spread, and how they are printed.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

/// One figure: what was measured, several times.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The figure that the project promises, in words.
    pub(crate) promised: &'static str,
    /// The median of the runs.
    pub(crate) median: f64,
    /// The least of the runs.
    pub(crate) least: f64,
    /// The greatest of the runs.
    pub(crate) greatest: f64,
    /// How many runs.
    pub(crate) runs: usize,
}

impl Figure {
    /// The figure that the runs give; at least one.
    pub(crate) fn new(
        name: &str,
        unit: &'static str,
        promised: &'static str,
        mut runs: Vec<f64>,
    ) -> Self {
        runs.sort_by(f64::total_cmp);
        let at = |index: usize| runs.get(index).copied().unwrap_or(f64::NAN);
        Self {
            name: name.to_owned(),
            unit,
            promised,
            median: at(runs.len() / 2),
            least: at(0),
            greatest: at(runs.len().saturating_sub(1)),
            runs: runs.len(),
        }
    }
}

/// All figures of one `make bench`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// The processor, as the kernel names it.
    pub(crate) processor: String,
    /// How many cores.
    pub(crate) cores: usize,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let processor = model.map_or("unknown", |(_, name)| name).to_owned();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            processor,
            cores,
            figures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    /// Adds the median of latencies in milliseconds, and their 99th percentile, for which something is promised.
    pub(crate) fn add_latency(&mut self, name: &str, promised: &'static str, mut millis: Vec<f64>) {
        let (p50, p99) = (percentile(&mut millis, 0.5), percentile(&mut millis, 0.99));
        self.add(Figure::new(&format!("{name}, p50"), "ms", "", vec![p50]));
        self.add(Figure::new(
            &format!("{name}, p99"),
            "ms",
            promised,
            vec![p99],
        ));
    }

    /// A Markdown table, as the README has it.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{} × {}\n\n| what | promised | median | spread | unit | runs |\n| --- | --- | ---: | --- | --- | ---: |\n",
            self.cores, self.processor
        );
        for figure in &self.figures {
            let Figure {
                name,
                unit,
                promised,
                runs,
                ..
            } = figure;
            let [median, least, greatest] =
                [figure.median, figure.least, figure.greatest].map(short);
            table.push_str(&format!(
                "| {name} | {promised} | {median} | {least} … {greatest} | {unit} | {runs} |\n"
            ));
        }
        table
    }

    /// Writes all figures as JSON.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

/// Three significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The value below which that share of the samples lies.
pub(crate) fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length"
    )]
    let index = ((samples.len() as f64 * share).ceil() as usize).saturating_sub(1);
    samples.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_percentiles_are_those_of_the_samples() {
        let figure = Figure::new("x", "s", "", vec![3.0, 1.0, 2.0]);
        assert!((figure.median - 2.0).abs() < 1e-9 && (figure.greatest - 3.0).abs() < 1e-9);
        let mut samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((percentile(&mut samples, 0.99) - 99.0).abs() < 1e-9);
    }
}
