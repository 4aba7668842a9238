//! Aggregates by key: several tables at once over the same events.

use std::time::Duration;

use event::{Event, FieldKind};
use query::{FieldName, Groups, Key, Memory, PipeError, Stats, Table, Wish};

use crate::bits::Bits;
use crate::column_stats::ColumnStats;
use crate::each::Wanted;
use crate::run::{Collector, Run};
use crate::schema::{Column, Layout};
use crate::scope::{Covered, Scope, SearchError, depth_of, depth_of_field};
use crate::search::Total;
use crate::segment::Segment;
use crate::source::{Depth, EventSource};
use crate::state::Shared;

/// A question for aggregates by key.
#[derive(Clone, Debug)]
pub struct StatsRequest {
    /// Which events.
    pub scope: Scope,
    /// What is computed of them: a table each.
    pub stats: Vec<Stats>,
    /// Which rows of each table are wanted.
    pub wish: Wish,
}

/// Aggregates by key.
#[derive(Clone, Debug)]
pub struct Tables {
    /// A table for each of the [`StatsRequest::stats`], or why there is none.
    pub tables: Result<Vec<Table>, PipeError>,
    /// How many rows each has in all.
    pub rows: Vec<usize>,
    /// All events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn stats(shared: &Shared, request: &StatsRequest) -> Result<Tables, SearchError> {
    let mut run = Run::new(shared, &request.scope);
    let stats = request.stats.iter().cloned();
    let counted = counted(&mut run, &*shared.source, stats, &request.wish)?;
    let groups = counted.groups.as_deref().unwrap_or_default().iter();
    let rows = groups.zip(&counted.unmade);
    let rows = rows.map(|(groups, unmade)| groups.len() + unmade).collect();
    let first = |groups: Vec<Groups>| {
        let tables = groups.into_iter().map(|groups| groups.first(&request.wish));
        tables.collect()
    };
    Ok(Tables {
        tables: counted.groups.map(first),
        rows,
        total: Total::of(counted.total, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

/// Rows of several tables over the same events.
pub(crate) struct Counted {
    /// The rows, or why there are none.
    pub(crate) groups: Result<Vec<Groups>, PipeError>,
    /// How many rows of each table were not made because none of them is wanted.
    pub(crate) unmade: Vec<usize>,
    /// How many events match.
    pub(crate) total: u64,
}

/// Counts all that the run finds into rows, segments in parallel; rows that are not wanted may be left out.
pub(crate) fn counted(
    run: &mut Run<'_>,
    source: &dyn EventSource,
    stats: impl Iterator<Item = Stats>,
    wish: &Wish,
) -> Result<Counted, SearchError> {
    let memory = run.scope.budget.rows.clone();
    let groups = stats
        .map(|stats| Groups::new(stats, memory.clone()))
        .collect();
    let mut parts = run.collect_in_parallel(Rows::new(source, groups, memory), Rows::fork)?;
    let mut whole = parts.swap_remove(0);
    parts.into_iter().for_each(|part| whole.merge(part));
    let unmade = whole.finish(wish);
    Ok(Counted {
        unmade,
        groups: whole.failed.map_or(Ok(whole.groups), Err),
        total: whole.total,
    })
}

/// The rows of all tables, as far as one thread has looked.
struct Rows<'a> {
    source: &'a dyn EventSource,
    groups: Vec<Groups>,
    /// How columns are counted, for each of the groups; none where one of them needs events.
    columns: Option<Vec<ColumnStats>>,
    /// How much of an event must be known.
    depth: Depth,
    memory: Memory,
    failed: Option<PipeError>,
    total: u64,
}

impl<'a> Rows<'a> {
    fn new(source: &'a dyn EventSource, groups: Vec<Groups>, memory: Memory) -> Self {
        let stats = groups.iter().map(Groups::stats);
        Self {
            source,
            depth: stats
                .clone()
                .map(depth_of_stats)
                .max()
                .unwrap_or(Depth::Raw),
            columns: stats
                .map(|stats| ColumnStats::new(stats, &memory))
                .collect(),
            groups,
            memory,
            failed: None,
            total: 0,
        }
    }

    fn fork(&self) -> Self {
        let groups = self.groups.iter().map(Groups::fork).collect();
        Self::new(self.source, groups, self.memory.clone())
    }

    fn merge(&mut self, part: Self) {
        self.total += part.total;
        self.failed = self.failed.take().or(part.failed);
        for (groups, more) in self.groups.iter_mut().zip(part.groups) {
            if self.failed.is_none() {
                self.failed = groups.merge(more).err();
            }
        }
        for (columns, more) in self
            .columns
            .iter_mut()
            .flatten()
            .zip(part.columns.into_iter().flatten())
        {
            if self.failed.is_none() {
                self.failed = columns.merge(more).err();
            }
        }
    }

    /// Puts what is still counted elsewhere into the rows, as far as it is wanted; gives how many rows of each table were
    /// not made.
    fn finish(&mut self, wish: &Wish) -> Vec<usize> {
        let mut unmade = vec![0; self.groups.len()];
        let columns = self.columns.take().into_iter().flatten();
        for ((columns, groups), unmade) in columns.zip(&mut self.groups).zip(&mut unmade) {
            match columns.finish(groups, wish) {
                Ok(left_out) => *unmade = left_out,
                Err(error) => self.failed = self.failed.take().or(Some(error)),
            }
        }
        unmade
    }

    fn push(&mut self, event: &Event) {
        for groups in &mut self.groups {
            if let Err(error) = groups.push(event) {
                self.failed = Some(error);
            }
        }
    }
}

impl Collector for Rows<'_> {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        self.total += 1;
        self.push(event);
        Ok(())
    }

    fn docs(&mut self, segment: &Segment, docs: &Bits) -> Result<(), SearchError> {
        let Some(columns) = &mut self.columns else {
            return Ok(());
        };
        self.total += docs.count();
        for (columns, groups) in columns.iter_mut().zip(&mut self.groups) {
            let odd = segment.odd_events(&columns.columns(), docs, self.source)?;
            let mut plain = docs.clone();
            for event in &odd {
                plain.remove(segment.first_from(event.seq()));
            }
            let pushed = odd.iter().try_for_each(|event| groups.push(event));
            let added = match pushed {
                Ok(()) => columns.add(segment, &plain, self.source, groups)?,
                failed => failed,
            };
            if let Err(error) = added {
                self.failed = Some(error);
            }
        }
        Ok(())
    }

    fn reads_columns(&self) -> bool {
        true
    }

    fn needs(&self) -> Option<Depth> {
        self.columns.is_none().then_some(self.depth)
    }

    fn is_done(&self) -> bool {
        self.failed.is_some()
    }
}

impl Wanted {
    /// What [`Index::stats`](crate::Index::stats) reads of events: columns where they hold all that it asks about.
    #[must_use]
    pub fn for_stats(stats: &Stats) -> Self {
        match ColumnStats::columns_of(stats) {
            Some(columns) => {
                Self::Columns(columns.into_iter().map(|column| column.field).collect())
            }
            None => Self::Events(depth_of_stats(stats)),
        }
    }
}

/// How much of an event must be known.
fn depth_of_stats(stats: &Stats) -> Depth {
    let conditions = stats.by.iter().filter_map(|key| match key {
        Key::Conditions(conditions) => conditions.iter().map(|(_, expr)| depth_of(expr)).max(),
        _ => None,
    });
    let fields = stats.fields();
    let fields = fields.iter().map(depth_of_field);
    fields.chain(conditions).max().unwrap_or(Depth::Raw)
}

/// The column that holds all that a key asks of events.
pub(crate) fn column_of_key(key: &Key) -> Option<Column> {
    match key {
        Key::Field(field) | Key::Number { field, .. } | Key::Ranges { field, .. } => column(field),
        Key::Time { field, .. } => column(field).filter(|column| column.kind == FieldKind::Date),
        Key::Conditions(_) => None,
    }
}

/// The column of a field.
pub(crate) fn column(field: &FieldName) -> Option<Column> {
    field.known().and_then(|known| Layout::get().column(known))
}
