//! Logs of others, read in place and played to the built-in rules.
//!
//! The corpus lies at `NHATKY_CORPUS`, by default `../shared/corpus` beside the workspace; where it is absent, the tests
//! say that they are skipped.
#![allow(dead_code, reason = "each of the tests that share it uses a part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use detect::{Detector, Mode, Output, RuleSettings, Rules, Settings};
use event::{Detection, Disposition, EntityKind, Event, Micros, Origin, Record, Seq, Transport};
use parse::{Depth, ParseSettings, Parsers};

/// The text of a file of the corpus; `None` where the corpus is absent.
#[expect(clippy::print_stderr, reason = "says that it skips")]
pub(crate) fn text(file: &str) -> Option<String> {
    let root = std::env::var_os("NHATKY_CORPUS").map(PathBuf::from);
    let root = root.unwrap_or_else(|| {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/corpus"
        ))
    });
    let path = root.join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(_) => {
            eprintln!("skipped: {} is not there", path.display());
            None
        }
    }
}

/// The settings of the built-in rules with these thresholds.
pub(crate) fn thresholds(rules: &[(&str, u32)]) -> Settings {
    let changed = |&(rule, threshold): &(&str, u32)| {
        let settings = RuleSettings {
            threshold: Some(threshold),
            ..RuleSettings::default()
        };
        (rule.to_owned(), settings)
    };
    Settings {
        rules: rules.iter().map(changed).collect(),
        ..Settings::default()
    }
}

/// The built-in rules, watching lines of the past as an import with `--detect` does: by the lines' own times.
pub(crate) struct Watch<'a> {
    parsers: &'a Parsers,
    settings: ParseSettings,
    detector: Detector,
    origin: Arc<Origin>,
    received: Micros,
    seq: Seq,
    found: Vec<Output>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(parsers: &'a Parsers, rules: &Arc<Rules>) -> Self {
        let origin = Origin {
            transport: Transport::Tcp,
            listener: "syslog-tcp".into(),
            peer: Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
                40_000,
            )),
            identity: None,
        };
        Self {
            parsers,
            settings: ParseSettings::default(),
            detector: Detector::new(Arc::clone(rules), Mode::Import),
            origin: Arc::new(origin),
            received: Micros::from_rfc3339("2026-10-14T09:00:00+07:00").expect("a date"),
            seq: Seq::ZERO,
            found: Vec::new(),
        }
    }

    /// Takes one line in and gives what the parsers made of it.
    pub(crate) fn receive(&mut self, line: &str) -> Event {
        self.seq = self.seq.next();
        let raw = Bytes::copy_from_slice(line.as_bytes());
        let mut record = Record::new(Arc::clone(&self.origin), self.received, raw);
        record.seq = self.seq;
        let mut event = Event::default();
        self.parsers
            .parse_into(&record, &self.settings, Depth::Core, &mut event);
        self.detector.observe(&event, &mut self.found);
        event
    }

    /// How many lines so far were what that rule looks at.
    pub(crate) fn matched(&self, rule: &str) -> u64 {
        let status = self.detector.status();
        let of_rule = status.rules.iter().find(|status| &*status.id == rule);
        of_rule.expect("the rule is built in").counters.matched
    }

    /// Everything that fired, in order.
    pub(crate) fn detections(&self) -> impl Iterator<Item = &Detection> {
        self.found.iter().filter_map(|output| match output {
            Output::Detection(detection) => Some(&**detection),
            Output::Update(_) | Output::Evicted(_) | Output::Day(_) => None,
        })
    }
}

/// Whether it becomes an alert.
pub(crate) fn alerts(detection: &Detection) -> bool {
    matches!(
        detection.disposition,
        Disposition::Page | Disposition::Queue
    )
}

/// The address that a detection accuses: its entity, else the initiator of the event that completed it.
pub(crate) fn accused(detection: &Detection) -> Option<IpAddr> {
    let named = detection.entity.as_ref();
    let named = named.filter(|entity| entity.kind == EntityKind::Address);
    let entity = named.and_then(|entity| entity.name.parse().ok());
    let initiator = || detection.facts.get("source.ip")?.parse().ok();
    entity.or_else(initiator)
}
