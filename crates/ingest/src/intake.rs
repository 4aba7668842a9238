//! The one way from here to the journal: bounded, and never blocking a thread of the runtime.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event::{OwnRecord, Record, Seq};
use journal::{AppendError, Appender, Done, Reader, SeqRange};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// What a record takes in memory beside its bytes, about.
const RECORD_OVERHEAD: usize = 160;

/// Hands records over to the journal, as many bytes at a time as there is room for.
///
/// Who waits for room is served in the order of coming, so that everybody gets the same share of a busy disk.
#[derive(Clone)]
pub(crate) struct Intake {
    appender: Appender,
    reader: Reader,
    room: Arc<Semaphore>,
    room_bytes: u32,
    failed: Arc<AtomicBool>,
}

/// What becomes of the records handed over, once it is known.
pub(crate) type Receipt = oneshot::Receiver<Result<SeqRange, AppendError>>;

/// The journal takes nothing more before a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal has stopped")]
pub(crate) struct JournalStopped;

impl Intake {
    pub(crate) fn new(appender: Appender, reader: Reader, in_flight_bytes_max: u64) -> Self {
        // Tokio counts permits in 32 bits here.
        let room_bytes =
            u32::try_from(in_flight_bytes_max.clamp(1 << 20, 1 << 30)).unwrap_or(1 << 30);
        Self {
            appender,
            reader,
            room: Arc::new(Semaphore::new(room_bytes as usize)),
            room_bytes,
            failed: Arc::default(),
        }
    }

    /// Hands records over in their order, as soon as there is room. They are durable when the receipt says so.
    pub(crate) async fn hand_over(&self, records: Vec<Record>) -> Result<Receipt, JournalStopped> {
        let permit = self.room_for(&records).await?;
        if self.failed.load(Ordering::Relaxed) {
            return Err(JournalStopped);
        }
        let permit = Arc::new(permit);
        let (done, receipt) = self.done(Arc::clone(&permit));
        let Err(records) = self.appender.try_submit(records, done) else {
            return Ok(receipt);
        };
        // Its queue is full, by others than us: waiting for it would block, so it is done elsewhere.
        let (done, receipt) = self.done(permit);
        let appender = self.appender.clone();
        let submitted = tokio::task::spawn_blocking(move || appender.submit(records, done));
        submitted.await.map_err(|_| JournalStopped)?;
        Ok(receipt)
    }

    /// Hands over a record of the product about itself.
    pub(crate) async fn own(
        &self,
        own: &OwnRecord,
        now: event::Micros,
    ) -> Result<Receipt, JournalStopped> {
        self.hand_over(vec![own.to_record(now)]).await
    }

    /// The last Seq that is durable.
    pub(crate) fn durable(&self) -> Seq {
        self.reader.durable()
    }

    /// Waits until everything handed over is durable or refused.
    pub(crate) async fn drained(&self) {
        drop(self.room.acquire_many(self.room_bytes).await);
    }

    /// What the journal calls when it knows what became of a batch, and who hears of it.
    fn done(&self, permit: Arc<OwnedSemaphorePermit>) -> (Done, Receipt) {
        let (sender, receipt) = oneshot::channel();
        let failed = Arc::clone(&self.failed);
        let done = move |result: Result<SeqRange, AppendError>| {
            if let Err(error) = &result {
                let first = !failed.swap(true, Ordering::Relaxed);
                if first {
                    tracing::error!(%error, "records cannot be stored");
                }
            }
            // Nobody waits for a receipt of plain syslog.
            drop(sender.send(result));
            drop(permit);
        };
        (Box::new(done), receipt)
    }

    async fn room_for(&self, records: &[Record]) -> Result<OwnedSemaphorePermit, JournalStopped> {
        let bytes: usize = records
            .iter()
            .map(|record| record.raw.len() + RECORD_OVERHEAD)
            .sum();
        let bytes = u32::try_from(bytes)
            .unwrap_or(u32::MAX)
            .min(self.room_bytes);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes);
        room.await.map_err(|_| JournalStopped)
    }
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.room.available_permits();
        f.debug_struct("Intake")
            .field("room_bytes", &self.room_bytes)
            .field("free", &free)
            .finish_non_exhaustive()
    }
}
