//! Whatever arrives becomes an event: no panic, the same event each time, nothing of ours forged.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use event::{Event, Field, Micros, Origin, Record, Transport};
use parse::{Depth, ParseSettings, Parsers};
use proptest::prelude::*;

static PARSERS: LazyLock<Parsers> = LazyLock::new(Parsers::builtin);

/// Every sample line of every parser.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parsers");
    let mut samples = Vec::new();
    for entry in std::fs::read_dir(root).expect("parsers/ is part of the repository") {
        let folder = entry.expect("a readable folder").path();
        if let Ok(text) = std::fs::read(folder.join("samples.log")) {
            samples.extend(text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        }
    }
    samples.sort();
    samples
});

fn parse(raw: &[u8], depth: Depth) -> Event {
    let origin = Origin {
        transport: Transport::Udp,
        listener: Box::from("syslog-udp"),
        peer: None,
        identity: None,
    };
    let record = Record::new(Arc::new(origin), Micros(0), Bytes::copy_from_slice(raw));
    let mut event = Event::default();
    PARSERS.parse_into(&record, &ParseSettings::default(), depth, &mut event);
    event
}

fn json(event: &Event) -> String {
    serde_json::to_string(event).expect("an event is a map")
}

fn check(raw: &[u8]) {
    for depth in [Depth::Core, Depth::Full] {
        let event = parse(raw, depth);
        assert_eq!(
            json(&event),
            json(&parse(raw, depth)),
            "the same record gives the same event"
        );
        for field in [
            Field::TIMESTAMP,
            Field::EVENT_KIND,
            Field::NHATKY_PARSE,
            Field::NHATKY_SOURCE,
        ] {
            assert_eq!(event.values(field).count(), 1, "{field} of {raw:?}");
        }
    }
}

/// A sample, cut, spliced with another one, with bytes put in its midst.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let place = || any::<prop::sample::Index>();
    (
        place(),
        place(),
        place(),
        place(),
        prop::collection::vec(any::<u8>(), 0..6),
    )
        .prop_map(|(first, second, cut, from, noise)| {
            let first = first.get(&SAMPLES);
            let second = second.get(&SAMPLES);
            let mut bytes = first
                .get(..cut.index(first.len() + 1))
                .unwrap_or_default()
                .to_vec();
            bytes.extend(noise);
            bytes.extend(
                second
                    .get(from.index(second.len() + 1)..)
                    .unwrap_or_default(),
            );
            bytes
        })
}

proptest! {
    #[test]
    fn any_bytes_give_an_event(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&raw);
    }

    #[test]
    fn mutated_samples_give_an_event(raw in mutated()) {
        check(&raw);
    }

    #[test]
    fn a_message_cannot_set_what_is_ours(name in "nhatky(\\.[a-z.]{1,12})?", value in "[a-z]{1,8}") {
        let raw = serde_json::json!({ name.as_str(): value, "nhatky": { "class": "login" } }).to_string();
        let event = parse(raw.as_bytes(), Depth::Full);
        prop_assert!(!event.has(Field::NHATKY_CLASS));
        prop_assert_ne!(event.text(Field::NHATKY_SOURCE), Some(value.as_str()));
    }
}

#[test]
fn long_hostile_lines_are_read_in_linear_time() {
    // Not timed: a quadratic reader would not end within the test's limit.
    for part in [
        "a=b ",
        "[",
        "\"",
        "<",
        "CEF:0|",
        "{\"a\":",
        "%ASA-6-1: ",
        " from ",
        "\\",
    ] {
        let event = parse(part.repeat(1 << 18).as_bytes(), Depth::Full);
        assert!(event.has(Field::NHATKY_PARSE));
    }
}
