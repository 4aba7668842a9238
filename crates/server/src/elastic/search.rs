//! `_search`, `_msearch`, `_count`: from a request to its answer.

use std::ops::ControlFlow;
use std::time::Duration;

use event::{Event, Seq};
use index::{
    Budget, Cancel, Counting, Covered, Cursor, Depth, EventSource, Index, Scope, SearchError,
    SearchRequest, StatsRequest, Total,
};
use query::{Expr, Wish};
use serde_json::{Map, Value, json};

use super::aggregation::Node;
use super::buckets::Plan;
use super::fault::Fault;
use super::hits::{INDEX, Known};
use super::request::{Asked, TotalShown};
use super::sort::First;

/// What the raw texts of one page may take, in bytes.
const PAGE_BYTES_MAX: usize = 64 << 20;
/// How many events are fetched at once.
const CHUNK: usize = 256;

/// What a search gave.
#[derive(Debug)]
pub(super) struct Answer {
    /// The answer's body.
    pub(super) body: Value,
    /// The last hit's place in the order.
    pub(super) last: Option<Vec<Value>>,
    /// The last event that it could see.
    pub(super) through: Seq,
}

/// What came of the hits or of the aggregations.
struct Found {
    total: Total,
    covered: Covered,
    took: Duration,
    /// Whether it ended before everything was looked at that was asked for.
    ended_early: bool,
}

/// Runs a search; what is wrong with it is an answer, too.
pub(super) fn run(
    index: &Index,
    events: &dyn EventSource,
    asked: &Asked,
    budget: Budget,
    cancel: &Cancel,
) -> Result<Result<Answer, Fault>, SearchError> {
    let mut searcher = Searcher {
        index,
        events,
        asked,
        budget: Budget {
            time: asked.timeout.unwrap_or(budget.time).min(budget.time),
            ..budget
        },
        cancel,
    };
    let wants_hits = asked.size > 0 || asked.aggregations.is_empty() || asked.post_filter.is_some();
    let (hits, mut found) = if wants_hits {
        match searcher.hits()? {
            Ok((hits, found)) => (hits, Some(found)),
            Err(fault) => return Ok(Err(fault)),
        }
    } else {
        (Hits::default(), None)
    };
    let mut aggregations = None;
    if !asked.aggregations.is_empty() {
        if let Some(found) = &found {
            searcher.budget.time = searcher.budget.time.saturating_sub(found.took);
        }
        let (value, of_buckets) = match searcher.aggregations(&asked.aggregations)? {
            Ok(pair) => pair,
            Err(fault) => return Ok(Err(fault)),
        };
        aggregations = Some(value);
        found = Some(match found {
            None => of_buckets,
            Some(found) => Found {
                took: found.took + of_buckets.took,
                covered: narrower(found.covered, of_buckets.covered),
                ended_early: found.ended_early || of_buckets.ended_early,
                total: found.total,
            },
        });
    }
    let Some(found) = found else {
        return Ok(Err(Fault::argument("the search asks for nothing")));
    };
    if found.ended_early && !asked.partial {
        return Ok(Err(Fault::partial()));
    }
    Ok(Ok(answer(asked, hits, &found, aggregations)))
}

/// Counts what meets the condition.
pub(super) fn count(
    index: &Index,
    expr: Expr,
    budget: Budget,
    cancel: Cancel,
) -> Result<Value, SearchError> {
    let scope = Scope {
        budget,
        cancel,
        ..Scope::new(expr)
    };
    let found = index.search(&SearchRequest::new(scope, 0))?;
    let ended_early = matches!(found.total, Total::AtLeast(_));
    let mut body = Map::new();
    body.insert("count".to_owned(), json!(found.total.count()));
    body.insert("_shards".to_owned(), shards(&found.covered, ended_early));
    if ended_early {
        body.insert("terminated_early".to_owned(), json!(true));
    }
    Ok(Value::Object(body))
}

/// Hits as they are shown.
#[derive(Default)]
struct Hits {
    hits: Vec<Value>,
    last: Option<Vec<Value>>,
}

struct Searcher<'a> {
    index: &'a Index,
    events: &'a dyn EventSource,
    asked: &'a Asked,
    budget: Budget,
    cancel: &'a Cancel,
}

type Outcome<T> = Result<Result<T, Fault>, SearchError>;

impl Searcher<'_> {
    fn scope(&self, expr: Expr) -> Scope {
        Scope {
            budget: self.budget.clone(),
            cancel: self.cancel.clone(),
            seqs: Seq::ZERO..=self.asked.through.unwrap_or(Seq::MAX),
            ..Scope::new(expr)
        }
    }

    fn hits(&self) -> Outcome<(Hits, Found)> {
        let expr = self.asked.post_filter.clone().map_or_else(
            || self.asked.expr.clone(),
            |filter| Expr::and([self.asked.expr.clone(), filter]),
        );
        let scope = self.scope(expr);
        if self.asked.sort.is_newest_first() {
            self.newest(scope)
        } else {
            self.sorted(&scope)
        }
    }

    /// As the index gives them.
    fn newest(&self, scope: Scope) -> Outcome<(Hits, Found)> {
        let asked = self.asked;
        let counting = match asked.total {
            TotalShown::None => Counting::Page,
            TotalShown::Object | TotalShown::Number => Counting::All,
        };
        let mut request = SearchRequest {
            counting,
            ..SearchRequest::new(scope, asked.from + asked.size)
        };
        let after = asked.after.as_deref();
        let before = after.and_then(|after| asked.sort.seq_after(after));
        if let Some(before) = before {
            let cursor: Cursor = format!("{:016x}-{before}", request.identity)
                .parse()
                .map_err(|_| SearchError::Cursor)?;
            request.cursor = Some(cursor);
        }
        let mut page = Page::new(asked);
        let mut fault = None;
        let result = self.index.search_streaming(&request, &mut |events| {
            for event in &events {
                if fault.is_none()
                    && let Err(error) = page.add(event)
                {
                    fault = Some(error);
                    self.cancel.cancel();
                }
            }
        })?;
        if let Some(fault) = fault {
            return Ok(Err(fault));
        }
        let is_full = page.seen >= asked.from + asked.size;
        let is_complete = matches!(result.total, Total::Exactly(_));
        let found = Found {
            total: result.total,
            took: result.took,
            ended_early: !is_complete && (counting == Counting::All || !is_full),
            covered: result.covered,
        };
        Ok(Ok((page.hits, found)))
    }

    /// The first of all that match, in any order.
    fn sorted(&self, scope: &Scope) -> Outcome<(Hits, Found)> {
        let asked = self.asked;
        let mut first = First::new(&asked.sort, asked.after.as_deref(), asked.from + asked.size);
        let mut fault = None;
        let each =
            self.index.each(
                scope,
                &asked.sort.wanted(),
                &mut |event| match first.look_at(event) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        fault = Some(error);
                        ControlFlow::Break(())
                    }
                },
            )?;
        if let Some(fault) = fault {
            return Ok(Err(fault));
        }
        let found = Found {
            total: each.total,
            took: each.took,
            ended_early: matches!(each.total, Total::AtLeast(_)),
            covered: each.covered,
        };
        let places = first.places();
        let mut page = Page::new(asked);
        page.seen = asked.from.min(places.len());
        let wanted = places.get(asked.from..).unwrap_or_default();
        for chunk in wanted.chunks(CHUNK) {
            let mut seqs: Vec<Seq> = chunk.iter().map(super::sort::Place::seq).collect();
            let order = seqs.clone();
            seqs.sort_unstable();
            let events = self.events.events(&seqs, Depth::Full);
            let events = events.map_err(SearchError::Source)?;
            for seq in order {
                // What retention has dropped since is not there any more.
                let Ok(at) = events.binary_search_by_key(&seq, Event::seq) else {
                    continue;
                };
                let Some(event) = events.get(at) else {
                    continue;
                };
                if let Err(fault) = page.add(event) {
                    return Ok(Err(fault));
                }
            }
        }
        Ok(Ok((page.hits, found)))
    }

    fn aggregations(&self, nodes: &[Node]) -> Outcome<(Value, Found)> {
        let plan = Plan::of(nodes);
        let tables = self.index.stats(&StatsRequest {
            scope: self.scope(self.asked.expr.clone()),
            stats: plan.tables(),
            wish: Wish::default(),
        })?;
        let found = Found {
            total: tables.total,
            took: tables.took,
            ended_early: matches!(tables.total, Total::AtLeast(_)),
            covered: tables.covered,
        };
        let answered = match tables.tables {
            Ok(tables) => plan.answer(tables),
            Err(error) => Err(error.into()),
        };
        Ok(answered.map(|value| (value, found)))
    }
}

/// A page in the making.
struct Page<'a> {
    asked: &'a Asked,
    hits: Hits,
    /// Hits so far, those before the page included.
    seen: usize,
    bytes: usize,
    known: Known,
}

impl<'a> Page<'a> {
    fn new(asked: &'a Asked) -> Self {
        Self {
            asked,
            hits: Hits::default(),
            seen: 0,
            bytes: 0,
            known: Known::default(),
        }
    }

    fn add(&mut self, event: &Event) -> Result<(), Fault> {
        self.seen += 1;
        if self.seen <= self.asked.from {
            return Ok(());
        }
        self.bytes += event.raw().len() + event.heap_bytes();
        if self.bytes > PAGE_BYTES_MAX {
            return Err(Fault::argument(format!(
                "the hits are larger than {} MiB: ask for fewer with [size]",
                PAGE_BYTES_MAX >> 20
            )));
        }
        let values = self.asked.sort.values(event);
        let sort = self.asked.sort.asked.then(|| values.clone());
        let hit = self.asked.shown.hit(event, sort, &mut self.known);
        self.hits.hits.push(hit);
        self.hits.last = Some(values);
        Ok(())
    }
}

/// What both have looked at.
fn narrower(one: Covered, two: Covered) -> Covered {
    Covered {
        through_seq: one.through_seq.min(two.through_seq),
        partitions: one.partitions.max(two.partitions),
        skipped: joined(one.skipped, two.skipped),
        stale: joined(one.stale, two.stale),
    }
}

fn joined(mut one: Vec<Seq>, two: Vec<Seq>) -> Vec<Seq> {
    one.extend(two);
    one.sort_unstable();
    one.dedup();
    one
}

fn answer(asked: &Asked, hits: Hits, found: &Found, aggregations: Option<Value>) -> Answer {
    let mut within = Map::new();
    match asked.total {
        TotalShown::None => {}
        TotalShown::Number => {
            within.insert("total".to_owned(), json!(found.total.count()));
        }
        TotalShown::Object => {
            let total = json!({ "value": found.total.count(), "relation": found.total.relation() });
            within.insert("total".to_owned(), total);
        }
    }
    let best = asked.shown.scored && !hits.hits.is_empty();
    within.insert("max_score".to_owned(), json!(best.then_some(1.0)));
    within.insert("hits".to_owned(), Value::Array(hits.hits));
    let mut body = Map::new();
    body.insert(
        "took".to_owned(),
        json!(u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX)),
    );
    body.insert("timed_out".to_owned(), json!(found.ended_early));
    body.insert(
        "_shards".to_owned(),
        shards(&found.covered, found.ended_early),
    );
    body.insert("hits".to_owned(), Value::Object(within));
    if let Some(aggregations) = aggregations {
        body.insert("aggregations".to_owned(), aggregations);
    }
    let through = found.covered.through_seq;
    if !found.covered.stale.is_empty() {
        // Elasticsearch has no word for it.
        body.insert(
            "nhatky".to_owned(),
            json!({ "stale_partitions": found.covered.stale }),
        );
    }
    Answer {
        body: Value::Object(body),
        last: hits.last,
        through,
    }
}

/// Partitions are our shards; those that were not looked at to the end have failed.
fn shards(covered: &Covered, ended_early: bool) -> Value {
    let total = covered.partitions.max(1);
    let failed = if ended_early {
        covered.skipped.len().clamp(1, total)
    } else {
        0
    };
    let mut shards = json!({
        "total": total,
        "successful": total - failed,
        "skipped": 0,
        "failed": failed,
    });
    if failed > 0
        && let Value::Object(members) = &mut shards
    {
        let reason = json!({
            "type": "timeout_exception",
            "reason": "the search ended before this was looked at: narrow its time",
        });
        let failures = covered.skipped.iter();
        let failures: Vec<Value> = failures
            .map(|first| json!({ "shard": first, "index": INDEX, "reason": reason }))
            .collect();
        members.insert("failures".to_owned(), Value::Array(failures));
    }
    shards
}
