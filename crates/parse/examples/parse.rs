//! Lines in, one flat ECS JSON object a line out: what `nhatky parse` does, for trying definitions.
//!
//! `cargo run -p parse --example parse [-- --framing json]`; `--framing json` takes `{"raw", "tz", "product_hint"}`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::io::{self, BufRead as _};

use bytes::Bytes;
use event::{Clock as _, SystemClock};
use parse::{ParseSettings, Parsers, parse_framed, parse_line};

fn main() -> io::Result<()> {
    let framed =
        std::env::args().any(|argument| argument == "json" || argument == "--framing=json");
    let parsers = Parsers::builtin();
    let settings = ParseSettings::default();
    let now = SystemClock::new().now();
    for line in io::stdin().lock().split(b'\n') {
        let line = line?;
        let event = if framed {
            parse_framed(&String::from_utf8_lossy(&line), &parsers, &settings, now)
        } else {
            parse_line(Bytes::from(line), &parsers, &settings, now)
        };
        println!("{}", serde_json::to_string(&event)?);
    }
    Ok(())
}
