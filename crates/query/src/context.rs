//! What a query is read with: now, the zone, the limits.

use std::sync::Arc;

use event::Micros;
use jiff::tz::TimeZone;

use crate::{Answer, Resources};

/// What a query is read with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The instant that `now` means.
    pub now: Micros,
    /// The zone of dates that name none.
    pub zone: TimeZone,
    /// What a query may have at most.
    pub limits: Limits,
    /// What the stages `parse` and `lookup` use; without it there are none.
    pub resources: Option<Arc<dyn Resources>>,
    /// What the query's subqueries gave, as far as it is known: see [`Subquery`](crate::Subquery).
    pub answers: Vec<Answer>,
    /// How deep in subqueries this query stands.
    pub subquery_depth: usize,
}

impl Context {
    /// At that instant, dates in the time of Vietnam, usual limits.
    #[must_use]
    pub fn at(now: Micros) -> Self {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh");
        Self {
            now,
            zone: zone.unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(7))),
            limits: Limits::default(),
            resources: None,
            answers: Vec::new(),
            subquery_depth: 0,
        }
    }
}

/// What a query may have at most: a hostile one costs its sender, nobody else.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the text in bytes. Default 16 KiB: lists of a thousand addresses fit.
    pub text_bytes: usize,
    /// Nesting of parentheses and NOT. Default 50: people reach 5.
    pub depth: usize,
    /// Number of tests. Default 1024: the text's length allows few more.
    pub clauses: usize,
    /// Number of values that a subquery may give. Default 10,000: as many are asked for at once in a list.
    pub subquery_values: usize,
    /// Number of regular expressions, each of which may take [`Regex::COMPILED_BYTES_MAX`](crate::Regex::COMPILED_BYTES_MAX). Default 16.
    pub regexes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 16 << 10,
            depth: 50,
            clauses: 1024,
            subquery_values: 10_000,
            regexes: 16,
        }
    }
}
