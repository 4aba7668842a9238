//! Rows by key.

use std::hash::{BuildHasher as _, Hasher as _};

use event::{Event, FieldKind, Micros, Value};
use hashbrown::HashTable;

use super::aggregate::State;
use super::memory::Memory;
use super::run::cells_of_field;
use super::table::{Cell, Table, first_difference};
use super::{Function, Key, PipeError, SortKey, SortOrder, Stage, Stats};
use crate::matches;

/// Combinations that one event's lists may make.
pub const COMBINATIONS_MAX: usize = 256;
/// What an aggregate other than a count costs a row, in bytes, about.
const AGGREGATE_BYTES: usize = 96;

/// The rows of a stage `stats` in the making, from events or from what columns hold of them.
///
/// The rows that come out do not depend on the order of what comes in. A row that is counted by one address costs some
/// seventy bytes.
#[derive(Debug)]
pub struct Groups {
    stats: Stats,
    /// The keys of all rows, one row after another.
    keys: Vec<Cell>,
    /// Their aggregates in the making, likewise.
    states: Vec<State>,
    len: usize,
    /// Rows by their keys.
    places: HashTable<RowId>,
    memory: Memory,
    /// Of keys, and of values that are counted as different or not.
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

impl Groups {
    /// No rows yet; they may take what `memory` holds.
    #[must_use]
    pub fn new(stats: Stats, memory: Memory) -> Self {
        Self::with(stats, memory, ahash::RandomState::new())
    }

    /// No rows yet, to be [merged](Self::merge) with these: for another thread.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::with(self.stats.clone(), self.memory.clone(), self.hasher.clone())
    }

    fn with(stats: Stats, memory: Memory, hasher: ahash::RandomState) -> Self {
        Self {
            stats,
            keys: Vec::new(),
            states: Vec::new(),
            len: 0,
            places: HashTable::new(),
            memory,
            hasher,
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
            let states = states_of(&mut self.states, &self.stats, row);
            for (aggregate, state) in self.stats.aggregates.iter().zip(states) {
                state.take_event(aggregate, event, &self.memory, &self.hasher)?;
            }
        }
        Ok(())
    }

    /// The row with these keys, which is made if it is not there.
    ///
    /// # Errors
    /// The rows take more memory than they may.
    pub fn row(
        &mut self,
        keys: impl AsRef<[Cell]> + IntoIterator<Item = Cell>,
    ) -> Result<RowId, PipeError> {
        let width = self.stats.by.len();
        let (all, hasher) = (&self.keys, &self.hasher);
        let hash = hash_of(hasher, keys.as_ref());
        let is_same = |row: &RowId| {
            let known = keys_of(all, width, *row).iter();
            let mut pairs = known.zip(keys.as_ref());
            pairs.all(|(one, two)| one.has_same_key(two))
        };
        if let Some(row) = self.places.find(hash, is_same) {
            return Ok(*row);
        }
        let aggregates = self.stats.aggregates.iter();
        let states: usize = aggregates
            .clone()
            .map(|aggregate| match aggregate.function {
                Function::Count => size_of::<State>(),
                _ => size_of::<State>() + AGGREGATE_BYTES,
            })
            .sum();
        let cells: usize = keys.as_ref().iter().map(Cell::bytes).sum();
        self.memory.take(2 * size_of::<RowId>() + cells + states)?;
        let row = RowId(u32::try_from(self.len).unwrap_or(u32::MAX));
        self.len += 1;
        self.states
            .extend(aggregates.map(|aggregate| State::new(aggregate.function)));
        self.keys.extend(keys);
        let (all, hasher) = (&self.keys, &self.hasher);
        self.places
            .insert_unique(hash, row, |row| hash_of(hasher, keys_of(all, width, *row)));
        Ok(row)
    }

    /// Makes room for so many further rows.
    pub fn reserve(&mut self, rows: usize) {
        let width = self.stats.by.len();
        self.keys.reserve(rows * width);
        self.states.reserve(rows * self.stats.aggregates.len());
        let (all, hasher) = (&self.keys, &self.hasher);
        self.places
            .reserve(rows, |row| hash_of(hasher, keys_of(all, width, *row)));
    }

    /// Counts so many events in the row, for the aggregate of that number, a `count()`.
    pub fn count(&mut self, row: RowId, aggregate: usize, events: u64) {
        if let Some(state) = states_of(&mut self.states, &self.stats, row).get_mut(aggregate) {
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
        match states_of(&mut self.states, &self.stats, row).get_mut(aggregate) {
            Some(state) => state.take(value, at, &self.memory, &self.hasher),
            None => Ok(()),
        }
    }

    /// Adds the rows of a [fork](Self::fork).
    ///
    /// # Errors
    /// The rows take more memory than they may.
    pub fn merge(&mut self, other: Self) -> Result<(), PipeError> {
        if self.len < other.len {
            let smaller = std::mem::replace(self, other);
            return self.merge(smaller);
        }
        let mut keys = other.keys.into_iter();
        let mut states = other.states.into_iter();
        for _ in 0..other.len {
            let keys: Vec<Cell> = keys.by_ref().take(self.stats.by.len()).collect();
            let row = self.row(keys)?;
            let known = states_of(&mut self.states, &self.stats, row);
            for (state, more) in known.iter_mut().zip(states.by_ref()) {
                state.merge(more, &self.memory)?;
            }
        }
        Ok(())
    }

    /// The keys of each row, and what its first aggregate, a `count()`, has counted; in no order.
    pub fn counts(&self) -> impl Iterator<Item = (&[Cell], u64)> {
        let width = self.stats.aggregates.len();
        (0..u32::try_from(self.len).unwrap_or(u32::MAX)).map(move |row| {
            let count = match self.states.get(row as usize * width) {
                Some(State::Count(count)) => *count,
                _ => 0,
            };
            (keys_of(&self.keys, self.stats.by.len(), RowId(row)), count)
        })
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The table, rows in the order of their keys; without keys there is one row, whatever came.
    #[must_use]
    pub fn table(self) -> Table {
        self.first(&Wish::default())
    }

    /// The rows of the table that are wanted: as sorting all and taking the first would give them.
    #[must_use]
    pub fn first(mut self, wish: &Wish) -> Table {
        if self.len == 0 && self.stats.by.is_empty() {
            self.len = 1;
            let aggregates = self.stats.aggregates.iter();
            self.states
                .extend(aggregates.map(|aggregate| State::new(aggregate.function)));
        }
        let rows = self.in_order(wish);
        let Stats { aggregates, by } = self.stats;
        let columns = by
            .iter()
            .map(|key| key.column().into())
            .chain(aggregates.iter().map(|aggregate| aggregate.name.clone()));
        let mut cells = |row: u32| {
            let row = row as usize;
            let keys = self.keys.get_mut(row * by.len()..).unwrap_or_default();
            let keys = keys
                .iter_mut()
                .take(by.len())
                .map(|cell| std::mem::replace(cell, Cell::Null));
            let mut line: Vec<Cell> = keys.collect();
            let seconds = by
                .iter()
                .zip(&line)
                .find_map(|(key, cell)| key.seconds(cell));
            let states = self
                .states
                .get_mut(row * aggregates.len()..)
                .unwrap_or_default();
            for (aggregate, state) in aggregates.iter().zip(states) {
                let state = std::mem::replace(state, State::Count(0));
                line.push(state.cell(aggregate.function, seconds));
            }
            line
        };
        Table {
            columns: columns.collect(),
            rows: rows.into_iter().map(&mut cells).collect(),
        }
    }

    /// The numbers of the rows that are wanted, in the order that is wanted; among equals in that of their keys.
    fn in_order(&self, wish: &Wish) -> Vec<u32> {
        let (by, aggregates) = (&self.stats.by, &self.stats.aggregates);
        let mut rows: Vec<u32> = (0..u32::try_from(self.len).unwrap_or(u32::MAX)).collect();
        // What an aggregate gives is computed once a row, not once a comparison.
        let computed: Vec<Option<Vec<Cell>>> = wish
            .order
            .iter()
            .map(|key| {
                let number = aggregates
                    .iter()
                    .position(|aggregate| aggregate.name == key.column)?;
                Some(rows.iter().map(|row| self.cell_of(*row, number)).collect())
            })
            .collect();
        let key_cell = |row: u32, key: usize| {
            let cell = self.keys.get(row as usize * by.len() + key);
            cell.unwrap_or(&Cell::Null)
        };
        let places: Vec<Option<usize>> = wish
            .order
            .iter()
            .map(|key| by.iter().position(|by| by.column() == &*key.column))
            .collect();
        let compare = |one: &u32, two: &u32| {
            let wished = wish.order.iter().zip(&computed).zip(&places);
            let wished = wished.map(|((key, computed), place)| {
                let cell = |row: u32| match (computed, place) {
                    // A key's column stands before an aggregate's of the same name.
                    (_, Some(place)) => key_cell(row, *place),
                    (Some(cells), None) => cells.get(row as usize).unwrap_or(&Cell::Null),
                    (None, None) => &Cell::Null,
                };
                match key.order {
                    SortOrder::Ascending => cell(*one).order(cell(*two)),
                    SortOrder::Descending => cell(*two).order(cell(*one)),
                }
            });
            let by_keys = (0..by.len()).map(|key| key_cell(*one, key).order(key_cell(*two, key)));
            first_difference(wished.chain(by_keys))
        };
        if wish.rows < rows.len() {
            if wish.rows > 0 {
                rows.select_nth_unstable_by(wish.rows - 1, compare);
            }
            rows.truncate(wish.rows);
        }
        rows.sort_unstable_by(compare);
        rows
    }

    /// What an aggregate of a row gives.
    fn cell_of(&self, row: u32, aggregate: usize) -> Cell {
        let (by, aggregates) = (&self.stats.by, &self.stats.aggregates);
        let state = self.states.get(row as usize * aggregates.len() + aggregate);
        let function = aggregates
            .get(aggregate)
            .map(|aggregate| aggregate.function);
        let (Some(state), Some(function)) = (state, function) else {
            return Cell::Null;
        };
        let keys = keys_of(&self.keys, by.len(), RowId(row));
        let seconds = by
            .iter()
            .zip(keys)
            .find_map(|(key, cell)| key.seconds(cell));
        state.clone().cell(function, seconds)
    }
}

/// Which rows of a table are wanted: the first so many in that order, equal ones in the order of their keys.
#[derive(Clone, Debug)]
pub struct Wish {
    /// By which columns; none is the order of the keys.
    pub order: Vec<SortKey>,
    /// How many rows.
    pub rows: usize,
}

impl Default for Wish {
    /// All, in the order of their keys.
    fn default() -> Self {
        Self {
            order: Vec::new(),
            rows: usize::MAX,
        }
    }
}

impl Stats {
    /// How many rows are wanted where these are the ones with the most events, whatever decides among equals.
    #[must_use]
    pub fn most_frequent(&self, wish: &Wish) -> Option<usize> {
        let first = wish.order.first()?;
        let mut aggregates = self.aggregates.iter();
        let aggregate = aggregates.find(|aggregate| aggregate.name == first.column)?;
        let is_count = aggregate.function == Function::Count && aggregate.field.is_none();
        let is_key = self.by.iter().any(|key| key.column() == &*first.column);
        let by_count = is_count && !is_key && first.order == SortOrder::Descending;
        by_count.then_some(wish.rows)
    }
}

impl Wish {
    /// The rows that the stages behind want, and the stages that are left then; `rows` is how many are wanted at the end.
    #[must_use]
    pub fn of(stages: &[Stage], rows: usize) -> (Self, &[Stage]) {
        let (order, rest) = match stages {
            [Stage::Sort(order), rest @ ..] => (order.clone(), rest),
            rest => (Vec::new(), rest),
        };
        match rest {
            [] => (Self { order, rows }, rest),
            [Stage::Head(head), rest @ ..] => (Self { order, rows: *head }, rest),
            _ => (
                Self {
                    order,
                    rows: usize::MAX,
                },
                rest,
            ),
        }
    }
}

fn keys_of(keys: &[Cell], width: usize, row: RowId) -> &[Cell] {
    let start = row.number() * width;
    keys.get(start..start + width).unwrap_or_default()
}

fn states_of<'s>(states: &'s mut [State], stats: &Stats, row: RowId) -> &'s mut [State] {
    let width = stats.aggregates.len();
    let start = row.number() * width;
    states.get_mut(start..start + width).unwrap_or_default()
}

fn hash_of(hasher: &ahash::RandomState, keys: &[Cell]) -> u64 {
    let mut hash = hasher.build_hasher();
    keys.iter().for_each(|cell| cell.hash_key(&mut hash));
    hash.finish()
}

impl Key {
    /// The values by which an event is put into rows: none, one or several.
    #[must_use]
    pub fn cells(&self, event: &Event) -> Vec<Cell> {
        match self {
            Self::Field(field) => or_null(cells_of_field(field, event)),
            Self::Time { field, .. } => {
                let cells = cells_of_field(field, event);
                let dates = cells
                    .iter()
                    .filter_map(|cell| Some(cell.value()?.typed(FieldKind::Date)));
                or_null(dates.filter_map(|value| self.cell_of(value)).collect())
            }
            Self::Number { field, .. } => {
                let cells = cells_of_field(field, event);
                let values = cells.iter().filter_map(Cell::value);
                let mut cells = or_null(values.filter_map(|value| self.cell_of(value)).collect());
                cells.dedup();
                cells
            }
            Self::Ranges { field, ranges } => {
                let cells = cells_of_field(field, event);
                let values = cells.iter().filter_map(Cell::value);
                let values: Vec<f64> = values.filter_map(measure).collect();
                let within =
                    |range: &&super::Interval| values.iter().any(|value| range.contains(*value));
                let within = ranges.iter().filter(within);
                within.map(|range| Cell::Text(range.name.clone())).collect()
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

fn or_null(mut cells: Vec<Cell>) -> Vec<Cell> {
    if cells.is_empty() {
        cells.push(Cell::Null);
    }
    cells
}
