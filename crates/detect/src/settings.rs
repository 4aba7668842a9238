//! What a site may change about detection: the `[detect]` table of the configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;

use event::{Disposition, Micros};
use serde::{Deserialize, Serialize};

use crate::Span;
use crate::usual::Season;

/// The `[detect]` table of the configuration. Everything has a default; a rule's own values come below these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The most memory that correlation state may take, in bytes, from 1 MiB.
    ///
    /// Default 128 MiB. It is shared out among the rules by weight, so that a flood of keys in one rule (a scan from
    /// invented addresses, say) cannot push out what the others remember. What is pushed out before its time is
    /// recorded as a loss.
    pub state_bytes_max: u64,
    /// When people are at work; rules ask for what happens outside.
    pub working_hours: WorkingHours,
    /// Addresses of workstations: they send logs, but their contacts outward are not a server's.
    pub workstations: Vec<IpAddr>,
    /// What `%name%` stands for in Sigma rules whose values have the modifier `expand`, by the name.
    ///
    /// Default none: a rule with a placeholder that is not named here is listed as one that cannot be used.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// Changes to single rules, by the rule's id.
    pub rules: BTreeMap<String, RuleSettings>,
    /// Events that rules are not to see.
    pub exceptions: Vec<RuleException>,
}

/// Events that a rule is not to see, for a time and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleException {
    /// The rule's id; every rule when left out.
    pub rule: Option<String>,
    /// Which events: a condition of the query language.
    pub query: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when on it holds no more.
    pub expires: Micros,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            state_bytes_max: 128 << 20,
            working_hours: WorkingHours::default(),
            workstations: Vec::new(),
            placeholders: BTreeMap::new(),
            rules: BTreeMap::new(),
            exceptions: Vec::new(),
        }
    }
}

/// What a site may change about one rule. What is absent stays as the rule's file has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleSettings {
    /// Whether the rule runs at all.
    pub enabled: Option<bool>,
    /// What becomes of its detections.
    pub disposition: Option<Disposition>,
    /// How many events or distinct values it takes; for absences how many times the usual gap.
    pub threshold: Option<u32>,
    /// The window, which is also how long an episode must be quiet to end.
    pub window: Option<Span>,
    /// How long a baseline learns before it judges.
    pub learning: Option<Span>,
    /// Absences only: silence shorter than this is never reported.
    pub at_least: Option<Span>,
    /// Absences and rates only: how many gaps, or windows at that hour of such a day, must have been seen before it judges.
    pub samples: Option<u32>,
}

impl RuleSettings {
    /// The same with one of them changed, by its name in the configuration.
    ///
    /// # Errors
    /// There is no such setting, or it takes another kind of value.
    pub fn with(&self, name: &str, value: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        if let Some(all) = all.as_object_mut() {
            all.insert(name.to_owned(), value.clone());
        }
        serde_json::from_value(all)
    }
}

/// When people are at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkingHours {
    /// Days of work, `mon` to `sun`. Default Monday to Friday.
    pub days: Vec<Day>,
    /// Start of work, `HH:MM`. Default 07:00.
    pub from: TimeOfDay,
    /// End of work, `HH:MM`, later than `from`. Default 17:30.
    pub to: TimeOfDay,
    /// Minutes by which local time is ahead of UTC. Default 420: Việt Nam is at +07:00 all year.
    pub utc_offset_minutes: i32,
}

impl Default for WorkingHours {
    fn default() -> Self {
        Self {
            days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri],
            from: TimeOfDay { minutes: 7 * 60 },
            to: TimeOfDay {
                minutes: 17 * 60 + 30,
            },
            utc_offset_minutes: 420,
        }
    }
}

impl WorkingHours {
    /// Whether the instant lies outside them.
    #[must_use]
    pub fn outside(&self, at: Micros) -> bool {
        let (weekday, minute) = self.local(at);
        let at_work = (i64::from(self.from.minutes)..i64::from(self.to.minutes)).contains(&minute);
        !(at_work && self.days.contains(&weekday))
    }

    /// The hour of the day, on a working day or another.
    pub(crate) fn season(&self, at: Micros) -> Season {
        let (weekday, minute) = self.local(at);
        let hour = u8::try_from(minute / 60).unwrap_or(0);
        Season(hour + if self.days.contains(&weekday) { 0 } else { 24 })
    }

    /// Day of the week and minute of the day.
    fn local(&self, at: Micros) -> (Day, i64) {
        let minutes =
            at.0.div_euclid(60_000_000)
                .saturating_add(i64::from(self.utc_offset_minutes));
        (Day::of(minutes.div_euclid(1440)), minutes.rem_euclid(1440))
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "seven names that say themselves")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// The day of the week of that many days since 1970-01-01, a Thursday.
    fn of(days_since_epoch: i64) -> Self {
        match days_since_epoch.rem_euclid(7) {
            0 => Self::Thu,
            1 => Self::Fri,
            2 => Self::Sat,
            3 => Self::Sun,
            4 => Self::Mon,
            5 => Self::Tue,
            _ => Self::Wed,
        }
    }
}

/// A time of day to the minute, written `HH:MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minutes: u16,
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = || {
            let (hours, minutes) = text.split_once(':')?;
            let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            if !digits(hours) || !digits(minutes) {
                return None;
            }
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            let valid = minutes < 60 && (hours < 24 || (hours == 24 && minutes == 0));
            valid.then_some(Self {
                minutes: hours * 60 + minutes,
            })
        };
        read().ok_or_else(|| format!("`{text}` is no time of day: write it as 07:30"))
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.minutes / 60, time.minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_hours_are_local_and_end_before_their_last_minute() {
        let hours = WorkingHours::default();
        let check = |at, outside| {
            let at = Micros::from_rfc3339(at).unwrap();
            assert_eq!(hours.outside(at), outside, "{at}");
        };
        check("2026-10-14T07:00:00+07:00", false);
        check("2026-10-14T06:59:59+07:00", true);
        check("2026-10-14T17:29:59+07:00", false);
        check("2026-10-14T17:30:00+07:00", true);
        check("2026-10-17T10:00:00+07:00", true);
        check("2026-10-18T10:00:00+07:00", true);
        check("1969-12-31T23:59:59Z", true);
    }

    #[test]
    fn settings_are_strict_and_their_defaults_read_back() {
        let defaults = Settings::default();
        let json = serde_json::to_string(&defaults).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), defaults);
        assert!(serde_json::from_str::<Settings>(r#"{"treshold":1}"#).is_err());
        assert!(serde_json::from_str::<RuleSettings>(r#"{"window":"10"}"#).is_err());
        assert!(serde_json::from_str::<WorkingHours>(r#"{"from":"25:00"}"#).is_err());
    }
}
