//! What may be written at a place of a query.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use event::{Event, Field, FieldKind, Micros};
use index::{Budget, Cancel, Counting, Index, Scope, SearchError, SearchRequest, TopRequest};
use query::{Completion, Condition, Context, Expr, FieldName, Literal, Names, OfferKind, Place};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::instant;

/// Items of an answer at most.
const ITEMS_MAX: usize = 20;
/// How long the index is asked: a person is typing.
const TIME: Duration = Duration::from_millis(300);
/// How many events are looked at for the names and values that no column holds: the newest.
const SAMPLE: usize = 1000;
/// How many values of a column are looked at.
const VALUES: usize = 200;

/// Where something is being written.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CompleteParams {
    /// The query as far as it is written.
    q: Option<String>,
    /// The place, in bytes of `q`; its end when left out.
    at: Option<usize>,
    /// Only events whose `@timestamp` is not before.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
}

/// What may be written there.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompleteReply {
    /// Where that begins which an item replaces, in bytes.
    from: usize,
    /// Where it ends.
    to: usize,
    /// The items, the likeliest first; 20 at most. Where time runs out some are missing.
    items: Vec<ItemReply>,
}

/// What may be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ItemReply {
    /// What is put in the place, quoted where it must be.
    text: String,
    /// `field`, `value`, `function`, `stage` or `keyword`.
    kind: &'static str,
    /// What it is.
    detail: String,
    /// Events that have the value; of a field, how many of the newest thousand have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

/// Tells what may be written at a place of a query: fields, values, functions, stages, words of the language.
#[utoipa::path(
    get, path = "/api/v1/complete", tag = "events", params(CompleteParams),
    responses(
        (status = 200, body = CompleteReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn complete(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<CompleteParams>,
) -> Result<Json<CompleteReply>, Problem> {
    let context = Context::at(app.parts.clock.now());
    let q = params.q.as_deref().unwrap_or_default();
    let completion = query::complete(q, params.at.unwrap_or(q.len()), &context);
    let span = (
        instant("from", params.from.as_deref(), &context)?,
        instant("to", params.to.as_deref(), &context)?,
    );
    let (from, to) = (completion.replaced.start, completion.replaced.end);
    let asks_for_values = matches!(completion.place, Place::Value { .. });
    let index = Arc::clone(&app.parts.index);
    let looking = app.searches.run(&actor.name, move |budget, cancel| {
        let ask = Ask {
            index: &index,
            span,
            budget,
            cancel,
            started: Instant::now(),
        };
        let found = ask.look_up(&completion)?;
        Ok(items(&completion, found))
    });
    let items = if asks_for_values {
        // Names of fields tell nothing of what was received; values do.
        let described = super::described(Some(q), params.from.as_deref(), params.to.as_deref());
        let recorded = app.note(&actor, "search-complete", described);
        let (items, ()) = tokio::join!(looking, recorded);
        items?
    } else {
        looking.await?
    };
    Ok(Json(CompleteReply { from, to, items }))
}

/// Names or values, each with how often it was seen.
type Counts = Vec<(String, u64)>;

/// Asks the index, within what is left of the time.
struct Ask<'a> {
    index: &'a Index,
    span: (Option<Micros>, Option<Micros>),
    budget: Budget,
    cancel: Cancel,
    started: Instant,
}

impl Ask<'_> {
    fn look_up(&self, completion: &Completion) -> Result<Counts, SearchError> {
        match &completion.place {
            Place::Value { field, .. } => self.values(completion, field),
            Place::Clause { names, .. } | Place::Name { names, .. } => match names {
                Names::Fields => self.fields(&completion.condition),
                Names::Columns(columns) => {
                    Ok(columns.iter().map(|name| (name.to_string(), 0)).collect())
                }
            },
            Place::Stage | Place::Function { .. } | Place::Length | Place::Free => Ok(Vec::new()),
        }
    }

    fn scope(&self, expr: Expr) -> Scope {
        let left = TIME.saturating_sub(self.started.elapsed());
        Scope {
            from: self.span.0,
            to: self.span.1,
            budget: Budget {
                time: self.budget.time.min(left),
                ..self.budget.clone()
            },
            cancel: self.cancel.clone(),
            ..Scope::new(expr)
        }
    }

    fn sample(&self, expr: Expr) -> Result<Vec<Event>, SearchError> {
        let request = SearchRequest {
            counting: Counting::Page,
            ..SearchRequest::new(self.scope(expr), SAMPLE)
        };
        Ok(self.index.search(&request)?.hits)
    }

    /// The fields of the newest events that meet the condition; where none does, of the newest ones.
    fn fields(&self, condition: &Expr) -> Result<Counts, SearchError> {
        let mut events = self.sample(of_others(condition.clone()))?;
        if events.is_empty() {
            events = self.sample(of_others(Expr::All))?;
        }
        let mut counts: HashMap<String, u64> = HashMap::new();
        for event in &events {
            let mut names: Vec<&str> = event.iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                match counts.get_mut(name) {
                    Some(count) => *count += 1,
                    None => {
                        counts.insert(name.to_owned(), 1);
                    }
                }
            }
        }
        let unseen = Field::all().map(|field| field.name().to_owned());
        for name in unseen {
            counts.entry(name).or_insert(0);
        }
        Ok(counts.into_iter().collect())
    }

    fn values(&self, completion: &Completion, field: &FieldName) -> Result<Counts, SearchError> {
        if matches!(field.kind(), FieldKind::Date | FieldKind::Text) {
            return Ok(Vec::new());
        }
        let expr = completion.narrowed(field);
        if field.column().is_some() {
            let top = self.index.top(&TopRequest {
                scope: self.scope(expr),
                fields: vec![field.clone()],
                limit: VALUES,
            })?;
            let values = top.only().values.into_iter();
            return Ok(values.map(|value| (value.value, value.count)).collect());
        }
        let mut counts: HashMap<String, u64> = HashMap::new();
        for event in self.sample(expr)? {
            for value in event.values_named(field.name()) {
                *counts.entry(value.to_text().into_owned()).or_default() += 1;
            }
        }
        Ok(counts.into_iter().collect())
    }
}

/// Without the product's own records, which would be most of a quiet node's newest, unless they are meant.
fn of_others(condition: Expr) -> Expr {
    let fields = condition.fields();
    if fields
        .iter()
        .any(|field| field.name().starts_with("nhatky."))
    {
        return condition;
    }
    let own = Condition::Is(Literal::new("nhatky.own"));
    let own = Expr::field(Field::NHATKY_PRODUCT, own);
    Expr::and([condition, own.not()])
}

/// How well a name fits what is typed; the less the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It begins so.
    Beginning,
    /// A part of it, behind a dot, begins so.
    Part,
}

fn fit(name: &str, typed: &str) -> Option<Fit> {
    let name = query::fold(name);
    if name.starts_with(typed) {
        return Some(Fit::Beginning);
    }
    let parts = name.match_indices(['.', '@', '_']);
    let mut parts = parts.filter_map(|(at, _)| name.get(at + 1..));
    parts
        .any(|part| part.starts_with(typed))
        .then_some(Fit::Part)
}

fn items(completion: &Completion, mut counts: Counts) -> Vec<ItemReply> {
    let typed = query::fold(&completion.typed).into_owned();
    counts.sort_by(|(one, count), (two, other)| other.cmp(count).then_with(|| one.cmp(two)));
    let is_value = matches!(completion.place, Place::Value { .. });
    let mut fitting: Vec<(Fit, ItemReply)> = Vec::new();
    for (name, count) in counts {
        let fits = if is_value {
            query::fold(&name)
                .starts_with(&typed)
                .then_some(Fit::Beginning)
        } else {
            fit(&name, &typed)
        };
        let item = if is_value {
            value_item(completion, &name, count)
        } else {
            field_item(completion, &name, count)
        };
        fitting.extend(fits.zip(item));
    }
    // Stable: the most frequent first among those that fit alike.
    fitting.sort_by_key(|(fit, _)| *fit);
    let offers = completion.offers().into_iter();
    let offers = offers.filter(|offer| query::fold(offer.text).starts_with(&typed));
    let offers: Vec<ItemReply> = offers
        .map(|offer| ItemReply {
            text: offer.text.to_owned(),
            kind: match offer.kind {
                OfferKind::Keyword => "keyword",
                OfferKind::Function => "function",
                OfferKind::Stage => "stage",
            },
            detail: offer.detail.to_owned(),
            count: None,
        })
        .collect();
    // What the language offers is little; it keeps its room.
    let room = ITEMS_MAX.saturating_sub(offers.len());
    let found = fitting.into_iter().map(|(_, item)| item).take(room);
    let mut items: Vec<ItemReply> = if matches!(completion.place, Place::Clause { joins: true, .. })
    {
        offers.into_iter().chain(found).collect()
    } else {
        found.chain(offers).collect()
    };
    items.truncate(ITEMS_MAX);
    items
}

fn value_item(completion: &Completion, value: &str, count: u64) -> Option<ItemReply> {
    Some(ItemReply {
        text: completion.value_written(value)?,
        kind: "value",
        detail: String::new(),
        count: Some(count),
    })
}

fn field_item(completion: &Completion, name: &str, count: u64) -> Option<ItemReply> {
    let detail = match Field::from_name(name) {
        Some(field) => field.info().doc,
        None => "",
    };
    Some(ItemReply {
        text: completion.name_written(name)?,
        kind: "field",
        detail: detail.to_owned(),
        count: (count > 0).then_some(count),
    })
}
