//! A file of an export: how many lines it has, and where an export that was cut goes on.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cli::ExportFormat;

/// How much is read at a time.
const READ_BYTES: usize = 1 << 20;
/// The longest line that is looked into, in bytes: the server's longest record, with every field of it.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// Finds where records end: at line feeds, in CSV but for those within quotes.
#[derive(Debug)]
pub(crate) struct Records {
    format: ExportFormat,
    quoted: bool,
    /// Bytes seen.
    bytes: u64,
    /// Whole records seen.
    pub(crate) count: u64,
    /// Where the last whole record begins, and where it ends.
    last: (u64, u64),
}

impl Records {
    pub(crate) fn new(format: ExportFormat) -> Self {
        Self {
            format,
            quoted: false,
            bytes: 0,
            count: 0,
            last: (0, 0),
        }
    }

    /// Takes what comes next.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.bytes += 1;
            match byte {
                // A quote within quotes is written twice: the second opens again what the first has closed.
                b'"' if self.format == ExportFormat::Csv => self.quoted = !self.quoted,
                b'\n' if !self.quoted => {
                    self.last = (self.last.1, self.bytes);
                    self.count += 1;
                }
                _ => {}
            }
        }
    }
}

/// Where an export goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GoOn {
    /// At the beginning: there is nothing yet.
    Beginning,
    /// With the events below this Seq.
    Before(u64),
    /// Nowhere: it is whole.
    Whole,
}

/// Looks where the file goes on, takes off what stands behind its last whole line, and leaves it open at its end.
pub(crate) fn open(path: &Path, format: ExportFormat) -> Result<(File, GoOn)> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true);
    let mut file = options
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let mut records = Records::new(format);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        records.push(buffer.get(..read).unwrap_or_default());
    }
    let (start, end) = records.last;
    let go_on = match end - start {
        0 => GoOn::Beginning,
        1..=LINE_BYTES_MAX => {
            file.seek(SeekFrom::Start(start))?;
            let mut line = Vec::new();
            (&file).take(end - start).read_to_end(&mut line)?;
            read_line(&line, format, records.count)
                .with_context(|| format!("{} cannot be gone on with", path.display()))?
        }
        _ => bail!("{} is no export: its last line is too long", path.display()),
    };
    // A line of names is written again with the first event.
    let kept = if go_on == GoOn::Beginning { 0 } else { end };
    file.set_len(kept)?;
    file.seek(SeekFrom::Start(kept))?;
    Ok((file, go_on))
}

/// What the last whole line says.
fn read_line(line: &[u8], format: ExportFormat, count: u64) -> Result<GoOn> {
    let text = String::from_utf8_lossy(line);
    match format {
        ExportFormat::Ndjson => {
            let line: Value = serde_json::from_str(&text).context("its last line is not JSON")?;
            if line["nhatky.export"]["complete"] == true {
                return Ok(GoOn::Whole);
            }
            let seq = line["nhatky.seq"].as_u64();
            seq.map(GoOn::Before)
                .context("its last line has no nhatky.seq: a table can only be exported whole")
        }
        ExportFormat::Csv => {
            let first = text.split(',').next().unwrap_or_default().trim_end();
            match first.parse() {
                Ok(seq) => Ok(GoOn::Before(seq)),
                Err(_) if count == 1 && first.trim_start_matches('\u{feff}') == "nhatky.seq" => {
                    Ok(GoOn::Beginning)
                }
                Err(_) => bail!(
                    "its last line does not begin with nhatky.seq: a table can only be exported whole"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the file goes on, and what is left of it.
    fn check(format: ExportFormat, content: &str, expected: &GoOn, left: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export");
        std::fs::write(&path, content).unwrap();
        let (file, go_on) = open(&path, format).unwrap();
        drop(file);
        assert_eq!(go_on, *expected, "{content:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), left);
    }

    #[test]
    fn json_goes_on_below_its_last_whole_line() {
        let nine = "{\"nhatky.seq\":9}\n";
        let check = |content: &str, expected, left: &str| {
            check(ExportFormat::Ndjson, content, &expected, left);
        };
        check("", GoOn::Beginning, "");
        check("{\"nhatky.se", GoOn::Beginning, "");
        check(&format!("{nine}{{\"nhatky.seq\":8"), GoOn::Before(9), nine);
        check(nine, GoOn::Before(9), nine);
        let whole = format!("{nine}{{\"nhatky.export\":{{\"complete\":true}}}}\n");
        check(&whole, GoOn::Whole, &whole);
    }

    #[test]
    fn csv_goes_on_below_its_last_whole_row_whatever_stands_in_quotes() {
        let check = |content: &str, expected, left: &str| {
            check(ExportFormat::Csv, content, &expected, left);
        };
        let names = "\u{feff}nhatky.seq,message\r\n";
        check("nhatky.s", GoOn::Beginning, "");
        check(names, GoOn::Beginning, "");
        let row = format!("{names}9,\"two \"\"lines\"\"\r\n5,x\"\r\n");
        check(&row, GoOn::Before(9), &row);
        check(&format!("{row}8,\"torn\r\n7,"), GoOn::Before(9), &row);
        check(
            &format!("{row}8\r\n"),
            GoOn::Before(8),
            &format!("{row}8\r\n"),
        );
    }

    #[test]
    fn what_is_no_export_of_events_is_left_alone() {
        for (format, content) in [
            (ExportFormat::Ndjson, "{\"count\":3}\n"),
            (ExportFormat::Ndjson, "hello\n"),
            (ExportFormat::Csv, "user.name,count\r\nan,3\r\n"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("export");
            std::fs::write(&path, content).unwrap();
            open(&path, format).unwrap_err();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
    }
}
