//! Spans of time that events are counted by: so many seconds, or days, months and years of a zone's calendar.

use std::ops::Range;

use event::Micros;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan as _, Unit};

/// Spans of time one after another, which leave no instant out and hold none twice.
///
/// They begin at local times of a zone: spans of a day at its midnights, of six hours at 0, 6, 12 and 18 o'clock, of a
/// month at the first's midnight. Where clocks are put forward or back, spans are shorter or longer accordingly; the
/// hour that a clock shows twice is two spans of an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeStep {
    length: Length,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many microseconds of local time since 1970-01-01T00:00.
    Clock(i64),
    /// So many days since 1970-01-01.
    Days(i32),
    /// Since Monday, 1969-12-29.
    Weeks(i32),
    /// Since January 1970.
    Months(i32),
}

/// What there can be at most of one unit: a span of more than a thousand years has no use.
const COUNT_MAX: u32 = 400_000;

impl TimeStep {
    /// Reads `30s`, `5m`, `1h`, `1d`, `1w`, `1M` (or `1mo`), `1q`, `1y`, `100ms`; `None` where it is none of them.
    #[must_use]
    pub fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at_checked(digits)?;
        let count: u32 = count.parse().ok()?;
        if count == 0 || count > COUNT_MAX {
            return None;
        }
        let whole = i32::try_from(count).ok()?;
        let clock = |micros: i64| Length::Clock(i64::from(count) * micros);
        let length = match unit {
            "ms" => clock(1000),
            "s" => clock(Micros::PER_SECOND),
            "m" | "min" => clock(60 * Micros::PER_SECOND),
            "h" => clock(3600 * Micros::PER_SECOND),
            "d" => Length::Days(whole),
            "w" => Length::Weeks(whole),
            "M" | "mo" => Length::Months(whole),
            "q" => Length::Months(whole.checked_mul(3)?),
            "y" => Length::Months(whole.checked_mul(12)?),
            _ => return None,
        };
        Some(Self {
            length,
            zone: zone.clone(),
        })
    }

    /// Spans of so many microseconds, at least a millisecond, from a zone's midnight on.
    #[must_use]
    pub fn micros(micros: i64, zone: TimeZone) -> Self {
        Self {
            length: Length::Clock(micros.max(1000)),
            zone,
        }
    }

    /// The span that holds the instant: from its beginning up to, not including, the beginning of the next.
    ///
    /// An instant beyond the calendar (before the year -9999, behind 9999) is a span by itself.
    #[must_use]
    pub fn span(&self, at: Micros) -> Range<Micros> {
        let span = || Some(self.start(at)?..self.end(at)?);
        span().unwrap_or(at..Micros(at.0.saturating_add(1)))
    }

    /// The last beginning that is not behind the instant.
    fn start(&self, at: Micros) -> Option<Micros> {
        let mut at = at;
        loop {
            let offset = self.offset(at)?;
            let (first, _) = self.length.around(local(at, offset)?)?;
            let start = instant(first, offset)?;
            let Some(change) = self
                .change(at, Side::Before)
                .filter(|change| *change > start)
            else {
                return Some(start);
            };
            if self.is_skipped_over(change)? {
                return Some(change);
            }
            at = Micros(change.0.checked_sub(1)?);
        }
    }

    /// The first beginning behind the instant.
    fn end(&self, at: Micros) -> Option<Micros> {
        let mut at = at;
        loop {
            let offset = self.offset(at)?;
            let (_, next) = self.length.around(local(at, offset)?)?;
            let end = instant(next, offset)?;
            let Some(change) = self
                .change(at, Side::Behind)
                .filter(|change| *change <= end)
            else {
                return Some(end);
            };
            let shown = local(change, self.offset(change)?)?;
            if self.is_skipped_over(change)? || self.length.around(shown)?.0 == shown {
                return Some(change);
            }
            at = change;
        }
    }

    fn offset(&self, at: Micros) -> Option<Offset> {
        Some(self.zone.to_offset(Timestamp::from_microsecond(at.0).ok()?))
    }

    /// The nearest instant at which the clocks are changed: at or before that one, or behind it.
    fn change(&self, at: Micros, side: Side) -> Option<Micros> {
        let at = Timestamp::from_microsecond(at.0).ok()?;
        let change = match side {
            Side::Before => self
                .zone
                .preceding(at.checked_add(1.microsecond()).ok()?)
                .next(),
            Side::Behind => self.zone.following(at).next(),
        }?;
        Some(Micros(change.timestamp().as_microsecond()))
    }

    /// Whether a span would begin at a time that the clocks skip there.
    fn is_skipped_over(&self, change: Micros) -> Option<bool> {
        let before = self.offset(Micros(change.0.checked_sub(1)?))?;
        let (skipped_from, skipped_to) =
            (local(change, before)?, local(change, self.offset(change)?)?);
        Some(skipped_to > skipped_from && self.length.around(skipped_to)?.0 >= skipped_from)
    }
}

#[derive(Clone, Copy)]
enum Side {
    Before,
    Behind,
}

/// What a clock with that offset shows.
fn local(at: Micros, offset: Offset) -> Option<DateTime> {
    Some(offset.to_datetime(Timestamp::from_microsecond(at.0).ok()?))
}

/// When a clock with that offset shows that.
fn instant(local: DateTime, offset: Offset) -> Option<Micros> {
    let at = offset.to_timestamp(local).ok()?;
    Some(Micros(at.as_microsecond()))
}

impl Length {
    /// The local times at which the span around that one begins, and the next.
    fn around(self, local: DateTime) -> Option<(DateTime, DateTime)> {
        let epoch = Date::constant(1970, 1, 1);
        match self {
            Self::Clock(micros) => {
                let since = local.since((Unit::Microsecond, DateTime::from(epoch)));
                let first = since
                    .ok()?
                    .get_microseconds()
                    .div_euclid(micros)
                    .checked_mul(micros)?;
                let place = |micros| {
                    let span = Span::new().try_microseconds(micros).ok()?;
                    DateTime::from(epoch).checked_add(span).ok()
                };
                Some((place(first)?, place(first.checked_add(micros)?)?))
            }
            Self::Days(days) => days_around(epoch, days, local),
            Self::Weeks(weeks) => {
                let monday = Date::constant(1969, 12, 29);
                days_around(monday, weeks.checked_mul(7)?, local)
            }
            Self::Months(months) => {
                let since = (i32::from(local.year()) - 1970) * 12 + i32::from(local.month()) - 1;
                let first = since.div_euclid(months).checked_mul(months)?;
                let place = |months| {
                    let span = Span::new().try_months(months).ok()?;
                    DateTime::from(epoch).checked_add(span).ok()
                };
                Some((place(first)?, place(first.checked_add(months)?)?))
            }
        }
    }
}

fn days_around(origin: Date, days: i32, local: DateTime) -> Option<(DateTime, DateTime)> {
    let since = local.date().since((Unit::Day, origin)).ok()?.get_days();
    let first = since.div_euclid(days).checked_mul(days)?;
    let place = |days| {
        let span = Span::new().try_days(days).ok()?;
        DateTime::from(origin).checked_add(span).ok()
    };
    Some((place(first)?, place(first.checked_add(days)?)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(zone: &str, step: &str, at: &str, start: &str, end: &str) {
        let zone = TimeZone::get(zone).unwrap();
        let read = |text: &str| Micros::from_rfc3339(text).unwrap();
        let span = TimeStep::parse(step, &zone).unwrap().span(read(at));
        assert_eq!(span, read(start)..read(end), "{step} at {at}");
    }

    #[test]
    fn spans_begin_at_times_of_the_zone() {
        let zone = "Asia/Ho_Chi_Minh";
        let at = "2026-12-31T23:59:59.999999+07:00";
        check(
            zone,
            "1d",
            at,
            "2026-12-31T00:00:00+07:00",
            "2027-01-01T00:00:00+07:00",
        );
        check(
            zone,
            "1M",
            at,
            "2026-12-01T00:00:00+07:00",
            "2027-01-01T00:00:00+07:00",
        );
        check(
            zone,
            "1q",
            at,
            "2026-10-01T00:00:00+07:00",
            "2027-01-01T00:00:00+07:00",
        );
        check(
            zone,
            "1y",
            at,
            "2026-01-01T00:00:00+07:00",
            "2027-01-01T00:00:00+07:00",
        );
        check(
            zone,
            "12h",
            at,
            "2026-12-31T12:00:00+07:00",
            "2027-01-01T00:00:00+07:00",
        );
        check(
            zone,
            "5m",
            at,
            "2026-12-31T23:55:00+07:00",
            "2027-01-01T00:00:00+07:00",
        );
        check(
            zone,
            "1w",
            at,
            "2026-12-28T00:00:00+07:00",
            "2027-01-04T00:00:00+07:00",
        );
        let next = "2027-01-01T00:00:00+07:00";
        check(zone, "1y", next, next, "2028-01-01T00:00:00+07:00");
        check(
            zone,
            "1d",
            "2028-02-29T12:00:00+07:00",
            "2028-02-29T00:00:00+07:00",
            "2028-03-01T00:00:00+07:00",
        );
    }

    #[test]
    fn days_are_as_long_as_the_clocks_make_them() {
        let zone = "Europe/Paris";
        // Put forward at 2 o'clock on 29 March 2026, back at 3 o'clock on 25 October.
        check(
            zone,
            "1d",
            "2026-03-29T12:00:00+02:00",
            "2026-03-29T00:00:00+01:00",
            "2026-03-30T00:00:00+02:00",
        );
        check(
            zone,
            "1d",
            "2026-10-25T12:00:00+01:00",
            "2026-10-25T00:00:00+02:00",
            "2026-10-26T00:00:00+01:00",
        );
        check(
            zone,
            "1h",
            "2026-03-29T03:10:00+02:00",
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T04:00:00+02:00",
        );
        check(
            zone,
            "2h",
            "2026-03-29T03:10:00+02:00",
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T04:00:00+02:00",
        );
        check(
            zone,
            "2h",
            "2026-03-29T01:10:00+01:00",
            "2026-03-29T00:00:00+01:00",
            "2026-03-29T03:00:00+02:00",
        );
        // The hour from 2 to 3 comes twice.
        check(
            zone,
            "1h",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:00:00+01:00",
        );
        check(
            zone,
            "1h",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T03:00:00+01:00",
        );
        check(
            zone,
            "12h",
            "2026-10-25T10:00:00+01:00",
            "2026-10-25T00:00:00+02:00",
            "2026-10-25T12:00:00+01:00",
        );
        // Midnight itself is skipped in Beirut.
        check(
            "Asia/Beirut",
            "1d",
            "2026-03-29T12:00:00+03:00",
            "2026-03-29T01:00:00+03:00",
            "2026-03-30T00:00:00+03:00",
        );
    }

    #[test]
    fn what_is_no_length_of_time_is_refused() {
        for text in [
            "",
            "1",
            "h",
            "0h",
            "1 h",
            "-1h",
            "1fortnight",
            "999999999d",
            "5000000000s",
        ] {
            assert_eq!(TimeStep::parse(text, &TimeZone::UTC), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn spans_leave_nothing_out_and_hold_nothing_twice(
            at in any::<i64>(),
            near in 1_700_000_000_000_000_i64..1_900_000_000_000_000,
            step in proptest::sample::select(vec!["7s", "90m", "1h", "7h", "24h", "1d", "3d", "1w", "1M", "5M", "1q", "1y"]),
            zone in proptest::sample::select(vec![
                "UTC", "Asia/Ho_Chi_Minh", "Europe/Paris", "Australia/Lord_Howe", "America/St_Johns", "Asia/Beirut", "Pacific/Apia",
            ]),
        ) {
            let step = TimeStep::parse(step, &TimeZone::get(zone).unwrap()).unwrap();
            prop_assert!(step.span(Micros(at)).contains(&Micros(at)));
            let span = step.span(Micros(near));
            prop_assert!(span.contains(&Micros(near)));
            prop_assert!(step.span(span.start) == span);
            prop_assert!(step.span(Micros(span.end.0 - 1)) == span);
            prop_assert_eq!(step.span(span.end).start, span.end);
        }
    }
}
