//! The rules over what the journal keeps, as if it were arriving now; nothing is stored, and only figures are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use detect::{Detector, Mode, Output, Rules};
use event::{Detection, Event, Field, Micros};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use utoipa::ToSchema;

use crate::replay::{Allowance, Passage, Replay, Shortfall, depth_for};

/// Sources that figures are kept of by name; the others are counted together, under no name.
const SOURCES_MAX: usize = 10_000;

/// The rules over a part of the past.
#[derive(Debug)]
pub struct Backtest {
    /// The part of the past.
    pub replay: Replay,
    /// The rules. They start with no memory.
    pub rules: Arc<Rules>,
    /// Only detections of this rule count.
    pub rule: Option<Box<str>>,
}

/// What a backtest has come to, so far or in the end.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct BacktestFigures {
    /// Events gone through.
    pub events: u64,
    /// Bytes of their raw texts.
    pub bytes: u64,
    /// Received since then, …
    #[schema(value_type = Option<String>)]
    pub from: Option<Micros>,
    /// … up to then.
    #[schema(value_type = Option<String>)]
    pub to: Option<Micros>,
    /// The last Seq gone through.
    pub through_seq: u64,
    /// Whether that is all that was asked for.
    pub whole: bool,
    /// Why not, where it is not.
    pub because: Vec<Shortfall>,
    /// Detections.
    pub detections: u64,
    /// Detections of each rule that has any, most first.
    pub rules: Vec<RuleFigures>,
    /// Each source, those with most detections first.
    pub sources: Vec<SourceFigures>,
    /// What the rules forgot before its time, because their share of the memory was full.
    pub evicted: Vec<EvictedFigures>,
    /// What detection alone costs, in nanoseconds of CPU an event; reading and parsing are not in it.
    pub detect_ns_per_event: u64,
}

/// Detections of a rule.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleFigures {
    /// The rule.
    pub rule: String,
    /// Its detections.
    pub detections: u64,
}

/// What came of a source.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceFigures {
    /// The source, SENDER/PRODUCT; empty for those beyond the first ten thousand together.
    pub source: String,
    /// Its events.
    pub events: u64,
    /// Detections that an event of it completed. Silence and rates are told at a heartbeat of the product's own.
    pub detections: u64,
}

/// What a rule forgot.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvictedFigures {
    /// The rule.
    pub rule: String,
    /// Keys that it forgot before their time.
    pub keys: u64,
}

impl Backtest {
    /// Under these rules, with as much of the events as they are given in life.
    #[must_use]
    pub fn new(mut replay: Replay, rules: Arc<Rules>, rule: Option<Box<str>>) -> Self {
        replay.depth = depth_for(&rules);
        Self {
            replay,
            rules,
            rule,
        }
    }

    /// Goes through it; blocks. Each detection is handed over as it arises, and how far it is after each batch.
    pub fn run(
        &self,
        allowance: &Allowance,
        found: &mut dyn FnMut(Detection),
        progress: &mut dyn FnMut(&Passage),
    ) -> BacktestFigures {
        let mut run = Run {
            backtest: self,
            detector: Detector::new(Arc::clone(&self.rules), Mode::Live),
            outputs: Vec::new(),
            told_at: Vec::new(),
            tally: Tally::default(),
            found,
        };
        let passage = self.replay.all(allowance, &mut |events, passage| {
            run.take(events);
            progress(passage);
        });
        run.detector.tell(&mut run.outputs);
        for output in std::mem::take(&mut run.outputs) {
            run.count(output, "");
        }
        run.tally.figures(&passage)
    }
}

/// A backtest that is going on.
struct Run<'a> {
    backtest: &'a Backtest,
    detector: Detector,
    outputs: Vec<Output>,
    /// At which event of the batch each was told.
    told_at: Vec<usize>,
    tally: Tally,
    found: &'a mut dyn FnMut(Detection),
}

impl Run<'_> {
    fn take(&mut self, events: &[Event]) {
        // The clock is read once a batch: it would cost a tenth of what it measures.
        let began = thread_cpu();
        for (at, event) in events.iter().enumerate() {
            let before = self.outputs.len();
            self.detector.observe(event, &mut self.outputs);
            let told = self.outputs.len() - before;
            self.told_at.extend(std::iter::repeat_n(at, told));
        }
        self.tally.cpu += thread_cpu().saturating_sub(began);
        let source = |at: usize| {
            let event = events.get(at);
            event
                .and_then(|event| event.text(Field::NHATKY_SOURCE))
                .unwrap_or_default()
        };
        for at in 0..events.len() {
            self.tally.source(source(at)).events += 1;
        }
        let told_at = std::mem::take(&mut self.told_at);
        for (output, at) in std::mem::take(&mut self.outputs).into_iter().zip(told_at) {
            self.count(output, source(at));
        }
    }

    /// Counts what the detector has told at an event of that source.
    fn count(&mut self, output: Output, source: &str) {
        let is_wanted = |rule: &str| {
            let wanted = self.backtest.rule.as_deref();
            wanted.is_none_or(|wanted| wanted == rule)
        };
        match output {
            Output::Detection(detection) if is_wanted(&detection.rule) => {
                self.tally.detection(&detection, source);
                (self.found)(*detection);
            }
            Output::Evicted(evicted) if is_wanted(&evicted.rule) => {
                *self.tally.evicted.entry(evicted.rule).or_default() += evicted.keys;
            }
            Output::Detection(_) | Output::Update(_) | Output::Evicted(_) | Output::Day(_) => {}
        }
    }
}

#[derive(Default)]
struct Tally {
    detections: u64,
    rules: BTreeMap<Box<str>, u64>,
    sources: BTreeMap<Box<str>, OfSource>,
    evicted: BTreeMap<Box<str>, u64>,
    cpu: Duration,
}

#[derive(Default)]
struct OfSource {
    events: u64,
    detections: u64,
}

impl Tally {
    fn source(&mut self, source: &str) -> &mut OfSource {
        let is_full = self.sources.len() >= SOURCES_MAX;
        let source = match self.sources.contains_key(source) {
            false if is_full => "",
            _ => source,
        };
        self.sources.entry(source.into()).or_default()
    }

    fn detection(&mut self, detection: &Detection, source: &str) {
        self.detections += 1;
        *self.rules.entry(detection.rule.clone()).or_default() += 1;
        self.source(source).detections += 1;
    }

    fn figures(self, passage: &Passage) -> BacktestFigures {
        let rules = self.rules.into_iter();
        let mut rules: Vec<RuleFigures> = rules
            .map(|(rule, detections)| RuleFigures {
                rule: rule.into(),
                detections,
            })
            .collect();
        rules.sort_by_key(|one| std::cmp::Reverse(one.detections));
        let sources = self.sources.into_iter();
        let mut sources: Vec<SourceFigures> = sources
            .filter(|(_, of)| of.events + of.detections > 0)
            .map(|(source, of)| SourceFigures {
                source: source.into(),
                events: of.events,
                detections: of.detections,
            })
            .collect();
        sources.sort_by_key(|one| std::cmp::Reverse((one.detections, one.events)));
        let evicted = self.evicted.into_iter().map(|(rule, keys)| EvictedFigures {
            rule: rule.into(),
            keys,
        });
        let spent = u64::try_from(self.cpu.as_nanos()).unwrap_or(u64::MAX);
        BacktestFigures {
            events: passage.events,
            bytes: passage.bytes,
            from: passage.from,
            to: passage.to,
            through_seq: passage.through.0,
            whole: passage.because.is_empty(),
            because: passage.because.clone(),
            detections: self.detections,
            rules,
            sources,
            evicted: evicted.collect(),
            detect_ns_per_event: spent.checked_div(passage.events).unwrap_or(0),
        }
    }
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
