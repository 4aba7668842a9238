//! An episode: what follows one firing, until it has been quiet for one window.

use event::{Micros, Seq};

use crate::store::list_bytes;

/// The Seqs that show what happened: the first ten and the last ten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) first: Vec<Seq>,
    pub(crate) last: Vec<Seq>,
}

/// So many Seqs at either end.
pub(crate) const END: usize = 10;

impl Evidence {
    /// Adds one. Seqs arrive ascending but for the few that a firing brings along.
    pub(crate) fn push(&mut self, seq: Seq) {
        if self.first.len() < END {
            insert(&mut self.first, seq);
            return;
        }
        insert(&mut self.last, seq);
        if self.last.len() > END {
            self.last.remove(0);
        }
    }

    /// All of them, ascending, each once.
    pub(crate) fn seqs(&self) -> Vec<Seq> {
        let mut seqs: Vec<Seq> = self.first.iter().chain(&self.last).copied().collect();
        seqs.sort_unstable();
        seqs.dedup();
        seqs
    }
}

fn insert(sorted: &mut Vec<Seq>, seq: Seq) {
    if let Err(place) = sorted.binary_search(&seq) {
        sorted.insert(place, seq);
    }
}

/// A firing and what followed it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Episode {
    /// The Detection's identity.
    pub(crate) id: [u8; 16],
    pub(crate) first_at: Micros,
    pub(crate) last_at: Micros,
    pub(crate) count: u64,
    pub(crate) evidence: Evidence,
    /// Whether something came since it was last told.
    pub(crate) untold: bool,
}

impl Episode {
    /// The episode that a firing opens.
    pub(crate) fn open(id: [u8; 16], fired: &Fired) -> Self {
        let mut evidence = Evidence::default();
        for seq in &fired.seqs {
            evidence.push(*seq);
        }
        Self {
            id,
            first_at: fired.first_at,
            last_at: fired.last_at,
            count: fired.count,
            evidence,
            untold: false,
        }
    }

    /// Whether something at that time belongs to it.
    pub(crate) fn holds(&self, at: Micros, window_us: i64) -> bool {
        at.0.saturating_sub(self.last_at.0) <= window_us
    }

    /// Counts one more event. `true` where it is the first since the episode was last told.
    pub(crate) fn extend(&mut self, at: Micros, seq: Seq) -> bool {
        self.first_at = self.first_at.min(at);
        self.last_at = self.last_at.max(at);
        self.count = self.count.saturating_add(1);
        self.evidence.push(seq);
        !std::mem::replace(&mut self.untold, true)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + list_bytes::<Seq>(self.evidence.first.len())
            + list_bytes::<Seq>(self.evidence.last.len())
    }
}

/// What completed a rule for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fired {
    pub(crate) first_at: Micros,
    pub(crate) last_at: Micros,
    pub(crate) count: u64,
    pub(crate) seqs: Vec<Seq>,
}

impl Fired {
    /// A firing by one event alone.
    pub(crate) fn by(at: Micros, seq: Seq) -> Self {
        Self {
            first_at: at,
            last_at: at,
            count: 1,
            seqs: vec![seq],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_the_first_and_the_last_ten() {
        let mut evidence = Evidence::default();
        for seq in 1..=50 {
            evidence.push(Seq(seq));
        }
        let expected: Vec<Seq> = (1..=10).chain(41..=50).map(Seq).collect();
        assert_eq!(evidence.seqs(), expected);
        evidence.push(Seq(50));
        assert_eq!(evidence.seqs(), expected);
    }

    #[test]
    fn an_episode_lasts_until_it_was_quiet_for_a_window() {
        let mut episode = Episode::open([0; 16], &Fired::by(Micros(100), Seq(1)));
        assert!(episode.holds(Micros(110), 10));
        assert!(!episode.holds(Micros(111), 10));
        assert!(episode.holds(Micros(0), 10));
        assert!(episode.extend(Micros(105), Seq(2)));
        assert!(!episode.extend(Micros(90), Seq(3)));
        assert_eq!(
            (episode.first_at, episode.last_at, episode.count),
            (Micros(90), Micros(105), 3)
        );
    }
}
