//! `/metrics`, in the text format of Prometheus: what the binary registered, and what the server knows itself.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use journal::{SYNC_BUCKETS_US, SyncLatency};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder as _, TextEncoder};

use crate::access::MayRead;
use crate::app::App;
use crate::problem::{Problem, ProblemBody};

/// Shows figures for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn metrics(State(app): State<App>, _: MayRead) -> Result<Response, Problem> {
    let mut families = app.parts.metrics.gather();
    families.extend(journal(&app.parts.vitals.journal()));
    families.extend(index(&app));
    families.extend(detector(&app));
    families.extend(registry(&app).await?);
    // The encoder takes none that is empty.
    families.retain(|family| !family.get_metric().is_empty());
    families.sort_by(|one, two| one.name().cmp(two.name()));
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder
        .encode(&families, &mut text)
        .map_err(|error| Problem::internal(&error))?;
    let kind = encoder.format_type().to_owned();
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

fn journal(status: &journal::Status) -> Vec<MetricFamily> {
    let up = if status.state == journal::State::Running {
        1
    } else {
        0
    };
    vec![
        gauge("nhatky_journal_up", "1 if records are being taken.", up),
        gauge(
            "nhatky_journal_durable_seq",
            "The last durable Seq.",
            status.durable.0,
        ),
        counter(
            "nhatky_journal_records_total",
            "Records appended since the start.",
            status.records,
        ),
        counter(
            "nhatky_journal_raw_bytes_total",
            "Their bytes, uncompressed.",
            status.raw_bytes,
        ),
        counter(
            "nhatky_journal_stored_bytes_total",
            "Bytes written for them, before sealing.",
            status.stored_bytes,
        ),
        gauge(
            "nhatky_journal_file_bytes",
            "Bytes of all files.",
            status.file_bytes,
        ),
        gauge(
            "nhatky_journal_queue_bytes",
            "Bytes that wait for the writer.",
            status.queue_bytes,
        ),
        gauge(
            "nhatky_journal_segments_to_seal",
            "Segments that wait to be sealed.",
            status.segments_to_seal,
        ),
        sync_seconds(&status.sync),
    ]
}

fn index(app: &App) -> Vec<MetricFamily> {
    let status = app.parts.index.status();
    let durable = app.parts.journal.durable();
    let bytes: u64 = status
        .partitions
        .iter()
        .map(|partition| partition.bytes)
        .sum();
    let segments: usize = status
        .partitions
        .iter()
        .map(|partition| partition.segments)
        .sum();
    vec![
        gauge(
            "nhatky_index_committed_seq",
            "The last event in a segment.",
            status.committed.0,
        ),
        gauge(
            "nhatky_index_searchable_seq",
            "The last event that is found.",
            status.published.0,
        ),
        gauge(
            "nhatky_index_lag_seqs",
            "Durable records that are not found yet.",
            durable.0.saturating_sub(status.published.0),
        ),
        gauge(
            "nhatky_index_fresh_bytes",
            "Memory of events not in a segment.",
            status.fresh_bytes as u64,
        ),
        gauge("nhatky_index_bytes", "Bytes of all segments.", bytes),
        gauge("nhatky_index_segments", "Segments.", segments as u64),
    ]
}

fn detector(app: &App) -> Vec<MetricFamily> {
    let detector = app.parts.vitals.detector();
    let durable = app.parts.journal.durable();
    let fired = detector.status.rules.iter().map(|rule| {
        let labels = vec![label("rule", &rule.id)];
        counted(labels, rule.counters.detections)
    });
    vec![
        gauge(
            "nhatky_detect_covered_seq",
            "The last event that rules have seen.",
            detector.covered.0,
        ),
        gauge(
            "nhatky_detect_lag_seqs",
            "Durable records that rules have not seen yet.",
            durable.0.saturating_sub(detector.covered.0),
        ),
        gauge(
            "nhatky_detect_state_bytes",
            "Bytes of correlation state.",
            detector.status.state_bytes,
        ),
        gauge(
            "nhatky_detect_keys",
            "Keys that are remembered.",
            detector.status.keys,
        ),
        counter(
            "nhatky_detect_evictions_total",
            "Keys forgotten before their time.",
            detector.status.evicted,
        ),
        family(
            "nhatky_detections_total",
            "Detections since the start.",
            MetricType::COUNTER,
            fired.collect(),
        ),
    ]
}

async fn registry(app: &App) -> Result<Vec<MetricFamily>, Problem> {
    let alerts = app.parts.registry.alert_counts().await?;
    let alerts = alerts.into_iter().map(|(state, severity, count)| {
        let labels = vec![
            label("severity", severity.name()),
            label("state", state.name()),
        ];
        gauged(labels, count)
    });
    let outbox = app.parts.registry.outbox_counts().await?;
    Ok(vec![
        family(
            "nhatky_alerts",
            "Alerts.",
            MetricType::GAUGE,
            alerts.collect(),
        ),
        gauge(
            "nhatky_outbox_waiting",
            "Notifications that wait to be delivered.",
            outbox.pending,
        ),
        gauge(
            "nhatky_outbox_dead",
            "Notifications that were given up.",
            outbox.dead,
        ),
    ])
}

fn sync_seconds(sync: &SyncLatency) -> MetricFamily {
    let mut cumulative = 0;
    let bounds = SYNC_BUCKETS_US
        .iter()
        .map(|bound| micros_to_seconds(*bound));
    let buckets = bounds.zip(sync.buckets).map(|(bound, count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(sync.count);
    histogram.set_sample_sum(sync.sum.as_secs_f64());
    let mut metric = Metric::from_label(Vec::new());
    metric.set_histogram(histogram);
    let help = "How long syncs of the journal took.";
    family(
        "nhatky_journal_sync_seconds",
        help,
        MetricType::HISTOGRAM,
        vec![metric],
    )
}

fn micros_to_seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

fn gauge(name: &str, help: &str, value: u64) -> MetricFamily {
    family(
        name,
        help,
        MetricType::GAUGE,
        vec![gauged(Vec::new(), value)],
    )
}

fn counter(name: &str, help: &str, value: u64) -> MetricFamily {
    family(
        name,
        help,
        MetricType::COUNTER,
        vec![counted(Vec::new(), value)],
    )
}

fn gauged(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(as_float(value));
    let mut metric = Metric::from_label(labels);
    metric.set_gauge(gauge);
    metric
}

fn counted(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(as_float(value));
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

/// Exact up to 2⁵³, the greatest Seq; Prometheus knows no other numbers.
fn as_float(value: u64) -> f64 {
    value as f64
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}
