//! All rules, compiled, ordered and indexed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

use event::{Event, EventClass, Field};
use query::Expr;
use sha2::{Digest, Sha256};

use crate::Settings;
use crate::compile::{self, Compiler};
use crate::load::{self, Placed, RuleProblem};
use crate::rule::{Input, Rule, RuleInfo, RuleState, UnseenSet};
use crate::settings::RuleSettings;

/// All rules under one set of settings. Immutable: another set of rules is another `Rules`.
#[derive(Debug)]
pub struct Rules {
    version: Box<str>,
    /// Each after those it refers to.
    pub(crate) rules: Vec<Rule>,
    pub(crate) sets: Vec<UnseenSet>,
    pub(crate) settings: Settings,
    pub(crate) workstations: BTreeSet<IpAddr>,
    /// For each rule, those that refer to it.
    pub(crate) dependents: Vec<Vec<usize>>,
    /// For each rule, the sets that its events teach.
    pub(crate) teaches: Vec<Vec<usize>>,
    index: Index,
    problems: Vec<RuleProblem>,
}

impl Rules {
    /// Reads the built-in rules and those of the site (`CONTENT/rules/*.yml`; a file of the same name, or a rule of the
    /// same id, stands in place of ours) and compiles them under the settings.
    ///
    /// Never fails: what is wrong is left out and told by [`problems`](Self::problems).
    #[must_use]
    pub fn load(content: Option<&Path>, settings: &Settings) -> Self {
        let mut problems = Vec::new();
        let documents = load::documents(content, &mut problems);
        Self::compile(documents, settings, problems)
    }

    /// The rules of these texts (file name and YAML) alone: for trying a rule.
    #[must_use]
    pub fn from_texts(texts: &[(&str, &str)], settings: &Settings) -> Self {
        let mut problems = Vec::new();
        let documents = load::of_texts(texts, &mut problems);
        Self::compile(documents, settings, problems)
    }

    fn compile(
        documents: Vec<Placed>,
        settings: &Settings,
        mut problems: Vec<RuleProblem>,
    ) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        let mut sets = Vec::new();
        let mut place_of: BTreeMap<usize, usize> = BTreeMap::new();
        let defaults = RuleSettings::default();
        let mut quiet_inputs = BTreeSet::new();
        for (at, (placed, references)) in load::in_order(documents, &mut problems)
            .into_iter()
            .enumerate()
        {
            let references: Option<Vec<usize>> = references
                .iter()
                .map(|at| place_of.get(at).copied())
                .collect();
            let Some(references) = references else {
                problems.push(placed.problem("refers to a rule that has a mistake"));
                continue;
            };
            let own = placed
                .id()
                .and_then(|id| settings.rules.get(id))
                .unwrap_or(&defaults);
            let compiled = Compiler {
                rules: &rules,
                sets: &mut sets,
                settings: own,
            }
            .rule(&placed, &references);
            match compiled {
                Ok(rule) => {
                    place_of.insert(at, rules.len());
                    if let (Input::Rules { places, .. }, false) = (&rule.input, placed.generates())
                    {
                        quiet_inputs.extend(places.iter().copied());
                    }
                    rules.push(rule);
                }
                Err(mistake) => problems.push(placed.problem(mistake)),
            }
        }
        silence_building_blocks(&mut rules, &quiet_inputs);
        unknown_settings(settings, &rules, &mut problems);
        Self::assembled(rules, sets, settings, problems)
    }

    fn assembled(
        rules: Vec<Rule>,
        sets: Vec<UnseenSet>,
        settings: &Settings,
        problems: Vec<RuleProblem>,
    ) -> Self {
        let mut dependents = vec![Vec::new(); rules.len()];
        for (place, rule) in rules.iter().enumerate() {
            let Input::Rules { places, .. } = &rule.input else {
                continue;
            };
            for input in places {
                if let Some(list) = dependents
                    .get_mut(*input)
                    .filter(|list: &&mut Vec<usize>| list.last() != Some(&place))
                {
                    list.push(place);
                }
            }
        }
        let taught_by = |place: usize| {
            let taught = sets
                .iter()
                .enumerate()
                .filter(|(_, set)| set.taught_by.contains(&place));
            taught.map(|(number, _)| number).collect()
        };
        Self {
            version: version(&rules, settings),
            teaches: (0..rules.len()).map(taught_by).collect(),
            index: Index::of(&rules),
            workstations: settings
                .workstations
                .iter()
                .map(IpAddr::to_canonical)
                .collect(),
            settings: settings.clone(),
            dependents,
            sets,
            rules,
            problems,
        }
    }

    /// The version of rules and settings that each Detection carries: 12 hexadecimal digits that change with any of them.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What is known of each rule, in the order of ids.
    #[must_use]
    pub fn infos(&self) -> Vec<&RuleInfo> {
        let mut infos: Vec<&RuleInfo> = self.rules.iter().map(|rule| &rule.info).collect();
        infos.sort_by(|one, other| one.id.cmp(&other.id));
        infos
    }

    /// What is known of the rule of that id.
    #[must_use]
    pub fn info(&self, id: &str) -> Option<&RuleInfo> {
        self.rules
            .iter()
            .map(|rule| &rule.info)
            .find(|info| &*info.id == id)
    }

    /// The mistakes found in files and settings.
    #[must_use]
    pub fn problems(&self) -> &[RuleProblem] {
        &self.problems
    }

    /// Whether some rule that runs names a vendor's own field, which only a full parse gives.
    #[must_use]
    pub fn needs_full_depth(&self) -> bool {
        let runs =
            |rule: &&Rule| !matches!(rule.info.state, RuleState::Disabled | RuleState::Blind(_));
        let vendors = |rule: &Rule| {
            let named =
                |part: &crate::key::KeyPart| matches!(part.what, crate::key::KeyField::Named(_));
            rule.query.needs_full_depth() || rule.keys.iter().flatten().any(named)
        };
        self.rules.iter().filter(runs).any(vendors)
    }

    /// Calls `matched` with the place of each rule on events that this event matches, ascending within one index.
    pub(crate) fn matching(&self, event: &Event, mut matched: impl FnMut(usize)) {
        self.index.candidates(event, |place| {
            if let Some(Input::Events { expr, .. }) = self.rules.get(place).map(|rule| &rule.input)
                && query::matches(expr, event)
            {
                matched(place);
            }
        });
    }
}

/// Sigma: what a correlation without `generate` refers to gives no detections of its own.
fn silence_building_blocks(rules: &mut [Rule], inputs: &BTreeSet<usize>) {
    for place in inputs {
        if let Some(rule) = rules.get_mut(*place) {
            rule.emits = false;
            if rule.info.state == RuleState::Active {
                rule.info.state = RuleState::Base;
            }
        }
    }
}

fn unknown_settings(settings: &Settings, rules: &[Rule], problems: &mut Vec<RuleProblem>) {
    for id in settings.rules.keys() {
        if !rules.iter().any(|rule| *rule.info.id == **id) {
            let message = format!("no rule has the id `{id}`: see `nhatky rules list`");
            problems.push(RuleProblem {
                file: "detect.rules".to_owned(),
                line: None,
                message,
            });
        }
    }
}

fn version(rules: &[Rule], settings: &Settings) -> Box<str> {
    let mut hash = Sha256::new();
    for rule in rules {
        let Rule {
            info,
            fingerprint,
            emits,
            ..
        } = rule;
        let line = format!(
            "{} {fingerprint:016x} {emits} {:?} {:?}\n",
            info.id, info.disposition, info.effect
        );
        hash.update(line.as_bytes());
    }
    hash.update(format!("{settings:?}").as_bytes());
    let mut text = String::new();
    for byte in hash.finalize().iter().take(6) {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text.into()
}

/// Which rules on events to ask, by what an event's class or product already decides.
#[derive(Debug, Default)]
struct Index {
    by_class: HashMap<EventClass, Vec<Group>, ahash::RandomState>,
    by_product: HashMap<Box<str>, Vec<Group>, ahash::RandomState>,
    others: Vec<Group>,
}

/// Rules with one gate, which is asked once.
#[derive(Debug)]
struct Group {
    gate: Expr,
    rules: Vec<usize>,
}

impl Index {
    fn of(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (place, rule) in rules.iter().enumerate() {
            let Input::Events { gate, expr } = &rule.input else {
                continue;
            };
            if matches!(rule.info.state, RuleState::Blind(_) | RuleState::Disabled) {
                continue;
            }
            index.add(place, gate, &Expr::and([gate.clone(), expr.clone()]));
        }
        index
    }

    fn add(&mut self, place: usize, gate: &Expr, whole: &Expr) {
        let classes = compile::required(whole, Field::NHATKY_CLASS);
        let classes: Option<Vec<EventClass>> =
            classes.and_then(|names| names.into_iter().map(EventClass::from_name).collect());
        if let Some(classes) = classes {
            for class in BTreeSet::from_iter(classes) {
                add_to(self.by_class.entry(class).or_default(), place, gate);
            }
            return;
        }
        if let Some(products) = compile::required(whole, Field::NHATKY_PRODUCT) {
            for product in BTreeSet::from_iter(products) {
                add_to(
                    self.by_product.entry(product.into()).or_default(),
                    place,
                    gate,
                );
            }
            return;
        }
        add_to(&mut self.others, place, gate);
    }

    fn candidates(&self, event: &Event, mut candidate: impl FnMut(usize)) {
        let class = event
            .text(Field::NHATKY_CLASS)
            .and_then(EventClass::from_name);
        let by_class = class.and_then(|class| self.by_class.get(&class));
        let product = event.text(Field::NHATKY_PRODUCT);
        let by_product = product.and_then(|product| self.by_product.get(product));
        let groups = by_class
            .into_iter()
            .chain(by_product)
            .flatten()
            .chain(&self.others);
        for group in groups {
            if query::matches(&group.gate, event) {
                group.rules.iter().for_each(|place| candidate(*place));
            }
        }
    }
}

fn add_to(groups: &mut Vec<Group>, place: usize, gate: &Expr) {
    match groups.iter_mut().find(|group| group.gate == *gate) {
        Some(group) => group.rules.push(place),
        None => groups.push(Group {
            gate: gate.clone(),
            rules: vec![place],
        }),
    }
}
