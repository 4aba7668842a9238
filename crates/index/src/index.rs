//! The index as its users see it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use disk::{Disk, EntryKind, RealDisk};
use event::{Event, Seq};
use tracing::warn;

use crate::each::{self, Each, Wanted};
use crate::explain::{self, ExplainRequest, Explained};
use crate::histogram::{self, Histogram, HistogramRequest};
use crate::partition::{self, Partition};
use crate::reindex::{self, ReindexError, Reindexed};
use crate::scope::{Scope, SearchError};
use crate::search::{self, SearchRequest, SearchResult};
use crate::source::{Depth, EventSource};
use crate::state::{Fresh, Shared, State};
use crate::stats::{self, StatsRequest, Tables};
use crate::status::IndexStatus;
use crate::top::{self, TopRequest, Tops};
use crate::{commit, merge};

/// How an index works.
#[derive(Clone, Debug)]
pub struct IndexOptions {
    /// Where it writes. Segments are read through memory maps, so it must be a disk of the system.
    pub disk: Arc<dyn Disk>,
    /// The most memory of events not yet committed, in bytes; beyond, publishing waits.
    ///
    /// Default 64 MiB: some fifty thousand events.
    pub fresh_bytes_max: usize,
    /// A commit comes after so many events at the latest.
    pub commit_events: u32,
    /// A commit comes so long after the first event that is not committed. Events are found before that.
    ///
    /// Default 5 s: small enough that a quiet node has little to read again after a crash.
    pub commit_after: Duration,
    /// The most events of one segment.
    pub merge_events_max: u32,
    /// How many threads of one search ask events.
    pub search_threads: usize,
    /// How much of an event is published.
    pub fresh_depth: Depth,
    /// Folded words that are taken for literal text of templates before any are learnt from lines. Which they are
    /// decides what is saved, never what is found.
    pub literals: Vec<Box<str>>,
    /// Per product, what today's events depend on: definition, field table, settings of its sources.
    pub fingerprints: BTreeMap<String, u64>,
}

impl Default for IndexOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            disk: Arc::new(RealDisk),
            fresh_bytes_max: 64 << 20,
            commit_events: 100_000,
            commit_after: Duration::from_secs(5),
            merge_events_max: 1_000_000,
            search_threads: cores.min(8),
            fresh_depth: Depth::Core,
            literals: Vec::new(),
            fingerprints: BTreeMap::new(),
        }
    }
}

/// Why an index cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be read or made.
    #[error("cannot open the index in {path}: {source}")]
    Folder {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread of the index: {0}")]
    Thread(io::Error),
}

/// Nothing more is published: the index is closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the index is closing")]
pub struct ClosedError;

/// The index over a journal. Shared by threads; every search takes a snapshot.
#[derive(Debug)]
pub struct Index {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Index {
    /// Opens the index in that folder, which is made where it is missing, and starts its threads.
    ///
    /// A partition that cannot be used is scanned until it is reindexed; [`Index::status`] says why.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        dir: &Path,
        options: IndexOptions,
        source: Arc<dyn EventSource>,
    ) -> Result<Self, OpenError> {
        let state = load(dir, &options).map_err(|source| OpenError::Folder {
            path: dir.to_owned(),
            source,
        })?;
        let shared = Arc::new(Shared::new(dir.to_owned(), options, source, state));
        let index = Self {
            threads: Mutex::new(Vec::new()),
            shared,
        };
        index.drop_outlived();
        index.start("index-commit", commit::run)?;
        index.start("index-merge", merge::run)?;
        Ok(index)
    }

    /// Removes partitions that the journal dropped while nobody told the index.
    fn drop_outlived(&self) {
        let spans = self.shared.source.partitions();
        let Some(oldest) = spans.first().map(|span| span.first) else {
            return;
        };
        let state = self.shared.lock();
        let known = state.partitions.keys().chain(state.unusable.keys());
        let outlived: Vec<Seq> = known.copied().filter(|first| *first < oldest).collect();
        drop(state);
        for first in outlived {
            if let Err(error) = self.drop_partition(first) {
                warn!(%error, partition = %first, "cannot remove the index of a dropped partition");
            }
        }
    }

    fn start(&self, name: &str, run: fn(&Shared)) -> Result<(), OpenError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared))
            .map_err(OpenError::Thread)?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread);
        Ok(())
    }

    /// Every event up to here is committed: after opening, publishing goes on with the next.
    #[must_use]
    pub fn committed_through(&self) -> Seq {
        self.shared.lock().committed
    }

    /// Makes events searchable, at once, and has them committed later. Waits while too many are not yet committed.
    ///
    /// Seqs ascend within a batch and from batch to batch; events at or below the last published are passed over, so
    /// that the journal may be read again from anywhere.
    ///
    /// # Errors
    /// The index is closing; nothing of the batch was published.
    pub fn publish(&self, batch: Arc<[Event]>) -> Result<(), ClosedError> {
        let mut state = self.shared.lock();
        while state.fresh.bytes() > self.shared.options.fresh_bytes_max && !state.closing {
            state = self
                .shared
                .committed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closing {
            return Err(ClosedError);
        }
        let Some(last) = batch.last().map(Event::seq) else {
            return Ok(());
        };
        let published = state.published;
        if last <= published {
            return Ok(());
        }
        let is_new = batch.first().is_some_and(|event| event.seq() > published);
        let batch = if is_new {
            batch
        } else {
            let new = batch.iter().filter(|event| event.seq() > published);
            new.cloned().collect()
        };
        state.fresh.push(batch);
        state.published = last;
        drop(state);
        self.shared.published.notify_all();
        Ok(())
    }

    /// Commits what is published, and waits until it is done or has failed.
    ///
    /// # Errors
    /// The reason why it could not be committed, as text; it is tried again later.
    pub fn flush(&self) -> Result<(), String> {
        let mut state = self.shared.lock();
        let wanted = state.published;
        state.wanted = state.wanted.max(wanted);
        self.shared.published.notify_all();
        while state.committed < wanted && !state.closing {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            let tick = Duration::from_millis(100);
            (state, _) = self
                .shared
                .committed
                .wait_timeout(state, tick)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// The newest events that match, one page of them.
    ///
    /// # Errors
    /// See [`SearchError`]. A budget that is used up, or a cancelled search, is no error.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResult, SearchError> {
        let mut hits = Vec::new();
        let mut result = self.search_streaming(request, &mut |found| hits.extend(found))?;
        result.hits = hits;
        Ok(result)
    }

    /// As [`Index::search`], but the hits are handed over as they are found, newest first, and not in the result.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn search_streaming(
        &self,
        request: &SearchRequest,
        on_hits: &mut dyn FnMut(Vec<Event>),
    ) -> Result<SearchResult, SearchError> {
        search::search(&self.shared, request, on_hits)
    }

    /// Hands over every event that matches, newest first, with as much of it as is wanted, until `on_event` breaks off.
    ///
    /// # Errors
    /// See [`SearchError`]. A budget that is used up, or a cancelled search, is no error.
    pub fn each(
        &self,
        scope: &Scope,
        wanted: &Wanted,
        on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<Each, SearchError> {
        each::each(&self.shared, scope, wanted, on_event)
    }

    /// Counts over time.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, SearchError> {
        histogram::histogram(&self.shared, request)
    }

    /// Aggregates by key, several tables at once over the same events.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn stats(&self, request: &StatsRequest) -> Result<Tables, SearchError> {
        stats::stats(&self.shared, request)
    }

    /// The most frequent values of fields, in one pass. Fields that are no columns are read from the events.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn top(&self, request: &TopRequest) -> Result<Tops, SearchError> {
        top::top(&self.shared, request)
    }

    /// Says how a search is answered, piece by piece, and what it will cost or has cost.
    ///
    /// # Errors
    /// See [`SearchError`].
    pub fn explain(&self, request: &ExplainRequest) -> Result<Explained, SearchError> {
        explain::explain(&self.shared, request)
    }

    /// What there is, and how far it reaches.
    #[must_use]
    pub fn status(&self) -> IndexStatus {
        IndexStatus::of(&self.shared)
    }

    /// Says what the events that will be published depend on, per product. What was published before is committed first,
    /// under the fingerprints that it was parsed under; segments made under others than today's are stale.
    pub fn set_fingerprints(&self, fingerprints: BTreeMap<String, u64>) {
        if let Err(error) = self.flush() {
            warn!(%error, "events published before the change count as parsed after it");
        }
        self.shared.lock().fingerprints = Arc::new(fingerprints);
    }

    /// Removes the index of a partition that the journal has dropped. None is no error.
    ///
    /// # Errors
    /// Its files cannot be removed; searches no longer use them.
    pub fn drop_partition(&self, first: Seq) -> io::Result<()> {
        let _manifests = self.shared.lock_manifests();
        let mut state = self.shared.lock();
        state.partitions.remove(&first);
        state.unusable.remove(&first);
        drop(state);
        let folder = partition::folder(&self.shared.dir, first);
        partition::remove_folder(&*self.shared.disk, &folder)
    }

    /// Makes the segments of a partition anew from today's events, beside the old ones, and puts them in their place.
    /// Searches go on; so does the indexing of what arrives.
    ///
    /// # Errors
    /// See [`ReindexError`]; the old segments stay then.
    pub fn reindex(
        &self,
        first: Seq,
        on_progress: &mut dyn FnMut(Seq),
    ) -> Result<Reindexed, ReindexError> {
        reindex::reindex(&self.shared, first, on_progress)
    }

    /// Commits what is published and ends the threads. Searches still work.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.published.notify_all();
        self.shared.committed.notify_all();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                warn!("a thread of the index has panicked");
            }
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens every partition's folder.
fn load(dir: &Path, options: &IndexOptions) -> io::Result<State> {
    let disk = &*options.disk;
    disk::create_dir_durable(disk, dir)?;
    let mut partitions: BTreeMap<Seq, Arc<Partition>> = BTreeMap::new();
    let mut unusable = BTreeMap::new();
    for entry in disk.list(dir)? {
        let Some(first) = partition::of_folder(&entry.name) else {
            continue;
        };
        if entry.kind != EntryKind::Directory {
            continue;
        }
        match Partition::open(disk, &dir.join(&entry.name), first) {
            Ok(partition) => {
                partitions.insert(first, Arc::new(partition));
            }
            Err(error) => {
                warn!(%error, partition = %first, "partition without a usable index: it is scanned");
                unusable.insert(first, error.to_string());
            }
        }
    }
    let committed = partitions
        .values()
        .map(|partition| partition.through)
        .max()
        .unwrap_or(Seq::ZERO);
    Ok(State {
        partitions,
        unusable,
        rebuilding: BTreeSet::new(),
        fresh: Fresh::default(),
        committed,
        published: committed,
        fingerprints: Arc::new(options.fingerprints.clone()),
        wanted: Seq::ZERO,
        closing: false,
        failure: None,
        commits: 0,
        merges: 0,
    })
}
