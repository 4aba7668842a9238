//! Lengths of time as people write them in rules and settings.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in whole seconds, written `30s`, `10m`, `24h`, `7d` or `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u32);

/// The units, longest first, in seconds.
const UNITS: [(char, u32); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

impl Span {
    /// That many seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// Reads `10m` and the like: digits and one unit, nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let unit = chars.next_back()?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let digits = chars.as_str();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = digits.parse().ok().filter(|_| plain)?;
        number.checked_mul(seconds).map(Self)
    }

    /// The same as a [`Duration`].
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }

    /// The same in microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0 as i64 * 1_000_000
    }
}

/// The longest unit that divides it: `10m`, not `600s`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, seconds) = UNITS
            .into_iter()
            .find(|(_, seconds)| self.0 != 0 && self.0.is_multiple_of(*seconds))
            .unwrap_or(('s', 1));
        write!(f, "{}{name}", self.0 / seconds)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no length of time: write digits and s, m, h, d or w, such as `10m`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_digits_and_a_unit() {
        let check = |text, expected: Option<u32>| {
            assert_eq!(Span::parse(text), expected.map(Span), "{text}");
        };
        check("30s", Some(30));
        check("10m", Some(600));
        check("24h", Some(86_400));
        check("7d", Some(604_800));
        check("m", None);
        check("+5m", None);
        check("10 m", None);
        check("10", None);
        check("", None);
        check("99999999w", None);
        check("5ế", None);
    }

    #[test]
    fn a_span_is_shown_in_its_longest_unit() {
        for text in ["30s", "10m", "24h", "7d", "0s"] {
            let shown = Span::parse(text).unwrap().to_string();
            assert_eq!(
                shown,
                if text == "24h" {
                    "1d"
                } else if text == "7d" {
                    "1w"
                } else {
                    text
                }
            );
        }
    }
}
