//! Makes segments: from events, and from neighbouring segments.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use disk::Disk;
use event::{Event, Field, Seq, Value};
use tantivy::SingleSegmentIndexWriter;
use tantivy::directory::{Directory, RamDirectory};

use crate::document::EventDocument;
use crate::pack::pack;
use crate::schema::Layout;
use crate::segment::{Segment, SegmentInfo};
use crate::template::{Learner, Literals, Templates};

/// What tantivy sizes its table of terms by, in bytes.
const MEMORY_HINT: usize = 32 << 20;

/// A segment in the making.
pub(crate) struct SegmentWriter {
    directory: RamDirectory,
    writer: SingleSegmentIndexWriter<EventDocument>,
    document: EventDocument,
    templates: Templates,
    info: SegmentInfo,
    fingerprints: Arc<BTreeMap<String, u64>>,
    last_product: String,
}

impl std::fmt::Debug for SegmentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl SegmentWriter {
    /// An empty one; `fingerprints` are those under which the events were parsed, `literals` the words that templates are
    /// made of.
    pub(crate) fn new(
        fingerprints: Arc<BTreeMap<String, u64>>,
        literals: Arc<Literals>,
    ) -> io::Result<Self> {
        let directory = RamDirectory::create();
        let writer = Layout::get()
            .builder()
            .single_segment_index_writer(directory.clone(), MEMORY_HINT)
            .map_err(io::Error::other)?;
        Ok(Self {
            directory,
            writer,
            document: EventDocument::default(),
            templates: Templates::new(literals),
            info: SegmentInfo {
                file: String::new(),
                first: Seq::MAX,
                last: Seq::ZERO,
                events: 0,
                oldest: i64::MAX,
                newest: i64::MIN,
                timed: true,
                bytes: 0,
                raw_bytes: 0,
                products: BTreeMap::new(),
            },
            fingerprints,
            last_product: String::new(),
        })
    }

    /// How many events it holds.
    pub(crate) fn events(&self) -> u32 {
        self.info.events
    }

    /// Adds an event, of a greater Seq than those before.
    pub(crate) fn add(&mut self, event: &Event) -> io::Result<()> {
        debug_assert!(self.info.events == 0 || self.info.last < event.seq());
        self.note(event);
        let document = std::mem::take(&mut self.document).fill(event, &mut self.templates);
        self.writer
            .add_document(document.clone())
            .map_err(io::Error::other)?;
        self.document = document;
        Ok(())
    }

    fn note(&mut self, event: &Event) {
        let info = &mut self.info;
        info.first = info.first.min(event.seq());
        info.last = event.seq();
        info.events += 1;
        info.raw_bytes += event.raw().len() as u64;
        let mut times = event.values(Field::TIMESTAMP);
        match (times.next(), times.next()) {
            (Some(Value::Date(at)), None) => {
                info.oldest = info.oldest.min(at.0);
                info.newest = info.newest.max(at.0);
            }
            _ => info.timed = false,
        }
        let product = event.text(Field::NHATKY_PRODUCT).unwrap_or_default();
        if product != self.last_product {
            product.clone_into(&mut self.last_product);
            if !info.products.contains_key(product) {
                let fingerprint = self.fingerprints.get(product).copied().unwrap_or_default();
                info.products.insert(product.to_owned(), fingerprint);
            }
        }
    }

    /// Writes the segment's file, durably, into that folder, and teaches what its lines were made of.
    pub(crate) fn finish(
        self,
        disk: &dyn Disk,
        folder: &Path,
        learner: &Mutex<Learner>,
    ) -> io::Result<SegmentInfo> {
        let Self {
            directory,
            writer,
            info,
            templates,
            ..
        } = self;
        templates.teach(&mut learner.lock().unwrap_or_else(PoisonError::into_inner));
        let index = writer.finalize().map_err(io::Error::other)?;
        save(disk, folder, &directory, &index, info)
    }
}

/// Merges neighbouring segments, in the order of their Seqs, into a new file in that folder.
pub(crate) fn merge(
    disk: &dyn Disk,
    folder: &Path,
    segments: &[Arc<Segment>],
) -> io::Result<SegmentInfo> {
    debug_assert!(segments.is_sorted_by(|one, two| one.info.last < two.info.first));
    let indexes: Vec<tantivy::Index> = segments.iter().map(|one| one.index.clone()).collect();
    let directory = RamDirectory::create();
    let index =
        tantivy::indexer::merge_indices(&indexes, directory.clone()).map_err(io::Error::other)?;
    let mut infos = segments.iter().map(|segment| &segment.info);
    let first = infos.next().expect("neighbours are two or more").clone();
    let info = infos.fold(first, |whole, next| whole.followed_by(next));
    save(disk, folder, &directory, &index, info)
}

impl SegmentInfo {
    fn followed_by(mut self, next: &Self) -> Self {
        self.last = next.last;
        self.events += next.events;
        self.oldest = self.oldest.min(next.oldest);
        self.newest = self.newest.max(next.newest);
        self.timed &= next.timed;
        self.raw_bytes += next.raw_bytes;
        for (product, fingerprint) in &next.products {
            let kept = self.products.entry(product.clone()).or_insert(*fingerprint);
            if kept != fingerprint {
                // Two ways of parsing in one segment: neither is today's for all of it.
                *kept = MIXED;
            }
        }
        self
    }
}

/// The fingerprint of events of one product parsed in two ways; no product has it.
const MIXED: u64 = u64::MAX;

fn save(
    disk: &dyn Disk,
    folder: &Path,
    directory: &RamDirectory,
    index: &tantivy::Index,
    mut info: SegmentInfo,
) -> io::Result<SegmentInfo> {
    let mut names: Vec<PathBuf> = index.directory().list_managed_files().into_iter().collect();
    names.extend([PathBuf::from("meta.json"), PathBuf::from(".managed.json")]);
    names.sort_unstable();
    names.dedup();
    let mut files = Vec::new();
    for name in names {
        if directory.exists(&name).map_err(io::Error::other)? {
            let bytes = directory.atomic_read(&name).map_err(io::Error::other)?;
            files.push((name, bytes));
        }
    }
    let bytes = pack(files)?;
    let id = index.searchable_segment_ids().map_err(io::Error::other)?;
    let id = id.first().map(|id| id.uuid_string()).unwrap_or_default();
    info.file = format!(
        "{}-{}-{}.seg",
        info.first,
        info.last,
        id.get(..8).unwrap_or_default()
    );
    info.bytes = bytes.len() as u64;
    disk::replace(disk, &folder.join(&info.file), &bytes)?;
    Ok(info)
}
