//! The way of searches into the histories of those who ask: beside the answer, never before it.

use std::sync::Arc;

use registry::{Actor, Registry, SearchDone};
use tokio::sync::Semaphore;
use tracing::warn;

/// Entries on their way at most: what comes while so many are is left out.
const WAITING_MAX: usize = 64;

/// Notes searches.
#[derive(Debug)]
pub(crate) struct SearchHistory {
    registry: Arc<Registry>,
    places: Arc<Semaphore>,
}

impl SearchHistory {
    pub(crate) fn new(registry: &Arc<Registry>) -> Self {
        Self {
            registry: Arc::clone(registry),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
        }
    }

    /// Sees to it that the search is noted, and returns at once. What fails is logged: it is a convenience.
    pub(crate) fn note(&self, by: &Actor, search: SearchDone) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            warn!("searches come faster than they can be noted: one is left out of a history");
            return;
        };
        let (registry, by) = (Arc::clone(&self.registry), by.clone());
        tokio::spawn(async move {
            if let Err(error) = registry.note_search(&by, &search).await {
                warn!(%error, "a search is not in its history");
            }
            drop(place);
        });
    }
}
