//! RELP, the reliable event logging protocol: `TXNR SP COMMAND SP DATALEN [SP DATA] LF`.
//!
//! The sender keeps a window of unanswered messages and sends them again on a new connection when no answer came: an
//! answer given only once a message is durable therefore loses nothing.

use bytes::{Buf, Bytes, BytesMut};
use event::Mark;

use super::{Frame, Number, leading_number, wide};

/// Digits of a transaction number or of a length at most (the protocol's own limit).
const DIGITS_MAX: usize = 9;
/// Letters of a command at most (the protocol's own limit).
const COMMAND_MAX: usize = 32;

/// One command of the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The transaction number, to be repeated in the answer.
    pub(crate) txnr: u64,
    pub(crate) command: Command,
}

/// What a sender can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// The session's offers: lines `name=value`.
    Open(Bytes),
    /// One message.
    Syslog(Frame),
    /// The end of the session.
    Close,
    /// Something else, by its name.
    Other(Bytes),
}

/// The stream is not RELP: nothing after this point can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a RELP frame: {0}")]
pub(crate) struct RelpError(&'static str);

/// Takes commands out of one connection's bytes.
#[derive(Debug)]
pub(crate) struct RelpDecoder {
    limit: usize,
    overlong: Option<Overlong>,
}

/// A message longer than the limit: its head, while the rest passes by.
#[derive(Debug)]
struct Overlong {
    header: Header,
    head: Bytes,
    remaining: u64,
}

#[derive(Clone, Debug)]
struct Header {
    txnr: u64,
    command: Bytes,
    data_bytes: u64,
    /// How many bytes the header takes, the space before the data included.
    bytes: usize,
}

impl RelpDecoder {
    /// A decoder for a new connection that keeps at most `limit` bytes of a message.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            overlong: None,
        }
    }

    /// The next whole command at the front of `buffer`, which is taken off; `None` when more bytes are needed.
    ///
    /// After an error the connection is of no more use.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Request>, RelpError> {
        if self.overlong.is_none() {
            let Some(header) = header(buffer)? else {
                return Ok(None);
            };
            let kept = usize::try_from(header.data_bytes)
                .map_or(self.limit, |bytes| bytes.min(self.limit));
            if buffer.len() < header.bytes + kept {
                return Ok(None);
            }
            buffer.advance(header.bytes);
            self.overlong = Some(Overlong {
                remaining: header.data_bytes - wide(kept),
                head: buffer.split_to(kept).freeze(),
                header,
            });
        }
        self.end(buffer)
    }

    /// Whether a command has begun that has not ended.
    pub(crate) fn is_inside(&self, buffer: &[u8]) -> bool {
        self.overlong.is_some() || !buffer.is_empty()
    }

    /// Lets the part over the limit pass by, then takes the final line feed.
    fn end(&mut self, buffer: &mut BytesMut) -> Result<Option<Request>, RelpError> {
        let Some(overlong) = &mut self.overlong else {
            return Ok(None);
        };
        let passing =
            usize::try_from(overlong.remaining).map_or(buffer.len(), |left| left.min(buffer.len()));
        buffer.advance(passing);
        overlong.remaining -= wide(passing);
        match buffer.first() {
            None => return Ok(None),
            Some(b'\n') => buffer.advance(1),
            Some(_) => return Err(RelpError("no line feed after the data")),
        }
        Ok(self.overlong.take().map(Overlong::request))
    }
}

impl Overlong {
    fn request(self) -> Request {
        let Header {
            txnr,
            command,
            data_bytes,
            ..
        } = self.header;
        let cut = data_bytes > wide(self.head.len());
        let mark = cut.then_some(Mark::Truncated {
            original_bytes: data_bytes,
        });
        let command = match command.as_ref() {
            b"syslog" => Command::Syslog(Frame {
                raw: self.head,
                mark,
            }),
            b"open" => Command::Open(self.head),
            b"close" => Command::Close,
            _ => Command::Other(command),
        };
        Request { txnr, command }
    }
}

fn header(buffer: &[u8]) -> Result<Option<Header>, RelpError> {
    let Some((txnr, after_txnr)) = number(buffer, "a transaction number is expected")? else {
        return Ok(None);
    };
    let Some(name) = after_txnr.split_first() else {
        return Ok(None);
    };
    let (b' ', name) = name else {
        return Err(RelpError(
            "a space is expected after the transaction number",
        ));
    };
    let letters = name
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    if letters > COMMAND_MAX {
        return Err(RelpError("the command is too long"));
    }
    let (command, after_command) = name.split_at(letters);
    let length = match after_command.split_first() {
        None => return Ok(None),
        Some((b' ', length)) if letters > 0 => length,
        Some(_) => return Err(RelpError("a command of letters is expected")),
    };
    let Some((data_bytes, after_length)) = number(length, "a length is expected")? else {
        return Ok(None);
    };
    let space = match (data_bytes, after_length.first()) {
        (_, None) => return Ok(None),
        // Without data the space before it may be left out.
        (0, Some(b'\n')) => 0,
        (_, Some(b' ')) => 1,
        (_, Some(_)) => return Err(RelpError("a space is expected after the length")),
    };
    Ok(Some(Header {
        txnr,
        command: Bytes::copy_from_slice(command),
        data_bytes,
        bytes: buffer.len() - after_length.len() + space,
    }))
}

/// A decimal number, zero included, and what follows it.
fn number<'a>(bytes: &'a [u8], wrong: &'static str) -> Result<Option<(u64, &'a [u8])>, RelpError> {
    if let Some((b'0', after)) = bytes.split_first() {
        return Ok(Some((0, after)));
    }
    match leading_number(bytes, DIGITS_MAX) {
        Number::MoreNeeded => Ok(None),
        Number::Whole { value, digits } => Ok(bytes.get(digits..).map(|after| (value, after))),
        Number::Wrong => Err(RelpError(wrong)),
    }
}

/// The answer `200 OK` to transaction `txnr`, appended to `out`.
pub(crate) fn answer_ok(txnr: u64, out: &mut Vec<u8>) {
    answer(txnr, "200 OK", out);
}

/// The answer that the message is not kept and should be sent again.
pub(crate) fn answer_failed(txnr: u64, out: &mut Vec<u8>) {
    answer(txnr, "500 cannot store now", out);
}

/// The answer to `open`: what we offer, of what the sender offered.
pub(crate) fn answer_open(txnr: u64, out: &mut Vec<u8>) {
    answer(
        txnr,
        "200 OK\nrelp_version=0\nrelp_software=nhatky\ncommands=syslog",
        out,
    );
}

/// The answer to `close`, and the notice that we close, too.
pub(crate) fn answer_close(txnr: u64, out: &mut Vec<u8>) {
    answer(txnr, "", out);
    server_close(out);
}

/// The notice that we close the session.
pub(crate) fn server_close(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0 serverclose 0\n");
}

/// The answer to a command that we do not know.
pub(crate) fn answer_unknown(txnr: u64, out: &mut Vec<u8>) {
    answer(txnr, "500 command not supported", out);
}

fn answer(txnr: u64, text: &str, out: &mut Vec<u8>) {
    let space = if text.is_empty() { "" } else { " " };
    out.extend_from_slice(format!("{txnr} rsp {}{space}{text}\n", text.len()).as_bytes());
}

/// The requests of a stream that comes in these reads, and what ended it: for tests and fuzzing.
#[cfg(any(test, fuzzing))]
pub(crate) fn requests(limit: usize, reads: &[&[u8]]) -> (Vec<Request>, Option<RelpError>) {
    let mut decoder = RelpDecoder::new(limit);
    let (mut buffer, mut requests) = (BytesMut::new(), Vec::new());
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(error) => return (requests, Some(error)),
            }
        }
        assert!(buffer.len() <= limit + 2 * DIGITS_MAX + COMMAND_MAX + 3);
    }
    (requests, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn requests(reads: &[&[u8]]) -> (Vec<Request>, Option<RelpError>) {
        super::requests(16, reads)
    }

    fn syslog(txnr: u64, raw: &'static str, mark: Option<Mark>) -> Request {
        let frame = Frame {
            raw: Bytes::from_static(raw.as_bytes()),
            mark,
        };
        Request {
            txnr,
            command: Command::Syslog(frame),
        }
    }

    fn check(input: &[u8], expected: &[Request]) {
        assert_eq!(requests(&[input]), (expected.to_vec(), None));
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(requests(&bytes), (expected.to_vec(), None));
    }

    #[test]
    fn a_session_is_understood() {
        let open = Request {
            txnr: 1,
            command: Command::Open(Bytes::from_static(b"relp_version=0")),
        };
        let close = Request {
            txnr: 4,
            command: Command::Close,
        };
        check(
            b"1 open 14 relp_version=0\n2 syslog 7 <13>abc\n3 syslog 0\n4 close 0\n",
            &[open, syslog(2, "<13>abc", None), syslog(3, "", None), close],
        );
        check(
            b"5 close 0 \n",
            &[Request {
                txnr: 5,
                command: Command::Close,
            }],
        );
    }

    #[test]
    fn an_over_long_message_is_cut_and_the_session_goes_on() {
        let cut = syslog(
            1,
            "0123456789abcdef",
            Some(Mark::Truncated { original_bytes: 20 }),
        );
        check(
            b"1 syslog 20 0123456789abcdefghij\n2 syslog 1 x\n",
            &[cut, syslog(2, "x", None)],
        );
    }

    #[test]
    fn what_is_not_relp_ends_the_session() {
        let check = |input: &[u8]| {
            assert!(requests(&[input]).1.is_some(), "{input:?}");
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            assert!(requests(&bytes).1.is_some(), "{input:?} byte by byte");
        };
        check(b"GET / HTTP/1.1\r\n\r\n");
        check(b"1 syslog 3 abcd\n");
        check(b"1 syslog 9999999999 a\n");
        check(b"1 syslog x\n");
        check(b"1  3 abc\n");
        check(b"9999999999 syslog 3 abc\n");
        check(b"1 abcdefghijklmnopqrstuvwxyzabcdefghijkl 0\n");
    }

    #[test]
    fn answers_have_the_protocols_shape() {
        let mut out = Vec::new();
        answer_ok(7, &mut out);
        answer_close(8, &mut out);
        assert_eq!(out, b"7 rsp 6 200 OK\n8 rsp 0\n0 serverclose 0\n");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_requests(
            pieces in prop::collection::vec(prop_oneof![
                "[1-9][0-9]{0,3} [a-z]{1,6} 5 [a-z]{5}\n",
                "[1-9] syslog 20 [a-z]{20}\n",
                "[0-9a-z \n]{0,20}",
            ], 0..8),
            cuts in prop::collection::vec(1_usize..20, 1..20),
        ) {
            let input = pieces.concat().into_bytes();
            let mut reads = Vec::new();
            let mut rest = input.as_slice();
            for cut in cuts {
                let (read, after) = rest.split_at(cut.min(rest.len()));
                reads.push(read);
                rest = after;
            }
            reads.push(rest);
            prop_assert_eq!(requests(&reads), requests(&[&input]));
        }

        #[test]
        fn any_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..200)) {
            requests(&[&input]);
        }
    }
}
