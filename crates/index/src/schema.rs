//! The tantivy schema of a segment: three fields of our own and one fast field a column.

use std::sync::LazyLock;

use event::{Field, FieldKind};
use tantivy::schema::{
    FAST, Field as StoredField, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::store::Compressor;
use tantivy::tokenizer::TokenizerManager;
use tantivy::{IndexBuilder, IndexSettings};

use crate::tokenizer::MarkedTokenizer;

/// Raised when segments are written differently; older segments are then read by scanning until they are rebuilt.
const FORMAT: u32 = 1;

/// The name under which our tokenizer is known to tantivy.
const TOKENIZER: &str = "marked";

/// The documents of a segment in terms of tantivy.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) schema: Schema,
    /// Words of the raw text, with positions.
    pub(crate) words: StoredField,
    /// Terms without positions: see [`crate::document`].
    pub(crate) terms: StoredField,
    /// The record's Seq.
    pub(crate) seq: StoredField,
    /// A bit for each column whose values do not all lie in the column: see [`crate::document`].
    pub(crate) odd: StoredField,
    /// The columns, in the order of the table of fields.
    pub(crate) columns: Vec<Column>,
    /// Columns by the row of their field in the table.
    by_field: Vec<Option<Column>>,
    /// Identifies everything by which the bytes of a segment are made.
    pub(crate) hash: u64,
}

/// A column of the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) field: Field,
    pub(crate) kind: FieldKind,
    pub(crate) stored: StoredField,
    /// Its number, and its bit in `odd`.
    pub(crate) number: u8,
}

/// Names of our own fields; no dotted field can collide with them.
pub(crate) const SEQ: &str = "_seq";
pub(crate) const ODD: &str = "_odd";

impl Layout {
    /// The layout of this version.
    pub(crate) fn get() -> &'static Self {
        static LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::new);
        &LAYOUT
    }

    fn new() -> Self {
        let mut builder = Schema::builder();
        let words =
            builder.add_text_field("_words", text(IndexRecordOption::WithFreqsAndPositions));
        let terms = builder.add_text_field("_terms", text(IndexRecordOption::Basic));
        let seq = builder.add_u64_field(SEQ, FAST);
        let odd = builder.add_u64_field(ODD, FAST);
        let mut columns: Vec<Column> = Vec::new();
        for (number, field) in (0_u8..64).zip(Field::columns()) {
            let stored = match field.kind() {
                FieldKind::Keyword | FieldKind::Text => {
                    let options = TextOptions::default().set_fast("raw");
                    builder.add_text_field(field.name(), options)
                }
                FieldKind::Number | FieldKind::Date => builder.add_i64_field(field.name(), FAST),
                FieldKind::Address => builder.add_ip_addr_field(field.name(), FAST),
            };
            let kind = field.kind();
            columns.push(Column {
                field,
                kind,
                stored,
                number,
            });
        }
        let by_field = Field::all()
            .map(|field| columns.iter().find(|column| column.field == field).copied())
            .collect();
        let hash = hash(&columns);
        let schema = builder.build();
        Self {
            schema,
            words,
            terms,
            seq,
            odd,
            columns,
            by_field,
            hash,
        }
    }

    /// The column of a field, if it is one.
    pub(crate) fn column(&self, field: Field) -> Option<Column> {
        self.by_field.get(field.number()).copied().flatten()
    }

    /// What writes a segment.
    pub(crate) fn builder(&self) -> IndexBuilder {
        let tokenizers = TokenizerManager::default();
        tokenizers.register(TOKENIZER, MarkedTokenizer::default());
        // Nothing is stored. What tantivy writes all the same is alike in every block, and compressed as a whole later.
        let settings = IndexSettings {
            docstore_compression: Compressor::None,
            docstore_compress_dedicated_thread: false,
            docstore_blocksize: 16 << 10,
            ..IndexSettings::default()
        };
        IndexBuilder::new()
            .schema(self.schema.clone())
            .settings(settings)
            .tokenizers(tokenizers)
    }
}

fn text(record: IndexRecordOption) -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_index_option(record)
        .set_fieldnorms(false);
    TextOptions::default().set_indexing_options(indexing)
}

fn hash(columns: &[Column]) -> u64 {
    let mut hash = StableHash::new();
    hash.add(&FORMAT.to_le_bytes());
    hash.add(tantivy::version_string().as_bytes());
    for column in columns {
        hash.add(column.field.name().as_bytes());
        hash.add(format!("{:?}", column.kind).as_bytes());
    }
    hash.finish()
}

/// FNV-1a with 64 bits: the same in every process, unlike the hashes of the standard library.
pub(crate) struct StableHash(u64);

impl StableHash {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes and their number, so that two pieces never hash as one.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&(bytes.len() as u64).to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_the_table_has_a_number_below_64() {
        let layout = Layout::get();
        assert_eq!(layout.columns.len(), Field::columns().count());
        for column in &layout.columns {
            assert_eq!(layout.column(column.field).unwrap().number, column.number);
        }
        assert!(layout.column(Field::EVENT_ORIGINAL).is_none());
    }
}
