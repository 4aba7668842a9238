//! What detection saw on a day, so that "nothing found" can be told from "nothing seen" (Điều 7.3).

use serde::{Deserialize, Serialize};

use crate::Micros;

/// A calendar day of the site's time zone: days since 1970-01-01. Shown as `YYYY-MM-DD`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct CalendarDay(pub i32);

impl CalendarDay {
    /// The day on which that instant lies, where clocks are so far ahead of UTC.
    #[must_use]
    pub fn of(at: Micros, utc_offset_minutes: i32) -> Self {
        let local =
            at.0.saturating_add(i64::from(utc_offset_minutes) * 60_000_000);
        Self(i32::try_from(local.div_euclid(Micros::PER_DAY)).unwrap_or(i32::MAX))
    }

    /// Its first instant, where clocks are so far ahead of UTC.
    #[must_use]
    pub fn start(self, utc_offset_minutes: i32) -> Micros {
        let start = i64::from(self.0).saturating_mul(Micros::PER_DAY);
        Micros(start.saturating_sub(i64::from(utc_offset_minutes) * 60_000_000))
    }

    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let at = Micros::from_rfc3339(&format!("{text}T00:00:00Z"))?;
        Some(Self::of(at, 0))
    }
}

impl std::fmt::Display for CalendarDay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.start(0).to_string();
        f.pad(text.split('T').next().unwrap_or_default())
    }
}

impl From<CalendarDay> for String {
    fn from(date: CalendarDay) -> Self {
        date.to_string()
    }
}

impl TryFrom<String> for CalendarDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::from_text(&text).ok_or_else(|| format!("`{text}` is no date: write it as 2026-10-14"))
    }
}

/// What detection saw on a day, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DaySeen {
    /// The day of receipt.
    pub date: CalendarDay,
    /// Events that were judged.
    pub events: u64,
    /// Of these, the ones that no product's definition understood: what they tell of, no rule knows.
    pub unread: u64,
    /// How long records arrived, at least one (a heartbeat) every 20 s, in microseconds: the rest of the day nobody
    /// watched.
    pub awake_us: i64,
    /// Each rule that fires.
    pub rules: Vec<RuleDay>,
}

/// What one rule saw on a day, so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleDay {
    /// The rule's identifier.
    pub rule: Box<str>,
    /// Events of its log sources, and of the classes that it needs.
    pub events: u64,
    /// Of these, the ones with every field that it needs.
    pub complete: u64,
    /// Events that it matched.
    pub matched: u64,
    /// Of these, the ones without a field of its key: the rule saw them and could do nothing.
    pub keyless: u64,
    /// Of these, the ones that an exception keeps from it.
    pub excepted: u64,
    /// Its detections.
    pub detections: u64,
    /// Keys forgotten before their time.
    pub evicted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_its_midnight_there() {
        let check = |at, minutes, date: &str| {
            let at = Micros::from_rfc3339(at).unwrap();
            let day = CalendarDay::of(at, minutes);
            assert_eq!(day.to_string(), date);
            assert!(day.start(minutes) <= at && at < CalendarDay(day.0 + 1).start(minutes));
            assert_eq!(CalendarDay::from_text(date), Some(day));
        };
        check("2026-10-13T16:59:59Z", 420, "2026-10-13");
        check("2026-10-13T17:00:00Z", 420, "2026-10-14");
        check("1969-12-31T23:59:59Z", 0, "1969-12-31");
        check("2026-12-31T18:00:00Z", 420, "2027-01-01");
        assert_eq!(CalendarDay::from_text("yesterday"), None);
    }
}
