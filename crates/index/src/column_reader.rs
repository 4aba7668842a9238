//! The values of a column, document by document.

use std::net::Ipv6Addr;

use event::{FieldKind, Micros, Value};

use crate::schema::Column;
use crate::scope::SearchError;
use crate::segment::{ColumnValues, Segment};

/// Reads one column of a segment.
pub(crate) struct ColumnReader<'s> {
    kind: FieldKind,
    values: &'s ColumnValues,
    /// Texts by their place in the sorted list of all, as far as they were needed.
    texts: Vec<Option<Box<str>>>,
}

impl<'s> ColumnReader<'s> {
    pub(crate) fn open(segment: &'s Segment, column: Column) -> Result<Self, SearchError> {
        let values = segment.column(column)?;
        let texts = match values {
            ColumnValues::Text(texts) => vec![None; texts.num_terms()],
            ColumnValues::Absent | ColumnValues::Integer(_) | ColumnValues::Address(_) => {
                Vec::new()
            }
        };
        Ok(Self {
            kind: column.kind,
            values,
            texts,
        })
    }

    /// Gives `take` each value of the document.
    pub(crate) fn each<E: From<SearchError>>(
        &mut self,
        doc: u32,
        mut take: impl FnMut(Value<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.values {
            ColumnValues::Absent => {}
            ColumnValues::Text(column) => {
                for ord in column.term_ords(doc) {
                    let place = usize::try_from(ord).unwrap_or(usize::MAX);
                    let Some(known) = self.texts.get_mut(place) else {
                        continue;
                    };
                    if known.is_none() {
                        let mut text = String::new();
                        column
                            .ord_to_str(ord, &mut text)
                            .map_err(|error| SearchError::Index(error.into()))?;
                        *known = Some(text.into());
                    }
                    if let Some(text) = known {
                        take(Value::Text(text))?;
                    }
                }
            }
            ColumnValues::Integer(column) => {
                for number in column.values_for_doc(doc) {
                    take(match self.kind {
                        FieldKind::Date => Value::Date(Micros(number)),
                        _ => Value::Integer(number),
                    })?;
                }
            }
            ColumnValues::Address(column) => {
                for address in column.values_for_doc(doc) {
                    let address: Ipv6Addr = address;
                    take(Value::Address(address.to_canonical()))?;
                }
            }
        }
        Ok(())
    }
}
