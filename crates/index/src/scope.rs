//! What is asked for, what may be spent on it, and what was looked at.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event::{Field, Micros, Seq};
use query::{Bound, Condition, Expr, Literal, Memory, PipeError, Range, Test};
use serde::Serialize;

use crate::evaluate::Way;
use crate::source::{Depth, SourceError};

/// What events are asked for, and how much may be spent on it.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The condition.
    pub expr: Expr,
    /// Only events whose `@timestamp` is not before.
    pub from: Option<Micros>,
    /// Only events whose `@timestamp` is before.
    pub to: Option<Micros>,
    /// Only events with these Seqs; what lies outside is not looked at.
    pub seqs: RangeInclusive<Seq>,
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
            seqs: Seq::ZERO..=Seq::MAX,
            budget: Budget::default(),
            cancel: Cancel::default(),
            way: Way::Auto,
        }
    }

    /// The condition with the time that it is asked for.
    pub(crate) fn whole_expr(&self) -> Expr {
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
#[derive(Clone, Debug)]
pub struct Budget {
    /// Time from its start.
    pub time: Duration,
    /// Bytes of raw text that it reads to ask events themselves.
    pub bytes: u64,
    /// What the rows that it counts may take.
    pub rows: Memory,
}

impl Default for Budget {
    /// 30 s, as long as a person waits; 4 GiB, about what two cores read in that time; 128 MiB, some two million addresses.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            bytes: 4 << 30,
            rows: Memory::new(128 << 20),
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
    /// How many partitions it looked at, those included that their times ruled out; those that the Seqs asked for rule
    /// out are not.
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
    /// What is counted has more different values than fit into memory.
    #[error("{0}")]
    Rows(#[from] PipeError),
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
        _ if field.needs_full_depth() => Depth::Full,
        _ => Depth::Core,
    }
}
