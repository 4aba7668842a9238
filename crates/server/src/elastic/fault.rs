//! What goes wrong with a request, in Elasticsearch's shape.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use index::SearchError;
use query::PipeError;
use serde_json::{Value, json};

use crate::problem::Problem;

/// A request that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    status: StatusCode,
    /// Elasticsearch's name for it.
    kind: &'static str,
    /// What happened, and what to write instead.
    reason: String,
}

impl Fault {
    fn new(status: StatusCode, kind: &'static str, reason: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            reason: reason.into(),
        }
    }

    /// The request is not written as it should be.
    pub(super) fn parsing(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "parsing_exception", reason)
    }

    /// The request is understood, but asks for what cannot be given.
    pub(super) fn argument(reason: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "illegal_argument_exception",
            reason,
        )
    }

    /// A date is none.
    pub(super) fn date(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "parse_exception", reason)
    }

    /// The text of a `query_string` is not written as it should be.
    pub(super) fn query_string(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query_shard_exception", reason)
    }

    /// There would be more buckets than an answer may have.
    pub(super) fn too_many_buckets(max: usize) -> Self {
        let reason = format!(
            "the aggregations make more than {max} buckets: ask for longer intervals or fewer terms"
        );
        Self::new(
            StatusCode::BAD_REQUEST,
            "too_many_buckets_exception",
            reason,
        )
    }

    /// A search ended early, and its asker wants all or nothing.
    pub(super) fn partial() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "search_phase_execution_exception",
            "the search ended before everything was looked at: narrow its time, or allow partial results",
        )
    }

    /// The request took longer than any may.
    pub(super) fn late() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout_exception",
            "the request took too long: ask for less at once",
        )
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer's body.
    pub(super) fn body(&self) -> Value {
        let cause = json!({ "type": self.kind, "reason": self.reason });
        json!({
            "error": { "root_cause": [cause], "type": self.kind, "reason": self.reason },
            "status": self.status.as_u16(),
        })
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Basic realm=\"nhatky\", Bearer, ApiKey");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        let kind = match problem.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "security_exception",
            StatusCode::TOO_MANY_REQUESTS => "es_rejected_execution_exception",
            StatusCode::NOT_FOUND => "resource_not_found_exception",
            status if status.is_client_error() => "illegal_argument_exception",
            _ => "exception",
        };
        Self::new(problem.status(), kind, problem.detail())
    }
}

impl From<SearchError> for Fault {
    fn from(error: SearchError) -> Self {
        Problem::from(error).into()
    }
}

impl From<PipeError> for Fault {
    fn from(error: PipeError) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "too_many_buckets_exception",
            error.to_string(),
        )
    }
}
