//! TCP → journal → parsed → indexed → detected: CPU-seconds per million events, by stage, and bytes on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::load;
use crate::process::{Server, bytes_below};
use crate::report::{Figure, Report};

/// One run's figures.
#[derive(Debug, Default)]
struct Run {
    per_cpu_second: f64,
    wall_per_second: f64,
    micros_by_thread: BTreeMap<String, f64>,
    disk_of_raw: f64,
    index_of_raw: f64,
    anonymous_idle: f64,
    anonymous_load: f64,
}

pub(crate) async fn measure(
    binary: &Path,
    events: u64,
    runs: usize,
    report: &mut Report,
) -> Result<()> {
    let mut measured = Vec::new();
    for run in 0..runs {
        measured.push(one(binary, events, run as u64).await?);
    }
    let each = |value: fn(&Run) -> f64| measured.iter().map(value).collect::<Vec<_>>();
    report.add(Figure::new(
        "whole pipeline, events per CPU-second",
        "k/s",
        "≥ 50",
        each(|run| run.per_cpu_second / 1e3),
    ));
    report.add(Figure::new(
        "whole pipeline, events a second",
        "k/s",
        "",
        each(|run| run.wall_per_second / 1e3),
    ));
    let stages: Vec<String> = measured
        .first()
        .map(|run| run.micros_by_thread.keys().cloned().collect())
        .unwrap_or_default();
    for stage in stages {
        let micros = measured
            .iter()
            .map(|run| run.micros_by_thread.get(&stage).copied().unwrap_or(0.0));
        report.add(Figure::new(
            &format!("· thread {stage}"),
            "µs/event",
            "",
            micros.collect(),
        ));
    }
    report.add(Figure::new(
        "disk, of raw",
        "×",
        "≤ 0.45",
        each(|run| run.disk_of_raw),
    ));
    report.add(Figure::new(
        "· index, of raw",
        "×",
        "",
        each(|run| run.index_of_raw),
    ));
    report.add(Figure::new(
        "anonymous memory, idle",
        "MiB",
        "≤ 120",
        each(|run| run.anonymous_idle),
    ));
    report.add(Figure::new(
        "anonymous memory, full load",
        "MiB",
        "≤ 1024",
        each(|run| run.anonymous_load),
    ));
    Ok(())
}

async fn one(binary: &Path, events: u64, seed: u64) -> Result<Run> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data")).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut run = Run {
        anonymous_idle: server.anonymous_mib()?,
        ..Run::default()
    };
    let frames = load::frames(seed, events);
    let (cpu_before, threads_before) = (server.cpu()?, server.cpu_by_thread()?);
    let start = Instant::now();
    let sending = {
        let to = server.syslog;
        std::thread::spawn(move || load::send_tcp(to, &frames).map(|()| frames.raw_bytes))
    };
    run.anonymous_load = wait_until_indexed(&server, events, start).await?;
    run.wall_per_second = events as f64 / start.elapsed().as_secs_f64();
    let raw_bytes = match sending.join() {
        Ok(sent) => sent?,
        Err(_) => bail!("the sender panicked"),
    };
    settle(&server).await?;
    let micros = |cpu: f64| cpu * 1e6 / events as f64;
    run.per_cpu_second = events as f64 / (server.cpu()? - cpu_before);
    for (thread, cpu) in server.cpu_by_thread()? {
        let used = cpu - threads_before.get(&thread).copied().unwrap_or(0.0);
        if micros(used) >= 0.05 {
            run.micros_by_thread.insert(thread, micros(used));
        }
    }
    let data = server.data.clone();
    server.stop()?;
    run.index_of_raw = bytes_below(&data.join("index"))? as f64 / raw_bytes as f64;
    run.disk_of_raw =
        run.index_of_raw + bytes_below(&data.join("journal"))? as f64 / raw_bytes as f64;
    Ok(run)
}

/// Waits until all events are searchable and seen by the detectors; gives the most anonymous memory seen on the way.
pub(crate) async fn wait_until_indexed(
    server: &Server,
    events: u64,
    start: Instant,
) -> Result<f64> {
    let mut anonymous = 0.0_f64;
    loop {
        anonymous = anonymous.max(server.anonymous_mib()?);
        let received = server.metric("nhatky_ingest_received_total").await?;
        let lags = server.metric("nhatky_index_lag_seqs").await?
            + server.metric("nhatky_detect_lag_seqs").await?;
        if received >= events as f64 && lags < 1.0 {
            return Ok(anonymous);
        }
        if start.elapsed() > Duration::from_secs(3600) {
            bail!("{received} of {events} events received after an hour, {lags} behind");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until sealing and merging have nothing left to do: no CPU used for two seconds.
pub(crate) async fn settle(server: &Server) -> Result<()> {
    let mut before = server.cpu()?;
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = server.cpu()?;
        if now - before < 0.1 {
            return Ok(());
        }
        before = now;
    }
}
