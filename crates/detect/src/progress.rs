//! How far a key is on the way to a firing: counts, distinct values and sequences within a window.

use event::{Micros, Seq};

use crate::episode::{Episode, Fired};
use crate::folded::Folded;
use crate::measure::{Bounds, Measure};
use crate::sigma_condition::Condition;
use crate::store::{Kept, list_bytes};

/// What one rule remembers of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Counts and distinct values: the latest hits, by time, no more than the threshold.
    hits: Vec<Hit>,
    /// Sums and averages: the numbers of before these hits.
    folded: Option<Box<Folded>>,
    /// Sequences: for each step that was reached, the latest way there.
    chains: Vec<Chain>,
    pub(crate) episode: Option<Box<Episode>>,
}

/// One event that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) at: Micros,
    pub(crate) seq: Seq,
    /// What must differ for distinct values: the value's hash, or the number of the step.
    pub(crate) tag: u64,
}

/// A way through the first steps of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) step: u8,
    pub(crate) start: Micros,
    pub(crate) last: Micros,
    pub(crate) count: u64,
    pub(crate) seqs: Vec<Seq>,
}

/// A step of a sequence that an event takes: its number, and what stands behind it.
#[derive(Clone, Debug)]
pub(crate) struct StepTaken {
    pub(crate) step: u8,
    /// How many events stand behind it: one, or those of the inner correlation's episode.
    pub(crate) count: u64,
    pub(crate) seqs: Vec<Seq>,
}

/// Of a sum's hits so many are kept one by one; the older half is folded where there are more.
const UNFOLDED_MAX: usize = 256;
/// A sequence's evidence keeps this many Seqs of each step.
const STEP_SEQS_MAX: usize = 10;

impl Progress {
    /// Counts an event: fires when the latest `threshold` hits lie within a window.
    pub(crate) fn count(&mut self, hit: Hit, threshold: usize, window_us: i64) -> Option<Fired> {
        let place = self.hits.partition_point(|other| other.at <= hit.at);
        self.hits.insert(place, hit);
        self.fire_if_full(threshold, window_us)
    }

    /// Counts an event's value: fires when the latest `threshold` distinct values lie within a window.
    pub(crate) fn distinct(&mut self, hit: Hit, threshold: usize, window_us: i64) -> Option<Fired> {
        if let Some(place) = self.hits.iter().position(|other| other.tag == hit.tag) {
            let known = self.hits.remove(place);
            let latest = if known.at > hit.at { known } else { hit };
            return self.count(latest, threshold, window_us);
        }
        self.count(hit, threshold, window_us)
    }

    fn fire_if_full(&mut self, threshold: usize, window_us: i64) -> Option<Fired> {
        if self.hits.len() > threshold {
            self.hits.remove(0);
        }
        let (first, last) = (self.hits.first()?, self.hits.last()?);
        let within = last.at.0.saturating_sub(first.at.0) <= window_us;
        if self.hits.len() < threshold || !within {
            return None;
        }
        let fired = Fired {
            first_at: first.at,
            last_at: last.at,
            count: self.hits.len() as u64,
            seqs: self.hits.iter().map(|hit| hit.seq).collect(),
        };
        self.hits = Vec::new();
        Some(fired)
    }

    /// Notes which rules have matched: fires while the condition holds of those that did so within a window.
    pub(crate) fn pattern(
        &mut self,
        hits: Vec<Hit>,
        condition: &Condition,
        window_us: i64,
    ) -> Option<Fired> {
        for hit in hits {
            self.hits.retain(|other| other.tag != hit.tag);
            self.remember(hit, usize::MAX, window_us);
        }
        let has = |rule: usize| self.hits.iter().any(|hit| hit.tag == rule as u64);
        condition.holds(&has).then(|| self.all_hits())
    }

    /// Counts an event, or its value: fires while the number worked out of those within a window lies in the bounds.
    pub(crate) fn measure(
        &mut self,
        hit: Hit,
        measure: Measure,
        bounds: &Bounds,
        window_us: i64,
    ) -> Option<Fired> {
        if measure == Measure::Distinct {
            self.hits.retain(|other| other.tag != hit.tag);
        }
        self.remember(hit, measure.hits_max(bounds), window_us);
        if measure.is_of_sums() {
            self.fold(window_us);
        }
        let number = measure.of(&self.hits, self.folded.as_deref())?;
        bounds.hold(number).then(|| self.all_hits())
    }

    /// Folds the older half of the hits where there are many, and forgets what is folded and too old.
    fn fold(&mut self, window_us: i64) {
        if self.hits.len() > UNFOLDED_MAX {
            let folded = self.folded.get_or_insert_default();
            for hit in self.hits.drain(..UNFOLDED_MAX / 2) {
                folded.add(hit, window_us);
            }
        }
        if let (Some(folded), Some(last)) = (&mut self.folded, self.hits.last()) {
            folded.forget_before(last.at, window_us);
        }
    }

    /// Keeps a hit, and of those before it the latest that lie within a window of the last.
    fn remember(&mut self, hit: Hit, hits_max: usize, window_us: i64) {
        let place = self.hits.partition_point(|other| other.at <= hit.at);
        self.hits.insert(place, hit);
        let last = self.hits.last().map_or(hit.at, |last| last.at);
        let too_old = self
            .hits
            .partition_point(|other| last.0.saturating_sub(other.at.0) > window_us);
        let too_many = self.hits.len().saturating_sub(hits_max);
        self.hits.drain(..too_old.max(too_many));
    }

    fn all_hits(&self) -> Fired {
        let at = |hit: Option<&Hit>| hit.map_or(Micros(0), |hit| hit.at);
        let folded = self.folded.as_deref();
        let before = folded.into_iter().flat_map(Folded::seqs);
        Fired {
            first_at: folded
                .and_then(Folded::first_at)
                .unwrap_or(at(self.hits.first())),
            last_at: at(self.hits.last()),
            count: self.hits.len() as u64 + folded.map_or(0, Folded::count),
            seqs: before.chain(self.hits.iter().map(|hit| hit.seq)).collect(),
        }
    }

    /// Takes steps of a sequence of `steps` steps: fires when the last is reached within a window of the first.
    ///
    /// `taken` must be descending by step, so that one event is never two steps of one way.
    pub(crate) fn sequence(
        &mut self,
        at: Micros,
        taken: Vec<StepTaken>,
        steps: u8,
        window_us: i64,
    ) -> Option<Fired> {
        for StepTaken {
            step,
            count,
            mut seqs,
        } in taken
        {
            seqs.drain(..seqs.len().saturating_sub(STEP_SEQS_MAX));
            let chain = match step.checked_sub(1) {
                None => Chain {
                    step,
                    start: at,
                    last: at,
                    count,
                    seqs,
                },
                Some(before) => {
                    let Some(way) = self.way(before, at, window_us) else {
                        continue;
                    };
                    let mut all = way.seqs.clone();
                    all.extend(seqs);
                    Chain {
                        step,
                        start: way.start,
                        last: at,
                        count: way.count.saturating_add(count),
                        seqs: all,
                    }
                }
            };
            if step + 1 == steps {
                self.chains = Vec::new();
                return Some(Fired {
                    first_at: chain.start,
                    last_at: at,
                    count: chain.count,
                    seqs: chain.seqs,
                });
            }
            self.chains
                .retain(|other| other.step != step || other.start > chain.start);
            if !self.chains.iter().any(|other| other.step == step) {
                self.chains.push(chain);
            }
        }
        None
    }

    fn way(&self, step: u8, at: Micros, window_us: i64) -> Option<&Chain> {
        let way = self.chains.iter().find(|chain| chain.step == step)?;
        let in_time = way.last <= at && at.0.saturating_sub(way.start.0) <= window_us;
        in_time.then_some(way)
    }

    /// The parts, for a checkpoint.
    pub(crate) fn parts(&self) -> (&[Hit], Option<&Folded>, &[Chain], Option<&Episode>) {
        let (folded, episode) = (self.folded.as_deref(), self.episode.as_deref());
        (&self.hits, folded, &self.chains, episode)
    }

    /// The same again, from a checkpoint.
    pub(crate) fn from_parts(
        hits: Vec<Hit>,
        folded: Option<Folded>,
        chains: Vec<Chain>,
        episode: Option<Episode>,
    ) -> Self {
        Self {
            hits,
            folded: folded.map(Box::new),
            chains,
            episode: episode.map(Box::new),
        }
    }
}

impl Kept for Progress {
    fn heap_bytes(&self) -> usize {
        let chains: usize = self
            .chains
            .iter()
            .map(|chain| size_of::<Chain>() + list_bytes::<Seq>(chain.seqs.len()))
            .sum();
        let episode = self.episode.as_deref().map_or(0, Episode::heap_bytes);
        let folded = self.folded.as_deref().map_or(0, Folded::heap_bytes);
        list_bytes::<Hit>(self.hits.len()) + folded + chains + episode
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule_file::Threshold;
    use proptest::prelude::*;

    fn hit(at: i64, tag: u64) -> Hit {
        Hit {
            at: Micros(at),
            seq: Seq(at.unsigned_abs() + 1),
            tag,
        }
    }

    #[test]
    fn a_count_fires_when_enough_lie_within_the_window() {
        let fires = |times: &[i64]| {
            let mut progress = Progress::default();
            times
                .iter()
                .position(|at| progress.count(hit(*at, 0), 3, 10).is_some())
        };
        assert_eq!(fires(&[0, 5, 10]), Some(2));
        assert_eq!(fires(&[0, 5, 11]), None);
        assert_eq!(fires(&[0, 5, 11, 15]), Some(3));
        assert_eq!(fires(&[10, 5, 0]), Some(2));
        assert_eq!(fires(&[0, 100, 101, 50, 102]), Some(4));
    }

    #[test]
    fn one_value_many_times_is_one_value() {
        let fires = |hits: &[(i64, u64)]| {
            let mut progress = Progress::default();
            hits.iter()
                .position(|(at, tag)| progress.distinct(hit(*at, *tag), 3, 10).is_some())
        };
        assert_eq!(fires(&[(0, 1), (1, 1), (2, 1), (3, 2)]), None);
        assert_eq!(fires(&[(0, 1), (1, 2), (2, 3)]), Some(2));
        assert_eq!(fires(&[(0, 1), (9, 2), (10, 1), (15, 3)]), Some(3));
        assert_eq!(fires(&[(0, 1), (9, 2), (15, 3)]), None);
    }

    fn steps(progress: &mut Progress, at: i64, taken: &[u8]) -> Option<Fired> {
        let taken = taken.iter().map(|step| StepTaken {
            step: *step,
            count: 1,
            seqs: vec![Seq(at.unsigned_abs())],
        });
        progress.sequence(Micros(at), taken.collect(), 3, 10)
    }

    #[test]
    fn a_sequence_fires_in_its_order_alone() {
        let mut progress = Progress::default();
        assert_eq!(steps(&mut progress, 1, &[2]), None);
        assert_eq!(steps(&mut progress, 2, &[1]), None);
        assert_eq!(steps(&mut progress, 3, &[0]), None);
        assert_eq!(steps(&mut progress, 4, &[1, 0]), None);
        let fired = steps(&mut progress, 5, &[2]).unwrap();
        assert_eq!((fired.first_at, fired.count), (Micros(3), 3));
        assert_eq!(fired.seqs, [Seq(3), Seq(4), Seq(5)]);
        assert_eq!(steps(&mut progress, 6, &[2]), None);
    }

    #[test]
    fn a_sequence_must_fit_its_window_from_the_latest_beginning() {
        let mut progress = Progress::default();
        steps(&mut progress, 0, &[0]);
        steps(&mut progress, 5, &[1]);
        assert_eq!(steps(&mut progress, 11, &[2]), None);
        steps(&mut progress, 12, &[0]);
        steps(&mut progress, 13, &[0]);
        steps(&mut progress, 14, &[1]);
        assert_eq!(steps(&mut progress, 23, &[2]).unwrap().first_at, Micros(13));
    }

    /// Instants so far apart.
    fn times(gaps: Vec<i64>) -> impl Iterator<Item = i64> {
        gaps.into_iter().scan(0, |now, gap| {
            *now += gap;
            Some(*now)
        })
    }

    /// How many lie within a window that ends with the last.
    fn within(times: &[i64], window: i64) -> usize {
        let last = times.last().copied().unwrap_or_default();
        times.iter().filter(|at| last - **at <= window).count()
    }

    proptest! {
        #[test]
        fn counting_in_order_is_what_a_naive_count_says(
            gaps in prop::collection::vec(0i64..8, 1..60), threshold in 1usize..6, window in 1i64..30,
        ) {
            let mut progress = Progress::default();
            let mut seen: Vec<i64> = Vec::new();
            for now in times(gaps) {
                seen.push(now);
                let naive = within(&seen, window) >= threshold;
                let fired = progress.count(hit(now, 0), threshold, window).is_some();
                prop_assert_eq!(fired, naive);
                if fired {
                    seen.clear();
                }
            }
        }

        #[test]
        fn a_sum_is_that_of_all_numbers_within_the_window_and_at_most_a_thousandth_more(
            gaps in prop::collection::vec(0i64..2_000, 1..3_000), window in 1i64..1_000_000,
        ) {
            let bounds = Bounds::of(&Threshold { gte: Some(0.0), ..Threshold::default() }).unwrap();
            let mut progress = Progress::default();
            let mut seen: Vec<i64> = Vec::new();
            for now in times(gaps) {
                seen.push(now);
                let fired = progress.measure(hit(now, 1f64.to_bits()), Measure::Sum, &bounds, window).unwrap();
                let most = within(&seen, window + (window + 999) / 1_000) as u64;
                prop_assert!((within(&seen, window) as u64..=most).contains(&fired.count));
                let sum = Measure::Sum.of(&progress.hits, progress.folded.as_deref()).unwrap();
                prop_assert!((sum - fired.count as f64).abs() < 1e-6);
                prop_assert!(progress.hits.len() <= UNFOLDED_MAX);
                prop_assert!(progress.folded.as_ref().is_none_or(|folded| folded.spans().len() <= 1_002));
            }
        }

        #[test]
        fn distinct_values_in_order_are_what_a_naive_count_says(
            steps in prop::collection::vec((0i64..8, 0u64..6), 1..60), threshold in 1usize..6, window in 1i64..30,
        ) {
            let mut progress = Progress::default();
            let mut seen: Vec<(i64, u64)> = Vec::new();
            let mut now = 0;
            for (gap, tag) in steps {
                now += gap;
                seen.push((now, tag));
                let recent = seen.iter().filter(|(at, _)| now - at <= window).map(|(_, tag)| tag);
                let naive = recent.collect::<std::collections::BTreeSet<_>>().len() >= threshold;
                let fired = progress.distinct(hit(now, tag), threshold, window).is_some();
                prop_assert_eq!(fired, naive);
                if fired {
                    seen.clear();
                }
            }
        }
    }
}
