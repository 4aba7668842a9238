//! The headers that Cisco's devices, and those that imitate them, put before `%FACILITY-SEVERITY-MNEMONIC`.
//!
//! In any order and number: a sequence number, the device's name, a node of the chassis, a date (with `*` or `.` for a
//! clock that is not set or not in step), a time since start, a process. A relay may have put its own header before.

use memchr::memchr_iter;

use super::decode::{Dialect, Header};
use super::rfc3164::{date, is_host, tag, token};
use super::time::Reference;

/// A code further from the start of the line is part of some message.
const CODE_WITHIN_BYTES: usize = 200;
/// More words than this before the code are text.
const WORDS_MAX: usize = 10;

/// Reads what follows the PRI if nothing but such a header stands before a message code.
pub(super) fn read<'a>(text: &'a str, reference: Reference<'_>) -> Option<Header<'a>> {
    let code = code_at(text.as_bytes())?;
    let message = text.get(code..)?;
    let mut header = Header {
        dialect: Dialect::Cisco,
        ..Header::bare(message)
    };
    let mut rest = text.get(..code)?;
    header.counter = counter(rest);
    for _ in 0..WORDS_MAX {
        rest = rest.trim_start_matches([' ', ':']);
        if rest.is_empty() {
            return Some(header);
        }
        rest = piece(rest, &mut header, reference)?;
    }
    None
}

/// The number at the very beginning, which counts messages to this server; the device's own numbers, which count what
/// it logs anywhere, are written with leading zeros.
fn counter(text: &str) -> Option<u64> {
    let (number, _) = text.split_once(": ")?;
    let plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| plain)
}

/// Where `%ASA-6-302013`, `%SYS-5-CONFIG_I`, `%%01SSH/5/LOGIN` or the like starts.
fn code_at(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..CODE_WITHIN_BYTES).unwrap_or(bytes);
    memchr_iter(b'%', head).find(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(at + 1..).unwrap_or_default();
        matches!(before, None | Some(b' ' | b':')) && is_code(after)
    })
}

/// What follows the `%`: a facility in capitals, a severity between hyphens; or `%`, a version, and slashes.
fn is_code(bytes: &[u8]) -> bool {
    if let [b'%', digit, ..] = bytes {
        return digit.is_ascii_digit();
    }
    let end = bytes
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/')))
        .unwrap_or(bytes.len());
    let word = bytes.get(..end).unwrap_or_default();
    word.first().is_some_and(u8::is_ascii_uppercase)
        && word
            .windows(3)
            .any(|part| matches!(part, [b'-', b'0'..=b'7', b'-']))
}

/// Takes one piece of the header off the start of `text`; `None` where a word is no such piece.
fn piece<'a>(text: &'a str, header: &mut Header<'a>, reference: Reference<'_>) -> Option<&'a str> {
    if let Some((stamp, rest)) = date(text.trim_start_matches(['*', '.']), reference) {
        header.timestamp = Some(stamp);
        return Some(rest);
    }
    if let Some(rest) = text.strip_prefix("%$") {
        // NX-OS: `%$ VDC-1 %$`.
        return Some(rest.split_once("%$")?.1);
    }
    let (word, rest) = token(text);
    let name = word.strip_suffix(':').unwrap_or(word);
    if name.bytes().all(|byte| byte.is_ascii_digit()) && word.ends_with(':') {
        header.sequence = name.parse().ok();
        return Some(rest);
    }
    if is_uptime(name) {
        return Some(rest);
    }
    if let Some((_, date_first)) = word.split_once("CPU0:") {
        // IOS XR: `RP/0/RSP0/CPU0:Oct 11 …`; the node is no host.
        return text.get(word.len() - date_first.len()..);
    }
    if let Some(tag) = tag(text).filter(|tag| tag.proc_id.is_some()) {
        header.app_name = Some(tag.name);
        header.proc_id = tag.proc_id;
        return Some(tag.rest);
    }
    let own_name = word.ends_with(':') && !rest.is_empty();
    if is_host(name) && (header.hostname.is_none() || own_name) {
        header.hostname = Some(name);
        return Some(rest);
    }
    None
}

/// `1w2d`, `3d04h`, `00:00:46`: the time since the device started.
fn is_uptime(word: &str) -> bool {
    let units = word
        .bytes()
        .filter(|b| matches!(b, b'y' | b'w' | b'd' | b'h'))
        .count();
    let others = word
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'y' | b'w' | b'd' | b'h' | b':' | b'.'));
    let starts = word.starts_with(|c: char| c.is_ascii_digit());
    let colons = word.bytes().filter(|b| *b == b':').count();
    let dots = word.contains('.');
    starts && others && ((units == 2 && colons == 0 && !dots) || (units == 0 && colons == 2))
}
