//! The most frequent values of fields.

use std::time::Duration;

use query::{Cell, FieldName, Groups, Key, SortKey, SortOrder, Stats, Wish};

use crate::run::Run;
use crate::scope::{Covered, Scope, SearchError};
use crate::search::Total;
use crate::state::Shared;
use crate::stats::counted;

/// A question for the most frequent values of fields.
#[derive(Clone, Debug)]
pub struct TopRequest {
    /// Which events.
    pub scope: Scope,
    /// The fields: all are counted in one pass.
    pub fields: Vec<FieldName>,
    /// How many values of each at most.
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
#[derive(Clone, Debug, Default)]
pub struct Top {
    /// The values, the most frequent first; equally frequent ones in their own order.
    pub values: Vec<TopValue>,
    /// How often all other values occur.
    pub other: u64,
    /// Events without the field.
    pub missing: u64,
    /// How many different values there are.
    pub distinct: usize,
}

/// The most frequent values of several fields.
#[derive(Clone, Debug)]
pub struct Tops {
    /// One for each of the [`TopRequest::fields`].
    pub tops: Vec<Top>,
    /// All events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

impl Tops {
    /// The one of the only field.
    #[must_use]
    pub fn only(self) -> Top {
        self.tops.into_iter().next().unwrap_or_default()
    }
}

pub(crate) fn top(shared: &Shared, request: &TopRequest) -> Result<Tops, SearchError> {
    let mut run = Run::new(shared, &request.scope);
    let by = request.fields.iter().cloned().map(Key::Field);
    let stats = by.map(|key| Stats::count_by(vec![key]));
    let counted = counted(&mut run, &*shared.source, stats, &Wish::default())?;
    let tops = counted.groups?.into_iter();
    Ok(Tops {
        tops: tops.map(|groups| most(groups, request.limit)).collect(),
        total: Total::of(counted.total, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

/// The most frequent values of rows that are counted by one field.
fn most(groups: Groups, limit: usize) -> Top {
    let (mut all, mut missing, mut without) = (0, 0, 0);
    for (keys, count) in groups.counts() {
        if keys == [Cell::Null] {
            (missing, without) = (count, 1);
        } else {
            all += count;
        }
    }
    let distinct = groups.len() - without;
    let wish = Wish {
        order: vec![SortKey {
            column: Stats::COUNT.into(),
            order: SortOrder::Descending,
        }],
        rows: limit + without,
    };
    let rows = groups.first(&wish).rows.into_iter();
    let values = rows.filter_map(|row| match row.as_slice() {
        [cell, Cell::Integer(count)] => Some(TopValue {
            value: cell.value()?.to_text().into_owned(),
            count: u64::try_from(*count).unwrap_or(0),
        }),
        _ => None,
    });
    let values: Vec<TopValue> = values.take(limit).collect();
    Top {
        other: all - values.iter().map(|value| value.count).sum::<u64>(),
        values,
        missing,
        distinct,
    }
}
