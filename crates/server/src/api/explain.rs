//! How a search is answered, and what it costs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use event::{Micros, Seq};
use index::{
    Answered, Depth, ExplainRequest, Explained, ExplainedPartition, ExplainedSegment,
    ExplainedTest, Means, Running, Wanted, Why,
};
use query::{Diagnostic, Expr, FieldName, Pipeline, Stage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::explain_text;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::{Body, Params};
use crate::pipes::{self, Method};
use crate::problem::{Problem, ProblemBody};
use crate::question::Question;
use crate::said::Said;

/// What to explain.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExplainParams {
    /// A query, stages included.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// Whether it is also run, to tell what it really costs.
    run: bool,
}

/// How a search is answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplainReply {
    /// The condition as understood, written in full.
    query: String,
    /// How much is read of events that are asked: `raw`, `core` (the known fields) or `full`.
    depth: &'static str,
    /// The tests of the condition, from left to right, that of the span of time first.
    pub(crate) tests: Vec<TestReply>,
    /// The stages behind it.
    pub(crate) stages: Vec<StageReply>,
    /// Events not yet in a segment.
    pub(crate) fresh_events: u64,
    /// The partitions looked at, newest first.
    pub(crate) partitions: Vec<PartitionReply>,
    /// Segments that are in the sums alone, because there are too many.
    segments_left_out: usize,
    /// Whether everything was looked at: else time ran out, and the sums are short.
    pub(crate) complete: bool,
    /// What it will cost.
    pub(crate) foreseen: ForeseenReply,
    /// What it has cost, where it was run.
    pub(crate) run: Option<RunReply>,
    /// All this for people.
    text: Said,
    /// What in the query hardly means what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Diagnostic>,
}

/// How one test is answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestReply {
    /// The test, as it is written in a query.
    pub(crate) test: String,
    /// Each way in which segments answer it; none where all were ruled out before.
    pub(crate) ways: Vec<WayReply>,
}

/// One way in which segments answer a test.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WayReply {
    /// `times`, `seqs`, `column`, `column_of_term`, `words`, `terms`, `always` or `scan` (every event is asked).
    #[schema(value_type = String)]
    pub(crate) means: Means,
    /// Whether it says all; else events are left to be asked.
    pub(crate) surely: bool,
    /// Why events are left to be asked: a `code`, and the `word` that it is about.
    #[schema(value_type = Vec<Object>)]
    pub(crate) why: Vec<Why>,
    /// In how many segments.
    pub(crate) segments: usize,
    /// Of how many events it was asked.
    pub(crate) asked: u64,
    /// How many of these surely meet it.
    pub(crate) sure: u64,
    /// How many possibly do, the sure ones included.
    pub(crate) possible: u64,
    /// How long that took, in microseconds.
    took_us: u64,
}

/// How a stage is done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StageReply {
    /// Its name.
    pub(crate) stage: &'static str,
    /// `condition` (it narrows the search itself), `columns`, `events` or `table` (on the rows of the stage before).
    pub(crate) how: &'static str,
    /// For `events`: how much of each is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) depth: Option<&'static str>,
    /// The fields of events that the stages need, where they are read.
    pub(crate) fields: Vec<String>,
}

/// What of a partition answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartitionReply {
    /// Its first Seq, which names it.
    #[schema(value_type = u64)]
    first: Seq,
    /// Why it is skipped, where nothing of it can match: `time`, or `condition`.
    skipped: Option<&'static str>,
    /// Whether some of it was indexed by other parsers than today's.
    pub(crate) stale: bool,
    /// Runs without an index: every event of them is read.
    pub(crate) gaps: Vec<GapReply>,
    /// Its segments, newest first.
    pub(crate) segments: Vec<SegmentReply>,
}

/// A run of events without an index.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GapReply {
    /// Its first Seq.
    #[schema(value_type = u64)]
    pub(crate) from: Seq,
    /// Its last Seq.
    #[schema(value_type = u64)]
    pub(crate) to: Seq,
}

/// What a segment answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SegmentReply {
    /// Its first Seq.
    #[schema(value_type = u64)]
    first: Seq,
    /// Its last Seq.
    #[schema(value_type = u64)]
    last: Seq,
    /// Events in it.
    events: u64,
    /// The least `@timestamp`.
    #[schema(value_type = String)]
    oldest: Micros,
    /// The greatest `@timestamp`.
    #[schema(value_type = String)]
    newest: Micros,
    /// Whether it was indexed by other parsers than today's: what it answers is verified by the events.
    stale: bool,
    /// Events that surely match.
    sure: u64,
    /// Events that possibly match, the sure ones included.
    possible: u64,
    /// Events that are read to be asked.
    to_read: u64,
    /// Where nothing of it can match: what rules it out.
    pub(crate) ruled_out: Option<RuledOutReply>,
    /// How long it took to answer, in microseconds.
    took_us: u64,
}

/// What rules a segment out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuledOutReply {
    /// The test that left nothing.
    pub(crate) test: String,
    /// What answered it; `times` is the span of the segment's times.
    #[schema(value_type = String)]
    pub(crate) means: Means,
}

/// What a search will cost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ForeseenReply {
    /// Events that are read to be asked.
    pub(crate) events: u64,
    /// Bytes of their raw texts, by the mean of their segments.
    pub(crate) bytes: u64,
}

/// What a search has cost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunReply {
    /// Events that were read to be asked.
    pub(crate) events: u64,
    /// Bytes of their raw texts.
    pub(crate) bytes: u64,
    /// Events that match.
    pub(crate) total: u64,
    /// `eq` if that is exact, `gte` if a budget ended it.
    pub(crate) total_relation: &'static str,
    /// Time for what columns and postings answer, in microseconds.
    answering_us: u64,
    /// Time for reading, parsing and asking events, in microseconds.
    asking_us: u64,
    /// How long it took in all, in microseconds.
    pub(crate) took_us: u64,
}

/// Explains how a search is answered: by what each test, of what each part of the index, and at what cost.
#[utoipa::path(
    get, path = "/api/v1/explain", tag = "events", params(ExplainParams),
    responses(
        (status = 200, body = ExplainReply),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn explain(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<ExplainParams>,
) -> Result<Json<ExplainReply>, Problem> {
    answer(&app, &actor, params).await
}

/// Explains how a search is answered; for queries too long for an address.
#[utoipa::path(
    post, path = "/api/v1/explain", tag = "events", request_body = ExplainParams,
    responses(
        (status = 200, body = ExplainReply),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn explain_by_body(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Body(params): Body<ExplainParams>,
) -> Result<Json<ExplainReply>, Problem> {
    answer(&app, &actor, params).await
}

async fn answer(
    app: &App,
    actor: &registry::Actor,
    params: ExplainParams,
) -> Result<Json<ExplainReply>, Problem> {
    let (q, from, to) = (
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    let (mut question, pipeline) = Question::read_pipeline(app, actor, q, from, to).await?;
    let described = super::described(q, from, to);
    let warnings = question.warnings.clone();
    let (narrowed, behind) = pipes::narrowed(&pipeline);
    question.expr = Expr::and([question.expr, narrowed]);
    let method = (!behind.is_empty()).then(|| pipes::method(behind));
    let wanted = method.as_ref().map(Method::wanted);
    let stages = stages(&pipeline, wanted.as_ref());
    let query = question.expr.to_string();
    let running = if params.run {
        Running::Run
    } else {
        Running::Foreseen
    };
    let index = Arc::clone(&app.parts.index);
    let explaining = app.searches.run(&actor.name, move |budget, cancel| {
        index.explain(&ExplainRequest {
            scope: question.scope(budget, cancel),
            wanted,
            running,
        })
    });
    let recorded = app.note(actor, "search-explain", described);
    let (explained, ()) = tokio::join!(explaining, recorded);
    let mut reply = reply(explained?, query, stages, warnings);
    reply.text = explain_text::of(&reply);
    Ok(Json(reply))
}

fn stages(pipeline: &Pipeline, wanted: Option<&Wanted>) -> Vec<StageReply> {
    let table_at = pipeline.stages.iter().position(Stage::makes_table);
    let (how, depth) = match wanted {
        Some(Wanted::Events(depth)) => ("events", Some(depth_name(*depth))),
        Some(Wanted::Columns(_)) | None => ("columns", None),
    };
    let fields = query::fields_of_events(&pipeline.stages);
    let fields: Vec<String> = fields.iter().map(FieldName::to_string).collect();
    let conditions = pipeline
        .stages
        .iter()
        .take_while(|stage| matches!(stage, Stage::Where(_)));
    let conditions = conditions.count();
    let stages = pipeline.stages.iter().enumerate();
    let stages = stages.map(|(at, stage)| {
        let on_table = table_at.is_some_and(|table| at > table);
        let how = match at {
            _ if on_table => "table",
            at if at < conditions => "condition",
            _ => how,
        };
        let reads = !matches!(how, "table" | "condition");
        StageReply {
            stage: stage.name(),
            how,
            depth: depth.filter(|_| reads),
            fields: if reads { fields.clone() } else { Vec::new() },
        }
    });
    stages.collect()
}

pub(crate) fn depth_name(depth: Depth) -> &'static str {
    match depth {
        Depth::Raw => "raw",
        Depth::Core => "core",
        Depth::Full => "full",
    }
}

fn micros(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

fn reply(
    explained: Explained,
    query: String,
    stages: Vec<StageReply>,
    warnings: Vec<Diagnostic>,
) -> ExplainReply {
    let tests = &explained.tests;
    let partitions = explained.partitions.into_iter();
    let partitions = partitions.map(|one| partition(one, tests)).collect();
    let run = explained.run.map(|run| RunReply {
        events: run.spent.events,
        bytes: run.spent.bytes,
        total: run.total.count(),
        total_relation: run.total.relation(),
        answering_us: micros(run.spent.answering),
        asking_us: micros(run.spent.asking),
        took_us: micros(run.took),
    });
    ExplainReply {
        query,
        depth: depth_name(explained.depth),
        tests: tests.iter().map(test).collect(),
        stages,
        fresh_events: explained.fresh,
        partitions,
        segments_left_out: explained.segments_left_out,
        complete: explained.complete,
        foreseen: ForeseenReply {
            events: explained.foreseen.events,
            bytes: explained.foreseen.bytes,
        },
        run,
        text: Said::new("", ""),
        warnings,
    }
}

fn test(explained: &ExplainedTest) -> TestReply {
    let way = |answered: &Answered| WayReply {
        means: answered.means,
        surely: answered.sure == answered.possible,
        why: answered.why.clone(),
        segments: answered.segments,
        asked: answered.asked,
        sure: answered.sure,
        possible: answered.possible,
        took_us: micros(answered.took),
    };
    TestReply {
        test: explained.test.to_string(),
        ways: explained.answers.iter().map(way).collect(),
    }
}

fn partition(partition: ExplainedPartition, tests: &[ExplainedTest]) -> PartitionReply {
    let gaps = partition.gaps.into_iter();
    let segments = partition.segments.into_iter();
    let segments: Vec<_> = segments.map(|one| segment(&one, tests)).collect();
    let gaps: Vec<_> = gaps.map(|(from, to)| GapReply { from, to }).collect();
    let is_out = |by_time: bool| {
        gaps.is_empty()
            && segments.iter().all(|segment| {
                let ruled_out = segment.ruled_out.as_ref();
                ruled_out.is_some_and(|by| !by_time || by.means == Means::Times)
            })
    };
    PartitionReply {
        first: partition.first,
        skipped: match (is_out(true), is_out(false)) {
            (true, _) => Some("time"),
            (false, true) => Some("condition"),
            (false, false) => None,
        },
        stale: segments.iter().any(|segment| segment.stale),
        gaps,
        segments,
    }
}

fn segment(segment: &ExplainedSegment, tests: &[ExplainedTest]) -> SegmentReply {
    let ruled_out = segment.ruled_out.and_then(|by| {
        Some(RuledOutReply {
            test: tests.get(by.test)?.test.to_string(),
            means: by.means,
        })
    });
    SegmentReply {
        first: segment.first,
        last: segment.last,
        events: segment.events,
        oldest: segment.oldest,
        newest: segment.newest,
        stale: segment.stale,
        sure: segment.sure,
        possible: segment.possible,
        to_read: segment.to_read,
        ruled_out,
        took_us: micros(segment.took),
    }
}
