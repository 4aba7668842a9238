//! Sigma's names of fields to ours, by the table `rules/tables/fields.yml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use event::Field;
use query::FieldName;
use serde::Deserialize;

use crate::rule_file::LogSource;

/// The names of one log source's product.
#[derive(Debug)]
pub(crate) struct FieldMap<'a> {
    rows: &'a Rows,
    /// Whether names without a row stand for themselves.
    lenient: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    product: Option<String>,
    /// `prefix.*`: names without a row keep their own name after the prefix.
    default: Option<String>,
    fields: BTreeMap<String, Vec<String>>,
}

static TABLE: LazyLock<Vec<Rows>> = LazyLock::new(|| {
    let text = include_str!("../../../rules/tables/fields.yml");
    yaml_serde::from_str(text).expect("the table is tested")
});

impl FieldMap<'static> {
    /// The names that hold for that log source.
    pub(crate) fn of(source: &LogSource) -> Self {
        let named = |rows: &&Rows| rows.product == source.product;
        let everyone = |rows: &&Rows| rows.product.is_none();
        let rows = TABLE
            .iter()
            .find(named)
            .or_else(|| TABLE.iter().find(everyone));
        Self {
            rows: rows.expect("the table ends with the rows for everyone"),
            lenient: false,
        }
    }

    /// The same for a log source that no event stands for: its names need not be known.
    pub(crate) fn of_unknown(source: &LogSource) -> Self {
        Self {
            lenient: true,
            ..Self::of(source)
        }
    }
}

impl FieldMap<'_> {
    /// The fields in which values of that name are kept.
    pub(crate) fn targets(&self, name: &str) -> Result<Vec<FieldName>, String> {
        if let Some(fields) = self.rows.fields.get(name) {
            return Ok(fields.iter().map(|field| FieldName::new(field)).collect());
        }
        if name.contains('.') || Field::from_name(name).is_some() {
            return Ok(vec![FieldName::new(name)]);
        }
        let prefix = self
            .rows
            .default
            .as_deref()
            .and_then(|default| default.strip_suffix('*'));
        match prefix {
            Some(prefix) => Ok(vec![FieldName::new(&format!("{prefix}{name}"))]),
            None if self.lenient => Ok(vec![FieldName::new(name)]),
            None => Err(format!(
                "`{name}` is no field that we know: name it in full, or add a row to rules/tables/fields.yml"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(product: Option<&str>, name: &str) -> Vec<String> {
        let source = LogSource {
            product: product.map(str::to_owned),
            ..LogSource::default()
        };
        let found = FieldMap::of(&source).targets(name).unwrap_or_default();
        found.iter().map(|field| field.name().to_owned()).collect()
    }

    #[test]
    fn the_vendors_field_comes_before_ecs() {
        assert_eq!(
            targets(Some("windows"), "Image"),
            ["winlog.event_data.Image", "process.executable"]
        );
        assert_eq!(
            targets(Some("windows"), "LogonType"),
            ["winlog.event_data.LogonType"]
        );
        assert_eq!(targets(Some("linux"), "a0"), ["auditd.data.a0"]);
        assert_eq!(targets(None, "src_ip"), ["source.ip"]);
        assert_eq!(targets(None, "message"), ["message"]);
        assert_eq!(targets(None, "acme.x"), ["acme.x"]);
        assert!(targets(None, "Image").is_empty());
    }
}
