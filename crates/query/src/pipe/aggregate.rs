//! Aggregates in the making. What they give depends on the events alone, not on the order in which they come or on how
//! they were shared out among threads.

use std::collections::BTreeMap;

use event::{Event, Field, Micros, Seq, Value};

use super::distinct::Distinct;
use super::memory::Memory;
use super::percentiles::Numbers;
use super::table::{Cell, key_of};
use super::{Aggregate, Function, PipeError};
use crate::FieldName;

/// Different values that `values` keeps: the first in their order.
const VALUES_MAX: usize = 100;

/// An aggregate of one row.
#[derive(Debug)]
pub(super) enum State {
    Count(u64),
    /// Whole numbers exactly, the others beside them.
    Sum {
        whole: i128,
        other: f64,
        count: u64,
        fraction: bool,
    },
    Deviation(Deviation),
    Least(Cell),
    Greatest(Cell),
    Distinct(Distinct),
    Values(BTreeMap<Vec<u8>, Cell>),
    /// The value received first, and when.
    Oldest(Cell, Seq),
    /// The value received last, and when.
    Newest(Cell, Seq),
    Numbers(Numbers),
    Rate {
        count: u64,
        /// The least and the greatest `@timestamp`.
        span: Option<(Micros, Micros)>,
    },
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
            Function::Sum | Function::Avg => Self::Sum {
                whole: 0,
                other: 0.0,
                count: 0,
                fraction: false,
            },
            Function::Deviation => Self::Deviation(Deviation::default()),
            Function::Min => Self::Least(Cell::Null),
            Function::Max => Self::Greatest(Cell::Null),
            Function::Distinct => Self::Distinct(Distinct::default()),
            Function::Values => Self::Values(BTreeMap::new()),
            Function::First => Self::Oldest(Cell::Null, Seq::MAX),
            Function::Last => Self::Newest(Cell::Null, Seq(0)),
            Function::Percentile(_) => Self::Numbers(Numbers::default()),
            Function::Rate => Self::Rate {
                count: 0,
                span: None,
            },
        }
    }

    /// Counts events, where it counts those.
    pub(super) fn count(&mut self, events: u64) {
        if let Self::Count(count) | Self::Rate { count, .. } = self {
            *count += events;
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
        let timestamp = FieldName::from(Field::TIMESTAMP);
        let field = match (&aggregate.field, aggregate.function) {
            (_, Function::Rate) => {
                self.count(1);
                &timestamp
            }
            (Some(field), _) => field,
            (None, _) => {
                self.count(1);
                return Ok(());
            }
        };
        for value in super::run::values_of(field, event) {
            self.take(value, event.seq(), memory, hasher)?;
        }
        Ok(())
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
            Self::Sum {
                whole,
                other,
                count,
                fraction,
            } => {
                if let Value::Integer(number) = value {
                    *count += 1;
                    *whole += i128::from(number);
                } else if let Some(number) = number(value) {
                    *count += 1;
                    *fraction = true;
                    *other += number;
                }
            }
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
            Self::Oldest(oldest, when) => {
                if at <= *when {
                    replace(oldest, value, memory, |_, _| true)?;
                    *when = at;
                }
            }
            Self::Newest(newest, when) => {
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
            Self::Rate { span, .. } => {
                if let Value::Date(at) = value {
                    widen(span, (at, at));
                }
            }
        }
        Ok(())
    }

    /// Adds what another thread has for the same row.
    pub(super) fn merge(&mut self, other: Self, memory: &Memory) -> Result<(), PipeError> {
        match (self, other) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (
                Self::Sum {
                    whole,
                    other,
                    count,
                    fraction,
                },
                Self::Sum {
                    whole: more_whole,
                    other: more_other,
                    count: more_count,
                    fraction: more_fraction,
                },
            ) => {
                *whole += more_whole;
                *other += more_other;
                *count += more_count;
                *fraction |= more_fraction;
            }
            (Self::Deviation(one), Self::Deviation(two)) => one.merge(two),
            (Self::Least(one), Self::Least(two)) => {
                if *one == Cell::Null || (two != Cell::Null && two.order(one).is_lt()) {
                    *one = two;
                }
            }
            (Self::Greatest(one), Self::Greatest(two)) => {
                if *one == Cell::Null || (two != Cell::Null && two.order(one).is_gt()) {
                    *one = two;
                }
            }
            (Self::Distinct(one), Self::Distinct(two)) => one.merge(two, memory)?,
            (Self::Values(one), Self::Values(two)) => {
                two.into_values()
                    .try_for_each(|cell| keep(one, cell, memory))?;
            }
            (Self::Oldest(one, when), Self::Oldest(two, other)) => {
                if two != Cell::Null && (*one == Cell::Null || other < *when) {
                    (*one, *when) = (two, other);
                }
            }
            (Self::Newest(one, when), Self::Newest(two, other)) => {
                if two != Cell::Null && (*one == Cell::Null || other > *when) {
                    (*one, *when) = (two, other);
                }
            }
            (Self::Numbers(one), Self::Numbers(two)) => one.merge(two, memory)?,
            (
                Self::Rate { count, span },
                Self::Rate {
                    count: more,
                    span: other,
                },
            ) => {
                *count += more;
                if let Some(other) = other {
                    widen(span, other);
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
            Self::Sum { count: 0, .. } => Cell::Null,
            Self::Sum {
                whole,
                other,
                count,
                ..
            } if function == Function::Avg => {
                Cell::Float((approximately(whole) + other) / count as f64)
            }
            Self::Sum {
                whole,
                fraction: false,
                ..
            } => match i64::try_from(whole) {
                Ok(sum) => Cell::Integer(sum),
                Err(_) => Cell::Float(approximately(whole)),
            },
            Self::Sum { whole, other, .. } => Cell::Float(approximately(whole) + other),
            Self::Deviation(deviation) => deviation.standard().map_or(Cell::Null, Cell::Float),
            Self::Least(cell)
            | Self::Greatest(cell)
            | Self::Newest(cell, _)
            | Self::Oldest(cell, _) => cell,
            Self::Distinct(distinct) => whole(distinct.count()),
            Self::Values(values) => Cell::List(values.into_values().collect()),
            Self::Numbers(numbers) => match function {
                Function::Percentile(of_ten_thousand) => numbers
                    .percentile(of_ten_thousand)
                    .map_or(Cell::Null, Cell::Float),
                _ => Cell::Null,
            },
            Self::Rate { count, span } => {
                let between = span.map(|(first, last)| {
                    last.0.saturating_sub(first.0) as f64 / Micros::PER_SECOND as f64
                });
                match seconds.or(between).filter(|seconds| *seconds > 0.0) {
                    Some(seconds) => Cell::Float(count as f64 / seconds),
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
