//! Closing many alerts by one act.

use alert::{Selection, ToClose, TogetherError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use event::AlertSeverity;
use registry::{Alert, AlertFilter, AlertId, AlertState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert_acts::{resolution, written};
use crate::access::MayChange;
use crate::app::App;
use crate::extract::Body;
use crate::problem::{Problem, ProblemBody};
use crate::question::instant;

/// Which alerts to close, and how. Closed ones are left out.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClosingTogether {
    /// Those with these numbers; or:
    #[serde(default)]
    ids: Option<Vec<u64>>,
    /// those that meet all of this.
    #[serde(default)]
    filter: Option<ClosingFilter>,
    /// `resolved`, `false_positive`, `accepted` or `duplicate`.
    resolution: String,
    /// For those who read it later.
    #[serde(default)]
    comment: Option<String>,
    /// `confirm` of the reply that told which alerts these are; when left out, it is only told.
    #[serde(default)]
    confirm: Option<String>,
}

/// What alerts must meet.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClosingFilter {
    /// Of this rule.
    rule: Option<String>,
    /// About this entity: `user:root`, `address:10.0.0.5`, `host:db1`.
    entity: Option<String>,
    /// In this state: `new`, `acknowledged` or `in_progress`.
    state: Option<String>,
    /// Of this severity: `low`, `medium`, `high` or `urgent`.
    severity: Option<String>,
    /// With no event since: RFC 3339, a day, or like `now-7d`.
    before: Option<String>,
}

/// What was closed, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClosingReply {
    /// How many alerts.
    count: u64,
    /// Whether they were closed.
    closed: bool,
    /// Before closing: the ten with the smallest numbers.
    #[schema(value_type = Vec<Object>)]
    first: Vec<Alert>,
    /// Before closing: of the numbers given, those of no alert, or of one that is closed.
    #[schema(value_type = Vec<u64>)]
    left_out: Vec<AlertId>,
    /// Before closing: what to send as `confirm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<String>,
}

impl From<ToClose> for ClosingReply {
    fn from(seen: ToClose) -> Self {
        Self {
            count: seen.count,
            closed: false,
            first: seen.first,
            left_out: seen.left_out,
            confirm: Some(seen.confirm),
        }
    }
}

/// Closes many alerts: without `confirm` it tells how many and which, with it closes exactly these.
#[utoipa::path(
    post, path = "/api/v1/alerts/close", tag = "alerts", request_body = ClosingTogether,
    responses(
        (status = 200, body = ClosingReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "These are not the alerts that were confirmed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn close_together(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(asked): Body<ClosingTogether>,
) -> Result<Json<ClosingReply>, Problem> {
    let resolution = resolution(&asked.resolution)?;
    let selection = selection(&app, asked.ids, asked.filter)?;
    let alerts = &app.parts.alerts;
    let Some(confirm) = asked.confirm else {
        return Ok(Json(alerts.to_close(&selection).await?.into()));
    };
    let comment = written(asked.comment.as_deref());
    let closing = alerts.close_together(&actor, &selection, &confirm, resolution, comment);
    Ok(Json(ClosingReply {
        count: closing.await?,
        closed: true,
        first: Vec::new(),
        left_out: Vec::new(),
        confirm: None,
    }))
}

fn selection(
    app: &App,
    ids: Option<Vec<u64>>,
    filter: Option<ClosingFilter>,
) -> Result<Selection, Problem> {
    match (ids, filter) {
        (Some(ids), None) => Ok(Selection::Ids(ids.into_iter().map(AlertId).collect())),
        (None, Some(filter)) => Ok(Selection::Filter(read(app, filter)?)),
        _ => {
            let detail = "say which alerts: by `ids`, or by `filter`, not both";
            Err(Problem::field("filter", detail))
        }
    }
}

fn read(app: &App, filter: ClosingFilter) -> Result<AlertFilter, Problem> {
    let context = query::Context::at(app.parts.clock.now());
    Ok(AlertFilter {
        rule: filter.rule,
        entity: super::entity(filter.entity.as_deref())?,
        state: super::word(
            "state",
            filter.state.as_deref(),
            AlertState::ALL,
            AlertState::from_name,
        )?,
        severity: super::word(
            "severity",
            filter.severity.as_deref(),
            AlertSeverity::ALL,
            AlertSeverity::from_name,
        )?,
        quiet_since: instant("before", filter.before.as_deref(), &context)?,
        ..AlertFilter::default()
    })
}

impl From<TogetherError> for Problem {
    fn from(error: TogetherError) -> Self {
        let said = error.to_string();
        match error {
            TogetherError::TooMany => Self::field("filter", said),
            TogetherError::Changed { .. } => Self::new(StatusCode::CONFLICT, "changed", said),
            TogetherError::Comment(error) => error.into(),
            TogetherError::Store(error) => Self::internal(&error),
        }
    }
}
