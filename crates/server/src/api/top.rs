//! The most frequent values of a field.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use index::{TopRequest, TopValue};
use query::FieldName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::search::CoveredReply;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

/// What to count.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TopParams {
    /// The field, by its dotted name.
    #[param(required)]
    field: String,
    /// A query; everything when left out.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// How many values at most: 10 when left out, 1000 at most.
    limit: Option<usize>,
}

/// The most frequent values of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TopReply {
    /// The field.
    field: String,
    /// The values, the most frequent first.
    values: Vec<ValueReply>,
    /// How often all other values occur.
    other: u64,
    /// Events without the field.
    missing: u64,
    /// How many different values there are.
    distinct: usize,
    /// How many events match.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// A value and how often it occurs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ValueReply {
    /// The value as text.
    value: String,
    /// Events that have it.
    count: u64,
}

impl From<TopValue> for ValueReply {
    fn from(TopValue { value, count }: TopValue) -> Self {
        Self { value, count }
    }
}

/// Counts the values of a field.
#[utoipa::path(
    get, path = "/api/v1/top", tag = "events", params(TopParams),
    responses(
        (status = 200, body = TopReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn top(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<TopParams>,
) -> Result<Json<TopReply>, Problem> {
    if params.field.is_empty() {
        return Err(Problem::field(
            "field",
            "name the field whose values are to be counted",
        ));
    }
    let question = Question::read(
        &app,
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    )?;
    let limit = limit(params.limit, 10, 1000)?;
    let described = super::described(
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    let described = format!("{}: {described}", params.field);
    let field = FieldName::new(&params.field);
    let index = Arc::clone(&app.parts.index);
    let counting = app.searches.run(move |budget, cancel| {
        index.top(&TopRequest {
            scope: question.scope(budget, cancel),
            field,
            limit,
        })
    });
    let (found, ()) = tokio::join!(counting, app.record(&actor, "search-top", described));
    let found = found?;
    Ok(Json(TopReply {
        field: params.field,
        values: found.values.into_iter().map(ValueReply::from).collect(),
        other: found.other,
        missing: found.missing,
        distinct: found.distinct,
        total: found.total.count(),
        total_relation: found.total.relation(),
        took_ms: u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
        covered: CoveredReply::new(found.covered, 0),
    }))
}
