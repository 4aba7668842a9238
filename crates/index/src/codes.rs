//! Columns as small numbers: what rows are told apart by, without a value in memory for each document.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use event::{FieldKind, Micros, Value};
use hashbrown::HashTable;
use query::{Cell, Interval, Key, TimeStep};
use tantivy::columnar::column_values::CompactSpaceU64Accessor;
use tantivy::columnar::{Cardinality, Column as Values, StrColumn};

use crate::schema::Column;
use crate::scope::SearchError;
use crate::segment::{ColumnValues, Segment};

/// The values of a column as the segment's own numbers: what is equal has the same number, and numbers are quickly read.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) numbers: Values<u64>,
    pub(crate) meaning: Meaning,
}

/// What the numbers of a [`Numbered`] stand for.
#[derive(Clone)]
pub(crate) enum Meaning {
    /// Places in the sorted list of texts.
    Text(StrColumn),
    /// Whole numbers, in their order.
    Integer,
    /// Instants in microseconds, in their order.
    Date,
    /// Addresses, without those that do not occur.
    Address(Arc<CompactSpaceU64Accessor>),
}

impl std::fmt::Debug for Meaning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Integer => "Integer",
            Self::Date => "Date",
            Self::Address(_) => "Address",
        })
    }
}

impl Numbered {
    /// The column of that segment; `None` where no document has a value.
    pub(crate) fn open(
        handle: Option<tantivy::columnar::DynamicColumnHandle>,
        column: Column,
        values: &ColumnValues,
    ) -> io::Result<Option<Self>> {
        let numbers = handle.map(|handle| handle.open_u64_lenient()).transpose()?;
        let Some(numbers) = numbers.flatten() else {
            return Ok(None);
        };
        let meaning = match values {
            ColumnValues::Absent => return Ok(None),
            ColumnValues::Text(texts) => Meaning::Text(texts.clone()),
            ColumnValues::Integer(_) if column.kind == FieldKind::Date => Meaning::Date,
            ColumnValues::Integer(_) => Meaning::Integer,
            ColumnValues::Address(_) => {
                let accessor = Arc::clone(&numbers.values);
                let accessor = accessor.downcast_arc::<CompactSpaceU64Accessor>();
                Meaning::Address(
                    accessor.map_err(|_| io::Error::other("addresses without a compact space"))?,
                )
            }
        };
        Ok(Some(Self { numbers, meaning }))
    }

    /// What stands for the value of a number in every segment, where it is no text.
    pub(crate) fn bits(&self, number: u64) -> u128 {
        match &self.meaning {
            Meaning::Address(space) => {
                space.compact_to_u128(u32::try_from(number).unwrap_or(u32::MAX))
            }
            Meaning::Text(_) | Meaning::Integer | Meaning::Date => u128::from(number),
        }
    }

    /// The value that those bits stand for in a column of that kind, which is not of texts.
    pub(crate) fn value_of(kind: FieldKind, bits: u128) -> Value<'static> {
        let number = || tantivy::u64_to_i64(u64::try_from(bits).unwrap_or(u64::MAX));
        match kind {
            FieldKind::Address => Value::Address(Ipv6Addr::from_bits(bits).to_canonical()),
            FieldKind::Date => Value::Date(Micros(number())),
            FieldKind::Number | FieldKind::Keyword | FieldKind::Text => Value::Integer(number()),
        }
    }

    /// The bits that stand for that value in a column whose values are not texts; `None` where none do.
    pub(crate) fn bits_of(cell: &Cell) -> Option<u128> {
        match cell {
            Cell::Integer(number) => Some(u128::from(tantivy::i64_to_u64(*number))),
            Cell::Date(at) => Some(u128::from(tantivy::i64_to_u64(at.0))),
            Cell::Address(IpAddr::V4(address)) => Some(address.to_ipv6_mapped().to_bits()),
            Cell::Address(IpAddr::V6(address)) => Some(address.to_bits()),
            Cell::Null | Cell::Text(_) | Cell::Float(_) | Cell::Bool(_) | Cell::List(_) => None,
        }
    }

    /// Gives `take` the value of a number.
    pub(crate) fn value<T>(&self, number: u64, take: impl FnOnce(Value<'_>) -> T) -> io::Result<T> {
        Ok(match &self.meaning {
            Meaning::Text(texts) => {
                let mut text = String::new();
                texts.ord_to_str(number, &mut text)?;
                take(Value::Text(&text))
            }
            Meaning::Integer => take(Self::value_of(FieldKind::Number, self.bits(number))),
            Meaning::Date => take(Self::value_of(FieldKind::Date, self.bits(number))),
            Meaning::Address(_) => take(Self::value_of(FieldKind::Address, self.bits(number))),
        })
    }
}

/// The numbers of a block of documents.
#[derive(Debug, Default)]
pub(crate) struct NumberBlock {
    /// A document for each of the numbers: they ascend, and one may occur several times or not at all.
    pub(crate) docs: Vec<u32>,
    pub(crate) numbers: Vec<u64>,
    rows: Vec<u32>,
}

impl NumberBlock {
    /// Reads those of these documents, which ascend.
    pub(crate) fn read(&mut self, values: &Values<u64>, docs: &[u32]) {
        self.clear();
        let is_full = values.get_cardinality() == Cardinality::Full;
        match neighbours_from(docs).filter(|_| is_full) {
            Some(first) => {
                self.docs.extend_from_slice(docs);
                self.numbers.resize(docs.len(), 0);
                let numbers = &mut self.numbers;
                values.values.get_range(u64::from(first), numbers);
            }
            None => {
                values.row_ids_for_docs(docs, &mut self.docs, &mut self.rows);
                self.numbers.resize(self.rows.len(), 0);
                values.values.get_vals(&self.rows, &mut self.numbers);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.docs.clear();
        self.rows.clear();
        self.numbers.clear();
    }
}

/// The first of these documents, which ascend, where each is the neighbour of the one before.
fn neighbours_from(docs: &[u32]) -> Option<u32> {
    let (first, last) = (*docs.first()?, *docs.last()?);
    ((last - first) as usize + 1 == docs.len()).then_some(first)
}

/// Documents, each with a number; documents ascend, and one may occur several times or not at all.
#[derive(Debug, Default)]
pub(crate) struct Coded {
    pub(crate) docs: Vec<u32>,
    pub(crate) codes: Vec<u32>,
}

impl Coded {
    pub(crate) fn clear(&mut self) {
        self.docs.clear();
        self.codes.clear();
    }

    pub(crate) fn push(&mut self, doc: u32, code: u32) {
        self.docs.push(doc);
        self.codes.push(code);
    }

    /// Each document with its codes.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let mut codes = self.codes.as_slice();
        self.docs
            .chunk_by(|one, two| one == two)
            .filter_map(move |run| {
                let (of_run, rest) = codes.split_at_checked(run.len())?;
                codes = rest;
                Some((*run.first()?, of_run))
            })
    }

    /// Keeps so many codes of each document at most.
    pub(crate) fn cut(&mut self, most: usize) {
        let mut kept = Self::default();
        for (doc, codes) in self.runs() {
            codes
                .iter()
                .take(most)
                .for_each(|code| kept.push(doc, *code));
        }
        *self = kept;
    }
}

/// The cells of a key, numbered in the order in which they are met.
#[derive(Debug, Default)]
struct Dictionary {
    cells: Vec<Cell>,
    codes: HashTable<u32>,
    hasher: ahash::RandomState,
}

impl Dictionary {
    fn code(&mut self, cell: Cell) -> u32 {
        let Self {
            cells,
            codes,
            hasher,
        } = self;
        let hash = |cell: &Cell| {
            let mut hash = hasher.build_hasher();
            cell.hash_key(&mut hash);
            hash.finish()
        };
        let of = |code: &u32| cells.get(*code as usize).unwrap_or(&Cell::Null);
        if let Some(code) = codes.find(hash(&cell), |code| of(code).has_same_key(&cell)) {
            return *code;
        }
        let code = u32::try_from(cells.len()).unwrap_or(u32::MAX);
        codes.insert_unique(hash(&cell), code, |code| hash(of(code)));
        cells.push(cell);
        code
    }
}

/// Numbers the cells of one key, the same in every segment.
#[derive(Debug)]
pub(crate) struct Coder {
    column: Column,
    key: Key,
    dictionary: Dictionary,
    absent: Option<u32>,
    how: How,
    block: NumberBlock,
}

/// How the segment's numbers become codes.
#[derive(Debug)]
enum How {
    /// Each by itself: few, or so many that they are kept apart.
    Each(Known),
    /// By spans of time: the last, and the others that were met.
    Spans {
        step: TimeStep,
        last: (Range<i64>, u32),
        starts: HashMap<i64, u32, ahash::RandomState>,
    },
    /// By the cell, most neighbours having different ones.
    Steps(HashMap<u64, u32, ahash::RandomState>),
    /// By ranges that may overlap.
    Ranges(Vec<Interval>),
}

/// Codes of the numbers of the segment in hand.
#[derive(Debug)]
enum Known {
    Few(Vec<u32>),
    Many(HashMap<u64, u32, ahash::RandomState>),
}

/// The code of what has none yet.
const UNKNOWN: u32 = u32::MAX;
/// Numbers up to here have a place each: 8 MiB for a column with two million texts.
const FEW: u64 = 2 << 20;

impl Known {
    fn of(numbers: &Values<u64>) -> Self {
        match usize::try_from(numbers.max_value()) {
            Ok(greatest) if numbers.max_value() < FEW => Self::Few(vec![UNKNOWN; greatest + 1]),
            _ => Self::Many(HashMap::default()),
        }
    }
}

impl Coder {
    /// For a key over that column.
    pub(crate) fn new(key: Key, column: Column) -> Self {
        let how = match &key {
            Key::Time { step, .. } => How::Spans {
                step: step.clone(),
                last: (0..0, UNKNOWN),
                starts: HashMap::default(),
            },
            Key::Number { .. } => How::Steps(HashMap::default()),
            Key::Ranges { ranges, .. } => How::Ranges(ranges.clone()),
            Key::Field(_) | Key::Conditions(_) => How::Each(Known::Few(Vec::new())),
        };
        Self {
            column,
            key,
            dictionary: Dictionary::default(),
            absent: None,
            how,
            block: NumberBlock::default(),
        }
    }

    pub(crate) fn column(&self) -> Column {
        self.column
    }

    /// The cell of a code.
    pub(crate) fn cell(&self, code: u32) -> Cell {
        self.dictionary
            .cells
            .get(code as usize)
            .cloned()
            .unwrap_or(Cell::Null)
    }

    /// How many codes there are.
    pub(crate) fn len(&self) -> usize {
        self.dictionary.cells.len()
    }

    /// Goes on to another segment.
    pub(crate) fn begin(&mut self, segment: &Segment) -> Result<(), SearchError> {
        let numbered = segment.numbered(self.column)?;
        if let (How::Each(known), Some(numbered)) = (&mut self.how, numbered) {
            *known = Known::of(&numbered.numbers);
        }
        Ok(())
    }

    /// The codes of these documents, which ascend. Where ranges are asked for, documents in none are left out; else one
    /// without a value has the code of [`Cell::Null`].
    pub(crate) fn codes(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        coded: &mut Coded,
    ) -> Result<(), SearchError> {
        coded.clear();
        let mut block = std::mem::take(&mut self.block);
        let numbered = segment.numbered(self.column)?;
        if let Some(numbered) = numbered {
            block.read(&numbered.numbers, docs);
            let is_full = numbered.numbers.get_cardinality() == Cardinality::Full;
            let each = self.each(numbered, &block, coded);
            each.map_err(tantivy::TantivyError::from)?;
            match self.how {
                How::Each(_) | How::Spans { .. } if is_full => {}
                How::Ranges(_) => {}
                _ => self.add_absent(docs, coded),
            }
        } else if !matches!(self.how, How::Ranges(_)) {
            self.add_absent(docs, coded);
        }
        self.block = block;
        Ok(())
    }

    fn each(
        &mut self,
        numbered: &Numbered,
        block: &NumberBlock,
        coded: &mut Coded,
    ) -> io::Result<()> {
        let Self {
            key,
            dictionary,
            how,
            ..
        } = self;
        let pairs = block
            .docs
            .iter()
            .copied()
            .zip(block.numbers.iter().copied());
        match how {
            How::Each(Known::Few(known)) => {
                coded.docs.extend_from_slice(&block.docs);
                let place = |number: &u64| usize::try_from(*number).unwrap_or(usize::MAX);
                let codes = block.numbers.iter().map(|number| known.get(place(number)));
                let codes = codes.map(|code| code.copied().unwrap_or(UNKNOWN));
                coded.codes.extend(codes);
                let codes = coded.codes.iter_mut().zip(&block.numbers);
                for (code, number) in codes.filter(|(code, _)| **code == UNKNOWN) {
                    *code = match known.get_mut(place(number)) {
                        Some(met) if *met != UNKNOWN => *met,
                        Some(new) => {
                            let code = |value: Value<'_>| dictionary.code(Cell::from(value));
                            *new = numbered.value(*number, code)?;
                            *new
                        }
                        None => dictionary.code(Cell::Null),
                    };
                }
            }
            How::Each(Known::Many(known)) => {
                for (doc, number) in pairs {
                    let code = match known.get(&number) {
                        Some(code) => *code,
                        None => {
                            let code = numbered
                                .value(number, |value| dictionary.code(Cell::from(value)))?;
                            known.insert(number, code);
                            code
                        }
                    };
                    coded.push(doc, code);
                }
            }
            How::Spans { step, last, starts } => {
                coded.docs.extend_from_slice(&block.docs);
                coded.codes.reserve(block.numbers.len());
                for number in &block.numbers {
                    let at = tantivy::u64_to_i64(*number);
                    if !last.0.contains(&at) {
                        let span = step.span(Micros(at));
                        let code = starts
                            .entry(span.start.0)
                            .or_insert_with(|| dictionary.code(Cell::Date(span.start)));
                        *last = (span.start.0..span.end.0, *code);
                    }
                    coded.codes.push(last.1);
                }
            }
            How::Steps(known) => {
                for (doc, number) in pairs {
                    let cell = numbered.value(number, |value| key.cell_of(value))?;
                    let Some(cell @ Cell::Float(low)) = cell else {
                        continue;
                    };
                    let code = known
                        .entry(low.to_bits())
                        .or_insert_with(|| dictionary.code(cell));
                    // A list has a cell once, however many of its members are in it.
                    if coded.docs.last() != Some(&doc) || coded.codes.last() != Some(code) {
                        coded.push(doc, *code);
                    }
                }
            }
            How::Ranges(ranges) => {
                let mut first = 0;
                for (doc, number) in pairs {
                    if coded.docs.last() != Some(&doc) {
                        first = coded.docs.len();
                    }
                    let measure = numbered.value(number, query::measure)?;
                    for range in ranges.iter() {
                        if measure.is_some_and(|measure| range.contains(measure)) {
                            let code = dictionary.code(Cell::Text(range.name.clone()));
                            let known = coded.codes.get(first..).unwrap_or_default();
                            if !known.contains(&code) {
                                coded.push(doc, code);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts documents that have no code in between, with that of no value.
    fn add_absent(&mut self, docs: &[u32], coded: &mut Coded) {
        if coded.docs.len() == docs.len() && coded.docs == docs {
            return;
        }
        let absent = *self
            .absent
            .get_or_insert_with(|| self.dictionary.code(Cell::Null));
        let mut all = Coded::default();
        let mut present = coded
            .docs
            .iter()
            .copied()
            .zip(coded.codes.iter().copied())
            .peekable();
        for doc in docs {
            let mut found = false;
            while let Some((_, code)) = present.next_if(|(next, _)| next == doc) {
                all.push(*doc, code);
                found = true;
            }
            if !found {
                all.push(*doc, absent);
            }
        }
        *coded = all;
    }
}
