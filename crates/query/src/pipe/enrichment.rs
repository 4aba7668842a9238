//! Fields that are added to an event because of the value of another: by a template, or from a table of a site's own.

use std::fmt;
use std::sync::Arc;

use event::{Event, Value};

use crate::FieldName;

/// What the stages `parse` and `lookup` use. Whoever runs queries has it.
pub trait Resources: fmt::Debug + Send + Sync {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    fn template(&self, text: &str) -> Result<Arc<dyn Enrich>, String>;

    /// The table of that name, whose fields begin with its name.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    fn lookup(&self, name: &str) -> Result<Arc<dyn Enrich>, String>;

    /// The names of all tables.
    fn lookups(&self) -> Vec<String>;
}

/// Finds fields for a value.
pub trait Enrich: fmt::Debug + Send + Sync {
    /// The names of all fields that it can find.
    fn names(&self) -> Vec<String>;

    /// Puts the fields that belong to the value into `found`, which is empty.
    fn enrich(&self, value: Value<'_>, found: &mut Event);
}

/// A stage `parse` or `lookup`.
#[derive(Clone, Debug)]
pub struct Enrichment {
    /// The word by which it is written.
    pub stage: &'static str,
    /// The field whose value is looked at.
    pub field: FieldName,
    /// The fields that are added, in place of what the event has under their names.
    pub names: Vec<FieldName>,
    /// Where they come from.
    pub source: Arc<dyn Enrich>,
}

impl PartialEq for Enrichment {
    fn eq(&self, other: &Self) -> bool {
        self.field == other.field
            && self.names == other.names
            && Arc::ptr_eq(&self.source, &other.source)
    }
}

impl Enrichment {
    /// What belongs to that value; of all fields those that are wanted are to be taken.
    pub(super) fn of(&self, value: Value<'_>) -> Event {
        let mut found = Event::default();
        self.source.enrich(value, &mut found);
        found
    }
}
