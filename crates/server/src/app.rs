//! What every route has at hand.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use event::{Audit, OwnRecord};
use registry::{Actor, PendingAudit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::access::Access;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::searches::Searches;

/// How long a search waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// How long an answer waits for its record to become durable; it is on its way all the same.
const RECORDING: Duration = Duration::from_secs(2);

/// What every route has at hand; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) access: Access,
    pub(crate) searches: Searches,
    tails: Arc<Semaphore>,
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
            tails: Arc::new(Semaphore::new(parts.options.tails)),
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

    /// Puts on record that somebody looked at something.
    pub(crate) async fn record(&self, by: &Actor, action: &str, object: String) {
        let record = OwnRecord::Audit(Audit {
            actor: by.name.clone(),
            peer: by.peer,
            action: action.to_owned(),
            object,
            allowed: true,
        });
        let at = self.parts.clock.now();
        let appending = self.parts.audit.append(vec![PendingAudit {
            at,
            record: record.clone(),
        }]);
        match tokio::time::timeout(RECORDING, appending).await {
            Ok(Ok(())) => {}
            Err(_) => warn!(
                action,
                "the journal is slow: a record of a request is not durable yet"
            ),
            Ok(Err(error)) => {
                warn!(%error, action, "a record of a request waits in the registry");
                if let Err(error) = self.parts.registry.note(at, &record).await {
                    warn!(%error, ?record, "a request is not on record");
                }
            }
        }
    }
}
