//! What a segment's evaluation says of itself: by which means each test was answered, and why no better ones served.
//!
//! The evaluator itself writes it down while it answers, so that what is told is what is done.

use std::cell::RefCell;
use std::ptr;
use std::time::{Duration, Instant};

use query::Test;
use serde::Serialize;

use crate::evaluate::Answer;

/// By what a test is answered in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// By the least and greatest `@timestamp` of the segment alone.
    Times,
    /// By the record's place: Seqs ascend in a segment.
    Seqs,
    /// By a column.
    Column,
    /// By a column, of those events alone that have the address among their terms.
    ColumnOfTerm,
    /// By words of the raw text, with their places.
    Words,
    /// By whole terms: addresses.
    Terms,
    /// Every event has it.
    Always,
    /// By nothing: every event is asked.
    Scan,
}

/// Why a test leaves events that must be asked themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", content = "word", rename_all = "snake_case")]
pub enum Why {
    /// The word is kept out of the postings: a number that parts of dates and addresses are.
    KeptOut(String),
    /// A word with wildcards: the postings say in which events, not where.
    Wildcard(String),
    /// A word with wildcards that begins with one, with a digit, or has diacritics.
    OpenWildcard(String),
    /// A word with wildcards that stands for too many words.
    TooManyWords(String),
    /// A word longer than the postings keep.
    LongWord(String),
    /// A number that a column holds in the word's stead, which says nothing of where it stands.
    NumberInColumn(String),
    /// An address inside a phrase: its term has no place.
    AddressInPhrase,
    /// A field that is no column: words of its value narrow, then each event is asked.
    NoColumn,
    /// A vendor's own field: words of the raw text narrow, then each event is asked.
    VendorField,
    /// A condition from which no word follows: a range, a network, a regular expression, any value.
    NoWords,
    /// A regular expression.
    Regex,
    /// Values that the column cannot hold as they are.
    OddValues,
    /// The way was not allowed.
    NotAllowed,
}

/// How one test was answered in one segment.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    test: *const Test,
    pub(crate) means: Means,
    pub(crate) why: Vec<Why>,
    /// Of how many documents it was asked.
    pub(crate) asked: u64,
    pub(crate) sure: u64,
    pub(crate) possible: u64,
    pub(crate) took: Duration,
}

impl Note {
    /// Whether it is about that very test.
    pub(crate) fn is_of(&self, test: &Test) -> bool {
        ptr::eq(self.test, test)
    }
}

/// The notes on one segment, in the order in which its tests were asked.
#[derive(Debug)]
pub(crate) struct Trace {
    means: RefCell<(Means, Vec<Why>)>,
    notes: RefCell<Vec<Note>>,
    started: RefCell<Instant>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            means: RefCell::new((Means::Scan, Vec::new())),
            notes: RefCell::new(Vec::new()),
            started: RefCell::new(Instant::now()),
        }
    }

    /// A test is being asked.
    pub(crate) fn begin(&self) {
        *self.started.borrow_mut() = Instant::now();
        *self.means.borrow_mut() = (Means::Scan, Vec::new());
    }

    /// It is answered by that.
    pub(crate) fn by(&self, means: Means) {
        self.means.borrow_mut().0 = means;
    }

    /// That keeps the answer from being exact.
    pub(crate) fn because(&self, why: Why) {
        let why_all = &mut self.means.borrow_mut().1;
        if !why_all.contains(&why) {
            why_all.push(why);
        }
    }

    /// It is answered.
    pub(crate) fn end(&self, test: &Test, asked: u64, answer: &Answer) {
        let (means, why) =
            std::mem::replace(&mut *self.means.borrow_mut(), (Means::Scan, Vec::new()));
        self.notes.borrow_mut().push(Note {
            test: ptr::from_ref(test),
            means,
            why,
            asked,
            sure: answer.sure.count(),
            possible: answer.possible.count(),
            took: self.started.borrow().elapsed(),
        });
    }

    pub(crate) fn into_notes(self) -> Vec<Note> {
        self.notes.into_inner()
    }
}
