//! Tokens: what lets programs and people in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use registry::{NewToken, Role, Token, TokenError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::List;
use crate::access::MayChange;
use crate::app::App;
use crate::extract::{Body, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::instant;

/// A token to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// Its name: 1 to 64 letters, digits, `.`, `_` or `-`.
    name: String,
    /// What it may do: `ingest`, `read` or `admin`.
    role: String,
    /// From when on it is refused: RFC 3339, or like `now+90d`; never when left out.
    #[serde(default)]
    expires_at: Option<String>,
}

/// A token just made, with the only sight of its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenReply {
    /// The token as it will be listed.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    token: Token,
    /// What the bearer presents.
    secret: String,
}

/// Lists the tokens, without their secrets.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "administration", responses((status = 200, body = List<Object>)))]
pub(crate) async fn tokens(
    State(app): State<App>,
    _: MayChange,
) -> Result<Json<List<Token>>, Problem> {
    let items = app.parts.registry.tokens().await?;
    Ok(Json(List {
        items,
        next_cursor: None,
    }))
}

/// Makes a token.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "administration", request_body = TokenRequest,
    responses(
        (status = 201, body = TokenReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<TokenReply>), Problem> {
    let role = super::word("role", Some(&request.role), Role::ALL, Role::from_name)?;
    let context = query::Context::at(app.parts.clock.now());
    let new = NewToken {
        name: request.name,
        role: role.ok_or_else(|| Problem::field("role", "say what the token may do"))?,
        expires_at: instant("expires_at", request.expires_at.as_deref(), &context)?,
    };
    let created = app.parts.registry.create_token(&actor, new).await?;
    let reply = TokenReply {
        secret: created.secret.expose().to_owned(),
        token: created.token,
    };
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Revokes a token; it is refused from now on.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{name}", tag = "administration",
    params(("name" = String, Path, description = "Its name or identity")),
    responses(
        (status = 200, body = Object),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn revoke(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(name): Segment<String>,
) -> Result<Json<Token>, Problem> {
    Ok(Json(app.parts.registry.revoke_token(&actor, &name).await?))
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NameInvalid { .. } => Self::field("name", error.to_string()),
            TokenError::NameTaken { .. } => {
                Self::new(StatusCode::CONFLICT, "name-taken", error.to_string())
            }
            TokenError::NotFound { .. } => Self::not_found(error.to_string()),
            TokenError::Store(error) => Self::internal(&error),
        }
    }
}
