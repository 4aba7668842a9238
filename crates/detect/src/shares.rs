//! How the memory is shared out among rules and sets, and how long each remembers.

use crate::Span;
use crate::detector::Memory;
use crate::rule::{Kind, Rule, RuleOrigin, RuleState};
use crate::rules::Rules;
use crate::seen::Seen;
use crate::store::Store;

/// A set's weight, as [`weight`] is a rule's.
const SET_WEIGHT: usize = 32;
/// What is remembered outlives its window by this, for records that arrive late or out of order.
const GRACE: Span = Span::seconds(300);
/// Senders are forgotten this long after they were last heard.
const TALKER_FOR: Span = Span::seconds(30 * 86_400);
/// What is usual for a key is forgotten this long after it was last counted.
const USUAL_FOR: Span = Span::seconds(60 * 86_400);
/// Known values and servers are forgotten this long after they were last seen.
const KNOWN_FOR: Span = Span::seconds(90 * 86_400);

/// How the memory is shared out.
#[derive(Debug)]
pub(crate) struct Shares {
    bytes_per_weight: usize,
}

impl Shares {
    pub(crate) fn of(rules: &Rules) -> Self {
        let sets = (rules.sets.len() + 1) * SET_WEIGHT;
        let weights: usize = rules.rules.iter().map(weight).sum::<usize>() + sets;
        let total =
            usize::try_from(rules.settings.state_bytes_max.max(1 << 20)).unwrap_or(usize::MAX);
        Self {
            bytes_per_weight: total / weights.max(1),
        }
    }

    fn bytes(&self, weight: usize) -> usize {
        self.bytes_per_weight.saturating_mul(weight)
    }

    /// A set of known values.
    pub(crate) fn set(&self) -> Store<Seen> {
        Store::new(self.bytes(SET_WEIGHT), KNOWN_FOR.micros())
    }

    /// What the rule starts with.
    pub(crate) fn memory(&self, rule: &Rule) -> Memory {
        let bytes = self.bytes(weight(rule));
        let ttl_us = rule.window_us.saturating_add(GRACE.micros());
        match &rule.kind {
            _ if weight(rule) == 0 => Memory::Nothing,
            Kind::Base => Memory::Nothing,
            Kind::Count { .. }
            | Kind::Distinct { .. }
            | Kind::Each { .. }
            | Kind::Sequence { .. }
            | Kind::Pattern { .. }
            | Kind::Measure { .. } => Memory::Progress(Store::new(bytes, ttl_us)),
            Kind::FirstSeen { forget_us, .. } => Memory::Seen(Store::new(bytes, *forget_us)),
            Kind::Absence { .. } => Memory::Talkers(Store::new(bytes, TALKER_FOR.micros())),
            Kind::Rate(_) => Memory::Paces(Store::new(bytes, USUAL_FOR.micros())),
            Kind::Regular(_) => Memory::Pulses(Store::new(bytes, ttl_us)),
        }
    }
}

/// How much of the memory a rule takes, compared with others: first contacts remember much, and what comes once may yet
/// prove regular, so that rules about that remember most. Rules that fire at one event remember open episodes alone, and
/// there may be thousands of them, which must not starve the others.
fn weight(rule: &Rule) -> usize {
    if matches!(rule.info.state, RuleState::Disabled | RuleState::Blind(_)) {
        return 0;
    }
    match &rule.kind {
        Kind::Base => 0,
        Kind::Count { threshold: 1 } => match rule.info.origin {
            RuleOrigin::Builtin => 16,
            RuleOrigin::Site => 1,
        },
        Kind::Count { .. }
        | Kind::Distinct { .. }
        | Kind::Each { .. }
        | Kind::Sequence { .. }
        | Kind::Pattern { .. }
        | Kind::Absence { .. } => 48,
        Kind::Measure { .. } | Kind::Rate(_) => 96,
        Kind::FirstSeen { .. } => 128,
        Kind::Regular(_) => 384,
    }
}
