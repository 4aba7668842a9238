//! Runs a pipeline over events, newest first, in bounded memory.

use std::borrow::Cow;
use std::collections::HashSet;
use std::convert::Infallible;

use bytes::Bytes;
use event::{Event, Field, Seq, Value};

use super::enrichment::Enrichment;
use super::formula::Formula;
use super::memory::Memory;
use super::stats::Groups;
use super::table::{Cell, Table, first_difference, key_of};
use super::{SortKey, SortOrder, Stage};
use crate::{Expr, FieldName, matches};

/// Why a pipeline gives no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PipeError {
    /// It would take more memory than it may.
    #[error(
        "the rows take more than {limit} MiB: narrow the filter or the span of time, group by fewer fields, or take fewer columns"
    )]
    Memory {
        /// In MiB.
        limit: usize,
    },
    /// All together would take more memory than there is for them.
    #[error(
        "the searches that run hold all the memory for rows: ask again in a moment, or narrow the filter or the span of time"
    )]
    Busy,
}

/// Whether more events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Yes.
    More,
    /// No: nothing that comes could change the table.
    Enough,
}

/// A pipeline at work.
///
/// Events come newest first, as a search gives them. Up to the first stage that makes a table each is looked at by
/// itself; the stages behind it work on the table when all have come.
#[derive(Debug)]
pub struct PipeRun {
    before: Vec<EventStage>,
    rows: Rows,
    after: Vec<Stage>,
    memory: Memory,
}

/// A stage before there is a table.
#[derive(Debug)]
enum EventStage {
    Where(Expr),
    Eval(Vec<(FieldName, Formula)>),
    Enrich(Enrichment),
    Head {
        left: usize,
    },
    Dedup {
        fields: Vec<FieldName>,
        seen: HashSet<Box<[u8]>>,
    },
}

/// The stage that makes the table.
#[derive(Debug)]
enum Rows {
    Stats(Box<Groups>),
    Fields {
        fields: Vec<FieldName>,
        rows: Vec<Vec<Cell>>,
    },
}

/// Gives `take` each value of a field, those included that every event has.
pub(super) fn each_value<E>(
    field: &FieldName,
    event: &Event,
    mut take: impl FnMut(Value<'_>) -> Result<(), E>,
) -> Result<(), E> {
    match field.known() {
        Some(Field::NHATKY_SEQ) => {
            let seq = i64::try_from(event.seq().0).unwrap_or(i64::MAX);
            take(Value::Integer(seq))
        }
        // The rows of tables are events without a raw text.
        Some(Field::EVENT_ORIGINAL) if !event.raw().is_empty() => {
            take(Value::Text(&event.original()))
        }
        _ => event.values_named(field.name()).try_for_each(take),
    }
}

/// A cell for each value of a field.
pub(super) fn cells_of_field(field: &FieldName, event: &Event) -> Vec<Cell> {
    let mut cells = Vec::new();
    let taken: Result<(), Infallible> = each_value(field, event, |value| {
        cells.push(Cell::from(value));
        Ok(())
    });
    match taken {
        Ok(()) => cells,
        Err(never) => match never {},
    }
}

/// A cell for each of the fields.
fn cells_of(fields: &[FieldName], event: &Event) -> impl Iterator<Item = Cell> {
    fields
        .iter()
        .map(|field| Cell::of_cells(cells_of_field(field, event)))
}

impl PipeRun {
    /// Begins; the rows may take that much. `None` where no stage makes a table.
    #[must_use]
    pub fn new(stages: &[Stage], memory: Memory) -> Option<Self> {
        let table_at = stages.iter().position(Stage::makes_table)?;
        let mut before = Vec::new();
        for stage in stages.get(..table_at)? {
            before.push(match stage {
                Stage::Where(expr) => EventStage::Where(expr.clone()),
                Stage::Eval(formulas) => EventStage::Eval(named(formulas)),
                Stage::Enrich(enrichment) => EventStage::Enrich(enrichment.clone()),
                Stage::Head(count) => EventStage::Head { left: *count },
                Stage::Dedup(fields) => EventStage::Dedup {
                    fields: fields.clone(),
                    seen: HashSet::new(),
                },
                // The parser lets no other stage stand before there are columns.
                _ => return None,
            });
        }
        let rows = match stages.get(table_at)? {
            Stage::Stats(stats) => {
                Rows::Stats(Box::new(Groups::new(stats.clone(), memory.clone())))
            }
            Stage::Fields(fields) => Rows::Fields {
                fields: fields.clone(),
                rows: Vec::new(),
            },
            _ => return None,
        };
        Some(Self {
            before,
            rows,
            after: stages.get(table_at + 1..)?.to_vec(),
            memory,
        })
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// See [`PipeError`].
    pub fn push(&mut self, event: &Event) -> Result<Flow, PipeError> {
        let mut event = Cow::Borrowed(event);
        for stage in &mut self.before {
            match stage {
                EventStage::Where(expr) => {
                    if !matches(expr, &event) {
                        return Ok(Flow::More);
                    }
                }
                EventStage::Eval(formulas) => {
                    for (name, formula) in formulas {
                        let value = formula.of(&event);
                        put(event.to_mut(), name, &value);
                    }
                }
                EventStage::Enrich(enrichment) => {
                    let first = cells_of_field(&enrichment.field, &event).into_iter().next();
                    let value = first.as_ref().and_then(Cell::value);
                    let found = value.map(|value| enrichment.of(value)).unwrap_or_default();
                    let event = event.to_mut();
                    for name in &enrichment.names {
                        let value = Cell::of_cells(cells_of_field(name, &found));
                        put(event, name, &value);
                    }
                }
                EventStage::Head { left } => match left.checked_sub(1) {
                    Some(fewer) => *left = fewer,
                    None => return Ok(Flow::Enough),
                },
                EventStage::Dedup { fields, seen } => {
                    let key = key_of(cells_of(fields, &event));
                    if seen.contains(key.as_slice()) {
                        return Ok(Flow::More);
                    }
                    self.memory.take(key.len() + 48)?;
                    seen.insert(key.into());
                }
            }
        }
        match &mut self.rows {
            Rows::Stats(groups) => groups.push(&event)?,
            Rows::Fields { fields, rows } => {
                let row: Vec<Cell> = cells_of(fields, &event).collect();
                self.memory
                    .take(row.iter().map(Cell::bytes).sum::<usize>() + 24)?;
                rows.push(row);
                // Rows in the order in which events come are cut as they come.
                if let Some(Stage::Head(count)) = self.after.first()
                    && rows.len() >= *count
                {
                    return Ok(Flow::Enough);
                }
            }
        }
        Ok(Flow::More)
    }

    /// The table.
    ///
    /// # Errors
    /// See [`PipeError`].
    pub fn finish(self) -> Result<Table, PipeError> {
        let table = match self.rows {
            Rows::Stats(groups) => groups.table(),
            Rows::Fields { fields, rows } => Table {
                columns: fields.iter().map(|field| field.name().into()).collect(),
                rows,
            },
        };
        all_applied(self.after, table, &self.memory)
    }
}

/// What the stages make of a table that was got in another way.
///
/// # Errors
/// See [`PipeError`].
pub fn apply_to_table(stages: &[Stage], table: Table, memory: &Memory) -> Result<Table, PipeError> {
    all_applied(stages.to_vec(), table, memory)
}

/// The table after all stages.
fn all_applied(stages: Vec<Stage>, table: Table, memory: &Memory) -> Result<Table, PipeError> {
    let mut stages = stages.into_iter();
    stages.try_fold(table, |table, stage| applied(stage, table, memory))
}

/// The table after a stage.
fn applied(stage: Stage, mut table: Table, memory: &Memory) -> Result<Table, PipeError> {
    match stage {
        Stage::Where(expr) => {
            let columns = &table.columns;
            table
                .rows
                .retain(|row| matches(&expr, &as_event(columns, row, Seq(0))));
        }
        Stage::Eval(formulas) => eval(&mut table, &formulas, memory)?,
        Stage::Enrich(enrichment) => enrich(&mut table, &enrichment, memory)?,
        Stage::Sort(keys) => sort(&mut table, &keys),
        Stage::Head(count) => table.rows.truncate(count),
        Stage::Tail(count) => {
            let first = table.rows.len().saturating_sub(count);
            table.rows.drain(..first);
        }
        Stage::Dedup(fields) => {
            let places = places(&table, &fields, FieldName::name);
            let mut seen = HashSet::new();
            table
                .rows
                .retain(|row| seen.insert(key_of(cells_at(row, &places))));
        }
        Stage::Fields(fields) => {
            let places = places(&table, &fields, FieldName::name);
            table.columns = fields.iter().map(|field| field.name().into()).collect();
            for row in &mut table.rows {
                *row = cells_at(row, &places).cloned().collect();
            }
        }
        Stage::Rename(names) => {
            for column in &mut table.columns {
                if let Some((_, new)) = names.iter().find(|(old, _)| old == column) {
                    column.clone_from(new);
                }
            }
        }
        Stage::Stats(stats) => {
            let mut groups = Groups::new(stats, memory.clone());
            // The first row counts as the newest, as the first event does.
            for (row, seq) in table.rows.iter().zip((1..=u64::MAX).rev()) {
                groups.push(&as_event(&table.columns, row, Seq(seq)))?;
            }
            return Ok(groups.table());
        }
    }
    Ok(table)
}

/// Formulas with the fields that they make.
fn named(formulas: &[(Box<str>, Formula)]) -> Vec<(FieldName, Formula)> {
    let formulas = formulas.iter();
    formulas
        .map(|(name, formula)| (FieldName::new(name), formula.clone()))
        .collect()
}

/// Puts a computed value in the place of what the event has under that name.
fn put(event: &mut Event, name: &FieldName, value: &Cell) {
    event.remove_named(name.name());
    value.write_to(name.name(), event);
}

/// Adds columns, or replaces those of the same names.
fn eval(
    table: &mut Table,
    formulas: &[(Box<str>, Formula)],
    memory: &Memory,
) -> Result<(), PipeError> {
    for (name, formula) in formulas {
        let places = add_columns(table, &[name]);
        for row in &mut table.rows {
            let value = formula.of(&as_event(&table.columns, row, Seq(0)));
            set_cells(row, &places, std::iter::once(value), memory)?;
        }
    }
    Ok(())
}

fn enrich(table: &mut Table, enrichment: &Enrichment, memory: &Memory) -> Result<(), PipeError> {
    let names: Vec<&str> = enrichment.names.iter().map(FieldName::name).collect();
    let places = add_columns(table, &names);
    let key = table
        .columns
        .iter()
        .position(|column| **column == *enrichment.field.name());
    for row in &mut table.rows {
        let value = key.and_then(|key| row.get(key)).and_then(Cell::value);
        let found = value.map(|value| enrichment.of(value)).unwrap_or_default();
        let names = enrichment.names.iter();
        let values = names.map(|name| Cell::of_cells(cells_of_field(name, &found)));
        set_cells(row, &places, values, memory)?;
    }
    Ok(())
}

/// Columns of these names, empty where they are new, and where they are.
fn add_columns(table: &mut Table, names: &[&str]) -> Vec<usize> {
    let mut places = Vec::new();
    for name in names {
        let known = table.columns.iter().position(|column| **column == **name);
        places.push(known.unwrap_or_else(|| {
            table.columns.push((*name).into());
            table.columns.len() - 1
        }));
    }
    places
}

fn set_cells(
    row: &mut Vec<Cell>,
    places: &[usize],
    cells: impl Iterator<Item = Cell>,
    memory: &Memory,
) -> Result<(), PipeError> {
    for (place, cell) in places.iter().zip(cells) {
        memory.take(cell.bytes())?;
        if *place >= row.len() {
            row.resize(*place + 1, Cell::Null);
        }
        if let Some(old) = row.get_mut(*place) {
            *old = cell;
        }
    }
    Ok(())
}

fn sort(table: &mut Table, keys: &[SortKey]) {
    let places = places(table, keys, |key| &key.column);
    table.rows.sort_by(|one, two| {
        let both = cells_at(one, &places).zip(cells_at(two, &places));
        first_difference(both.zip(keys).map(|((one, two), key)| match key.order {
            SortOrder::Ascending => one.order(two),
            SortOrder::Descending => two.order(one),
        }))
    });
}

/// Where columns of these names are; a column that is not there has no values.
fn places<T>(table: &Table, named: &[T], name: fn(&T) -> &str) -> Vec<Option<usize>> {
    let place = |one: &T| {
        table
            .columns
            .iter()
            .position(|column| **column == *name(one))
    };
    named.iter().map(place).collect()
}

fn cells_at<'r>(
    row: &'r [Cell],
    places: &'r [Option<usize>],
) -> impl Iterator<Item = &'r Cell> + use<'r> {
    let cell = |place: &Option<usize>| row.get((*place)?);
    places
        .iter()
        .map(move |place| cell(place).unwrap_or(&Cell::Null))
}

fn as_event(columns: &[Box<str>], row: &[Cell], seq: Seq) -> Event {
    let mut event = Event::new(seq, Bytes::new());
    for (column, cell) in columns.iter().zip(row) {
        cell.write_to(column, &mut event);
    }
    event
}
