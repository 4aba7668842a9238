//! All rules, compiled, ordered and indexed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use event::{Event, Micros};
use sha2::{Digest, Sha256};

use crate::Settings;
use crate::clause::Clause;
use crate::compile::{CompiledRule, Compiler};
use crate::exception::{self, Exception};
use crate::indicator_list::{self, NamedList};
use crate::load::{self, Placed, RuleProblem};
use crate::matcher::{MatchBuffer, Matcher, MatcherSize, Watch};
use crate::needs::Needs;
use crate::rule::{Input, Rule, RuleInfo, RuleState, UnseenSet};
use crate::settings::RuleSettings;
use crate::sigma_filter::Filter;

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
    matcher: Matcher,
    pub(crate) needs: Needs,
    /// Whether some rule looks at audit events as a whole.
    pub(crate) has_together: bool,
    exceptions: Vec<Exception>,
    problems: Vec<RuleProblem>,
}

impl Rules {
    /// Reads the built-in rules and those of the site (`CONTENT/rules/**/*.yml`: a folder may be put there as it is
    /// published; a file of the same name, or a rule of the same id, stands in place of ours) and compiles them under
    /// the settings.
    ///
    /// Never fails: what is wrong is left out and told by [`problems`](Self::problems).
    #[must_use]
    pub fn load(content: Option<&Path>, settings: &Settings) -> Self {
        let mut problems = Vec::new();
        let documents = load::documents(content, &mut problems);
        let lists = content.map(|content| content.join("lists"));
        let lists = lists.map(|folder| indicator_list::lists_of(&folder, &mut problems));
        Self::compile(documents, &lists.unwrap_or_default(), settings, problems)
    }

    /// The rules of these texts (file name and YAML) alone: for trying a rule.
    #[must_use]
    pub fn from_texts(texts: &[(&str, &str)], settings: &Settings) -> Self {
        let mut problems = Vec::new();
        let documents = load::of_texts(texts, &mut problems);
        Self::compile(documents, &[], settings, problems)
    }

    fn compile(
        documents: Vec<Placed>,
        lists: &[Arc<NamedList>],
        settings: &Settings,
        mut problems: Vec<RuleProblem>,
    ) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        let mut queries = BTreeMap::new();
        let mut sets = Vec::new();
        let mut place_of: BTreeMap<usize, usize> = BTreeMap::new();
        let defaults = RuleSettings::default();
        let mut quiet_inputs = BTreeSet::new();
        let mut watches: Vec<(usize, &'static Clause, Clause)> = Vec::new();
        let (documents, filters) = filters(documents, &mut problems);
        let documents = load::in_order(documents, &mut problems);
        let referred_to: BTreeSet<usize> = documents
            .iter()
            .flat_map(|(_, references)| references.iter().copied())
            .collect();
        for (at, (placed, references)) in documents.into_iter().enumerate() {
            let references: Option<Vec<usize>> = references
                .iter()
                .map(|at| place_of.get(at).copied())
                .collect();
            let Some(references) = references else {
                problems.push(placed.problem("refers to a rule that has a mistake"));
                continue;
            };
            let own = settings.rules.get(placed.id()).unwrap_or(&defaults);
            let compiled = Compiler {
                rules: &rules,
                queries: &queries,
                sets: &mut sets,
                filters: &filters,
                lists,
                site: settings,
                settings: own,
            }
            .rule(&placed, &references);
            match compiled {
                Ok(CompiledRule { rule, query, watch }) => {
                    if referred_to.contains(&at) {
                        queries.insert(rules.len(), query);
                    }
                    place_of.insert(at, rules.len());
                    watches.extend(watch.map(|(gate, clause)| (rules.len(), gate, clause)));
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
        let watches: Vec<Watch<'_>> = watches
            .iter()
            .map(|(place, gate, clause)| Watch {
                place: *place,
                gate,
                clause,
            })
            .collect();
        let matcher = Matcher::of(&watches).unwrap_or_else(|error| {
            problems.push(RuleProblem {
                file: "rules".to_owned(),
                line: None,
                message: format!("no rule on events can be matched: {error}"),
            });
            Matcher::default()
        });
        Self::assembled(rules, sets, settings, matcher, problems)
    }

    fn assembled(
        rules: Vec<Rule>,
        sets: Vec<UnseenSet>,
        settings: &Settings,
        matcher: Matcher,
        mut problems: Vec<RuleProblem>,
    ) -> Self {
        let exceptions = exception::compile(&settings.exceptions, &rules, &mut problems);
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
            needs: Needs::of(&rules, &matcher),
            matcher,
            has_together: rules
                .iter()
                .any(|rule| rule.together && rule.info.state != RuleState::Disabled),
            workstations: settings
                .workstations
                .iter()
                .map(IpAddr::to_canonical)
                .collect(),
            settings: settings.clone(),
            dependents,
            sets,
            rules,
            exceptions,
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

    /// The settings under which they were compiled.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether the rule in that place is not to see the event.
    pub(crate) fn is_excepted(&self, place: usize, event: &Event, now: Micros) -> bool {
        let mut exceptions = self.exceptions.iter();
        exceptions.any(|exception| exception.is_for(place, event, now))
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
            let named = |part: &crate::key::KeyPart| part.what.needs_full_depth();
            rule.needs_full_depth || rule.keys.iter().flatten().any(named)
        };
        let mut exceptions = self.exceptions.iter();
        exceptions.any(|exception| exception.expr.needs_full_depth())
            || self.rules.iter().filter(runs).any(vendors)
    }

    /// Calls `matched` with the place of each rule on events that this event matches, ascending.
    pub(crate) fn matching(
        &self,
        event: &Event,
        buffer: &mut MatchBuffer,
        matched: impl FnMut(usize),
    ) {
        self.matcher.matching(event, buffer, matched);
    }

    /// The ids of the rules on events that this event matches, by itself: what becomes of it is the detector's.
    #[must_use]
    pub fn matched_by(&self, event: &Event) -> Vec<&str> {
        let mut ids = Vec::new();
        self.matching(event, &mut MatchBuffer::default(), |place| {
            ids.extend(self.rules.get(place).map(|rule| &*rule.info.id));
        });
        ids
    }

    /// How much the rules on events ask, and which of them are asked at every event of their log source.
    #[must_use]
    pub fn matcher_size(&self) -> MatcherSize {
        let mut size = self.matcher.size();
        let always = std::mem::take(&mut size.always_places);
        size.always = always
            .into_iter()
            .filter_map(|place| self.rules.get(place))
            .map(|rule| rule.info.id.clone())
            .collect();
        size
    }
}

/// The filters apart from the rules.
fn filters(documents: Vec<Placed>, problems: &mut Vec<RuleProblem>) -> (Vec<Placed>, Vec<Filter>) {
    let (filters, rules): (Vec<Placed>, Vec<Placed>) = documents
        .into_iter()
        .partition(|placed| placed.document.filter.is_some());
    let mut read = Vec::new();
    for filter in filters {
        match Filter::read(filter) {
            Ok(filter) => {
                for name in filter.named() {
                    match rules.iter().find(|rule| rule.is_called(name)) {
                        None => problems.push(
                            filter
                                .placed
                                .problem(format_args!("is for `{name}`, which there is not")),
                        ),
                        Some(rule) if !filter.is_for(rule) => problems.push(filter.placed.problem(
                            format_args!("is for `{name}`, which has another log source"),
                        )),
                        Some(_) => {}
                    }
                }
                read.push(filter);
            }
            Err(problem) => problems.push(problem),
        }
    }
    (rules, read)
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
        if let Input::Rules { listed, .. } = &rule.input {
            for list in listed.iter().flat_map(|listed| &listed.lists) {
                hash.update(list.list.digest());
            }
        }
    }
    hash.update(format!("{settings:?}").as_bytes());
    let mut text = String::new();
    for byte in hash.finalize().iter().take(6) {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text.into()
}
