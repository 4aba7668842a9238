//! The index over one partition of the journal.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::Disk;
use event::Seq;
use tracing::warn;

use crate::manifest::{self, Manifest};
use crate::schema::Layout;
use crate::segment::Segment;

/// The segments of one partition as they are at one moment. Never changed: a commit makes another.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// The partition's name: its first Seq.
    pub(crate) first: Seq,
    /// Every event of the partition up to here is in a segment.
    pub(crate) through: Seq,
    /// Ascending.
    pub(crate) segments: Vec<Arc<Segment>>,
}

impl Partition {
    /// A partition without segments.
    pub(crate) fn empty(first: Seq) -> Self {
        Self {
            first,
            through: Seq::ZERO,
            segments: Vec::new(),
        }
    }

    /// Opens the partition in that folder, and removes what its manifest does not name.
    pub(crate) fn open(disk: &dyn Disk, folder: &Path, first: Seq) -> io::Result<Self> {
        let manifest = Manifest::load(disk, folder)?;
        if manifest.layout != Layout::get().hash {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its segments are of another version: reindex it",
            ));
        }
        remove_unnamed(disk, folder, &manifest)?;
        let through = manifest.committed_through;
        let segments = manifest
            .segments
            .into_iter()
            .map(|info| Segment::open(folder, info).map(Arc::new))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self {
            first,
            through,
            segments,
        })
    }

    /// Makes this the content of its folder, durably.
    pub(crate) fn save(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let segments = self.segments.iter().map(|segment| segment.info.clone());
        let manifest = Manifest {
            layout: Layout::get().hash,
            committed_through: self.through,
            segments: segments.collect(),
        };
        manifest.save(disk, folder)
    }

    /// How many events it holds.
    pub(crate) fn events(&self) -> u64 {
        let events = self.segments.iter().map(|segment| u64::from(segment.len()));
        events.sum()
    }
}

/// The folder of a partition: its first Seq, with zeros so that names sort as numbers.
pub(crate) fn folder(dir: &Path, first: Seq) -> PathBuf {
    dir.join(format!("{:016}", first.0))
}

/// The partition whose folder has that name.
pub(crate) fn of_folder(name: &str) -> Option<Seq> {
    let digits = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| digits).map(Seq)
}

/// Removes files; that one is left behind is no harm, so it is only reported.
pub(crate) fn remove_files(
    disk: &dyn Disk,
    folder: &Path,
    names: impl Iterator<Item = impl AsRef<str>>,
) {
    for name in names {
        if let Err(error) = disk.remove_file(&folder.join(name.as_ref())) {
            warn!(%error, file = name.as_ref(), "cannot remove a segment that is no longer needed");
        }
    }
}

/// Removes a partition's folder with all that it holds.
pub(crate) fn remove_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let entries = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    // The manifest goes first: without it the rest is nothing.
    let (named, rest): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| entry.name == manifest::FILE);
    for entry in named.into_iter().chain(rest) {
        disk.remove_file(&folder.join(entry.name))?;
    }
    disk.remove_dir(folder)
}

fn remove_unnamed(disk: &dyn Disk, folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let mut named: BTreeSet<&str> = manifest
        .segments
        .iter()
        .map(|segment| segment.file.as_str())
        .collect();
    named.insert(manifest::FILE);
    let entries = disk.list(folder)?;
    let unnamed = entries
        .iter()
        .map(|entry| entry.name.as_str())
        .filter(|name| !named.contains(name));
    remove_files(disk, folder, unnamed);
    Ok(())
}
