//! Several lines to one message, where a pattern says which line starts one.

use bytes::{Bytes, BytesMut};
use event::Mark;
use regex::bytes::Regex;

use super::{Frame, wide};

/// Joins lines: one that matches the pattern starts a message, the others continue the one before.
///
/// Lines are joined by LF. A message longer than the limit is cut and marked, like any other.
///
/// ```
/// use ingest::{Frame, LineJoiner};
///
/// let start = regex::bytes::Regex::new(r"^\d{4}-").unwrap();
/// let mut joiner = LineJoiner::new(start, 64 * 1024);
/// let mut messages = Vec::new();
/// for line in ["2026-11-01 boom", "  at here", "2026-11-01 fine"] {
///     joiner.push(Frame { raw: line.into(), mark: None }, &mut messages);
/// }
/// joiner.flush(&mut messages);
/// assert_eq!(messages[0].raw, "2026-11-01 boom\n  at here");
/// assert_eq!(messages[1].raw, "2026-11-01 fine");
/// ```
#[derive(Debug)]
pub struct LineJoiner {
    start: Regex,
    limit: usize,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    first: Bytes,
    /// The lines joined so far, as soon as there is more than one.
    joined: BytesMut,
    /// What the message would measure uncut.
    bytes: u64,
    mark: Option<Mark>,
}

impl LineJoiner {
    /// A joiner whose messages start with a line that matches `start` and keep at most `limit` bytes.
    #[must_use]
    pub fn new(start: Regex, limit: usize) -> Self {
        Self {
            start,
            limit,
            pending: None,
        }
    }

    /// Takes one line; a message comes out when the line starts the next.
    pub fn push(&mut self, line: Frame, messages: &mut Vec<Frame>) {
        match &mut self.pending {
            Some(pending) if !self.start.is_match(&line.raw) => pending.join(&line, self.limit),
            _ => {
                self.flush(messages);
                self.pending = Some(Pending::new(line));
            }
        }
    }

    /// Gives out the message begun, since nothing is going to continue it.
    pub fn flush(&mut self, messages: &mut Vec<Frame>) {
        if let Some(pending) = self.pending.take() {
            messages.push(pending.finish());
        }
    }

    /// Whether a message has begun that may still be continued.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.pending.is_some()
    }
}

impl Pending {
    fn new(line: Frame) -> Self {
        let bytes = match line.mark {
            Some(Mark::Truncated { original_bytes }) => original_bytes,
            _ => wide(line.raw.len()),
        };
        Self {
            first: line.raw,
            joined: BytesMut::new(),
            bytes,
            mark: line.mark,
        }
    }

    fn join(&mut self, line: &Frame, limit: usize) {
        if self.joined.is_empty() {
            self.joined.extend_from_slice(&self.first);
        }
        let more = match line.mark {
            Some(Mark::Truncated { original_bytes }) => original_bytes,
            _ => wide(line.raw.len()),
        };
        self.bytes += 1 + more;
        for part in [b"\n".as_slice(), &line.raw] {
            let room = limit.saturating_sub(self.joined.len());
            self.joined
                .extend_from_slice(part.get(..room).unwrap_or(part));
        }
        let cut = wide(self.joined.len()) < self.bytes;
        self.mark = if cut {
            Some(Mark::Truncated {
                original_bytes: self.bytes,
            })
        } else {
            line.mark
        };
    }

    fn finish(self) -> Frame {
        let raw = if self.joined.is_empty() {
            self.first
        } else {
            self.joined.freeze()
        };
        Frame {
            raw,
            mark: self.mark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expected: &[(&str, Option<Mark>)]) {
        let mut joiner = LineJoiner::new(Regex::new("^[A-Z]").unwrap(), 16);
        let mut messages = Vec::new();
        for line in lines {
            let raw = Bytes::copy_from_slice(line.as_bytes());
            joiner.push(Frame::cut(raw, 16, None), &mut messages);
        }
        joiner.flush(&mut messages);
        let expected: Vec<Frame> = expected
            .iter()
            .map(|(text, mark)| Frame {
                raw: Bytes::copy_from_slice(text.as_bytes()),
                mark: *mark,
            })
            .collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_line_that_does_not_start_a_message_continues_one() {
        check(&["A", " b", " c", "D"], &[("A\n b\n c", None), ("D", None)]);
        check(&["b", "c", "A"], &[("b\nc", None), ("A", None)]);
        check(&[], &[]);
    }

    #[test]
    fn a_joined_message_is_cut_at_the_limit() {
        let cut = |original_bytes| Some(Mark::Truncated { original_bytes });
        check(&["Aaaaaaa", "bbbbbbbb"], &[("Aaaaaaa\nbbbbbbbb", None)]);
        check(
            &["Aaaaaaa", "bbbbbbbbb", "c"],
            &[("Aaaaaaa\nbbbbbbbb", cut(19))],
        );
        check(
            &["Aaaaaaaaaaaaaaaaaaaaa", "b"],
            &[("Aaaaaaaaaaaaaaaa", cut(23))],
        );
    }
}
