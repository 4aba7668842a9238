//! What a change of a rule would have done, before it is made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use detect::{RuleException, RuleProblem, Rules, Settings};
use event::Micros;
use index::Index;
use serde::Deserialize;
use utoipa::ToSchema;

use super::rule_changes::{condition, is_known};
use crate::access::MayChange;
use crate::app::App;
use crate::extract::{Body, Segment};
use crate::own_thread;
use crate::parts::RuleTrials;
use crate::preview::{Preview, PreviewReply};
use crate::problem::{Problem, ProblemBody};
use crate::question::{context, instant};
use crate::replay::{Allowance, Replay, depth_for};
use crate::searches::CancelWhenDropped;

/// How long a preview may take, in seconds: as long as a person waits for it.
const SECONDS_MAX: u64 = 60;
/// What it may read, in bytes of raw text: about what is parsed in that time.
const BYTES_MAX: u64 = 4 << 30;
/// How far back it goes by itself.
const SPAN: i64 = 7 * Micros::PER_DAY;

/// A change to be tried.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PreviewBody {
    /// Settings by their names; `null` gives back the value from the configuration, or the rule's own.
    #[schema(value_type = Object)]
    settings: BTreeMap<String, serde_json::Value>,
    /// Events that the rule is not to see: a condition.
    exception: Option<String>,
    /// Only records received since; seven days ago when left out.
    from: Option<String>,
    /// Only records received before; whatever has arrived when left out.
    to: Option<String>,
    /// How many seconds it may take, 60 at most and by itself. The oldest events come first: what was not reached is newer.
    seconds: Option<u64>,
}

/// An exception for every rule to be tried.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExceptionPreviewBody {
    /// Events that no rule is to see: a condition.
    query: String,
    /// As in the preview of a rule.
    #[serde(default)]
    from: Option<String>,
    /// As in the preview of a rule.
    #[serde(default)]
    to: Option<String>,
    /// As in the preview of a rule.
    #[serde(default)]
    seconds: Option<u64>,
}

/// Tells what a change of a rule would have done: goes through the past under the rules in force and under the changed
/// ones, and compares the detections of this rule and of those built on it. Nothing is stored.
///
/// Both sides begin without memory. Only the events that decide are read, as far as the rules allow.
#[utoipa::path(
    post, path = "/api/v1/rules/{id}/preview", tag = "detection", request_body = PreviewBody,
    params(("id" = String, Path, description = "Its identifier")),
    responses(
        (status = 200, body = PreviewReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn of_rule(
    state: State<App>,
    by: MayChange,
    Segment(id): Segment<String>,
    Body(body): Body<PreviewBody>,
) -> Result<Json<PreviewReply>, Problem> {
    is_known(&state, &id)?;
    if body.settings.is_empty() && body.exception.is_none() {
        let detail = "say what is to change: settings by their names, or an exception";
        return Err(Problem::field("settings", detail));
    }
    preview(&state, by, Some(id), body).await
}

/// Tells what an exception for every rule would have done. Every event is read, within the time.
#[utoipa::path(
    post, path = "/api/v1/rule-exceptions/preview", tag = "detection", request_body = ExceptionPreviewBody,
    responses(
        (status = 200, body = PreviewReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn of_exception(
    state: State<App>,
    by: MayChange,
    Body(body): Body<ExceptionPreviewBody>,
) -> Result<Json<PreviewReply>, Problem> {
    let body = PreviewBody {
        settings: BTreeMap::new(),
        exception: Some(body.query),
        from: body.from,
        to: body.to,
        seconds: body.seconds,
    };
    preview(&state, by, None, body).await
}

async fn preview(
    app: &App,
    MayChange(actor): MayChange,
    rule: Option<String>,
    body: PreviewBody,
) -> Result<Json<PreviewReply>, Problem> {
    let before = app.parts.vitals.rules();
    let settings = changed(app, &before, rule.as_deref(), &body)?;
    let context = context(app);
    let now = app.parts.clock.now();
    let from = instant("from", body.from.as_deref(), &context)?;
    let to = instant("to", body.to.as_deref(), &context)?;
    let from = from.unwrap_or(Micros(to.unwrap_or(now).0.saturating_sub(SPAN)));
    let time = seconds(body.seconds)?;
    let place = app.previews.take(&actor.name)?;
    let object = described(rule.as_deref(), &body);
    app.record(&actor, "rule-preview", object).await;
    let allowance = Allowance {
        time: Some(time),
        bytes: Some(BYTES_MAX),
        ..Allowance::default()
    };
    let asker = CancelWhenDropped(allowance.cancel.clone());
    let cancel = allowance.cancel.clone();
    let trial = Trial {
        replay: Replay {
            journal: app.parts.journal.clone(),
            events: Arc::clone(&app.parts.events),
            depth: depth_for(&before),
            from: Some(from),
            to,
        },
        index: Arc::clone(&app.parts.index),
        trials: Arc::clone(&app.parts.trials),
        before,
        settings,
        rule,
        is_exception: body.exception.is_some(),
    };
    let work = own_thread::run("preview", move || {
        let tried = trial.run(&allowance);
        // The thread keeps the place: a preview that ends late still counts.
        drop(place);
        tried
    });
    tokio::pin!(work);
    let done = tokio::select! {
        done = &mut work => done,
        () = app.stopped() => {
            cancel.cancel();
            work.await
        }
    };
    drop(asker);
    done?.map(Json)
}

/// What is tried, on a thread of its own: it does not hold the whole server, which may end before it.
struct Trial {
    replay: Replay,
    index: Arc<Index>,
    trials: Arc<dyn RuleTrials>,
    before: Arc<Rules>,
    settings: Settings,
    rule: Option<String>,
    is_exception: bool,
}

impl Trial {
    fn run(self, allowance: &Allowance) -> Result<PreviewReply, Problem> {
        let after = self.trials.rules_under(&self.settings);
        let field = if self.is_exception {
            "exception"
        } else {
            "settings"
        };
        sound(&self.before, &after).map_err(|problem| Problem::field(field, problem))?;
        let preview = Preview {
            replay: Replay {
                depth: self.replay.depth.max(depth_for(&after)),
                ..self.replay
            },
            before: self.before,
            after: Arc::new(after),
            rule: self.rule,
            servers: self.trials.servers(),
            zone: query::Context::at(Micros(0)).zone,
        };
        Ok(preview.run(&self.index, allowance)?)
    }
}

/// The settings with the change in them.
fn changed(
    app: &App,
    in_force: &Rules,
    rule: Option<&str>,
    body: &PreviewBody,
) -> Result<Settings, Problem> {
    let mut settings = in_force.settings().clone();
    if let Some(id) = rule {
        let configured = app.parts.trials.configured();
        let configured = configured.rules.get(id).cloned().unwrap_or_default();
        let of_rule = settings.rules.entry(id.to_owned()).or_default();
        for (name, value) in &body.settings {
            let value = if value.is_null() {
                let configured = serde_json::to_value(&configured);
                configured.map_err(|error| Problem::internal(&error))?[name].clone()
            } else {
                value.clone()
            };
            let with = of_rule.with(name, &value);
            *of_rule = with.map_err(|error| Problem::field("settings", error.to_string()))?;
        }
    }
    if let Some(query) = &body.exception {
        condition("exception", query)?;
        settings.exceptions.push(RuleException {
            rule: rule.map(str::to_owned),
            query: query.clone(),
            owner: String::new(),
            reason: String::new(),
            expires: Micros::MAX,
        });
    }
    Ok(settings)
}

/// Whether a rule can be used with that value of a setting, as it will be once it is set.
pub(super) async fn check(
    app: &App,
    rule: &str,
    name: &str,
    value: serde_json::Value,
) -> Result<(), Problem> {
    let before = app.parts.vitals.rules();
    let body = PreviewBody {
        settings: BTreeMap::from([(name.to_owned(), value)]),
        ..PreviewBody::default()
    };
    let settings = changed(app, &before, Some(rule), &body)?;
    let trials = Arc::clone(&app.parts.trials);
    let compiled = own_thread::run("rules", move || {
        sound(&before, &trials.rules_under(&settings))
    });
    compiled
        .await?
        .map_err(|problem| Problem::field("value", problem))
}

/// What is wrong with the changed rules that was not before, if anything.
fn sound(before: &Rules, after: &Rules) -> Result<(), String> {
    let is_new = |problem: &&RuleProblem| !before.problems().contains(problem);
    match after.problems().iter().find(is_new) {
        None => Ok(()),
        Some(problem) => Err(problem.message.clone()),
    }
}

fn seconds(asked: Option<u64>) -> Result<Duration, Problem> {
    match asked.unwrap_or(SECONDS_MAX) {
        seconds @ 1..=SECONDS_MAX => Ok(Duration::from_secs(seconds)),
        _ => Err(Problem::field("seconds", format!("1 to {SECONDS_MAX}"))),
    }
}

/// A change as it goes on record.
fn described(rule: Option<&str>, body: &PreviewBody) -> String {
    let mut text = rule.unwrap_or("*").to_owned();
    for (name, value) in &body.settings {
        text.push_str(&format!(" {name}={value}"));
    }
    if let Some(query) = &body.exception {
        text.push_str(&format!(" except {query}"));
    }
    super::described(Some(&text), body.from.as_deref(), body.to.as_deref())
}
