//! Aggregates by key: several tables at once over the same events.

use std::time::Duration;

use event::Event;
use query::{FieldName, Groups, Memory, PipeError, Stats, Table};

use crate::bits::Bits;
use crate::run::{Collector, Run};
use crate::scope::{Covered, Scope, SearchError, depth_of, depth_of_field};
use crate::search::Total;
use crate::segment::Segment;
use crate::source::Depth;
use crate::state::Shared;

/// A question for aggregates by key.
#[derive(Clone, Debug)]
pub struct StatsRequest {
    /// Which events.
    pub scope: Scope,
    /// What is computed of them: a table each.
    pub stats: Vec<Stats>,
    /// What all rows together may take.
    pub memory: Memory,
}

/// Aggregates by key.
#[derive(Clone, Debug)]
pub struct Tables {
    /// A table for each of the [`StatsRequest::stats`], or why there is none.
    pub tables: Result<Vec<Table>, PipeError>,
    /// All events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn stats(shared: &Shared, request: &StatsRequest) -> Result<Tables, SearchError> {
    let mut run = Run::new(shared, &request.scope);
    let groups = request.stats.iter();
    let groups = groups.map(|stats| Groups::new(stats.clone(), request.memory.clone()));
    let mut rows = Rows {
        depth: request.stats.iter().map(depth_of_stats).max(),
        groups: groups.collect(),
        failed: None,
        total: 0,
    };
    run.collect(&mut rows)?;
    let tables = match rows.failed {
        Some(error) => Err(error),
        None => Ok(rows.groups.into_iter().map(Groups::table).collect()),
    };
    Ok(Tables {
        tables,
        total: Total::of(rows.total, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

/// How much of an event must be known.
fn depth_of_stats(stats: &Stats) -> Depth {
    let conditions = stats.by.iter().filter_map(|key| match key {
        query::Key::Conditions(conditions) => {
            conditions.iter().map(|(_, expr)| depth_of(expr)).max()
        }
        _ => None,
    });
    let fields = stats.fields();
    let fields = fields.iter().map(|field: &FieldName| depth_of_field(field));
    fields.chain(conditions).max().unwrap_or(Depth::Raw)
}

struct Rows {
    groups: Vec<Groups>,
    depth: Option<Depth>,
    failed: Option<PipeError>,
    total: u64,
}

impl Collector for Rows {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        self.total += 1;
        for groups in &mut self.groups {
            if let Err(error) = groups.push(event) {
                self.failed = Some(error);
            }
        }
        Ok(())
    }

    fn docs(&mut self, _: &Segment, _: &Bits) -> Result<(), SearchError> {
        Ok(())
    }

    fn needs(&self) -> Option<Depth> {
        self.depth
    }

    fn is_done(&self) -> bool {
        self.failed.is_some()
    }
}
