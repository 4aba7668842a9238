//! People: who has alerts in hand.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use registry::{Contact, Person, PersonError, PersonText, Removed, RemovedPerson};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::access::{MayChange, MayRead};
use crate::app::App;
use crate::extract::{Body, Params, Segment};
use crate::problem::{Problem, ProblemBody};

/// Which people.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PeopleParams {
    /// Those who were removed, too.
    removed: bool,
}

/// What is said of a person.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonBody {
    /// Their name: 1 to 120 letters on one line, nobody else's.
    name: String,
    /// How they are reached, first what is to be tried first: at most 20.
    #[serde(default)]
    contacts: Vec<ContactBody>,
    /// The names of tokens and accounts that are theirs alone: at most 20.
    #[serde(default)]
    accounts: Vec<String>,
}

/// A way to reach somebody.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactBody {
    /// `email`, `phone`, or what else is used here: 1 to 32 of a–z, 0–9, `-` and `_`.
    kind: String,
    /// The address or the number.
    value: String,
}

/// Why something is done.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    /// For those who read it later.
    pub(crate) reason: String,
}

impl From<PersonBody> for PersonText {
    fn from(body: PersonBody) -> Self {
        let contacts = body.contacts.into_iter();
        Self {
            name: body.name,
            contacts: contacts
                .map(|ContactBody { kind, value }| Contact { kind, value })
                .collect(),
            accounts: body.accounts,
        }
    }
}

/// Lists people, first added first.
#[utoipa::path(
    get, path = "/api/v1/people", tag = "administration", params(PeopleParams),
    responses((status = 200, body = List<Object>))
)]
pub(crate) async fn people(
    State(app): State<App>,
    _: MayRead,
    Params(params): Params<PeopleParams>,
) -> Result<Json<List<Person>>, Problem> {
    let removed = match params.removed {
        true => Removed::Listed,
        false => Removed::LeftOut,
    };
    Ok(Json(List {
        items: app.parts.registry.people(removed).await?,
        next_cursor: None,
    }))
}

/// Shows a person, removed or not.
#[utoipa::path(
    get, path = "/api/v1/people/{id}", tag = "administration", params(("id" = u64, Path, description = "Their number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn person(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<u64>,
) -> Result<Json<Person>, Problem> {
    let found = app.parts.registry.person(id).await?;
    Ok(Json(found.ok_or(PersonError::NotFound { id })?))
}

/// Adds a person.
#[utoipa::path(
    post, path = "/api/v1/people", tag = "administration", request_body = PersonBody,
    responses(
        (status = 201, body = Object),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Somebody is called that", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn add(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(body): Body<PersonBody>,
) -> Result<(StatusCode, Json<Person>), Problem> {
    let added = app.parts.registry.add_person(&actor, &body.into()).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Makes a person's name, contacts and accounts these.
#[utoipa::path(
    put, path = "/api/v1/people/{id}", tag = "administration", request_body = PersonBody,
    params(("id" = u64, Path, description = "Their number")),
    responses(
        (status = 200, body = Object),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Somebody is called that", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn change(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(body): Body<PersonBody>,
) -> Result<Json<Person>, Problem> {
    let registry = &app.parts.registry;
    let changed = registry.change_person(&actor, id, &body.into()).await?;
    Ok(Json(changed))
}

/// Removes a person; their name stays on what they had in hand, and how many open alerts that is, is told.
#[utoipa::path(
    post, path = "/api/v1/people/{id}/remove", tag = "administration", request_body = Reason,
    params(("id" = u64, Path, description = "Their number")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remove(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
    Body(body): Body<Reason>,
) -> Result<Json<RemovedPerson>, Problem> {
    let registry = &app.parts.registry;
    let removed = registry.remove_person(&actor, id, &body.reason).await?;
    Ok(Json(removed))
}

impl From<PersonError> for Problem {
    fn from(error: PersonError) -> Self {
        let said = error.to_string();
        match error {
            PersonError::NameInvalid { .. } => Self::field("name", said),
            PersonError::ContactInvalid { .. } | PersonError::TooManyOfOne => {
                Self::field("contacts", said)
            }
            PersonError::AccountInvalid { .. } => Self::field("accounts", said),
            PersonError::NameTaken { .. } => Self::new(StatusCode::CONFLICT, "name-taken", said),
            PersonError::TooMany => Self::new(StatusCode::CONFLICT, "too-many", said),
            PersonError::NotFound { .. } => Self::not_found(said),
            PersonError::ReasonInvalid => Self::field("reason", said),
            PersonError::Store(error) => Self::internal(&error),
        }
    }
}
