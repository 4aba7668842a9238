//! RFC 5424: `1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`, with what senders get wrong.

use memchr::memchr;

use super::decode::{Dialect, Header};
use super::time::{self, Reference};
use crate::format::structured_data;

/// Reads what follows the PRI (`framed`: there is one) if a version and a timestamp start it.
///
/// Lenient: a missing tail of fields, missing or unclosed structured data (it stays in the message), a timestamp
/// without a zone.
pub(super) fn read<'a>(
    text: &'a str,
    framed: bool,
    reference: Reference<'_>,
) -> Option<Header<'a>> {
    let (version, rest) = version(text)?;
    let (token, rest) = field(rest);
    if let Some(meraki) = meraki(token?, rest, reference) {
        return Some(meraki);
    }
    let timestamp = match token? {
        "-" => None,
        token => Some(
            time::read(token, reference)
                .filter(|(_, rest)| rest.is_empty())?
                .0,
        ),
    };
    if timestamp.is_none() && !framed {
        return None;
    }
    let (hostname, rest) = field(rest);
    if ["CEF:", "LEEF:", "{\""]
        .iter()
        .any(|format| rest.starts_with(format))
    {
        // Many put these formats behind the name of the host, the other fields left out.
        return Some(Header {
            version: Some(version),
            timestamp,
            hostname: hostname.and_then(present),
            dialect: Dialect::Rfc5424,
            ..Header::bare(rest)
        });
    }
    let (app_name, rest) = field(rest);
    let (proc_id, rest) = field(rest);
    let (msg_id, rest) = field(rest);
    let (structured_data, rest) = structured_data_field(rest);
    Some(Header {
        version: Some(version),
        timestamp,
        hostname: hostname.and_then(present),
        app_name: app_name.and_then(present),
        proc_id: proc_id.and_then(present),
        msg_id: msg_id.and_then(present),
        structured_data,
        counter: structured_data.and_then(sequence_id),
        dialect: Dialect::Rfc5424,
        ..Header::bare(without_bom(rest))
    })
}

/// One or two digits, a space, and something that starts like a timestamp or is nil.
fn version(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = match text.as_bytes() {
        [b'1'..=b'9', b' ', b'0'..=b'9' | b'-', ..] => text.split_at_checked(1)?,
        [b'1'..=b'9', b'0'..=b'9', b' ', b'0'..=b'9' | b'-', ..] => text.split_at_checked(2)?,
        _ => return None,
    };
    Some((digits.parse().ok()?, rest.trim_start_matches(' ')))
}

/// The next field and what follows its space; none at the end of the line.
fn field(text: &str) -> (Option<&str>, &str) {
    if text.is_empty() {
        return (None, text);
    }
    let end = memchr(b' ', text.as_bytes()).unwrap_or(text.len());
    let rest = text.get(end..).unwrap_or_default();
    (text.get(..end), rest.strip_prefix(' ').unwrap_or(rest))
}

/// `None` for the nil value.
fn present(field: &str) -> Option<&str> {
    (field != "-" && !field.is_empty()).then_some(field)
}

/// `sequenceId` of the element `meta` (RFC 5424 §7.3.1).
fn sequence_id(data: &str) -> Option<u64> {
    let mut found = None;
    if data.contains("sequenceId") {
        structured_data::params(data, |id, name, value| {
            if (id, name) == ("meta", "sequenceId") {
                found = value.parse().ok();
            }
        });
    }
    found
}

fn structured_data_field(text: &str) -> (Option<&str>, &str) {
    if let Some((data, rest)) = structured_data::span(text) {
        return (Some(data), rest.trim_start_matches(' '));
    }
    match text.strip_prefix('-') {
        Some("") => (None, ""),
        Some(rest) if rest.starts_with(' ') => (None, rest.get(1..).unwrap_or_default()),
        _ => (None, text),
    }
}

fn without_bom(text: &str) -> &str {
    // The three bytes of a BOM that was read as Latin-1 and encoded once more are as frequent as the real one.
    text.strip_prefix('\u{feff}')
        .or_else(|| text.strip_prefix("ï»¿"))
        .unwrap_or(text)
}

/// Meraki's `1 1791756855.123456789 MX84 events …`: a version, then seconds since 1970, a name and the message.
fn meraki<'a>(token: &str, rest: &'a str, reference: Reference<'_>) -> Option<Header<'a>> {
    let point = token.as_bytes().get(9..11)?.contains(&b'.');
    let (stamp, after) = time::read(token, reference).filter(|_| point)?;
    let (hostname, message) = field(rest);
    after.is_empty().then(|| Header {
        timestamp: Some(stamp),
        hostname: hostname.and_then(present),
        dialect: Dialect::Rfc3164,
        ..Header::bare(message)
    })
}
