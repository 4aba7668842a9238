//! Rows by key.

use std::collections::HashMap;

use event::{Event, Micros, Value};

use super::aggregate::State;
use super::memory::Memory;
use super::run::values_of;
use super::table::{Cell, Table, key_of};
use super::{Key, PipeError, Stats};
use crate::matches;

/// Combinations that one event's lists may make.
pub const COMBINATIONS_MAX: usize = 256;
/// What a row costs beside its values, in bytes, about.
const ROW_BYTES: usize = 160;

/// The rows of a stage `stats` in the making, from events or from what columns hold of them.
///
/// The rows that come out do not depend on the order of what comes in.
#[derive(Debug)]
pub struct Groups {
    stats: Stats,
    rows: Vec<Row>,
    places: HashMap<Box<[u8]>, RowId, ahash::RandomState>,
    memory: Memory,
    /// Of values that are counted as different or not.
    hasher: ahash::RandomState,
}

/// A row of [`Groups`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowId(u32);

impl RowId {
    /// Its number among the rows, from 0 on.
    #[must_use]
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct Row {
    keys: Box<[Cell]>,
    states: Box<[State]>,
}

impl Groups {
    /// No rows yet; they may take what `memory` holds.
    #[must_use]
    pub fn new(stats: Stats, memory: Memory) -> Self {
        let hasher = ahash::RandomState::new();
        Self {
            stats,
            rows: Vec::new(),
            places: HashMap::default(),
            memory,
            hasher,
        }
    }

    /// No rows yet, to be [merged](Self::merge) with these: for another thread.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            stats: self.stats.clone(),
            rows: Vec::new(),
            places: HashMap::default(),
            memory: self.memory.clone(),
            hasher: self.hasher.clone(),
        }
    }

    /// What it computes.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Adds an event.
    ///
    /// # Errors
    /// The rows take more memory than they may.
    pub fn push(&mut self, event: &Event) -> Result<(), PipeError> {
        let mut combinations: Vec<Vec<Cell>> = vec![Vec::new()];
        for key in &self.stats.by {
            let cells = key.cells(event);
            if let [cell] = cells.as_slice() {
                for combination in &mut combinations {
                    combination.push(cell.clone());
                }
                continue;
            }
            let with = |combination: &Vec<Cell>, cell: &Cell| {
                let mut longer = combination.clone();
                longer.push(cell.clone());
                longer
            };
            combinations = combinations
                .iter()
                .flat_map(|combination| cells.iter().map(move |cell| with(combination, cell)))
                .take(COMBINATIONS_MAX)
                .collect();
        }
        for keys in combinations {
            let row = self.row(keys)?;
            let Some(row) = self.rows.get_mut(row.number()) else {
                continue;
            };
            for (aggregate, state) in self.stats.aggregates.iter().zip(&mut row.states) {
                state.take_event(aggregate, event, &self.memory, &self.hasher)?;
            }
        }
        Ok(())
    }

    /// The row with these keys, which is made if it is not there.
    ///
    /// # Errors
    /// The rows take more memory than they may.
    pub fn row(&mut self, keys: Vec<Cell>) -> Result<RowId, PipeError> {
        let key = key_of(keys.iter());
        if let Some(row) = self.places.get(key.as_slice()) {
            return Ok(*row);
        }
        let cells: usize = keys.iter().map(Cell::bytes).sum();
        self.memory
            .take(ROW_BYTES * (1 + self.stats.aggregates.len()) + key.len() + cells)?;
        let row = RowId(u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
        let aggregates = self.stats.aggregates.iter();
        self.rows.push(Row {
            keys: keys.into(),
            states: aggregates
                .map(|aggregate| State::new(aggregate.function))
                .collect(),
        });
        self.places.insert(key.into(), row);
        Ok(row)
    }

    /// Counts so many events in the row, for the aggregate of that number, a `count()`.
    pub fn count(&mut self, row: RowId, aggregate: usize, events: u64) {
        let states = self.rows.get_mut(row.number()).map(|row| &mut row.states);
        if let Some(state) = states.and_then(|states| states.get_mut(aggregate)) {
            state.count(events);
        }
    }

    /// Gives the aggregate of that number a value of its field, of an event of that Seq.
    ///
    /// # Errors
    /// The rows take more memory than they may.
    pub fn take(
        &mut self,
        row: RowId,
        aggregate: usize,
        value: Value<'_>,
        at: event::Seq,
    ) -> Result<(), PipeError> {
        let states = self.rows.get_mut(row.number()).map(|row| &mut row.states);
        match states.and_then(|states| states.get_mut(aggregate)) {
            Some(state) => state.take(value, at, &self.memory, &self.hasher),
            None => Ok(()),
        }
    }

    /// Adds the rows of a [fork](Self::fork).
    ///
    /// # Errors
    /// The rows take more memory than they may.
    pub fn merge(&mut self, other: Self) -> Result<(), PipeError> {
        if self.rows.is_empty() {
            (self.rows, self.places) = (other.rows, other.places);
            return Ok(());
        }
        for row in other.rows {
            let known = self.row(row.keys.into_vec())?;
            let Some(known) = self.rows.get_mut(known.number()) else {
                continue;
            };
            for (state, more) in known.states.iter_mut().zip(row.states) {
                state.merge(more, &self.memory)?;
            }
        }
        Ok(())
    }

    /// The table, rows in the order of their keys; without keys there is one row, whatever came.
    #[must_use]
    pub fn table(mut self) -> Table {
        if self.rows.is_empty() && self.stats.by.is_empty() {
            // Cannot fail: a budget that is too small for one row has failed before.
            let aggregates = self.stats.aggregates.iter();
            self.rows.push(Row {
                keys: Box::default(),
                states: aggregates
                    .map(|aggregate| State::new(aggregate.function))
                    .collect(),
            });
        }
        let Stats { aggregates, by } = self.stats;
        let columns = by
            .iter()
            .map(|key| key.column().into())
            .chain(aggregates.iter().map(|aggregate| aggregate.name.clone()));
        let cells = |row: Row| {
            let seconds = by
                .iter()
                .zip(&row.keys)
                .find_map(|(key, cell)| key.seconds(cell));
            let states = aggregates.iter().zip(row.states);
            let values = states.map(|(aggregate, state)| state.cell(aggregate.function, seconds));
            row.keys.iter().cloned().chain(values).collect()
        };
        let mut table = Table {
            columns: columns.collect(),
            rows: self.rows.into_iter().map(cells).collect(),
        };
        table.sort_by_keys(by.len());
        table
    }
}

impl Key {
    /// The values by which an event is put into rows: none, one or several.
    #[must_use]
    pub fn cells(&self, event: &Event) -> Vec<Cell> {
        match self {
            Self::Field(field) => or_null(values_of(field, event).into_iter().map(Cell::from)),
            Self::Time { field, .. } => {
                or_null(values_of(field, event).into_iter().filter_map(|value| {
                    match value.typed(event::FieldKind::Date) {
                        Value::Date(at) => self.cell_of(Value::Date(at)),
                        _ => None,
                    }
                }))
            }
            Self::Number { field, .. } => {
                let values = values_of(field, event).into_iter();
                let mut cells = or_null(values.filter_map(|value| self.cell_of(value)));
                cells.dedup();
                cells
            }
            Self::Ranges { field, ranges } => {
                let values: Vec<f64> = values_of(field, event)
                    .into_iter()
                    .filter_map(measure)
                    .collect();
                let within =
                    |range: &&super::Interval| values.iter().any(|value| range.contains(*value));
                ranges
                    .iter()
                    .filter(within)
                    .map(|range| Cell::Text(range.name.clone()))
                    .collect()
            }
            Self::Conditions(conditions) => {
                let met = conditions.iter().filter(|(_, expr)| matches(expr, event));
                met.map(|(name, _)| Cell::Text(name.clone())).collect()
            }
        }
    }

    /// The one cell of a value, where values have one: not of ranges and conditions.
    #[must_use]
    pub fn cell_of(&self, value: Value<'_>) -> Option<Cell> {
        match (self, value) {
            (Self::Field(_), value) => Some(Cell::from(value)),
            (Self::Time { step, .. }, Value::Date(at)) => Some(Cell::Date(step.span(at).start)),
            (Self::Number { width, offset, .. }, value) => {
                let number = Cell::from(value).number()?;
                let low = ((number - offset) / width).floor() * width + offset;
                Some(Cell::Float(low))
            }
            (Self::Time { .. } | Self::Ranges { .. } | Self::Conditions(_), _) => None,
        }
    }

    /// How long the span of time is that the cell of this key stands for.
    fn seconds(&self, cell: &Cell) -> Option<f64> {
        match (self, cell) {
            (Self::Time { step, .. }, Cell::Date(start)) => {
                let span = step.span(*start);
                #[expect(clippy::cast_precision_loss, reason = "a rate is approximate")]
                let seconds = (span.end.0 - span.start.0) as f64 / Micros::PER_SECOND as f64;
                Some(seconds)
            }
            _ => None,
        }
    }
}

/// A number, or a date in microseconds: what ranges compare.
#[must_use]
pub fn measure(value: Value<'_>) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
        Value::Date(at) => Some(at.0 as f64),
        value => Cell::from(value).number(),
    }
}

fn or_null(cells: impl Iterator<Item = Cell>) -> Vec<Cell> {
    let mut cells: Vec<Cell> = cells.collect();
    if cells.is_empty() {
        cells.push(Cell::Null);
    }
    cells
}
