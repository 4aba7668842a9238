//! Finds clocks of devices that are off, by comparing the times that they give with the receipt times.
//!
//! What arrives late cannot be told from a clock that is slow, and some records are written long after what they tell
//! of: so only minutes count in which all times of a device keep the same distance from their receipt, and a finding
//! needs several of them that agree. Windows are not kept across a restart; findings are, in the journal.

use std::collections::{HashMap, VecDeque};

use event::{ClockCause, ClockFinding, Event, Field, Micros, Transport, Value};
use registry::DeviceClock;

/// Devices watched at a time; those beyond it are not.
const DEVICES_MAX: usize = 10_000;
/// Minutes looked at together, those without events left out.
const MINUTES: usize = 10;
/// How many of them must agree at least, and how many of all those looked at, in tenths.
const MINUTES_MIN: usize = 5;
const AGREEING_TENTHS: usize = 8;
/// How far times may differ within a minute, and minutes from each other.
const SPREAD_MAX: i64 = 10 * Micros::PER_SECOND;
/// A clock that is this far ahead is off.
const AHEAD_MAX: i64 = 5 * Micros::PER_SECOND;
/// One that is behind may only be slow in sending, up to this.
const BEHIND_MAX: i64 = 120 * Micros::PER_SECOND;
const MINUTE: i64 = 60 * Micros::PER_SECOND;
/// Offsets of zones are multiples of this (Nepal's is 5:45), at most 14 hours.
const ZONE_STEP: i64 = 15 * MINUTE;
const ZONE_MAX: i64 = 14 * 60 * MINUTE;

/// The clocks of all devices.
#[derive(Debug, Default)]
pub(crate) struct DeviceClocks {
    by_source: HashMap<Box<str>, HashMap<Box<str>, Watched>>,
    devices: usize,
}

/// What is known of one device's clock.
#[derive(Debug, Default)]
struct Watched {
    /// The offset by which its times are corrected.
    known_us: i64,
    current: Minute,
    /// Minutes before, oldest first.
    recent: VecDeque<Minute>,
}

/// Distances of one minute's times from their receipt, in µs.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    number: i64,
    least: i64,
    greatest: i64,
    events: u64,
}

impl DeviceClocks {
    /// Goes on from findings on record.
    pub(crate) fn resume(findings: &[DeviceClock]) -> Self {
        let mut clocks = Self::default();
        for clock in findings {
            clocks.learn(&clock.finding);
        }
        clocks
    }

    /// Takes a finding that is on record.
    pub(crate) fn learn(&mut self, finding: &ClockFinding) {
        if let Some(watched) = self.watched(&finding.source, &finding.host) {
            watched.known_us = finding.offset_us;
            watched.recent.clear();
        }
    }

    /// Notes an event; gives what is now known of its device's clock, if that is news.
    pub(crate) fn observe(&mut self, event: &Event) -> Option<ClockFinding> {
        if let Some(clock) = DeviceClock::of_event(event) {
            self.learn(&clock.finding);
            return None;
        }
        let transport = event.text(Field::NHATKY_TRANSPORT)?;
        if [Transport::Import, Transport::Internal]
            .map(Transport::name)
            .contains(&transport)
        {
            return None;
        }
        let received = date(event, Field::EVENT_INGESTED)?;
        let claimed =
            date(event, Field::NHATKY_DEVICE_TIME).or_else(|| date(event, Field::TIMESTAMP))?;
        if claimed == received {
            // The device has given no time.
            return None;
        }
        let source = event.text(Field::NHATKY_SOURCE)?;
        let host = event.text(Field::LOG_SYSLOG_HOSTNAME).unwrap_or_default();
        let offset = claimed.0.saturating_sub(received.0);
        let watched = self.watched(source, host)?;
        let mut finding = watched.takes(received, offset)?;
        source.clone_into(&mut finding.source);
        host.clone_into(&mut finding.host);
        Some(finding)
    }

    fn watched(&mut self, source: &str, host: &str) -> Option<&mut Watched> {
        let known = self
            .by_source
            .get(source)
            .is_some_and(|hosts| hosts.contains_key(host));
        if !known {
            if self.devices >= DEVICES_MAX {
                return None;
            }
            self.devices += 1;
            let hosts = self.by_source.entry(source.into()).or_default();
            hosts.insert(host.into(), Watched::default());
        }
        self.by_source.get_mut(source)?.get_mut(host)
    }
}

fn date(event: &Event, field: Field) -> Option<Micros> {
    match event.get(field) {
        Some(Value::Date(at)) => Some(at),
        _ => None,
    }
}

impl Watched {
    fn takes(&mut self, received: Micros, offset: i64) -> Option<ClockFinding> {
        let number = received.0.div_euclid(MINUTE);
        let ended = self.current.events > 0 && self.current.number != number;
        if ended {
            if self.recent.len() == MINUTES {
                self.recent.pop_front();
            }
            self.recent.push_back(self.current);
            self.current.events = 0;
        }
        let minute = &mut self.current;
        if minute.events == 0 {
            (minute.number, minute.least, minute.greatest) = (number, offset, offset);
        }
        minute.least = minute.least.min(offset);
        minute.greatest = minute.greatest.max(offset);
        minute.events += 1;
        ended.then(|| self.judge()).flatten()
    }

    /// The finding that the minutes give, if they give one that is not known.
    fn judge(&mut self) -> Option<ClockFinding> {
        let steady = |minute: &&Minute| minute.greatest.saturating_sub(minute.least) <= SPREAD_MAX;
        let agreeing: Vec<&Minute> = self.recent.iter().filter(steady).collect();
        if agreeing.len() < MINUTES_MIN || agreeing.len() * 10 < self.recent.len() * AGREEING_TENTHS
        {
            return None;
        }
        let mut offsets: Vec<i64> = agreeing.iter().map(|minute| minute.greatest).collect();
        offsets.sort_unstable();
        let (least, greatest) = (*offsets.first()?, *offsets.last()?);
        let spread_us = greatest.saturating_sub(least);
        if spread_us > SPREAD_MAX {
            return None;
        }
        let offset = *offsets.get(offsets.len() / 2)?;
        if is_right(offset.saturating_sub(self.known_us)) {
            return None;
        }
        let (cause, offset_us) = judged(offset);
        if offset_us == self.known_us {
            return None;
        }
        let minutes = u32::try_from(agreeing.len()).unwrap_or(u32::MAX);
        let events = agreeing.iter().map(|minute| minute.events).sum();
        // Whether it is still so afterwards, minutes to come must say.
        self.recent.clear();
        Some(ClockFinding {
            source: String::new(),
            host: String::new(),
            cause,
            offset_us,
            spread_us,
            minutes,
            events,
        })
    }
}

/// Whether receipt times allow a clock to be right.
fn is_right(offset: i64) -> bool {
    (-BEHIND_MAX..=AHEAD_MAX).contains(&offset)
}

/// What makes a clock differ by that much, and the correction.
fn judged(offset: i64) -> (ClockCause, i64) {
    if is_right(offset) {
        return (ClockCause::Right, 0);
    }
    // The true offset is between this one and this one plus what the way may have taken.
    let steps = offset
        .saturating_add(BEHIND_MAX)
        .div_euclid(ZONE_STEP)
        .saturating_mul(ZONE_STEP);
    if steps != 0 && steps.abs() <= ZONE_MAX && is_right(offset.saturating_sub(steps)) {
        return (ClockCause::Zone, steps);
    }
    (ClockCause::Clock, offset)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use event::{OwnRecord, Seq};

    use super::*;

    const HOUR: i64 = 3_600;

    fn event(received_s: i64, device_s: Option<i64>) -> Event {
        let mut event = Event::new(Seq(1), Bytes::new());
        let received = Micros(received_s * Micros::PER_SECOND + 7);
        event.set(Field::EVENT_INGESTED, received);
        let device = device_s.map(|at| Micros(at * Micros::PER_SECOND));
        event.set(Field::TIMESTAMP, device.unwrap_or(received));
        event.set(Field::NHATKY_TRANSPORT, "udp");
        event.set(Field::NHATKY_SOURCE, "192.0.2.1/cisco.ios");
        event.set(Field::LOG_SYSLOG_HOSTNAME, "sw1");
        event
    }

    /// What is found of a device that sends at these seconds, times that differ by those.
    fn found(arrivals: impl IntoIterator<Item = (i64, i64)>) -> Vec<(ClockCause, i64)> {
        let mut clocks = DeviceClocks::default();
        let findings = arrivals.into_iter().filter_map(|(at, offset)| {
            let finding = clocks.observe(&event(at, Some(at + offset)))?;
            clocks.learn(&finding);
            let half = Micros::PER_SECOND / 2;
            let seconds = (finding.offset_us + half).div_euclid(Micros::PER_SECOND);
            Some((finding.cause, seconds))
        });
        findings.collect()
    }

    /// An hour of events every 20 s.
    fn hour(offset: i64) -> impl Iterator<Item = (i64, i64)> {
        (0..180).map(move |i| (i * 20, offset))
    }

    #[test]
    fn a_clock_in_another_zone_is_told_once() {
        assert_eq!(found(hour(7 * HOUR)), [(ClockCause::Zone, 7 * HOUR)]);
        assert_eq!(found(hour(-7 * HOUR - 2)), [(ClockCause::Zone, -7 * HOUR)]);
        assert_eq!(
            found(hour(5 * HOUR + 45 * 60)),
            [(ClockCause::Zone, 5 * HOUR + 45 * 60)]
        );
    }

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        assert_eq!(found(hour(400)), [(ClockCause::Clock, 400)]);
        assert_eq!(found(hour(8)), [(ClockCause::Clock, 8)]);
        // As after a reset to 2000-01-01.
        let years = -26 * 365 * 24 * HOUR + 123;
        assert_eq!(found(hour(years)), [(ClockCause::Clock, years)]);
    }

    #[test]
    fn a_right_clock_and_a_late_sender_are_left_alone() {
        assert_eq!(found(hour(0)), []);
        assert_eq!(found(hour(-90)), []);
        // A queue that is emptied every ten minutes; a log of connections that names their beginning.
        let queued = (0..600).map(|i| (i / 60 * 600, -600 + i % 60 * 10));
        assert_eq!(found(queued), []);
        let connections = (0..600).map(|i| (i * 6, -((i * 7_919) % 3_600)));
        assert_eq!(found(connections), []);
    }

    #[test]
    fn a_clock_that_is_put_right_is_told() {
        let later = hour(0).map(|(at, offset)| (at + HOUR, offset));
        assert_eq!(
            found(hour(400).chain(later)),
            [(ClockCause::Clock, 400), (ClockCause::Right, 0)]
        );
    }

    #[test]
    fn few_events_are_enough_if_they_agree() {
        let daily = |offsets: [i64; 8]| (0..).map(|day| day * 24 * HOUR).zip(offsets);
        assert_eq!(
            found(daily([400, 401, 402, 400, 399, 400, 400, 400])),
            [(ClockCause::Clock, 400)]
        );
        assert_eq!(found(daily([400, 90, 402, 7, 399, 400, 0, 400])), []);
    }

    #[test]
    fn events_without_a_time_of_their_own_say_nothing() {
        let mut clocks = DeviceClocks::default();
        for at in 0..600 {
            assert_eq!(clocks.observe(&event(at, None)), None);
        }
        assert_eq!(clocks.devices, 0);
    }

    #[test]
    fn what_is_on_record_is_not_told_again() {
        let finding = ClockFinding {
            source: "192.0.2.1/cisco.ios".to_owned(),
            host: "sw1".to_owned(),
            cause: ClockCause::Zone,
            offset_us: 7 * HOUR * Micros::PER_SECOND,
            spread_us: 0,
            minutes: 5,
            events: 5,
        };
        let mut own = Event::new(Seq(9), OwnRecord::Clock(finding).to_record(Micros(0)).raw);
        own.set(Field::NHATKY_LISTENER, "nhatky");
        own.set(Field::NHATKY_MESSAGE, "clock");
        let mut clocks = DeviceClocks::default();
        assert_eq!(clocks.observe(&own), None);
        let told =
            hour(7 * HOUR).filter_map(|(at, offset)| clocks.observe(&event(at, Some(at + offset))));
        assert_eq!(told.count(), 0);
    }
}
