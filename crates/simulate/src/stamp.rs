//! Dates as devices write them, in Vietnam's zone, computed once a second.

use event::Micros;
use jiff::tz::{Offset, TimeZone};

/// One second, written in each device's manner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamp {
    second: Option<i64>,
    /// `Oct 11 22:14:15`, RFC 3164.
    pub(crate) bsd: String,
    /// `Oct 11 2026 22:14:15`, Cisco ASA.
    pub(crate) asa: String,
    /// `date=2026-10-11 time=22:14:15`, FortiGate.
    pub(crate) fortigate: String,
    /// `11/Oct/2026:22:14:15 +0700`, the common log format.
    pub(crate) apache: String,
    /// `2026-10-11 22:14:15`, PostgreSQL before its milliseconds.
    pub(crate) iso: String,
}

impl Stamp {
    /// Makes it the stamp of that instant.
    pub(crate) fn set(&mut self, at: Micros) {
        let second = at.0.div_euclid(Micros::PER_SECOND);
        if self.second == Some(second) {
            return;
        }
        self.second = Some(second);
        let instant = jiff::Timestamp::from_second(second).unwrap_or_default();
        let local = instant.to_zoned(TimeZone::fixed(Offset::constant(7)));
        self.bsd = local.strftime("%b %e %H:%M:%S").to_string();
        self.asa = local.strftime("%b %d %Y %H:%M:%S").to_string();
        self.fortigate = local.strftime("date=%Y-%m-%d time=%H:%M:%S").to_string();
        self.apache = local.strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        self.iso = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_writes_the_second_in_its_manner() {
        let mut stamp = Stamp::default();
        stamp.set(Micros::from_rfc3339("2026-10-03T22:14:15.9+07:00").unwrap());
        assert_eq!(stamp.bsd, "Oct  3 22:14:15");
        assert_eq!(stamp.asa, "Oct 03 2026 22:14:15");
        assert_eq!(stamp.fortigate, "date=2026-10-03 time=22:14:15");
        assert_eq!(stamp.apache, "03/Oct/2026:22:14:15 +0700");
        assert_eq!(stamp.iso, "2026-10-03 22:14:15");
    }
}
