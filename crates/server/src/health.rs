//! Whether the server lives, and whether it does its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// Whether the server does its work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// Whether all is well.
    ready: bool,
    /// What is not, for people.
    problems: Vec<String>,
}

/// Answers as long as the process lives.
#[utoipa::path(get, path = "/healthz", tag = "operation", responses((status = 200, body = String)))]
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether records are being taken and can be found.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness))
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let mut problems = Vec::new();
    match app.parts.vitals.journal().state {
        journal::State::Running => {}
        journal::State::DiskFull => problems.push(
            "the journal waits for room on its disk: free some, and it goes on by itself"
                .to_owned(),
        ),
        // The reason may name paths: it is in the log.
        journal::State::Stopped(_) => problems.push(
            "the journal has stopped because its disk failed: see the log, then restart".to_owned(),
        ),
        journal::State::Closed => {
            problems.push("the journal is closed: the server is ending".to_owned());
        }
    }
    if app.parts.index.status().failure.is_some() {
        problems.push("the index cannot write: see the log; searching scans instead".to_owned());
    }
    let ready = problems.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(Readiness { ready, problems }))
}
