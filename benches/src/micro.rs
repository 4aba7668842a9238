//! The core by itself, in this process: append with group commit, and parsing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use disk::RealDisk;
use event::{Clock as _, Event, Origin, Record, SystemClock};
use journal::{Journal, Options};
use parse::{Depth, ParseSettings, Parsers};
use simulate::Mix;

use crate::process::own_cpu;
use crate::report::{Figure, Report, percentile};

const LINES: u64 = 500_000;
const BATCH: usize = 500;

pub(crate) fn measure(runs: usize, report: &mut Report) -> Result<()> {
    let records = records(LINES);
    let mut append = Vec::new();
    for _ in 0..runs {
        append.push(append_rate(&records)? / 1e3);
    }
    report.add(Figure::new(
        "append with group commit, records per CPU-second",
        "k/s",
        "≥ 600",
        append,
    ));
    let parse = (0..runs).map(|_| parse_rate(&records).map(|rate| rate / 1e3));
    report.add(Figure::new(
        "parse, lines of the mix per CPU-second",
        "k/s",
        "≥ 400",
        parse.collect::<Result<_>>()?,
    ));
    let (mut ratios, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let (acknowledged, synced) = latencies(&records)?;
        ratios.push(acknowledged / synced);
        ours.push(acknowledged);
        bare.push(synced);
    }
    report.add(Figure::new(
        "acknowledgement at 20 k/s, p99",
        "ms",
        "",
        ours,
    ));
    report.add(Figure::new(
        "bare fdatasync loop of the same bytes, p99",
        "ms",
        "",
        bare,
    ));
    report.add(Figure::new("· the one of the other", "×", "≤ 5", ratios));
    Ok(())
}

fn records(count: u64) -> Vec<Record> {
    let (mut mix, clock) = (Mix::new(1), SystemClock::new());
    let (origin, now) = (Arc::new(Origin::own()), clock.now());
    let at = |line: u64| now.after(Duration::from_micros(line * 50));
    (0..count)
        .map(|line| {
            Record::new(
                Arc::clone(&origin),
                at(line),
                Bytes::from(mix.line(at(line)).text),
            )
        })
        .collect()
}

fn open(folder: &Path) -> Result<Journal> {
    let options = Options {
        reserve_bytes: 0,
        ..Options::default()
    };
    Ok(Journal::open(
        Arc::new(RealDisk),
        folder,
        options,
        Arc::new(SystemClock::new()),
    )?)
}

/// Appends everything as fast as it goes; sealing, which has its own thread and its own figure in the pipeline, is part
/// of it as far as it runs meanwhile.
fn append_rate(records: &[Record]) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let journal = open(folder.path())?;
    let appender = journal.appender();
    let batches: Vec<Vec<Record>> = records.chunks(BATCH).map(<[Record]>::to_vec).collect();
    let before = writer_cpu()?;
    for batch in batches {
        appender.submit(batch, Box::new(drop));
    }
    appender.append(Vec::new())?;
    let used = writer_cpu()? - before;
    journal.close()?;
    Ok(records.len() as f64 / used)
}

/// CPU-seconds of the journal's writer thread and of the thread that hands over.
fn writer_cpu() -> Result<f64> {
    let mut seconds = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
        if let Some((name, cpu)) = crate::process::read_stat(&stat)
            && name != "journal-keeper"
        {
            seconds += cpu;
        }
    }
    Ok(seconds)
}

fn parse_rate(records: &[Record]) -> Result<f64> {
    let (parsers, settings, mut event) = (
        Parsers::builtin(),
        ParseSettings::default(),
        Event::default(),
    );
    let before = own_cpu()?;
    for record in records {
        parsers.parse_into(record, &settings, Depth::Core, &mut event);
        std::hint::black_box(&event);
    }
    Ok(records.len() as f64 / (own_cpu()? - before))
}

/// Milliseconds, p99: from handing over 100 records every 5 ms to their acknowledgement; and of a loop that writes the
/// same bytes to a file and syncs it, at the same pace.
fn latencies(records: &[Record]) -> Result<(f64, f64)> {
    const SLICE: usize = 100;
    const ROUNDS: usize = 400;
    let folder = tempfile::tempdir()?;
    let journal = open(&folder.path().join("journal"))?;
    let mut acknowledged = paced(ROUNDS, |round| {
        let slice = records
            .iter()
            .skip(round * SLICE)
            .take(SLICE)
            .cloned()
            .collect();
        journal
            .appender()
            .append(slice)
            .map(drop)
            .map_err(Into::into)
    })?;
    journal.close()?;
    let file = std::fs::File::create(folder.path().join("bare"))?;
    let mut synced = paced(ROUNDS, |round| {
        use std::io::Write as _;
        for record in records.iter().skip(round * SLICE).take(SLICE) {
            (&file).write_all(&record.raw)?;
        }
        Ok(file.sync_data()?)
    })?;
    Ok((
        percentile(&mut acknowledged, 0.99),
        percentile(&mut synced, 0.99),
    ))
}

fn paced(rounds: usize, mut act: impl FnMut(usize) -> Result<()>) -> Result<Vec<f64>> {
    let (start, mut millis) = (Instant::now(), Vec::new());
    for round in 0..rounds {
        let due = Duration::from_millis(5) * u32::try_from(round)?;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let begun = Instant::now();
        act(round)?;
        millis.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(millis)
}
