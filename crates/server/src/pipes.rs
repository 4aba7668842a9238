//! Tables that pipelines give.

use std::ops::ControlFlow;

use event::Field;
use index::{
    Budget, Cancel, Covered, Depth, Index, Scope, SearchError, StatsRequest, Total, Wanted,
};
use query::{Expr, FieldName, Flow, PipeError, PipeRun, Pipeline, Stage, Stats, Table, Wish};

use crate::question::Question;

/// A table, and how much was looked at for it.
#[derive(Clone, Debug)]
pub(crate) struct Piped {
    /// Or why there is none.
    pub(crate) table: Result<Table, PipeError>,
    /// How many rows there are, of which the table has those that are wanted.
    pub(crate) rows: usize,
    pub(crate) total: Total,
    pub(crate) covered: Covered,
    pub(crate) took: std::time::Duration,
}

/// Runs the pipeline: counted by the index where it begins with counting, else over the events. So many rows are wanted.
pub(crate) fn run(
    index: &Index,
    question: Question,
    pipeline: &Pipeline,
    rows: usize,
    budget: Budget,
    cancel: Cancel,
) -> Result<Piped, SearchError> {
    let mut scope = question.scope(budget, cancel);
    let (narrowed, stages) = narrowed(pipeline);
    scope.expr = Expr::and([scope.expr, narrowed]);
    match (method(stages), stages) {
        (Method::Counted(stats), [_, rest @ ..]) => counted(index, scope, stats, rest, rows),
        (method, stages) => gone_through(index, &scope, stages, &method.wanted(), rows),
    }
}

/// The conditions that stand first, which narrow the search itself, and the stages behind them.
pub(crate) fn narrowed(pipeline: &Pipeline) -> (Expr, &[Stage]) {
    let wheres = pipeline.stages.iter().map_while(|stage| match stage {
        Stage::Where(expr) => Some(expr.clone()),
        _ => None,
    });
    let wheres: Vec<Expr> = wheres.collect();
    let stages = pipeline.stages.get(wheres.len()..).unwrap_or_default();
    (Expr::and(wheres), stages)
}

/// How the events of a pipeline are gone through.
pub(crate) enum Method<'p> {
    /// By the index, which makes the rows of this stage, the first.
    Counted(&'p Stats),
    /// Each, with so much of it.
    Each(Wanted),
}

impl Method<'_> {
    /// What it wants of events.
    pub(crate) fn wanted(&self) -> Wanted {
        match self {
            Self::Counted(stats) => Wanted::for_stats(stats),
            Self::Each(wanted) => wanted.clone(),
        }
    }
}

/// Counted where the stages begin with counting, else over the events.
pub(crate) fn method(stages: &[Stage]) -> Method<'_> {
    match stages {
        [Stage::Stats(stats), ..] => Method::Counted(stats),
        stages => Method::Each(wanted(stages)),
    }
}

/// Counts by the index, and what the other stages make of them.
fn counted(
    index: &Index,
    scope: Scope,
    stats: &Stats,
    rest: &[Stage],
    rows: usize,
) -> Result<Piped, SearchError> {
    let memory = scope.budget.rows.clone();
    let (wish, left) = Wish::of(rest, rows);
    let found = index.stats(&StatsRequest {
        scope,
        stats: vec![stats.clone()],
        wish,
    })?;
    let table = found.tables.and_then(|mut tables| {
        let table = tables.pop().unwrap_or_default();
        query::apply_to_table(left, table, &memory)
    });
    let cuts = rest.iter().any(|stage| !matches!(stage, Stage::Sort(_)));
    let all = found.rows.first().copied().filter(|_| !cuts);
    let rows_total = all.unwrap_or_else(|| table.as_ref().map_or(0, |table| table.rows.len()));
    Ok(Piped {
        table: table.map(|table| cut(table, rows)),
        rows: rows_total,
        total: found.total,
        covered: found.covered,
        took: found.took,
    })
}

/// The pipeline over every event.
fn gone_through(
    index: &Index,
    scope: &Scope,
    stages: &[Stage],
    wanted: &Wanted,
    rows: usize,
) -> Result<Piped, SearchError> {
    let mut run = PipeRun::new(stages, scope.budget.rows.clone());
    let mut failed = None;
    let each = index.each(
        scope,
        wanted,
        &mut |event| match run.as_mut().map(|run| run.push(event)) {
            Some(Ok(Flow::More)) => ControlFlow::Continue(()),
            Some(Ok(Flow::Enough)) | None => ControlFlow::Break(()),
            Some(Err(error)) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    let table = match (failed, run) {
        (Some(error), _) => Err(error),
        (None, Some(run)) => run.finish(),
        (None, None) => Ok(Table::default()),
    };
    let rows_total = table.as_ref().map_or(0, |table| table.rows.len());
    Ok(Piped {
        table: table.map(|table| cut(table, rows)),
        rows: rows_total,
        total: each.total,
        covered: each.covered,
        took: each.took,
    })
}

fn cut(mut table: Table, rows: usize) -> Table {
    table.rows.truncate(rows);
    table
}

/// As little of each event as the stages ask about.
fn wanted(stages: &[Stage]) -> Wanted {
    let fields = query::fields_of_events(stages);
    let columns: Option<Vec<Field>> = fields.iter().map(FieldName::column).collect();
    match columns {
        Some(columns) if !query::ask_for_text(stages) => Wanted::Columns(columns),
        _ if fields.iter().any(FieldName::needs_full_depth) => Wanted::Events(Depth::Full),
        _ => Wanted::Events(Depth::Core),
    }
}
