//! Old log files: unpacked, cut into messages, each with its place in the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use event::Micros;
use regex::bytes::Regex;

/// A message longer than this is cut and marked, like one from the network.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// One message of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where it begins in the unpacked file, in bytes.
    pub(crate) offset: u64,
    /// Its bytes, without the line feed at its end.
    pub(crate) bytes: Vec<u8>,
    /// Its length in the file where it was cut.
    pub(crate) original_bytes: Option<u64>,
}

/// The messages of a log file, one after another.
pub(crate) struct LogFile {
    lines: Box<dyn BufRead>,
    starts: Option<Regex>,
    offset: u64,
    /// The first line of the next message, read to see that the present one has ended.
    ahead: Option<Message>,
}

impl LogFile {
    /// Opens a file: plain, gzip or zstd, told by its first bytes. With `starts`, a message begins at each line that
    /// matches it.
    pub(crate) fn open(path: &Path, starts: Option<Regex>) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
        let magic = file.fill_buf()?;
        let lines: Box<dyn BufRead> = if magic.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file)))
        } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(
                file,
            )?))
        } else {
            Box::new(file)
        };
        Ok(Self {
            lines,
            starts,
            offset: 0,
            ahead: None,
        })
    }

    /// The next message; none at the end of the file.
    pub(crate) fn next(&mut self) -> io::Result<Option<Message>> {
        let Some(mut message) = self
            .ahead
            .take()
            .map_or_else(|| self.line(), |line| Ok(Some(line)))?
        else {
            return Ok(None);
        };
        while let Some(starts) = &self.starts {
            let starts = starts.clone();
            let Some(line) = self.line()? else { break };
            if starts.is_match(&line.bytes) {
                self.ahead = Some(line);
                break;
            }
            join(&mut message, &line);
        }
        Ok(Some(message))
    }

    /// Passes over the messages that begin before that offset.
    pub(crate) fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        while let Some(message) = self.next()? {
            if message.offset >= offset {
                self.ahead = Some(message);
                break;
            }
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<Option<Message>> {
        let offset = self.offset;
        let mut bytes = Vec::new();
        let limit = MESSAGE_BYTES_MAX as u64 + 1;
        let mut read = (&mut self.lines)
            .take(limit)
            .read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let mut original_bytes = None;
        if bytes.len() > MESSAGE_BYTES_MAX && !bytes.ends_with(b"\n") {
            bytes.truncate(MESSAGE_BYTES_MAX);
            read += skip_line(&mut *self.lines)?;
            original_bytes = Some(read);
        }
        self.offset += read;
        while bytes
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            bytes.pop();
        }
        Ok(Some(Message {
            offset,
            bytes,
            original_bytes,
        }))
    }
}

/// Adds a line to a message, as far as there is room.
fn join(message: &mut Message, line: &Message) {
    let whole = message.original_bytes.unwrap_or(message.bytes.len() as u64);
    let with_line = whole + 1 + line.original_bytes.unwrap_or(line.bytes.len() as u64);
    if with_line <= MESSAGE_BYTES_MAX as u64 {
        message.bytes.push(b'\n');
        message.bytes.extend_from_slice(&line.bytes);
    } else {
        message.original_bytes = Some(with_line);
    }
}

/// Reads up to and with the next line feed; gives how many bytes.
fn skip_line(lines: &mut dyn BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = lines.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        lines.consume(used);
        skipped += used as u64;
        if end.is_some() || used == 0 {
            return Ok(skipped);
        }
    }
}

/// When the file was last changed: the time against which its dates without a year are read.
pub(crate) fn modified_at(path: &Path) -> io::Result<Micros> {
    let modified = std::fs::metadata(path)?.modified()?;
    let since = modified
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn messages(bytes: &[u8], starts: Option<&str>) -> Vec<(u64, String)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(bytes).unwrap();
        let starts = starts.map(|starts| Regex::new(starts).unwrap());
        let mut log = LogFile::open(file.path(), starts).unwrap();
        std::iter::from_fn(|| log.next().unwrap())
            .map(|message| (message.offset, String::from_utf8(message.bytes).unwrap()))
            .collect()
    }

    #[test]
    fn each_line_is_a_message_with_its_place() {
        let expected = [
            (0, "a".to_owned()),
            (2, "bc".to_owned()),
            (6, String::new()),
            (7, "d".to_owned()),
        ];
        assert_eq!(messages(b"a\nbc\r\n\nd", None), expected);
    }

    #[test]
    fn lines_that_start_nothing_belong_to_the_message_before() {
        let joined = messages(b"1 a\n  at x\n  at y\n2 b\n", Some(r"^\d"));
        assert_eq!(
            joined,
            [
                (0, "1 a\n  at x\n  at y".to_owned()),
                (18, "2 b".to_owned())
            ]
        );
    }

    #[test]
    fn packed_files_are_unpacked() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"a\nb\n").unwrap();
        assert_eq!(messages(&gzip.finish().unwrap(), None).len(), 2);
        assert_eq!(
            messages(&zstd::encode_all(&b"a\nb\nc\n"[..], 1).unwrap(), None).len(),
            3
        );
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_and_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(&vec![b'x'; 3 << 20]).unwrap();
        file.as_file().write_all(b"\nnext\n").unwrap();
        let mut log = LogFile::open(file.path(), None).unwrap();
        let cut = log.next().unwrap().unwrap();
        assert_eq!(cut.bytes.len(), MESSAGE_BYTES_MAX);
        assert_eq!(cut.original_bytes, Some((3 << 20) + 1));
        assert_eq!(log.next().unwrap().unwrap().bytes, b"next");
    }

    #[test]
    fn an_import_goes_on_where_it_stopped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(b"a\nb\nc\n").unwrap();
        let mut log = LogFile::open(file.path(), None).unwrap();
        log.skip_to(2).unwrap();
        assert_eq!(log.next().unwrap().unwrap().bytes, b"b");
    }
}
