//! The shape of a rule file: YAML documents of Sigma, of Sigma correlation, and our `nhatky:` block.
//!
//! Strict within what we read; keys beside it are Sigma's custom attributes, which a rule may have, but not one with
//! our block: there a key that is not known is a mistake.

use std::collections::BTreeMap;

use event::{Disposition, Effect, EventClass};
use serde::Deserialize;
use yaml_serde::{Mapping, Value};

use crate::Span;
use crate::sample::Sample;

/// One YAML document: a Sigma rule (`detection`), a correlation over such rules (`correlation`), or a filter that is
/// added to such rules (`filter`).
#[derive(Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "Sigma's descriptive keys are read so that misspelt ones are found"
)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) description: Option<String>,
    pub(crate) level: Option<Level>,
    #[serde(default)]
    pub(crate) tags: OneOrMany,
    pub(crate) logsource: Option<LogSource>,
    pub(crate) detection: Option<Mapping>,
    pub(crate) correlation: Option<Correlation>,
    pub(crate) filter: Option<Mapping>,
    /// Correlations: whether the rules referred to give detections of their own, too.
    #[serde(default)]
    pub(crate) generate: bool,
    pub(crate) nhatky: Option<Ours>,
    related: Option<Value>,
    references: Option<Value>,
    author: Option<Value>,
    date: Option<Value>,
    modified: Option<Value>,
    license: Option<Value>,
    taxonomy: Option<Value>,
    falsepositives: Option<Value>,
    fields: Option<Value>,
    scope: Option<Value>,
    simulation: Option<Value>,
    regression_tests_path: Option<Value>,
    ruletype: Option<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub(crate) others: BTreeMap<String, Value>,
}

/// Sigma's `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Stable,
    Test,
    Experimental,
    Deprecated,
    Unsupported,
}

/// Sigma's `level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// Sigma's `logsource`; looked up in the table of log sources. Other keys describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct LogSource {
    pub(crate) category: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) service: Option<String>,
}

impl std::fmt::Display for LogSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |part: &Option<String>| part.as_deref().unwrap_or("*").to_owned();
        let (product, category, service) = (
            shown(&self.product),
            shown(&self.category),
            shown(&self.service),
        );
        write!(
            f,
            "product {product}, category {category}, service {service}"
        )
    }
}

/// `correlation`: Sigma's, and our five further types with their keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Correlation {
    pub(crate) r#type: CorrelationType,
    pub(crate) rules: OneOrMany,
    #[serde(default)]
    pub(crate) group_by: OneOrMany,
    #[serde(alias = "timeframe")]
    pub(crate) timespan: Option<Span>,
    pub(crate) condition: Option<Wanted>,
    #[serde(default)]
    pub(crate) aliases: BTreeMap<String, BTreeMap<String, String>>,
    /// Sigma: whether the rules referred to give detections of their own, too.
    #[serde(default)]
    pub(crate) generate: bool,
    /// `first_seen`, `list`: the fields whose values are looked up; of a `list` any of them.
    #[serde(default)]
    pub(crate) field: OneOrMany,
    /// `first_seen`, `absence`, `rate`: how long a key is only watched.
    pub(crate) learning: Option<Span>,
    /// `first_seen`: how long something seen is remembered after it was last seen.
    pub(crate) forget: Option<Span>,
    /// `absence`: silence shorter than this is never reported. `regular`: what comes sooner after an event belongs to the
    /// same beat and makes no interval. Default 5 minutes, 30 seconds.
    pub(crate) at_least: Option<Span>,
    /// `absence`: how many times the usual gap. `rate`: how many standard deviations from the median.
    pub(crate) factor: Option<u32>,
    /// `absence`: how many gaps must have been seen. `rate`: how many windows at that hour of such a day.
    pub(crate) samples: Option<u32>,
    /// `list`: the values; a value of the field must be among them, whatever its case.
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// `list`: names of files in `lists/` of the site's content, `*` for every one. Beside them `values` are read as an
    /// entry of such a file is: networks hold addresses, domains all below them.
    #[serde(default)]
    pub(crate) list: OneOrMany,
    /// `rate`: on which side of what is usual a count is told. Default above.
    #[serde(default)]
    pub(crate) side: crate::rate::Side,
    /// `regular`: how large the median absolute deviation of the intervals may be, in percent of their median. Default 10.
    pub(crate) jitter: Option<u32>,
}

/// What a correlation looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CorrelationType {
    EventCount,
    ValueCount,
    ValueSum,
    ValueAvg,
    ValuePercentile,
    ValueMedian,
    Temporal,
    TemporalOrdered,
    /// `temporal` with a condition over its rules.
    TemporalExtended,
    TemporalOrderedExtended,
    FirstSeen,
    Absence,
    Rate,
    Regular,
    List,
}

/// Sigma's `condition` of a correlation.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// A number within bounds.
    Within(Box<Threshold>),
    /// Which of the rules must have matched: `a and (b or c)`.
    Rules(String),
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Rules(text)),
            map => Threshold::deserialize(map)
                .map(|threshold| Self::Within(Box::new(threshold)))
                .map_err(serde::de::Error::custom),
        }
    }
}

/// Bounds of a number that a correlation works out; all of those given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    pub(crate) gte: Option<f64>,
    pub(crate) gt: Option<f64>,
    pub(crate) lte: Option<f64>,
    pub(crate) lt: Option<f64>,
    pub(crate) eq: Option<f64>,
    pub(crate) neq: Option<f64>,
    /// The field whose values are counted, or worked with.
    #[serde(default)]
    pub(crate) field: OneOrMany,
    /// `value_percentile`: which, from 0 to 100. Default 50.
    pub(crate) percentile: Option<f64>,
}

/// One text or a list of texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct OneOrMany(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |value| match value {
            Value::String(text) => Ok(text),
            other => Err(serde::de::Error::custom(format!("{other:?} is no name"))),
        };
        match Value::deserialize(deserializer)? {
            Value::Sequence(values) => Ok(Self(
                values.into_iter().map(text).collect::<Result<_, _>>()?,
            )),
            Value::Null => Ok(Self::default()),
            one => Ok(Self(vec![text(one)?])),
        }
    }
}

/// Our block: what Sigma has no place for.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ours {
    /// Only a building block for other rules: gives no detections of its own.
    pub(crate) base: bool,
    pub(crate) disposition: Option<Disposition>,
    pub(crate) effect: Option<Effect>,
    /// The field that holds the one entity of the rule.
    pub(crate) entity: Option<String>,
    /// Rules without correlation: what makes two events one episode. Default: the entity.
    pub(crate) key: OneOrMany,
    /// Rules without correlation: how long an episode must be quiet to end. Default 1 h.
    pub(crate) quiet: Option<Span>,
    /// Circumstances under which alone an event counts.
    pub(crate) when: Option<When>,
    /// The numbers that a site may change, each with the reason for its default.
    pub(crate) tunables: BTreeMap<Tunable, Texts>,
    pub(crate) needs: Needs,
    /// What it does not see, so that its silence is not trusted too far.
    pub(crate) misses: Option<Texts>,
    pub(crate) texts: Option<RuleTexts>,
    pub(crate) runbook: Option<Texts>,
    pub(crate) samples: Vec<Sample>,
}

/// Circumstances: any of these, or none of these. One of the two lists is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    #[serde(default)]
    pub(crate) any: Vec<Circumstance>,
    #[serde(default)]
    pub(crate) none: Vec<Circumstance>,
}

impl When {
    pub(crate) fn circumstances(&self) -> &[Circumstance] {
        if self.any.is_empty() {
            &self.none
        } else {
            &self.any
        }
    }
}

/// Something about an event that only memory or the clock can tell.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Circumstance {
    /// These fields have never had these values together in an event of the rules `taught_by`.
    #[serde(default)]
    pub(crate) unseen: OneOrMany,
    /// Which rules' events make values known; by default the rules that this one refers to.
    #[serde(default)]
    pub(crate) taught_by: OneOrMany,
    /// Outside the hours of work of the settings.
    #[serde(default)]
    pub(crate) outside_working_hours: bool,
    /// The address in this field belongs to a server: its own logs arrive with category os, database or application.
    pub(crate) server: Option<String>,
}

/// A number of a rule that settings may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tunable {
    Threshold,
    Window,
    Learning,
    AtLeast,
    Samples,
}

/// What a rule needs to see anything at all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Needs {
    pub(crate) class: Vec<EventClass>,
    pub(crate) fields: Vec<String>,
}

/// A text in both languages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) vi: String,
    pub(crate) en: String,
}

/// What people are told, in both languages, with `{field}` where a fact goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleTexts {
    pub(crate) vi: Text,
    pub(crate) en: Text,
}

/// A title and a sentence or two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    pub(crate) title: String,
    pub(crate) detail: String,
}

/// Larger files are no rules that a person wrote.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads the documents of one file.
pub(crate) fn documents(text: &str) -> Result<Vec<Document>, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return Err(FileError::new(
            None,
            format!("file is longer than {FILE_BYTES_MAX} bytes"),
        ));
    }
    let mut documents = Vec::new();
    for document in yaml_serde::Deserializer::from_str(text) {
        let document: Option<Document> = Option::deserialize(document).map_err(|error| {
            FileError::new(
                error.location().map(|place| place.line()),
                error.to_string(),
            )
        })?;
        // A file may end with the mark that begins a document.
        documents.extend(document);
    }
    Ok(documents)
}

/// Why a file is no rule file.
#[derive(Debug)]
pub(crate) struct FileError {
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

impl FileError {
    fn new(line: Option<usize>, message: String) -> Self {
        Self { line, message }
    }
}
