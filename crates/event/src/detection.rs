//! One firing of a rule.

use serde::{Deserialize, Serialize};

use crate::class::vocabulary;
use crate::{Entity, Micros, Seq};

vocabulary! {
    /// What becomes of a detection.
    Disposition {
        /// Calls someone.
        Page = "page",
        /// Goes into the queue that people work through.
        Queue = "queue",
        /// Goes into one daily list.
        Digest = "digest",
        /// Adds to its entity's risk; for hunting.
        Signal = "signal",
    }
}

vocabulary! {
    /// What the thing detected has done, from which an alert's severity is proposed (DESIGN §4, Detect).
    Effect {
        /// Tried and blocked, or failed.
        Attempt = "attempt",
        /// Got in, or changed what it should not have.
        Compromise = "compromise",
        /// Stopped, deleted, encrypted, or wiped its traces.
        Damage = "damage",
    }
}

vocabulary! {
    /// How grave an alert is (Điều 11.1). The order is that of gravity.
    AlertSeverity {
        /// Thấp.
        Low = "low",
        /// Trung bình.
        Medium = "medium",
        /// Cao.
        High = "high",
        /// Khẩn cấp.
        Urgent = "urgent",
    }
}

impl AlertSeverity {
    /// The severity proposed for an effect on a System of that tier, 1 to 4 (COMPLIANCE §4); without a System the tier is 2.
    #[must_use]
    pub fn propose(effect: Effect, tier: Option<u8>) -> Self {
        let by_tier = match tier.unwrap_or(2) {
            0 | 1 => Self::Low,
            2 => Self::Medium,
            3 => Self::High,
            _ => Self::Urgent,
        };
        match effect {
            Effect::Attempt => Self::Low,
            Effect::Compromise => by_tier,
            Effect::Damage => by_tier.max(Self::Medium),
        }
    }
}

/// One firing of a rule for one group key: the opening of an episode, which later events only make longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Identity: 32 hexadecimal digits, the hash of (rule, group key, Seq of the event that completed it).
    pub id: Box<str>,
    /// The rule's identifier.
    pub rule: Box<str>,
    /// The version of rules and settings under which it fired.
    pub rules_version: Box<str>,
    /// The values of the group key, in the rule's order.
    pub key: Vec<Box<str>>,
    /// The one entity that the rule names.
    pub entity: Option<Entity>,
    /// What becomes of it.
    pub disposition: Disposition,
    /// What the thing detected has done.
    pub effect: Effect,
    /// The Seq of the event that completed it.
    pub seq: Seq,
    /// Correlation time of the first event of the episode.
    pub first_at: Micros,
    /// Correlation time of the latest event of the episode.
    pub last_at: Micros,
    /// Events in the episode so far.
    pub count: u64,
    /// The first 10 and last 10 Seqs, ascending.
    pub evidence: Vec<Seq>,
    /// A query that shows the evidence.
    pub query: String,
    /// Fields for the texts shown to people, such as `source.ip` or `attempts`, by name.
    pub facts: std::collections::BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_is_proposed_by_effect_and_tier() {
        let check = |effect, tier, expected| {
            assert_eq!(AlertSeverity::propose(effect, tier), expected);
        };
        check(Effect::Attempt, Some(4), AlertSeverity::Low);
        check(Effect::Compromise, None, AlertSeverity::Medium);
        check(Effect::Compromise, Some(1), AlertSeverity::Low);
        check(Effect::Compromise, Some(4), AlertSeverity::Urgent);
        check(Effect::Damage, Some(1), AlertSeverity::Medium);
        check(Effect::Damage, Some(3), AlertSeverity::High);
    }
}
