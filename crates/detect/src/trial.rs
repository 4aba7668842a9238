//! Tries rules on their own samples: raw lines through the parsers and a detector of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Micros, Origin, OwnRecord, Record, Seq, Transport};

use crate::rule::RuleState;
use crate::sample::{Sample, Step};
use crate::{Detector, Mode, Output, Rules, Span};

/// What the samples of all rules gave.
#[derive(Clone, Debug, Default)]
pub struct TrialReport {
    /// Each sample of each rule, in the order of ids.
    pub trials: Vec<Trial>,
    /// Rules that run and have no sample that fires them, or none that does not.
    pub untested: Vec<Box<str>>,
}

impl TrialReport {
    /// Whether every sample gave what it must.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.trials.iter().all(Trial::passed)
    }
}

/// What one sample gave.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The rule.
    pub rule: Box<str>,
    /// What the sample shows.
    pub what: String,
    /// How many detections it must give.
    pub expected: usize,
    /// How many it gave.
    pub found: usize,
    /// Other rules' detections on the same lines: how many, by rule.
    pub others: Vec<(Box<str>, usize)>,
    /// What the parsers made of the last line, as flat JSON: for finding out why.
    pub last_event: String,
}

impl Trial {
    /// Whether it gave what it must.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.found == self.expected
    }
}

/// Wednesday 2026-10-14, 09:00 in Việt Nam.
const BEGIN: Micros = Micros(1_791_943_200 * Micros::PER_SECOND);
/// The product's own heartbeat; in waits of more than an hour sparser, which no rule can tell.
const HEARTBEAT: Span = Span::seconds(10);
const SPARSE_HEARTBEAT: Span = Span::seconds(20);

/// Runs every sample of every rule that runs: its lines become records as if received from its peer, `parse` makes
/// events of them, and a fresh detector says what it finds.
pub fn test_rules(rules: &Arc<Rules>, parse: &mut dyn FnMut(&Record) -> Event) -> TrialReport {
    let mut report = TrialReport::default();
    for info in rules.infos() {
        if info.state != RuleState::Active {
            continue;
        }
        for sample in &info.samples {
            report.trials.push(trial(rules, &info.id, sample, parse));
        }
        let has = |fires: bool| {
            info.samples
                .iter()
                .any(|sample| (sample.fires > 0) == fires)
        };
        if !has(true) || !has(false) {
            report.untested.push(info.id.clone());
        }
    }
    report
}

fn trial(
    rules: &Arc<Rules>,
    id: &str,
    sample: &Sample,
    parse: &mut dyn FnMut(&Record) -> Event,
) -> Trial {
    let mut scene = Scene {
        detector: Detector::new(Arc::clone(rules), Mode::Live),
        now: sample.at.unwrap_or(BEGIN),
        seq: Seq::ZERO,
        found: Vec::new(),
        last_event: String::new(),
        parse,
    };
    for step in &sample.steps {
        scene.play(step);
    }
    let mut trial = Trial {
        rule: id.into(),
        what: sample.what.clone(),
        expected: sample.fires,
        found: 0,
        others: Vec::new(),
        last_event: scene.last_event,
    };
    for output in scene.found {
        let Output::Detection(detection) = output else {
            continue;
        };
        if &*detection.rule == id {
            trial.found += 1;
            continue;
        }
        match trial
            .others
            .iter_mut()
            .find(|(rule, _)| *rule == detection.rule)
        {
            Some((_, count)) => *count += 1,
            None => trial.others.push((detection.rule, 1)),
        }
    }
    trial
}

struct Scene<'a> {
    detector: Detector,
    now: Micros,
    seq: Seq,
    found: Vec<Output>,
    last_event: String,
    parse: &'a mut dyn FnMut(&Record) -> Event,
}

impl Scene<'_> {
    fn play(&mut self, step: &Step) {
        for line in step.lines() {
            self.receive(step, &line);
            self.pass(step.every.unwrap_or(Span::seconds(1)));
        }
        if let Some(wait) = step.wait {
            self.pass(wait);
        }
    }

    fn receive(&mut self, step: &Step, line: &str) {
        let origin = match step.listener.as_deref() {
            Some("nhatky") => Origin::own(),
            listener => Origin {
                transport: Transport::Tcp,
                listener: listener.unwrap_or("syslog-tcp").into(),
                peer: Some(SocketAddr::new(
                    step.peer
                        .unwrap_or(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10))),
                    40_000,
                )),
                identity: None,
            },
        };
        let record = Record::new(
            Arc::new(origin),
            self.now,
            Bytes::copy_from_slice(line.as_bytes()),
        );
        let event = self.observe(record);
        self.last_event = serde_json::to_string(&event).unwrap_or_default();
    }

    /// Lets time pass, with a heartbeat at each ten seconds of it.
    fn pass(&mut self, span: Span) {
        let end = self.now.after(span.duration());
        let long = span > Span::seconds(3_600);
        let step = if long { SPARSE_HEARTBEAT } else { HEARTBEAT }.micros();
        let mut next = (self.now.0.div_euclid(step) + 1) * step;
        while next <= end.0 {
            self.now = Micros(next);
            let beat = OwnRecord::Heartbeat {
                uptime_s: 0,
                durable_seq: self.seq,
            };
            let record = beat.to_record(self.now);
            self.observe(record);
            next += step;
        }
        self.now = end;
    }

    fn observe(&mut self, mut record: Record) -> Event {
        self.seq = self.seq.next();
        record.seq = self.seq;
        let event = (self.parse)(&record);
        self.detector.observe(&event, &mut self.found);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scene_begins_on_a_wednesday_morning() {
        assert_eq!(
            BEGIN,
            Micros::from_rfc3339("2026-10-14T09:00:00+07:00").unwrap()
        );
    }
}
