//! Sigma's log sources to conditions on our fields, by the table `rules/tables/logsources.yml`. They fail closed.

use std::sync::LazyLock;

use query::Expr;
use serde::Deserialize;
use yaml_serde::Value;

use crate::field_map::FieldMap;
use crate::rule_file::LogSource;
use crate::sigma_detection;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    product: Option<String>,
    category: Option<String>,
    service: Option<String>,
    r#where: Value,
}

static TABLE: LazyLock<Vec<(Row, Expr)>> = LazyLock::new(|| {
    let text = include_str!("../../../rules/tables/logsources.yml");
    let rows: Vec<Row> = yaml_serde::from_str(text).expect("the table is tested");
    let fields = FieldMap::of(&LogSource::default());
    let compiled = |row: Row| {
        let gate = sigma_detection::selection(&row.r#where, &fields).expect("the table is tested");
        (row, gate)
    };
    rows.into_iter().map(compiled).collect()
});

/// The events that a log source stands for; `None` where the table has no row for it.
pub(crate) fn gate(source: &LogSource) -> Option<&'static Expr> {
    let same = |row: &Row| {
        row.product == source.product
            && row.category == source.category
            && row.service == source.service
    };
    TABLE
        .iter()
        .find(|(row, _)| same(row))
        .map(|(_, gate)| gate)
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
        assert_eq!(sshd.to_string(), "nhatky.product:linux.sshd");
        assert!(gate(&source("linux", Some("nothing"))).is_none());
        assert!(gate(&LogSource::default()).is_none());
        assert!(gate(&source("windows", Some("security"))).is_some());
    }
}
