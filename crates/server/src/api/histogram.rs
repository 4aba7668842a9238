//! Counts over time.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use event::Micros;
use index::{Bucket, HistogramRequest, Series, SeriesOf, Split};
use jiff::tz::{Offset, TimeZone};
use query::{FieldName, TimeStep};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::search::CoveredReply;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{Question, seconds};

/// Buckets that a histogram has at most; empty ones are told, too.
const BUCKETS_MAX: i64 = 2000;
/// Buckets to aim at where no interval is asked for.
const BUCKETS: i64 = 60;
/// Values of a split that are counted apart.
const SERIES: usize = 5;
const SERIES_MAX: usize = 50;
/// Intervals that people can read, in seconds.
const INTERVALS: [i64; 17] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800,
];

/// Seconds of a week.
const WEEK: i64 = 604_800;

/// What to count.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HistogramParams {
    /// A query; everything when left out.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before; all when left out, the buckets then
    /// beginning with the oldest record's receipt.
    from: Option<String>,
    /// Only events whose `@timestamp` is before; all when left out, the buckets then ending now.
    to: Option<String>,
    /// The width of a bucket, such as `1m` or `1h`; chosen for some sixty buckets when left out.
    interval: Option<String>,
    /// The zone whose midnight days begin at, in minutes east of UTC: 420 (Vietnam) when left out.
    offset_minutes: Option<i32>,
    /// A field: its most frequent values are counted apart, too.
    split: Option<String>,
    /// How many of them at most: 5 when left out, 50 at most.
    series: Option<usize>,
}

/// Counts over time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HistogramReply {
    /// The width of a bucket, in seconds.
    interval_s: i64,
    /// The buckets, ascending, without gaps.
    buckets: Vec<BucketReply>,
    /// With `split`: the most frequent values, then events without a value, then those with other values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    series: Vec<SeriesReply>,
    /// Events that have no `@timestamp` in these buckets.
    other: u64,
    /// How many match.
    total: u64,
    /// `eq` if that is exact, `gte` if a budget ended the search.
    total_relation: &'static str,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What was looked at; losses are not counted here.
    covered: CoveredReply,
}

/// How many events lie in an interval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BucketReply {
    /// Its beginning.
    #[schema(value_type = String, format = DateTime)]
    start: Micros,
    /// Events in it.
    count: u64,
}

/// Counts of a part of the events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeriesReply {
    /// `value`, `missing` (no value) or `others` (all other values).
    of: &'static str,
    /// The value as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// How many lie in each of the buckets; an event with several values counts for each.
    counts: Vec<u64>,
}

/// Counts events over time.
#[utoipa::path(
    get, path = "/api/v1/histogram", tag = "events", params(HistogramParams),
    responses(
        (status = 200, body = HistogramReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn histogram(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<HistogramParams>,
) -> Result<Json<HistogramReply>, Problem> {
    let question = Question::read(
        &app,
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    )?;
    let now = app.parts.clock.now();
    let to = question.to.unwrap_or(now.after(Duration::from_secs(1)));
    let from = question
        .from
        .unwrap_or_else(|| oldest(&app).unwrap_or(to))
        .min(to);
    // The events asked for stay the same: those whose device dates them out of these bounds are counted as others.
    let interval_s = match &params.interval {
        Some(text) => i64::try_from(seconds("interval", text)?).unwrap_or(i64::MAX),
        None => readable_interval(from, to),
    };
    let interval_us = interval_s.saturating_mul(Micros::PER_SECOND);
    if to.0.saturating_sub(from.0) / interval_us >= BUCKETS_MAX {
        let detail = format!("the span has more than {BUCKETS_MAX} intervals: take a longer one");
        return Err(Problem::field("interval", detail));
    }
    let offset_seconds = params.offset_minutes.unwrap_or(420).clamp(-1080, 1080) * 60;
    let split = split(&params)?;
    let described = super::described(
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    let index = Arc::clone(&app.parts.index);
    let interval = Duration::from_secs(interval_s.unsigned_abs());
    let same = (question.clone(), interval, offset_seconds, split.clone());
    let counting = app
        .searches
        .run_once(&actor.name, same, move |budget, cancel| {
            index.histogram(&HistogramRequest {
                scope: question.scope(budget, cancel),
                step: spans(interval, offset_seconds),
                split,
            })
        });
    let (found, ()) = tokio::join!(counting, app.note(&actor, "search-histogram", described));
    let found = found?;
    let filled = |found: &[Bucket]| buckets(found, (from, to), interval, offset_seconds);
    let (buckets, beyond) = filled(&found.buckets);
    let series = found.series.into_iter().map(|Series { of, buckets }| {
        let (of, value) = match of {
            SeriesOf::Value(value) => ("value", Some(value)),
            SeriesOf::Missing => ("missing", None),
            SeriesOf::Others => ("others", None),
        };
        let counts = filled(&buckets).0.into_iter().map(|bucket| bucket.count);
        SeriesReply {
            of,
            value,
            counts: counts.collect(),
        }
    });
    Ok(Json(HistogramReply {
        interval_s,
        buckets,
        series: series.collect(),
        other: found.other + beyond,
        total: found.total.count(),
        total_relation: found.total.relation(),
        took_ms: u64::try_from(found.took.as_millis()).unwrap_or(u64::MAX),
        covered: CoveredReply::new(found.covered, 0),
    }))
}

fn split(params: &HistogramParams) -> Result<Option<Split>, Problem> {
    let values = params.series.unwrap_or(SERIES);
    if values > SERIES_MAX {
        let detail = format!("at most {SERIES_MAX}: more cannot be told apart");
        return Err(Problem::field("series", detail));
    }
    let field = params.split.as_deref().filter(|field| !field.is_empty());
    Ok(field.map(|field| Split {
        field: FieldName::new(field),
        values,
    }))
}

/// Spans of that width, of which days begin at midnight so many seconds east of UTC.
pub(super) fn spans(interval: Duration, offset_seconds: i32) -> TimeStep {
    let zone = Offset::from_seconds(offset_seconds).unwrap_or(Offset::UTC);
    let micros = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
    TimeStep::micros(micros, TimeZone::fixed(zone))
}

/// Receipt time of the oldest record: devices' clocks may be off, so that some events lie before.
fn oldest(app: &App) -> Option<Micros> {
    app.parts
        .journal
        .partitions()
        .first()
        .map(|partition| partition.oldest)
}

/// A width of buckets, in seconds, by which the span has some sixty.
pub(super) fn readable_interval(from: Micros, to: Micros) -> i64 {
    let wanted = to.0.saturating_sub(from.0) / Micros::PER_SECOND / BUCKETS;
    let fitting = INTERVALS.into_iter().find(|interval| *interval >= wanted);
    // Beyond all of them, whole weeks.
    fitting.unwrap_or_else(|| (wanted + WEEK - 1) / WEEK * WEEK)
}

/// Every bucket of the span, empty ones too, and how many events lie in none of them.
pub(super) fn buckets(
    found: &[Bucket],
    (from, to): (Micros, Micros),
    interval: Duration,
    offset_seconds: i32,
) -> (Vec<BucketReply>, u64) {
    let interval_us = i64::try_from(interval.as_micros())
        .unwrap_or(i64::MAX)
        .max(1);
    let offset_us = i64::from(offset_seconds) * Micros::PER_SECOND;
    let first = from.0.saturating_add(offset_us).div_euclid(interval_us) * interval_us - offset_us;
    without_gaps(found, first, to.0, interval_us)
}

/// Every bucket from the first to the end, and how many events lie in none of them.
fn without_gaps(found: &[Bucket], first: i64, to: i64, interval: i64) -> (Vec<BucketReply>, u64) {
    let mut found = found.iter().copied().peekable();
    let mut beyond = 0;
    while let Some(early) = found.next_if(|bucket| bucket.start.0 < first) {
        beyond += early.count;
    }
    let mut buckets = Vec::new();
    let mut start = first;
    while start < to && i64::try_from(buckets.len()).is_ok_and(|count| count <= BUCKETS_MAX) {
        let here = found.next_if(|bucket| bucket.start.0 <= start);
        buckets.push(BucketReply {
            start: Micros(start),
            count: here.map_or(0, |bucket| bucket.count),
        });
        start = start.saturating_add(interval);
    }
    (
        buckets,
        beyond + found.map(|bucket| bucket.count).sum::<u64>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_buckets_are_told_too() {
        let bucket = |start, count| Bucket {
            start: Micros(start),
            count,
        };
        let (buckets, beyond) = without_gaps(
            &[bucket(-5, 1), bucket(10, 2), bucket(30, 3), bucket(90, 4)],
            0,
            45,
            10,
        );
        let counts: Vec<_> = buckets
            .iter()
            .map(|bucket| (bucket.start.0, bucket.count))
            .collect();
        assert_eq!(counts, [(0, 0), (10, 2), (20, 0), (30, 3), (40, 0)]);
        assert_eq!(beyond, 5);
    }

    #[test]
    fn an_interval_is_one_that_people_can_read() {
        let interval =
            |seconds: i64| readable_interval(Micros(0), Micros(seconds * Micros::PER_SECOND));
        assert_eq!(interval(0), 1);
        assert_eq!(interval(3600), 60);
        assert_eq!(interval(86_400), 1800);
        assert_eq!(interval(30 * 86_400), 43_200);
        assert_eq!(interval(3650 * 86_400), 9 * 604_800);
    }
}
