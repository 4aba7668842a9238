//! When to try again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(600);
/// A receiver that asks for more patience than this gets no more.
const ASKED_MAX: Duration = Duration::from_secs(3600);

/// How long to wait after the attempt with that number, from 1: 2 s, doubled each time, at most ten minutes, then a
/// quarter more or less by `salt`, lest all that failed together come together. A receiver that asked for longer is heeded.
pub(crate) fn wait(attempt: u64, salt: &str, asked: Option<Duration>) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 2u32.saturating_pow(doublings);
    let wait = FIRST.saturating_mul(factor).min(LONGEST);
    let spread = wait * 3 / 4 + wait / 2 * share(salt, attempt) / u32::from(u16::MAX);
    spread.max(asked.unwrap_or_default().min(ASKED_MAX))
}

/// A number from 0 to 65535 that the same notification and attempt always give.
fn share(salt: &str, attempt: u64) -> u32 {
    use sha2::Digest as _;
    let hash = sha2::Sha256::new()
        .chain_update(salt)
        .chain_update(attempt.to_be_bytes())
        .finalize();
    let [first, second, ..] = <[u8; 32]>::from(hash);
    u32::from(u16::from_be_bytes([first, second]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_minutes_a_quarter_more_or_less() {
        for (attempt, seconds) in [
            (1, 2),
            (2, 4),
            (5, 32),
            (9, 512),
            (10, 600),
            (u64::MAX, 600),
        ] {
            let middle = Duration::from_secs(seconds);
            let wait = wait(attempt, "x", None);
            assert!(
                wait >= middle * 3 / 4 && wait <= middle * 5 / 4,
                "{attempt}: {wait:?}"
            );
        }
    }

    #[test]
    fn a_receiver_is_heeded_up_to_an_hour() {
        let asked = |seconds| wait(1, "x", Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!(asked(120), 120);
        assert_eq!(asked(1_000_000), 3600);
        assert!(asked(0) <= 2);
    }
}
