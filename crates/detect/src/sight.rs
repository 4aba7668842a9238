//! Which events decide about a rule's detections: a replay for it need not read the others.

use std::collections::BTreeSet;

use crate::rule::{Circumstance, Kind, Rule};
use crate::rules::Rules;

/// The records of audit events, which some rules look at as a whole: what matches may stand in another record.
const AUDIT: &str = "nhatky.product:linux.auditd";
/// The product's own heartbeats, at which silence and rates are judged.
const HEARTBEATS: &str = "nhatky.product:nhatky.own AND nhatky.message:heartbeat";

/// Which events decide about a rule's detections, and about those of the rules that are built on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The rule, and the rules whose detections change with it: those that refer to it or ask what it has taught.
    pub rules: BTreeSet<Box<str>>,
    /// Queries of which every event that decides matches one.
    pub queries: BTreeSet<String>,
    /// Whether some rule asks which addresses are servers'; to know them takes every event.
    pub asks_servers: bool,
    /// Whether some rule learns what is usual before it judges.
    pub learns: bool,
}

impl Rules {
    /// Which events decide about the detections of the rule of that id, and of those built on it.
    #[must_use]
    pub fn sight(&self, id: &str) -> Option<Sight> {
        let place = self.rules.iter().position(|rule| *rule.info.id == *id)?;
        let changed = closure(BTreeSet::from([place]), |place| self.changed_by(place));
        let decisive = closure(changed.clone(), |place| self.decided_by(place));
        let of = |places: &BTreeSet<usize>| -> Vec<&Rule> {
            let rules = places.iter().filter_map(|place| self.rules.get(*place));
            rules.collect()
        };
        let mut sight = Sight::default();
        for rule in of(&decisive) {
            sight.add(rule);
        }
        sight.rules = of(&changed)
            .into_iter()
            .map(|rule| rule.info.id.clone())
            .collect();
        Some(sight)
    }

    /// The rules that refer to the one in that place, or ask what it has taught.
    fn changed_by(&self, place: usize) -> Vec<usize> {
        let mut changed = self.dependents.get(place).cloned().unwrap_or_default();
        let taught = self.teaches.get(place).into_iter().flatten();
        for set in taught {
            let asks = |rule: &Rule| unseen(rule).any(|asked| asked == *set);
            let asking = self.rules.iter().enumerate();
            changed.extend(
                asking
                    .filter(|(_, rule)| asks(rule))
                    .map(|(place, _)| place),
            );
        }
        changed
    }

    /// The rules that the one in that place refers to, or whose teaching it asks.
    fn decided_by(&self, place: usize) -> Vec<usize> {
        let mut deciding: Vec<usize> = (0..place)
            .filter(|input| {
                let built = self.dependents.get(*input);
                built.is_some_and(|built| built.contains(&place))
            })
            .collect();
        let sets = self.rules.get(place).into_iter().flat_map(unseen);
        for set in sets {
            let taught_by = self.sets.get(set).map(|set| set.taught_by.as_slice());
            deciding.extend_from_slice(taught_by.unwrap_or_default());
        }
        deciding
    }
}

impl Sight {
    fn add(&mut self, rule: &Rule) {
        self.learns |= matches!(
            rule.kind,
            Kind::FirstSeen { .. } | Kind::Absence { .. } | Kind::Rate(_)
        ) || unseen(rule).next().is_some();
        self.queries.insert(rule.info.query.clone());
        if rule.together {
            self.queries.insert(AUDIT.to_owned());
        }
        if matches!(rule.kind, Kind::Absence { .. } | Kind::Rate(_)) {
            self.queries.insert(HEARTBEATS.to_owned());
        }
        let circumstances = rule.when.iter().flat_map(|when| &when.circumstances);
        let asks =
            |circumstance: &Circumstance| matches!(circumstance, Circumstance::Server { .. });
        self.asks_servers |= circumstances.into_iter().any(asks);
    }
}

/// The sets that the rule asks about values never seen.
fn unseen(rule: &Rule) -> impl Iterator<Item = usize> {
    let circumstances = rule.when.iter().flat_map(|when| &when.circumstances);
    circumstances.filter_map(|circumstance| match circumstance {
        Circumstance::Unseen { set } => Some(*set),
        Circumstance::OutsideWorkingHours | Circumstance::Server { .. } => None,
    })
}

/// All that is reached from the first by the steps.
fn closure(first: BTreeSet<usize>, step: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
    let (mut reached, mut next) = (BTreeSet::new(), first);
    while let Some(place) = next.pop_first() {
        if reached.insert(place) {
            next.extend(step(place));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    const RULES: &str = "
title: Log-ins of somebody unknown to the host
name: unknown
correlation: {type: event_count, rules: accepted, group-by: user.name, timespan: 5m, condition: {gte: 1}}
nhatky: {when: {any: [{unseen: [user.name, host.name], taught_by: accepted}]}}
---
title: Three failures of an account
name: three
correlation: {type: event_count, rules: failed, group-by: user.name, timespan: 5m, condition: {gte: 3}}
---
title: A failed log-in
name: failed
logsource: {product: nhatky, category: login}
detection: {failure: {event.outcome: failure}, condition: failure}
nhatky: {base: true}
---
title: A log-in
name: accepted
logsource: {product: nhatky, category: login}
detection: {success: {event.outcome: success}, condition: success}
nhatky: {base: true}
---
title: Something else
name: other
logsource: {product: nhatky, category: config}
detection: {any: {event.outcome: success}, condition: any}
";

    fn names(rules: &Rules, sight: &Sight) -> Vec<String> {
        let named = sight.rules.iter().map(|id| {
            let info = rules.info(id).expect("a rule that was named");
            info.name.as_deref().unwrap_or(&info.id).to_owned()
        });
        let mut names: Vec<String> = named.collect();
        names.sort();
        names
    }

    #[test]
    fn a_change_reaches_what_is_built_on_the_rule_and_takes_what_it_is_built_on() {
        let rules = Rules::from_texts(&[("rules.yml", RULES)], &Settings::default());
        assert_eq!(rules.problems(), []);
        let id = |name: &str| {
            let mut infos = rules.infos().into_iter();
            let info = infos.find(|info| info.name.as_deref() == Some(name));
            info.expect("a rule of that name").id.to_string()
        };
        let of_three = rules.sight(&id("three")).expect("a rule");
        let of_failed = rules.sight(&id("failed")).expect("a rule");
        assert_eq!(names(&rules, &of_three), ["three"]);
        assert_eq!(names(&rules, &of_failed), ["failed", "three"]);
        assert_eq!(of_three.queries, of_failed.queries);
        assert!(
            of_three
                .queries
                .iter()
                .all(|query| query.contains("failure"))
        );
        assert!(!of_three.learns);
        let of_accepted = rules.sight(&id("accepted")).expect("a rule");
        assert_eq!(names(&rules, &of_accepted), ["accepted", "unknown"]);
        assert!(of_accepted.learns);
        assert_eq!(rules.sight("nobody"), None);
    }

    #[test]
    fn silence_is_judged_at_heartbeats_and_servers_are_asked_for() {
        let rules = Rules::load(None, &Settings::default());
        let silent = rules
            .infos()
            .into_iter()
            .find(|info| info.kind == crate::RuleKind::Absence);
        let sight = rules
            .sight(&silent.expect("a rule about silence").id)
            .expect("a rule");
        assert!(sight.learns && sight.queries.contains(HEARTBEATS));
        let mut infos = rules.infos().into_iter();
        assert!(infos.any(|info| {
            rules
                .sight(&info.id)
                .is_some_and(|sight| sight.asks_servers)
        }));
    }
}
