//! One document to one rule.

use std::collections::BTreeMap;

use event::{Disposition, Effect, Field};
use query::{Condition as Ask, Expr, FieldName, Literal};

use crate::field_map::FieldMap;
use crate::key::{self, KeyField, KeyPart};
use crate::load::Placed;
use crate::rule::{
    Circumstance, Input, Kind, Rule, RuleInfo, RuleKind, RuleState, RuleText, TunableInfo,
    UnseenSet, When,
};
use crate::rule_file::{self, Correlation, CorrelationType, Level, Ours, Status, Tunable};
use crate::settings::RuleSettings;
use crate::{Span, logsource, sigma_detection};

/// Thresholds above this would remember too much of each key.
const THRESHOLD_MAX: u32 = 10_000;
/// A sequence of more steps is no rule that a person wrote.
const STEPS_MAX: usize = 16;
const DEFAULT_QUIET: Span = Span::seconds(3_600);
const DEFAULT_FORGET: Span = Span::seconds(90 * 86_400);
const DEFAULT_AT_LEAST: Span = Span::seconds(300);
const DAY: Span = Span::seconds(86_400);

/// What a document is compiled against: the rules before it, the sets shared by all, and the site's settings.
#[derive(Debug)]
pub(crate) struct Compiler<'a> {
    pub(crate) rules: &'a [Rule],
    pub(crate) sets: &'a mut Vec<UnseenSet>,
    pub(crate) settings: &'a RuleSettings,
}

impl Compiler<'_> {
    /// The rule of a document whose references are the rules in those places.
    pub(crate) fn rule(&mut self, placed: &Placed, references: &[usize]) -> Result<Rule, String> {
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
        let (input, kind, keys, window, blind) = compiled;
        let teachers: Vec<usize> = match &input {
            Input::Rules { places, .. } => places.clone(),
            Input::Events { .. } => vec![self.rules.len()],
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
        let query = self.query(&input);
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
            query,
        };
        rule.fingerprint = fingerprint(&rule, self.sets);
        Ok(rule)
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
            Some(gate) => (gate.clone(), None),
            None => (
                Expr::None,
                Some(format!(
                    "no log source is known as {source}: add a row to rules/tables/logsources.yml"
                )),
            ),
        };
        let detection = document.detection.as_ref().ok_or("has no `detection`")?;
        let fields = match blind {
            Some(_) => FieldMap::of_unknown(&source),
            None => FieldMap::of(&source),
        };
        let expr = sigma_detection::compile(detection, &fields)?;
        let key = match ours.key.0.as_slice() {
            [] => vec![KeyPart::parse(
                ours.entity.as_deref().unwrap_or("nhatky.device"),
            )],
            parts => parts.iter().map(|part| KeyPart::parse(part)).collect(),
        };
        let window = numbers.span(Tunable::Window, ours.quiet.or(Some(DEFAULT_QUIET)))?;
        let kind = if ours.base {
            Kind::Base
        } else {
            Kind::Count { threshold: 1 }
        };
        Ok((Input::Events { gate, expr }, kind, vec![key], window, blind))
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
        let keys = self.keys(correlation);
        let kind = self.kind(correlation, numbers)?;
        let window = match kind {
            Kind::Absence { .. } => DAY,
            _ => numbers.span(Tunable::Window, correlation.timespan)?,
        };
        let filter = match correlation.r#type {
            CorrelationType::List => in_list(correlation)?,
            _ => Expr::All,
        };
        Ok((Input::Rules { places, filter }, kind, keys, window, None))
    }

    /// One key for all inputs, or one for each where aliases name different fields.
    fn keys(&self, correlation: &Correlation) -> Vec<Vec<KeyPart>> {
        let key_of = |input: &String| {
            let field = |name: &String| {
                let alias = correlation
                    .aliases
                    .get(name)
                    .and_then(|fields| fields.get(input));
                KeyPart::parse(alias.unwrap_or(name))
            };
            correlation.group_by.0.iter().map(field).collect::<Vec<_>>()
        };
        if correlation.aliases.is_empty() {
            return correlation
                .rules
                .0
                .first()
                .map(key_of)
                .into_iter()
                .collect();
        }
        correlation.rules.0.iter().map(key_of).collect()
    }

    fn kind(&self, correlation: &Correlation, numbers: &mut Numbers<'_>) -> Result<Kind, String> {
        let given = correlation.condition.as_ref();
        let threshold = given.and_then(|threshold| {
            threshold
                .gte
                .or(threshold.gt.map(|gt| gt.saturating_add(1)))
        });
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
            CorrelationType::EventCount => Kind::Count {
                threshold: numbers.threshold(threshold)?,
            },
            CorrelationType::ValueCount => {
                let field = given
                    .and_then(|given| given.field.as_deref())
                    .ok_or("correlation.condition.field is missing")?;
                Kind::Distinct {
                    field: KeyPart::parse(field),
                    threshold: numbers.threshold(threshold)?,
                }
            }
            CorrelationType::Temporal | CorrelationType::TemporalOrdered
                if !(2..=STEPS_MAX).contains(&steps) =>
            {
                return Err(format!(
                    "correlation.rules must name 2 to {STEPS_MAX} rules"
                ));
            }
            CorrelationType::Temporal => Kind::Each { steps },
            CorrelationType::TemporalOrdered => Kind::Sequence {
                steps: u8::try_from(steps).unwrap_or(u8::MAX),
            },
            CorrelationType::List if correlation.field.0.len() != 1 => {
                return Err("correlation.field must name one field".to_owned());
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
            CorrelationType::Rate => Kind::Rate {
                factor: correlation.factor.unwrap_or(3),
                at_least: numbers.threshold(threshold.or(Some(1)))? as u64,
                samples: numbers.number(Tunable::Samples, correlation.samples.unwrap_or(24)),
            },
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
    fn query(&self, input: &Input) -> Expr {
        match input {
            Input::Events { gate, expr } => Expr::and([gate.clone(), expr.clone()]),
            Input::Rules { places, filter } => {
                let queries = places
                    .iter()
                    .filter_map(|place| self.rules.get(*place))
                    .map(|rule| rule.query.clone());
                Expr::and([Expr::or(queries), filter.clone()])
            }
        }
    }
}

type Compiled = (Input, Kind, Vec<Vec<KeyPart>>, Span, Option<String>);

/// The values of the list, as a condition on its field.
fn in_list(correlation: &Correlation) -> Result<Expr, String> {
    let field = correlation
        .field
        .0
        .first()
        .ok_or("correlation.field is missing")?;
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
    Ok(Expr::field(FieldName::new(field), ask))
}

/// The numbers of a rule: its file's, changed by the settings, and noted for people.
struct Numbers<'a> {
    settings: &'a RuleSettings,
    reasons: &'a BTreeMap<Tunable, rule_file::Texts>,
    infos: Vec<TunableInfo>,
}

impl Numbers<'_> {
    fn threshold(&mut self, given: Option<u32>) -> Result<usize, String> {
        let given = given.ok_or("correlation.condition needs `gte` or `gt`: only these are decided when an event arrives")?;
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
    let (by_level, effect_by_level) = match document.level {
        Some(Level::Critical | Level::High) => (Disposition::Queue, Effect::Compromise),
        Some(Level::Medium) => (Disposition::Digest, Effect::Attempt),
        Some(Level::Low | Level::Informational) => (Disposition::Signal, Effect::Attempt),
        None => (Disposition::Queue, Effect::Attempt),
    };
    let runbook = |of: fn(&rule_file::Texts) -> &String| {
        ours.runbook
            .as_ref()
            .map(|texts| of(texts).clone())
            .unwrap_or_default()
    };
    let plain = || rule_file::Text {
        title: document.title.clone(),
        detail: document.description.clone().unwrap_or_default(),
    };
    let texts = ours.texts.as_ref();
    RuleInfo {
        id: placed.id().unwrap_or_default().into(),
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
        tags: document.tags.clone(),
        query: query.to_string(),
        vi: RuleText::from((
            texts.map_or_else(plain, |texts| texts.vi.clone()),
            runbook(|texts| &texts.vi),
        )),
        en: RuleText::from((
            texts.map_or_else(plain, |texts| texts.en.clone()),
            runbook(|texts| &texts.en),
        )),
        samples: ours.samples.clone(),
    }
}

fn rule_kind(correlation: Option<&Correlation>) -> RuleKind {
    match correlation.map(|correlation| correlation.r#type) {
        None => RuleKind::Sigma,
        Some(CorrelationType::EventCount) => RuleKind::EventCount,
        Some(CorrelationType::ValueCount) => RuleKind::ValueCount,
        Some(CorrelationType::Temporal) => RuleKind::Temporal,
        Some(CorrelationType::TemporalOrdered) => RuleKind::TemporalOrdered,
        Some(CorrelationType::FirstSeen) => RuleKind::FirstSeen,
        Some(CorrelationType::Absence) => RuleKind::Absence,
        Some(CorrelationType::Rate) => RuleKind::Rate,
        Some(CorrelationType::List) => RuleKind::List,
    }
}

/// A hash of everything that gives meaning to what a rule remembers.
fn fingerprint(rule: &Rule, sets: &[UnseenSet]) -> u64 {
    let Rule {
        input,
        kind,
        keys,
        window_us,
        when,
        query,
        ..
    } = rule;
    let places = match input {
        Input::Rules { places, .. } => places.len(),
        Input::Events { .. } => 0,
    };
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
        format!("{query}\n{kind:?}\n{keys:?}\n{window_us}\n{places}\n{any:?}\n{circumstances:?}")
            .as_bytes(),
    )
}

/// Which classes and products an event must have to be looked at: what the index of rules goes by.
pub(crate) fn required(expr: &Expr, field: Field) -> Option<Vec<&str>> {
    match expr {
        Expr::And(members) => members.iter().find_map(|member| required(member, field)),
        Expr::Or(members) => {
            let each: Option<Vec<_>> = members
                .iter()
                .map(|member| required(member, field))
                .collect();
            each.map(|lists| lists.concat())
        }
        Expr::Test(query::Test::Field(name, ask)) if name.known() == Some(field) => match ask {
            Ask::Is(literal) => Some(vec![literal.text()]),
            Ask::OneOf(literals) => Some(literals.iter().map(Literal::text).collect()),
            _ => None,
        },
        _ => None,
    }
}
