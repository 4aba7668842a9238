//! From the journal to search and detection: one thread parses what is durable, one detects; the index has its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use alert::Alerts;
use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use detect::{Detector, Evicted, Mode, Output, Rules, Servers};
use event::{Clock, DaySeen, Detection, Disposition, Event, Field, OwnRecord, ParseLevel, Seq};
use index::Index;
use journal::{Appender, Reader, Tail};
use registry::{DetectionUpdate, Registry, SourceTracker, StoreError};
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use crate::detector_memory::DetectorMemory;
use crate::device_clocks::DeviceClocks;
use crate::kept_events::{Understanding, clock_finding};
use crate::sequence_gaps::SequenceGaps;

/// How long a thread waits for records before it looks whether it should stop.
const TICK: Duration = Duration::from_millis(100);
/// How often what was learnt of sources is saved: people look whether a new device is there.
const SAVE_SOURCES_EVERY: Duration = Duration::from_secs(3);
/// How often the detector's state is saved.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// How often metrics get to see the detector's state.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Batches that may wait for the detector: beyond it, parsing waits.
const BATCHES_WAITING_MAX: usize = 4;

/// Events in the order of Seq, shared by the index and the detector.
type Batch = Arc<[Event]>;

/// What the pipeline needs of the others.
pub(crate) struct Parts {
    pub(crate) reader: Reader,
    pub(crate) appender: Appender,
    pub(crate) understanding: Arc<ArcSwap<Understanding>>,
    pub(crate) index: Arc<Index>,
    pub(crate) detector: Detector,
    /// The rules in force; exchanged as one when they are read again.
    pub(crate) rules: Arc<ArcSwap<Rules>>,
    pub(crate) sources: SourceTracker,
    pub(crate) clocks: DeviceClocks,
    pub(crate) registry: Arc<Registry>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    /// Where the detector's state is kept.
    pub(crate) memory: DetectorMemory,
}

/// The running threads.
#[derive(Debug)]
pub(crate) struct Pipeline {
    stop: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) progress: Arc<Progress>,
}

/// How far the pipeline is, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The last Seq that the detector has seen.
    pub(crate) detected: AtomicU64,
    /// Batches that wait for the detector.
    pub(crate) waiting: AtomicU64,
    /// State of the detector, at most a second old.
    pub(crate) detector: Mutex<detect::Status>,
    /// The servers that the detector knew when its state was last saved.
    pub(crate) servers: Mutex<Servers>,
    parsed: Mutex<HashMap<Box<str>, [u64; ParseLevel::ALL.len()]>>,
}

impl Progress {
    /// Events so far of each product and level.
    pub(crate) fn parsed(&self) -> Vec<(Box<str>, ParseLevel, u64)> {
        let parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = parsed.iter().flat_map(|(product, counts)| {
            ParseLevel::ALL
                .iter()
                .zip(counts)
                .map(|(level, count)| (product.clone(), *level, *count))
        });
        counts.filter(|(_, _, count)| *count > 0).collect()
    }

    fn show_servers(&self, detector: &Detector) {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        *servers = detector.servers();
    }

    fn count_parsed(&self, batch: &[Event]) {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        for event in batch {
            let product = event.text(Field::NHATKY_PRODUCT).unwrap_or_default();
            let level = event
                .text(Field::NHATKY_PARSE)
                .and_then(ParseLevel::from_name);
            let level = ParseLevel::ALL
                .iter()
                .position(|known| Some(*known) == level);
            let counts = match parsed.get_mut(product) {
                Some(counts) => counts,
                None => parsed.entry(product.into()).or_default(),
            };
            if let Some(count) = level.and_then(|level| counts.get_mut(level)) {
                *count += 1;
            }
        }
    }
}

impl Pipeline {
    /// Starts the threads after the last event that everybody has seen.
    pub(crate) fn start(parts: Parts) -> Result<Self> {
        let seen = [
            parts.index.committed_through(),
            parts.detector.covered(),
            parts.sources.through(),
        ];
        let from = seen.into_iter().min().unwrap_or(Seq::ZERO).next();
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        progress
            .detected
            .store(parts.detector.covered().0, Ordering::Relaxed);
        progress.show_servers(&parts.detector);
        let (to_detector, batches) = sync_channel(BATCHES_WAITING_MAX);
        let parser = ParserThread {
            tail: parts.reader.tail(from),
            understanding: parts.understanding,
            asked: Asked::by(parts.rules.load_full()),
            rules: Arc::clone(&parts.rules),
            index: parts.index,
            to_detector,
            stop: Arc::clone(&stop),
            progress: Arc::clone(&progress),
        };
        let detector = DetectorThread {
            batches,
            detector: parts.detector,
            rules: parts.rules,
            sources: parts.sources,
            gaps: SequenceGaps::default(),
            clocks: parts.clocks,
            registry: parts.registry,
            alerts: parts.alerts,
            appender: parts.appender,
            live_after: parts.reader.durable(),
            unstored: false,
            saved_at: parts.clock.monotonic(),
            sources_saved_at: parts.clock.monotonic(),
            status_at: Duration::ZERO,
            clock: parts.clock,
            runtime: parts.runtime,
            memory: parts.memory,
            stop: Arc::clone(&stop),
            progress: Arc::clone(&progress),
        };
        let threads = vec![
            spawn("parse", move || parser.run())?,
            spawn("detect", move || detector.run())?,
        ];
        Ok(Self {
            stop,
            threads: Mutex::new(threads),
            progress,
        })
    }

    /// Ends the threads; the detector's state is saved.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                error!("a thread of the pipeline has panicked");
            }
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .with_context(|| format!("thread {name} cannot start"))
}

/// How much of events the rules ask about.
struct Asked {
    by: Arc<Rules>,
    /// Core, unless a rule asks about vendors' own fields.
    depth: index::Depth,
}

impl Asked {
    fn by(rules: Arc<Rules>) -> Self {
        let depth = server::depth_for(&rules);
        Self { by: rules, depth }
    }
}

/// Reads what is durable, parses it, and hands it on.
struct ParserThread {
    tail: Tail,
    understanding: Arc<ArcSwap<Understanding>>,
    rules: Arc<ArcSwap<Rules>>,
    asked: Asked,
    index: Arc<Index>,
    to_detector: SyncSender<Batch>,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

impl ParserThread {
    fn run(mut self) {
        let mut scratch = Event::default();
        while !self.stop.load(Ordering::SeqCst) {
            let records = match self.tail.next(TICK) {
                Ok(Some(records)) => records,
                Ok(None) => continue,
                Err(error) => {
                    // Damage was set aside when the journal was opened; this is a disk that fails now.
                    error!(%error, at = %self.tail.position(), "the journal cannot be read");
                    std::thread::park_timeout(Duration::from_secs(1));
                    continue;
                }
            };
            if !Arc::ptr_eq(&self.asked.by, &self.rules.load()) {
                self.asked = Asked::by(self.rules.load_full());
            }
            let mut understanding = self.understanding.load_full();
            let mut events = Vec::with_capacity(records.len());
            for record in &records {
                understanding.parse(record, self.asked.depth, &mut scratch);
                // A clone has no capacity to spare, so that more events fit into the memory of the fresh ones.
                events.push(scratch.clone());
                if let Some(finding) = clock_finding(record) {
                    self.understanding
                        .rcu(|now| now.after(record.seq, &finding));
                    understanding = self.understanding.load_full();
                }
            }
            let batch: Batch = events.into();
            self.progress.count_parsed(&batch);
            self.progress.waiting.fetch_add(1, Ordering::Relaxed);
            // Detection first: it must not wait for an index that is behind longer than it has to.
            let alive = self.to_detector.send(Arc::clone(&batch)).is_ok()
                && self.index.publish(batch).is_ok();
            if !alive {
                return;
            }
        }
    }
}

/// Whether what was forgotten is worth an alert. A hint that looks at every pair of addresses forgets each day on a large
/// network; that stands in what is told of the rule's day.
fn is_loss(evicted: &Evicted, rules: &Rules) -> bool {
    let info = rules.info(&evicted.rule);
    info.is_none_or(|info| info.disposition != Disposition::Signal)
}

/// Feeds the detector and stores what it gives.
struct DetectorThread {
    batches: Receiver<Batch>,
    detector: Detector,
    rules: Arc<ArcSwap<Rules>>,
    sources: SourceTracker,
    gaps: SequenceGaps,
    clocks: DeviceClocks,
    registry: Arc<Registry>,
    alerts: Arc<Alerts>,
    appender: Appender,
    /// What shows while older events are read again is no news.
    live_after: Seq,
    /// Whether something was given up at the stop: without a checkpoint that covers it, it is found again after the
    /// next start.
    unstored: bool,
    saved_at: Duration,
    sources_saved_at: Duration,
    status_at: Duration,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    memory: DetectorMemory,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

impl DetectorThread {
    fn run(mut self) {
        loop {
            match self.batches.recv_timeout(TICK) {
                Ok(batch) => self.take(&batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.follow_rules();
            let now = self.clock.monotonic();
            if now.saturating_sub(self.sources_saved_at) >= SAVE_SOURCES_EVERY {
                self.save_sources();
            }
            if now.saturating_sub(self.saved_at) >= SAVE_EVERY {
                self.save();
            }
        }
        let mut outputs = Vec::new();
        self.detector.tell(&mut outputs);
        self.store(outputs);
        self.save_sources();
        self.save();
    }

    fn take(&mut self, batch: &[Event]) {
        let mut outputs = Vec::new();
        for event in batch {
            self.sources.observe(event);
            for loss in self.gaps.observe(event) {
                self.tell(&OwnRecord::Loss(loss));
            }
            if let Some(finding) = self.clocks.observe(event) {
                self.tell(&OwnRecord::Clock(finding));
            }
            self.detector.observe(event, &mut outputs);
        }
        self.store(outputs);
        self.progress.waiting.fetch_sub(1, Ordering::Relaxed);
        self.progress
            .detected
            .store(self.detector.covered().0, Ordering::Relaxed);
        self.show_status();
    }

    /// Goes on with other rules where they have been read again, with what the unchanged ones remember.
    fn follow_rules(&mut self) {
        if Arc::ptr_eq(self.detector.rules(), &self.rules.load()) {
            return;
        }
        let mut outputs = Vec::new();
        self.detector.tell(&mut outputs);
        self.store(outputs);
        let rules = self.rules.load_full();
        match Detector::restore(&self.detector.checkpoint(), rules, Mode::Live) {
            Ok(restored) => {
                for rule in &restored.fresh {
                    info!(%rule, "a rule is new or changed and starts without memory");
                }
                self.detector = restored.detector;
                self.save();
            }
            Err(error) => {
                error!(%error, "the detector cannot go on with the new rules; it keeps the old ones");
                self.rules.store(Arc::clone(self.detector.rules()));
            }
        }
    }

    fn show_status(&mut self) {
        let now = self.clock.monotonic();
        if now.saturating_sub(self.status_at) >= STATUS_EVERY || self.status_at == Duration::ZERO {
            self.status_at = now;
            *self
                .progress
                .detector
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = self.detector.status();
        }
    }

    /// Stores what the detector gave, again and again until it is stored: the checkpoint must not come first.
    fn store(&mut self, outputs: Vec<Output>) {
        let (mut detections, mut updates, mut days) = (Vec::new(), Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Output::Detection(detection) => detections.push(*detection),
                Output::Update(update) => updates.push(DetectionUpdate {
                    id: update.id,
                    last_at: update.last_at,
                    count: update.count,
                    evidence: update.evidence,
                }),
                Output::Evicted(evicted) if is_loss(&evicted, self.detector.rules()) => {
                    self.tell(&OwnRecord::Loss(evicted.to_loss()));
                }
                Output::Evicted(_) => {}
                Output::Day(day) => days.push(*day),
            }
        }
        while let Err(error) = self.try_store(&detections, &updates, &days) {
            error!(%error, detections = detections.len(), "detections cannot be stored; trying again");
            if self.stop.load(Ordering::SeqCst) {
                self.unstored = true;
                return;
            }
            std::thread::park_timeout(Duration::from_secs(1));
        }
    }

    /// All of it may be stored twice: that changes nothing.
    fn try_store(
        &self,
        detections: &[Detection],
        updates: &[DetectionUpdate],
        days: &[DaySeen],
    ) -> Result<(), StoreError> {
        self.runtime.block_on(async {
            self.alerts.apply(detections, updates).await?;
            for day in days {
                self.registry.save_day(day).await?;
            }
            Ok(())
        })
    }

    /// Puts it on record, unless it shows while older events are read again: then it is on record already.
    fn tell(&self, own: &OwnRecord) {
        if self.detector.covered() <= self.live_after {
            return;
        }
        let record = own.to_record(self.clock.now());
        let told = self.appender.try_submit(vec![record], Box::new(drop));
        if told.is_err() {
            warn!(?own, "the journal is too busy to take a record of ours");
        }
    }

    fn save_sources(&mut self) {
        self.sources_saved_at = self.clock.monotonic();
        let changes = self.sources.changes();
        match self.runtime.block_on(self.registry.save_sources(&changes)) {
            Ok(()) => self.sources.saved(&changes),
            Err(error) => warn!(%error, "what was learnt of sources cannot be saved"),
        }
    }

    fn save(&mut self) {
        if self.unstored {
            return;
        }
        self.saved_at = self.clock.monotonic();
        self.progress.show_servers(&self.detector);
        self.memory.save(&self.detector, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use detect::Settings;
    use event::Micros;

    use super::*;

    #[test]
    fn what_a_hint_forgets_is_no_loss_and_what_an_alert_needs_is_one() {
        let rules = Rules::load(None, &Settings::default());
        let forgot = |rule: &str| Evicted {
            rule: rule.into(),
            keys: 7,
            from: Micros(1),
            to: Micros(2),
        };
        assert!(!is_loss(&forgot("beaconing"), &rules));
        assert!(is_loss(&forgot("login-failures-address"), &rules));
        assert!(is_loss(&forgot("a rule that is gone"), &rules));
    }
}
