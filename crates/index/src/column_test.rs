//! Conditions asked of a column.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use event::{FieldKind, Micros, Value};
use query::{Bound, Condition, FieldName, Literal, Number, Range};
use tantivy::columnar::{Column, MonotonicallyMappableToU64, StrColumn};

use crate::bits::Bits;
use crate::document::column_address;
use crate::segment::ColumnValues;

/// The values that meet a condition, where they lie side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interval<T> {
    /// None does.
    Empty,
    /// Those from one to the other, both included.
    Between(RangeInclusive<T>),
    /// Each value must be asked.
    Other,
}

/// The documents of `within` of which a value in the column meets the condition.
pub(crate) fn matching(
    values: &ColumnValues,
    kind: FieldKind,
    field: &FieldName,
    condition: &Condition,
    within: &Bits,
) -> tantivy::Result<Bits> {
    match values {
        ColumnValues::Absent => Ok(Bits::none(within.len())),
        ColumnValues::Text(column) => texts(column, within, condition, |text| {
            condition.meets(field, Value::Text(text))
        }),
        ColumnValues::Integer(column) => {
            let interval = integer_interval(kind, condition);
            let value = |number| match kind {
                FieldKind::Date => Value::Date(Micros(number)),
                _ => Value::Integer(number),
            };
            Ok(numbers(column, within, condition, interval, |number| {
                condition.meets(field, value(number))
            }))
        }
        ColumnValues::Address(column) => {
            let interval = address_interval(condition);
            Ok(numbers(
                column,
                within,
                condition,
                interval,
                |address: Ipv6Addr| {
                    let address = IpAddr::V6(address).to_canonical();
                    condition.meets(field, Value::Address(address))
                },
            ))
        }
    }
}

fn numbers<T>(
    column: &Column<T>,
    within: &Bits,
    condition: &Condition,
    interval: Interval<T>,
    meets: impl Fn(T) -> bool,
) -> Bits
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    match interval {
        _ if matches!(condition, Condition::Exists) => having(column, within),
        Interval::Empty => Bits::none(within.len()),
        Interval::Between(range) if is_sparse(within) => {
            filtered(column, within, |value| range.contains(&value))
        }
        Interval::Between(range) => between(column, within, range),
        Interval::Other => filtered(column, within, meets),
    }
}

/// Whether asking the documents one by one is cheaper than going through the column.
fn is_sparse(within: &Bits) -> bool {
    within.count() * 16 < u64::from(within.len())
}

fn having<T>(column: &Column<T>, within: &Bits) -> Bits
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    let mut docs = Bits::none(within.len());
    for doc in within.ascending() {
        if column.index.has_value(doc) {
            docs.insert(doc);
        }
    }
    docs
}

fn filtered<T>(column: &Column<T>, within: &Bits, mut meets: impl FnMut(T) -> bool) -> Bits
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    let mut docs = Bits::none(within.len());
    for doc in within.ascending() {
        if column.values_for_doc(doc).any(&mut meets) {
            docs.insert(doc);
        }
    }
    docs
}

fn between<T>(column: &Column<T>, within: &Bits, range: RangeInclusive<T>) -> Bits
where
    T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
{
    // A range that ends below the least value would find the least value (tantivy-columnar 0.27, bitpacked columns).
    let is_beside = *range.end() < column.min_value() || *range.start() > column.max_value();
    if column.values.num_vals() == 0 || is_beside {
        return Bits::none(within.len());
    }
    let mut found = Vec::new();
    column.get_docids_for_value_range(range, 0..within.len(), &mut found);
    let mut docs = Bits::none(within.len());
    for doc in found {
        docs.insert(doc);
    }
    docs.and(within);
    docs
}

/// The documents of `within` with this number in the column.
pub(crate) fn equal(column: &Column<i64>, within: &Bits, number: i64) -> Bits {
    if is_sparse(within) {
        filtered(column, within, |value| value == number)
    } else {
        between(column, within, number..=number)
    }
}

/// Each text is asked once: those of the documents, or all in the column's sorted list, whichever are fewer.
fn texts(
    column: &StrColumn,
    within: &Bits,
    condition: &Condition,
    meets: impl Fn(&str) -> bool,
) -> tantivy::Result<Bits> {
    if matches!(condition, Condition::Exists) {
        return Ok(having(column.ords(), within));
    }
    if within.count() < column.num_terms() as u64 / 4 {
        let mut known: HashMap<u64, bool> = HashMap::new();
        let mut text = String::new();
        return Ok(filtered(column.ords(), within, |ord| {
            *known.entry(ord).or_insert_with(|| {
                column.ord_to_str(ord, &mut text).unwrap_or(false) && meets(&text)
            })
        }));
    }
    let accepted = accepted(column, meets)?;
    Ok(of_ords(column.ords(), within, &accepted))
}

/// The places in the sorted list of texts that are accepted.
fn accepted(column: &StrColumn, meets: impl Fn(&str) -> bool) -> tantivy::Result<Vec<u64>> {
    let mut accepted = Vec::new();
    let mut stream = column.dictionary().stream()?;
    let mut ord = 0;
    while stream.advance() {
        if std::str::from_utf8(stream.key()).is_ok_and(&meets) {
            accepted.push(ord);
        }
        ord += 1;
    }
    Ok(accepted)
}

/// The documents with one of these places in the list, which ascend.
fn of_ords(column: &Column<u64>, within: &Bits, accepted: &[u64]) -> Bits {
    let (Some(first), Some(last)) = (accepted.first(), accepted.last()) else {
        return Bits::none(within.len());
    };
    let gapless = last - first == accepted.len() as u64 - 1;
    if gapless && !is_sparse(within) {
        return between(column, within, u64::from_u64(*first)..=u64::from_u64(*last));
    }
    let most = u32::try_from(*last).unwrap_or(u32::MAX);
    let mut set = Bits::none(most.saturating_add(1));
    for ord in accepted {
        set.insert(u32::try_from(*ord).unwrap_or(u32::MAX));
    }
    filtered(column, within, |ord| {
        u32::try_from(ord).is_ok_and(|ord| set.contains(ord))
    })
}

/// The whole numbers, or instants in microseconds, that meet the condition.
pub(crate) fn integer_interval(kind: FieldKind, condition: &Condition) -> Interval<i64> {
    match condition {
        Condition::Is(literal) => match integer(kind, literal) {
            Read::As(number) => Interval::Between(number..=number),
            Read::Not => Interval::Empty,
            Read::Between => Interval::Other,
        },
        Condition::Range(range) => integer_range(kind, range),
        _ => Interval::Other,
    }
}

/// What a literal is to a column of whole numbers.
enum Read {
    /// This number.
    As(i64),
    /// No number: nothing compares with it.
    Not,
    /// A number with a fraction, or one out of range.
    Between,
}

fn integer(kind: FieldKind, literal: &Literal) -> Read {
    if kind == FieldKind::Date {
        return literal.date().map_or(Read::Not, |date| Read::As(date.0));
    }
    match literal.number() {
        Some(Number::Integer(number)) => Read::As(number),
        Some(Number::Float(_)) => Read::Between,
        None => Read::Not,
    }
}

fn integer_range(kind: FieldKind, range: &Range) -> Interval<i64> {
    let low = match &range.low {
        Bound::Open => Some(i64::MIN),
        Bound::With(literal) => match integer(kind, literal) {
            Read::As(number) => Some(number),
            Read::Not => None,
            Read::Between => return Interval::Other,
        },
        Bound::Without(literal) => match integer(kind, literal) {
            Read::As(number) => number.checked_add(1),
            Read::Not => None,
            Read::Between => return Interval::Other,
        },
    };
    let high = match &range.high {
        Bound::Open => Some(i64::MAX),
        Bound::With(literal) => match integer(kind, literal) {
            Read::As(number) => Some(number),
            Read::Not => None,
            Read::Between => return Interval::Other,
        },
        Bound::Without(literal) => match integer(kind, literal) {
            Read::As(number) => number.checked_sub(1),
            Read::Not => None,
            Read::Between => return Interval::Other,
        },
    };
    match low.zip(high) {
        Some((low, high)) if low <= high => Interval::Between(low..=high),
        _ => Interval::Empty,
    }
}

/// The addresses, IPv4 inside IPv6, that meet the condition.
fn address_interval(condition: &Condition) -> Interval<Ipv6Addr> {
    match condition {
        Condition::Is(literal) => match literal.address() {
            Some(address) => Interval::Between(one(address)),
            None => Interval::Empty,
        },
        Condition::Network(ipnet::IpNet::V4(network)) => Interval::Between(
            network.network().to_ipv6_mapped()..=network.broadcast().to_ipv6_mapped(),
        ),
        Condition::Network(ipnet::IpNet::V6(network)) => {
            let v4 = Ipv4Addr::UNSPECIFIED.to_ipv6_mapped();
            let touches_v4 = network.contains(&v4) || network.network().to_ipv4_mapped().is_some();
            if touches_v4 {
                return Interval::Other;
            }
            Interval::Between(network.network()..=network.broadcast())
        }
        _ => Interval::Other,
    }
}

fn one(address: IpAddr) -> RangeInclusive<Ipv6Addr> {
    let address = column_address(address);
    address..=address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(low: Bound, high: Bound) -> Condition {
        Condition::Range(Range { low, high })
    }

    fn with(text: &str) -> Bound {
        Bound::With(Literal::new(text))
    }

    fn without(text: &str) -> Bound {
        Bound::Without(Literal::new(text))
    }

    #[test]
    fn bounds_become_whole_numbers_where_they_are_ones() {
        let check = |low, high, expected| {
            assert_eq!(
                integer_interval(FieldKind::Number, &range(low, high)),
                expected
            );
        };
        check(with("3"), with("5"), Interval::Between(3..=5));
        check(without("3"), without("5"), Interval::Between(4..=4));
        check(without("3"), without("4"), Interval::Empty);
        check(Bound::Open, with("5"), Interval::Between(i64::MIN..=5));
        check(with("3.5"), Bound::Open, Interval::Other);
        check(with("x"), Bound::Open, Interval::Empty);
        check(without(&i64::MAX.to_string()), Bound::Open, Interval::Empty);
    }

    #[test]
    fn an_ipv4_network_is_a_range_inside_ipv6() {
        let network = |text: &str| address_interval(&Condition::Network(text.parse().unwrap()));
        let v6 = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        assert_eq!(
            network("10.0.0.0/8"),
            Interval::Between(v6("::ffff:10.0.0.0")..=v6("::ffff:10.255.255.255"))
        );
        assert_eq!(
            network("2001:db8::/32"),
            Interval::Between(v6("2001:db8::")..=v6("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"))
        );
        assert_eq!(network("::/0"), Interval::Other);
        assert_eq!(network("::ffff:0:0/100"), Interval::Other);
    }
}
