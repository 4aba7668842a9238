//! Aggregates in the making. What they give depends on the events alone, not on the order in which they come or on how
//! they were shared out among threads.

use std::collections::BTreeMap;

use event::{Event, Field, Micros, Seq, Value};

use super::distinct::Distinct;
use super::memory::Memory;
use super::percentiles::Numbers;
use super::run::each_value;
use super::table::{Cell, key_of};
use super::{Aggregate, Function, PipeError};

/// Different values that `values` keeps: the first in their order.
const VALUES_MAX: usize = 100;

/// An aggregate of one row.
#[expect(
    clippy::box_collection,
    reason = "most rows are counts: what is larger stands elsewhere"
)]
#[derive(Clone, Debug)]
pub(super) enum State {
    Count(u64),
    Sum(Box<Sum>),
    Deviation(Box<Deviation>),
    Least(Box<Cell>),
    Greatest(Box<Cell>),
    Distinct(Box<Distinct>),
    Values(Box<BTreeMap<Vec<u8>, Cell>>),
    /// The value received first, and when.
    Oldest(Box<(Cell, Seq)>),
    /// The value received last, and when.
    Newest(Box<(Cell, Seq)>),
    Numbers(Box<Numbers>),
    Rate(Box<Rate>),
}

const _: () = assert!(size_of::<State>() == 16);

/// Numbers added up: whole ones exactly, the others beside them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    whole: i128,
    other: f64,
    count: u64,
    fraction: bool,
}

impl Sum {
    fn push(&mut self, value: Value<'_>) {
        if let Value::Integer(number) = value {
            self.count += 1;
            self.whole += i128::from(number);
        } else if let Some(number) = number(value) {
            self.count += 1;
            self.fraction = true;
            self.other += number;
        }
    }

    fn merge(&mut self, other: Self) {
        self.whole += other.whole;
        self.other += other.other;
        self.count += other.count;
        self.fraction |= other.fraction;
    }

    #[expect(clippy::cast_precision_loss, reason = "a mean is approximate")]
    fn cell(self, function: Function) -> Cell {
        let sum = approximately(self.whole) + self.other;
        match i64::try_from(self.whole) {
            _ if self.count == 0 => Cell::Null,
            _ if function == Function::Avg => Cell::Float(sum / self.count as f64),
            Ok(whole) if !self.fraction => Cell::Integer(whole),
            _ => Cell::Float(sum),
        }
    }
}

/// How many events, and from when to when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    count: u64,
    /// The least and the greatest `@timestamp`.
    span: Option<(Micros, Micros)>,
}

/// How far numbers lie apart (Welford's algorithm).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deviation {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Deviation {
    fn push(&mut self, number: f64) {
        self.count += 1.0;
        let from_mean = number - self.mean;
        self.mean += from_mean / self.count;
        self.squares += from_mean * (number - self.mean);
    }

    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if count == 0.0 {
            return;
        }
        let apart = other.mean - self.mean;
        self.mean += apart * other.count / count;
        self.squares += other.squares + apart * apart * self.count * other.count / count;
        self.count = count;
    }

    /// The standard deviation of all that there are (not an estimate from a sample).
    fn standard(self) -> Option<f64> {
        (self.count > 0.0).then(|| (self.squares / self.count).sqrt())
    }
}

impl State {
    pub(super) fn new(function: Function) -> Self {
        match function {
            Function::Count => Self::Count(0),
            Function::Sum | Function::Avg => Self::Sum(Box::default()),
            Function::Deviation => Self::Deviation(Box::default()),
            Function::Min => Self::Least(Box::new(Cell::Null)),
            Function::Max => Self::Greatest(Box::new(Cell::Null)),
            Function::Distinct => Self::Distinct(Box::default()),
            Function::Values => Self::Values(Box::default()),
            Function::First => Self::Oldest(Box::new((Cell::Null, Seq::MAX))),
            Function::Last => Self::Newest(Box::new((Cell::Null, Seq::ZERO))),
            Function::Percentile(_) => Self::Numbers(Box::default()),
            Function::Rate => Self::Rate(Box::default()),
        }
    }

    /// Counts events, where it counts those.
    pub(super) fn count(&mut self, events: u64) {
        match self {
            Self::Count(count) => *count += events,
            Self::Rate(rate) => rate.count += events,
            _ => {}
        }
    }

    /// Takes what an event has for the aggregate.
    pub(super) fn take_event(
        &mut self,
        aggregate: &Aggregate,
        event: &Event,
        memory: &Memory,
        hasher: &ahash::RandomState,
    ) -> Result<(), PipeError> {
        if aggregate.function == Function::Rate {
            self.count(1);
            let mut times = event.values(Field::TIMESTAMP);
            return times.try_for_each(|at| self.take(at, event.seq(), memory, hasher));
        }
        let Some(field) = &aggregate.field else {
            self.count(1);
            return Ok(());
        };
        each_value(field, event, |value| {
            self.take(value, event.seq(), memory, hasher)
        })
    }

    /// Takes a value of an event of that Seq.
    pub(super) fn take(
        &mut self,
        value: Value<'_>,
        at: Seq,
        memory: &Memory,
        hasher: &ahash::RandomState,
    ) -> Result<(), PipeError> {
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum(sum) => sum.push(value),
            Self::Deviation(deviation) => {
                if let Some(number) = number(value) {
                    deviation.push(number);
                }
            }
            Self::Least(least) => replace(least, value, memory, |new, old| new.order(old).is_lt())?,
            Self::Greatest(greatest) => {
                replace(greatest, value, memory, |new, old| new.order(old).is_gt())?;
            }
            Self::Distinct(distinct) => {
                let key = key_of(std::iter::once(Cell::from(value)));
                distinct.insert(hasher.hash_one(&key), memory)?;
            }
            Self::Values(values) => keep(values, Cell::from(value), memory)?,
            Self::Oldest(oldest) => {
                let (oldest, when) = &mut **oldest;
                if at <= *when {
                    replace(oldest, value, memory, |_, _| true)?;
                    *when = at;
                }
            }
            Self::Newest(newest) => {
                let (newest, when) = &mut **newest;
                if at > *when || *newest == Cell::Null {
                    replace(newest, value, memory, |_, _| true)?;
                    *when = at;
                }
            }
            Self::Numbers(numbers) => {
                if let Some(number) = number(value) {
                    numbers.push(number, memory)?;
                }
            }
            Self::Rate(rate) => {
                if let Value::Date(at) = value {
                    widen(&mut rate.span, (at, at));
                }
            }
        }
        Ok(())
    }

    /// Adds what another thread has for the same row.
    pub(super) fn merge(&mut self, other: Self, memory: &Memory) -> Result<(), PipeError> {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Sum(one), Self::Sum(two)) => one.merge(*two),
            (Self::Deviation(one), Self::Deviation(two)) => one.merge(*two),
            (Self::Least(one), Self::Least(two)) => {
                if **one == Cell::Null || (*two != Cell::Null && two.order(one).is_lt()) {
                    *one = two;
                }
            }
            (Self::Greatest(one), Self::Greatest(two)) => {
                if **one == Cell::Null || (*two != Cell::Null && two.order(one).is_gt()) {
                    *one = two;
                }
            }
            (Self::Distinct(one), Self::Distinct(two)) => one.merge(*two, memory)?,
            (Self::Values(one), Self::Values(two)) => {
                two.into_values()
                    .try_for_each(|cell| keep(one, cell, memory))?;
            }
            (Self::Oldest(one), Self::Oldest(two)) => {
                if two.0 != Cell::Null && (one.0 == Cell::Null || two.1 < one.1) {
                    *one = two;
                }
            }
            (Self::Newest(one), Self::Newest(two)) => {
                if two.0 != Cell::Null && (one.0 == Cell::Null || two.1 > one.1) {
                    *one = two;
                }
            }
            (Self::Numbers(one), Self::Numbers(two)) => one.merge(*two, memory)?,
            (Self::Rate(one), Self::Rate(two)) => {
                one.count += two.count;
                if let Some(other) = two.span {
                    widen(&mut one.span, other);
                }
            }
            // Rows of the same stage have the same aggregates.
            (_, _) => {}
        }
        Ok(())
    }

    /// What it gives. `seconds` is the length of the row's span of time, where it has one.
    #[expect(
        clippy::cast_precision_loss,
        reason = "means and rates are approximate"
    )]
    pub(super) fn cell(self, function: Function, seconds: Option<f64>) -> Cell {
        match self {
            Self::Count(count) => whole(count),
            Self::Sum(sum) => sum.cell(function),
            Self::Deviation(deviation) => deviation.standard().map_or(Cell::Null, Cell::Float),
            Self::Least(cell) | Self::Greatest(cell) => *cell,
            Self::Newest(newest) => newest.0,
            Self::Oldest(oldest) => oldest.0,
            Self::Distinct(distinct) => whole(distinct.count()),
            Self::Values(values) => Cell::List(values.into_values().collect()),
            Self::Numbers(numbers) => match function {
                Function::Percentile(of_ten_thousand) => numbers
                    .percentile(of_ten_thousand)
                    .map_or(Cell::Null, Cell::Float),
                _ => Cell::Null,
            },
            Self::Rate(rate) => {
                let between = rate.span.map(|(first, last)| {
                    last.0.saturating_sub(first.0) as f64 / Micros::PER_SECOND as f64
                });
                match seconds.or(between).filter(|seconds| *seconds > 0.0) {
                    Some(seconds) => Cell::Float(rate.count as f64 / seconds),
                    None => Cell::Null,
                }
            }
        }
    }
}

/// Puts a value in the place of another, if it is to be there or there is none.
fn replace(
    cell: &mut Cell,
    value: Value<'_>,
    memory: &Memory,
    is_better: impl Fn(&Cell, &Cell) -> bool,
) -> Result<(), PipeError> {
    let new = Cell::from(value);
    if *cell == Cell::Null || is_better(&new, cell) {
        // Rows are paid for with room for short values.
        memory.take(new.bytes().saturating_sub(cell.bytes().max(64)))?;
        *cell = new;
    }
    Ok(())
}

fn keep(
    values: &mut BTreeMap<Vec<u8>, Cell>,
    cell: Cell,
    memory: &Memory,
) -> Result<(), PipeError> {
    let key = key_of(std::iter::once(&cell));
    let is_full = values.len() >= VALUES_MAX;
    let is_behind = values.last_key_value().is_some_and(|(last, _)| key > *last);
    if values.contains_key(&key) || (is_full && is_behind) {
        return Ok(());
    }
    memory.take(key.len() + 2 * cell.bytes())?;
    values.insert(key, cell);
    if is_full {
        values.pop_last();
    }
    Ok(())
}

fn widen(span: &mut Option<(Micros, Micros)>, other: (Micros, Micros)) {
    *span = Some(span.map_or(other, |(first, last)| {
        (first.min(other.0), last.max(other.1))
    }));
}

fn number(value: Value<'_>) -> Option<f64> {
    Cell::from(value).number()
}

fn whole(count: u64) -> Cell {
    Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond what whole numbers hold, a sum is approximate"
)]
fn approximately(whole: i128) -> f64 {
    whole as f64
}
