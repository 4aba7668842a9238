//! What the index knows of a user, an address or a host.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use event::{Entity, EntityKind, Event, Field, Micros, Value};
use index::{
    Bucket, Cancel, Covered, HistogramRequest, Index, Scope, SearchError, SearchRequest,
    TopRequest, TopValue, Total, Wanted,
};
use query::{Condition, Expr, Literal, Pattern, Piece};

use crate::searches::Deadline;

/// The newest events that are shown.
const EVENTS: usize = 20;
/// Values of each kind that are shown.
const VALUES: usize = 10;
/// Values of each field of a counterpart that are counted together.
const COUNTERPARTS: usize = 50;

/// The fields in which an entity is looked for.
pub(crate) fn fields(kind: EntityKind) -> &'static [Field] {
    match kind {
        EntityKind::User => &[
            Field::USER_NAME,
            Field::USER_TARGET_NAME,
            Field::USER_EFFECTIVE_NAME,
            Field::SOURCE_USER_NAME,
            Field::DESTINATION_USER_NAME,
        ],
        EntityKind::Address => &[
            Field::SOURCE_IP,
            Field::DESTINATION_IP,
            Field::CLIENT_IP,
            Field::HOST_IP,
            Field::SOURCE_NAT_IP,
            Field::DESTINATION_NAT_IP,
        ],
        EntityKind::Host => &[Field::HOST_NAME, Field::OBSERVER_NAME],
    }
}

/// The fields in which others are counted that appear with an entity: columns, which need no event to be read.
fn counterpart_fields(kind: EntityKind) -> &'static [Field] {
    match kind {
        EntityKind::User => &[Field::USER_NAME, Field::USER_TARGET_NAME],
        EntityKind::Address => &[Field::SOURCE_IP, Field::DESTINATION_IP],
        EntityKind::Host => &[Field::HOST_NAME, Field::OBSERVER_NAME],
    }
}

/// Events of the entity, however they write its name: accounts with a domain too, and whole names of hosts.
pub(crate) fn expr(entity: &Entity) -> Expr {
    let name = &*entity.name;
    let like = |pieces: [Piece; 2]| Condition::Like(Pattern::new(pieces));
    let text = |text: String| Piece::Text(text.into());
    let mut conditions = vec![Condition::Is(Literal::new(name))];
    match entity.kind {
        EntityKind::User => {
            conditions.push(like([Piece::Run, text(format!("\\{name}"))]));
            conditions.push(like([text(format!("{name}@")), Piece::Run]));
        }
        EntityKind::Host if name.parse::<std::net::IpAddr>().is_err() => {
            conditions.push(like([text(format!("{name}.")), Piece::Run]));
        }
        EntityKind::Host | EntityKind::Address => {}
    }
    let fields = fields(entity.kind).iter();
    Expr::or(fields.flat_map(|field| {
        let conditions = conditions.iter();
        conditions.map(|condition| Expr::field(*field, condition.clone()))
    }))
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct EntityQuestion {
    pub(crate) entity: Entity,
    pub(crate) from: Option<Micros>,
    pub(crate) to: Option<Micros>,
}

/// What there is of an entity.
#[derive(Debug)]
pub(crate) struct EntityHistory {
    /// Exact if nothing of all this was cut.
    pub(crate) total: Total,
    pub(crate) newest: Vec<Event>,
    /// The least and the greatest `@timestamp`.
    pub(crate) seen: Option<(Micros, Micros)>,
    pub(crate) classes: Vec<TopValue>,
    pub(crate) outcomes: Vec<TopValue>,
    pub(crate) sources: Vec<TopValue>,
    pub(crate) products: Vec<TopValue>,
    pub(crate) users: Vec<TopValue>,
    pub(crate) addresses: Vec<TopValue>,
    pub(crate) hosts: Vec<TopValue>,
    pub(crate) over_time: Vec<Bucket>,
    pub(crate) interval: Duration,
    pub(crate) covered: Covered,
}

/// Gathers the history; `interval` says how wide the buckets of a span are, which begin at midnight `offset_seconds` east
/// of UTC.
pub(crate) fn gather(
    index: &Index,
    asked: &EntityQuestion,
    deadline: &Deadline,
    cancel: &Cancel,
    interval: fn(Micros, Micros) -> Duration,
    offset_seconds: i32,
) -> Result<EntityHistory, SearchError> {
    let mut gathering = Gathering {
        index,
        asked,
        expr: expr(&asked.entity),
        deadline,
        cancel,
        complete: true,
    };
    let found = index.search(&SearchRequest::new(gathering.scope(), EVENTS))?;
    gathering.note(found.total);
    let seen = gathering.seen()?;
    let history = EntityHistory {
        newest: found.hits,
        seen,
        classes: gathering.top(Field::NHATKY_CLASS, VALUES)?,
        outcomes: gathering.top(Field::EVENT_OUTCOME, VALUES)?,
        sources: gathering.top(Field::NHATKY_SOURCE, VALUES)?,
        products: gathering.top(Field::NHATKY_PRODUCT, VALUES)?,
        users: gathering.counterparts(EntityKind::User)?,
        addresses: gathering.counterparts(EntityKind::Address)?,
        hosts: gathering.counterparts(EntityKind::Host)?,
        interval: seen.map_or(Duration::ZERO, |(first, last)| interval(first, last)),
        over_time: Vec::new(),
        covered: found.covered,
        total: found.total,
    };
    let over_time = gathering.over_time(history.interval, offset_seconds)?;
    let total = match history.total {
        Total::Exactly(count) if !gathering.complete => Total::AtLeast(count),
        total => total,
    };
    Ok(EntityHistory {
        over_time,
        total,
        ..history
    })
}

struct Gathering<'a> {
    index: &'a Index,
    asked: &'a EntityQuestion,
    expr: Expr,
    deadline: &'a Deadline,
    cancel: &'a Cancel,
    /// Whether no part was cut.
    complete: bool,
}

impl Gathering<'_> {
    fn scope(&self) -> Scope {
        Scope {
            from: self.asked.from,
            to: self.asked.to,
            budget: self.deadline.budget(),
            cancel: self.cancel.clone(),
            ..Scope::new(self.expr.clone())
        }
    }

    fn note(&mut self, total: Total) {
        self.complete &= matches!(total, Total::Exactly(_));
    }

    fn top(&mut self, field: Field, limit: usize) -> Result<Vec<TopValue>, SearchError> {
        let top = self.index.top(&TopRequest {
            scope: self.scope(),
            field: field.into(),
            limit,
        })?;
        self.note(top.total);
        Ok(top.values)
    }

    /// The others of that kind in its events, the most frequent first. In how many values, not events: both ends of a
    /// connection may name one.
    fn counterparts(&mut self, kind: EntityKind) -> Result<Vec<TopValue>, SearchError> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for field in counterpart_fields(kind) {
            for value in self.top(*field, COUNTERPARTS)? {
                if !self.is_itself(kind, &value.value) {
                    *counts.entry(value.value).or_default() += value.count;
                }
            }
        }
        let values = counts.into_iter();
        let mut values: Vec<_> = values
            .map(|(value, count)| TopValue { value, count })
            .collect();
        // Stable, so that equally frequent ones stay in the order of their texts.
        values.sort_by_key(|value| std::cmp::Reverse(value.count));
        values.truncate(VALUES);
        Ok(values)
    }

    fn is_itself(&self, kind: EntityKind, value: &str) -> bool {
        let entity = match kind {
            EntityKind::User => Entity::user(value),
            EntityKind::Address => value.parse().ok().map(Entity::address),
            EntityKind::Host => Entity::host(value),
        };
        entity.as_ref() == Some(&self.asked.entity)
    }

    /// The least and the greatest `@timestamp`, from its column.
    fn seen(&mut self) -> Result<Option<(Micros, Micros)>, SearchError> {
        let mut seen: Option<(Micros, Micros)> = None;
        let wanted = Wanted::Columns(vec![Field::TIMESTAMP]);
        let each = self.index.each(&self.scope(), &wanted, &mut |event| {
            for value in event.values(Field::TIMESTAMP) {
                if let Value::Date(at) = value {
                    let (first, last) = seen.unwrap_or((at, at));
                    seen = Some((first.min(at), last.max(at)));
                }
            }
            ControlFlow::Continue(())
        })?;
        self.note(each.total);
        Ok(seen)
    }

    fn over_time(
        &mut self,
        interval: Duration,
        offset_seconds: i32,
    ) -> Result<Vec<Bucket>, SearchError> {
        if interval.is_zero() {
            return Ok(Vec::new());
        }
        let counts = self.index.histogram(&HistogramRequest {
            scope: self.scope(),
            interval,
            offset_seconds,
        })?;
        self.note(counts.total);
        Ok(counts.buckets)
    }
}

#[cfg(test)]
mod tests {
    use event::Seq;

    use super::*;

    fn check(entity: Option<Entity>, field: Field, value: &str, expected: bool) {
        let entity = entity.unwrap();
        let mut event = Event::new(Seq(1), bytes::Bytes::new());
        event.set(field, value);
        let found = query::matches(&expr(&entity), &event);
        assert_eq!(found, expected, "{entity} {} {value}", field.name());
    }

    #[test]
    fn an_entity_is_found_however_its_name_is_written() {
        let user = || Entity::user("An");
        check(user(), Field::USER_NAME, "AN", true);
        check(user(), Field::USER_TARGET_NAME, "CORP\\an", true);
        check(user(), Field::USER_EFFECTIVE_NAME, "an@corp.vn", true);
        check(user(), Field::USER_NAME, "anh", false);
        check(user(), Field::USER_NAME, "x.an", false);
        check(user(), Field::HOST_NAME, "an", false);
        let host = || Entity::host("DB1.gov.vn");
        check(host(), Field::HOST_NAME, "db1", true);
        check(host(), Field::OBSERVER_NAME, "db1.other.vn", true);
        check(host(), Field::HOST_NAME, "db10", false);
        let address = || Some(Entity::address("10.0.0.1".parse().unwrap()));
        check(address(), Field::SOURCE_IP, "10.0.0.1", true);
        check(
            address(),
            Field::DESTINATION_NAT_IP,
            "::ffff:10.0.0.1",
            true,
        );
        check(address(), Field::SOURCE_IP, "10.0.0.10", false);
        check(Entity::host("10.0.0.1"), Field::HOST_NAME, "10.0.0.1", true);
        check(
            Entity::host("10.0.0.1"),
            Field::HOST_NAME,
            "10.0.0.1.5",
            false,
        );
    }

    #[test]
    fn a_name_with_signs_of_the_query_language_is_only_a_name() {
        let user = || Entity::user("a*\" OR *");
        check(user(), Field::USER_NAME, "a*\" OR *", true);
        check(user(), Field::USER_NAME, "ab\" OR c", false);
        check(user(), Field::USER_NAME, "root", false);
    }
}
