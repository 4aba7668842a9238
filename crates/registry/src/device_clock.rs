//! What was found about the clocks of devices.

use event::{ClockCause, ClockFinding, Event, Field, Micros, OwnRecord, Seq, Value};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, stored};
use crate::{Registry, StoreError, Write};

/// A finding about a device's clock, and the record that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceClock {
    /// Its record in the journal: the finding holds for those after it.
    pub seq: Seq,
    /// When it was found.
    pub found_at: Micros,
    /// Whose clock, and how far it is off.
    #[serde(flatten)]
    pub finding: ClockFinding,
}

impl DeviceClock {
    /// The finding that an event of ours tells of, if it tells of one.
    #[must_use]
    pub fn of_event(event: &Event) -> Option<Self> {
        let own = event.text(Field::NHATKY_LISTENER) == Some("nhatky");
        if !own || event.text(Field::NHATKY_MESSAGE) != Some("clock") {
            return None;
        }
        let Ok(OwnRecord::Clock(finding)) = serde_json::from_slice(event.raw()) else {
            return None;
        };
        let found_at = match event.get(Field::EVENT_INGESTED) {
            Some(Value::Date(at)) => at,
            _ => Micros(0),
        };
        Some(Self {
            seq: event.seq(),
            found_at,
            finding,
        })
    }
}

impl Registry {
    /// Every finding, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clocks(&self) -> Result<Vec<DeviceClock>, StoreError> {
        let rows = sqlx::query("SELECT * FROM clocks ORDER BY seq, source, host")
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(clock).collect()
    }

    /// The newest finding about each device of which one is kept, by source and host.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clocks_now(&self) -> Result<Vec<DeviceClock>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM clocks AS newest
             WHERE seq = (
                 SELECT max(seq) FROM clocks
                 WHERE source = newest.source AND host = newest.host)
             ORDER BY source, host",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(clock).collect()
    }

    /// Removes findings that hold for no record from `oldest` on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune_clocks(&self, oldest: Seq) -> Result<u64, StoreError> {
        let mut write = self.write().await?;
        let removed = sqlx::query(
            "DELETE FROM clocks WHERE EXISTS (
                 SELECT 1 FROM clocks AS later
                 WHERE later.source = clocks.source AND later.host = clocks.host
                   AND later.seq > clocks.seq AND later.seq < $1)",
        )
        .bind(stored(oldest.0))
        .execute(&mut *write.transaction)
        .await?;
        write.commit().await?;
        Ok(removed.rows_affected())
    }
}

impl Write<'_> {
    pub(crate) async fn put_clock(&mut self, clock: &DeviceClock) -> Result<(), StoreError> {
        let finding = &clock.finding;
        sqlx::query(
            "INSERT INTO clocks
                 (source, host, seq, found_at, cause, offset_us, spread_us, minutes, events)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (source, host, seq) DO NOTHING",
        )
        .bind(&finding.source)
        .bind(&finding.host)
        .bind(stored(clock.seq.0))
        .bind(clock.found_at.0)
        .bind(finding.cause.name())
        .bind(finding.offset_us)
        .bind(finding.spread_us)
        .bind(i64::from(finding.minutes))
        .bind(stored(finding.events))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

fn clock(row: &SqliteRow) -> Result<DeviceClock, StoreError> {
    Ok(DeviceClock {
        seq: row.seq("seq")?,
        found_at: row.at("found_at")?,
        finding: ClockFinding {
            source: row.text("source")?,
            host: row.text("host")?,
            cause: row.word("cause", ClockCause::from_name)?,
            offset_us: row.column("offset_us")?,
            spread_us: row.column("spread_us")?,
            minutes: u32::try_from(row.number("minutes")?).unwrap_or(u32::MAX),
            events: row.number("events")?,
        },
    })
}
