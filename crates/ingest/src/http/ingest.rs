//! `POST /api/v1/ingest`: NDJSON or a JSON array.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::Record;
use serde::Serialize;

use super::input::{HttpInput, off_the_runtime};
use super::items::{Item, SplitError, Written, split};
use super::problem::Problem;

/// The answer: how many items are durable now, and which were refused.
#[derive(Debug, Serialize)]
struct Answer {
    accepted: usize,
    errors: Vec<ItemError>,
}

/// An item that was refused alone.
#[derive(Debug, Serialize)]
struct ItemError {
    /// Its place among the items, from 0.
    index: usize,
    status: u16,
    reason: String,
}

pub(super) async fn ingest(State(input): State<HttpInput>, request: Request<Body>) -> Response {
    match take(&input, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.into_problem_json(),
    }
}

async fn take(input: &HttpInput, request: Request<Body>) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    let admitted = input.admit(&head).await?;
    let written = written(&head.headers);
    let (body, _allowance) = input.body(&admitted, &head.headers, body).await?;
    let items_max = usize::try_from(input.config().items_max).unwrap_or(usize::MAX);
    let bytes = body.clone();
    let items = off_the_runtime(body.len(), move || split(&bytes, written, items_max)).await?;
    let items = items.map_err(|error| input.count(error.into()))?;
    input.check_rate(&admitted, items.len())?;

    let limit = input.config().item_bytes_max.in_memory();
    let errors: Vec<ItemError> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.range.len() > limit)
        .map(|(index, item)| too_long(index, item, limit))
        .collect();
    input.count_items(errors.len());
    let records: Vec<_> = items
        .into_iter()
        .filter(|item| item.range.len() <= limit)
        .map(|item| Record {
            mark: item.mark,
            ..input.record(&admitted, body.slice(item.range))
        })
        .collect();
    let accepted = records.len();
    input.append(records).await?;
    Ok(Answer { accepted, errors })
}

fn too_long(index: usize, item: &Item, limit: usize) -> ItemError {
    ItemError {
        index,
        status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
        reason: format!(
            "the item has {} bytes, the limit is {limit}",
            item.range.len()
        ),
    }
}

fn written(headers: &HeaderMap) -> Written {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match kind {
        Some(kind) if kind.to_ascii_lowercase().contains("ndjson") => Written::Lines,
        _ => Written::AsItLooks,
    }
}

impl From<SplitError> for Problem {
    fn from(error: SplitError) -> Self {
        let (status, kind) = match error {
            SplitError::NotAnArray { .. } => (StatusCode::BAD_REQUEST, "not-items"),
            SplitError::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-many-items"),
        };
        Self::new(status, kind, error.to_string())
    }
}
