//! Latency of queries over many events, warm.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::load;
use crate::pipeline::{settle, wait_until_indexed};
use crate::process::Server;
use crate::report::{Figure, Report, percentile};

const REPEATS: u32 = 100;
/// Lines sent at a time, so that the sender needs little memory.
const SLICE: u64 = 500_000;

pub(crate) async fn measure(binary: &Path, events: u64, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data")).await?;
    let start = Instant::now();
    let needle = "{\"message\":\"needle\",\"source\":{\"ip\":\"192.0.2.77\"}}\n";
    for slice in 0..events.div_ceil(SLICE) {
        let lines = SLICE.min(events - slice * SLICE);
        let frames = load::frames(1000 + slice, lines);
        load::send_tcp(server.syslog, &frames)?;
        if slice % 4 == 0 {
            server
                .post("/api/v1/ingest", needle.as_bytes().to_vec())
                .await?;
        }
    }
    wait_until_indexed(&server, events, start).await?;
    settle(&server).await?;
    let cases = [
        (
            "needle (an address in few blocks)",
            "≤ 15",
            vec![("q", "source.ip:192.0.2.77"), ("limit", "50")],
        ),
        (
            "two-word phrase, count",
            "≤ 150",
            vec![("q", "\"session opened\""), ("limit", "0")],
        ),
        (
            "50 newest of everything",
            "≤ 20",
            vec![("q", ""), ("limit", "50")],
        ),
        (
            "50 newest failed log-ins",
            "",
            vec![("q", "event.outcome:failure"), ("limit", "50")],
        ),
    ];
    for (name, promised, query) in cases {
        let mut millis = Vec::new();
        for repeat in 0..REPEATS + 5 {
            let start = Instant::now();
            server.get("/api/v1/search", &query).await?;
            // The first ones warm the caches.
            if repeat >= 5 {
                millis.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let (p50, p99) = (percentile(&mut millis, 0.5), percentile(&mut millis, 0.99));
        let name = format!("{} M events, {name}", events as f64 / 1e6);
        report.add(Figure::new(&format!("{name}, p50"), "ms", "", vec![p50]));
        report.add(Figure::new(
            &format!("{name}, p99"),
            "ms",
            promised,
            vec![p99],
        ));
    }
    server.stop()
}
