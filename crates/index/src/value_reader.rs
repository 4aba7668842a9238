//! The values of a column, for one document or a block of them at a time.

use std::collections::HashMap;
use std::io;

use event::Value;

use crate::codes::{Meaning, NumberBlock, Numbered};
use crate::schema::Column;
use crate::scope::SearchError;
use crate::segment::Segment;

/// Reads one column of a segment.
#[derive(Debug)]
pub(crate) struct ValueReader<'s> {
    /// None where no document has a value.
    numbered: Option<&'s Numbered>,
    /// Texts by their numbers, as far as they were needed.
    texts: HashMap<u64, Box<str>, ahash::RandomState>,
    block: NumberBlock,
}

impl<'s> ValueReader<'s> {
    pub(crate) fn open(segment: &'s Segment, column: Column) -> Result<Self, SearchError> {
        Ok(Self {
            numbered: segment.numbered(column)?,
            texts: HashMap::default(),
            block: NumberBlock::default(),
        })
    }

    /// Reads the numbers of these documents, which ascend.
    pub(crate) fn read(&mut self, docs: &[u32]) {
        match self.numbered {
            Some(numbered) => self.block.read(&numbered.numbers, docs),
            None => self.block.clear(),
        }
    }

    /// A document and the number of a value of it, by place; documents ascend, and one may have several or none.
    pub(crate) fn at(&self, place: usize) -> Option<(u32, u64)> {
        let NumberBlock { docs, numbers, .. } = &self.block;
        Some((*docs.get(place)?, *numbers.get(place)?))
    }

    /// Gives `take` the value of a number of this column.
    pub(crate) fn value<T>(
        &mut self,
        number: u64,
        take: impl FnOnce(Value<'_>) -> T,
    ) -> Result<Option<T>, SearchError> {
        let taken = self.taken(number, take);
        taken.map_err(|error| SearchError::Index(error.into()))
    }

    fn taken<T>(
        &mut self,
        number: u64,
        take: impl FnOnce(Value<'_>) -> T,
    ) -> io::Result<Option<T>> {
        let Some(numbered) = self.numbered else {
            return Ok(None);
        };
        if !matches!(numbered.meaning, Meaning::Text(_)) {
            return numbered.value(number, take).map(Some);
        }
        if let Some(text) = self.texts.get(&number) {
            return Ok(Some(take(Value::Text(text))));
        }
        let text: Option<Box<str>> = numbered.value(number, |value| match value {
            Value::Text(text) => Some(text.into()),
            _ => None,
        })?;
        let text = self.texts.entry(number).or_insert(text.unwrap_or_default());
        Ok(Some(take(Value::Text(text))))
    }
}
