//! Making the index anew with today's parsers, partition by partition.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use event::{Event, Field, ParseLevel, Seq};
use index::{Cancel, Depth, EventSource, Index, PartitionSpan, SourceError, TopRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::unparsed::LevelReply;
use crate::access::MayChange;
use crate::app::App;
use crate::extract::Body;
use crate::problem::{Problem, ProblemBody};
use crate::question::Question;

/// How many records are looked at together to see whether a parser reads any of them.
const LOOKED_AT: u64 = 4096;

/// What to make anew.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReindexBody {
    /// Only partitions in which this parser reads something today, or whose index its change has made stale.
    parser: Option<String>,
    /// Only partitions with records received since.
    from: Option<String>,
    /// Only partitions with records received before.
    to: Option<String>,
}

/// What was made anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReindexReply {
    /// Partitions made anew.
    partitions: u64,
    /// Partitions in the span that had no need of it.
    unchanged: u64,
    /// Events in those made anew.
    events: u64,
    /// Events in the span by how well they were understood.
    before: Vec<LevelReply>,
    /// The same now.
    after: Vec<LevelReply>,
}

/// Makes the index anew, with today's parsers. Searches go on meanwhile; the reply comes when it is done.
#[utoipa::path(
    post, path = "/api/v1/reindex", tag = "operation", request_body = ReindexBody,
    responses(
        (status = 200, body = ReindexReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn reindex(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(body): Body<ReindexBody>,
) -> Result<Json<ReindexReply>, Problem> {
    let (from, to) = (body.from.as_deref(), body.to.as_deref());
    let question = Question::read(&app, None, from, to)?;
    let mut described = super::described(None, from, to);
    if let Some(parser) = &body.parser {
        described.push_str(&format!(" [parser {parser}]"));
    }
    app.record(&actor, "reindex", described).await;
    let (index, source) = (Arc::clone(&app.parts.index), Arc::clone(&app.parts.events));
    let work = move || {
        Work {
            index,
            source,
            question,
            parser: body.parser,
        }
        .run()
    };
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|panicked| Problem::internal(&panicked))?;
    Ok(Json(done?))
}

struct Work {
    index: Arc<Index>,
    source: Arc<dyn EventSource>,
    question: Question,
    parser: Option<String>,
}

impl Work {
    fn run(&self) -> Result<ReindexReply, Problem> {
        let failed = |error: &dyn std::fmt::Display| {
            Problem::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "reindex",
                error.to_string(),
            )
        };
        self.index.flush().map_err(|error| failed(&error))?;
        let before = self.levels()?;
        let (mut partitions, mut unchanged, mut events) = (0, 0, 0);
        for span in self.source.partitions() {
            if !self.is_in_span(&span).map_err(|error| failed(&error))? {
                continue;
            }
            if !self.needs(&span).map_err(|error| failed(&error))? {
                unchanged += 1;
                continue;
            }
            let done = self.index.reindex(span.first, &mut |_| {});
            events += done.map_err(|error| failed(&error))?.events;
            partitions += 1;
        }
        Ok(ReindexReply {
            partitions,
            unchanged,
            events,
            before,
            after: self.levels()?,
        })
    }

    /// How well the events in the span are understood, as the index has it.
    fn levels(&self) -> Result<Vec<LevelReply>, Problem> {
        let budget = index::Budget::default();
        let found = self.index.top(&TopRequest {
            scope: self.question.clone().scope(budget, Cancel::default()),
            fields: vec![Field::NHATKY_PARSE.into()],
            limit: ParseLevel::ALL.len(),
        })?;
        Ok(LevelReply::all(found.only().values))
    }

    fn is_in_span(&self, span: &PartitionSpan) -> Result<bool, SourceError> {
        let received = |seq: Seq| -> Result<Option<event::Micros>, SourceError> {
            let events = self.source.span(seq, seq, Depth::Core)?;
            Ok(events
                .first()
                .and_then(|event| match event.get(Field::EVENT_INGESTED) {
                    Some(event::Value::Date(at)) => Some(at),
                    _ => None,
                }))
        };
        let Question { from, to, .. } = self.question;
        let ends_before = match from {
            Some(from) => received(span.last)?.is_some_and(|last| last < from),
            None => false,
        };
        let begins_after = match to {
            Some(to) => received(span.first)?.is_some_and(|first| first >= to),
            None => false,
        };
        Ok(!ends_before && !begins_after)
    }

    /// Whether the parser makes a difference to the partition.
    fn needs(&self, span: &PartitionSpan) -> Result<bool, SourceError> {
        let Some(parser) = &self.parser else {
            return Ok(true);
        };
        let status = self.index.status();
        let indexed = status.partitions.iter().find(|one| one.first == span.first);
        if indexed.is_none_or(|partition| partition.stale) {
            return Ok(true);
        }
        let reads = |event: &Event| event.text(Field::NHATKY_PRODUCT) == Some(parser);
        let mut at = span.first;
        while at <= span.last {
            let end = Seq(at.0.saturating_add(LOOKED_AT - 1)).min(span.last);
            if self.source.span(at, end, Depth::Core)?.iter().any(reads) {
                return Ok(true);
            }
            at = end.next();
        }
        Ok(false)
    }
}
