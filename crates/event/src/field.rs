//! Names of fields: numbers for the known ones, so that events and rules compare two bytes, not text.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::field_table::FIELDS;

/// A field that has a name of its own: one of ECS, or one of ours under `nhatky.`.
///
/// The constants (`Field::SOURCE_IP` for `source.ip`) are the table in `field_table.rs`. Every other field, such as a
/// vendor's own under its prefix, goes by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(u16);

/// What is known of a field.
#[derive(Debug)]
pub struct FieldInfo {
    /// Its dotted name.
    pub name: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// Whether the index keeps it as a column.
    pub column: bool,
    /// Whether one event may hold several values of it.
    pub many: bool,
    /// What it means, in a sentence.
    pub doc: &'static str,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A word or a phrase compared as a whole, whatever its case.
    Keyword,
    /// Text to be searched by words.
    Text,
    /// A number.
    Number,
    /// An IPv4 or IPv6 address.
    Address,
    /// An instant.
    Date,
}

impl Field {
    pub(crate) const fn row(row: u16) -> Self {
        Self(row)
    }

    /// The field with that dotted name, exactly as ECS writes it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        static BY_NAME: LazyLock<HashMap<&'static str, Field>> =
            LazyLock::new(|| Field::all().map(|field| (field.name(), field)).collect());
        BY_NAME.get(name).copied()
    }

    /// All fields, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..FIELDS.len()).map(|row| Self(u16::try_from(row).unwrap_or(u16::MAX)))
    }

    /// All fields that are columns of the index, in the order of the table.
    pub fn columns() -> impl Iterator<Item = Self> {
        Self::all().filter(|field| field.info().column)
    }

    /// What is known of it.
    #[must_use]
    pub fn info(self) -> &'static FieldInfo {
        FIELDS
            .get(usize::from(self.0))
            .expect("a Field is only made from a row of the table")
    }

    /// Its row in the table, from 0: for tables beside it. Not to be stored, since rows move as fields are added.
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    /// [`Field::number`] as small as it is.
    pub(crate) const fn row_number(self) -> u16 {
        self.0
    }

    /// Its dotted name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// What its values are.
    #[must_use]
    pub fn kind(self) -> FieldKind {
        self.info().kind
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_row() {
        assert_eq!(Field::from_name("source.ip"), Some(Field::SOURCE_IP));
        assert_eq!(Field::SOURCE_IP.kind(), FieldKind::Address);
        for field in Field::all() {
            assert_eq!(Field::from_name(field.name()), Some(field));
        }
        assert_eq!(Field::from_name("fortinet.vd"), None);
    }

    #[test]
    fn the_core_is_some_forty_columns() {
        let columns = Field::columns().count();
        assert!((35..=50).contains(&columns), "{columns} columns");
    }
}
