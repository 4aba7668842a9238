//! Handing records to the writer: a queue bounded in bytes.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use event::{Record, Seq};

use crate::error::AppendError;
use crate::shared::unpoisoned;
use crate::writer::check_length;

/// The Seqs that a batch got, in the order of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqRange {
    /// The Seq of its first record.
    pub first: Seq,
    /// How many records there were.
    pub len: usize,
}

impl SeqRange {
    /// The Seq of the last record; for an empty batch the one before `first`.
    #[must_use]
    pub fn last(self) -> Seq {
        Seq(self
            .first
            .0
            .saturating_add(self.len as u64)
            .saturating_sub(1))
    }

    /// All of them.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Seq> {
        let seqs: RangeInclusive<u64> = self.first.0..=self.last().0;
        seqs.map(Seq)
    }
}

/// Called once when a batch is durable, or has failed.
pub type Done = Box<dyn FnOnce(Result<SeqRange, AppendError>) + Send>;

/// Appends records; cheap to clone, used by any number of threads.
#[derive(Clone, Debug)]
pub struct Appender {
    queue: Arc<Queue>,
}

impl Appender {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// Appends records and waits until they are durable.
    ///
    /// # Errors
    /// Then the records may or may not be found after the next start.
    pub fn append(&self, records: Vec<Record>) -> Result<SeqRange, AppendError> {
        let (sender, receiver) = sync_channel(1);
        self.submit(
            records,
            Box::new(move |result| {
                // The receiver waits below; if its thread is gone nobody wants to know.
                drop(sender.send(result));
            }),
        );
        receiver.recv().unwrap_or(Err(AppendError::Closed))
    }

    /// Hands records over and returns; waits only while the queue is full. `done` is called when they are durable or
    /// have failed: on the writer's thread, which waits for it, so it must be quick, or at once where the journal has
    /// ended or a record is too long.
    pub fn submit(&self, records: Vec<Record>, done: Done) {
        let Some(mut waiting) = Submission::checked(records, done) else {
            return;
        };
        while let Err(refused) = self.queue.offer(waiting) {
            waiting = refused;
            self.queue.wait_for_room(waiting.bytes);
        }
    }

    /// As [`Appender::submit`], but never waits.
    ///
    /// # Errors
    /// Gives the records back where the queue is full; `done` is not called then.
    pub fn try_submit(&self, records: Vec<Record>, done: Done) -> Result<(), Vec<Record>> {
        let Some(submission) = Submission::checked(records, done) else {
            return Ok(());
        };
        let offered = self.queue.offer(submission);
        offered.map_err(|refused| refused.records)
    }
}

/// Records that wait, with whom to tell.
pub(crate) struct Submission {
    pub(crate) records: Vec<Record>,
    bytes: usize,
    done: Done,
}

impl Submission {
    /// `None` where a record is too long: the caller was told.
    fn checked(records: Vec<Record>, done: Done) -> Option<Self> {
        let mut bytes = 0usize;
        for record in &records {
            match check_length(record) {
                Ok(own) => bytes = bytes.saturating_add(own),
                Err(error) => {
                    done(Err(error));
                    return None;
                }
            }
        }
        Some(Self {
            records,
            bytes,
            done,
        })
    }

    pub(crate) fn finish(self, result: Result<SeqRange, AppendError>) {
        (self.done)(result);
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission")
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}

/// The queue between appenders and the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bytes_max: usize,
    /// Told when something is added or the queue ends.
    added: Condvar,
    /// Told when something is taken or the queue ends.
    taken: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    bytes: usize,
    ended: Option<AppendError>,
}

impl Waiting {
    /// One batch larger than the whole queue is let in alone, else it would wait for ever.
    fn has_room(&self, bytes: usize, bytes_max: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= bytes_max
    }
}

/// What the writer has to do next.
#[derive(Debug)]
pub(crate) enum Work {
    Commit(Vec<Submission>),
    /// Nothing came for a while.
    Idle,
    /// The queue has ended and is empty.
    End,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            bytes_max,
            added: Condvar::new(),
            taken: Condvar::new(),
        }
    }

    /// Takes a submission in, or gives it back where there is no room.
    fn offer(&self, submission: Submission) -> Result<(), Submission> {
        let mut waiting = self.lock();
        if let Some(error) = &waiting.ended {
            let error = error.clone();
            drop(waiting);
            submission.finish(Err(error));
            return Ok(());
        }
        if !waiting.has_room(submission.bytes, self.bytes_max) {
            return Err(submission);
        }
        waiting.bytes = waiting.bytes.saturating_add(submission.bytes);
        waiting.submissions.push_back(submission);
        drop(waiting);
        self.added.notify_one();
        Ok(())
    }

    fn wait_for_room(&self, bytes: usize) {
        let full = |waiting: &mut Waiting| {
            waiting.ended.is_none() && !waiting.has_room(bytes, self.bytes_max)
        };
        drop(self.taken.wait_while(self.lock(), full));
    }

    /// Takes submissions of together about `bytes_max`, waiting for the first one up to `timeout`.
    pub(crate) fn take(&self, bytes_max: usize, timeout: Duration) -> Work {
        let waiting = self.lock();
        let nothing =
            |waiting: &mut Waiting| waiting.submissions.is_empty() && waiting.ended.is_none();
        let waited = self.added.wait_timeout_while(waiting, timeout, nothing);
        let (mut waiting, _) = unpoisoned(waited);
        let (mut taken, mut bytes) = (Vec::new(), 0usize);
        while bytes < bytes_max {
            let Some(submission) = waiting.submissions.pop_front() else {
                break;
            };
            bytes = bytes.saturating_add(submission.bytes);
            taken.push(submission);
        }
        match (taken.is_empty(), &waiting.ended) {
            (false, _) => Work::Commit(taken),
            (true, Some(_)) => Work::End,
            (true, None) => Work::Idle,
        }
    }

    /// Says that submissions which were taken no longer fill the queue.
    pub(crate) fn release(&self, submissions: &[Submission]) {
        let bytes = submissions.iter().fold(0usize, |sum, submission| {
            sum.saturating_add(submission.bytes)
        });
        let mut waiting = self.lock();
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        drop(waiting);
        self.taken.notify_all();
    }

    /// Waits a while, or until the queue ends.
    pub(crate) fn pause(&self, timeout: Duration) {
        let open = |waiting: &mut Waiting| waiting.ended.is_none();
        drop(self.added.wait_timeout_while(self.lock(), timeout, open));
    }

    /// Takes no more; what waits is still written.
    pub(crate) fn close(&self) {
        self.end(AppendError::Closed);
    }

    /// Takes no more, and refuses all that waits.
    pub(crate) fn fail(&self, error: &AppendError) {
        self.end(error.clone());
        let submissions = std::mem::take(&mut self.lock().submissions);
        for submission in submissions {
            submission.finish(Err(error.clone()));
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    fn end(&self, error: AppendError) {
        self.lock().ended.get_or_insert(error);
        self.added.notify_all();
        self.taken.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        unpoisoned(self.waiting.lock())
    }
}
