//! Sigma's names of fields to ours, by the table `rules/tables/fields.yml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use event::Field;
use query::FieldName;
use serde::Deserialize;

use crate::rule_file::{LogSource, OneOrMany};

/// The names of one log source: those of the rows that say most of it first, those of everyone last.
#[derive(Clone, Debug)]
pub(crate) struct FieldMap<'a> {
    rows: Vec<&'a Rows>,
    /// Whether names without a row stand for themselves.
    lenient: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    product: Option<String>,
    /// Empty: whatever the category, and so for the service.
    #[serde(default)]
    category: OneOrMany,
    #[serde(default)]
    service: OneOrMany,
    /// `prefix.*`: names without a row keep their own name after the prefix.
    #[serde(default)]
    default: OneOrMany,
    #[serde(default)]
    fields: BTreeMap<String, Vec<String>>,
}

impl Rows {
    /// Whether they are for that log source.
    fn are_for(&self, source: &LogSource) -> bool {
        let among = |mine: &OneOrMany, theirs: &Option<String>| {
            let named = theirs.as_ref().is_some_and(|name| mine.0.contains(name));
            mine.0.is_empty() || named
        };
        let product = self.product.is_none() || self.product == source.product;
        product && among(&self.category, &source.category) && among(&self.service, &source.service)
    }

    /// How much of a log source they name.
    fn names(&self) -> usize {
        usize::from(self.product.is_some()) * 2
            + usize::from(!self.category.0.is_empty())
            + usize::from(!self.service.0.is_empty())
    }
}

static TABLE: LazyLock<Vec<Rows>> = LazyLock::new(|| {
    let text = include_str!("../../../rules/tables/fields.yml");
    let mut rows: Vec<Rows> = yaml_serde::from_str(text).expect("the table is tested");
    rows.sort_by_key(|rows| std::cmp::Reverse(rows.names()));
    rows
});

impl FieldMap<'static> {
    /// The names that hold for that log source.
    pub(crate) fn of(source: &LogSource) -> Self {
        Self {
            rows: TABLE.iter().filter(|rows| rows.are_for(source)).collect(),
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
    /// The fields in which values of that name are kept, the one that counts before others first.
    pub(crate) fn targets(&self, name: &str) -> Result<Vec<FieldName>, String> {
        let defaults = self.rows.iter().find(|rows| !rows.default.0.is_empty());
        // A product with names of its own has nothing to do with those that everyone shares.
        let own = |rows: &&&Rows| defaults.is_none() || rows.names() > 0;
        let named = self
            .rows
            .iter()
            .filter(own)
            .find_map(|rows| rows.fields.get(name));
        if let Some(fields) = named {
            return Ok(fields.iter().map(|field| FieldName::new(field)).collect());
        }
        if name.contains('.') || Field::from_name(name).is_some() {
            return Ok(vec![FieldName::new(name)]);
        }
        let prefixes = defaults.map(|rows| rows.default.0.as_slice());
        let prefixed: Vec<FieldName> = prefixes
            .unwrap_or_default()
            .iter()
            .filter_map(|default| default.strip_suffix('*'))
            .map(|prefix| FieldName::new(&format!("{prefix}{name}")))
            .collect();
        if !prefixed.is_empty() {
            return Ok(prefixed);
        }
        if self.lenient {
            return Ok(vec![FieldName::new(name)]);
        }
        Err(format!(
            "`{name}` is no field that we know: name it in full, or add a row to rules/tables/fields.yml"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(product: Option<&str>, service: Option<&str>, name: &str, expected: &[&str]) {
        let source = LogSource {
            product: product.map(str::to_owned),
            service: service.map(str::to_owned),
            ..LogSource::default()
        };
        let found = FieldMap::of(&source).targets(name).unwrap_or_default();
        let found: Vec<&str> = found.iter().map(FieldName::name).collect();
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn the_vendors_field_comes_before_ecs() {
        let windows = Some("windows");
        let image = [
            "winlog.event_data.Image",
            "winlog.event_data.NewProcessName",
            "process.executable",
        ];
        check(windows, None, "Image", &image);
        check(windows, None, "LogonType", &["winlog.event_data.LogonType"]);
        check(windows, Some("wmi"), "Image", &image);
        let user_data = [
            "winlog.user_data.ClientMachine",
            "winlog.event_data.ClientMachine",
        ];
        check(windows, Some("wmi"), "ClientMachine", &user_data);
        check(Some("linux"), None, "a0", &["auditd.data.a0"]);
        check(None, None, "src_ip", &["source.ip"]);
        check(None, None, "message", &["message"]);
        check(None, None, "acme.x", &["acme.x"]);
        check(None, None, "Image", &[]);
    }
}
