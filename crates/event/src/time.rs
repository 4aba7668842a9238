//! Instants in microseconds, and the clock that everything takes as a parameter.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant: microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Microseconds are the finest that RFC 5424 allows; finer fractions are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    /// One second, in this unit.
    pub const PER_SECOND: i64 = 1_000_000;
    /// One UTC day, in this unit.
    pub const PER_DAY: i64 = 86_400 * Self::PER_SECOND;
    /// Later than every instant.
    pub const MAX: Self = Self(i64::MAX);
    /// Earlier than every instant.
    pub const MIN: Self = Self(i64::MIN);

    /// The instant `duration` later, saturating.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// The instant `duration` earlier, saturating.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// The number of whole UTC days since 1970-01-01.
    #[must_use]
    pub fn utc_day(self) -> i64 {
        self.0.div_euclid(Self::PER_DAY)
    }

    /// Reads RFC 3339 (`2026-10-11T22:14:15.003+07:00`); `None` where it is not one.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        Some(Self(instant.as_microsecond()))
    }
}

/// RFC 3339 in UTC, with as many digits of a second's fraction as are not zero (3 or 6, or none).
///
/// Instants outside the years −9999 to 9999 are shown as the nearest that can be.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        });
        match self.0.rem_euclid(Self::PER_SECOND) {
            0 => write!(f, "{instant:.0}"),
            fraction if fraction % 1000 == 0 => write!(f, "{instant:.3}"),
            _ => write!(f, "{instant:.6}"),
        }
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::from_rfc3339(&text)
            .ok_or_else(|| serde::de::Error::custom("not a date and time of RFC 3339"))
    }
}

/// Where the present comes from: the system in life, a script in tests, the journal in replay.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock. May jump in either direction.
    fn now(&self) -> Micros;
    /// Time since some fixed moment, never going back; only differences mean anything.
    fn monotonic(&self) -> Duration;
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the wall clock is read"
    )]
    fn now(&self) -> Micros {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
            Err(before) => {
                Micros(-i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX))
            }
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock {
    wall_us: std::sync::atomic::AtomicI64,
    monotonic_us: std::sync::atomic::AtomicU64,
}

impl ManualClock {
    /// A clock that reads `now`.
    #[must_use]
    pub fn at(now: Micros) -> Self {
        let clock = Self::default();
        clock.set_wall(now);
        clock
    }

    /// Lets `duration` pass on both readings.
    pub fn advance(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.monotonic_us
            .fetch_add(micros, std::sync::atomic::Ordering::SeqCst);
        let wall = i64::try_from(micros).unwrap_or(i64::MAX);
        self.wall_us
            .fetch_add(wall, std::sync::atomic::Ordering::SeqCst);
    }

    /// Makes the wall clock jump; the monotonic reading stays.
    pub fn set_wall(&self, now: Micros) {
        self.wall_us
            .store(now.0, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Micros {
        Micros(self.wall_us.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_us.load(std::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_written_with_the_digits_that_it_needs() {
        let check = |micros, expected: &str| assert_eq!(Micros(micros).to_string(), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(1_500_000, "1970-01-01T00:00:01.500Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(i64::MAX, "9999-12-30T22:00:00.999999Z");
    }

    #[test]
    fn rfc_3339_is_read_with_its_offset() {
        assert_eq!(
            Micros::from_rfc3339("1970-01-01T07:00:00+07:00"),
            Some(Micros(0))
        );
        assert_eq!(Micros::from_rfc3339("1970-01-01 07:00"), None);
    }
}
