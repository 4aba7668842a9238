//! Numbers made of the numbers of neighbouring buckets: `derivative`, `cumulative_sum`, `serial_diff`, `moving_fn`,
//! `bucket_script`.

use serde_json::{Map, Value, json};

use super::aggregation::{Gaps, Kind, Moving, Node, Path, Pipeline, PipelineKind};
use super::fault::Fault;
use super::metrics::number_in;

/// A bucket with its name.
type Object = (String, Map<String, Value>);

/// Puts what the pipelines among the nodes give into the buckets.
///
/// # Errors
/// They are made of each other in a circle, or name numbers that there are none of.
pub(super) fn apply(nodes: &[Node], buckets: &mut [Object]) -> Result<(), Fault> {
    let mut waiting: Vec<(&Node, &Pipeline)> = nodes
        .iter()
        .filter_map(|node| match &node.kind {
            Kind::Pipeline(pipeline) => Some((node, pipeline)),
            Kind::Bucket(_) | Kind::Metric(_) => None,
        })
        .collect();
    while !waiting.is_empty() {
        let waits = |pipeline: &Pipeline| {
            let mut paths = paths(pipeline);
            paths.any(|path| match path {
                Path::Metric(name, _) => waiting.iter().any(|(node, _)| node.name == *name),
                Path::Count | Path::Key => false,
            })
        };
        let Some(next) = waiting.iter().position(|(_, pipeline)| !waits(pipeline)) else {
            return Err(Fault::argument("[buckets_path] leads in a circle"));
        };
        let (node, pipeline) = waiting.swap_remove(next);
        put(node, pipeline, buckets)?;
    }
    Ok(())
}

fn paths(pipeline: &Pipeline) -> Box<dyn Iterator<Item = &Path> + '_> {
    match &pipeline.kind {
        PipelineKind::Derivative { path, .. }
        | PipelineKind::CumulativeSum { path }
        | PipelineKind::SerialDifference { path, .. }
        | PipelineKind::Moving { path, .. } => Box::new(std::iter::once(path)),
        PipelineKind::Script { paths, .. } => Box::new(paths.iter().map(|(_, path)| path)),
    }
}

/// What a bucket is given.
type Given = Option<Value>;

fn put(node: &Node, pipeline: &Pipeline, buckets: &mut [Object]) -> Result<(), Fault> {
    let series = |path: &Path, gaps: Gaps| -> Result<Vec<Option<f64>>, Fault> {
        let each = buckets.iter().map(|(_, bucket)| number(bucket, path, gaps));
        each.collect()
    };
    let given: Vec<Given> = match &pipeline.kind {
        PipelineKind::Derivative { path, unit_ms } => {
            let series = series(path, pipeline.gaps)?;
            let keys = keys(buckets);
            derivative(&series, &keys, *unit_ms)
        }
        PipelineKind::CumulativeSum { path } => {
            let mut sum = 0.0;
            let series = series(path, Gaps::Zeros)?.into_iter();
            series
                .map(|number| {
                    sum += number.unwrap_or(0.0);
                    Some(json!({ "value": sum }))
                })
                .collect()
        }
        PipelineKind::SerialDifference { path, lag } => {
            let series = series(path, pipeline.gaps)?;
            let before = std::iter::repeat_n(None, *lag).chain(series.iter().copied());
            let pairs = series.iter().zip(before);
            pairs
                .map(|(now, before)| {
                    let (now, before) = now.zip(before)?;
                    Some(json!({ "value": now - before }))
                })
                .collect()
        }
        PipelineKind::Moving {
            path,
            window,
            shift,
            of,
        } => moved(&series(path, pipeline.gaps)?, *window, *shift, *of),
        PipelineKind::Script { paths, formula } => {
            let mut all = Vec::with_capacity(paths.len());
            for (name, path) in paths {
                all.push((name, series(path, pipeline.gaps)?));
            }
            (0..buckets.len())
                .map(|at| {
                    let value = formula.value(|wanted| {
                        let (_, series) = all.iter().find(|(name, _)| *name == wanted)?;
                        series.get(at).copied().flatten()
                    });
                    value.map(|value| json!({ "value": finite(value) }))
                })
                .collect()
        }
    };
    for ((_, bucket), given) in buckets.iter_mut().zip(given) {
        if let Some(mut given) = given {
            if let (Some(meta), Value::Object(members)) = (&node.meta, &mut given) {
                members.insert("meta".to_owned(), meta.clone());
            }
            bucket.insert(node.name.clone(), given);
        }
    }
    Ok(())
}

/// The number of a bucket by a path; none in a gap: where there are no events, or no value.
fn number(bucket: &Map<String, Value>, path: &Path, gaps: Gaps) -> Result<Option<f64>, Fault> {
    let gap = match gaps {
        Gaps::Skip => None,
        Gaps::Zeros => Some(0.0),
    };
    let count = bucket.get("doc_count").and_then(Value::as_f64);
    match path {
        Path::Count => Ok(count),
        Path::Key => Ok(bucket.get("key").and_then(Value::as_f64)),
        Path::Metric(name, number) => {
            let Some(metric) = bucket.get(name) else {
                // A pipeline has given this bucket nothing.
                return Ok(gap);
            };
            let found = number_in(metric, number.as_deref()).map_err(|_| {
                Fault::argument(format!(
                    "[buckets_path] names a number that [{name}] does not have"
                ))
            })?;
            let is_empty = count.is_none_or(|count| count <= 0.0);
            Ok(found.filter(|_| !is_empty).or(gap))
        }
    }
}

fn keys(buckets: &[Object]) -> Vec<Option<f64>> {
    let keys = buckets.iter();
    keys.map(|(_, bucket)| bucket.get("key").and_then(Value::as_f64))
        .collect()
}

/// By how much each number is above the one before it.
fn derivative(series: &[Option<f64>], keys: &[Option<f64>], unit_ms: Option<f64>) -> Vec<Given> {
    let mut given = vec![None];
    for (pair, keys) in series.windows(2).zip(keys.windows(2)) {
        let grown = match pair {
            [Some(before), Some(now)] => Some(now - before),
            _ => None,
        };
        let mut value = json!({ "value": grown });
        if let (Some(unit), [Some(from), Some(to)], Value::Object(members)) =
            (unit_ms, keys, &mut value)
        {
            let normalized = grown.map(|grown| grown / ((to - from) / unit));
            members.insert("normalized_value".to_owned(), json!(normalized));
        }
        given.push(Some(value));
    }
    given.truncate(series.len());
    given
}

/// A function of the numbers before each one, as far back as the window reaches.
fn moved(series: &[Option<f64>], window: i64, shift: i64, of: Moving) -> Vec<Given> {
    let values: Vec<f64> = series.iter().copied().flatten().collect();
    let place = |at: i64| usize::try_from(at).unwrap_or(0).min(values.len());
    let mut at = 0_i64;
    let each = series.iter().map(|number| {
        number.as_ref()?;
        let (from, to) = (place(at - window + shift), place(at + shift));
        at += 1;
        let seen = values.get(from..to).unwrap_or_default();
        Some(json!({ "value": function(seen, of).and_then(finite) }))
    });
    each.collect()
}

#[expect(clippy::cast_precision_loss, reason = "there are few buckets")]
fn function(seen: &[f64], of: Moving) -> Option<f64> {
    match of {
        Moving::Sum => Some(seen.iter().sum()),
        Moving::Max => seen.iter().copied().max_by(f64::total_cmp),
        Moving::Min => seen.iter().copied().min_by(f64::total_cmp),
        Moving::Mean => {
            let sum: f64 = seen.iter().sum();
            (!seen.is_empty()).then(|| sum / seen.len() as f64)
        }
        Moving::WeightedMean => {
            let weights = 1..=seen.len();
            let all: f64 = weights.clone().map(|weight| weight as f64).sum();
            let sum: f64 = seen
                .iter()
                .zip(weights)
                .map(|(number, weight)| number * weight as f64)
                .sum();
            (!seen.is_empty()).then(|| sum / all)
        }
    }
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
