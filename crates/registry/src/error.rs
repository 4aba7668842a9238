//! What can go wrong on our side.

use std::path::PathBuf;

/// Why the registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file could not be created.
    #[error("cannot create {path}: {source}; check that the folder exists and may be written")]
    Create {
        /// The registry's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite could not open the file.
    #[error("cannot open the registry {path}: {source}; restore it from a backup if it is damaged")]
    Connect {
        /// The registry's file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The tables could not be brought to this version's form, or are of a later version.
    #[error(
        "cannot bring the tables of {path} up to date: {source}; a later version may have written it"
    )]
    Migrate {
        /// The registry's file.
        path: PathBuf,
        /// What failed.
        source: Box<sqlx::migrate::MigrateError>,
    },
    /// The tables could not be read.
    #[error("cannot read the registry {path}: {source}")]
    Read {
        /// The registry's file.
        path: PathBuf,
        /// What failed.
        source: StoreError,
    },
}

/// Why a reading or a change did not happen. After it, nothing of that change is stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed: no space, no rights, or busy for longer than we wait.
    #[error("the registry's database failed: {0}; check free space and rights of its folder")]
    Database(#[from] sqlx::Error),
    /// A row holds what this version cannot read.
    #[error(
        "column {column} of the registry holds {value:?}, which this version cannot read: restore the registry from a backup, or use the version that wrote it"
    )]
    Damaged {
        /// Where.
        column: &'static str,
        /// What was found there.
        value: String,
    },
}
