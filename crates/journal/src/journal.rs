//! The journal as a whole: opens, runs its two threads, closes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use disk::Disk;
use event::{Clock, OwnRecord, Record, Seq};

use crate::appender::{Appender, Queue, SeqRange, Submission, Work};
use crate::error::{AppendError, CloseError, OpenError, is_full};
use crate::options::Options;
use crate::reader::Reader;
use crate::recover::{Recovery, recover};
use crate::retain;
use crate::seal::{self, SealError};
use crate::shared::{Shared, unpoisoned};
use crate::status::{State, Status};
use crate::writer::{CommitError, Writer};

/// Nothing has come for so long: time to attest what was written.
const IDLE_AFTER: Duration = Duration::from_millis(100);
/// How often the writer wakes when there is nothing to attest.
const IDLE_EVERY: Duration = Duration::from_secs(10);
/// How often a full disk is looked at again.
const FULL_RETRY: Duration = Duration::from_millis(200);
/// How often the housekeeper looks for work.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);

/// An open journal. Closing, or dropping, it writes what waits and ends its threads.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    recovery: Recovery,
    housekeeping: Arc<Housekeeping>,
    writer: Option<JoinHandle<Result<(), AppendError>>>,
    housekeeper: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal in `dir`, creating it where there is none, and recovers from whatever happened before.
    ///
    /// The caller sees to it that nobody else has it open.
    ///
    /// # Errors
    /// See [`OpenError`]; damage is not one: it is in [`Journal::recovery`], and in the records.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (writer, recovery) = open_writer(disk, dir, options, clock)?;
        let shared = Arc::clone(writer.shared());
        let queue = Arc::new(Queue::new(shared.options.queue_bytes_max));
        let housekeeping = Arc::new(Housekeeping::default());
        let writer = {
            let (queue, housekeeping) = (Arc::clone(&queue), Arc::clone(&housekeeping));
            spawn("journal-writer", move || {
                write(writer, &queue, &housekeeping)
            })
        };
        let housekeeper = {
            let (shared, housekeeping) = (Arc::clone(&shared), Arc::clone(&housekeeping));
            let appender = Appender::new(Arc::clone(&queue));
            spawn("journal-keeper", move || {
                housekeeping.run(&shared, &appender);
            })
        };
        Ok(Self {
            shared,
            queue,
            recovery,
            housekeeping,
            writer: Some(writer.map_err(OpenError::at(dir))?),
            housekeeper: Some(housekeeper.map_err(OpenError::at(dir))?),
        })
    }

    /// For those who append.
    #[must_use]
    pub fn appender(&self) -> Appender {
        Appender::new(Arc::clone(&self.queue))
    }

    /// For those who read.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// What opening found.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The journal's figures now.
    #[must_use]
    pub fn status(&self) -> Status {
        let counters = &self.shared.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let file_bytes = {
            let map = self.shared.map();
            let sizes = map.segments().map(|(_, segment)| segment.file_bytes);
            sizes.fold(0, u64::saturating_add)
        };
        Status {
            state: self.shared.state(),
            durable: self.shared.durable(),
            records: load(&counters.records),
            raw_bytes: load(&counters.raw_bytes),
            stored_bytes: load(&counters.stored_bytes),
            queue_bytes: self.queue.bytes() as u64,
            queue_bytes_max: self.shared.options.queue_bytes_max as u64,
            segments_to_seal: seal::waiting(&self.shared) as u64,
            file_bytes,
            sync: counters.sync_latency(),
        }
    }

    /// Writes what waits, attests it, and ends the threads. Appending fails from now on; reading goes on.
    ///
    /// # Errors
    /// Where the writer had stopped, or stops now.
    pub fn close(mut self) -> Result<(), CloseError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), CloseError> {
        self.housekeeping.stop();
        self.queue.close();
        let housekeeper = self.housekeeper.take().map(JoinHandle::join);
        if matches!(housekeeper, Some(Err(_))) {
            tracing::error!("the journal's housekeeper had panicked");
        }
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let ended = writer.join().unwrap_or_else(|_| {
            let reason = "the writer panicked".into();
            Err(AppendError::Stopped { reason })
        });
        ended.map_err(|error| CloseError::Stopped {
            reason: error.to_string().into(),
        })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "closing the journal failed");
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Recovers, records what was found, repairs, and gives the writer that goes on from there.
pub(crate) fn open_writer(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: Options,
    clock: Arc<dyn Clock>,
) -> Result<(Writer, Recovery), OpenError> {
    options.check()?;
    let class_dir = dir.join("default");
    disk::create_dir_durable(disk.as_ref(), &class_dir).map_err(OpenError::at(&class_dir))?;
    let recovered = recover(disk.as_ref(), &class_dir, clock.now())?;
    let durable = Seq(recovered.position.next.0.saturating_sub(1));
    let now = clock.now();
    let shared = Arc::new(Shared::new(
        disk,
        clock,
        options,
        dir.to_owned(),
        class_dir,
        recovered.map,
        durable,
    ));
    let mut writer = Writer::new(
        Arc::clone(&shared),
        recovered.position,
        recovered.partition,
        recovered.seen_us,
    );
    let losses = recovered.losses;
    let records: Vec<Record> = losses
        .iter()
        .map(|loss| OwnRecord::Loss(loss.clone()).to_record(now))
        .collect();
    match writer.commit(&[&records]) {
        Ok(_) => {}
        Err(CommitError::Refused(error)) => return Err(error.into()),
        Err(CommitError::Full) => return Err(full(dir)),
    }
    for repair in &recovered.repairs {
        match seal::repair(&shared, repair) {
            Err(error) if is_full(&error) => return Err(full(dir)),
            other => other.map_err(OpenError::at(&repair.path))?,
        }
    }
    Ok((writer, Recovery { durable, losses }))
}

fn full(dir: &Path) -> OpenError {
    OpenError::Io {
        path: dir.to_owned(),
        source: std::io::ErrorKind::StorageFull.into(),
    }
}

/// The writer's thread.
fn write(
    mut writer: Writer,
    queue: &Queue,
    housekeeping: &Housekeeping,
) -> Result<(), AppendError> {
    let _ends = EndsQueue {
        queue,
        shared: Arc::clone(writer.shared()),
    };
    let commit_bytes_max = writer.shared().options.commit_bytes_max;
    loop {
        let timeout = if writer.is_attested() {
            IDLE_EVERY
        } else {
            IDLE_AFTER
        };
        match queue.take(commit_bytes_max, timeout) {
            Work::Commit(submissions) => commit(&mut writer, queue, submissions),
            Work::Idle => {
                if let Err(error) = writer.idle() {
                    queue.fail(&error);
                }
            }
            Work::End => break,
        }
        housekeeping
            .seen_us
            .store(writer.seen_us(), Ordering::Relaxed);
    }
    let closed = writer.close();
    if closed.is_ok() {
        writer.shared().set_state(State::Closed);
    }
    closed
}

/// Makes submissions durable and tells their senders; waits as long as the disk is full.
fn commit(writer: &mut Writer, queue: &Queue, submissions: Vec<Submission>) {
    let batches: Vec<&[Record]> = submissions
        .iter()
        .map(|submission| submission.records.as_slice())
        .collect();
    let done = loop {
        match writer.commit(&batches) {
            Ok(first) => break Ok(first),
            Err(CommitError::Refused(error)) => break Err(error),
            Err(CommitError::Full) if queue.has_ended() => break Err(AppendError::Closed),
            Err(CommitError::Full) => {
                if writer.shared().state() == State::Running {
                    tracing::warn!("the disk is full or below the reserve: appending waits");
                    writer.shared().set_state(State::DiskFull);
                }
                queue.pause(FULL_RETRY);
            }
        }
    };
    drop(batches);
    if writer.shared().state() == State::DiskFull && done.is_ok() {
        tracing::info!("there is room again: appending goes on");
        writer.shared().set_state(State::Running);
    }
    queue.release(&submissions);
    match done {
        Ok(first) => finish(first, submissions),
        Err(error) => {
            for submission in submissions {
                submission.finish(Err(error.clone()));
            }
            queue.fail(&error);
        }
    }
}

fn finish(mut first: Seq, submissions: Vec<Submission>) {
    for submission in submissions {
        let len = submission.records.len();
        submission.finish(Ok(SeqRange { first, len }));
        first = Seq(first.0.saturating_add(len as u64));
    }
}

/// However the writer's thread ends, nobody waits for it any more.
struct EndsQueue<'a> {
    queue: &'a Queue,
    shared: Arc<Shared>,
}

impl Drop for EndsQueue<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason: Arc<str> = "the writer panicked".into();
            self.shared.set_state(State::Stopped(Arc::clone(&reason)));
            self.queue.fail(&AppendError::Stopped { reason });
        }
        self.queue.fail(&AppendError::Closed);
        self.shared.wake_readers();
    }
}

/// Seals and retains, beside the writer.
#[derive(Debug, Default)]
struct Housekeeping {
    stopping: AtomicBool,
    /// As the writer counts it.
    seen_us: AtomicU64,
    sleep: Mutex<()>,
    wake: Condvar,
}

impl Housekeeping {
    fn stop(&self) {
        let _sleep = unpoisoned(self.sleep.lock());
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn run(&self, shared: &Shared, appender: &Appender) {
        while !self.is_stopping() {
            while self.retain(shared, appender) && !self.is_stopping() {}
            match seal::seal_next(shared, &self.stopping) {
                Ok(true) => continue,
                Ok(false) | Err(SealError::Closing) => {}
                Err(error) => tracing::warn!(%error, "sealing waits"),
            }
            let sleep = unpoisoned(self.sleep.lock());
            let staying = |_: &mut ()| !self.is_stopping();
            drop(
                self.wake
                    .wait_timeout_while(sleep, HOUSEKEEPING_EVERY, staying),
            );
        }
    }

    /// Drops one partition whose time is over; says whether there was one.
    fn retain(&self, shared: &Shared, appender: &Appender) -> bool {
        let Some(info) = retain::due(shared, self.seen_us.load(Ordering::Relaxed)) else {
            return false;
        };
        let record = retain::dropped(&info).to_record(shared.clock.now());
        // With a full disk nothing can be appended before the space is there: then the record follows.
        let told =
            shared.state() == State::DiskFull || appender.append(vec![record.clone()]).is_ok();
        if !told {
            return false;
        }
        let full = shared.state() == State::DiskFull;
        if let Err(error) = retain::drop_partition(shared, info.first) {
            tracing::error!(%error, partition = %info.first, "a partition could not be dropped; the next start does it");
        }
        if full {
            let done = Box::new(|result: Result<SeqRange, AppendError>| {
                if let Err(error) = result {
                    tracing::error!(%error, "the drop of a partition could not be recorded");
                }
            });
            appender.submit(vec![record], done);
        }
        true
    }
}
