//! One search over one snapshot: the pieces newest first, what is sure from segments, the rest from events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use event::{Event, Seq};
use query::{Expr, Needles};

use crate::bits::Bits;
use crate::evaluate::{Answer, Evaluator};
use crate::priority;
use crate::scope::{Covered, Scope, SearchError, depth_of};
use crate::segment::Segment;
use crate::snapshot::{Piece, Snapshot};
use crate::source::{Depth, EventSource, PartitionSpan, SourceError};
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

    /// A moment to pass on what was found.
    fn pass_on(&mut self) -> Result<(), SearchError> {
        Ok(())
    }
}

/// What a search has spent on its condition; the events that it shows are read beside that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Events that were read to be asked.
    pub events: u64,
    /// Bytes of their raw texts.
    pub bytes: u64,
    /// Time for what columns and postings answer.
    pub answering: Duration,
    /// Time for reading, parsing and asking events.
    pub asking: Duration,
}

impl Spent {
    /// Adds what another thread has spent.
    fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.answering += other.answering;
        self.asking += other.asking;
    }
}

/// What a collector asks of events, beside that they match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// As [`Collector::needs`].
    pub(crate) needs: Option<Depth>,
    /// As [`Collector::reads_columns`].
    pub(crate) reads_columns: bool,
}

impl Demand {
    fn of(collector: &dyn Collector) -> Self {
        Self {
            needs: collector.needs(),
            reads_columns: collector.reads_columns(),
        }
    }
}

/// A segment's documents after its answer: those that match unasked, and those that are asked.
pub(crate) struct Division {
    pub(crate) sure: Bits,
    pub(crate) asked: Bits,
    /// Whether the collector is given events, not documents.
    pub(crate) by_event: bool,
    /// How much of the events is read.
    pub(crate) depth: Depth,
}

impl Division {
    /// `condition` is how much of an event the condition asks for, `depth` that or more.
    pub(crate) fn of(
        segment: &Segment,
        answer: Answer,
        demand: Demand,
        condition: Depth,
        depth: Depth,
        is_stale: bool,
    ) -> Self {
        let (mut sure, mut asked) = (answer.sure, answer.possible);
        let by_event = demand.needs.is_some() || (is_stale && demand.reads_columns);
        let depth = if by_event {
            depth.max(Depth::Core)
        } else {
            depth
        };
        if by_event || (is_stale && condition > Depth::Raw) {
            sure = Bits::none(segment.len());
        } else {
            asked.and_not(&sure);
        }
        Self {
            sure,
            asked,
            by_event,
            depth,
        }
    }
}

/// How many events are asked at once, at first and at most.
const CHUNK_MIN: usize = 256;
const CHUNK_MAX: usize = 8192;
/// The same where raw bytes suffice: no event is kept meanwhile, and a block that two chunks share is read twice.
const RAW_CHUNK_MAX: usize = 8 * CHUNK_MAX;

/// Events that were asked.
struct Asked<T> {
    count: u64,
    /// Of their raw texts.
    bytes: u64,
    matching: Vec<T>,
}

impl Asked<Event> {
    fn of(expr: &Expr, mut events: Vec<Event>) -> Self {
        let count = events.len() as u64;
        let bytes = events.iter().map(|event| event.raw().len() as u64).sum();
        events.retain(|event| query::matches(expr, event));
        Self {
            count,
            bytes,
            matching: events,
        }
    }
}

impl Asked<Seq> {
    /// Asks raw bytes alone.
    fn of_raws(
        expr: &Expr,
        needles: Option<&Needles>,
        seqs: &[Seq],
        source: &dyn EventSource,
    ) -> Result<Self, SourceError> {
        let mut asked = Self {
            count: 0,
            bytes: 0,
            matching: Vec::new(),
        };
        let sieve = |bytes: &[u8]| needles.is_none_or(|needles| needles.stand_in(bytes));
        source.raws(seqs, &sieve, &mut |seq, raw, passed| {
            asked.count += 1;
            asked.bytes += raw.len() as u64;
            if passed && query::matches_raw(expr, seq, raw) {
                asked.matching.push(seq);
            }
        })?;
        Ok(asked)
    }
}

/// A search that is going on.
pub(crate) struct Run<'a> {
    source: &'a dyn EventSource,
    snapshot: Snapshot,
    expr: Expr,
    /// What stands in the raw text of all that matches.
    needles: Option<Needles>,
    depth: Depth,
    fresh_depth: Depth,
    pub(crate) scope: &'a Scope,
    threads: usize,
    /// Says, as long as it is held, that a search is running; once for all threads of a search.
    _searching: Option<Arc<()>>,
    started: Instant,
    /// Bytes of raw text, by all threads of the search.
    bytes_read: Arc<AtomicU64>,
    /// What it has spent.
    pub(crate) spent: Spent,
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
        let searching = Arc::clone(&shared.searching);
        // Beside the one of `shared`.
        let at_once = Arc::strong_count(&searching) - 1;
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
            needles: Needles::of(&expr),
            expr,
            scope,
            // Threads beyond the cores' number only get into each other's way.
            threads: (shared.options.search_threads / at_once.max(1)).max(1),
            _searching: Some(searching),
            started: Instant::now(),
            bytes_read: Arc::default(),
            spent: Spent::default(),
            complete: true,
        }
    }

    /// Time since it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Gives the collector everything that matches, newest first.
    pub(crate) fn collect(&mut self, collector: &mut dyn Collector) -> Result<(), SearchError> {
        let spans = self.source.partitions();
        self.newest(collector)?;
        let pieces = self.pieces(&spans);
        let mut answers = Answers::default();
        for at in 0..pieces.len() {
            self.piece(
                pieces.get(at..).unwrap_or_default(),
                &mut answers,
                collector,
            )?;
        }
        self.count_partitions(&pieces);
        Ok(())
    }

    /// Shares out everything that matches among collectors, one a thread, in no order; gives them back.
    pub(crate) fn collect_in_parallel<C: Collector + Send>(
        &mut self,
        mut first: C,
        fork: impl Fn(&C) -> C,
    ) -> Result<Vec<C>, SearchError> {
        let spans = self.source.partitions();
        self.newest(&mut first)?;
        let pieces = self.pieces(&spans);
        let threads = self.threads.min(pieces.len()).max(1);
        let mut collectors: Vec<C> = (1..threads).map(|_| fork(&first)).collect();
        collectors.push(first);
        let next = AtomicUsize::new(0);
        let work = |mut run: Run<'a>, mut collector: C| -> Result<(Run<'a>, C), SearchError> {
            while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)..) {
                let Some(piece) = piece.get(..1) else { break };
                run.piece(piece, &mut Answers::default(), &mut collector)?;
            }
            Ok((run, collector))
        };
        let parts = std::thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = collectors
                .into_iter()
                .map(|collector| {
                    let run = self.fork(threads);
                    scope.spawn(move || work(run, collector))
                })
                .collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect::<Result<Vec<_>, _>>()
        })?;
        let mut collectors = Vec::new();
        for (run, collector) in parts {
            self.complete &= run.complete;
            self.covered.skipped.extend(run.covered.skipped);
            self.covered.stale.extend(run.covered.stale);
            self.spent.add(run.spent);
            collectors.push(collector);
        }
        self.covered
            .skipped
            .sort_unstable_by(|one, two| two.cmp(one));
        self.covered.skipped.dedup();
        self.count_partitions(&pieces);
        Ok(collectors)
    }

    /// The same search for one of several threads.
    fn fork(&self, threads: usize) -> Self {
        Self {
            source: self.source,
            snapshot: self.snapshot.clone(),
            expr: self.expr.clone(),
            needles: self.needles.clone(),
            depth: self.depth,
            fresh_depth: self.fresh_depth,
            scope: self.scope,
            threads: (self.threads / threads).max(1),
            _searching: None,
            started: self.started,
            bytes_read: Arc::clone(&self.bytes_read),
            spent: Spent::default(),
            covered: Covered::default(),
            complete: self.complete,
            reached: self.reached,
        }
    }

    /// What is not yet committed.
    fn newest(&mut self, collector: &mut dyn Collector) -> Result<(), SearchError> {
        let needs = self.needs(collector);
        if needs <= self.fresh_depth {
            self.fresh(collector)?;
        } else {
            let seqs = &self.scope.seqs;
            let from = self.snapshot.committed.next().max(*seqs.start());
            let to = self.snapshot.published.min(*seqs.end());
            self.gap(from, to, needs, collector)?;
        }
        collector.pass_on()
    }

    /// What is committed and within the Seqs asked for.
    fn pieces(&self, spans: &[PartitionSpan]) -> Vec<Piece> {
        let pieces = self.snapshot.pieces(spans).into_iter();
        pieces
            .filter_map(|piece| piece.within(&self.scope.seqs))
            .collect()
    }

    /// How much of an event must be known.
    fn needs(&self, collector: &dyn Collector) -> Depth {
        collector.needs().unwrap_or(Depth::Raw).max(self.depth)
    }

    /// The first of these pieces; what comes behind it may be prepared.
    fn piece(
        &mut self,
        pieces: &[Piece],
        answers: &mut Answers,
        collector: &mut dyn Collector,
    ) -> Result<(), SearchError> {
        let Some(piece) = pieces.first() else {
            return Ok(());
        };
        let partition = piece.partition();
        if self.is_stopped(collector) {
            self.skip(partition);
            return Ok(());
        }
        let needs = self.needs(collector);
        match piece {
            Piece::Segment(_, segment) => {
                let reads_fields = self.depth > Depth::Raw || collector.reads_columns();
                if reads_fields && segment.is_stale(&self.snapshot.fingerprints) {
                    self.covered.stale.push(partition);
                }
                let started = Instant::now();
                let answer = answers.next(self, pieces)?;
                self.spent.answering += started.elapsed();
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
        collector.pass_on()
    }

    fn count_partitions(&mut self, pieces: &[Piece]) {
        let mut partitions: Vec<Seq> = pieces.iter().map(Piece::partition).collect();
        partitions.dedup();
        self.covered.partitions = partitions.len();
        self.covered.stale.sort_unstable();
        self.covered.stale.dedup();
    }

    fn answer(&self, segment: &Segment) -> tantivy::Result<Answer> {
        let evaluator = Evaluator {
            segment,
            way: self.scope.way,
            trace: None,
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
        priority::give_way_if_long();
        !self.complete
            || collector.is_done()
            || self.scope.cancel.is_cancelled()
            || self.bytes_read.load(Ordering::Relaxed) > self.scope.budget.bytes
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
        let Division {
            sure,
            asked,
            by_event,
            depth,
        } = Division::of(
            segment,
            answer,
            Demand::of(collector),
            self.depth,
            depth,
            segment.is_stale(&self.snapshot.fingerprints),
        );
        let mut end = segment.len();
        let mut size = CHUNK_MIN;
        let mut docs = asked.descending();
        loop {
            let chunk: Vec<u32> = docs.by_ref().take(size).collect();
            let start = match chunk.last() {
                Some(last) if chunk.len() == size => *last,
                _ => 0,
            };
            let mut found = sure.between(start, end);
            if by_event {
                let events = self.ask(segment, &chunk, depth)?;
                events
                    .iter()
                    .rev()
                    .try_for_each(|event| collector.event(event))?;
            } else {
                for seq in self.meeting(segment, &chunk, depth)? {
                    found.insert(segment.first_from(seq));
                }
                collector.docs(segment, &found)?;
            }
            if start == 0 {
                return Ok(());
            }
            collector.pass_on()?;
            self.reach(segment.seq(start));
            if self.is_stopped(collector) {
                self.complete = false;
                return Ok(());
            }
            end = start;
            size = (size * 4).min(match depth {
                Depth::Raw => RAW_CHUNK_MAX,
                Depth::Core | Depth::Full => CHUNK_MAX,
            });
        }
    }

    /// Asks the events of these documents, which descend; gives those that match, ascending.
    fn ask(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        depth: Depth,
    ) -> Result<Vec<Event>, SearchError> {
        let (source, expr) = (self.source, self.expr.clone());
        self.share_out(segment, docs, |seqs| {
            Ok(Asked::of(&expr, source.events(seqs, depth)?))
        })
    }

    /// Asks the events of these documents, which descend; gives the Seqs of those that match, ascending.
    fn meeting(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        depth: Depth,
    ) -> Result<Vec<Seq>, SearchError> {
        if depth > Depth::Raw {
            let events = self.ask(segment, docs, depth)?;
            return Ok(events.iter().map(Event::seq).collect());
        }
        let (source, expr) = (self.source, self.expr.clone());
        let needles = self.needles.clone();
        // Each thread has its own: what a regular expression works with is not shared without waiting.
        self.share_out(segment, docs, |seqs| {
            Asked::of_raws(&expr.clone(), needles.as_ref(), seqs, source)
        })
    }

    /// Asks pieces of these documents, which descend, each in a thread.
    fn share_out<T: Send>(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        ask: impl Fn(&[Seq]) -> Result<Asked<T>, SourceError> + Sync,
    ) -> Result<Vec<T>, SearchError> {
        let seqs: Vec<Seq> = docs.iter().rev().map(|doc| segment.seq(*doc)).collect();
        let size = seqs.len().div_ceil(self.threads).max(CHUNK_MIN);
        let ask = &ask;
        let pieces = seqs.chunks(size).map(|seqs| move || ask(seqs));
        self.in_threads(pieces)
    }

    /// Asks pieces, each in a thread, and keeps what matches.
    fn in_threads<T: Send, F>(
        &mut self,
        pieces: impl Iterator<Item = F>,
    ) -> Result<Vec<T>, SearchError>
    where
        F: Fn() -> Result<Asked<T>, SourceError> + Send,
    {
        let started = Instant::now();
        let mut pieces: Vec<F> = pieces.collect();
        let own = pieces.pop();
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> = pieces.into_iter().map(|piece| scope.spawn(piece)).collect();
            let own = own.map(|piece| piece());
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.chain(own).collect::<Result<Vec<_>, _>>()
        });
        let mut all = Vec::new();
        for asked in results.map_err(SearchError::Source)? {
            self.spent.events += asked.count;
            self.spent.bytes += asked.bytes;
            self.bytes_read.fetch_add(asked.bytes, Ordering::Relaxed);
            all.extend(asked.matching);
        }
        self.spent.asking += started.elapsed();
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
            let (source, expr) = (self.source, self.expr.clone());
            let ask = |low: u64| -> Result<Asked<Event>, SourceError> {
                let high = end.min(low + step - 1);
                let events = source.span(Seq(low), Seq(high), depth)?;
                Ok(Asked::of(&expr, events))
            };
            let pieces = (start..=end).step_by(usize::try_from(step).unwrap_or(CHUNK_MAX));
            let ask = &ask;
            let pieces = pieces.map(|low| move || ask(low));
            for event in self.in_threads(pieces)?.iter().rev() {
                collector.event(event)?;
            }
            collector.pass_on()?;
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
