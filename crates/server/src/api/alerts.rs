//! What people handle.

use alert::AlertView;
use axum::Json;
use axum::extract::State;
use event::{AlertSeverity, Detection};
use registry::{Alert, AlertFilter, AlertId, AlertState, Assigned};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::rules::TextsReply;
use super::severity_text::SeverityReply;
use super::{List, alert_text};
use crate::access::MayRead;
use crate::app::App;
use crate::evidence_query;
use crate::extract::{Params, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::{context, limit};

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
    /// Only those in this person's hand: their name, or an account of theirs.
    assignee: Option<String>,
    /// Only those in nobody's hand.
    unassigned: bool,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
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
        assigned: assigned(&app, params.assignee, params.unassigned).await?,
        quiet_since: None,
        before: super::numeric_cursor(params.cursor.as_deref())?,
        limit: u32::try_from(limit(params.limit, 100, 1000)?).unwrap_or(u32::MAX),
    };
    let page = app.parts.alerts.list(&filter).await?;
    Ok(Json(super::list(page)))
}

/// An alert with all that a person needs to judge it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertReply {
    /// The alert, its history, detections, evidence and notifications; of one about risk, the `story` in order of time.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    view: AlertView,
    /// How grave it is, and why.
    severity: SeverityReply,
    /// Finds the evidence: the rule's query with the values of the key, in the span of time of its detections; empty where there is
    /// none.
    evidence_query: String,
    /// What happened and what to do; `null` where the rule is gone meanwhile.
    texts: Option<TextsReply>,
}

/// Shows an alert with its history and evidence.
#[utoipa::path(
    get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = AlertReply),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn alert(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<u64>,
) -> Result<Json<AlertReply>, Problem> {
    let found = app.parts.alerts.show(AlertId(id)).await?;
    let view = found.ok_or_else(|| Problem::not_found(format!("there is no alert {id}")))?;
    let detections: Vec<&Detection> = view
        .detections
        .iter()
        .map(|stored| &stored.detection)
        .collect();
    Ok(Json(AlertReply {
        severity: SeverityReply::of(&view.alert),
        evidence_query: evidence_query::of(&detections, &context(&app)),
        texts: alert_text::texts(&view, &app.parts.vitals.rules()),
        view,
    }))
}

/// In whose hand alerts are to be. A name that is nobody's is looked for as it is: it may be on old alerts.
async fn assigned(
    app: &App,
    assignee: Option<String>,
    unassigned: bool,
) -> Result<Option<Assigned>, Problem> {
    let assignee = assignee.filter(|name| !name.is_empty());
    let Some(name) = assignee else {
        return Ok(unassigned.then_some(Assigned::ToNobody));
    };
    if unassigned {
        let detail =
            "in somebody's hand or in nobody's: leave one of `assignee` and `unassigned` out";
        return Err(Problem::field("unassigned", detail));
    }
    let person = app.parts.registry.person_called(&name).await?;
    Ok(Some(Assigned::To(
        person.map_or(name, |person| person.text.name),
    )))
}
