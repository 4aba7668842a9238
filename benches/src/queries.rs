//! Queries over many events, warm: latency of each kind alone, how fast everything is read, and many at once while
//! events come in.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::load;
use crate::pipeline::{settle, wait_until_indexed};
use crate::process::Server;
use crate::replay;
use crate::report::{Figure, Report, percentile};

const REPEATS: u32 = 100;
/// Of questions that go through everything.
const REPEATS_SLOW: u32 = 20;
/// Lines sent at a time, so that the sender needs little memory.
const SLICE: u64 = 500_000;
/// Held where a folder of data is kept: how many bytes of raw text are in it.
const RAW_BYTES: &str = "raw-bytes";

/// Counts no further than the page.
const PAGE: (&str, &str) = ("count", "page");

/// A question whose latency is measured.
struct Case {
    name: &'static str,
    promised: &'static str,
    repeats: u32,
    query: &'static [(&'static str, &'static str)],
}

const CASES: &[Case] = &[
    Case {
        name: "needle (an address in few blocks)",
        promised: "≤ 10",
        repeats: REPEATS,
        query: &[("q", "source.ip:192.0.2.77"), ("limit", "50")],
    },
    Case {
        name: "two-word phrase, count",
        promised: "≤ 100",
        repeats: REPEATS,
        query: &[("q", "\"session opened\""), ("limit", "0")],
    },
    Case {
        name: "prefix with a wildcard, count",
        promised: "≤ 200",
        repeats: REPEATS,
        query: &[("q", "authent*"), ("limit", "0")],
    },
    Case {
        name: "stats count() by source.ip",
        promised: "≤ 300",
        repeats: REPEATS_SLOW,
        query: &[(
            "q",
            "* | stats count() by source.ip | sort -count | head 10",
        )],
    },
    Case {
        name: "timechart 1m count() by event.action",
        promised: "≤ 400",
        repeats: REPEATS_SLOW,
        query: &[("q", "* | timechart 1m count() by event.action | tail 10")],
    },
    Case {
        name: "stats p95(source.bytes), dc(user.name) by observer.name",
        promised: "",
        repeats: REPEATS_SLOW,
        query: &[(
            "q",
            "* | stats p95(source.bytes), dc(user.name) by observer.name | head 10",
        )],
    },
    Case {
        name: "50 newest of everything",
        promised: "≤ 20",
        repeats: REPEATS,
        query: &[("q", ""), ("limit", "50"), PAGE],
    },
    Case {
        name: "50 newest failed log-ins",
        promised: "≤ 20",
        repeats: REPEATS,
        query: &[("q", "event.outcome:failure"), ("limit", "50"), PAGE],
    },
    Case {
        name: "50 newest failed log-ins, and how many there are",
        promised: "",
        repeats: REPEATS,
        query: &[("q", "event.outcome:failure"), ("limit", "50")],
    },
];

/// Measures over so many events; where `kept` names a folder, the data in it is used again, or left there for the next
/// time.
pub(crate) async fn measure(
    binary: &Path,
    events: u64,
    kept: Option<&Path>,
    report: &mut Report,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let root = kept.unwrap_or(folder.path());
    let is_filled = root.join(RAW_BYTES).try_exists()?;
    std::fs::create_dir_all(root)?;
    let server = Server::start(binary, &root.join("data")).await?;
    if !is_filled {
        let raw_bytes = fill(&server, events).await?;
        std::fs::write(root.join(RAW_BYTES), raw_bytes.to_string())?;
    }
    settle(&server).await?;
    let millions = format!("{} M events", events as f64 / 1e6);
    let mut alone = Vec::new();
    for case in CASES {
        let mut millis = Vec::new();
        for repeat in 0..case.repeats + 5 {
            let start = Instant::now();
            complete(case.query, server.get("/api/v1/search", case.query).await?)?;
            // The first ones warm the caches.
            if repeat >= 5 {
                millis.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        alone.push(percentile(&mut millis.clone(), 0.5));
        report.add_latency(&format!("{millions}, {}", case.name), case.promised, millis);
    }
    let raw_bytes: f64 = std::fs::read_to_string(root.join(RAW_BYTES))?.parse()?;
    scan(&server, raw_bytes, &millions, report).await?;
    replay::measure(&server, &millions, report).await?;
    at_once(&server, &alone, &millions, report).await?;
    server.stop()
}

/// An answer that a budget cut short measures nothing.
fn complete(query: &[(&str, &str)], reply: Value) -> Result<Value> {
    let is_whole = match query.contains(&PAGE) {
        true => reply["hits"].as_array().map(Vec::len) == Some(50),
        false => reply["total_relation"] == "eq",
    };
    if !is_whole {
        bail!("an answer is not complete: {reply}");
    }
    Ok(reply)
}

/// Sends the mix, with a needle now and then; gives the bytes of raw text.
async fn fill(server: &Server, events: u64) -> Result<u64> {
    let start = Instant::now();
    let needle = "{\"message\":\"needle\",\"source\":{\"ip\":\"192.0.2.77\"}}\n";
    let mut raw_bytes = 0;
    for slice in 0..events.div_ceil(SLICE) {
        let lines = SLICE.min(events - slice * SLICE);
        let frames = load::frames(1000 + slice, lines);
        raw_bytes += frames.raw_bytes;
        load::send_tcp(server.syslog, &frames)?;
        if slice % 4 == 0 {
            server
                .post("/api/v1/ingest", needle.as_bytes().to_vec())
                .await?;
        }
    }
    wait_until_indexed(server, events, start).await?;
    Ok(raw_bytes)
}

/// A regular expression that no word helps with reads everything.
async fn scan(server: &Server, raw_bytes: f64, millions: &str, report: &mut Report) -> Result<()> {
    let everything = [("q", "/(?:q[0-9]z){3}/"), ("limit", "0")];
    let (mut per_cpu_second, mut seconds) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (start, cpu) = (Instant::now(), server.cpu()?);
        complete(
            &everything,
            server.get("/api/v1/search", &everything).await?,
        )?;
        per_cpu_second.push(raw_bytes / 1e6 / (server.cpu()? - cpu));
        seconds.push(start.elapsed().as_secs_f64());
    }
    report.add(Figure::new(
        &format!("{millions}, a regex that no word helps with, raw text per CPU-second"),
        "MB/s",
        "≥ 600",
        per_cpu_second,
    ));
    report.add(Figure::new(
        &format!("{millions}, · the same, from beginning to end"),
        "s",
        "",
        seconds,
    ));
    let mut first = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        // Found now and then, so that there is something to show.
        server
            .first_chunk(
                "/api/v1/search/stream",
                &[("q", "/port 5[0-9]{4}\\b/"), ("limit", "50")],
            )
            .await?;
        first.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let p99 = percentile(&mut first, 0.99);
    report.add(Figure::new(
        &format!("{millions}, · first partial result of such a search"),
        "ms",
        "≤ 200",
        vec![p99],
    ));
    Ok(())
}

/// Twenty people ask at once, each one question after another, while events come in.
async fn at_once(
    server: &Server,
    alone: &[f64],
    millions: &str,
    report: &mut Report,
) -> Result<()> {
    const PEOPLE: usize = 20;
    const QUESTIONS: usize = 10;
    const PER_SECOND: u64 = 10_000;
    let before = received(server).await?;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sender = {
        let (to, stop) = (server.syslog, std::sync::Arc::clone(&stop));
        std::thread::spawn(move || load::send_steadily(to, PER_SECOND, &stop))
    };
    let ask = async |person: usize| -> Result<Vec<(usize, f64)>> {
        let mut taken = Vec::new();
        for question in 0..QUESTIONS {
            let at = (person + question) % CASES.len();
            let Some(case) = CASES.get(at) else { break };
            let start = Instant::now();
            complete(case.query, server.get("/api/v1/search", case.query).await?)?;
            taken.push((at, start.elapsed().as_secs_f64() * 1e3));
        }
        Ok(taken)
    };
    let taken = futures_util::future::try_join_all((0..PEOPLE).map(ask)).await?;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let sent = sender
        .join()
        .map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // How many times longer than alone, where all share the cores.
    let mut shares = Vec::new();
    let mut slowest = Vec::new();
    for (at, (case, alone)) in CASES.iter().zip(alone).enumerate() {
        let of_case = taken.iter().flatten().filter(|(asked, _)| *asked == at);
        let times: Vec<f64> = of_case.map(|(_, millis)| millis / alone).collect();
        slowest.push((case.name, times.iter().copied().fold(0.0, f64::max)));
        shares.extend(times);
    }
    let promised = format!("≤ {}", 2 * PEOPLE / cores);
    let p99 = percentile(&mut shares, 0.99);
    report.add(Figure::new(
        &format!("{millions}, {PEOPLE} people at once, 10 k events/s coming in: p99 of alone"),
        "×",
        Box::leak(promised.into_boxed_str()),
        vec![p99],
    ));
    for (name, times) in slowest {
        report.add(Figure::new(
            &format!("· the slowest of them, {name}"),
            "×",
            "",
            vec![times],
        ));
    }
    settle(server).await?;
    let stored = received(server).await? - before;
    report.add(Figure::new(
        "· events sent meanwhile that are not stored",
        "events",
        "0",
        vec![sent as f64 - stored],
    ));
    Ok(())
}

async fn received(server: &Server) -> Result<f64> {
    server.metric("nhatky_ingest_received_total").await
}
