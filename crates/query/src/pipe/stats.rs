//! Rows by key, and what is computed for each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use event::{Event, Field, Micros, Value};

use super::run::{Memory, PipeError, values_of};
use super::table::{Cell, Table, key_of};
use super::{Aggregate, Function, Key, Stats};

/// Different values that `values` keeps.
const VALUES_MAX: usize = 100;
/// Combinations that one event's lists may make.
const COMBINATIONS_MAX: usize = 256;
/// What a row costs beside its values, in bytes, about.
const ROW_BYTES: usize = 160;

/// The rows in the making.
#[derive(Debug)]
pub(super) struct Groups {
    stats: Stats,
    rows: HashMap<Box<[u8]>, Row>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Row {
    keys: Vec<Cell>,
    states: Vec<State>,
}

/// An aggregate in the making.
#[derive(Debug)]
enum State {
    Count(u64),
    /// Whole numbers exactly, the others beside them.
    Sum {
        whole: i128,
        other: f64,
        seen: bool,
        fraction: bool,
    },
    Avg {
        sum: f64,
        count: u64,
    },
    Least(Cell),
    Greatest(Cell),
    /// Hashes of the different values.
    Distinct(HashSet<u64>),
    Values(BTreeMap<Vec<u8>, Cell>),
    /// Events come newest first.
    Newest(Cell),
    Oldest(Cell),
    Numbers(Vec<f64>),
}

impl Groups {
    pub(super) fn new(stats: Stats) -> Self {
        Self {
            stats,
            rows: HashMap::new(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn push(&mut self, event: &Event, memory: &mut Memory) -> Result<(), PipeError> {
        let mut combinations: Vec<Vec<Cell>> = vec![Vec::new()];
        for key in &self.stats.by {
            let cells = cells_of(key, event);
            if cells.len() == 1 {
                for combination in &mut combinations {
                    combination.extend(cells.first().cloned());
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
            self.count(keys, event, memory)?;
        }
        Ok(())
    }

    fn count(
        &mut self,
        keys: Vec<Cell>,
        event: &Event,
        memory: &mut Memory,
    ) -> Result<(), PipeError> {
        let key = key_of(keys.iter());
        if !self.rows.contains_key(key.as_slice()) {
            let cells: usize = keys.iter().map(Cell::bytes).sum();
            memory.take(ROW_BYTES * (1 + self.stats.aggregates.len()) + key.len() + cells)?;
            let states = self.stats.aggregates.iter().map(State::new).collect();
            self.rows
                .insert(key.as_slice().into(), Row { keys, states });
        }
        let Some(row) = self.rows.get_mut(key.as_slice()) else {
            return Ok(());
        };
        for (aggregate, state) in self.stats.aggregates.iter().zip(&mut row.states) {
            match &aggregate.field {
                None => state.count(),
                Some(field) => {
                    for value in values_of(field, event) {
                        state.take(value, &self.hasher, memory)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The table, rows in the order of their keys; without keys there is one row, whatever came.
    pub(super) fn table(self) -> Table {
        let Stats { aggregates, by } = self.stats;
        let columns = by
            .iter()
            .map(|key| key.column().into())
            .chain(aggregates.iter().map(|aggregate| aggregate.name.clone()));
        let mut rows: Vec<Row> = self.rows.into_values().collect();
        if rows.is_empty() && by.is_empty() {
            rows.push(Row {
                keys: Vec::new(),
                states: aggregates.iter().map(State::new).collect(),
            });
        }
        let cells = |row: Row| {
            let states = aggregates.iter().zip(row.states);
            let values = states.map(|(aggregate, state)| state.cell(aggregate.function));
            row.keys.into_iter().chain(values).collect()
        };
        let mut table = Table {
            columns: columns.collect(),
            rows: rows.into_iter().map(cells).collect(),
        };
        table.sort_by_keys(by.len());
        table
    }
}

fn cells_of(key: &Key, event: &Event) -> Vec<Cell> {
    match key {
        Key::Field(field) => {
            let cells: Vec<Cell> = values_of(field, event)
                .into_iter()
                .map(Cell::from)
                .collect();
            if cells.is_empty() {
                vec![Cell::Null]
            } else {
                cells
            }
        }
        Key::Bucket(seconds) => {
            let Some(Value::Date(at)) = event.get(Field::TIMESTAMP) else {
                return vec![Cell::Null];
            };
            let width = i64::try_from(*seconds)
                .unwrap_or(i64::MAX)
                .saturating_mul(Micros::PER_SECOND);
            let start = at.0.div_euclid(width.max(1)).saturating_mul(width.max(1));
            vec![Cell::Date(Micros(start))]
        }
    }
}

impl State {
    fn new(aggregate: &Aggregate) -> Self {
        match aggregate.function {
            Function::Count => Self::Count(0),
            Function::Sum => Self::Sum {
                whole: 0,
                other: 0.0,
                seen: false,
                fraction: false,
            },
            Function::Avg => Self::Avg { sum: 0.0, count: 0 },
            Function::Min => Self::Least(Cell::Null),
            Function::Max => Self::Greatest(Cell::Null),
            Function::Distinct => Self::Distinct(HashSet::new()),
            Function::Values => Self::Values(BTreeMap::new()),
            Function::First => Self::Oldest(Cell::Null),
            Function::Last => Self::Newest(Cell::Null),
            Function::Percentile(_) => Self::Numbers(Vec::new()),
        }
    }

    fn count(&mut self) {
        if let Self::Count(count) = self {
            *count += 1;
        }
    }

    fn take(
        &mut self,
        value: Value<'_>,
        hasher: &RandomState,
        memory: &mut Memory,
    ) -> Result<(), PipeError> {
        let cell = Cell::from(value);
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum {
                whole,
                other,
                seen,
                fraction,
            } => match (&cell, cell.number()) {
                (Cell::Integer(number), _) => {
                    *seen = true;
                    *whole += i128::from(*number);
                }
                (_, Some(number)) => {
                    (*seen, *fraction) = (true, true);
                    *other += number;
                }
                (_, None) => {}
            },
            Self::Avg { sum, count } => {
                if let Some(number) = cell.number() {
                    *sum += number;
                    *count += 1;
                }
            }
            Self::Least(least) => {
                if *least == Cell::Null || cell.order(least).is_lt() {
                    *least = cell;
                }
            }
            Self::Greatest(greatest) => {
                if *greatest == Cell::Null || cell.order(greatest).is_gt() {
                    *greatest = cell;
                }
            }
            Self::Distinct(hashes) => {
                let key = key_of(std::iter::once(&cell));
                if hashes.insert(hasher.hash_one(&key)) {
                    memory.take(2 * size_of::<u64>())?;
                }
            }
            Self::Values(values) => {
                let key = key_of(std::iter::once(&cell));
                if values.len() < VALUES_MAX && !values.contains_key(&key) {
                    memory.take(key.len() + 2 * cell.bytes())?;
                    values.insert(key, cell);
                }
            }
            Self::Newest(newest) => {
                if *newest == Cell::Null {
                    *newest = cell;
                }
            }
            Self::Oldest(oldest) => *oldest = cell,
            Self::Numbers(numbers) => {
                if let Some(number) = cell.number() {
                    memory.take(size_of::<f64>())?;
                    numbers.push(number);
                }
            }
        }
        Ok(())
    }

    fn cell(self, function: Function) -> Cell {
        match self {
            Self::Count(count) => Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX)),
            Self::Sum { seen: false, .. } => Cell::Null,
            Self::Sum {
                whole,
                fraction: false,
                ..
            } => match i64::try_from(whole) {
                Ok(sum) => Cell::Integer(sum),
                Err(_) => Cell::Float(approximately(whole)),
            },
            Self::Sum { whole, other, .. } => Cell::Float(approximately(whole) + other),
            Self::Avg { count: 0, .. } => Cell::Null,
            #[expect(clippy::cast_precision_loss, reason = "a mean is approximate")]
            Self::Avg { sum, count } => Cell::Float(sum / count as f64),
            Self::Least(cell) | Self::Greatest(cell) | Self::Newest(cell) | Self::Oldest(cell) => {
                cell
            }
            Self::Distinct(hashes) => {
                Cell::Integer(i64::try_from(hashes.len()).unwrap_or(i64::MAX))
            }
            Self::Values(values) => Cell::List(values.into_values().collect()),
            Self::Numbers(numbers) => match function {
                Function::Percentile(hundredths) => percentile(numbers, hundredths),
                _ => Cell::Null,
            },
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "beyond what whole numbers hold, a sum is approximate"
)]
fn approximately(whole: i128) -> f64 {
    whole as f64
}

/// The nearest rank: the least number that at least so many hundredths of all do not exceed.
fn percentile(mut numbers: Vec<f64>, hundredths: u8) -> Cell {
    numbers.sort_by(f64::total_cmp);
    let rank = (numbers.len() * usize::from(hundredths)).div_ceil(100);
    let found = numbers.get(rank.max(1) - 1);
    found.map_or(Cell::Null, |number| Cell::Float(*number))
}
