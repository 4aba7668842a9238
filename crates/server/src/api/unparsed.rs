//! The work queue of what is not understood.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use event::{EventClass, Field, Micros, ParseLevel, Seq};
use index::{Counting, SearchRequest, TopRequest, TopValue};
use parse::{Cluster, Unparsed};
use query::{Condition, Expr, Literal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::search::CoveredReply;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

const CLUSTERS: usize = 20;
const CLUSTERS_MAX: usize = 1000;
const LINES: usize = 20_000;
const LINES_MAX: usize = 500_000;

/// What to look at.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UnparsedParams {
    /// Only events that match this query; all that are not understood when left out.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// How many lines are looked at, the newest first: 20 000 when left out, 500 000 at most.
    lines: Option<usize>,
    /// How many clusters at most: 20 when left out, 1000 at most.
    limit: Option<usize>,
}

/// What is not understood, by its shape.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnparsedReply {
    /// The clusters, the most urgent first.
    items: Vec<ClusterReply>,
    /// How many clusters there are.
    clusters: usize,
    /// Lines looked at.
    lines: u64,
    /// Lines among them that are in no cluster, because there were too many of those.
    left_out: u64,
    /// Lines that are not understood in the whole span.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// Events in the span by how well they are understood.
    levels: Vec<LevelReply>,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// How many events are understood that well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LevelReply {
    /// `full`, `generic`, `header`, `none` or `broken`.
    #[schema(value_type = String)]
    level: ParseLevel,
    /// Events.
    count: u64,
}

impl LevelReply {
    /// Counts of `nhatky.parse`.
    pub(crate) fn all(counted: Vec<TopValue>) -> Vec<Self> {
        let level = |value: TopValue| {
            Some(Self {
                level: ParseLevel::from_name(&value.value)?,
                count: value.count,
            })
        };
        counted.into_iter().filter_map(level).collect()
    }
}

/// Lines of one shape.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClusterReply {
    /// Stays the same while the template does.
    id: String,
    /// The product that knows these lines as its own, but not this message.
    product: Option<String>,
    /// The syslog tag.
    app: Option<String>,
    /// Words as they stand, values by their kinds.
    template: String,
    /// The class of Điều 7.2 that its words tell of: a guess.
    #[schema(value_type = Option<String>)]
    class: Option<EventClass>,
    /// What it is ranked by.
    urgency: f64,
    /// How many lines.
    events: u64,
    /// Bytes of their raw text.
    bytes: u64,
    /// Who sent them: the first 20.
    sources: Vec<SourceReply>,
    /// Receipt time of the first.
    #[schema(value_type = String)]
    first_seen: Micros,
    /// Receipt time of the last.
    #[schema(value_type = String)]
    last_seen: Micros,
    /// A few of them.
    samples: Vec<SampleReply>,
}

/// Who sent lines of a cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceReply {
    /// The source.
    source: String,
    /// How many it sent.
    events: u64,
}

/// A line of a cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SampleReply {
    /// Its record.
    #[schema(value_type = u64)]
    seq: Seq,
    /// The raw text, cut after 8 KiB.
    raw: String,
}

/// Puts what is not understood in clusters, the most urgent first.
#[utoipa::path(
    get, path = "/api/v1/unparsed", tag = "sources", params(UnparsedParams),
    responses(
        (status = 200, body = UnparsedReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn unparsed(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<UnparsedParams>,
) -> Result<Json<UnparsedReply>, Problem> {
    let UnparsedParams { q, from, to, .. } = &params;
    let (q, from, to) = (q.as_deref(), from.as_deref(), to.as_deref());
    let question = Question::read(&app, q, from, to)?;
    let lines = limit(params.lines, LINES, LINES_MAX)?;
    let clusters = limit(params.limit, CLUSTERS, CLUSTERS_MAX)?;
    let described = super::described(q, from, to);
    let index = Arc::clone(&app.parts.index);
    let looking = app.searches.run(&actor.name, move |budget, cancel| {
        let levels = index.top(&TopRequest {
            scope: question.clone().scope(budget.clone(), cancel.clone()),
            fields: vec![Field::NHATKY_PARSE.into()],
            limit: ParseLevel::ALL.len(),
        })?;
        let question = Question {
            expr: Expr::and([question.expr, not_understood()]),
            ..question
        };
        let request = SearchRequest {
            counting: Counting::All,
            ..SearchRequest::new(question.scope(budget, cancel), lines)
        };
        let mut unparsed = Unparsed::default();
        let found = index.search_streaming(&request, &mut |events| {
            for event in &events {
                unparsed.add(event);
            }
        })?;
        Ok((levels, unparsed, found))
    });
    let (looked, ()) = tokio::join!(looking, app.note(&actor, "search-unparsed", described));
    let (levels, unparsed, found) = looked?;
    let (lines, left_out) = unparsed.lines();
    let ranked = unparsed.ranked();
    Ok(Json(UnparsedReply {
        clusters: ranked.len(),
        items: ranked.into_iter().take(clusters).map(reply).collect(),
        lines,
        left_out,
        total: found.total.count(),
        total_relation: found.total.relation(),
        levels: LevelReply::all(levels.only().values),
        covered: CoveredReply::new(found.covered, 0),
    }))
}

/// Events of which neither product nor message is known, or only the product.
fn not_understood() -> Expr {
    let levels = [ParseLevel::None, ParseLevel::Header, ParseLevel::Broken];
    Expr::or(levels.map(|level| {
        let is = Condition::Is(Literal::new(level.name()));
        Expr::field(Field::NHATKY_PARSE, is)
    }))
}

fn reply(cluster: Cluster) -> ClusterReply {
    ClusterReply {
        id: cluster.id(),
        product: cluster.product().map(str::to_owned),
        app: cluster.app().map(str::to_owned),
        template: cluster.template(),
        class: cluster.class(),
        urgency: cluster.urgency(),
        events: cluster.events,
        bytes: cluster.bytes,
        sources: cluster
            .sources
            .iter()
            .map(|(source, events)| SourceReply {
                source: source.to_string(),
                events: *events,
            })
            .collect(),
        first_seen: cluster.seen.0,
        last_seen: cluster.seen.1,
        samples: cluster
            .samples
            .into_iter()
            .map(|sample| SampleReply {
                seq: sample.seq,
                raw: sample.raw,
            })
            .collect(),
    }
}
