//! A text for people, in the languages of the product: whoever shows it chooses.

use serde::Serialize;
use utoipa::ToSchema;

/// A text in Vietnamese and in English.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Said {
    /// Tiếng Việt.
    pub(crate) vi: String,
    /// English.
    pub(crate) en: String,
}

impl Said {
    pub(crate) fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self {
            vi: vi.into(),
            en: en.into(),
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: &Self) {
        for (text, line) in [(&mut self.vi, &line.vi), (&mut self.en, &line.en)] {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
        }
    }

    /// Adds it with what stands between.
    pub(crate) fn join(&mut self, between: &str, other: &Self) {
        for (text, other) in [(&mut self.vi, &other.vi), (&mut self.en, &other.en)] {
            if !text.is_empty() {
                text.push_str(between);
            }
            text.push_str(other);
        }
    }
}
