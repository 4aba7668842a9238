//! The steps that bring the tables to this version's form, embedded in the binary.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// One row a step: version, what it does, its text. Steps that were released are never edited.
const STEPS: &[(i64, &str, &str)] = &[
    (
        1,
        "start",
        include_str!("../migrations/sqlite/0001_start.sql"),
    ),
    (
        2,
        "clocks",
        include_str!("../migrations/sqlite/0002_clocks.sql"),
    ),
    (
        3,
        "searches",
        include_str!("../migrations/sqlite/0003_searches.sql"),
    ),
    (
        4,
        "people",
        include_str!("../migrations/sqlite/0004_people.sql"),
    ),
    (
        5,
        "handling",
        include_str!("../migrations/sqlite/0005_handling.sql"),
    ),
    (
        6,
        "suppressions",
        include_str!("../migrations/sqlite/0006_suppressions.sql"),
    ),
    (
        7,
        "severity",
        include_str!("../migrations/sqlite/0007_severity.sql"),
    ),
    (
        8,
        "risk",
        include_str!("../migrations/sqlite/0008_risk.sql"),
    ),
    (
        9,
        "days",
        include_str!("../migrations/sqlite/0009_days.sql"),
    ),
    (
        10,
        "memories",
        include_str!("../migrations/sqlite/0010_memories.sql"),
    ),
];

/// The same table that `sqlx::migrate!` would make, without its compiler plug-in, which would build SQLite twice.
pub(crate) fn migrator() -> Migrator {
    of(STEPS)
}

fn of(steps: &[(i64, &'static str, &'static str)]) -> Migrator {
    let steps = steps.iter().map(|&(version, description, sql)| {
        let sql = sql.into_sql_str();
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql,
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    #[tokio::test]
    async fn alerts_and_detections_of_the_first_version_get_what_later_ones_add() {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect("sqlite::memory:")
            .await
            .unwrap();
        of(&STEPS[..3]).run(&pool).await.unwrap();
        for insert in [
            "INSERT INTO alerts (rule, entity, state, disposition, effect, severity, created_at, updated_at,
                 first_at, last_at, detections, events)
             VALUES ('scan', '', 'new', 'queue', 'damage', 'medium', 1, 1, 1, 7, 1, 3)",
            "INSERT INTO detections (id, rule, rules_version, group_key, disposition, effect, seq, first_at,
                 last_at, count, evidence, query, facts, stored_at)
             VALUES ('d', 'scan', '1', '[]', 'queue', 'damage', 9, 1, 7, 3, '[]', '*', '{}', 8)",
        ] {
            sqlx::query(insert).execute(&pool).await.unwrap();
        }
        migrator().run(&pool).await.unwrap();
        let alert = sqlx::query("SELECT * FROM alerts").fetch_one(&pool).await;
        let alert = alert.unwrap();
        assert_eq!(alert.get::<String, _>("proposed"), "medium");
        assert_eq!(alert.get::<Option<String>, _>("severity_set_by"), None);
        let detection = sqlx::query("SELECT * FROM detections")
            .fetch_one(&pool)
            .await;
        let detection = detection.unwrap();
        assert_eq!(detection.get::<i64, _>("fired_at"), 7);
        assert_eq!(detection.get::<Option<i64>, _>("suppressed_by"), None);
    }
}
