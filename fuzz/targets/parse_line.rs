//! Any bytes give an event, the same each time.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use event::Micros;
use parse::{ParseSettings, Parsers};

static PARSERS: LazyLock<Parsers> = LazyLock::new(Parsers::builtin);

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    let settings = ParseSettings::default();
    let parse = || parse::parse_line(Bytes::copy_from_slice(line), &PARSERS, &settings, Micros(0));
    assert_eq!(format!("{:?}", parse()), format!("{:?}", parse()));
});
