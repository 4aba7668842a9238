//! Silence where there used to be talk: longer than so many times the usual 99th percentile of a sender's gaps.
//!
//! Time here is *time awake*: it passes only while records arrive (the product's own heartbeats among them), so that
//! the node's own stops are nobody's silence.

use event::{Micros, Seq};

use crate::episode::Episode;
use crate::store::{Kept, Store, list_bytes};

/// What is known of one sender.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Talker {
    /// Time awake at its first and at its latest record; `None` in an entry just made.
    pub(crate) span: Option<(i64, i64)>,
    /// Its latest record.
    pub(crate) last_seq: Seq,
    pub(crate) last_received: Micros,
    pub(crate) gaps: Gaps,
    pub(crate) episode: Option<Box<Episode>>,
}

impl Kept for Talker {
    fn heap_bytes(&self) -> usize {
        list_bytes::<u16>(self.gaps.counts.len())
            + self.episode.as_deref().map_or(0, Episode::heap_bytes)
    }
}

/// When silence is reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) factor: u32,
    pub(crate) at_least_us: i64,
    pub(crate) learning_us: i64,
    pub(crate) samples: u32,
}

impl Talker {
    /// Notes a record.
    pub(crate) fn talks(&mut self, awake_us: i64, received: Micros, seq: Seq) {
        let (first, last) = self.span.unwrap_or((awake_us, awake_us));
        if self.span.is_some() {
            self.gaps.add(awake_us.saturating_sub(last));
        }
        self.span = Some((first, awake_us));
        self.last_received = received;
        self.last_seq = seq;
        self.episode = None;
    }

    /// How long it may be silent; `None` while it is still being learned.
    pub(crate) fn patience_us(&self, limits: Limits) -> Option<i64> {
        let (first, last) = self.span?;
        let learned = last - first >= limits.learning_us && self.gaps.total >= limits.samples;
        let usual = self.gaps.p99_us();
        learned.then(|| {
            usual
                .saturating_mul(i64::from(limits.factor))
                .max(limits.at_least_us)
        })
    }

    /// Whether it has been silent for too long.
    pub(crate) fn overdue(&self, awake_us: i64, limits: Limits) -> bool {
        let silent_us = self
            .span
            .map_or(0, |(_, last)| awake_us.saturating_sub(last));
        self.patience_us(limits)
            .is_some_and(|patience| silent_us > patience)
    }
}

/// A histogram of gaps: four buckets to a doubling, from a quarter of a second, at most 19 % off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    pub(crate) counts: Vec<u16>,
    pub(crate) total: u32,
}

/// Up to 2²⁴ quarter seconds, which is 48 days.
const BUCKETS: usize = 24 * 4;
/// When so many gaps are counted all counts are halved, so that the old fade.
const TOTAL_MAX: u32 = 20_000;

impl Gaps {
    pub(crate) fn add(&mut self, gap_us: i64) {
        let bucket = bucket_of(gap_us);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
            self.total += 1;
        }
        if self.total >= TOTAL_MAX {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
        }
    }

    /// The gap that 99 in 100 do not exceed.
    pub(crate) fn p99_us(&self) -> i64 {
        let mut above = self.total / 100;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            if u32::from(*count) > above {
                return upper_us(bucket);
            }
            above -= u32::from(*count);
        }
        0
    }
}

fn bucket_of(gap_us: i64) -> usize {
    (0..BUCKETS)
        .find(|bucket| gap_us <= upper_us(*bucket))
        .unwrap_or(BUCKETS - 1)
}

/// The longest gap of a bucket.
fn upper_us(bucket: usize) -> i64 {
    // 2^(1/4), 2^(2/4), 2^(3/4), 2 in thousandths, so that no float decides anything.
    const QUARTERS: [i64; 4] = [1_189, 1_414, 1_682, 2_000];
    let quarter = QUARTERS.get(bucket % 4).copied().unwrap_or(2_000);
    (250 * quarter) << (bucket / 4)
}

/// A sender that has been silent for too long.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) key: Vec<u8>,
    pub(crate) last_seq: Seq,
    pub(crate) last_received: Micros,
    pub(crate) silent_us: i64,
    pub(crate) patience_us: i64,
}

impl Store<Talker> {
    /// The senders that are overdue and not yet reported. Hosts behind a relay that is overdue itself are left out:
    /// `relay_of` gives the key of a key's relay.
    pub(crate) fn silent(
        &self,
        awake_us: i64,
        limits: Limits,
        now: Micros,
        relay_of: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Vec<Silent> {
        let mut found = Vec::new();
        for (key, _, talker) in self.iter() {
            let silent_us = talker
                .span
                .map_or(0, |(_, last)| awake_us.saturating_sub(last));
            if silent_us <= limits.at_least_us {
                break;
            }
            if talker.episode.is_some() || !talker.overdue(awake_us, limits) {
                continue;
            }
            let relay = relay_of(key).and_then(|relay| {
                self.peek(&relay, now)
                    .map(|relay| relay.overdue(awake_us, limits))
            });
            if relay == Some(true) {
                continue;
            }
            found.push(Silent {
                key: key.to_vec(),
                last_seq: talker.last_seq,
                last_received: talker.last_received,
                silent_us,
                patience_us: talker.patience_us(limits).unwrap_or(0),
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_gap_lies_in_the_bucket_that_just_holds_it() {
        for gap in [
            0,
            1,
            250_000,
            297_250,
            297_251,
            SECOND,
            10 * SECOND,
            86_400 * SECOND,
        ] {
            let bucket = bucket_of(gap);
            assert!(gap <= upper_us(bucket));
            assert!(bucket == 0 || gap > upper_us(bucket - 1), "{gap}");
        }
        assert_eq!(bucket_of(i64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_99th_percentile_leaves_out_one_gap_in_a_hundred() {
        let mut gaps = Gaps::default();
        (0..199).for_each(|_| gaps.add(10 * SECOND));
        gaps.add(3_600 * SECOND);
        assert!((10 * SECOND..12 * SECOND).contains(&gaps.p99_us()));
        gaps.add(3_600 * SECOND);
        gaps.add(3_600 * SECOND);
        assert!(gaps.p99_us() >= 3_600 * SECOND);
        (0..100_000).for_each(|_| gaps.add(SECOND));
        assert!(gaps.total < TOTAL_MAX && gaps.p99_us() < 2 * SECOND);
    }

    #[test]
    fn silence_is_told_once_and_only_after_learning() {
        let limits = Limits {
            factor: 3,
            at_least_us: 60 * SECOND,
            learning_us: 1_000 * SECOND,
            samples: 50,
        };
        let mut store: Store<Talker> = Store::new(1 << 20, i64::MAX);
        for turn in 0..200 {
            store.touch(b"a", Micros(0), |talker| {
                talker.talks(turn * 10 * SECOND, Micros(0), Seq(1));
            });
        }
        store.touch(b"new", Micros(0), |talker| {
            talker.talks(1_990 * SECOND, Micros(0), Seq(1));
        });
        let silent = |store: &Store<Talker>, awake: i64| {
            store
                .silent(awake * SECOND, limits, Micros(0), |_| None)
                .len()
        };
        assert_eq!(silent(&store, 2_040), 0);
        assert_eq!(silent(&store, 2_051), 1);
        assert_eq!(silent(&store, 9_000), 1);
    }
}
