//! Sigma's log sources to conditions on our fields, by the table `rules/tables/logsources.yml`. They fail closed.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;
use yaml_serde::Value;

use crate::clause::Clause;
use crate::field_map::FieldMap;
use crate::rule_file::LogSource;
use crate::sigma_detection::{self, Reading};

/// One row: what stands for a log source, or why nothing does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    product: Option<String>,
    category: Option<String>,
    service: Option<String>,
    r#where: Option<Value>,
    /// Whether records of one audit event are matched together.
    #[serde(default)]
    together: bool,
    /// Why no event stands for it: for it and whatever it leaves open.
    blind: Option<String>,
}

/// The events that a log source stands for.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) clause: Clause,
    /// Whether records of one audit event are matched together ([`crate::audit`]).
    pub(crate) together: bool,
}

type Key = [Option<String>; 3];

#[derive(Debug, Default)]
struct Table {
    gates: HashMap<Key, Gate, ahash::RandomState>,
    blind: Vec<(LogSource, String)>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = include_str!("../../../rules/tables/logsources.yml");
    let rows: Vec<Row> = yaml_serde::from_str(text).expect("the table is tested");
    let fields = FieldMap::of(&LogSource::default());
    let reading = Reading {
        fields: &fields,
        placeholders: &BTreeMap::new(),
        utc_offset_minutes: 0,
    };
    let mut table = Table::default();
    for row in rows {
        let source = LogSource {
            product: row.product,
            category: row.category,
            service: row.service,
        };
        match (row.r#where, row.blind) {
            (Some(selection), _) => {
                let clause = sigma_detection::selection(&selection, reading, 0)
                    .expect("the table is tested");
                table.gates.entry(key(&source)).or_insert(Gate {
                    clause,
                    together: row.together,
                });
            }
            (None, reason) => table.blind.push((source, reason.unwrap_or_default())),
        }
    }
    table
});

fn key(source: &LogSource) -> Key {
    [&source.product, &source.category, &source.service].map(Clone::clone)
}

/// The events that a log source stands for, or why there are none.
pub(crate) fn gate(source: &LogSource) -> Result<&'static Gate, String> {
    if let Some(gate) = TABLE.gates.get(&key(source)) {
        return Ok(gate);
    }
    let told = TABLE.blind.iter().find(|(blind, _)| blind.holds(source));
    Err(match told {
        Some((_, reason)) => format!("{source}: {reason}"),
        None => format!("{source}: not in the table of log sources"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_source_without_a_row_stands_for_nothing() {
        let source = |product: &str, service: Option<&str>| LogSource {
            product: Some(product.to_owned()),
            service: service.map(str::to_owned),
            ..LogSource::default()
        };
        let sshd = gate(&source("linux", Some("sshd"))).unwrap();
        assert_eq!(sshd.clause.query().to_string(), "nhatky.product:linux.sshd");
        assert!(gate(&source("linux", Some("auditd"))).unwrap().together);
        assert!(gate(&source("linux", Some("nothing"))).is_err());
        assert!(gate(&LogSource::default()).is_err());
        assert!(gate(&source("windows", Some("security"))).is_ok());
        let reason = gate(&source("qualys", None)).unwrap_err();
        assert!(reason.contains("no parser reads Qualys"), "{reason}");
    }
}
