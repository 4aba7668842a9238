//! `date`, `epoch`, `duration`, `start`: instants and spans of time.

use super::{Function, Scope, StepError, StepSource};
use crate::frame::{Frame, Piece, Symbol};
use crate::header::{Layout, read_time};
use event::Micros;

#[derive(Debug)]
struct Date {
    from: Box<[Symbol]>,
    to: Symbol,
    layout: Layout,
}

/// The texts of `from`, joined by spaces and read as a date in any usual spelling, or in that of `layout`. The first must be there.
pub(super) fn date(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Date {
        from: source.operands(scope)?,
        to: source.result(scope)?,
        layout: Layout::compile(source.layout.as_deref().unwrap_or("any"))?,
    }))
}

impl Function for Date {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        if let [only] = *self.from {
            let text = frame.get(only).and_then(Piece::text);
            let stamp = text.and_then(|text| Some(self.layout.read(text.trim(), frame.times)?.0));
            if let Some(stamp) = stamp {
                frame.put(self.to, Piece::Date(stamp.at));
            }
            return;
        }
        let mut text = String::with_capacity(40);
        for (place, symbol) in self.from.iter().enumerate() {
            match frame.get(*symbol).and_then(Piece::to_text) {
                Some(part) => {
                    if place > 0 {
                        text.push(' ');
                    }
                    text.push_str(part.trim());
                }
                None if place == 0 => return,
                None => {}
            }
        }
        if let Some((stamp, _)) = self.layout.read(&text, frame.times) {
            frame.put(self.to, Piece::Date(stamp.at));
        }
    }
}

#[derive(Debug)]
struct Epoch {
    from: Symbol,
    to: Symbol,
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size.
pub(super) fn epoch(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Epoch {
        from: source.operand(scope)?,
        to: source.result(scope)?,
    }))
}

impl Function for Epoch {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::to_text) else {
            return;
        };
        if let Some((stamp, "")) = read_time(text.trim(), frame.times) {
            let at = stamp.at;
            frame.put(self.to, Piece::Date(at));
        }
    }
}

#[derive(Debug)]
struct Duration {
    from: Symbol,
    to: Symbol,
    unit_ns: i64,
}

/// Nanoseconds of a span written in any usual way.
pub(super) fn duration(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let unit_ns = match source.unit.as_deref() {
        None => NANOS_PER_SECOND,
        Some(unit) => {
            unit_ns(unit).ok_or_else(|| source.needs("`unit`: d, h, m, s, ms, us or ns"))?
        }
    };
    Ok(Box::new(Duration {
        from: source.operand(scope)?,
        to: source.result(scope)?,
        unit_ns,
    }))
}

impl Function for Duration {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::to_text) else {
            return;
        };
        if let Some(nanos) = nanos(text.trim(), self.unit_ns) {
            frame.put(self.to, Piece::Integer(nanos));
        }
    }
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

fn unit_ns(unit: &str) -> Option<i64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "d" | "day" | "days" => 86_400 * NANOS_PER_SECOND,
        "h" | "hour" | "hours" => 3600 * NANOS_PER_SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * NANOS_PER_SECOND,
        "s" | "sec" | "secs" | "second" | "seconds" => NANOS_PER_SECOND,
        "ms" | "msec" | "milliseconds" => 1_000_000,
        "us" | "µs" | "usec" | "microseconds" => 1000,
        "ns" => 1,
        _ => return None,
    })
}

/// `0:01:10`, `1h2m3s`, `1d 02:03:04`, `70 s`, `0.144` in `unit_ns`.
fn nanos(text: &str, unit_ns: i64) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return number.checked_mul(unit_ns);
    }
    if let Some((days, clock)) = text
        .split_once(['d', 'D'])
        .filter(|(_, rest)| rest.contains(':'))
    {
        let days: i64 = days.trim().parse().ok()?;
        let clock = clock.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        return days
            .checked_mul(86_400 * NANOS_PER_SECOND)?
            .checked_add(nanos(clock, unit_ns)?);
    }
    if text.contains(':') {
        let mut total = 0i64;
        let (clock, fraction) = text
            .split_once('.')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        for part in clock.split(':') {
            total = total
                .checked_mul(60)?
                .checked_add(part.trim().parse().ok()?)?;
        }
        let fraction = fraction.map_or(Some(0), |digits| {
            scaled(&format!("0.{digits}"), NANOS_PER_SECOND)
        })?;
        return total.checked_mul(NANOS_PER_SECOND)?.checked_add(fraction);
    }
    let mut total = 0i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at_checked(digits)?;
        // Each round takes a number at least, or else a text such as `5-3` would never end.
        if number.is_empty() {
            return None;
        }
        let after = after.trim_start();
        let letters = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(letters)?;
        let unit_ns = if unit.is_empty() {
            unit_ns
        } else {
            self::unit_ns(unit)?
        };
        total = total.checked_add(scaled(number, unit_ns)?)?;
        rest = next.trim_start_matches([' ', ',']);
    }
    (!text.is_empty()).then_some(total)
}

/// A decimal number times a whole one, without the rounding of floats.
fn scaled(number: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(unit)?;
    let mut unit = unit;
    for digit in fraction.bytes() {
        unit /= 10;
        total = total.checked_add(i64::from(digit.checked_sub(b'0')?).checked_mul(unit)?)?;
    }
    Some(total)
}

#[derive(Debug)]
struct Start {
    from: Symbol,
    start: Symbol,
    end: Symbol,
    timestamp: Symbol,
}

/// An event told at its end: `event.end` is `@timestamp`, `event.start` lies the duration before it.
///
/// The `@timestamp` of the header counts where the definition gives none.
pub(super) fn start(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let from = match source.from.as_slice() {
        [] => scope.symbols.intern("event.duration"),
        _ => source.operand(scope)?,
    };
    Ok(Box::new(Start {
        from,
        start: scope.symbols.intern("event.start"),
        end: scope.symbols.intern("event.end"),
        timestamp: scope.symbols.intern("@timestamp"),
    }))
}

impl Function for Start {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let nanos = frame.get(self.from).and_then(Piece::to_integer);
        let end = match frame.get(self.timestamp) {
            Some(Piece::Date(end)) => Some(*end),
            _ => frame.header_time,
        };
        if let (Some(nanos), Some(end)) = (nanos, end) {
            frame.put(self.end, Piece::Date(end));
            let start = Micros(end.0.saturating_sub(nanos / 1000));
            frame.put(self.start, Piece::Date(start));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_read_in_any_usual_way() {
        let check = |text, seconds_thousandths: i64| {
            let expected = seconds_thousandths * 1_000_000;
            assert_eq!(nanos(text, NANOS_PER_SECOND), Some(expected), "{text}");
        };
        check("0:01:10", 70_000);
        check("1h2m3s", 3_723_000);
        check("1d 02:03:04", 93_784_000);
        check("70 s", 70_000);
        check("70", 70_000);
        check("00:00:01.5", 1500);
        check("2 ms", 2);
        assert_eq!(nanos("0.144", 1_000_000), Some(144_000));
        for text in [
            "",
            "x",
            "1:x",
            "99999999999999999999s",
            "1 parsec",
            "5-3",
            "1s-",
            "-",
        ] {
            assert_eq!(nanos(text, NANOS_PER_SECOND), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_an_end(text in "[0-9.:dhms ,;+é-]{0,24}") {
            nanos(&text, NANOS_PER_SECOND);
        }
    }
}
