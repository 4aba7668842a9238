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
];

/// The same table that `sqlx::migrate!` would make, without its compiler plug-in, which would build SQLite twice.
pub(crate) fn migrator() -> Migrator {
    let steps = STEPS.iter().map(|&(version, description, sql)| {
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
