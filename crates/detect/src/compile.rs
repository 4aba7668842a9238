//! One document to one rule.

use std::collections::BTreeMap;
use std::sync::Arc;

use event::{Disposition, Effect};
use query::{Condition as Ask, Expr, FieldName, Literal};

use crate::clause::Clause;
use crate::field_map::FieldMap;
use crate::indicator_list::NamedList;
use crate::key::{self, KeyField, KeyPart};
use crate::load::Placed;
use crate::measure::{Bounds, Measure};
use crate::rule::{
    Circumstance, Input, Kind, Listed, Rule, RuleInfo, RuleKind, RuleState, RuleText, TunableInfo,
    UnseenSet, When,
};
use crate::rule_file::{
    self, Correlation, CorrelationType, Level, Ours, Status, Threshold, Tunable, Wanted,
};
use crate::settings::RuleSettings;
use crate::sigma_detection::Reading;
use crate::sigma_filter::Filter;
use crate::{Settings, Span, logsource, rate, regular, sigma_condition, sigma_detection, usual};

/// Thresholds above this would remember too much of each key.
const THRESHOLD_MAX: u32 = 10_000;
/// A sequence of more steps is no rule that a person wrote.
const STEPS_MAX: usize = 16;
/// Alerts name by it what adds up for an entity; no rule may be called so.
const RISK: &str = "risk";
const DEFAULT_QUIET: Span = Span::seconds(3_600);
const DEFAULT_FORGET: Span = Span::seconds(90 * 86_400);
const DEFAULT_AT_LEAST: Span = Span::seconds(300);
/// One connection's own chatter is faster.
const DEFAULT_INTERVAL: Span = Span::seconds(30);
/// In percent. Tools that sleep for a time less up to a third of it are within.
const DEFAULT_JITTER: u32 = 10;
const DAY: Span = Span::seconds(86_400);

/// What a document is compiled against: the rules before it, the sets shared by all, the filters, and the site's
/// settings.
#[derive(Debug)]
pub(crate) struct Compiler<'a> {
    pub(crate) rules: &'a [Rule],
    /// The events that those of these look at to which others refer.
    pub(crate) queries: &'a BTreeMap<usize, Expr>,
    pub(crate) sets: &'a mut Vec<UnseenSet>,
    pub(crate) filters: &'a [Filter],
    pub(crate) lists: &'a [Arc<NamedList>],
    pub(crate) site: &'a Settings,
    pub(crate) settings: &'a RuleSettings,
}

/// A rule, and what the matcher is to find for it if it is one on events that can match.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Rule,
    /// The events that it looks at.
    pub(crate) query: Expr,
    pub(crate) watch: Option<(&'static Clause, Clause)>,
}

impl Compiler<'_> {
    /// The rule of a document whose references are the rules in those places.
    pub(crate) fn rule(
        &mut self,
        placed: &Placed,
        references: &[usize],
    ) -> Result<CompiledRule, String> {
        if placed.id() == RISK {
            return Err(format!(
                "`{RISK}` stands for the risk of entities: give the rule another id"
            ));
        }
        let document = &placed.document;
        let defaults = Ours::default();
        let ours = document.nhatky.as_ref().unwrap_or(&defaults);
        let mut numbers = Numbers {
            settings: self.settings,
            reasons: &ours.tunables,
            infos: Vec::new(),
        };
        let compiled = match (&document.detection, &document.correlation) {
            (Some(_), None) => self.sigma(placed, ours, &mut numbers)?,
            (None, Some(correlation)) => self.correlation(correlation, references, &mut numbers)?,
            (Some(_), Some(_)) => {
                return Err(
                    "has both `detection` and `correlation`: split it in two documents".to_owned(),
                );
            }
            (None, None) => return Err("has neither `detection` nor `correlation`".to_owned()),
        };
        let Compiled {
            input,
            kind,
            keys,
            window,
            blind,
            names,
            together,
            mut watch,
        } = compiled;
        let teachers: Vec<usize> = match &input {
            Input::Rules { places, .. } => places.clone(),
            Input::Events => vec![self.rules.len()],
        };
        let when = ours
            .when
            .as_ref()
            .map(|when| self.when(when, &teachers))
            .transpose()?;
        let entity = match ours.entity.as_deref() {
            Some(name) => Some(KeyField::parse(name)),
            None => keys
                .first()
                .and_then(|key| key.iter().find(|part| part.what.entity_kind().is_some()))
                .map(|part| part.what.clone()),
        };
        if let Some(name) = ours.entity.as_deref().filter(|_| {
            entity
                .as_ref()
                .is_some_and(|field| field.entity_kind().is_none())
        }) {
            return Err(format!(
                "nhatky.entity: `{name}` names no user, address or host"
            ));
        }
        let query = self.query(&input, watch.as_ref());
        let info = info(
            placed,
            ours,
            &numbers.infos,
            blind,
            self.settings,
            entity.as_ref(),
            &keys,
            &query,
        );
        let emits = matches!(info.state, RuleState::Active);
        if matches!(info.state, RuleState::Disabled | RuleState::Blind(_)) {
            watch = None;
        }
        let mut rule = Rule {
            info,
            input,
            kind,
            keys,
            window_us: window.micros(),
            emits,
            when,
            entity,
            fingerprint: 0,
            needs_full_depth: query.needs_full_depth(),
            names,
            together,
        };
        rule.fingerprint = fingerprint(&rule, self.sets);
        Ok(CompiledRule { rule, query, watch })
    }

    fn sigma(
        &self,
        placed: &Placed,
        ours: &Ours,
        numbers: &mut Numbers<'_>,
    ) -> Result<Compiled, String> {
        let document = &placed.document;
        let source = document.logsource.clone().ok_or("has no `logsource`")?;
        let (gate, blind) = match logsource::gate(&source) {
            Ok(gate) => (Some(gate), None),
            Err(reason) => (None, Some(reason)),
        };
        let detection = document.detection.as_ref().ok_or("has no `detection`")?;
        let names = match blind {
            Some(_) => FieldMap::of_unknown(&source),
            None => FieldMap::of(&source),
        };
        let reading = Reading {
            fields: &names,
            placeholders: &self.site.placeholders,
            utc_offset_minutes: self.site.working_hours.utc_offset_minutes,
        };
        let mut clauses = vec![sigma_detection::compile(detection, reading)?];
        for filter in self.filters.iter().filter(|filter| filter.is_for(placed)) {
            let clause = filter.clause(reading);
            clauses.push(clause.map_err(|error| {
                format!("the filter {} cannot be used: {error}", filter.placed.id())
            })?);
        }
        let clause = Clause::and(clauses);
        let key = match ours.key.0.as_slice() {
            [] => vec![KeyPart::parse(
                ours.entity.as_deref().unwrap_or("nhatky.device"),
            )],
            parts => parts
                .iter()
                .map(|part| KeyPart::of(part, &names))
                .collect::<Result<_, _>>()?,
        };
        let window = numbers.span(Tunable::Window, ours.quiet.or(Some(DEFAULT_QUIET)))?;
        let kind = if ours.base {
            Kind::Base
        } else {
            Kind::Count { threshold: 1 }
        };
        Ok(Compiled {
            input: Input::Events,
            kind,
            keys: vec![key],
            window,
            blind,
            names,
            together: gate.is_some_and(|gate| gate.together),
            watch: gate.map(|gate| (&gate.clause, clause)),
        })
    }

    fn correlation(
        &self,
        correlation: &Correlation,
        references: &[usize],
        numbers: &mut Numbers<'_>,
    ) -> Result<Compiled, String> {
        let inputs = correlation.rules.0.len();
        if inputs == 0 {
            return Err("correlation.rules is empty".to_owned());
        }
        let places: Vec<usize> = references.iter().take(inputs).copied().collect();
        let keys = self.keys(correlation, &places)?;
        let kind = self.kind(correlation, &places, numbers)?;
        let window = match kind {
            Kind::Absence { .. } => DAY,
            _ => numbers.span(Tunable::Window, correlation.timespan)?,
        };
        if let Kind::Regular(limits) = kind {
            check_room(limits, window)?;
        }
        let is_list = correlation.r#type == CorrelationType::List;
        let of_files = is_list && !correlation.list.0.is_empty();
        let filter = match is_list && !of_files {
            true => in_list(correlation)?,
            false => Expr::All,
        };
        let (listed, no_list) = match of_files {
            true => self.listed(correlation, &places)?,
            false => (None, None),
        };
        let names = places.first().map_or_else(
            || FieldMap::of(&rule_file::LogSource::default()),
            |place| self.names(*place),
        );
        let blind = self.blind_inputs(correlation, &places).or(no_list);
        let together = places
            .iter()
            .any(|place| self.rules.get(*place).is_some_and(|rule| rule.together));
        Ok(Compiled {
            input: Input::Rules {
                places,
                filter: Box::new(filter),
                listed,
            },
            kind,
            keys,
            window,
            blind,
            names,
            together,
            watch: None,
        })
    }

    /// The lists that a correlation names, or why it is blind.
    fn listed(
        &self,
        correlation: &Correlation,
        places: &[usize],
    ) -> Result<(Option<Listed>, Option<String>), String> {
        let names = places.first().map(|place| self.names(*place));
        let names = names.ok_or("correlation.rules is empty")?;
        let fields = correlation.field.0.iter();
        let fields = fields
            .map(|field| KeyPart::of(field, &names).map(|part| part.what))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("correlation.field: {error}"))?;
        let wanted = |list: &&Arc<NamedList>| {
            let names = &correlation.list.0;
            names.iter().any(|name| name == "*" || **name == *list.name)
        };
        let mut lists: Vec<Arc<NamedList>> = self.lists.iter().filter(wanted).cloned().collect();
        if !correlation.values.is_empty() {
            lists.push(Arc::new(NamedList::of_rule(&correlation.values)?));
        }
        if lists.is_empty() {
            let names = correlation.list.0.join(", ");
            let reason = format!(
                "there is no list {names}: put NAME.txt or NAME.csv into lists/ of the content folder"
            );
            return Ok((None, Some(reason)));
        }
        Ok((Some(Listed { fields, lists }), None))
    }

    /// Why it can never match, where that follows from the rules that it refers to.
    fn blind_inputs(&self, correlation: &Correlation, places: &[usize]) -> Option<String> {
        let needs_all = matches!(
            correlation.r#type,
            CorrelationType::Temporal | CorrelationType::TemporalOrdered
        ) && correlation.condition.is_none();
        let mut blind = places.iter().filter_map(|place| {
            let info = &self.rules.get(*place)?.info;
            match &info.state {
                RuleState::Blind(reason) => {
                    Some(format!("its rule {} is blind: {reason}", info.id))
                }
                RuleState::Active | RuleState::Base | RuleState::Disabled => None,
            }
        });
        let first = blind.next()?;
        (needs_all || blind.count() + 1 == places.len()).then_some(first)
    }

    /// What the names of fields mean in the events of that rule.
    fn names(&self, place: usize) -> FieldMap<'static> {
        self.rules.get(place).map_or_else(
            || FieldMap::of(&rule_file::LogSource::default()),
            |rule| rule.names.clone(),
        )
    }

    /// One key for all inputs, or one for each where they name different fields.
    fn keys(
        &self,
        correlation: &Correlation,
        places: &[usize],
    ) -> Result<Vec<Vec<KeyPart>>, String> {
        let mut keys: Vec<Vec<KeyPart>> = Vec::new();
        for (input, place) in correlation.rules.0.iter().zip(places) {
            let names = self.names(*place);
            let mut key = Vec::new();
            for name in &correlation.group_by.0 {
                let alias = correlation
                    .aliases
                    .get(name)
                    .and_then(|fields| fields.get(input));
                let part = KeyPart::of(alias.unwrap_or(name), &names);
                key.push(part.map_err(|error| format!("correlation.group-by: {error}"))?);
            }
            keys.push(key);
        }
        if keys.iter().all(|key| Some(key) == keys.first()) {
            keys.truncate(1);
        }
        Ok(keys)
    }

    /// The fields of a correlation's condition, as the rules that it refers to name them.
    fn condition_fields(
        &self,
        threshold: &Threshold,
        places: &[usize],
    ) -> Result<Vec<KeyPart>, String> {
        if threshold.field.0.is_empty() {
            return Err("correlation.condition.field is missing".to_owned());
        }
        let names = places.first().map(|place| self.names(*place));
        let names = names.ok_or("correlation.rules is empty")?;
        let fields = threshold.field.0.iter();
        fields
            .map(|field| KeyPart::of(field, &names))
            .collect::<Result<_, _>>()
            .map_err(|error| format!("correlation.condition.field: {error}"))
    }

    fn kind(
        &self,
        correlation: &Correlation,
        places: &[usize],
        numbers: &mut Numbers<'_>,
    ) -> Result<Kind, String> {
        let extended = matches!(
            correlation.r#type,
            CorrelationType::Temporal | CorrelationType::TemporalExtended
        );
        let no_bounds = Threshold::default();
        let given = match &correlation.condition {
            Some(Wanted::Rules(condition)) if extended => {
                return pattern(condition, &correlation.rules.0);
            }
            Some(Wanted::Rules(_)) => {
                return Err("correlation.condition over rules is for `temporal` alone".to_owned());
            }
            Some(Wanted::Within(threshold)) => Some(&**threshold),
            None => None,
        };
        let bounds = || Bounds::of(given.unwrap_or(&no_bounds));
        let steps = correlation.rules.0.len();
        let fields = || {
            correlation
                .field
                .0
                .iter()
                .map(|field| KeyPart::parse(field))
                .collect::<Vec<_>>()
        };
        Ok(match correlation.r#type {
            CorrelationType::EventCount | CorrelationType::ValueCount => {
                let counted = correlation.r#type == CorrelationType::ValueCount;
                let fields = match counted {
                    true => self.condition_fields(given.unwrap_or(&no_bounds), places)?,
                    false => Vec::new(),
                };
                let bounds = bounds()?;
                match (bounds.at_least(), counted) {
                    (Some(at_least), false) => Kind::Count {
                        threshold: numbers.threshold(at_least)?,
                    },
                    (Some(at_least), true) => Kind::Distinct {
                        fields,
                        threshold: numbers.threshold(at_least)?,
                    },
                    (None, false) => measured(Measure::Count, fields, bounds)?,
                    (None, true) => measured(Measure::Distinct, fields, bounds)?,
                }
            }
            CorrelationType::ValueSum
            | CorrelationType::ValueAvg
            | CorrelationType::ValuePercentile
            | CorrelationType::ValueMedian => {
                let given = given.unwrap_or(&no_bounds);
                let fields = self.condition_fields(given, places)?;
                if fields.len() != 1 {
                    return Err("correlation.condition.field must name one field".to_owned());
                }
                let percent = given.percentile.unwrap_or(50.0);
                let measure = match correlation.r#type {
                    CorrelationType::ValueSum => Measure::Sum,
                    CorrelationType::ValueAvg => Measure::Average,
                    CorrelationType::ValueMedian => Measure::Percentile(50.0),
                    _ if (0.0..=100.0).contains(&percent) => Measure::Percentile(percent),
                    _ => return Err("correlation.condition.percentile is from 0 to 100".to_owned()),
                };
                measured(measure, fields, bounds()?)?
            }
            CorrelationType::TemporalExtended => {
                return Err("correlation.condition must say which rules are wanted".to_owned());
            }
            CorrelationType::TemporalOrderedExtended => {
                return Err(
                    "an order with a condition over its rules is not supported: write `temporal_ordered`"
                        .to_owned(),
                );
            }
            CorrelationType::Temporal | CorrelationType::TemporalOrdered
                if !(2..=STEPS_MAX).contains(&steps) =>
            {
                return Err(format!(
                    "correlation.rules must name 2 to {STEPS_MAX} rules"
                ));
            }
            CorrelationType::Temporal => Kind::Each {
                steps: match given {
                    None => steps,
                    Some(given) => {
                        let at_least = Bounds::of(given)?.at_least();
                        let at_least = at_least.and_then(|number| usize::try_from(number).ok());
                        at_least
                            .filter(|number| (1..=steps).contains(number))
                            .ok_or_else(|| {
                                format!("correlation.condition of `temporal` is `gte`, from 1 to {steps}")
                            })?
                    }
                },
            },
            CorrelationType::TemporalOrdered => Kind::Sequence {
                steps: u8::try_from(steps).unwrap_or(u8::MAX),
            },
            CorrelationType::List if correlation.field.0.is_empty() => {
                return Err("correlation.field is missing".to_owned());
            }
            CorrelationType::List => Kind::Count { threshold: 1 },
            CorrelationType::FirstSeen if correlation.field.0.is_empty() => {
                return Err("correlation.field is missing".to_owned());
            }
            CorrelationType::FirstSeen => Kind::FirstSeen {
                field: fields(),
                learning_us: numbers
                    .span(
                        Tunable::Learning,
                        correlation.learning.or(Some(Span::seconds(0))),
                    )?
                    .micros(),
                forget_us: correlation.forget.unwrap_or(DEFAULT_FORGET).micros(),
            },
            CorrelationType::Absence => Kind::Absence {
                factor: numbers.number(Tunable::Threshold, correlation.factor.unwrap_or(3)),
                at_least_us: numbers
                    .span(
                        Tunable::AtLeast,
                        correlation.at_least.or(Some(DEFAULT_AT_LEAST)),
                    )?
                    .micros(),
                learning_us: numbers
                    .span(Tunable::Learning, correlation.learning.or(Some(DAY)))?
                    .micros(),
                samples: numbers.number(Tunable::Samples, correlation.samples.unwrap_or(100)),
            },
            CorrelationType::Regular => {
                let at_least = bounds()?.at_least();
                let at_least = at_least.ok_or("correlation.condition of `regular` is `gte`")?;
                Kind::Regular(regular_limits(correlation, at_least, numbers)?)
            }
            CorrelationType::Rate => {
                let at_least = given.map(Bounds::of).transpose()?;
                let at_least = at_least.as_ref().map_or(Some(1), Bounds::at_least);
                let at_least = at_least.ok_or("correlation.condition of `rate` is `gte`")?;
                let samples = numbers.number(Tunable::Samples, correlation.samples.unwrap_or(5));
                let samples = usize::try_from(samples).ok();
                let samples = samples.filter(|samples| (1..=usual::DEPTH).contains(samples));
                Kind::Rate(rate::Limits {
                    deviations: correlation.factor.unwrap_or(3),
                    side: correlation.side,
                    at_least: numbers.threshold(at_least)? as u64,
                    samples: samples.ok_or_else(|| {
                        format!(
                            "samples of a `rate` are 1 to {}: windows at that hour of such a day",
                            usual::DEPTH
                        )
                    })?,
                })
            }
        })
    }

    fn when(&mut self, when: &rule_file::When, teachers: &[usize]) -> Result<When, String> {
        if when.any.is_empty() == when.none.is_empty() {
            return Err("nhatky.when takes either `any` or `none`".to_owned());
        }
        let mut circumstances = Vec::new();
        for circumstance in when.circumstances() {
            circumstances.push(self.circumstance(circumstance, teachers)?);
        }
        Ok(When {
            any: !when.any.is_empty(),
            circumstances,
        })
    }

    fn circumstance(
        &mut self,
        circumstance: &rule_file::Circumstance,
        teachers: &[usize],
    ) -> Result<Circumstance, String> {
        let rule_file::Circumstance {
            unseen,
            taught_by,
            outside_working_hours,
            server,
        } = circumstance;
        match (unseen.0.as_slice(), outside_working_hours, server) {
            ([], true, None) => Ok(Circumstance::OutsideWorkingHours),
            ([], false, Some(field)) => Ok(Circumstance::Server {
                field: KeyField::parse(field),
            }),
            ([_, ..], false, None) => {
                let fields = unseen.0.iter().map(|field| KeyPart::parse(field)).collect();
                let taught_by = match taught_by.0.as_slice() {
                    [] => teachers.to_vec(),
                    names => names
                        .iter()
                        .filter_map(|name| self.place_of(name))
                        .collect(),
                };
                Ok(Circumstance::Unseen {
                    set: self.set(UnseenSet { fields, taught_by }),
                })
            }
            _ => Err(
                "nhatky.when: a circumstance is one of `unseen`, `outside_working_hours`, `server`"
                    .to_owned(),
            ),
        }
    }

    /// The number of the set, which rules with the same one share.
    fn set(&mut self, set: UnseenSet) -> usize {
        if let Some(number) = self.sets.iter().position(|other| *other == set) {
            return number;
        }
        self.sets.push(set);
        self.sets.len() - 1
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.rules
            .iter()
            .position(|rule| &*rule.info.id == name || rule.info.name.as_deref() == Some(name))
    }

    /// The events that a rule looks at.
    fn query(&self, input: &Input, watch: Option<&(&'static Clause, Clause)>) -> Expr {
        match input {
            Input::Events => watch.map_or(Expr::None, |(gate, clause)| {
                Expr::and([gate.query(), clause.query()])
            }),
            Input::Rules { places, filter, .. } => {
                let queries = places
                    .iter()
                    .filter_map(|place| self.queries.get(place).cloned());
                Expr::and([Expr::or(queries), Expr::clone(filter)])
            }
        }
    }
}

/// A document's own part of a rule.
struct Compiled {
    input: Input,
    kind: Kind,
    keys: Vec<Vec<KeyPart>>,
    window: Span,
    blind: Option<String>,
    names: FieldMap<'static>,
    together: bool,
    watch: Option<(&'static Clause, Clause)>,
}

fn measured(measure: Measure, fields: Vec<KeyPart>, bounds: Bounds) -> Result<Kind, String> {
    let hits = measure.hits_max(&bounds);
    if !measure.is_of_numbers() && hits > THRESHOLD_MAX as usize {
        return Err(format!("the bounds must not pass {THRESHOLD_MAX}"));
    }
    Ok(Kind::Measure {
        measure,
        fields,
        bounds,
    })
}

/// When intervals are regular, of which so many are wanted.
fn regular_limits(
    correlation: &Correlation,
    intervals: u32,
    numbers: &mut Numbers<'_>,
) -> Result<regular::Limits, String> {
    let intervals = numbers.threshold(intervals)?;
    if !regular::INTERVALS.contains(&intervals) {
        let (fewest, most) = (regular::INTERVALS.start(), regular::INTERVALS.end());
        return Err(format!(
            "the threshold of a `regular` must be {fewest} to {most} intervals, not {intervals}"
        ));
    }
    let jitter = correlation.jitter.unwrap_or(DEFAULT_JITTER);
    if !regular::JITTER.contains(&jitter) {
        let (least, most) = (regular::JITTER.start(), regular::JITTER.end());
        return Err(format!(
            "correlation.jitter must be {least} to {most} percent, not {jitter}"
        ));
    }
    let at_least = correlation.at_least.or(Some(DEFAULT_INTERVAL));
    let at_least = numbers.span(Tunable::AtLeast, at_least)?;
    if at_least < Span::seconds(1) {
        return Err("at-least of a `regular` must be 1s or more".to_owned());
    }
    Ok(regular::Limits {
        intervals,
        at_least_us: at_least.micros(),
        jitter,
    })
}

/// So many of the shortest intervals must fit the window, or the rule could never fire.
fn check_room(limits: regular::Limits, window: Span) -> Result<(), String> {
    let intervals = i64::try_from(limits.intervals).unwrap_or(i64::MAX);
    if limits.at_least_us.saturating_mul(intervals) > window.micros() {
        return Err(format!(
            "{window} has no room for {intervals} intervals of at-least: lengthen the timespan"
        ));
    }
    Ok(())
}

/// A condition over rules.
fn pattern(condition: &str, rules: &[String]) -> Result<Kind, String> {
    if rules.len() > STEPS_MAX {
        return Err(format!(
            "correlation.rules must name up to {STEPS_MAX} rules"
        ));
    }
    let names: Vec<&str> = rules.iter().map(String::as_str).collect();
    let condition = sigma_condition::parse(condition, &names)
        .map_err(|error| format!("correlation.condition: {error}"))?;
    Ok(Kind::Pattern { condition })
}

/// The values of the list, as a condition on its field.
fn in_list(correlation: &Correlation) -> Result<Expr, String> {
    let literals: Vec<Literal> = correlation
        .values
        .iter()
        .map(|value| Literal::new(value))
        .collect();
    let ask = match literals.as_slice() {
        [] => return Err("correlation.values is empty".to_owned()),
        [only] => Ask::Is(only.clone()),
        _ => Ask::OneOf(literals.into()),
    };
    let fields = correlation.field.0.iter();
    Ok(Expr::or(fields.map(|field| {
        Expr::field(FieldName::new(field), ask.clone())
    })))
}

/// The numbers of a rule: its file's, changed by the settings, and noted for people.
struct Numbers<'a> {
    settings: &'a RuleSettings,
    reasons: &'a BTreeMap<Tunable, rule_file::Texts>,
    infos: Vec<TunableInfo>,
}

impl Numbers<'_> {
    fn threshold(&mut self, given: u32) -> Result<usize, String> {
        let threshold = self.number(Tunable::Threshold, given);
        if !(1..=THRESHOLD_MAX).contains(&threshold) {
            return Err(format!(
                "the threshold must be 1 to {THRESHOLD_MAX}, not {threshold}"
            ));
        }
        Ok(threshold as usize)
    }

    fn number(&mut self, tunable: Tunable, given: u32) -> u32 {
        let changed = match tunable {
            Tunable::Threshold => self.settings.threshold,
            Tunable::Samples => self.settings.samples,
            Tunable::Window | Tunable::Learning | Tunable::AtLeast => None,
        };
        self.note(tunable, given, changed)
    }

    fn span(&mut self, tunable: Tunable, given: Option<Span>) -> Result<Span, String> {
        let given = given.ok_or("correlation.timespan is missing")?;
        let changed = match tunable {
            Tunable::Window => self.settings.window,
            Tunable::Learning => self.settings.learning,
            Tunable::AtLeast => self.settings.at_least,
            Tunable::Threshold | Tunable::Samples => None,
        };
        Ok(self.note(tunable, given, changed))
    }

    fn note<T: Copy + ToString>(&mut self, tunable: Tunable, given: T, changed: Option<T>) -> T {
        let value = changed.unwrap_or(given);
        let reason = self.reasons.get(&tunable);
        self.infos.push(TunableInfo {
            name: tunable.name(),
            value: value.to_string(),
            default: given.to_string(),
            changed: changed.is_some(),
            reason_vi: reason.map(|texts| texts.vi.clone()).unwrap_or_default(),
            reason_en: reason.map(|texts| texts.en.clone()).unwrap_or_default(),
        });
        value
    }
}

fn info(
    placed: &Placed,
    ours: &Ours,
    tunables: &[TunableInfo],
    blind: Option<String>,
    settings: &RuleSettings,
    entity: Option<&KeyField>,
    keys: &[Vec<KeyPart>],
    query: &Expr,
) -> RuleInfo {
    let document = &placed.document;
    let withdrawn = matches!(
        document.status,
        Some(Status::Deprecated | Status::Unsupported)
    );
    let state = match blind {
        _ if !settings.enabled.unwrap_or(!withdrawn) => RuleState::Disabled,
        Some(reason) => RuleState::Blind(reason),
        None if ours.base => RuleState::Base,
        None => RuleState::Active,
    };
    // Rules with our block name no status: they are tried by their samples.
    let is_ours = document.nhatky.is_some();
    let tried = match document.status {
        None => is_ours,
        Some(status) => matches!(status, Status::Stable | Status::Test),
    };
    let (by_level, effect_by_level) = match document.level {
        Some(Level::Critical | Level::High) if tried => (Disposition::Queue, Effect::Compromise),
        Some(Level::Critical | Level::High) => (Disposition::Signal, Effect::Compromise),
        Some(Level::Medium) => (Disposition::Digest, Effect::Attempt),
        Some(Level::Low | Level::Informational) => (Disposition::Signal, Effect::Attempt),
        None if is_ours => (Disposition::Queue, Effect::Attempt),
        None => (Disposition::Signal, Effect::Attempt),
    };
    let (vi, en) = texts(document, ours);
    RuleInfo {
        id: placed.id().into(),
        name: document.name.as_deref().map(Box::from),
        title: document.title.clone(),
        description: document.description.clone().unwrap_or_default(),
        kind: rule_kind(document.correlation.as_ref()),
        file: placed.file.clone(),
        origin: placed.origin,
        state,
        disposition: settings
            .disposition
            .or(ours.disposition)
            .unwrap_or(by_level),
        effect: ours.effect.unwrap_or(effect_by_level),
        entity: entity.map(|field| field.name().to_owned()),
        key: keys
            .first()
            .map(|key| key.iter().map(|part| part.what.name().to_owned()).collect())
            .unwrap_or_default(),
        tunables: tunables.to_vec(),
        needs_classes: ours.needs.class.clone(),
        needs_fields: ours.needs.fields.clone(),
        tags: document.tags.0.clone(),
        query: query.to_string(),
        vi,
        en,
        samples: ours.samples.clone(),
    }
}

/// What people are told, Vietnamese and English: Sigma's own title and description where there is no text of ours.
fn texts(document: &rule_file::Document, ours: &Ours) -> (RuleText, RuleText) {
    let told = |text: Option<&rule_file::Text>, of: fn(&rule_file::Texts) -> &String| {
        let both = |texts: &Option<rule_file::Texts>| {
            texts
                .as_ref()
                .map(|texts| of(texts).trim().to_owned())
                .unwrap_or_default()
        };
        RuleText {
            title: text.map_or(&document.title, |text| &text.title).clone(),
            detail: text.map_or_else(
                || document.description.clone().unwrap_or_default(),
                |text| text.detail.clone(),
            ),
            runbook: both(&ours.runbook),
            misses: both(&ours.misses),
        }
    };
    let texts = ours.texts.as_ref();
    (
        told(texts.map(|texts| &texts.vi), |both| &both.vi),
        told(texts.map(|texts| &texts.en), |both| &both.en),
    )
}

fn rule_kind(correlation: Option<&Correlation>) -> RuleKind {
    match correlation.map(|correlation| correlation.r#type) {
        None => RuleKind::Sigma,
        Some(CorrelationType::EventCount) => RuleKind::EventCount,
        Some(CorrelationType::ValueCount) => RuleKind::ValueCount,
        Some(CorrelationType::ValueSum) => RuleKind::ValueSum,
        Some(CorrelationType::ValueAvg) => RuleKind::ValueAvg,
        Some(CorrelationType::ValuePercentile) => RuleKind::ValuePercentile,
        Some(CorrelationType::ValueMedian) => RuleKind::ValueMedian,
        Some(CorrelationType::Temporal | CorrelationType::TemporalExtended) => RuleKind::Temporal,
        Some(CorrelationType::TemporalOrdered | CorrelationType::TemporalOrderedExtended) => {
            RuleKind::TemporalOrdered
        }
        Some(CorrelationType::FirstSeen) => RuleKind::FirstSeen,
        Some(CorrelationType::Absence) => RuleKind::Absence,
        Some(CorrelationType::Rate) => RuleKind::Rate,
        Some(CorrelationType::Regular) => RuleKind::Regular,
        Some(CorrelationType::List) => RuleKind::List,
    }
}

/// A hash of everything that gives meaning to what a rule remembers.
fn fingerprint(rule: &Rule, sets: &[UnseenSet]) -> u64 {
    let Rule {
        info,
        input,
        kind,
        keys,
        window_us,
        when,
        ..
    } = rule;
    let query = &info.query;
    let (places, listed) = match input {
        Input::Rules { places, listed, .. } => (places.len(), listed.as_ref()),
        Input::Events => (0, None),
    };
    let listed = listed.map(|listed| &listed.fields);
    let circumstances: Vec<String> = when
        .iter()
        .flat_map(|when| &when.circumstances)
        .map(|circumstance| match circumstance {
            Circumstance::Unseen { set } => format!("{:?}", sets.get(*set).map(|set| &set.fields)),
            Circumstance::OutsideWorkingHours => "outside".to_owned(),
            Circumstance::Server { field } => format!("{field:?}"),
        })
        .collect();
    let any = when.as_ref().map(|when| when.any);
    key::hash(
        format!("{query}\n{kind:?}\n{keys:?}\n{window_us}\n{places}\n{any:?}\n{circumstances:?}{listed:?}")
            .as_bytes(),
    )
}
