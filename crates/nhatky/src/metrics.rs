//! What the binary adds to `/metrics`: ingest, parsing, queues. The server adds what it holds itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use ingest::{IngestMetrics, ListenerMetrics};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::pipeline::Progress;

/// Registers the binary's own figures.
pub(crate) fn register(
    registry: &Registry,
    ingest: IngestMetrics,
    progress: Arc<Progress>,
) -> Result<()> {
    let ingest = IngestFigures {
        ingest,
        desc: describe(
            "nhatky_ingest_received_total",
            "Records handed to the journal.",
        )?,
    };
    registry.register(Box::new(ingest))?;
    let pipeline = PipelineFigures {
        progress,
        desc: describe("nhatky_parse_events_total", "Events by product and level.")?,
    };
    registry.register(Box::new(pipeline))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(
        prometheus::process_collector::ProcessCollector::for_self(),
    ))?;
    Ok(())
}

/// By its first family a registry tells a collector from the others; the rest of its families go unannounced.
fn describe(name: &str, help: &str) -> Result<Desc> {
    Ok(Desc::new(
        name.to_owned(),
        help.to_owned(),
        Vec::new(),
        HashMap::new(),
    )?)
}

/// A counter or gauge of every listener.
type Reading = (
    &'static str,
    &'static str,
    fn(&ListenerMetrics) -> &AtomicU64,
);

const COUNTERS: &[Reading] = &[
    (
        "nhatky_ingest_received_total",
        "Records handed to the journal.",
        |of| &of.received,
    ),
    (
        "nhatky_ingest_received_bytes_total",
        "Bytes of records handed to the journal.",
        |of| &of.bytes,
    ),
    (
        "nhatky_ingest_rejected_total",
        "What a limit, an allow list or a failed authentication turned away.",
        |of| &of.rejected,
    ),
    (
        "nhatky_ingest_lost_total",
        "Records known to be lost.",
        |of| &of.lost,
    ),
    (
        "nhatky_ingest_malformed_total",
        "Frames that could not be understood.",
        |of| &of.malformed,
    ),
    (
        "nhatky_ingest_connections_total",
        "Connections ever opened.",
        |of| &of.connections_total,
    ),
];

struct IngestFigures {
    ingest: IngestMetrics,
    desc: Desc,
}

impl Collector for IngestFigures {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for (name, help, reading) in COUNTERS {
            let Ok(counters) = IntCounterVec::new(Opts::new(*name, *help), &["listener"]) else {
                continue;
            };
            for listener in &self.ingest.listeners {
                counters
                    .with_label_values(&[&*listener.name])
                    .inc_by(reading(listener).load(Ordering::Relaxed));
            }
            families.extend(counters.collect());
        }
        let open = Opts::new("nhatky_ingest_connections", "Connections open now.");
        if let Ok(gauges) = IntGaugeVec::new(open, &["listener"]) {
            for listener in &self.ingest.listeners {
                gauges
                    .with_label_values(&[&*listener.name])
                    .set(signed(listener.connections.load(Ordering::Relaxed)));
            }
            families.extend(gauges.collect());
        }
        families
    }
}

struct PipelineFigures {
    progress: Arc<Progress>,
    desc: Desc,
}

impl Collector for PipelineFigures {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        let parsed = Opts::new(
            "nhatky_parse_events_total",
            "Events by product and by how well they were understood.",
        );
        if let Ok(counters) = IntCounterVec::new(parsed, &["product", "level"]) {
            for (product, level, count) in self.progress.parsed() {
                counters
                    .with_label_values(&[&*product, level.name()])
                    .inc_by(count);
            }
            families.extend(counters.collect());
        }
        let waiting =
            Opts::new("nhatky_queue_depth", "Batches that wait.").const_label("queue", "detect");
        if let Ok(gauge) = IntGauge::with_opts(waiting) {
            gauge.set(signed(self.progress.waiting.load(Ordering::Relaxed)));
            families.extend(gauge.collect());
        }
        families
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
