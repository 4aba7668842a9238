//! Putting on record who looked at what.

use std::sync::Arc;
use std::time::Duration;

use event::{Audit, Clock, OwnRecord};
use registry::{Actor, AuditSink, PendingAudit, Registry};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::parts::Parts;

/// How long an answer waits for its record; it is on its way all the same.
const RECORDING: Duration = Duration::from_secs(2);
/// Records on their way whose answers do not wait for them, at most.
const NOTES_MAX: u32 = 256;

/// Makes records of requests. It holds nothing that the server must let go of before it can end.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    audit: Arc<dyn AuditSink>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    /// Places of notes on their way.
    places: Arc<Semaphore>,
}

impl Recorder {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            audit: Arc::clone(&parts.audit),
            registry: Arc::clone(&parts.registry),
            clock: Arc::clone(&parts.clock),
            places: Arc::new(Semaphore::new(NOTES_MAX as usize)),
        }
    }

    /// Puts on record that somebody does something or takes something away: on disk when this returns.
    pub(crate) async fn record(&self, by: &Actor, action: &str, object: String) {
        let pending = self.pending(by, action, object);
        let appending = self.append(pending);
        if tokio::time::timeout(RECORDING, appending).await.is_err() {
            warn!(
                action,
                "the journal is slow: a record of a request is not durable yet"
            );
        }
    }

    /// Puts on record that somebody looks at something: with the journal's writer when this returns, and on disk with its
    /// next group. An answer that waited for the disk would take many times as long as most searches do.
    pub(crate) async fn note(&self, by: &Actor, action: &str, object: String) {
        let pending = self.pending(by, action, object);
        let place = Arc::clone(&self.places).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(RECORDING, place).await else {
            warn!(
                action,
                "the journal is slow: a record of a request waits in the registry"
            );
            return self.keep(pending).await;
        };
        let recorder = self.clone();
        let mut following = Box::pin(async move {
            recorder.append(pending).await;
            drop(place);
        });
        // Asked once here, it hands the record over.
        if futures_util::poll!(&mut following).is_pending() {
            tokio::spawn(following);
        }
    }

    /// Waits until all that was noted before is on disk, as far as the disk is not slow.
    pub(crate) async fn settled(&self) {
        let all = self.places.acquire_many(NOTES_MAX);
        // Slow or not: what is there is shown.
        let _slow = tokio::time::timeout(RECORDING, all).await;
    }

    async fn append(&self, pending: PendingAudit) {
        if let Err(error) = self.audit.append(vec![pending.clone()]).await {
            warn!(%error, "a record of a request waits in the registry");
            self.keep(pending).await;
        }
    }

    async fn keep(&self, PendingAudit { at, record }: PendingAudit) {
        if let Err(error) = self.registry.note(at, &record).await {
            warn!(%error, ?record, "a request is not on record");
        }
    }

    fn pending(&self, by: &Actor, action: &str, object: String) -> PendingAudit {
        PendingAudit {
            at: self.clock.now(),
            record: OwnRecord::Audit(Audit {
                actor: by.name.clone(),
                peer: by.peer,
                action: action.to_owned(),
                object,
                allowed: true,
            }),
        }
    }
}
