//! The most frequent values of fields.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use index::{Top, TopRequest, TopValue, Tops};
use query::FieldName;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::search::CoveredReply;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

/// Fields that are counted at once.
const FIELDS_MAX: usize = 20;

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
    #[serde(flatten)]
    facet: FacetReply,
    /// How many events match.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// What to count, of several fields.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FacetsParams {
    /// The fields, by their dotted names, with commas between: 20 at most.
    #[param(required)]
    fields: String,
    /// A query; everything when left out.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// How many values of each at most: 10 when left out, 1000 at most.
    limit: Option<usize>,
}

/// The most frequent values of several fields, counted in one pass.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FacetsReply {
    /// One for each field, in the order asked for.
    facets: Vec<FacetReply>,
    /// How many events match.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// The most frequent values of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FacetReply {
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
}

impl FacetReply {
    pub(super) fn new(field: String, top: Top) -> Self {
        Self {
            field,
            values: top.values.into_iter().map(ValueReply::from).collect(),
            other: top.other,
            missing: top.missing,
            distinct: top.distinct,
        }
    }
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
    let asked = Asked {
        q: params.q.as_deref(),
        from: params.from.as_deref(),
        to: params.to.as_deref(),
        limit: params.limit,
    };
    let found = asked
        .count(&app, &actor, vec![params.field.clone()])
        .await?;
    let (total, took) = (found.total, found.took);
    Ok(Json(TopReply {
        total: total.count(),
        total_relation: total.relation(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        covered: CoveredReply::new(found.covered.clone(), 0),
        facet: FacetReply::new(params.field, found.only()),
    }))
}

/// Counts the values of several fields in one pass.
#[utoipa::path(
    get, path = "/api/v1/facets", tag = "events", params(FacetsParams),
    responses(
        (status = 200, body = FacetsReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn facets(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<FacetsParams>,
) -> Result<Json<FacetsReply>, Problem> {
    let names = params.fields.split(',').map(str::trim);
    let names: Vec<String> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() || names.len() > FIELDS_MAX {
        let detail = format!("name one to {FIELDS_MAX} fields, with commas between");
        return Err(Problem::field("fields", detail));
    }
    let asked = Asked {
        q: params.q.as_deref(),
        from: params.from.as_deref(),
        to: params.to.as_deref(),
        limit: params.limit,
    };
    let found = asked.count(&app, &actor, names.clone()).await?;
    let facets = names.into_iter().zip(found.tops);
    Ok(Json(FacetsReply {
        facets: facets
            .map(|(name, top)| FacetReply::new(name, top))
            .collect(),
        total: found.total.count(),
        total_relation: found.total.relation(),
        took_ms: u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
        covered: CoveredReply::new(found.covered, 0),
    }))
}

/// Of which events, and how many values.
struct Asked<'a> {
    q: Option<&'a str>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    limit: Option<usize>,
}

impl Asked<'_> {
    async fn count(
        &self,
        app: &App,
        actor: &registry::Actor,
        fields: Vec<String>,
    ) -> Result<Tops, Problem> {
        let question = Question::read(app, self.q, self.from, self.to)?;
        let limit = limit(self.limit, 10, 1000)?;
        let described = super::described(self.q, self.from, self.to);
        let described = format!("{}: {described}", fields.join(", "));
        let index = Arc::clone(&app.parts.index);
        let same = (question.clone(), fields.clone(), limit);
        let counting = app
            .searches
            .run_once(&actor.name, same, move |budget, cancel| {
                index.top(&TopRequest {
                    scope: question.scope(budget, cancel),
                    fields: fields.iter().map(|name| FieldName::new(name)).collect(),
                    limit,
                })
            });
        let (found, ()) = tokio::join!(counting, app.note(actor, "search-top", described));
        found
    }
}
