//! What every route has at hand.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use registry::{Actor, SearchDone};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Access;
use crate::backtest_jobs::BacktestJobs;
use crate::known_losses::KnownLosses;
use crate::parts::Parts;
use crate::previews::Previews;
use crate::problem::Problem;
use crate::recorder::Recorder;
use crate::search_history::SearchHistory;
use crate::searches::Searches;

/// How long a search waits for its turn.
const TURN: Duration = Duration::from_secs(45);

/// What every route has at hand; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) access: Access,
    pub(crate) searches: Searches,
    pub(crate) recorder: Recorder,
    pub(crate) losses: Arc<KnownLosses>,
    pub(crate) backtests: BacktestJobs,
    pub(crate) previews: Previews,
    history: SearchHistory,
    tails: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    pub(crate) fn new(parts: Parts, access: Access) -> Self {
        let shared = Shared {
            searches: Searches::new(parts.options.searches, parts.options.search_time, TURN),
            recorder: Recorder::new(&parts),
            losses: Arc::new(KnownLosses::new(&parts)),
            backtests: BacktestJobs::default(),
            previews: Previews::default(),
            history: SearchHistory::new(&parts.registry),
            tails: Arc::new(Semaphore::new(parts.options.tails)),
            exports: Arc::new(Semaphore::new(parts.options.exports)),
            parts,
            access,
        };
        Self(Arc::new(shared))
    }

    /// A place among the live tails.
    pub(crate) fn tail_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.tails).try_acquire_owned();
        place.map_err(|_| Problem::busy("too many live tails are open"))
    }

    /// A place among the exports.
    pub(crate) fn export_place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.exports).try_acquire_owned();
        place.map_err(|_| Problem::busy("too many exports are running"))
    }

    /// Ends when the server is to end.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.parts.stop.clone();
        // An error says that the owner is gone, and so is the server.
        let _ended = stop.wait_for(|stop| *stop).await;
    }

    /// Puts a search into the history of who asked; not where commands on a data directory ask, which end at once.
    pub(crate) fn note_search(&self, by: &Actor, search: SearchDone) {
        if self.access == Access::Tokens {
            self.history.note(by, search);
        }
    }

    /// Puts on record that somebody does something or takes something away; see [`Recorder::record`].
    pub(crate) async fn record(&self, by: &Actor, action: &str, object: String) {
        self.recorder.record(by, action, object).await;
    }

    /// Puts on record that somebody looks at something; see [`Recorder::note`].
    pub(crate) async fn note(&self, by: &Actor, action: &str, object: String) {
        self.recorder.note(by, action, object).await;
    }
}
