//! What there is at one moment.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use event::{Event, Seq};

use crate::partition::Partition;
use crate::segment::Segment;
use crate::source::PartitionSpan;
use crate::state::Shared;

/// A run of Seqs that is looked at in one way; its partition first.
pub(crate) enum Piece {
    /// A segment.
    Segment(Seq, Arc<Segment>),
    /// From one Seq to another, without an index.
    Gap(Seq, Seq, Seq),
}

impl Piece {
    /// The partition that it belongs to.
    pub(crate) fn partition(&self) -> Seq {
        match self {
            Self::Segment(partition, _) | Self::Gap(partition, ..) => *partition,
        }
    }

    /// What of it has these Seqs, a segment whole; none where nothing has.
    pub(crate) fn within(self, seqs: &RangeInclusive<Seq>) -> Option<Self> {
        match self {
            Self::Segment(_, ref segment) => {
                let info = &segment.info;
                (info.first <= *seqs.end() && info.last >= *seqs.start()).then_some(self)
            }
            Self::Gap(partition, from, to) => {
                let (from, to) = (from.max(*seqs.start()), to.min(*seqs.end()));
                (from <= to).then_some(Self::Gap(partition, from, to))
            }
        }
    }
}

/// The snapshot that a search takes.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) partitions: BTreeMap<Seq, Arc<Partition>>,
    pub(crate) fresh: Vec<Arc<[Event]>>,
    pub(crate) committed: Seq,
    pub(crate) published: Seq,
    pub(crate) fingerprints: Arc<BTreeMap<String, u64>>,
}

impl Snapshot {
    pub(crate) fn take(shared: &Shared) -> Self {
        let state = shared.lock();
        Self {
            partitions: state.partitions.clone(),
            fresh: state.fresh.batches(),
            committed: state.committed,
            published: state.published,
            fingerprints: Arc::clone(&state.fingerprints),
        }
    }

    /// What is committed, newest first; where a kept partition has no segments for its Seqs, a gap.
    pub(crate) fn pieces(&self, spans: &[PartitionSpan]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for span in spans.iter().rev() {
            let partition = self.partitions.get(&span.first);
            let through = partition.map_or(Seq::ZERO, |partition| partition.through);
            let from = through.next().max(span.first);
            let to = span.last.min(self.committed);
            if from <= to {
                pieces.push(Piece::Gap(span.first, from, to));
            }
            let segments = partition
                .iter()
                .flat_map(|partition| partition.segments.iter().rev());
            pieces.extend(segments.map(|segment| Piece::Segment(span.first, Arc::clone(segment))));
        }
        pieces
    }
}
