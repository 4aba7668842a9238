//! What our own readers leave over, read by `syslog_loose`: rare, and only for lines that carry a PRI.

use event::Micros;

use super::decode::{Dialect, Header};
use super::time::{Reference, Stamp, ZoneFrom};

/// Reads a line whose `rest` after the PRI no other reader knew; `None` where the library finds no date either.
///
/// Key=value pairs, JSON, CEF and the like cannot be headers and are not tried.
pub(super) fn read<'a>(
    line: &'a str,
    rest: &'a str,
    reference: Reference<'_>,
) -> Option<Header<'a>> {
    let word_end = rest.find([' ', '=', '{', '|']).filter(|at| *at > 0)?;
    if rest.as_bytes().get(word_end) != Some(&b' ') || !rest.bytes().take(24).any(|b| b == b':') {
        return None;
    }
    let offset = reference.zone.offset_at(reference.time);
    let zone = chrono::FixedOffset::east_opt(offset)?;
    let (year, ..) = super::civil::civil_from_days(reference.time.utc_day());
    let message = syslog_loose::parse_message_with_year_tz(
        line,
        |_| year,
        Some(zone),
        syslog_loose::Variant::Either,
    );
    let timestamp = message.timestamp?;
    Some(Header {
        timestamp: Some(Stamp {
            at: Micros(timestamp.timestamp_micros()),
            zone: ZoneFrom::Setting,
        }),
        hostname: message.hostname,
        app_name: message.appname,
        msg_id: message.msgid,
        dialect: Dialect::Rfc3164,
        ..Header::bare(message.msg)
    })
}
