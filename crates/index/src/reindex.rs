//! Making the segments of a partition anew.

use std::io;
use std::sync::Arc;

use event::Seq;

use crate::partition::{Partition, folder, remove_files};
use crate::segment::Segment;
use crate::segment_writer::SegmentWriter;
use crate::source::{Depth, SourceError};
use crate::state::Shared;

/// How many Seqs are read at once.
const CHUNK: u64 = 8192;

/// The most events of a segment made here: it is built in memory.
const SEGMENT_EVENTS: u32 = 200_000;

/// Why a partition was not reindexed. Its old segments stay.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// The journal does not keep it.
    #[error("there is no partition {0}: `nhatky status` lists them")]
    Unknown(Seq),
    /// Its records cannot be read.
    #[error("cannot read the events to be indexed: {0}")]
    Source(SourceError),
    /// The new segments cannot be written.
    #[error("cannot write the new segments: {0}")]
    Disk(#[from] io::Error),
}

/// What was reindexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reindexed {
    /// Events in the new segments.
    pub events: u64,
    /// The last Seq that they cover.
    pub through: Seq,
}

pub(crate) fn reindex(
    shared: &Shared,
    first: Seq,
    on_progress: &mut dyn FnMut(Seq),
) -> Result<Reindexed, ReindexError> {
    let spans = shared.source.partitions();
    let span = spans.into_iter().find(|span| span.first == first);
    let span = span.ok_or(ReindexError::Unknown(first))?;
    let folder = folder(&shared.dir, first);
    disk::create_dir_durable(&*shared.disk, &folder)?;
    // What the commits have not reached yet is left to them.
    let (through, fingerprints) = {
        let mut state = shared.lock();
        state.rebuilding.insert(first);
        (
            span.last.min(state.committed),
            Arc::clone(&state.fingerprints),
        )
    };
    let mut build = Build {
        shared,
        segments: Vec::new(),
        events: 0,
    };
    let begin = || SegmentWriter::new(Arc::clone(&fingerprints), shared.literals());
    let mut writer = begin()?;
    let result = (|| {
        let mut at = first;
        while at <= through {
            let end = Seq(at.0 + CHUNK - 1).min(through);
            let events = shared
                .source
                .span(at, end, Depth::Core)
                .map_err(ReindexError::Source)?;
            for event in &events {
                writer.add(event)?;
                if writer.events() >= SEGMENT_EVENTS {
                    let full = std::mem::replace(&mut writer, begin()?);
                    build.add(full, &folder)?;
                }
            }
            on_progress(end);
            at = end.next();
        }
        build.add(writer, &folder)?;
        build.put_in_place(first, through, &folder)
    })();
    shared.lock().rebuilding.remove(&first);
    if result.is_err() {
        build.remove(&folder);
    }
    result?;
    Ok(Reindexed {
        events: build.events,
        through,
    })
}

struct Build<'a> {
    shared: &'a Shared,
    segments: Vec<Arc<Segment>>,
    events: u64,
}

impl Build<'_> {
    fn add(&mut self, writer: SegmentWriter, folder: &std::path::Path) -> io::Result<()> {
        if writer.events() == 0 {
            return Ok(());
        }
        let info = writer.finish(&*self.shared.disk, folder, &self.shared.learner)?;
        self.events += u64::from(info.events);
        self.segments.push(Arc::new(Segment::open(folder, info)?));
        Ok(())
    }

    /// The new segments, and behind them those of what arrived since.
    fn put_in_place(
        &self,
        first: Seq,
        through: Seq,
        folder: &std::path::Path,
    ) -> Result<(), ReindexError> {
        let shared = self.shared;
        let manifests = shared.lock_manifests();
        let present = shared.lock().partitions.get(&first).cloned();
        let present = present.unwrap_or_else(|| Arc::new(Partition::empty(first)));
        let (old, later): (Vec<_>, Vec<_>) = present
            .segments
            .iter()
            .cloned()
            .partition(|segment| segment.info.first <= through);
        let partition = Partition {
            first,
            through: present.through.max(through),
            segments: self.segments.iter().cloned().chain(later).collect(),
        };
        partition.save(&*shared.disk, folder)?;
        let mut state = shared.lock();
        state.partitions.insert(first, Arc::new(partition));
        state.unusable.remove(&first);
        drop(state);
        drop(manifests);
        let old = old.iter().map(|segment| segment.info.file.as_str());
        remove_files(&*shared.disk, folder, old);
        Ok(())
    }

    fn remove(&self, folder: &std::path::Path) {
        let made = self
            .segments
            .iter()
            .map(|segment| segment.info.file.as_str());
        remove_files(&*self.shared.disk, folder, made);
    }
}
