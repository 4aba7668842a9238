//! `nhatky parse`: lines in, one flat ECS JSON object a line out, in order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use event::{Clock as _, Origin, Record, SystemClock, Transport};
use parse::{ParseSettings, Parsers};

use crate::cli::{Framing, Parse};

/// A line longer than this is cut: what is piped in is no more to be trusted than the network.
const LINE_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(args: &Parse) -> Result<()> {
    let parsers = Parsers::load(args.content.as_deref())?;
    let mut settings = ParseSettings::default();
    if let Some(zone) = &args.tz {
        settings = settings.with_zone(zone)?;
    }
    let mut input: Box<dyn BufRead> = match &args.file {
        Some(path) => {
            let file =
                File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
            Box::new(BufReader::new(file))
        }
        None => Box::new(io::stdin().lock()),
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let clock = SystemClock::new();
    let mut line = Vec::new();
    while next_line(&mut *input, &mut line)? {
        if args.explain {
            let record = Record::new(origin(), clock.now(), Bytes::copy_from_slice(&line));
            writeln!(output, "{}", parsers.explain(&record, &settings))?;
            continue;
        }
        let event = match args.framing {
            Framing::Raw => parse::parse_line(
                Bytes::copy_from_slice(&line),
                &parsers,
                &settings,
                clock.now(),
            ),
            Framing::Json => parse::parse_framed(
                &String::from_utf8_lossy(&line),
                &parsers,
                &settings,
                clock.now(),
            ),
        };
        serde_json::to_writer(&mut output, &event)?;
        output.write_all(b"\n")?;
    }
    Ok(output.flush()?)
}

/// Reads the next line without its end, cut at the limit; false at the end of the input.
fn next_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if input.take(LINE_BYTES_MAX).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else {
        // Too long, or the end of the input: then there is nothing to skip.
        input.skip_until(b'\n')?;
    }
    Ok(true)
}

fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        transport: Transport::Import,
        listener: Box::from("parse"),
        peer: None,
        identity: None,
    })
}
