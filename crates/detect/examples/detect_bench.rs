//! CPU time of detection with all built-in rules over the bench mix: `cargo run --release -p detect --example
//! detect_bench`. Five rounds over the same parsed events, each with a detector of its own; the median is the figure.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use detect::{Detector, Mode, Output, Rules, Settings};
use event::{Event, Micros, Origin, OwnRecord, Record, Seq, Transport};
use parse::{Depth, ParseSettings, Parsers};
use simulate::Mix;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const EVENTS: u64 = 100_000;

fn main() {
    let events = events();
    let rules = Arc::new(Rules::load(None, &Settings::default()));
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
}

/// The mix at 2,000 events a second, from the addresses of its devices, with heartbeats.
fn events() -> Vec<Event> {
    let parsers = Parsers::builtin();
    let settings = ParseSettings::default();
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
                let line = mix.line(now);
                let origin = Origin {
                    transport: Transport::Udp,
                    listener: Box::from("syslog-udp"),
                    peer: Some(SocketAddr::from((line.device.address(), 514))),
                    identity: None,
                };
                Record::new(Arc::new(origin), now, Bytes::from(line.text))
            }
        };
        record.seq = Seq(seq);
        let mut event = Event::default();
        parsers.parse_into(&record, &settings, Depth::Core, &mut event);
        event
    };
    (1..=EVENTS).map(event).collect()
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
