//! Rows and columns.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::Hasher;
use std::net::IpAddr;

use event::{Event, Micros, Value};
use serde::ser::{Serialize, Serializer};

/// What a pipeline gives.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<Box<str>>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Puts the rows in the order of their first columns, as many as are named.
    pub fn sort_by_keys(&mut self, keys: usize) {
        self.rows.sort_by(|one, two| {
            let pairs = one.iter().zip(two).take(keys);
            first_difference(pairs.map(|(one, two)| one.order(two)))
        });
    }
}

/// The order that comes first of those that are one.
pub(super) fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The keys of cells one after another.
pub(super) fn key_of(cells: impl Iterator<Item: Borrow<Cell>>) -> Vec<u8> {
    let mut key = Vec::new();
    for cell in cells {
        cell.borrow().write_key(&mut key);
    }
    key
}

/// A value in a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// Text.
    Text(Box<str>),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// An address.
    Address(IpAddr),
    /// An instant.
    Date(Micros),
    /// Several values.
    List(Vec<Self>),
}

impl From<Value<'_>> for Cell {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.into()),
            Value::Integer(number) => Self::Integer(number),
            Value::Float(number) => Self::Float(number),
            Value::Bool(yes) => Self::Bool(yes),
            Value::Address(address) => Self::Address(address),
            Value::Date(at) => Self::Date(at),
        }
    }
}

impl Cell {
    /// Bytes that are the same for equal values and different for others.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        key_of(std::iter::once(self))
    }

    /// Its values as texts: none, one, or those of a list.
    #[must_use]
    pub fn into_texts(self) -> Vec<Box<str>> {
        match self {
            Self::List(cells) => cells.into_iter().flat_map(Self::into_texts).collect(),
            cell => cell
                .value()
                .map(|value| value.to_text().into())
                .into_iter()
                .collect(),
        }
    }

    /// All values of a field: none, one, or a list.
    pub(super) fn of_cells(mut cells: Vec<Self>) -> Self {
        match cells.len() {
            0 => Self::Null,
            1 => cells.remove(0),
            _ => Self::List(cells),
        }
    }

    /// As a number, where it is one.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            #[expect(
                clippy::cast_precision_loss,
                reason = "sums and means of numbers that large are approximate"
            )]
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Null | Self::Bool(_) | Self::Address(_) | Self::Date(_) | Self::List(_) => None,
        }
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let own = size_of::<Self>();
        match self {
            Self::Text(text) => own + text.len(),
            Self::List(cells) => own + cells.iter().map(Self::bytes).sum::<usize>(),
            _ => own,
        }
    }

    /// The order of values: none before all others, then by kind, numbers among themselves whatever their form.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        if let (Some(one), Some(two)) = (self.plain_number(), other.plain_number()) {
            return one.total_cmp(&two);
        }
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Bool(one), Self::Bool(two)) => one.cmp(two),
            (Self::Address(one), Self::Address(two)) => one.cmp(two),
            (Self::Date(one), Self::Date(two)) => one.cmp(two),
            (Self::List(one), Self::List(two)) => {
                let pairs = one.iter().zip(two);
                let different = first_difference(pairs.map(|(one, two)| one.order(two)));
                different.then(one.len().cmp(&two.len()))
            }
            _ => self.kind().cmp(&other.kind()),
        }
    }

    fn plain_number(&self) -> Option<f64> {
        match self {
            Self::Integer(_) | Self::Float(_) => self.number(),
            _ => None,
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Integer(_) | Self::Float(_) => 2,
            Self::Date(_) => 3,
            Self::Address(_) => 4,
            Self::Text(_) => 5,
            Self::List(_) => 6,
        }
    }

    /// Bytes that are the same for equal values and different for others.
    pub(super) fn write_key(&self, key: &mut Vec<u8>) {
        key.push(self.kind());
        match self {
            Self::Null => {}
            Self::Bool(yes) => key.push(u8::from(*yes)),
            Self::Integer(_) | Self::Float(_) => {
                key.extend(self.number().unwrap_or_default().to_be_bytes());
            }
            Self::Date(at) => key.extend(at.0.to_be_bytes()),
            Self::Address(address) => match address {
                IpAddr::V4(v4) => key.extend(v4.octets()),
                IpAddr::V6(v6) => key.extend(v6.octets()),
            },
            Self::Text(text) => {
                key.extend(text.bytes());
                // No text holds this byte.
                key.push(0xff);
            }
            Self::List(cells) => {
                for cell in cells {
                    cell.write_key(key);
                }
                key.push(0xff);
            }
        }
    }

    /// Whether both have the same [key](Self::key).
    #[must_use]
    pub fn has_same_key(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Address(one), Self::Address(two)) => one == two,
            (Self::Null, Self::Null) => true,
            (one, two) => one.kind() == two.kind() && one.key() == two.key(),
        }
    }

    /// Hashes the [key](Self::key): the same for equal values.
    pub fn hash_key(&self, hash: &mut impl Hasher) {
        hash.write_u8(self.kind());
        match self {
            Self::Null => {}
            Self::Text(text) => hash.write(text.as_bytes()),
            Self::Date(at) => hash.write_i64(at.0),
            Self::Address(IpAddr::V4(v4)) => hash.write_u32(v4.to_bits()),
            Self::Address(IpAddr::V6(v6)) => hash.write_u128(v6.to_bits()),
            Self::Integer(_) | Self::Float(_) => {
                hash.write_u64(self.number().unwrap_or_default().to_bits());
            }
            Self::Bool(_) | Self::List(_) => hash.write(&self.key()),
        }
    }

    /// Puts it into an event, so that conditions can be asked of a row.
    pub(super) fn write_to(&self, name: &str, event: &mut Event) {
        match self {
            Self::Null => {}
            Self::Text(text) => event.push_named(name, &**text),
            Self::Integer(number) => event.push_named(name, *number),
            Self::Float(number) => event.push_named(name, Value::Float(*number)),
            Self::Bool(yes) => event.push_named(name, *yes),
            Self::Address(address) => event.push_named(name, *address),
            Self::Date(at) => event.push_named(name, *at),
            Self::List(cells) => {
                for cell in cells {
                    cell.write_to(name, event);
                }
            }
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Address(address) => serializer.collect_str(address),
            Self::Date(at) => serializer.collect_str(at),
            Self::List(cells) => cells.serialize(serializer),
        }
    }
}
