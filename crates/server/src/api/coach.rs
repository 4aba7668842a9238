//! Which of the six classes a sender has not sent, and what makes it send them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use event::{EventClass, Field, Micros};
use index::TopRequest;
use parse::EnableClass;
use query::{Condition, Expr, Literal};
use registry::SourceFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::List;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};

const DAYS: u32 = 7;
const DAYS_MAX: u32 = 3650;
const SENDERS: usize = 50;
const SENDERS_MAX: usize = 500;
/// Sources of which senders are made up, the most recently seen first.
const SOURCES_MAX: u32 = 10_000;

/// Which senders, over which time.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CoachParams {
    /// Only this sender.
    sender: Option<String>,
    /// How many days back events count: 7 when left out.
    days: Option<u32>,
    /// How many senders at most: 50 when left out, 500 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A sender with what it sent of each class.
///
/// All its products count together: on one Linux host sshd gives the log-ins, auditd the rest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CoachReply {
    /// TLS identity, token or address; behind a relay `PEER>HOSTNAME`.
    sender: String,
    /// What it sends, as far as that is known.
    products: Vec<String>,
    /// The six classes of Điều 7.2.
    classes: Vec<ClassReply>,
}

/// One class of a sender.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClassReply {
    /// The class.
    #[schema(value_type = String)]
    class: EventClass,
    /// How it stands with it.
    state: ClassState,
    /// Events of it in the time looked at.
    events: u64,
    /// A query that finds them; to be followed until the first one comes.
    query: String,
    /// For a class that never came: what to do, or why nothing can be done, by product.
    steps: Vec<Step>,
}

/// How it stands with a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClassState {
    /// Events of it came.
    Seen,
    /// None came, and one of the products can log it.
    Missing,
    /// None of the products can log it, or what they log of it is not read.
    Never,
    /// Nothing is known of what the products can log.
    Unknown,
}

/// What one product is to be made to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Step {
    /// The product.
    product: String,
    /// `never`, `vi`, `en`, `commands`, `source`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    enable: EnableClass,
}

/// Tells for each sender which of the six classes of Điều 7.2 it has not sent, and what switches them on.
#[utoipa::path(
    get, path = "/api/v1/coach", tag = "sources", params(CoachParams),
    responses(
        (status = 200, body = List<CoachReply>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn coach(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<CoachParams>,
) -> Result<Json<List<CoachReply>>, Problem> {
    let limit = limit(params.limit, SENDERS, SENDERS_MAX)?;
    let skip = super::numeric_cursor(params.cursor.as_deref())?.unwrap_or(0);
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let days = params.days.unwrap_or(DAYS);
    if days == 0 || days > DAYS_MAX {
        let detail = format!("a number of days from 1 to {DAYS_MAX}");
        return Err(Problem::field("days", detail));
    }
    let now = app.parts.clock.now();
    let from = Micros(now.0.saturating_sub(i64::from(days) * Micros::PER_DAY));
    let senders = senders(&app, params.sender).await?;
    let next = (senders.len() > skip.saturating_add(limit)).then(|| skip.saturating_add(limit));
    let page: Vec<_> = senders.into_iter().skip(skip).take(limit).collect();
    let index = Arc::clone(&app.parts.index);
    let counting = app.searches.run(&actor.name, move |budget, cancel| {
        let mut counted = Vec::with_capacity(page.len());
        for (sender, products) in page {
            let question = Question {
                expr: of_sender(&sender, &products),
                from: Some(from),
                to: None,
                warnings: Vec::new(),
            };
            let top = index.top(&TopRequest {
                scope: question.scope(budget.clone(), cancel.clone()),
                fields: vec![Field::NHATKY_CLASS.into()],
                limit: EventClass::ALL.len(),
            })?;
            counted.push((sender, products, top.only().values));
        }
        Ok(counted)
    });
    let counted = counting.await?;
    let items = counted.into_iter().map(|(sender, products, values)| {
        let class = |class: &EventClass| {
            let value = values.iter().find(|value| value.value == class.name());
            let events = value.map_or(0, |value| value.count);
            class_reply(&app, &sender, &products, *class, events)
        };
        CoachReply {
            classes: EventClass::ALL.iter().map(class).collect(),
            products: known(&products).map(str::to_owned).collect(),
            sender,
        }
    });
    Ok(Json(List {
        items: items.collect(),
        next_cursor: next.map(|next| next.to_string()),
    }))
}

/// Senders with their products, in the order of their names; ours is none of them.
async fn senders(
    app: &App,
    sender: Option<String>,
) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let filter = SourceFilter {
        sender,
        limit: SOURCES_MAX,
        ..SourceFilter::default()
    };
    let mut senders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in app.parts.registry.sources(&filter).await? {
        if source.product != "nhatky.own" {
            senders
                .entry(source.sender)
                .or_default()
                .push(source.product);
        }
    }
    for products in senders.values_mut() {
        products.sort();
    }
    Ok(senders)
}

fn of_sender(sender: &str, products: &[String]) -> Expr {
    let source = |product: &String| {
        let is = Condition::Is(Literal::new(&format!("{sender}/{product}")));
        Expr::field(Field::NHATKY_SOURCE, is)
    };
    Expr::or(products.iter().map(source))
}

fn known(products: &[String]) -> impl Iterator<Item = &str> {
    products
        .iter()
        .map(String::as_str)
        .filter(|product| *product != "unknown")
}

fn class_reply(
    app: &App,
    sender: &str,
    products: &[String],
    class: EventClass,
    events: u64,
) -> ClassReply {
    let is = Condition::Is(Literal::new(class.name()));
    let query = Expr::and([
        of_sender(sender, products),
        Expr::field(Field::NHATKY_CLASS, is),
    ]);
    let mut steps: Vec<Step> = known(products)
        .filter_map(|product| {
            let enable = app.parts.products.enable(product, class)?;
            Some(Step {
                product: product.to_owned(),
                enable,
            })
        })
        .collect();
    let state = if events > 0 {
        steps.clear();
        ClassState::Seen
    } else if steps.iter().any(|step| !step.enable.never) {
        // Why a sibling cannot is of no interest where one can.
        steps.retain(|step| !step.enable.never);
        ClassState::Missing
    } else if steps.is_empty() {
        ClassState::Unknown
    } else {
        ClassState::Never
    };
    ClassReply {
        class,
        state,
        events,
        query: query.to_string(),
        steps,
    }
}
