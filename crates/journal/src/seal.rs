//! Rewrites segments with zstd, once they are full, and without what was damaged, once that is known.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use disk::{Access, File};
use event::{Micros, Seq};

use crate::block::{BlockBuilder, BlockHeader, BlockKind, Codec, Encodings};
use crate::canonical;
use crate::error::{ReadError, is_full};
use crate::judge::Piece;
use crate::map::{Located, Segment};
use crate::reader::read_payload;
use crate::recover::{Repair, RepairKind};
use crate::scan::read_head;
use crate::segment::{
    BlockEntry, Contents, Form, PAGE, SegmentHead, SegmentId, partition_dir, tag,
};
use crate::shared::Shared;
use crate::writer::{create_named, marker, remove_if_there};

/// Why a segment was not rewritten.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the disk is full")]
    Full,
    #[error("the journal is closing")]
    Closing,
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the chain does not hold after record {0}")]
    Chain(Seq),
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) {
            Self::Full
        } else {
            Self::Io(error)
        }
    }
}

/// Seals the oldest segment that is waiting for it; says whether there was one.
///
/// The order of steps: the new file whole and synced, its name, the folder synced, readers told, the hot file removed.
pub(crate) fn seal_next(shared: &Shared, closing: &AtomicBool) -> Result<bool, SealError> {
    let Some((id, source)) = next_to_seal(shared) else {
        return Ok(false);
    };
    match seal(shared, id, &source, closing) {
        Ok(()) => Ok(true),
        Err(error @ (SealError::Full | SealError::Closing)) => Err(error),
        Err(error) => {
            tracing::error!(%error, path = %source.path.display(), "a segment cannot be sealed and is left as it is");
            if let Some(segment) = shared.map_mut().segment_mut(id) {
                segment.unsealable = true;
            }
            Err(error)
        }
    }
}

/// How many segments wait to be sealed.
pub(crate) fn waiting(shared: &Shared) -> usize {
    let map = shared.map();
    let waiting = map.segments().filter(|(_, segment)| is_due(segment));
    waiting.count()
}

fn is_due(segment: &Segment) -> bool {
    segment.form == Form::Hot && !segment.open && !segment.unsealable
}

/// What is read when a segment is rewritten.
struct Source {
    path: std::path::PathBuf,
    file: Option<Arc<dyn File>>,
    tag: u64,
    contents: Contents,
}

fn next_to_seal(shared: &Shared) -> Option<(SegmentId, Source)> {
    let map = shared.map();
    let (id, segment) = map.segments().find(|(_, segment)| is_due(segment))?;
    let source = Source {
        path: segment.path.clone(),
        file: segment.file.clone(),
        tag: segment.tag,
        contents: segment.contents.clone(),
    };
    Some((id, source))
}

fn seal(
    shared: &Shared,
    id: SegmentId,
    source: &Source,
    closing: &AtomicBool,
) -> Result<(), SealError> {
    if source.contents.blocks.is_empty() {
        shared.map_mut().remove(id);
        shared.disk.remove_file(&source.path)?;
        return Ok(());
    }
    let file: Arc<dyn File> = match &source.file {
        Some(file) => Arc::clone(file),
        None => Arc::from(shared.disk.open(&source.path, Access::Read)?),
    };
    let Some((hot, _)) = read_head(file.as_ref())? else {
        return Err(SealError::Io(io::Error::other("the head page is damaged")));
    };
    let head = SegmentHead {
        form: Form::Sealed,
        allocated: 0,
        synced: source.contents.last,
        seen_us: source.contents.seen_us,
        ..hot
    };
    let pieces = source
        .contents
        .blocks
        .iter()
        .map(|entry| Part::Block(*entry));
    rewrite(shared, &head, source, pieces, closing)?;
    shared.disk.remove_file(&source.path)?;
    Ok(())
}

/// What a rewritten segment is made of.
#[derive(Clone, Copy, Debug)]
enum Part {
    Block(BlockEntry),
    Gap(BlockHeader),
}

/// Writes the sealed form of a segment and lets readers use it.
fn rewrite(
    shared: &Shared,
    head: &SegmentHead,
    source: &Source,
    parts: impl Iterator<Item = Part>,
    closing: &AtomicBool,
) -> Result<(), SealError> {
    let class_dir = &shared.class_dir;
    let path = head.id.path(class_dir, Form::Sealed);
    let page = head.encode();
    let mut written = None;
    let mut failed = None;
    let made = create_named(shared, &head.id.new_path(class_dir), &path, |file| {
        file.write_at(&page, 0)?;
        let mut sealer = Sealer::new(shared, head, tag(&page), file, source)?;
        for part in parts {
            let done = match closing.load(Ordering::Relaxed) {
                true => Err(SealError::Closing),
                false => sealer.part(part),
            };
            if let Err(error) = done {
                failed = Some(error);
                return Err(io::Error::other("sealing failed"));
            }
        }
        written = Some(sealer.end()?);
        Ok(())
    });
    match (made, failed, written) {
        (_, Some(error), _) => Err(error),
        (Err(error), None, _) => Err(error.into()),
        (Ok(_), None, None) => Err(SealError::Io(io::Error::other("nothing was sealed"))),
        (Ok(_), None, Some((contents, file_bytes))) => {
            let dir = partition_dir(class_dir, head.id.partition);
            shared.disk.sync_dir(&dir)?;
            let segment = Segment {
                form: Form::Sealed,
                tag: tag(&page),
                path,
                file: None,
                file_bytes,
                contents,
                open: false,
                unsealable: false,
            };
            shared.map_mut().insert(head.id, segment);
            Ok(())
        }
    }
}

/// A sealed file on its way.
struct Sealer<'a> {
    shared: &'a Shared,
    file: &'a dyn File,
    source: &'a Source,
    tag: u64,
    seen_us: u64,
    synced: Seq,
    offset: u64,
    builder: BlockBuilder,
    contents: Contents,
    compressor: zstd::bulk::Compressor<'static>,
    out: Vec<u8>,
}

impl<'a> Sealer<'a> {
    fn new(
        shared: &'a Shared,
        head: &SegmentHead,
        tag: u64,
        file: &'a dyn File,
        source: &'a Source,
    ) -> io::Result<Self> {
        Ok(Self {
            shared,
            file,
            source,
            tag,
            seen_us: head.seen_us,
            synced: head.synced,
            offset: PAGE,
            builder: BlockBuilder::new(head.first, head.h_before),
            contents: Contents::empty(head.first, head.h_before),
            compressor: zstd::bulk::Compressor::new(shared.options.seal_level)?,
            out: Vec::new(),
        })
    }

    fn part(&mut self, part: Part) -> Result<(), SealError> {
        match part {
            Part::Block(entry) => self.block(entry),
            Part::Gap(header) => self.gap(header),
        }
    }

    fn block(&mut self, entry: BlockEntry) -> Result<(), SealError> {
        let located = Located {
            tag: self.source.tag,
            path: self.source.path.clone(),
            file: self.source.file.clone(),
            entry,
        };
        let (header, payload) = read_payload(self.shared, &located)?;
        if header.kind == BlockKind::Gap {
            return self.gap(BlockHeader {
                tag: self.tag,
                ..header
            });
        }
        for encoding in Encodings::new(&payload) {
            let encoding = encoding.map_err(|error| SealError::Io(io::Error::other(error)))?;
            let received_at = canonical::received_at(encoding).unwrap_or(Micros(0));
            self.builder.push_encoded(encoding, received_at);
            if self.builder.payload_len() >= self.shared.options.block_bytes {
                self.end_block()?;
            }
        }
        // What is about to be thrown away must be exactly what was received.
        if self.builder.h() != header.h_after || self.builder.next() != header.next() {
            return Err(SealError::Chain(header.last));
        }
        Ok(())
    }

    fn gap(&mut self, header: BlockHeader) -> Result<(), SealError> {
        self.end_block()?;
        let header = BlockHeader {
            tag: self.tag,
            ..header
        };
        self.write(&header, &[])?;
        self.builder.restart(header.next(), header.h_after);
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), SealError> {
        if self.builder.is_empty() {
            return Ok(());
        }
        let stored = self.compressor.compress(self.builder.payload())?;
        let (tag, synced) = (self.tag, self.synced);
        let header = self
            .builder
            .header(Codec::Zstd, stored.len(), tag, synced, self.seen_us);
        self.write(&header, &stored)?;
        self.builder.restart(header.next(), header.h_after);
        Ok(())
    }

    fn write(&mut self, header: &BlockHeader, stored: &[u8]) -> Result<(), SealError> {
        self.out.clear();
        header.encode(stored, &mut self.out);
        self.file.write_at(&self.out, self.offset)?;
        self.contents.add(self.offset, header);
        self.offset = self.offset.saturating_add(self.out.len() as u64);
        Ok(())
    }

    /// Writes directory and trailer; the caller syncs.
    fn end(mut self) -> io::Result<(Contents, u64)> {
        if let Err(error) = self.end_block() {
            return Err(match error {
                SealError::Io(error) => error,
                SealError::Full => io::ErrorKind::StorageFull.into(),
                other => io::Error::other(other),
            });
        }
        let trailer = self.contents.encode_trailer(self.offset);
        self.file.write_at(&trailer, self.offset)?;
        let file_bytes = self.offset.saturating_add(trailer.len() as u64);
        Ok((self.contents, file_bytes))
    }
}

/// Does what recovery decided.
pub(crate) fn repair(shared: &Shared, repair: &Repair) -> io::Result<()> {
    match &repair.kind {
        RepairKind::Remove { damaged } => {
            if *damaged {
                set_aside(shared, repair)?;
            }
            shared.disk.remove_file(&repair.path)?;
            // What comes back after a power cut would lie before records that were written since.
            shared
                .disk
                .sync_dir(&partition_dir(&shared.class_dir, repair.id.partition))?;
            remove_if_empty(shared, repair.id.partition)
        }
        RepairKind::Finish { at, position, tag } => {
            let file = shared.disk.open(&repair.path, Access::Write)?;
            let mut block = Vec::new();
            let seen_us = shared
                .map()
                .segment(repair.id)
                .map_or(0, |s| s.contents.seen_us);
            marker(BlockKind::Closed, *tag, *position, seen_us).encode(&[], &mut block);
            let len = at.saturating_add(block.len() as u64);
            file.write_at(&block, *at)?;
            file.set_len(len)?;
            file.sync_data()?;
            if let Some(segment) = shared.map_mut().segment_mut(repair.id) {
                segment.file_bytes = len;
            }
            Ok(())
        }
        RepairKind::Rewrite { head, pieces } => replace(shared, repair, head, pieces),
    }
}

/// Keeps a copy of a damaged file in `quarantine/`.
fn set_aside(shared: &Shared, repair: &Repair) -> io::Result<()> {
    let quarantine = shared.dir.join("quarantine");
    disk::create_dir_durable(shared.disk.as_ref(), &quarantine)?;
    let name = format!(
        "{:016}-{:06}.{}",
        repair.id.partition.0,
        repair.id.ordinal,
        match repair.form {
            Form::Hot => "hot",
            Form::Sealed => "sealed",
        }
    );
    copy(shared, &repair.path, &quarantine.join(name))?;
    shared.disk.sync_dir(&quarantine)
}

/// Sets a damaged file aside and puts a sealed one, without what cannot be read, in its place.
fn replace(
    shared: &Shared,
    repair: &Repair,
    head: &SegmentHead,
    pieces: &[Piece],
) -> io::Result<()> {
    set_aside(shared, repair)?;
    let kept_tag = pieces.iter().find_map(|piece| match piece {
        Piece::Kept(found) => Some(found.header.tag),
        Piece::Gap { .. } => None,
    });
    let source = Source {
        path: repair.path.clone(),
        file: None,
        tag: kept_tag.unwrap_or(0),
        contents: Contents::empty(head.first, head.h_before),
    };
    let parts = pieces.iter().filter_map(|piece| match piece {
        Piece::Kept(found) if !found.header.has_seqs() => None,
        Piece::Kept(found) => Some(Part::Block(BlockEntry::new(found.offset, &found.header))),
        Piece::Gap { .. } => Some(Part::Gap(piece.gap_header(0, head.seen_us))),
    });
    let rewritten = rewrite(shared, head, &source, parts, &AtomicBool::new(false));
    rewritten.map_err(|error| match error {
        SealError::Io(error) => error,
        SealError::Full => io::ErrorKind::StorageFull.into(),
        other => io::Error::other(other),
    })?;
    if repair.form == Form::Hot {
        shared.disk.remove_file(&repair.path)?;
    }
    Ok(())
}

fn copy(shared: &Shared, from: &Path, to: &Path) -> io::Result<()> {
    remove_if_there(shared, to)?;
    let from = shared.disk.open(from, Access::Read)?;
    let to = shared.disk.open(to, Access::CreateNew)?;
    let mut buffer = vec![0; 1 << 18];
    let mut at = 0u64;
    loop {
        let read = from.read_at(&mut buffer, at)?;
        if read == 0 {
            return to.sync_data();
        }
        to.write_at(buffer.get(..read).unwrap_or_default(), at)?;
        at = at.saturating_add(read as u64);
    }
}

fn remove_if_empty(shared: &Shared, partition: Seq) -> io::Result<()> {
    let dir = partition_dir(&shared.class_dir, partition);
    if shared.disk.list(&dir)?.is_empty() {
        shared.disk.sync_dir(&dir)?;
        shared.disk.remove_dir(&dir)?;
        shared.disk.sync_dir(&shared.class_dir)?;
    }
    Ok(())
}
