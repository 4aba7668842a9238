//! A record understood: a flat ECS document.

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{Field, FieldKind, FieldSet, Micros, Seq};

/// A [`Record`](crate::Record) understood: its raw bytes and a flat list of (field, value).
///
/// Text values lie one after another in a single buffer, so that an event costs few allocations and can be kept,
/// sent to another thread and reused ([`Event::reset`]). A field set several times with [`Event::push`] is a list.
///
/// The types of values follow the field table: [`Event::set`] on a number field with text that is no number keeps the
/// text (a log may say anything); readers must expect any [`Value`] in any field.
#[derive(Clone, Debug, Default)]
pub struct Event {
    seq: Seq,
    raw: Bytes,
    text: String,
    /// The known fields that have a value: most questions are for one that has none.
    known: FieldSet,
    /// For each value its field, apart from the values so that a few cache lines hold all of them.
    keys: Vec<Key>,
    values: Vec<Stored>,
    /// The names of [`Key::NAMED`] fields, in their order.
    names: Vec<Span>,
}

/// The number of a known field, or [`Key::NAMED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key(u16);

impl Key {
    /// A field that goes by its name.
    const NAMED: Self = Self(u16::MAX);

    /// The known field that it is.
    fn field(self) -> Option<Field> {
        (self != Self::NAMED).then(|| Field::row(self.0))
    }
}

impl From<Field> for Key {
    fn from(field: Field) -> Self {
        Self(field.row_number())
    }
}

#[derive(Clone, Copy, Debug)]
enum Stored {
    Text(Span),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Address(IpAddr),
    Date(Micros),
}

/// A piece of the text buffer, in bytes.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// A value, borrowed from its event or on its way into one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction. Never NaN or infinite.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// An address.
    Address(IpAddr),
    /// An instant.
    Date(Micros),
}

impl<'a> Value<'a> {
    /// The value as people write it: addresses in canonical form, dates as RFC 3339.
    #[must_use]
    pub fn to_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(number.to_string()),
            Self::Bool(yes) => Cow::Borrowed(if yes { "true" } else { "false" }),
            Self::Address(address) => Cow::Owned(address.to_string()),
            Self::Date(instant) => Cow::Owned(instant.to_string()),
        }
    }

    /// The text, if the value is text.
    #[must_use]
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as the field table wants it: text that is a number, address or date becomes one; else unchanged.
    #[must_use]
    pub fn typed(self, kind: FieldKind) -> Self {
        let Self::Text(text) = self else { return self };
        match kind {
            FieldKind::Keyword | FieldKind::Text => self,
            FieldKind::Number => number(text).unwrap_or(self),
            FieldKind::Address => text.parse().map_or(self, |address: IpAddr| {
                Self::Address(address.to_canonical())
            }),
            FieldKind::Date => Micros::from_rfc3339(text).map_or(self, Self::Date),
        }
    }
}

/// The whole or finite decimal number that the text is, if it is one: no spaces, no words such as `inf`.
fn number(text: &str) -> Option<Value<'_>> {
    if let Ok(integer) = text.parse() {
        return Some(Value::Integer(integer));
    }
    let starts_like_one = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'));
    let float: f64 = text.parse().ok().filter(|_| starts_like_one)?;
    float.is_finite().then_some(Value::Float(float))
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<IpAddr> for Value<'_> {
    fn from(address: IpAddr) -> Self {
        Self::Address(address.to_canonical())
    }
}

impl From<Micros> for Value<'_> {
    fn from(instant: Micros) -> Self {
        Self::Date(instant)
    }
}

impl From<bool> for Value<'_> {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

#[expect(
    single_use_lifetimes,
    reason = "`impl Trait` cannot elide one yet (E0658)"
)]
impl Event {
    /// The event of a record of which nothing is understood so far.
    #[must_use]
    pub fn new(seq: Seq, raw: Bytes) -> Self {
        Self {
            seq,
            raw,
            text: String::with_capacity(512),
            keys: Vec::with_capacity(32),
            values: Vec::with_capacity(32),
            ..Self::default()
        }
    }

    /// Makes it the event of another record, keeping the buffers.
    pub fn reset(&mut self, seq: Seq, raw: Bytes) {
        self.seq = seq;
        self.raw = raw;
        self.text.clear();
        self.known = FieldSet::default();
        self.keys.clear();
        self.values.clear();
        self.names.clear();
    }

    /// Its record's place in the journal.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The record's bytes.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// `event.original`: the record's bytes as text, where they are not UTF-8 with U+FFFD in their place.
    #[must_use]
    pub fn original(&self) -> Cow<'_, str> {
        crate::original(&self.raw)
    }

    /// Gives the field this one value in place of those that it had. Empty text removes the field.
    pub fn set<'v>(&mut self, field: Field, value: impl Into<Value<'v>>) {
        self.remove(field);
        self.push(field, value);
    }

    /// Adds a value to the field. Empty text is no value; a value that is there already is not added twice.
    pub fn push<'v>(&mut self, field: Field, value: impl Into<Value<'v>>) {
        let value = value.into().typed(field.kind());
        if value == Value::Text("") || self.values(field).any(|present| present == value) {
            return;
        }
        self.append(field, value);
    }

    /// Adds a value that the caller knows to be new to the field and of the type that its table names: [`Event::push`]
    /// without the checks. Empty text is no value.
    pub fn append(&mut self, field: Field, value: Value<'_>) {
        if value == Value::Text("") {
            return;
        }
        let value = self.store(value);
        self.known.insert(field);
        self.keys.push(field.into());
        self.values.push(value);
    }

    /// Adds a value to a field by its dotted name, known or not.
    pub fn push_named<'v>(&mut self, name: &str, value: impl Into<Value<'v>>) {
        if let Some(field) = Field::from_name(name) {
            return self.push(field, value);
        }
        let value = value.into();
        if value == Value::Text("") {
            return;
        }
        let name = self.keep(name);
        let value = self.store(value);
        self.names.push(name);
        self.keys.push(Key::NAMED);
        self.values.push(value);
    }

    /// Takes the field's values away.
    pub fn remove(&mut self, field: Field) {
        if !self.known.contains(field) {
            return;
        }
        self.known.remove(field);
        let gone = Key::from(field);
        let mut keys = self.keys.iter();
        self.values.retain(|_| keys.next() != Some(&gone));
        self.keys.retain(|key| *key != gone);
    }

    /// Takes the values of a field away by its dotted name, known or not.
    pub fn remove_named(&mut self, name: &str) {
        if let Some(field) = Field::from_name(name) {
            return self.remove(field);
        }
        let stays: Vec<bool> = self.iter().map(|(own, _)| own != name).collect();
        let names_stay: Vec<bool> = self.iter_named().map(|(own, _)| own != name).collect();
        keep(&mut self.keys, &stays);
        keep(&mut self.values, &stays);
        keep(&mut self.names, &names_stay);
    }

    /// The known fields that have a value.
    #[must_use]
    pub fn known(&self) -> &FieldSet {
        &self.known
    }

    /// The field's first value.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<Value<'_>> {
        self.values(field).next()
    }

    /// The field's first value, if it is text.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).and_then(Value::as_text)
    }

    /// Whether the field has a value.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.known.contains(field)
    }

    /// The field's values, in the order in which they were added.
    pub fn values(&self, field: Field) -> impl Iterator<Item = Value<'_>> {
        let asked = Key::from(field);
        let keys = match self.known.contains(field) {
            true => self.keys.as_slice(),
            false => &[],
        };
        let found = keys.iter().zip(&self.values);
        found
            .filter(move |(key, _)| **key == asked)
            .map(|(_, value)| self.value(*value))
    }

    /// The values of a field by its dotted name, known or not.
    pub fn values_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Value<'a>> {
        let known = Field::from_name(name);
        let of_known = known.into_iter().flat_map(|field| self.values(field));
        let named = self.iter_named().filter(move |(own, _)| *own == name);
        of_known.chain(named.map(|(_, value)| value))
    }

    /// Every (name, value), in the order in which they were added; a list gives its name once a member.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let mut names = self.names.iter();
        self.keys.iter().zip(&self.values).map(move |(key, value)| {
            let name = match key.field() {
                Some(field) => field.name(),
                None => names.next().map_or("", |span| self.piece(*span)),
            };
            (name, self.value(*value))
        })
    }

    /// Every (field, value) of the known fields, in the order in which they were added.
    pub fn iter_known(&self) -> impl Iterator<Item = (Field, Value<'_>)> {
        let all = self.keys.iter().zip(&self.values);
        all.filter_map(|(key, value)| Some((key.field()?, self.value(*value))))
    }

    /// Every (name, value) of the fields that have no number, in the order in which they were added.
    pub fn iter_named(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        let all = self.keys.iter().zip(&self.values);
        let named = all.filter(|(key, _)| **key == Key::NAMED);
        named
            .zip(&self.names)
            .map(|((_, value), name)| (self.piece(*name), self.value(*value)))
    }

    /// The memory that it holds, in bytes, apart from the raw bytes that it shares.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.text.capacity()
            + self.keys.capacity() * size_of::<Key>()
            + self.values.capacity() * size_of::<Stored>()
            + self.names.capacity() * size_of::<Span>()
    }

    fn value(&self, stored: Stored) -> Value<'_> {
        match stored {
            Stored::Text(span) => Value::Text(self.piece(span)),
            Stored::Integer(number) => Value::Integer(number),
            Stored::Float(number) => Value::Float(number),
            Stored::Bool(yes) => Value::Bool(yes),
            Stored::Address(address) => Value::Address(address),
            Stored::Date(instant) => Value::Date(instant),
        }
    }

    fn store(&mut self, value: Value<'_>) -> Stored {
        match value {
            Value::Text(text) => Stored::Text(self.keep(text)),
            Value::Integer(number) => Stored::Integer(number),
            Value::Float(number) => Stored::Float(number),
            Value::Bool(yes) => Stored::Bool(yes),
            Value::Address(address) => Stored::Address(address),
            Value::Date(instant) => Stored::Date(instant),
        }
    }

    /// Past 4 GiB of text, which no record within the limits can give, the rest becomes empty text.
    fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        let span = u32::try_from(start)
            .ok()
            .zip(u32::try_from(start + text.len()).ok());
        let Some((start, end)) = span else {
            return Span { start: 0, end: 0 };
        };
        self.text.push_str(text);
        Span { start, end }
    }

    fn piece(&self, span: Span) -> &str {
        span.of(&self.text)
    }
}

/// Keeps the items whose flag is set.
fn keep<T>(items: &mut Vec<T>, stays: &[bool]) {
    let mut stays = stays.iter();
    items.retain(|_| stays.next() == Some(&true));
}

/// Flat JSON with dotted keys, sorted, lists where a field has several values or may have ([`crate::FieldInfo::many`]);
/// `event.original` is the raw text, not stored twice. `nhatky.seq` appears once the journal has given one.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut by_name: std::collections::BTreeMap<&str, Vec<Value<'_>>> = Default::default();
        for (name, value) in self.iter() {
            by_name.entry(name).or_default().push(value);
        }
        let original = self.original();
        by_name.insert(Field::EVENT_ORIGINAL.name(), vec![Value::Text(&original)]);
        if self.seq != Seq::ZERO {
            let seq = i64::try_from(self.seq.0).unwrap_or(i64::MAX);
            by_name.insert(Field::NHATKY_SEQ.name(), vec![Value::Integer(seq)]);
        }
        let mut map = serializer.serialize_map(Some(by_name.len()))?;
        for (name, values) in by_name {
            let many = Field::from_name(name).is_some_and(|field| field.info().many);
            match values.as_slice() {
                [only] if !many => map.serialize_entry(name, only)?,
                several => map.serialize_entry(name, several)?,
            }
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Address(address) => serializer.collect_str(address),
            Self::Date(instant) => serializer.collect_str(instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event::new(Seq(7), Bytes::from_static(b"raw \xff"))
    }

    #[test]
    fn values_take_the_type_of_their_field() {
        let mut event = event();
        event.set(Field::SOURCE_IP, "::ffff:10.0.0.1");
        event.set(Field::SOURCE_PORT, "80");
        event.set(Field::DESTINATION_PORT, "http");
        event.set(Field::SOURCE_BYTES, "inf");
        assert_eq!(
            event.get(Field::SOURCE_IP),
            Some(Value::Address("10.0.0.1".parse().unwrap()))
        );
        assert_eq!(event.get(Field::SOURCE_PORT), Some(Value::Integer(80)));
        assert_eq!(
            event.get(Field::DESTINATION_PORT),
            Some(Value::Text("http"))
        );
        assert_eq!(event.get(Field::SOURCE_BYTES), Some(Value::Text("inf")));
    }

    #[test]
    fn a_field_set_twice_holds_the_second_and_pushed_twice_holds_both() {
        let mut event = event();
        event.set(Field::USER_NAME, "a");
        event.set(Field::USER_NAME, "b");
        event.push(Field::EVENT_TYPE, "start");
        event.push(Field::EVENT_TYPE, "allowed");
        event.push(Field::EVENT_TYPE, "start");
        event.push_named("fortinet.vd", "root");
        event.push_named("user.id", "5");
        event.set(Field::EVENT_REASON, "");
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"event.original":"raw �","event.type":["start","allowed"],"fortinet.vd":"root","nhatky.seq":7,"user.id":"5","user.name":"b"}"#
        );
        assert_eq!(
            event.values_named("fortinet.vd").next(),
            Some(Value::Text("root"))
        );
        let named: Vec<_> = event.iter_named().collect();
        assert_eq!(named, [("fortinet.vd", Value::Text("root"))]);
    }

    #[test]
    fn what_is_taken_away_leaves_the_others_with_their_names() {
        let mut event = event();
        event.push(Field::EVENT_TYPE, "start");
        event.push_named("a.b", "1");
        event.push_named("c.d", "2");
        event.push(Field::EVENT_TYPE, "allowed");
        event.push(Field::USER_NAME, "an");
        event.push_named("a.b", "3");
        event.remove_named("a.b");
        event.remove(Field::EVENT_TYPE);
        event.remove_named("e.f");
        let left: Vec<_> = event.iter().collect();
        assert_eq!(
            left,
            [("c.d", Value::Text("2")), ("user.name", Value::Text("an"))]
        );
        assert!(!event.has(Field::EVENT_TYPE));
        event.remove_named("user.name");
        assert_eq!(event.iter_known().count(), 0);
    }

    #[test]
    fn a_reset_event_remembers_nothing() {
        let mut event = event();
        event.push_named("a.b", "x");
        event.reset(Seq(8), Bytes::new());
        assert_eq!(event.iter().count(), 0);
        assert_eq!(event.seq(), Seq(8));
    }
}
