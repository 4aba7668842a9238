//! Between the types of the database and ours.

use event::{Micros, Seq};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;

/// Reads columns by name as our types.
pub(crate) trait Columns {
    fn column<'r, T>(&'r self, name: &'static str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>;

    fn text(&self, name: &'static str) -> Result<String, StoreError> {
        self.column(name)
    }

    fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        let stored: i64 = self.column(name)?;
        u64::try_from(stored).map_err(|_| damaged(name, &stored))
    }

    fn number_if_any(&self, name: &'static str) -> Result<Option<u64>, StoreError> {
        let Some(stored) = self.column::<Option<i64>>(name)? else {
            return Ok(None);
        };
        u64::try_from(stored)
            .map(Some)
            .map_err(|_| damaged(name, &stored))
    }

    fn seq(&self, name: &'static str) -> Result<Seq, StoreError> {
        self.number(name).map(Seq)
    }

    fn at(&self, name: &'static str) -> Result<Micros, StoreError> {
        self.column(name).map(Micros)
    }

    fn at_if_any(&self, name: &'static str) -> Result<Option<Micros>, StoreError> {
        Ok(self.column::<Option<i64>>(name)?.map(Micros))
    }

    fn yes(&self, name: &'static str) -> Result<bool, StoreError> {
        Ok(self.column::<i64>(name)? != 0)
    }

    fn word<T>(
        &self,
        name: &'static str,
        from_name: fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let stored = self.text(name)?;
        from_name(&stored).ok_or_else(|| damaged(name, &stored))
    }

    fn word_if_any<T>(
        &self,
        name: &'static str,
        from_name: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let Some(stored) = self.column::<Option<String>>(name)? else {
            return Ok(None);
        };
        from_name(&stored)
            .map(Some)
            .ok_or_else(|| damaged(name, &stored))
    }

    fn json<T: DeserializeOwned>(&self, name: &'static str) -> Result<T, StoreError> {
        let stored = self.text(name)?;
        serde_json::from_str(&stored).map_err(|_| damaged(name, &stored))
    }
}

impl Columns for SqliteRow {
    fn column<'r, T>(&'r self, name: &'static str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        Ok(self.try_get(name)?)
    }
}

fn damaged(column: &'static str, value: &impl ToString) -> StoreError {
    let value = value.to_string();
    StoreError::Damaged { column, value }
}

/// A count as the database keeps it: saturating, for none of ours comes near 2⁶³.
pub(crate) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// JSON text of a list or a map with text keys.
pub(crate) fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("lists and maps with text keys are always JSON")
}
