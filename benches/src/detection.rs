//! Detection by itself, in this process: what an event costs, with and without a million indicators, and what a million
//! different keys leave behind.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use detect::{Detector, Mode, Output, Rules, Settings};
use event::{Clock as _, Event, Micros, Origin, OwnRecord, Record, Seq, SystemClock, Transport};
use parse::{Depth, ParseSettings, Parsers};
use simulate::Mix;

use crate::process::own_cpu;
use crate::report::{Figure, Report};

const EVENTS: u64 = 200_000;
const INDICATORS: u32 = 1_000_000;
const KEYS: u32 = 1_000_000;
/// Between two events of the mix: 2,000 a second.
const STEP: Duration = Duration::from_micros(500);

pub(crate) fn measure(runs: usize, report: &mut Report) -> Result<()> {
    let rules = Arc::new(Rules::load(None, &Settings::default()));
    let depth = if rules.needs_full_depth() {
        Depth::Full
    } else {
        Depth::Core
    };
    let events = mix(depth);
    let costs = |rules: &Arc<Rules>| -> Result<Vec<f64>> {
        (0..runs).map(|_| cost(rules, &events)).collect()
    };
    report.add(Figure::new(
        "detection, all built-in rules, the mix",
        "µs/event",
        "≤ 4",
        costs(&rules)?,
    ));
    let folder = tempfile::tempdir()?;
    let lists = folder.path().join("lists");
    std::fs::create_dir_all(&lists)?;
    std::fs::write(lists.join("million.txt"), indicators())?;
    let listed = Arc::new(Rules::load(Some(folder.path()), &Settings::default()));
    report.add(Figure::new(
        "· the same with a list of a million addresses",
        "µs/event",
        "",
        costs(&listed)?,
    ));
    drop(listed);
    let status = many_keys(&rules, depth);
    report.add(Figure::new(
        "· state after a million accounts from a million addresses have failed",
        "MiB",
        "≤ 256",
        vec![status.state_bytes as f64 / f64::from(1 << 20)],
    ));
    report.add(Figure::new(
        "· keys remembered then",
        "k",
        "",
        vec![status.keys as f64 / 1e3],
    ));
    Ok(())
}

/// Microseconds an event.
fn cost(rules: &Arc<Rules>, events: &[Event]) -> Result<f64> {
    let mut detector = Detector::new(Arc::clone(rules), Mode::Live);
    let mut found: Vec<Output> = Vec::new();
    let before = own_cpu()?;
    for event in events {
        detector.observe(event, &mut found);
    }
    Ok((own_cpu()? - before) * 1e6 / events.len() as f64)
}

/// The mix from the addresses of its devices, with heartbeats, understood.
fn mix(depth: Depth) -> Vec<Event> {
    let (parsers, settings, mut mix) = (Parsers::builtin(), ParseSettings::default(), Mix::new(1));
    let begin = SystemClock::new().now();
    let event = |seq: u64| {
        let now = begin.after(STEP * u32::try_from(seq).unwrap_or(u32::MAX));
        let record = if seq.is_multiple_of(20_000) {
            let durable_seq = Seq(seq);
            let heartbeat = OwnRecord::Heartbeat {
                uptime_s: 1,
                durable_seq,
            };
            heartbeat.to_record(now)
        } else {
            let line = mix.line(now);
            sent(line.device.address(), now, line.text)
        };
        let mut event = Event::default();
        parsers.parse_into(
            &Record {
                seq: Seq(seq),
                ..record
            },
            &settings,
            depth,
            &mut event,
        );
        event
    };
    (1..=EVENTS).map(event).collect()
}

fn sent(from: Ipv4Addr, at: Micros, line: String) -> Record {
    let origin = Origin {
        transport: Transport::Udp,
        listener: Box::from("syslog-udp"),
        peer: Some(SocketAddr::from((from, 514))),
        identity: None,
    };
    Record::new(Arc::new(origin), at, Bytes::from(line))
}

/// Addresses of which the mix has none.
fn indicators() -> String {
    let mut list = String::new();
    for number in 0..INDICATORS {
        let address = Ipv4Addr::from_bits(0x1600_0000 + number * 13);
        writeln!(list, "{address}").expect("a String takes all that is written");
    }
    list
}

/// How a detector is doing to which each of many accounts has failed once, each from an address of its own.
fn many_keys(rules: &Arc<Rules>, depth: Depth) -> detect::Status {
    let (parsers, settings) = (Parsers::builtin(), ParseSettings::default());
    let begin = SystemClock::new().now();
    let mut detector = Detector::new(Arc::clone(rules), Mode::Live);
    let (mut event, mut found) = (Event::default(), Vec::new());
    for number in 0..KEYS {
        let address = Ipv4Addr::from_bits(0x1600_0000 + number);
        let line = format!(
            "<86>db1 sshd[4711]: Failed password for user{number} from {address} port 50000 ssh2"
        );
        let at = begin.after(Duration::from_micros(100) * number);
        let record = Record {
            seq: Seq(u64::from(number) + 1),
            ..sent(Ipv4Addr::new(10, 0, 0, 5), at, line)
        };
        parsers.parse_into(&record, &settings, depth, &mut event);
        detector.observe(&event, &mut found);
        found.clear();
    }
    detector.status()
}
