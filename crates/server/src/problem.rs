//! What goes wrong with a request, as RFC 9457 has it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use index::SearchError;
use query::{Diagnostic, PipeError};
use registry::StoreError;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

/// The body of every answer that is not a success, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Which problem it is; stable, for programs: `urn:nhatky:problem:query` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the status means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, and what to do, for people.
    pub detail: String,
    /// The field of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong with the query, each with its place in bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub errors: Vec<Diagnostic>,
}

/// A request that is not carried out.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    field: Option<&'static str>,
    errors: Vec<Diagnostic>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            field: None,
            errors: Vec::new(),
        }
    }

    /// A field of the request is wrong.
    pub(crate) fn field(field: &'static str, detail: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            ..Self::new(StatusCode::BAD_REQUEST, "field", detail)
        }
    }

    /// The query cannot be understood.
    pub(crate) fn query(errors: Vec<Diagnostic>) -> Self {
        let is_error = |found: &&Diagnostic| found.severity == query::Severity::Error;
        let detail = errors
            .iter()
            .find(is_error)
            .map_or_else(String::new, |first| {
                format!(
                    "{} (at byte {}): {}",
                    first.message, first.span.start, first.fix
                )
            });
        Self {
            field: Some("q"),
            errors,
            ..Self::new(StatusCode::BAD_REQUEST, "query", detail)
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened, and what to do, for people.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn busy(what: &str) -> Self {
        let detail = format!("{what}: ask again in a moment");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
    }

    /// Something on our side failed; the log says what.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        error!(error, "a request failed");
        let detail = "the server could not do this: its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl Problem {
    /// As it stands in an answer.
    pub(crate) fn body(self) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:nhatky:problem:{}", self.kind),
            title: self.status.canonical_reason().unwrap_or("error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            field: self.field.map(str::to_owned),
            errors: self.errors,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let mut response = (status, axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<PipeError> for Problem {
    fn from(error: PipeError) -> Self {
        match error {
            PipeError::Memory { .. } => Self::field("q", error.to_string()),
            PipeError::Busy => Self::busy("the searches that run hold all the memory for rows"),
        }
    }
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Cursor => Self::field("cursor", error.to_string()),
            SearchError::Rows(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
