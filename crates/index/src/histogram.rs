//! Counts over time.

use std::collections::BTreeMap;
use std::time::Duration;

use event::{Event, Field, FieldKind, Micros, Value};

use crate::bits::Bits;
use crate::run::{Collector, Run};
use crate::schema::Layout;
use crate::scope::{Covered, Scope, SearchError};
use crate::search::Total;
use crate::segment::{ColumnValues, Segment};
use crate::state::Shared;

/// How many buckets a histogram has at most; events of further ones are counted as `other`.
pub const BUCKETS_MAX: usize = 10_000;

/// A question for counts over time.
#[derive(Clone, Debug)]
pub struct HistogramRequest {
    /// Which events.
    pub scope: Scope,
    /// The width of a bucket; at least a millisecond.
    pub interval: Duration,
    /// The zone whose midnight buckets begin at, in seconds east of UTC.
    pub offset_seconds: i32,
}

/// How many events there are in one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The beginning of the interval.
    pub start: Micros,
    /// Events with `@timestamp` in it.
    pub count: u64,
}

/// Counts over time.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The buckets that are not empty, ascending.
    pub buckets: Vec<Bucket>,
    /// Events without `@timestamp`, or beyond [`BUCKETS_MAX`] buckets.
    pub other: u64,
    /// All events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn histogram(
    shared: &Shared,
    request: &HistogramRequest,
) -> Result<Histogram, SearchError> {
    let mut run = Run::new(shared, &request.scope);
    let interval = i64::try_from(request.interval.as_micros()).unwrap_or(i64::MAX);
    let mut counts = Counts {
        interval: interval.max(1000),
        offset: i64::from(request.offset_seconds) * Micros::PER_SECOND,
        buckets: BTreeMap::new(),
        last: (0, 0),
        other: 0,
        total: 0,
    };
    run.collect(&mut counts)?;
    counts.flush();
    let buckets = counts.buckets.into_iter();
    Ok(Histogram {
        buckets: buckets
            .map(|(start, count)| Bucket {
                start: Micros(start),
                count,
            })
            .collect(),
        other: counts.other,
        total: Total::of(counts.total, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

struct Counts {
    interval: i64,
    offset: i64,
    buckets: BTreeMap<i64, u64>,
    /// The bucket of the last event and its count, not yet among the others: neighbours mostly share one.
    last: (i64, u64),
    other: u64,
    total: u64,
}

impl Counts {
    fn add(&mut self, at: i64) {
        let local = at.saturating_add(self.offset);
        let start = local - local.rem_euclid(self.interval);
        let start = start.saturating_sub(self.offset);
        if start != self.last.0 {
            self.flush();
            self.last.0 = start;
        }
        self.last.1 += 1;
    }

    fn flush(&mut self) {
        let (start, count) = self.last;
        self.last.1 = 0;
        if count == 0 {
            return;
        }
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&start) {
            self.other += count;
            return;
        }
        *self.buckets.entry(start).or_default() += count;
    }
}

impl Collector for Counts {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        self.total += 1;
        let dates = event
            .values(Field::TIMESTAMP)
            .map(|value| value.typed(FieldKind::Date));
        let date = dates.filter_map(|value| match value {
            Value::Date(at) => Some(at),
            _ => None,
        });
        match { date }.next() {
            Some(at) => self.add(at.0),
            None => self.other += 1,
        }
        Ok(())
    }

    fn docs(&mut self, segment: &Segment, docs: &Bits) -> Result<(), SearchError> {
        let count = docs.count();
        self.total += count;
        if count == 0 {
            return Ok(());
        }
        let column = Layout::get().column(Field::TIMESTAMP);
        let values = column.map(|column| segment.column(column)).transpose()?;
        let Some(ColumnValues::Integer(values)) = values else {
            self.other += count;
            return Ok(());
        };
        for doc in docs.ascending() {
            match values.first(doc) {
                Some(at) => self.add(at),
                None => self.other += 1,
            }
        }
        Ok(())
    }
}
