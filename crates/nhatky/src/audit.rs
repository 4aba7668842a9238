//! The way of administrative acts and searches into the journal.

use event::OwnRecord;
use journal::Appender;
use registry::{AuditSink, PendingAudit, SinkError, SinkFuture};

/// Appends what the registry and the server tell of themselves.
#[derive(Debug, Clone)]
pub(crate) struct JournalSink {
    appender: Appender,
}

impl JournalSink {
    pub(crate) fn new(appender: Appender) -> Self {
        Self { appender }
    }
}

impl AuditSink for JournalSink {
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_> {
        let (done, durable) = tokio::sync::oneshot::channel();
        let records = records
            .iter()
            .map(|pending| OwnRecord::to_record(&pending.record, pending.at))
            .collect();
        let submitted = self
            .appender
            .try_submit(records, Box::new(move |result| drop(done.send(result))));
        Box::pin(async move {
            if submitted.is_err() {
                return Err(SinkError {
                    reason: "its queue is full".to_owned(),
                });
            }
            match durable.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(SinkError {
                    reason: error.to_string(),
                }),
                Err(_) => Err(SinkError {
                    reason: "it was closed".to_owned(),
                }),
            }
        })
    }
}
