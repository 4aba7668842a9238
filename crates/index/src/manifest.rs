//! What a partition's folder holds: the one file that says which segments count.
//!
//! A commit is the atomic replacing of this file. Segment files that it does not name are left-overs of a commit that a
//! crash cut short, or were merged into others; they are removed at start.

use std::io;
use std::path::Path;

use disk::Disk;
use event::Seq;
use serde::{Deserialize, Serialize};

use crate::segment::SegmentInfo;

/// The manifest's name in the folder.
pub(crate) const FILE: &str = "manifest.json";

/// The longest manifest that is read, in bytes: some hundred thousand segments.
const BYTES_MAX: usize = 64 << 20;

/// The content of a partition's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// [`crate::schema::Layout::hash`] of its segments.
    pub(crate) layout: u64,
    /// Every event of the partition up to here is in a segment.
    pub(crate) committed_through: Seq,
    /// The segments, ascending.
    pub(crate) segments: Vec<SegmentInfo>,
}

impl Manifest {
    /// Reads the manifest in the folder.
    pub(crate) fn load(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let bytes = disk::read(disk, &folder.join(FILE), BYTES_MAX)?;
        let manifest: Self = serde_json::from_slice(&bytes)?;
        let ordered = manifest
            .segments
            .is_sorted_by(|one, two| one.last < two.first);
        if !ordered
            || manifest
                .segments
                .iter()
                .any(|segment| segment.first > segment.last)
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "segments out of order",
            ));
        }
        Ok(manifest)
    }

    /// Makes it the folder's manifest, durably.
    pub(crate) fn save(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        disk::replace(disk, &folder.join(FILE), &bytes)
    }
}
