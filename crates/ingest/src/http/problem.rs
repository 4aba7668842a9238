//! What goes wrong with a whole request, in the two shapes that senders understand.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::auth::Refused;

/// A request that is refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// The last part of the problem's stable type.
    pub(crate) kind: &'static str,
    /// What happened and what to do.
    pub(crate) detail: String,
}

/// After so many seconds a sender that was turned away may come again.
const RETRY_AFTER_S: u16 = 1;

impl Problem {
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: String) -> Self {
        Self {
            status,
            kind,
            detail,
        }
    }

    pub(crate) fn busy(what: &str) -> Self {
        let detail = format!("{what}: send it again later");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
    }

    pub(crate) fn internal(what: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            what.to_owned(),
        )
    }

    /// Nothing is stored before a restart; what was sent may or may not have been stored.
    pub(crate) fn journal_stopped() -> Self {
        let detail =
            "the journal has stopped: the records are not acknowledged, send them again later";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "journal-stopped",
            detail.to_owned(),
        )
    }

    /// As `application/problem+json` (RFC 9457).
    pub(crate) fn into_problem_json(self) -> Response {
        let body = json!({
            "type": format!("urn:nhatky:problem:{}", self.kind),
            "title": self.status.canonical_reason().unwrap_or("error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = self.respond(&body);
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }

    /// As Elasticsearch says it.
    pub(crate) fn into_elasticsearch(self) -> Response {
        let kind = match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "security_exception",
            StatusCode::TOO_MANY_REQUESTS => "es_rejected_execution_exception",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable_shards_exception",
            StatusCode::PAYLOAD_TOO_LARGE => "content_too_long_exception",
            _ => "illegal_argument_exception",
        };
        let error = json!({"type": kind, "reason": self.detail});
        let body = json!({
            "error": {"root_cause": [error], "type": kind, "reason": self.detail},
            "status": self.status.as_u16(),
        });
        self.respond(&body)
    }

    fn respond(&self, body: &serde_json::Value) -> Response {
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Basic realm=\"nhatky\", Bearer, ApiKey");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
            }
            _ => {}
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, kind) = match refused {
            Refused::Unknown => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Refused::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Refused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, kind, refused.to_string())
    }
}
