//! Which detections make no alert for a time: one rule about one entity, or a maintenance window.

use std::collections::BTreeMap;

use alert::{RISK_RULE, SuppressionError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use event::Entity;
use registry::{NewSuppression, Suppression, Suppressions};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::List;
use super::people::Reason;
use crate::access::{MayChange, MayRead};
use crate::app::App;
use crate::extract::{Body, Params, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::{instant, limit};

/// Which suppressions.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SuppressionParams {
    /// Only those that hold or have yet to begin.
    open: bool,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What makes no alert for a time. Each list that is not empty must be met; at least one is not.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SuppressionBody {
    /// Detections of one of these rules.
    rules: Vec<String>,
    /// About one of these entities: `user:root`, `address:10.0.0.5`, `host:db1`.
    entities: Vec<String>,
    /// With one of these hosts or devices.
    hosts: Vec<String>,
    /// With these facts, such as `{"source.ip": "10.2.*"}`; `*` at the end stands for anything.
    facts: BTreeMap<String, String>,
    /// Whether it holds for those that call someone (disposition `page`), too.
    pages: bool,
    /// From when on: now when left out.
    from: Option<String>,
    /// From when on no more, such as `now+7d`: at most 90 days later.
    until: String,
    /// Who answers for it: a person's name, or an account of theirs; who makes it when left out.
    owner: Option<String>,
    /// Why.
    reason: String,
}

/// Lists suppressions, last made first: each says whether it is `planned`, `active`, `expired` or `ended`.
#[utoipa::path(
    get, path = "/api/v1/suppressions", tag = "alerts", params(SuppressionParams),
    responses(
        (status = 200, body = List<Object>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn suppressions(
    State(app): State<App>,
    _: MayRead,
    Params(params): Params<SuppressionParams>,
) -> Result<Json<List<Suppression>>, Problem> {
    let which = match params.open {
        true => Suppressions::Open,
        false => Suppressions::All,
    };
    let before = super::numeric_cursor(params.cursor.as_deref())?;
    let limit = u32::try_from(limit(params.limit, 100, 1000)?).unwrap_or(u32::MAX);
    let page = app
        .parts
        .registry
        .suppressions(which, before, limit)
        .await?;
    Ok(Json(super::list(page)))
}

/// Shows a suppression.
#[utoipa::path(
    get, path = "/api/v1/suppressions/{id}", tag = "alerts", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn suppression(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<u64>,
) -> Result<Json<Suppression>, Problem> {
    let found = app.parts.registry.suppression(id).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no suppression {id}")));
    found.map(Json)
}

/// Makes a suppression or a maintenance window: what it holds for is stored and marked, and makes no alert and no notification.
#[utoipa::path(
    post, path = "/api/v1/suppressions", tag = "alerts", request_body = SuppressionBody,
    responses(
        (status = 201, body = Object),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Too many are open", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(body): Body<SuppressionBody>,
) -> Result<(StatusCode, Json<Suppression>), Problem> {
    let new = read(&app, body)?;
    let made = app.parts.alerts.suppress(&actor, new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Ends a suppression now, or before it begins.
#[utoipa::path(
    post, path = "/api/v1/suppressions/{id}/end", tag = "alerts", request_body = Reason,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 400, description = "No reason is given", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn end(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(body): Body<Reason>,
) -> Result<Json<Suppression>, Problem> {
    let alerts = &app.parts.alerts;
    Ok(Json(
        alerts.end_suppression(&actor, id, &body.reason).await?,
    ))
}

fn read(app: &App, body: SuppressionBody) -> Result<NewSuppression, Problem> {
    let rules = app.parts.vitals.rules();
    let is_unknown = |id: &&String| *id != RISK_RULE && rules.info(id).is_none();
    if let Some(unknown) = body.rules.iter().find(is_unknown) {
        return Err(Problem::field(
            "rules",
            format!("there is no rule «{unknown}»"),
        ));
    }
    let entity = |text: &String| -> Result<Entity, Problem> {
        let entity = super::entity(Some(text))?;
        entity.ok_or_else(|| {
            Problem::field("entities", "write user:NAME, address:ADDRESS or host:NAME")
        })
    };
    let now = app.parts.clock.now();
    let context = query::Context::at(now);
    let ends_at = instant("until", Some(&body.until), &context)?;
    Ok(NewSuppression {
        entities: body.entities.iter().map(entity).collect::<Result<_, _>>()?,
        rules: body.rules,
        hosts: body.hosts,
        facts: body.facts,
        pages: body.pages,
        starts_at: instant("from", body.from.as_deref(), &context)?.unwrap_or(now),
        ends_at: ends_at.ok_or_else(|| Problem::field("until", "say when it ends"))?,
        owner: body.owner.unwrap_or_default(),
        reason: body.reason,
    })
}

impl From<SuppressionError> for Problem {
    fn from(error: SuppressionError) -> Self {
        let said = error.to_string();
        match error {
            SuppressionError::NamesNothing => Self::field("rules", said),
            SuppressionError::TooMuch { field } => Self::field(field, said),
            SuppressionError::Span => Self::field("until", said),
            SuppressionError::Nobody { .. } => Self::field("owner", said),
            SuppressionError::TooMany => Self::new(StatusCode::CONFLICT, "too-many", said),
            SuppressionError::NotFound { .. } => Self::not_found(said),
            SuppressionError::Reason(error) => error.into(),
            SuppressionError::Store(error) => Self::internal(&error),
        }
    }
}
