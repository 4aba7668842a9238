//! Fields that have a name of their own, and what the values of a field are like.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use event::{Field, FieldKind};
use index::{StatsRequest, TopRequest};
use query::{Aggregate, Cell, FieldName, Function, Stats, Wish};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::List;
use super::search::CoveredReply;
use super::top::FacetReply;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

/// A field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldReply {
    /// Its dotted name.
    name: &'static str,
    /// What its values are: `keyword`, `text`, `number`, `address` or `date`.
    kind: &'static str,
    /// Whether it is sorted, counted and filtered without reading the records.
    column: bool,
    /// Whether one event may have several values of it.
    many: bool,
    /// What it means.
    doc: &'static str,
}

/// Lists the fields that have a name of their own; vendors' own are asked for by their names all the same.
#[utoipa::path(get, path = "/api/v1/fields", tag = "events", responses((status = 200, body = List<FieldReply>)))]
pub(crate) async fn fields(_: MayRead) -> Json<List<FieldReply>> {
    let items = Field::all().map(Field::info).map(|info| FieldReply {
        name: info.name,
        kind: named(info.kind),
        column: info.column,
        many: info.many,
        doc: info.doc,
    });
    Json(List {
        items: items.collect(),
        next_cursor: None,
    })
}

fn named(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Keyword => "keyword",
        FieldKind::Text => "text",
        FieldKind::Number => "number",
        FieldKind::Address => "address",
        FieldKind::Date => "date",
    }
}

/// Of which events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FieldStatsParams {
    /// A query; everything when left out.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// How many of the most frequent values: 10 when left out, 1000 at most.
    limit: Option<usize>,
}

/// What the values of a field are like.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldStatsReply {
    /// What its values are: `keyword`, `text`, `number`, `address` or `date`; of a vendor's field `keyword`.
    kind: &'static str,
    #[serde(flatten)]
    facet: FacetReply,
    /// The least value, in the order of its kind; null where there is none.
    #[schema(value_type = Object)]
    min: Cell,
    /// The greatest value.
    #[schema(value_type = Object)]
    max: Cell,
    /// What only numbers have.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<NumbersReply>,
    /// How many events match.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// What the numbers of a field are like; null where there are none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldNumbers)]
pub(crate) struct NumbersReply {
    /// All added up.
    #[schema(value_type = Object)]
    sum: Cell,
    /// Their mean.
    #[schema(value_type = Object)]
    avg: Cell,
    /// Half of them are not greater.
    #[schema(value_type = Object)]
    p50: Cell,
    /// 95 of 100 are not greater.
    #[schema(value_type = Object)]
    p95: Cell,
    /// 99 of 100 are not greater.
    #[schema(value_type = Object)]
    p99: Cell,
}

/// Tells how often a field has a value, which are the most frequent, the least and the greatest.
#[utoipa::path(
    get, path = "/api/v1/fields/{name}/stats", tag = "events",
    params(("name" = String, Path, description = "The field's dotted name"), FieldStatsParams),
    responses(
        (status = 200, body = FieldStatsReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stats(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Path(name): Path<String>,
    Params(params): Params<FieldStatsParams>,
) -> Result<Json<FieldStatsReply>, Problem> {
    let (q, from, to) = (
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    let question = Question::read(&app, q, from, to)?;
    let limit = limit(params.limit, 10, 1000)?;
    let field = FieldName::new(&name);
    let kind = field.kind();
    let index = Arc::clone(&app.parts.index);
    let counting = app.searches.run(&actor.name, move |budget, cancel| {
        let top = index.top(&TopRequest {
            scope: question.clone().scope(budget.clone(), cancel.clone()),
            fields: vec![field.clone()],
            limit,
        })?;
        let stats = index.stats(&StatsRequest {
            scope: question.scope(budget, cancel),
            stats: vec![aggregates(&field)],
            wish: Wish::default(),
        })?;
        Ok((top, stats))
    });
    let described = format!("{name}: {}", super::described(q, from, to));
    let (found, ()) = tokio::join!(counting, app.note(&actor, "search-field", described));
    let (top, stats) = found?;
    let (total, took) = (top.total, top.took + stats.took);
    let tables = stats.tables.map_err(Problem::from)?;
    let rows = tables.into_iter().flat_map(|table| table.rows);
    let mut cells = rows.flatten();
    let mut next = || cells.next().unwrap_or(Cell::Null);
    let (min, max) = (next(), next());
    let numbers = (kind == FieldKind::Number).then(|| NumbersReply {
        sum: next(),
        avg: next(),
        p50: next(),
        p95: next(),
        p99: next(),
    });
    Ok(Json(FieldStatsReply {
        kind: named(kind),
        min,
        max,
        numbers,
        total: total.count(),
        total_relation: total.relation(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        covered: CoveredReply::new(top.covered.clone(), 0),
        facet: FacetReply::new(name, top.only()),
    }))
}

/// What is computed of a field, in the order of the reply.
fn aggregates(field: &FieldName) -> Stats {
    let ends = [Function::Min, Function::Max];
    let numbers = [
        Function::Sum,
        Function::Avg,
        Function::Percentile(5000),
        Function::Percentile(9500),
        Function::Percentile(9900),
    ];
    let numbers = numbers
        .into_iter()
        .filter(|_| field.kind() == FieldKind::Number);
    let aggregates = ends.into_iter().chain(numbers).map(|function| Aggregate {
        function,
        field: Some(field.clone()),
        name: "".into(),
    });
    Stats {
        aggregates: aggregates.collect(),
        by: Vec::new(),
    }
}
