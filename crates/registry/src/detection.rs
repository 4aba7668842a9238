//! Detections: stored once by identity, grown by what follows in their episode.

use std::collections::HashSet;

use event::{Detection, Disposition, Effect, Entity, EntityKind, Micros, Seq};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use crate::row::{Columns as _, json_text, stored};
use crate::{AlertId, Page, Registry, StoreError, Write};

/// Rows in one statement: 18 columns each, far below SQLite's 32 766 parameters.
const ROWS_PER_STATEMENT: usize = 500;

/// A detection as kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoredDetection {
    /// Its place in the order of storing.
    pub number: u64,
    /// The alert that it belongs to, if its disposition made one.
    pub alert: Option<AlertId>,
    /// The suppression that keeps it from making one.
    pub suppressed_by: Option<u64>,
    /// Correlation time of the event that completed it: its episode does not move it.
    pub fired_at: Micros,
    /// When it was stored.
    pub stored_at: Micros,
    /// What the detector gave, as last updated.
    #[serde(flatten)]
    pub detection: Detection,
}

/// What happened to an open episode since its detection was last reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionUpdate {
    /// Identity of the detection.
    pub id: Box<str>,
    /// Correlation time of its latest event.
    pub last_at: Micros,
    /// Events so far.
    pub count: u64,
    /// The first 10 and last 10 Seqs.
    pub evidence: Vec<Seq>,
}

/// What an update did to a stored detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionChanged {
    /// The alert that it belongs to.
    pub alert: Option<AlertId>,
    /// The suppression that keeps it from making one.
    pub suppressed_by: Option<u64>,
    /// Events that it gained.
    pub events_added: u64,
}

/// Which detections to list, last stored first.
#[derive(Clone, Debug, Default)]
pub struct DetectionFilter {
    /// Only those of this rule.
    pub rule: Option<String>,
    /// Only those with this disposition.
    pub disposition: Option<Disposition>,
    /// Only those of this entity.
    pub entity: Option<Entity>,
    /// Only those of this alert.
    pub alert: Option<AlertId>,
    /// Only those that this suppression keeps from making an alert.
    pub suppressed_by: Option<u64>,
    /// Only those whose last event is not before this.
    pub from: Option<Micros>,
    /// Only those whose last event is before this.
    pub to: Option<Micros>,
    /// Only those stored before the one with this number.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

/// What one rule had to say about one entity in a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectionSummary {
    /// The rule.
    pub rule: String,
    /// About whom or what.
    pub entity: Option<Entity>,
    /// Detections.
    pub detections: u64,
    /// Events in them.
    pub events: u64,
    /// Correlation time of the first event.
    pub first_at: Micros,
    /// Correlation time of the latest event.
    pub last_at: Micros,
}

impl Registry {
    /// Detections of a disposition whose latest event lies in `from..to`, summed by rule and entity, most events first; those that are
    /// suppressed are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn summarise_detections(
        &self,
        disposition: Disposition,
        from: Micros,
        to: Micros,
        limit: u32,
    ) -> Result<Vec<DetectionSummary>, StoreError> {
        let rows = sqlx::query(
            "SELECT rule, entity_kind, entity_name, count(*) AS detections, sum(count) AS events,
                    min(first_at) AS first_at, max(last_at) AS last_at
             FROM detections WHERE disposition = $1 AND last_at >= $2 AND last_at < $3
               AND suppressed_by IS NULL
             GROUP BY rule, entity_kind, entity_name ORDER BY events DESC, rule LIMIT $4",
        )
        .bind(disposition.name())
        .bind(from.0)
        .bind(to.0)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let summary = |row: &SqliteRow| {
            Ok(DetectionSummary {
                rule: row.text("rule")?,
                entity: entity(row)?,
                detections: row.number("detections")?,
                events: row.number("events")?,
                first_at: row.at("first_at")?,
                last_at: row.at("last_at")?,
            })
        };
        rows.iter().map(summary).collect()
    }

    /// Stored detections, last stored first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detections(
        &self,
        filter: &DetectionFilter,
    ) -> Result<Page<StoredDetection>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM detections
             WHERE ($1 IS NULL OR rule = $1) AND ($2 IS NULL OR disposition = $2)
               AND ($3 IS NULL OR (entity_kind = $3 AND entity_name = $4))
               AND ($5 IS NULL OR alert = $5) AND ($6 IS NULL OR last_at >= $6)
               AND ($7 IS NULL OR last_at < $7) AND ($8 IS NULL OR number < $8)
               AND ($9 IS NULL OR suppressed_by = $9)
             ORDER BY number DESC LIMIT $10",
        )
        .bind(&filter.rule)
        .bind(filter.disposition.map(Disposition::name))
        .bind(filter.entity.as_ref().map(|entity| entity.kind.name()))
        .bind(filter.entity.as_ref().map(|entity| entity.name.to_string()))
        .bind(filter.alert.map(|alert| stored(alert.0)))
        .bind(filter.from.map(|at| at.0))
        .bind(filter.to.map(|at| at.0))
        .bind(filter.before.map(stored))
        .bind(filter.suppressed_by.map(stored))
        .bind(i64::from(filter.limit))
        .fetch_all(&self.readers)
        .await?;
        let items = rows.iter().map(detection).collect::<Result<Vec<_>, _>>()?;
        let full = items.len() == filter.limit as usize;
        let next = items.last().filter(|_| full).map(|last| last.number);
        Ok(Page { items, next })
    }

    /// The detection with that identity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detection(&self, id: &str) -> Result<Option<StoredDetection>, StoreError> {
        let row = sqlx::query("SELECT * FROM detections WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(detection).transpose()
    }
}

impl Write<'_> {
    /// The detection with that identity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn detection(&mut self, id: &str) -> Result<Option<StoredDetection>, StoreError> {
        let row = sqlx::query("SELECT * FROM detections WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.as_ref().map(detection).transpose()
    }

    /// Stores those detections that are not yet stored, and gives their identities.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_detections(
        &mut self,
        detections: &[Detection],
    ) -> Result<HashSet<Box<str>>, StoreError> {
        let mut inserted = HashSet::new();
        for chunk in detections.chunks(ROWS_PER_STATEMENT) {
            let mut insertion = self.insertion(chunk);
            let rows = insertion.build().fetch_all(&mut *self.transaction).await?;
            for row in rows {
                inserted.insert(row.text("id")?.into_boxed_str());
            }
        }
        Ok(inserted)
    }

    fn insertion(&self, detections: &[Detection]) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new(
            "INSERT INTO detections (id, rule, rules_version, group_key, entity_kind, entity_name,
                 disposition, effect, seq, first_at, last_at, fired_at, count, evidence, query, facts, stored_at) ",
        );
        query.push_values(detections, |mut row, detection| {
            let entity = detection.entity.as_ref();
            row.push_bind(detection.id.to_string())
                .push_bind(detection.rule.to_string())
                .push_bind(detection.rules_version.to_string())
                .push_bind(json_text(&detection.key))
                .push_bind(entity.map(|entity| entity.kind.name()))
                .push_bind(entity.map(|entity| entity.name.to_string()))
                .push_bind(detection.disposition.name())
                .push_bind(detection.effect.name())
                .push_bind(stored(detection.seq.0))
                .push_bind(detection.first_at.0)
                .push_bind(detection.last_at.0)
                // Told at the firing, its latest event is the one that completed it.
                .push_bind(detection.last_at.0)
                .push_bind(stored(detection.count))
                .push_bind(json_text(&detection.evidence))
                .push_bind(detection.query.clone())
                .push_bind(json_text(&detection.facts))
                .push_bind(self.now.0);
        });
        query.push(" ON CONFLICT (id) DO NOTHING RETURNING id");
        query
    }

    /// Notes what happened to an episode; `None` when its detection is not stored.
    ///
    /// An update that is older than what is stored, as replay gives it again, changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_detection(
        &mut self,
        update: &DetectionUpdate,
    ) -> Result<Option<DetectionChanged>, StoreError> {
        let row = sqlx::query("SELECT count, alert, suppressed_by FROM detections WHERE id = $1")
            .bind(&*update.id)
            .fetch_optional(&mut *self.transaction)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let alert = row.column::<Option<i64>>("alert")?.and_then(AlertId::read);
        let suppressed_by = row.number_if_any("suppressed_by")?;
        let events_added = update.count.saturating_sub(row.number("count")?);
        if events_added > 0 {
            sqlx::query(
                "UPDATE detections SET last_at = $2, count = $3, evidence = $4 WHERE id = $1",
            )
            .bind(&*update.id)
            .bind(update.last_at.0)
            .bind(stored(update.count))
            .bind(json_text(&update.evidence))
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(Some(DetectionChanged {
            alert,
            suppressed_by,
            events_added,
        }))
    }

    /// Makes a stored detection part of an alert.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_detection(&mut self, id: &str, alert: AlertId) -> Result<(), StoreError> {
        sqlx::query("UPDATE detections SET alert = $2 WHERE id = $1")
            .bind(id)
            .bind(stored(alert.0))
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}

fn detection(row: &SqliteRow) -> Result<StoredDetection, StoreError> {
    Ok(StoredDetection {
        number: row.number("number")?,
        alert: row.column::<Option<i64>>("alert")?.and_then(AlertId::read),
        suppressed_by: row.number_if_any("suppressed_by")?,
        fired_at: row.at("fired_at")?,
        stored_at: row.at("stored_at")?,
        detection: Detection {
            id: row.text("id")?.into(),
            rule: row.text("rule")?.into(),
            rules_version: row.text("rules_version")?.into(),
            key: row.json("group_key")?,
            entity: entity(row)?,
            disposition: row.word("disposition", Disposition::from_name)?,
            effect: row.word("effect", Effect::from_name)?,
            seq: row.seq("seq")?,
            first_at: row.at("first_at")?,
            last_at: row.at("last_at")?,
            count: row.number("count")?,
            evidence: row.json("evidence")?,
            query: row.text("query")?,
            facts: row.json("facts")?,
        },
    })
}

pub(crate) fn entity(row: &SqliteRow) -> Result<Option<Entity>, StoreError> {
    let kind = row.word_if_any("entity_kind", EntityKind::from_name)?;
    let name: Option<String> = row.column("entity_name")?;
    Ok(kind.zip(name).map(|(kind, name)| Entity {
        kind,
        name: name.into_boxed_str(),
    }))
}
