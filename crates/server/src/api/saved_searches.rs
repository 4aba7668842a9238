//! Searches that people keep under a name.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use registry::{Actor, SavedSearch, SavedSearchError, SearchText};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::access::MayKeep;
use crate::app::App;
use crate::extract::{Body, Params, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

/// The longest text of a time, in bytes.
const TIME_BYTES_MAX: usize = 64;

/// Which part of the list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SavedSearchParams {
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What a saved search says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SavedSearchBody {
    /// Its name: 1 to 120 letters on one line. Each owner has one search of a name.
    name: String,
    /// The query, with stages if there are any; everything when left out.
    query: String,
    /// The beginning of the span of time, kept as it is written: `now-24h` is the day before each time that it is asked.
    from: Option<String>,
    /// The end of the span of time, likewise.
    to: Option<String>,
    /// What it is for: at most 2000 letters.
    description: String,
    /// Whether everybody who may search sees it.
    shared: bool,
}

/// A saved search.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedSearchReply {
    /// Number, owner, name, query, span of time, description, whether it is shared, and when it was made and changed.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    search: SavedSearch,
    /// Whether it is the asker's own.
    own: bool,
}

impl SavedSearchReply {
    fn new(search: SavedSearch, to: &Actor) -> Self {
        let own = search.owner == to.name;
        Self { search, own }
    }
}

/// Lists one's own saved searches and those that others share, last made first; for administrators all.
#[utoipa::path(
    get, path = "/api/v1/saved-searches", tag = "events", params(SavedSearchParams),
    responses(
        (status = 200, body = List<SavedSearchReply>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn saved_searches(
    State(app): State<App>,
    MayKeep(actor, rights): MayKeep,
    Params(params): Params<SavedSearchParams>,
) -> Result<Json<List<SavedSearchReply>>, Problem> {
    let limit = u32::try_from(limit(params.limit, 100, 1000)?).unwrap_or(u32::MAX);
    let before = super::numeric_cursor(params.cursor.as_deref())?;
    let registry = &app.parts.registry;
    let page = registry
        .saved_searches(&actor, rights, before, limit)
        .await?;
    let items = page.items.into_iter();
    Ok(Json(super::list(registry::Page {
        items: items
            .map(|search| SavedSearchReply::new(search, &actor))
            .collect(),
        next: page.next,
    })))
}

/// Keeps a search under a name.
#[utoipa::path(
    post, path = "/api/v1/saved-searches", tag = "events", request_body = SavedSearchBody,
    responses(
        (status = 201, body = SavedSearchReply),
        (status = 400, description = "The query or another part is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken, or too many are kept", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn save(
    State(app): State<App>,
    MayKeep(actor, _): MayKeep,
    Body(body): Body<SavedSearchBody>,
) -> Result<(StatusCode, Json<SavedSearchReply>), Problem> {
    let text = checked(&app, body)?;
    let made = app.parts.registry.save_search(&actor, &text).await?;
    let reply = SavedSearchReply::new(made, &actor);
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Shows a saved search.
#[utoipa::path(
    get, path = "/api/v1/saved-searches/{id}", tag = "events", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = SavedSearchReply),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn saved_search(
    State(app): State<App>,
    MayKeep(actor, rights): MayKeep,
    Segment(id): Segment<u64>,
) -> Result<Json<SavedSearchReply>, Problem> {
    let found = app.parts.registry.saved_search(&actor, rights, id).await?;
    let found = found.ok_or(SavedSearchError::NotFound { id })?;
    Ok(Json(SavedSearchReply::new(found, &actor)))
}

/// Makes a saved search say something else: its owner or an administrator may.
#[utoipa::path(
    put, path = "/api/v1/saved-searches/{id}", tag = "events", request_body = SavedSearchBody,
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = SavedSearchReply),
        (status = 400, description = "The query or another part is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "It is another's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    MayKeep(actor, rights): MayKeep,
    Segment(id): Segment<u64>,
    Body(body): Body<SavedSearchBody>,
) -> Result<Json<SavedSearchReply>, Problem> {
    let text = checked(&app, body)?;
    let registry = &app.parts.registry;
    let changed = registry
        .change_saved_search(&actor, rights, id, &text)
        .await?;
    Ok(Json(SavedSearchReply::new(changed, &actor)))
}

/// Deletes a saved search: its owner or an administrator may.
#[utoipa::path(
    delete, path = "/api/v1/saved-searches/{id}", tag = "events", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 204),
        (status = 403, description = "It is another's", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(app): State<App>,
    MayKeep(actor, rights): MayKeep,
    Segment(id): Segment<u64>,
) -> Result<StatusCode, Problem> {
    app.parts
        .registry
        .delete_saved_search(&actor, rights, id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A search that can be asked.
fn checked(app: &App, body: SavedSearchBody) -> Result<SearchText, Problem> {
    let written = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (from, to) = (written(body.from), written(body.to));
    for (field, time) in [("from", &from), ("to", &to)] {
        if time
            .as_ref()
            .is_some_and(|time| time.len() > TIME_BYTES_MAX)
        {
            let detail = "that is no time: write 2026-10-11T22:14:15+07:00, 2026-10-11 or now-15m";
            return Err(Problem::field(field, detail));
        }
    }
    // It must be possible to ask it, now and later.
    Question::check(app, &body.query, from.as_deref(), to.as_deref())?;
    Ok(SearchText {
        name: body.name,
        query: body.query,
        from,
        to,
        description: body.description,
        shared: body.shared,
    })
}

impl From<SavedSearchError> for Problem {
    fn from(error: SavedSearchError) -> Self {
        let said = error.to_string();
        match error {
            SavedSearchError::NameInvalid { .. } => Self::field("name", said),
            SavedSearchError::DescriptionTooLong => Self::field("description", said),
            SavedSearchError::NameTaken { .. } => {
                Self::new(StatusCode::CONFLICT, "name-taken", said)
            }
            SavedSearchError::TooMany => Self::new(StatusCode::CONFLICT, "too-many", said),
            SavedSearchError::NotFound { .. } => Self::not_found(said),
            SavedSearchError::NotOwner { .. } => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", said)
            }
            SavedSearchError::Store(error) => Self::internal(&error),
        }
    }
}
