//! Sigma filters: conditions that a site adds to rules without changing their files
//! (<https://sigmahq.io/sigma-specification/specification/sigma-filters-specification.html>).

use crate::clause::Clause;
use crate::load::{Placed, RuleProblem};
use crate::rule_file::{LogSource, OneOrMany};
use crate::sigma_detection::{self, Reading};

/// A filter, and which rules it is for.
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) placed: Placed,
    /// Ids and names; `any` stands for all rules of the log source.
    rules: Vec<String>,
    source: LogSource,
}

impl Filter {
    /// The filter of a document.
    pub(crate) fn read(placed: Placed) -> Result<Self, RuleProblem> {
        match parts(&placed) {
            Ok((rules, source)) => Ok(Self {
                placed,
                rules,
                source,
            }),
            Err(message) => Err(placed.problem(message)),
        }
    }

    /// The rules that it names, apart from `any`.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        self.rules
            .iter()
            .map(String::as_str)
            .filter(|name| *name != ANY)
    }

    /// Whether it is for that rule.
    pub(crate) fn is_for(&self, rule: &Placed) -> bool {
        let named = self
            .rules
            .iter()
            .any(|name| name == ANY || rule.is_called(name));
        let source = rule.document.logsource.as_ref();
        named && source.is_some_and(|source| self.source.holds(source))
    }

    /// What it adds to a rule.
    pub(crate) fn clause(&self, reading: Reading<'_>) -> Result<Clause, String> {
        let map = self
            .placed
            .document
            .filter
            .as_ref()
            .ok_or("has no `filter`")?;
        sigma_detection::joined(map, &["rules", "condition"], reading)
            .map_err(|error| format!("filter.{error}"))
    }
}

const ANY: &str = "any";

/// Which rules of which log source a filter is for.
fn parts(placed: &Placed) -> Result<(Vec<String>, LogSource), String> {
    let document = &placed.document;
    let map = document.filter.as_ref().ok_or("has no `filter`")?;
    let source = document.logsource.clone().ok_or("has no `logsource`")?;
    let rules = map.get("rules").ok_or("filter.rules is missing")?;
    let rules: OneOrMany =
        yaml_serde::from_value(rules.clone()).map_err(|error| format!("filter.rules: {error}"))?;
    if rules.0.is_empty() {
        return Err("filter.rules is empty".to_owned());
    }
    if map.get("condition").is_none() {
        return Err("filter.condition is missing".to_owned());
    }
    Ok((rules.0, source))
}

impl LogSource {
    /// Whether the other is this one, or a part of it: what this one leaves open may be anything there.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        let open_or_same =
            |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        open_or_same(&self.category, &other.category)
            && open_or_same(&self.product, &other.product)
            && open_or_same(&self.service, &other.service)
    }
}
