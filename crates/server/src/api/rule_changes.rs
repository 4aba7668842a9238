//! What a site changes about rules: their settings, and events that they are not to see. The running detector goes on with
//! a change within seconds.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use detect::RuleSettings;
use event::Micros;
use registry::{NewRuleException, RuleException, RuleOverride};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::List;
use crate::access::{MayChange, MayRead};
use crate::app::App;
use crate::extract::{Body, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::instant;

/// How long an exception may hold, in days.
const DAYS_MAX: i64 = 365;

/// A setting of a rule.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingBody {
    /// Its name, as in the configuration: `enabled`, `disposition`, `threshold`, `window`, `learning`, `at_least`, `samples`.
    name: String,
    /// Its value; the rule's own, or the configuration's, is back when left out.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
    /// Why.
    reason: String,
}

/// What is set about a rule here; what the configuration sets is not among it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleChangesReply {
    /// Settings, with who set them, when and why.
    #[schema(value_type = Vec<Object>)]
    settings: Vec<RuleOverride>,
    /// Exceptions that hold, those of every rule included.
    #[schema(value_type = Vec<Object>)]
    exceptions: Vec<RuleException>,
}

/// Events that a rule is not to see.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExceptionBody {
    /// The rule's identifier; every rule when left out.
    #[serde(default)]
    rule: Option<String>,
    /// Which events: a condition, such as `source.ip:10.0.0.7 AND user.name:scanner`.
    query: String,
    /// Who answers for it.
    owner: String,
    /// Why.
    reason: String,
    /// From when on it holds no more, such as `now+30d`: at most a year from now.
    expires: String,
}

/// Shows what is set about a rule.
#[utoipa::path(
    get, path = "/api/v1/rules/{id}/settings", tag = "detection", params(("id" = String, Path, description = "Its identifier")),
    responses(
        (status = 200, body = RuleChangesReply),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn settings(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<String>,
) -> Result<Json<RuleChangesReply>, Problem> {
    is_known(&app, &id)?;
    changes(&app, &id).await.map(Json)
}

/// Sets something about a rule: switches it off or on, promotes its detections, changes its numbers.
#[utoipa::path(
    put, path = "/api/v1/rules/{id}/settings", tag = "detection", request_body = SettingBody,
    params(("id" = String, Path, description = "Its identifier")),
    responses(
        (status = 200, body = RuleChangesReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn set(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<String>,
    Body(body): Body<SettingBody>,
) -> Result<Json<RuleChangesReply>, Problem> {
    is_known(&app, &id)?;
    let reason = said("reason", &body.reason, "say why")?;
    let value = body.value.clone().unwrap_or(serde_json::Value::Null);
    RuleSettings::default()
        .with(&body.name, &value)
        .map_err(|error| Problem::field("value", error.to_string()))?;
    super::rule_preview::check(&app, &id, &body.name, value).await?;
    let registry = &app.parts.registry;
    registry
        .set_rule_override(&actor, &id, &body.name, body.value.as_ref(), reason)
        .await?;
    changes(&app, &id).await.map(Json)
}

/// Lists the exceptions that hold.
#[utoipa::path(get, path = "/api/v1/rule-exceptions", tag = "detection", responses((status = 200, body = List<Object>)))]
pub(crate) async fn exceptions(
    State(app): State<App>,
    _: MayRead,
) -> Result<Json<List<RuleException>>, Problem> {
    let now = app.parts.clock.now();
    Ok(Json(List {
        items: app.parts.registry.rule_exceptions(now).await?,
        next_cursor: None,
    }))
}

/// Makes an exception: events that a rule, or every rule, is not to see.
#[utoipa::path(
    post, path = "/api/v1/rule-exceptions", tag = "detection", request_body = ExceptionBody,
    responses(
        (status = 201, body = Object),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn except(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(body): Body<ExceptionBody>,
) -> Result<(StatusCode, Json<RuleException>), Problem> {
    if let Some(rule) = &body.rule
        && app.parts.vitals.rules().info(rule).is_none()
    {
        return Err(Problem::field("rule", format!("there is no rule «{rule}»")));
    }
    let now = app.parts.clock.now();
    let context = query::Context::at(now);
    condition("query", &body.query)?;
    let expires = instant("expires", Some(&body.expires), &context)?;
    let latest = Micros(now.0.saturating_add(DAYS_MAX * Micros::PER_DAY));
    let expires = expires.filter(|at| *at > now && *at <= latest);
    let expires_at = expires.ok_or_else(|| {
        Problem::field(
            "expires",
            "a time to come, at most a year from now, such as now+30d",
        )
    })?;
    let new = NewRuleException {
        rule: body.rule.clone(),
        query: body.query.clone(),
        owner: said("owner", &body.owner, "say who answers for it")?.to_owned(),
        reason: said("reason", &body.reason, "say why")?.to_owned(),
        expires_at,
    };
    let made = app.parts.registry.add_rule_exception(&actor, &new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Ends an exception now.
#[utoipa::path(
    post, path = "/api/v1/rule-exceptions/{id}/end", tag = "detection", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn end(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
) -> Result<StatusCode, Problem> {
    match app.parts.registry.end_rule_exception(&actor, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("no exception {id} holds"))),
    }
}

async fn changes(app: &App, id: &str) -> Result<RuleChangesReply, Problem> {
    let registry = &app.parts.registry;
    let settings = registry.rule_overrides().await?.into_iter();
    let exceptions = registry.rule_exceptions(app.parts.clock.now()).await?;
    let exceptions = exceptions.into_iter();
    Ok(RuleChangesReply {
        settings: settings.filter(|set| set.rule == id).collect(),
        exceptions: exceptions
            .filter(|exception| exception.rule.as_deref().is_none_or(|rule| rule == id))
            .collect(),
    })
}

/// Whether the text can be an exception's condition.
pub(super) fn condition(field: &'static str, text: &str) -> Result<(), Problem> {
    let parsed = query::parse(text, &query::Context::at(Micros(0)));
    let condition = parsed.into_result().map_err(Problem::query)?;
    if condition == query::Expr::All {
        let detail = "an exception for every event is a rule switched off: set enabled to false";
        return Err(Problem::field(field, detail));
    }
    Ok(())
}

pub(super) fn is_known(app: &App, id: &str) -> Result<(), Problem> {
    match app.parts.vitals.rules().info(id) {
        Some(_) => Ok(()),
        None => Err(Problem::not_found(format!("there is no rule «{id}»"))),
    }
}

/// A text that says something.
fn said<'t>(field: &'static str, text: &'t str, wanted: &str) -> Result<&'t str, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Problem::field(field, wanted));
    }
    Ok(text)
}
