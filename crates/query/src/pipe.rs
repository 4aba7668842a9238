//! What is done to the events that match: `filter | stage | stage`.
//!
//! | written | gives |
//! | --- | --- |
//! | `where CONDITION` | only what meets the condition, written like a filter; behind a table of its columns |
//! | `stats count(), sum(f) as x by g, bucket(1h)` | a row for each combination of values |
//! | `timechart 1h count() by f` | the same over time, oldest first |
//! | `top 10 f, g` · `rare 10 f` | the most, the least frequent values |
//! | `fields f, g` | a row for each event, with these columns; behind a table only these columns |
//! | `sort -f, g` | rows in that order; `-` is descending |
//! | `head 10` · `tail 10` | the first, the last rows |
//! | `dedup f` | the first row for each value |
//! | `rename f as g` | another name for a column |
//!
//! Functions of `stats`: `count()`, `count(f)` (events with the field), `sum`, `avg`, `min`, `max`, `dc` (different
//! values), `values` (up to a hundred of them), `first`, `last` (by order of receipt), `p50` … `p99`. Each names its
//! column after itself (`count`, `sum(f)`) unless `as` gives a name.

mod parse;
mod run;
mod stats;
mod table;

pub use parse::{ParsedPipeline, parse_pipeline};
pub(crate) use parse::{function_names, is_name, next_stage, read as read_pipeline, stage_names};
pub use run::{Flow, PipeError, PipeRun, apply_to_table};
pub use table::{Cell, Table};

use event::Field;

use crate::{Expr, FieldName, Test};

/// A filter and what is done to what passes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Which events.
    pub filter: Expr,
    /// What is done to them, in order; none where the query is a filter alone.
    pub stages: Vec<Stage>,
}

impl Pipeline {
    /// The fields of events that the stages ask about. Behind the first table there are only its columns.
    #[must_use]
    pub fn fields_of_events(&self) -> Vec<FieldName> {
        let fields_of = |stage: &Stage| -> Vec<FieldName> {
            match stage {
                Stage::Where(expr) => expr.fields().into_iter().cloned().collect(),
                Stage::Stats(stats) => {
                    let keys = stats.by.iter().map(|key| match key {
                        Key::Field(field) => field.clone(),
                        Key::Bucket(_) => Field::TIMESTAMP.into(),
                    });
                    let aggregates = stats.aggregates.iter();
                    let fields = aggregates.filter_map(|aggregate| aggregate.field.clone());
                    keys.chain(fields).collect()
                }
                Stage::Fields(fields) | Stage::Dedup(fields) => fields.clone(),
                Stage::Sort(_) | Stage::Head(_) | Stage::Tail(_) | Stage::Rename(_) => Vec::new(),
            }
        };
        let table_at = self.stages.iter().position(Stage::makes_table);
        let of_events = self.stages.iter().take(table_at.map_or(0, |at| at + 1));
        let mut fields: Vec<FieldName> = of_events.flat_map(fields_of).collect();
        fields.sort();
        fields.dedup();
        fields
    }

    /// Whether a stage asks about the raw text of events.
    #[must_use]
    pub fn asks_for_text(&self) -> bool {
        self.stages.iter().any(|stage| {
            let mut asks = false;
            if let Stage::Where(expr) = stage {
                expr.each_test(&mut |test| asks |= matches!(test, Test::Text(_) | Test::Regex(_)));
            }
            asks
        })
    }

    /// The field by whose values events are counted, where counting is all that is done to them, and the column of the
    /// counts: an index answers that without looking at events.
    #[must_use]
    pub fn counted_field(&self) -> Option<(&FieldName, &str)> {
        let Some(Stage::Stats(stats)) = self.stages.first() else {
            return None;
        };
        match (stats.by.as_slice(), stats.aggregates.as_slice()) {
            (
                [Key::Field(field)],
                [
                    Aggregate {
                        function: Function::Count,
                        field: None,
                        name,
                    },
                ],
            ) => field.column().map(|_| (field, &**name)),
            _ => None,
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Only what meets the condition.
    Where(Expr),
    /// A row for each combination of the keys' values.
    Stats(Stats),
    /// Rows in that order.
    Sort(Vec<SortKey>),
    /// The first so many.
    Head(usize),
    /// The last so many.
    Tail(usize),
    /// The first for each combination of values.
    Dedup(Vec<FieldName>),
    /// These columns.
    Fields(Vec<FieldName>),
    /// Other names for columns: the old one, the new one.
    Rename(Vec<(Box<str>, Box<str>)>),
}

impl Stage {
    /// The word by which it is written; `top`, `rare` and `timechart` are stages in a row.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Where(_) => "where",
            Self::Stats(_) => "stats",
            Self::Sort(_) => "sort",
            Self::Head(_) => "head",
            Self::Tail(_) => "tail",
            Self::Dedup(_) => "dedup",
            Self::Fields(_) => "fields",
            Self::Rename(_) => "rename",
        }
    }

    /// Whether it makes a table of events.
    #[must_use]
    pub fn makes_table(&self) -> bool {
        matches!(self, Self::Stats(_) | Self::Fields(_))
    }
}

/// Aggregates by keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// What is computed for each row.
    pub aggregates: Vec<Aggregate>,
    /// What rows are made of; none gives one row for everything.
    pub by: Vec<Key>,
}

/// What is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// How.
    pub function: Function,
    /// Of which field; none for `count()`.
    pub field: Option<FieldName>,
    /// The column's name.
    pub name: Box<str>,
}

/// How values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// How many.
    Count,
    /// Numbers added up.
    Sum,
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// How many different ones.
    Distinct,
    /// The different ones, up to a hundred.
    Values,
    /// The one received first.
    First,
    /// The one received last.
    Last,
    /// The value under which so many hundredths of the numbers are.
    Percentile(u8),
}

/// What rows are told apart by.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// Each value of a field; a list counts for each of its members.
    Field(FieldName),
    /// Each span of that many seconds of `@timestamp`, from 1970-01-01T00:00:00Z on.
    Bucket(u64),
}

impl Key {
    /// The name of its column.
    #[must_use]
    pub fn column(&self) -> &str {
        match self {
            Self::Field(field) => field.name(),
            Self::Bucket(_) => "@timestamp",
        }
    }
}

/// By which column, and which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The column's name.
    pub column: Box<str>,
    /// Which way.
    pub order: SortOrder,
}

/// Which way rows are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// Least first.
    Ascending,
    /// Greatest first.
    Descending,
}
