//! The data directory: its layout, and the lock by which one process holds it.

use std::fs::File;
use std::path::{Path, PathBuf};

/// A data directory that this process alone holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    root: PathBuf,
    /// Held open: the lock ends with the process, however it ends.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Another process holds it.
    #[error(
        "{path} is held by another nhatky: use --server URL with a token in NHATKY_TOKEN, or stop that process"
    )]
    Held {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made or opened.
    #[error(
        "the data directory {path} cannot be used: check that it is writable and the disk is sound"
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl DataDir {
    /// Takes the directory, making it and its parts where they are not there.
    pub(crate) fn take(root: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable {
            path: root.to_owned(),
            source,
        };
        std::fs::create_dir_all(root).map_err(unusable)?;
        restrict(root).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(DataDirError::Held {
                    path: root.to_owned(),
                });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let data = Self {
            root: root.to_owned(),
            _lock: lock,
        };
        for part in [
            data.journal(),
            data.index(),
            data.state(),
            data.keys(),
            data.content(),
        ] {
            std::fs::create_dir_all(part).map_err(unusable)?;
        }
        Ok(data)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.root.join("registry.sqlite")
    }

    /// What can be rebuilt, mostly: detector checkpoints, import positions.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The site's own parsers and rules.
    pub(crate) fn content(&self) -> PathBuf {
        self.root.join("content")
    }
}

/// Logs are nobody else's business on this machine.
fn restrict(root: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_held_by_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::take(dir.path()).unwrap();
        let second = DataDir::take(dir.path());
        assert!(
            matches!(second, Err(DataDirError::Held { .. })),
            "{second:?}"
        );
        drop(held);
        DataDir::take(dir.path()).unwrap();
    }
}
