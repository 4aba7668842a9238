//! `nhatky parse`: lines to events without a journal.

use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Micros, Origin, Record, Transport};
use serde::Deserialize;

use crate::{Depth, ParseSettings, Parsers, SenderSettings};

/// One line of `--framing json`: `{"raw", "tz", "product_hint"}`.
#[derive(Debug, Deserialize)]
struct Framed {
    raw: String,
    #[serde(default)]
    tz: Option<String>,
    #[serde(default)]
    product_hint: Option<String>,
}

/// The event of a line, read against `now`, at full depth.
#[must_use]
pub fn parse_line(line: Bytes, parsers: &Parsers, settings: &ParseSettings, now: Micros) -> Event {
    let origin = Origin {
        transport: Transport::Import,
        listener: Box::from(LISTENER),
        peer: None,
        identity: None,
    };
    let mut event = Event::default();
    let record = Record::new(Arc::new(origin), now, line);
    parsers.parse_into(&record, settings, Depth::Full, &mut event);
    event
}

/// The listener that lines of `nhatky parse` seem to come from, and so the name of their sender.
const LISTENER: &str = "parse";

/// The event of one line of `--framing json`: `{"raw": …, "tz": …, "product_hint": …}`.
///
/// An unknown `tz` counts as none; a line that is no such object is parsed as it is.
#[must_use]
pub fn parse_framed(line: &str, parsers: &Parsers, settings: &ParseSettings, now: Micros) -> Event {
    let Ok(framed) = serde_json::from_str::<Framed>(line) else {
        let line = Bytes::copy_from_slice(line.as_bytes());
        return parse_line(line, parsers, settings, now);
    };
    let raw = Bytes::from(framed.raw);
    let sender = |zone| SenderSettings {
        zone,
        product: framed.product_hint.clone(),
        ..SenderSettings::default()
    };
    let plain = settings.clone();
    let with_hints = plain.with_sender(LISTENER, sender(framed.tz.clone()));
    let with_hints = with_hints.or_else(|_| settings.clone().with_sender(LISTENER, sender(None)));
    match with_hints {
        Ok(settings) => parse_line(raw, parsers, &settings, now),
        Err(_) => parse_line(raw, parsers, settings, now),
    }
}
