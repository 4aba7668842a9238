//! Syslog over a stream (RFC 6587, RFC 5425): octet counting, or messages ended by LF or NUL.
//!
//! The first bytes of a connection tell which: `LENGTH SP <` is octet counting, everything else is lines. (Cisco's
//! `45: Oct 11 …` and a bare `12 Oct …` are therefore lines.) Among lines the first terminator seen decides: after an
//! LF, NUL is content; after a NUL, both end a message. CR before LF belongs to the terminator; empty lines are no
//! messages.
//!
//! What comes out does not depend on how the stream was cut into reads, and no more than the limit and one read is
//! kept in memory: of an over-long message the head is kept, the rest is counted and thrown away.

use bytes::{Buf, Bytes, BytesMut};
use event::Mark;
use memchr::{memchr, memchr_iter, memchr2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Frame, Number, leading_number, wide};

/// How messages are told apart on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// Found out for each connection from its first bytes.
    #[default]
    Auto,
    /// A length in decimal and a space before each message (RFC 6587 §3.4.1).
    OctetCounting,
    /// A line feed after each message; NUL is content.
    Lf,
    /// A NUL after each message; line feeds are content.
    Nul,
}

/// Decimal digits of a length at most: below 100 MB. Longer ones are broken frames.
const LENGTH_DIGITS_MAX: usize = 8;
/// How far back a start of frame can lie before its `<`: digits, one too many of them, and the space.
const LOOK_BACK: usize = LENGTH_DIGITS_MAX + 2;

/// Takes messages out of one connection's bytes.
///
/// ```
/// use bytes::BytesMut;
/// use ingest::{Framing, SyslogDecoder};
///
/// let mut decoder = SyslogDecoder::new(Framing::Auto, 64 * 1024);
/// let mut frames = Vec::new();
/// decoder.decode(&mut BytesMut::from("<13>one\n<13>two\n"), &mut frames);
/// assert_eq!(frames.len(), 2);
/// assert_eq!(frames[1].raw, "<13>two");
/// ```
#[derive(Debug)]
pub struct SyslogDecoder {
    limit: usize,
    mode: Mode,
    /// How many bytes at the start of the buffer were already searched for an end.
    scanned: usize,
    overlong: Option<Overlong>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Undecided,
    Lines(Ends),
    Octets,
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Undecided,
    Lf,
    Nul,
    Either,
}

/// The head of a message that is longer than the limit, while its rest passes by.
#[derive(Debug)]
struct Overlong {
    head: Bytes,
    /// Bytes of the message that have passed, the head included.
    seen: u64,
    last: u8,
    rest: Rest,
}

/// Where an over-long message ends.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Line,
    Counted { remaining: u64 },
    Garbage,
}

/// Whether the decoder can go on with what is in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Advanced,
    MoreNeeded,
}

impl SyslogDecoder {
    /// A decoder for a new connection that keeps at most `limit` bytes of a message.
    #[must_use]
    pub fn new(framing: Framing, limit: usize) -> Self {
        let mode = match framing {
            Framing::Auto => Mode::Undecided,
            Framing::OctetCounting => Mode::Octets,
            Framing::Lf => Mode::Lines(Ends::Lf),
            Framing::Nul => Mode::Lines(Ends::Nul),
        };
        Self {
            limit,
            mode,
            scanned: 0,
            overlong: None,
        }
    }

    /// Takes every whole message off the front of `buffer`; what is left there must come again, with more behind it.
    pub fn decode(&mut self, buffer: &mut BytesMut, frames: &mut Vec<Frame>) {
        while self.step(buffer, frames) == Step::Advanced {}
    }

    /// The connection has ended: what is left becomes a last, marked message.
    pub fn finish(&mut self, buffer: &mut BytesMut, frames: &mut Vec<Frame>) {
        self.decode(buffer, frames);
        if let Some(overlong) = self.overlong.take() {
            let announced = match overlong.rest {
                Rest::Counted { remaining } => remaining,
                Rest::Line | Rest::Garbage => wide(buffer.len()),
            };
            buffer.clear();
            frames.push(overlong.frame(announced));
            return;
        }
        let mark = match self.mode {
            Mode::Octets => match length(buffer) {
                Length::Known { header, .. } => {
                    buffer.advance(header);
                    Mark::Unfinished
                }
                Length::MoreNeeded => Mark::Unfinished,
                Length::Wrong => Mark::BadFrame,
            },
            Mode::Undecided | Mode::Lines(_) => Mark::Unfinished,
        };
        self.scanned = 0;
        let rest = buffer.split().freeze();
        if !rest.is_empty() {
            frames.push(Frame::cut(rest, self.limit, Some(mark)));
        }
    }

    /// Whether a message has begun that has not ended.
    #[must_use]
    pub fn is_inside(&self, buffer: &[u8]) -> bool {
        self.overlong.is_some() || !buffer.is_empty()
    }

    fn step(&mut self, buffer: &mut BytesMut, frames: &mut Vec<Frame>) -> Step {
        if buffer.is_empty() {
            return Step::MoreNeeded;
        }
        if let Some(overlong) = self.overlong.take() {
            return self.pass_by(overlong, buffer, frames);
        }
        match self.mode {
            Mode::Undecided => self.decide(buffer),
            Mode::Lines(ends) => self.line(ends, buffer, frames),
            Mode::Octets => self.counted(buffer, frames),
        }
    }

    fn decide(&mut self, buffer: &[u8]) -> Step {
        let mode = match length(buffer) {
            Length::MoreNeeded => return Step::MoreNeeded,
            Length::Wrong => Mode::Lines(Ends::Undecided),
            Length::Known { header, .. } => match buffer.get(header) {
                None => return Step::MoreNeeded,
                Some(b'<') => Mode::Octets,
                Some(_) => Mode::Lines(Ends::Undecided),
            },
        };
        self.mode = mode;
        Step::Advanced
    }

    fn line(&mut self, ends: Ends, buffer: &mut BytesMut, frames: &mut Vec<Frame>) -> Step {
        let unseen = buffer.get(self.scanned..).unwrap_or_default();
        let Some(end) = ends.find(unseen).map(|at| at + self.scanned) else {
            return self.wait_for_end(Rest::Line, buffer);
        };
        let mut line = self.take(buffer, end);
        let terminator = buffer.get_u8();
        self.learn(ends, terminator);
        if terminator == b'\n' && line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if !line.is_empty() {
            frames.push(Frame::cut(line, self.limit, None));
        }
        Step::Advanced
    }

    fn learn(&mut self, ends: Ends, terminator: u8) {
        if ends == Ends::Undecided {
            let ends = if terminator == b'\n' {
                Ends::Lf
            } else {
                Ends::Either
            };
            self.mode = Mode::Lines(ends);
        }
    }

    fn counted(&mut self, buffer: &mut BytesMut, frames: &mut Vec<Frame>) -> Step {
        if self.scanned == 0 {
            // Senders exist that put a line feed or a NUL behind a counted message.
            let stray = buffer
                .iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r' | 0))
                .count();
            buffer.advance(stray);
        }
        match length(buffer) {
            Length::MoreNeeded => Step::MoreNeeded,
            Length::Wrong => self.garbage(buffer, frames),
            Length::Known { header, value } => self.known(header, value, buffer, frames),
        }
    }

    fn known(
        &mut self,
        header: usize,
        value: u64,
        buffer: &mut BytesMut,
        frames: &mut Vec<Frame>,
    ) -> Step {
        let kept = usize::try_from(value).map_or(self.limit, |value| value.min(self.limit));
        if buffer.len() - header < kept {
            return Step::MoreNeeded;
        }
        buffer.advance(header);
        let raw = self.take(buffer, kept);
        let remaining = value - wide(kept);
        if remaining == 0 {
            frames.push(Frame { raw, mark: None });
        } else {
            self.overlong = Some(Overlong::new(raw, Rest::Counted { remaining }));
        }
        Step::Advanced
    }

    /// Bytes where a length should be: they are kept as one record, up to a line feed or the next `LENGTH SP <`.
    fn garbage(&mut self, buffer: &mut BytesMut, frames: &mut Vec<Frame>) -> Step {
        let Some(found) = resync(buffer, self.scanned) else {
            return self.wait_for_end(Rest::Garbage, buffer);
        };
        // A message without its length is sound in itself.
        let mark = (buffer.first() != Some(&b'<')).then_some(Mark::BadFrame);
        let raw = self.take(buffer, found.end);
        buffer.advance(found.terminator_bytes);
        frames.push(Frame::cut(raw, self.limit, mark));
        Step::Advanced
    }

    /// The end has not come yet; when the message is already too long, only its head is kept.
    fn wait_for_end(&mut self, rest: Rest, buffer: &mut BytesMut) -> Step {
        self.scanned = buffer.len();
        let spare = match rest {
            // A carriage return may turn out to belong to the terminator.
            Rest::Line => 1,
            Rest::Counted { .. } | Rest::Garbage => LOOK_BACK,
        };
        if buffer.len() > self.limit + spare {
            let head = self.take(buffer, self.limit);
            self.overlong = Some(Overlong::new(head, rest));
            return Step::Advanced;
        }
        Step::MoreNeeded
    }

    fn pass_by(
        &mut self,
        mut overlong: Overlong,
        buffer: &mut BytesMut,
        frames: &mut Vec<Frame>,
    ) -> Step {
        let found = match overlong.rest {
            Rest::Line => self.line_end(buffer),
            Rest::Counted { remaining } => counted_end(buffer, remaining),
            Rest::Garbage => resync(buffer, self.scanned),
        };
        if let Some(found) = found {
            overlong.pass(buffer, found.end);
            let carriage_return = matches!(overlong.rest, Rest::Line)
                && buffer.first() == Some(&b'\n')
                && overlong.last == b'\r';
            if let (Rest::Line, Mode::Lines(ends), Some(terminator)) =
                (overlong.rest, self.mode, buffer.first())
            {
                self.learn(ends, *terminator);
            }
            buffer.advance(found.terminator_bytes);
            overlong.seen -= u64::from(carriage_return);
            frames.push(overlong.frame(0));
            self.scanned = 0;
            return Step::Advanced;
        }
        let kept = match overlong.rest {
            Rest::Garbage => LOOK_BACK.min(buffer.len()),
            Rest::Line | Rest::Counted { .. } => 0,
        };
        let passing = buffer.len() - kept;
        overlong.pass(buffer, passing);
        self.scanned = kept;
        self.overlong = Some(overlong);
        Step::MoreNeeded
    }

    fn line_end(&self, buffer: &[u8]) -> Option<End> {
        let Mode::Lines(ends) = self.mode else {
            return None;
        };
        let end = ends.find(buffer)?;
        Some(End {
            end,
            terminator_bytes: 1,
        })
    }

    fn take(&mut self, buffer: &mut BytesMut, bytes: usize) -> Bytes {
        self.scanned = 0;
        buffer.split_to(bytes).freeze()
    }
}

impl Ends {
    fn find(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Undecided | Self::Either => memchr2(b'\n', 0, bytes),
            Self::Lf => memchr(b'\n', bytes),
            Self::Nul => memchr(0, bytes),
        }
    }
}

impl Overlong {
    fn new(head: Bytes, rest: Rest) -> Self {
        Self {
            seen: wide(head.len()),
            last: head.last().copied().unwrap_or_default(),
            head,
            rest,
        }
    }

    fn pass(&mut self, buffer: &mut BytesMut, bytes: usize) {
        if let Some(last) = buffer.get(..bytes).and_then(|passing| passing.last()) {
            self.last = *last;
        }
        buffer.advance(bytes);
        self.seen += wide(bytes);
        if let Rest::Counted { remaining } = &mut self.rest {
            *remaining -= wide(bytes);
        }
    }

    fn frame(self, unseen: u64) -> Frame {
        let original_bytes = self.seen + unseen;
        Frame {
            raw: self.head,
            mark: Some(Mark::Truncated { original_bytes }),
        }
    }
}

/// The length at the start of a counted message.
enum Length {
    Known { value: u64, header: usize },
    MoreNeeded,
    Wrong,
}

fn length(buffer: &[u8]) -> Length {
    match leading_number(buffer, LENGTH_DIGITS_MAX) {
        Number::MoreNeeded => Length::MoreNeeded,
        Number::Whole { value, digits } if buffer.get(digits) == Some(&b' ') => Length::Known {
            value,
            header: digits + 1,
        },
        Number::Whole { .. } | Number::Wrong => Length::Wrong,
    }
}

/// Where a message ends, and how many bytes of terminator follow it.
struct End {
    end: usize,
    terminator_bytes: usize,
}

fn counted_end(buffer: &[u8], remaining: u64) -> Option<End> {
    let end = usize::try_from(remaining).ok()?;
    (end <= buffer.len()).then_some(End {
        end,
        terminator_bytes: 0,
    })
}

/// The first line feed, or the first `<` that completes `LENGTH SP <`, at or after `scanned`.
fn resync(buffer: &[u8], scanned: usize) -> Option<End> {
    let unseen = buffer.get(scanned..).unwrap_or_default();
    let line_feed = memchr(b'\n', unseen).map(|at| at + scanned);
    let searched = unseen.get(..line_feed.map_or(unseen.len(), |at| at - scanned));
    let start = memchr_iter(b'<', searched.unwrap_or_default())
        .find_map(|at| counted_start(buffer.get(..at + scanned)?));
    match (start, line_feed) {
        (Some(end), _) => Some(End {
            end,
            terminator_bytes: 0,
        }),
        (None, Some(end)) => Some(End {
            end,
            terminator_bytes: 1,
        }),
        (None, None) => None,
    }
}

/// Where the length starts that ends `before`, which lies before a `<`; never at the very start.
fn counted_start(before: &[u8]) -> Option<usize> {
    let digits = before.strip_suffix(b" ")?;
    let run = digits
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let start = digits.len() - run;
    let sound = (1..=LENGTH_DIGITS_MAX).contains(&run) && digits.get(start) != Some(&b'0');
    (sound && start > 0).then_some(start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 32;

    fn frames(framing: Framing, reads: &[&[u8]]) -> Vec<Frame> {
        let mut decoder = SyslogDecoder::new(framing, LIMIT);
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        for read in reads {
            buffer.extend_from_slice(read);
            decoder.decode(&mut buffer, &mut frames);
            assert!(buffer.len() <= LIMIT + LOOK_BACK + LENGTH_DIGITS_MAX + 1);
        }
        decoder.finish(&mut buffer, &mut frames);
        assert!(buffer.is_empty());
        frames
    }

    fn bare(raw: &[u8]) -> Frame {
        Frame {
            raw: Bytes::copy_from_slice(raw),
            mark: None,
        }
    }

    fn marked(raw: &[u8], mark: Mark) -> Frame {
        Frame {
            mark: Some(mark),
            ..bare(raw)
        }
    }

    fn check(input: &[u8], expected: &[&[u8]]) {
        let expected: Vec<Frame> = expected.iter().map(|raw| bare(raw)).collect();
        check_frames(Framing::Auto, input, &expected);
    }

    fn check_frames(framing: Framing, input: &[u8], expected: &[Frame]) {
        assert_eq!(frames(framing, &[input]), expected, "whole");
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(frames(framing, &bytes), expected, "byte by byte");
    }

    #[test]
    fn the_first_bytes_tell_the_framing() {
        check(b"7 <13>abc7 <13>def", &[b"<13>abc", b"<13>def"]);
        check(b"<13>abc\n<13>def\n", &[b"<13>abc", b"<13>def"]);
        check(b"<13>abc\0<13>def\0", &[b"<13>abc", b"<13>def"]);
        check(b"45: Oct 11 sw1\n46: x\n", &[b"45: Oct 11 sw1", b"46: x"]);
        check(
            b"12 Oct hello\n7 <13>abc\n",
            &[b"12 Oct hello", b"7 <13>abc"],
        );
    }

    #[test]
    fn a_line_keeps_every_byte_but_its_terminator() {
        check(b"a\r\n\r\n\nb\r\rc\n", &[b"a", b"b\r\rc"]);
        check(b"a\nb\0c\n", &[b"a", b"b\0c"]);
        check(b"a\0b\nc\0", &[b"a", b"b", b"c"]);
        check_frames(Framing::Nul, b"a\nb\0c\n\0", &[bare(b"a\nb"), bare(b"c\n")]);
        check_frames(Framing::Lf, b"a\0b\nc\n", &[bare(b"a\0b"), bare(b"c")]);
    }

    #[test]
    fn a_line_feed_behind_a_counted_message_is_no_message() {
        check(b"7 <13>abc\n7 <13>def\r\n\0", &[b"<13>abc", b"<13>def"]);
        check(b"7 <13>a\nb2 cd", &[b"<13>a\nb", b"cd"]);
    }

    #[test]
    fn an_over_long_message_is_cut_and_the_next_one_is_whole() {
        let cut = |original_bytes| marked(&[b'x'; LIMIT], Mark::Truncated { original_bytes });
        let line = |bytes| [vec![b'x'; bytes], b"\nnext\n".to_vec()].concat();
        check_frames(
            Framing::Auto,
            &line(LIMIT),
            &[bare(&[b'x'; LIMIT]), bare(b"next")],
        );
        check_frames(Framing::Auto, &line(LIMIT + 1), &[cut(33), bare(b"next")]);
        check_frames(Framing::Auto, &line(1000), &[cut(1000), bare(b"next")]);
        let counted = [b"500 ".to_vec(), vec![b'x'; 500], b"4 next".to_vec()].concat();
        check_frames(Framing::OctetCounting, &counted, &[cut(500), bare(b"next")]);
        let ended = [b"99999999 ".to_vec(), vec![b'x'; 500]].concat();
        check_frames(Framing::OctetCounting, &ended, &[cut(99_999_999)]);
    }

    #[test]
    fn a_carriage_return_at_the_limit_belongs_to_the_terminator() {
        let input = [vec![b'x'; LIMIT], b"\r\nnext\n".to_vec()].concat();
        check(&input, &[&[b'x'; LIMIT], b"next"]);
        let input = [vec![b'x'; LIMIT + 5], b"\r\n".to_vec()].concat();
        let cut = marked(&[b'x'; LIMIT], Mark::Truncated { original_bytes: 37 });
        check_frames(Framing::Auto, &input, &[cut]);
    }

    #[test]
    fn a_broken_count_costs_the_bytes_up_to_the_next_sound_frame() {
        let check = |input: &[u8], bad: &[u8], next: &[u8]| {
            let input = [b"7 <13>abc", input].concat();
            let expected = [bare(b"<13>abc"), marked(bad, Mark::BadFrame), bare(next)];
            check_frames(Framing::Auto, &input, &expected);
        };
        check(b"oops7 <13>def", b"oops", b"<13>def");
        check(b"oops\n3 abc", b"oops", b"abc");
        check(b"99999999999 <13>x\n3 abc", b"99999999999 <13>x", b"abc");
        check(b"0 <13>x\n3 abc", b"0 <13>x", b"abc");
        check(b"-1 x\n3 abc", b"-1 x", b"abc");
    }

    #[test]
    fn an_uncounted_message_among_counted_ones_is_sound() {
        check(
            b"7 <13>abc<13>def\n3 abc",
            &[b"<13>abc", b"<13>def", b"abc"],
        );
    }

    #[test]
    fn garbage_without_end_is_cut_until_a_frame_starts() {
        let input = [
            b"7 <13>abc".to_vec(),
            vec![b'x'; 500],
            b"7 <13>def".to_vec(),
        ]
        .concat();
        let cut = marked(
            &[b'x'; LIMIT],
            Mark::Truncated {
                original_bytes: 500,
            },
        );
        check_frames(
            Framing::Auto,
            &input,
            &[bare(b"<13>abc"), cut, bare(b"<13>def")],
        );
    }

    #[test]
    fn an_end_in_the_middle_is_marked() {
        let unfinished = |raw| [marked(raw, Mark::Unfinished)];
        check_frames(Framing::Auto, b"<13>ab", &unfinished(b"<13>ab"));
        check_frames(Framing::Auto, b"9 <13>ab", &unfinished(b"<13>ab"));
        check_frames(Framing::Auto, b"12", &unfinished(b"12"));
        check_frames(Framing::Auto, b"", &[]);
    }

    /// Bytes that look like syslog streams, broken ones among them.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..50),
            "[0-9]{1,10} <[a-z]{0,60}".prop_map(String::into_bytes),
            "<13>[a-z ]{0,60}(\n|\r\n)".prop_map(String::into_bytes),
            "[a-z]{0,40}".prop_map(|text| format!("{} {text}", text.len()).into_bytes()),
            "[\n\r\0 <0-9]{0,12}".prop_map(String::into_bytes),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn framing() -> impl Strategy<Value = Framing> {
        prop::sample::select(vec![
            Framing::Auto,
            Framing::OctetCounting,
            Framing::Lf,
            Framing::Nul,
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn any_cut_gives_the_same_frames(
            framing in framing(), input in stream(), cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let mut reads = Vec::new();
            let mut rest = input.as_slice();
            for cut in cuts {
                let (read, after) = rest.split_at(cut.min(rest.len()));
                reads.push(read);
                rest = after;
            }
            reads.push(rest);
            let whole = frames(framing, &[&input]);
            prop_assert_eq!(&frames(framing, &reads), &whole);
            let kept: usize = whole.iter().map(|frame| frame.raw.len()).sum();
            prop_assert!(kept <= input.len());
            prop_assert!(whole.iter().all(|frame| !frame.raw.is_empty() && frame.raw.len() <= LIMIT));
        }

        #[test]
        fn counted_messages_come_back_as_they_were(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..LIMIT), 0..20),
        ) {
            let mut input = Vec::new();
            for message in &messages {
                input.extend_from_slice(format!("{} ", message.len()).as_bytes());
                input.extend_from_slice(message);
            }
            let expected: Vec<Frame> = messages.iter().map(|message| bare(message)).collect();
            prop_assert_eq!(frames(Framing::OctetCounting, &[&input]), expected);
        }
    }
}
