//! The most frequent values of a field.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use event::{Event, FieldKind, Micros, Value};
use query::FieldName;

use crate::bits::Bits;
use crate::run::{Collector, Run};
use crate::schema::{Column, Layout};
use crate::scope::{Covered, Scope, SearchError, depth_of_field};
use crate::search::Total;
use crate::segment::{ColumnValues, Segment};
use crate::source::{Depth, EventSource};
use crate::state::Shared;

/// How many different values are told apart; those that come after are counted as `other`.
pub const VALUES_MAX: usize = 200_000;

/// A question for the most frequent values of a field.
#[derive(Clone, Debug)]
pub struct TopRequest {
    /// Which events.
    pub scope: Scope,
    /// The field.
    pub field: FieldName,
    /// How many values at most.
    pub limit: usize,
}

/// A value and how many events have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopValue {
    /// The value as text.
    pub value: String,
    /// How often it occurs; an event with a list counts for each member.
    pub count: u64,
}

/// The most frequent values of a field.
#[derive(Clone, Debug)]
pub struct Top {
    /// The values, the most frequent first; equally frequent ones by their text.
    pub values: Vec<TopValue>,
    /// How often all other values occur.
    pub other: u64,
    /// Events without the field.
    pub missing: u64,
    /// How many different values there are; no more than [`VALUES_MAX`] are told apart.
    pub distinct: usize,
    /// All events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn top(shared: &Shared, request: &TopRequest) -> Result<Top, SearchError> {
    let mut run = Run::new(shared, &request.scope);
    let column = request
        .field
        .known()
        .and_then(|known| Layout::get().column(known));
    let mut counts = Counts {
        source: &*shared.source,
        field: &request.field,
        column,
        values: HashMap::default(),
        by_bits: HashMap::default(),
        other: 0,
        missing: 0,
        total: 0,
    };
    run.collect(&mut counts)?;
    counts.finish();
    let distinct = counts.values.len();
    let mut values: Vec<TopValue> = counts
        .values
        .into_iter()
        .map(|(value, count)| TopValue {
            value: value.into(),
            count,
        })
        .collect();
    values.sort_unstable_by(|one, two| {
        two.count
            .cmp(&one.count)
            .then_with(|| one.value.cmp(&two.value))
    });
    let rest: u64 = values
        .iter()
        .skip(request.limit)
        .map(|value| value.count)
        .sum();
    values.truncate(request.limit);
    Ok(Top {
        values,
        other: counts.other + rest,
        missing: counts.missing,
        distinct,
        total: Total::of(counts.total, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

struct Counts<'a> {
    source: &'a dyn EventSource,
    field: &'a FieldName,
    column: Option<Column>,
    values: HashMap<Box<str>, u64, ahash::RandomState>,
    by_bits: HashMap<u128, u64, ahash::RandomState>,
    other: u64,
    missing: u64,
    total: u64,
}

impl Counts<'_> {
    fn add(&mut self, value: &str, count: u64) {
        if let Some(known) = self.values.get_mut(value) {
            *known += count;
        } else if self.values.len() < VALUES_MAX {
            self.values.insert(value.into(), count);
        } else {
            self.other += count;
        }
    }

    fn add_event(&mut self, event: &Event) {
        let mut missing = true;
        for value in event.values_named(self.field.name()) {
            missing = false;
            self.add(&value.to_text(), 1);
        }
        self.missing += u64::from(missing);
    }

    /// Counts by the place in the sorted list of texts, and looks up each text once.
    fn add_texts(
        &mut self,
        column: &tantivy::columnar::StrColumn,
        docs: &Bits,
    ) -> Result<(), SearchError> {
        let mut counts = vec![0_u64; column.num_terms()];
        for doc in docs.ascending() {
            let mut missing = true;
            for ord in column.term_ords(doc) {
                missing = false;
                let count = usize::try_from(ord)
                    .ok()
                    .and_then(|ord| counts.get_mut(ord));
                *count.expect("places are below their number") += 1;
            }
            self.missing += u64::from(missing);
        }
        let mut text = String::new();
        for (ord, count) in (0..).zip(counts) {
            if count > 0
                && column
                    .ord_to_str(ord, &mut text)
                    .map_err(tantivy::TantivyError::from)?
            {
                self.add(&text, count);
            }
        }
        Ok(())
    }

    /// Counts by the value's bits; it becomes text once, at the end.
    fn add_values<T>(
        &mut self,
        column: &tantivy::columnar::Column<T>,
        docs: &Bits,
        bits: impl Fn(T) -> u128,
    ) where
        T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static,
    {
        let counts = &mut self.by_bits;
        for doc in docs.ascending() {
            let mut missing = true;
            for value in column.values_for_doc(doc) {
                missing = false;
                let value = bits(value);
                if let Some(count) = counts.get_mut(&value) {
                    *count += 1;
                } else if counts.len() < VALUES_MAX {
                    counts.insert(value, 1);
                } else {
                    self.other += 1;
                }
            }
            self.missing += u64::from(missing);
        }
    }

    /// Makes text of the values counted by their bits.
    fn finish(&mut self) {
        let kind = self.column.map(|column| column.kind);
        for (bits, count) in std::mem::take(&mut self.by_bits) {
            let value = match kind {
                Some(FieldKind::Address) => {
                    Value::Address(IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical())
                }
                Some(FieldKind::Date) => Value::Date(Micros(integer(bits))),
                _ => Value::Integer(integer(bits)),
            };
            self.add(&value.to_text(), count);
        }
    }
}

impl Collector for Counts<'_> {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        self.total += 1;
        self.add_event(event);
        Ok(())
    }

    fn docs(&mut self, segment: &Segment, docs: &Bits) -> Result<(), SearchError> {
        let count = docs.count();
        self.total += count;
        let Some(column) = self.column.filter(|_| count > 0) else {
            self.missing += count;
            return Ok(());
        };
        let mut plain = docs.clone();
        let mut odd = Vec::new();
        for doc in segment
            .odd_docs(column)
            .into_iter()
            .filter(|doc| docs.contains(*doc))
        {
            plain.remove(doc);
            odd.push(segment.seq(doc));
        }
        for event in self
            .source
            .events(&odd, Depth::Core)
            .map_err(SearchError::Source)?
        {
            self.add_event(&event);
        }
        match segment.column(column)? {
            ColumnValues::Absent => self.missing += plain.count(),
            ColumnValues::Text(texts) => self.add_texts(texts, &plain)?,
            ColumnValues::Integer(numbers) => {
                self.add_values(numbers, &plain, |number| u128::from(number.cast_unsigned()));
            }
            ColumnValues::Address(addresses) => {
                self.add_values(addresses, &plain, Ipv6Addr::to_bits);
            }
        }
        Ok(())
    }

    fn reads_columns(&self) -> bool {
        true
    }

    fn needs(&self) -> Option<Depth> {
        self.column.is_none().then(|| depth_of_field(self.field))
    }
}

/// The whole number whose bits these are, in the lower half.
fn integer(bits: u128) -> i64 {
    u64::try_from(bits).unwrap_or(u64::MAX).cast_signed()
}
