//! What the journal tells about itself, for metrics and health.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event::Seq;

/// Upper bounds of the buckets of [`SyncLatency`], in microseconds; the last bucket has none.
pub const SYNC_BUCKETS_US: [u64; 14] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000,
];

/// Whether records are being taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Running,
    /// The disk is full or below the reserve: appending waits, and goes on by itself when there is room.
    DiskFull,
    /// The disk failed; only a restart helps.
    Stopped(Arc<str>),
    /// Closed on request.
    Closed,
}

/// A snapshot of the journal's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether records are being taken.
    pub state: State,
    /// The last Seq that is durable; [`Seq::ZERO`] before the first.
    pub durable: Seq,
    /// Records appended since the start.
    pub records: u64,
    /// Their bytes, uncompressed, with receipt data.
    pub raw_bytes: u64,
    /// Bytes written for them, before sealing.
    pub stored_bytes: u64,
    /// Bytes of records that wait for the writer now.
    pub queue_bytes: u64,
    /// How many there may be.
    pub queue_bytes_max: u64,
    /// Segments that wait to be sealed, the one being written left out.
    pub segments_to_seal: u64,
    /// Bytes of all files of the journal.
    pub file_bytes: u64,
    /// How long syncs took.
    pub sync: SyncLatency,
}

/// How long syncs took, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncLatency {
    /// The last one.
    pub last: Duration,
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
    /// How many took at most [`SYNC_BUCKETS_US`] and more than the bound before; the last: more than all bounds.
    pub buckets: [u64; SYNC_BUCKETS_US.len() + 1],
}

/// The figures as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) raw_bytes: AtomicU64,
    pub(crate) stored_bytes: AtomicU64,
    sync_last_us: AtomicU64,
    sync_sum_us: AtomicU64,
    sync_buckets: [AtomicU64; SYNC_BUCKETS_US.len() + 1],
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn synced(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sync_last_us.store(micros, Ordering::Relaxed);
        Self::add(&self.sync_sum_us, micros);
        let bucket = SYNC_BUCKETS_US.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.sync_buckets.get(bucket) {
            Self::add(bucket, 1);
        }
    }

    pub(crate) fn sync_latency(&self) -> SyncLatency {
        let buckets = self
            .sync_buckets
            .each_ref()
            .map(|bucket| bucket.load(Ordering::Relaxed));
        SyncLatency {
            last: Duration::from_micros(self.sync_last_us.load(Ordering::Relaxed)),
            count: buckets.iter().sum(),
            sum: Duration::from_micros(self.sync_sum_us.load(Ordering::Relaxed)),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_bucket_of_its_bound() {
        let counters = Counters::default();
        for micros in [50, 51, 2_000_000] {
            counters.synced(Duration::from_micros(micros));
        }
        let latency = counters.sync_latency();
        assert_eq!(latency.count, 3);
        assert_eq!(latency.buckets[..2], [1, 1]);
        assert_eq!(latency.buckets.last(), Some(&1));
        assert_eq!(latency.last, Duration::from_secs(2));
    }
}
