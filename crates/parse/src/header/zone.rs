//! Time zones: what a source's setting may say, and which offset holds when.

use std::sync::{Arc, LazyLock};

use event::Micros;

/// A time zone, as a table of its changes of offset, so that reading a date costs a binary search and no lock.
///
/// Rules are unrolled from 1970 to 2100; past either end the nearest known offset holds. Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    changes: Arc<[Change]>,
    first_offset: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    from: Micros,
    offset: i32,
}

/// 2100-01-01T00:00:00Z.
const UNROLLED_UNTIL_S: i64 = 4_102_444_800;
/// Twice a year for 130 years; no zone of the database changes more often than that over the whole span.
const CHANGES_MAX: usize = 400;

/// The zone of Việt Nam, the default where neither line nor setting nor product names one.
const DEFAULT_ZONE: &str = "Asia/Ho_Chi_Minh";

impl Zone {
    /// Reads an IANA name, a usual abbreviation, or an offset in any usual spelling (`+07:00`, `+0700`, `+7`,
    /// `UTC+7`, `GMT+07:00`, `Z`). `None` where it is none of these.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(offset) = whole_offset(text) {
            return Some(Self::fixed(offset));
        }
        if let Ok(zone) = DATABASE.get(text) {
            return Some(Self::unroll(&zone));
        }
        Some(Self::fixed(abbreviation(text)?))
    }

    /// Coordinated universal time.
    #[cfg(test)]
    pub(crate) fn utc() -> Self {
        Self::fixed(0)
    }

    /// [`DEFAULT_ZONE`].
    pub(crate) fn vietnam() -> Self {
        Self::parse(DEFAULT_ZONE).unwrap_or_else(|| Self::fixed(7 * 3600))
    }

    /// Seconds east of Greenwich at an instant.
    pub(crate) fn offset_at(&self, at: Micros) -> i32 {
        let known = self.changes.partition_point(|change| change.from <= at);
        known
            .checked_sub(1)
            .and_then(|last| self.changes.get(last))
            .map_or(self.first_offset, |change| change.offset)
    }

    /// The instant at which a clock on the wall shows `local` (microseconds since 1970-01-01T00:00:00 on that clock).
    ///
    /// An hour that happens twice is its first run; an hour that is left out is read with the offset before it.
    pub(crate) fn to_utc(&self, local: i64) -> Micros {
        let with = |offset: i32| Micros(local.saturating_sub(micros(offset)));
        let before = self.offset_at(Micros(local.saturating_sub(Micros::PER_DAY)));
        let after = self.offset_at(Micros(local.saturating_add(Micros::PER_DAY)));
        if before == after || self.offset_at(with(before)) == before {
            return with(before);
        }
        if self.offset_at(with(after)) == after {
            return with(after);
        }
        with(before)
    }

    fn fixed(offset: i32) -> Self {
        Self {
            changes: Arc::from([]),
            first_offset: offset,
        }
    }

    fn unroll(zone: &jiff::tz::TimeZone) -> Self {
        let epoch = jiff::Timestamp::UNIX_EPOCH;
        let changes: Vec<Change> = zone
            .following(epoch)
            .take_while(|change| change.timestamp().as_second() < UNROLLED_UNTIL_S)
            .take(CHANGES_MAX)
            .map(|change| Change {
                from: Micros(change.timestamp().as_microsecond()),
                offset: change.offset().seconds(),
            })
            .collect();
        Self {
            changes: Arc::from(changes),
            first_offset: zone.to_offset(epoch).seconds(),
        }
    }
}

/// The database built into the program: the same answer on every machine.
static DATABASE: LazyLock<jiff::tz::TimeZoneDatabase> =
    LazyLock::new(jiff::tz::TimeZoneDatabase::bundled);

fn micros(offset: i32) -> i64 {
    i64::from(offset) * Micros::PER_SECOND
}

/// A text that is nothing but an offset, perhaps after `UTC` or `GMT`.
fn whole_offset(text: &str) -> Option<i32> {
    let digits = ["UTC", "GMT", "utc", "gmt"]
        .into_iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text)
        .trim_start();
    match offset(digits.as_bytes()) {
        Some((seconds, used)) if used == digits.len() => Some(seconds),
        _ => None,
    }
}

/// Reads `Z`, `+07:00`, `+0700`, `+07` or `+7` at the start of `bytes`: seconds east, and how many bytes it took.
///
/// Real offsets lie from −12:00 to +14:00 on quarters of an hour; what is beyond ±18:00 or off the quarter is none, so
/// that `+07:203.0.113.5` is `+07` before an address.
pub(crate) fn offset(bytes: &[u8]) -> Option<(i32, usize)> {
    let (&sign, digits) = bytes.split_first()?;
    let sign = match sign {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes, used) = colon_offset(digits)
        .or_else(|| Some((number(digits, 0, 2)?, number(digits, 2, 2)?, 4)))
        .or_else(|| Some((number(digits, 0, 2)?, 0, 2)))
        .or_else(|| Some((number(digits, 0, 1)?, 0, 1)))?;
    let ends = !digits.get(used).is_some_and(u8::is_ascii_alphanumeric);
    let sound = ends && hours <= 18 && minutes < 60 && minutes % 15 == 0;
    sound.then_some((sign * (hours * 3600 + minutes * 60), used + 1))
}

/// `07:00` or `7:00`, with nothing after it that would make the minutes the start of something else.
fn colon_offset(digits: &[u8]) -> Option<(i32, i32, usize)> {
    let colon = digits.iter().take(3).position(|byte| *byte == b':')?;
    let hours = number(digits, 0, colon)?;
    let minutes = number(digits, colon + 1, 2).filter(|minutes| minutes % 15 == 0)?;
    let alone = !matches!(digits.get(colon + 3), Some(b'.' | b'0'..=b'9'));
    (colon > 0 && alone).then_some((hours, minutes, colon + 3))
}

fn number(digits: &[u8], from: usize, count: usize) -> Option<i32> {
    let digits = digits.get(from..from + count)?;
    digits.iter().try_fold(0, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + i32::from(byte - b'0'))
    })
}

/// The offset of a usual abbreviation, in seconds east.
///
/// An abbreviation in a line names one offset (`CET` is +1 in July too). Where two places share one (`IST`, `CST`),
/// the reading of most devices' manuals is taken; a source's setting can always name the IANA zone.
pub(crate) fn abbreviation(text: &str) -> Option<i32> {
    let quarters = match text {
        "UTC" | "GMT" | "UT" | "Z" | "WET" => 0,
        "ICT" | "WIB" => 28,
        "BST" | "CET" | "MEZ" | "WEST" | "WAT" => 4,
        "CEST" | "MESZ" | "EET" | "SAST" | "CAT" => 8,
        "EEST" | "MSK" | "TRT" | "EAT" => 12,
        "GST" => 16,
        "PKT" | "UZT" => 20,
        "IST" => 22,
        "NPT" => 23,
        "BDT" => 24,
        "MMT" => 26,
        "HKT" | "SGT" | "MYT" | "PHT" | "AWST" | "WITA" => 32,
        "JST" | "KST" | "WIT" => 36,
        "ACST" => 38,
        "AEST" => 40,
        "ACDT" => 42,
        "AEDT" => 44,
        "NZST" => 48,
        "NZDT" => 52,
        "NST" => -14,
        "NDT" => -10,
        "BRT" | "ART" | "ADT" | "CLST" => -12,
        "AST" | "EDT" | "CLT" => -16,
        "EST" | "CDT" | "PET" | "COT" => -20,
        "CST" | "MDT" => -24,
        "MST" | "PDT" => -28,
        "PST" | "AKDT" => -32,
        "AKST" => -36,
        "HST" => -40,
        _ => return None,
    };
    Some(quarters * 900)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::from_rfc3339(text).unwrap()
    }

    #[test]
    fn offsets_are_read_in_every_usual_spelling() {
        let check = |text: &str, minutes: i32| {
            let zone = Zone::parse(text).unwrap_or_else(|| panic!("{text} is a zone"));
            assert_eq!(zone.offset_at(Micros(0)), minutes * 60, "{text}");
        };
        check("+07:00", 420);
        check("+0700", 420);
        check("+07", 420);
        check("+7", 420);
        check("+7:00", 420);
        check("-9:30", -570);
        check("-3", -180);
        check("UTC+7", 420);
        check("GMT-03:30", -210);
        check("UTC", 0);
        check("Z", 0);
        check("ICT", 420);
        check("Asia/Kolkata", 330);
    }

    #[test]
    fn what_is_no_zone_is_none() {
        for text in [
            "",
            "Mars/Olympus",
            "+",
            "+19:00",
            "+07:60",
            "+07:0",
            "7",
            "+070000",
            "EST5",
        ] {
            assert_eq!(Zone::parse(text), None, "{text}");
        }
    }

    #[test]
    fn viet_nam_is_seven_hours_ahead_today_and_was_eight_in_1970() {
        let zone = Zone::vietnam();
        assert_eq!(zone.offset_at(at("2026-10-11T00:00:00Z")), 7 * 3600);
        assert_eq!(zone.offset_at(at("1970-01-01T00:00:00Z")), 8 * 3600);
    }

    #[test]
    fn summer_time_comes_and_goes() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        let local = |text: &str| at(&format!("{text}Z")).0;
        let check = |wall: &str, expected: &str| {
            assert_eq!(zone.to_utc(local(wall)), at(expected), "{wall}");
        };
        check("2026-01-15T12:00:00", "2026-01-15T11:00:00Z");
        check("2026-07-15T12:00:00", "2026-07-15T10:00:00Z");
        // Left out in spring: read with the offset of winter. Twice in autumn: the first run.
        check("2026-03-29T02:30:00", "2026-03-29T01:30:00Z");
        check("2026-10-25T02:30:00", "2026-10-25T00:30:00Z");
        check("2099-07-15T12:00:00", "2099-07-15T10:00:00Z");
    }

    #[test]
    fn the_table_agrees_with_the_database_at_every_hour_of_a_year() {
        for name in [
            "America/New_York",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
        ] {
            let zone = Zone::parse(name).unwrap();
            let truth = DATABASE.get(name).unwrap();
            let start = at("2026-01-01T00:00:00Z").0;
            for hour in 0..8760 {
                let instant = Micros(start + hour * 3600 * Micros::PER_SECOND);
                let stamp = jiff::Timestamp::from_microsecond(instant.0).unwrap();
                assert_eq!(
                    zone.offset_at(instant),
                    truth.to_offset(stamp).seconds(),
                    "{name} at {instant}"
                );
            }
        }
    }
}
