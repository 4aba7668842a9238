//! How the memory is shared out among rules and sets, and how long each remembers.

use crate::Span;
use crate::detector::Memory;
use crate::rule::{Kind, Rule};
use crate::rules::Rules;
use crate::seen::Seen;
use crate::store::Store;

/// A set's weight, as [`Kind::weight`] is a rule's.
const SET_WEIGHT: usize = 2;
/// What is remembered outlives its window by this, for records that arrive late or out of order.
const GRACE: Span = Span::seconds(300);
/// Senders are forgotten this long after they were last heard.
const TALKER_FOR: Span = Span::seconds(30 * 86_400);
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
        let weights: usize = rules
            .rules
            .iter()
            .map(|rule| rule.kind.weight())
            .sum::<usize>()
            + sets;
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
        let bytes = self.bytes(rule.kind.weight());
        let ttl_us = rule.window_us.saturating_add(GRACE.micros());
        match &rule.kind {
            Kind::Base => Memory::Nothing,
            Kind::Count { .. }
            | Kind::Distinct { .. }
            | Kind::Each { .. }
            | Kind::Sequence { .. } => Memory::Progress(Store::new(bytes, ttl_us)),
            Kind::FirstSeen { forget_us, .. } => Memory::Seen(Store::new(bytes, *forget_us)),
            Kind::Absence { .. } => Memory::Talkers(Store::new(bytes, TALKER_FOR.micros())),
            Kind::Rate { samples, .. } => Memory::Paces(Store::new(
                bytes,
                rule.window_us.saturating_mul(i64::from(*samples).max(100)),
            )),
        }
    }
}

impl Kind {
    /// How much of the memory it takes, compared with others: first contacts remember most.
    fn weight(&self) -> usize {
        match self {
            Self::Base => 0,
            Self::Count { threshold: 1 } => 1,
            Self::Count { .. }
            | Self::Distinct { .. }
            | Self::Each { .. }
            | Self::Sequence { .. }
            | Self::Rate { .. } => 3,
            Self::Absence { .. } => 3,
            Self::FirstSeen { .. } => 8,
        }
    }
}
