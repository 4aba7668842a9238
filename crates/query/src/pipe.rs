//! What is done to the events that match: `filter | stage | stage`.
//!
//! | written | gives |
//! | --- | --- |
//! | `where CONDITION` | only what meets the condition, written like a filter; behind a table of its columns |
//! | `eval name = FORMULA` | a value computed, under that name |
//! | `parse f "text <a> <b:int>"` | fields by a template of the parser definitions, which may match anywhere in `f` |
//! | `lookup TABLE on f with a, b` | fields `TABLE.a`, `TABLE.b` from a table of the site's own |
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

mod aggregate;
mod distinct;
mod enrichment;
mod formula;
mod memory;
mod parse;
mod percentiles;
mod run;
mod stats;
mod table;

pub use enrichment::{Enrich, Enrichment, Resources};
pub use formula::{FUNCTIONS, Formula, FunctionInfo};
pub use memory::Memory;
pub(crate) use parse::read;
pub use parse::{ParsedPipeline, parse_pipeline};
pub(crate) use parse::{function_names, is_name, next_stage, read as read_pipeline, stage_names};
pub use run::{Flow, PipeError, PipeRun, apply_to_table};
pub use stats::{COMBINATIONS_MAX, Groups, RowId, Wish, measure};
pub use table::{Cell, Table};

use event::Field;

use crate::{Expr, FieldName, Test, TimeStep};

/// A filter and what is done to what passes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Which events.
    pub filter: Expr,
    /// What is done to them, in order; none where the query is a filter alone.
    pub stages: Vec<Stage>,
}

/// The fields of events that the stages ask about; not those that a stage before has computed. Behind the first table
/// there are only its columns.
#[must_use]
pub fn fields_of_events(stages: &[Stage]) -> Vec<FieldName> {
    let mut asked: Vec<FieldName> = Vec::new();
    let mut computed: Vec<FieldName> = Vec::new();
    let mut ask = |fields: Vec<FieldName>, computed: &[FieldName]| {
        asked.extend(fields.into_iter().filter(|field| !computed.contains(field)));
    };
    for stage in stages.iter().take(table_at(stages)) {
        match stage {
            Stage::Where(expr) => ask(expr.fields().into_iter().cloned().collect(), &computed),
            Stage::Eval(formulas) => {
                for (name, formula) in formulas {
                    ask(formula.fields(), &computed);
                    computed.push(FieldName::new(name));
                }
            }
            Stage::Enrich(enrichment) => {
                ask(vec![enrichment.field.clone()], &computed);
                computed.extend(enrichment.names.iter().cloned());
            }
            Stage::Stats(stats) => ask(stats.fields(), &computed),
            Stage::Fields(fields) | Stage::Dedup(fields) => ask(fields.clone(), &computed),
            Stage::Sort(_) | Stage::Head(_) | Stage::Tail(_) | Stage::Rename(_) => {}
        }
    }
    asked.sort();
    asked.dedup();
    asked
}

/// Whether a stage asks about the raw text of events.
#[must_use]
pub fn ask_for_text(stages: &[Stage]) -> bool {
    stages.iter().take(table_at(stages)).any(|stage| {
        let mut asks = false;
        if let Stage::Where(expr) = stage {
            expr.each_test(&mut |test| asks |= matches!(test, Test::Text(_) | Test::Regex(_)));
        }
        asks
    })
}

/// How many stages look at events: up to the first that makes a table, and with it.
fn table_at(stages: &[Stage]) -> usize {
    let at = stages.iter().position(Stage::makes_table);
    at.map_or(0, |at| at + 1)
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Only what meets the condition.
    Where(Expr),
    /// A row for each combination of the keys' values.
    Stats(Stats),
    /// Values computed and named.
    Eval(Vec<(Box<str>, Formula)>),
    /// Fields added because of another's value.
    Enrich(Enrichment),
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
            Self::Eval(_) => "eval",
            Self::Enrich(enrichment) => enrichment.stage,
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

impl Stats {
    /// The column of [`Stats::count_by`].
    pub const COUNT: &'static str = "count";

    /// How many events there are by these keys.
    #[must_use]
    pub fn count_by(by: Vec<Key>) -> Self {
        let count = Aggregate {
            function: Function::Count,
            field: None,
            name: Self::COUNT.into(),
        };
        Self {
            aggregates: vec![count],
            by,
        }
    }

    /// The fields that it asks about.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldName> {
        let keys = self.by.iter().flat_map(Key::fields);
        let aggregates = self.aggregates.iter();
        let of_aggregates = aggregates.flat_map(|aggregate| {
            let is_rate = aggregate.function == Function::Rate;
            let time = is_rate.then(|| Field::TIMESTAMP.into());
            aggregate.field.clone().into_iter().chain(time)
        });
        keys.chain(of_aggregates).collect()
    }
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
    /// Their standard deviation, of all that there are.
    Deviation,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// How many different ones: exactly up to 50,000, beyond within about 1 %.
    Distinct,
    /// The different ones, up to a hundred.
    Values,
    /// The one received first.
    First,
    /// The one received last.
    Last,
    /// The value under which so many hundredths of a hundredth of the numbers are (nearest rank): 9950 for `p99.5`.
    /// Exactly up to 4096 numbers, beyond within 0.5 %.
    Percentile(u16),
    /// Events a second: of the row's span of time, else of the time between its first and its last event.
    Rate,
}

/// What rows are told apart by.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// Each value of a field; a list counts for each of its members. An event without the field has a row, too.
    Field(FieldName),
    /// Each span of time of a date.
    Time {
        /// The field.
        field: FieldName,
        /// The spans.
        step: TimeStep,
    },
    /// Each interval of numbers, by its lower end: from `offset` on, and before it, each `width` wide.
    Number {
        /// The field.
        field: FieldName,
        /// How wide an interval is, above 0.
        width: f64,
        /// Where one of them begins.
        offset: f64,
    },
    /// Each of these ranges, by its name. Ranges may overlap; events in none have no row.
    Ranges {
        /// The field: numbers, or dates in microseconds.
        field: FieldName,
        /// The ranges.
        ranges: Vec<Interval>,
    },
    /// Each of these conditions, by its name; events that meet none have no row.
    Conditions(Vec<(Box<str>, Expr)>),
}

/// Numbers between two ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// What it is called.
    pub name: Box<str>,
    /// Its lower end, which belongs to it.
    pub low: f64,
    /// Its upper end, which does not.
    pub high: f64,
}

impl Interval {
    /// Whether the number lies in it.
    #[must_use]
    pub fn contains(&self, number: f64) -> bool {
        self.low <= number && number < self.high
    }
}

impl Key {
    /// The name of its column.
    #[must_use]
    pub fn column(&self) -> &str {
        match self {
            Self::Field(field)
            | Self::Time { field, .. }
            | Self::Number { field, .. }
            | Self::Ranges { field, .. } => field.name(),
            Self::Conditions(_) => "condition",
        }
    }

    /// The fields that it asks about.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldName> {
        match self {
            Self::Field(field)
            | Self::Time { field, .. }
            | Self::Number { field, .. }
            | Self::Ranges { field, .. } => vec![field.clone()],
            Self::Conditions(conditions) => {
                let fields = conditions.iter().flat_map(|(_, expr)| expr.fields());
                fields.cloned().collect()
            }
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
