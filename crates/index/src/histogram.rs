//! Counts over time.

use std::collections::BTreeMap;
use std::time::Duration;

use event::{Field, Micros};
use query::{Cell, FieldName, Groups, Key, Stats, TimeStep, Wish};

use crate::run::Run;
use crate::scope::{Covered, Scope, SearchError};
use crate::search::Total;
use crate::state::Shared;
use crate::stats::counted;

/// A question for counts over time.
#[derive(Clone, Debug)]
pub struct HistogramRequest {
    /// Which events.
    pub scope: Scope,
    /// The spans of time that are counted.
    pub step: TimeStep,
    /// Counts apart for the most frequent values of a field.
    pub split: Option<Split>,
}

/// By what counts over time are split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The field.
    pub field: FieldName,
    /// How many of its values get a series of their own.
    pub values: usize,
}

/// How many events there are in one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The beginning of the span.
    pub start: Micros,
    /// Events with `@timestamp` in it.
    pub count: u64,
}

/// Counts over time.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The buckets that are not empty, ascending.
    pub buckets: Vec<Bucket>,
    /// Where it is split: the most frequent values, then what has no value, then all other values.
    pub series: Vec<Series>,
    /// Events without `@timestamp`.
    pub other: u64,
    /// All events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

/// Counts over time of a part of the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What is counted.
    pub of: SeriesOf,
    /// The buckets that are not empty, ascending. An event with several values counts for each.
    pub buckets: Vec<Bucket>,
}

/// What a series counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeriesOf {
    /// Events with this value.
    Value(String),
    /// Events without a value.
    Missing,
    /// Events with other values.
    Others,
}

pub(crate) fn histogram(
    shared: &Shared,
    request: &HistogramRequest,
) -> Result<Histogram, SearchError> {
    let mut run = Run::new(shared, &request.scope);
    let time = Key::Time {
        field: Field::TIMESTAMP.into(),
        step: request.step.clone(),
    };
    let mut stats = vec![Stats::count_by(vec![time.clone()])];
    let split = request.split.as_ref();
    stats.extend(split.map(|split| Stats::count_by(vec![time, Key::Field(split.field.clone())])));
    let counted = counted(
        &mut run,
        &*shared.source,
        stats.into_iter(),
        &Wish::default(),
    )?;
    let groups = counted.groups?;
    let mut counts = BTreeMap::new();
    let mut other = 0;
    for (keys, count) in groups.first().into_iter().flat_map(Groups::counts) {
        match keys {
            [Cell::Date(start)] => *counts.entry(*start).or_default() += count,
            _ => other += count,
        }
    }
    let series = groups.get(1).zip(split);
    Ok(Histogram {
        buckets: buckets(counts),
        series: series.map_or_else(Vec::new, |(groups, split)| apart(groups, split.values)),
        other,
        total: Total::of(counted.total, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

/// The series of rows that are counted by time and value.
fn apart(groups: &Groups, most: usize) -> Vec<Series> {
    let mut by_value: BTreeMap<Vec<u8>, (&Cell, u64, BTreeMap<Micros, u64>)> = BTreeMap::new();
    for (keys, count) in groups.counts() {
        let [Cell::Date(start), cell] = keys else {
            continue;
        };
        let (_, all, counts) = by_value
            .entry(cell.key())
            .or_insert_with(|| (cell, 0, BTreeMap::new()));
        *all += count;
        *counts.entry(*start).or_default() += count;
    }
    let mut values: Vec<_> = by_value.into_values().collect();
    // Stable, so that equally frequent ones stay in the order of their keys.
    values.sort_by_key(|(_, all, _)| std::cmp::Reverse(*all));
    let (mut series, mut missing, mut others) = (Vec::new(), None, BTreeMap::new());
    for (cell, _, counts) in values {
        match cell.value() {
            None => missing = Some(counts),
            Some(value) if series.len() < most => series.push(Series {
                of: SeriesOf::Value(value.to_text().into_owned()),
                buckets: buckets(counts),
            }),
            Some(_) => {
                for (start, count) in counts {
                    *others.entry(start).or_default() += count;
                }
            }
        }
    }
    let missing = missing.map(|counts| (SeriesOf::Missing, counts));
    let others = (!others.is_empty()).then_some((SeriesOf::Others, others));
    let rest = missing.into_iter().chain(others);
    series.extend(rest.map(|(of, counts)| Series {
        of,
        buckets: buckets(counts),
    }));
    series
}

fn buckets(counts: BTreeMap<Micros, u64>) -> Vec<Bucket> {
    let counts = counts.into_iter();
    counts
        .map(|(start, count)| Bucket { start, count })
        .collect()
}
