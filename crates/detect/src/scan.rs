//! Which of some texts stand in an event's values: for each field one pass of one automaton over its values, and one
//! look-up for each value that must be equal.
//!
//! What is found is exact for an equality and for a text at the start, at the end or anywhere (`Found::Surely`), and a
//! candidate for a pattern by its longest text (`Found::Maybe`). A question that is not found is answered with no.
//! Texts are compared folded, as [`query::fold`] has it; patterns with texts outside ASCII are not taken.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};
use event::Value;
use hashbrown::HashTable;
use query::{Condition, Literal, Number, Piece};

use crate::view::{FieldId, Heads, Seen, View};

/// A question: its place in the list of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TestId(pub(crate) u32);

/// What a scan tells of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Surely,
    Maybe,
}

/// Where a text must stand in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Start,
    End,
    Anywhere,
    /// Anywhere, and the whole pattern must be tried then.
    Part,
}

/// How a scan can answer a question; by which it is judged, too, how rarely the answer is yes.
#[derive(Clone, Debug)]
pub(crate) enum Scannable {
    Presence,
    Equal(Vec<Key>),
    Text { text: Box<str>, at: At },
}

impl Scannable {
    /// How a scan can answer the condition, if it can.
    pub(crate) fn of(condition: &Condition) -> Option<Self> {
        match condition {
            Condition::Exists => Some(Self::Presence),
            Condition::Is(literal) => Self::equal(std::slice::from_ref(literal)),
            Condition::OneOf(literals) => Self::equal(literals),
            Condition::Like(pattern) => {
                let (text, at) = text_of(pattern.pieces())?;
                let text = text.to_ascii_lowercase().into();
                Some(Self::Text { text, at })
            }
            Condition::Holds(_)
            | Condition::Network(_)
            | Condition::Range(_)
            | Condition::Regex(_) => None,
        }
    }

    fn equal(literals: &[Literal]) -> Option<Self> {
        if literals.iter().any(|literal| literal.key().is_marked()) {
            return None;
        }
        Some(Self::Equal(literals.iter().flat_map(keys_of).collect()))
    }
}

/// The text of a pattern by which a scan finds it, and where it must stand; `None` without one in ASCII.
fn text_of(pieces: &[Piece]) -> Option<(&str, At)> {
    let (text, at) = match pieces {
        [Piece::Run, Piece::Text(text), Piece::Run] => (text, At::Anywhere),
        [Piece::Text(text), Piece::Run] => (text, At::Start),
        [Piece::Run, Piece::Text(text)] => (text, At::End),
        pieces => {
            let texts = pieces.iter().filter_map(|piece| match piece {
                Piece::Text(text) if text.is_ascii() => Some(text),
                Piece::Text(_) | Piece::Run | Piece::One => None,
            });
            (texts.max_by_key(|text| text.len())?, At::Part)
        }
    };
    text.is_ascii().then_some((&**text, at))
}

/// A value as equality sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Text(Box<str>),
    Integer(i64),
    /// The bits of a float that is no whole number.
    Float(u64),
    Other(Box<str>),
}

/// Everything that a value may be to equal the literal.
fn keys_of(literal: &Literal) -> Vec<Key> {
    let text = query::fold(literal.key().text()).into_owned();
    let mut keys = vec![Key::Text(text.into())];
    match literal.number() {
        Some(Number::Integer(number)) => keys.push(Key::Integer(number)),
        Some(Number::Float(number)) => keys.push(float_key(number)),
        None => {}
    }
    if let Some(address) = literal.address() {
        keys.push(Key::Other(address.to_string().into()));
    }
    if let Some(date) = literal.date() {
        keys.push(Key::Other(date.to_string().into()));
    }
    keys
}

/// A float that is a whole number is the same as the integer: `443.0` is 443.
fn float_key(number: f64) -> Key {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        return Key::Integer(number as i64);
    }
    Key::Float(number.to_bits())
}

/// [`Key`] without its text owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum KeyRef<'a> {
    Text(&'a str),
    Integer(i64),
    Float(u64),
    Other(&'a str),
}

impl Key {
    fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Text(text) => KeyRef::Text(text),
            Self::Integer(number) => KeyRef::Integer(*number),
            Self::Float(bits) => KeyRef::Float(*bits),
            Self::Other(text) => KeyRef::Other(text),
        }
    }

    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Integer(_) | Self::Float(_) | Self::Other(_) => 0,
        }
    }
}

/// Collects questions for a [`Scan`].
#[derive(Debug, Default)]
pub(crate) struct ScanBuilder {
    fields: BTreeMap<FieldId, Looks>,
    texts: BTreeMap<FieldId, Vec<(Box<str>, At, TestId)>>,
}

impl ScanBuilder {
    /// Takes a question.
    pub(crate) fn take(&mut self, field: FieldId, scannable: &Scannable, test: TestId) {
        let looks = self.fields.entry(field).or_default();
        match scannable {
            Scannable::Presence => looks.presence.push(test),
            Scannable::Equal(keys) => {
                keys.iter().for_each(|key| looks.take(key, test));
            }
            Scannable::Text { text, at } => {
                let texts = self.texts.entry(field).or_default();
                texts.push((text.clone(), *at, test));
            }
        }
    }

    /// Whether the values of the field are looked up already, so that one more equality costs nothing.
    pub(crate) fn looks_up(&self, field: FieldId) -> bool {
        let looks = self.fields.get(&field);
        looks.is_some_and(|looks| !looks.equal.is_empty())
    }

    /// The scan of all questions taken.
    pub(crate) fn build(mut self) -> Result<Scan, BuildError> {
        for (field, texts) in &mut self.texts {
            texts.sort_by(|one, other| one.0.cmp(&other.0));
            self.fields.entry(*field).or_default().texts = Some(Texts::of(texts)?);
        }
        Ok(Scan {
            fields: self.fields.into_iter().collect(),
        })
    }
}

/// What is looked for in a field.
#[derive(Debug, Default)]
struct Looks {
    presence: Vec<TestId>,
    equal: HashTable<(Key, Vec<TestId>)>,
    hasher: ahash::RandomState,
    /// The longest text that a value must equal.
    equal_bytes_max: usize,
    texts: Option<Texts>,
}

/// Texts that are looked for in the values of a field.
#[derive(Debug)]
struct Texts {
    automaton: AhoCorasick,
    /// For each text, where its postings begin; one more for the end.
    starts: Vec<u32>,
    postings: Vec<(At, TestId)>,
}

/// Up to so many texts the fastest automaton stays small.
const FAST_TEXTS_MAX: usize = 100;

impl Texts {
    /// Of these, sorted by their texts.
    fn of(sorted: &[(Box<str>, At, TestId)]) -> Result<Self, BuildError> {
        let mut texts = Vec::new();
        let mut starts = vec![0];
        let mut postings = Vec::new();
        for same in sorted.chunk_by(|one, other| one.0 == other.0) {
            texts.extend(same.first().map(|(text, ..)| text.as_bytes()));
            postings.extend(same.iter().map(|(_, at, test)| (*at, *test)));
            starts.push(u32::try_from(postings.len()).unwrap_or(u32::MAX));
        }
        let kind = if texts.len() <= FAST_TEXTS_MAX {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .kind(Some(kind))
            .match_kind(MatchKind::Standard)
            .build(texts)?;
        Ok(Self {
            automaton,
            starts,
            postings,
        })
    }

    fn find(&self, folded: &str, found: &mut impl FnMut(TestId, Found)) {
        let end = folded.len();
        for hit in self.automaton.find_overlapping_iter(folded.as_bytes()) {
            for (at, test) in self.postings_of(hit.pattern().as_usize()) {
                match at {
                    At::Start if hit.start() != 0 => {}
                    At::End if hit.end() != end => {}
                    At::Start | At::End | At::Anywhere => found(*test, Found::Surely),
                    At::Part => found(*test, Found::Maybe),
                }
            }
        }
    }

    fn postings_of(&self, text: usize) -> &[(At, TestId)] {
        let start = self.starts.get(text).copied().unwrap_or(0) as usize;
        let end = self.starts.get(text + 1).copied().unwrap_or(0) as usize;
        self.postings.get(start..end).unwrap_or_default()
    }
}

/// Finds the texts of questions in an event's values.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    fields: Vec<(FieldId, Looks)>,
}

impl Scan {
    /// Calls `found` for each question that the values answer with yes, or may; perhaps more than once.
    pub(crate) fn run(
        &self,
        view: &View<'_>,
        heads: &Heads,
        folded: &mut String,
        mut found: impl FnMut(TestId, Found),
    ) {
        for (field, looks) in &self.fields {
            for Seen { value, .. } in view.values(*field, heads) {
                for test in &looks.presence {
                    found(*test, Found::Surely);
                }
                if !looks.equal.is_empty() {
                    looks.look_up(value, folded, &mut found);
                }
                if let Some(texts) = &looks.texts {
                    folded.clear();
                    query::fold_into(&value.to_text(), folded);
                    texts.find(folded, &mut found);
                }
            }
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let looks = self.fields.iter().map(|(_, looks)| looks.heap_bytes());
        looks.sum()
    }
}

impl Looks {
    fn take(&mut self, key: &Key, test: TestId) {
        let hash = |(key, _): &(Key, Vec<TestId>)| self.hasher.hash_one(key.as_ref());
        let entry = self.equal.entry(
            self.hasher.hash_one(key.as_ref()),
            |(own, _)| own == key,
            hash,
        );
        let mut entry = entry.or_insert_with(|| (key.clone(), Vec::new()));
        let (_, tests) = entry.get_mut();
        if tests.last() != Some(&test) {
            tests.push(test);
        }
        self.equal_bytes_max = self.equal_bytes_max.max(key.text_bytes());
    }

    fn look_up(
        &self,
        value: Value<'_>,
        folded: &mut String,
        found: &mut impl FnMut(TestId, Found),
    ) {
        let mut find = |key: KeyRef<'_>| {
            let is_it = |(own, _): &(Key, Vec<TestId>)| own.as_ref() == key;
            let tests = self.equal.find(self.hasher.hash_one(key), is_it);
            for test in tests.into_iter().flat_map(|(_, tests)| tests) {
                found(*test, Found::Surely);
            }
        };
        match value {
            // Folding ASCII keeps its length: a longer text equals none.
            Value::Text(text) if text.len() > self.equal_bytes_max && text.is_ascii() => {}
            Value::Text(text) => {
                folded.clear();
                query::fold_into(text, folded);
                find(KeyRef::Text(folded));
            }
            Value::Integer(number) => find(KeyRef::Integer(number)),
            Value::Float(number) => find(float_key(number).as_ref()),
            Value::Bool(_) => find(KeyRef::Text(&value.to_text())),
            Value::Address(_) | Value::Date(_) => find(KeyRef::Other(&value.to_text())),
        }
    }

    fn heap_bytes(&self) -> usize {
        let texts = self.texts.as_ref().map_or(0, |texts| {
            texts.automaton.memory_usage()
                + texts.postings.len() * size_of::<(At, TestId)>()
                + texts.starts.len() * size_of::<u32>()
        });
        texts + self.equal.len() * 64
    }
}
