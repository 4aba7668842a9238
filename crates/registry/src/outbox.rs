//! Notifications that are yet to be delivered: written with the change that they tell of.

use std::time::Duration;

use event::Micros;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use tokio::sync::watch;

use crate::row::{Columns as _, stored};
use crate::{AlertId, Registry, StoreError, Write};

/// Nobody is told to wait longer: what says so was written before the clock was set back, and is due.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

const ERROR_CHARS_MAX: usize = 500;

event::vocabulary! {
    /// Where a notification stands.
    OutboxState {
        /// It will be tried.
        Pending = "pending",
        /// The receiver has taken it.
        Sent = "sent",
        /// Given up: it will not be tried again.
        Dead = "dead",
    }
}

/// A notification to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOutboxItem {
    /// Its idempotency key, which the receiver sees: the same however often it is sent.
    pub id: String,
    /// The channel's name in the configuration.
    pub channel: String,
    /// The alert that it tells of.
    pub alert: AlertId,
    /// What is sent, byte for byte.
    pub body: String,
}

/// A notification in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutboxItem {
    /// Its idempotency key.
    pub id: String,
    /// The channel's name in the configuration.
    pub channel: String,
    /// The alert that it tells of.
    pub alert: AlertId,
    /// What is sent, byte for byte.
    pub body: String,
    /// Where it stands.
    pub state: OutboxState,
    /// How often it was tried.
    pub attempts: u64,
    /// When it was put in.
    pub created_at: Micros,
    /// When it is to be tried next: at most a day ahead.
    pub next_at: Micros,
    /// When it was sent or given up.
    pub done_at: Option<Micros>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// How many notifications stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutboxCounts {
    /// Yet to be delivered.
    pub pending: u64,
    /// Given up.
    pub dead: u64,
    /// When the oldest of those yet to be delivered was put in.
    pub oldest_pending: Option<Micros>,
}

impl Write<'_> {
    /// Puts a notification into the outbox, due at once; one with the same key is there already and stays as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueue(&mut self, item: &NewOutboxItem) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO outbox (id, channel, alert, body, state, attempts, created_at, next_at)
             VALUES ($1, $2, $3, $4, 'pending', 0, $5, $5) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&item.id)
        .bind(&item.channel)
        .bind(stored(item.alert.0))
        .bind(&item.body)
        .bind(self.now.0)
        .execute(&mut *self.transaction)
        .await?;
        self.queued = true;
        Ok(())
    }

    /// How many notifications of a channel were put in after `since`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn enqueued_since(
        &mut self,
        channel: &str,
        since: Micros,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS items FROM outbox WHERE channel = $1 AND created_at > $2",
        )
        .bind(channel)
        .bind(since.0)
        .fetch_one(&mut *self.transaction)
        .await?;
        row.number("items")
    }
}

impl Registry {
    /// Changes whenever something was put into the outbox.
    #[must_use]
    pub fn outbox_grows(&self) -> watch::Receiver<()> {
        self.outbox_grew.subscribe()
    }

    /// Notifications of a channel whose time has come, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_due(
        &self,
        channel: &str,
        now: Micros,
        limit: u32,
    ) -> Result<Vec<OutboxItem>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM outbox
             WHERE state = 'pending' AND channel = $1 AND (next_at <= $2 OR next_at > $3)
             ORDER BY next_at, created_at, id LIMIT $4",
        )
        .bind(channel)
        .bind(now.0)
        .bind(now.after(WAIT_MAX).0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(item).collect()
    }

    /// When the next notification of a channel is to be tried; `None` when none waits.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_next_at(&self, channel: &str) -> Result<Option<Micros>, StoreError> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT min(next_at) FROM outbox WHERE state = 'pending' AND channel = $1",
        )
        .bind(channel)
        .fetch_one(&self.readers)
        .await?;
        Ok(next.map(Micros))
    }

    /// Notes that the receiver has taken it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_sent(&self, id: &str, at: Micros) -> Result<(), StoreError> {
        self.finish(id, OutboxState::Sent, at, None).await
    }

    /// Notes that it is given up, and why.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_dead(&self, id: &str, at: Micros, error: &str) -> Result<(), StoreError> {
        self.finish(id, OutboxState::Dead, at, Some(error)).await
    }

    /// Notes that an attempt failed, why, and when to try again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_failed(
        &self,
        id: &str,
        next_at: Micros,
        error: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE outbox SET attempts = attempts + 1, next_at = $2, error = $3 WHERE id = $1",
        )
        .bind(id)
        .bind(next_at.0)
        .bind(cut(error))
        .execute(&mut *write.transaction)
        .await?;
        write.commit().await
    }

    /// The notifications about an alert, first to last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_of(&self, alert: AlertId) -> Result<Vec<OutboxItem>, StoreError> {
        let rows = sqlx::query("SELECT * FROM outbox WHERE alert = $1 ORDER BY created_at, id")
            .bind(stored(alert.0))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(item).collect()
    }

    /// How many notifications stand where.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        let row = sqlx::query(
            "SELECT count(CASE WHEN state = 'pending' THEN 1 END) AS pending,
                    count(CASE WHEN state = 'dead' THEN 1 END) AS dead,
                    min(CASE WHEN state = 'pending' THEN created_at END) AS oldest
             FROM outbox WHERE state <> 'sent'",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(OutboxCounts {
            pending: row.number("pending")?,
            dead: row.number("dead")?,
            oldest_pending: row.at_if_any("oldest")?,
        })
    }

    async fn finish(
        &self,
        id: &str,
        state: OutboxState,
        at: Micros,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "UPDATE outbox SET state = $2, attempts = attempts + 1, done_at = $3, error = $4
             WHERE id = $1",
        )
        .bind(id)
        .bind(state.name())
        .bind(at.0)
        .bind(error.map(cut))
        .execute(&mut *write.transaction)
        .await?;
        write.commit().await
    }
}

/// An error's text as kept: a receiver does not fill our disk.
fn cut(error: &str) -> String {
    error.chars().take(ERROR_CHARS_MAX).collect()
}

fn item(row: &SqliteRow) -> Result<OutboxItem, StoreError> {
    Ok(OutboxItem {
        id: row.text("id")?,
        channel: row.text("channel")?,
        alert: AlertId(row.number("alert")?),
        body: row.text("body")?,
        state: row.word("state", OutboxState::from_name)?,
        attempts: row.number("attempts")?,
        created_at: row.at("created_at")?,
        next_at: row.at("next_at")?,
        done_at: row.at_if_any("done_at")?,
        error: row.column("error")?,
    })
}
