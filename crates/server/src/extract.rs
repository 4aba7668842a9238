//! Parameters and bodies of requests; what is wrong with them becomes a problem document.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters behind `?`.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A part of the path.
#[derive(Debug)]
pub(crate) struct Segment<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let problem = |rejection: QueryRejection| wrong(rejection.status(), rejection.body_text());
        let Query(params) = Query::from_request_parts(parts, state)
            .await
            .map_err(problem)?;
        Ok(Self(params))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let problem = |rejection: JsonRejection| wrong(rejection.status(), rejection.body_text());
        let Json(body) = Json::from_request(request, state).await.map_err(problem)?;
        Ok(Self(body))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let problem =
            |_: PathRejection| Problem::not_found("there is nothing with that name or number");
        let Path(segment) = Path::from_request_parts(parts, state)
            .await
            .map_err(problem)?;
        Ok(Self(segment))
    }
}

fn wrong(status: StatusCode, detail: String) -> Problem {
    Problem::new(status, "request", detail)
}
