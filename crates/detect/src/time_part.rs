//! Parts of a date, for Sigma's modifiers `minute`, `hour`, `day`, `week`, `month` and `year`.

use event::{Micros, Value};

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    /// Of the month.
    Day,
    /// Of ISO 8601: week 1 is the one with the year's first Thursday.
    Week,
    Month,
    Year,
}

impl TimePart {
    pub(crate) fn from_modifier(name: &str) -> Option<Self> {
        Some(match name {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// This part of the value, if that is a date, in the time of a zone so far ahead of UTC.
    pub(crate) fn of(self, value: Value<'_>, utc_offset_minutes: i32) -> Option<i64> {
        let at = match value {
            Value::Date(at) => at,
            Value::Text(text) => Micros::from_rfc3339(text)?,
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::Address(_) => {
                return None;
            }
        };
        let minutes =
            at.0.div_euclid(60_000_000)
                .saturating_add(i64::from(utc_offset_minutes));
        let days = minutes.div_euclid(1440);
        Some(match self {
            Self::Minute => minutes.rem_euclid(60),
            Self::Hour => minutes.rem_euclid(1440) / 60,
            Self::Day => civil(days).2,
            Self::Week => iso_week(days),
            Self::Month => civil(days).1,
            Self::Year => civil(days).0,
        })
    }
}

/// Year, month and day of that many days since 1970-01-01, by the algorithm of Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day is their last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A week belongs to the year of its Thursday.
fn iso_week(days: i64) -> i64 {
    // 1970-01-01 was a Thursday: Monday is 0.
    let weekday = (days + 3).rem_euclid(7);
    let thursday = days - weekday + 3;
    let (year, _, _) = civil(thursday);
    let mut first = thursday - 366;
    while civil(first).0 < year {
        first += 1;
    }
    (thursday - first) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_date_are_those_of_the_calendar() {
        let check = |text: &str, expected: [i64; 6]| {
            let parts = ["minute", "hour", "day", "week", "month", "year"].map(|name| {
                let part = TimePart::from_modifier(name).unwrap();
                part.of(Value::Text(text), 420).unwrap()
            });
            assert_eq!(parts, expected, "{text}");
        };
        check("2026-10-14T09:30:00+07:00", [30, 9, 14, 42, 10, 2026]);
        check("2026-12-31T23:59:59Z", [59, 6, 1, 53, 1, 2027]);
        check("2024-02-29T00:00:00+07:00", [0, 0, 29, 9, 2, 2024]);
        check("2023-01-01T00:00:00+07:00", [0, 0, 1, 52, 1, 2023]);
        check("1969-12-31T16:59:00Z", [59, 23, 31, 1, 12, 1969]);
        assert_eq!(TimePart::Hour.of(Value::Text("nine"), 0), None);
        assert_eq!(TimePart::Hour.of(Value::Integer(9), 0), None);
        let early = Value::Date(Micros(i64::MIN));
        assert!(TimePart::Week.of(early, 420).is_some());
    }
}
