//! Why a search has found nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use query::Expr;
use registry::SourceFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::nothing::{self, Code, Nothing, Reason, Suggestion};
use crate::pipes;
use crate::problem::{Problem, ProblemBody};
use crate::question::Question;

/// Sources that are looked at, the most recently seen first.
const SOURCES_MAX: u32 = 10_000;

/// The search that found nothing.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WhyParams {
    /// The query; of its stages nothing is said.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
}

/// Why nothing was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WhyReply {
    /// Events that match after all; then there are no reasons.
    total: u64,
    /// The reasons, the likeliest first.
    reasons: Vec<ReasonReply>,
}

/// A reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReasonReply {
    /// Which; stable, for programs.
    code: Code,
    /// Tiếng Việt.
    vi: String,
    /// English.
    en: String,
    /// A query that has hits.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<Suggestion>,
}

impl From<Reason> for ReasonReply {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code,
            vi: reason.said.vi,
            en: reason.said.en,
            suggestion: reason.suggestion,
        }
    }
}

/// Tells why a search has found nothing, the likeliest reason first, and what to ask instead.
#[utoipa::path(
    get, path = "/api/v1/why-nothing", tag = "events", params(WhyParams),
    responses(
        (status = 200, body = WhyReply),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn why_nothing(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<WhyParams>,
) -> Result<Json<WhyReply>, Problem> {
    let (q, from, to) = (
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    let (question, pipeline) = Question::read_pipeline(&app, &actor, q, from, to).await?;
    let described = super::described(q, from, to);
    let filter = SourceFilter {
        limit: SOURCES_MAX,
        ..SourceFilter::default()
    };
    let partitions = app.parts.journal.partitions();
    let nothing = Nothing {
        expr: Expr::and([pipeline.filter.clone(), pipes::narrowed(&pipeline).0]),
        span: (question.from, question.to),
        now: app.parts.clock.now(),
        kept_from: partitions.first().map(|partition| partition.oldest),
        sources: app.parts.registry.sources(&filter).await?,
    };
    let index = Arc::clone(&app.parts.index);
    let asking = app.searches.run(&actor.name, move |budget, cancel| {
        nothing::why(&index, &nothing, budget, cancel)
    });
    let recorded = app.note(&actor, "search-why-nothing", described);
    let (why, ()) = tokio::join!(asking, recorded);
    let why = why?;
    Ok(Json(WhyReply {
        total: why.total,
        reasons: why.reasons.into_iter().map(ReasonReply::from).collect(),
    }))
}
