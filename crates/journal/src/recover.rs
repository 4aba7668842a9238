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
    /// It holds nothing: remove it.
    Remove,
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
        let next = successor(following);
        walk.visit(segment, next)
            .map_err(OpenError::at(&segment.path))?;
    }
    Ok(walk.finish())
}

/// Makes durable what the last process may have left in the kernel's hands.
///
/// If its last sync failed, the kernel may show pages that it will never write: so what nobody attests is written
/// once more, the same bytes, and synced again, before anything relies on it.
fn settle(disk: &dyn Disk, class_dir: &Path, last: &Loaded, synced: Seq) -> io::Result<()> {
    disk.sync_dir(class_dir)?;
    disk.sync_dir(&partition_dir(class_dir, last.id.partition))?;
    let (Form::Hot, Body::Scanned(scan)) = (last.form, &last.body) else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    for found in scan
        .blocks
        .iter()
        .filter(|found| found.header.last > synced)
    {
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
/// it was to report is to be reported again.
fn successor(following: &[Loaded]) -> Option<(Seq, ChainHash)> {
    let (last, before) = following.split_last()?;
    let damaged = |segment: &&Loaded| segment.has_records() || segment.is_damaged();
    let next = before.iter().find(damaged);
    let next = next.or_else(|| Some(last).filter(|last| last.has_records()))?;
    Some((next.first()?, next.h_before()?))
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
    fn visit(&mut self, segment: &Loaded, next: Option<(Seq, ChainHash)>) -> io::Result<()> {
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
        let limit = next.map(|(next, h)| Place { next, h });
        if let Body::Trusted(contents) = &segment.body {
            let joins = segment.first() == Some(start.next);
            let ends = limit.is_none_or(|limit| limit.next <= contents.last.next());
            if joins && ends {
                self.keep(segment, contents.clone());
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
        self.apply(segment, found, &judged);
        Ok(())
    }

    /// Takes a sound segment as it is.
    fn keep(&mut self, segment: &Loaded, contents: Contents) {
        self.expected = Some(Place {
            next: contents.last.next(),
            h: contents.h_after,
        });
        self.newest = self.newest.max(contents.newest);
        self.recovered.seen_us = self.recovered.seen_us.max(contents.seen_us);
        let Some((head, tag)) = segment.head else {
            return;
        };
        self.count(&head, &contents);
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

    fn count(&mut self, head: &SegmentHead, contents: &Contents) {
        let raw_bytes = match self.recovered.partition {
            Some(open) if open.first == head.id.partition => open.raw_bytes,
            _ => 0,
        };
        self.recovered.partition = Some(OpenPartition {
            first: head.id.partition,
            utc_day: head.utc_day,
            raw_bytes: raw_bytes.saturating_add(contents.raw_bytes),
        });
    }

    fn report(&mut self, segment: &Loaded, judged: &Judged) {
        let damaged = judged.damaged_bytes > 0 || segment.head.is_none();
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
        if judged.lost.is_empty() && judged.rewrite(segment.form) && damaged {
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

    fn apply(&mut self, segment: &Loaded, scan: &Scan, judged: &Judged) {
        let rewrite = judged.rewrite(segment.form) || segment.head.is_none();
        let end = judged.end;
        let contents = judged.contents();
        let kind =
            if contents.blocks.is_empty() && segment.form == Form::Hot && judged.lost.is_empty() {
                Some(RepairKind::Remove)
            } else if rewrite {
                Some(RepairKind::Rewrite {
                    head: self.rewritten_head(segment, judged),
                    pieces: judged.pieces.clone(),
                })
            } else {
                self.finish_if_open(segment, scan, judged)
            };
        let removed = matches!(kind, Some(RepairKind::Remove));
        self.recovered.repairs.extend(kind.map(|kind| Repair {
            id: segment.id,
            form: segment.form,
            path: segment.path.clone(),
            kind,
        }));
        if removed {
            self.recovered.seen_us = self.recovered.seen_us.max(contents.seen_us);
        } else {
            self.keep(segment, contents);
        }
        self.expected = Some(end);
    }

    fn finish_if_open(&self, segment: &Loaded, scan: &Scan, judged: &Judged) -> Option<RepairKind> {
        let (_, tag) = segment.head?;
        if segment.form == Form::Sealed || judged.ends_closed(scan) {
            return None;
        }
        Some(RepairKind::Finish {
            at: judged.good_until,
            position: Position {
                next: judged.end.next,
                h: judged.end.h,
                attested: self.synced,
            },
            tag,
        })
    }

    fn rewritten_head(&self, segment: &Loaded, judged: &Judged) -> SegmentHead {
        let known = segment.head.map(|(head, _)| head);
        SegmentHead {
            form: Form::Sealed,
            id: segment.id,
            first: judged.start.next,
            utc_day: known.map_or_else(|| judged.newest.utc_day(), |head| head.utc_day),
            created_at: self.now,
            allocated: 0,
            synced: Seq(judged.end.next.0.saturating_sub(1)),
            seen_us: known.map_or(0, |head| head.seen_us),
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
