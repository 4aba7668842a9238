//! A segment: a run of consecutive Seqs, written once, opened for searching.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use event::{Event, FieldKind, Seq};
use serde::{Deserialize, Serialize};
use tantivy::columnar::{Column as Values, ColumnType, StrColumn};
use tantivy::{InvertedIndexReader, SegmentReader};

use crate::bits::Bits;
use crate::codes::Numbered;
use crate::literal_places::{LiteralPlaces, Reading};
use crate::pack::Pack;
use crate::schema::{Column, Layout, ODD, SEQ};
use crate::scope::SearchError;
use crate::source::{Depth, EventSource};
use crate::template::SKELETON;

/// What the manifest keeps of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentInfo {
    /// The name of its file.
    pub(crate) file: String,
    /// Its first Seq.
    pub(crate) first: Seq,
    /// Its last Seq.
    pub(crate) last: Seq,
    /// How many events it holds.
    pub(crate) events: u32,
    /// The least `@timestamp` in microseconds.
    pub(crate) oldest: i64,
    /// The greatest `@timestamp` in microseconds.
    pub(crate) newest: i64,
    /// Whether every event has exactly one `@timestamp`.
    pub(crate) timed: bool,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// Bytes of the raw texts of its events.
    pub(crate) raw_bytes: u64,
    /// The products in it, each with the fingerprint under which its events were parsed.
    pub(crate) products: BTreeMap<String, u64>,
}

/// A segment opened for searching.
pub(crate) struct Segment {
    pub(crate) info: SegmentInfo,
    pub(crate) index: tantivy::Index,
    pub(crate) words: Arc<InvertedIndexReader>,
    pub(crate) terms: Arc<InvertedIndexReader>,
    /// Seqs by document: ascending.
    seqs: Values<u64>,
    reader: SegmentReader,
    columns: Vec<OnceLock<ColumnValues>>,
    numbered: Vec<OnceLock<Option<Numbered>>>,
    literals: OnceLock<LiteralPlaces>,
    /// A bit for each column that does not say all of the document.
    odd: Option<Values<u64>>,
    /// The same, of the few documents that have such bits, read at their first use.
    odd_marks: OnceLock<Vec<(u32, u64)>>,
}

/// The values of a column.
#[derive(Clone, Debug)]
pub(crate) enum ColumnValues {
    /// No document of the segment has a value.
    Absent,
    /// Texts, by their place in the sorted list of all.
    Text(StrColumn),
    /// Numbers, or instants in microseconds.
    Integer(Values<i64>),
    /// Addresses; IPv4 inside IPv6.
    Address(Values<Ipv6Addr>),
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Segment {
    /// Opens the segment's file in that folder.
    pub(crate) fn open(folder: &Path, info: SegmentInfo) -> io::Result<Self> {
        let pack = Pack::open(folder, &info.file)?;
        Self::read(pack, info).map_err(io::Error::other)
    }

    fn read(pack: Pack, info: SegmentInfo) -> tantivy::Result<Self> {
        let layout = Layout::get();
        let index = tantivy::Index::open(pack)?;
        let segments = index.searchable_segments()?;
        let [segment] = segments.as_slice() else {
            return Err(corrupt("not one segment"));
        };
        let reader = SegmentReader::open(segment)?;
        let fast = reader.fast_fields();
        let seqs = fast.u64(SEQ)?;
        if reader.max_doc() != info.events || seqs.num_docs() != info.events {
            return Err(corrupt("another number of events than the manifest says"));
        }
        Ok(Self {
            words: reader.inverted_index(layout.words)?,
            terms: reader.inverted_index(layout.terms)?,
            odd: fast
                .column_opt(ODD)?
                .filter(|odd: &Values<u64>| odd.values.num_vals() > 0),
            odd_marks: OnceLock::new(),
            columns: layout.columns.iter().map(|_| OnceLock::new()).collect(),
            numbered: layout.columns.iter().map(|_| OnceLock::new()).collect(),
            literals: OnceLock::new(),
            seqs,
            reader,
            index,
            info,
        })
    }

    /// The words of its templates, read at their first use.
    pub(crate) fn literals(&self) -> tantivy::Result<&LiteralPlaces> {
        read_once(&self.literals, || {
            let mut reading = Reading::default();
            let mut buffer = [0; 4];
            let prefix = SKELETON.encode_utf8(&mut buffer).as_bytes();
            let mut terms = self.terms.terms().range().ge(prefix).into_stream()?;
            while terms.advance() && terms.key().starts_with(prefix) {
                let is_read = std::str::from_utf8(terms.key()).is_ok_and(|term| reading.add(term));
                if !is_read {
                    return Err(corrupt("a template is not readable"));
                }
            }
            Ok(reading.finish())
        })
    }

    /// How many documents it has.
    pub(crate) fn len(&self) -> u32 {
        self.info.events
    }

    /// The Seq of a document.
    pub(crate) fn seq(&self, doc: u32) -> Seq {
        Seq(self.seqs.values.get_val(doc))
    }

    /// The documents with these Seqs.
    pub(crate) fn docs_within(&self, seqs: &RangeInclusive<Seq>) -> Bits {
        let end = self.first_from(Seq(seqs.end().0.saturating_add(1)));
        let start = self.first_from(*seqs.start());
        Bits::all(self.len()).between(start, end)
    }

    /// The first document whose Seq is not below `seq`; the number of documents where there is none.
    pub(crate) fn first_from(&self, seq: Seq) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.seq(middle) < seq {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether any event in it was parsed under another fingerprint than today's.
    pub(crate) fn is_stale(&self, today: &BTreeMap<String, u64>) -> bool {
        self.info
            .products
            .iter()
            .any(|(product, then)| today.get(product).is_some_and(|now| now != then))
    }

    /// The values of a column, opened at their first use.
    pub(crate) fn column(&self, column: Column) -> tantivy::Result<&ColumnValues> {
        let slot = self
            .columns
            .get(usize::from(column.number))
            .expect("a slot for each column of the layout");
        read_once(slot, || self.open_column(column))
    }

    fn open_column(&self, column: Column) -> tantivy::Result<ColumnValues> {
        let fast = self.reader.fast_fields();
        let name = column.field.name();
        let values = match column.kind {
            FieldKind::Keyword | FieldKind::Text => fast.str(name)?.map(ColumnValues::Text),
            FieldKind::Number | FieldKind::Date => {
                fast.column_opt(name)?.map(ColumnValues::Integer)
            }
            FieldKind::Address => fast.column_opt(name)?.map(ColumnValues::Address),
        };
        Ok(values.unwrap_or(ColumnValues::Absent))
    }

    /// The column as numbers, opened at their first use; `None` where no document has a value.
    pub(crate) fn numbered(&self, column: Column) -> tantivy::Result<Option<&Numbered>> {
        let slot = self
            .numbered
            .get(usize::from(column.number))
            .expect("a slot for each column of the layout");
        let numbered: tantivy::Result<_> = read_once(slot, || {
            let kind = match column.kind {
                FieldKind::Keyword | FieldKind::Text => ColumnType::Str,
                FieldKind::Number | FieldKind::Date => ColumnType::I64,
                FieldKind::Address => ColumnType::IpAddr,
            };
            let fast = self.reader.fast_fields();
            let handle = fast.dynamic_column_handle(column.field.name(), kind)?;
            Ok(Numbered::open(handle, column, self.column(column)?)?)
        });
        Ok(numbered?.as_ref())
    }

    /// The events of those documents of which one of the columns does not say all, ascending.
    pub(crate) fn odd_events(
        &self,
        columns: &[Column],
        docs: &Bits,
        source: &dyn EventSource,
    ) -> Result<Vec<Event>, SearchError> {
        let odd = columns.iter().flat_map(|column| self.odd_docs(*column));
        let odd: BTreeSet<u32> = odd.filter(|doc| docs.contains(*doc)).collect();
        let seqs: Vec<Seq> = odd.into_iter().map(|doc| self.seq(doc)).collect();
        source
            .events(&seqs, Depth::Core)
            .map_err(SearchError::Source)
    }

    /// The documents of which the column does not say all, ascending.
    pub(crate) fn odd_docs(&self, column: Column) -> impl Iterator<Item = u32> {
        let bit = 1_u64 << column.number;
        let odd = self.odd_marks().iter();
        odd.filter(move |(_, marks)| marks & bit != 0)
            .map(|(doc, _)| *doc)
    }

    /// Documents with a mark for each column that does not say all of them, ascending.
    fn odd_marks(&self) -> &[(u32, u64)] {
        let Ok(marks) = read_once(&self.odd_marks, || {
            let of = |odd: &Values<u64>| -> Vec<(u32, u64)> {
                let marks = |doc| odd.values_for_doc(doc).fold(0, |all, marks| all | marks);
                let docs = (0..self.len()).map(|doc| (doc, marks(doc)));
                docs.filter(|(_, marks)| *marks != 0).collect()
            };
            Ok::<_, Infallible>(self.odd.as_ref().map(of).unwrap_or_default())
        });
        marks
    }
}

/// What is in the slot, read at its first use: before the slot's lock is taken, under which a search that has given way
/// would hold up quick ones.
fn read_once<T, E>(slot: &OnceLock<T>, read: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
    if let Some(known) = slot.get() {
        return Ok(known);
    }
    let value = read()?;
    Ok(slot.get_or_init(|| value))
}

fn corrupt(what: &str) -> tantivy::TantivyError {
    tantivy::TantivyError::SystemError(format!("segment is damaged: {what}; reindex its partition"))
}
