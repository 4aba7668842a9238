//! The meaning of a query: which events it matches.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::net::IpAddr;

use event::{Event, Field, FieldKind, Seq, Value};

use crate::fold::fold;
use crate::{Bound, Condition, Expr, FieldName, Literal, Number, Range, Test};

/// Whether the event matches. **This is the meaning of a query**: every faster way to answer one gives the same.
///
/// Fields are those of [`Event::values_named`], and two that every event has beside them: `event.original`, its raw
/// text, and `nhatky.seq`.
#[must_use]
pub fn matches(expr: &Expr, event: &Event) -> bool {
    let subject = Subject {
        seq: event.seq(),
        raw: event.raw(),
        event: Some(event),
        original: OnceCell::new(),
    };
    subject.matches(expr)
}

/// The same for an event of which nothing is known but Seq and raw bytes: it has no other field.
#[must_use]
pub fn matches_raw(expr: &Expr, seq: Seq, raw: &[u8]) -> bool {
    let subject = Subject {
        seq,
        raw,
        event: None,
        original: OnceCell::new(),
    };
    subject.matches(expr)
}

/// An event that is being asked; its text is made at most once, and only when a test wants it.
struct Subject<'a> {
    seq: Seq,
    raw: &'a [u8],
    event: Option<&'a Event>,
    original: OnceCell<Cow<'a, str>>,
}

impl Subject<'_> {
    fn matches(&self, expr: &Expr) -> bool {
        match expr {
            Expr::All => true,
            Expr::None => false,
            Expr::And(members) => members.iter().all(|member| self.matches(member)),
            Expr::Or(members) => members.iter().any(|member| self.matches(member)),
            Expr::Not(inner) => !self.matches(inner),
            Expr::Test(Test::Text(phrase)) => phrase.matches(self.original()),
            Expr::Test(Test::Regex(regex)) => regex.matches(self.original()),
            Expr::Test(Test::Field(field, condition)) => self.field_meets(field, condition),
        }
    }

    fn original(&self) -> &str {
        self.original.get_or_init(|| event::original(self.raw))
    }

    fn field_meets(&self, field: &FieldName, condition: &Condition) -> bool {
        let meets = |value: Value<'_>| condition.meets(field, value);
        match field.known() {
            Some(Field::EVENT_ORIGINAL) => meets(Value::Text(self.original())),
            Some(Field::NHATKY_SEQ) => {
                let seq = i64::try_from(self.seq.0).unwrap_or(i64::MAX);
                meets(Value::Integer(seq))
            }
            Some(known) => self
                .event
                .is_some_and(|event| event.values(known).any(meets)),
            None => {
                let named = |event: &Event| event.values_named(field.name()).any(meets);
                self.event.is_some_and(named)
            }
        }
    }
}

impl Condition {
    /// Whether this one value of the field meets the condition. Used by whoever keeps values apart from their events.
    #[must_use]
    pub fn meets(&self, field: &FieldName, value: Value<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::Is(literal) => literal.is(value),
            Self::OneOf(literals) => literals.iter().any(|literal| literal.is(value)),
            Self::Like(pattern) => pattern.matches(&value.to_text()),
            Self::Holds(phrase) => phrase.matches(&value.to_text()),
            Self::Network(network) => {
                address_of(value).is_some_and(|address| network.contains(&address))
            }
            Self::Range(range) => range.holds(field, value),
            Self::Regex(regex) => regex.matches(&value.to_text()),
        }
    }
}

impl Literal {
    /// Whether the value is this one: numbers, addresses and dates as such, everything else as text.
    #[must_use]
    pub fn is(&self, value: Value<'_>) -> bool {
        match value {
            Value::Text(text) => self.key().matches(text),
            Value::Integer(_) | Value::Float(_) => {
                self.number().is_some() && self.number() == Number::of(value)
            }
            Value::Address(address) => self.address() == Some(address),
            Value::Date(instant) => self.date() == Some(instant),
            Value::Bool(_) => self.key().matches(&value.to_text()),
        }
    }
}

impl Range {
    /// Whether the value of the field lies in the range.
    #[must_use]
    pub fn holds(&self, field: &FieldName, value: Value<'_>) -> bool {
        let above = match &self.low {
            Bound::Open => true,
            Bound::With(low) => compare(field, value, low).is_some_and(Ordering::is_ge),
            Bound::Without(low) => compare(field, value, low).is_some_and(Ordering::is_gt),
        };
        let below = || match &self.high {
            Bound::Open => true,
            Bound::With(high) => compare(field, value, high).is_some_and(Ordering::is_le),
            Bound::Without(high) => compare(field, value, high).is_some_and(Ordering::is_lt),
        };
        above && below()
    }
}

fn compare(field: &FieldName, value: Value<'_>, bound: &Literal) -> Option<Ordering> {
    match value {
        Value::Integer(_) | Value::Float(_) => Some(Number::of(value)?.cmp(&bound.number()?)),
        Value::Date(instant) => Some(instant.cmp(&bound.date()?)),
        Value::Address(address) => {
            let bound = bound.address()?;
            (address.is_ipv4() == bound.is_ipv4()).then(|| address.cmp(&bound))
        }
        Value::Bool(_) => None,
        Value::Text(text) => compare_text(field, text, bound),
    }
}

/// Text in a field of another kind is what could not be read as one, and so is not in any range.
fn compare_text(field: &FieldName, text: &str, bound: &Literal) -> Option<Ordering> {
    if !matches!(field.kind(), FieldKind::Keyword | FieldKind::Text) {
        return None;
    }
    if field.column().is_none() {
        let numbers = Number::of(Value::Text(text)).zip(bound.number());
        if let Some((number, bound)) = numbers {
            return Some(number.cmp(&bound));
        }
    }
    Some(fold(text).cmp(&fold(bound.text())))
}

fn address_of(value: Value<'_>) -> Option<IpAddr> {
    match value {
        Value::Address(address) => Some(address),
        Value::Text(text) => text
            .parse()
            .ok()
            .map(|address: IpAddr| address.to_canonical()),
        Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::Date(_) => None,
    }
}
