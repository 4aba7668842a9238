//! Dates as requests write them and answers show them: formats, date mathematics (`now-1h/d`), zones.
//!
//! Elasticsearch's dates have milliseconds; ours have microseconds. A date written to the millisecond or coarser means
//! all instants within what is written: `lte: 22:14:15` holds with 22:14:15.9.

use event::Micros;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

use super::fault::Fault;

const MILLI: i64 = 1000;
/// The longest date worth reading, in bytes.
const TEXT_BYTES_MAX: usize = 200;

/// The instants that a date means: from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instants {
    pub(super) start: Micros,
    pub(super) end: Micros,
}

/// How dates of one place of a request are read and shown.
#[derive(Clone, Debug)]
pub(super) struct Dates {
    now: Micros,
    zone: TimeZone,
    formats: Vec<Format>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// Milliseconds since 1970.
    Millis,
    /// Seconds since 1970.
    Seconds,
    /// ISO 8601, all but the year optional; shown to the millisecond.
    Iso,
    /// The same, shown as exactly as it is known.
    IsoExact,
    /// A pattern of letters.
    Pattern(Vec<Token>),
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A number, with at least so many digits.
    Number(Unit, usize),
    /// A fraction of a second, with so many digits.
    Fraction(usize),
    /// The offset of the zone: with a colon or not, `Z` for none or not.
    Offset(OffsetShape),
    /// Itself.
    Text(String),
}

/// How the offset of a zone is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OffsetShape {
    /// With a colon between hours and minutes.
    colon: bool,
    /// As `Z` where there is none.
    zulu: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Dates {
    /// Dates as Elasticsearch reads them where nothing else is said: ISO 8601 or milliseconds since 1970, in UTC.
    pub(super) fn new(now: Micros) -> Self {
        Self {
            now,
            zone: TimeZone::UTC,
            formats: vec![Format::Iso, Format::Millis],
        }
    }

    /// The same with the format and the zone that a request names.
    pub(super) fn with(mut self, format: Option<&str>, zone: Option<&str>) -> Result<Self, Fault> {
        if let Some(format) = format {
            self.formats = format
                .split("||")
                .map(format_of)
                .collect::<Result<_, _>>()?;
        }
        if let Some(name) = zone {
            self.zone = zone_of(name)?;
        }
        Ok(self)
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Reads a date.
    pub(super) fn read(&self, text: &str) -> Result<Instants, Fault> {
        self.understand(text).ok_or_else(|| {
            let shown: String = text.chars().take(TEXT_BYTES_MAX).collect();
            Fault::date(format!(
                "failed to parse date field [{shown}]: write 2026-10-11T22:14:15+07:00, now-15m, 2026-10-11||/d, or \
                 milliseconds since 1970"
            ))
        })
    }

    fn understand(&self, text: &str) -> Option<Instants> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        if let Some(rest) = text.strip_prefix("now") {
            let now = self.local(self.now)?;
            return self.calculate(rest, &now);
        }
        if let Some((anchor, rest)) = text.split_once("||") {
            let anchor = self.local(self.plain(anchor)?.start)?;
            return self.calculate(rest, &anchor);
        }
        self.plain(text)
    }

    fn plain(&self, text: &str) -> Option<Instants> {
        let mut formats = self.formats.iter();
        formats.find_map(|format| match format {
            Format::Millis => since_1970(text, MILLI),
            Format::Seconds => since_1970(text, Micros::PER_SECOND),
            Format::Iso | Format::IsoExact => iso(text, &self.zone),
            Format::Pattern(tokens) => by_pattern(text, tokens, &self.zone),
        })
    }

    fn local(&self, at: Micros) -> Option<Zoned> {
        let at = Timestamp::from_microsecond(at.0).ok()?;
        Some(at.to_zoned(self.zone.clone()))
    }

    /// `+1d`, `-2h`, `/d`, one after another.
    fn calculate(&self, text: &str, anchor: &Zoned) -> Option<Instants> {
        let mut start = anchor.clone();
        let mut end = anchor.checked_add(1.microseconds()).ok()?;
        let mut chars = text.chars().peekable();
        while let Some(sign) = chars.next() {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            let unit = chars.next()?;
            if sign == '/' {
                let (from, to) = around(&start, unit)?;
                (start, end) = (self.at(from)?, self.at(to)?);
                if !digits.is_empty() {
                    return None;
                }
                continue;
            }
            let count: i64 = if digits.is_empty() {
                1
            } else {
                digits.parse().ok().filter(|count| *count <= 10_000_000)?
            };
            let span = span_of(unit, count)?;
            let shift = |at: &Zoned| match sign {
                '+' => at.checked_add(span).ok(),
                '-' => at.checked_sub(span).ok(),
                _ => None,
            };
            (start, end) = (shift(&start)?, shift(&end)?);
        }
        Some(Instants {
            start: micros(start.timestamp()),
            end: micros(end.timestamp()),
        })
    }

    fn at(&self, local: DateTime) -> Option<Zoned> {
        self.zone.to_ambiguous_zoned(local).compatible().ok()
    }

    /// The date as the first of the formats has it.
    pub(super) fn show(&self, at: Micros) -> String {
        let format = self.formats.first().unwrap_or(&Format::Iso);
        match format {
            Format::Millis => at.0.div_euclid(MILLI).to_string(),
            Format::Seconds => at.0.div_euclid(Micros::PER_SECOND).to_string(),
            Format::Iso => self.show_iso(at, Fraction::Millis),
            Format::IsoExact => self.show_iso(at, Fraction::Exact),
            Format::Pattern(tokens) => match self.local(at) {
                Some(local) => show_pattern(&local, tokens),
                None => at.to_string(),
            },
        }
    }

    fn show_iso(&self, at: Micros, fraction: Fraction) -> String {
        let Some(local) = self.local(at) else {
            return at.to_string();
        };
        let micros = at.0.rem_euclid(Micros::PER_SECOND);
        let fraction = match fraction {
            Fraction::Exact if micros % MILLI != 0 => format!("{micros:06}"),
            Fraction::Exact | Fraction::Millis => format!("{:03}", micros / MILLI),
        };
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{fraction}{}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second(),
            show_offset(local.offset(), ISO_OFFSET),
        )
    }
}

#[derive(Clone, Copy)]
enum Fraction {
    Millis,
    Exact,
}

/// The zone of that name: `UTC`, `Asia/Ho_Chi_Minh`, `+07:00`.
pub(super) fn zone_of(name: &str) -> Result<TimeZone, Fault> {
    let wrong = || {
        let shown: String = name.chars().take(64).collect();
        Fault::argument(format!(
            "[{shown}] is no time zone: write UTC, +07:00 or Asia/Ho_Chi_Minh"
        ))
    };
    if name.len() > 64 {
        return Err(wrong());
    }
    if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
        return Ok(TimeZone::UTC);
    }
    if let Some(offset) = offset_of(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| wrong())
}

/// The offset of a zone whose clocks are no longer changed: of those the past ends with 1980.
pub(super) fn steady_offset(zone: &TimeZone) -> Option<Offset> {
    let since = Timestamp::from_second(315_532_800).ok()?;
    zone.following(since)
        .next()
        .is_none()
        .then(|| zone.to_offset(since))
}

/// `+07:00`, `-0300`, `+7`, `Z`.
fn offset_of(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() > 2 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let hours: i32 = number(hours, 1..=2)?;
    let minutes: i32 = number(minutes, 1..=2)?;
    let seconds = (hours * 60 + minutes) * 60 * sign;
    Offset::from_seconds(seconds).ok().filter(|_| minutes < 60)
}

/// Digits alone, so many of them, as a number.
fn number<N: std::str::FromStr>(
    digits: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Option<N> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    (plain && length.contains(&digits.len()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// A number of milliseconds or seconds, also with a fraction.
fn since_1970(text: &str, unit: i64) -> Option<Instants> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let whole: i64 = number(whole, 1..=18)?;
    let mut start = whole.checked_mul(unit)?;
    let mut length = unit.min(MILLI);
    if let Some(fraction) = fraction {
        let digits = fraction.get(..fraction.len().min(6))?;
        let numerator: i64 = number(digits, 1..=6)?;
        let scale = 10_i64.checked_pow(u32::try_from(digits.len()).ok()?)?;
        start = start.checked_add(numerator.checked_mul(unit)? / scale)?;
        length = if unit == MILLI { 1 } else { MILLI };
    }
    let start = if negative { -start } else { start };
    // Only what the calendar holds.
    let first = Timestamp::from_microsecond(start).ok()?;
    let start = micros(first);
    Some(Instants {
        start,
        end: Micros(start.0.checked_add(length)?),
    })
}

/// `2026`, `2026-10`, `2026-10-11`, `2026-10-11T22`, `2026-10-11T22:14:15.003+07:00`.
fn iso(text: &str, zone: &TimeZone) -> Option<Instants> {
    let (date, rest) = match text.split_once('T') {
        Some((date, rest)) => (date, Some(rest)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4..=4)?;
    let (month, day) = (parts.next(), parts.next());
    if parts.next().is_some() || (rest.is_some_and(|rest| !rest.is_empty()) && day.is_none()) {
        return None;
    }
    let mut civil = Civil::of(year);
    if let Some(month) = month {
        civil.set(Unit::Month, number(month, 1..=2)?);
    }
    if let Some(day) = day {
        civil.set(Unit::Day, number(day, 1..=2)?);
    }
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return civil.instants(zone);
    };
    let (time, offset) = match rest.find(['Z', '+', '-']) {
        Some(at) => {
            let (time, offset) = rest.split_at_checked(at)?;
            (time, Some(offset_of(offset)?))
        }
        None => (rest, None),
    };
    let (time, fraction) = match time.split_once(['.', ',']) {
        Some((time, fraction)) => (time, Some(fraction)),
        None => (time, None),
    };
    let mut parts = time.split(':');
    civil.set(Unit::Hour, number(parts.next()?, 1..=2)?);
    for unit in [Unit::Minute, Unit::Second] {
        if let Some(part) = parts.next() {
            civil.set(unit, number(part, 1..=2)?);
        }
    }
    if parts.next().is_some() {
        return None;
    }
    if let Some(fraction) = fraction {
        civil.set_fraction(fraction)?;
    }
    match offset {
        Some(offset) => civil.instants(&TimeZone::fixed(offset)),
        None => civil.instants(zone),
    }
}

/// A date of the calendar in the making, and what of it was named.
struct Civil {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    finest: Unit,
    /// How long what the fraction names lasts, in microseconds.
    fraction: Option<i64>,
}

impl Civil {
    fn of(year: i16) -> Self {
        Self {
            year,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            finest: Unit::Year,
            fraction: None,
        }
    }

    fn set(&mut self, unit: Unit, number: i8) {
        match unit {
            Unit::Year => {}
            Unit::Month => self.month = number,
            Unit::Day => self.day = number,
            Unit::Hour => self.hour = number,
            Unit::Minute => self.minute = number,
            Unit::Second => self.second = number,
        }
        self.finest = self.finest.max(unit);
    }

    fn set_fraction(&mut self, digits: &str) -> Option<()> {
        let nanos: i32 = number(digits, 1..=9)?;
        let missing = 9_u32.checked_sub(u32::try_from(digits.len()).ok()?)?;
        self.nanos = nanos.checked_mul(10_i32.checked_pow(missing)?)?;
        self.fraction = Some(if digits.len() > 3 { 1 } else { MILLI });
        (self.finest == Unit::Second).then_some(())
    }

    fn instants(&self, zone: &TimeZone) -> Option<Instants> {
        let date = Date::new(self.year, self.month, self.day).ok()?;
        let time = Time::new(self.hour, self.minute, self.second, self.nanos).ok()?;
        let first = date.to_datetime(time);
        let length = match (self.fraction, self.finest) {
            (Some(micros), _) => micros.microseconds(),
            (None, Unit::Year) => 1.year(),
            (None, Unit::Month) => 1.month(),
            (None, Unit::Day) => 1.day(),
            (None, Unit::Hour) => 1.hour(),
            (None, Unit::Minute) => 1.minute(),
            (None, Unit::Second) => 1.second(),
        };
        let at = |local: DateTime| {
            let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
            Some(micros(at))
        };
        Some(Instants {
            start: at(first)?,
            end: at(first.checked_add(length).ok()?)?,
        })
    }
}

fn micros(at: Timestamp) -> Micros {
    Micros(at.as_microsecond())
}

fn span_of(unit: char, count: i64) -> Option<Span> {
    let span = Span::new();
    match unit {
        's' => span.try_seconds(count),
        'm' => span.try_minutes(count),
        'h' | 'H' => span.try_hours(count),
        'd' => span.try_days(count),
        'w' => span.try_weeks(count),
        'M' => span.try_months(count),
        'y' => span.try_years(count),
        _ => return None,
    }
    .ok()
}

/// When the unit around the instant begins, and when the next one does.
fn around(at: &Zoned, unit: char) -> Option<(DateTime, DateTime)> {
    let (date, time) = (at.date(), at.time());
    let (start, length) = match unit {
        's' => (
            date.at(time.hour(), time.minute(), time.second(), 0),
            1.second(),
        ),
        'm' => (date.at(time.hour(), time.minute(), 0, 0), 1.minute()),
        'h' | 'H' => (date.at(time.hour(), 0, 0, 0), 1.hour()),
        'd' => (date.at(0, 0, 0, 0), 1.day()),
        'w' => {
            let since_monday = i64::from(date.weekday().to_monday_zero_offset());
            let monday = date.checked_sub(since_monday.days()).ok()?;
            (monday.at(0, 0, 0, 0), 1.week())
        }
        'M' => (date.first_of_month().at(0, 0, 0, 0), 1.month()),
        'y' => (date.first_of_year().at(0, 0, 0, 0), 1.year()),
        _ => return None,
    };
    Some((start, start.checked_add(length).ok()?))
}

/// Elasticsearch's names for formats, and the patterns behind them.
fn format_of(name: &str) -> Result<Format, Fault> {
    let plain = name.strip_prefix("strict_").unwrap_or(name);
    let pattern = match plain {
        "epoch_millis" => return Ok(Format::Millis),
        "epoch_second" => return Ok(Format::Seconds),
        "date_optional_time" | "iso8601" => return Ok(Format::Iso),
        "date_optional_time_nanos" => return Ok(Format::IsoExact),
        "basic_date" => "yyyyMMdd",
        "date" | "year_month_day" => "yyyy-MM-dd",
        "year_month" => "yyyy-MM",
        "year" => "yyyy",
        "date_hour" => "yyyy-MM-dd'T'HH",
        "date_hour_minute" => "yyyy-MM-dd'T'HH:mm",
        "date_hour_minute_second" => "yyyy-MM-dd'T'HH:mm:ss",
        "date_hour_minute_second_millis" | "date_hour_minute_second_fraction" => {
            "yyyy-MM-dd'T'HH:mm:ss.SSS"
        }
        "date_time" => "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "date_time_no_millis" => "yyyy-MM-dd'T'HH:mm:ssXXX",
        pattern => pattern,
    };
    match tokens_of(pattern) {
        Some(tokens) => Ok(Format::Pattern(tokens)),
        None => {
            let shown: String = name.chars().take(TEXT_BYTES_MAX).collect();
            Err(Fault::argument(format!(
                "the date format [{shown}] is not supported: use strict_date_optional_time, epoch_millis, epoch_second, \
                 or the letters yyyy MM dd HH mm ss SSS XXX"
            )))
        }
    }
}

fn tokens_of(pattern: &str) -> Option<Vec<Token>> {
    if pattern.is_empty() || pattern.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(letter) = chars.next() {
        if letter == '\'' {
            let mut text = String::new();
            loop {
                match chars.next()? {
                    '\'' => break,
                    c => text.push(c),
                }
            }
            tokens.push(Token::Text(if text.is_empty() {
                "'".to_owned()
            } else {
                text
            }));
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            tokens.push(Token::Text(letter.to_string()));
            continue;
        }
        let mut length = 1;
        while chars.next_if_eq(&letter).is_some() {
            length += 1;
        }
        tokens.push(match (letter, length) {
            ('y' | 'u', 1 | 4) => Token::Number(Unit::Year, 4),
            ('M', 1 | 2) => Token::Number(Unit::Month, length),
            ('d', 1 | 2) => Token::Number(Unit::Day, length),
            ('H', 1 | 2) => Token::Number(Unit::Hour, length),
            ('m', 1 | 2) => Token::Number(Unit::Minute, length),
            ('s', 1 | 2) => Token::Number(Unit::Second, length),
            ('S', 1..=9) => Token::Fraction(length),
            ('X', 3) => Token::Offset(OffsetShape {
                colon: true,
                zulu: true,
            }),
            ('x', 3) => Token::Offset(OffsetShape {
                colon: true,
                zulu: false,
            }),
            ('Z', 1..=3) | ('x', 2) => Token::Offset(OffsetShape {
                colon: false,
                zulu: false,
            }),
            ('X', 2) => Token::Offset(OffsetShape {
                colon: false,
                zulu: true,
            }),
            _ => return None,
        });
    }
    Some(tokens)
}

fn show_pattern(local: &Zoned, tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Number(unit, width) => {
                let number = match unit {
                    Unit::Year => local.year(),
                    Unit::Month => i16::from(local.month()),
                    Unit::Day => i16::from(local.day()),
                    Unit::Hour => i16::from(local.hour()),
                    Unit::Minute => i16::from(local.minute()),
                    Unit::Second => i16::from(local.second()),
                };
                text.push_str(&format!("{number:0width$}"));
            }
            Token::Fraction(width) => {
                let nanos = format!("{:09}", local.subsec_nanosecond());
                text.push_str(nanos.get(..*width).unwrap_or(&nanos));
            }
            Token::Offset(shape) => text.push_str(&show_offset(local.offset(), *shape)),
            Token::Text(plain) => text.push_str(plain),
        }
    }
    text
}

const ISO_OFFSET: OffsetShape = OffsetShape {
    colon: true,
    zulu: true,
};

fn show_offset(offset: Offset, shape: OffsetShape) -> String {
    let seconds = offset.seconds();
    if seconds == 0 && shape.zulu {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    let between = if shape.colon { ":" } else { "" };
    format!("{sign}{:02}{between}{:02}", minutes / 60, minutes % 60)
}

fn by_pattern(text: &str, tokens: &[Token], zone: &TimeZone) -> Option<Instants> {
    let mut civil = Civil::of(1970);
    let mut offset = None;
    let mut rest = text;
    for token in tokens {
        match token {
            Token::Number(unit, width) => {
                let most = (*width).max(2);
                let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit);
                let (digits, after) = rest.split_at_checked(digits.count())?;
                if digits.len() < *width {
                    return None;
                }
                rest = after;
                match unit {
                    Unit::Year => civil.year = number(digits, 4..=4)?,
                    unit => civil.set(*unit, number(digits, 1..=2)?),
                }
            }
            Token::Fraction(width) => {
                let (digits, after) = rest.split_at_checked(*width)?;
                civil.set_fraction(digits)?;
                rest = after;
            }
            Token::Offset(_) => {
                offset = Some(offset_of(rest)?);
                rest = "";
            }
            Token::Text(plain) => rest = rest.strip_prefix(plain.as_str())?,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    match offset {
        Some(offset) => civil.instants(&TimeZone::fixed(offset)),
        None => civil.instants(zone),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dates() -> Dates {
        Dates::new(Micros::from_rfc3339("2026-10-11T22:14:15.123456Z").unwrap())
    }

    fn check(dates: &Dates, text: &str, start: &str, end: &str) {
        let instants = dates.read(text).unwrap();
        assert_eq!(instants.start.to_string(), start, "{text}");
        assert_eq!(instants.end.to_string(), end, "{text}");
    }

    #[test]
    fn a_date_means_all_instants_within_what_is_written() {
        let dates = dates();
        let rows = [
            ("2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2026-02", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2026-10-11", "2026-10-11T00:00:00Z", "2026-10-12T00:00:00Z"),
            (
                "2026-10-11T22:14",
                "2026-10-11T22:14:00Z",
                "2026-10-11T22:15:00Z",
            ),
            (
                "2026-10-11T22:14:15+07:00",
                "2026-10-11T15:14:15Z",
                "2026-10-11T15:14:16Z",
            ),
            (
                "2026-10-11T22:14:15.5Z",
                "2026-10-11T22:14:15.500Z",
                "2026-10-11T22:14:15.501Z",
            ),
            (
                "2026-10-11T22:14:15.123456Z",
                "2026-10-11T22:14:15.123456Z",
                "2026-10-11T22:14:15.123457Z",
            ),
            (
                "1791756855003",
                "2026-10-11T22:14:15.003Z",
                "2026-10-11T22:14:15.004Z",
            ),
            (
                "now",
                "2026-10-11T22:14:15.123456Z",
                "2026-10-11T22:14:15.123457Z",
            ),
            ("now-1h/d", "2026-10-11T00:00:00Z", "2026-10-12T00:00:00Z"),
            ("now/w", "2026-10-05T00:00:00Z", "2026-10-12T00:00:00Z"),
            (
                "2026-01-01||+1M/d",
                "2026-02-01T00:00:00Z",
                "2026-02-02T00:00:00Z",
            ),
            ("now/d+1h", "2026-10-11T01:00:00Z", "2026-10-12T01:00:00Z"),
        ];
        for (text, start, end) in rows {
            check(&dates, text, start, end);
        }
    }

    #[test]
    fn the_zone_and_the_format_of_the_request_hold() {
        let zone = dates().with(None, Some("Asia/Ho_Chi_Minh")).unwrap();
        check(
            &zone,
            "2026-10-11",
            "2026-10-10T17:00:00Z",
            "2026-10-11T17:00:00Z",
        );
        check(
            &zone,
            "now/d",
            "2026-10-11T17:00:00Z",
            "2026-10-12T17:00:00Z",
        );
        let seconds = dates().with(Some("epoch_second"), None).unwrap();
        check(
            &seconds,
            "1791756855",
            "2026-10-11T22:14:15Z",
            "2026-10-11T22:14:15.001Z",
        );
        let pattern = dates()
            .with(Some("dd/MM/yyyy HH:mm||epoch_millis"), Some("+07:00"))
            .unwrap();
        check(
            &pattern,
            "11/10/2026 22:14",
            "2026-10-11T15:14:00Z",
            "2026-10-11T15:15:00Z",
        );
        check(
            &pattern,
            "1791756855003",
            "2026-10-11T22:14:15.003Z",
            "2026-10-11T22:14:15.004Z",
        );
    }

    #[test]
    fn what_is_no_date_or_zone_or_format_is_refused() {
        for text in [
            "",
            "yesterday",
            "now-1x",
            "now+",
            "now/d/",
            "2026-13-01",
            "2026-10-11T25",
            "||",
            "now-99999999999d",
            "99999999999999999999",
        ] {
            assert!(dates().read(text).is_err(), "{text}");
        }
        assert!(dates().with(Some("QQQ"), None).is_err());
        assert!(dates().with(None, Some("Mars/Olympus")).is_err());
        assert!(dates().with(None, Some("+7:99")).is_err());
    }

    #[test]
    fn dates_are_shown_as_the_format_says() {
        let at = Micros::from_rfc3339("2026-10-11T22:14:15.123456+07:00").unwrap();
        let check = |format: Option<&str>, zone: Option<&str>, expected: &str| {
            let dates = dates().with(format, zone).unwrap();
            assert_eq!(dates.show(at), expected, "{format:?}");
        };
        check(None, None, "2026-10-11T15:14:15.123Z");
        check(
            None,
            Some("Asia/Ho_Chi_Minh"),
            "2026-10-11T22:14:15.123+07:00",
        );
        check(
            Some("strict_date_optional_time_nanos"),
            None,
            "2026-10-11T15:14:15.123456Z",
        );
        check(Some("epoch_millis"), None, "1791731655123");
        check(Some("epoch_second"), None, "1791731655");
        check(Some("yyyy-MM-dd"), Some("+09:00"), "2026-10-12");
        check(Some("dd/MM/yyyy 'at' HH:mm"), None, "11/10/2026 at 15:14");
    }

    proptest! {
        #[test]
        fn any_text_is_a_date_or_an_error(text in "\\PC{0,40}|now[-+/0-9a-zA-Z]{0,20}|[-0-9T:.|+Z]{0,30}") {
            let dates = dates();
            if let Ok(instants) = dates.read(&text) {
                prop_assert!(instants.start < instants.end, "{text}");
                dates.show(instants.start);
            }
        }

        #[test]
        fn any_format_and_zone_is_read_or_an_error(format in "\\PC{0,20}|[yMdHmsSXxZ'|: /-]{0,20}", zone in "\\PC{0,12}") {
            drop(dates().with(None, Some(&zone)));
            if let Ok(dates) = dates().with(Some(&format), None) {
                drop(dates.read(&dates.show(Micros(1_791_731_655_123_456))));
            }
        }
    }
}
