//! What detection saw on each day.

use event::{CalendarDay, DaySeen, RuleDay};
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, stored};
use crate::{Registry, StoreError};

/// Days are kept this long: a year, and some to compare it with.
const DAYS_KEPT: i32 = 400;

impl Registry {
    /// Saves what was seen of a day so far, in place of what was said of it and of the rules in it before.
    ///
    /// # Errors
    /// When the database fails; then nothing is saved.
    pub async fn save_day(&self, day: &DaySeen) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        let date = day.date.to_string();
        sqlx::query(
            "INSERT INTO detector_days (date, events, unread, awake_us) VALUES ($1, $2, $3, $4)
             ON CONFLICT (date) DO UPDATE SET events = excluded.events, unread = excluded.unread,
                 awake_us = excluded.awake_us",
        )
        .bind(&date)
        .bind(stored(day.events))
        .bind(stored(day.unread))
        .bind(day.awake_us)
        .execute(&mut *write.transaction)
        .await?;
        for rule in &day.rules {
            sqlx::query(
                "INSERT INTO rule_days
                     (rule, date, events, complete, matched, keyless, excepted, detections, evicted)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (rule, date) DO UPDATE SET events = excluded.events,
                     complete = excluded.complete, matched = excluded.matched,
                     keyless = excluded.keyless, excepted = excluded.excepted,
                     detections = excluded.detections, evicted = excluded.evicted",
            )
            .bind(&*rule.rule)
            .bind(&date)
            .bind(stored(rule.events))
            .bind(stored(rule.complete))
            .bind(stored(rule.matched))
            .bind(stored(rule.keyless))
            .bind(stored(rule.excepted))
            .bind(stored(rule.detections))
            .bind(stored(rule.evicted))
            .execute(&mut *write.transaction)
            .await?;
        }
        let before = CalendarDay(day.date.0.saturating_sub(DAYS_KEPT)).to_string();
        let forgotten = sqlx::query("DELETE FROM detector_days WHERE date < $1")
            .bind(&before)
            .execute(&mut *write.transaction)
            .await?;
        // Once a day, not each minute: this one looks at every row.
        if forgotten.rows_affected() > 0 {
            sqlx::query("DELETE FROM rule_days WHERE date < $1")
                .bind(&before)
                .execute(&mut *write.transaction)
                .await?;
        }
        write.commit().await
    }

    /// The days from one to another, both included, in order, with what that rule saw on each; days on which the
    /// detector did not run are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn days_of_rule(
        &self,
        rule: &str,
        first: CalendarDay,
        last: CalendarDay,
    ) -> Result<Vec<DaySeen>, StoreError> {
        let rows = sqlx::query(
            "SELECT days.date, days.events AS judged, days.unread, days.awake_us, rules.events,
                 rules.complete, rules.matched, rules.keyless, rules.excepted, rules.detections,
                 rules.evicted
             FROM detector_days AS days LEFT JOIN rule_days AS rules
                 ON rules.date = days.date AND rules.rule = $1
             WHERE days.date BETWEEN $2 AND $3 ORDER BY days.date",
        )
        .bind(rule)
        .bind(first.to_string())
        .bind(last.to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| day(row, rule)).collect()
    }
}

fn day(row: &SqliteRow, rule: &str) -> Result<DaySeen, StoreError> {
    let count = |name| row.number_if_any(name).map(Option::unwrap_or_default);
    Ok(DaySeen {
        date: row.word("date", CalendarDay::from_text)?,
        events: row.number("judged")?,
        unread: row.number("unread")?,
        awake_us: i64::try_from(row.number("awake_us")?).unwrap_or(i64::MAX),
        rules: vec![RuleDay {
            rule: rule.into(),
            events: count("events")?,
            complete: count("complete")?,
            matched: count("matched")?,
            keyless: count("keyless")?,
            excepted: count("excepted")?,
            detections: count("detections")?,
            evicted: count("evicted")?,
        }],
    })
}
