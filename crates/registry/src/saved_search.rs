//! Searches that people keep under a name, for themselves or for everybody.

use event::Micros;
use serde::Serialize;
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

use crate::row::{Columns as _, stored};
use crate::{Actor, Page, Registry, StoreError, Write};

/// Letters of a name at most.
const NAME_CHARS_MAX: usize = 120;
/// Letters of a description at most.
const DESCRIPTION_CHARS_MAX: usize = 2000;
/// Searches that one owner keeps at most.
const OWN_MAX: i64 = 200;

/// What a saved search says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchText {
    /// 1 to 120 letters, none of them control characters; the owner has no other of that name.
    pub name: String,
    /// The query, stages included, as typed. Checked by the caller.
    pub query: String,
    /// The beginning of the span of time as typed, such as `now-24h`. Checked by the caller.
    pub from: Option<String>,
    /// The end of the span of time as typed.
    pub to: Option<String>,
    /// What it is for: at most 2000 letters.
    pub description: String,
    /// Whether everybody who may search sees it.
    pub shared: bool,
}

/// A saved search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SavedSearch {
    /// Its number.
    pub id: u64,
    /// Who keeps it.
    pub owner: String,
    /// What it says.
    #[serde(flatten)]
    pub text: SearchText,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub changed_at: Micros,
}

/// Whose searches somebody may see and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// One's own; those that others share may be seen.
    Own,
    /// Everybody's.
    All,
}

impl Rights {
    fn may_see(self, by: &Actor, found: &SavedSearch) -> bool {
        found.text.shared || self.may_change(by, found)
    }

    fn may_change(self, by: &Actor, found: &SavedSearch) -> bool {
        self == Self::All || found.owner == by.name
    }
}

/// Why a saved search is not made, changed or deleted.
#[derive(Debug, thiserror::Error)]
pub enum SavedSearchError {
    /// The name cannot be one.
    #[error(
        "{name:?} cannot be the name of a search: write 1 to {NAME_CHARS_MAX} letters on one line"
    )]
    NameInvalid {
        /// What was given.
        name: String,
    },
    /// The description is too long.
    #[error("the description is too long: write at most {DESCRIPTION_CHARS_MAX} letters")]
    DescriptionTooLong,
    /// The owner has another search of that name.
    #[error("{owner} has a search named {name:?} already: change that one, or take another name")]
    NameTaken {
        /// Whose.
        owner: String,
        /// The name.
        name: String,
    },
    /// The owner keeps as many as anybody may.
    #[error("{OWN_MAX} searches are kept already: delete some that are no longer needed")]
    TooMany,
    /// There is none with that number, or none that may be seen.
    #[error("there is no saved search {id}")]
    NotFound {
        /// Its number.
        id: u64,
    },
    /// It is another's.
    #[error("the search is {owner}'s: only {owner} or an administrator may change it; save a copy")]
    NotOwner {
        /// Whose.
        owner: String,
    },
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// The searches that `reader` may see, last made first: `limit` of those made before the one with the number `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saved_searches(
        &self,
        reader: &Actor,
        rights: Rights,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<SavedSearch>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM saved_searches
             WHERE (owner = $1 OR shared <> 0 OR $2 <> 0) AND id < $3
             ORDER BY id DESC LIMIT $4",
        )
        .bind(&reader.name)
        .bind(i64::from(rights == Rights::All))
        .bind(before.map_or(i64::MAX, stored))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let items = rows.iter().map(saved).collect::<Result<Vec<_>, _>>()?;
        let full = items.len() == limit as usize;
        let next = items.last().filter(|_| full).map(|last| last.id);
        Ok(Page { items, next })
    }

    /// The search with that number, if `reader` may see it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saved_search(
        &self,
        reader: &Actor,
        rights: Rights,
        id: u64,
    ) -> Result<Option<SavedSearch>, StoreError> {
        let row = sqlx::query("SELECT * FROM saved_searches WHERE id = $1")
            .bind(stored(id))
            .fetch_optional(&self.readers)
            .await?;
        let found = row.as_ref().map(saved).transpose()?;
        Ok(found.filter(|found| rights.may_see(reader, found)))
    }

    /// Keeps a search.
    ///
    /// # Errors
    /// When the name or the description cannot be, the name is taken, too many are kept, or the database fails.
    pub async fn save_search(
        &self,
        by: &Actor,
        text: &SearchText,
    ) -> Result<SavedSearch, SavedSearchError> {
        let text = checked(text)?;
        let mut write = self.write().await?;
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM saved_searches WHERE owner = $1")
            .bind(&by.name)
            .fetch_one(&mut *write.transaction)
            .await
            .map_err(StoreError::from)?;
        if kept >= OWN_MAX {
            return Err(SavedSearchError::TooMany);
        }
        let insert = sqlx::query(
            "INSERT INTO saved_searches
                 (name, query, from_text, to_text, description, shared, owner, created_at, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING RETURNING *",
        );
        let row = bound(insert, &text)
            .bind(&by.name)
            .bind(write.now().0)
            .fetch_optional(&mut *write.transaction)
            .await
            .map_err(StoreError::from)?;
        let row = row.ok_or_else(|| name_taken(&by.name, &text))?;
        let made = saved(&row)?;
        write
            .audit(by, "saved-search-created", &object(&made))
            .await?;
        write.commit().await?;
        Ok(made)
    }

    /// Makes a saved search say something else.
    ///
    /// # Errors
    /// As [`Registry::save_search`]; and when there is none that `by` may see, or it is another's.
    pub async fn change_saved_search(
        &self,
        by: &Actor,
        rights: Rights,
        id: u64,
        text: &SearchText,
    ) -> Result<SavedSearch, SavedSearchError> {
        let text = checked(text)?;
        let mut write = self.write().await?;
        let found = write.own_search(by, rights, id).await?;
        let update = sqlx::query(
            "UPDATE OR IGNORE saved_searches
             SET name = $1, query = $2, from_text = $3, to_text = $4, description = $5, shared = $6,
                 changed_at = $7
             WHERE id = $8 RETURNING *",
        );
        let row = bound(update, &text)
            .bind(write.now().0)
            .bind(stored(id))
            .fetch_optional(&mut *write.transaction)
            .await
            .map_err(StoreError::from)?;
        let row = row.ok_or_else(|| name_taken(&found.owner, &text))?;
        let changed = saved(&row)?;
        write
            .audit(by, "saved-search-changed", &object(&changed))
            .await?;
        write.commit().await?;
        Ok(changed)
    }

    /// Deletes a saved search; gives what it said.
    ///
    /// # Errors
    /// When there is none that `by` may see, it is another's, or the database fails.
    pub async fn delete_saved_search(
        &self,
        by: &Actor,
        rights: Rights,
        id: u64,
    ) -> Result<SavedSearch, SavedSearchError> {
        let mut write = self.write().await?;
        let found = write.own_search(by, rights, id).await?;
        sqlx::query("DELETE FROM saved_searches WHERE id = $1")
            .bind(stored(id))
            .execute(&mut *write.transaction)
            .await
            .map_err(StoreError::from)?;
        write
            .audit(by, "saved-search-deleted", &object(&found))
            .await?;
        write.commit().await?;
        Ok(found)
    }
}

impl Write<'_> {
    /// The search with that number, which `by` may change.
    async fn own_search(
        &mut self,
        by: &Actor,
        rights: Rights,
        id: u64,
    ) -> Result<SavedSearch, SavedSearchError> {
        let row = sqlx::query("SELECT * FROM saved_searches WHERE id = $1")
            .bind(stored(id))
            .fetch_optional(&mut *self.transaction)
            .await
            .map_err(StoreError::from)?;
        let found = row.as_ref().map(saved).transpose()?;
        let found = found.filter(|found| rights.may_see(by, found));
        let found = found.ok_or(SavedSearchError::NotFound { id })?;
        if !rights.may_change(by, &found) {
            return Err(SavedSearchError::NotOwner { owner: found.owner });
        }
        Ok(found)
    }
}

/// The text with its name trimmed, if it can be kept.
fn checked(text: &SearchText) -> Result<SearchText, SavedSearchError> {
    let name = text.name.trim();
    let chars = name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&chars) || name.contains(char::is_control) {
        let name = text.name.chars().take(NAME_CHARS_MAX).collect();
        return Err(SavedSearchError::NameInvalid { name });
    }
    if text.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(SavedSearchError::DescriptionTooLong);
    }
    Ok(SearchText {
        name: name.to_owned(),
        ..text.clone()
    })
}

/// With the parameters 1 to 6.
fn bound<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    text: &SearchText,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(text.name.clone())
        .bind(text.query.clone())
        .bind(text.from.clone())
        .bind(text.to.clone())
        .bind(text.description.clone())
        .bind(i64::from(text.shared))
}

fn name_taken(owner: &str, text: &SearchText) -> SavedSearchError {
    SavedSearchError::NameTaken {
        owner: owner.to_owned(),
        name: text.name.clone(),
    }
}

/// As it goes on record.
fn object(search: &SavedSearch) -> String {
    let shared = if search.text.shared { ", shared" } else { "" };
    let (id, owner) = (search.id, &search.owner);
    format!(
        "{id} {:?} ({owner}{shared}): {}",
        search.text.name, search.text.query
    )
}

fn saved(row: &SqliteRow) -> Result<SavedSearch, StoreError> {
    Ok(SavedSearch {
        id: row.number("id")?,
        owner: row.text("owner")?,
        text: SearchText {
            name: row.text("name")?,
            query: row.text("query")?,
            from: row.column("from_text")?,
            to: row.column("to_text")?,
            description: row.text("description")?,
            shared: row.yes("shared")?,
        },
        created_at: row.at("created_at")?,
        changed_at: row.at("changed_at")?,
    })
}
