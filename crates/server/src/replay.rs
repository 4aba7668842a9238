//! What the journal keeps, gone through once more in the order of Seq, as today's parsers understand it.
//!
//! Nothing is stored or recorded. A [`Replay`] goes through everything, or by the index through what may match a condition;
//! both stop where the budget ends or somebody wants it, and say how far they came.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use detect::Rules;
use event::{Event, Field, Micros, Seq, Value};
use index::{Budget, Cancel, Depth, EventSource, Index, Scope, SearchError, SourceError, Wanted};
use journal::{BlockRef, PartitionInfo, Reader};
use query::{Bound, Condition, Expr, Literal, Range};
use serde::Serialize;
use utoipa::ToSchema;

/// Seqs whose matches the index is asked for at once: their numbers take at most 8 MiB, and no segment is asked often.
const WINDOW_SEQS: u64 = 1 << 20;
/// Events that are read and handed over at once where the index names them.
const EVENTS_AT_ONCE: usize = 1024;

/// The part of the past that is gone through.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Where records are.
    pub journal: Reader,
    /// What they mean today.
    pub events: Arc<dyn EventSource>,
    /// How much of them is wanted: see [`depth_for`].
    pub depth: Depth,
    /// Only records received since.
    pub from: Option<Micros>,
    /// Only records received before.
    pub to: Option<Micros>,
}

/// How much of events these rules ask about: as much as they are given in life.
#[must_use]
pub fn depth_for(rules: &Rules) -> Depth {
    if rules.needs_full_depth() {
        Depth::Full
    } else {
        Depth::Core
    }
}

/// What may be spent, and when to stop.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    /// Time from the start; without end where there is none.
    pub time: Option<Duration>,
    /// Bytes of raw text.
    pub bytes: Option<u64>,
    /// Stops it from another thread.
    pub cancel: Cancel,
}

/// How far it came.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Events handed over.
    pub events: u64,
    /// Bytes of their raw texts.
    pub bytes: u64,
    /// Receipt time since which everything was gone through; `None` where nothing is kept.
    pub from: Option<Micros>,
    /// Receipt time up to which everything was gone through.
    pub to: Option<Micros>,
    /// The last Seq that was gone through.
    pub through: Seq,
    /// Why it is not the whole of what was asked for; empty where it is.
    pub because: Vec<Shortfall>,
}

/// Why not everything was gone through that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shortfall {
    /// Retention has dropped the beginning.
    Retention,
    /// The time was used up.
    Time,
    /// So many bytes were read as may be.
    Bytes,
    /// Some records could not be read.
    Unreadable,
    /// The index of a part was made by other parsers than today's and may miss some: reindex it.
    Stale,
    /// There are more detections than are compared.
    Detections,
    /// Somebody stopped it.
    Cancelled,
}

/// Takes events in the order of Seq.
type Take<'a> = dyn FnMut(&[Event], &Passage) + 'a;

impl Replay {
    /// Hands over every event.
    pub fn all(&self, allowance: &Allowance, take: &mut Take<'_>) -> Passage {
        let mut walk = Walk::new(self, allowance, take);
        for partition in walk.partitions() {
            if walk.partition(&partition).is_break() {
                return walk.end();
            }
            walk.reach(partition.newest);
        }
        walk.end()
    }

    /// Hands over every event that matches, which the index finds; it must be that of the same journal.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn matching(
        &self,
        index: &Index,
        expr: &Expr,
        allowance: &Allowance,
        take: &mut Take<'_>,
    ) -> Result<Passage, SearchError> {
        let expr = Expr::and([self.received(), expr.clone()]);
        let mut walk = Walk::new(self, allowance, take);
        walk.durable = walk.durable.min(index.status().published);
        for partition in walk.partitions() {
            let mut first = partition.first;
            while first <= partition.last {
                let last = Seq(first.0.saturating_add(WINDOW_SEQS - 1)).min(partition.last);
                if walk.window(index, &expr, first, last)?.is_break() {
                    return Ok(walk.end());
                }
                first = last.next();
            }
            walk.reach(partition.newest);
        }
        Ok(walk.end())
    }

    /// That an event was received in the span.
    fn received(&self) -> Expr {
        let bound = |at: Micros| Literal::new(&at.to_string());
        let low = self
            .from
            .map_or(Bound::Open, |from| Bound::With(bound(from)));
        let high = self.to.map_or(Bound::Open, |to| Bound::Without(bound(to)));
        match (&low, &high) {
            (Bound::Open, Bound::Open) => Expr::All,
            _ => Expr::field(Field::EVENT_INGESTED, Condition::Range(Range { low, high })),
        }
    }

    fn is_inside(&self, at: Micros) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

/// A replay that is going on.
struct Walk<'a, 't> {
    replay: &'a Replay,
    allowance: &'a Allowance,
    take: &'a mut Take<'t>,
    began: Instant,
    /// What arrives later is not gone through.
    durable: Seq,
    passage: Passage,
    stopped: bool,
}

impl<'a, 't> Walk<'a, 't> {
    fn new(replay: &'a Replay, allowance: &'a Allowance, take: &'a mut Take<'t>) -> Self {
        Self {
            replay,
            allowance,
            take,
            began: Instant::now(),
            durable: replay.journal.durable(),
            passage: Passage::default(),
            stopped: false,
        }
    }

    /// The partitions that hold something of the span, oldest first, up to what is durable; notes where the span begins.
    fn partitions(&mut self) -> Vec<PartitionInfo> {
        let Replay { from, to, .. } = *self.replay;
        let mut kept = self.replay.journal.partitions();
        kept.retain(|partition| partition.first <= self.durable);
        if let Some(oldest) = kept.first() {
            let is_cut = oldest.first > Seq(1) && from.is_none_or(|from| from < oldest.oldest);
            if is_cut {
                self.passage.because.push(Shortfall::Retention);
            }
            self.passage.from = Some(from.map_or(oldest.oldest, |from| from.max(oldest.oldest)));
        }
        kept.retain(|partition| {
            let begins_before = to.is_none_or(|to| partition.oldest < to);
            begins_before && from.is_none_or(|from| partition.newest >= from)
        });
        for partition in &mut kept {
            partition.last = partition.last.min(self.durable);
        }
        kept
    }

    fn partition(&mut self, partition: &PartitionInfo) -> ControlFlow<()> {
        let whole =
            self.replay.is_inside(partition.oldest) && self.replay.is_inside(partition.newest);
        let replay = self.replay;
        for block in replay.journal.blocks(partition.first, partition.last) {
            self.may_go_on()?;
            let read = if whole {
                replay.events.span(block.first, block.last, replay.depth)
            } else {
                self.inside(&block)
            };
            match read {
                Ok(events) => self.hand_over(&events),
                Err(error) => self.unreadable(&*error),
            }
            self.passage.through = block.last;
        }
        ControlFlow::Continue(())
    }

    /// Of a block that may lie on an edge of the span, the events inside it. Only they are parsed.
    fn inside(&self, block: &BlockRef) -> Result<Vec<Event>, SourceError> {
        let records = self.replay.journal.read_block(block)?;
        let inside = records
            .iter()
            .filter(|record| self.replay.is_inside(record.received_at));
        let seqs: Vec<Seq> = inside.map(|record| record.seq).collect();
        match seqs.as_slice() {
            [] => Ok(Vec::new()),
            seqs => self.replay.events.events(seqs, self.replay.depth),
        }
    }

    /// What matches among these Seqs.
    fn window(
        &mut self,
        index: &Index,
        expr: &Expr,
        first: Seq,
        last: Seq,
    ) -> Result<ControlFlow<()>, SearchError> {
        if self.may_go_on().is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let scope = Scope {
            seqs: first..=last,
            budget: self.budget(),
            cancel: self.allowance.cancel.clone(),
            ..Scope::new(expr.clone())
        };
        let mut seqs = Vec::new();
        let found = index.each(&scope, &Wanted::Columns(Vec::new()), &mut |event| {
            seqs.push(event.seq());
            ControlFlow::Continue(())
        });
        let found = match found {
            Ok(found) => found,
            Err(SearchError::Source(error)) => {
                // Which events match cannot be told without those that cannot be read: what can be read is asked.
                self.unreadable(&*error);
                return Ok(self.asked(expr, first, last));
            }
            Err(error) => return Err(error),
        };
        if !found.covered.stale.is_empty() {
            self.falls_short(Shortfall::Stale);
        }
        if found.total.relation() != "eq" || !found.covered.skipped.is_empty() {
            // What is missing lies before what was found: this window is not gone through at all.
            let over = self.may_go_on();
            if over.is_continue() {
                self.falls_short(Shortfall::Bytes);
                self.stopped = true;
            }
            return Ok(ControlFlow::Break(()));
        }
        seqs.reverse();
        for seqs in seqs.chunks(EVENTS_AT_ONCE) {
            if self.may_go_on().is_break() {
                return Ok(ControlFlow::Break(()));
            }
            self.read(seqs);
        }
        self.passage.through = last;
        Ok(ControlFlow::Continue(()))
    }

    /// Hands over the events of these Seqs, as many as can be read.
    fn read(&mut self, seqs: &[Seq]) {
        match self.replay.events.events(seqs, self.replay.depth) {
            Ok(events) => self.hand_over(&events),
            Err(error) => match seqs.split_at(seqs.len() / 2) {
                ([], _) => self.unreadable(&*error),
                (before, after) => {
                    self.read(before);
                    self.read(after);
                }
            },
        }
        if let Some(last) = seqs.last() {
            self.passage.through = *last;
        }
    }

    /// What matches among these Seqs, without the index.
    fn asked(&mut self, expr: &Expr, first: Seq, last: Seq) -> ControlFlow<()> {
        let replay = self.replay;
        // The condition may ask for more than the rules do.
        let depth = if expr.needs_full_depth() {
            Depth::Full
        } else {
            replay.depth
        };
        for block in replay.journal.blocks(first, last) {
            self.may_go_on()?;
            match replay.events.span(block.first, block.last, depth) {
                Ok(mut events) => {
                    events.retain(|event| query::matches(expr, event));
                    self.hand_over(&events);
                }
                Err(error) => self.unreadable(&*error),
            }
            self.passage.through = block.last;
        }
        ControlFlow::Continue(())
    }

    fn hand_over(&mut self, events: &[Event]) {
        let Some(last) = events.last() else { return };
        self.passage.events += events.len() as u64;
        self.passage.bytes += events
            .iter()
            .map(|event| event.raw().len() as u64)
            .sum::<u64>();
        if let Some(Value::Date(received)) = last.get(Field::EVENT_INGESTED) {
            self.reach(received);
        }
        (self.take)(events, &self.passage);
    }

    /// Notes that everything received up to then, within the span, was gone through.
    fn reach(&mut self, received: Micros) {
        let received = self.replay.to.map_or(received, |to| to.min(received));
        self.passage.to = Some(self.passage.to.map_or(received, |to| to.max(received)));
    }

    /// What may still be spent on finding out what matches.
    fn budget(&self) -> Budget {
        let mut budget = Budget::default();
        if let Some(time) = self.allowance.time {
            budget.time = time.saturating_sub(self.began.elapsed());
        }
        if let Some(bytes) = self.allowance.bytes {
            budget.bytes = bytes.saturating_sub(self.passage.bytes);
        }
        budget
    }

    /// Whether there is something left to spend, and nobody has stopped it.
    fn may_go_on(&mut self) -> ControlFlow<()> {
        let Allowance {
            time,
            bytes,
            cancel,
        } = self.allowance;
        let over = if cancel.is_cancelled() {
            Shortfall::Cancelled
        } else if time.is_some_and(|time| self.began.elapsed() >= time) {
            Shortfall::Time
        } else if bytes.is_some_and(|bytes| self.passage.bytes >= bytes) {
            Shortfall::Bytes
        } else {
            return ControlFlow::Continue(());
        };
        self.falls_short(over);
        self.stopped = true;
        ControlFlow::Break(())
    }

    fn unreadable(&mut self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(error, "records cannot be read and are passed over");
        self.falls_short(Shortfall::Unreadable);
    }

    fn falls_short(&mut self, why: Shortfall) {
        if !self.passage.because.contains(&why) {
            self.passage.because.push(why);
        }
    }

    fn end(mut self) -> Passage {
        if !self.stopped {
            self.passage.through = self.durable;
        }
        self.passage
    }
}
