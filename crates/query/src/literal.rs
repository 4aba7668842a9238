//! Values as a query writes them.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use event::{FieldKind, Micros, Value};

use crate::TextKey;

/// A value as a query writes it, and everything that it can be read as. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Literal(Arc<Readings>);

#[derive(Debug)]
struct Readings {
    text: Box<str>,
    key: TextKey,
    number: Option<Number>,
    address: Option<IpAddr>,
    date: Option<Micros>,
}

impl Literal {
    /// The value of a text. Dates are RFC 3339 here; the parser of queries resolves the other ways to write one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(Arc::new(Readings {
            text: text.into(),
            key: TextKey::new(text),
            number: Number::of(Value::Text(text)),
            address: text
                .parse()
                .ok()
                .map(|address: IpAddr| address.to_canonical()),
            date: Micros::from_rfc3339(text),
        }))
    }

    /// The text as written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The text to be compared with texts.
    #[must_use]
    pub fn key(&self) -> &TextKey {
        &self.0.key
    }

    /// The number that the text is, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<Number> {
        self.0.number
    }

    /// The address that the text is, canonical, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// The instant that the text is, if it is one.
    #[must_use]
    pub fn date(&self) -> Option<Micros> {
        self.0.date
    }
}

/// The text is all that there is; the rest is made from it.
impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Literal {}

impl std::hash::Hash for Literal {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

/// A number, compared exactly whichever way it is kept.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, or beyond the whole ones. Never NaN or infinite.
    Float(f64),
}

impl Number {
    /// The number that the value is, or that its text is.
    #[must_use]
    pub fn of(value: Value<'_>) -> Option<Self> {
        match value.typed(FieldKind::Number) {
            Value::Integer(number) => Some(Self::Integer(number)),
            Value::Float(number) => Some(Self::Float(number)),
            Value::Text(_) | Value::Bool(_) | Value::Address(_) | Value::Date(_) => None,
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (*self, *other) {
            (Self::Integer(one), Self::Integer(two)) => one.cmp(&two),
            (Self::Float(one), Self::Float(two)) => {
                one.partial_cmp(&two).unwrap_or(Ordering::Equal)
            }
            (Self::Integer(one), Self::Float(two)) => integer_with_float(one, two),
            (Self::Float(one), Self::Integer(two)) => integer_with_float(two, one).reverse(),
        }
    }
}

/// Exact: a float within the range of i64 has a whole part that is an i64.
fn integer_with_float(integer: i64, float: f64) -> Ordering {
    const BEYOND: f64 = -(i64::MIN as f64);
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float < -BEYOND {
        return Ordering::Greater;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked: within the range of i64"
    )]
    let whole = float.trunc() as i64;
    let fraction = float.fract().partial_cmp(&0.0).unwrap_or(Ordering::Equal);
    integer.cmp(&whole).then(fraction.reverse())
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_everything_that_it_can_be_read_as() {
        let check = |text: &str| {
            let literal = Literal::new(text);
            (
                literal.number().is_some(),
                literal.address().is_some(),
                literal.date().is_some(),
            )
        };
        assert_eq!(check("80"), (true, false, false));
        assert_eq!(check("-1.5"), (true, false, false));
        assert_eq!(check("inf"), (false, false, false));
        assert_eq!(check("::ffff:10.0.0.1"), (false, true, false));
        assert_eq!(check("2026-10-11T00:00:00+07:00"), (false, false, true));
    }

    #[test]
    fn whole_numbers_and_fractions_compare_exactly() {
        let number = |text: &str| Literal::new(text).number().unwrap();
        let ascending = [
            "-1e300",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "0.5",
            "1",
            "9007199254740993",
            "9223372036854775807",
            "1e300",
        ];
        for (at, one) in ascending.iter().enumerate() {
            for (place, two) in ascending.iter().enumerate() {
                assert_eq!(number(one).cmp(&number(two)), at.cmp(&place), "{one} {two}");
            }
        }
        assert_eq!(number("1.0"), number("1"));
    }
}
