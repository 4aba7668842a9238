//! From a stream of bytes to messages: syslog over TCP and TLS, RELP, and lines joined by a pattern.

pub(crate) mod multiline;
pub(crate) mod relp;
pub(crate) mod syslog;

use bytes::Bytes;
use event::Mark;

/// One message taken out of its framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes, without the framing; cut at the limit where the message was longer.
    pub raw: Bytes,
    /// What went wrong with it, if anything did.
    pub mark: Option<Mark>,
}

impl Frame {
    /// A whole message, cut and marked when it is longer than `limit` bytes.
    pub(crate) fn cut(mut raw: Bytes, limit: usize, mark: Option<Mark>) -> Self {
        if raw.len() <= limit {
            return Self { raw, mark };
        }
        let original_bytes = wide(raw.len());
        raw.truncate(limit);
        Self {
            raw,
            mark: Some(Mark::Truncated { original_bytes }),
        }
    }
}

/// A length in memory as a number of bytes.
pub(crate) fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// The number that starts `bytes`: a digit from 1 to 9, then digits, at most `digits_max` in all.
///
/// The shape of a length in RFC 6587 and of a transaction number in RELP.
pub(crate) fn leading_number(bytes: &[u8], digits_max: usize) -> Number {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits > digits_max || bytes.first() == Some(&b'0') {
        return Number::Wrong;
    }
    if digits == bytes.len() {
        return Number::MoreNeeded;
    }
    let value = bytes
        .iter()
        .take(digits)
        .fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    match digits {
        0 => Number::Wrong,
        _ => Number::Whole { value, digits },
    }
}

/// What [`leading_number`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// A number that something else follows.
    Whole {
        /// What it says.
        value: u64,
        /// How many bytes it takes.
        digits: usize,
    },
    /// The bytes end before the number does.
    MoreNeeded,
    /// No such number starts here.
    Wrong,
}
