//! Putting on record who looked at what.

use std::sync::Arc;
use std::time::Duration;

use event::{Audit, Clock, OwnRecord};
use registry::{Actor, AuditSink, PendingAudit, Registry};
use tracing::warn;

use crate::parts::Parts;

/// How long an answer waits for its record to become durable; it is on its way all the same.
const RECORDING: Duration = Duration::from_secs(2);

/// Makes records of requests. It holds nothing that the server must let go of before it can end.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    audit: Arc<dyn AuditSink>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            audit: Arc::clone(&parts.audit),
            registry: Arc::clone(&parts.registry),
            clock: Arc::clone(&parts.clock),
        }
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
        let at = self.clock.now();
        let appending = self.audit.append(vec![PendingAudit {
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
                if let Err(error) = self.registry.note(at, &record).await {
                    warn!(%error, ?record, "a request is not on record");
                }
            }
        }
    }
}
