//! What the detector remembers, kept once a day beside its own file.

use event::CalendarDay;
use sqlx::Row as _;

use crate::row::Columns as _;
use crate::{Registry, StoreError};

/// Days whose state is kept: the one before is still there when a new one proves to be of no use.
const KEPT: i64 = 2;

impl Registry {
    /// Keeps the detector's state as that of the day, and forgets all but that of the day before.
    ///
    /// # Errors
    /// When the database fails; then nothing is changed.
    pub async fn save_detector_memory(
        &self,
        day: CalendarDay,
        state: &[u8],
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query(
            "INSERT INTO detector_memories (date, state) VALUES ($1, $2)
             ON CONFLICT (date) DO UPDATE SET state = excluded.state",
        )
        .bind(day.to_string())
        .bind(state)
        .execute(&mut *write.transaction)
        .await?;
        sqlx::query(
            "DELETE FROM detector_memories WHERE date NOT IN
                 (SELECT date FROM detector_memories ORDER BY date DESC LIMIT $1)",
        )
        .bind(KEPT)
        .execute(&mut *write.transaction)
        .await?;
        write.commit().await
    }

    /// The day of the newest state that is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn day_of_detector_memory(&self) -> Result<Option<CalendarDay>, StoreError> {
        let row = sqlx::query("SELECT date FROM detector_memories ORDER BY date DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| row.word("date", CalendarDay::from_text))
            .transpose()
    }

    /// The states that are kept, each with its day, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detector_memories(&self) -> Result<Vec<(CalendarDay, Vec<u8>)>, StoreError> {
        let rows = sqlx::query("SELECT date, state FROM detector_memories ORDER BY date DESC")
            .fetch_all(&self.readers)
            .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let day = row.word("date", CalendarDay::from_text)?;
            Ok((day, row.try_get("state")?))
        };
        rows.iter().map(read).collect()
    }
}
