//! What the detector tells.

use event::{DaySeen, Detection, Loss, LossCause, Micros, Seq};

/// What the detector tells its owner, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A rule fired. To be stored, insert-or-ignore by its identity, before a checkpoint that covers its Seq.
    Detection(Box<Detection>),
    /// An episode went on. Cumulative: the latest one counts, and telling it twice changes nothing.
    Update(Update),
    /// State had to go before its time, because its share of the memory was full.
    Evicted(Evicted),
    /// What was seen of a day so far. Cumulative: the latest one counts; rules that are not in it are as last told.
    Day(Box<DaySeen>),
}

/// How an episode went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The Detection's identity.
    pub id: Box<str>,
    /// Correlation time of the latest event so far.
    pub last_at: Micros,
    /// Events so far.
    pub count: u64,
    /// The first 10 and last 10 Seqs, ascending.
    pub evidence: Vec<Seq>,
}

/// State that had to go before its time: what the rule could have found with it, nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// The rule whose memory was full.
    pub rule: Box<str>,
    /// How many keys were forgotten.
    pub keys: u64,
    /// Detector time since which this counts.
    pub from: Micros,
    /// Detector time up to which this counts.
    pub to: Micros,
}

impl Evicted {
    /// The loss to be recorded. Live only: a replay records nothing.
    #[must_use]
    pub fn to_loss(&self) -> Loss {
        Loss {
            cause: LossCause::DetectorEviction,
            source: format!("rule {}", self.rule),
            from: self.from,
            to: self.to,
            records_max: Some(0),
            bytes: None,
            last_good: None,
            detail: format!(
                "the detector forgot {} keys of rule {} before their time: raise detect.state_bytes_max",
                self.keys, self.rule
            ),
        }
    }
}
