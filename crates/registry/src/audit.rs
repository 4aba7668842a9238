//! Telling the journal of every change: written with the change, handed over after it, forgotten once it is durable there.

use std::pin::Pin;

use event::{Micros, OwnRecord};

use crate::row::Columns as _;
use crate::{Registry, StoreError};

/// How many records are handed over at once.
const BATCH: i64 = 256;

/// A record that the journal has yet to get.
#[derive(Clone, Debug, PartialEq)]
pub struct PendingAudit {
    /// When the change was made.
    pub at: Micros,
    /// What to append.
    pub record: OwnRecord,
}

/// The future that a sink gives.
pub type SinkFuture<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// Where the records of changes go: the journal, wired by the binary.
pub trait AuditSink: Send + Sync + std::fmt::Debug {
    /// Appends the records in this order; done once they are durable.
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_>;
}

/// Why the journal did not take the records; they stay where they are and are offered again.
#[derive(Debug, thiserror::Error)]
#[error("the journal took no record of a change: {reason}")]
pub struct SinkError {
    /// What the journal said.
    pub reason: String,
}

impl Registry {
    /// Notes an act that changes nothing here, or one that was refused, for the journal.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note(&self, at: Micros, record: &OwnRecord) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        write.now = at;
        write.audit_record(record).await?;
        write.commit().await
    }

    /// Waits until a change may have left a record for the journal; returns at once if one did since the last wait.
    pub async fn audit_waits(&self) {
        self.audit_waits.notified().await;
    }

    /// Hands every waiting record to `sink`, oldest first, and forgets those that it made durable; gives their number.
    ///
    /// Call it at the start, whenever [`Registry::audit_waits`] returns, and now and then (a change whose caller went away
    /// half-way may not have woken anybody), from one task only. A record is doubled only
    /// if the process dies between the journal's answer and our noting it.
    ///
    /// # Errors
    /// When the database fails or the sink refuses; what was not handed over is kept.
    pub async fn hand_over_audits(&self, sink: &dyn AuditSink) -> Result<u64, HandOverError> {
        let mut handed_over = 0;
        loop {
            let (records, last) = self.pending_audits().await?;
            if records.is_empty() {
                return Ok(handed_over);
            }
            handed_over += records.len() as u64;
            sink.append(records).await?;
            self.forget_audits(last).await?;
        }
    }

    async fn pending_audits(&self) -> Result<(Vec<PendingAudit>, i64), StoreError> {
        let rows = sqlx::query("SELECT id, at, record FROM pending_audits ORDER BY id LIMIT $1")
            .bind(BATCH)
            .fetch_all(&self.readers)
            .await?;
        let mut last = 0;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            last = row.column("id")?;
            records.push(PendingAudit {
                at: row.at("at")?,
                record: row.json("record")?,
            });
        }
        Ok((records, last))
    }

    async fn forget_audits(&self, last: i64) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM pending_audits WHERE id <= $1")
            .bind(last)
            .execute(&mut *write.transaction)
            .await?;
        write.commit().await
    }
}

/// Why records of changes still wait.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal refused.
    #[error(transparent)]
    Sink(#[from] SinkError),
}
