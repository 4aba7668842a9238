//! Words and phrases asked of the postings.

use std::collections::BTreeMap;

use query::{Condition, Literal, Number, Pattern, Phrase, TextKey, Word};
use tantivy::postings::{Postings as _, SegmentPostings};
use tantivy::schema::{Field as StoredField, IndexRecordOption};
use tantivy::{DocSet, InvertedIndexReader, TERMINATED, Term};

use crate::bits::Bits;
use crate::column_test::equal;
use crate::document::{LONG, NUMBER_COLUMNS, WORD_BYTES_MAX, kept_out, plain_number};
use crate::evaluate::Answer;
use crate::literal_places::Place;
use crate::schema::Layout;
use crate::segment::{ColumnValues, Segment};
use crate::trace::{Means, Trace, Why};

/// The most words of the postings that one word with wildcards stands for; beyond, every event is asked.
const EXPANSION_MAX: usize = 2000;

/// The postings of a segment.
#[derive(Debug)]
pub(crate) struct Postings<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) trace: Option<&'a Trace>,
}

/// What the postings can say of one word of a phrase.
enum Clue {
    /// Postings and templates say where this word stands.
    Places,
    /// Only these documents can have it.
    Docs(Bits),
    /// Nothing: it is kept out.
    Silent,
}

impl Postings<'_> {
    fn by(&self, means: Means) {
        if let Some(trace) = self.trace {
            trace.by(means);
        }
    }

    fn because(&self, why: impl FnOnce() -> Why) {
        if let Some(trace) = self.trace {
            trace.because(why());
        }
    }

    /// The documents that hold the phrase, as far as postings know.
    pub(crate) fn phrase(&self, phrase: &Phrase, within: &Bits) -> tantivy::Result<Answer> {
        let mut possible = within.clone();
        for address in phrase.addresses() {
            possible.and(&self.term(address)?);
        }
        if is_one_v4(phrase) {
            self.by(Means::Terms);
            return Ok(Answer::exact(possible));
        }
        let (numbers, words): (Vec<_>, Vec<_>) = (0_u32..)
            .zip(phrase.words())
            .partition(|(_, word)| number_of(word).is_some());
        self.by(Means::Words);
        let mut exact = phrase.addresses().is_empty();
        if !exact {
            self.because(|| Why::AddressInPhrase);
        }
        exact &= self.narrow(&words, &mut possible)?;
        if numbers.is_empty() {
            return Ok(answer(possible, exact));
        }
        // Numbers that columns hold are not among the words: where none of them does, words say all.
        let mut is_in_columns = false;
        for number in numbers.iter().filter_map(|(_, word)| number_of(word)) {
            let mut docs = self.in_columns(number, &possible)?;
            if !docs.is_empty() {
                is_in_columns = true;
                self.because(|| Why::NumberInColumn(number.to_string()));
            }
            docs.or(&self.word(&number.to_string())?);
            possible.and(&docs);
        }
        if !is_in_columns {
            let all: Vec<_> = (0_u32..).zip(phrase.words()).collect();
            exact &= self.narrow(&all, &mut possible)?;
        }
        Ok(answer(possible, exact && !is_in_columns))
    }

    /// Keeps the documents in which these words can stand at these offsets; whether they surely do.
    fn narrow(&self, words: &[(u32, &Word)], possible: &mut Bits) -> tantivy::Result<bool> {
        let mut exact = true;
        let mut places = Vec::new();
        for (offset, word) in words {
            match (self.clue(word)?, word) {
                (Clue::Places, Word::Is(key)) => places.push((*offset, key.text())),
                (Clue::Docs(docs), _) => {
                    exact = false;
                    possible.and(&docs);
                }
                (Clue::Places | Clue::Silent, _) => exact = false,
            }
        }
        if !places.is_empty() && !possible.is_empty() {
            *possible = self.together(&places, possible)?;
        }
        Ok(exact)
    }

    /// The documents of `within` with this number in a column whose numbers are not kept as words.
    fn in_columns(&self, number: i64, within: &Bits) -> tantivy::Result<Bits> {
        let mut docs = Bits::none(within.len());
        let columns = NUMBER_COLUMNS
            .into_iter()
            .filter_map(|field| Layout::get().column(field));
        for column in columns {
            if let ColumnValues::Integer(values) = self.segment.column(column)? {
                docs.or(&equal(values, within, number));
            }
        }
        Ok(docs)
    }

    /// The documents that have the word in their raw text.
    fn word(&self, word: &str) -> tantivy::Result<Bits> {
        let mut docs = Bits::none(self.segment.len());
        let field = Layout::get().words;
        if let Some(postings) = read(&self.segment.words, field, word, IndexRecordOption::Basic)? {
            fill(&mut docs, postings);
        }
        let places = self.segment.literals()?.of(word).iter();
        let mut templates: Vec<u32> = places.map(|place| place.template).collect();
        templates.dedup();
        self.fill_from(&templates, &mut docs)?;
        Ok(docs)
    }

    /// Adds the documents of these templates.
    fn fill_from(&self, templates: &[u32], docs: &mut Bits) -> tantivy::Result<()> {
        for template in templates {
            if let Some(postings) = self.of_template(*template)? {
                fill(docs, postings);
            }
        }
        Ok(())
    }

    fn of_template(&self, template: u32) -> tantivy::Result<Option<SegmentPostings>> {
        read(
            &self.segment.terms,
            Layout::get().terms,
            self.segment.literals()?.term(template),
            IndexRecordOption::Basic,
        )
    }

    /// The documents of `within` in which every word stands at its offset from one common place. A word is posted, or it
    /// is literal text of the document's template: in no document is it both.
    fn together(&self, words: &[(u32, &str)], within: &Bits) -> tantivy::Result<Bits> {
        let literals = self.segment.literals()?;
        let places: Vec<&[Place]> = words.iter().map(|(_, word)| literals.of(word)).collect();
        for ((_, word), places) in words.iter().zip(&places) {
            if places.is_empty() && !self.is_posted(word)? {
                return Ok(Bits::none(within.len()));
            }
        }
        let all: Vec<usize> = (0..words.len()).collect();
        let mut docs = match self.posted(words, &all)? {
            Some(posted) => together(posted, within, |_, _| true),
            None => Bits::none(within.len()),
        };
        let last = words.iter().map(|(offset, _)| *offset).max().unwrap_or(0);
        for (literal, templates) in groups(words, &places, last) {
            if !literal.contains(&false) {
                let templates: Vec<u32> = templates.iter().map(|(template, _)| *template).collect();
                self.fill_from(&templates, &mut docs)?;
                continue;
            }
            let others = (0..).zip(&literal).filter(|(_, literal)| !**literal);
            let others: Vec<usize> = others.map(|(number, _)| number).collect();
            let Some(posted) = self.posted(words, &others)? else {
                continue;
            };
            let mut which = vec![0_u32; within.len() as usize];
            for (number, (template, _)) in (1..).zip(&templates) {
                let Some(mut postings) = self.of_template(*template)? else {
                    continue;
                };
                let mut doc = postings.doc();
                while doc != TERMINATED {
                    if let Some(place) = which.get_mut(doc as usize) {
                        *place = number;
                    }
                    doc = postings.advance();
                }
            }
            let of_group = together_until(posted, within, last, |doc, ends| {
                let number = which.get(doc as usize).copied().unwrap_or(0);
                let template = (number as usize).checked_sub(1);
                let template = template.and_then(|number| templates.get(number));
                template.is_some_and(|(_, fitting)| {
                    ends.iter().any(|end| fitting.binary_search(end).is_ok())
                })
            });
            docs.or(&of_group);
        }
        docs.and(within);
        Ok(docs)
    }

    /// Whether any document has the word other than as literal text.
    fn is_posted(&self, word: &str) -> tantivy::Result<bool> {
        let term = Term::from_field_text(Layout::get().words, word);
        Ok(self.segment.words.get_term_info(&term)?.is_some())
    }

    /// The postings of some of the words, with their offsets; `None` where one of them has none.
    fn posted(
        &self,
        words: &[(u32, &str)],
        which: &[usize],
    ) -> tantivy::Result<Option<Vec<(u32, Box<SegmentPostings>)>>> {
        let mut posted = Vec::new();
        for (offset, word) in which.iter().filter_map(|number| words.get(*number)) {
            let postings = read(
                &self.segment.words,
                Layout::get().words,
                word,
                IndexRecordOption::WithFreqsAndPositions,
            )?;
            match postings {
                Some(postings) => posted.push((*offset, Box::new(postings))),
                None => return Ok(None),
            }
        }
        Ok(Some(posted))
    }

    fn clue(&self, word: &Word) -> tantivy::Result<Clue> {
        match word {
            Word::Is(key) => self.word_clue(key),
            Word::Like(pattern) => self.pattern_clue(pattern),
        }
    }

    fn word_clue(&self, key: &TextKey) -> tantivy::Result<Clue> {
        if query::kept_out(&query::fold(key.text())) {
            self.because(|| Why::KeptOut(key.text().to_owned()));
            return Ok(Clue::Silent);
        }
        if key.text().len() > WORD_BYTES_MAX || query::fold(key.text()).len() > WORD_BYTES_MAX {
            self.because(|| Why::LongWord(key.text().to_owned()));
            return Ok(Clue::Docs(self.term(LONG)?));
        }
        Ok(Clue::Places)
    }

    /// Every word of the postings that is like the pattern. A pattern that begins with a digit or a wildcard may stand
    /// for words that are kept out.
    fn pattern_clue(&self, pattern: &Pattern) -> tantivy::Result<Clue> {
        let prefix = pattern.prefix();
        if !prefix.starts_with(|c: char| !c.is_numeric()) || pattern.is_marked() {
            self.because(|| Why::OpenWildcard(pattern.to_string()));
            return Ok(Clue::Silent);
        }
        let mut docs = self.term(LONG)?;
        let terms = self.segment.words.terms();
        let mut stream = terms.range().ge(prefix.as_bytes()).into_stream()?;
        let mut asked = 0;
        while stream.advance() && stream.key().starts_with(prefix.as_bytes()) {
            asked += 1;
            if asked > EXPANSION_MAX {
                self.because(|| Why::TooManyWords(pattern.to_string()));
                return Ok(Clue::Silent);
            }
            if std::str::from_utf8(stream.key()).is_ok_and(|word| pattern.matches(word)) {
                let info = stream.value().clone();
                let words = &self.segment.words;
                let postings =
                    words.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
                fill(&mut docs, postings);
            }
        }
        let like = self.segment.literals()?.like(pattern);
        self.fill_from(&like, &mut docs)?;
        self.because(|| Why::Wildcard(pattern.to_string()));
        Ok(Clue::Docs(docs))
    }

    /// The documents that have the term.
    pub(crate) fn term(&self, term: &str) -> tantivy::Result<Bits> {
        let mut docs = Bits::none(self.segment.len());
        let layout = Layout::get();
        let postings = read(
            &self.segment.terms,
            layout.terms,
            term,
            IndexRecordOption::Basic,
        )?;
        if let Some(postings) = postings {
            fill(&mut docs, postings);
        }
        Ok(docs)
    }

    /// The documents that have all of these folded words, among the words of the raw text or the terms.
    pub(crate) fn anywhere(&self, words: &[String]) -> tantivy::Result<Bits> {
        let mut all = Bits::all(self.segment.len());
        for word in words {
            let mut docs = self.term(word)?;
            docs.or(&self.word(word)?);
            if let Some(number) = plain_number(word) {
                docs.or(&self.in_columns(number, &all)?);
            }
            all.and(&docs);
        }
        Ok(all)
    }
}

/// Templates by which of the words are literal in them, each with where the phrase may end by those words alone: none in
/// which it can end nowhere.
fn groups(
    words: &[(u32, &str)],
    places: &[&[Place]],
    last: u32,
) -> BTreeMap<Vec<bool>, Vec<(u32, Vec<u32>)>> {
    let mut at: Vec<usize> = vec![0; places.len()];
    let mut groups: BTreeMap<Vec<bool>, Vec<(u32, Vec<u32>)>> = BTreeMap::new();
    loop {
        let fronts = places.iter().zip(&at);
        let fronts = fronts.filter_map(|(places, at)| places.get(*at));
        let Some(template) = fronts.map(|place| place.template).min() else {
            return groups;
        };
        let mut literal = Vec::with_capacity(words.len());
        let mut ends: Option<Vec<u32>> = None;
        for (((offset, _), places), at) in words.iter().zip(places).zip(&mut at) {
            let rest = places.get(*at..).unwrap_or_default();
            let of_template = rest.iter().take_while(|place| place.template == template);
            let fitting: Vec<u32> = of_template
                .map(|place| place.position + (last - offset))
                .collect();
            *at += fitting.len();
            literal.push(!fitting.is_empty());
            if fitting.is_empty() {
                continue;
            }
            ends = Some(match ends {
                None => fitting,
                Some(mut ends) => {
                    ends.retain(|end| fitting.binary_search(end).is_ok());
                    ends
                }
            });
        }
        let ends = ends.unwrap_or_default();
        if !ends.is_empty() {
            groups.entry(literal).or_default().push((template, ends));
        }
    }
}

fn answer(docs: Bits, exact: bool) -> Answer {
    if exact {
        Answer::exact(docs)
    } else {
        Answer::perhaps(docs)
    }
}

/// The number that the word is, if a column may hold it in the word's stead.
fn number_of(word: &Word) -> Option<i64> {
    match word {
        Word::Is(key) if !kept_out(key.text()) => plain_number(key.text()),
        Word::Is(_) | Word::Like(_) => None,
    }
}

fn read(
    index: &InvertedIndexReader,
    field: StoredField,
    term: &str,
    record: IndexRecordOption,
) -> tantivy::Result<Option<SegmentPostings>> {
    Ok(index.read_postings(&Term::from_field_text(field, term), record)?)
}

fn fill(docs: &mut Bits, mut postings: SegmentPostings) {
    let mut doc = postings.doc();
    while doc != TERMINATED {
        docs.insert(doc);
        doc = postings.advance();
    }
}

/// The documents of `within` in which every word stands at its offset from one common place, as far as `fits` agrees with
/// where the phrase may end in them. Of one word alone the places are not read, and none are given.
fn together(
    words: Vec<(u32, Box<SegmentPostings>)>,
    within: &Bits,
    fits: impl FnMut(u32, &[u32]) -> bool,
) -> Bits {
    let last = words.iter().map(|(offset, _)| *offset).max().unwrap_or(0);
    let reads_places = words.len() > 1;
    standing(words, within, last, reads_places, fits)
}

/// The same for a part of a phrase whose last word has that offset.
fn together_until(
    words: Vec<(u32, Box<SegmentPostings>)>,
    within: &Bits,
    last: u32,
    fits: impl FnMut(u32, &[u32]) -> bool,
) -> Bits {
    standing(words, within, last, true, fits)
}

fn standing(
    mut words: Vec<(u32, Box<SegmentPostings>)>,
    within: &Bits,
    last: u32,
    reads_places: bool,
    mut fits: impl FnMut(u32, &[u32]) -> bool,
) -> Bits {
    words.sort_by_key(|(_, postings)| postings.doc_freq());
    let mut docs = Bits::none(within.len());
    let mut places = Places::default();
    let [(first_offset, rarest), others @ ..] = words.as_mut_slice() else {
        return within.clone();
    };
    let mut doc = rarest.doc();
    while doc != TERMINATED {
        if !within.contains(doc) {
            doc = rarest.advance();
            continue;
        }
        if let Some(next) = others
            .iter_mut()
            .find_map(|(_, postings)| beyond(postings, doc))
        {
            doc = rarest.seek(next);
            continue;
        }
        if reads_places {
            places.start(rarest, last - *first_offset);
            for (offset, postings) in others.iter_mut() {
                places.keep(postings, last - *offset);
            }
        }
        if (!reads_places || !places.common.is_empty()) && fits(doc, &places.common) {
            docs.insert(doc);
        }
        doc = rarest.advance();
    }
    docs
}

/// The next document with the word, where `doc` does not have it.
fn beyond(postings: &mut SegmentPostings, doc: u32) -> Option<u32> {
    let found = if postings.doc() < doc {
        postings.seek(doc)
    } else {
        postings.doc()
    };
    (found != doc).then_some(found)
}

/// Where a phrase may end in one document: the places that fit every word asked so far.
#[derive(Default)]
struct Places {
    common: Vec<u32>,
    next: Vec<u32>,
}

impl Places {
    fn start(&mut self, postings: &mut SegmentPostings, distance: u32) {
        postings.positions_with_offset(distance, &mut self.common);
    }

    fn keep(&mut self, postings: &mut SegmentPostings, distance: u32) {
        if self.common.is_empty() {
            return;
        }
        postings.positions_with_offset(distance, &mut self.next);
        let mut next = self.next.iter().peekable();
        self.common.retain(|place| {
            while next.next_if(|other| *other < place).is_some() {}
            next.peek() == Some(&place)
        });
    }
}

/// Whether the phrase is one IPv4 address: then its term says all, since it is written in one way only.
fn is_one_v4(phrase: &Phrase) -> bool {
    let text = phrase.text().map(str::trim);
    text.is_some_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok())
}

/// Per alternative, folded words that every value has that meets the condition; `None` where there are none to go by.
pub(crate) fn required_words(condition: &Condition) -> Option<Vec<Vec<String>>> {
    let alternatives: Vec<Vec<String>> = match condition {
        Condition::Is(literal) => vec![literal_words(literal)],
        Condition::OneOf(literals) => literals.iter().map(literal_words).collect(),
        Condition::Like(pattern) => vec![phrase_words(&Phrase::like(pattern.clone())?)],
        Condition::Holds(phrase) => vec![phrase_words(phrase)],
        Condition::Exists | Condition::Network(_) | Condition::Range(_) | Condition::Regex(_) => {
            return None;
        }
    };
    let telling = alternatives.iter().all(|words| !words.is_empty());
    telling.then_some(alternatives)
}

/// None for a literal that equals values written differently: other spellings of a number, an address or a date.
fn literal_words(literal: &Literal) -> Vec<String> {
    let plain_number = match literal.number() {
        Some(Number::Integer(number)) => number.to_string() == literal.text(),
        Some(Number::Float(_)) => false,
        None => true,
    };
    if !plain_number || literal.date().is_some() || literal.address().is_some() {
        return Vec::new();
    }
    Phrase::new(literal.text()).map_or_else(Vec::new, |phrase| phrase_words(&phrase))
}

fn phrase_words(phrase: &Phrase) -> Vec<String> {
    let folded = phrase.words().iter().filter_map(|word| match word {
        Word::Is(key) => Some(query::fold(key.text()).into_owned()),
        Word::Like(_) => None,
    });
    folded.filter(|word| !kept_out(word)).collect()
}
