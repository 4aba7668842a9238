//! What a query is read with: now, the zone, the limits.

use event::Micros;
use jiff::tz::TimeZone;

/// What a query is read with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The instant that `now` means.
    pub now: Micros,
    /// The zone of dates that name none.
    pub zone: TimeZone,
    /// What a query may have at most.
    pub limits: Limits,
}

impl Context {
    /// At that instant, dates in the time of Vietnam, usual limits.
    #[must_use]
    pub fn at(now: Micros) -> Self {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh");
        Self {
            now,
            zone: zone.unwrap_or_else(|_| TimeZone::fixed(jiff::tz::offset(7))),
            limits: Limits::default(),
        }
    }
}

/// What a query may have at most: a hostile one costs its sender, nobody else.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the text in bytes. Default 16 KiB: lists of a thousand addresses fit.
    pub text_bytes: usize,
    /// Nesting of parentheses and NOT. Default 50: people reach 5.
    pub depth: usize,
    /// Number of tests. Default 1024: the text's length allows few more.
    pub clauses: usize,
    /// Number of regular expressions, each of which may take [`Regex::COMPILED_BYTES_MAX`](crate::Regex::COMPILED_BYTES_MAX). Default 16.
    pub regexes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 16 << 10,
            depth: 50,
            clauses: 1024,
            regexes: 16,
        }
    }
}
