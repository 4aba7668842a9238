//! Sizes and durations as people write them: `64KiB`, `16MiB`, `30s`, `24h`, `7d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes: an integer, or text such as `64KiB`, `16MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A duration: text such as `500ms`, `30s`, `15m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lapse(pub Duration);

/// A text that is no size or no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct UnitError {
    text: String,
    expected: &'static str,
}

const SIZES: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];
const LAPSES_MS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl ByteSize {
    /// So many KiB.
    #[must_use]
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many MiB.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// As a length in memory.
    #[must_use]
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Lapse {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// The number before one of `units`, times what the unit is worth.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, worth) = units.iter().find_map(|(unit, worth)| {
        let number = text.strip_suffix(unit)?.trim_end();
        number
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some((number, *worth))
    })?;
    number.parse::<u64>().ok()?.checked_mul(worth)
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = text.parse().ok().or_else(|| with_unit(text, &SIZES));
        bytes.map(Self).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a size such as 64KiB, 16MiB or 1GiB",
        })
    }
}

impl FromStr for Lapse {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let lapse = with_unit(text, &LAPSES_MS).map(Duration::from_millis);
        lapse.map(Self).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a duration such as 500ms, 30s, 15m, 24h or 7d",
        })
    }
}

/// The greatest unit in which `amount` is a whole number.
fn show(
    amount: u64,
    units: impl IntoIterator<Item = (&'static str, u64)>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let fits = |(_, worth): &(&str, u64)| amount != 0 && amount.is_multiple_of(*worth);
    let (unit, worth) = units.into_iter().find(fits).unwrap_or(("", 1));
    write!(f, "{}{unit}", amount / worth)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, SIZES, f)
    }
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        match millis {
            0 => f.write_str("0s"),
            _ => show(millis, LAPSES_MS.into_iter().rev(), f),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected a size such as 65536, \"64KiB\" or \"16MiB\""
        )]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Self(bytes)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl<'de> Deserialize<'de> for Lapse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Lapse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes: an integer, or text such as 64KiB, 16MiB, 1GiB.",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$"},
            ],
        })
    }
}

impl JsonSchema for Lapse {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration such as 500ms, 30s, 15m, 24h, 7d.",
            "type": "string",
            "pattern": "^[0-9]+ *(ms|s|m|h|d)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown_in_their_greatest_unit() {
        let check = |text: &str, bytes, shown: &str| {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown));
        };
        check("65536", 65_536, "64KiB");
        check("16MiB", 16 << 20, "16MiB");
        check("3 KiB", 3072, "3KiB");
        check("17B", 17, "17B");
        check("0", 0, "0");
        for wrong in ["", "MiB", "-1", "1.5MiB", "64kb", "99999999999GiB"] {
            assert!(wrong.parse::<ByteSize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_and_shown_in_their_greatest_unit() {
        let check = |text: &str, seconds, shown: &str| {
            let lapse: Lapse = text.parse().unwrap();
            assert_eq!(
                (lapse.0.as_secs(), lapse.to_string().as_str()),
                (seconds, shown)
            );
        };
        check("90s", 90, "90s");
        check("120s", 120, "2m");
        check("24h", 86_400, "1d");
        check("0ms", 0, "0s");
        for wrong in ["", "s", "5", "1.5h", "-1s", "5 minutes"] {
            assert!(wrong.parse::<Lapse>().is_err(), "{wrong}");
        }
    }
}
