//! CPU time of detection over parsed events: `cargo run --release -p detect --example detect_bench -- [--rules CONTENT]
//! [--lines FILE…]`. Five rounds over the same events, each with a detector of its own; the median is the figure.
//!
//! By default the built-in rules over the bench mix. `--rules CONTENT` adds the rules of `CONTENT/rules/`, in any folders.
//! `--lines` takes JSON lines with a `raw` text each (as the corpora are written) instead of the mix, again and again.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use detect::{Detector, Mode, Output, RuleState, Rules, Settings};
use event::{Event, Micros, Origin, OwnRecord, Record, Seq, Transport};
use parse::{Depth, ParseSettings, Parsers};
use simulate::Mix;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const EVENTS: u64 = 100_000;

fn main() -> std::io::Result<()> {
    let (mut content, mut lines) = (None::<PathBuf>, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rules" => content = arguments.next().map(PathBuf::from),
            "--lines" => {}
            file => lines.extend(raw_lines(&std::fs::read_to_string(file)?)),
        }
    }
    let memory_before = resident_kib();
    let start = cpu_seconds();
    let rules = Arc::new(Rules::load(content.as_deref(), &Settings::default()));
    let loaded = cpu_seconds() - start;
    println!(
        "loaded in {loaded:.2} s of CPU, {} MiB at most",
        resident_kib().saturating_sub(memory_before) / 1024
    );
    // What was freed goes back to the system a little later.
    std::thread::sleep(std::time::Duration::from_secs(1));
    drop(Rules::load(None, &Settings::default()));
    println!(
        "then {} MiB",
        resident_kib().saturating_sub(memory_before) / 1024
    );
    tell_rules(&rules);
    let events = events(&lines, rules.needs_full_depth());
    let mut seconds: Vec<f64> = Vec::new();
    let mut detections = 0;
    let mut status = detect::Status::default();
    for _ in 0..ROUNDS {
        let mut detector = Detector::new(Arc::clone(&rules), Mode::Live);
        let mut found: Vec<Output> = Vec::new();
        let start = cpu_seconds();
        for event in &events {
            detector.observe(event, &mut found);
        }
        seconds.push(cpu_seconds() - start);
        detections = found
            .iter()
            .filter(|output| matches!(output, Output::Detection(_)))
            .count();
        status = detector.status();
    }
    seconds.sort_by(f64::total_cmp);
    let per_event = |at: usize| seconds.get(at).copied().unwrap_or_default() / EVENTS as f64 * 1e6;
    println!(
        "{} rules, {EVENTS} events: {:.2} µs an event (spread {:.2}–{:.2}), {detections} detections, {} keys, {} KiB",
        rules.infos().len(),
        per_event(ROUNDS / 2),
        per_event(0),
        per_event(ROUNDS - 1),
        status.keys,
        status.state_bytes / 1024,
    );
    Ok(())
}

fn tell_rules(rules: &Rules) {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for info in rules.infos() {
        let state = match info.state {
            RuleState::Active => "active",
            RuleState::Base => "base",
            RuleState::Disabled => "disabled",
            RuleState::Blind(_) => "blind",
        };
        *states.entry(state).or_default() += 1;
    }
    let size = rules.matcher_size();
    println!(
        "{states:?}, {} problems; {} questions, {} log sources, automaton {} KiB, asked at every event: {}",
        rules.problems().len(),
        size.questions,
        size.gates,
        size.automaton_bytes / 1024,
        size.always.len(),
    );
}

fn raw_lines(file: &str) -> Vec<String> {
    let raw = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line.get("raw")?.as_str().map(str::to_owned)
    };
    file.lines().filter_map(raw).collect()
}

/// The lines, or the mix, at 2,000 events a second, from the addresses of its devices, with heartbeats.
fn events(lines: &[String], full: bool) -> Vec<Event> {
    let parsers = Parsers::builtin();
    let settings = ParseSettings::default();
    let depth = if full { Depth::Full } else { Depth::Core };
    let mut mix = Mix::new(1);
    let begin = Micros::from_rfc3339("2026-10-14T02:00:00Z").expect("a date");
    let event = |seq: u64| {
        let now = Micros(begin.0 + i64::try_from(seq).unwrap_or(0) * 500);
        let mut record = match seq % 20_000 {
            0 => OwnRecord::Heartbeat {
                uptime_s: 1,
                durable_seq: Seq(seq),
            }
            .to_record(now),
            _ => {
                let place = usize::try_from(seq).unwrap_or(0) % lines.len().max(1);
                let (address, text) = match lines.get(place) {
                    Some(line) => (std::net::Ipv4Addr::new(192, 0, 2, 1), line.clone()),
                    None => {
                        let line = mix.line(now);
                        (line.device.address(), line.text)
                    }
                };
                let origin = Origin {
                    transport: Transport::Udp,
                    listener: Box::from("syslog-udp"),
                    peer: Some(SocketAddr::from((address, 514))),
                    identity: None,
                };
                Record::new(Arc::new(origin), now, Bytes::from(text))
            }
        };
        record.seq = Seq(seq);
        let mut event = Event::default();
        parsers.parse_into(&record, &settings, depth, &mut event);
        event
    };
    (1..=EVENTS).map(event).collect()
}

/// Resident memory, in KiB.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
