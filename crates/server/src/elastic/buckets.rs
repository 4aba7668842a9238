//! Aggregations computed: the tree as tables that the index makes in one pass, and these as a tree of buckets.
//!
//! Each level of the tree is a table of its own: its keys are the path from the root, its columns the metrics that
//! stand there. So a bucket's count never depends on what lies within it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;

use event::{FieldKind, Micros};
use jiff::tz::TimeZone;
use query::{Aggregate, Cell, Function, Interval, Key, Stats, Table, TimeStep};
use serde_json::{Map, Value, json};

use super::aggregation::{
    BUCKETS_MAX, Bucket, Chosen, DateHistogram, Direction, Filters, Histogram, Kind, Node, OrderBy,
    Ranges, Terms,
};
use super::fault::Fault;
use super::metrics;
use super::pipelines;

/// The tables that a tree needs, and where in them its nodes find their numbers.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    root: Level<'a>,
    tables: Vec<Stats>,
}

/// Aggregations beside each other.
#[derive(Debug)]
struct Level<'a> {
    /// The table whose rows are the buckets around it.
    table: usize,
    /// How many keys these have.
    keys: usize,
    nodes: Vec<Planned<'a>>,
}

#[derive(Debug)]
struct Planned<'a> {
    node: &'a Node,
    /// Of a metric: its columns behind the keys.
    columns: Range<usize>,
    /// Of a bucket: what lies within.
    within: Option<Level<'a>>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(nodes: &'a [Node]) -> Self {
        let mut tables = Vec::new();
        let root = level(nodes, &[], &mut tables);
        Self { root, tables }
    }

    /// What the index is to compute.
    pub(super) fn tables(&self) -> Vec<Stats> {
        self.tables.clone()
    }

    /// What `aggregations` of the answer holds.
    ///
    /// # Errors
    /// There are too many buckets, or values of which no number can be made.
    pub(super) fn answer(&self, tables: Vec<Table>) -> Result<Value, Fault> {
        let tables = tables.into_iter().zip(&self.tables);
        let mut builder = Builder {
            tables: tables
                .map(|(table, stats)| Rows::new(table, stats.by.len()))
                .collect(),
            left: BUCKETS_MAX,
        };
        let row = builder.row(self.root.table, 0);
        let root = builder.level(&self.root, row, Some(&[]))?;
        Ok(Value::Object(root))
    }
}

fn level<'a>(nodes: &'a [Node], by: &[Key], tables: &mut Vec<Stats>) -> Level<'a> {
    let mut aggregates = vec![aggregate(Function::Count, None, 0)];
    let mut planned = Vec::with_capacity(nodes.len());
    for node in nodes {
        let start = aggregates.len();
        if let Kind::Metric(metric) = &node.kind {
            for function in metrics::functions(metric) {
                let field = Some(metric.field.clone());
                aggregates.push(aggregate(function, field, aggregates.len()));
            }
        }
        planned.push(Planned {
            node,
            columns: start..aggregates.len(),
            within: None,
        });
    }
    let table = tables.len();
    tables.push(Stats {
        aggregates,
        by: by.to_vec(),
    });
    for planned in &mut planned {
        if let Kind::Bucket(bucket) = &planned.node.kind {
            let mut longer = by.to_vec();
            longer.push(key(bucket));
            planned.within = Some(level(&planned.node.children, &longer, tables));
        }
    }
    Level {
        table,
        keys: by.len(),
        nodes: planned,
    }
}

fn aggregate(function: Function, field: Option<query::FieldName>, number: usize) -> Aggregate {
    Aggregate {
        function,
        field,
        name: number.to_string().into(),
    }
}

/// What the bucket's rows are told apart by. Ranges and filters go by their number.
fn key(bucket: &Bucket) -> Key {
    match bucket {
        // Dates have milliseconds to Elasticsearch.
        Bucket::Terms(terms) if terms.field.kind() == FieldKind::Date => Key::Time {
            field: terms.field.clone(),
            step: TimeStep::micros(1000, TimeZone::UTC),
        },
        Bucket::Terms(terms) => Key::Field(terms.field.clone()),
        Bucket::DateHistogram(histogram) => Key::Time {
            field: histogram.field.clone(),
            step: histogram.step.clone(),
        },
        Bucket::Histogram(histogram) => Key::Number {
            field: histogram.field.clone(),
            width: histogram.width,
            offset: histogram.offset,
        },
        Bucket::Ranges(ranges) => {
            let numbered = ranges.ranges.iter().enumerate();
            Key::Ranges {
                field: ranges.field.clone(),
                ranges: numbered
                    .map(|(number, range)| Interval {
                        name: number.to_string().into(),
                        low: range.low,
                        high: range.high,
                    })
                    .collect(),
            }
        }
        Bucket::Filters(filters) => {
            let numbered = filters.filters.iter().enumerate();
            Key::Conditions(
                numbered
                    .map(|(number, (_, expr))| (number.to_string().into(), expr.clone()))
                    .collect(),
            )
        }
        Bucket::Single(expr) => Key::Conditions(vec![("0".into(), expr.clone())]),
    }
}

/// A table whose rows are found by all of their keys but the last.
#[derive(Debug)]
struct Rows {
    rows: Vec<Vec<Cell>>,
    keys: usize,
    by_path: HashMap<Vec<u8>, Vec<usize>>,
}

impl Rows {
    fn new(table: Table, keys: usize) -> Self {
        let mut by_path: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (number, row) in table.rows.iter().enumerate() {
            let around = row.get(..keys.saturating_sub(1)).unwrap_or_default();
            by_path.entry(path_of(around)).or_default().push(number);
        }
        Self {
            rows: table.rows,
            keys,
            by_path,
        }
    }
}

/// Bytes that are the same for equal cells, whichever way a number is kept.
fn path_of(cells: &[Cell]) -> Vec<u8> {
    let mut path = Vec::new();
    for cell in cells {
        match cell {
            Cell::Null => path.push(0),
            Cell::Bool(yes) => path.extend([1, u8::from(*yes)]),
            Cell::Integer(_) | Cell::Float(_) => {
                path.push(2);
                path.extend(number_of(cell).unwrap_or_default().to_be_bytes());
            }
            Cell::Date(at) => {
                path.push(3);
                path.extend(at.0.to_be_bytes());
            }
            Cell::Address(IpAddr::V4(address)) => {
                path.push(4);
                path.extend(address.octets());
            }
            Cell::Address(IpAddr::V6(address)) => {
                path.push(5);
                path.extend(address.octets());
            }
            Cell::Text(text) => {
                path.push(6);
                path.extend(text.bytes());
                // No text holds this byte.
                path.push(0xff);
            }
            Cell::List(cells) => {
                path.push(7);
                path.extend(path_of(cells));
                path.push(0xff);
            }
        }
    }
    path
}

#[expect(
    clippy::cast_precision_loss,
    reason = "numbers are doubles in Elasticsearch's answers, too"
)]
pub(super) fn number_of(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Integer(number) => Some(*number as f64),
        Cell::Float(number) => Some(*number),
        _ => None,
    }
}

/// A bucket before it is an object.
#[derive(Debug)]
struct Found {
    key: Shown,
    count: u64,
    /// Its row, where it has events.
    row: Option<usize>,
}

/// The buckets of a histogram, and how many bounds have left out: these took their time, too.
#[derive(Debug)]
struct Series {
    buckets: Vec<Found>,
    passed_over: usize,
}

impl Series {
    fn of(buckets: Vec<Found>) -> Self {
        Self {
            buckets,
            passed_over: 0,
        }
    }
}

/// A key as it is shown and ordered.
#[derive(Clone, Debug)]
struct Shown {
    key: Value,
    text: Option<String>,
}

impl Shown {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self.key.as_f64(), other.key.as_f64()) {
            (Some(one), Some(two)) => one.total_cmp(&two),
            _ => self.key.as_str().cmp(&other.key.as_str()),
        }
    }

    /// What names the bucket where buckets have names.
    fn name(&self) -> String {
        match (&self.text, &self.key) {
            (Some(text), _) => text.clone(),
            (None, Value::String(text)) => text.clone(),
            (None, key) => key.to_string(),
        }
    }
}

struct Builder {
    tables: Vec<Rows>,
    /// How many buckets more there may be.
    left: usize,
}

impl Builder {
    fn row(&self, table: usize, row: usize) -> Option<usize> {
        let rows = &self.tables.get(table)?.rows;
        (row < rows.len()).then_some(row)
    }

    fn cells(&self, table: usize, row: Option<usize>) -> Option<&[Cell]> {
        let cells = self.tables.get(table)?.rows.get(row?)?;
        Some(cells)
    }

    /// The rows of the table within the bucket of that path.
    fn rows(&self, table: usize, path: Option<&[u8]>) -> Vec<usize> {
        let rows = self.tables.get(table).zip(path);
        rows.and_then(|(rows, path)| rows.by_path.get(path))
            .cloned()
            .unwrap_or_default()
    }

    fn count(&self, table: usize, row: usize) -> u64 {
        let rows = self.tables.get(table);
        let cell = rows.and_then(|rows| rows.rows.get(row)?.get(rows.keys));
        match cell {
            Some(Cell::Integer(count)) => u64::try_from(*count).unwrap_or(0),
            _ => 0,
        }
    }

    /// The last key of a row.
    fn last_key(&self, table: usize, row: usize) -> Option<&Cell> {
        let rows = self.tables.get(table)?;
        rows.rows.get(row)?.get(rows.keys.checked_sub(1)?)
    }

    fn level(
        &mut self,
        level: &Level<'_>,
        row: Option<usize>,
        path: Option<&[u8]>,
    ) -> Result<Map<String, Value>, Fault> {
        let mut object = Map::new();
        for planned in &level.nodes {
            let mut value = match &planned.node.kind {
                Kind::Metric(_) => self.metric(level, planned, row)?,
                Kind::Bucket(bucket) => match &planned.within {
                    Some(within) => self.buckets(planned.node, bucket, within, path)?,
                    None => continue,
                },
                // Made of the buckets around it, once they are all there.
                Kind::Pipeline(_) => continue,
            };
            if let (Some(meta), Value::Object(members)) = (&planned.node.meta, &mut value) {
                members.insert("meta".to_owned(), meta.clone());
            }
            object.insert(planned.node.name.clone(), value);
        }
        Ok(object)
    }

    fn metric(
        &self,
        level: &Level<'_>,
        planned: &Planned<'_>,
        row: Option<usize>,
    ) -> Result<Value, Fault> {
        let Kind::Metric(metric) = &planned.node.kind else {
            return Ok(Value::Null);
        };
        let columns = level.keys + planned.columns.start..level.keys + planned.columns.end;
        let cells = self
            .cells(level.table, row)
            .and_then(|cells| cells.get(columns));
        metrics::value(metric, cells)
    }

    fn buckets(
        &mut self,
        node: &Node,
        bucket: &Bucket,
        within: &Level<'_>,
        path: Option<&[u8]>,
    ) -> Result<Value, Fault> {
        let rows = self.rows(within.table, path);
        match bucket {
            Bucket::Terms(terms) => self.terms(node, terms, within, &rows),
            Bucket::DateHistogram(histogram) => {
                let series = self.by_time(histogram, within, &rows)?;
                self.series(node, within, series, &histogram.order, histogram.keyed)
            }
            Bucket::Histogram(histogram) => {
                let series = self.by_number(histogram, within, &rows)?;
                self.series(node, within, series, &histogram.order, histogram.keyed)
            }
            Bucket::Ranges(ranges) => self.ranges(node, ranges, within, &rows),
            Bucket::Filters(filters) => self.filters(node, filters, within, &rows),
            Bucket::Single(_) => {
                let row = rows.first().copied();
                self.spend(1)?;
                let path = self.path(within.table, row);
                let mut object = self.level(within, row, path.as_deref())?;
                let count = row.map_or(0, |row| self.count(within.table, row));
                object.insert("doc_count".to_owned(), json!(count));
                Ok(Value::Object(object))
            }
        }
    }

    fn spend(&mut self, buckets: usize) -> Result<(), Fault> {
        let left = self.left.checked_sub(buckets);
        self.left = left.ok_or_else(|| Fault::too_many_buckets(BUCKETS_MAX))?;
        Ok(())
    }

    /// The path that leads to what lies within the bucket of the row.
    fn path(&self, table: usize, row: Option<usize>) -> Option<Vec<u8>> {
        let keys = self.tables.get(table)?.keys;
        Some(path_of(self.cells(table, row)?.get(..keys)?))
    }

    /// Each bucket as an object, with its name.
    fn objects(
        &mut self,
        node: &Node,
        within: &Level<'_>,
        found: Vec<Found>,
    ) -> Result<Vec<(String, Map<String, Value>)>, Fault> {
        self.spend(found.len())?;
        let mut objects = Vec::with_capacity(found.len());
        for found in found {
            let path = self.path(within.table, found.row);
            let mut object = self.level(within, found.row, path.as_deref())?;
            let name = found.key.name();
            object.insert("key".to_owned(), found.key.key);
            if let Some(text) = found.key.text {
                object.insert("key_as_string".to_owned(), Value::String(text));
            }
            object.insert("doc_count".to_owned(), json!(found.count));
            objects.push((name, object));
        }
        pipelines::apply(&node.children, &mut objects)?;
        Ok(objects)
    }

    fn terms(
        &mut self,
        node: &Node,
        terms: &Terms,
        within: &Level<'_>,
        rows: &[usize],
    ) -> Result<Value, Fault> {
        let mut found = Vec::with_capacity(rows.len());
        let mut all = 0_u64;
        let mut missing = None;
        for row in rows {
            let count = self.count(within.table, *row);
            let Some(cell) = self.last_key(within.table, *row) else {
                continue;
            };
            let key = match (cell, &terms.missing) {
                (Cell::Null, None) => continue,
                (Cell::Null, Some(text)) => {
                    let key = shown_missing(terms, text);
                    missing = Some(key.name());
                    key
                }
                (cell, _) => shown(terms, cell),
            };
            if !is_chosen(terms, &key) {
                continue;
            }
            all += count;
            if count >= terms.least_count {
                found.push(Found {
                    key,
                    count,
                    row: Some(*row),
                });
            }
        }
        if let Some(name) = missing
            && found
                .iter()
                .filter(|found| found.key.name() == name)
                .count()
                > 1
        {
            return Err(Fault::argument(format!(
                "[missing] of [{}] is a value that events have: choose another",
                node.name
            )));
        }
        let mut found = self.ordered(found, &terms.order, within)?;
        found.truncate(terms.size);
        let given: u64 = found.iter().map(|found| found.count).sum();
        let objects = self.objects(node, within, found)?;
        let mut value = Map::new();
        value.insert("doc_count_error_upper_bound".to_owned(), json!(0));
        value.insert(
            "sum_other_doc_count".to_owned(),
            json!(all.saturating_sub(given)),
        );
        value.insert("buckets".to_owned(), list(objects));
        Ok(Value::Object(value))
    }

    /// The buckets of a histogram, in the order that is asked for.
    fn series(
        &mut self,
        node: &Node,
        within: &Level<'_>,
        series: Series,
        order: &[(OrderBy, Direction)],
        keyed: bool,
    ) -> Result<Value, Fault> {
        self.spend(series.passed_over)?;
        let found = self.ordered(series.buckets, order, within)?;
        let objects = self.objects(node, within, found)?;
        Ok(shaped(objects, keyed))
    }

    fn by_time(
        &self,
        histogram: &DateHistogram,
        within: &Level<'_>,
        rows: &[usize],
    ) -> Result<Series, Fault> {
        let step = &histogram.step;
        let start = |at: Micros| step.span(at).start;
        let hard = histogram.hard.map(|(min, max)| (start(min), max));
        let is_within = |at: Micros| hard.is_none_or(|(min, max)| min <= at && at < max);
        let show = |at: Micros| Shown {
            key: json!(at.0.div_euclid(1000)),
            text: Some(histogram.dates.show(at)),
        };
        let mut full: Vec<(Micros, usize)> = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(Cell::Date(at)) = self.last_key(within.table, *row)
                && is_within(*at)
            {
                full.push((*at, *row));
            }
        }
        let found = |at: Micros, row: Option<usize>| Found {
            key: show(at),
            count: row.map_or(0, |row| self.count(within.table, row)),
            row,
        };
        if histogram.least_count > 0 {
            let all = full.iter().map(|(at, row)| found(*at, Some(*row)));
            let all = all.filter(|found| found.count >= histogram.least_count);
            return Ok(Series::of(all.collect()));
        }
        let ends = full
            .first()
            .zip(full.last())
            .map(|(first, last)| (first.0, last.0));
        let extended = histogram
            .extended
            .map(|(min, max)| (start(min), start(max)));
        let (from, to) = match (ends, extended) {
            (None, None) => return Ok(Series::of(Vec::new())),
            (Some(ends), None) | (None, Some(ends)) => ends,
            (Some((first, last)), Some((min, max))) => (first.min(min), last.max(max)),
        };
        let mut all = Vec::new();
        let mut full = full.into_iter().peekable();
        let mut at = from;
        // What is skipped by bounds counts, too.
        let mut steps = 0;
        while at <= to {
            steps += 1;
            if steps > self.left {
                return Err(Fault::too_many_buckets(BUCKETS_MAX));
            }
            let row = full.next_if(|(start, _)| *start <= at).map(|(_, row)| row);
            if is_within(at) {
                all.push(found(at, row));
            }
            let next = step.span(at).end;
            if next <= at {
                break;
            }
            at = next;
        }
        Ok(Series {
            passed_over: steps - all.len(),
            buckets: all,
        })
    }

    fn by_number(
        &self,
        histogram: &Histogram,
        within: &Level<'_>,
        rows: &[usize],
    ) -> Result<Series, Fault> {
        let (width, offset) = (histogram.width, histogram.offset);
        let place = |number: f64| ((number - offset) / width).floor();
        let hard = histogram
            .hard
            .map(|(min, max)| (place(min) * width + offset, max));
        let is_within = |low: f64| hard.is_none_or(|(min, max)| min <= low && low < max);
        let mut full: Vec<(f64, usize)> = Vec::with_capacity(rows.len());
        for row in rows {
            let low = self.last_key(within.table, *row).and_then(number_of);
            if let Some(low) = low.filter(|low| is_within(*low)) {
                full.push((low, *row));
            }
        }
        let found = |low: f64, row: Option<usize>| Found {
            key: Shown {
                key: json!(low),
                text: None,
            },
            count: row.map_or(0, |row| self.count(within.table, row)),
            row,
        };
        if histogram.least_count > 0 {
            let all = full.iter().map(|(low, row)| found(*low, Some(*row)));
            let all = all.filter(|found| found.count >= histogram.least_count);
            return Ok(Series::of(all.collect()));
        }
        let nearest = |low: f64| ((low - offset) / width).round();
        let ends = full.first().zip(full.last());
        let ends = ends.map(|(first, last)| (nearest(first.0), nearest(last.0)));
        let extended = histogram
            .extended
            .map(|(min, max)| (place(min), place(max)));
        let (from, to) = match (ends, extended) {
            (None, None) => return Ok(Series::of(Vec::new())),
            (Some(ends), None) | (None, Some(ends)) => ends,
            (Some((first, last)), Some((min, max))) => (first.min(min), last.max(max)),
        };
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let most = BUCKETS_MAX as f64;
        // What is no number is too much, too.
        if (to - from).is_nan() || to - from >= most {
            return Err(Fault::too_many_buckets(BUCKETS_MAX));
        }
        let mut all = Vec::new();
        let mut full = full.into_iter().peekable();
        let mut at = from;
        let mut steps = 0;
        while at <= to {
            steps += 1;
            let next = full.next_if(|(low, _)| nearest(*low) <= at);
            let low = next.map_or(at * width + offset, |(low, _)| low);
            if is_within(low) {
                all.push(found(low, next.map(|(_, row)| row)));
            }
            if at + 1.0 <= at {
                return Err(Fault::too_many_buckets(BUCKETS_MAX));
            }
            at += 1.0;
        }
        Ok(Series {
            passed_over: steps - all.len(),
            buckets: all,
        })
    }

    /// Ranges by their ends, with events or without.
    fn ranges(
        &mut self,
        node: &Node,
        ranges: &Ranges,
        within: &Level<'_>,
        rows: &[usize],
    ) -> Result<Value, Fault> {
        let mut found = Vec::with_capacity(ranges.ranges.len());
        for (number, range) in ranges.ranges.iter().enumerate() {
            let row = self.numbered(within.table, rows, number);
            found.push(Found {
                key: Shown {
                    key: json!(range.key),
                    text: None,
                },
                count: row.map_or(0, |row| self.count(within.table, row)),
                row,
            });
        }
        let mut objects = self.objects(node, within, found)?;
        for ((_, object), range) in objects.iter_mut().zip(&ranges.ranges) {
            object.extend(range.shown.clone());
            if ranges.keyed {
                object.remove("key");
            }
        }
        Ok(shaped(objects, ranges.keyed))
    }

    fn filters(
        &mut self,
        node: &Node,
        filters: &Filters,
        within: &Level<'_>,
        rows: &[usize],
    ) -> Result<Value, Fault> {
        let mut found = Vec::with_capacity(filters.filters.len());
        for (number, (name, _)) in filters.filters.iter().enumerate() {
            let row = self.numbered(within.table, rows, number);
            found.push(Found {
                key: Shown {
                    key: json!(name),
                    text: None,
                },
                count: row.map_or(0, |row| self.count(within.table, row)),
                row,
            });
        }
        let keyed = filters.filters.iter().any(|(name, _)| name.is_some());
        let mut objects = self.objects(node, within, found)?;
        for (_, object) in &mut objects {
            object.remove("key");
        }
        Ok(shaped(objects, keyed))
    }

    /// The row of the range or filter of that number.
    fn numbered(&self, table: usize, rows: &[usize], number: usize) -> Option<usize> {
        let name = number.to_string();
        let is_it = |row: &&usize| matches!(self.last_key(table, **row), Some(Cell::Text(text)) if **text == *name);
        rows.iter().find(is_it).copied()
    }

    /// The buckets in the order asked for; where that leaves it open, by their keys.
    fn ordered(
        &self,
        found: Vec<Found>,
        order: &[(OrderBy, Direction)],
        within: &Level<'_>,
    ) -> Result<Vec<Found>, Fault> {
        let mut keyed = Vec::with_capacity(found.len());
        for found in found {
            let mut metrics = Vec::new();
            for (by, _) in order {
                if let OrderBy::Metric(name, number) = by {
                    metrics.push(self.metric_number(within, found.row, name, number.as_deref())?);
                }
            }
            keyed.push((metrics, found));
        }
        keyed.sort_by(|(one_metrics, one), (two_metrics, two)| {
            let mut metrics = one_metrics.iter().zip(two_metrics);
            for (by, direction) in order {
                let (forward, is_absolute) = match by {
                    OrderBy::Count => (one.count.cmp(&two.count), false),
                    OrderBy::Key => (one.key.order(&two.key), false),
                    OrderBy::Metric(..) => match metrics.next() {
                        Some((Some(one), Some(two))) => (one.total_cmp(two), false),
                        // Without a value is last, whichever way.
                        Some((None, Some(_))) => (std::cmp::Ordering::Greater, true),
                        Some((Some(_), None)) => (std::cmp::Ordering::Less, true),
                        Some((None, None)) | None => (std::cmp::Ordering::Equal, true),
                    },
                };
                let ordering = match direction {
                    Direction::Descending if !is_absolute => forward.reverse(),
                    _ => forward,
                };
                if ordering.is_ne() {
                    return ordering;
                }
            }
            one.key.order(&two.key)
        });
        Ok(keyed.into_iter().map(|(_, found)| found).collect())
    }

    fn metric_number(
        &self,
        within: &Level<'_>,
        row: Option<usize>,
        name: &str,
        number: Option<&str>,
    ) -> Result<Option<f64>, Fault> {
        let Some(planned) = within
            .nodes
            .iter()
            .find(|planned| planned.node.name == name)
        else {
            return Ok(None);
        };
        let value = self.metric(within, planned, row)?;
        metrics::number_in(&value, number).map_err(|_| {
            Fault::argument(format!(
                "[order] names a number that [{name}] does not have"
            ))
        })
    }
}

fn list(objects: Vec<(String, Map<String, Value>)>) -> Value {
    let objects = objects.into_iter();
    objects.map(|(_, object)| Value::Object(object)).collect()
}

fn shaped(objects: Vec<(String, Map<String, Value>)>, keyed: bool) -> Value {
    let buckets = if keyed {
        let objects = objects.into_iter();
        Value::Object(
            objects
                .map(|(name, object)| (name, Value::Object(object)))
                .collect(),
        )
    } else {
        list(objects)
    };
    json!({ "buckets": buckets })
}

fn shown(terms: &Terms, cell: &Cell) -> Shown {
    let (key, text) = match cell {
        Cell::Date(at) => (json!(millis_whole(*at)), Some(terms.dates.show(*at))),
        Cell::Bool(yes) => (json!(u8::from(*yes)), Some(yes.to_string())),
        cell => (json!(cell), None),
    };
    Shown { key, text }
}

fn shown_missing(terms: &Terms, text: &str) -> Shown {
    let number = match terms.field.kind() {
        FieldKind::Number => text.parse::<i64>().ok(),
        _ => None,
    };
    Shown {
        key: number.map_or_else(|| json!(text), |number| json!(number)),
        text: None,
    }
}

fn millis_whole(at: Micros) -> i64 {
    at.0.div_euclid(1000)
}

fn is_chosen(terms: &Terms, key: &Shown) -> bool {
    let text = key.name();
    let is_among = |chosen: &Chosen| match chosen {
        Chosen::Exactly(texts) => texts.contains(&text),
        Chosen::Matching(regex) => regex.matches(&text),
    };
    terms.include.as_ref().is_none_or(is_among) && !terms.exclude.as_ref().is_some_and(is_among)
}
