//! One search over one snapshot: the pieces newest first, what is sure from segments, the rest from events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use event::{Event, Seq};
use query::Expr;

use crate::bits::Bits;
use crate::evaluate::{Answer, Evaluator};
use crate::scope::{Covered, Scope, SearchError, depth_of};
use crate::segment::Segment;
use crate::snapshot::{Piece, Snapshot};
use crate::source::{Depth, EventSource, SourceError};
use crate::state::Shared;

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

    /// Whether it reads columns: of a stale segment it is then given the events instead.
    fn reads_columns(&self) -> bool {
        false
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
        let scope = self.scope;
        let seqs = &scope.seqs;
        if needs <= self.fresh_depth {
            self.fresh(collector)?;
        } else {
            self.gap(
                self.snapshot.committed.next().max(*seqs.start()),
                self.snapshot.published.min(*seqs.end()),
                needs,
                collector,
            )?;
        }
        collector.piece_done()?;
        let mut looked_at = Vec::new();
        let pieces = self.snapshot.pieces(&spans);
        let pieces: Vec<Piece> = pieces
            .into_iter()
            .filter_map(|piece| piece.within(seqs))
            .collect();
        let mut answers = Answers::default();
        for (at, piece) in pieces.iter().enumerate() {
            let partition = piece.partition();
            if looked_at.last() != Some(&partition) {
                looked_at.push(partition);
            }
            if self.is_stopped(collector) {
                self.skip(partition);
                continue;
            }
            match piece {
                Piece::Segment(_, segment) => {
                    let reads_fields = self.depth > Depth::Raw || collector.reads_columns();
                    if reads_fields && segment.is_stale(&self.snapshot.fingerprints) {
                        self.covered.stale.push(partition);
                    }
                    let answer = answers.next(self, pieces.get(at..).unwrap_or_default())?;
                    self.segment(segment, answer, needs, collector)?;
                    self.reach(segment.info.first);
                }
                Piece::Gap(_, from, to) => {
                    self.gap(*from, *to, needs, collector)?;
                    self.reach(*from);
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

    fn answer(&self, segment: &Segment) -> tantivy::Result<Answer> {
        let evaluator = Evaluator {
            segment,
            way: self.scope.way,
        };
        evaluator.answer(&self.expr, &segment.docs_within(&self.scope.seqs))
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
            if event.seq() <= committed || event.seq() < *self.scope.seqs.start() {
                break;
            }
            if number % CHUNK_MIN == 0 && self.is_stopped(collector) {
                self.complete = false;
                return Ok(());
            }
            if event.seq() > *self.scope.seqs.end() {
                continue;
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
        answer: Answer,
        depth: Depth,
        collector: &mut dyn Collector,
    ) -> Result<(), SearchError> {
        let (mut sure, mut unsure) = (answer.sure, answer.possible);
        let is_stale = segment.is_stale(&self.snapshot.fingerprints);
        let by_event = collector.needs().is_some() || (is_stale && collector.reads_columns());
        let depth = if by_event {
            depth.max(Depth::Core)
        } else {
            depth
        };
        if by_event || (is_stale && self.depth > Depth::Raw) {
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
            let events = self.ask(segment, &chunk, depth)?;
            for event in events.iter().rev() {
                found.insert(segment.first_from(event.seq()));
                if by_event {
                    collector.event(event)?;
                }
            }
            if !by_event {
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

    /// Asks the events of these documents, which descend; gives those that match, ascending.
    fn ask(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        depth: Depth,
    ) -> Result<Vec<Event>, SearchError> {
        let seqs: Vec<Seq> = docs.iter().rev().map(|doc| segment.seq(*doc)).collect();
        let source = self.source;
        let size = seqs.len().div_ceil(self.threads).max(CHUNK_MIN);
        let pieces = seqs
            .chunks(size)
            .map(|seqs| move || source.events(seqs, depth));
        self.matching(pieces)
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

/// The answers of the segments to come, several at once where one takes long.
#[derive(Default)]
struct Answers {
    ready: VecDeque<Answer>,
    are_slow: bool,
}

/// An answer that takes longer is worth the start of a thread.
const SLOW: Duration = Duration::from_micros(300);

impl Answers {
    /// The answer of the first of these pieces, which is a segment.
    fn next(&mut self, run: &Run<'_>, pieces: &[Piece]) -> tantivy::Result<Answer> {
        if let Some(answer) = self.ready.pop_front() {
            return Ok(answer);
        }
        let segments = pieces.iter().map_while(|piece| match piece {
            Piece::Segment(_, segment) => Some(segment),
            Piece::Gap(..) => None,
        });
        let at_once = if self.are_slow { run.threads } else { 1 };
        let segments: Vec<_> = segments.take(at_once).collect();
        let [first, others @ ..] = segments.as_slice() else {
            return Ok(Answer::exact(Bits::none(0)));
        };
        let started = Instant::now();
        let (answer, ready) = std::thread::scope(|scope| {
            let threads = others
                .iter()
                .map(|segment| scope.spawn(|| run.answer(segment)));
            let threads: Vec<_> = threads.collect();
            let answer = run.answer(first);
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(answer) => answer,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            (answer, joined.collect::<tantivy::Result<_>>())
        });
        self.are_slow = started.elapsed() > SLOW;
        self.ready = ready?;
        answer
    }
}
