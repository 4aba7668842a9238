//! Events, newest first.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use event::{Event, Seq};
use futures_util::stream;
use index::{Budget, Cancel, Counting, Covered, Cursor, Index, SearchError, SearchRequest};
use query::{Cell, Diagnostic, Pipeline};
use registry::SearchDone;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use crate::access::MayRead;
use crate::app::App;
use crate::extract::{Body, Params};
use crate::known_losses::KnownLosses;
use crate::pipes;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1000;
/// Rows of a table at most.
const ROWS_MAX: usize = 100_000;
/// Pieces of an answer that may wait for whoever asked, before the search waits, too.
const PIECES_WAITING_MAX: usize = 8;

/// What to search for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SearchParams {
    /// A query, such as `source.ip:10.0.0.0/8 AND event.outcome:failure "invalid user"`; everything when left out. Stages
    /// may follow: `| stats count() by user.name | sort -count | head 10`.
    ///
    /// Where it looks for words, the records of searches themselves are left out, unless it names a field under
    /// `nhatky.`.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before: RFC 3339, a day, or like `now-15m`.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// How many events at most: 50 when left out, 1000 at most; of a table how many rows, 1000 when left out, 100 000 at
    /// most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `all` (when left out): every event that matches is counted; `page`: the search ends when its page is full, however
    /// much is kept, and `total` is then what was seen, `gte`.
    count: Option<Count>,
}

/// How far a search counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Count {
    All,
    Page,
}

/// A page of events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SearchReply {
    /// The events, newest first: flat documents with dotted keys.
    #[schema(value_type = Vec<Object>)]
    hits: Vec<Event>,
    /// How many match.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at.
    covered: CoveredReply,
    /// Where the next page begins.
    next_cursor: Option<String>,
    /// What in the query hardly means what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Diagnostic>,
}

/// Events, or what the stages behind the condition make of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum SearchAnswer {
    /// Of a condition alone.
    Events(SearchReply),
    /// Of a condition with stages.
    Table(TableReply),
}

/// A table.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TableReply {
    /// The columns' names.
    #[schema(value_type = Vec<String>)]
    columns: Vec<Box<str>>,
    /// The rows, each with a value for each column.
    #[schema(value_type = Vec<Vec<Object>>)]
    rows: Vec<Vec<Cell>>,
    /// How many rows there are; `limit` gives the first of them.
    rows_total: usize,
    /// Events that match the condition, as far as they were looked at.
    total: u64,
    /// `eq` if all were, `gte` if a budget ended it: then every row may be short of events.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at.
    covered: CoveredReply,
    /// What in the query hardly means what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Diagnostic>,
}

/// What a search looked at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CoveredReply {
    /// The last event that it could see.
    #[schema(value_type = u64)]
    through_seq: Seq,
    /// Partitions that it looked at.
    partitions: usize,
    /// Partitions that it did not finish looking at.
    #[schema(value_type = Vec<u64>)]
    skipped: Vec<Seq>,
    /// Partitions that were indexed by other parsers than today's: some events may be missing until a reindex.
    #[schema(value_type = Vec<u64>)]
    stale: Vec<Seq>,
    /// Records of losses in the span of time: what they tell of is not there to be found.
    losses: u64,
}

impl CoveredReply {
    pub(crate) fn new(covered: Covered, losses: u64) -> Self {
        Self {
            through_seq: covered.through_seq,
            partitions: covered.partitions,
            skipped: covered.skipped,
            stale: covered.stale,
            losses,
        }
    }
}

/// Searches events.
#[utoipa::path(
    get, path = "/api/v1/search", tag = "events", params(SearchParams),
    responses(
        (status = 200, body = SearchAnswer),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn search(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<SearchParams>,
) -> Result<Json<SearchAnswer>, Problem> {
    answer(&app, &actor, params).await
}

/// Searches events; for queries too long for an address.
#[utoipa::path(
    post, path = "/api/v1/search", tag = "events", request_body = SearchParams,
    responses(
        (status = 200, body = SearchAnswer),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn search_by_body(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Body(params): Body<SearchParams>,
) -> Result<Json<SearchAnswer>, Problem> {
    answer(&app, &actor, params).await
}

/// Searches events and shows them as they are found: lines of JSON, `{"hits":[…]}` again and again, and at the end
/// `{"end":{…}}` with what else the answer of a search has.
///
/// Without that last line the answer is not whole. A query with stages has no use of it, and is refused.
#[utoipa::path(
    get, path = "/api/v1/search/stream", tag = "events", params(SearchParams),
    responses(
        (status = 200, description = "Lines of JSON", content_type = "application/x-ndjson", body = String),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn stream(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<SearchParams>,
) -> Result<impl IntoResponse, Problem> {
    let (question, pipeline) = params.read(&app, &actor).await?;
    if !pipeline.stages.is_empty() {
        let detail = "a table comes as a whole: ask /api/v1/search, or for events without stages";
        return Err(Problem::field("q", detail));
    }
    let asked = params.asked(&question)?;
    app.note(&actor, "search", described(&params)).await;
    let (index, losses) = (Arc::clone(&app.parts.index), Arc::clone(&app.losses));
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    let listening = app.clone();
    tokio::spawn(async move {
        let pieces = sender.clone();
        let searching = listening.searches.run(&actor.name, move |budget, cancel| {
            let leaving = cancel.clone();
            let mut on_hits = |hits: Vec<Event>| {
                if !hits.is_empty() && pieces.blocking_send(line(&Piece::Hits(hits))).is_err() {
                    leaving.cancel();
                }
            };
            asked.search(&index, &losses, question, budget, &cancel, &mut on_hits)
        });
        let end = match searching.await {
            Ok(reply) => {
                params.note(&listening, &actor, &reply);
                line(&Piece::End(Box::new(reply)))
            }
            Err(problem) => line(&Piece::Problem(problem.body())),
        };
        // Whoever has left does not need the end.
        let _left = sender.send(end).await;
    });
    let lines = stream::unfold(receiver, async |mut receiver| {
        let line: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(line), receiver))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, axum::body::Body::from_stream(lines)))
}

/// A line of an answer that comes in pieces.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    Hits(Vec<Event>),
    End(Box<SearchReply>),
    Problem(ProblemBody),
}

fn line(piece: &Piece) -> Bytes {
    let mut line = serde_json::to_vec(piece).expect("maps with text keys");
    line.push(b'\n');
    line.into()
}

async fn answer(
    app: &App,
    actor: &registry::Actor,
    params: SearchParams,
) -> Result<Json<SearchAnswer>, Problem> {
    let (question, pipeline) = params.read(app, actor).await?;
    if !pipeline.stages.is_empty() {
        let table = table(app, actor, &params, question, pipeline).await?;
        return Ok(Json(SearchAnswer::Table(table)));
    }
    let asked = params.asked(&question)?;
    let (index, losses) = (Arc::clone(&app.parts.index), Arc::clone(&app.losses));
    let same = (question.clone(), asked.clone());
    let searching = app
        .searches
        .run_once(&actor.name, same, move |budget, cancel| {
            let mut hits = Vec::new();
            let mut on_hits = |found| hits.extend(found);
            let reply = asked.search(&index, &losses, question, budget, &cancel, &mut on_hits)?;
            Ok(SearchReply { hits, ..reply })
        });
    let (found, ()) = tokio::join!(searching, app.note(actor, "search", described(&params)));
    let found = found?;
    params.note(app, actor, &found);
    Ok(Json(SearchAnswer::Events(found)))
}

/// What is asked for beside the question itself.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    limit: usize,
    cursor: Option<Cursor>,
    identity: u64,
    counting: Counting,
    warnings: Vec<Diagnostic>,
}

impl SearchParams {
    async fn read(
        &self,
        app: &App,
        actor: &registry::Actor,
    ) -> Result<(Question, Pipeline), Problem> {
        let (q, from, to) = (self.q.as_deref(), self.from.as_deref(), self.to.as_deref());
        Question::read_pipeline(app, actor, q, from, to).await
    }

    /// Puts the search into the history of who asked; whoever turns a page asks nothing new.
    fn note(&self, app: &App, by: &registry::Actor, reply: &SearchReply) {
        if self.cursor.as_deref().is_none_or(str::is_empty) {
            let total = (reply.total, reply.total_relation);
            app.note_search(by, self.done(app, reply.took_ms, total));
        }
    }

    /// As it stands in a history.
    fn done(&self, app: &App, took_ms: u64, (total, relation): (u64, &str)) -> SearchDone {
        let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        SearchDone {
            query: self.q.clone().unwrap_or_default(),
            from: written(&self.from),
            to: written(&self.to),
            at: app.parts.clock.now(),
            took_ms,
            total,
            total_relation: relation.to_owned(),
        }
    }

    fn asked(&self, question: &Question) -> Result<Asked, Problem> {
        let cursor = self.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let cursor = cursor.map(str::parse::<Cursor>).transpose();
        Ok(Asked {
            limit: limit(self.limit, LIMIT, LIMIT_MAX)?,
            cursor: cursor.map_err(|error| Problem::field("cursor", error.to_string()))?,
            identity: identity(self),
            counting: match self.count {
                Some(Count::Page) => Counting::Page,
                Some(Count::All) | None => Counting::All,
            },
            warnings: question.warnings.clone(),
        })
    }
}

impl Asked {
    /// Searches; the hits go to `on_hits`, not into the reply.
    fn search(
        self,
        index: &Index,
        losses: &KnownLosses,
        question: Question,
        budget: Budget,
        cancel: &Cancel,
        on_hits: &mut dyn FnMut(Vec<Event>),
    ) -> Result<SearchReply, SearchError> {
        let span = (question.from, question.to);
        let request = SearchRequest {
            cursor: self.cursor,
            identity: self.identity,
            counting: self.counting,
            ..SearchRequest::new(question.scope(budget.clone(), cancel.clone()), self.limit)
        };
        let found = index.search_streaming(&request, on_hits)?;
        let losses = losses.count(span, budget, cancel.clone())?;
        Ok(SearchReply {
            hits: Vec::new(),
            total: found.total.count(),
            total_relation: found.total.relation(),
            took_ms: u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
            covered: CoveredReply::new(found.covered, losses),
            next_cursor: found.next_cursor.map(|cursor| cursor.to_string()),
            warnings: self.warnings,
        })
    }
}

async fn table(
    app: &App,
    actor: &registry::Actor,
    params: &SearchParams,
    question: Question,
    pipeline: Pipeline,
) -> Result<TableReply, Problem> {
    if params
        .cursor
        .as_deref()
        .is_some_and(|cursor| !cursor.is_empty())
    {
        return Err(Problem::field(
            "cursor",
            "a table has no pages: ask for more rows by limit",
        ));
    }
    let limit = limit(params.limit, LIMIT_MAX, ROWS_MAX)?;
    let warnings = question.warnings.clone();
    let span = (question.from, question.to);
    let (index, losses) = (Arc::clone(&app.parts.index), Arc::clone(&app.losses));
    let same = (question.clone(), pipeline.clone(), limit);
    let running = app
        .searches
        .run_once(&actor.name, same, move |budget, cancel| {
            let piped = pipes::run(
                &index,
                question,
                &pipeline,
                limit,
                budget.clone(),
                cancel.clone(),
            )?;
            let losses = losses.count(span, budget, cancel)?;
            Ok((piped, losses))
        });
    let (ran, ()) = tokio::join!(running, app.note(actor, "search", described(params)));
    let (piped, losses) = ran?;
    let table = piped.table.map_err(Problem::from)?;
    let took_ms = u64::try_from(piped.took.as_millis()).unwrap_or(u64::MAX);
    let total = (piped.total.count(), piped.total.relation());
    app.note_search(actor, params.done(app, took_ms, total));
    Ok(TableReply {
        columns: table.columns,
        rows: table.rows,
        rows_total: piped.rows,
        total: total.0,
        total_relation: total.1,
        took_ms,
        covered: CoveredReply::new(piped.covered, losses),
        warnings,
    })
}

/// What the cursor is bound to: the query as typed, whose relative times mean something else a second later.
fn identity(params: &SearchParams) -> u64 {
    let mut hasher = DefaultHasher::new();
    let present = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        present(&params.q),
        present(&params.from),
        present(&params.to),
    ]
    .hash(&mut hasher);
    hasher.finish()
}

fn described(params: &SearchParams) -> String {
    super::described(
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    )
}
