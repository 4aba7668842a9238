//! Gaps in the numbers that devices give to the messages they send here: what is missing was lost on its way.
//!
//! Nothing is kept across a restart: the first number seen of a device is where its count begins.

use std::collections::{BTreeSet, HashMap};

use event::{Event, Field, Loss, LossCause, Micros, Value};

/// Devices watched at a time; those beyond it are not.
const DEVICES_MAX: usize = 10_000;
/// Numbers that may still come late: datagrams overtake each other.
const LATE_MAX: usize = 64;
/// How long they may.
const LATE_AFTER: i64 = 10 * Micros::PER_SECOND;
/// A longer jump is another count, not a gap.
const JUMP_MAX: u64 = 1_000_000;

/// The counts of all devices.
#[derive(Debug, Default)]
pub(crate) struct SequenceGaps {
    by_device: HashMap<Box<str>, Count>,
}

/// What is known of one device's count.
#[derive(Debug)]
struct Count {
    /// The source that a loss is told of.
    source: Box<str>,
    last: u64,
    last_at: Micros,
    /// Numbers below `last` that have not come.
    missing: BTreeSet<u64>,
    /// When the first of them was missed, and when the message before it came.
    missed_at: Micros,
    seen_before: Micros,
}

impl SequenceGaps {
    /// Notes an event; gives what is now known to be lost.
    pub(crate) fn observe(&mut self, event: &Event) -> Vec<Loss> {
        let Some(Value::Date(now)) = event.get(Field::EVENT_INGESTED) else {
            return Vec::new();
        };
        if event.text(Field::NHATKY_LISTENER) == Some("nhatky") {
            // The heartbeat is by whom time passes here.
            let counts = self.by_device.values_mut();
            return counts.filter_map(|count| count.overdue(now)).collect();
        }
        let number = match event.get(Field::NHATKY_SEQUENCE) {
            Some(Value::Integer(number)) => u64::try_from(number).ok(),
            _ => None,
        };
        let (Some(number), Some(source)) = (number, event.text(Field::NHATKY_SOURCE)) else {
            return Vec::new();
        };
        let host = event.text(Field::LOG_SYSLOG_HOSTNAME).unwrap_or_default();
        let device = format!("{source}\n{host}");
        if let Some(count) = self.by_device.get_mut(device.as_str()) {
            return count.takes(number, now).into_iter().collect();
        }
        if self.by_device.len() < DEVICES_MAX {
            let count = Count {
                source: source.into(),
                last: number,
                last_at: now,
                missing: BTreeSet::new(),
                missed_at: now,
                seen_before: now,
            };
            self.by_device.insert(device.into(), count);
        }
        Vec::new()
    }
}

impl Count {
    fn takes(&mut self, number: u64, now: Micros) -> Option<Loss> {
        if self.missing.remove(&number) {
            return None;
        }
        let before = self.last_at;
        let gap = number.saturating_sub(self.last).saturating_sub(1);
        // A number that came before means that the device began anew.
        let begins_anew = number <= self.last || gap > JUMP_MAX;
        let last = std::mem::replace(&mut self.last, number);
        self.last_at = now;
        if begins_anew {
            return self.lost(now);
        }
        if gap == 0 {
            return self.overdue(now);
        }
        if self.missing.is_empty() {
            (self.missed_at, self.seen_before) = (now, before);
        }
        if gap as usize + self.missing.len() <= LATE_MAX {
            self.missing.extend(last + 1..number);
            return self.overdue(now);
        }
        let known = self.missing.len() as u64;
        self.missing.clear();
        Some(self.loss(known + gap, now))
    }

    /// Gives up on what has been missing for too long.
    fn overdue(&mut self, now: Micros) -> Option<Loss> {
        let waited = now.0.saturating_sub(self.missed_at.0);
        (waited >= LATE_AFTER).then(|| self.lost(now)).flatten()
    }

    fn lost(&mut self, now: Micros) -> Option<Loss> {
        let records = std::mem::take(&mut self.missing).len() as u64;
        (records > 0).then(|| self.loss(records, now))
    }

    fn loss(&self, records: u64, now: Micros) -> Loss {
        Loss {
            cause: LossCause::SequenceGap,
            source: self.source.to_string(),
            from: self.seen_before,
            to: now.min(self.last_at.max(self.missed_at)),
            records_max: Some(records),
            bytes: None,
            last_good: None,
            detail: format!(
                "the device counts its messages, and {records} before number {} have not come",
                self.last
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use event::Seq;

    use super::*;

    fn event(at_s: i64, number: Option<i64>) -> Event {
        let mut event = Event::new(Seq(1), Bytes::new());
        event.set(Field::EVENT_INGESTED, Micros(at_s * Micros::PER_SECOND));
        match number {
            Some(number) => {
                event.set(Field::NHATKY_SOURCE, "192.0.2.1/cisco.ios");
                event.set(Field::NHATKY_SEQUENCE, number);
            }
            None => event.set(Field::NHATKY_LISTENER, "nhatky"),
        }
        event
    }

    /// How many records were told lost after each of these.
    fn told(arrivals: &[(i64, Option<i64>)]) -> Vec<u64> {
        let mut gaps = SequenceGaps::default();
        let losses = arrivals
            .iter()
            .flat_map(|(at_s, number)| gaps.observe(&event(*at_s, *number)));
        losses.filter_map(|loss| loss.records_max).collect()
    }

    #[test]
    fn numbers_that_never_come_are_lost() {
        assert_eq!(
            told(&[(0, Some(7)), (1, Some(8)), (2, Some(9))]),
            Vec::<u64>::new()
        );
        assert_eq!(
            told(&[(0, Some(7)), (1, Some(10)), (5, None), (11, None)]),
            [2]
        );
        assert_eq!(told(&[(0, Some(7)), (1, Some(1000))]), [992]);
        let twice = [
            (0, Some(1)),
            (1, Some(3)),
            (20, Some(4)),
            (21, Some(6)),
            (40, None),
        ];
        assert_eq!(told(&twice), [1, 1]);
    }

    #[test]
    fn late_numbers_are_not_lost() {
        let overtaken = [
            (0, Some(1)),
            (0, Some(3)),
            (0, Some(4)),
            (1, Some(2)),
            (60, None),
        ];
        assert_eq!(told(&overtaken), Vec::<u64>::new());
    }

    #[test]
    fn a_device_that_begins_anew_has_lost_nothing() {
        assert_eq!(
            told(&[(0, Some(5000)), (1, Some(1)), (2, Some(2)), (60, None)]),
            Vec::<u64>::new()
        );
        assert_eq!(
            told(&[(0, Some(5)), (1, Some(5_000_000)), (60, None)]),
            Vec::<u64>::new()
        );
    }
}
