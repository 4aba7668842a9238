//! An event as tantivy takes it in.
//!
//! *Words*: the folded tokens of the raw text with their positions; beside a word with diacritics, its other form at
//! the same position. Words that [`query::kept_out`] names are left out and leave their position empty; so are numbers that
//! a column of [`NUMBER_COLUMNS`] of the event holds, which would cost as much as all other words together.
//!
//! *Terms*: without positions, the whole addresses of the raw text; behind [`APART`], addresses of columns that the raw
//! text does not have; words of values outside the columns that the raw text does not have. A raw text with escapes has
//! the term [`ESCAPED`]: a value in it may read differently from its bytes. One with an over-long word has [`LONG`].
//!
//! *Columns*: values of the kind of their column. A value of another kind, which a log may well hold, sets the column's
//! bit in `odd`: the document's answer is then taken from the event, never from the column.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use event::{Event, Field, FieldKind, Value};
use tantivy::schema::document::{Document, ReferenceValue, ReferenceValueLeaf};
use tantivy::schema::{Field as StoredField, Value as StoredValue};

use crate::schema::{Column, Layout};
use crate::template::{TemplateTerms, Templates, TooLong};
use crate::tokenizer::{NEXT, SAME, SKIP};

/// The term of a raw text in which a value may be escaped. Not a word: no query can ask for it.
pub(crate) const ESCAPED: &str = "\u{1f}";

/// The term of a raw text with a word that is too long for the postings.
pub(crate) const LONG: &str = "\u{1d}";

/// Stands before an address that is in a column and not in the raw text.
pub(crate) const APART: char = '\u{1e}';

/// The longest word or term in the postings, in bytes; longer ones are kept out.
pub(crate) const WORD_BYTES_MAX: usize = 128;

/// The columns whose numbers are not kept as words too: they are many, and each is in few events.
pub(crate) const NUMBER_COLUMNS: [Field; 6] = [
    Field::SOURCE_PORT,
    Field::DESTINATION_PORT,
    Field::SOURCE_BYTES,
    Field::DESTINATION_BYTES,
    Field::PROCESS_PID,
    Field::HTTP_RESPONSE_BODY_BYTES,
];

/// The number that a word is, written as a column's number would be.
pub(crate) fn plain_number(word: &str) -> Option<i64> {
    let bytes = word.as_bytes();
    let is_plain = !word.starts_with('0') && bytes.iter().all(u8::is_ascii_digit);
    word.parse().ok().filter(|_| is_plain)
}

/// The longest text in a column, in bytes; longer ones are read from their events.
const COLUMN_TEXT_BYTES_MAX: usize = 32 << 10;

/// Whether the word is left out of the postings, so that its absence says nothing.
pub(crate) fn kept_out(folded: &str) -> bool {
    folded.len() > WORD_BYTES_MAX || query::kept_out(folded)
}

/// The address as columns hold it: IPv6, with IPv4 inside it.
pub(crate) fn column_address(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// A document, shared so that its buffers serve the next event.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventDocument(Arc<Draft>);

#[derive(Debug, Default)]
struct Draft {
    text: String,
    /// What goes into the postings: words and terms.
    posted: Vec<(StoredField, Cell)>,
    /// What goes into the columns.
    columns: Vec<(StoredField, Cell)>,
    /// How often tantivy went through the values.
    passes: AtomicU8,
    /// Hashes of the terms so far and of the addresses of the raw text; of its words too, once they were asked for.
    literal: HashSet<u64, ahash::RandomState>,
    /// The length of the words at the beginning of `text` that are yet to be put into `literal`.
    words_unheard: usize,
    hasher: ahash::RandomState,
    scratch: String,
    /// The numbers of [`NUMBER_COLUMNS`].
    numbers: Vec<i64>,
    /// Whether a word was too long for the postings.
    has_long: bool,
    /// Of its template, where it has one.
    template: Option<TemplateTerms>,
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    /// A piece of `text`, in bytes.
    Text(usize, usize),
    Integer(i64),
    Natural(u64),
    Address(Ipv6Addr),
}

impl EventDocument {
    /// The same document for another event, whose template these find.
    pub(crate) fn fill(mut self, event: &Event, templates: &mut Templates) -> Self {
        if Arc::get_mut(&mut self.0).is_none() {
            self = Self::default();
        }
        let draft = Arc::get_mut(&mut self.0).expect("just made, shared with nobody");
        draft.fill(event, templates);
        self
    }
}

impl Draft {
    fn fill(&mut self, event: &Event, templates: &mut Templates) {
        self.text.clear();
        self.template = None;
        self.posted.clear();
        self.columns.clear();
        *self.passes.get_mut() = 0;
        self.literal.clear();
        self.has_long = false;
        let layout = Layout::get();
        self.columns
            .push((layout.seq, Cell::Natural(event.seq().0)));
        let raw = event.original();
        self.note_numbers(event);
        self.add_words(&raw, templates);
        self.posted.extend(self.text_from(layout.words, 0));
        self.words_unheard = self.text.len();
        self.add_columns(layout, event);
        let start = self.text.len();
        self.add_terms(layout, event, &raw, templates);
        self.posted.extend(self.text_from(layout.terms, start));
    }

    fn note_numbers(&mut self, event: &Event) {
        self.numbers.clear();
        for (field, value) in event.iter_known() {
            if let (true, Value::Integer(number)) = (NUMBER_COLUMNS.contains(&field), value) {
                self.numbers.push(number);
            }
        }
    }

    fn add_words(&mut self, raw: &str, templates: &mut Templates) {
        if !raw.is_ascii() {
            for token in query::tokens(raw) {
                self.add_word(token.text);
            }
            return;
        }
        // Folding ASCII cuts no word differently: done once for all words.
        let mut folded = std::mem::take(&mut self.scratch);
        folded.clear();
        folded.push_str(raw);
        folded.make_ascii_lowercase();
        templates.begin();
        let may_have_one = templates.are_in_use();
        for token in query::tokens(&folded) {
            if self.is_out(token.text) {
                templates.skip();
                self.text.push(SKIP);
            } else if templates.take(token.text) && may_have_one {
                self.text.push(SKIP);
            } else {
                self.text.push(NEXT);
                self.text.push_str(token.text);
            }
        }
        if may_have_one {
            match templates.end() {
                Ok(terms) => self.template = terms,
                Err(TooLong) => self.add_each_word(&folded),
            }
        }
        self.scratch = folded;
    }

    /// Adds the words of a folded text, whatever was added before.
    fn add_each_word(&mut self, folded: &str) {
        self.text.clear();
        for token in query::tokens(folded) {
            if self.is_out(token.text) {
                self.text.push(SKIP);
            } else {
                self.text.push(NEXT);
                self.text.push_str(token.text);
            }
        }
    }

    /// Adds the folded word, or an empty position where it is kept out, and its unfolded form where that differs.
    fn add_word(&mut self, word: &str) {
        let mut folded = std::mem::take(&mut self.scratch);
        folded.clear();
        query::fold_into(word, &mut folded);
        if self.is_out(&folded) {
            self.text.push(SKIP);
        } else {
            self.text.push(NEXT);
            self.text.push_str(&folded);
            if !word.is_ascii() {
                self.add_unfolded(word, &folded);
            }
        }
        self.scratch = folded;
    }

    fn add_unfolded(&mut self, word: &str, folded: &str) {
        let mark = self.text.len();
        self.text.push(SAME);
        let start = self.text.len();
        query::lower_into(word, &mut self.text);
        let lower = self.text.get(start..).unwrap_or_default();
        let is_long = lower.len() > WORD_BYTES_MAX;
        if is_long || lower == folded {
            self.text.truncate(mark);
        }
        self.has_long |= is_long;
    }

    /// Whether the folded word stays out of the postings; notes it if that is for its length.
    fn is_out(&mut self, folded: &str) -> bool {
        let is_long = folded.len() > WORD_BYTES_MAX;
        self.has_long |= is_long;
        // What else is kept out begins with a digit, or was marks alone.
        let first = folded.bytes().next();
        let may_be_out = first.is_none_or(|first| first.is_ascii_digit());
        is_long || (may_be_out && (kept_out(folded) || self.is_in_column(folded)))
    }

    fn is_in_column(&self, folded: &str) -> bool {
        !self.numbers.is_empty()
            && plain_number(folded).is_some_and(|number| self.numbers.contains(&number))
    }

    fn add_columns(&mut self, layout: &Layout, event: &Event) {
        let mut odd = 0_u64;
        for (field, value) in event.iter_known() {
            let Some(column) = layout.column(field) else {
                continue;
            };
            if !self.add_cell(column, value) {
                odd |= 1 << column.number;
            }
        }
        if odd != 0 {
            self.columns.push((layout.odd, Cell::Natural(odd)));
        }
    }

    /// Adds the value to its column; whether the column now says all of it.
    fn add_cell(&mut self, column: Column, value: Value<'_>) -> bool {
        let cell = match (column.kind, value) {
            (FieldKind::Keyword | FieldKind::Text, value) => {
                let text = value.to_text();
                if text.len() > COLUMN_TEXT_BYTES_MAX {
                    return false;
                }
                let start = self.text.len();
                self.text.push_str(&text);
                self.columns.extend(self.text_from(column.stored, start));
                return matches!(value, Value::Text(_));
            }
            (FieldKind::Number, Value::Integer(number)) => Cell::Integer(number),
            (FieldKind::Date, Value::Date(instant)) => Cell::Integer(instant.0),
            (FieldKind::Address, Value::Address(address)) => Cell::Address(column_address(address)),
            (FieldKind::Number | FieldKind::Date | FieldKind::Address, _) => return false,
        };
        self.columns.push((column.stored, cell));
        true
    }

    fn add_terms(&mut self, layout: &Layout, event: &Event, raw: &str, templates: &Templates) {
        if let Some(template) = &self.template {
            let of_template = template.of_template.iter();
            for term in of_template.chain([&template.of_document]) {
                self.text.push(NEXT);
                self.text.push_str(term);
            }
        }
        if may_be_escaped(raw) {
            self.add_term(ESCAPED);
        }
        if self.has_long {
            self.add_term(LONG);
        }
        for address in query::addresses(raw) {
            self.add_term(&address);
            if let Ok(address) = address.parse::<IpAddr>() {
                self.literal.insert(self.hasher.hash_one(address));
            }
        }
        for (field, value) in event.iter_known() {
            match (layout.column(field), value) {
                (_, Value::Address(address)) => self.add_apart(address),
                (Some(_), _) => {}
                (None, value) => self.add_value_words(&value.to_text(), raw, templates),
            }
        }
        // Of a vendor's own fields there are mostly none at this depth; names are compared only if there are.
        if event.iter().count() > event.iter_known().count() {
            for (name, value) in event.iter() {
                if Field::from_name(name).is_none() {
                    self.add_value_words(&value.to_text(), raw, templates);
                }
            }
        }
    }

    /// Adds an address that the raw text does not have.
    fn add_apart(&mut self, address: IpAddr) {
        if !self.literal.contains(&self.hasher.hash_one(address)) {
            self.add_term(&format!("{APART}{address}"));
        }
    }

    /// Adds the words of a value that the raw text does not have.
    fn add_value_words(&mut self, value: &str, raw: &str, templates: &Templates) {
        if stands_in(value, raw) {
            return;
        }
        for token in query::tokens(value) {
            let folded = query::fold(token.text);
            if !kept_out(&folded) {
                self.hear_words(templates);
                self.add_term(&folded);
            }
        }
    }

    /// Puts the folded words of the raw text into `literal`, unless they are there.
    fn hear_words(&mut self, templates: &Templates) {
        let end = std::mem::take(&mut self.words_unheard);
        if end > 0 && self.template.is_some() {
            for word in templates.literal_words() {
                self.literal.insert(self.hasher.hash_one(word));
            }
        }
        let words = self.text.get(..end).unwrap_or_default();
        for marked in words.split([NEXT, SKIP]) {
            let folded = marked.split(SAME).next().unwrap_or_default();
            self.literal.insert(self.hasher.hash_one(folded));
        }
    }

    /// Adds a term that the document does not have yet, neither as a word nor as a term.
    fn add_term(&mut self, term: &str) {
        if self.literal.insert(self.hasher.hash_one(term)) {
            self.text.push(NEXT);
            self.text.push_str(term);
        }
    }

    /// The end of the text as a value of that field; none if it is empty.
    fn text_from(&self, field: StoredField, start: usize) -> Option<(StoredField, Cell)> {
        let end = self.text.len();
        (start < end).then_some((field, Cell::Text(start, end)))
    }
}

/// Whether the value is a piece of the raw text that cuts no word: its words are words of the raw text then.
fn stands_in(value: &str, raw: &str) -> bool {
    let Some(at) = memchr::memmem::find(raw.as_bytes(), value.as_bytes()) else {
        return false;
    };
    let before = raw.get(..at).and_then(|before| before.chars().next_back());
    let after = raw
        .get(at + value.len()..)
        .and_then(|after| after.chars().next());
    let separates =
        |beside: Option<char>| beside.is_none_or(|c| c.is_ascii() && !c.is_alphanumeric());
    separates(before) && separates(after)
}

/// Whether a format could have written a character of a value as several others: `\n`, `\u0111`, `&amp;`, `%2F`.
fn may_be_escaped(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    memchr::memchr(b'\\', bytes).is_some()
        || memchr::memchr_iter(b'%', bytes).any(|at| {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        })
        || memchr::memchr_iter(b'&', bytes).any(|at| {
            let near = bytes.get(at..bytes.len().min(at + 12)).unwrap_or_default();
            near.contains(&b';')
        })
}

impl Document for EventDocument {
    type Value<'a> = DocumentValue<'a>;
    type FieldsValuesIter<'a> = DocumentValues<'a>;

    /// Tantivy goes through the values several times: for the postings, for the columns, for the store, which has none.
    /// Each time it is given only those that it is going to use.
    fn iter_fields_and_values(&self) -> DocumentValues<'_> {
        let passes = &self.0.passes;
        let pass = passes.load(Ordering::Relaxed);
        passes.store(pass.saturating_add(1), Ordering::Relaxed);
        let cells = match pass {
            0 => self.0.posted.as_slice(),
            1 => self.0.columns.as_slice(),
            _ => &[],
        };
        DocumentValues {
            text: &self.0.text,
            cells: cells.iter(),
        }
    }
}

/// What [`EventDocument`] holds.
#[derive(Clone, Debug)]
pub(crate) struct DocumentValues<'a> {
    text: &'a str,
    cells: std::slice::Iter<'a, (StoredField, Cell)>,
}

/// One value of a document.
#[derive(Clone, Debug)]
pub(crate) struct DocumentValue<'a>(ReferenceValueLeaf<'a>);

impl<'a> Iterator for DocumentValues<'a> {
    type Item = (StoredField, DocumentValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (field, cell) = self.cells.next()?;
        let leaf = match *cell {
            Cell::Text(start, end) => {
                ReferenceValueLeaf::Str(self.text.get(start..end).unwrap_or_default())
            }
            Cell::Integer(number) => ReferenceValueLeaf::I64(number),
            Cell::Natural(number) => ReferenceValueLeaf::U64(number),
            Cell::Address(address) => ReferenceValueLeaf::IpAddr(address),
        };
        Some((*field, DocumentValue(leaf)))
    }
}

impl<'a> StoredValue<'a> for DocumentValue<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = std::iter::Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use event::Seq;
    use proptest::prelude::*;

    use super::*;

    /// What the document has in a text field, with its marks.
    fn texts(event: &Event, field: StoredField) -> String {
        let document = EventDocument::default().fill(event, &mut Templates::default());
        let values = document.iter_fields_and_values();
        let of_field = values.filter(|(found, _)| *found == field);
        of_field
            .filter_map(|(_, value)| value.as_str().map(str::to_owned))
            .collect()
    }

    fn check(raw: &str, fields: &[(&str, &str)], words: &str, terms: &str) {
        let mut event = Event::new(Seq(1), Bytes::from(raw.to_owned()));
        for (name, value) in fields {
            event.push_named(name, *value);
        }
        let shown = |text: String| {
            text.replace(NEXT, " ")
                .replace(SAME, "|")
                .replace(SKIP, " .")
        };
        assert_eq!(shown(texts(&event, Layout::get().words)), words, "{raw}");
        let shown = |text: String| shown(text).replace(ESCAPED, "ESCAPED").replace(APART, "+");
        assert_eq!(shown(texts(&event, Layout::get().terms)), terms, "{raw}");
    }

    #[test]
    fn words_are_those_of_the_raw_text_and_terms_what_it_does_not_show() {
        check("Login từ Đà Nẵng", &[], " login tu|từ da|đà nang|nẵng", "");
        check(
            "from 10.0.0.5 port 4711",
            &[],
            " from . . . . port 4711",
            " 10.0.0.5",
        );
        check(
            "from x port 4711",
            &[("source.port", "4711")],
            " from x port .",
            "",
        );
        check("port 04711", &[("source.port", "4711")], " port 04711", "");
        check("Port \u{5b0} 80a", &[], " port . 80a", "");
        check(
            "from x",
            &[("source.ip", "10.0.0.5")],
            " from x",
            " +10.0.0.5",
        );
        check("from x", &[("event.reason", "from X")], " from x", "");
        check("from xy", &[("event.reason", "x")], " from xy", " x");
        check("từ xy", &[("event.reason", "Tu x x")], " tu|từ xy", " x");
        check("a\\nb", &[("acme.text", "a b")], " a nb", " ESCAPED b");
    }

    #[test]
    fn literal_words_of_a_template_leave_their_places_empty() {
        let literals = ["failed", "for", "failure"].map(Box::from);
        let mut templates = Templates::new(Arc::new(literals.into_iter().collect()));
        let event = |raw: &str| {
            let mut event = Event::new(Seq(1), Bytes::from(raw.to_owned()));
            event.set(Field::EVENT_REASON, "failed FAILURE");
            event
        };
        let mut posted = |raw: &str| {
            let document = EventDocument::default().fill(&event(raw), &mut templates);
            let values: Vec<String> = document
                .iter_fields_and_values()
                .filter_map(|(_, value)| value.as_str().map(str::to_owned))
                .collect();
            values.concat().replace(NEXT, " ").replace(SKIP, " .")
        };
        let first = posted("Failed for An: failure");
        assert!(first.starts_with(" . . an ."), "{first}");
        assert!(first.contains(crate::template::SKELETON), "{first}");
        let second = posted("Failed for Binh: failure");
        // No word of the reason is posted again: all stand in the template.
        assert!(second.starts_with(" . . binh . \u{1c}"), "{second}");
        assert_eq!(second.split(' ').count(), 6, "{second}");
        assert_eq!(posted("nothing known"), " nothing known failed failure");
        assert_eq!(posted("Failed für An"), " failed fur\u{2}für an failure");
    }

    #[test]
    fn a_value_that_its_column_cannot_hold_makes_the_document_odd() {
        let odd = |field: Field, value: &str| {
            let mut event = Event::new(Seq(1), Bytes::new());
            event.set(field, value);
            let document = EventDocument::default().fill(&event, &mut Templates::default());
            let columns = &document.0.columns;
            columns.iter().any(|(field, _)| *field == Layout::get().odd)
        };
        assert!(!odd(Field::SOURCE_PORT, "80"));
        assert!(odd(Field::SOURCE_PORT, "80.5"));
        assert!(odd(Field::SOURCE_PORT, "http"));
        assert!(!odd(Field::USER_NAME, "80"));
        assert!(odd(Field::USER_NAME, &"u".repeat(40_000)));
        assert!(odd(Field::SOURCE_IP, "localhost"));
    }

    proptest! {
        #[test]
        fn any_event_becomes_a_document(raw in any::<Vec<u8>>(), value in "\\PC{0,40}") {
            let mut event = Event::new(Seq(1), Bytes::from(raw));
            for field in [Field::SOURCE_IP, Field::USER_NAME, Field::EVENT_REASON, Field::EVENT_DURATION] {
                event.push(field, value.as_str());
            }
            event.push_named("acme.x", value.as_str());
            let words = texts(&event, Layout::get().words);
            let positions = words.chars().filter(|c| matches!(*c, NEXT | SKIP)).count();
            prop_assert_eq!(positions, query::tokens(&event.original()).count());
        }
    }
}
