//! What the risk of entities is made of: detections that count, and the steps of each firing.

use std::cmp::Ordering;

use event::{Disposition, Effect, Entity, Micros, Seq};
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::detection::entity;
use crate::row::Columns as _;
use crate::{Registry, StoreError, Write};

/// Rules that are looked at for one entity at most.
const RULES_MAX: i64 = 1_000;

/// A detection, as far as risk needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskyDetection {
    /// Its identity.
    pub id: String,
    /// The rule that fired.
    pub rule: String,
    /// What became of it.
    pub disposition: Disposition,
    /// What the thing detected has done.
    pub effect: Effect,
    /// The Seq of the event that completed it.
    pub seq: Seq,
    /// Correlation time of the first event of its episode.
    pub first_at: Micros,
    /// Correlation time of the event that completed it.
    pub fired_at: Micros,
}

impl RiskyDetection {
    /// The order of firing. At the same time rules come by name: identities follow Seqs, which a restart moves.
    #[must_use]
    pub fn in_order(one: &Self, two: &Self) -> Ordering {
        (one.fired_at, &one.rule, &one.id).cmp(&(two.fired_at, &two.rule, &two.id))
    }
}

/// One detection in the story of a risk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RiskStep {
    /// Its identity.
    pub detection: String,
    /// The rule that fired.
    pub rule: String,
    /// What became of it.
    pub disposition: Disposition,
    /// What the thing detected has done.
    pub effect: Effect,
    /// When it fired.
    pub at: Micros,
    /// The points that it added then.
    pub points: f64,
}

impl Registry {
    /// Detections that count and fired after `from`, with their entities, last fired first: `limit` at most. Those of `except` are
    /// left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn risky_since(
        &self,
        from: Micros,
        except: &str,
        limit: u32,
    ) -> Result<Vec<(Entity, RiskyDetection)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, rule, disposition, effect, seq, first_at, fired_at, entity_kind, entity_name
             FROM detections
             WHERE fired_at > $1 AND rule <> $2 AND entity_kind IS NOT NULL
               AND suppressed_by IS NULL AND disposition <> 'digest'
             ORDER BY fired_at DESC, id DESC LIMIT $3",
        )
        .bind(from.0)
        .bind(except)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(entity) = entity(row)? {
                found.push((entity, risky(row)?));
            }
        }
        Ok(found)
    }

    /// Detections about an entity that count and fired after `from`, in order of firing: of each rule the newest `each`. Those of
    /// `except` are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn risky_detections(
        &self,
        entity: &Entity,
        from: Micros,
        except: &str,
        each: u32,
    ) -> Result<Vec<RiskyDetection>, StoreError> {
        let mut reader = self.readers.acquire().await?;
        risky_detections(&mut reader, entity, from, except, each).await
    }

    /// The steps of those firings, in order of time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn risk_steps(&self, risks: &[&str]) -> Result<Vec<RiskStep>, StoreError> {
        let mut steps = Vec::new();
        for risk in risks {
            let rows = sqlx::query("SELECT * FROM risk_steps WHERE risk = $1")
                .bind(*risk)
                .fetch_all(&self.readers)
                .await?;
            for row in &rows {
                steps.push(step(row)?);
            }
        }
        steps.sort_by(|one, two| {
            (one.at, &one.rule, &one.detection).cmp(&(two.at, &two.rule, &two.detection))
        });
        steps.dedup_by(|one, two| one.detection == two.detection);
        Ok(steps)
    }
}

impl Write<'_> {
    /// As [`Registry::risky_detections`], within a change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn risky_detections(
        &mut self,
        entity: &Entity,
        from: Micros,
        except: &str,
        each: u32,
    ) -> Result<Vec<RiskyDetection>, StoreError> {
        risky_detections(&mut self.transaction, entity, from, except, each).await
    }

    /// Firings of a rule about an entity that were not over before `since`, as identity, when it fired and its latest event, in that
    /// order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn episodes(
        &mut self,
        rule: &str,
        entity: &Entity,
        since: Micros,
    ) -> Result<Vec<(String, Micros, Micros)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, fired_at, last_at FROM detections
             WHERE entity_kind = $1 AND entity_name = $2 AND rule = $3 AND last_at >= $4
             ORDER BY fired_at, id",
        )
        .bind(entity.kind.name())
        .bind(&*entity.name)
        .bind(rule)
        .bind(since.0)
        .fetch_all(&mut *self.transaction)
        .await?;
        let episode =
            |row: &SqliteRow| Ok((row.text("id")?, row.at("fired_at")?, row.at("last_at")?));
        rows.iter().map(episode).collect()
    }

    /// Adds a step to a firing, unless it is there already, or the firing has `max` steps.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_risk_step(
        &mut self,
        risk: &str,
        step: &RiskStep,
        max: u32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO risk_steps (risk, detection, rule, disposition, effect, at, points)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE (SELECT count(*) FROM risk_steps WHERE risk = $1) < $8
             ON CONFLICT DO NOTHING",
        )
        .bind(risk)
        .bind(&step.detection)
        .bind(&step.rule)
        .bind(step.disposition.name())
        .bind(step.effect.name())
        .bind(step.at.0)
        .bind(step.points)
        .bind(i64::from(max))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Makes an episode last until `last_at` at least.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stretch_episode(&mut self, id: &str, last_at: Micros) -> Result<(), StoreError> {
        sqlx::query("UPDATE detections SET last_at = $2 WHERE id = $1 AND last_at < $2")
            .bind(id)
            .bind(last_at.0)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Forgets the steps of firings that are no longer stored.
    pub(crate) async fn prune_risk_steps(&mut self) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM risk_steps WHERE risk NOT IN (SELECT id FROM detections)")
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}

async fn risky_detections(
    connection: &mut SqliteConnection,
    entity: &Entity,
    from: Micros,
    except: &str,
    each: u32,
) -> Result<Vec<RiskyDetection>, StoreError> {
    // One look-up in the index for each rule: one that fires all the time does not have to be read through.
    let rows = sqlx::query(
        "WITH RECURSIVE rules (rule) AS (
             SELECT min(rule) FROM detections WHERE entity_kind = $1 AND entity_name = $2
             UNION ALL
             SELECT (SELECT min(rule) FROM detections
                     WHERE entity_kind = $1 AND entity_name = $2 AND rule > rules.rule)
             FROM rules WHERE rules.rule IS NOT NULL LIMIT $6
         )
         SELECT id, detections.rule AS rule, disposition, effect, seq, first_at, fired_at
         FROM rules JOIN detections ON detections.number IN (
             SELECT number FROM detections
             WHERE entity_kind = $1 AND entity_name = $2 AND rule = rules.rule AND fired_at > $3
               AND suppressed_by IS NULL AND disposition <> 'digest'
             ORDER BY fired_at DESC, id DESC LIMIT $5)
         WHERE rules.rule <> $4",
    )
    .bind(entity.kind.name())
    .bind(&*entity.name)
    .bind(from.0)
    .bind(except)
    .bind(i64::from(each))
    .bind(RULES_MAX)
    .fetch_all(connection)
    .await?;
    let found = rows.iter().map(risky);
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    found.sort_by(RiskyDetection::in_order);
    Ok(found)
}

fn risky(row: &SqliteRow) -> Result<RiskyDetection, StoreError> {
    Ok(RiskyDetection {
        id: row.text("id")?,
        rule: row.text("rule")?,
        disposition: row.word("disposition", Disposition::from_name)?,
        effect: row.word("effect", Effect::from_name)?,
        seq: row.seq("seq")?,
        first_at: row.at("first_at")?,
        fired_at: row.at("fired_at")?,
    })
}

fn step(row: &SqliteRow) -> Result<RiskStep, StoreError> {
    Ok(RiskStep {
        detection: row.text("detection")?,
        rule: row.text("rule")?,
        disposition: row.word("disposition", Disposition::from_name)?,
        effect: row.word("effect", Effect::from_name)?,
        at: row.at("at")?,
        points: row.column("points")?,
    })
}
