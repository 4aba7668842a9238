//! Who sends what, as discovered.

use std::net::IpAddr;

use event::{Micros, Seq, SourceCategory};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, json_text, stored};
use crate::{Registry, SourceChanges, SourceLimits, SourceTracker, StoreError, Write};

/// Where the last Seq stands that the saved counts cover.
const THROUGH: &str = "sources_through_seq";

/// A sender and what it sends, with what was seen of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// `SENDER/PRODUCT`; for what a peer sends beyond its share of sources, `PEER/unknown`.
    pub id: String,
    /// TLS identity, token or address; behind a relay `PEER>HOSTNAME`.
    pub sender: String,
    /// The definition under `parsers/`.
    pub product: String,
    /// What kind of thing it is, by its product.
    pub category: Option<SourceCategory>,
    /// Receipt time of its first event.
    pub first_seen: Micros,
    /// Receipt time of its last event.
    pub last_seen: Micros,
    /// Events so far.
    pub events: u64,
    /// Bytes of raw text so far.
    pub bytes: u64,
    /// Its last event.
    pub last_seq: Seq,
    /// Addresses that it came from: the first 16.
    pub peers: Vec<IpAddr>,
}

/// Which sources to list, most recently seen first.
#[derive(Clone, Debug, Default)]
pub struct SourceFilter {
    /// Only those of this sender.
    pub sender: Option<String>,
    /// Only those of this product.
    pub product: Option<String>,
    /// Only those not seen since.
    pub silent_since: Option<Micros>,
    /// How many to skip.
    pub offset: u32,
    /// How many at most.
    pub limit: u32,
}

impl Registry {
    /// Sources as last saved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sources(&self, filter: &SourceFilter) -> Result<Vec<Source>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM sources
             WHERE ($1 IS NULL OR sender = $1) AND ($2 IS NULL OR product = $2)
               AND ($3 IS NULL OR last_seen < $3)
             ORDER BY last_seen DESC, id LIMIT $4 OFFSET $5",
        )
        .bind(&filter.sender)
        .bind(&filter.product)
        .bind(filter.silent_since.map(|at| at.0))
        .bind(i64::from(filter.limit))
        .bind(i64::from(filter.offset))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(source).collect()
    }

    /// The source with that identity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn source(&self, id: &str) -> Result<Option<Source>, StoreError> {
        let row = sqlx::query("SELECT * FROM sources WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(source).transpose()
    }

    /// A tracker that goes on where the last save ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn source_tracker(&self, limits: SourceLimits) -> Result<SourceTracker, StoreError> {
        // One transaction, so that the counts and the Seq that they cover belong together.
        let mut snapshot = self.readers.begin().await?;
        let rows = sqlx::query("SELECT * FROM sources")
            .fetch_all(&mut *snapshot)
            .await?;
        let through: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE key = $1")
            .bind(THROUGH)
            .fetch_optional(&mut *snapshot)
            .await?;
        let sources = rows.iter().map(source).collect::<Result<_, _>>()?;
        let through = through.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(SourceTracker::resume(limits, sources, Seq(through)))
    }

    /// Saves what a tracker has seen; saving the same again changes nothing.
    ///
    /// # Errors
    /// When the database fails; then nothing is saved.
    pub async fn save_sources(&self, changes: &SourceChanges) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        for source in &changes.sources {
            write.put_source(source).await?;
        }
        for clock in &changes.clocks {
            write.put_clock(clock).await?;
        }
        write.set_meta(THROUGH, changes.through.0).await?;
        write.commit().await
    }
}

impl Write<'_> {
    async fn put_source(&mut self, source: &Source) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sources
                 (id, sender, product, category, first_seen, last_seen, events, bytes, last_seq, peers)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (id) DO UPDATE SET category = excluded.category,
                 last_seen = excluded.last_seen, events = excluded.events, bytes = excluded.bytes,
                 last_seq = excluded.last_seq, peers = excluded.peers",
        )
        .bind(&source.id)
        .bind(&source.sender)
        .bind(&source.product)
        .bind(source.category.map(SourceCategory::name))
        .bind(source.first_seen.0)
        .bind(source.last_seen.0)
        .bind(stored(source.events))
        .bind(stored(source.bytes))
        .bind(stored(source.last_seq.0))
        .bind(json_text(&source.peers))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

fn source(row: &SqliteRow) -> Result<Source, StoreError> {
    Ok(Source {
        id: row.text("id")?,
        sender: row.text("sender")?,
        product: row.text("product")?,
        category: row.word_if_any("category", SourceCategory::from_name)?,
        first_seen: row.at("first_seen")?,
        last_seen: row.at("last_seen")?,
        events: row.number("events")?,
        bytes: row.number("bytes")?,
        last_seq: row.seq("last_seq")?,
        peers: row.json("peers")?,
    })
}
