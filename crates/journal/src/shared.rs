//! What the writer, the housekeeper and the readers share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;

use disk::Disk;
use event::{Clock, Seq};

use crate::cache::BlockCache;
use crate::map::Map;
use crate::options::Options;
use crate::status::{Counters, State};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    /// The directory of the journal.
    pub(crate) dir: PathBuf,
    /// The directory of the one retention class.
    pub(crate) class_dir: PathBuf,
    pub(crate) counters: Counters,
    map: RwLock<Map>,
    cache: Mutex<BlockCache>,
    state: Mutex<State>,
    durable: AtomicU64,
    /// Held while `durable` advances, so that nobody who waits misses it.
    advancing: Mutex<()>,
    advanced: Condvar,
}

impl Shared {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: Options,
        dir: PathBuf,
        class_dir: PathBuf,
        map: Map,
        durable: Seq,
    ) -> Self {
        Self {
            disk,
            clock,
            dir,
            class_dir,
            counters: Counters::default(),
            map: RwLock::new(map),
            cache: Mutex::new(BlockCache::new(options.cache_bytes)),
            options,
            state: Mutex::new(State::Running),
            durable: AtomicU64::new(durable.0),
            advancing: Mutex::new(()),
            advanced: Condvar::new(),
        }
    }

    /// The last Seq that readers may see.
    pub(crate) fn durable(&self) -> Seq {
        Seq(self.durable.load(Ordering::Acquire))
    }

    /// Lets readers see everything up to `seq`, which is durable and in the map.
    pub(crate) fn advance(&self, seq: Seq) {
        let _advancing = unpoisoned(self.advancing.lock());
        self.durable.store(seq.0, Ordering::Release);
        self.advanced.notify_all();
    }

    /// Wakes everybody who waits for records, so that they look at the state.
    pub(crate) fn wake_readers(&self) {
        let _advancing = unpoisoned(self.advancing.lock());
        self.advanced.notify_all();
    }

    /// Waits until `seq` is durable or the time is over, and says whether it is; gives up when the journal ends.
    pub(crate) fn wait_for(&self, seq: Seq, timeout: Duration) -> bool {
        let guard = unpoisoned(self.advancing.lock());
        let waiting = |_: &mut ()| self.durable() < seq && !self.has_ended();
        let waited = self.advanced.wait_timeout_while(guard, timeout, waiting);
        drop(waited);
        self.durable() >= seq
    }

    pub(crate) fn state(&self) -> State {
        unpoisoned(self.state.lock()).clone()
    }

    pub(crate) fn set_state(&self, state: State) {
        *unpoisoned(self.state.lock()) = state;
    }

    fn has_ended(&self) -> bool {
        matches!(self.state(), State::Stopped(_) | State::Closed)
    }

    pub(crate) fn map(&self) -> RwLockReadGuard<'_, Map> {
        unpoisoned(self.map.read())
    }

    pub(crate) fn map_mut(&self) -> RwLockWriteGuard<'_, Map> {
        unpoisoned(self.map.write())
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, BlockCache> {
        unpoisoned(self.cache.lock())
    }
}

/// The guard, whoever panicked: what these locks protect is changed in single steps.
pub(crate) fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
