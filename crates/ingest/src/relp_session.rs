//! One connection that speaks RELP: a message is answered `200 OK` once it is durable.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use event::Origin;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};

use crate::context::Context;
use crate::frame::relp::{
    Command, RelpDecoder, Request, answer_close, answer_failed, answer_ok, answer_open,
    answer_unknown, server_close,
};
use crate::frame::{Frame, wide};
use crate::intake::{JournalStopped, Receipt};
use crate::stream::{Pace, Stop, Stream, make_room, stopped};

/// Answers that may wait for the disk or the peer; then no more is read. A sender's window bounds them, too.
const ANSWERS_MAX: usize = 64;

/// An answer, in the order of the requests.
enum Answer {
    Now(Vec<u8>),
    WhenDurable { txnrs: Vec<u64>, receipt: Receipt },
}

/// Answers requests until the sender closes the session, breaks a limit, or it is time to stop.
pub(crate) async fn run(
    context: &Context,
    stream: Box<dyn Stream>,
    origin: &Arc<Origin>,
    stop: Stop,
) -> io::Result<()> {
    let (reader, writer) = tokio::io::split(stream);
    let (answers, waiting) = mpsc::channel(ANSWERS_MAX);
    let session = Session {
        reader,
        stop,
        answers,
        decoder: RelpDecoder::new(context.config.record_bytes_max.in_memory()),
        pace: Pace::new(&context.config),
        buffer: BytesMut::new(),
        frames: Vec::new(),
        txnrs: Vec::new(),
        context,
        origin,
    };
    let write_patience = context.config.message_time_max.0;
    let (read, written) = tokio::join!(session.run(), write(writer, waiting, write_patience));
    read.and(written)
}

/// Writes the answers in their order, each as soon as it may be given.
async fn write(
    mut writer: WriteHalf<Box<dyn Stream>>,
    mut waiting: mpsc::Receiver<Answer>,
    patience: Duration,
) -> io::Result<()> {
    while let Some(answer) = waiting.recv().await {
        let (bytes, failed) = match answer {
            Answer::Now(bytes) => (bytes, false),
            Answer::WhenDurable { txnrs, receipt } => {
                let durable = matches!(receipt.await, Ok(Ok(_)));
                let answer = if durable { answer_ok } else { answer_failed };
                let mut bytes = Vec::with_capacity(txnrs.len() * 20);
                txnrs.iter().for_each(|txnr| answer(*txnr, &mut bytes));
                (bytes, !durable)
            }
        };
        timeout(patience, writer.write_all(&bytes)).await??;
        timeout(patience, writer.flush()).await??;
        if failed {
            return Err(io::Error::other(JournalStopped));
        }
    }
    timeout(patience, writer.shutdown()).await?
}

/// The reading side of a connection.
struct Session<'a> {
    context: &'a Context,
    origin: &'a Arc<Origin>,
    reader: ReadHalf<Box<dyn Stream>>,
    stop: Stop,
    answers: mpsc::Sender<Answer>,
    decoder: RelpDecoder,
    pace: Pace,
    buffer: BytesMut,
    /// Messages read and not yet handed over, and their transaction numbers.
    frames: Vec<Frame>,
    txnrs: Vec<u64>,
}

/// Whether the session goes on after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Continue,
    Closed,
}

impl Session<'_> {
    async fn run(mut self) -> io::Result<()> {
        let mut last_read = 0;
        loop {
            make_room(&mut self.buffer, last_read);
            let reading = timeout_at(self.pace.deadline(), self.reader.read_buf(&mut self.buffer));
            let read = tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return self.say_close().await,
                read = reading => read,
            };
            last_read = match read {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => read?,
                Err(_) => {
                    self.say_close().await?;
                    return Err(io::ErrorKind::TimedOut.into());
                }
            };
            if self.take_requests().await? == Flow::Closed {
                return Ok(());
            }
        }
    }

    /// Answers every request that is whole; messages are handed over together.
    async fn take_requests(&mut self) -> io::Result<Flow> {
        let mut ended = 0;
        let flow = loop {
            match self.decoder.next(&mut self.buffer) {
                Ok(Some(request)) => {
                    ended += 1;
                    if self.take(request).await? == Flow::Closed {
                        break Flow::Closed;
                    }
                }
                Ok(None) => break Flow::Continue,
                Err(error) => {
                    self.hand_over().await?;
                    let bytes = wide(self.buffer.len());
                    self.context
                        .note_framing(&self.origin.sender(), 1, bytes, &error.to_string());
                    self.say_close().await?;
                    break Flow::Closed;
                }
            }
        };
        self.hand_over().await?;
        self.pace.heard(ended, self.decoder.is_inside(&self.buffer));
        Ok(flow)
    }

    async fn take(&mut self, request: Request) -> io::Result<Flow> {
        let Request { txnr, command } = request;
        let mut answer = Vec::new();
        let flow = match command {
            Command::Syslog(frame) => {
                self.frames.push(frame);
                self.txnrs.push(txnr);
                return Ok(Flow::Continue);
            }
            Command::Open(_) => {
                answer_open(txnr, &mut answer);
                Flow::Continue
            }
            Command::Other(_) => {
                answer_unknown(txnr, &mut answer);
                Flow::Continue
            }
            Command::Close => {
                answer_close(txnr, &mut answer);
                Flow::Closed
            }
        };
        self.hand_over().await?;
        self.answer(Answer::Now(answer)).await?;
        Ok(flow)
    }

    async fn hand_over(&mut self) -> io::Result<()> {
        let count = self.frames.len();
        if count == 0 {
            return Ok(());
        }
        let txnrs = std::mem::take(&mut self.txnrs);
        let handed_over = self.context.hand_over(self.origin, &mut self.frames).await;
        let answer = match handed_over {
            Ok(receipt) => Answer::WhenDurable { txnrs, receipt },
            Err(JournalStopped) => {
                let mut failed = Vec::new();
                txnrs
                    .iter()
                    .for_each(|txnr| answer_failed(*txnr, &mut failed));
                Answer::Now(failed)
            }
        };
        self.answer(answer).await?;
        let peer = self.origin.peer.map(|peer| peer.ip());
        let delay = peer
            .map(|peer| self.context.rate_delay(peer, count))
            .unwrap_or_default();
        if !delay.is_zero() {
            tokio::select! {
                () = stopped(&mut self.stop) => {}
                () = tokio::time::sleep(delay) => {}
            }
        }
        Ok(())
    }

    async fn say_close(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        server_close(&mut bytes);
        self.answer(Answer::Now(bytes)).await
    }

    async fn answer(&mut self, answer: Answer) -> io::Result<()> {
        let sent = self.answers.send(answer).await;
        // The writing side says what went wrong.
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
