//! One connection that speaks syslog, over TCP or TLS.
//!
//! There is no reply: when the journal has no room, reading stops and TCP pushes back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use event::Origin;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};

use crate::context::Context;
use crate::frame::Frame;
use crate::frame::multiline::LineJoiner;
use crate::frame::syslog::SyslogDecoder;
use crate::intake::JournalStopped;
use crate::stream::{Pace, Stop, Stream, make_room, stopped};

/// After so long without a further line, a message of several lines is taken to be whole.
const JOIN_QUIET: Duration = Duration::from_secs(1);
/// When stopping, what the sender has sent already is still taken: until nothing comes for so long, …
const DRAIN_QUIET: Duration = Duration::from_millis(100);
/// … and for no longer than this.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// Takes messages until the sender ends the connection, breaks a limit, or it is time to stop.
pub(crate) async fn run(
    context: &Context,
    stream: Box<dyn Stream>,
    origin: &Arc<Origin>,
    stop: Stop,
) -> io::Result<()> {
    let limit = context.config.record_bytes_max.in_memory();
    let joiner = |start: &regex::bytes::Regex| LineJoiner::new(start.clone(), limit);
    let session = Session {
        stream,
        stop,
        stopping_until: None,
        buffer: BytesMut::new(),
        last_read: 0,
        decoder: SyslogDecoder::new(context.config.framing, limit),
        joiner: context.multiline.as_ref().map(joiner),
        pace: Pace::new(&context.config),
        context,
        origin,
    };
    session.run().await
}

struct Session<'a> {
    context: &'a Context,
    origin: &'a Arc<Origin>,
    stream: Box<dyn Stream>,
    stop: Stop,
    stopping_until: Option<Instant>,
    buffer: BytesMut,
    last_read: usize,
    decoder: SyslogDecoder,
    joiner: Option<LineJoiner>,
    pace: Pace,
}

/// What happened while waiting for the peer.
enum Next {
    Bytes,
    End(io::Result<()>),
    Late,
    Stop,
}

impl Session<'_> {
    async fn run(mut self) -> io::Result<()> {
        let ended = loop {
            match self.next().await {
                Next::Bytes => {}
                Next::End(ended) => break ended,
                Next::Stop => {
                    self.stopping_until = Some(Instant::now() + DRAIN_MAX);
                    continue;
                }
                Next::Late if self.flush_joined().await? => continue,
                Next::Late => break self.late(),
            }
            self.take_frames().await?;
        };
        let mut frames = Vec::new();
        self.decoder.finish(&mut self.buffer, &mut frames);
        let mut messages = self.join(frames);
        if let Some(joiner) = &mut self.joiner {
            joiner.flush(&mut messages);
        }
        self.hand_over(messages).await?;
        ended
    }

    async fn next(&mut self) -> Next {
        make_room(&mut self.buffer, self.last_read);
        let deadline = self.deadline();
        // A read that is ready wins over its deadline, so that a sender without a pause would hold up the stop.
        if self
            .stopping_until
            .is_some_and(|until| until <= Instant::now())
        {
            return Next::Late;
        }
        let reading = timeout_at(deadline, self.stream.read_buf(&mut self.buffer));
        let stopping = self.stopping_until.is_some();
        let read = tokio::select! {
            biased;
            () = stopped(&mut self.stop), if !stopping => return Next::Stop,
            read = reading => read,
        };
        match read {
            Err(_) => Next::Late,
            Ok(Ok(0)) => Next::End(Ok(())),
            Ok(Err(error)) => Next::End(Err(error)),
            Ok(Ok(bytes)) => {
                self.last_read = bytes;
                Next::Bytes
            }
        }
    }

    fn deadline(&self) -> Instant {
        if let Some(until) = self.stopping_until {
            return until.min(Instant::now() + DRAIN_QUIET);
        }
        let deadline = self.pace.deadline();
        if self.is_joining() {
            return deadline.min(Instant::now() + JOIN_QUIET);
        }
        deadline
    }

    fn is_joining(&self) -> bool {
        self.joiner.as_ref().is_some_and(LineJoiner::is_inside)
    }

    /// Hands over every message that is whole, then waits as long as the peer ran ahead of its rate.
    async fn take_frames(&mut self) -> io::Result<()> {
        let mut frames = Vec::new();
        self.decoder.decode(&mut self.buffer, &mut frames);
        let ended = frames.len();
        let messages = self.join(frames);
        self.hand_over(messages).await?;
        self.pace.heard(ended, self.decoder.is_inside(&self.buffer));
        Ok(())
    }

    fn join(&mut self, frames: Vec<Frame>) -> Vec<Frame> {
        let Some(joiner) = &mut self.joiner else {
            return frames;
        };
        let mut messages = Vec::new();
        for frame in frames {
            joiner.push(frame, &mut messages);
        }
        messages
    }

    /// Gives out a message that nothing has continued for a while; false when there is none.
    async fn flush_joined(&mut self) -> io::Result<bool> {
        let flushing = self.is_joining() && self.stopping_until.is_none();
        let mut messages = Vec::new();
        if let Some(joiner) = self.joiner.as_mut().filter(|_| flushing) {
            joiner.flush(&mut messages);
        }
        self.hand_over(messages).await?;
        Ok(flushing)
    }

    async fn hand_over(&mut self, mut messages: Vec<Frame>) -> io::Result<()> {
        let count = messages.len();
        if count == 0 {
            return Ok(());
        }
        let handed_over = self.context.hand_over(self.origin, &mut messages).await;
        handed_over.map_err(|JournalStopped| io::Error::other(JournalStopped))?;
        let peer = self.origin.peer.map(|peer| peer.ip());
        let delay = peer
            .map(|peer| self.context.rate_delay(peer, count))
            .unwrap_or_default();
        if !delay.is_zero() && self.stopping_until.is_none() {
            tokio::select! {
                () = stopped(&mut self.stop) => {}
                () = tokio::time::sleep(delay) => {}
            }
        }
        Ok(())
    }

    /// The peer took too long; what it had begun is going to be kept, marked unfinished.
    fn late(&self) -> io::Result<()> {
        if self.stopping_until.is_some() {
            return Ok(());
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}
