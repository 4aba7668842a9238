//! How many events a second a listener is shown; the others are counted, so that the gap can be told.

use std::time::Duration;

use event::Seq;
use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);

/// Lets so many events a second through. Reads no clock: each call is given the time since some fixed moment.
#[derive(Debug)]
pub(crate) struct TailRate {
    /// Events a second at most.
    events_max: u32,
    /// The second under way.
    second: Second,
    /// What was left out in it.
    gap: Option<LeftOut>,
}

#[derive(Debug)]
struct Second {
    began: Duration,
    shown: u32,
}

/// What was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    /// How many events.
    pub(crate) events: u64,
    /// The last of them.
    pub(crate) through_seq: Seq,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It is shown, behind the gap before it, if there is one.
    Shown(Option<LeftOut>),
    /// It is left out, and counted.
    LeftOut,
}

impl TailRate {
    /// So many events a second.
    pub(crate) fn new(events_max: u32) -> Self {
        Self {
            events_max,
            second: Second {
                began: Duration::ZERO,
                shown: 0,
            },
            gap: None,
        }
    }

    /// Decides about the next event.
    pub(crate) fn offer(&mut self, seq: Seq, now: Duration) -> Offered {
        if self.is_over(now) {
            self.second = Second {
                began: now,
                shown: 0,
            };
        }
        if self.second.shown < self.events_max {
            self.second.shown += 1;
            return Offered::Shown(self.gap.take());
        }
        let gap = self.gap.get_or_insert(LeftOut {
            events: 0,
            through_seq: seq,
        });
        gap.events += 1;
        gap.through_seq = seq;
        Offered::LeftOut
    }

    /// The gap, once the second in which it arose is over; each is given once.
    pub(crate) fn due(&mut self, now: Duration) -> Option<LeftOut> {
        if self.is_over(now) {
            return self.gap.take();
        }
        None
    }

    /// How long it is until a gap is to be told; none where there is none.
    pub(crate) fn due_in(&self, now: Duration) -> Option<Duration> {
        let end = self.second.began.saturating_add(SECOND);
        self.gap.map(|_| end.saturating_sub(now))
    }

    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.second.began) >= SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_over_the_rate_is_counted_and_told_before_the_next_event() {
        let mut rate = TailRate::new(2);
        assert_eq!(rate.offer(Seq(1), at(5000)), Offered::Shown(None));
        assert_eq!(rate.offer(Seq(2), at(5001)), Offered::Shown(None));
        assert_eq!(rate.due_in(at(5001)), None);
        assert_eq!(rate.offer(Seq(4), at(5002)), Offered::LeftOut);
        assert_eq!(rate.offer(Seq(7), at(5999)), Offered::LeftOut);
        let gap = LeftOut {
            events: 2,
            through_seq: Seq(7),
        };
        assert_eq!(rate.offer(Seq(8), at(6000)), Offered::Shown(Some(gap)));
        assert_eq!(rate.offer(Seq(9), at(6001)), Offered::Shown(None));
        assert_eq!(rate.offer(Seq(10), at(6002)), Offered::LeftOut);
    }

    #[test]
    fn a_gap_is_due_when_its_second_is_over_and_only_once() {
        let mut rate = TailRate::new(1);
        assert_eq!(rate.offer(Seq(1), at(100)), Offered::Shown(None));
        assert_eq!(rate.offer(Seq(2), at(200)), Offered::LeftOut);
        assert_eq!(rate.due(at(999)), None);
        assert_eq!(rate.due_in(at(400)), Some(at(600)));
        let gap = LeftOut {
            events: 1,
            through_seq: Seq(2),
        };
        assert_eq!(rate.due(at(1000)), Some(gap));
        assert_eq!(rate.due(at(1000)), None);
        assert_eq!(rate.offer(Seq(3), at(1000)), Offered::Shown(None));
    }

    #[test]
    fn every_event_is_shown_or_in_exactly_one_gap() {
        let mut rate = TailRate::new(3);
        let (mut shown, mut told) = (0, 0);
        for n in 0..1000_u64 {
            // Uneven arrivals: bursts and pauses.
            let now = at(n * 37 + (n / 50) * 1900);
            told += rate.due(now).map_or(0, |gap| gap.events);
            if let Offered::Shown(gap) = rate.offer(Seq(n + 1), now) {
                shown += 1;
                told += gap.map_or(0, |gap| gap.events);
            }
        }
        told += rate.due(at(10_000_000)).map_or(0, |gap| gap.events);
        assert_eq!(shown + told, 1000);
        assert!(told > 0 && shown > 3);
    }
}
