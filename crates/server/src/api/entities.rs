//! A user's, an address's or a host's history.

use std::sync::Arc;
use std::time::Duration;

use alert::EntityRisk;
use axum::Json;
use axum::extract::State;
use event::{Entity, Event, Field, Micros};
use index::TopValue;
use registry::{Alert, AlertFilter, DetectionFilter, StoredDetection};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::histogram::{BucketReply, buckets, readable_interval, spans};
use super::search::CoveredReply;
use super::top::ValueReply;
use crate::access::MayRead;
use crate::app::App;
use crate::entity_history::{self, EntityQuestion};
use crate::extract::{Params, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, limit};
use crate::searches::Deadline;

/// Detections and alerts that are shown: the newest.
const LISTED: u32 = 20;
/// The zone whose midnight days begin at: Vietnam's.
const OFFSET_SECONDS: i32 = 7 * 3600;

/// Which part of its history.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EntityParams {
    /// Only events whose `@timestamp` is not before: RFC 3339, a day, or like `now-7d`; all when left out.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
}

/// Which entities.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EntitiesParams {
    /// How they are ordered: `risk`, the riskiest first, also when left out.
    order: Option<String>,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
}

/// The riskiest entities.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntitiesReply {
    /// Of each `entity` its `score` now, the `limit` that raises an alert, what each of the `rules` adds, and when the newest detection
    /// fired that counts (`last_at`).
    #[schema(value_type = Vec<Object>)]
    items: Vec<EntityRisk>,
    /// Whether every detection was looked at; else the scores come from the newest ones.
    complete: bool,
    /// Always `null`: the list is made anew each time.
    next_cursor: Option<String>,
}

/// The history of an entity.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EntityReply {
    /// Kind and canonical name: an account without its domain, a host without its domain, both in lower case.
    #[schema(value_type = Object)]
    entity: Entity,
    /// The fields in which it is looked for.
    fields: Vec<&'static str>,
    /// Its events, as a query.
    query: String,
    /// The least `@timestamp` of its events.
    #[schema(value_type = Option<String>, format = DateTime)]
    first_seen: Option<Micros>,
    /// The greatest.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Micros>,
    /// How many events there are.
    total: u64,
    /// `eq` if everything here is exact, `gte` if the time ran out: then any count may be short.
    total_relation: &'static str,
    /// Events of each of the six classes.
    classes: Vec<ValueReply>,
    /// Events of each outcome.
    outcomes: Vec<ValueReply>,
    /// The sources with the most events.
    sources: Vec<ValueReply>,
    /// The products with the most events.
    products: Vec<ValueReply>,
    /// With whom and what it appears.
    counterparts: CounterpartsReply,
    /// Counts over time, from the first to the last event.
    over_time: OverTimeReply,
    /// What rules found about it, last stored first; with `from` and `to`, whose last event is in between.
    #[schema(value_type = Vec<Object>)]
    detections: Vec<StoredDetection>,
    /// Alerts about it, whenever, newest first.
    #[schema(value_type = Vec<Object>)]
    alerts: Vec<Alert>,
    /// How risky it is now: its score, the limit that raises an alert, and what each rule adds.
    #[schema(value_type = Object)]
    risk: EntityRisk,
    /// Its newest events: flat documents with dotted keys.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Event>,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// The most frequent others in an entity's events; one that stands in two fields of an event counts twice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CounterpartsReply {
    /// In `user.name` and `user.target.name`.
    users: Vec<ValueReply>,
    /// In `source.ip` and `destination.ip`.
    addresses: Vec<ValueReply>,
    /// In `host.name` and `observer.name`.
    hosts: Vec<ValueReply>,
}

/// Counts over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverTimeReply {
    /// The width of a bucket, in seconds; 0 where there is no event.
    interval_s: u64,
    /// The buckets, ascending, without gaps; days begin at midnight in Vietnam.
    buckets: Vec<BucketReply>,
}

/// Lists entities by their risk: points of what rules found about them, which decay.
#[utoipa::path(
    get, path = "/api/v1/entities", tag = "detection", params(EntitiesParams),
    responses(
        (status = 200, body = EntitiesReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn entities(
    State(app): State<App>,
    _: MayRead,
    Params(params): Params<EntitiesParams>,
) -> Result<Json<EntitiesReply>, Problem> {
    if let Some(order) = params.order.filter(|order| order != "risk") {
        let detail = format!("«{order}» is no order: write risk");
        return Err(Problem::field("order", detail));
    }
    let limit = limit(params.limit, 100, 1000)?;
    let risks = app.parts.alerts.risks(app.parts.clock.now(), limit).await?;
    Ok(Json(EntitiesReply {
        items: risks.items,
        complete: risks.complete,
        next_cursor: None,
    }))
}

/// Shows the history of a user, an address or a host: `user:root`, `address:10.0.0.5`, `host:db1`.
///
/// A user is looked for in `user.name`, `user.target.name`, `user.effective.name`, `source.user.name` and
/// `destination.user.name`, with and without a domain; an address in `source.ip`, `destination.ip`, `client.ip`, `host.ip`,
/// `source.nat.ip` and `destination.nat.ip`; a host in `host.name` and `observer.name`, by its short and its whole name.
#[utoipa::path(
    get, path = "/api/v1/entities/{entity}", tag = "events",
    params(("entity" = String, Path, description = "KIND:NAME, the kind being user, address or host"), EntityParams),
    responses(
        (status = 200, body = EntityReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn entity(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Segment(text): Segment<String>,
    Params(params): Params<EntityParams>,
) -> Result<Json<EntityReply>, Problem> {
    let entity = super::entity(Some(&text))?;
    let entity = entity
        .ok_or_else(|| Problem::field("entity", "write user:NAME, address:ADDRESS or host:NAME"))?;
    let (from, to) = (params.from.as_deref(), params.to.as_deref());
    let Question {
        from: since,
        to: until,
        ..
    } = Question::read(&app, None, from, to)?;
    let asked = EntityQuestion {
        entity: entity.clone(),
        from: since,
        to: until,
    };
    let index = Arc::clone(&app.parts.index);
    let gathering = app.searches.run(&actor.name, move |budget, cancel| {
        let deadline = Deadline::new(budget);
        let step = |interval| spans(interval, OFFSET_SECONDS);
        entity_history::gather(&index, &asked, &deadline, &cancel, interval, step)
    });
    let described = format!("{entity}{}", super::described(None, from, to));
    let (found, ()) = tokio::join!(gathering, app.note(&actor, "show-entity", described));
    let found = found?;
    let detections = DetectionFilter {
        entity: Some(entity.clone()),
        from: since,
        to: until,
        limit: LISTED,
        ..DetectionFilter::default()
    };
    let alerts = AlertFilter {
        entity: Some(entity.clone()),
        limit: LISTED,
        ..AlertFilter::default()
    };
    let over_time = OverTimeReply {
        interval_s: found.interval.as_secs(),
        buckets: found.seen.map_or_else(Vec::new, |(first, last)| {
            let end = last.after(Duration::from_micros(1));
            buckets(
                &found.over_time,
                (first, end),
                found.interval,
                OFFSET_SECONDS,
            )
            .0
        }),
    };
    Ok(Json(EntityReply {
        fields: entity_history::fields(entity.kind)
            .iter()
            .copied()
            .map(Field::name)
            .collect(),
        query: entity_history::expr(&entity).to_string(),
        first_seen: found.seen.map(|(first, _)| first),
        last_seen: found.seen.map(|(_, last)| last),
        total: found.total.count(),
        total_relation: found.total.relation(),
        classes: values(found.classes),
        outcomes: values(found.outcomes),
        sources: values(found.sources),
        products: values(found.products),
        counterparts: CounterpartsReply {
            users: values(found.users),
            addresses: values(found.addresses),
            hosts: values(found.hosts),
        },
        over_time,
        detections: app.parts.registry.detections(&detections).await?.items,
        alerts: app.parts.alerts.list(&alerts).await?.items,
        risk: app
            .parts
            .alerts
            .risk_of(&entity, app.parts.clock.now())
            .await?,
        events: found.newest,
        covered: CoveredReply::new(found.covered, 0),
        entity,
    }))
}

fn interval(first: Micros, last: Micros) -> Duration {
    Duration::from_secs(readable_interval(first, last).unsigned_abs())
}

fn values(found: Vec<TopValue>) -> Vec<ValueReply> {
    found.into_iter().map(ValueReply::from).collect()
}
