//! Rows counted in columns, a block of documents at a time.

use std::collections::{HashMap, HashSet};

use event::{Event, Field, Seq};
use query::{
    COMBINATIONS_MAX, Cell, Expr, Function, Groups, Key, Memory, PipeError, RowId, Stats, Test,
    Wish,
};

use crate::bits::Bits;
use crate::codes::{Coded, Coder};
use crate::evaluate::{Evaluator, Way};
use crate::schema::{Column, Layout};
use crate::scope::{SearchError, depth_of};
use crate::segment::Segment;
use crate::source::EventSource;
use crate::stats::{column, column_of_key};
use crate::value_counts::ValueCounts;
use crate::value_reader::ValueReader;

/// Documents of a block: what is worked on fits into the caches nearest to the core.
const BLOCK: usize = 4096;
/// Events that are asked at once where columns and postings do not say whether a condition is met.
const ASKED: usize = 4096;

/// Counts one stage `stats` in columns.
///
/// Each key gives each document a code, several, or none. The codes of the first key are groups; group and code of the
/// next key make groups by both, and so on. The groups by all keys are the rows.
#[derive(Debug)]
pub(crate) struct ColumnStats {
    keys: Vec<KeyCodes>,
    /// For each key but the first, the groups by it and those before.
    joined: Vec<Joined>,
    /// The row of each group.
    rows: Vec<Option<RowId>>,
    /// Events of each group that are not yet counted in its row.
    counts: Vec<u64>,
    /// Numbers of the aggregates that count events.
    counting: Vec<usize>,
    aggregates: Vec<OfColumn>,
    /// Where events are counted by the values of one field and that is all.
    values: Option<ValueCounts>,
    block: Block,
}

/// What gives documents their codes.
#[derive(Debug)]
enum KeyCodes {
    Column(Box<Coder>),
    Conditions {
        conditions: Vec<(Box<str>, Expr)>,
        /// The documents of the segment in hand that meet each.
        met: Vec<Bits>,
    },
}

/// An aggregate of a column's values.
#[derive(Clone, Copy, Debug)]
struct OfColumn {
    /// Its number.
    number: usize,
    column: Column,
    /// Whether it matters when values were received.
    in_order: bool,
    /// Whether a value that was met before changes nothing.
    of_different: bool,
}

/// Reads the values of an aggregate in one segment.
struct AggregateReader<'s> {
    values: ValueReader<'s>,
    /// Groups with the numbers of values that were met in them, where only different ones count.
    met: HashSet<(u32, u64), ahash::RandomState>,
}

impl<'s> AggregateReader<'s> {
    fn open(segment: &'s Segment, column: Column) -> Result<Self, SearchError> {
        Ok(Self {
            values: ValueReader::open(segment, column)?,
            met: HashSet::default(),
        })
    }
}

/// Groups by one more key.
#[derive(Debug, Default)]
struct Joined {
    /// By group by the keys before and by code, where there are few of both.
    near: Vec<u32>,
    groups: HashMap<u64, u32, ahash::RandomState>,
    /// What each is made of: the group by the keys before, and the code.
    parts: Vec<(u32, u32)>,
}

/// Codes below this, and groups before them as many as fit, have a place each: 1 MiB.
const NEAR_CODES: u32 = 64;
const NEAR_PLACES: usize = 1 << 18;
/// The group of what has none yet.
const UNKNOWN: u32 = u32::MAX;

#[derive(Debug, Default)]
struct Block {
    docs: Vec<u32>,
    coded: Coded,
    grouped: Coded,
    next: Coded,
}

/// Why counting stops.
enum Stop {
    Search(SearchError),
    Pipe(PipeError),
}

impl From<SearchError> for Stop {
    fn from(error: SearchError) -> Self {
        Self::Search(error)
    }
}

impl From<PipeError> for Stop {
    fn from(error: PipeError) -> Self {
        Self::Pipe(error)
    }
}

impl ColumnStats {
    /// `None` where columns do not hold all that it asks about.
    pub(crate) fn new(stats: &Stats, memory: &Memory) -> Option<Self> {
        let keys: Option<Vec<KeyCodes>> = stats.by.iter().map(KeyCodes::new).collect();
        let keys = keys?;
        let (mut counting, mut aggregates) = (Vec::new(), Vec::new());
        for (number, aggregate) in stats.aggregates.iter().enumerate() {
            let function = aggregate.function;
            let is_rate = function == Function::Rate;
            if is_rate || aggregate.field.is_none() {
                counting.push(number);
            }
            let field = match &aggregate.field {
                _ if is_rate => Some(Field::TIMESTAMP.into()),
                field => field.clone(),
            };
            if let Some(field) = field {
                aggregates.push(OfColumn {
                    number,
                    column: column(&field)?,
                    in_order: matches!(function, Function::First | Function::Last),
                    of_different: function == Function::Distinct,
                });
            }
        }
        let values = match stats.by.as_slice() {
            [Key::Field(field)] if aggregates.is_empty() => column(field),
            _ => None,
        };
        Some(Self {
            values: values.map(|column| ValueCounts::new(column, memory.clone())),
            joined: keys.iter().skip(1).map(|_| Joined::default()).collect(),
            keys,
            rows: Vec::new(),
            counts: Vec::new(),
            counting,
            aggregates,
            block: Block::default(),
        })
    }

    /// The columns that hold all that it asks about, if they do.
    pub(crate) fn columns_of(stats: &Stats) -> Option<Vec<Column>> {
        let reads = Self::new(stats, &Memory::new(0))?;
        Some(reads.columns())
    }

    /// The columns that it reads.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let keys = self.keys.iter().flat_map(KeyCodes::columns);
        let aggregates = self.aggregates.iter().map(|aggregate| aggregate.column);
        keys.chain(aggregates).collect()
    }

    /// Adds documents of a segment, none of which is odd in any of the columns.
    pub(crate) fn add(
        &mut self,
        segment: &Segment,
        docs: &Bits,
        source: &dyn EventSource,
        groups: &mut Groups,
    ) -> Result<Result<(), PipeError>, SearchError> {
        match self.count(segment, docs, source, groups) {
            Ok(()) => Ok(Ok(())),
            Err(Stop::Pipe(error)) => Ok(Err(error)),
            Err(Stop::Search(error)) => Err(error),
        }
    }

    fn count(
        &mut self,
        segment: &Segment,
        docs: &Bits,
        source: &dyn EventSource,
        groups: &mut Groups,
    ) -> Result<(), Stop> {
        if docs.is_empty() {
            return Ok(());
        }
        if let Some(values) = &mut self.values
            && values.add(segment, docs)??
        {
            return Ok(());
        }
        for key in &mut self.keys {
            key.begin(segment, docs, source)?;
        }
        if self.keys.is_empty() && self.aggregates.is_empty() {
            self.grow(1);
            self.make_row(0, groups)?;
            self.counts = vec![docs.count()];
        } else {
            self.count_blocks(segment, docs, groups)?;
        }
        for (row, count) in self.rows.iter().zip(&mut self.counts) {
            let (Some(row), events) = (row, std::mem::take(count)) else {
                continue;
            };
            for number in &self.counting {
                groups.count(*row, *number, events);
            }
        }
        Ok(())
    }

    /// Adds what another thread has counted and not yet put into groups.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), PipeError> {
        match (&mut self.values, other.values) {
            (Some(values), Some(more)) => values.merge(more),
            _ => Ok(()),
        }
    }

    /// Puts what was counted and is not in the groups yet into them, as far as it is wanted; gives how many rows were not
    /// made because none of them is.
    pub(crate) fn finish(self, groups: &mut Groups, wish: &Wish) -> Result<usize, PipeError> {
        match self.values {
            Some(values) => {
                let wanted = groups.stats().most_frequent(wish);
                values.finish(&self.counting, groups, wanted)
            }
            None => Ok(0),
        }
    }

    fn count_blocks(
        &mut self,
        segment: &Segment,
        docs: &Bits,
        groups: &mut Groups,
    ) -> Result<(), Stop> {
        let aggregates = self.aggregates.iter();
        let readers = aggregates.map(|aggregate| AggregateReader::open(segment, aggregate.column));
        let mut readers = readers.collect::<Result<Vec<_>, _>>()?;
        let mut left = docs.ascending();
        loop {
            self.block.docs.clear();
            self.block.docs.extend(left.by_ref().take(BLOCK));
            if self.block.docs.is_empty() {
                return Ok(());
            }
            self.group(segment)?;
            self.count_groups(groups)?;
            for (aggregate, reader) in self.aggregates.iter().zip(&mut readers) {
                self.take_values(*aggregate, reader, segment, groups)?;
            }
        }
    }

    /// Counts the groups of the block, and makes rows for those that are new.
    fn count_groups(&mut self, groups: &mut Groups) -> Result<(), Stop> {
        let grouped = std::mem::take(&mut self.block.grouped);
        for group in &grouped.codes {
            let Some(count) = self.counts.get_mut(*group as usize) else {
                continue;
            };
            *count += 1;
            if *count == 1 {
                self.make_row(*group, groups)?;
            }
        }
        self.block.grouped = grouped;
        Ok(())
    }

    fn make_row(&mut self, group: u32, groups: &mut Groups) -> Result<(), Stop> {
        if let Some(None) = self.rows.get(group as usize) {
            let row = groups.row(self.cells(group))?;
            if let Some(place) = self.rows.get_mut(group as usize) {
                *place = Some(row);
            }
        }
        Ok(())
    }

    /// Gives an aggregate the values of the block.
    fn take_values(
        &self,
        aggregate: OfColumn,
        reader: &mut AggregateReader<'_>,
        segment: &Segment,
        groups: &mut Groups,
    ) -> Result<(), Stop> {
        let AggregateReader { values, met } = reader;
        values.read(&self.block.docs);
        let mut place = 0;
        for (doc, of_doc) in self.block.grouped.runs() {
            while values.at(place).is_some_and(|(next, _)| next < doc) {
                place += 1;
            }
            while let Some((_, number)) = values.at(place).filter(|(next, _)| *next == doc) {
                place += 1;
                for group in of_doc {
                    let Some(Some(row)) = self.rows.get(*group as usize) else {
                        continue;
                    };
                    if aggregate.of_different && !met.insert((*group, number)) {
                        continue;
                    }
                    let at = if aggregate.in_order {
                        segment.seq(doc)
                    } else {
                        Seq::ZERO
                    };
                    let taken = values.value(number, |value| {
                        groups.take(*row, aggregate.number, value, at)
                    });
                    if let Some(taken) = taken? {
                        taken?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts the documents of the block into groups by all keys.
    fn group(&mut self, segment: &Segment) -> Result<(), SearchError> {
        let Self {
            keys,
            joined,
            block,
            ..
        } = self;
        let Some((first, others)) = keys.split_first_mut() else {
            block.grouped.docs.clone_from(&block.docs);
            block.grouped.codes.clear();
            block.grouped.codes.resize(block.docs.len(), 0);
            self.grow(1);
            return Ok(());
        };
        first.codes(segment, &block.docs, &mut block.grouped)?;
        if block.grouped.docs != block.docs {
            block.grouped.cut(COMBINATIONS_MAX);
        }
        for (key, joined) in others.iter_mut().zip(joined) {
            key.codes(segment, &block.docs, &mut block.coded)?;
            block.next.clear();
            if block.grouped.docs == block.docs && block.coded.docs == block.docs {
                let pairs = block.grouped.codes.iter().zip(&block.coded.codes);
                let groups = pairs.map(|(group, code)| joined.group(*group, *code));
                block.next.codes.extend(groups);
                block.next.docs.clone_from(&block.docs);
            } else {
                joined.join(&block.grouped, &block.coded, &mut block.next);
            }
            std::mem::swap(&mut block.grouped, &mut block.next);
        }
        let count = match (self.joined.last(), self.keys.first()) {
            (Some(last), _) => last.parts.len(),
            (None, first) => first.map_or(0, KeyCodes::len),
        };
        self.grow(count);
        Ok(())
    }

    /// Makes room for so many groups.
    fn grow(&mut self, count: usize) {
        self.rows.resize(count.max(self.rows.len()), None);
        self.counts.resize(self.rows.len(), 0);
    }

    /// The cells of a group, one a key.
    fn cells(&self, group: u32) -> Vec<Cell> {
        let mut group = group;
        let mut codes = Vec::with_capacity(self.keys.len());
        for joined in self.joined.iter().rev() {
            let (before, code) = joined
                .parts
                .get(group as usize)
                .copied()
                .unwrap_or_default();
            codes.push(code);
            group = before;
        }
        if !self.keys.is_empty() {
            codes.push(group);
        }
        let codes = codes.iter().rev();
        let cells = self
            .keys
            .iter()
            .zip(codes)
            .map(|(key, code)| key.cell(*code));
        cells.collect()
    }
}

impl Joined {
    fn group(&mut self, before: u32, code: u32) -> u32 {
        let place = (before as usize) * NEAR_CODES as usize + code as usize;
        if code >= NEAR_CODES || place >= NEAR_PLACES {
            return self.far_group(before, code);
        }
        match self.near.get(place) {
            Some(group) if *group != UNKNOWN => *group,
            _ => {
                let group = self.far_group(before, code);
                let places = self.near.len().max(place + 1);
                self.near.resize(places, UNKNOWN);
                if let Some(near) = self.near.get_mut(place) {
                    *near = group;
                }
                group
            }
        }
    }

    fn far_group(&mut self, before: u32, code: u32) -> u32 {
        let pair = u64::from(before) << 32 | u64::from(code);
        let parts = &mut self.parts;
        *self.groups.entry(pair).or_insert_with(|| {
            let group = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            parts.push((before, code));
            group
        })
    }

    /// Every group of a document with every code of it, up to so many.
    fn join(&mut self, grouped: &Coded, coded: &Coded, next: &mut Coded) {
        let mut rest = coded.runs();
        let mut run = rest.next();
        for (doc, groups) in grouped.runs() {
            while run.is_some_and(|(found, _)| found < doc) {
                run = rest.next();
            }
            let Some((_, codes)) = run.filter(|(found, _)| *found == doc) else {
                continue;
            };
            let pairs = groups
                .iter()
                .flat_map(|group| codes.iter().map(move |code| (group, code)));
            for (group, code) in pairs.take(COMBINATIONS_MAX) {
                next.push(doc, self.group(*group, *code));
            }
        }
    }
}

impl KeyCodes {
    fn new(key: &Key) -> Option<Self> {
        if let Key::Conditions(conditions) = key {
            let can = conditions.iter().all(|(_, expr)| is_for_the_index(expr));
            return can.then(|| Self::Conditions {
                conditions: conditions.clone(),
                met: Vec::new(),
            });
        }
        let column = column_of_key(key)?;
        Some(Self::Column(Box::new(Coder::new(key.clone(), column))))
    }

    fn columns(&self) -> Option<Column> {
        match self {
            Self::Column(coder) => Some(coder.column()),
            // What is odd in their columns is asked as an event.
            Self::Conditions { .. } => None,
        }
    }

    fn begin(
        &mut self,
        segment: &Segment,
        docs: &Bits,
        source: &dyn EventSource,
    ) -> Result<(), SearchError> {
        match self {
            Self::Column(coder) => coder.begin(segment),
            Self::Conditions { conditions, met } => {
                let all = conditions.iter();
                let all = all.map(|(_, expr)| meeting(expr, segment, docs, source));
                *met = all.collect::<Result<_, _>>()?;
                Ok(())
            }
        }
    }

    fn codes(
        &mut self,
        segment: &Segment,
        docs: &[u32],
        coded: &mut Coded,
    ) -> Result<(), SearchError> {
        match self {
            Self::Column(coder) => coder.codes(segment, docs, coded),
            Self::Conditions { met, .. } => {
                coded.clear();
                for doc in docs {
                    for (code, _) in (0..).zip(met.iter()).filter(|(_, met)| met.contains(*doc)) {
                        coded.push(*doc, code);
                    }
                }
                Ok(())
            }
        }
    }

    fn cell(&self, code: u32) -> Cell {
        match self {
            Self::Column(coder) => coder.cell(code),
            Self::Conditions { conditions, .. } => {
                let condition = conditions.get(code as usize);
                condition.map_or(Cell::Null, |(name, _)| Cell::Text(name.clone()))
            }
        }
    }

    /// How many codes there are.
    fn len(&self) -> usize {
        match self {
            Self::Column(coder) => coder.len(),
            Self::Conditions { conditions, .. } => conditions.len(),
        }
    }
}

/// Whether columns and words decide the condition for all events but few.
fn is_for_the_index(expr: &Expr) -> bool {
    let mut is = true;
    expr.each_test(&mut |test| {
        is &= match test {
            Test::Text(_) => true,
            Test::Regex(_) => false,
            Test::Field(field, _) => {
                let known = field.known();
                known == Some(Field::NHATKY_SEQ)
                    || known.is_some_and(|known| Layout::get().column(known).is_some())
            }
        };
    });
    is
}

/// The documents of `docs` that meet the condition.
fn meeting(
    expr: &Expr,
    segment: &Segment,
    docs: &Bits,
    source: &dyn EventSource,
) -> Result<Bits, SearchError> {
    let way = Way::Auto;
    let answer = Evaluator {
        segment,
        way,
        trace: None,
    }
    .answer(expr, docs)?;
    let (mut met, mut unsure) = (answer.sure, answer.possible);
    unsure.and_not(&met);
    let unsure: Vec<Seq> = unsure.ascending().map(|doc| segment.seq(doc)).collect();
    for seqs in unsure.chunks(ASKED) {
        let events = source
            .events(seqs, depth_of(expr))
            .map_err(SearchError::Source)?;
        for event in events
            .iter()
            .filter(|event: &&Event| query::matches(expr, event))
        {
            met.insert(segment.first_from(event.seq()));
        }
    }
    Ok(met)
}
