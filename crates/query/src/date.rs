//! Dates as people write them in queries: with or without a zone, a day or a month at once, or relative to now.

use event::Micros;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

use crate::Context;

/// The instants that a date means: from `start` up to, not including, `end`; both the same for one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) start: Micros,
    pub(crate) end: Micros,
}

impl Interval {
    fn instant(at: Timestamp) -> Self {
        let at = Micros(at.as_microsecond());
        Self { start: at, end: at }
    }

    /// From that time of the calendar, `length` long, by the clocks of the zone.
    fn civil(start: DateTime, length: Span, zone: &TimeZone) -> Option<Self> {
        let micros = |at: DateTime| {
            let at = zone.to_ambiguous_timestamp(at).compatible().ok()?;
            Some(Micros(at.as_microsecond()))
        };
        Some(Self {
            start: micros(start)?,
            end: micros(start.checked_add(length).ok()?)?,
        })
    }

    pub(crate) fn is_instant(self) -> bool {
        self.start == self.end
    }
}

/// The instant that a date names, or the first of those that it names, in every way in which a query can write one:
/// `now-15m`, `2026-10-11`, `2026-10-11T22:14:15+07:00`. `None` where it is no date.
#[must_use]
pub fn instant(text: &str, context: &Context) -> Option<Micros> {
    interval(text, context.now, &context.zone).map(|interval| interval.start)
}

/// Reads `now-15m`, `now-1d/d`, RFC 3339, `2026`, `2026-10`, `2026-10-11`, `11/10/2026`, `2026-10-11T22:14`,
/// `2026-10-11 22:14:15.5`; without a zone they are in `zone`.
pub(crate) fn interval(text: &str, now: Micros, zone: &TimeZone) -> Option<Interval> {
    if let Some(rest) = text.strip_prefix("now") {
        return relative(rest, now, zone);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(Interval::instant(instant));
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let Some(time) = time else {
        let (first, length) = whole_days(date)?;
        return Interval::civil(first.at(0, 0, 0, 0), length, zone);
    };
    let (date, _) = whole_days(date).filter(|_| date.len() == 10)?;
    let length = if time.matches(':').count() == 1 {
        1.minute()
    } else {
        Span::new()
    };
    let time: Time = Time::strptime("%H:%M:%S%.f", time)
        .or_else(|_| Time::strptime("%H:%M", time))
        .ok()?;
    Interval::civil(date.to_datetime(time), length, zone)
}

/// The first day, and how long the year, month or day is.
fn whole_days(text: &str) -> Option<(Date, Span)> {
    let part = |digits: &str, length: usize| {
        let whole = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i16>().ok().filter(|_| whole)
    };
    let small = |digits: &str| part(digits, 2).and_then(|number| i8::try_from(number).ok());
    if let Some((day, month_and_year)) = text.split_once('/') {
        let (month, year) = month_and_year.split_once('/')?;
        let date = Date::new(part(year, 4)?, small(month)?, small(day)?).ok()?;
        return Some((date, 1.day()));
    }
    let mut parts = text.splitn(3, '-');
    let year = part(parts.next()?, 4)?;
    let (month, day) = (parts.next(), parts.next());
    let date = |month: &str, day: &str| Date::new(year, small(month)?, small(day)?).ok();
    match (month, day) {
        (None, _) => Some((date("01", "01")?, 1.year())),
        (Some(month), None) => Some((date(month, "01")?, 1.month())),
        (Some(month), Some(day)) => Some((date(month, day)?, 1.day())),
    }
}

/// What follows `now`: `+2h`, `-15m`, one after another, and at the end `/d` for the whole day.
fn relative(text: &str, now: Micros, zone: &TimeZone) -> Option<Interval> {
    let now = Timestamp::from_microsecond(now.0).ok()?;
    let mut at = now.to_zoned(zone.clone());
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let after = rest.get(1..)?;
        if sign == '/' {
            return whole_unit(after, at.datetime(), zone);
        }
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (count, after) = after.split_at_checked(digits)?;
        let count: i64 = count.parse().ok().filter(|count| *count <= 1_000_000)?;
        let unit = after.chars().next()?;
        let span = span_of(unit, count)?;
        at = match sign {
            '-' => at.checked_sub(span).ok()?,
            '+' => at.checked_add(span).ok()?,
            _ => return None,
        };
        rest = after.get(unit.len_utf8()..)?;
    }
    Some(Interval::instant(at.timestamp()))
}

fn span_of(unit: char, count: i64) -> Option<Span> {
    let span = Span::new();
    match unit {
        's' => span.try_seconds(count),
        'm' => span.try_minutes(count),
        'h' => span.try_hours(count),
        'd' => span.try_days(count),
        'w' => span.try_weeks(count),
        'M' => span.try_months(count),
        'y' => span.try_years(count),
        _ => return None,
    }
    .ok()
}

fn whole_unit(unit: &str, at: DateTime, zone: &TimeZone) -> Option<Interval> {
    let (date, time) = (at.date(), at.time());
    let midnight = Time::midnight();
    let (start, length) = match unit {
        "m" => (date.at(time.hour(), time.minute(), 0, 0), 1.minute()),
        "h" => (date.at(time.hour(), 0, 0, 0), 1.hour()),
        "d" => (date.to_datetime(midnight), 1.day()),
        "w" => {
            let since_monday = i64::from(date.weekday().to_monday_zero_offset());
            (
                date.checked_sub(since_monday.days())
                    .ok()?
                    .to_datetime(midnight),
                1.week(),
            )
        }
        "M" => (date.first_of_month().to_datetime(midnight), 1.month()),
        "y" => (date.first_of_year().to_datetime(midnight), 1.year()),
        _ => return None,
    };
    Interval::civil(start, length, zone)
}

/// A length of time such as `30s`, `15m`, `24h`, `7d` or `2w`, in seconds; never 0.
#[must_use]
pub fn seconds(text: &str) -> Option<u64> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let count: u64 = count.parse().ok()?;
    count.checked_mul(unit).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(String, String)> {
        let now = Micros::from_rfc3339("2026-10-11T22:14:15.5+07:00")?;
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").ok()?;
        interval(text, now, &zone).map(|found| (found.start.to_string(), found.end.to_string()))
    }

    #[test]
    fn a_date_means_all_the_instants_that_it_names() {
        let check = |text: &str, start: &str, end: &str| {
            assert_eq!(read(text), Some((start.into(), end.into())), "{text}");
        };
        let instant = |text: &str, at: &str| check(text, at, at);
        instant("2026-10-11T00:00:00+07:00", "2026-10-10T17:00:00Z");
        instant("2026-10-11T00:00:00Z", "2026-10-11T00:00:00Z");
        instant("2026-10-11 22:14:15", "2026-10-11T15:14:15Z");
        instant("2026-10-11T22:14:15.25", "2026-10-11T15:14:15.250Z");
        check(
            "2026-10-11T22:14",
            "2026-10-11T15:14:00Z",
            "2026-10-11T15:15:00Z",
        );
        check("2026-10-11", "2026-10-10T17:00:00Z", "2026-10-11T17:00:00Z");
        check("11/10/2026", "2026-10-10T17:00:00Z", "2026-10-11T17:00:00Z");
        check("2026-02", "2026-01-31T17:00:00Z", "2026-02-28T17:00:00Z");
        check("2026", "2025-12-31T17:00:00Z", "2026-12-31T17:00:00Z");
        instant("now", "2026-10-11T15:14:15.500Z");
        instant("now-15m", "2026-10-11T14:59:15.500Z");
        instant("now-1d+2h", "2026-10-10T17:14:15.500Z");
        check("now/d", "2026-10-10T17:00:00Z", "2026-10-11T17:00:00Z");
        check("now-1d/d", "2026-10-09T17:00:00Z", "2026-10-10T17:00:00Z");
        check("now/w", "2026-10-04T17:00:00Z", "2026-10-11T17:00:00Z");
        check("now/h", "2026-10-11T15:00:00Z", "2026-10-11T16:00:00Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "now-",
            "now-15",
            "now*2",
            "now-1x",
            "now/q",
            "2026-13",
            "2026-02-30",
            "26-10-11",
            "now-99999999999999999999d",
            "2026-10T10:00",
            "+2026",
            "now-9é",
            "22:14:15",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,20}|now[-+/0-9smhdwMyé]{0,24}|[0-9T:/ .Z+-]{0,30}", now: i64) {
            interval(&text, Micros(now), &TimeZone::UTC);
        }
    }
}
