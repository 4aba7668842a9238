//! What each has searched for lately.

use event::Micros;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, stored};
use crate::{Actor, Page, Registry, StoreError};

/// Searches that are kept of one actor.
const KEPT: i64 = 1000;

/// A search, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchDone {
    /// The query as typed.
    pub query: String,
    /// The beginning of the span of time as typed.
    pub from: Option<String>,
    /// The end of the span of time as typed.
    pub to: Option<String>,
    /// When it was asked, the last time.
    pub at: Micros,
    /// How long it took, the last time, in milliseconds.
    pub took_ms: u64,
    /// How many events matched, the last time.
    pub total: u64,
    /// `eq` if that is exact, `gte` if there may be more.
    pub total_relation: String,
}

/// An entry of somebody's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastSearch {
    /// Its number.
    pub id: u64,
    /// What was searched for.
    #[serde(flatten)]
    pub search: SearchDone,
    /// How often it was asked, one time after another.
    pub times: u64,
}

impl Registry {
    /// Notes a search of `by`. The same as the one before counts as one more of that; of each actor the newest 1000 are kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_search(&self, by: &Actor, search: &SearchDone) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let again = sqlx::query(
            "UPDATE search_history
             SET at = $1, took_ms = $2, total = $3, total_relation = $4, times = times + 1
             WHERE id = (SELECT max(id) FROM search_history WHERE actor = $5)
               AND query = $6 AND from_text IS $7 AND to_text IS $8",
        )
        .bind(search.at.0)
        .bind(stored(search.took_ms))
        .bind(stored(search.total))
        .bind(&search.total_relation)
        .bind(&by.name)
        .bind(&search.query)
        .bind(&search.from)
        .bind(&search.to)
        .execute(&mut *write.transaction)
        .await?;
        if again.rows_affected() == 0 {
            sqlx::query(
                "INSERT INTO search_history
                     (actor, query, from_text, to_text, at, times, took_ms, total, total_relation)
                 VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8)",
            )
            .bind(&by.name)
            .bind(&search.query)
            .bind(&search.from)
            .bind(&search.to)
            .bind(search.at.0)
            .bind(stored(search.took_ms))
            .bind(stored(search.total))
            .bind(&search.total_relation)
            .execute(&mut *write.transaction)
            .await?;
            sqlx::query(
                "DELETE FROM search_history WHERE actor = $1 AND id <= (
                     SELECT id FROM search_history WHERE actor = $1
                     ORDER BY id DESC LIMIT 1 OFFSET $2)",
            )
            .bind(&by.name)
            .bind(KEPT)
            .execute(&mut *write.transaction)
            .await?;
        }
        write.commit().await
    }

    /// What `of` has searched for, newest first: `limit` of the entries before the one with the number `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn search_history(
        &self,
        of: &Actor,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<PastSearch>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM search_history WHERE actor = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(&of.name)
        .bind(before.map_or(i64::MAX, stored))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let items = rows.iter().map(past).collect::<Result<Vec<_>, _>>()?;
        let full = items.len() == limit as usize;
        let next = items.last().filter(|_| full).map(|last| last.id);
        Ok(Page { items, next })
    }

    /// Forgets what `by` has searched for; gives how many entries there were. The journal keeps its records of searches.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_search_history(&self, by: &Actor) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let removed = sqlx::query("DELETE FROM search_history WHERE actor = $1")
            .bind(&by.name)
            .execute(&mut *write.transaction)
            .await?
            .rows_affected();
        write
            .audit(by, "history-cleared", &format!("{removed} searches"))
            .await?;
        write.commit().await?;
        Ok(removed)
    }
}

fn past(row: &SqliteRow) -> Result<PastSearch, StoreError> {
    Ok(PastSearch {
        id: row.number("id")?,
        search: SearchDone {
            query: row.text("query")?,
            from: row.column("from_text")?,
            to: row.column("to_text")?,
            at: row.at("at")?,
            took_ms: row.number("took_ms")?,
            total: row.number("total")?,
            total_relation: row.text("total_relation")?,
        },
        times: row.number("times")?,
    })
}
