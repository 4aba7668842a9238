//! Reads dates as devices write them, without a calendar library on the way.
//!
//! [`read`] tries every usual spelling by its first bytes; [`layout::Layout`](super::layout::Layout) is for definitions
//! that know theirs. Both give the instant and what follows the date.

use event::Micros;

use super::civil::Civil;
use super::zone::{Zone, abbreviation, offset};

/// An instant that a line states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The instant.
    pub(crate) at: Micros,
    /// Whose word its zone is.
    pub(crate) zone: ZoneFrom,
}

/// Where the zone of a date came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ZoneFrom {
    /// The line itself names it, or needs none.
    Line,
    /// The line leaves it out; the source's setting was used.
    Setting,
}

/// What a date is read against where it leaves something out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<'z> {
    /// Decides the year: the nearest.
    pub(crate) time: Micros,
    /// Decides the zone.
    pub(crate) zone: &'z Zone,
}

/// A date understood, and how many bytes it took.
pub(super) type Taken = Option<(Civil, usize)>;

/// Reads a date in any usual spelling at the start of `text`, perhaps in brackets: the instant, and what follows.
///
/// RFC 3339 and its loose relatives (`2026-10-11 22:14:15,003 +07`, `2026/10/11 22:14:15`), BSD syslog and Cisco
/// (`Oct 11 2026 22:14:15.123 UTC`), `ctime`, RFC 2822, Apache (`11/Oct/2026:22:14:15 +0700`),
/// `11-Oct-2026 22:14:15.123`, and seconds, milliseconds, microseconds or nanoseconds since 1970.
pub(crate) fn read<'t>(text: &'t str, reference: Reference<'_>) -> Option<(Stamp, &'t str)> {
    if let Some(inner) = text.strip_prefix('[') {
        let (stamp, rest) = read(inner.trim_start_matches('['), reference)?;
        return Some((stamp, rest.strip_prefix(']').unwrap_or(rest)));
    }
    let bytes = text.as_bytes();
    if let Some((at, used)) = epoch(bytes) {
        let zone = ZoneFrom::Line;
        return Some((Stamp { at, zone }, text.get(used..)?));
    }
    let (civil, used) = any(bytes)?;
    Some((civil.resolve(reference)?, text.get(used..)?))
}

/// Every spelling but epochs.
pub(super) fn any(bytes: &[u8]) -> Taken {
    let &[first, second, third, ..] = bytes else {
        return None;
    };
    if first.is_ascii_alphabetic() {
        return bsd(bytes).or_else(|| after_weekday(bytes));
    }
    match (second, third) {
        (b'0'..=b'9', b'0'..=b'9') if bytes.get(4) == Some(&b' ') => year_first(bytes),
        (b'0'..=b'9', b'0'..=b'9') => iso(bytes),
        (b'0'..=b'9', b'/') => apache(bytes).or_else(|| month_first(bytes)),
        (b'0'..=b'9', b' ' | b'-') | (b' ', _) => day_first(bytes),
        _ => None,
    }
}

/// `2026-10-11T22:14:15.003+07:00` and its relatives: `/` or `.` in the date, a space or `_` before the time, a comma
/// before the fraction, no seconds, a space before the zone, no zone.
pub(super) fn iso(bytes: &[u8]) -> Taken {
    let year = number(bytes, 0, 4)?;
    let separator = *bytes.get(4).filter(|b| matches!(b, b'-' | b'/' | b'.'))?;
    let month = small(bytes, 5)?;
    if bytes.get(7) != Some(&separator) {
        return None;
    }
    let day = small(bytes, 8)?;
    if !matches!(bytes.get(10)?, b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let date = Civil {
        year: i32::try_from(year).ok(),
        month,
        day,
        ..Civil::default()
    };
    let (civil, used) = time_of_day(bytes, 11, date)?;
    Some(with_zone(bytes, used, civil))
}

/// `Oct 11 22:14:15`: also with the year before or after the time, a fraction, a zone; the month in any case.
pub(super) fn bsd(bytes: &[u8]) -> Taken {
    let month = month_name(bytes)?;
    let start = spaces(bytes, 3)?;
    let (day, mut at) = day_number(bytes, start)?;
    at = spaces(bytes, at)?;
    let mut civil = Civil {
        month,
        day,
        ..Civil::default()
    };
    if let Some(year) = year(bytes, at) {
        civil.year = Some(year);
        at = spaces(bytes, at + 4)?;
    }
    let (mut civil, mut used) = time_of_day(bytes, at, civil)?;
    let before_year = with_zone(bytes, used, civil);
    if before_year.0.offset.is_some() {
        (civil, used) = before_year;
    }
    if civil.year.is_none()
        && bytes.get(used) == Some(&b' ')
        && ends_a_header(bytes.get(used + 5..).unwrap_or_default())
        && let Some(year) = year(bytes, used + 1)
    {
        civil.year = Some(year);
        used += 5;
    }
    Some(match civil.offset {
        Some(_) => (civil, used),
        None => with_zone(bytes, used, civil),
    })
}

/// Nothing, white space, a closing bracket, or the colon that ends Cisco's dates; not that of `2001:db8::1`.
fn ends_a_header(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [] | [b' ' | b'\t' | b']', ..] | [b':'] | [b':', b' ', ..]
    )
}

/// NX-OS: `2026 Oct 11 22:14:15.123 UTC`.
fn year_first(bytes: &[u8]) -> Taken {
    let year = year(bytes, 0)?;
    let start = spaces(bytes, 4)?;
    let (civil, used) = bsd(bytes.get(start..)?)?;
    let year = Some(year);
    Some((Civil { year, ..civil }, start + used))
}

/// `Thu Oct 11 22:14:15 2026`, `Thu, 11 Oct 2026 22:14:15 +0700`.
fn after_weekday(bytes: &[u8]) -> Taken {
    let name = bytes.get(..3)?;
    let days: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    if !days.iter().any(|day| day.eq_ignore_ascii_case(name)) {
        return None;
    }
    let after_name = bytes
        .iter()
        .position(|byte| !byte.is_ascii_alphabetic())
        .filter(|letters| *letters <= 9)?;
    let after_comma = after_name + usize::from(bytes.get(after_name) == Some(&b','));
    let start = spaces(bytes, after_comma)?;
    let date = bytes.get(start..)?;
    let (civil, used) = bsd(date).or_else(|| day_first(date))?;
    Some((civil, start + used))
}

/// `11/Oct/2026:22:14:15 +0700`.
pub(super) fn apache(bytes: &[u8]) -> Taken {
    let day = small(bytes, 0)?;
    let month = month_name(bytes.get(3..)?)?;
    let year = year(bytes, 7)?;
    if bytes.get(6) != Some(&b'/') || !matches!(bytes.get(11)?, b':' | b' ') {
        return None;
    }
    let date = Civil {
        year: Some(year),
        month,
        day,
        ..Civil::default()
    };
    let (civil, used) = time_of_day(bytes, 12, date)?;
    Some(with_zone(bytes, used, civil))
}

/// `11 Oct 2026 22:14:15`, `11-Oct-2026 22:14:15.123`.
fn day_first(bytes: &[u8]) -> Taken {
    let (day, at) = day_number(bytes, 0)?;
    if !matches!(bytes.get(at)?, b' ' | b'-') {
        return None;
    }
    let month = month_name(bytes.get(at + 1..)?)?;
    if !matches!(bytes.get(at + 4)?, b' ' | b'-') {
        return None;
    }
    let year = year(bytes, at + 5)?;
    let date = Civil {
        year: Some(year),
        month,
        day,
        ..Civil::default()
    };
    let (civil, used) = time_of_day(bytes, spaces(bytes, at + 9)?, date)?;
    Some(with_zone(bytes, used, civil))
}

/// NetScaler's `05/21/2026:00:00:00 GMT`: months first, told from others by the colon before the time.
fn month_first(bytes: &[u8]) -> Taken {
    let month = small(bytes, 0)?;
    let day = small(bytes, 3)?;
    let year = year(bytes, 6)?;
    if bytes.get(5) != Some(&b'/') || bytes.get(10) != Some(&b':') {
        return None;
    }
    let date = Civil {
        year: Some(year),
        month,
        day,
        ..Civil::default()
    };
    let (civil, used) = time_of_day(bytes, 11, date)?;
    Some(with_zone(bytes, used, civil))
}

/// The unit of a count since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EpochUnit {
    /// Seconds, perhaps with a fraction.
    Seconds,
    /// Thousandths.
    Millis,
    /// Millionths.
    Micros,
    /// Thousand-millionths.
    Nanos,
}

/// A count since 1970 whose unit shows in its number of digits: 9 or 10, 13, 16, 19.
pub(super) fn epoch(bytes: &[u8]) -> Option<(Micros, usize)> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let unit = match digits {
        9 | 10 => EpochUnit::Seconds,
        13 => EpochUnit::Millis,
        16 => EpochUnit::Micros,
        19 => EpochUnit::Nanos,
        _ => return None,
    };
    if bytes.get(digits).is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    epoch_in(bytes, unit)
}

/// A count since 1970 in a known unit.
pub(super) fn epoch_in(bytes: &[u8], unit: EpochUnit) -> Option<(Micros, usize)> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let text = std::str::from_utf8(bytes.get(..digits)?).ok()?;
    let count: i64 = text.parse().ok()?;
    let (whole, fraction_unit) = match unit {
        EpochUnit::Seconds => (count.checked_mul(1_000_000)?, 1_000_000),
        EpochUnit::Millis => (count.checked_mul(1_000)?, 1_000),
        EpochUnit::Micros => (count, 1),
        EpochUnit::Nanos => (count / 1000, 0),
    };
    let Some((millionths, used)) = fraction(bytes, digits) else {
        return Some((Micros(whole), digits));
    };
    let part = i64::from(millionths) * fraction_unit / 1_000_000;
    Some((Micros(whole.checked_add(part)?), used))
}

/// `HH:MM[:SS[.,]fraction]` at `at`.
fn time_of_day(bytes: &[u8], at: usize, date: Civil) -> Taken {
    let mut civil = Civil {
        hour: small(bytes, at)?,
        minute: small(bytes, at + 3)?,
        ..date
    };
    if bytes.get(at + 2) != Some(&b':') {
        return None;
    }
    let mut used = at + 5;
    if bytes.get(used) == Some(&b':')
        && let Some(second) = small(bytes, used + 1)
    {
        civil.second = second;
        used += 3;
    }
    if let Some((micros, after)) = fraction(bytes, used) {
        civil.micros = micros;
        used = after;
    }
    Some((civil, used))
}

/// A point or comma and digits at `at`: millionths (finer digits are cut), and where it ends.
pub(super) fn fraction(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    if !matches!(bytes.get(at)?, b'.' | b',') {
        return None;
    }
    let digits = bytes.get(at + 1..)?;
    let count = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if count == 0 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = digits.get(place).filter(|_| place < count);
        micros = micros * 10 + digit.map_or(0, |byte| u32::from(byte - b'0'));
    }
    Some((micros, at + 1 + count))
}

/// Adds the zone that stands at `at`, directly or after spaces, if one does.
fn with_zone(bytes: &[u8], at: usize, civil: Civil) -> (Civil, usize) {
    match zone_token(bytes, at) {
        Some((seconds, used)) => {
            let offset = Some(seconds);
            (Civil { offset, ..civil }, used)
        }
        None => (civil, at),
    }
}

/// An offset or a known abbreviation in capitals that stands alone; `UTC+7` and `GMT+07:00` too.
pub(super) fn zone_token(bytes: &[u8], at: usize) -> Option<(i32, usize)> {
    let start = at + bytes.get(at..)?.iter().take_while(|b| **b == b' ').count();
    let token = bytes.get(start..)?;
    let alone = |used: usize| {
        let next = token.get(used);
        next.is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_' | b'.' | b'/'))
    };
    match token.first()? {
        b'+' | b'-' => {
            let two_digits = token.get(1..3)?.iter().all(u8::is_ascii_digit);
            let (seconds, used) = offset(token).filter(|_| two_digits)?;
            Some((seconds, start + used))
        }
        b'A'..=b'Z' => {
            let letters = token.iter().take_while(|b| b.is_ascii_uppercase()).count();
            let name = std::str::from_utf8(token.get(..letters.min(5))?).ok()?;
            let seconds = abbreviation(name)?;
            if matches!(name, "UTC" | "GMT")
                && let Some((more, used)) = offset(token.get(letters..)?)
                && token.get(letters) != Some(&b'Z')
            {
                return Some((more, start + letters + used));
            }
            alone(letters).then_some((seconds, start + letters))
        }
        b'z' if start == at => alone(1).then_some((0, start + 1)),
        _ => None,
    }
}

/// The number of the English month whose first three letters stand at the start, in any case.
pub(super) fn month_name(bytes: &[u8]) -> Option<u8> {
    let [a, b, c, ..] = *bytes else { return None };
    match [a | 0x20, b | 0x20, c | 0x20] {
        [b'j', b'a', b'n'] => Some(1),
        [b'f', b'e', b'b'] => Some(2),
        [b'm', b'a', b'r'] => Some(3),
        [b'a', b'p', b'r'] => Some(4),
        [b'm', b'a', b'y'] => Some(5),
        [b'j', b'u', b'n'] => Some(6),
        [b'j', b'u', b'l'] => Some(7),
        [b'a', b'u', b'g'] => Some(8),
        [b's', b'e', b'p'] => Some(9),
        [b'o', b'c', b't'] => Some(10),
        [b'n', b'o', b'v'] => Some(11),
        [b'd', b'e', b'c'] => Some(12),
        _ => None,
    }
}

/// Exactly `count` digits (at most nine) at `at`.
pub(super) fn number(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let digits = bytes.get(at..at + count)?;
    digits.iter().try_fold(0_u32, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u32::from(byte - b'0'))
    })
}

/// Two digits at `at`.
pub(super) fn small(bytes: &[u8], at: usize) -> Option<u8> {
    let &[tens, ones] = bytes.get(at..at + 2)? else {
        return None;
    };
    let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    digits.then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// One or two digits at `at`, and where they end.
pub(super) fn day_number(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    if let Some(day) = small(bytes, at) {
        return Some((day, at + 2));
    }
    let digit = bytes.get(at).filter(|byte| byte.is_ascii_digit())?;
    Some((digit - b'0', at + 1))
}

/// Four digits from 1900 to 2199 at `at`, and no fifth.
fn year(bytes: &[u8], at: usize) -> Option<i32> {
    let year = number(bytes, at, 4).filter(|year| (1900..2200).contains(year))?;
    let fifth = bytes.get(at + 4).is_some_and(u8::is_ascii_digit);
    i32::try_from(year).ok().filter(|_| !fifth)
}

/// Past at least one space.
fn spaces(bytes: &[u8], at: usize) -> Option<usize> {
    let count = bytes
        .get(at..)?
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    (count > 0).then_some(at + count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(zone: &Zone) -> Reference<'_> {
        let time = Micros::from_rfc3339("2026-10-12T00:00:00Z").unwrap();
        Reference { time, zone }
    }

    /// `rest` follows the date; the zone of the setting is +07:00.
    fn check(text: &str, expected: &str, rest: &str) {
        let zone = Zone::vietnam();
        let (stamp, after) =
            read(text, reference(&zone)).unwrap_or_else(|| panic!("{text} is a date"));
        assert_eq!(stamp.at.to_string(), expected, "{text}");
        assert_eq!(after, rest, "{text}");
    }

    #[test]
    fn every_usual_spelling_is_read() {
        let utc = "2026-10-11T22:14:15Z";
        let here = "2026-10-11T15:14:15Z";
        check("2026-10-11T22:14:15Z host", utc, " host");
        check("2026-10-11T22:14:15+00:00 host", utc, " host");
        check(
            "2026-10-11T22:14:15.003+07:00",
            "2026-10-11T15:14:15.003Z",
            "",
        );
        check(
            "2026-10-11T22:14:15.123456789Z",
            "2026-10-11T22:14:15.123456Z",
            "",
        );
        check(
            "2026-10-11 22:14:15,003 INFO",
            "2026-10-11T15:14:15.003Z",
            " INFO",
        );
        check(
            "2026-10-11 22:14:15.003 +07 [12]",
            "2026-10-11T15:14:15.003Z",
            " [12]",
        );
        check("2026-10-11 22:14:15 ICT [12]", here, " [12]");
        check(
            "2026-10-11 22:14:15 ICT:10.0.0.5(33):u@d",
            here,
            ":10.0.0.5(33):u@d",
        );
        check(
            "2026-10-11 22:14:15 +07:203.0.113.5(33):",
            here,
            ":203.0.113.5(33):",
        );
        check(
            "2026-10-11 22:14:15 +07:10.0.0.5(33):",
            here,
            ":10.0.0.5(33):",
        );
        check("2026/10/11 22:14:15 [error]", here, " [error]");
        check("2026-10-11 22:14 x", "2026-10-11T15:14:00Z", " x");
        check("Oct 11 22:14:15 host", here, " host");
        check("OCT 11 22:14:15 host", here, " host");
        check("Oct  1 22:14:15 host", "2026-10-01T15:14:15Z", " host");
        check("Oct 1 22:14:15 host", "2026-10-01T15:14:15Z", " host");
        check("Oct 11 2026 22:14:15: %ASA", here, ": %ASA");
        check("Oct 11 22:14:15 2026 host", here, " host");
        check(
            "Oct 11 22:14:15.123 UTC: %SYS",
            "2026-10-11T22:14:15.123Z",
            ": %SYS",
        );
        check("Oct 11 22:14:15 UTC host", utc, " host");
        check("Oct 11 22:14:15 UTC 2026 host", utc, " host");
        check(
            "Oct 11 22:14:15 +0300 host",
            "2026-10-11T19:14:15Z",
            " host",
        );
        check(
            "Oct 11 22:14:15+03:00 host",
            "2026-10-11T19:14:15Z",
            " host",
        );
        check("Oct 11 22:14:15 UTC+7: %SYS", here, ": %SYS");
        check("Oct 11 22:14:15 EST-gw x", here, " EST-gw x");
        check("Oct 11 22:14:15 ESTATE x", here, " ESTATE x");
        check("2026 Oct 11 22:14:15.000 ICT: %AUTH", here, ": %AUTH");
        check("Sun Oct 11 22:14:15 2026", here, "");
        check("Sun, 11 Oct 2026 22:14:15 +0700", here, "");
        check("[11/Oct/2026:22:14:15 +0700] \"GET", here, " \"GET");
        check("11/Oct/2026:22:14:15 +0000", utc, "");
        check(
            "11-Oct-2026 22:14:15.003 client",
            "2026-10-11T15:14:15.003Z",
            " client",
        );
        check("10/11/2026:22:14:15 GMT ns 0", utc, " ns 0");
        check("1791756855 x", utc, " x");
        check("1791756855.25 x", "2026-10-11T22:14:15.250Z", " x");
        check("1791756855003 x", "2026-10-11T22:14:15.003Z", " x");
        check("1791756855003004 x", "2026-10-11T22:14:15.003004Z", " x");
        check("1791756855003004005 x", "2026-10-11T22:14:15.003004Z", " x");
    }

    #[test]
    fn what_is_no_date_is_none() {
        let zone = Zone::utc();
        for text in [
            "",
            "Oct",
            "Oct 11",
            "Okt 11 22:14:15",
            "2026-13-11T00:00:00Z",
            "2026-10-32T00:00:00Z",
            "2026-10-11T24:00:00Z",
            "2026-10-11",
            "12345678901 x",
            "172.20.245.8",
            "99/Oct/2026:22:14:15",
            "Monitor",
            "30 Feb 2026 00:00:00",
            "[",
            "[[[",
            "9999999999999999999",
            "Oct 0 00:00:00 ",
        ] {
            assert_eq!(read(text, reference(&zone)), None, "{text}");
        }
    }

    #[test]
    fn whose_word_the_zone_is_can_be_told() {
        let zone = Zone::vietnam();
        let from = |text| read(text, reference(&zone)).unwrap().0.zone;
        assert_eq!(from("Oct 11 22:14:15 x"), ZoneFrom::Setting);
        assert_eq!(from("Oct 11 22:14:15 UTC: x"), ZoneFrom::Line);
        assert_eq!(from("1791756855"), ZoneFrom::Line);
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_what_follows_is_its_end(text in "\\PC{0,40}") {
            let zone = Zone::vietnam();
            if let Some((_, rest)) = read(&text, reference(&zone)) {
                prop_assert!(text.ends_with(rest));
            }
        }

        #[test]
        fn a_date_written_is_read_back(micros in 0_i64..4_000_000_000_000_000) {
            let zone = Zone::vietnam();
            let text = Micros(micros).to_string();
            prop_assert_eq!(read(&text, reference(&zone)).unwrap().0.at, Micros(micros));
        }

        #[test]
        fn almost_dates_are_survived(text in "[\\[]?[A-Z][a-z]{2} [0-9 ]{1,3}[ T][0-9]{1,4}[:.][0-9]{1,3}[:.,][0-9]{1,20} ?[A-Z+-]{0,4}[0-9:]{0,6}") {
            let zone = Zone::vietnam();
            if let Some((_, rest)) = read(&text, reference(&zone)) {
                prop_assert!(text.ends_with(rest));
            }
        }
    }
}
