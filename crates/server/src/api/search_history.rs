//! What the asker has searched for lately.

use axum::Json;
use axum::extract::State;
use registry::PastSearch;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::access::MayKeep;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::limit;

/// Which part of the history.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HistoryParams {
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What was forgotten.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClearedReply {
    /// How many entries there were.
    removed: u64,
}

/// Lists one's own searches, newest first: query, span of time as typed, when, how long it took, how many events matched.
///
/// The newest 1000 are kept. The same search one time after another is one entry, with how often it was asked (`times`).
#[utoipa::path(
    get, path = "/api/v1/search-history", tag = "events", params(HistoryParams),
    responses(
        (status = 200, body = List<Object>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn history(
    State(app): State<App>,
    MayKeep(actor, _): MayKeep,
    Params(params): Params<HistoryParams>,
) -> Result<Json<List<PastSearch>>, Problem> {
    let limit = u32::try_from(limit(params.limit, 100, 1000)?).unwrap_or(u32::MAX);
    let before = super::numeric_cursor(params.cursor.as_deref())?;
    let page = app
        .parts
        .registry
        .search_history(&actor, before, limit)
        .await?;
    Ok(Json(super::list(page)))
}

/// Forgets one's own history. The journal's records of searches stay.
#[utoipa::path(
    delete, path = "/api/v1/search-history", tag = "events", responses((status = 200, body = ClearedReply))
)]
pub(crate) async fn clear(
    State(app): State<App>,
    MayKeep(actor, _): MayKeep,
) -> Result<Json<ClearedReply>, Problem> {
    let removed = app.parts.registry.clear_search_history(&actor).await?;
    Ok(Json(ClearedReply { removed }))
}
