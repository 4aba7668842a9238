//! The order of hits: the first so many of all that match, by any fields, in bounded memory; and where a page goes on.
//!
//! `nhatky.seq` is always the last key, so that the order is total and [`Sort::after`] goes on exactly.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use event::{Event, Field, FieldKind, Micros, Seq, Value as FieldValue};
use index::{Depth, Wanted};
use query::{FieldName, Literal, Number};
use serde_json::{Value, json};

use super::dates::Dates;
use super::fault::Fault;
use super::members::{Members, plain_text};
use super::query_dsl::field_of;

/// The most keys of one order.
const KEYS_MAX: usize = 8;
/// What the texts by which hits are ordered may take in memory, in bytes.
const TEXTS_BYTES_MAX: usize = 64 << 20;

/// By what hits are ordered.
#[derive(Clone, Debug)]
pub(super) struct Sort {
    keys: Vec<Key>,
    /// Whether the last key was asked for, or is ours.
    tie_asked: bool,
    /// Whether the request orders hits at all.
    pub(super) asked: bool,
}

#[derive(Clone, Debug)]
struct Key {
    by: By,
    order: Order,
}

#[derive(Clone, Debug)]
enum By {
    /// Every hit has the same score.
    Score,
    /// The place in the journal.
    Seq,
    Field {
        field: FieldName,
        missing: Missing,
        /// Which of several values counts.
        mode: Mode,
        /// How dates are read and shown; none for milliseconds.
        dates: Option<Dates>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

#[derive(Clone, Debug)]
enum Missing {
    First,
    Last,
    As(Placed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Least,
    Greatest,
}

/// A value that has a place in an order. Values of different kinds come one kind after another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Placed {
    Bool(bool),
    Number(Number),
    /// Milliseconds since 1970.
    Millis(i64),
    Address(IpAddr),
    Text(Box<str>),
}

/// The place of a hit by one key, whichever way it is ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    First,
    Same,
    Up(PlacedValue),
    Down(Reverse<PlacedValue>),
    Last,
}

/// A [`Placed`] that cannot be made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlacedValue(Placed);

/// A hit's place, without the hit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    ranks: Vec<Rank>,
    seq: Seq,
}

impl Place {
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }
}

impl Sort {
    /// Newest first, as long as nothing else is asked for.
    pub(super) fn newest_first() -> Self {
        Self {
            keys: vec![Key {
                by: By::Seq,
                order: Order::Descending,
            }],
            tie_asked: false,
            asked: false,
        }
    }

    /// Reads `sort`.
    pub(super) fn read(value: Option<Value>, dates: &Dates) -> Result<Self, Fault> {
        let list = match value {
            None => return Ok(Self::newest_first()),
            Some(Value::Array(list)) => list,
            Some(one) => vec![one],
        };
        let mut keys = Vec::new();
        for one in list {
            match one {
                Value::String(name) => {
                    let (name, order) = match name.split_once(':') {
                        Some((name, order)) => (name.to_owned(), json!({ "order": order })),
                        None => (name, json!({})),
                    };
                    keys.push(key(&name, order, dates)?);
                }
                Value::Object(members) => {
                    // JSON says nothing about the order of members: only the tie-breaker's place is plain.
                    let is_plain = |name: &&String| !matches!(name.as_str(), "_doc" | "_shard_doc");
                    if members.keys().filter(is_plain).count() > 1 {
                        return Err(Fault::argument(
                            "[sort] with several fields must be a list: [{\"a\": …}, {\"b\": …}]",
                        ));
                    }
                    let (ties, fields): (Vec<_>, Vec<_>) = members
                        .into_iter()
                        .partition(|(name, _)| matches!(name.as_str(), "_doc" | "_shard_doc"));
                    for (name, options) in fields.into_iter().chain(ties) {
                        keys.push(key(&name, options, dates)?);
                    }
                }
                _ => {
                    return Err(Fault::parsing(
                        "[sort] must hold names of fields or objects",
                    ));
                }
            }
        }
        if keys.len() > KEYS_MAX {
            return Err(Fault::argument(format!(
                "[sort] has more than {KEYS_MAX} keys"
            )));
        }
        // All scores are the same: by score alone is newest first.
        let Some(first) = keys.iter().find(|key| !matches!(key.by, By::Score)) else {
            let mut sort = Self::newest_first();
            keys.append(&mut sort.keys);
            return Ok(Self { keys, ..sort });
        };
        let order = first.order;
        let place = keys.iter().position(|key| matches!(key.by, By::Seq));
        match place {
            // Nothing behind a total order changes it.
            Some(place) => keys.truncate(place + 1),
            None => keys.push(Key { by: By::Seq, order }),
        }
        Ok(Self {
            keys,
            tie_asked: place.is_some(),
            asked: true,
        })
    }

    /// Whether it is the order in which the index gives hits.
    pub(super) fn is_newest_first(&self) -> bool {
        let mut keys = self.keys.iter().filter(|key| !matches!(key.by, By::Score));
        matches!(
            (keys.next(), keys.next()),
            (
                Some(Key {
                    by: By::Seq,
                    order: Order::Descending
                }),
                None
            )
        )
    }

    /// As little of each event as the order asks about.
    pub(super) fn wanted(&self) -> Wanted {
        let fields: Vec<&FieldName> = self.keys.iter().filter_map(Key::field).collect();
        let columns: Option<Vec<Field>> = fields.iter().map(|field| field.column()).collect();
        match columns {
            Some(columns) => Wanted::Columns(columns),
            None if fields.iter().all(|field| field.known().is_some()) => {
                Wanted::Events(Depth::Core)
            }
            None => Wanted::Events(Depth::Full),
        }
    }

    fn place(&self, event: &Event) -> Place {
        Place {
            ranks: self.keys.iter().map(|key| key.rank(event)).collect(),
            seq: event.seq(),
        }
    }

    /// Reads `search_after`: the place behind which the page begins.
    pub(super) fn after(&self, values: &[Value]) -> Result<Vec<Rank>, Fault> {
        let asked = self.keys.len() - usize::from(!self.tie_asked);
        if values.len() != asked && values.len() != self.keys.len() {
            return Err(Fault::argument(format!(
                "[search_after] has {} values, but [sort] of a hit has {}: give it back as it was",
                values.len(),
                self.keys.len()
            )));
        }
        let ranks = self.keys.iter().zip(values);
        ranks.map(|(key, value)| key.rank_of(value)).collect()
    }

    /// Where a page behind that place begins in the journal, where the order is newest first.
    pub(super) fn seq_after(&self, after: &[Rank]) -> Option<Seq> {
        after.iter().find_map(|rank| match rank {
            Rank::Down(Reverse(PlacedValue(Placed::Number(Number::Integer(seq))))) => {
                Some(Seq(u64::try_from(*seq).unwrap_or(0)))
            }
            _ => None,
        })
    }

    /// What `sort` of a hit holds.
    pub(super) fn values(&self, event: &Event) -> Vec<Value> {
        let keys = self.keys.iter();
        keys.map(|key| key.show(event)).collect()
    }
}

/// The first so many places of those that it is shown.
#[derive(Debug)]
pub(super) struct First<'a> {
    sort: &'a Sort,
    /// Only places behind this one.
    after: Option<&'a [Rank]>,
    count: usize,
    /// The greatest first.
    places: BinaryHeap<Place>,
    text_bytes: usize,
}

impl<'a> First<'a> {
    pub(super) fn new(sort: &'a Sort, after: Option<&'a [Rank]>, count: usize) -> Self {
        Self {
            sort,
            after,
            count,
            places: BinaryHeap::new(),
            text_bytes: 0,
        }
    }

    /// Looks at an event.
    ///
    /// # Errors
    /// The texts by which the hits are ordered take more memory than they may.
    pub(super) fn look_at(&mut self, event: &Event) -> Result<(), Fault> {
        let place = self.sort.place(event);
        let is_behind = self.after.is_none_or(|after| {
            place
                .ranks
                .get(..after.len())
                .is_some_and(|ranks| ranks > after)
        });
        if !is_behind || self.count == 0 {
            return Ok(());
        }
        if self.places.len() >= self.count {
            if self.places.peek().is_none_or(|last| *last <= place) {
                return Ok(());
            }
            if let Some(gone) = self.places.pop() {
                self.text_bytes -= text_bytes(&gone);
            }
        }
        self.text_bytes += text_bytes(&place);
        if self.text_bytes > TEXTS_BYTES_MAX {
            return Err(Fault::argument(
                "the values by which the hits are sorted are too long: ask for fewer hits, or sort by another field",
            ));
        }
        self.places.push(place);
        Ok(())
    }

    /// The places, in order.
    pub(super) fn places(self) -> Vec<Place> {
        self.places.into_sorted_vec()
    }
}

fn text_bytes(place: &Place) -> usize {
    let of_rank = |rank: &Rank| match rank {
        Rank::Up(PlacedValue(Placed::Text(text)))
        | Rank::Down(Reverse(PlacedValue(Placed::Text(text)))) => text.len(),
        _ => 0,
    };
    place.ranks.iter().map(of_rank).sum()
}

/// Reads one key.
fn key(name: &str, options: Value, dates: &Dates) -> Result<Key, Fault> {
    let options = match options {
        Value::String(order) => json!({ "order": order }),
        options => options,
    };
    let mut members = Members::of(&format!("sort.{name}"), options)?;
    let order = match members.text("order")?.as_deref() {
        Some("asc") => Some(Order::Ascending),
        Some("desc") => Some(Order::Descending),
        None => None,
        Some(_) => return Err(members.wrong("order", "asc or desc")),
    };
    let missing = members.take("missing");
    let mode = members.text("mode")?;
    let format = members.text("format")?;
    members.refuse(
        &["nested", "nested_path", "nested_filter"],
        "events are flat: name the field",
    )?;
    members.ignore(&["unmapped_type", "numeric_type"]);
    members.finish()?;
    match name {
        "_score" => {
            return Ok(Key {
                by: By::Score,
                order: order.unwrap_or(Order::Descending),
            });
        }
        // In which order events lie there is nothing to rely on: the cheapest is newest first.
        "_doc" | "_shard_doc" => {
            return Ok(Key {
                by: By::Seq,
                order: order.unwrap_or(Order::Descending),
            });
        }
        "_script" | "_geo_distance" => {
            return Err(Fault::argument(format!(
                "[sort] by [{name}] is not supported: sort by a field"
            )));
        }
        _ => {}
    }
    let order = order.unwrap_or(Order::Ascending);
    let field = field_of(name)?;
    if field.known() == Some(Field::NHATKY_SEQ) {
        return Ok(Key { by: By::Seq, order });
    }
    if field.is_text() {
        return Err(Fault::argument(format!(
            "[sort] by [{name}] is not supported: it is a text; sort by a keyword, a number, an address or a date"
        )));
    }
    let dates = match (field.kind(), format) {
        (FieldKind::Date, Some(format)) => Some(dates.clone().with(Some(&format), None)?),
        _ => None,
    };
    let mode = match (mode.as_deref(), order) {
        (Some("min"), _) | (None, Order::Ascending) => Mode::Least,
        (Some("max"), _) | (None, Order::Descending) => Mode::Greatest,
        (Some(_), _) => {
            return Err(Fault::argument(
                "[mode] of [sort] must be min or max: sums and means are not sorted by",
            ));
        }
    };
    let missing = match missing {
        None => Missing::Last,
        Some(Value::String(word)) if word == "_last" => Missing::Last,
        Some(Value::String(word)) if word == "_first" => Missing::First,
        Some(value) => Missing::As(placed(&field, dates.as_ref(), &value)?),
    };
    Ok(Key {
        by: By::Field {
            field,
            missing,
            mode,
            dates,
        },
        order,
    })
}

impl Key {
    fn field(&self) -> Option<&FieldName> {
        match &self.by {
            By::Score | By::Seq => None,
            By::Field { field, .. } => Some(field),
        }
    }

    fn ranked(&self, placed: Placed) -> Rank {
        let placed = PlacedValue(placed);
        match self.order {
            Order::Ascending => Rank::Up(placed),
            Order::Descending => Rank::Down(Reverse(placed)),
        }
    }

    fn rank(&self, event: &Event) -> Rank {
        match &self.by {
            By::Score => Rank::Same,
            By::Seq => self.ranked(seq_placed(event.seq())),
            By::Field {
                field,
                missing,
                mode,
                ..
            } => match (chosen(field, *mode, event), missing) {
                (Some(placed), _) => self.ranked(placed),
                (None, Missing::First) => Rank::First,
                (None, Missing::Last) => Rank::Last,
                (None, Missing::As(placed)) => self.ranked(placed.clone()),
            },
        }
    }

    /// The rank of a value as a hit shows it.
    fn rank_of(&self, value: &Value) -> Result<Rank, Fault> {
        match (&self.by, value) {
            (By::Score, _) => Ok(Rank::Same),
            (By::Seq, value) => {
                let seq = plain_text(value).and_then(|text| text.parse::<u64>().ok());
                let seq = seq.ok_or_else(|| {
                    Fault::argument(
                        "[search_after] must end with nhatky.seq, as [sort] of a hit does",
                    )
                })?;
                Ok(self.ranked(seq_placed(Seq(seq))))
            }
            (
                By::Field {
                    missing: Missing::First,
                    ..
                },
                Value::Null,
            ) => Ok(Rank::First),
            (By::Field { .. }, Value::Null) => Ok(Rank::Last),
            (By::Field { field, dates, .. }, value) => {
                Ok(self.ranked(placed(field, dates.as_ref(), value)?))
            }
        }
    }

    fn show(&self, event: &Event) -> Value {
        match &self.by {
            By::Score => json!(1.0),
            By::Seq => json!(event.seq().0),
            By::Field {
                field,
                missing,
                mode,
                dates,
            } => match (chosen(field, *mode, event), missing) {
                (Some(placed), _) => show(&placed, dates.as_ref()),
                (None, Missing::As(placed)) => show(placed, dates.as_ref()),
                (None, Missing::First | Missing::Last) => Value::Null,
            },
        }
    }
}

fn show(placed: &Placed, dates: Option<&Dates>) -> Value {
    match placed {
        Placed::Bool(yes) => json!(yes),
        Placed::Number(Number::Integer(number)) => json!(number),
        Placed::Number(Number::Float(number)) => json!(number),
        Placed::Millis(millis) => match dates {
            Some(dates) => json!(dates.show(Micros(millis.saturating_mul(1000)))),
            None => json!(millis),
        },
        Placed::Address(address) => json!(address.to_string()),
        Placed::Text(text) => json!(text),
    }
}

fn seq_placed(seq: Seq) -> Placed {
    Placed::Number(Number::Integer(i64::try_from(seq.0).unwrap_or(i64::MAX)))
}

/// The value of the field that counts.
fn chosen(field: &FieldName, mode: Mode, event: &Event) -> Option<Placed> {
    let values = event.values_named(field.name());
    let placed = values.map(|value| place_of(field, value));
    match mode {
        Mode::Least => placed.min(),
        Mode::Greatest => placed.max(),
    }
}

fn place_of(field: &FieldName, value: FieldValue<'_>) -> Placed {
    match value.typed(field.kind()) {
        FieldValue::Text(text) => match Number::of(value) {
            // A field that is no column may write its numbers as texts.
            Some(number) if field.known().is_none() => Placed::Number(number),
            _ => Placed::Text(text.into()),
        },
        FieldValue::Integer(number) => Placed::Number(Number::Integer(number)),
        FieldValue::Float(number) => Placed::Number(Number::Float(number)),
        FieldValue::Bool(yes) => Placed::Bool(yes),
        FieldValue::Address(address) => Placed::Address(address),
        FieldValue::Date(at) => Placed::Millis(at.0.div_euclid(1000)),
    }
}

/// The place of a value that a request names.
fn placed(field: &FieldName, dates: Option<&Dates>, value: &Value) -> Result<Placed, Fault> {
    let wrong = || {
        Fault::argument(format!(
            "a value of [{}] in [search_after] or [missing] is none that the field can have",
            field.name()
        ))
    };
    let text = plain_text(value).ok_or_else(wrong)?;
    match (field.kind(), dates) {
        (FieldKind::Date, dates) => {
            if let Some(millis) = value.as_i64().filter(|_| dates.is_none()) {
                return Ok(Placed::Millis(millis));
            }
            let plain = Dates::new(Micros(0));
            let at = dates.unwrap_or(&plain).read(&text)?;
            Ok(Placed::Millis(at.start.0.div_euclid(1000)))
        }
        (FieldKind::Number, _) => {
            let number = Literal::new(&text).number().ok_or_else(wrong)?;
            Ok(Placed::Number(number))
        }
        (FieldKind::Address, _) => {
            let address = Literal::new(&text).address();
            // What could not be read as an address stands behind all addresses, as a text.
            Ok(address.map_or_else(|| Placed::Text(text.into()), Placed::Address))
        }
        (FieldKind::Keyword | FieldKind::Text, _) => match value {
            Value::Bool(yes) => Ok(Placed::Bool(*yes)),
            Value::Number(_) if field.known().is_none() => {
                let number = Literal::new(&text).number().ok_or_else(wrong)?;
                Ok(Placed::Number(number))
            }
            _ => Ok(Placed::Text(text.into())),
        },
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn sort(value: Value) -> Result<Sort, Fault> {
        Sort::read(Some(value), &Dates::new(Micros(0)))
    }

    fn events() -> Vec<Event> {
        let rows = [
            (1, Some(5), "b"),
            (2, None, "a"),
            (3, Some(7), "b"),
            (4, Some(5), "c"),
        ];
        rows.map(|(seq, port, user)| {
            let mut event = Event::new(Seq(seq), Bytes::new());
            if let Some(port) = port {
                event.set(Field::SOURCE_PORT, FieldValue::Integer(port));
            }
            event.set(Field::USER_NAME, user);
            event.set(Field::TIMESTAMP, Micros(i64::try_from(seq).unwrap() * 100));
            event
        })
        .to_vec()
    }

    fn order(value: Value, count: usize) -> Vec<u64> {
        let sort = sort(value).unwrap();
        let mut first = First::new(&sort, None, count);
        for event in events() {
            first.look_at(&event).unwrap();
        }
        first.places().iter().map(|place| place.seq().0).collect()
    }

    #[test]
    fn hits_are_ordered_by_any_field_and_then_by_their_place() {
        assert_eq!(order(json!("source.port"), 9), [1, 4, 3, 2]);
        assert_eq!(order(json!({"source.port": "desc"}), 9), [3, 4, 1, 2]);
        assert_eq!(
            order(
                json!([{"source.port": {"order": "desc", "missing": "_first"}}]),
                9
            ),
            [2, 3, 4, 1]
        );
        assert_eq!(
            order(json!([{"source.port": {"missing": 6}}]), 9),
            [1, 4, 2, 3]
        );
        assert_eq!(
            order(json!([{"user.name": "asc"}, {"source.port": "desc"}]), 9),
            [2, 3, 1, 4]
        );
        // All within one millisecond: the place decides.
        assert_eq!(order(json!([{"@timestamp": "desc"}]), 2), [4, 3]);
        assert_eq!(
            order(json!([{"@timestamp": "asc"}, "_doc"]), 9),
            [4, 3, 2, 1]
        );
        assert_eq!(order(json!(["_score"]), 3), [4, 3, 2]);
        assert_eq!(order(json!([{"_doc": "asc"}]), 2), [1, 2]);
    }

    #[test]
    fn a_page_goes_on_exactly_where_the_one_before_ended() {
        for keys in [
            json!([{"source.port": "asc"}]),
            json!([{"source.port": "desc"}, {"user.name": "asc"}]),
            json!({"@timestamp": {"order": "desc", "format": "strict_date_optional_time_nanos"}}),
            json!([{"user.name": "desc"}, {"_doc": "asc"}]),
            json!(["_score"]),
        ] {
            let all = order(keys.clone(), 9);
            let sort = sort(keys).unwrap();
            let events = events();
            let mut pages = Vec::new();
            let mut after = None;
            loop {
                let mut first = First::new(&sort, after.as_deref(), 1);
                for event in &events {
                    first.look_at(event).unwrap();
                }
                let Some(place) = first.places().pop() else {
                    break;
                };
                pages.push(place.seq().0);
                let hit = events.iter().find(|event| event.seq() == place.seq());
                after = Some(sort.after(&sort.values(hit.unwrap())).unwrap());
            }
            assert_eq!(pages, all);
        }
    }

    #[test]
    fn what_cannot_be_sorted_by_is_refused() {
        for wrong in [
            json!("message"),
            json!({"a": "asc", "b": "asc"}),
            json!([{"a": {"order": "up"}}]),
            json!([{"a": {"mode": "avg"}}]),
            json!([{"_script": {}}]),
            json!([7]),
            json!(["a", "b", "c", "d", "e", "f", "g", "h", "i"]),
            json!([{"a": {"unknown": 1}}]),
        ] {
            assert!(sort(wrong.clone()).is_err(), "{wrong}");
        }
        let sort = sort(json!(["source.port"])).unwrap();
        for wrong in [
            json!([]),
            json!(["x", 1]),
            json!([1, "x"]),
            json!([1, 2, 3]),
        ] {
            let values = wrong.as_array().unwrap();
            assert!(sort.after(values).is_err(), "{wrong}");
        }
    }
}
