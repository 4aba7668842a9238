//! What there is.

use event::Seq;
use serde::Serialize;

use crate::state::Shared;

/// What an index has, and how far it reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexStatus {
    /// The last event that is searchable.
    pub published: Seq,
    /// The last event that is in a segment.
    pub committed: Seq,
    /// Events that are searchable and not in a segment.
    pub fresh_events: usize,
    /// The memory that these hold, in bytes.
    pub fresh_bytes: usize,
    /// Commits since it was opened.
    pub commits: u64,
    /// Merges since it was opened.
    pub merges: u64,
    /// Why the last commit or merge failed, until one succeeds.
    pub failure: Option<String>,
    /// The partitions, ascending.
    pub partitions: Vec<PartitionStatus>,
    /// Partitions without a usable index, with the reason.
    pub unusable: Vec<(Seq, String)>,
}

/// What the index has of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionStatus {
    /// Its first Seq, which names it.
    pub first: Seq,
    /// Its last event in a segment.
    pub through: Seq,
    /// Events.
    pub events: u64,
    /// Segments.
    pub segments: usize,
    /// Bytes of their files.
    pub bytes: u64,
    /// Bytes of the raw texts of the events.
    pub raw_bytes: u64,
    /// Whether some events were parsed under another fingerprint than today's.
    pub stale: bool,
}

impl IndexStatus {
    pub(crate) fn of(shared: &Shared) -> Self {
        let state = shared.lock();
        let partitions = state.partitions.values().map(|partition| PartitionStatus {
            first: partition.first,
            through: partition.through,
            events: partition.events(),
            segments: partition.segments.len(),
            bytes: partition.segments.iter().map(|one| one.info.bytes).sum(),
            raw_bytes: partition
                .segments
                .iter()
                .map(|one| one.info.raw_bytes)
                .sum(),
            stale: partition
                .segments
                .iter()
                .any(|one| one.is_stale(&state.fingerprints)),
        });
        Self {
            partitions: partitions.collect(),
            published: state.published,
            committed: state.committed,
            fresh_events: state.fresh.events_above(state.committed),
            fresh_bytes: state.fresh.bytes(),
            commits: state.commits,
            merges: state.merges,
            failure: state.failure.clone(),
            unusable: state.unusable.clone().into_iter().collect(),
        }
    }
}
