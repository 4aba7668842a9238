//! PRI, the number in angle brackets that starts a syslog message, and the names of what it holds.

/// The names of the facilities, by their codes (RFC 5424 §6.2.1, names as in `syslog.conf`).
pub(super) const FACILITIES: [&str; 24] = [
    "kern",
    "user",
    "mail",
    "daemon",
    "auth",
    "syslog",
    "lpr",
    "news",
    "uucp",
    "cron",
    "authpriv",
    "ftp",
    "ntp",
    "security",
    "console",
    "solaris-cron",
    "local0",
    "local1",
    "local2",
    "local3",
    "local4",
    "local5",
    "local6",
    "local7",
];

/// The names of the severities, by their codes.
pub(super) const SEVERITIES: [&str; 8] = [
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "debug",
];

/// The greatest PRI: facility 23, severity 7.
const PRIORITY_MAX: u32 = 191;

/// What stands in angle brackets at the start of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Nothing.
    Absent,
    /// A PRI.
    Sound(u8),
    /// A number that is none: too great, or with a leading zero too many.
    Malformed,
}

/// Takes the PRI off the start of a line; digits beyond sense are taken off too, as they are no message either.
pub(super) fn take(line: &str) -> (Priority, &str) {
    let Some(after) = line.strip_prefix('<') else {
        return (Priority::Absent, line);
    };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let number = after.get(..digits).unwrap_or_default();
    let rest = after.get(digits..).and_then(|rest| rest.strip_prefix('>'));
    match rest {
        Some(rest) if (1..=DIGITS_MAX).contains(&digits) => (judge(number), rest),
        _ => (Priority::Absent, line),
    }
}

/// A longer number in angle brackets is text.
const DIGITS_MAX: usize = 10;

fn judge(number: &str) -> Priority {
    match number.parse::<u32>() {
        Ok(value) if number.len() <= 3 && value <= PRIORITY_MAX => {
            u8::try_from(value).map_or(Priority::Malformed, Priority::Sound)
        }
        _ => Priority::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_is_a_number_to_191_in_angle_brackets() {
        let check = |line, priority, rest| assert_eq!(take(line), (priority, rest), "{line}");
        check("<0>x", Priority::Sound(0), "x");
        check("<191>x", Priority::Sound(191), "x");
        check("<192>x", Priority::Malformed, "x");
        check("<999>x", Priority::Malformed, "x");
        check("<0013>x", Priority::Malformed, "x");
        check("<4294967296>x", Priority::Malformed, "x");
        check("<>x", Priority::Absent, "<>x");
        check("<12x", Priority::Absent, "<12x");
        check("<12", Priority::Absent, "<12");
        check("<-1>x", Priority::Absent, "<-1>x");
        check("x", Priority::Absent, "x");
    }
}
