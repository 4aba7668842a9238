//! Corrections of devices' clocks: which, by how much, from which record on.

use std::collections::HashMap;

use event::{ClockCause, ClockFinding, Micros, Seq};

/// Every finding about a device's clock, by the record that tells of it.
///
/// A finding holds for records after it, so that a record's event stays the same whenever it is parsed.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// By source, then by host name.
    by_source: HashMap<Box<str>, Vec<Device>>,
}

#[derive(Clone, Debug)]
struct Device {
    host: Box<str>,
    /// Ascending by Seq.
    findings: Vec<Finding>,
}

#[derive(Clone, Copy, Debug)]
struct Finding {
    seq: Seq,
    cause: ClockCause,
    offset_us: i64,
}

impl Clocks {
    /// Takes a finding that the record `seq` tells of; one that is known already changes nothing.
    pub fn add(&mut self, seq: Seq, finding: &ClockFinding) {
        let devices = self
            .by_source
            .entry(finding.source.as_str().into())
            .or_default();
        let at = devices
            .iter()
            .position(|device| *device.host == *finding.host);
        let added = Finding {
            seq,
            cause: finding.cause,
            offset_us: finding.offset_us,
        };
        let Some(device) = at.and_then(|at| devices.get_mut(at)) else {
            devices.push(Device {
                host: finding.host.as_str().into(),
                findings: vec![added],
            });
            return;
        };
        if let Err(at) = device
            .findings
            .binary_search_by_key(&seq, |known| known.seq)
        {
            device.findings.insert(at, added);
        }
    }

    /// Whether no clock was ever found to be off.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// The true time of a record, where the device says `claimed` and its clock is known to be off.
    ///
    /// A zone that somebody has set is believed.
    pub(crate) fn correct(
        &self,
        source: &str,
        host: &str,
        seq: Seq,
        zone_is_set: bool,
        claimed: Micros,
    ) -> Option<Micros> {
        let devices = self.by_source.get(source)?;
        let device = devices.iter().find(|device| *device.host == *host)?;
        let before = device.findings.partition_point(|known| known.seq < seq);
        let finding = device.findings.get(before.checked_sub(1)?)?;
        let wrong = match finding.cause {
            ClockCause::Right => false,
            ClockCause::Zone => !zone_is_set,
            ClockCause::Clock => true,
        };
        wrong.then(|| Micros(claimed.0.saturating_sub(finding.offset_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(cause: ClockCause, offset_us: i64) -> ClockFinding {
        ClockFinding {
            source: "192.0.2.1/cisco.ios".to_owned(),
            host: "sw1".to_owned(),
            cause,
            offset_us,
            spread_us: 0,
            minutes: 5,
            events: 5,
        }
    }

    #[test]
    fn a_finding_holds_from_its_record_to_the_next() {
        let mut clocks = Clocks::default();
        // As they are read again, in any order, twice.
        clocks.add(Seq(20), &finding(ClockCause::Right, 0));
        clocks.add(Seq(10), &finding(ClockCause::Clock, 5));
        clocks.add(Seq(10), &finding(ClockCause::Clock, 5));
        let at =
            |host, seq| clocks.correct("192.0.2.1/cisco.ios", host, Seq(seq), false, Micros(100));
        assert_eq!(at("sw1", 10), None);
        assert_eq!(at("sw1", 11), Some(Micros(95)));
        assert_eq!(at("sw1", 20), Some(Micros(95)));
        assert_eq!(at("sw1", 21), None);
        assert_eq!(at("sw2", 11), None);
    }

    #[test]
    fn a_zone_that_is_set_is_believed() {
        let mut clocks = Clocks::default();
        clocks.add(Seq(1), &finding(ClockCause::Zone, -7));
        let at = |set| clocks.correct("192.0.2.1/cisco.ios", "sw1", Seq(2), set, Micros(0));
        assert_eq!((at(false), at(true)), (Some(Micros(7)), None));
    }
}
