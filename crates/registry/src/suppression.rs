//! Which detections make no alert for a time: one rule about one entity, or a maintenance window.

use std::collections::BTreeMap;

use event::{Entity, Micros};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, json_text, stored};
use crate::{Actor, Page, Registry, StoreError, Write};

event::vocabulary! {
    /// Where a suppression stands.
    SuppressionState {
        /// It has yet to begin.
        Planned = "planned",
        /// It holds.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// Somebody ended it before its time.
        Ended = "ended",
    }
}

/// Detections that make no alert for a time. Of what is named, each must be met; what is not named, anything meets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewSuppression {
    /// Of one of these rules.
    pub rules: Vec<String>,
    /// About one of these entities.
    pub entities: Vec<Entity>,
    /// With one of these hosts or devices in the event, or as the entity: short names in lower case, or addresses.
    pub hosts: Vec<String>,
    /// With these facts, whatever the case of letters; `*` at the end of a value stands for anything.
    pub facts: BTreeMap<String, String>,
    /// Whether it holds for those that call someone (disposition `page`), too.
    pub pages: bool,
    /// From when on.
    pub starts_at: Micros,
    /// From when on no more.
    pub ends_at: Micros,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// A suppression as kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suppression {
    /// Its number, from 1, never used twice.
    pub id: u64,
    /// Where it stood when it was read.
    pub state: SuppressionState,
    /// What it says; its end is where it was ended.
    #[serde(flatten)]
    pub text: NewSuppression,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Micros,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
    /// Why.
    pub ended_reason: Option<String>,
    /// Detections that it keeps from making an alert.
    pub detections: u64,
}

/// Which suppressions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppressions {
    /// Those that hold or have yet to begin.
    Open,
    /// Those that are over, too.
    All,
}

impl Registry {
    /// Suppressions, last made first: all of them, or those that hold or have yet to begin.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppressions(
        &self,
        which: Suppressions,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<Suppression>, StoreError> {
        let now = self.clock.now();
        let text = "SELECT suppressions.*,
                 (SELECT count(*) FROM detections WHERE suppressed_by = suppressions.id) AS detections
             FROM suppressions WHERE id < $1 AND ($2 = 0 OR ends_at > $3)
             ORDER BY id DESC LIMIT $4";
        let rows = sqlx::query(text)
            .bind(before.map_or(i64::MAX, stored))
            .bind(i64::from(which == Suppressions::Open))
            .bind(now.0)
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        let items = rows.iter().map(|row| suppression(row, now));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let full = items.len() == limit as usize;
        let next = items.last().filter(|_| full).map(|last| last.id);
        Ok(Page { items, next })
    }

    /// The suppression with that number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppression(&self, id: u64) -> Result<Option<Suppression>, StoreError> {
        let text = "SELECT suppressions.*,
                 (SELECT count(*) FROM detections WHERE suppressed_by = $1) AS detections
             FROM suppressions WHERE id = $1";
        let row = sqlx::query(text)
            .bind(stored(id))
            .fetch_optional(&self.readers)
            .await?;
        let now = self.clock.now();
        row.as_ref().map(|row| suppression(row, now)).transpose()
    }
}

impl Write<'_> {
    /// How many suppressions hold or have yet to begin.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_suppressions(&mut self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT count(*) AS open FROM suppressions WHERE ends_at > $1")
            .bind(self.now.0)
            .fetch_one(&mut *self.transaction)
            .await?;
        row.number("open")
    }

    /// Those that hold at some time from `from` to `to`, both included, first made first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suppressions_between(
        &mut self,
        from: Micros,
        to: Micros,
    ) -> Result<Vec<Suppression>, StoreError> {
        let text = "SELECT suppressions.*, 0 AS detections FROM suppressions
             WHERE ends_at > $1 AND starts_at <= $2 ORDER BY id";
        let rows = sqlx::query(text)
            .bind(from.0)
            .bind(to.0)
            .fetch_all(&mut *self.transaction)
            .await?;
        let now = self.now;
        rows.iter().map(|row| suppression(row, now)).collect()
    }

    /// Keeps a suppression.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_suppression(
        &mut self,
        by: &Actor,
        new: &NewSuppression,
    ) -> Result<Suppression, StoreError> {
        let row = sqlx::query(
            "INSERT INTO suppressions
                 (rules, entities, hosts, facts, pages, starts_at, ends_at, owner, reason, created_by, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING *, 0 AS detections",
        )
        .bind(json_text(&new.rules))
        .bind(json_text(&new.entities))
        .bind(json_text(&new.hosts))
        .bind(json_text(&new.facts))
        .bind(i64::from(new.pages))
        .bind(new.starts_at.0)
        .bind(new.ends_at.0)
        .bind(&new.owner)
        .bind(&new.reason)
        .bind(&by.name)
        .bind(self.now.0)
        .fetch_one(&mut *self.transaction)
        .await?;
        suppression(&row, self.now)
    }

    /// Ends a suppression now, or before it begins; `None` when there is none that is open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_suppression(
        &mut self,
        by: &Actor,
        id: u64,
        reason: &str,
    ) -> Result<Option<Suppression>, StoreError> {
        let row = sqlx::query(
            "UPDATE suppressions SET ends_at = $2, ended_by = $3, ended_reason = $4, told = 1
             WHERE id = $1 AND ends_at > $2
             RETURNING *, (SELECT count(*) FROM detections WHERE suppressed_by = $1) AS detections",
        )
        .bind(stored(id))
        .bind(self.now.0)
        .bind(&by.name)
        .bind(reason)
        .fetch_optional(&mut *self.transaction)
        .await?;
        let now = self.now;
        row.as_ref().map(|row| suppression(row, now)).transpose()
    }

    /// Those whose time is over and whose end has not been put on record: once each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_expired_suppressions(&mut self) -> Result<Vec<Suppression>, StoreError> {
        let rows = sqlx::query(
            "UPDATE suppressions SET told = 1 WHERE told = 0 AND ends_at <= $1
             RETURNING *,
                 (SELECT count(*) FROM detections WHERE suppressed_by = suppressions.id) AS detections",
        )
        .bind(self.now.0)
        .fetch_all(&mut *self.transaction)
        .await?;
        let now = self.now;
        rows.iter().map(|row| suppression(row, now)).collect()
    }

    /// Marks a stored detection with what keeps it from making an alert; `None` takes the mark away.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_suppressed(&mut self, id: &str, by: Option<u64>) -> Result<(), StoreError> {
        sqlx::query("UPDATE detections SET suppressed_by = $2 WHERE id = $1")
            .bind(id)
            .bind(by.map(stored))
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}

fn suppression(row: &SqliteRow, now: Micros) -> Result<Suppression, StoreError> {
    let text = NewSuppression {
        rules: row.json("rules")?,
        entities: row.json("entities")?,
        hosts: row.json("hosts")?,
        facts: row.json("facts")?,
        pages: row.yes("pages")?,
        starts_at: row.at("starts_at")?,
        ends_at: row.at("ends_at")?,
        owner: row.text("owner")?,
        reason: row.text("reason")?,
    };
    let ended_by: Option<String> = row.column("ended_by")?;
    Ok(Suppression {
        id: row.number("id")?,
        state: match (now >= text.ends_at, &ended_by) {
            (true, Some(_)) => SuppressionState::Ended,
            (true, None) => SuppressionState::Expired,
            (false, _) if now < text.starts_at => SuppressionState::Planned,
            (false, _) => SuppressionState::Active,
        },
        text,
        created_by: row.text("created_by")?,
        created_at: row.at("created_at")?,
        ended_by,
        ended_reason: row.column("ended_reason")?,
        detections: row.number("detections")?,
    })
}
