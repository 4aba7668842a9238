//! The tree of aggregations that a request asks for.
//!
//! What stands here is understood and can be computed: [`super::buckets`] makes tables of it and buckets of these.

use std::collections::HashSet;

use event::{Field, FieldKind, Micros};
use query::{Condition, Expr, FieldName, Function, TimeStep};
use serde_json::{Map, Value};

use super::arithmetic::Formula;
use super::conditions::Conditions;
use super::dates::{Dates, steady_offset};
use super::fault::Fault;
use super::lucene_regex::{Case, Operators, Target, translated};
use super::members::{Members, plain_text};
use super::query_dsl::{self, field_of};

/// The most aggregations of one request.
const NODES_MAX: usize = 100;
/// How deep they may be nested.
const DEPTH_MAX: usize = 10;
/// The most buckets of one answer: as Elasticsearch's `search.max_buckets`.
pub(super) const BUCKETS_MAX: usize = 65_536;
/// How many buckets back a moving function looks at most.
const WINDOW_MAX: usize = 200;
/// The most ranges or filters of one aggregation.
const PARTS_MAX: usize = 200;

/// An aggregation with those within it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) meta: Option<Value>,
    pub(super) children: Vec<Self>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Bucket(Bucket),
    Metric(Metric),
    Pipeline(Pipeline),
}

/// What tells buckets apart.
#[derive(Clone, Debug)]
pub(super) enum Bucket {
    Terms(Terms),
    DateHistogram(DateHistogram),
    Histogram(Histogram),
    Ranges(Ranges),
    Filters(Filters),
    /// `filter` and `missing`: one bucket.
    Single(Expr),
}

#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) field: FieldName,
    pub(super) size: usize,
    pub(super) order: Vec<(OrderBy, Direction)>,
    pub(super) least_count: u64,
    /// What stands for events without the field.
    pub(super) missing: Option<String>,
    pub(super) include: Option<Chosen>,
    pub(super) exclude: Option<Chosen>,
    pub(super) dates: Dates,
}

/// Which terms have a bucket.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    Exactly(HashSet<String>),
    Matching(query::Regex),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OrderBy {
    Count,
    Key,
    /// A metric within, and which of its numbers.
    Metric(String, Option<String>),
}

#[derive(Clone, Debug)]
pub(super) struct DateHistogram {
    pub(super) field: FieldName,
    pub(super) step: TimeStep,
    pub(super) dates: Dates,
    pub(super) least_count: u64,
    /// Buckets are there from the first to the second, whatever they hold.
    pub(super) extended: Option<(Micros, Micros)>,
    /// There are no buckets before the first, nor from the second on.
    pub(super) hard: Option<(Micros, Micros)>,
    pub(super) order: Vec<(OrderBy, Direction)>,
    pub(super) keyed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Histogram {
    pub(super) field: FieldName,
    pub(super) width: f64,
    pub(super) offset: f64,
    pub(super) least_count: u64,
    pub(super) extended: Option<(f64, f64)>,
    pub(super) hard: Option<(f64, f64)>,
    pub(super) order: Vec<(OrderBy, Direction)>,
    pub(super) keyed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Ranges {
    pub(super) field: FieldName,
    pub(super) ranges: Vec<OneRange>,
    pub(super) keyed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct OneRange {
    pub(super) key: String,
    /// As numbers, or microseconds; infinite where open.
    pub(super) low: f64,
    pub(super) high: f64,
    /// What the bucket says beside its key.
    pub(super) shown: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Filters {
    /// The name of each, if they have names.
    pub(super) filters: Vec<(Option<String>, Expr)>,
}

/// Numbers of a bucket.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    pub(super) field: FieldName,
    pub(super) kind: MetricKind,
    /// How a date is shown that is the value.
    pub(super) dates: Option<Dates>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum MetricKind {
    /// One number.
    One(Function),
    Stats,
    /// With so many standard deviations to the bounds.
    ExtendedStats(f64),
    Percentiles {
        /// In hundredths of a hundredth.
        percents: Vec<u16>,
        keyed: bool,
    },
}

/// What is made of the buckets of the aggregation around it.
#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub(super) kind: PipelineKind,
    pub(super) gaps: Gaps,
}

#[derive(Clone, Debug)]
pub(super) enum PipelineKind {
    /// By how much it grew, and over how many milliseconds that is said.
    Derivative {
        path: Path,
        unit_ms: Option<f64>,
    },
    CumulativeSum {
        path: Path,
    },
    SerialDifference {
        path: Path,
        lag: usize,
    },
    Moving {
        path: Path,
        window: i64,
        shift: i64,
        of: Moving,
    },
    Script {
        paths: Vec<(String, Path)>,
        formula: Formula,
    },
}

/// What is done with a bucket in which there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gaps {
    Skip,
    Zeros,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    Max,
    Min,
    Sum,
    Mean,
    WeightedMean,
}

/// Which number of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    Count,
    Key,
    Metric(String, Option<String>),
}

/// Reads `aggs`.
pub(super) fn read(value: Value, conditions: &mut Conditions) -> Result<Vec<Node>, Fault> {
    let mut reader = Reader {
        conditions,
        nodes: 0,
    };
    reader.level(value, 0, None)
}

struct Reader<'a> {
    conditions: &'a mut Conditions,
    nodes: usize,
}

impl Reader<'_> {
    fn level(
        &mut self,
        value: Value,
        depth: usize,
        around: Option<&Bucket>,
    ) -> Result<Vec<Node>, Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::argument(format!(
                "aggregations are nested deeper than {DEPTH_MAX}"
            )));
        }
        let mut nodes = Vec::new();
        for (name, value) in Members::of("aggs", value)?.rest() {
            self.nodes += 1;
            if self.nodes > NODES_MAX {
                return Err(Fault::argument(format!(
                    "there are more than {NODES_MAX} aggregations"
                )));
            }
            if name.is_empty() || name.contains(['[', ']', '>']) {
                return Err(Fault::parsing(
                    "the name of an aggregation must not be empty or hold [, ] or >",
                ));
            }
            nodes.push(self.node(name, value, depth, around)?);
        }
        check_paths(&nodes)?;
        Ok(nodes)
    }

    fn node(
        &mut self,
        name: String,
        value: Value,
        depth: usize,
        around: Option<&Bucket>,
    ) -> Result<Node, Fault> {
        let mut members = Members::of(&format!("aggs.{name}"), value)?;
        let meta = members.take("meta");
        let within = match (members.take("aggs"), members.take("aggregations")) {
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(Fault::parsing(format!(
                    "[aggs.{name}] has both [aggs] and [aggregations]"
                )));
            }
        };
        let (kind, body) = members.only()?;
        let kind = self.kind(&kind, body, around)?;
        let children = match (&kind, within) {
            (_, None) => Vec::new(),
            (Kind::Bucket(bucket), Some(within)) => self.level(within, depth + 1, Some(bucket))?,
            (Kind::Metric(_) | Kind::Pipeline(_), Some(_)) => {
                return Err(Fault::parsing(format!(
                    "[aggs.{name}] makes no buckets and cannot hold [aggs]"
                )));
            }
        };
        let node = Node {
            name,
            kind,
            meta,
            children,
        };
        check_order(&node)?;
        Ok(node)
    }

    fn kind(&mut self, kind: &str, body: Value, around: Option<&Bucket>) -> Result<Kind, Fault> {
        let dates = self.conditions.dates().clone();
        match kind {
            "terms" => terms(body, &dates, self.conditions).map(bucket(Bucket::Terms)),
            "date_histogram" => date_histogram(body, &dates).map(bucket(Bucket::DateHistogram)),
            "histogram" => histogram(body).map(bucket(Bucket::Histogram)),
            "range" => ranges(body).map(bucket(Bucket::Ranges)),
            "date_range" => date_ranges(body, &dates).map(bucket(Bucket::Ranges)),
            "filters" => self.filters(body).map(bucket(Bucket::Filters)),
            "filter" => {
                let expr = query_dsl::read(body, self.conditions)?;
                Ok(Kind::Bucket(Bucket::Single(expr)))
            }
            "missing" => {
                let mut members = Members::of("missing", body)?;
                let field = aggregated(&members.needed_text("field")?)?;
                members.finish()?;
                let exists = Expr::field(field, Condition::Exists);
                Ok(Kind::Bucket(Bucket::Single(exists.not())))
            }
            "derivative" | "cumulative_sum" | "serial_diff" | "moving_fn" | "bucket_script" => {
                pipeline(kind, body, around).map(Kind::Pipeline)
            }
            "avg" | "sum" | "min" | "max" | "value_count" | "cardinality" | "stats"
            | "extended_stats" | "percentiles" => metric(kind, body, &dates).map(Kind::Metric),
            _ => Err(unsupported(kind)),
        }
    }

    fn filters(&mut self, body: Value) -> Result<Filters, Fault> {
        let mut members = Members::of("filters", body)?;
        let filters = members.need("filters")?;
        let other_name = members.text("other_bucket_key")?;
        let other = members
            .boolean("other_bucket")?
            .unwrap_or(other_name.is_some());
        if members.boolean("keyed")? == Some(false) {
            return Err(Fault::argument(
                "[keyed] of [filters] must be true: write the filters as a list for a list of buckets",
            ));
        }
        members.finish()?;
        let (list, keyed): (Vec<(Option<String>, Value)>, bool) = match filters {
            Value::Object(named) => {
                let named = named.into_iter();
                (
                    named.map(|(name, query)| (Some(name), query)).collect(),
                    true,
                )
            }
            Value::Array(list) => (list.into_iter().map(|query| (None, query)).collect(), false),
            _ => return Err(Fault::parsing("[filters] must be an object or a list")),
        };
        if list.is_empty() || list.len() > PARTS_MAX {
            return Err(Fault::argument(format!(
                "[filters] must hold from 1 to {PARTS_MAX} filters"
            )));
        }
        let mut filters = Vec::with_capacity(list.len() + 1);
        for (name, query) in list {
            filters.push((name, query_dsl::read(query, self.conditions)?));
        }
        if other {
            let any = Expr::or(filters.iter().map(|(_, expr)| expr.clone()));
            let name = keyed.then(|| other_name.unwrap_or_else(|| "_other_".to_owned()));
            filters.push((name, any.not()));
        }
        Ok(Filters { filters })
    }
}

fn bucket<T>(of: impl Fn(T) -> Bucket) -> impl Fn(T) -> Kind {
    move |read| Kind::Bucket(of(read))
}

/// A field whose values are counted.
fn aggregated(name: &str) -> Result<FieldName, Fault> {
    let field = field_of(name)?;
    if field.known() == Some(Field::EVENT_ORIGINAL) {
        return Err(Fault::argument(
            "[event.original] is the raw text, which is not counted by value: use [message] or another field",
        ));
    }
    Ok(field)
}

/// Refuses what would change the values that are counted.
fn no_script(members: &mut Members) -> Result<(), Fault> {
    members.refuse(&["script"], "there are no scripts: name a field")
}

fn terms(body: Value, dates: &Dates, conditions: &mut Conditions) -> Result<Terms, Fault> {
    let mut members = Members::of("terms", body)?;
    no_script(&mut members)?;
    let field = aggregated(&members.needed_text("field")?)?;
    let size = members.count("size", BUCKETS_MAX)?.unwrap_or(10);
    if size == 0 {
        return Err(Fault::argument("[size] of [terms] must be greater than 0"));
    }
    let least_count = least_count(&mut members, 1)?;
    if least_count == 0 {
        return Err(Fault::argument(
            "[min_doc_count] 0 of [terms] is not supported: terms that no event of the query has are not known",
        ));
    }
    let order = order(
        members.take("order"),
        &[(OrderBy::Count, Direction::Descending)],
    )?;
    let missing = members.text("missing")?;
    let include = chosen(members.take("include"), "include", conditions)?;
    let exclude = chosen(members.take("exclude"), "exclude", conditions)?;
    let format = members.text("format")?;
    members.ignore(&[
        "collect_mode",
        "execution_hint",
        "shard_min_doc_count",
        "shard_size",
        "show_term_doc_count_error",
        "value_type",
    ]);
    members.finish()?;
    Ok(Terms {
        dates: dates.clone().with(format.as_deref(), None)?,
        field,
        size,
        order,
        least_count,
        missing,
        include,
        exclude,
    })
}

/// Which terms: a list of them, or an expression that they match.
fn chosen(
    value: Option<Value>,
    name: &str,
    conditions: &mut Conditions,
) -> Result<Option<Chosen>, Fault> {
    match value {
        None => Ok(None),
        Some(Value::Array(list)) => {
            let texts: Option<HashSet<String>> = list.iter().map(plain_text).collect();
            match texts.filter(|texts| texts.len() <= super::conditions::VALUES_MAX) {
                Some(texts) => Ok(Some(Chosen::Exactly(texts))),
                None => Err(Fault::parsing(format!(
                    "[{name}] of [terms] must be a list of at most {} values",
                    super::conditions::VALUES_MAX
                ))),
            }
        }
        Some(Value::String(source)) => {
            conditions.count_regex()?;
            let source = translated(&source, Target::Value, Case::Sensitive, Operators::ALL)?;
            let regex = query::Regex::new(&source).map_err(|_| {
                Fault::argument("the regular expression is too large: use smaller repetitions")
            })?;
            Ok(Some(Chosen::Matching(regex)))
        }
        Some(_) => Err(Fault::argument(format!(
            "[{name}] of [terms] must be a list of values or a regular expression: partitions are not supported"
        ))),
    }
}

fn least_count(members: &mut Members, default: u64) -> Result<u64, Fault> {
    match members.whole("min_doc_count")? {
        None => Ok(default),
        Some(least) => u64::try_from(least)
            .map_err(|_| members.wrong("min_doc_count", "a whole number from 0 on")),
    }
}

/// Reads `order`: `{"_count": "desc"}`, or a list of such.
fn order(
    value: Option<Value>,
    default: &[(OrderBy, Direction)],
) -> Result<Vec<(OrderBy, Direction)>, Fault> {
    let list = match value {
        None => return Ok(default.to_vec()),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    let mut order = Vec::with_capacity(list.len());
    for one in list {
        let (by, direction) = Members::of("order", one)?.only()?;
        let direction = match direction.as_str() {
            Some(word) if word.eq_ignore_ascii_case("asc") => Direction::Ascending,
            Some(word) if word.eq_ignore_ascii_case("desc") => Direction::Descending,
            _ => return Err(Fault::parsing("an [order] must be asc or desc")),
        };
        let by = match by.as_str() {
            "_count" => OrderBy::Count,
            "_key" | "_term" | "_time" => OrderBy::Key,
            by => {
                let (name, number) = metric_path(by)?;
                OrderBy::Metric(name, number)
            }
        };
        order.push((by, direction));
    }
    Ok(order)
}

/// `name`, `name.number`, `name[number]`.
fn metric_path(path: &str) -> Result<(String, Option<String>), Fault> {
    if path.contains('>') {
        return Err(Fault::argument(
            "a path through other buckets ([>]) is not supported: name a metric beside it",
        ));
    }
    if let Some((name, rest)) = path.split_once('[') {
        let number = rest.strip_suffix(']').unwrap_or(rest);
        return Ok((name.to_owned(), Some(number.to_owned())));
    }
    match path.split_once('.') {
        Some((name, number)) => Ok((name.to_owned(), Some(number.to_owned()))),
        None => Ok((path.to_owned(), None)),
    }
}

fn date_histogram(body: Value, dates: &Dates) -> Result<DateHistogram, Fault> {
    let mut members = Members::of("date_histogram", body)?;
    no_script(&mut members)?;
    let field = aggregated(&members.needed_text("field")?)?;
    if field.kind() != FieldKind::Date {
        return Err(Fault::argument(format!(
            "[date_histogram] of [{}] is not supported: it holds no dates",
            field.name()
        )));
    }
    members.refuse(&["missing"], "events without the field have no bucket")?;
    let (format, zone) = (members.text("format")?, members.text("time_zone")?);
    let dates = dates.clone().with(format.as_deref(), zone.as_deref())?;
    let step = step(&mut members, &dates)?;
    let least_count = least_count(&mut members, 0)?;
    let bounds = |value: Option<Value>| -> Result<Option<(Micros, Micros)>, Fault> {
        let Some(value) = value else { return Ok(None) };
        let mut bounds = Members::of("bounds", value)?;
        let (min, max) = (bounds.needed_text("min")?, bounds.needed_text("max")?);
        bounds.finish()?;
        // As the format says, or as milliseconds whatever it says.
        let read = |text: &str| {
            let plain = dates.clone().with(Some("epoch_millis"), None)?;
            dates
                .read(text)
                .or_else(|fault| plain.read(text).map_err(|_| fault))
        };
        let (min, max) = (read(&min)?.start, read(&max)?.start);
        if min > max {
            return Err(Fault::argument("[min] of the bounds is behind their [max]"));
        }
        Ok(Some((min, max)))
    };
    let extended = bounds(members.take("extended_bounds"))?;
    let hard = bounds(members.take("hard_bounds"))?;
    let order = order(
        members.take("order"),
        &[(OrderBy::Key, Direction::Ascending)],
    )?;
    let keyed = members.boolean("keyed")?.unwrap_or(false);
    members.finish()?;
    Ok(DateHistogram {
        field,
        step,
        dates,
        least_count,
        extended,
        hard,
        order,
        keyed,
    })
}

/// The spans of time that a histogram has.
fn step(members: &mut Members, dates: &Dates) -> Result<TimeStep, Fault> {
    let fixed = members.text("fixed_interval")?;
    let calendar = members.text("calendar_interval")?;
    let either = members.text("interval")?;
    let offset = members.text("offset")?;
    let zone = match offset.as_deref().map(micros_of) {
        None | Some(Some(0)) => dates.zone().clone(),
        // Spans that begin later are those of clocks that are behind.
        Some(Some(micros)) => {
            let shifted = steady_offset(dates.zone()).and_then(|offset| {
                let later = i32::try_from(micros / Micros::PER_SECOND).ok()?;
                let whole = micros % Micros::PER_SECOND == 0;
                let seconds = offset.seconds().checked_sub(later)?;
                let offset = jiff::tz::Offset::from_seconds(seconds).ok()?;
                whole.then(|| jiff::tz::TimeZone::fixed(offset))
            });
            shifted.ok_or_else(|| {
                Fault::argument(
                    "[offset] of [date_histogram] must be whole seconds within a day, in a zone without summer time",
                )
            })?
        }
        Some(None) => return Err(members.wrong("offset", "like +6h or -30m")),
    };
    let wrong = || {
        Fault::argument(
            "an interval of [date_histogram] must be like 30s, 5m, 1h or 1d ([fixed_interval]), or one minute, hour, \
             day, week, month, quarter or year ([calendar_interval])",
        )
    };
    let of_calendar = |text: &str| {
        let unit = match text {
            "1m" | "minute" => "1m",
            "1h" | "hour" => "1h",
            "1d" | "day" => "1d",
            "1w" | "week" => "1w",
            "1M" | "month" => "1M",
            "1q" | "quarter" => "1q",
            "1y" | "year" => "1y",
            _ => return None,
        };
        TimeStep::parse(unit, &zone)
    };
    let of_fixed = |text: &str| {
        let micros = micros_of(text).filter(|micros| *micros >= 1000)?;
        Some(TimeStep::micros(micros, zone.clone()))
    };
    let step = match (fixed, calendar, either) {
        (Some(text), None, None) => of_fixed(&text),
        (None, Some(text), None) => of_calendar(&text),
        (None, None, Some(text)) => {
            let millis = text.parse::<i64>().ok().map(|millis| format!("{millis}ms"));
            of_calendar(&text).or_else(|| of_fixed(millis.as_deref().unwrap_or(&text)))
        }
        _ => None,
    };
    step.ok_or_else(wrong)
}

/// `30s`, `+6h`, `-1d`, in microseconds.
pub(super) fn micros_of(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if text == "0" {
        return Some(0);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let count: i64 = count.parse().ok()?;
    let unit = match unit {
        "ms" => 1000,
        "s" => Micros::PER_SECOND,
        "m" => 60 * Micros::PER_SECOND,
        "h" => 3600 * Micros::PER_SECOND,
        "d" => Micros::PER_DAY,
        _ => return None,
    };
    // More than ten thousand years have no use.
    let micros = count.checked_mul(unit)?.checked_mul(sign)?;
    (micros.abs() <= 366 * 10_000 * Micros::PER_DAY).then_some(micros)
}

fn histogram(body: Value) -> Result<Histogram, Fault> {
    let mut members = Members::of("histogram", body)?;
    no_script(&mut members)?;
    let field = numbers(&members.needed_text("field")?, "histogram")?;
    members.refuse(&["missing"], "events without the field have no bucket")?;
    let width = members.number("interval")?.filter(|width| *width > 0.0);
    let width = width.ok_or_else(|| members.wrong("interval", "a number greater than 0"))?;
    let offset = members.number("offset")?.unwrap_or(0.0);
    let least_count = least_count(&mut members, 0)?;
    let bounds = |value: Option<Value>| -> Result<Option<(f64, f64)>, Fault> {
        let Some(value) = value else { return Ok(None) };
        let mut bounds = Members::of("bounds", value)?;
        let (min, max) = (bounds.number("min")?, bounds.number("max")?);
        bounds.finish()?;
        match min.zip(max) {
            Some((min, max)) if min <= max => Ok(Some((min, max))),
            _ => Err(Fault::argument(
                "the bounds must have a [min] and a [max] not less",
            )),
        }
    };
    let extended = bounds(members.take("extended_bounds"))?;
    let hard = bounds(members.take("hard_bounds"))?;
    let order = order(
        members.take("order"),
        &[(OrderBy::Key, Direction::Ascending)],
    )?;
    let keyed = members.boolean("keyed")?.unwrap_or(false);
    members.refuse(&["format"], "numbers are shown as such")?;
    members.finish()?;
    Ok(Histogram {
        field,
        width,
        offset,
        least_count,
        extended,
        hard,
        order,
        keyed,
    })
}

/// A field of numbers, or one of which nothing is known.
fn numbers(name: &str, wanted_by: &str) -> Result<FieldName, Fault> {
    let field = aggregated(name)?;
    match (field.known(), field.kind()) {
        (None, _) | (_, FieldKind::Number) => Ok(field),
        _ => Err(Fault::argument(format!(
            "[{wanted_by}] of [{name}] is not supported: it holds no numbers"
        ))),
    }
}

fn range_list(members: &mut Members) -> Result<Vec<Value>, Fault> {
    match members.need("ranges")? {
        Value::Array(list) if (1..=PARTS_MAX).contains(&list.len()) => Ok(list),
        _ => Err(Fault::argument(format!(
            "[ranges] must be a list of 1 to {PARTS_MAX} ranges"
        ))),
    }
}

fn ranges(body: Value) -> Result<Ranges, Fault> {
    let mut members = Members::of("range", body)?;
    no_script(&mut members)?;
    let field = numbers(&members.needed_text("field")?, "range")?;
    members.refuse(&["missing"], "events without the field are in no range")?;
    let keyed = members.boolean("keyed")?.unwrap_or(false);
    let list = range_list(&mut members)?;
    members.refuse(&["format"], "numbers are shown as such")?;
    members.finish()?;
    let mut ranges = Vec::with_capacity(list.len());
    for range in list {
        let mut range = Members::of("ranges", range)?;
        let (from, to) = (range.number("from")?, range.number("to")?);
        let key = range.text("key")?;
        range.finish()?;
        let shown = |end: Option<f64>| end.map_or_else(|| "*".to_owned(), |end| format!("{end:?}"));
        let mut members = Map::new();
        for (name, end) in [("from", from), ("to", to)] {
            if let Some(end) = end {
                members.insert(name.to_owned(), Value::from(end));
            }
        }
        ranges.push(OneRange {
            key: key.unwrap_or_else(|| format!("{}-{}", shown(from), shown(to))),
            low: from.unwrap_or(f64::NEG_INFINITY),
            high: to.unwrap_or(f64::INFINITY),
            shown: members,
        });
    }
    Ok(in_order(field, ranges, keyed))
}

fn date_ranges(body: Value, dates: &Dates) -> Result<Ranges, Fault> {
    let mut members = Members::of("date_range", body)?;
    no_script(&mut members)?;
    let field = aggregated(&members.needed_text("field")?)?;
    if field.kind() != FieldKind::Date {
        return Err(Fault::argument(format!(
            "[date_range] of [{}] is not supported: it holds no dates",
            field.name()
        )));
    }
    members.refuse(&["missing"], "events without the field are in no range")?;
    let (format, zone) = (members.text("format")?, members.text("time_zone")?);
    let dates = dates.clone().with(format.as_deref(), zone.as_deref())?;
    let keyed = members.boolean("keyed")?.unwrap_or(false);
    let list = range_list(&mut members)?;
    members.finish()?;
    let mut ranges = Vec::with_capacity(list.len());
    for range in list {
        let mut range = Members::of("ranges", range)?;
        let (from, to) = (range.text("from")?, range.text("to")?);
        let key = range.text("key")?;
        range.finish()?;
        let at = |text: Option<String>| -> Result<Option<Micros>, Fault> {
            text.map(|text| Ok(dates.read(&text)?.start)).transpose()
        };
        let (from, to) = (at(from)?, at(to)?);
        let shown = |at: Option<Micros>| at.map_or_else(|| "*".to_owned(), |at| dates.show(at));
        let mut members = Map::new();
        for (name, end) in [("from", from), ("to", to)] {
            if let Some(at) = end {
                members.insert(name.to_owned(), Value::from(millis(at)));
                members.insert(format!("{name}_as_string"), Value::from(dates.show(at)));
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
        let measure = |at: Micros| at.0 as f64;
        ranges.push(OneRange {
            key: key.unwrap_or_else(|| format!("{}-{}", shown(from), shown(to))),
            low: from.map_or(f64::NEG_INFINITY, measure),
            high: to.map_or(f64::INFINITY, measure),
            shown: members,
        });
    }
    Ok(in_order(field, ranges, keyed))
}

/// Ranges are shown by their ends, whatever the order in which they were asked for.
fn in_order(field: FieldName, mut ranges: Vec<OneRange>, keyed: bool) -> Ranges {
    ranges.sort_by(|one, two| {
        one.low
            .total_cmp(&two.low)
            .then(one.high.total_cmp(&two.high))
    });
    Ranges {
        field,
        ranges,
        keyed,
    }
}

/// Milliseconds since 1970, as a float: what Elasticsearch gives as the value of a date.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds are exact for thousands of centuries"
)]
pub(super) fn millis(at: Micros) -> f64 {
    at.0.div_euclid(1000) as f64
}

fn metric(kind: &str, body: Value, dates: &Dates) -> Result<Metric, Fault> {
    let mut members = Members::of(kind, body)?;
    no_script(&mut members)?;
    members.refuse(&["missing"], "events without the field are passed over")?;
    let name = members.needed_text("field")?;
    let format = members.text("format")?;
    let field = match kind {
        "value_count" | "cardinality" => aggregated(&name)?,
        "min" | "max" => {
            let field = aggregated(&name)?;
            if field.kind() == FieldKind::Date {
                field
            } else {
                numbers(&name, kind)?
            }
        }
        _ => numbers(&name, kind)?,
    };
    let read = match kind {
        "avg" => MetricKind::One(Function::Avg),
        "sum" => MetricKind::One(Function::Sum),
        "min" => MetricKind::One(Function::Min),
        "max" => MetricKind::One(Function::Max),
        "value_count" => MetricKind::One(Function::Count),
        "cardinality" => {
            members.ignore(&["precision_threshold", "rehash", "execution_hint"]);
            MetricKind::One(Function::Distinct)
        }
        "stats" => MetricKind::Stats,
        "extended_stats" => {
            let sigma = members.number("sigma")?.unwrap_or(2.0);
            if sigma < 0.0 {
                return Err(members.wrong("sigma", "a number from 0 on"));
            }
            MetricKind::ExtendedStats(sigma)
        }
        _ => percentiles(&mut members)?,
    };
    members.finish()?;
    let dates = if field.kind() == FieldKind::Date {
        Some(dates.clone().with(format.as_deref(), None)?)
    } else if format.is_some() {
        return Err(Fault::argument(format!(
            "[format] of [{kind}] is for dates: numbers are shown as such"
        )));
    } else {
        None
    };
    Ok(Metric {
        field,
        kind: read,
        dates,
    })
}

fn percentiles(members: &mut Members) -> Result<MetricKind, Fault> {
    let keyed = members.boolean("keyed")?.unwrap_or(true);
    members.ignore(&["hdr", "tdigest"]);
    let wrong = || {
        Fault::argument(
            "[percents] must be a list of at most 50 numbers from 0 to 100, of at most two decimals",
        )
    };
    let list = match members.take("percents") {
        None => vec![1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0],
        Some(Value::Array(list)) => {
            let number = |value: &Value| plain_text(value)?.parse::<f64>().ok();
            let list: Option<Vec<f64>> = list.iter().map(number).collect();
            list.ok_or_else(wrong)?
        }
        Some(Value::String(text)) => {
            let list: Result<Vec<f64>, _> = text.split(',').map(|one| one.trim().parse()).collect();
            list.map_err(|_| wrong())?
        }
        Some(_) => return Err(wrong()),
    };
    if list.is_empty() || list.len() > 50 {
        return Err(wrong());
    }
    let mut percents = Vec::with_capacity(list.len());
    for percent in list {
        let scaled = (percent * 100.0).round();
        let is_exact = (scaled / 100.0 - percent).abs() < 1e-9;
        if !is_exact || !(0.0..=10_000.0).contains(&scaled) {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked: whole, from 0 to 10000"
        )]
        percents.push(scaled as u16);
    }
    percents.sort_unstable();
    percents.dedup();
    Ok(MetricKind::Percentiles { percents, keyed })
}

fn pipeline(kind: &str, body: Value, around: Option<&Bucket>) -> Result<Pipeline, Fault> {
    let in_series = matches!(
        around,
        Some(Bucket::DateHistogram(_) | Bucket::Histogram(_))
    );
    if !in_series && kind != "bucket_script" {
        return Err(Fault::argument(format!(
            "[{kind}] must stand within a [histogram] or a [date_histogram]"
        )));
    }
    if matches!(around, None | Some(Bucket::Single(_))) {
        return Err(Fault::argument(format!(
            "[{kind}] must stand within an aggregation that makes several buckets"
        )));
    }
    let is_date = matches!(around, Some(Bucket::DateHistogram(_)));
    let mut members = Members::of(kind, body)?;
    let gaps = match members.text("gap_policy")?.as_deref() {
        None | Some("skip") => Gaps::Skip,
        Some("insert_zeros") => Gaps::Zeros,
        Some(_) => return Err(members.wrong("gap_policy", "skip or insert_zeros")),
    };
    members.refuse(&["format"], "numbers are shown as such")?;
    let paths = members.need("buckets_path")?;
    let single = |paths: &Value| match paths {
        Value::String(text) => path(text),
        Value::Array(list) => match list.as_slice() {
            [Value::String(text)] => path(text),
            _ => Err(Fault::parsing("[buckets_path] must name one metric")),
        },
        _ => Err(Fault::parsing("[buckets_path] must name one metric")),
    };
    let kind = match kind {
        "derivative" => {
            let unit = members.text("unit")?;
            let unit_ms = match unit.as_deref() {
                None => None,
                Some(text) if is_date => Some(unit_ms(text)?),
                Some(_) => return Err(Fault::argument("[unit] of [derivative] is for dates")),
            };
            PipelineKind::Derivative {
                path: single(&paths)?,
                unit_ms,
            }
        }
        "cumulative_sum" => PipelineKind::CumulativeSum {
            path: single(&paths)?,
        },
        "serial_diff" => {
            let lag = members.count("lag", BUCKETS_MAX)?.unwrap_or(1);
            if lag == 0 {
                return Err(members.wrong("lag", "a whole number from 1 on"));
            }
            PipelineKind::SerialDifference {
                path: single(&paths)?,
                lag,
            }
        }
        "moving_fn" => {
            let window = members.count("window", WINDOW_MAX)?.unwrap_or(0);
            if window == 0 {
                return Err(members.wrong("window", "a whole number from 1 on"));
            }
            let shift = members.whole("shift")?.unwrap_or(0);
            let most = i64::try_from(BUCKETS_MAX).unwrap_or(i64::MAX);
            if shift.abs() > most {
                return Err(members.wrong("shift", "a smaller number"));
            }
            PipelineKind::Moving {
                path: single(&paths)?,
                window: i64::try_from(window).unwrap_or(most),
                shift,
                of: moving(&script(&mut members)?)?,
            }
        }
        _ => {
            let Value::Object(named) = paths else {
                return Err(Fault::parsing(
                    "[buckets_path] of [bucket_script] must name a metric for each parameter",
                ));
            };
            let mut paths = Vec::with_capacity(named.len());
            for (name, value) in named {
                let text = value.as_str().ok_or_else(|| {
                    Fault::parsing("[buckets_path] must hold the names of metrics")
                })?;
                paths.push((name, path(text)?));
            }
            let formula = Formula::read(&script(&mut members)?)?;
            if let Some(unknown) = formula
                .parameters()
                .find(|name| !paths.iter().any(|(known, _)| known == name))
            {
                return Err(Fault::argument(format!(
                    "[params.{unknown}] of [bucket_script] is not among its [buckets_path]"
                )));
            }
            PipelineKind::Script { paths, formula }
        }
    };
    members.finish()?;
    Ok(Pipeline { kind, gaps })
}

fn path(text: &str) -> Result<Path, Fault> {
    match text {
        "_count" => Ok(Path::Count),
        "_key" => Ok(Path::Key),
        text => {
            let (name, number) = metric_path(text)?;
            Ok(Path::Metric(name, number))
        }
    }
}

/// `script`, as a text or as `{"source": …}`.
fn script(members: &mut Members) -> Result<String, Fault> {
    match members.need("script")? {
        Value::String(source) => Ok(source),
        script => {
            let mut script = Members::of("script", script)?;
            let source = match script.text("source")? {
                Some(source) => source,
                None => script.needed_text("inline")?,
            };
            script.refuse(&["params"], "write the numbers into the script")?;
            script.ignore(&["lang"]);
            script.finish()?;
            Ok(source)
        }
    }
}

fn moving(script: &str) -> Result<Moving, Fault> {
    let bare: String = script
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ';')
        .collect();
    let function = bare
        .strip_prefix("return")
        .unwrap_or(&bare)
        .strip_prefix("MovingFunctions.")
        .and_then(|rest| rest.strip_suffix("(values)"));
    match function {
        Some("max") => Ok(Moving::Max),
        Some("min") => Ok(Moving::Min),
        Some("sum") => Ok(Moving::Sum),
        Some("unweightedAvg") => Ok(Moving::Mean),
        Some("linearWeightedAvg") => Ok(Moving::WeightedMean),
        _ => Err(Fault::argument(
            "the script of [moving_fn] must be MovingFunctions.max, min, sum, unweightedAvg or linearWeightedAvg, with \
             (values)",
        )),
    }
}

/// The unit that a derivative is said by, in milliseconds.
fn unit_ms(text: &str) -> Result<f64, Fault> {
    let days = |days: i64| days * Micros::PER_DAY;
    let micros = match text {
        "second" => Some(Micros::PER_SECOND),
        "minute" => Some(60 * Micros::PER_SECOND),
        "hour" => Some(3600 * Micros::PER_SECOND),
        "day" => Some(days(1)),
        "week" | "1w" => Some(days(7)),
        text => micros_of(text).filter(|micros| *micros > 0),
    };
    let micros = micros.ok_or_else(|| {
        Fault::argument("[unit] of [derivative] must be like 1s, 1m, 1h, 1d or week")
    })?;
    Ok(millis(Micros(micros)))
}

/// Metrics that pipelines and orders name must be there.
fn check_paths(nodes: &[Node]) -> Result<(), Fault> {
    let check = |path: &Path| match path {
        Path::Count | Path::Key => Ok(()),
        Path::Metric(name, _) => {
            let found = nodes.iter().find(|node| node.name == *name);
            match found.map(|node| &node.kind) {
                Some(Kind::Metric(_) | Kind::Pipeline(_)) => Ok(()),
                _ => Err(Fault::argument(format!(
                    "[buckets_path] names [{name}], which is no metric beside it"
                ))),
            }
        }
    };
    for node in nodes {
        let Kind::Pipeline(pipeline) = &node.kind else {
            continue;
        };
        match &pipeline.kind {
            PipelineKind::Derivative { path, .. }
            | PipelineKind::CumulativeSum { path }
            | PipelineKind::SerialDifference { path, .. }
            | PipelineKind::Moving { path, .. } => check(path)?,
            PipelineKind::Script { paths, .. } => {
                for (_, path) in paths {
                    check(path)?;
                }
            }
        }
    }
    Ok(())
}

/// What buckets are ordered by must be a metric within them.
fn check_order(node: &Node) -> Result<(), Fault> {
    let order = match &node.kind {
        Kind::Bucket(Bucket::Terms(terms)) => &terms.order,
        Kind::Bucket(Bucket::DateHistogram(histogram)) => &histogram.order,
        Kind::Bucket(Bucket::Histogram(histogram)) => &histogram.order,
        _ => return Ok(()),
    };
    for (by, _) in order {
        let OrderBy::Metric(name, _) = by else {
            continue;
        };
        let mut children = node.children.iter();
        let is_metric =
            children.any(|child| child.name == *name && matches!(child.kind, Kind::Metric(_)));
        if !is_metric {
            return Err(Fault::argument(format!(
                "[order] of [{}] names [{name}], which is no metric within it",
                node.name
            )));
        }
    }
    Ok(())
}

fn unsupported(kind: &str) -> Fault {
    let instead = match kind {
        "auto_date_histogram" => "use [date_histogram] with an interval",
        "percentile_ranks" => "use [filters] or [range]",
        "top_hits" | "top_metrics" => "ask for hits with [sort] and [size]",
        "composite" | "multi_terms" => "nest one [terms] within another",
        "moving_avg" => "use [moving_fn]",
        "global" => "send a second search without a query",
        "nested" | "reverse_nested" => "events are flat: name the field by its dotted name",
        "ip_range" => "use [filters] with [term] and a network such as 10.0.0.0/8",
        "scripted_metric" => "there are no scripts",
        "median_absolute_deviation"
        | "boxplot"
        | "weighted_avg"
        | "string_stats"
        | "t_test"
        | "rate"
        | "geo_bounds"
        | "geo_centroid"
        | "geohash_grid"
        | "geotile_grid"
        | "geo_distance"
        | "significant_terms"
        | "significant_text"
        | "rare_terms"
        | "sampler"
        | "diversified_sampler"
        | "children"
        | "parent"
        | "adjacency_matrix"
        | "matrix_stats"
        | "avg_bucket"
        | "sum_bucket"
        | "min_bucket"
        | "max_bucket"
        | "stats_bucket"
        | "extended_stats_bucket"
        | "percentiles_bucket"
        | "bucket_sort"
        | "bucket_selector"
        | "normalize"
        | "cumulative_cardinality"
        | "inference"
        | "variable_width_histogram"
        | "date_range_histogram"
        | "random_sampler"
        | "categorize_text"
        | "frequent_item_sets" => "see the list of what is, in the documentation",
        _ => {
            let shown: String = kind.chars().take(100).collect();
            return Fault::parsing(format!("unknown aggregation type [{shown}]"));
        }
    };
    Fault::argument(format!(
        "the aggregation [{kind}] is not supported: {instead}"
    ))
}
