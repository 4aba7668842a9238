//! One change of the registry, made of several steps.

use event::{Audit, Micros, OwnRecord};
use sqlx::{Sqlite, Transaction};

use crate::row::{json_text, stored};
use crate::{Actor, PrunedRows, Registry, StoreError};

/// A change under way: its steps become true together at [`Write::commit`]; dropped before, none does.
///
/// Its methods stand beside what they change: alerts, detections, the outbox.
#[derive(Debug)]
pub struct Write<'r> {
    pub(crate) registry: &'r Registry,
    pub(crate) transaction: Transaction<'static, Sqlite>,
    /// One reading of the clock for the whole change.
    pub(crate) now: Micros,
    audited: bool,
    pub(crate) queued: bool,
}

impl<'r> Write<'r> {
    pub(crate) fn new(registry: &'r Registry, transaction: Transaction<'static, Sqlite>) -> Self {
        let now = registry.clock.now();
        Self {
            registry,
            transaction,
            now,
            audited: false,
            queued: false,
        }
    }

    /// When this change is made.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.now
    }

    /// The registry's name: see [`Registry::instance`].
    #[must_use]
    pub fn instance(&self) -> &str {
        self.registry.instance()
    }

    /// Notes who did what, to be told to the journal once the change is made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit(
        &mut self,
        by: &Actor,
        action: &str,
        object: &str,
    ) -> Result<(), StoreError> {
        let record = OwnRecord::Audit(Audit {
            actor: by.name.clone(),
            peer: by.peer,
            action: action.to_owned(),
            object: object.to_owned(),
            allowed: true,
        });
        self.audit_record(&record).await
    }

    pub(crate) async fn audit_record(&mut self, record: &OwnRecord) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO pending_audits (at, record) VALUES ($1, $2)")
            .bind(self.now.0)
            .bind(json_text(record))
            .execute(&mut *self.transaction)
            .await?;
        self.audited = true;
        Ok(())
    }

    /// Makes the change true and durable.
    ///
    /// # Errors
    /// When the database fails; then nothing has changed.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        if self.audited {
            self.registry.audit_waits.notify_one();
        }
        if self.queued {
            self.registry.outbox_grew.send_replace(());
        }
        Ok(())
    }

    pub(crate) async fn prune(&mut self, before: Micros) -> Result<PrunedRows, StoreError> {
        // A device's clock may be behind: what was found in a record that is kept stays, whatever time the record bears.
        let detections = sqlx::query(
            "DELETE FROM detections WHERE alert IS NULL AND last_at < $1 AND stored_at < $1",
        )
        .bind(before.0)
        .execute(&mut *self.transaction)
        .await?
        .rows_affected();
        let outbox = sqlx::query("DELETE FROM outbox WHERE state <> 'pending' AND done_at < $1")
            .bind(before.0)
            .execute(&mut *self.transaction)
            .await?
            .rows_affected();
        if detections > 0 {
            self.prune_risk_steps().await?;
        }
        Ok(PrunedRows { detections, outbox })
    }

    /// Keeps a small fact under a name, for ourselves.
    pub(crate) async fn set_meta(
        &mut self,
        key: &'static str,
        value: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(stored(value).to_string())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
