//! What can go wrong, by job.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event::Seq;

/// Why a journal does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Fewer days than the law allows.
    #[error(
        "retention of {days} days is below the legal floor of 7: set retention.days to 7 or more"
    )]
    RetentionTooShort {
        /// What was asked for.
        days: u32,
    },
    /// The disk failed.
    #[error("{}: {source}: check the disk and the permissions of the data directory", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// The records that tell of what recovery found could not be written.
    #[error("what recovery found could not be recorded: {0}")]
    Report(#[from] AppendError),
}

impl OpenError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why records were not appended. Those of a failed batch may or may not be found after the next start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk failed; nothing more is appended before a restart.
    #[error("the journal has stopped: {reason}: check the disk, then restart")]
    Stopped {
        /// What failed.
        reason: Arc<str>,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// A record is longer than any block can hold.
    #[error("a record of {bytes} bytes is longer than the limit of {RECORD_BYTES_MAX}")]
    RecordTooLong {
        /// Bytes of its message and of what is kept with it.
        bytes: usize,
    },
    /// The Seqs are used up (2⁵³−1 of them).
    #[error("no Seq is left")]
    SeqsUsedUp,
}

/// The most bytes that a record may have with its receipt data.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Why records could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// A block does not pass its checks.
    #[error("records {first} to {last} are damaged in {}: {reason}: run `nhatky verify`", path.display())]
    Damaged {
        /// The first Seq that cannot be read.
        first: Seq,
        /// The last.
        last: Seq,
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// How.
        source: Arc<io::Error>,
    },
}

/// Why a journal did not close cleanly. What was acknowledged is safe; the next start recovers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloseError {
    /// The writer had stopped, or stopped while closing.
    #[error("the journal did not close cleanly: {reason}")]
    Stopped {
        /// What failed.
        reason: Arc<str>,
    },
}

/// Whether `error` says that there is no room, which passes, unlike other errors.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
