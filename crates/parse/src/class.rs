//! EventClass by ECS category and type, where a message does not name its own: the table `parsers/classes.toml`.

use std::sync::LazyLock;

use event::{Event, EventClass, Field, Value};
use serde::Deserialize;

/// The first row that fits decides.
static TABLE: LazyLock<Box<[Row]>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../../parsers/classes.toml"))
        .expect("the table is part of the program: a test reads it");
    table.row
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Box<[Row]>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    class: EventClass,
    /// One of these; empty: any.
    #[serde(default)]
    category: Box<[Box<str>]>,
    /// One of these; empty: any.
    #[serde(default, rename = "type")]
    types: Box<[Box<str>]>,
    /// One of these; empty: any.
    #[serde(default)]
    kind: Box<[Box<str>]>,
}

/// The class of an event by its category, type and kind.
pub(crate) fn of(event: &Event) -> Option<EventClass> {
    let fits = |field: Field, wanted: &[Box<str>]| {
        wanted.is_empty()
            || event
                .values(field)
                .any(|value| wanted.iter().any(|text| value == Value::Text(text)))
    };
    if !event.has(Field::EVENT_CATEGORY) && !event.has(Field::EVENT_KIND) {
        return None;
    }
    TABLE
        .iter()
        .find(|row| {
            fits(Field::EVENT_CATEGORY, &row.category)
                && fits(Field::EVENT_TYPE, &row.types)
                && fits(Field::EVENT_KIND, &row.kind)
        })
        .map(|row| row.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fallback_follows_the_table_of_the_six_classes() {
        let check = |category: &str, kind: &str, expected: Option<EventClass>| {
            let mut event = Event::default();
            event.set(Field::EVENT_CATEGORY, category);
            event.set(Field::EVENT_TYPE, kind);
            assert_eq!(of(&event), expected, "{category} {kind}");
        };
        check("iam", "change", Some(EventClass::Privilege));
        check("configuration", "access", Some(EventClass::Config));
        check("authentication", "start", Some(EventClass::Login));
        check("session", "end", Some(EventClass::Login));
        check(
            "intrusion_detection",
            "denied",
            Some(EventClass::IntrusionWarning),
        );
        check("malware", "info", Some(EventClass::IntrusionWarning));
        check("database", "deletion", Some(EventClass::DataChange));
        check("database", "access", None);
        check("network", "denied", Some(EventClass::Connection));
        check("network", "info", None);
        check("web", "access", None);
    }
}
