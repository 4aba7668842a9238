//! Firings of rules.

use axum::Json;
use axum::extract::State;
use event::Disposition;
use registry::{AlertId, DetectionFilter, StoredDetection};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::access::MayRead;
use crate::app::App;
use crate::evidence_query;
use crate::extract::{Params, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::{context, instant, limit};

/// Which detections.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DetectionParams {
    /// Only those of this rule.
    rule: Option<String>,
    /// Only those of this disposition: `page`, `queue`, `digest` or `signal`.
    disposition: Option<String>,
    /// Only those about this entity: `user:root`, `address:10.0.0.5`, `host:db1`.
    entity: Option<String>,
    /// Only those of the alert with this number.
    alert: Option<u64>,
    /// Only those that the suppression with this number keeps from making an alert.
    suppressed_by: Option<u64>,
    /// Only those whose last event is not before.
    from: Option<String>,
    /// Only those whose last event is before.
    to: Option<String>,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Lists detections, last stored first.
#[utoipa::path(
    get, path = "/api/v1/detections", tag = "detection", params(DetectionParams),
    responses(
        (status = 200, body = List<Object>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn detections(
    State(app): State<App>,
    _: MayRead,
    Params(params): Params<DetectionParams>,
) -> Result<Json<List<StoredDetection>>, Problem> {
    let context = query::Context::at(app.parts.clock.now());
    let disposition = super::word(
        "disposition",
        params.disposition.as_deref(),
        Disposition::ALL,
        Disposition::from_name,
    )?;
    let filter = DetectionFilter {
        rule: params.rule,
        disposition,
        entity: super::entity(params.entity.as_deref())?,
        alert: params.alert.map(AlertId),
        suppressed_by: params.suppressed_by,
        from: instant("from", params.from.as_deref(), &context)?,
        to: instant("to", params.to.as_deref(), &context)?,
        before: super::numeric_cursor(params.cursor.as_deref())?,
        limit: u32::try_from(limit(params.limit, 100, 1000)?).unwrap_or(u32::MAX),
    };
    let page = app.parts.registry.detections(&filter).await?;
    Ok(Json(super::list(page)))
}

/// A detection, and how to find its evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DetectionReply {
    /// The detection as it is listed.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    stored: StoredDetection,
    /// Finds the evidence: the rule's query with the values of the key, in the detection's span of time.
    evidence_query: String,
}

/// Shows a detection.
#[utoipa::path(
    get, path = "/api/v1/detections/{id}", tag = "detection", params(("id" = String, Path, description = "32 hexadecimal digits")),
    responses(
        (status = 200, body = DetectionReply),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn detection(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<String>,
) -> Result<Json<DetectionReply>, Problem> {
    let found = app.parts.registry.detection(&id).await?;
    let stored =
        found.ok_or_else(|| Problem::not_found(format!("there is no detection «{id}»")))?;
    let evidence_query = evidence_query::of(&[&stored.detection], &context(&app));
    Ok(Json(DetectionReply {
        stored,
        evidence_query,
    }))
}
