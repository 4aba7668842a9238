//! What a site changes about rules: their tunables, and what they are to leave out.

use event::Micros;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, json_text, stored};
use crate::{Actor, Registry, StoreError};

/// A tunable of a rule set here; it goes before the rule's own value and that of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleOverride {
    /// The rule's identifier.
    pub rule: String,
    /// The tunable's name; `disposition` and `enabled` are tunables of every rule.
    pub tunable: String,
    /// Its value.
    pub value: serde_json::Value,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub actor: String,
    /// When it was set.
    pub updated_at: Micros,
}

/// Events that a rule is not to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleException {
    /// Its number.
    pub id: u64,
    /// The rule; `None` for every rule.
    pub rule: Option<String>,
    /// Which events: a filter of the query language. Checked by the caller.
    pub query: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created_at: Micros,
    /// From when on it holds no more.
    pub expires_at: Micros,
}

/// An exception to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRuleException {
    /// The rule; `None` for every rule.
    pub rule: Option<String>,
    /// Which events: a filter of the query language, already checked.
    pub query: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From when on it holds no more.
    pub expires_at: Micros,
}

impl Registry {
    /// Every override, by rule and tunable.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_overrides(&self) -> Result<Vec<RuleOverride>, StoreError> {
        let rows = sqlx::query("SELECT * FROM rule_overrides ORDER BY rule, tunable")
            .fetch_all(&self.readers)
            .await?;
        let override_ = |row: &SqliteRow| {
            Ok(RuleOverride {
                rule: row.text("rule")?,
                tunable: row.text("tunable")?,
                value: row.json("value")?,
                reason: row.text("reason")?,
                actor: row.text("actor")?,
                updated_at: row.at("updated_at")?,
            })
        };
        rows.iter().map(override_).collect()
    }

    /// Sets a tunable of a rule; `None` gives back the value from the configuration or the rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_rule_override(
        &self,
        by: &Actor,
        rule: &str,
        tunable: &str,
        value: Option<&serde_json::Value>,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM rule_overrides WHERE rule = $1 AND tunable = $2")
            .bind(rule)
            .bind(tunable)
            .execute(&mut *write.transaction)
            .await?;
        if let Some(value) = value {
            sqlx::query(
                "INSERT INTO rule_overrides (rule, tunable, value, reason, actor, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(rule)
            .bind(tunable)
            .bind(json_text(value))
            .bind(reason)
            .bind(&by.name)
            .bind(write.now().0)
            .execute(&mut *write.transaction)
            .await?;
        }
        let value = value.map_or_else(|| "default".to_owned(), ToString::to_string);
        let object = format!("{rule} {tunable}={value}: {reason}");
        write.audit(by, "rule-override-set", &object).await?;
        write.commit().await
    }

    /// Exceptions that hold at `at`, first made first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rule_exceptions(&self, at: Micros) -> Result<Vec<RuleException>, StoreError> {
        let rows = sqlx::query("SELECT * FROM rule_exceptions WHERE expires_at > $1 ORDER BY id")
            .bind(at.0)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(exception).collect()
    }

    /// Makes an exception.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_rule_exception(
        &self,
        by: &Actor,
        new: &NewRuleException,
    ) -> Result<RuleException, StoreError> {
        let mut write = self.write().await?;
        let row = sqlx::query(
            "INSERT INTO rule_exceptions (rule, query, owner, reason, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING *",
        )
        .bind(&new.rule)
        .bind(&new.query)
        .bind(&new.owner)
        .bind(&new.reason)
        .bind(write.now().0)
        .bind(new.expires_at.0)
        .fetch_one(&mut *write.transaction)
        .await?;
        let exception = exception(&row)?;
        let rule = new.rule.as_deref().unwrap_or("*");
        let object = format!("{rule} {}: {}", new.query, new.reason);
        write.audit(by, "rule-exception-added", &object).await?;
        write.commit().await?;
        Ok(exception)
    }

    /// Ends an exception now; `false` when there is none that holds.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_rule_exception(&self, by: &Actor, id: u64) -> Result<bool, StoreError> {
        let mut write = self.write().await?;
        let ended = sqlx::query(
            "UPDATE rule_exceptions SET expires_at = $2 WHERE id = $1 AND expires_at > $2",
        )
        .bind(stored(id))
        .bind(write.now().0)
        .execute(&mut *write.transaction)
        .await?
        .rows_affected();
        if ended > 0 {
            write
                .audit(by, "rule-exception-ended", &id.to_string())
                .await?;
        }
        write.commit().await?;
        Ok(ended > 0)
    }
}

fn exception(row: &SqliteRow) -> Result<RuleException, StoreError> {
    Ok(RuleException {
        id: row.number("id")?,
        rule: row.column("rule")?,
        query: row.text("query")?,
        owner: row.text("owner")?,
        reason: row.text("reason")?,
        created_at: row.at("created_at")?,
        expires_at: row.at("expires_at")?,
    })
}
