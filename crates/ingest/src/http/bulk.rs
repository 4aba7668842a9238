//! `POST /_bulk` and `POST /{index}/_bulk`, as Elasticsearch has them.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use event::{Record, Seq};
use journal::SeqRange;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bulk_body::{Action, BulkError, BulkLimits, Fate, Refusal, split};
use super::input::{Admitted, HttpInput, off_the_runtime};
use super::problem::Problem;

pub(super) async fn bulk(State(input): State<HttpInput>, request: Request<Body>) -> Response {
    answer(&input, None, request).await
}

pub(super) async fn bulk_of_index(
    State(input): State<HttpInput>,
    Path(index): Path<String>,
    request: Request<Body>,
) -> Response {
    answer(&input, Some(index), request).await
}

async fn answer(input: &HttpInput, index: Option<String>, request: Request<Body>) -> Response {
    match take(input, index, request).await {
        Ok(answer) => Json(answer).into_response(),
        Err(problem) => problem.into_elasticsearch(),
    }
}

async fn take(
    input: &HttpInput,
    index: Option<String>,
    request: Request<Body>,
) -> Result<Value, Problem> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let admitted = input.admit(&head).await?;
    let (body, _allowance) = input.body(&admitted, &head.headers, body).await?;
    let limits = BulkLimits {
        items_max: usize::try_from(input.config().items_max).unwrap_or(usize::MAX),
        item_bytes_max: input.config().item_bytes_max.in_memory(),
    };
    let bytes = body.clone();
    let actions =
        off_the_runtime(body.len(), move || split(&bytes, index.as_deref(), limits)).await?;
    let actions = actions.map_err(|error| input.count(error.into()))?;
    input.check_rate(&admitted, actions.len())?;

    let records: Vec<Record> = actions
        .iter()
        .filter_map(|action| record(input, &admitted, &body, action))
        .collect();
    let refused = actions.len() - records.len();
    input.count_items(refused);
    let ranges = input.append(records).await?;
    Ok(results(&actions, &ranges, refused > 0, started.elapsed()))
}

fn record(input: &HttpInput, admitted: &Admitted, body: &Bytes, action: &Action) -> Option<Record> {
    let Fate::Store { range, mark } = &action.fate else {
        return None;
    };
    Some(Record {
        mark: *mark,
        item: Some(Box::new(action.item.clone())),
        ..input.record(admitted, body.slice(range.clone()))
    })
}

/// The answer in Elasticsearch's shape; `_seq_no` is the record's Seq.
fn results(actions: &[Action], ranges: &[SeqRange], errors: bool, took: Duration) -> Value {
    let mut seqs = ranges.iter().flat_map(|range| range.iter());
    let items: Vec<Value> = actions
        .iter()
        .map(|action| {
            let result = match &action.fate {
                Fate::Store { .. } => created(action, seqs.next().unwrap_or(Seq::ZERO)),
                Fate::Refuse(refusal) => refused(action, refusal),
            };
            json!({ action.verb.name(): result })
        })
        .collect();
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    json!({ "took": took_ms, "errors": errors, "items": items })
}

fn created(action: &Action, seq: Seq) -> Value {
    json!({
        "_index": action.item.index,
        "_id": action.item.id.as_deref().map_or_else(|| seq.to_string(), str::to_owned),
        "_version": 1,
        "result": "created",
        "_shards": { "total": 1, "successful": 1, "failed": 0 },
        "_seq_no": seq,
        "_primary_term": 1,
        "status": StatusCode::CREATED.as_u16(),
    })
}

fn refused(action: &Action, refusal: &Refusal) -> Value {
    json!({
        "_index": action.item.index,
        "_id": action.item.id,
        "status": refusal.status,
        "error": { "type": refusal.kind, "reason": refusal.reason },
    })
}

impl From<BulkError> for Problem {
    fn from(error: BulkError) -> Self {
        let (status, kind) = match error {
            BulkError::Malformed { .. } => (StatusCode::BAD_REQUEST, "malformed-bulk"),
            BulkError::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-many-items"),
        };
        Self::new(status, kind, error.to_string())
    }
}
