//! Alerts and their history, as kept. What may follow what is decided by the `alert` crate.

use std::collections::HashMap;

use event::{AlertSeverity, Disposition, Effect, Entity, EntityKind, Micros};
use serde::{Deserialize, Serialize};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use crate::row::{Columns as _, stored};
use crate::{Actor, Page, Registry, StoreError, Write};

/// An alert's number, from 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub u64);

impl AlertId {
    pub(crate) fn read(stored: i64) -> Option<Self> {
        u64::try_from(stored).ok().map(Self)
    }
}

impl std::fmt::Display for AlertId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

event::vocabulary! {
    /// Where the handling of an alert stands.
    AlertState {
        /// Nobody has looked.
        New = "new",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// Done: it has a resolution.
        Closed = "closed",
    }
}

event::vocabulary! {
    /// How an alert ended.
    Resolution {
        /// It was so, and was dealt with.
        Resolved = "resolved",
        /// It was not so.
        FalsePositive = "false_positive",
        /// It is so, and may be.
        Accepted = "accepted",
        /// Another alert covers it.
        Duplicate = "duplicate",
    }
}

/// What a person handles: the detections of one rule about one entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Its number.
    pub id: AlertId,
    /// The rule that fired.
    pub rule: String,
    /// About whom or what.
    pub entity: Option<Entity>,
    /// Where its handling stands.
    pub state: AlertState,
    /// How it ended, once closed.
    pub resolution: Option<Resolution>,
    /// The gravest disposition of its detections.
    pub disposition: Disposition,
    /// The gravest effect of its detections.
    pub effect: Effect,
    /// The severity in force: the one proposed, unless a person has set another.
    pub severity: AlertSeverity,
    /// Proposed by effect and tier.
    pub proposed: AlertSeverity,
    /// Who has set the severity; `None` where the one proposed is in force.
    pub severity_set: Option<SeveritySet>,
    /// Who has it in hand.
    pub assignee: Option<String>,
    /// The alert about the same, closed before this one.
    pub previous: Option<AlertId>,
    /// When it arose.
    pub created_at: Micros,
    /// When it last changed in any way.
    pub updated_at: Micros,
    /// Correlation time of its first event.
    pub first_at: Micros,
    /// Correlation time of its latest event.
    pub last_at: Micros,
    /// Detections in it.
    pub detections: u64,
    /// Events in its detections.
    pub events: u64,
}

/// That a person has set an alert's severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeveritySet {
    /// Who.
    pub by: String,
    /// When.
    pub at: Micros,
    /// Why.
    pub reason: String,
}

/// An alert to be kept, in state `new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAlert {
    /// The rule that fired.
    pub rule: String,
    /// About whom or what.
    pub entity: Option<Entity>,
    /// Disposition of its first detection.
    pub disposition: Disposition,
    /// Effect of its first detection.
    pub effect: Effect,
    /// The severity proposed.
    pub severity: AlertSeverity,
    /// Correlation time of its first event.
    pub first_at: Micros,
    /// Correlation time of its latest event.
    pub last_at: Micros,
    /// Events in its first detection.
    pub events: u64,
}

/// What new detections and longer episodes add to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertGrowth {
    /// Detections that joined.
    pub detections: u64,
    /// Events that joined.
    pub events: u64,
    /// Correlation time of the latest event.
    pub last_at: Micros,
}

/// What a person does to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertChange {
    /// Its state from now on.
    pub state: AlertState,
    /// Its resolution from now on.
    pub resolution: Option<Resolution>,
    /// Who has it in hand from now on.
    pub assignee: Option<String>,
}

/// A step in the handling of an alert, to be noted.
#[derive(Clone, Copy, Debug)]
pub struct NewStep<'a> {
    /// What is done: see [`HistoryEntry::action`].
    pub action: &'a str,
    /// The state after it.
    pub state: AlertState,
    /// What it sets: see [`HistoryEntry::detail`].
    pub detail: Option<&'a str>,
    /// To how many alerts it is done at once: see [`HistoryEntry::together`].
    pub together: Option<u64>,
    /// What the person wrote.
    pub comment: Option<&'a str>,
}

/// One step in the handling of an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Micros,
    /// Who.
    pub actor: String,
    /// What: `created`, `escalated`, `acknowledged`, `started`, `assigned`, `released`,
    /// `regraded`, `closed`, `reopened`, `commented`.
    pub action: String,
    /// The state after it.
    pub state: AlertState,
    /// What the step set: to whom the alert was assigned, which severity, how it was closed.
    pub detail: Option<String>,
    /// How many alerts were closed by the same act, where it was one for many.
    pub together: Option<u64>,
    /// What the person wrote.
    pub comment: Option<String>,
}

/// In whose hand an alert is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// In nobody's.
    ToNobody,
    /// In that person's, by name.
    To(String),
}

/// Which alerts to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// Only those in this state.
    pub state: Option<AlertState>,
    /// Only those not closed.
    pub open: bool,
    /// Only those of this rule.
    pub rule: Option<String>,
    /// Only those about this entity.
    pub entity: Option<Entity>,
    /// Only those with this severity.
    pub severity: Option<AlertSeverity>,
    /// Only those in this hand.
    pub assigned: Option<Assigned>,
    /// Only those whose latest event is before this.
    pub quiet_since: Option<Micros>,
    /// Only those with a smaller number.
    pub before: Option<u64>,
    /// How many at most.
    pub limit: u32,
}

const FILTERED: &str = "SELECT * FROM alerts
    WHERE ($1 IS NULL OR state = $1) AND ($2 = 0 OR state <> 'closed')
      AND ($3 IS NULL OR rule = $3) AND ($4 IS NULL OR entity = $4)
      AND ($5 IS NULL OR severity = $5) AND ($6 IS NULL OR id < $6)
      AND ($7 IS NULL OR assignee = $7) AND ($8 = 0 OR assignee IS NULL)
      AND ($9 IS NULL OR last_at < $9)
    ORDER BY id DESC LIMIT $10";

/// The alerts that the filter names.
fn filtered(filter: &AlertFilter) -> Query<'static, Sqlite, SqliteArguments> {
    let (nobody, assignee) = match &filter.assigned {
        None => (false, None),
        Some(Assigned::ToNobody) => (true, None),
        Some(Assigned::To(name)) => (false, Some(name.clone())),
    };
    sqlx::query(FILTERED)
        .bind(filter.state.map(AlertState::name))
        .bind(i64::from(filter.open))
        .bind(filter.rule.clone())
        .bind(filter.entity.as_ref().map(Entity::to_string))
        .bind(filter.severity.map(AlertSeverity::name))
        .bind(filter.before.map(stored))
        .bind(assignee)
        .bind(i64::from(nobody))
        .bind(filter.quiet_since.map(|at| at.0))
        .bind(i64::from(filter.limit))
}

impl Registry {
    /// Alerts, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts(&self, filter: &AlertFilter) -> Result<Page<Alert>, StoreError> {
        let rows = filtered(filter).fetch_all(&self.readers).await?;
        let items = rows.iter().map(alert).collect::<Result<Vec<_>, _>>()?;
        let full = items.len() == filter.limit as usize;
        let next = items.last().filter(|_| full).map(|last| last.id.0);
        Ok(Page { items, next })
    }

    /// The alert with that number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        let row = sqlx::query("SELECT * FROM alerts WHERE id = $1")
            .bind(stored(id.0))
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(alert).transpose()
    }

    /// What was done to an alert, first to last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_history(&self, id: AlertId) -> Result<Vec<HistoryEntry>, StoreError> {
        let rows = sqlx::query("SELECT * FROM alert_history WHERE alert = $1 ORDER BY id")
            .bind(stored(id.0))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(history_entry).collect()
    }

    /// How many alerts there are of every state and severity, zeros included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_counts(&self) -> Result<Vec<(AlertState, AlertSeverity, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT state, severity, count(*) AS alerts FROM alerts GROUP BY state, severity",
        )
        .fetch_all(&self.readers)
        .await?;
        let mut found = HashMap::new();
        for row in &rows {
            let state = row.word("state", AlertState::from_name)?;
            let severity = row.word("severity", AlertSeverity::from_name)?;
            found.insert((state, severity), row.number("alerts")?);
        }
        let all = AlertState::ALL.iter().flat_map(|&state| {
            let severities = AlertSeverity::ALL.iter();
            severities.map(move |&severity| (state, severity))
        });
        let counted = all.map(|(state, severity)| {
            let count = found.get(&(state, severity)).copied().unwrap_or(0);
            (state, severity, count)
        });
        Ok(counted.collect())
    }
}

impl Write<'_> {
    /// The alert about this rule and entity that is not closed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_alert(
        &mut self,
        rule: &str,
        entity: Option<&Entity>,
    ) -> Result<Option<Alert>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM alerts WHERE rule = $1 AND entity = $2 AND state <> 'closed'",
        )
        .bind(rule)
        .bind(entity_text(entity))
        .fetch_optional(&mut *self.transaction)
        .await?;
        row.as_ref().map(alert).transpose()
    }

    /// The alert with that number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert(&mut self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        let row = sqlx::query("SELECT * FROM alerts WHERE id = $1")
            .bind(stored(id.0))
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.as_ref().map(alert).transpose()
    }

    /// Alerts, newest first: at most as many as the filter says.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alerts(&mut self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
        let rows = filtered(filter).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(alert).collect()
    }

    /// Counts an alert's detections and their events anew, which was not done while it was closed.
    ///
    /// # Errors
    /// When the database fails, or there is no such alert.
    pub async fn recount_alert(&mut self, id: AlertId) -> Result<Alert, StoreError> {
        let row = sqlx::query(
            "UPDATE alerts SET
                 detections = (SELECT count(*) FROM detections WHERE alert = $1),
                 events = (SELECT coalesce(sum(count), 0) FROM detections WHERE alert = $1),
                 last_at = (SELECT coalesce(max(last_at), alerts.last_at) FROM detections WHERE alert = $1)
             WHERE id = $1 RETURNING *",
        )
        .bind(stored(id.0))
        .fetch_one(&mut *self.transaction)
        .await?;
        alert(&row)
    }

    /// Keeps a new alert, which follows the last closed one about the same.
    ///
    /// # Errors
    /// When the database fails, or one about the same is not closed.
    pub async fn create_alert(&mut self, new: &NewAlert) -> Result<Alert, StoreError> {
        let row = sqlx::query(
            "INSERT INTO alerts (rule, entity, state, disposition, effect, severity, proposed, previous,
                 created_at, updated_at, first_at, last_at, detections, events)
             VALUES ($1, $2, 'new', $3, $4, $5, $5,
                 (SELECT max(id) FROM alerts WHERE rule = $1 AND entity = $2),
                 $6, $6, $7, $8, 1, $9)
             RETURNING *",
        )
        .bind(&new.rule)
        .bind(entity_text(new.entity.as_ref()))
        .bind(new.disposition.name())
        .bind(new.effect.name())
        .bind(new.severity.name())
        .bind(self.now.0)
        .bind(new.first_at.0)
        .bind(new.last_at.0)
        .bind(stored(new.events))
        .fetch_one(&mut *self.transaction)
        .await?;
        alert(&row)
    }

    /// Adds what has joined an alert.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grow_alert(
        &mut self,
        id: AlertId,
        growth: &AlertGrowth,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE alerts SET detections = detections + $2, events = events + $3,
                 last_at = CASE WHEN last_at < $4 THEN $4 ELSE last_at END, updated_at = $5
             WHERE id = $1",
        )
        .bind(stored(id.0))
        .bind(stored(growth.detections))
        .bind(stored(growth.events))
        .bind(growth.last_at.0)
        .bind(self.now.0)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Writes how grave an alert is: disposition, effect, severities, and who has set the one in force.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grade_alert(&mut self, alert: &Alert) -> Result<(), StoreError> {
        let set = alert.severity_set.as_ref();
        sqlx::query(
            "UPDATE alerts SET disposition = $2, effect = $3, severity = $4, proposed = $5,
                 severity_set_by = $6, severity_set_at = $7, severity_reason = $8, updated_at = $9
             WHERE id = $1",
        )
        .bind(stored(alert.id.0))
        .bind(alert.disposition.name())
        .bind(alert.effect.name())
        .bind(alert.severity.name())
        .bind(alert.proposed.name())
        .bind(set.map(|set| set.by.as_str()))
        .bind(set.map(|set| set.at.0))
        .bind(set.map(|set| set.reason.as_str()))
        .bind(self.now.0)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Does to an alert what a person decided.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn change_alert(
        &mut self,
        id: AlertId,
        change: &AlertChange,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE alerts SET state = $2, resolution = $3, assignee = $4, updated_at = $5 WHERE id = $1",
        )
        .bind(stored(id.0))
        .bind(change.state.name())
        .bind(change.resolution.map(Resolution::name))
        .bind(&change.assignee)
        .bind(self.now.0)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Notes a step in the handling of an alert; gives the step's number, never used twice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_history(
        &mut self,
        id: AlertId,
        by: &Actor,
        step: NewStep<'_>,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "INSERT INTO alert_history (alert, at, actor, action, state, detail, together, comment)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        )
        .bind(stored(id.0))
        .bind(self.now.0)
        .bind(&by.name)
        .bind(step.action)
        .bind(step.state.name())
        .bind(step.detail)
        .bind(step.together.map(stored))
        .bind(step.comment)
        .fetch_one(&mut *self.transaction)
        .await?;
        row.number("id")
    }
}

/// As the column keeps it: empty for none, so that the unique index sees equals as equal.
fn entity_text(entity: Option<&Entity>) -> String {
    entity.map(Entity::to_string).unwrap_or_default()
}

fn read_entity(text: &str) -> Option<Entity> {
    let (kind, name) = text.split_once(':')?;
    let kind = EntityKind::from_name(kind)?;
    let name = name.into();
    Some(Entity { kind, name })
}

fn alert(row: &SqliteRow) -> Result<Alert, StoreError> {
    let entity = match row.text("entity")?.as_str() {
        "" => None,
        _ => Some(row.word("entity", read_entity)?),
    };
    Ok(Alert {
        id: AlertId(row.number("id")?),
        rule: row.text("rule")?,
        entity,
        state: row.word("state", AlertState::from_name)?,
        resolution: row.word_if_any("resolution", Resolution::from_name)?,
        disposition: row.word("disposition", Disposition::from_name)?,
        effect: row.word("effect", Effect::from_name)?,
        severity: row.word("severity", AlertSeverity::from_name)?,
        proposed: row.word("proposed", AlertSeverity::from_name)?,
        severity_set: severity_set(row)?,
        assignee: row.column("assignee")?,
        previous: row
            .column::<Option<i64>>("previous")?
            .and_then(AlertId::read),
        created_at: row.at("created_at")?,
        updated_at: row.at("updated_at")?,
        first_at: row.at("first_at")?,
        last_at: row.at("last_at")?,
        detections: row.number("detections")?,
        events: row.number("events")?,
    })
}

fn severity_set(row: &SqliteRow) -> Result<Option<SeveritySet>, StoreError> {
    let by: Option<String> = row.column("severity_set_by")?;
    let at = row.at_if_any("severity_set_at")?;
    let reason: Option<String> = row.column("severity_reason")?;
    let set = by.zip(at).map(|(by, at)| SeveritySet {
        by,
        at,
        reason: reason.unwrap_or_default(),
    });
    Ok(set)
}

fn history_entry(row: &SqliteRow) -> Result<HistoryEntry, StoreError> {
    Ok(HistoryEntry {
        at: row.at("at")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        state: row.word("state", AlertState::from_name)?,
        detail: row.column("detail")?,
        together: row.number_if_any("together")?,
        comment: row.column("comment")?,
    })
}
