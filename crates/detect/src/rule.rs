//! A rule, compiled, and what people may know of it.

use std::sync::Arc;

use event::{Detection, Disposition, Effect, Event, EventClass, Micros, Value};
use query::Expr;
use serde::Serialize;

use crate::field_map::FieldMap;
use crate::indicator_list::NamedList;
use crate::key::{KeyField, KeyPart};
use crate::measure::{Bounds, Measure};
use crate::rate;
use crate::regular;
use crate::rule_file::Tunable;
use crate::sample::Sample;
use crate::sigma_condition::Condition;

/// What people may know of a rule: what `nhatky rules show` prints and the API gives.
#[derive(Clone, Debug, Serialize)]
pub struct RuleInfo {
    /// Its identifier, by which settings, detections and alerts name it.
    pub id: Box<str>,
    /// Its short name, by which other rules refer to it.
    pub name: Option<Box<str>>,
    /// Its title, in English, as Sigma has it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// How it looks for what it looks for.
    pub kind: RuleKind,
    /// The file that it comes from.
    pub file: String,
    /// Where the file comes from.
    pub origin: RuleOrigin,
    /// Whether it runs.
    pub state: RuleState,
    /// What becomes of its detections.
    pub disposition: Disposition,
    /// What the thing detected has done.
    pub effect: Effect,
    /// The field of its one entity.
    pub entity: Option<String>,
    /// The fields of its group key.
    pub key: Vec<String>,
    /// The numbers that settings may change, with their values and where these come from.
    pub tunables: Vec<TunableInfo>,
    /// The classes that it needs events of.
    pub needs_classes: Vec<EventClass>,
    /// The fields that it needs.
    pub needs_fields: Vec<String>,
    /// Sigma's tags.
    pub tags: Vec<String>,
    /// The events that it looks at, as a query.
    pub query: String,
    /// What people are told, Vietnamese.
    pub vi: RuleText,
    /// What people are told, English.
    pub en: RuleText,
    /// Raw lines that must, and must not, fire it.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// What people are told of a rule's detections in one language. `{field}` stands where a fact goes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RuleText {
    /// A title of a few words.
    pub title: String,
    /// A sentence or two.
    pub detail: String,
    /// What to do about it.
    pub runbook: String,
    /// What the rule does not see; empty where its file does not say.
    pub misses: String,
}

impl RuleText {
    /// The title with the detection's facts in it.
    #[must_use]
    pub fn title_of(&self, detection: &Detection) -> String {
        fill(&self.title, detection)
    }

    /// The sentences with the detection's facts in them.
    #[must_use]
    pub fn detail_of(&self, detection: &Detection) -> String {
        fill(&self.detail, detection)
    }
}

/// Puts facts in the place of `{name}`; `count` is the episode's, an unknown name gives `?`.
fn fill(template: &str, detection: &Detection) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match (name, detection.facts.get(name)) {
            ("count", _) => filled.push_str(&detection.count.to_string()),
            (_, Some(fact)) => filled.push_str(fact),
            (_, None) => filled.push('?'),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// How a rule looks for what it looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// Sigma: one event is enough.
    Sigma,
    /// Sigma correlation: so many events.
    EventCount,
    /// Sigma correlation: so many distinct values.
    ValueCount,
    /// Sigma correlation: the sum of a field's values.
    ValueSum,
    /// Sigma correlation: the average of a field's values.
    ValueAvg,
    /// Sigma correlation: a percentile of a field's values.
    ValuePercentile,
    /// Sigma correlation: the median of a field's values.
    ValueMedian,
    /// Sigma correlation: each of several rules.
    Temporal,
    /// Sigma correlation: several rules in their order.
    TemporalOrdered,
    /// A value never seen before.
    FirstSeen,
    /// Silence where there used to be talk.
    Absence,
    /// Far more than usual.
    Rate,
    /// At regular intervals.
    Regular,
    /// A value from a list.
    List,
}

impl RuleKind {
    /// Its name in rule files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigma => "sigma",
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::ValueSum => "value_sum",
            Self::ValueAvg => "value_avg",
            Self::ValuePercentile => "value_percentile",
            Self::ValueMedian => "value_median",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
            Self::FirstSeen => "first_seen",
            Self::Absence => "absence",
            Self::Rate => "rate",
            Self::Regular => "regular",
            Self::List => "list",
        }
    }
}

/// Where a rule's file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOrigin {
    /// Built into the program.
    Builtin,
    /// The site's own, under `DATA/content/rules/`.
    Site,
}

/// Whether a rule runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleState {
    /// It runs.
    Active,
    /// Only a building block of other rules.
    Base,
    /// Switched off by the settings, or deprecated by its author.
    Disabled,
    /// It can never match, for this reason.
    Blind(String),
}

/// A number of a rule that settings may change.
#[derive(Clone, Debug, Serialize)]
pub struct TunableInfo {
    /// Its name in the settings.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// The value in the rule's file.
    pub default: String,
    /// Whether the settings have changed it.
    pub changed: bool,
    /// Why the default is what it is, Vietnamese.
    pub reason_vi: String,
    /// Why the default is what it is, English.
    pub reason_en: String,
}

impl Tunable {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::Window => "window",
            Self::Learning => "learning",
            Self::AtLeast => "at_least",
            Self::Samples => "samples",
        }
    }
}

/// A rule as the detector runs it.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) info: RuleInfo,
    pub(crate) input: Input,
    pub(crate) kind: Kind,
    /// The key, for each input rule its own where aliases make them differ; else one for all.
    pub(crate) keys: Vec<Vec<KeyPart>>,
    pub(crate) window_us: i64,
    /// Whether it gives detections of its own.
    pub(crate) emits: bool,
    pub(crate) when: Option<When>,
    pub(crate) entity: Option<KeyField>,
    /// Changes with everything that changes what it remembers.
    pub(crate) fingerprint: u64,
    /// Whether only a full parse gives all the fields that it asks about.
    pub(crate) needs_full_depth: bool,
    /// What the names of fields mean in its events.
    pub(crate) names: FieldMap<'static>,
    /// Whether it looks at audit events as a whole, or at a rule that does.
    pub(crate) together: bool,
}

/// What a rule looks at.
#[derive(Debug)]
pub(crate) enum Input {
    /// Events that match, which the matcher says.
    Events,
    /// What other rules, by their places, have matched or found, further filtered.
    Rules {
        places: Vec<usize>,
        filter: Box<Expr>,
        listed: Option<Listed>,
    },
}

/// A value of one of the fields must be on one of the site's lists.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) fields: Vec<KeyField>,
    pub(crate) lists: Vec<Arc<NamedList>>,
}

impl Listed {
    /// The value that is on a list at that time, and the list's name.
    pub(crate) fn hit<'a>(&'a self, event: &'a Event, at: Micros) -> Option<(Value<'a>, &'a str)> {
        self.fields.iter().find_map(|field| {
            let value = field.value(event)?;
            let list = self.lists.iter().find(|list| list.list.holds(value, at))?;
            Some((value, &*list.name))
        })
    }
}

/// What a rule remembers, and when it fires.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Nothing: a building block.
    Base,
    Count {
        threshold: usize,
    },
    Distinct {
        fields: Vec<KeyPart>,
        threshold: usize,
    },
    /// Each of several rules; told apart by their places among the inputs.
    Each {
        steps: usize,
    },
    Sequence {
        steps: u8,
    },
    /// Several rules, as far as a condition over them wants: told apart by their places among the inputs.
    Pattern {
        condition: Condition,
    },
    /// A number worked out of the events of the window.
    Measure {
        measure: Measure,
        fields: Vec<KeyPart>,
        bounds: Bounds,
    },
    FirstSeen {
        field: Vec<KeyPart>,
        learning_us: i64,
        forget_us: i64,
    },
    Absence {
        factor: u32,
        at_least_us: i64,
        learning_us: i64,
        samples: u32,
    },
    Rate(rate::Limits),
    Regular(regular::Limits),
}

/// Circumstances under which alone an event counts.
#[derive(Debug)]
pub(crate) struct When {
    /// Whether one of them must be so, or none of them may be.
    pub(crate) any: bool,
    pub(crate) circumstances: Vec<Circumstance>,
}

/// Something about an event that only memory or the clock can tell.
#[derive(Debug)]
pub(crate) enum Circumstance {
    /// The set of that number does not hold the event's values.
    Unseen {
        set: usize,
    },
    OutsideWorkingHours,
    /// The address in that field belongs to a server.
    Server {
        field: KeyField,
    },
}

/// Values once seen together, taught by the events of some rules.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnseenSet {
    pub(crate) fields: Vec<KeyPart>,
    pub(crate) taught_by: Vec<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Seq;

    #[test]
    fn facts_go_where_their_names_stand() {
        let facts = [("user.name".to_owned(), "an".to_owned())].into();
        let detection = Detection {
            id: "0".into(),
            rule: "r".into(),
            rules_version: "1".into(),
            key: Vec::new(),
            entity: None,
            disposition: Disposition::Queue,
            effect: Effect::Attempt,
            seq: Seq(1),
            first_at: Micros(0),
            last_at: Micros(0),
            count: 12,
            evidence: Vec::new(),
            query: String::new(),
            facts,
        };
        let check = |template, expected: &str| assert_eq!(fill(template, &detection), expected);
        check("{count} lần sai của {user.name}", "12 lần sai của an");
        check("{nothing} {", "? {");
    }
}
