//! Tables that pipelines give.

use std::ops::ControlFlow;

use event::Field;
use index::{
    Budget, Cancel, Covered, Depth, Index, Scope, SearchError, StatsRequest, Total, Wanted,
};
use query::{Expr, FieldName, Flow, Memory, PipeError, PipeRun, Pipeline, Stage, Stats, Table};

use crate::question::Question;

/// What the rows of one query may take in memory, in bytes.
const ROWS_BYTES_MAX: usize = 128 << 20;

/// A table, and how much was looked at for it.
#[derive(Debug)]
pub(crate) struct Piped {
    /// Or why there is none.
    pub(crate) table: Result<Table, PipeError>,
    pub(crate) total: Total,
    pub(crate) covered: Covered,
    pub(crate) took: std::time::Duration,
}

/// Runs the pipeline: counted by the index where it begins with counting, else over the events.
pub(crate) fn run(
    index: &Index,
    question: Question,
    pipeline: &Pipeline,
    budget: Budget,
    cancel: Cancel,
) -> Result<Piped, SearchError> {
    let mut scope = question.scope(budget, cancel);
    // What stands first narrows the search itself.
    let wheres = pipeline.stages.iter().map_while(|stage| match stage {
        Stage::Where(expr) => Some(expr.clone()),
        _ => None,
    });
    let wheres: Vec<Expr> = wheres.collect();
    let stages = pipeline.stages.get(wheres.len()..).unwrap_or_default();
    scope.expr = Expr::and(std::iter::once(scope.expr).chain(wheres));
    match stages {
        [Stage::Stats(stats), rest @ ..] => counted(index, scope, stats, rest),
        stages => gone_through(index, &scope, stages),
    }
}

/// Counts by the index, and what the other stages make of them.
fn counted(
    index: &Index,
    scope: Scope,
    stats: &Stats,
    rest: &[Stage],
) -> Result<Piped, SearchError> {
    let memory = Memory::new(ROWS_BYTES_MAX);
    let found = index.stats(&StatsRequest {
        scope,
        stats: vec![stats.clone()],
        memory: memory.clone(),
    })?;
    let table = found.tables.and_then(|mut tables| {
        let table = tables.pop().unwrap_or_default();
        query::apply_to_table(rest, table, &memory)
    });
    Ok(Piped {
        table,
        total: found.total,
        covered: found.covered,
        took: found.took,
    })
}

/// The pipeline over every event.
fn gone_through(index: &Index, scope: &Scope, stages: &[Stage]) -> Result<Piped, SearchError> {
    let mut run = PipeRun::new(stages, ROWS_BYTES_MAX);
    let mut failed = None;
    let each = index.each(scope, &wanted(stages), &mut |event| match run
        .as_mut()
        .map(|run| run.push(event))
    {
        Some(Ok(Flow::More)) => ControlFlow::Continue(()),
        Some(Ok(Flow::Enough)) | None => ControlFlow::Break(()),
        Some(Err(error)) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    let table = match (failed, run) {
        (Some(error), _) => Err(error),
        (None, Some(run)) => run.finish(),
        (None, None) => Ok(Table::default()),
    };
    Ok(Piped {
        table,
        total: each.total,
        covered: each.covered,
        took: each.took,
    })
}

/// As little of each event as the stages ask about.
fn wanted(stages: &[Stage]) -> Wanted {
    let fields = query::fields_of_events(stages);
    let columns: Option<Vec<Field>> = fields.iter().map(FieldName::column).collect();
    match columns {
        Some(columns) if !query::ask_for_text(stages) => Wanted::Columns(columns),
        _ if fields.iter().any(|field| field.known().is_none()) => Wanted::Events(Depth::Full),
        _ => Wanted::Events(Depth::Core),
    }
}
