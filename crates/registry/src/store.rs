//! Opening, closing, copying and pruning the store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use event::{Clock, Micros};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::{Notify, watch};

use crate::token::TokenTable;
use crate::{OpenError, StoreError, Write, migrations};

/// How long a statement waits for another process, such as a backup, to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READERS: u32 = 4;

/// The control-plane store. Share it in an `Arc`.
#[derive(Debug)]
pub struct Registry {
    /// One connection, hence one writer: changes queue here and not on SQLite's lock.
    writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tokens: TokenTable,
    /// Woken when an audit waits for the journal.
    pub(crate) audit_waits: Notify,
    /// Changes when a notification is put into the outbox.
    pub(crate) outbox_grew: watch::Sender<()>,
    instance: Box<str>,
}

/// How many rows [`Registry::prune`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrunedRows {
    /// Detections that belonged to no alert.
    pub detections: u64,
    /// Notifications sent or given up.
    pub outbox: u64,
}

impl Registry {
    /// Opens the registry at `path`, creating it or bringing its tables up to date where needed.
    ///
    /// # Errors
    /// When the file cannot be created or opened, or was written by a later version.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path_buf = || path.to_path_buf();
        create_private(path).map_err(|source| OpenError::Create {
            path: path_buf(),
            source,
        })?;
        let connect = |source| OpenError::Connect {
            path: path_buf(),
            source,
        };
        let writer = pool(1, options(path)).await.map_err(connect)?;
        migrations::migrator()
            .run(&writer)
            .await
            .map_err(|source| OpenError::Migrate {
                path: path_buf(),
                source: Box::new(source),
            })?;
        let readers = pool(READERS, options(path).read_only(true))
            .await
            .map_err(connect)?;
        let read = |source| OpenError::Read {
            path: path_buf(),
            source,
        };
        let instance = instance(&writer).await.map_err(read)?;
        let tokens = TokenTable::load(&readers).await.map_err(read)?;
        Ok(Self {
            writer,
            readers,
            clock,
            tokens,
            audit_waits: Notify::new(),
            outbox_grew: watch::Sender::new(()),
            instance,
        })
    }

    /// The name of this registry, random and fixed when it was created: 16 hexadecimal digits.
    ///
    /// Idempotency keys start with it, so that a registry begun anew does not repeat the keys of the old one.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Begins a change; it happens at [`Write::commit`], or not at all. Other changes wait meanwhile.
    ///
    /// # Errors
    /// When the database fails, or another process holds it for longer than ten seconds.
    pub async fn write(&self) -> Result<Write<'_>, StoreError> {
        // IMMEDIATE takes the lock at once: a later upgrade of a read lock could fail half-way.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Write::new(self, transaction))
    }

    /// Writes a consistent copy to `target`, which must not exist, while the registry stays in use.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        let target = target.to_string_lossy().into_owned();
        let mut connection = self.writer.acquire().await?;
        sqlx::query("VACUUM INTO $1")
            .bind(target)
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// Removes detections outside alerts that went on and were stored before `before`, and notifications that were finished
    /// before. Alerts stay.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prune(&self, before: Micros) -> Result<PrunedRows, StoreError> {
        let mut write = self.write().await?;
        let pruned = write.prune(before).await?;
        write.commit().await?;
        Ok(pruned)
    }

    /// Waits for changes under way, then closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits in a power cut; the detector's checkpoint relies on them.
        .synchronous(SqliteSynchronous::Full)
        .optimize_on_close(true, None)
}

async fn pool(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(3 * BUSY_TIMEOUT)
        .connect_with(options)
        .await
}

/// The file is for its owner alone; SQLite gives its companions (`-wal`, `-shm`) the same rights.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

async fn instance(writer: &SqlitePool) -> Result<Box<str>, StoreError> {
    let fresh = crate::token::random_hex::<8>();
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('instance', $1) ON CONFLICT (key) DO NOTHING",
    )
    .bind(fresh)
    .execute(writer)
    .await?;
    let kept: String = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'instance'")
        .fetch_one(writer)
        .await?;
    Ok(kept.into_boxed_str())
}
