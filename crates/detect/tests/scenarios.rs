//! Every scenario of the simulator is noticed by the rules that it names, and everyday traffic by none.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use detect::{Detector, Mode, Output, Rules, Settings};
use event::{AlertSeverity, Disposition, Event, Micros, Origin, Record, Seq, Transport};
use parse::{Depth, ParseSettings, Parsers};
use simulate::{Line, Mix};

struct Watch {
    parsers: Parsers,
    settings: ParseSettings,
    detector: Detector,
    seq: Seq,
    found: Vec<Output>,
}

impl Watch {
    fn new() -> Self {
        let rules = Rules::load(None, &Settings::default());
        Self {
            parsers: Parsers::builtin(),
            settings: ParseSettings::default(),
            detector: Detector::new(Arc::new(rules), Mode::Live),
            seq: Seq::ZERO,
            found: Vec::new(),
        }
    }

    fn receive(&mut self, at: Micros, line: Line) {
        let origin = Origin {
            transport: Transport::Udp,
            listener: "syslog-udp".into(),
            peer: Some(SocketAddr::from((line.device.address(), 514))),
            identity: None,
        };
        let mut record = Record::new(Arc::new(origin), at, Bytes::from(line.text));
        self.seq = self.seq.next();
        record.seq = self.seq;
        let mut event = Event::default();
        self.parsers
            .parse_into(&record, &self.settings, Depth::Core, &mut event);
        self.detector.observe(&event, &mut self.found);
    }

    fn fired(&self) -> Vec<Box<str>> {
        let rule = |output: &Output| match output {
            Output::Detection(detection) => Some(detection.rule.clone()),
            Output::Update(_) | Output::Evicted(_) | Output::Day(_) => None,
        };
        self.found.iter().filter_map(rule).collect()
    }
}

fn begin() -> Micros {
    Micros::from_rfc3339("2026-10-14T09:00:00+07:00").expect("a date")
}

#[test]
fn every_scenario_is_noticed_by_the_rules_that_it_names() {
    let mut missed = Vec::new();
    for scenario in simulate::scenario::all() {
        let mut watch = Watch::new();
        for step in scenario.steps(begin()) {
            watch.receive(begin().after(step.after), step.line);
        }
        let fired = watch.fired();
        let not = scenario
            .noticed_by
            .iter()
            .filter(|rule| !fired.iter().any(|fired| **fired == ***rule));
        missed.extend(
            not.map(|rule| format!("{}: {rule} did not fire, but {fired:?}", scenario.name)),
        );
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn everyday_traffic_is_quiet() {
    let mut watch = Watch::new();
    let mut mix = Mix::new(7);
    for number in 0..20_000 {
        let at = Micros(begin().0 + number * 5_000);
        let line = mix.line(at);
        watch.receive(at, line);
    }
    assert_eq!(watch.fired(), Vec::<Box<str>>::new());
}

#[test]
fn a_day_without_attackers_is_quiet() {
    let midnight = Micros::from_rfc3339("2026-10-14T00:00:00+07:00").expect("a date");
    let mut watch = Watch::new();
    let mut mix = Mix::new(11);
    // A line every two seconds, so that the day has each of its hours.
    for number in 0..43_200 {
        let at = Micros(midnight.0 + number * 2 * Micros::PER_SECOND);
        let line = mix.line(at);
        watch.receive(at, line);
    }
    let mut alerts = Vec::new();
    for output in &watch.found {
        let Output::Detection(detection) = output else {
            continue;
        };
        if !matches!(
            detection.disposition,
            Disposition::Queue | Disposition::Page
        ) {
            continue;
        }
        let severity = AlertSeverity::propose(detection.effect, None);
        alerts.push((severity, &detection.rule, &detection.key));
    }
    assert!(
        alerts
            .iter()
            .all(|(severity, ..)| *severity == AlertSeverity::Low)
            && alerts.len() <= 5,
        "{alerts:?}"
    );
}
