//! What people do to an alert.

use alert::{Assignee, TransitionError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use event::AlertSeverity;
use registry::{Alert, AlertId, Resolution};
use serde::Deserialize;
use utoipa::ToSchema;

use super::people::Reason;
use crate::access::MayChange;
use crate::app::App;
use crate::extract::{Body, Segment};
use crate::problem::{Problem, ProblemBody};

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

/// How grave an alert is, in a person's judgement.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grading {
    /// `low`, `medium`, `high` or `urgent`.
    severity: String,
    /// Why, for those who read it later.
    reason: String,
}

/// Into whose hand an alert is put.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Assignment {
    /// A person's name, or an account of theirs; one's own hand when left out.
    assignee: Option<String>,
    /// For those who read it later.
    comment: Option<String>,
}

/// Says that somebody has seen an alert; it is in their hand, unless it is in another's.
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

/// Says that somebody works on an alert; it is in their hand, unless it is in another's.
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
    let resolution = resolution(&closing.resolution)?;
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

/// Puts an alert into somebody's hand.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/assign", tag = "alerts", request_body = Assignment,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 400, description = "Nobody is called that", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is closed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn assign(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(assignment): Body<Assignment>,
) -> Result<Json<Alert>, Problem> {
    let name = assignment.assignee.as_deref();
    let to = name.map_or(Assignee::Oneself, Assignee::Person);
    let comment = written(assignment.comment.as_deref());
    let changing = app.parts.alerts.assign(&actor, AlertId(id), to, comment);
    Ok(Json(changing.await?))
}

/// Takes an alert out of everybody's hand.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/release", tag = "alerts", request_body = Note,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is closed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn release(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(note): Body<Note>,
) -> Result<Json<Alert>, Problem> {
    let comment = written(note.comment.as_deref());
    let changing = app.parts.alerts.release(&actor, AlertId(id), comment);
    Ok(Json(changing.await?))
}

/// Sets an alert's severity, in place of the one proposed, which stays visible beside it.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/severity", tag = "alerts", request_body = Grading,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 400, description = "No reason is given", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is closed", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn set_severity(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(body): Body<Grading>,
) -> Result<Json<Alert>, Problem> {
    let severity = super::word(
        "severity",
        Some(&body.severity),
        AlertSeverity::ALL,
        AlertSeverity::from_name,
    )?;
    let severity = severity.ok_or_else(|| Problem::field("severity", "say how grave it is"))?;
    let alerts = &app.parts.alerts;
    let changing = alerts.set_severity(&actor, AlertId(id), severity, &body.reason);
    Ok(Json(changing.await?))
}

/// Opens a closed alert again.
#[utoipa::path(
    post, path = "/api/v1/alerts/{id}/reopen", tag = "alerts", request_body = Reason,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = Object),
        (status = 400, description = "No reason is given", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is not closed, or another about the same is open", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reopen(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(body): Body<Reason>,
) -> Result<Json<Alert>, Problem> {
    let changing = app.parts.alerts.reopen(&actor, AlertId(id), &body.reason);
    Ok(Json(changing.await?))
}

/// How alerts end.
pub(super) fn resolution(text: &str) -> Result<Resolution, Problem> {
    let read = super::word(
        "resolution",
        Some(text),
        Resolution::ALL,
        Resolution::from_name,
    )?;
    read.ok_or_else(|| Problem::field("resolution", "say how it ended"))
}

/// A comment that says something.
pub(super) fn written(comment: Option<&str>) -> Option<&str> {
    comment.filter(|comment| !comment.trim().is_empty())
}

impl From<TransitionError> for Problem {
    fn from(error: TransitionError) -> Self {
        let said = error.to_string();
        match error {
            TransitionError::NotFound { .. } => Self::not_found(said),
            TransitionError::NotAllowed { .. }
            | TransitionError::IsClosed { .. }
            | TransitionError::IsOpen { .. }
            | TransitionError::Followed { .. } => Self::new(StatusCode::CONFLICT, "state", said),
            TransitionError::Nobody { .. } => Self::field("assignee", said),
            TransitionError::CommentInvalid => Self::field("comment", said),
            TransitionError::ReasonInvalid => Self::field("reason", said),
            TransitionError::Store(error) => Self::internal(&error),
        }
    }
}
