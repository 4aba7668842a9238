//! Layouts of dates that definitions name: a closed set of names, or a pattern in the manner of `strptime`.

use super::civil::Civil;
use super::time::{
    self, EpochUnit, Reference, Stamp, Taken, ZoneFrom, apache, bsd, day_number, epoch_in,
    fraction, iso, month_name, number, small, zone_token,
};

/// How a date is written, compiled once.
///
/// Names: `any` (every usual spelling, see [`time::read`]), `iso`, `bsd`, `apache`, `epoch` (unit by the number of
/// digits), `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns`. Anything with a `%` is a pattern of `%Y %y %m %d %e %b %a
/// %H %I %p %M %S %.f` (optional fraction) `%z %Z` (offset or abbreviation) `%s %%`; a space stands for one or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Any,
    Iso,
    Bsd,
    Apache,
    Epoch(Option<EpochUnit>),
    Pattern(Box<[Piece]>),
}

/// One step of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Year,
    YearOfCentury,
    Month,
    MonthName,
    Weekday,
    Day,
    Hour,
    HourOfTwelve,
    Half,
    Minute,
    Second,
    Fraction,
    Zone,
    Spaces,
    Byte(u8),
}

/// Why a name or pattern is no layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayoutError {
    /// Neither a known name nor a pattern.
    #[error(
        "{0:?} is no date layout: use any, iso, bsd, apache, epoch, epoch_s, epoch_ms, epoch_us, epoch_ns or a pattern with %"
    )]
    Unknown(String),
    /// A conversion that does not exist.
    #[error("a date pattern has no conversion %{0}: use Y y m d e b a H I p M S .f z Z %")]
    Conversion(String),
}

impl Layout {
    /// Compiles a name or a pattern.
    pub(crate) fn compile(text: &str) -> Result<Self, LayoutError> {
        Ok(match text {
            "any" => Self::Any,
            "iso" | "rfc3339" => Self::Iso,
            "bsd" => Self::Bsd,
            "apache" => Self::Apache,
            "epoch" => Self::Epoch(None),
            "epoch_s" | "%s" => Self::Epoch(Some(EpochUnit::Seconds)),
            "epoch_ms" => Self::Epoch(Some(EpochUnit::Millis)),
            "epoch_us" => Self::Epoch(Some(EpochUnit::Micros)),
            "epoch_ns" => Self::Epoch(Some(EpochUnit::Nanos)),
            pattern if pattern.contains('%') => Self::Pattern(pieces(pattern)?),
            _ => return Err(LayoutError::Unknown(text.to_owned())),
        })
    }

    /// Reads a date at the start of `text`: the instant, and what follows it.
    pub(crate) fn read<'t>(
        &self,
        text: &'t str,
        reference: Reference<'_>,
    ) -> Option<(Stamp, &'t str)> {
        let bytes = text.as_bytes();
        let (civil, used) = match self {
            Self::Any => return time::read(text, reference),
            Self::Epoch(unit) => return epoch(text, *unit),
            Self::Iso => iso(bytes),
            Self::Bsd => bsd(bytes),
            Self::Apache => apache(bytes),
            Self::Pattern(pieces) => by_pattern(pieces, bytes),
        }?;
        Some((civil.resolve(reference)?, text.get(used..)?))
    }
}

fn epoch(text: &str, unit: Option<EpochUnit>) -> Option<(Stamp, &str)> {
    let (at, used) = match unit {
        Some(unit) => epoch_in(text.as_bytes(), unit),
        None => time::epoch(text.as_bytes()),
    }?;
    let zone = ZoneFrom::Line;
    Some((Stamp { at, zone }, text.get(used..)?))
}

fn pieces(pattern: &str) -> Result<Box<[Piece]>, LayoutError> {
    let mut pieces = Vec::new();
    let mut rest = pattern.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (piece, used) = match (byte, after) {
            (b' ', _) => (Piece::Spaces, 1),
            (b'%', [b'.', b'f', ..]) => (Piece::Fraction, 3),
            (b'%', [letter, ..]) => (conversion(*letter)?, 2),
            (b'%', []) => return Err(LayoutError::Conversion(String::new())),
            _ => (Piece::Byte(byte), 1),
        };
        pieces.push(piece);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(pieces.into_boxed_slice())
}

fn conversion(letter: u8) -> Result<Piece, LayoutError> {
    Ok(match letter {
        b'Y' => Piece::Year,
        b'y' => Piece::YearOfCentury,
        b'm' => Piece::Month,
        b'b' => Piece::MonthName,
        b'a' => Piece::Weekday,
        b'd' | b'e' => Piece::Day,
        b'H' => Piece::Hour,
        b'I' => Piece::HourOfTwelve,
        b'p' => Piece::Half,
        b'M' => Piece::Minute,
        b'S' => Piece::Second,
        b'z' | b'Z' => Piece::Zone,
        b'%' => Piece::Byte(b'%'),
        _ => return Err(LayoutError::Conversion(char::from(letter).to_string())),
    })
}

fn by_pattern(pieces: &[Piece], bytes: &[u8]) -> Taken {
    let mut civil = Civil::default();
    let mut at = 0;
    let mut afternoon = None;
    for piece in pieces {
        at = match piece {
            Piece::Half => {
                let (half, after) = half_day(bytes, at)?;
                afternoon = Some(half);
                after
            }
            _ => step(*piece, bytes, at, &mut civil)?,
        };
    }
    if let Some(afternoon) = afternoon {
        let hour = civil.hour.checked_rem(12)?;
        civil.hour = hour + if afternoon { 12 } else { 0 };
    }
    Some((civil, at))
}

/// Reads one piece at `at` into `civil`: where it ends.
fn step(piece: Piece, bytes: &[u8], at: usize, civil: &mut Civil) -> Option<usize> {
    let two = |field: &mut u8| {
        let (value, after) = day_number(bytes, at)?;
        *field = value;
        Some(after)
    };
    match piece {
        Piece::Year => {
            civil.year = i32::try_from(number(bytes, at, 4)?).ok();
            Some(at + 4)
        }
        Piece::YearOfCentury => {
            let year = i32::from(small(bytes, at)?);
            civil.year = Some(if year < 70 { 2000 + year } else { 1900 + year });
            Some(at + 2)
        }
        Piece::Month => two(&mut civil.month),
        Piece::Day => two(&mut civil.day),
        Piece::Hour | Piece::HourOfTwelve => two(&mut civil.hour),
        Piece::Minute => two(&mut civil.minute),
        Piece::Second => two(&mut civil.second),
        Piece::MonthName => {
            civil.month = month_name(bytes.get(at..)?)?;
            Some(letters_end(bytes, at))
        }
        Piece::Weekday => Some(letters_end(bytes, at)).filter(|end| *end > at),
        Piece::Fraction => match fraction(bytes, at) {
            Some((micros, after)) => {
                civil.micros = micros;
                Some(after)
            }
            None => Some(at),
        },
        Piece::Zone => {
            let (seconds, after) = zone_token(bytes, at)?;
            civil.offset = Some(seconds);
            Some(after)
        }
        Piece::Half => half_day(bytes, at).map(|(_, after)| after),
        Piece::Spaces => {
            let count = bytes.get(at..)?.iter().take_while(|b| **b == b' ').count();
            (count > 0).then_some(at + count)
        }
        Piece::Byte(expected) => (bytes.get(at) == Some(&expected)).then_some(at + 1),
    }
}

fn letters_end(bytes: &[u8], at: usize) -> usize {
    let letters = bytes.get(at..).unwrap_or_default();
    at + letters
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count()
}

/// `AM` or `PM`, in any case: whether it is the afternoon.
fn half_day(bytes: &[u8], at: usize) -> Option<(bool, usize)> {
    let &[half, m] = bytes.get(at..at + 2)? else {
        return None;
    };
    match (half | 0x20, m | 0x20) {
        (b'a', b'm') => Some((false, at + 2)),
        (b'p', b'm') => Some((true, at + 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use event::Micros;
    use proptest::prelude::*;

    use super::*;
    use crate::header::Zone;

    fn read(layout: &str, text: &str) -> Option<(String, String)> {
        let zone = Zone::vietnam();
        let time = Micros::from_rfc3339("2026-10-12T00:00:00Z")?;
        let layout = Layout::compile(layout).unwrap();
        let (stamp, rest) = layout.read(text, Reference { time, zone: &zone })?;
        Some((stamp.at.to_string(), rest.to_owned()))
    }

    #[test]
    fn names_and_patterns_read_what_they_say() {
        let check = |layout, text, expected: &str, rest: &str| {
            assert_eq!(
                read(layout, text),
                Some((expected.to_owned(), rest.to_owned())),
                "{layout} on {text}"
            );
        };
        check("any", "Oct 11 22:14:15 h", "2026-10-11T15:14:15Z", " h");
        check("iso", "2026-10-11T22:14:15Z", "2026-10-11T22:14:15Z", "");
        check("bsd", "Oct 11 22:14:15 h", "2026-10-11T15:14:15Z", " h");
        check(
            "apache",
            "11/Oct/2026:22:14:15 +0700",
            "2026-10-11T15:14:15Z",
            "",
        );
        check("epoch_ms", "60000", "1970-01-01T00:01:00Z", "");
        check("epoch_us", "1500000 x", "1970-01-01T00:00:01.500Z", " x");
        check("epoch_ns", "1000000", "1970-01-01T00:00:00.001Z", "");
        check("epoch_s", "1.5", "1970-01-01T00:00:01.500Z", "");
        check(
            "%d/%m/%Y %H:%M:%S",
            "11/10/2026  22:14:15",
            "2026-10-11T15:14:15Z",
            "",
        );
        check(
            "%m/%d/%y %I:%M:%S %p %z",
            "10/11/26 10:14:15 PM +07:00",
            "2026-10-11T15:14:15Z",
            "",
        );
        check(
            "%m/%d/%y %I:%M %p",
            "10/11/26 12:14 AM",
            "2026-10-10T17:14:00Z",
            "",
        );
        check(
            "%a %b %e %H:%M:%S%.f %Z %Y",
            "Sun Oct 11 22:14:15.5 UTC 2026",
            "2026-10-11T22:14:15.500Z",
            "",
        );
        check("%Y%m%d%%", "20261011%x", "2026-10-10T17:00:00Z", "x");
    }

    #[test]
    fn a_text_that_does_not_fit_is_none() {
        for (layout, text) in [
            ("iso", "Oct 11 22:14:15"),
            ("%d/%m/%Y", "32/01/2026"),
            ("%H", ""),
            ("%z", "Mars"),
            ("epoch", "12"),
            ("%p", ""),
        ] {
            assert_eq!(read(layout, text), None, "{layout} on {text}");
        }
    }

    #[test]
    fn a_layout_that_is_none_says_so() {
        assert_eq!(
            Layout::compile("xyz"),
            Err(LayoutError::Unknown("xyz".to_owned()))
        );
        assert_eq!(
            Layout::compile("%Q"),
            Err(LayoutError::Conversion("Q".to_owned()))
        );
        assert_eq!(
            Layout::compile("%"),
            Err(LayoutError::Conversion(String::new()))
        );
    }

    proptest! {
        #[test]
        fn any_pattern_on_any_text_is_survived(pattern in "%[YymdebaHIpMSzZs%]([ :/-]%[YymdebaHIpMSzZ]){0,5}(%\\.f)?", text in "\\PC{0,30}") {
            let layout = Layout::compile(&pattern);
            let zone = Zone::utc();
            let time = Micros(0);
            if let Ok(layout) = layout && let Some((_, rest)) = layout.read(&text, Reference { time, zone: &zone }) {
                prop_assert!(text.ends_with(rest));
            }
        }
    }
}
