//! The values of a column for a block of documents at a time.

use std::collections::HashMap;
use std::io;

use event::Value;

use crate::codes::{Meaning, Numbered};
use crate::schema::Column;
use crate::scope::SearchError;
use crate::segment::Segment;

/// Reads one column of a segment, block by block.
#[derive(Debug)]
pub(crate) struct ValueReader<'s> {
    /// None where no document has a value.
    numbered: Option<&'s Numbered>,
    /// Texts by their numbers, as far as they were needed.
    texts: HashMap<u64, Box<str>, ahash::RandomState>,
    docs: Vec<u32>,
    rows: Vec<u32>,
    numbers: Vec<u64>,
}

impl<'s> ValueReader<'s> {
    pub(crate) fn open(segment: &'s Segment, column: Column) -> Result<Self, SearchError> {
        Ok(Self {
            numbered: segment.numbered(column)?,
            texts: HashMap::default(),
            docs: Vec::new(),
            rows: Vec::new(),
            numbers: Vec::new(),
        })
    }

    /// Reads the numbers of these documents, which ascend.
    pub(crate) fn read(&mut self, docs: &[u32]) {
        self.docs.clear();
        self.rows.clear();
        self.numbers.clear();
        let Some(numbered) = self.numbered else {
            return;
        };
        let numbers = &numbered.numbers;
        numbers.row_ids_for_docs(docs, &mut self.docs, &mut self.rows);
        self.numbers.resize(self.rows.len(), 0);
        numbers.values.get_vals(&self.rows, &mut self.numbers);
    }

    /// A document and the number of a value of it, by place; documents ascend, and one may have several or none.
    pub(crate) fn at(&self, place: usize) -> Option<(u32, u64)> {
        Some((*self.docs.get(place)?, *self.numbers.get(place)?))
    }

    /// Gives `take` the value of a number.
    pub(crate) fn value<T>(
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
