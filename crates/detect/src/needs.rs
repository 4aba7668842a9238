//! What rules need to see anything at all: events of their log sources and classes, with some fields.
//!
//! Rules that need the same share one [`Need`], so that an event is looked at once for all of them.

use std::collections::BTreeSet;

use event::{Event, EventClass, Field, FieldSet};

use crate::key::{self, KeyField};
use crate::matcher::Matcher;
use crate::rule::{Input, Rule, RuleState};

/// What some rules need.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Their log sources, by number: one must be open.
    gates: BTreeSet<usize>,
    /// One of these; any where there are none.
    classes: Vec<EventClass>,
    fields: Vec<KeyField>,
    /// Those of the fields that have a number.
    known: FieldSet,
}

/// What all rules need.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    needs: Vec<Need>,
    /// For each rule, the number of what it needs; none where it does not run.
    of_rule: Vec<Option<usize>>,
    /// For each log source, the needs that it serves.
    by_gate: Vec<Vec<usize>>,
}

impl Needs {
    pub(crate) fn of(rules: &[Rule], matcher: &Matcher) -> Self {
        let mut all = Self::default();
        let mut gates_of: Vec<BTreeSet<usize>> = Vec::with_capacity(rules.len());
        for (place, rule) in rules.iter().enumerate() {
            let gates: BTreeSet<usize> = match &rule.input {
                Input::Events => matcher.gate_of(place).into_iter().collect(),
                Input::Rules { places, .. } => {
                    let inputs = places.iter().filter_map(|input| gates_of.get(*input));
                    inputs.flatten().copied().collect()
                }
            };
            let runs = matches!(rule.info.state, RuleState::Active | RuleState::Base);
            let number = runs.then(|| all.number(Need::of(rule, gates.clone())));
            all.of_rule.push(number);
            gates_of.push(gates);
        }
        all
    }

    fn number(&mut self, need: Need) -> usize {
        if let Some(number) = self.needs.iter().position(|known| *known == need) {
            return number;
        }
        let number = self.needs.len();
        for gate in &need.gates {
            if self.by_gate.len() <= *gate {
                self.by_gate.resize_with(gate + 1, Vec::new);
            }
            if let Some(served) = self.by_gate.get_mut(*gate) {
                served.push(number);
            }
        }
        self.needs.push(need);
        number
    }

    pub(crate) fn len(&self) -> usize {
        self.needs.len()
    }

    /// The number of what the rule in that place needs.
    pub(crate) fn of_rule(&self, place: usize) -> Option<usize> {
        self.of_rule.get(place).copied().flatten()
    }

    /// Changes with the classes and fields that are needed.
    pub(crate) fn fingerprint(&self, number: usize) -> u64 {
        let need = self.needs.get(number);
        let parts = need.map(|need| (&need.classes, &need.fields));
        key::hash(format!("{parts:?}").as_bytes())
    }

    /// Calls `seen` with the number of each need that the event is one of, perhaps more than once, and whether it has
    /// every field.
    pub(crate) fn each(
        &self,
        event: &Event,
        open_gates: &[usize],
        mut seen: impl FnMut(usize, bool),
    ) {
        let class = event.text(Field::NHATKY_CLASS);
        let class = class.and_then(EventClass::from_name);
        let served = open_gates.iter().filter_map(|gate| self.by_gate.get(*gate));
        for number in served.flatten() {
            let Some(need) = self.needs.get(*number) else {
                continue;
            };
            if need.classes.is_empty() || class.is_some_and(|class| need.classes.contains(&class)) {
                seen(*number, need.has_all(event));
            }
        }
    }
}

impl Need {
    fn of(rule: &Rule, gates: BTreeSet<usize>) -> Self {
        let fields = rule.info.needs_fields.iter();
        let fields: Vec<KeyField> = fields.map(|field| KeyField::parse(field)).collect();
        let known = fields.iter().filter_map(KeyField::known).collect();
        Self {
            gates,
            classes: rule.info.needs_classes.clone(),
            fields,
            known,
        }
    }

    fn has_all(&self, event: &Event) -> bool {
        let mut others = self.fields.iter().filter(|field| field.known().is_none());
        event.known().contains_all(&self.known) && others.all(|field| field.value(event).is_some())
    }
}
