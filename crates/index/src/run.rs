//! One search over one snapshot: the pieces newest first, what is sure from segments, the rest from events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use event::{Event, Field, Micros, Seq};
use query::{Bound, Condition, Expr, Literal, Range, Test};
use serde::Serialize;

use crate::bits::Bits;
use crate::evaluate::{Evaluator, Way};
use crate::partition::Partition;
use crate::segment::Segment;
use crate::source::{Depth, EventSource, PartitionSpan, SourceError};
use crate::state::Shared;

/// What events are asked for, and how much may be spent on it.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The condition.
    pub expr: Expr,
    /// Only events whose `@timestamp` is not before.
    pub from: Option<Micros>,
    /// Only events whose `@timestamp` is before.
    pub to: Option<Micros>,
    /// How much may be spent.
    pub budget: Budget,
    /// Stops it from another thread.
    pub cancel: Cancel,
    /// Which accelerators may answer; for tests, and to compare.
    pub way: Way,
}

impl Scope {
    /// All events kept that meet the condition, within the default budget.
    #[must_use]
    pub fn new(expr: Expr) -> Self {
        Self {
            expr,
            from: None,
            to: None,
            budget: Budget::default(),
            cancel: Cancel::default(),
            way: Way::Auto,
        }
    }

    /// The condition with the time that it is asked for.
    fn whole_expr(&self) -> Expr {
        let bound = |at: Micros| Literal::new(&at.to_string());
        let low = self
            .from
            .map_or(Bound::Open, |from| Bound::With(bound(from)));
        let high = self.to.map_or(Bound::Open, |to| Bound::Without(bound(to)));
        if low == Bound::Open && high == Bound::Open {
            return self.expr.clone();
        }
        let time = Expr::field(Field::TIMESTAMP, Condition::Range(Range { low, high }));
        Expr::and([time, self.expr.clone()])
    }
}

/// How much one search may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Time from its start.
    pub time: Duration,
    /// Bytes of raw text that it reads to ask events themselves.
    pub bytes: u64,
}

impl Default for Budget {
    /// 30 s, as long as a person waits; 4 GiB, about what two cores read in that time.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            bytes: 4 << 30,
        }
    }
}

/// A flag by which another thread stops a search.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops the search soon; what it has found is its result.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a search looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// The last event that it could see.
    pub through_seq: Seq,
    /// How many partitions it looked at, those included that their times ruled out.
    pub partitions: usize,
    /// Partitions that it did not finish looking at, by their first Seq.
    pub skipped: Vec<Seq>,
    /// Partitions indexed under other parsers or settings than today's: hits are verified, but some may be missing.
    pub stale: Vec<Seq>,
}

/// Why a search could not be done.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// A segment cannot be read.
    #[error("cannot read the index: {0}; run `nhatky reindex`")]
    Index(#[from] tantivy::TantivyError),
    /// The records cannot be read.
    #[error("cannot read the events: {0}")]
    Source(SourceError),
    /// The cursor belongs to another query.
    #[error("the cursor belongs to another query: begin again without it")]
    Cursor,
}

/// Takes what is found, newest first.
pub(crate) trait Collector {
    /// An event that matches.
    fn event(&mut self, event: &Event) -> Result<(), SearchError>;

    /// Documents that match, all below those given before.
    fn docs(&mut self, segment: &Segment, docs: &Bits) -> Result<(), SearchError>;

    /// What it needs of every event itself, if columns do not suffice.
    fn needs(&self) -> Option<Depth> {
        None
    }

    /// Whether it wants no more.
    fn is_done(&self) -> bool {
        false
    }

    /// A piece has ended: a moment to pass on what was found.
    fn piece_done(&mut self) -> Result<(), SearchError> {
        Ok(())
    }
}

/// A run of Seqs that is looked at in one way.
enum Piece {
    Segment(Seq, Arc<Segment>),
    /// Without an index.
    Gap(Seq, Seq, Seq),
}

/// The snapshot that a search takes.
struct Snapshot {
    partitions: BTreeMap<Seq, Arc<Partition>>,
    fresh: Vec<Arc<[Event]>>,
    committed: Seq,
    published: Seq,
    fingerprints: Arc<BTreeMap<String, u64>>,
}

impl Snapshot {
    fn take(shared: &Shared) -> Self {
        let state = shared.lock();
        Self {
            partitions: state.partitions.clone(),
            fresh: state.fresh.batches(),
            committed: state.committed,
            published: state.published,
            fingerprints: Arc::clone(&state.fingerprints),
        }
    }

    /// What is committed, newest first; where a kept partition has no segments for its Seqs, a gap.
    fn pieces(&self, spans: &[PartitionSpan]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for span in spans.iter().rev() {
            let partition = self.partitions.get(&span.first);
            let through = partition.map_or(Seq::ZERO, |partition| partition.through);
            let from = through.next().max(span.first);
            let to = span.last.min(self.committed);
            if from <= to {
                pieces.push(Piece::Gap(span.first, from, to));
            }
            let segments = partition
                .iter()
                .flat_map(|partition| partition.segments.iter().rev());
            pieces.extend(segments.map(|segment| Piece::Segment(span.first, Arc::clone(segment))));
        }
        pieces
    }
}

/// How many events are asked at once, at first and at most.
const CHUNK_MIN: usize = 256;
const CHUNK_MAX: usize = 8192;

/// A search that is going on.
pub(crate) struct Run<'a> {
    source: &'a dyn EventSource,
    snapshot: Snapshot,
    expr: Expr,
    depth: Depth,
    fresh_depth: Depth,
    scope: &'a Scope,
    threads: usize,
    started: Instant,
    bytes_read: u64,
    /// What it looked at.
    pub(crate) covered: Covered,
    /// Whether it looked at everything.
    pub(crate) complete: bool,
    /// The least Seq that it looked at, with everything above.
    pub(crate) reached: Seq,
}

impl<'a> Run<'a> {
    pub(crate) fn new(shared: &'a Shared, scope: &'a Scope) -> Self {
        let snapshot = Snapshot::take(shared);
        let expr = scope.whole_expr();
        Self {
            source: &*shared.source,
            covered: Covered {
                through_seq: snapshot.published,
                ..Covered::default()
            },
            reached: Seq::MAX,
            snapshot,
            depth: depth_of(&expr),
            fresh_depth: shared.options.fresh_depth,
            expr,
            scope,
            threads: shared.options.search_threads.max(1),
            started: Instant::now(),
            bytes_read: 0,
            complete: true,
        }
    }

    /// Time since it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Gives the collector everything that matches, newest first.
    pub(crate) fn collect(&mut self, collector: &mut dyn Collector) -> Result<(), SearchError> {
        let needs = collector.needs().unwrap_or(Depth::Raw).max(self.depth);
        let spans = self.source.partitions();
        if needs <= self.fresh_depth {
            self.fresh(collector)?;
        } else {
            self.gap(
                self.snapshot.committed.next(),
                self.snapshot.published,
                needs,
                collector,
            )?;
        }
        collector.piece_done()?;
        let mut looked_at = Vec::new();
        for piece in self.snapshot.pieces(&spans) {
            let partition = match &piece {
                Piece::Segment(partition, _) | Piece::Gap(partition, ..) => *partition,
            };
            if !looked_at.contains(&partition) {
                looked_at.push(partition);
            }
            if self.is_stopped(collector) {
                self.skip(partition);
                continue;
            }
            match piece {
                Piece::Segment(_, segment) => {
                    let first = segment.info.first;
                    if segment.is_stale(&self.snapshot.fingerprints) {
                        self.covered.stale.push(partition);
                    }
                    self.segment(&segment, needs, collector)?;
                    self.reach(first);
                }
                Piece::Gap(_, from, to) => {
                    self.gap(from, to, needs, collector)?;
                    self.reach(from);
                }
            }
            if !self.complete {
                self.skip(partition);
            }
            collector.piece_done()?;
        }
        self.covered.partitions = looked_at.len();
        self.covered.stale.sort_unstable();
        self.covered.stale.dedup();
        Ok(())
    }

    fn reach(&mut self, seq: Seq) {
        if self.complete {
            self.reached = self.reached.min(seq);
        }
    }

    fn skip(&mut self, partition: Seq) {
        self.complete = false;
        if self.covered.skipped.last() != Some(&partition) {
            self.covered.skipped.push(partition);
        }
    }

    /// Whether nothing more is to be looked at.
    fn is_stopped(&self, collector: &dyn Collector) -> bool {
        !self.complete
            || collector.is_done()
            || self.scope.cancel.is_cancelled()
            || self.bytes_read > self.scope.budget.bytes
            || self.elapsed() > self.scope.budget.time
    }

    fn fresh(&mut self, collector: &mut dyn Collector) -> Result<(), SearchError> {
        let committed = self.snapshot.committed;
        let events = self
            .snapshot
            .fresh
            .iter()
            .rev()
            .flat_map(|batch| batch.iter().rev());
        for (number, event) in events.enumerate() {
            if event.seq() <= committed {
                break;
            }
            if number % CHUNK_MIN == 0 && self.is_stopped(collector) {
                self.complete = false;
                return Ok(());
            }
            if query::matches(&self.expr, event) {
                collector.event(event)?;
            }
            self.reached = event.seq();
        }
        Ok(())
    }

    fn segment(
        &mut self,
        segment: &Segment,
        depth: Depth,
        collector: &mut dyn Collector,
    ) -> Result<(), SearchError> {
        let all = Bits::all(segment.len());
        let evaluator = Evaluator {
            segment,
            way: self.scope.way,
        };
        let answer = evaluator.answer(&self.expr, &all)?;
        let (mut sure, mut unsure) = (answer.sure, answer.possible);
        let is_stale = self.depth > Depth::Raw && segment.is_stale(&self.snapshot.fingerprints);
        if is_stale || collector.needs().is_some() {
            sure = Bits::none(segment.len());
        } else {
            unsure.and_not(&sure);
        }
        let mut end = segment.len();
        let mut size = CHUNK_MIN;
        let mut docs = unsure.descending();
        loop {
            let chunk: Vec<u32> = docs.by_ref().take(size).collect();
            let start = match chunk.last() {
                Some(last) if chunk.len() == size => *last,
                _ => 0,
            };
            let mut found = sure.between(start, end);
            self.ask(segment, &chunk, depth, &mut found, collector)?;
            if collector.needs().is_none() {
                collector.docs(segment, &found)?;
            }
            if start == 0 {
                return Ok(());
            }
            self.reach(segment.seq(start));
            if self.is_stopped(collector) {
                self.complete = false;
                return Ok(());
            }
            end = start;
            size = (size * 4).min(CHUNK_MAX);
        }
    }

    /// Asks the events of these documents, which descend; those that match are put into `found`.
    fn ask(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        depth: Depth,
        found: &mut Bits,
        collector: &mut dyn Collector,
    ) -> Result<(), SearchError> {
        if docs.is_empty() {
            return Ok(());
        }
        let seqs: Vec<Seq> = docs.iter().rev().map(|doc| segment.seq(*doc)).collect();
        let source = self.source;
        let size = seqs.len().div_ceil(self.threads).max(CHUNK_MIN);
        let pieces = seqs
            .chunks(size)
            .map(|seqs| move || source.events(seqs, depth));
        for event in self.matching(pieces)?.iter().rev() {
            found.insert(segment.first_from(event.seq()));
            if collector.needs().is_some() {
                collector.event(event)?;
            }
        }
        Ok(())
    }

    /// Reads pieces, each in a thread, and keeps the events that match.
    fn matching<F>(&mut self, pieces: impl Iterator<Item = F>) -> Result<Vec<Event>, SearchError>
    where
        F: Fn() -> Result<Vec<Event>, SourceError> + Send,
    {
        let expr = &self.expr;
        let read = |piece: F| -> Result<(u64, Vec<Event>), SourceError> {
            let mut events = piece()?;
            let bytes = events.iter().map(|event| event.raw().len() as u64).sum();
            events.retain(|event| query::matches(expr, event));
            Ok((bytes, events))
        };
        let mut pieces: Vec<F> = pieces.collect();
        let own = pieces.pop();
        let results = std::thread::scope(|scope| {
            let read = &read;
            let threads: Vec<_> = pieces
                .into_iter()
                .map(|piece| scope.spawn(move || read(piece)))
                .collect();
            let own = own.map(read);
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.chain(own).collect::<Result<Vec<_>, _>>()
        });
        let mut all = Vec::new();
        for (bytes, events) in results.map_err(SearchError::Source)? {
            self.bytes_read += bytes;
            all.extend(events);
        }
        Ok(all)
    }

    /// Asks every event from one Seq to another.
    fn gap(
        &mut self,
        from: Seq,
        to: Seq,
        depth: Depth,
        collector: &mut dyn Collector,
    ) -> Result<(), SearchError> {
        let mut end = to.0;
        let mut size = CHUNK_MIN as u64;
        while end >= from.0 && end > 0 {
            if self.is_stopped(collector) {
                self.complete = false;
                return Ok(());
            }
            let start = (end + 1).saturating_sub(size).max(from.0).max(1);
            let step = (end + 1 - start)
                .div_ceil(self.threads as u64)
                .max(CHUNK_MIN as u64);
            let source = self.source;
            let pieces = (start..=end).step_by(usize::try_from(step).unwrap_or(CHUNK_MAX));
            let pieces = pieces.map(|low| {
                let high = end.min(low + step - 1);
                move || source.span(Seq(low), Seq(high), depth)
            });
            for event in self.matching(pieces)?.iter().rev() {
                collector.event(event)?;
            }
            self.reach(Seq(start));
            end = start - 1;
            size = (size * 4).min(CHUNK_MAX as u64);
        }
        Ok(())
    }
}

/// How much of an event the condition asks for.
pub(crate) fn depth_of(expr: &Expr) -> Depth {
    let mut depth = Depth::Raw;
    expr.each_test(&mut |test| {
        let needed = match test {
            Test::Text(_) | Test::Regex(_) => Depth::Raw,
            Test::Field(field, _) => depth_of_field(field),
        };
        depth = depth.max(needed);
    });
    depth
}

/// How much of an event must be known to know the field.
pub(crate) fn depth_of_field(field: &query::FieldName) -> Depth {
    match field.known() {
        Some(Field::EVENT_ORIGINAL | Field::NHATKY_SEQ) => Depth::Raw,
        Some(_) => Depth::Core,
        None => Depth::Full,
    }
}
