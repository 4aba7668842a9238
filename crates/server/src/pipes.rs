//! Tables that pipelines give.

use std::ops::ControlFlow;

use event::{Field, Value};
use index::{
    Budget, Cancel, Covered, Depth, Index, Scope, SearchError, TopRequest, Total, VALUES_MAX,
    Wanted,
};
use query::{Cell, FieldName, Flow, PipeError, PipeRun, Pipeline, Table};

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

/// Runs the pipeline: from columns where they suffice, else over the events.
pub(crate) fn run(
    index: &Index,
    question: Question,
    pipeline: &Pipeline,
    budget: Budget,
    cancel: Cancel,
) -> Result<Piped, SearchError> {
    let scope = question.scope(budget, cancel);
    match method(pipeline) {
        Method::Counted(field, count) => counted(index, scope, pipeline, field, count),
        Method::Each(wanted) => gone_through(index, &scope, pipeline, &wanted),
    }
}

/// How the events of a pipeline are gone through.
pub(crate) enum Method<'p> {
    /// Not at all: the values of a column are counted; the counts' column is named so.
    Counted(&'p FieldName, &'p str),
    /// Each, with so much of it.
    Each(Wanted),
}

impl Method<'_> {
    /// What it wants of events.
    pub(crate) fn wanted(&self) -> Wanted {
        match self {
            Self::Counted(field, _) => Wanted::Columns(field.column().into_iter().collect()),
            Self::Each(wanted) => wanted.clone(),
        }
    }
}

/// From columns where they suffice, else over the events.
pub(crate) fn method(pipeline: &Pipeline) -> Method<'_> {
    match pipeline.counted_field() {
        Some((field, count)) => Method::Counted(field, count),
        None => Method::Each(wanted(pipeline)),
    }
}

/// Counts of a column's values, and what the other stages make of them.
fn counted(
    index: &Index,
    scope: Scope,
    pipeline: &Pipeline,
    field: &FieldName,
    count: &str,
) -> Result<Piped, SearchError> {
    let found = index.top(&TopRequest {
        scope,
        field: field.clone(),
        limit: VALUES_MAX,
    })?;
    let typed = |text: &str| Cell::from(Value::Text(text).typed(field.kind()));
    let number = |count: u64| Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX));
    let missing = (found.missing > 0).then(|| vec![Cell::Null, number(found.missing)]);
    let values = found.values.iter();
    let values = values.map(|value| vec![typed(&value.value), number(value.count)]);
    let mut table = Table {
        columns: vec![field.name().into(), count.into()],
        rows: missing.into_iter().chain(values).collect(),
    };
    table.sort_by_keys(1);
    let rest = pipeline.stages.get(1..).unwrap_or_default();
    let table = if found.other > 0 {
        Err(PipeError::Memory {
            limit: ROWS_BYTES_MAX >> 20,
        })
    } else {
        query::apply_to_table(rest, table, ROWS_BYTES_MAX)
    };
    Ok(Piped {
        table,
        total: found.total,
        covered: found.covered,
        took: found.took,
    })
}

/// The pipeline over every event.
fn gone_through(
    index: &Index,
    scope: &Scope,
    pipeline: &Pipeline,
    wanted: &Wanted,
) -> Result<Piped, SearchError> {
    let mut run = PipeRun::new(&pipeline.stages, ROWS_BYTES_MAX);
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
    Ok(Piped {
        table,
        total: each.total,
        covered: each.covered,
        took: each.took,
    })
}

/// As little of each event as the stages ask about.
fn wanted(pipeline: &Pipeline) -> Wanted {
    let fields = pipeline.fields_of_events();
    let columns: Option<Vec<Field>> = fields.iter().map(FieldName::column).collect();
    match columns {
        Some(columns) if !pipeline.asks_for_text() => Wanted::Columns(columns),
        _ if fields.iter().any(|field| field.known().is_none()) => Wanted::Events(Depth::Full),
        _ => Wanted::Events(Depth::Core),
    }
}
