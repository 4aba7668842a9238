//! Rules in force.

use axum::Json;
use axum::extract::State;
use detect::{Coverage, RuleInfo, RuleOrigin, RuleState, RuleText};
use serde::Serialize;
use utoipa::ToSchema;

use super::List;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Segment;
use crate::problem::{Problem, ProblemBody};

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleReply {
    /// Its identifier.
    id: String,
    /// Its title, in English.
    title: String,
    /// What it is for.
    description: String,
    /// How it looks: `sigma`, `event_count`, `value_count`, `temporal`, `temporal_ordered`, `first_seen`, `absence`,
    /// `rate`, `regular` or `list`.
    kind: &'static str,
    /// The file that it comes from.
    file: String,
    /// `builtin` or `site`.
    origin: &'static str,
    /// `active`, `base` (only a building block of others), `disabled` or `blind` (it can never match).
    state: &'static str,
    /// Why it can never match.
    #[serde(skip_serializing_if = "Option::is_none")]
    blind_because: Option<String>,
    /// `evaluated`, `partly` or `blind`: whether what it needs arrives, and so whether "no detections" means anything.
    coverage: &'static str,
    /// What becomes of its detections.
    disposition: &'static str,
    /// What the thing detected has done.
    effect: &'static str,
    /// The field of its entity.
    entity: Option<String>,
    /// The fields of its group key.
    key: Vec<String>,
    /// Its numbers that settings may change.
    tunables: Vec<TunableReply>,
    /// Sigma's tags.
    tags: Vec<String>,
    /// The events that it looks at, as a query.
    query: String,
    /// What people are told, by language.
    texts: TextsReply,
    /// What it does not see, by language.
    misses: MissesReply,
}

/// What a rule does not see, so that its silence is not trusted too far; empty where its file does not say.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MissesReply {
    /// Vietnamese.
    vi: String,
    /// English.
    en: String,
}

/// A number that settings may change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TunableReply {
    /// Its name in the settings.
    name: &'static str,
    /// The value in force.
    value: String,
    /// The value in the rule's file.
    default: String,
    /// Why the default is what it is, Vietnamese.
    reason_vi: String,
    /// Why the default is what it is, English.
    reason_en: String,
}

/// What people are told, by language.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextsReply {
    /// Vietnamese.
    pub(super) vi: TextReply,
    /// English.
    pub(super) en: TextReply,
}

/// What people are told in one language; `{field}` stands where a fact goes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TextReply {
    /// A title of a few words.
    pub(super) title: String,
    /// A sentence or two.
    pub(super) detail: String,
    /// What to do about it.
    pub(super) runbook: String,
}

/// Lists the rules.
#[utoipa::path(get, path = "/api/v1/rules", tag = "detection", responses((status = 200, body = List<RuleReply>)))]
pub(crate) async fn rules(State(app): State<App>, _: MayRead) -> Json<List<RuleReply>> {
    let rules = app.parts.vitals.rules();
    let detector = app.parts.vitals.detector().status;
    let items = rules.infos().into_iter().map(|info| reply(info, &detector));
    Json(List {
        items: items.collect(),
        next_cursor: None,
    })
}

/// Shows a rule.
#[utoipa::path(
    get, path = "/api/v1/rules/{id}", tag = "detection", params(("id" = String, Path, description = "Its identifier")),
    responses(
        (status = 200, body = RuleReply),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rule(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<String>,
) -> Result<Json<RuleReply>, Problem> {
    let rules = app.parts.vitals.rules();
    let info = rules.info(&id);
    let info = info.ok_or_else(|| Problem::not_found(format!("there is no rule «{id}»")))?;
    Ok(Json(reply(info, &app.parts.vitals.detector().status)))
}

fn reply(info: &RuleInfo, detector: &detect::Status) -> RuleReply {
    let coverage = detector.rules.iter().find(|rule| rule.id == info.id);
    let (state, blind_because) = match &info.state {
        RuleState::Active => ("active", None),
        RuleState::Base => ("base", None),
        RuleState::Disabled => ("disabled", None),
        RuleState::Blind(why) => ("blind", Some(why.clone())),
    };
    let tunables = info.tunables.iter().map(|tunable| TunableReply {
        name: tunable.name,
        value: tunable.value.clone(),
        default: tunable.default.clone(),
        reason_vi: tunable.reason_vi.clone(),
        reason_en: tunable.reason_en.clone(),
    });
    RuleReply {
        id: info.id.to_string(),
        title: info.title.clone(),
        description: info.description.clone(),
        kind: info.kind.name(),
        file: info.file.clone(),
        origin: match info.origin {
            RuleOrigin::Builtin => "builtin",
            RuleOrigin::Site => "site",
        },
        state,
        blind_because,
        coverage: match coverage.map_or(Coverage::Blind, |rule| rule.coverage) {
            Coverage::Evaluated => "evaluated",
            Coverage::Partly => "partly",
            Coverage::Blind => "blind",
        },
        disposition: info.disposition.name(),
        effect: info.effect.name(),
        entity: info.entity.clone(),
        key: info.key.clone(),
        tunables: tunables.collect(),
        tags: info.tags.clone(),
        query: info.query.clone(),
        texts: TextsReply {
            vi: text(&info.vi),
            en: text(&info.en),
        },
        misses: MissesReply {
            vi: info.vi.misses.clone(),
            en: info.en.misses.clone(),
        },
    }
}

fn text(text: &RuleText) -> TextReply {
    TextReply {
        title: text.title.clone(),
        detail: text.detail.clone(),
        runbook: text.runbook.clone(),
    }
}
