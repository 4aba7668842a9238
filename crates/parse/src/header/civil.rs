//! A date and a time of day as a line states them, before a zone and perhaps a year are known.

use event::Micros;

use super::time::{Reference, Stamp, ZoneFrom};
use super::zone::Zone;

/// What a line said of a date. Fields are checked when it becomes a [`Stamp`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: Option<i32>,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    /// To 60, for a leap second.
    pub(crate) second: u8,
    pub(crate) micros: u32,
    /// Seconds east, if the line names its zone.
    pub(crate) offset: Option<i32>,
}

impl Civil {
    /// The instant that is meant: without an offset in the zone of `reference`, without a year nearest to its time.
    ///
    /// `None` for a day or time that does not exist, and for a 29 February with no leap year within reach.
    pub(crate) fn resolve(&self, reference: Reference<'_>) -> Option<Stamp> {
        if self.hour > 23 || self.minute > 59 || self.second > 60 {
            return None;
        }
        let at = match self.year {
            Some(year) => self.in_year(year, reference.zone)?,
            None => self.nearest(reference)?,
        };
        let zone = match self.offset {
            Some(_) => ZoneFrom::Line,
            None => ZoneFrom::Setting,
        };
        Some(Stamp { at, zone })
    }

    fn in_year(&self, year: i32, zone: &Zone) -> Option<Micros> {
        if !(1..=9999).contains(&year) || self.day == 0 || self.day > month_days(year, self.month)?
        {
            return None;
        }
        let days = days_from_civil(year, self.month, self.day);
        let seconds =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let local = (days * 86_400 + seconds) * Micros::PER_SECOND + i64::from(self.micros);
        Some(match self.offset {
            Some(offset) => Micros(local - i64::from(offset) * Micros::PER_SECOND),
            None => zone.to_utc(local),
        })
    }

    /// Of the same day and time in the years around the reference, the one nearest to it.
    fn nearest(&self, reference: Reference<'_>) -> Option<Micros> {
        let (year, ..) = civil_from_days(reference.time.utc_day());
        let distance = |at: &Micros| at.0.abs_diff(reference.time.0);
        let around = |span: i32| {
            (year.saturating_sub(span)..=year.saturating_add(span))
                .filter_map(|candidate| self.in_year(candidate, reference.zone))
                .min_by_key(distance)
        };
        // Within half a year of the reference no other year can be nearer; a 29 February may need eight years
        // each way (1896 and 1904).
        let same = self.in_year(year, reference.zone);
        match same {
            Some(at) if distance(&at) < HALF_A_YEAR => Some(at),
            _ => around(1).or_else(|| around(8)),
        }
    }
}

const HALF_A_YEAR: u64 = 182 * Micros::PER_DAY.unsigned_abs();

/// The days of a month, `None` for a month that is none.
fn month_days(year: i32, month: u8) -> Option<u8> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if leap => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar (Hinnant, *chrono-Compatible Low-Level Date Algorithms*).
pub(crate) fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let shifted = i64::from(year) - i64::from(month <= 2);
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a count of days since 1970-01-01 (the same source).
pub(crate) fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (
        i32::try_from(year).unwrap_or(i32::MAX),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_without_a_year_is_the_one_nearest_to_the_reference() {
        let zone = Zone::utc();
        let check = |month, day, reference: &str, expected: Option<&str>| {
            let civil = Civil {
                month,
                day,
                ..Civil::default()
            };
            let time = Micros::from_rfc3339(reference).unwrap();
            let stamp = civil.resolve(Reference { time, zone: &zone });
            let at = stamp.map(|stamp| stamp.at.to_string());
            assert_eq!(
                at.as_deref(),
                expected,
                "{month}-{day} seen from {reference}"
            );
        };
        check(12, 31, "2027-01-01T00:00:05Z", Some("2026-12-31T00:00:00Z"));
        check(1, 1, "2026-12-31T23:59:59Z", Some("2027-01-01T00:00:00Z"));
        check(10, 11, "2026-10-11T12:00:00Z", Some("2026-10-11T00:00:00Z"));
        check(2, 29, "2026-10-11T00:00:00Z", Some("2028-02-29T00:00:00Z"));
        check(2, 29, "2025-10-11T00:00:00Z", Some("2024-02-29T00:00:00Z"));
        check(2, 29, "1899-10-11T00:00:00Z", Some("1896-02-29T00:00:00Z"));
        check(2, 30, "2026-10-11T00:00:00Z", None);
        check(13, 1, "2026-10-11T00:00:00Z", None);
        check(0, 0, "2026-10-11T00:00:00Z", None);
    }

    #[test]
    fn a_leap_second_is_the_next_second() {
        let civil = Civil {
            year: Some(2016),
            month: 12,
            day: 31,
            hour: 23,
            minute: 59,
            second: 60,
            ..Civil::default()
        };
        let zone = Zone::utc();
        let reference = Reference {
            time: Micros(0),
            zone: &zone,
        };
        let at = civil.resolve(reference).unwrap().at;
        assert_eq!(at.to_string(), "2017-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn days_and_dates_are_each_others_inverse(days in -700_000_i64..2_900_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert!(day <= month_days(year, month).unwrap());
        }

        #[test]
        fn any_numbers_and_any_reference_are_survived(
            year in proptest::option::of(any::<i32>()), month: u8, day: u8, hour: u8, minute: u8, second: u8,
            micros in 0_u32..1_000_000, offset in proptest::option::of(-64_800..64_800), reference: i64,
        ) {
            let zone = Zone::vietnam();
            let civil = Civil { year, month, day, hour, minute, second, micros, offset };
            let _ = civil.resolve(Reference { time: Micros(reference), zone: &zone });
        }
    }
}
