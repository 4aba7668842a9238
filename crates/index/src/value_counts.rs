//! How often each value of a column occurs, by value and not by document: for columns with as many values as there are
//! addresses in the world.
//!
//! Within a segment a value is a small number, and counting is adding one at that place of an array. Only then is each
//! number that occurs made a value, and the counts of the segments are added up by value.

use std::collections::HashMap;
use std::io;

use query::{Cell, Groups, Memory, PipeError};
use tantivy::columnar::{Cardinality, Column as Values};

use crate::bits::Bits;
use crate::codes::{Meaning, Numbered};
use crate::schema::Column;
use crate::scope::SearchError;
use crate::segment::Segment;

/// Documents whose values are read at once.
const BLOCK: usize = 4096;
/// Numbers up to here have a place in an array each: 16 MiB.
const FEW: u64 = 4 << 20;

/// How often each value of one column occurs.
#[derive(Debug)]
pub(crate) struct ValueCounts {
    column: Column,
    numbers: Lists,
    texts: HashMap<Box<str>, u64, ahash::RandomState>,
    /// How many documents have no value.
    absent: u64,
    memory: Memory,
    taken: usize,
    /// How often each number of the segment in hand occurs; all 0 between two segments.
    places: Vec<u32>,
}

/// Values that are no texts, by their bits, ascending, and how often each occurs.
#[derive(Debug, Default)]
struct Sorted {
    values: Vec<u128>,
    counts: Vec<u64>,
}

impl Sorted {
    fn push(&mut self, value: u128, count: u64) {
        self.values.push(value);
        self.counts.push(count);
    }

    fn iter(&self) -> impl Iterator<Item = (u128, u64)> {
        self.values.iter().copied().zip(self.counts.iter().copied())
    }

    /// Whether making a row for each costs more than finding out which are wanted.
    fn is_far_more_than(&self, wanted: usize, groups: &Groups) -> bool {
        self.values.len() / 4 > wanted.saturating_add(groups.len())
    }

    /// Takes the count at that place away.
    fn take(&mut self, place: usize) -> u64 {
        self.counts.get_mut(place).map_or(0, std::mem::take)
    }

    /// From which count on a value may be among so many that occur most.
    fn least_of_most(&self, wanted: usize) -> u64 {
        let Some(last) = wanted.checked_sub(1) else {
            return u64::MAX;
        };
        let mut counts = self.counts.clone();
        if last >= counts.len() {
            return 0;
        }
        let (_, least, _) = counts.select_nth_unstable_by(last, |one, two| two.cmp(one));
        *least
    }

    /// Both together. Values come in no pattern that a processor could foresee: which side is next is computed, not
    /// branched upon.
    fn merged(&self, other: &Self) -> Self {
        let room = self.values.len().max(other.values.len())
            + other.values.len().min(self.values.len()) / 2;
        let mut merged = Self {
            values: Vec::with_capacity(room),
            counts: Vec::with_capacity(room),
        };
        let (mut one, mut two) = (0, 0);
        while let (Some(a), Some(b)) = (self.values.get(one), other.values.get(two)) {
            let (takes_one, takes_two) = (a <= b, b <= a);
            let count = |counts: &[u64], at: usize, takes: bool| {
                counts.get(at).copied().unwrap_or(0) * u64::from(takes)
            };
            merged.push(
                if takes_one { *a } else { *b },
                count(&self.counts, one, takes_one) + count(&other.counts, two, takes_two),
            );
            one += usize::from(takes_one);
            two += usize::from(takes_two);
        }
        for (rest, from) in [(self, one), (other, two)] {
            merged.values.extend(rest.values.iter().skip(from));
            merged.counts.extend(rest.counts.iter().skip(from));
        }
        merged
    }
}

/// Lists of values, each at least twice as long as the next: joined in pairs of about the same length, a value is moved a
/// few times only, however many segments there are.
#[derive(Debug, Default)]
struct Lists(Vec<Sorted>);

impl Lists {
    fn push(&mut self, list: Sorted) {
        let mut list = list;
        while let Some(longer) = self
            .0
            .pop_if(|other| other.values.len() < 2 * list.values.len())
        {
            list = longer.merged(&list);
        }
        self.0.push(list);
    }

    fn extend(&mut self, other: Self) {
        other.0.into_iter().for_each(|list| self.push(list));
    }

    /// All in one.
    fn joined(self) -> Sorted {
        let lists = self.0.into_iter().rev();
        lists
            .reduce(|all, longer| longer.merged(&all))
            .unwrap_or_default()
    }

    /// Values, those in several lists once for each.
    fn capacity(&self) -> usize {
        self.0.iter().map(|list| list.values.capacity()).sum()
    }
}

impl ValueCounts {
    pub(crate) fn new(column: Column, memory: Memory) -> Self {
        Self {
            column,
            numbers: Lists::default(),
            texts: HashMap::default(),
            absent: 0,
            memory,
            taken: 0,
            places: Vec::new(),
        }
    }

    /// Adds the documents of a segment; `false` where some may have several values, and nothing was added.
    pub(crate) fn add(
        &mut self,
        segment: &Segment,
        docs: &Bits,
    ) -> Result<Result<bool, PipeError>, SearchError> {
        let Some(numbered) = segment.numbered(self.column)? else {
            self.absent += docs.count();
            return Ok(Ok(true));
        };
        if numbered.numbers.get_cardinality() == Cardinality::Multivalued {
            return Ok(Ok(false));
        }
        let (ordered, values) = counted(&numbered.numbers, docs, &mut self.places);
        self.absent += docs.count() - values;
        self.add_values(numbered, &ordered)
            .map_err(tantivy::TantivyError::from)?;
        Ok(self.pay().map(|()| true))
    }

    /// Adds so many of each of these numbers, which ascend.
    fn add_values(&mut self, numbered: &Numbered, ordered: &[(u64, u32)]) -> io::Result<()> {
        let counts = ordered.iter().map(|(_, count)| u64::from(*count));
        if let Meaning::Text(texts) = &numbered.meaning {
            let places: Vec<u64> = ordered.iter().map(|(number, _)| *number).collect();
            let mut counts = counts;
            texts.dictionary().sorted_ords_to_term_cb(&places, |text| {
                let text = String::from_utf8_lossy(text);
                let count = counts.next().unwrap_or(0);
                match self.texts.get_mut(&*text) {
                    Some(known) => *known += count,
                    None => {
                        self.texts.insert(text.into(), count);
                    }
                }
            })?;
        } else {
            let mut sorted = Sorted::default();
            for ((number, _), count) in ordered.iter().zip(counts) {
                sorted.push(numbered.bits(*number), count);
            }
            self.numbers.push(sorted);
        }
        Ok(())
    }

    /// Takes from the budget what the values are known to need, about.
    fn pay(&mut self) -> Result<(), PipeError> {
        let number = size_of::<(u128, u64)>();
        let text = size_of::<(Box<str>, u64)>() + 24;
        let bytes = self.numbers.capacity() * number + self.texts.capacity() * text;
        let more = bytes.saturating_sub(self.taken);
        self.taken += more;
        self.memory.take(more)
    }

    /// Adds what another thread has counted.
    pub(crate) fn merge(&mut self, mut other: Self) -> Result<(), PipeError> {
        if other.texts.len() > self.texts.len() {
            std::mem::swap(self, &mut other);
        }
        self.absent += other.absent;
        self.numbers.extend(other.numbers);
        for (text, count) in other.texts {
            *self.texts.entry(text).or_default() += count;
        }
        self.memory.give_back(other.taken);
        self.pay()
    }

    /// Gives `groups`, which have this column as their one key, a row for each value, with its count in the aggregates
    /// of these numbers. Where only so many rows are wanted, those that count most, values that cannot be among them get
    /// none; gives how many these are.
    pub(crate) fn finish(
        self,
        counting: &[usize],
        groups: &mut Groups,
        wanted: Option<usize>,
    ) -> Result<usize, PipeError> {
        self.memory.give_back(self.taken);
        let add = |groups: &mut Groups, cell: Cell, count: u64| {
            let row = groups.row([cell])?;
            for number in counting {
                groups.count(row, *number, count);
            }
            Ok(())
        };
        if self.absent > 0 {
            add(groups, Cell::Null, self.absent)?;
        }
        let mut numbers = self.numbers.joined();
        let mut least = 0;
        let few = wanted.filter(|wanted| numbers.is_far_more_than(*wanted, groups));
        if let Some((wanted, known)) = few.and_then(|few| Some((few, known(groups, &numbers)?))) {
            // What has a row already adds up there, and competes with none of the others.
            for (cell, place) in known {
                add(groups, cell, numbers.take(place))?;
            }
            least = numbers.least_of_most(wanted);
        }
        let mut unmade = 0;
        if least == 0 {
            groups.reserve(numbers.values.len() + self.texts.len());
        }
        for (number, count) in numbers.iter().filter(|(_, count)| *count > 0) {
            if count < least {
                unmade += 1;
                continue;
            }
            let value = Numbered::value_of(self.column.kind, number);
            add(groups, Cell::from(value), count)?;
        }
        for (text, count) in self.texts {
            add(groups, Cell::Text(text), count)?;
        }
        Ok(unmade)
    }
}

/// The rows that there are whose value is among the numbers, each with its place; `None` where that cannot be told.
fn known(groups: &Groups, numbers: &Sorted) -> Option<Vec<(Cell, usize)>> {
    let mut known = Vec::new();
    for (keys, _) in groups.counts() {
        let [cell] = keys else { return None };
        if *cell == Cell::Null {
            continue;
        }
        let bits = Numbered::bits_of(cell)?;
        if let Ok(place) = numbers.values.binary_search(&bits) {
            known.push((cell.clone(), place));
        }
    }
    Some(known)
}

/// How often each number occurs in these documents, ascending, and how many have one.
fn counted(numbers: &Values<u64>, docs: &Bits, places: &mut Vec<u32>) -> (Vec<(u64, u32)>, u64) {
    let mut values = 0;
    let greatest = numbers.max_value();
    let ordered = match usize::try_from(greatest) {
        Ok(last) if greatest < FEW => {
            places.resize(places.len().max(last + 1), 0);
            each_block(numbers, docs, |block| {
                values += block.len() as u64;
                for number in block {
                    let place = usize::try_from(*number).ok();
                    if let Some(count) = place.and_then(|place| places.get_mut(place)) {
                        *count += 1;
                    }
                }
            });
            let counts = (0..).zip(places.iter_mut().take(last + 1));
            let counts = counts.map(|(number, count)| (number, std::mem::take(count)));
            counts.filter(|(_, count)| *count > 0).collect()
        }
        _ => {
            let mut counts: HashMap<u64, u32, ahash::RandomState> = HashMap::default();
            each_block(numbers, docs, |block| {
                values += block.len() as u64;
                for number in block {
                    *counts.entry(*number).or_default() += 1;
                }
            });
            let mut ordered: Vec<(u64, u32)> = counts.into_iter().collect();
            ordered.sort_unstable_by_key(|(number, _)| *number);
            ordered
        }
    };
    (ordered, values)
}

/// Gives `take` the numbers of these documents, a block at a time.
fn each_block(numbers: &Values<u64>, docs: &Bits, mut take: impl FnMut(&[u64])) {
    let mut block = vec![0; BLOCK];
    if docs.count() == u64::from(docs.len()) {
        let count = u64::from(numbers.values.num_vals());
        for start in (0..count).step_by(BLOCK) {
            let len = usize::try_from(count - start).unwrap_or(BLOCK).min(BLOCK);
            let part = block.get_mut(..len).unwrap_or_default();
            numbers.values.get_range(start, part);
            take(part);
        }
        return;
    }
    let (mut wanted, mut with, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = docs.ascending();
    loop {
        wanted.clear();
        wanted.extend(left.by_ref().take(BLOCK));
        if wanted.is_empty() {
            return;
        }
        with.clear();
        rows.clear();
        numbers.row_ids_for_docs(&wanted, &mut with, &mut rows);
        let part = block.get_mut(..rows.len()).unwrap_or_default();
        numbers.values.get_vals(&rows, part);
        take(part);
    }
}

#[cfg(test)]
mod tests {
    use event::Field;
    use proptest::prelude::*;
    use query::{SortKey, SortOrder, Stats, Table, Wish};

    use super::*;
    use crate::schema::Layout;

    /// What is counted: segments' values with their counts, what is in rows already, and what has no value.
    type Given<'a> = (&'a [Vec<(u16, u8)>], &'a [(u16, u8)], u8);

    fn address(number: u16) -> Cell {
        let bits = 0xffff_0a00_0000 + u128::from(number);
        Cell::from(Numbered::value_of(event::FieldKind::Address, bits))
    }

    /// The table, and how many rows it would have in all.
    fn table((segments, rows, absent): Given<'_>, wish: &Wish, wanted: bool) -> (Table, usize) {
        let column = Layout::get().column(Field::SOURCE_IP).expect("a column");
        let mut counts = ValueCounts::new(column, Memory::new(1 << 30));
        counts.absent = u64::from(absent);
        for segment in segments {
            let mut sorted = Sorted::default();
            for (number, count) in segment {
                sorted.push(0xffff_0a00_0000 + u128::from(*number), u64::from(*count));
            }
            counts.numbers.push(sorted);
        }
        let stats = Stats::count_by(vec![query::Key::Field(Field::SOURCE_IP.into())]);
        let mut groups = Groups::new(stats, Memory::new(1 << 30));
        for (number, count) in rows {
            let row = groups.row([address(*number)]).expect("room");
            groups.count(row, 0, u64::from(*count));
        }
        let wanted = groups.stats().most_frequent(wish).filter(|_| wanted);
        let unmade = counts.finish(&[0], &mut groups, wanted).expect("room");
        let all = groups.len() + unmade;
        (groups.first(wish), all)
    }

    fn ascending(most: usize) -> impl Strategy<Value = Vec<(u16, u8)>> {
        let values = prop::collection::btree_map(0u16..400, 1u8..9, 0..most);
        values.prop_map(|values| values.into_iter().collect())
    }

    proptest! {
        #[test]
        fn rows_that_are_not_made_are_none_of_the_wanted_ones(
            segments in prop::collection::vec(ascending(200), 0..4), rows in ascending(30), absent in 0u8..9, wanted in 0usize..20,
        ) {
            let wish = Wish {
                order: vec![SortKey { column: Stats::COUNT.into(), order: SortOrder::Descending }],
                rows: wanted,
            };
            let given = (segments.as_slice(), rows.as_slice(), absent);
            prop_assert_eq!(table(given, &wish, true), table(given, &wish, false));
        }
    }
}
