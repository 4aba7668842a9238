//! Events that come at regular intervals: beats, and how far the intervals between them lie from their median.
//!
//! Judged are so many of the latest intervals, by their median and its median absolute deviation, and by how many of
//! them are off the beat. A few odd ones, such as missed beats, change neither much; intervals by chance fail both.

use event::{Micros, Seq};

use crate::episode::{Episode, Fired};
use crate::store::Kept;
use crate::usual::median;

/// A median of fewer intervals says nothing, and more would be remembered of each key.
pub(crate) const INTERVALS: std::ops::RangeInclusive<usize> = 4..=31;
/// In percent of the median. Beyond, an interval may be off the beat by its whole length.
pub(crate) const JITTER: std::ops::RangeInclusive<u32> = 1..=30;
/// An interval that lies further from the median than so many times the jitter is off the beat. Where intervals are spread
/// evenly between two bounds, as by the jitter of remote access tools, none is further than twice their median absolute
/// deviation; of a normal distribution one in twenty is further than three times.
const OFF_BEAT: i64 = 3;
/// One in so many intervals may be off the beat: a beat missed, or an event between two.
const ONE_OFF_IN: usize = 4;

/// What is known of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pulse {
    /// By time, no two nearer than the shortest interval, one more than the intervals that are judged.
    pub(crate) beats: Vec<Beat>,
    pub(crate) episode: Option<Box<Episode>>,
}

/// Events one soon after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    /// The first event.
    pub(crate) at: Micros,
    pub(crate) seq: Seq,
    /// The time of the last.
    pub(crate) until: Micros,
}

/// When intervals are regular.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many of the latest are judged.
    pub(crate) intervals: usize,
    /// The shortest that counts, more than 0. What comes sooner belongs to the beat before it.
    pub(crate) at_least_us: i64,
    /// How large their median absolute deviation may be, in percent of the median.
    pub(crate) jitter: u32,
}

/// Regular intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    /// Their median.
    pub(crate) interval_us: i64,
    /// The median absolute deviation, in percent of it.
    pub(crate) jitter: i64,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PulseOutcome {
    Nothing,
    /// A beat of a rhythm that is known; `newly_untold` where it is the first since the episode was last told.
    WentOn {
        newly_untold: bool,
    },
    Fired(Fired, Rhythm),
}

impl Kept for Pulse {
    fn heap_bytes(&self) -> usize {
        self.beats.len() * size_of::<Beat>()
            + self.episode.as_deref().map_or(0, Episode::heap_bytes)
    }
}

impl Pulse {
    /// Notes an event: fires when it begins a beat and the latest intervals, all within a window, are regular.
    pub(crate) fn note(
        &mut self,
        at: Micros,
        seq: Seq,
        limits: Limits,
        window_us: i64,
        id: impl FnOnce() -> [u8; 16],
    ) -> PulseOutcome {
        if !self.begins(at, seq, limits, window_us) {
            return PulseOutcome::Nothing;
        }
        let Some(rhythm) = self.rhythm(limits) else {
            return PulseOutcome::Nothing;
        };
        match &mut self.episode {
            Some(episode) if episode.holds(at, window_us) => PulseOutcome::WentOn {
                newly_untold: episode.extend(at, seq),
            },
            over => {
                let fired = fired(&self.beats, at);
                *over = Some(Box::new(Episode::open(id(), &fired)));
                PulseOutcome::Fired(fired, rhythm)
            }
        }
    }

    /// Puts an event to its beat; whether it begins one. Where it lies in time decides, not when it came: one that is late
    /// may stand between two beats, or join them.
    fn begins(&mut self, at: Micros, seq: Seq, limits: Limits, window_us: i64) -> bool {
        let near = |from: Micros, to: Micros| to.0.saturating_sub(from.0) < limits.at_least_us;
        let mut place = self.beats.partition_point(|beat| beat.at <= at);
        let (earlier, later) = self.beats.split_at_mut(place);
        let before = earlier.last_mut().filter(|beat| near(beat.until, at));
        let after = later.first_mut().filter(|beat| near(at, beat.at));
        match (before, after) {
            (Some(before), Some(after)) => {
                before.until = before.until.max(after.until);
                self.beats.remove(place);
                return false;
            }
            (Some(before), None) => {
                before.until = before.until.max(at);
                return false;
            }
            (None, Some(after)) => {
                (after.at, after.seq) = (at, seq);
                return false;
            }
            (None, None) => {}
        }
        let newest = self.beats.last().map_or(at, |beat| beat.at.max(at));
        let too_old = |time: Micros| newest.0.saturating_sub(time.0) > window_us;
        let is_full = self.beats.len() > limits.intervals;
        if too_old(at) || (is_full && place == 0) {
            return false;
        }
        let old = self.beats.partition_point(|beat| too_old(beat.at));
        let gone = old.max(usize::from(is_full));
        self.beats.drain(..gone);
        place -= gone;
        let until = at;
        // Most keys come once and never again, so that room for more beats is not taken before they come.
        self.beats.reserve_exact(1);
        self.beats.insert(place, Beat { at, seq, until });
        true
    }

    /// The rhythm of the latest intervals, if there are enough and they are regular.
    fn rhythm(&self, limits: Limits) -> Option<Rhythm> {
        if self.beats.len() <= limits.intervals {
            return None;
        }
        let pairs = self.beats.iter().zip(self.beats.iter().skip(1));
        let intervals: Vec<i64> = pairs
            .map(|(beat, next)| next.at.0.saturating_sub(beat.at.0))
            .collect();
        let interval_us = median(intervals.clone());
        let apart: Vec<i64> = intervals
            .iter()
            .map(|interval| interval.saturating_sub(interval_us).saturating_abs())
            .collect();
        let percent = |apart: i64| apart.saturating_mul(100);
        let allowed = interval_us.saturating_mul(i64::from(limits.jitter));
        let off_beat = allowed.saturating_mul(OFF_BEAT);
        let off = apart.iter().filter(|apart| percent(**apart) > off_beat);
        let few_off = off.count() <= limits.intervals / ONE_OFF_IN;
        let deviation_us = median(apart);
        let is_regular = few_off && percent(deviation_us) <= allowed;
        is_regular.then(|| Rhythm {
            interval_us,
            jitter: percent(deviation_us) / interval_us.max(1),
        })
    }
}

/// The firing of these beats, by an event of that time.
fn fired(beats: &[Beat], at: Micros) -> Fired {
    let time = |beat: Option<&Beat>| beat.map_or(at, |beat| beat.at);
    Fired {
        first_at: time(beats.first()),
        last_at: time(beats.last()),
        count: beats.len() as u64,
        seqs: beats.iter().map(|beat| beat.seq).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use proptest::prelude::*;
    use simulate::Random;

    const SECOND: i64 = 1_000_000;
    const WINDOW: i64 = 3_600 * SECOND;
    const LIMITS: Limits = Limits {
        intervals: 12,
        at_least_us: 30 * SECOND,
        jitter: 10,
    };

    const NEVER: [usize; 0] = [];

    /// What became of events at these seconds.
    fn noted(pulse: &mut Pulse, seconds: &[i64]) -> Vec<PulseOutcome> {
        let note = |(seq, second): (u64, &i64)| {
            let at = Micros(second.saturating_mul(SECOND));
            pulse.note(at, Seq(seq), LIMITS, WINDOW, || [7; 16])
        };
        (1..).zip(seconds).map(note).collect()
    }

    /// The places of the events that fired.
    fn fires(seconds: &[i64]) -> Vec<usize> {
        let outcomes = noted(&mut Pulse::default(), seconds);
        let fired = outcomes.iter().enumerate();
        fired
            .filter(|(_, outcome)| matches!(outcome, PulseOutcome::Fired(..)))
            .map(|(place, _)| place)
            .collect()
    }

    /// Instants one after the other, at these intervals.
    fn after_one_another(intervals: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut now = 1_000_000;
        let rest = intervals.into_iter().map(|interval| {
            now += interval;
            now
        });
        std::iter::once(1_000_000).chain(rest).collect()
    }

    #[test]
    fn what_comes_at_regular_intervals_fires_once_and_goes_on() {
        let mut random = Random::new(1);
        // Remote access tools sleep for a time less up to so much: here a fifth.
        let seconds = (0..60).map(|_| random.between(240, 300).cast_signed());
        let jittered = after_one_another(seconds);
        let outcomes = noted(&mut Pulse::default(), &jittered);
        assert_eq!(fires(&jittered), [12]);
        let [.., last] = outcomes.as_slice() else {
            panic!("there are some")
        };
        assert_eq!(
            *last,
            PulseOutcome::WentOn {
                newly_untold: false
            }
        );
        assert_eq!(
            outcomes[13],
            PulseOutcome::WentOn { newly_untold: true },
            "every beat of a rhythm belongs to its episode"
        );
        assert_eq!(fires(&after_one_another([60; 11])), NEVER);
    }

    #[test]
    fn a_firing_tells_its_interval_and_its_beats() {
        let even = after_one_another([60; 12]);
        let outcomes = noted(&mut Pulse::default(), &even);
        let Some(PulseOutcome::Fired(fired, rhythm)) = outcomes.last() else {
            panic!("{outcomes:?}")
        };
        let expected = Rhythm {
            interval_us: 60 * SECOND,
            jitter: 0,
        };
        assert_eq!(*rhythm, expected);
        assert_eq!(
            (fired.count, fired.first_at, fired.last_at),
            (13, Micros(1_000_000 * SECOND), Micros(1_000_720 * SECOND))
        );
        assert_eq!(fired.seqs, (1..=13).map(Seq).collect::<Vec<_>>());
    }

    #[test]
    fn what_comes_by_chance_does_not_fire() {
        for seed in 0..40 {
            let mut random = Random::new(seed);
            // Each second with the same chance: a Poisson process of one event in five minutes, for two days.
            let by_chance: Vec<i64> = (0..2 * 86_400).filter(|_| random.below(300) == 0).collect();
            assert_eq!(fires(&by_chance), NEVER, "seed {seed}");
        }
    }

    #[test]
    fn events_one_soon_after_the_other_are_one_beat() {
        let polling = after_one_another([10; 2_000]);
        assert_eq!(fires(&polling), NEVER);
        let mut pulse = Pulse::default();
        noted(&mut pulse, &polling);
        assert_eq!(pulse.beats.len(), 1, "however long it lasts");
        // Bursts of five events, some seconds apart, every five minutes.
        let bursts: Vec<i64> = (0..13)
            .flat_map(|burst| (0..5).map(move |event| burst * 300 + event * 7))
            .collect();
        assert_eq!(fires(&bursts), [60]);
        // The shortest interval that counts is one.
        assert_eq!(fires(&after_one_another([30; 12])), [12]);
        assert_eq!(fires(&after_one_another([29; 50])), NEVER);
    }

    #[test]
    fn a_few_beats_may_be_missed() {
        let missed = |doubled: &[usize]| {
            let interval = |place| if doubled.contains(&place) { 240 } else { 120 };
            fires(&after_one_another((0..12).map(interval)))
        };
        assert_eq!(missed(&[2]), [12]);
        assert_eq!(missed(&[2, 5, 9]), [12], "one in four");
        assert_eq!(missed(&[2, 5, 7, 9]), NEVER, "more than one in four");
        // Off by any other amount, too: a machine that slept, an event between two.
        let odd = [60, 60, 60, 60, 900, 60, 60, 31, 35, 60, 60, 60];
        assert_eq!(fires(&after_one_another(odd)), [12]);
    }

    #[test]
    fn the_intervals_must_lie_within_a_window() {
        assert_eq!(fires(&after_one_another([300; 12])), [12]);
        assert_eq!(fires(&after_one_another([301; 50])), NEVER);
    }

    #[test]
    fn after_a_quiet_window_a_rhythm_is_told_anew() {
        let mut intervals = vec![60; 20];
        intervals.push(3_601);
        intervals.extend([60; 20]);
        assert_eq!(fires(&after_one_another(intervals)), [12, 33]);
        let mut intervals = vec![60; 20];
        intervals.push(1_800);
        intervals.extend([60; 20]);
        assert_eq!(fires(&after_one_another(intervals)), [12]);
    }

    #[test]
    fn late_events_take_their_place() {
        let even = after_one_another([60; 12]);
        let mut late = even.clone();
        late.swap(3, 7);
        late.swap(10, 11);
        assert_eq!(fires(&late), [12]);
        let mut backwards = even;
        backwards.reverse();
        assert_eq!(fires(&backwards), [12]);
        // Far too late, and before all that is remembered: neither changes anything.
        let mut pulse = Pulse::default();
        noted(&mut pulse, &after_one_another([60; 14]));
        let beats = pulse.beats.clone();
        let outcomes = noted(&mut pulse, &[0, 1_000_001]);
        assert_eq!(outcomes, [PulseOutcome::Nothing, PulseOutcome::Nothing]);
        assert_eq!(pulse.beats, beats);
    }

    #[test]
    fn a_late_event_between_two_beats_joins_them() {
        let mut pulse = Pulse::default();
        noted(&mut pulse, &[100, 145, 120]);
        let [beat] = pulse.beats.as_slice() else {
            panic!("{pulse:?}")
        };
        let expected = Beat {
            at: Micros(100 * SECOND),
            seq: Seq(1),
            until: Micros(145 * SECOND),
        };
        assert_eq!(*beat, expected);
    }

    #[test]
    fn a_key_that_had_to_go_begins_anew() {
        let note = |store: &mut Store<Pulse>, key: &str, second: i64| {
            let at = Micros(second * SECOND);
            store.touch(key.as_bytes(), at, |pulse| {
                pulse.note(at, Seq(1), LIMITS, WINDOW, || [7; 16])
            })
        };
        let mut store: Store<Pulse> = Store::new(2_000, WINDOW);
        let mut evicted = 0;
        for second in after_one_another([60; 12]) {
            let (outcome, gone) = note(&mut store, "beacon", second);
            assert_eq!(outcome, PulseOutcome::Nothing);
            evicted += gone;
            for other in 0..20 {
                evicted += note(&mut store, &format!("{second} {other}"), second).1;
            }
        }
        assert!(evicted > 200 && store.bytes() <= 2_000);
    }

    proptest! {
        #[test]
        fn no_times_make_it_panic(times in prop::collection::vec(any::<i64>(), 0..60), window in any::<u32>(), at_least in 1u32..) {
            let limits = Limits { at_least_us: i64::from(at_least) * SECOND, ..LIMITS };
            let mut pulse = Pulse::default();
            for at in times {
                pulse.note(Micros(at), Seq(1), limits, i64::from(window) * SECOND, || [7; 16]);
            }
        }

        #[test]
        fn beats_stand_apart_in_their_order_within_the_window(seconds in prop::collection::vec(0i64..9_000, 0..120)) {
            let mut pulse = Pulse::default();
            for second in seconds {
                noted(&mut pulse, &[second]);
                prop_assert!(pulse.beats.len() <= LIMITS.intervals + 1);
                let pairs = pulse.beats.iter().zip(pulse.beats.iter().skip(1));
                for (beat, next) in pairs {
                    prop_assert!(beat.at <= beat.until && next.at.0 - beat.until.0 >= LIMITS.at_least_us);
                }
                let (first, last) = (pulse.beats.first().unwrap(), pulse.beats.last().unwrap());
                // A late event may come before the first beat and belong to it.
                prop_assert!(last.at.0 - first.at.0 < WINDOW + LIMITS.at_least_us);
            }
        }

        /// As long as nothing had to go.
        #[test]
        fn in_which_order_events_come_does_not_matter(
            (seconds, shuffled) in prop::collection::vec(0i64..3_000, 0..12)
                .prop_flat_map(|seconds| (Just(seconds.clone()), Just(seconds).prop_shuffle())),
        ) {
            let beats = |seconds: &[i64]| {
                let mut pulse = Pulse::default();
                noted(&mut pulse, seconds);
                let span = |beat: &Beat| (beat.at, beat.until);
                pulse.beats.iter().map(span).collect::<Vec<_>>()
            };
            prop_assert_eq!(beats(&seconds), beats(&shuffled));
        }
    }
}
