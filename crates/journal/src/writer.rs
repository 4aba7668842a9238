//! Appends, one batch at a time: a state machine without threads, so that a simulation can drive it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use disk::{Access, File};
use event::{Micros, Origin, Record, Seq};

use crate::block::{BlockBuilder, BlockHeader, BlockKind, Codec, HEADER_BYTES};
use crate::canonical;
use crate::chain::ChainHash;
use crate::error::{AppendError, RECORD_BYTES_MAX, is_full};
use crate::map::Segment;
use crate::segment::{
    Contents, Form, PAGE, SegmentHead, SegmentId, page_up, partition_dir, segment_name, tag,
};
use crate::shared::Shared;
use crate::status::{Counters, State};

/// Room that every segment keeps for the blocks that end it, and a page that is never written: a file of its reserved
/// length is one that was not closed.
const ENDING_BYTES: u64 = 3 * PAGE;

/// Where the chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The Seq that the next record gets.
    pub(crate) next: Seq,
    /// The chain's hash before it.
    pub(crate) h: ChainHash,
    /// The greatest `synced_seq` that a block on disk carries.
    pub(crate) attested: Seq,
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// There is no room now: nothing has changed, try the same again later.
    Full,
    /// It never will be.
    Refused(AppendError),
}

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    position: Position,
    partition: Option<OpenPartition>,
    active: Option<Active>,
    stopped: Option<Arc<str>>,
    seen: Seen,
    builder: BlockBuilder,
    encoder: OriginEncoder,
    /// Blocks on their way to the disk.
    out: Vec<u8>,
    compressed: Vec<u8>,
}

/// The partition that is being filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenPartition {
    pub(crate) first: Seq,
    pub(crate) utc_day: i64,
    pub(crate) raw_bytes: u64,
}

/// The segment that is being filled.
#[derive(Debug)]
struct Active {
    id: SegmentId,
    file: Arc<dyn File>,
    tag: u64,
    /// Where the next block goes.
    offset: u64,
    allocated: u64,
    /// When its last block was written, on the clock's monotonic reading.
    written_at: Duration,
}

/// Counts the time that the node sees passing, over restarts.
#[derive(Clone, Copy, Debug)]
struct Seen {
    before_us: u64,
    since: Duration,
}

impl Writer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        position: Position,
        partition: Option<OpenPartition>,
        seen_before_us: u64,
    ) -> Self {
        let seen = Seen {
            before_us: seen_before_us,
            since: shared.clock.monotonic(),
        };
        Self {
            position,
            partition,
            active: None,
            stopped: None,
            seen,
            builder: BlockBuilder::new(position.next, position.h),
            encoder: OriginEncoder::default(),
            out: Vec::new(),
            compressed: Vec::new(),
            shared,
        }
    }

    /// Makes batches durable, in order, by one sync, and gives the Seq of their first record.
    pub(crate) fn commit(&mut self, batches: &[&[Record]]) -> Result<Seq, CommitError> {
        self.check_stopped()?;
        let first = self.position.next;
        let Some(bound) = self.bound(batches) else {
            return Ok(first);
        };
        self.check_room(batches.iter().map(|batch| batch.len()).sum())?;
        let done = self
            .prepare_segment(bound)
            .and_then(|()| self.write_records(batches));
        match done {
            Ok(()) => Ok(first),
            Err(error) => Err(self.failed("appending", &error)),
        }
    }

    /// Attests what was written last, so that recovery can tell damage from an unfinished write: call when there is
    /// nothing to append. Also keeps the count of seen time, about once a minute.
    pub(crate) fn idle(&mut self) -> Result<(), AppendError> {
        const KEEP_SEEN_EVERY: Duration = Duration::from_secs(60);
        let now = self.shared.clock.monotonic();
        let Some(active) = &self.active else {
            return Ok(());
        };
        let due = now.saturating_sub(active.written_at) >= KEEP_SEEN_EVERY;
        if self.stopped.is_some() || (!due && self.is_attested()) {
            return Ok(());
        }
        let done = if active.offset.saturating_add(ENDING_BYTES) > active.allocated {
            self.finish_segment()
        } else {
            self.write_marker(BlockKind::Idle)
        };
        self.tolerate_full("attesting", done)
    }

    /// Whether a block on disk says that the last record is durable.
    pub(crate) fn is_attested(&self) -> bool {
        self.position.attested.next() >= self.position.next
    }

    /// Ends the active segment; nothing is left to recover then.
    pub(crate) fn close(&mut self) -> Result<(), AppendError> {
        if let Some(reason) = &self.stopped {
            let reason = Arc::clone(reason);
            return Err(AppendError::Stopped { reason });
        }
        let done = self.finish_segment();
        done.map_err(|error| match self.failed("closing", &error) {
            CommitError::Refused(error) => error,
            CommitError::Full => AppendError::Stopped {
                reason: "closing: the disk is full".into(),
            },
        })
    }

    /// Time that the node has seen passing so far.
    pub(crate) fn seen_us(&self) -> u64 {
        self.seen.now_us(self.shared.clock.monotonic())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn check_stopped(&self) -> Result<(), CommitError> {
        match &self.stopped {
            None => Ok(()),
            Some(reason) => Err(CommitError::Refused(AppendError::Stopped {
                reason: Arc::clone(reason),
            })),
        }
    }

    fn check_room(&self, records: usize) -> Result<(), CommitError> {
        let last = self.position.next.0.saturating_add(records as u64);
        if last > Seq::MAX.0 {
            return Err(CommitError::Refused(AppendError::SeqsUsedUp));
        }
        let free = self.shared.disk.free_bytes(&self.shared.class_dir);
        match free {
            Ok(free) if free < self.shared.options.reserve_bytes => Err(CommitError::Full),
            // What cannot be asked is found out by writing.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The most bytes that these records can take on disk; `None` where there are no records.
    fn bound(&self, batches: &[&[Record]]) -> Option<u64> {
        let bytes: usize = batches
            .iter()
            .flat_map(|batch| batch.iter())
            .map(canonical::size_bound)
            .fold(0, usize::saturating_add);
        if bytes == 0 {
            return None;
        }
        let blocks = bytes
            .checked_div(self.shared.options.block_bytes)
            .unwrap_or(bytes)
            .saturating_add(1);
        let per_block = HEADER_BYTES.saturating_add(crate::segment::PAGE_BYTES);
        let overhead = blocks.saturating_mul(per_block);
        Some(bytes.saturating_add(overhead) as u64)
    }

    /// Sees to it that there is an active segment, of the right partition, with room for `bound` bytes.
    fn prepare_segment(&mut self, bound: u64) -> io::Result<()> {
        let now = self.shared.clock.now();
        let fits_partition = self.partition.is_some_and(|partition| {
            partition.utc_day == now.utc_day()
                && partition.raw_bytes < self.shared.options.partition_bytes
        });
        let needed = bound.saturating_add(ENDING_BYTES);
        let fits_segment = self
            .active
            .as_ref()
            .is_some_and(|active| active.offset.saturating_add(needed) <= active.allocated);
        if fits_partition && fits_segment {
            return Ok(());
        }
        self.finish_segment()?;
        let partition = match self.partition {
            Some(partition) if fits_partition => partition,
            _ => OpenPartition {
                first: self.position.next,
                utc_day: now.utc_day(),
                raw_bytes: 0,
            },
        };
        let active = self.create_segment(partition, now, needed)?;
        self.partition = Some(partition);
        self.active = Some(active);
        Ok(())
    }

    fn create_segment(
        &self,
        partition: OpenPartition,
        now: Micros,
        needed: u64,
    ) -> io::Result<Active> {
        let Shared {
            disk,
            class_dir,
            options,
            ..
        } = &*self.shared;
        let dir = partition_dir(class_dir, partition.first);
        disk::create_dir_durable(disk.as_ref(), &dir)?;
        let id = SegmentId {
            partition: partition.first,
            ordinal: next_ordinal(&self.shared, &dir)?,
        };
        let allocated = page_up(needed.saturating_add(PAGE)).max(page_up(options.segment_bytes));
        let head = SegmentHead {
            form: Form::Hot,
            id,
            first: self.position.next,
            utc_day: partition.utc_day,
            created_at: now,
            allocated,
            synced: Seq(self.position.next.0.saturating_sub(1)),
            seen_us: self.seen_us(),
            h_before: self.position.h,
        };
        let page = head.encode();
        let path = id.path(class_dir, Form::Hot);
        let file = create_named(&self.shared, &id.new_path(class_dir), &path, |file| {
            file.allocate(allocated)?;
            file.write_at(&page, 0)
        })?;
        disk.sync_dir(&dir)?;
        let active = Active {
            id,
            file,
            tag: tag(&page),
            offset: PAGE,
            allocated,
            written_at: self.shared.clock.monotonic(),
        };
        let segment = Segment {
            form: Form::Hot,
            tag: active.tag,
            path,
            file: Some(Arc::clone(&active.file)),
            file_bytes: allocated,
            contents: Contents::empty(head.first, head.h_before),
            open: true,
            unsealable: false,
        };
        self.shared.map_mut().insert(id, segment);
        Ok(active)
    }

    fn write_records(&mut self, batches: &[&[Record]]) -> io::Result<()> {
        let Position { next, h, .. } = self.position;
        self.out.clear();
        self.builder.restart(next, h);
        let mut written = Vec::new();
        for record in batches.iter().flat_map(|batch| batch.iter()) {
            let origin = self.encoder.encode(&record.origin);
            self.builder.push(record, origin);
            if self.builder.payload_len() >= self.shared.options.block_bytes {
                written.push(self.end_block()?);
            }
        }
        if !self.builder.is_empty() {
            written.push(self.end_block()?);
        }
        self.write_out()?;
        self.publish(&written);
        Ok(())
    }

    /// Compresses the block in the builder into `out` and begins the next.
    fn end_block(&mut self) -> io::Result<(u64, BlockHeader)> {
        let seen_us = self.seen_us();
        let synced = Seq(self.position.next.0.saturating_sub(1));
        let active = self.active()?;
        let (tag, offset) = (active.tag, active.offset);
        let payload = self.builder.payload();
        let room = lz4_flex::block::get_maximum_output_size(payload.len());
        if self.compressed.len() < room {
            self.compressed.resize(room, 0);
        }
        let len = lz4_flex::block::compress_into(payload, &mut self.compressed)
            .map_err(io::Error::other)?;
        let (codec, stored) = match self.compressed.get(..len) {
            Some(compressed) if len < payload.len() => (Codec::Lz4, compressed),
            _ => (Codec::None, payload),
        };
        let header = self
            .builder
            .header(codec, stored.len(), tag, synced, seen_us)
            .padded();
        let at = offset.saturating_add(self.out.len() as u64);
        header.encode(stored, &mut self.out);
        let (next, h) = (self.builder.next(), self.builder.h());
        self.builder.restart(next, h);
        Ok((at, header))
    }

    /// Writes and syncs `out`, and moves the active segment on.
    fn write_out(&mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let len = self.out.len() as u64;
        let active = self.active.as_mut().ok_or_else(no_segment)?;
        active.file.write_at(&self.out, active.offset)?;
        let before = shared.clock.monotonic();
        active.file.sync_data().map_err(never_full)?;
        let after = shared.clock.monotonic();
        active.offset = active.offset.saturating_add(len);
        active.written_at = after;
        shared.counters.synced(after.saturating_sub(before));
        Counters::add(&shared.counters.stored_bytes, len);
        Ok(())
    }

    /// Lets readers see blocks that are durable.
    fn publish(&mut self, written: &[(u64, BlockHeader)]) {
        let Some((_, last)) = written.last() else {
            return;
        };
        self.position = Position {
            next: last.next(),
            h: last.h_after,
            attested: last.synced,
        };
        let (mut records, mut raw_bytes) = (0u64, 0u64);
        if let Some(id) = self.active.as_ref().map(|active| active.id) {
            let mut map = self.shared.map_mut();
            if let Some(segment) = map.segment_mut(id) {
                for (offset, header) in written {
                    segment.contents.add(*offset, header);
                    records = records.saturating_add(u64::from(header.records));
                    raw_bytes = raw_bytes.saturating_add(u64::from(header.raw_len));
                }
            }
        }
        if let Some(partition) = &mut self.partition {
            partition.raw_bytes = partition.raw_bytes.saturating_add(raw_bytes);
        }
        Counters::add(&self.shared.counters.records, records);
        Counters::add(&self.shared.counters.raw_bytes, raw_bytes);
        self.shared.advance(last.last);
    }

    /// Writes and syncs a block without records.
    fn write_marker(&mut self, kind: BlockKind) -> io::Result<()> {
        let synced = Seq(self.position.next.0.saturating_sub(1));
        let active = self.active()?;
        let header = marker(kind, active.tag, self.position, self.seen_us());
        self.out.clear();
        header.encode(&[], &mut self.out);
        self.write_out()?;
        self.position.attested = synced;
        let id = self.active()?.id;
        if let Some(segment) = self.shared.map_mut().segment_mut(id) {
            segment.contents.add(0, &header);
        }
        Ok(())
    }

    /// Ends the active segment with a closing block and gives back the space it does not use.
    fn finish_segment(&mut self) -> io::Result<()> {
        if self.active.is_none() {
            return Ok(());
        }
        self.write_marker(BlockKind::Closed)?;
        let active = self.active()?;
        active.file.set_len(active.offset)?;
        active.file.sync_data().map_err(never_full)?;
        if let Some(segment) = self.shared.map_mut().segment_mut(active.id) {
            segment.file_bytes = active.offset;
            segment.open = false;
        }
        self.active = None;
        Ok(())
    }

    fn active(&self) -> io::Result<&Active> {
        self.active.as_ref().ok_or_else(no_segment)
    }

    /// Sorts an error: no room passes, everything else stops the writer for good.
    fn failed(&mut self, doing: &str, error: &io::Error) -> CommitError {
        if is_full(error) {
            return CommitError::Full;
        }
        let reason: Arc<str> = format!("{doing}: {error}").into();
        self.stop(&reason);
        CommitError::Refused(AppendError::Stopped { reason })
    }

    /// Stops for good.
    pub(crate) fn stop(&mut self, reason: &Arc<str>) {
        tracing::error!(%reason, "the journal has stopped");
        self.stopped = Some(Arc::clone(reason));
        self.shared.set_state(State::Stopped(Arc::clone(reason)));
        self.shared.wake_readers();
    }

    fn tolerate_full(&mut self, doing: &str, done: io::Result<()>) -> Result<(), AppendError> {
        match done.map_err(|error| self.failed(doing, &error)) {
            Ok(()) | Err(CommitError::Full) => Ok(()),
            Err(CommitError::Refused(error)) => Err(error),
        }
    }
}

impl Seen {
    fn now_us(self, monotonic: Duration) -> u64 {
        let passed = monotonic.saturating_sub(self.since).as_micros();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        self.before_us.saturating_add(passed)
    }
}

/// A block without records at `position`.
pub(crate) fn marker(kind: BlockKind, tag: u64, position: Position, seen_us: u64) -> BlockHeader {
    let last = Seq(position.next.0.saturating_sub(1));
    BlockHeader {
        kind,
        codec: Codec::None,
        tag,
        first: position.next,
        last,
        records: 0,
        raw_len: 0,
        stored_len: 0,
        padding: 0,
        synced: last,
        seen_us,
        oldest: Micros(0),
        newest: Micros(0),
        h_before: position.h,
        h_after: position.h,
    }
    .padded()
}

/// Makes a file under `new`, lets `fill` write it, syncs it and only then gives it its name: whoever finds the name
/// finds the whole file. The folder is left to be synced.
pub(crate) fn create_named(
    shared: &Shared,
    new: &Path,
    path: &Path,
    fill: impl FnOnce(&dyn File) -> io::Result<()>,
) -> io::Result<Arc<dyn File>> {
    remove_if_there(shared, new)?;
    let file = shared.disk.open(new, Access::CreateNew)?;
    let filled = fill(file.as_ref()).and_then(|()| file.sync_data());
    if let Err(error) = filled.and_then(|()| shared.disk.rename(new, path)) {
        drop(file);
        // Of the two errors the first says more; what stays behind is removed at the next start.
        let removed = shared.disk.remove_file(new);
        tracing::debug!(?removed, "removed an unfinished file");
        return Err(error);
    }
    Ok(Arc::from(file))
}

pub(crate) fn remove_if_there(shared: &Shared, path: &Path) -> io::Result<()> {
    match shared.disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// An ordinal greater than all in the directory.
fn next_ordinal(shared: &Shared, dir: &Path) -> io::Result<u32> {
    let entries = shared.disk.list(dir)?;
    let ordinals = entries.iter().filter_map(|entry| segment_name(&entry.name));
    let next = ordinals.map(|(ordinal, _)| ordinal.saturating_add(1)).max();
    Ok(next.unwrap_or(0))
}

fn no_segment() -> io::Error {
    io::Error::other("no segment is open")
}

/// A sync that finds no room has lost what it should have kept, so it is not an error that passes.
fn never_full(error: io::Error) -> io::Error {
    if is_full(&error) {
        return io::Error::other(error);
    }
    error
}

/// The bytes of an origin, encoded once for a run of records that share it.
#[derive(Debug, Default)]
struct OriginEncoder {
    last: Option<Arc<Origin>>,
    bytes: Vec<u8>,
}

impl OriginEncoder {
    fn encode(&mut self, origin: &Arc<Origin>) -> &[u8] {
        let known = self
            .last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, origin));
        if !known {
            self.bytes.clear();
            canonical::encode_origin(origin, &mut self.bytes);
            self.last = Some(Arc::clone(origin));
        }
        &self.bytes
    }
}

/// Refuses a record that no block can hold.
pub(crate) fn check_length(record: &Record) -> Result<usize, AppendError> {
    let bytes = canonical::size_bound(record);
    if bytes > RECORD_BYTES_MAX {
        return Err(AppendError::RecordTooLong { bytes });
    }
    Ok(bytes)
}
