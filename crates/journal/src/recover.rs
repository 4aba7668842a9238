//! What is there when a journal opens: finds damage, decides what it means, and puts things right.
//!
//! Nothing is changed before all is read. Then, in this order, so that a crash in between loses no report: the loss
//! records are appended in a new segment; damaged segments are rewritten without what cannot be read, the damaged file
//! being kept in `quarantine/`; the unfinished tail is cut. Each step leaves a journal that recovers to the same.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Access, Disk, EntryKind, File};
use event::{Loss, LossCause, Micros, Seq};

use crate::block::BlockKind;
use crate::chain::ChainHash;
use crate::error::OpenError;
use crate::judge::{Judged, Piece, Place, judge};
use crate::map::{Map, Segment};
use crate::scan::{Scan, read_head, read_trailer, scan};
use crate::segment::{
    Contents, Form, SegmentHead, SegmentId, partition_dir, partition_name, segment_name,
};
use crate::writer::{OpenPartition, Position};

/// The name of a file that says: this partition is being dropped.
pub(crate) const DROPPED: &str = "dropped";

/// What the start found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// The last Seq that was there, [`Seq::ZERO`] in a new journal.
    pub durable: Seq,
    /// What was lost, as it was recorded.
    pub losses: Vec<Loss>,
}

/// All that the start needs to know.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) map: Map,
    pub(crate) position: Position,
    pub(crate) partition: Option<OpenPartition>,
    pub(crate) seen_us: u64,
    pub(crate) losses: Vec<Loss>,
    pub(crate) repairs: Vec<Repair>,
}

/// What has to be done to a segment.
#[derive(Debug)]
pub(crate) struct Repair {
    pub(crate) id: SegmentId,
    pub(crate) form: Form,
    pub(crate) path: PathBuf,
    pub(crate) kind: RepairKind,
}

#[derive(Debug)]
pub(crate) enum RepairKind {
    /// Cut it there and end it with a closing block.
    Finish {
        at: u64,
        position: Position,
        tag: u64,
    },
    /// It holds nothing: remove it, if it is damaged after a copy of it was kept aside.
    Remove { damaged: bool },
    /// Write it anew, sealed, with these pieces, and keep the damaged file aside.
    Rewrite {
        head: SegmentHead,
        pieces: Vec<Piece>,
    },
}

/// A segment as it was found.
#[derive(Debug)]
struct Loaded {
    id: SegmentId,
    form: Form,
    path: PathBuf,
    file: Arc<dyn File>,
    head: Option<(SegmentHead, u64)>,
    /// The last Seq that a sealed segment's trailer names, even where nothing else is readable.
    sealed_last: Option<Seq>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Sealed, its trailer sound: not read further.
    Trusted(Contents),
    Scanned(Scan),
}

impl Loaded {
    fn first(&self) -> Option<Seq> {
        let of_head = self.head.as_ref().map(|(head, _)| head.first);
        of_head.or_else(|| match &self.body {
            Body::Trusted(contents) => contents.first(),
            Body::Scanned(scan) => scan.blocks.first().map(|found| found.header.first),
        })
    }

    fn h_before(&self) -> Option<ChainHash> {
        let of_head = self.head.as_ref().map(|(head, _)| head.h_before);
        of_head.or_else(|| match &self.body {
            Body::Trusted(_) => None,
            Body::Scanned(scan) => scan.blocks.first().map(|found| found.header.h_before),
        })
    }

    fn has_records(&self) -> bool {
        match &self.body {
            Body::Trusted(contents) => !contents.blocks.is_empty(),
            Body::Scanned(scan) => scan.blocks.iter().any(|found| found.header.has_seqs()),
        }
    }

    fn is_damaged(&self) -> bool {
        match &self.body {
            Body::Trusted(_) => false,
            Body::Scanned(scan) => !scan.bad.is_empty() || self.head.is_none(),
        }
    }

    /// Time that the node had seen passing when the segment was begun, where its head can be read.
    fn begun_at_us(&self) -> Option<u64> {
        self.head.map(|(head, _)| head.seen_us)
    }

    /// The same, as late as anything in it tells.
    fn seen_us(&self) -> u64 {
        let of_body = match &self.body {
            Body::Trusted(contents) => contents.seen_us,
            Body::Scanned(scan) => {
                let blocks = scan.blocks.iter().map(|found| found.header.seen_us);
                blocks.max().unwrap_or(0)
            }
        };
        of_body.max(self.begun_at_us().unwrap_or(0))
    }

    fn synced(&self) -> Seq {
        let of_head = self.head.as_ref().map(|(head, _)| head.synced);
        let of_body = match &self.body {
            Body::Trusted(contents) => contents.last,
            Body::Scanned(scan) => scan.synced(),
        };
        let of_trailer = self.sealed_last.unwrap_or(Seq::ZERO);
        of_body.max(of_head.unwrap_or(Seq::ZERO)).max(of_trailer)
    }
}

/// Reads the class directory and decides what has to be done.
pub(crate) fn recover(
    disk: &dyn Disk,
    class_dir: &Path,
    now: Micros,
) -> Result<Recovered, OpenError> {
    let segments = load(disk, class_dir)?;
    let synced = segments.iter().map(Loaded::synced).max();
    let latest_us = segments.iter().map(Loaded::seen_us).max().unwrap_or(0);
    if let Some(last) = segments.last() {
        let synced = synced.unwrap_or(Seq::ZERO);
        settle(disk, class_dir, last, synced).map_err(OpenError::at(&last.path))?;
    }
    let mut walk = Walk {
        synced: synced.unwrap_or(Seq::ZERO),
        now,
        expected: None,
        newest: Micros::MIN,
        recovered: Recovered {
            map: Map::default(),
            position: Position {
                next: Seq(1),
                h: ChainHash::START,
                attested: synced.unwrap_or(Seq::ZERO),
            },
            partition: None,
            seen_us: 0,
            losses: Vec::new(),
            repairs: Vec::new(),
        },
    };
    for (at, segment) in segments.iter().enumerate() {
        let following = segments.get(at.saturating_add(1)..).unwrap_or_default();
        let followed = Followed {
            by: successor(following, walk.synced),
            at_us: ended_by_us(following, latest_us),
        };
        walk.visit(segment, followed)
            .map_err(OpenError::at(&segment.path))?;
    }
    Ok(walk.finish())
}

/// Makes durable what the last process may have left in the kernel's hands.
///
/// If its last sync failed, the kernel may show pages that it will never write: so what nobody attests is written
/// once more, the same bytes, and synced again, before anything relies on it. The last block is always among them:
/// a marker says that the records before it are durable, not that it is itself.
fn settle(disk: &dyn Disk, class_dir: &Path, last: &Loaded, synced: Seq) -> io::Result<()> {
    disk.sync_dir(class_dir)?;
    disk.sync_dir(&partition_dir(class_dir, last.id.partition))?;
    let (Form::Hot, Body::Scanned(scan)) = (last.form, &last.body) else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    let attested = scan
        .blocks
        .iter()
        .take_while(|found| found.header.last <= synced)
        .count();
    let in_doubt = attested.min(scan.blocks.len().saturating_sub(1));
    for found in scan.blocks.get(in_doubt..).unwrap_or_default() {
        let len = usize::try_from(found.header.total_len()).map_err(io::Error::other)?;
        bytes.resize(len, 0);
        last.file.read_exact_at(&mut bytes, found.offset)?;
        last.file.write_at(&bytes, found.offset)?;
    }
    last.file.sync_data()
}

/// Where the next segment that holds anything begins.
///
/// A last segment without a single sound record says nothing yet: it was being begun when the power failed, and what
/// it was to report is to be reported again. Unless a block knows records of it to be durable: then they are lost.
fn successor(following: &[Loaded], synced: Seq) -> Option<(Seq, ChainHash)> {
    let (last, before) = following.split_last()?;
    let damaged = |segment: &&Loaded| segment.has_records() || segment.is_damaged();
    let next = before.iter().find(damaged);
    let held_some = last.has_records() || last.first().is_some_and(|first| first <= synced);
    let next = next.or_else(|| Some(last).filter(|_| held_some))?;
    Some((next.first()?, next.h_before()?))
}

/// No later than this, in seen time, was the last block before `following` written. Where `following` cannot tell
/// it is the present, `latest_us`.
fn ended_by_us(following: &[Loaded], latest_us: u64) -> u64 {
    let begun = following.iter().find_map(Loaded::begun_at_us);
    begun.unwrap_or(latest_us)
}

/// What comes after a segment.
#[derive(Clone, Copy, Debug)]
struct Followed {
    /// Where the next one that holds anything begins.
    by: Option<(Seq, ChainHash)>,
    /// See [`ended_by_us`].
    at_us: u64,
}

struct Walk {
    synced: Seq,
    now: Micros,
    /// Where the segments so far end; none before the first.
    expected: Option<Place>,
    newest: Micros,
    recovered: Recovered,
}

impl Walk {
    fn visit(&mut self, segment: &Loaded, followed: Followed) -> io::Result<()> {
        let mut start = self.expected;
        if start.is_none() {
            // The oldest partition begins where its name says, with what its first head says.
            let h = segment.h_before().unwrap_or(ChainHash::START);
            let place = Place {
                next: segment.id.partition,
                h,
            };
            start = Some(place);
        }
        let start = start.unwrap_or(Place {
            next: Seq(1),
            h: ChainHash::START,
        });
        let limit = followed.by.map(|(next, h)| Place { next, h });
        if let Body::Trusted(contents) = &segment.body {
            let joins = segment.first() == Some(start.next);
            let ends = limit.is_none_or(|limit| limit.next <= contents.last.next());
            if joins && ends {
                let utc_day = self.utc_day(segment, contents.newest);
                self.keep(segment, utc_day, contents.clone());
                return Ok(());
            }
        }
        let rescanned;
        let found = match &segment.body {
            Body::Scanned(scan) => scan,
            Body::Trusted(_) => {
                let tag = segment.head.map(|(_, tag)| tag);
                rescanned = scan(segment.file.as_ref(), segment.form, tag)?;
                &rescanned
            }
        };
        let judged = judge(found, segment.form, start, limit, self.synced);
        self.report(segment, &judged);
        self.apply(segment, found, &judged, followed.at_us);
        Ok(())
    }

    /// Takes a segment, of a partition of this day, as it is or will be.
    fn keep(&mut self, segment: &Loaded, utc_day: i64, contents: Contents) {
        self.expected = Some(Place {
            next: contents.last.next(),
            h: contents.h_after,
        });
        self.newest = self.newest.max(contents.newest);
        self.recovered.seen_us = self.recovered.seen_us.max(contents.seen_us);
        self.count(segment.id.partition, utc_day, contents.raw_bytes);
        let Some((_, tag)) = segment.head else {
            // Readers see it once it is rewritten.
            return;
        };
        let file_bytes = segment.file.len().unwrap_or(0);
        self.recovered.map.insert(
            segment.id,
            Segment {
                form: segment.form,
                tag,
                path: segment.path.clone(),
                file: (segment.form == Form::Hot).then(|| Arc::clone(&segment.file)),
                file_bytes,
                contents,
                open: false,
                unsealable: false,
            },
        );
    }

    /// Counts a segment's bytes to its partition: the newest so far, in which the writer goes on.
    fn count(&mut self, partition: Seq, utc_day: i64, raw_bytes: u64) {
        let before = match self.recovered.partition {
            Some(open) if open.first == partition => open.raw_bytes,
            _ => 0,
        };
        self.recovered.partition = Some(OpenPartition {
            first: partition,
            utc_day,
            raw_bytes: before.saturating_add(raw_bytes),
        });
    }

    /// The day of a segment's partition, even where its own head page is damaged.
    fn utc_day(&self, segment: &Loaded, newest: Micros) -> i64 {
        match (segment.head, self.recovered.partition) {
            (Some((head, _)), _) => head.utc_day,
            (None, Some(open)) if open.first == segment.id.partition => open.utc_day,
            (None, _) => newest.utc_day(),
        }
    }

    fn report(&mut self, segment: &Loaded, judged: &Judged) {
        let file = segment.path.display();
        for gap in &judged.lost {
            self.lose(
                LossCause::Quarantine,
                *gap,
                judged.damaged_bytes,
                format!(
                    "records {} to {} are damaged or missing in {file}",
                    gap.0, gap.1
                ),
            );
        }
        let damaged = judged.damaged_bytes > 0 || segment.head.is_none();
        if judged.lost.is_empty() && damaged {
            let nothing = (judged.end.next, Seq(judged.end.next.0.saturating_sub(1)));
            self.lose(
                LossCause::Quarantine,
                nothing,
                judged.damaged_bytes,
                format!("{file} is damaged, but all its records are readable"),
            );
        }
        if judged.cut_bytes > 0 {
            let last_good = Seq(judged.end.next.0.saturating_sub(1));
            self.recovered.losses.push(Loss {
                cause: LossCause::TornTail,
                source: "journal".to_owned(),
                from: self.newest.max(judged.newest).max(Micros(0)),
                to: self.now,
                records_max: None,
                bytes: Some(judged.cut_bytes),
                last_good: Some(last_good),
                detail: format!(
                    "an unfinished write was cut from {file}; nothing of it had been acknowledged"
                ),
            });
        }
    }

    fn lose(&mut self, cause: LossCause, (first, last): (Seq, Seq), bytes: u64, detail: String) {
        let records = last.0.saturating_add(1).saturating_sub(first.0);
        self.recovered.losses.push(Loss {
            cause,
            source: "journal".to_owned(),
            from: self.newest.max(Micros(0)).min(self.now),
            to: self.now,
            records_max: Some(records),
            bytes: Some(bytes),
            last_good: Some(Seq(first.0.saturating_sub(1))),
            detail,
        });
    }

    fn apply(&mut self, segment: &Loaded, scan: &Scan, judged: &Judged, ended_by_us: u64) {
        let headless = segment.head.is_none();
        let end = judged.end;
        let mut contents = judged.contents();
        if !judged.lost.is_empty() {
            // When the lost blocks were written nobody knows: as late as can be, or they would seem older than they are.
            contents.seen_us = contents.seen_us.max(ended_by_us);
        }
        let holds_nothing = contents.blocks.is_empty() && judged.lost.is_empty();
        let kind = if holds_nothing && segment.form == Form::Hot {
            Some(RepairKind::Remove { damaged: headless })
        } else if judged.rewrite(segment.form) || headless {
            Some(RepairKind::Rewrite {
                head: self.rewritten_head(segment, judged, contents.seen_us),
                pieces: judged.pieces.clone(),
            })
        } else {
            self.finish_if_open(segment, scan, judged)
        };
        let removed = matches!(kind, Some(RepairKind::Remove { .. }));
        self.recovered.repairs.extend(kind.map(|kind| Repair {
            id: segment.id,
            form: segment.form,
            path: segment.path.clone(),
            kind,
        }));
        if removed {
            self.recovered.seen_us = self.recovered.seen_us.max(contents.seen_us);
        } else {
            let utc_day = self.utc_day(segment, judged.newest);
            self.keep(segment, utc_day, contents);
        }
        self.expected = Some(end);
    }

    fn finish_if_open(&self, segment: &Loaded, scan: &Scan, judged: &Judged) -> Option<RepairKind> {
        let (_, tag) = segment.head?;
        if segment.form == Form::Sealed || judged.ends_closed(scan) {
            return None;
        }
        // A closing block behind which the file was not trimmed is written anew, not followed by another.
        let at = match judged.pieces.last() {
            Some(Piece::Kept(found)) if found.header.kind == BlockKind::Closed => found.offset,
            _ => judged.good_until,
        };
        Some(RepairKind::Finish {
            at,
            position: Position {
                next: judged.end.next,
                h: judged.end.h,
                attested: self.synced,
            },
            tag,
        })
    }

    fn rewritten_head(&self, segment: &Loaded, judged: &Judged, seen_us: u64) -> SegmentHead {
        SegmentHead {
            form: Form::Sealed,
            id: segment.id,
            first: judged.start.next,
            utc_day: self.utc_day(segment, judged.newest),
            created_at: self.now,
            allocated: 0,
            synced: Seq(judged.end.next.0.saturating_sub(1)),
            seen_us,
            h_before: judged.start.h,
        }
    }

    fn finish(mut self) -> Recovered {
        if let Some(end) = self.expected {
            self.recovered.position = Position {
                next: end.next,
                h: end.h,
                attested: self.synced.min(Seq(end.next.0.saturating_sub(1))),
            };
        }
        self.recovered
    }
}

/// Opens every segment, oldest first, after removing what a crash left half done.
fn load(disk: &dyn Disk, class_dir: &Path) -> Result<Vec<Loaded>, OpenError> {
    let mut segments = Vec::new();
    let entries = disk.list(class_dir).map_err(OpenError::at(class_dir))?;
    for entry in entries {
        let Some(partition) = partition_name(&entry.name) else {
            continue;
        };
        if entry.kind != EntryKind::Directory {
            continue;
        }
        let dir = partition_dir(class_dir, partition);
        load_partition(disk, class_dir, partition, &mut segments).map_err(OpenError::at(&dir))?;
    }
    Ok(segments)
}

fn load_partition(
    disk: &dyn Disk,
    class_dir: &Path,
    partition: Seq,
    segments: &mut Vec<Loaded>,
) -> io::Result<()> {
    let dir = partition_dir(class_dir, partition);
    let entries = disk.list(&dir)?;
    if entries.iter().any(|entry| entry.name == DROPPED) {
        return remove_partition(disk, class_dir, partition);
    }
    let mut found: BTreeMap<u32, Vec<Form>> = BTreeMap::new();
    for entry in &entries {
        if let Some((ordinal, form)) = segment_name(&entry.name) {
            found.entry(ordinal).or_default().push(form);
        } else if entry.name.ends_with(".new") {
            disk.remove_file(&dir.join(&entry.name))?;
        }
    }
    if found.is_empty() {
        disk.sync_dir(&dir)?;
        disk.remove_dir(&dir)?;
        return disk.sync_dir(class_dir);
    }
    for (ordinal, forms) in found {
        let id = SegmentId { partition, ordinal };
        let form = match forms.as_slice() {
            [form] => *form,
            _ => resolve_twins(disk, class_dir, id)?,
        };
        segments.push(load_segment(disk, class_dir, id, form)?);
    }
    Ok(())
}

/// Sealing was interrupted between its last two steps: both forms are there. The sealed one is kept if it is sound.
fn resolve_twins(disk: &dyn Disk, class_dir: &Path, id: SegmentId) -> io::Result<Form> {
    let sealed = load_segment(disk, class_dir, id, Form::Sealed)?;
    let tag = sealed.head.map(|(_, tag)| tag);
    let scanned = scan(sealed.file.as_ref(), Form::Sealed, tag)?;
    let sound = match &sealed.body {
        Body::Trusted(contents) => {
            let blocks = scanned
                .blocks
                .iter()
                .filter(|found| found.header.has_seqs());
            blocks.count() == contents.blocks.len()
        }
        Body::Scanned(_) => false,
    };
    let (kept, dropped) = if sound && tag.is_some() {
        (Form::Sealed, Form::Hot)
    } else {
        (Form::Hot, Form::Sealed)
    };
    disk.remove_file(&id.path(class_dir, dropped))?;
    disk.sync_dir(&partition_dir(class_dir, id.partition))?;
    Ok(kept)
}

fn load_segment(
    disk: &dyn Disk,
    class_dir: &Path,
    id: SegmentId,
    form: Form,
) -> io::Result<Loaded> {
    let path = id.path(class_dir, form);
    let access = match form {
        Form::Hot => Access::Write,
        Form::Sealed => Access::Read,
    };
    let file: Arc<dyn File> = Arc::from(disk.open(&path, access)?);
    let head = read_head(file.as_ref())?.filter(|(head, _)| head.id == id && head.form == form);
    let trailer = match form {
        Form::Sealed => read_trailer(file.as_ref())?,
        Form::Hot => None,
    };
    let sealed_last = trailer.as_ref().map(|contents| contents.last);
    let body = match trailer.filter(|_| head.is_some()) {
        Some(contents) => Body::Trusted(contents),
        None => Body::Scanned(scan(file.as_ref(), form, head.map(|(_, tag)| tag))?),
    };
    Ok(Loaded {
        id,
        form,
        path,
        file,
        head,
        sealed_last,
        body,
    })
}

/// Removes a partition in steps that a restart can take up again: the marker first, the segments, the marker last.
pub(crate) fn remove_partition(
    disk: &dyn Disk,
    class_dir: &Path,
    partition: Seq,
) -> io::Result<()> {
    let dir = partition_dir(class_dir, partition);
    let marker = dir.join(DROPPED);
    match disk.open(&marker, Access::CreateNew) {
        Ok(file) => file.sync_data()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    disk.sync_dir(&dir)?;
    for entry in disk.list(&dir)? {
        if entry.name != DROPPED {
            disk.remove_file(&dir.join(&entry.name))?;
        }
    }
    disk.sync_dir(&dir)?;
    disk.remove_file(&marker)?;
    disk.sync_dir(&dir)?;
    disk.remove_dir(&dir)?;
    disk.sync_dir(class_dir)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use disk::{Faults, SimDisk};
    use event::{Clock, ManualClock, Origin, Record};

    use super::*;
    use crate::journal::open_writer;
    use crate::options::Options;
    use crate::retain;
    use crate::segment::PAGE;
    use crate::verify::verify;
    use crate::writer::{CommitError, Writer};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn options() -> Options {
        Options {
            reserve_bytes: 0,
            segment_bytes: 64 << 10,
            retention_days: 7,
            ..Options::default()
        }
    }

    fn open(disk: &SimDisk, clock: &Arc<ManualClock>) -> (Writer, Recovery) {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        open_writer(disk, Path::new("/journal"), options(), clock).unwrap()
    }

    fn message(clock: &ManualClock) -> Record {
        Record::new(Arc::new(Origin::own()), clock.now(), "message".into())
    }

    fn append(writer: &mut Writer, clock: &ManualClock) {
        let record = message(clock);
        writer.commit(&[&[record.clone(), record]]).unwrap();
    }

    #[test]
    fn a_marker_whose_sync_failed_leaves_no_damage_behind() {
        for seed in 0..1_000 {
            let disk = SimDisk::new(seed);
            let clock = Arc::new(ManualClock::at(Micros(0)));
            let (mut writer, _) = open(&disk, &clock);
            append(&mut writer, &clock);
            // A part of a block for which there was no room lies where the marker goes.
            disk.set_faults(Faults {
                write_full: 10_000,
                ..Faults::default()
            });
            let full = writer.commit(&[&[message(&clock)]]);
            assert!(matches!(full, Err(CommitError::Full)));
            disk.set_faults(Faults {
                sync_fails: 10_000,
                ..Faults::default()
            });
            writer.close().unwrap_err();
            disk.set_faults(Faults::default());
            // The kernel may still show the marker of which only a part is on the disk, and will never write it.
            open(&disk, &clock);
            disk.cut_power();
            disk.restart();
            let (_, recovery) = open(&disk, &clock);
            for loss in &recovery.losses {
                assert_eq!(loss.cause, LossCause::TornTail, "seed {seed}: {loss:?}");
            }
        }
    }

    /// Verify tells a file that was closed from one whose writer was killed by its length.
    #[test]
    fn a_closed_file_is_never_as_long_as_a_reserved_one() {
        for (commits, idles) in
            (1..20).flat_map(|commits| (0..4).map(move |idles| (commits, idles)))
        {
            let disk = SimDisk::new(1);
            let clock = Arc::new(ManualClock::at(Micros(0)));
            let (mut writer, _) = open(&disk, &clock);
            for _ in 0..commits {
                append(&mut writer, &clock);
            }
            for _ in 0..idles {
                clock.advance(HOUR);
                writer.idle().unwrap();
            }
            writer.close().unwrap();
            let (path, len) = disk.files().pop().unwrap();
            assert!(path.to_string_lossy().ends_with(".hot"));
            disk.flip_bit(&path, len - 1, 0).unwrap();
            let report = verify(&disk, Path::new("/journal"), None).unwrap();
            assert!(!report.is_intact(), "{commits} commits, {idles} times idle");
        }
    }

    /// Else the chain goes on from a hash that nobody had, and the marker behind the damage hangs on nothing.
    #[test]
    fn records_lost_at_the_beginning_of_the_last_segment_are_lost_from_it() {
        let hot = |disk: &SimDisk| -> Vec<PathBuf> {
            let class = Path::new("/journal/default");
            let is_hot = |path: &PathBuf| {
                path.starts_with(class) && path.extension().is_some_and(|form| form == "hot")
            };
            let files = disk.files().into_iter().map(|(path, _)| path);
            files.filter(is_hot).collect()
        };
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let clock = Arc::new(ManualClock::at(Micros(0)));
            for _ in 0..2 {
                let (mut writer, _) = open(&disk, &clock);
                append(&mut writer, &clock);
                writer.close().unwrap();
            }
            let damaged = hot(&disk).pop().unwrap();
            disk.flip_bit(&damaged, PAGE + 60, 0).unwrap();
            clock.advance(24 * HOUR);
            let (mut writer, recovery) = open(&disk, &clock);
            let [loss] = recovery.losses.as_slice() else {
                panic!("{:?}", recovery.losses);
            };
            assert_eq!(loss.cause, LossCause::Quarantine);
            assert_eq!((loss.last_good, loss.records_max), (Some(Seq(2)), Some(2)));
            assert!(
                loss.detail.contains(&*damaged.to_string_lossy()),
                "{}",
                loss.detail
            );
            append(&mut writer, &clock);
            append(&mut writer, &clock);
            writer.close().unwrap();
            disk.cut_power();
            disk.restart();
            // Damage makes the next start write the segment anew, and follow its chain.
            let newest = hot(&disk).pop().unwrap();
            disk.flip_bit(&newest, 2 * PAGE + 60, 0).unwrap();
            open(&disk, &clock);
            let report = verify(&disk, Path::new("/journal"), None).unwrap();
            assert!(report.failures.is_empty(), "seed {seed}: {report:?}");
        }
    }

    #[test]
    fn damage_never_makes_records_older_than_they_are() {
        let segment = Path::new("/journal/default/0000000000000001/000000.hot");
        let rows: [(&[u64], u64); 4] = [
            (&[100], 0),
            (&[PAGE + 60], 2),
            (&[2 * PAGE + 60], 2),
            // The last records and the closing block: when they were written is lost with them.
            (&[2 * PAGE + 60, 3 * PAGE + 60], 2),
        ];
        for (flipped, lost) in rows {
            let disk = SimDisk::new(1);
            let clock = Arc::new(ManualClock::at(Micros(0)));
            let (mut writer, _) = open(&disk, &clock);
            append(&mut writer, &clock);
            clock.advance(20 * HOUR);
            append(&mut writer, &clock);
            writer.close().unwrap();
            clock.advance(24 * HOUR);
            append(&mut writer, &clock);
            for at in flipped {
                disk.flip_bit(segment, *at, 0).unwrap();
            }
            let (mut writer, recovery) = open(&disk, &clock);
            let records = recovery.losses.iter().filter_map(|loss| loss.records_max);
            assert_eq!(records.sum::<u64>(), lost, "{flipped:?}");
            // Seven days after the first records, not yet after the last ones.
            clock.advance(134 * HOUR);
            append(&mut writer, &clock);
            let due = |writer: &Writer| retain::due(writer.shared(), writer.seen_us());
            assert_eq!(due(&writer), None, "{flipped:?}");
            let (mut writer, _) = open(&disk, &clock);
            assert_eq!(due(&writer), None, "{flipped:?}");
            clock.advance(48 * HOUR);
            append(&mut writer, &clock);
            let first = due(&writer).map(|partition| partition.first);
            assert_eq!(first, Some(Seq(1)), "{flipped:?}");
        }
    }
}
