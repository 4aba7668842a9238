//! Far more than usual: events per window of detector time against the average of the windows before.

use event::{Micros, Seq};

use crate::episode::{END, Episode};
use crate::store::{Kept, Store, list_bytes};

/// What is known of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The number of the window that is being counted: detector time divided by the window.
    pub(crate) window: i64,
    pub(crate) count: u64,
    /// The latest Seqs of this window.
    pub(crate) seqs: Vec<Seq>,
    pub(crate) first_at: Micros,
    /// The average of the windows before, in thousandths; each new window weighs a tenth.
    pub(crate) usual_thousandths: u64,
    /// Windows that went into the average.
    pub(crate) samples: u32,
    pub(crate) episode: Option<Box<Episode>>,
}

impl Kept for Pace {
    fn heap_bytes(&self) -> usize {
        list_bytes::<Seq>(self.seqs.len()) + self.episode.as_deref().map_or(0, Episode::heap_bytes)
    }
}

/// When a window is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) factor: u32,
    pub(crate) at_least: u64,
    pub(crate) samples: u32,
}

/// A window that closed with far more than usual.
#[derive(Debug)]
pub(crate) struct Excess {
    pub(crate) key: Vec<u8>,
    pub(crate) count: u64,
    pub(crate) usual_thousandths: u64,
    pub(crate) first_at: Micros,
    pub(crate) seqs: Vec<Seq>,
}

impl Pace {
    /// Counts an event in a window.
    pub(crate) fn count(&mut self, window: i64, at: Micros, seq: Seq) {
        if self.window != window {
            self.close(window);
        }
        if self.count == 0 {
            self.first_at = at;
        }
        self.count += 1;
        if self.seqs.len() == END {
            self.seqs.remove(0);
        }
        self.seqs.push(seq);
    }

    /// Ends the window that was counted, and the empty ones between it and `next`.
    fn close(&mut self, next: i64) {
        if self.window != 0 {
            self.learn(self.count);
            // After a hundred empty windows the average is nothing, to a thousandth.
            for _ in 0..next
                .saturating_sub(self.window)
                .saturating_sub(1)
                .clamp(0, 100)
            {
                self.learn(0);
            }
        }
        self.window = next;
        self.count = 0;
        self.seqs.clear();
    }

    fn learn(&mut self, count: u64) {
        let thousandths = count.saturating_mul(1_000);
        self.usual_thousandths = match self.samples {
            0 => thousandths,
            _ => self.usual_thousandths - self.usual_thousandths / 10 + thousandths / 10,
        };
        self.samples = self.samples.saturating_add(1);
    }

    fn excessive(&self, limits: Limits) -> bool {
        let usual = u128::from(self.usual_thousandths) * u128::from(limits.factor);
        self.samples >= limits.samples
            && self.count >= limits.at_least
            && u128::from(self.count) * 1_000 > usual
    }
}

impl Store<Pace> {
    /// The keys whose window ended before `window` with far more than usual.
    pub(crate) fn ended(&self, window: i64, limits: Limits) -> Vec<Excess> {
        let over = self
            .iter()
            .filter(|(_, _, pace)| pace.window < window && pace.excessive(limits));
        let excess = over.map(|(key, _, pace)| Excess {
            key: key.to_vec(),
            count: pace.count,
            usual_thousandths: pace.usual_thousandths,
            first_at: pace.first_at,
            seqs: pace.seqs.clone(),
        });
        excess.collect()
    }

    /// Closes every window that ended before `window`.
    pub(crate) fn close_all(&mut self, window: i64, now: Micros) {
        let open: Vec<Vec<u8>> = self
            .iter()
            .filter(|(_, _, pace)| pace.window < window)
            .map(|(key, _, _)| key.to_vec())
            .collect();
        for key in open {
            self.amend(&key, now, |pace| pace.close(window));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_judged_by_those_before_it() {
        let limits = Limits {
            factor: 3,
            at_least: 5,
            samples: 4,
        };
        let mut store: Store<Pace> = Store::new(1 << 20, i64::MAX);
        let mut told = Vec::new();
        for (window, count) in [
            (1, 10),
            (2, 10),
            (3, 100),
            (4, 10),
            (5, 10),
            (6, 60),
            (7, 70),
            (8, 3),
        ] {
            for _ in 0..count {
                store.touch(b"k", Micros(0), |pace| {
                    pace.count(window, Micros(window), Seq(1));
                });
            }
            told.extend(
                store
                    .ended(window + 1, limits)
                    .iter()
                    .map(|excess| (window, excess.count)),
            );
            store.close_all(window + 1, Micros(0));
        }
        assert_eq!(told, [(6, 60), (7, 70)]);
    }
}
