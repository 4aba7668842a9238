//! What the index knows of a user, an address or a host.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use event::{Entity, EntityKind, Event, Field, Micros, Value};
use index::{
    Bucket, Cancel, Covered, HistogramRequest, Index, Scope, SearchError, SearchRequest, Top,
    TopRequest, TopValue, Total, Wanted,
};
use query::{Condition, Expr, Literal, Pattern, Piece, TimeStep};

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

/// Gathers the history; `interval` says how wide the buckets of a span are, `step` which spans of that width are counted.
pub(crate) fn gather(
    index: &Index,
    asked: &EntityQuestion,
    deadline: &Deadline,
    cancel: &Cancel,
    interval: fn(Micros, Micros) -> Duration,
    step: impl Fn(Duration) -> TimeStep,
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
    let tops = gathering.tops()?;
    let most = |field: Field| {
        let mut values = tops.get(&field).cloned().unwrap_or_default();
        values.truncate(VALUES);
        values
    };
    let counterparts = |kind: EntityKind| counterparts(&asked.entity, kind, &tops);
    let history = EntityHistory {
        newest: found.hits,
        seen,
        classes: most(Field::NHATKY_CLASS),
        outcomes: most(Field::EVENT_OUTCOME),
        sources: most(Field::NHATKY_SOURCE),
        products: most(Field::NHATKY_PRODUCT),
        users: counterparts(EntityKind::User),
        addresses: counterparts(EntityKind::Address),
        hosts: counterparts(EntityKind::Host),
        interval: seen.map_or(Duration::ZERO, |(first, last)| interval(first, last)),
        over_time: Vec::new(),
        covered: found.covered,
        total: found.total,
    };
    let over_time = match history.interval {
        Duration::ZERO => Vec::new(),
        interval => gathering.over_time(step(interval))?,
    };
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

    /// The most frequent values of each field that is shown, and of those in which counterparts are.
    fn tops(&mut self) -> Result<BTreeMap<Field, Vec<TopValue>>, SearchError> {
        let counterparts = [EntityKind::User, EntityKind::Address, EntityKind::Host];
        let shown = [
            Field::NHATKY_CLASS,
            Field::EVENT_OUTCOME,
            Field::NHATKY_SOURCE,
            Field::NHATKY_PRODUCT,
        ];
        let counterparts = counterparts.into_iter().flat_map(counterpart_fields);
        let counterparts = counterparts.copied();
        let fields: Vec<Field> = shown.into_iter().chain(counterparts).collect();
        let found = self.index.top(&TopRequest {
            scope: self.scope(),
            fields: fields.iter().map(|field| (*field).into()).collect(),
            limit: COUNTERPARTS,
        })?;
        self.note(found.total);
        let values = found.tops.into_iter().map(|Top { values, .. }| values);
        Ok(fields.into_iter().zip(values).collect())
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

    fn over_time(&mut self, step: TimeStep) -> Result<Vec<Bucket>, SearchError> {
        let counts = self.index.histogram(&HistogramRequest {
            scope: self.scope(),
            step,
            split: None,
        })?;
        self.note(counts.total);
        Ok(counts.buckets)
    }
}

/// The others of that kind in the events of an entity, the most frequent first. In how many values, not events: both ends
/// of a connection may name one.
fn counterparts(
    entity: &Entity,
    kind: EntityKind,
    tops: &BTreeMap<Field, Vec<TopValue>>,
) -> Vec<TopValue> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let values = counterpart_fields(kind)
        .iter()
        .filter_map(|field| tops.get(field));
    for value in values.flatten() {
        if !is_itself(entity, kind, &value.value) {
            *counts.entry(&value.value).or_default() += value.count;
        }
    }
    let values = counts.into_iter().map(|(value, count)| TopValue {
        value: value.to_owned(),
        count,
    });
    let mut values: Vec<_> = values.collect();
    // Stable, so that equally frequent ones stay in the order of their texts.
    values.sort_by_key(|value| std::cmp::Reverse(value.count));
    values.truncate(VALUES);
    values
}

fn is_itself(entity: &Entity, kind: EntityKind, value: &str) -> bool {
    let named = match kind {
        EntityKind::User => Entity::user(value),
        EntityKind::Address => value.parse().ok().map(Entity::address),
        EntityKind::Host => Entity::host(value),
    };
    named.as_ref() == Some(entity)
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
