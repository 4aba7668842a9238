//! What the threads of an index share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use disk::Disk;
use event::{Event, Seq};

use crate::index::IndexOptions;
use crate::partition::Partition;
use crate::source::EventSource;
use crate::template::{Learner, Literals};

/// Events published and not yet committed, in the batches in which they came, ascending.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    batches: VecDeque<Arc<[Event]>>,
    bytes: usize,
}

impl Fresh {
    /// Adds a batch; its Seqs are above those before.
    pub(crate) fn push(&mut self, batch: Arc<[Event]>) {
        self.bytes += bytes_of(&batch);
        self.batches.push_back(batch);
    }

    /// Forgets the batches that lie wholly at or below `through`.
    pub(crate) fn forget(&mut self, through: Seq) {
        while let Some(batch) = self.batches.front() {
            if batch.last().is_some_and(|event| event.seq() > through) {
                return;
            }
            self.bytes -= bytes_of(batch);
            self.batches.pop_front();
        }
    }

    /// The memory that the events hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events it holds above `seq`.
    pub(crate) fn events_above(&self, seq: Seq) -> usize {
        self.after(seq)
            .map_or(0, |batches| batches.map(|batch| batch.len()).sum())
    }

    /// The first batch with events above `seq`.
    pub(crate) fn next_after(&self, seq: Seq) -> Option<Arc<[Event]>> {
        self.after(seq)?.next().cloned()
    }

    fn after(&self, seq: Seq) -> Option<impl Iterator<Item = &Arc<[Event]>>> {
        let at = self
            .batches
            .partition_point(|batch| batch.last().is_none_or(|event| event.seq() <= seq));
        (at < self.batches.len()).then(|| self.batches.iter().skip(at))
    }

    /// All batches, ascending.
    pub(crate) fn batches(&self) -> Vec<Arc<[Event]>> {
        self.batches.iter().cloned().collect()
    }
}

/// The memory that events hold, in bytes, the raw texts included.
pub(crate) fn bytes_of(batch: &[Event]) -> usize {
    let heap: usize = batch
        .iter()
        .map(|event| event.heap_bytes() + event.raw().len())
        .sum();
    heap + size_of_val(batch)
}

/// All that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) partitions: BTreeMap<Seq, Arc<Partition>>,
    /// Partitions whose folder cannot be used, with the reason: they are scanned.
    pub(crate) unusable: BTreeMap<Seq, String>,
    /// Partitions that are being reindexed: their segments are not merged meanwhile.
    pub(crate) rebuilding: BTreeSet<Seq>,
    pub(crate) fresh: Fresh,
    /// Every event up to here is in a segment.
    pub(crate) committed: Seq,
    /// The last event published.
    pub(crate) published: Seq,
    /// Today's fingerprints by product.
    pub(crate) fingerprints: Arc<BTreeMap<String, u64>>,
    /// Everything up to here is to be committed at once.
    pub(crate) wanted: Seq,
    pub(crate) closing: bool,
    /// Why the last commit or merge failed, until one succeeds.
    pub(crate) failure: Option<String>,
    pub(crate) commits: u64,
    pub(crate) merges: u64,
}

/// What the threads of an index share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: IndexOptions,
    pub(crate) source: Arc<dyn EventSource>,
    state: Mutex<State>,
    /// Something was published, or is wanted.
    pub(crate) published: Condvar,
    /// Something was committed.
    pub(crate) committed: Condvar,
    /// Held once more by each search that runs.
    pub(crate) searching: Arc<()>,
    /// What lines are made of.
    pub(crate) learner: Mutex<Learner>,
    /// Held while a partition's manifest is replaced: by a commit, a merge, a reindex or a drop.
    pub(crate) manifests: Mutex<()>,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        options: IndexOptions,
        source: Arc<dyn EventSource>,
        state: State,
    ) -> Self {
        let learner = Learner::knowing(options.literals.iter().cloned());
        Self {
            dir,
            disk: Arc::clone(&options.disk),
            options,
            source,
            state: Mutex::new(state),
            searching: Arc::default(),
            learner: Mutex::new(learner),
            published: Condvar::new(),
            committed: Condvar::new(),
            manifests: Mutex::new(()),
        }
    }

    /// The words that the next segment's templates are made of.
    pub(crate) fn literals(&self) -> Arc<Literals> {
        let learner = self.learner.lock();
        learner.unwrap_or_else(PoisonError::into_inner).literals()
    }

    /// The state. Every change under the lock is complete in itself, so that a panic elsewhere leaves it sound.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to replace manifests.
    pub(crate) fn lock_manifests(&self) -> MutexGuard<'_, ()> {
        self.manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
