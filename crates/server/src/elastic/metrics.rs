//! The numbers of a bucket: by which functions they are computed, and how they are shown.

use query::{Cell, Function};
use serde_json::{Map, Value, json};

use super::aggregation::{Metric, MetricKind, millis};
use super::buckets::number_of;
use super::fault::Fault;

/// The functions of which the metric is made, in the order in which [`value`] wants their cells.
pub(super) fn functions(metric: &Metric) -> Vec<Function> {
    match &metric.kind {
        // Texts come behind numbers: the greatest tells whether there are any.
        MetricKind::One(Function::Min) => vec![Function::Min, Function::Max],
        MetricKind::One(function) => vec![*function],
        MetricKind::Stats => STATS.to_vec(),
        MetricKind::ExtendedStats(_) => {
            let mut functions = STATS.to_vec();
            functions.push(Function::Deviation);
            functions
        }
        MetricKind::Percentiles { percents, .. } => percents
            .iter()
            .map(|percent| Function::Percentile(*percent))
            .collect(),
    }
}

const STATS: [Function; 5] = [
    Function::Count,
    Function::Min,
    Function::Max,
    Function::Avg,
    Function::Sum,
];

/// What the metric of a bucket is; of a bucket without events there are no cells.
///
/// # Errors
/// The least or the greatest value is a text.
pub(super) fn value(metric: &Metric, cells: Option<&[Cell]>) -> Result<Value, Fault> {
    let cell = |at: usize| cells.and_then(|cells| cells.get(at)).unwrap_or(&Cell::Null);
    match &metric.kind {
        MetricKind::One(Function::Count | Function::Distinct) => {
            Ok(json!({ "value": whole(cell(0)) }))
        }
        MetricKind::One(Function::Sum) => Ok(json!({ "value": number_of(cell(0)).unwrap_or(0.0) })),
        MetricKind::One(Function::Min | Function::Max) => {
            no_text(metric, cells.unwrap_or_default())?;
            Ok(match (cell(0), &metric.dates) {
                (Cell::Date(at), Some(dates)) => {
                    json!({ "value": millis(*at), "value_as_string": dates.show(*at) })
                }
                (cell, _) => json!({ "value": number_of(cell) }),
            })
        }
        MetricKind::One(_) => Ok(json!({ "value": number_of(cell(0)) })),
        MetricKind::Stats => {
            no_text(metric, cells.unwrap_or_default())?;
            Ok(Value::Object(stats(&cell)))
        }
        MetricKind::ExtendedStats(sigma) => {
            no_text(metric, cells.unwrap_or_default())?;
            let mut stats = stats(&cell);
            extend(&mut stats, number_of(cell(3)), number_of(cell(5)), *sigma);
            Ok(Value::Object(stats))
        }
        MetricKind::Percentiles { percents, keyed } => {
            let numbers = percents.iter().enumerate().map(|(at, percent)| {
                let percent = f64::from(*percent) / 100.0;
                (percent, number_of(cell(at)))
            });
            if *keyed {
                let named =
                    numbers.map(|(percent, number)| (format!("{percent:?}"), json!(number)));
                Ok(json!({ "values": named.collect::<Map<_, _>>() }))
            } else {
                let listed =
                    numbers.map(|(percent, number)| json!({ "key": percent, "value": number }));
                Ok(json!({ "values": listed.collect::<Vec<_>>() }))
            }
        }
    }
}

/// The metric has no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSuchNumber;

/// A number of a metric as it is shown: its only one, or one by name. `None` where it has no value.
///
/// # Errors
/// The metric has no number of that name.
pub(super) fn number_in(value: &Value, name: Option<&str>) -> Result<Option<f64>, NoSuchNumber> {
    let found = match name {
        None => value.get("value"),
        Some(name) => match value.get("values") {
            Some(percentiles) => percentile_in(percentiles, name),
            None => value.get(name),
        },
    };
    found.map(Value::as_f64).ok_or(NoSuchNumber)
}

/// Of percentiles by name or in a list, the one of that percentage.
fn percentile_in<'a>(percentiles: &'a Value, name: &str) -> Option<&'a Value> {
    let percent: f64 = name.parse().ok()?;
    match percentiles {
        Value::Array(listed) => {
            let is_it = |one: &&Value| {
                let key = one.get("key").and_then(Value::as_f64);
                key.is_some_and(|key| (key - percent).abs() < 1e-9)
            };
            listed.iter().find(is_it)?.get("value")
        }
        named => named.get(format!("{percent:?}")),
    }
}

/// Least and greatest are of numbers and dates; a text among the values is the greatest of all.
fn no_text(metric: &Metric, cells: &[Cell]) -> Result<(), Fault> {
    if cells.iter().any(|cell| matches!(cell, Cell::Text(_))) {
        return Err(Fault::argument(format!(
            "some values of [{}] are texts: exclude them by a [range] query, or use [value_count] or [cardinality]",
            metric.field.name()
        )));
    }
    Ok(())
}

fn whole(cell: &Cell) -> i64 {
    match cell {
        Cell::Integer(number) => *number,
        _ => 0,
    }
}

fn stats<'a>(cell: &impl Fn(usize) -> &'a Cell) -> Map<String, Value> {
    let mut stats = Map::new();
    stats.insert("count".to_owned(), json!(whole(cell(0))));
    for (at, name) in [(1, "min"), (2, "max"), (3, "avg")] {
        stats.insert(name.to_owned(), json!(number_of(cell(at))));
    }
    stats.insert("sum".to_owned(), json!(number_of(cell(4)).unwrap_or(0.0)));
    stats
}

/// Adds what follows from the number of values, their mean and their standard deviation.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers are doubles in Elasticsearch's answers, too"
)]
fn extend(stats: &mut Map<String, Value>, mean: Option<f64>, deviation: Option<f64>, sigma: f64) {
    let count = stats.get("count").and_then(Value::as_i64).unwrap_or(0) as f64;
    let known = mean.zip(deviation);
    let variance = deviation.map(|deviation| deviation * deviation);
    let sampling = variance.map(|variance| variance * count / (count - 1.0));
    let squares = known.map(|(mean, deviation)| count * (deviation * deviation + mean * mean));
    let mut put = |name: &str, number: Option<f64>| {
        stats.insert(name.to_owned(), shown(number));
    };
    put("sum_of_squares", squares);
    put("variance", variance);
    put("variance_population", variance);
    put("variance_sampling", sampling);
    put("std_deviation", deviation);
    put("std_deviation_population", deviation);
    put("std_deviation_sampling", sampling.map(f64::sqrt));
    let bound = |deviation: Option<f64>, sign: f64| {
        let bound = mean.zip(deviation);
        shown(bound.map(|(mean, deviation)| mean + sign * sigma * deviation))
    };
    let of_sample = sampling.map(f64::sqrt);
    let bounds = json!({
        "upper": bound(deviation, 1.0),
        "lower": bound(deviation, -1.0),
        "upper_population": bound(deviation, 1.0),
        "lower_population": bound(deviation, -1.0),
        "upper_sampling": bound(of_sample, 1.0),
        "lower_sampling": bound(of_sample, -1.0),
    });
    stats.insert("std_deviation_bounds".to_owned(), bounds);
}

/// As Elasticsearch writes what is no number.
fn shown(number: Option<f64>) -> Value {
    match number {
        Some(number) if number.is_finite() => json!(number),
        Some(_) => json!("NaN"),
        None => Value::Null,
    }
}
