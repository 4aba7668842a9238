//! RFC 3164 as devices write it: a date, a host, a tag with a process identifier, the message; each may be missing.

use super::decode::{Dialect, Header};
use super::time::{self, Reference, Stamp};

/// Reads what follows the PRI (`framed`: there is one). `None` where there is neither a date nor a tag.
pub(super) fn read<'a>(
    text: &'a str,
    framed: bool,
    reference: Reference<'_>,
) -> Option<Header<'a>> {
    let text = text.trim_start_matches(' ');
    match date(text, reference) {
        Some((stamp, rest)) => dated(text, stamp, rest, framed),
        None => undated(text, framed),
    }
}

/// A date at the start of a header: letters or digits, ending at a space, a colon or the end of the line.
pub(super) fn date<'a>(text: &'a str, reference: Reference<'_>) -> Option<(Stamp, &'a str)> {
    let first = text.bytes().next()?;
    // A line that starts with a count since 1970 is some application's own, not a syslog header.
    let epoch = first.is_ascii_digit() && text.bytes().take(9).all(|b| b.is_ascii_digit());
    if !first.is_ascii_alphanumeric() || epoch {
        return None;
    }
    let (stamp, rest) = time::read(text, reference)?;
    matches!(rest.bytes().next(), None | Some(b' ' | b':')).then_some((stamp, rest))
}

fn dated<'a>(text: &'a str, stamp: Stamp, after_date: &'a str, framed: bool) -> Option<Header<'a>> {
    let header = match after_date.strip_prefix(':') {
        Some(rest) => tagged(None, rest),
        None => host_and_tag(after_date.trim_start_matches(' ')),
    };
    let header = Header {
        timestamp: Some(stamp),
        ..header
    };
    // A line of a log file may start with a date and no header at all: it is left whole unless host and tag follow.
    let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
    let application = !framed
        && digit_first
        && (header.app_name.is_none() || header.hostname.is_none_or(is_level));
    Some(if application {
        let timestamp = Some(stamp);
        Header {
            timestamp,
            ..Header::bare(text)
        }
    } else {
        header
    })
}

/// Words that applications write where a header has its host.
fn is_level(word: &str) -> bool {
    const LEVELS: [&str; 12] = [
        "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL",
        "SEVERE", "LOG", "ALERT",
    ];
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

fn host_and_tag(text: &str) -> Header<'_> {
    if text.starts_with("last message repeated ") {
        return shaped(text);
    }
    // AIX.
    if let Some(forwarded) = text.strip_prefix("Message forwarded from ")
        && let Some((host, rest)) = forwarded.split_once(": ")
        && is_host(host)
    {
        return tagged(Some(host), rest);
    }
    let (first, rest) = token(text);
    if let Some(program) = metalog(first) {
        return Header {
            app_name: Some(program),
            ..shaped(rest)
        };
    }
    if tag(text).is_some() || !is_host(first) {
        return tagged(None, text);
    }
    // UniFi's gateways name themselves twice.
    let again = rest
        .strip_prefix(first)
        .and_then(|rest| rest.strip_prefix(' '));
    let rest = again.filter(|rest| tag(rest).is_some()).unwrap_or(rest);
    tagged(Some(first), rest)
}

/// metalog writes `[sshd] ` where others write `host sshd: `.
fn metalog(word: &str) -> Option<&str> {
    let name = word.strip_prefix('[')?.strip_suffix(']')?;
    let letters =
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(is_tag_byte);
    (letters && !is_level(name)).then_some(name)
}

/// The header of a text that starts with a tag or with the message.
fn tagged<'a>(hostname: Option<&'a str>, text: &'a str) -> Header<'a> {
    let text = text.trim_start_matches(' ');
    let header = match tag(text) {
        Some(tag) => Header {
            app_name: Some(tag.name),
            proc_id: tag.proc_id,
            ..shaped(tag.rest)
        },
        None => shaped(without_nil(text)),
    };
    solaris(Header { hostname, ..header })
}

/// `: message` and `- message` name no tag; `- - [` is the start of an access log's line.
fn without_nil(text: &str) -> &str {
    let colon = text.strip_prefix(": ").or_else(|| text.strip_prefix(":"));
    let nil = || {
        text.strip_prefix("- ")
            .filter(|rest| !rest.starts_with('-'))
    };
    colon.or_else(nil).unwrap_or(text).trim_start_matches(' ')
}

fn shaped(message: &str) -> Header<'_> {
    Header {
        dialect: Dialect::Rfc3164,
        ..Header::bare(message)
    }
}

/// Solaris puts `[ID 800047 auth.info] ` before the message.
fn solaris(header: Header<'_>) -> Header<'_> {
    let identified = || {
        let (id, rest) = header.message.strip_prefix("[ID ")?.split_once(' ')?;
        let (priority, message) = rest.split_once("] ")?;
        let sound = id.bytes().all(|b| b.is_ascii_digit()) && !priority.contains(' ');
        sound.then_some((id, message))
    };
    match identified() {
        Some((id, message)) => Header {
            msg_id: Some(id),
            message,
            ..header
        },
        None => header,
    }
}

fn undated(text: &str, framed: bool) -> Option<Header<'_>> {
    let (first, rest) = token(text);
    if tag(text).is_some_and(|tag| framed || tag.proc_id.is_some()) {
        return Some(tagged(None, text));
    }
    let after_host = tag(rest).is_some_and(|tag| tag.proc_id.is_some());
    (after_host && is_host(first)).then(|| tagged(Some(first), rest))
}

/// TAG: a program and perhaps its process identifier.
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    pub(super) proc_id: Option<&'a str>,
    pub(super) rest: &'a str,
}

/// A longer word before a colon is text (RFC 3164 allows 32, real senders go beyond).
const TAG_BYTES_MAX: usize = 64;

/// `name: `, `name[4711]: `, `name[4711] ` or `name:text` at the start of `text`.
pub(super) fn tag(text: &str) -> Option<Tag<'_>> {
    let bytes = text.as_bytes();
    let end = bytes
        .iter()
        .take(TAG_BYTES_MAX)
        .position(|byte| !is_tag_byte(*byte))
        .filter(|end| *end > 0)?;
    let name = text.get(..end)?;
    let rest = text.get(end..)?;
    let (proc_id, rest) = match bytes.get(end)? {
        b':' => (None, after_colon(name, rest.strip_prefix(':')?)?),
        b'[' => {
            let (proc_id, rest) = rest.strip_prefix('[')?.split_once(']')?;
            (Some(proc_id), after_bracket(proc_id, rest)?)
        }
        _ => return None,
    };
    let other_format = matches!(name, "CEF" | "LEEF" | "http" | "https");
    let rest = rest.trim_start_matches(' ');
    (!other_format).then_some(Tag {
        name,
        proc_id,
        rest,
    })
}

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'_' | b'.' | b'/' | b'(' | b')' | b'@' | b'#' | b'+'
        )
}

/// What follows the colon of a tag: a path, an address or a time of day around the colon says that it is none.
fn after_colon<'a>(name: &str, rest: &'a str) -> Option<&'a str> {
    let spaced = rest.is_empty() || rest.starts_with(' ');
    let address = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let none = matches!(rest.bytes().next(), Some(b'/' | b'\\' | b':' | b'0'..=b'9'));
    (spaced || !(address || none)).then_some(rest)
}

/// What follows `[4711]`: a colon, or a space if a number stands in the brackets.
fn after_bracket<'a>(proc_id: &str, rest: &'a str) -> Option<&'a str> {
    let sound = !proc_id.is_empty() && proc_id.len() <= TAG_BYTES_MAX && !proc_id.contains(' ');
    let number = proc_id.bytes().all(|byte| byte.is_ascii_digit());
    match rest.strip_prefix(':') {
        Some(rest) => sound.then_some(rest),
        None => (sound && number && (rest.is_empty() || rest.starts_with(' '))).then_some(rest),
    }
}

/// The longest host name of the DNS.
const HOST_BYTES_MAX: usize = 255;

/// Whether a word can be a host's name or address.
pub(super) fn is_host(word: &str) -> bool {
    let byte = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'.' | b'-' | b'_' | b':' | b'@' | b'/')
            || b >= 0x80
    };
    let first = word.bytes().next();
    first.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_') || b >= 0x80)
        && word.len() <= HOST_BYTES_MAX
        && word.bytes().all(byte)
        && word != ":"
        && !word.ends_with(':')
}

/// The first word and what follows the spaces after it.
pub(super) fn token(text: &str) -> (&str, &str) {
    let end = memchr::memchr(b' ', text.as_bytes()).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (word, rest.trim_start_matches(' '))
}
