//! What happened around an event, with the same source, user, address or host.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use event::{Event, Field, Micros, Seq, Value};
use index::{Covered, Depth, Scope, SearchError, SearchRequest, Total};
use query::{Condition, Expr, Literal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::search::CoveredReply;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::{Params, Segment};
use crate::nearest;
use crate::problem::{Problem, ProblemBody};
use crate::question::seconds;
use crate::searches::Deadline;

/// Events of a side where the asker names no number, and at most.
const SIDE: usize = 20;
const SIDE_MAX: usize = 200;
/// Seconds to either side where the asker names no span.
const SPAN_SECONDS: u64 = 600;
/// Events that are fetched beyond those wanted, at most: fewer counts are then needed to find the span.
const BEYOND: usize = 64;

event::vocabulary! {
    /// What events share.
    Same {
        /// `nhatky.source`.
        Source = "source",
        /// `user.name`.
        User = "user",
        /// `source.ip` or `destination.ip`, on either side.
        Address = "address",
        /// `host.name` or `observer.name`.
        Host = "host",
    }
}

event::vocabulary! {
    /// Whether one thing shared is enough.
    Join {
        /// One is enough.
        Or = "or",
        /// All that the event has.
        And = "and",
    }
}

impl Same {
    fn fields(self) -> &'static [Field] {
        match self {
            Self::Source => &[Field::NHATKY_SOURCE],
            Self::User => &[Field::USER_NAME],
            Self::Address => &[Field::SOURCE_IP, Field::DESTINATION_IP],
            Self::Host => &[Field::HOST_NAME, Field::OBSERVER_NAME],
        }
    }

    /// Events that share it with this one; none where this one has nothing of the kind.
    fn shared(self, event: &Event) -> Option<Expr> {
        let fields = self.fields();
        let values = fields.iter().flat_map(|field| event.values(*field));
        let mut literals: Vec<Literal> = Vec::new();
        for literal in values.map(|value| Literal::new(&value.to_text())) {
            if !literals.contains(&literal) {
                literals.push(literal);
            }
        }
        let tests = literals.iter().flat_map(|literal| {
            let is = |field: &Field| Expr::field(*field, Condition::Is(literal.clone()));
            fields.iter().map(is)
        });
        let tests: Vec<Expr> = tests.collect();
        (!tests.is_empty()).then(|| Expr::or(tests))
    }
}

/// What to show around the event.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AroundParams {
    /// What the others share with it, with commas between: `source` (`nhatky.source`; when left out), `user` (`user.name`),
    /// `address` (`source.ip` or `destination.ip`, on either side), `host` (`host.name` or `observer.name`).
    same: Option<String>,
    /// Whether one of several is enough: `or` (when left out) or `and`.
    join: Option<String>,
    /// How many before it at most: 20 when left out, 200 at most.
    before: Option<usize>,
    /// How many after it at most: 20 when left out, 200 at most.
    after: Option<usize>,
    /// How far to either side by `@timestamp`, such as `15m` or `24h`: `10m` when left out.
    span: Option<String>,
}

/// An event among those around it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AroundReply {
    /// The nearest before it, by Seq.
    before: SideReply,
    /// The event: a flat document with dotted keys.
    #[schema(value_type = Object)]
    event: Event,
    /// The nearest after it, by Seq.
    after: SideReply,
    /// What was asked for that the event does not have, and the others so cannot share: `user` and so on.
    absent: Vec<&'static str>,
    /// What the others have in common with it, as a query; none where the event has nothing of what was asked for.
    query: Option<String>,
    /// The beginning of the span of time.
    #[schema(value_type = String, format = DateTime)]
    from: Micros,
    /// Its end.
    #[schema(value_type = String, format = DateTime)]
    to: Micros,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// What is on one side of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SideReply {
    /// The nearest events, ascending by Seq: flat documents with dotted keys.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Event>,
    /// How many there are within the span.
    total: u64,
    /// `eq` if that is exact, `gte` if the time ran out.
    total_relation: &'static str,
}

/// Shows what was received before and after an event and shares its source, user, address or host.
#[utoipa::path(
    get, path = "/api/v1/events/{seq}/around", tag = "events",
    params(("seq" = u64, Path, description = "Its place in the journal"), AroundParams),
    responses(
        (status = 200, body = AroundReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or none any more", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn around(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Segment(seq): Segment<u64>,
    Params(params): Params<AroundParams>,
) -> Result<Json<AroundReply>, Problem> {
    let asked = Asked {
        seq: Seq(seq),
        same: same(params.same.as_deref())?,
        join: super::word("join", params.join.as_deref(), Join::ALL, Join::from_name)?,
        before: side("before", params.before)?,
        after: side("after", params.after)?,
        span_seconds: match params.span.as_deref().filter(|span| !span.is_empty()) {
            Some(span) => seconds("span", span)?,
            None => SPAN_SECONDS,
        },
    };
    let names: Vec<_> = asked.same.iter().map(|same| same.name()).collect();
    let described = format!("{seq} [same {}]", names.join(","));
    let reading = app.clone();
    let looking = app.searches.run(&actor.name, move |budget, cancel| {
        let deadline = Deadline::new(budget);
        asked.answer(&reading, &|expr, from, to| Scope {
            from: Some(from),
            to: Some(to),
            budget: deadline.budget(),
            cancel: cancel.clone(),
            ..Scope::new(expr)
        })
    });
    let (found, ()) = tokio::join!(looking, app.note(&actor, "show-around", described));
    let found = found?.ok_or_else(|| {
        Problem::not_found(format!("there is no event {seq}, or it is no longer kept"))
    });
    found.map(Json)
}

fn side(field: &'static str, asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(SIDE) {
        count @ ..=SIDE_MAX => Ok(count),
        _ => {
            let detail = format!(
                "at most {SIDE_MAX} on a side: search with the `query` of the reply for more"
            );
            Err(Problem::field(field, detail))
        }
    }
}

fn same(text: Option<&str>) -> Result<Vec<Same>, Problem> {
    let mut all = Vec::new();
    let text = text.filter(|text| !text.is_empty());
    for name in text.unwrap_or(Same::Source.name()).split(',') {
        let one = super::word("same", Some(name.trim()), Same::ALL, Same::from_name)?;
        let one = one.ok_or_else(|| {
            Problem::field(
                "same",
                "write source, user, address or host, with commas between",
            )
        })?;
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Ok(all)
}

/// What was asked for, understood.
struct Asked {
    seq: Seq,
    same: Vec<Same>,
    join: Option<Join>,
    before: usize,
    after: usize,
    span_seconds: u64,
}

/// The events of a span of time that meet a condition, within what is left of the time to search.
type ScopeOf<'a> = dyn Fn(Expr, Micros, Micros) -> Scope + 'a;

impl Asked {
    fn answer(&self, app: &App, scope: &ScopeOf<'_>) -> Result<Option<AroundReply>, SearchError> {
        let found = app.parts.events.events(&[self.seq], Depth::Full);
        let Some(event) = found.map_err(SearchError::Source)?.pop() else {
            return Ok(None);
        };
        let span = Duration::from_secs(self.span_seconds);
        let at = at(&event);
        let (from, to) = (
            at.before(span),
            at.after(span).after(Duration::from_micros(1)),
        );
        let (mut shared, mut absent) = (Vec::new(), Vec::new());
        for same in &self.same {
            match same.shared(&event) {
                Some(expr) => shared.push(expr),
                None => absent.push(same.name()),
            }
        }
        let is_none = shared.is_empty();
        let expr = match self.join {
            None | Some(Join::Or) => Expr::or(shared),
            Some(Join::And) => Expr::and(shared),
        };
        let expr = if is_none { Expr::None } else { expr };
        let scope = |seqs| Scope {
            seqs,
            ..scope(expr.clone(), from, to)
        };
        let (before, covered) =
            self.before(app, scope(Seq::ZERO..=Seq(self.seq.0.saturating_sub(1))))?;
        let after = self.after(app, covered.through_seq, &scope)?;
        Ok(Some(AroundReply {
            before,
            event,
            after,
            absent,
            query: (!is_none).then(|| expr.to_string()),
            from,
            to,
            covered: CoveredReply::new(covered, 0),
        }))
    }

    fn before(&self, app: &App, scope: Scope) -> Result<(SideReply, Covered), SearchError> {
        let found = app
            .parts
            .index
            .search(&SearchRequest::new(scope, self.before))?;
        let mut events = found.hits;
        events.reverse();
        let side = SideReply {
            events,
            total: found.total.count(),
            total_relation: found.total.relation(),
        };
        Ok((side, found.covered))
    }

    fn after(
        &self,
        app: &App,
        last: Seq,
        scope: &impl Fn(RangeInclusive<Seq>) -> Scope,
    ) -> Result<SideReply, SearchError> {
        let index = &app.parts.index;
        let above = |to: Seq| self.seq.next()..=to;
        let count = |to: Seq| {
            let found = index.search(&SearchRequest::new(scope(above(to)), 0));
            match found.map_err(Cut::Failed)?.total {
                Total::Exactly(count) => Ok(count),
                Total::AtLeast(count) => Err(Cut::TimeRanOut(count)),
            }
        };
        let side = || -> Result<SideReply, Cut> {
            let total = count(last)?;
            if total == 0 || self.after == 0 {
                return Ok(SideReply::of(Vec::new(), total));
            }
            let most = self.after + BEYOND;
            let to = nearest::reach(self.seq, last, self.after as u64, most as u64, count)?;
            let found = index.search(&SearchRequest::new(scope(above(to)), most));
            let found = found.map_err(Cut::Failed)?;
            if matches!(found.total, Total::AtLeast(_)) {
                return Err(Cut::TimeRanOut(total));
            }
            let mut events = found.hits;
            events.reverse();
            events.truncate(self.after);
            Ok(SideReply::of(events, total))
        };
        match side() {
            Ok(side) => Ok(side),
            Err(Cut::Failed(error)) => Err(error),
            // The nearest are not known: none is shown rather than others.
            Err(Cut::TimeRanOut(total)) => Ok(SideReply {
                total_relation: Total::AtLeast(total).relation(),
                ..SideReply::of(Vec::new(), total)
            }),
        }
    }
}

/// Why there is no side.
enum Cut {
    TimeRanOut(u64),
    Failed(SearchError),
}

impl SideReply {
    fn of(events: Vec<Event>, total: u64) -> Self {
        Self {
            events,
            total,
            total_relation: Total::Exactly(total).relation(),
        }
    }
}

/// When the event happened; every event that was received has a time.
fn at(event: &Event) -> Micros {
    let date = |field| match event.get(field) {
        Some(Value::Date(at)) => Some(at),
        _ => None,
    };
    let at = date(Field::TIMESTAMP).or_else(|| date(Field::EVENT_INGESTED));
    at.unwrap_or_default()
}
