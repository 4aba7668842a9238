//! Checks a journal from its files alone, byte by byte and link by link. Reads only.
//!
//! Nothing is believed that the writer keeps in memory, and nothing is repaired. What is checked: every byte of every
//! file lies in a head page, a block, a directory or a trailer whose checksum holds, or is a zero where zeros belong;
//! every record decodes and hashes to the chain that the block headers carry; Seqs and links join from block to block,
//! segment to segment, partition to partition; a sealed segment's directory is the one that its blocks give.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use disk::{Access, Disk, Entry, EntryKind, File};
use event::{Micros, Seq};

use crate::block::{self, BlockHeader, BlockKind, HEADER_BYTES};
use crate::canonical;
use crate::chain::ChainHash;
use crate::recover::DROPPED;
use crate::scan::{Found, Scan, read_head, read_trailer, scan};
use crate::segment::{
    Contents, Form, SegmentHead, SegmentId, partition_dir, partition_name, segment_name,
};

/// More failures than these are counted, not described.
const FAILURES_MAX: usize = 1000;

/// How often a partition's folder is listed until nothing changes between listing and opening its files. Each time
/// something changed, a writer sealed, began or removed a segment, which takes it longer than this takes.
const LISTINGS_MAX: usize = 20;

/// How often a hot segment that does not hold is read: its writer may have appended or ended it meanwhile.
const READINGS_MAX: usize = 5;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Partitions that were read.
    pub partitions: u64,
    /// Partitions whose newest record is older than asked for: only their ends were looked at.
    pub partitions_skipped: u64,
    /// Segment files that were read.
    pub segments: u64,
    /// Records whose hashes were recomputed.
    pub records: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// The first and the last Seq that were checked; none in an empty journal.
    pub span: Option<(Seq, Seq)>,
    /// The chain's hash after the last record.
    pub head: Option<ChainHash>,
    /// Records lost to damage that an earlier start set aside: first and last Seq.
    pub gaps: Vec<(Seq, Seq)>,
    /// Bytes behind the last record that a running or killed writer has not finished; never acknowledged.
    pub unfinished_bytes: u64,
    /// What does not hold, in the order of the journal; at most a thousand.
    pub failures: Vec<Failure>,
    /// How many there are.
    pub failure_count: u64,
}

/// One thing that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: bytes {} to {}: {reason}{}", path.display(), bytes.start, bytes.end, seq_text(*seq))]
pub struct Failure {
    /// The file or directory.
    pub path: PathBuf,
    /// The bytes of it that are concerned; empty for the file as a whole.
    pub bytes: Range<u64>,
    /// The first record that is concerned, where that is known.
    pub seq: Option<Seq>,
    /// What does not hold.
    pub reason: String,
}

fn seq_text(seq: Option<Seq>) -> String {
    seq.map_or_else(String::new, |seq| format!(" (from record {seq} on)"))
}

impl VerifyReport {
    /// Whether everything holds: no failure, and no record lost to damage.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.failure_count == 0 && self.gaps.is_empty()
    }
}

/// Why a journal could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The directory cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
}

/// Verifies the journal in `dir`: all of it, or the partitions with records received at or after `since`.
///
/// A journal that is being written is verified up to what is on disk: what its writer changes meanwhile is looked at
/// again, a few times.
///
/// # Errors
/// Where a directory cannot be listed; files that cannot be read are failures in the report.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    since: Option<Micros>,
) -> Result<VerifyReport, VerifyError> {
    let class_dir = dir.join("default");
    let mut verifier = Verifier {
        disk,
        class_dir: &class_dir,
        since: since.unwrap_or(Micros::MIN),
        report: VerifyReport::default(),
        place: None,
    };
    for entry in list(disk, dir)? {
        if !matches!(entry.name.as_str(), "default" | "quarantine") {
            verifier.fail(
                &dir.join(&entry.name),
                0..0,
                None,
                "does not belong to a journal",
            );
        }
    }
    let mut partitions = Vec::new();
    for entry in list(disk, &class_dir)? {
        match partition_name(&entry.name).filter(|_| entry.kind == EntryKind::Directory) {
            Some(first) => partitions.push(first),
            None => {
                let path = class_dir.join(&entry.name);
                verifier.fail(&path, 0..0, None, "does not belong to a journal");
            }
        }
    }
    for (at, first) in partitions.iter().enumerate() {
        let is_last = at.saturating_add(1) == partitions.len();
        verifier.partition(*first, is_last)?;
    }
    Ok(verifier.report)
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<Entry>, VerifyError> {
    disk.list(dir).map_err(|source| VerifyError::Io {
        path: dir.to_owned(),
        source,
    })
}

/// A point of the chain that the next segment must join.
#[derive(Clone, Copy, Debug)]
struct Place {
    next: Seq,
    h: ChainHash,
}

struct Verifier<'a> {
    disk: &'a dyn Disk,
    class_dir: &'a Path,
    since: Micros,
    report: VerifyReport,
    place: Option<Place>,
}

/// The names in a partition's folder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    /// Ascending; the sealed form after the hot one.
    segments: Vec<(u32, Form)>,
    dropped: bool,
    /// What does not belong there.
    foreign: Vec<String>,
}

/// A partition's folder: its segments, opened or not, and what does not belong there.
struct Folder {
    segments: Vec<(SegmentId, Form, io::Result<Box<dyn File>>)>,
    foreign: Vec<String>,
}

/// A segment file, open, its head read.
struct OpenSegment {
    form: Form,
    path: PathBuf,
    file: Box<dyn File>,
    head: SegmentHead,
    tag: u64,
}

/// Whether a writer may still be writing this file, or was killed while it did.
fn is_unfinished(segment: &OpenSegment, scan: &Scan, is_last: bool) -> bool {
    is_last && segment.form == Form::Hot && scan.file_bytes == segment.head.allocated
}

impl Verifier<'_> {
    fn fail(&mut self, path: &Path, bytes: Range<u64>, seq: Option<Seq>, reason: &str) {
        self.report.failure_count = self.report.failure_count.saturating_add(1);
        if self.report.failures.len() < FAILURES_MAX {
            self.report.failures.push(Failure {
                path: path.to_owned(),
                bytes,
                seq,
                reason: reason.to_owned(),
            });
        }
    }

    fn next_seq(&self) -> Option<Seq> {
        self.place.map(|place| place.next)
    }

    fn partition(&mut self, first: Seq, is_last: bool) -> Result<(), VerifyError> {
        let Some(folder) = self.open_folder(first)? else {
            return self.pass_over(first);
        };
        for name in folder.foreign {
            let path = partition_dir(self.class_dir, first).join(name);
            self.fail(&path, 0..0, None, "does not belong to a journal");
        }
        let mut opened = Vec::new();
        for (id, form, file) in folder.segments {
            let path = id.path(self.class_dir, form);
            match file.and_then(|file| self.read_head(id, form, file)) {
                Ok(Some(segment)) => opened.push(segment),
                Ok(None) => self.place = None,
                Err(error) => {
                    let reason = format!("cannot be read: {error}");
                    self.fail(&path, 0..0, self.next_seq(), &reason);
                }
            }
        }
        if !is_last && self.skip(&opened) {
            self.report.partitions_skipped = self.report.partitions_skipped.saturating_add(1);
            return Ok(());
        }
        self.report.partitions = self.report.partitions.saturating_add(1);
        if let Some(segment) = opened.first()
            && segment.head.first != first
        {
            let reason = "the partition's first segment is missing";
            self.fail(&segment.path, 0..0, Some(first), reason);
        }
        let count = opened.len();
        for (at, segment) in opened.into_iter().enumerate() {
            let is_last = is_last && at.saturating_add(1) == count;
            self.segment_once_settled(&segment, is_last);
        }
        Ok(())
    }

    /// Opens the segments of a partition as they are at one moment: nothing that a writer does to the folder
    /// afterwards matters then. `None` where it is being dropped or is empty or gone.
    fn open_folder(&self, first: Seq) -> Result<Option<Folder>, VerifyError> {
        let mut names = self.names(first)?;
        let mut listings: usize = 0;
        loop {
            if names.segments.is_empty() && names.foreign.is_empty() || names.dropped {
                return Ok(None);
            }
            let segments = names.segments.iter().map(|(ordinal, form)| {
                let id = SegmentId {
                    partition: first,
                    ordinal: *ordinal,
                };
                let path = id.path(self.class_dir, *form);
                (id, *form, self.disk.open(&path, Access::Read))
            });
            let segments = segments.collect();
            let now = self.names(first)?;
            listings = listings.saturating_add(1);
            if now == names || listings == LISTINGS_MAX {
                let foreign = names.foreign;
                return Ok(Some(Folder { segments, foreign }));
            }
            names = now;
        }
    }

    fn names(&self, partition: Seq) -> Result<Names, VerifyError> {
        let dir = partition_dir(self.class_dir, partition);
        let entries = match self.disk.list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(VerifyError::Io { path: dir, source }),
            Ok(entries) => entries,
        };
        let mut names = Names::default();
        for Entry { name, .. } in entries {
            match segment_name(&name) {
                Some(segment) => names.segments.push(segment),
                None if name == DROPPED => names.dropped = true,
                // Unfinished files are never read; a running writer has one now and then.
                None if name.ends_with(".new") => {}
                None => names.foreign.push(name),
            }
        }
        // Where sealing has just put the new file beside the old, both must hold the same.
        names
            .segments
            .sort_unstable_by_key(|(ordinal, form)| (*ordinal, *form == Form::Sealed));
        Ok(names)
    }

    /// Retention drops the oldest partitions first: one may be missing only where none before it is there.
    fn pass_over(&mut self, first: Seq) -> Result<(), VerifyError> {
        for entry in list(self.disk, self.class_dir)? {
            let earlier = partition_name(&entry.name).filter(|earlier| *earlier < first);
            if let Some(earlier) = earlier
                && !self.names(earlier)?.segments.is_empty()
                && !self.names(earlier)?.dropped
            {
                // What follows must join what was there before it, and if this was dropped it does not.
                return Ok(());
            }
        }
        self.place = None;
        Ok(())
    }

    /// Checks a segment; a hot one that does not hold again, since its writer may have been at work.
    fn segment_once_settled(&mut self, segment: &OpenSegment, is_last: bool) {
        let before = (self.report.clone(), self.place);
        for reading in 1..=READINGS_MAX {
            if let Err(error) = self.segment(segment, is_last) {
                let reason = format!("cannot be read: {error}");
                self.fail(&segment.path, 0..0, self.next_seq(), &reason);
                self.place = None;
            }
            let holds = self.report.failure_count == before.0.failure_count;
            if holds || segment.form == Form::Sealed || reading == READINGS_MAX {
                return;
            }
            (self.report, self.place) = before.clone();
        }
    }

    /// Steps over a partition that is older than what was asked for, all of it sealed.
    fn skip(&mut self, segments: &[OpenSegment]) -> bool {
        let mut end = self.place;
        for segment in segments {
            let trailer = match segment.form {
                Form::Sealed => read_trailer(segment.file.as_ref()).ok().flatten(),
                Form::Hot => None,
            };
            let Some(contents) = trailer.filter(|contents| contents.newest < self.since) else {
                return false;
            };
            end = Some(Place {
                next: contents.last.next(),
                h: contents.h_after,
            });
        }
        self.place = end;
        self.since > Micros::MIN && !segments.is_empty()
    }

    fn read_head(
        &mut self,
        id: SegmentId,
        form: Form,
        file: Box<dyn File>,
    ) -> io::Result<Option<OpenSegment>> {
        let path = id.path(self.class_dir, form);
        let Some((head, tag)) = read_head(file.as_ref())? else {
            self.fail(&path, 0..4096, self.next_seq(), "the head page is damaged");
            return Ok(None);
        };
        if head.id != id || head.form != form {
            self.fail(
                &path,
                0..4096,
                Some(head.first),
                "the file has another's name",
            );
            return Ok(None);
        }
        Ok(Some(OpenSegment {
            form,
            path,
            file,
            head,
            tag,
        }))
    }

    fn segment(&mut self, segment: &OpenSegment, is_last: bool) -> io::Result<()> {
        self.report.segments = self.report.segments.saturating_add(1);
        self.join(segment);
        let scanned = scan(segment.file.as_ref(), segment.form, Some(segment.tag))?;
        self.report.bytes = self.report.bytes.saturating_add(scanned.file_bytes);
        let mut contents = Contents::empty(segment.head.first, segment.head.h_before);
        let sound = self.sound_until(segment, &scanned, is_last);
        let mut bad = scanned.bad.iter().peekable();
        for found in scanned.blocks.iter().filter(|found| found.offset < sound) {
            while let Some(range) = bad.next_if(|range| range.start < found.offset) {
                self.damaged(segment, range.clone());
            }
            self.block(segment, found)?;
            contents.add(found.offset, &found.header);
        }
        for found in scanned.blocks.iter().filter(|found| found.offset >= sound) {
            let bytes = found.header.total_len();
            self.report.unfinished_bytes = self.report.unfinished_bytes.saturating_add(bytes);
        }
        let rest: Vec<Range<u64>> = bad.cloned().collect();
        match segment.form {
            Form::Hot => self.hot_end(segment, &scanned, &rest, is_last),
            Form::Sealed => self.sealed_end(segment, &scanned, &contents, &rest)?,
        }
        Ok(())
    }

    /// Where the unfinished tail of the last segment begins: at the first fault above the greatest Seq that any
    /// block knows to be durable. Elsewhere, and in a file that was closed, there is no such tail.
    fn sound_until(&self, segment: &OpenSegment, scan: &Scan, is_last: bool) -> u64 {
        if !is_unfinished(segment, scan, is_last) {
            return u64::MAX;
        }
        let synced = scan.synced().max(segment.head.synced);
        let mut end = crate::segment::PAGE;
        let mut next = segment.head.first;
        let mut h = segment.head.h_before;
        for found in &scan.blocks {
            let joins = found.header.first == next && found.header.h_before == h;
            let is_fault = !joins || found.offset != end;
            if is_fault && next > synced {
                return end;
            }
            (next, h, end) = (found.header.next(), found.header.h_after, found.end());
        }
        u64::MAX
    }

    /// Whether a segment begins where the one before it ends.
    fn join(&mut self, segment: &OpenSegment) {
        let head = &segment.head;
        if let Some(place) = self.place {
            if head.first < place.next {
                // The hot and the sealed form of one segment: the second repeats the first.
                let again = self
                    .report
                    .span
                    .is_some_and(|(first, _)| head.first >= first);
                if !again || segment.form != Form::Sealed {
                    self.fail(
                        &segment.path,
                        0..4096,
                        Some(head.first),
                        "repeats earlier records",
                    );
                }
            } else if head.first > place.next {
                self.fail(
                    &segment.path,
                    0..4096,
                    Some(place.next),
                    "records are missing before this segment",
                );
            } else if head.h_before != place.h {
                self.fail(
                    &segment.path,
                    0..4096,
                    Some(head.first),
                    "the chain does not join the segment before",
                );
            }
        }
        self.place = Some(Place {
            next: head.first,
            h: head.h_before,
        });
    }

    fn damaged(&mut self, segment: &OpenSegment, range: Range<u64>) {
        self.fail(
            &segment.path,
            range,
            self.next_seq(),
            "neither a sound block nor zeros",
        );
    }

    fn block(&mut self, segment: &OpenSegment, found: &Found) -> io::Result<()> {
        let header = &found.header;
        let bytes = found.offset..found.end();
        let place = self.place.unwrap_or(Place {
            next: header.first,
            h: header.h_before,
        });
        if header.first != place.next {
            let seq = Some(place.next.min(header.first));
            self.fail(
                &segment.path,
                bytes.clone(),
                seq,
                "its Seqs do not follow those before",
            );
        } else if header.h_before != place.h {
            let seq = Some(header.first);
            self.fail(
                &segment.path,
                bytes.clone(),
                seq,
                "the chain does not join the block before",
            );
        }
        match header.kind {
            BlockKind::Records => {
                if let Some((seq, reason)) = self.records(segment, found)? {
                    self.fail(&segment.path, bytes, Some(seq), reason);
                }
            }
            BlockKind::Gap => self.report.gaps.push((header.first, header.last)),
            BlockKind::Idle | BlockKind::Closed => {}
        }
        self.place = Some(Place {
            next: header.next(),
            h: header.h_after,
        });
        self.count(header);
        Ok(())
    }

    fn count(&mut self, header: &BlockHeader) {
        if header.has_seqs() {
            let first = self.report.span.map_or(header.first, |(first, _)| first);
            self.report.span = Some((first, header.last));
            self.report.head = Some(header.h_after);
        }
    }

    /// The first record that is not what its block's header says, and why.
    fn records(
        &mut self,
        segment: &OpenSegment,
        found: &Found,
    ) -> io::Result<Option<(Seq, &'static str)>> {
        let header = &found.header;
        let len = usize::try_from(header.stored_len).map_err(io::Error::other)?;
        let mut stored = vec![0; len];
        let payload_at = found.offset.saturating_add(HEADER_BYTES as u64);
        segment.file.read_exact_at(&mut stored, payload_at)?;
        let Ok(payload) = block::decompress(header, stored) else {
            return Ok(Some((header.first, "its payload does not decompress")));
        };
        let (mut h, mut seq) = (header.h_before, header.first);
        let (mut oldest, mut newest) = (Micros::MAX, Micros::MIN);
        for encoding in block::Encodings::new(&payload) {
            let Some(received_at) = encoding.ok().and_then(|encoding| {
                h = h.after(encoding);
                canonical::received_at(encoding)
            }) else {
                return Ok(Some((seq, "a record is not readable")));
            };
            oldest = oldest.min(received_at);
            newest = newest.max(received_at);
            seq = seq.next();
            self.report.records = self.report.records.saturating_add(1);
        }
        if h != header.h_after {
            return Ok(Some((header.first, "its records do not hash to the chain")));
        }
        if (oldest, newest) != (header.oldest, header.newest) {
            return Ok(Some((
                header.first,
                "its receipt times are not those of its records",
            )));
        }
        match block::records(header, payload) {
            Ok(_) => Ok(None),
            Err(_) => Ok(Some((
                header.first,
                "its records are not readable or not in order",
            ))),
        }
    }

    /// A hot file either still has its reserved length, zeros behind the last block, or was cut to end with a closing
    /// block. Only a file of the first kind, the last one, may end unfinished.
    fn hot_end(&mut self, segment: &OpenSegment, scan: &Scan, rest: &[Range<u64>], is_last: bool) {
        let unfinished = is_unfinished(segment, scan, is_last);
        for range in rest {
            let bytes = range.end.saturating_sub(range.start);
            if unfinished {
                self.report.unfinished_bytes = self.report.unfinished_bytes.saturating_add(bytes);
            } else {
                self.damaged(segment, range.clone());
            }
        }
        let last = scan.blocks.last();
        let closed = last.is_some_and(|found| {
            found.header.kind == BlockKind::Closed && found.end() == scan.file_bytes
        });
        if !closed && scan.file_bytes != segment.head.allocated {
            let bytes = scan.file_bytes..scan.file_bytes;
            self.fail(
                &segment.path,
                bytes,
                self.next_seq(),
                "the file was cut short",
            );
        }
    }

    fn sealed_end(
        &mut self,
        segment: &OpenSegment,
        scan: &Scan,
        contents: &Contents,
        rest: &[Range<u64>],
    ) -> io::Result<()> {
        let directory_at = scan.blocks.last().map_or(crate::segment::PAGE, Found::end);
        let expected = contents.encode_trailer(directory_at);
        let len = scan.file_bytes.saturating_sub(directory_at);
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        segment.file.read_exact_at(&mut bytes, directory_at)?;
        if bytes != expected {
            let first = rest.first().cloned();
            let range = first.unwrap_or(directory_at..scan.file_bytes);
            let reason = "the directory is not the one that the blocks give, or blocks are damaged";
            self.fail(&segment.path, range, self.next_seq(), reason);
        }
        if segment.head.synced != contents.last {
            self.fail(
                &segment.path,
                0..4096,
                self.next_seq(),
                "the file was cut short",
            );
        }
        Ok(())
    }
}
