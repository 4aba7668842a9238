//! How a product is made to log each class of Điều 7.2: `enable.toml` beside its definition.

use std::collections::BTreeMap;

use event::EventClass;
use serde::{Deserialize, Serialize};

use crate::Parsers;

/// What is to be done for each of the six classes.
pub type Enabling = BTreeMap<EventClass, EnableClass>;

/// What makes a product log a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnableClass {
    /// The product cannot log it, or its definition does not read it: the texts say which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never: bool,
    /// What to do, or why it cannot be done, in Vietnamese.
    pub vi: Box<str>,
    /// The same in English.
    pub en: Box<str>,
    /// What to type in, where there is something to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Box<str>>,
    /// The vendor's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
}

impl Parsers {
    /// What makes that product log each class; none for what is no single product, and for a site's own without one.
    #[must_use]
    pub fn enabling(&self, product: &str) -> Option<&Enabling> {
        self.enabling.get(product)
    }
}

/// Reads the text of an `enable.toml`.
pub(crate) fn read(text: &str) -> Result<Enabling, String> {
    let enabling: Enabling = toml::from_str(text).map_err(|error| error.to_string())?;
    let missing = EventClass::ALL
        .iter()
        .find(|class| !enabling.contains_key(class));
    if let Some(class) = missing {
        return Err(format!("enable.toml says nothing of the class {class}"));
    }
    for (class, enable) in &enabling {
        if enable.never && (enable.commands.is_some() || enable.source.is_some()) {
            return Err(format!(
                "enable.toml: {class} is never logged, so there is nothing to do for it"
            ));
        }
        if !enable.never && enable.source.is_none() {
            return Err(format!("enable.toml: {class} names no source"));
        }
    }
    Ok(enabling)
}
