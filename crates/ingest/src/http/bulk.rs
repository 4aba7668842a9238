//! `POST /_bulk` and `POST /{index}/_bulk`, as Elasticsearch has them.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use event::{BulkItem, Record, Seq};
use journal::SeqRange;
use serde::Serialize;
use tokio::time::Instant;

use super::bulk_body::{Action, BulkError, BulkLimits, Fate, Refusal, Verb, split};
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
        Ok(answer) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(problem) => problem.into_elasticsearch(),
    }
}

async fn take(
    input: &HttpInput,
    index: Option<String>,
    request: Request<Body>,
) -> Result<Bytes, Problem> {
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

/// The answer in Elasticsearch's shape, written as it is made: a tree of it would take ten times the memory.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    took: u64,
    errors: bool,
    items: Vec<ItemResult<'a>>,
}

/// `{"create": {…}}` and the like.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum ItemResult<'a> {
    Create(Outcome<'a>),
    Index(Outcome<'a>),
    Update(Outcome<'a>),
    Delete(Outcome<'a>),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Created {
        _index: Option<&'a str>,
        _id: Cow<'a, str>,
        _version: u64,
        result: &'static str,
        _shards: Shards,
        /// The record's Seq.
        _seq_no: Seq,
        _primary_term: u64,
        status: u16,
    },
    Refused {
        _index: Option<&'a str>,
        _id: Option<&'a str>,
        status: u16,
        error: Error<'a>,
    },
}

#[derive(Debug, Serialize)]
struct Shards {
    total: u64,
    successful: u64,
    failed: u64,
}

#[derive(Debug, Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    reason: &'a str,
}

fn results(actions: &[Action], ranges: &[SeqRange], errors: bool, took: Duration) -> Bytes {
    let mut seqs = ranges.iter().flat_map(|range| range.iter());
    let items = actions.iter().map(|action| {
        let outcome = match &action.fate {
            Fate::Store { .. } => created(&action.item, seqs.next().unwrap_or(Seq::ZERO)),
            Fate::Refuse(refusal) => refused(&action.item, refusal),
        };
        match action.verb {
            Verb::Create => ItemResult::Create(outcome),
            Verb::Index => ItemResult::Index(outcome),
            Verb::Update => ItemResult::Update(outcome),
            Verb::Delete => ItemResult::Delete(outcome),
        }
    });
    let answer = Answer {
        took: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        errors,
        items: items.collect(),
    };
    Bytes::from(serde_json::to_vec(&answer).expect("maps have text keys"))
}

fn created(item: &BulkItem, seq: Seq) -> Outcome<'_> {
    let id = item.id.as_deref();
    Outcome::Created {
        _index: item.index.as_deref(),
        _id: id.map_or_else(|| Cow::Owned(seq.to_string()), Cow::Borrowed),
        _version: 1,
        result: "created",
        _shards: Shards {
            total: 1,
            successful: 1,
            failed: 0,
        },
        _seq_no: seq,
        _primary_term: 1,
        status: StatusCode::CREATED.as_u16(),
    }
}

fn refused<'a>(item: &'a BulkItem, refusal: &'a Refusal) -> Outcome<'a> {
    Outcome::Refused {
        _index: item.index.as_deref(),
        _id: item.id.as_deref(),
        status: refusal.status,
        error: Error {
            kind: refusal.kind,
            reason: &refusal.reason,
        },
    }
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
