//! How the detector is doing: for `/metrics`, `nhatky rules list`, and the answer to "no detections: does it see anything?".

use serde::Serialize;

use crate::detector::{Counters, Detector, Memory};
use crate::rule::RuleState;

/// How the detector is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Bytes of correlation state.
    pub state_bytes: u64,
    /// Keys that are remembered.
    pub keys: u64,
    /// Keys forgotten before their time since the detector was made.
    pub evicted: u64,
    /// Each rule, in the order of ids.
    pub rules: Vec<RuleStatus>,
}

/// How one rule is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleStatus {
    /// The rule's id.
    pub id: Box<str>,
    /// What it has done since the detector was made.
    pub counters: Counters,
    /// Keys that it remembers.
    pub keys: u64,
    /// Bytes that it remembers.
    pub bytes: u64,
    /// Whether "no detections" means anything.
    pub coverage: Coverage,
}

/// Whether a rule sees what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// Events that concern it arrive, with the fields that it needs.
    Evaluated,
    /// Events that concern it arrive, some without a field that it needs.
    Partly,
    /// Nothing that concerns it has arrived, it cannot match, or it is switched off.
    Blind,
}

impl Detector {
    /// How it is doing. Cheap: sums of what is kept anyway.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = Status::default();
        let all = self.rules.rules.iter();
        let all = all.zip(&self.memories).zip(&self.counters).enumerate();
        for (place, ((rule, memory), counters)) in all {
            let (keys, bytes) = memory.size();
            status.state_bytes += bytes;
            status.keys += keys;
            status.evicted += counters.evicted;
            let keyless = counters.keyless > 0;
            let coverage = match self.today.lately(&self.rules, place) {
                _ if matches!(rule.info.state, RuleState::Disabled | RuleState::Blind(_)) => {
                    Coverage::Blind
                }
                (0, _) => Coverage::Blind,
                (events, complete) if complete < events || keyless => Coverage::Partly,
                _ => Coverage::Evaluated,
            };
            status.rules.push(RuleStatus {
                id: rule.info.id.clone(),
                counters: *counters,
                keys,
                bytes,
                coverage,
            });
        }
        for store in self.sets.iter().chain([&self.servers]) {
            status.keys += store.len() as u64;
            status.state_bytes += store.bytes() as u64;
        }
        status.rules.sort_by(|one, other| one.id.cmp(&other.id));
        status
    }
}

impl Memory {
    /// Keys and bytes.
    fn size(&self) -> (u64, u64) {
        let (keys, bytes) = match self {
            Self::Nothing => (0, 0),
            Self::Progress(store) => (store.len(), store.bytes()),
            Self::Seen(store) => (store.len(), store.bytes()),
            Self::Talkers(store) => (store.len(), store.bytes()),
            Self::Paces(store) => (store.len(), store.bytes()),
            Self::Pulses(store) => (store.len(), store.bytes()),
        };
        (keys as u64, bytes as u64)
    }
}
