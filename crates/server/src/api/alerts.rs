//! What people handle.

use alert::{AlertView, TransitionError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use event::AlertSeverity;
use registry::{Alert, AlertFilter, AlertId, AlertState, Resolution};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::access::{MayChange, MayRead};
use crate::app::App;
use crate::extract::{Body, Params, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::limit;

/// Which alerts.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AlertParams {
    /// Only those in this state: `new`, `acknowledged`, `in_progress` or `closed`.
    state: Option<String>,
    /// Only those that are not closed.
    open: bool,
    /// Only those of this rule.
    rule: Option<String>,
    /// Only those about this entity: `user:root`, `address:10.0.0.5`, `host:db1`.
    entity: Option<String>,
    /// Only those of this severity: `low`, `medium`, `high` or `urgent`.
    severity: Option<String>,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What is said when an alert is changed.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Note {
    /// For those who read it later.
    comment: Option<String>,
}

/// How an alert ends.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closing {
    /// `resolved`, `false_positive`, `accepted` or `duplicate`.
    resolution: String,
    /// For those who read it later.
    #[serde(default)]
    comment: Option<String>,
}

/// Lists alerts, newest first.
#[utoipa::path(
    get, path = "/api/v1/alerts", tag = "alerts", params(AlertParams),
    responses(
        (status = 200, body = List<Object>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn alerts(
    State(app): State<App>,
    _: MayRead,
    Params(params): Params<AlertParams>,
) -> Result<Json<List<Alert>>, Problem> {
    let filter = AlertFilter {
        state: super::word(
            "state",
            params.state.as_deref(),
            AlertState::ALL,
            AlertState::from_name,
        )?,
        open: params.open,
        rule: params.rule,
        entity: super::entity(params.entity.as_deref())?,
        severity: super::word(
            "severity",
            params.severity.as_deref(),
            AlertSeverity::ALL,
            AlertSeverity::from_name,
        )?,
        before: super::numeric_cursor(params.cursor.as_deref())?,
        limit: u32::try_from(limit(params.limit, 100, 1000)?).unwrap_or(u32::MAX),
    };
    let page = app.parts.alerts.list(&filter).await?;
    Ok(Json(super::list(page)))
}

/// Shows an alert with its history and evidence.
#[utoipa::path(
    get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn alert(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<u64>,
) -> Result<Json<AlertView>, Problem> {
    let found = app.parts.alerts.show(AlertId(id)).await?;
    let found = found.ok_or_else(|| Problem::not_found(format!("there is no alert {id}")));
    found.map(Json)
}

/// Says that somebody has seen an alert and has it in hand.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/ack", tag = "alerts", request_body = Note,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn acknowledge(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(note): Body<Note>,
) -> Result<Json<Alert>, Problem> {
    let changing =
        app.parts
            .alerts
            .acknowledge(&actor, AlertId(id), written(note.comment.as_deref()));
    Ok(Json(changing.await?))
}

/// Says that somebody works on an alert.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/start", tag = "alerts", request_body = Note,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Its state does not allow it", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(note): Body<Note>,
) -> Result<Json<Alert>, Problem> {
    let changing = app
        .parts
        .alerts
        .start(&actor, AlertId(id), written(note.comment.as_deref()));
    Ok(Json(changing.await?))
}

/// Closes an alert.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/close", tag = "alerts", request_body = Closing,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is closed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn close(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(closing): Body<Closing>,
) -> Result<Json<Alert>, Problem> {
    let resolution = super::word(
        "resolution",
        Some(&closing.resolution),
        Resolution::ALL,
        Resolution::from_name,
    )?;
    let resolution = resolution.ok_or_else(|| Problem::field("resolution", "say how it ended"))?;
    let comment = written(closing.comment.as_deref());
    let changing = app
        .parts
        .alerts
        .close(&actor, AlertId(id), resolution, comment);
    Ok(Json(changing.await?))
}

/// Adds a comment to an alert.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/comments", tag = "alerts", request_body = Note,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn comment(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(note): Body<Note>,
) -> Result<StatusCode, Problem> {
    let comment = note.comment.as_deref().unwrap_or_default();
    app.parts
        .alerts
        .comment(&actor, AlertId(id), comment)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A comment that says something.
fn written(comment: Option<&str>) -> Option<&str> {
    comment.filter(|comment| !comment.trim().is_empty())
}

impl From<TransitionError> for Problem {
    fn from(error: TransitionError) -> Self {
        match error {
            TransitionError::NotFound { .. } => Self::not_found(error.to_string()),
            TransitionError::NotAllowed { .. } => {
                Self::new(StatusCode::CONFLICT, "state", error.to_string())
            }
            TransitionError::CommentInvalid => Self::field("comment", error.to_string()),
            TransitionError::Store(error) => Self::internal(&error),
        }
    }
}
