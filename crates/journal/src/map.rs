//! Which records lie where: the directory of the whole journal, in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use disk::File;
use event::{Micros, Seq};

use crate::segment::{BlockEntry, Contents, Form, SegmentId};

/// All partitions, by their first Seq.
#[derive(Debug, Default)]
pub(crate) struct Map {
    pub(crate) partitions: BTreeMap<Seq, Partition>,
}

/// One partition: its segments, by ordinal.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) segments: BTreeMap<u32, Segment>,
}

/// One segment, whichever form it has.
pub(crate) struct Segment {
    pub(crate) form: Form,
    pub(crate) tag: u64,
    pub(crate) path: PathBuf,
    /// Open while the segment is hot; sealed ones are opened when they are read.
    pub(crate) file: Option<Arc<dyn File>>,
    pub(crate) file_bytes: u64,
    pub(crate) contents: Contents,
    /// Whether the writer is appending to it.
    pub(crate) open: bool,
    /// Set when sealing found it damaged: it is left for the next start to set aside.
    pub(crate) unsealable: bool,
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path)
            .field("records", &self.contents.records)
            .finish_non_exhaustive()
    }
}

/// A block, and what it takes to read it.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) tag: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Option<Arc<dyn File>>,
    pub(crate) entry: BlockEntry,
}

/// A partition as others see it. Its first Seq is its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its first Seq.
    pub first: Seq,
    /// Its last Seq so far.
    pub last: Seq,
    /// Records in it.
    pub records: u64,
    /// Uncompressed bytes: messages with their receipt data.
    pub raw_bytes: u64,
    /// Bytes of its files.
    pub file_bytes: u64,
    /// Least receipt time of its records; `Micros::MAX` where there is none.
    pub oldest: Micros,
    /// Greatest receipt time of its records; `Micros::MIN` where there is none.
    pub newest: Micros,
    /// Whether all of it is sealed: it will not change until it is dropped.
    pub sealed: bool,
}

impl Map {
    pub(crate) fn segment(&self, id: SegmentId) -> Option<&Segment> {
        self.partitions
            .get(&id.partition)?
            .segments
            .get(&id.ordinal)
    }

    pub(crate) fn segment_mut(&mut self, id: SegmentId) -> Option<&mut Segment> {
        let partition = self.partitions.get_mut(&id.partition)?;
        partition.segments.get_mut(&id.ordinal)
    }

    pub(crate) fn insert(&mut self, id: SegmentId, segment: Segment) {
        let partition = self.partitions.entry(id.partition).or_default();
        partition.segments.insert(id.ordinal, segment);
    }

    /// Takes a segment out, and its partition with the last of them.
    pub(crate) fn remove(&mut self, id: SegmentId) {
        if let Some(partition) = self.partitions.get_mut(&id.partition) {
            partition.segments.remove(&id.ordinal);
            if partition.segments.is_empty() {
                self.partitions.remove(&id.partition);
            }
        }
    }

    /// All segments, oldest first.
    pub(crate) fn segments(&self) -> impl DoubleEndedIterator<Item = (SegmentId, &Segment)> {
        self.partitions.iter().flat_map(|(first, partition)| {
            let partition_first = *first;
            partition.segments.iter().map(move |(ordinal, segment)| {
                let id = SegmentId {
                    partition: partition_first,
                    ordinal: *ordinal,
                };
                (id, segment)
            })
        })
    }

    /// The first block that ends at or after `seq` and is not a gap.
    pub(crate) fn block_from(&self, seq: Seq) -> Option<Located> {
        let start = self.partition_of(seq).unwrap_or(Seq::ZERO);
        for partition in self
            .partitions
            .range(start..)
            .map(|(_, partition)| partition)
        {
            for segment in partition.segments.values() {
                if segment.contents.last < seq {
                    continue;
                }
                let blocks = &segment.contents.blocks;
                let at = blocks.partition_point(|block| block.last < seq);
                let mut after = blocks.iter().skip(at);
                if let Some(entry) = after.find(|block| !block.is_gap()) {
                    return Some(segment.located(*entry));
                }
            }
        }
        None
    }

    /// The partition that a Seq belongs to: the last one that begins at or before it.
    pub(crate) fn partition_of(&self, seq: Seq) -> Option<Seq> {
        let (first, _) = self.partitions.range(..=seq).next_back()?;
        Some(*first)
    }

    pub(crate) fn infos(&self) -> Vec<PartitionInfo> {
        let partitions = self.partitions.iter();
        partitions
            .filter_map(|(first, partition)| partition.info(*first))
            .collect()
    }
}

impl Partition {
    /// `None` for a partition without records.
    pub(crate) fn info(&self, first: Seq) -> Option<PartitionInfo> {
        let mut info = PartitionInfo {
            first,
            last: Seq::ZERO,
            records: 0,
            raw_bytes: 0,
            file_bytes: 0,
            oldest: Micros::MAX,
            newest: Micros::MIN,
            sealed: true,
        };
        for segment in self.segments.values() {
            let contents = &segment.contents;
            info.last = info.last.max(contents.last);
            info.records = info.records.saturating_add(contents.records);
            info.raw_bytes = info.raw_bytes.saturating_add(contents.raw_bytes);
            info.file_bytes = info.file_bytes.saturating_add(segment.file_bytes);
            info.oldest = info.oldest.min(contents.oldest);
            info.newest = info.newest.max(contents.newest);
            info.sealed &= segment.form == Form::Sealed;
        }
        (info.last >= first).then_some(info)
    }

    /// Time that the node had seen passing when its newest block was written.
    pub(crate) fn seen_us(&self) -> u64 {
        let seen = self
            .segments
            .values()
            .map(|segment| segment.contents.seen_us);
        seen.max().unwrap_or(0)
    }
}

impl Segment {
    pub(crate) fn located(&self, entry: BlockEntry) -> Located {
        Located {
            tag: self.tag,
            path: self.path.clone(),
            file: self.file.clone(),
            entry,
        }
    }
}
