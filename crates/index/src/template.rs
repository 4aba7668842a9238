//! Templates: most words of a log line are the same in thousands of lines. They are not posted for each line; the line
//! is posted under its template, which says what they are and at which positions they stand.
//!
//! A template is written out once a segment, as a term [`SKELETON`], identity, skeleton; each of its documents has the
//! term [`TEMPLATE`], identity. The identity is a hash of the skeleton, so that segments can be merged. In a skeleton each
//! position of the line is either [`WORD`] and a word, or [`GAP`]: a word that is posted as such or not at all.
//!
//! Which words are taken for literal decides only what is saved, never what is found: a document's own template says what
//! its postings leave out.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Stands before the identity of a document's template. Not part of a word: no query can ask for it.
pub(crate) const TEMPLATE: char = '\u{1c}';
/// Stands before identity and skeleton of a template.
pub(crate) const SKELETON: char = '\u{1b}';
const WORD: char = '\u{10}';
const GAP: char = '\u{11}';

/// Hexadecimal digits of an identity.
const IDENTITY: usize = 32;
/// Longer skeletons are of lines that do not come again.
const SKELETON_BYTES_MAX: usize = 4 << 10;
/// Templates of one segment; lines beyond are posted word by word.
const TEMPLATES_MAX: usize = 2_000;

/// One of so many events is looked at to learn which words are frequent.
const SAMPLED: u32 = 16;
/// So many must have been looked at.
const SAMPLES_MIN: u64 = 200;
/// The past counts half from so many on.
const SAMPLES_HALVED: u64 = 20_000;
/// A word that is in one of so many events is frequent.
const FREQUENT: u64 = 100;
/// Different words that are counted.
const COUNTED_MAX: usize = 100_000;

/// Words that are taken for literal text of templates.
pub(crate) type Literals = HashSet<Box<str>, ahash::RandomState>;

/// What the segments so far have taught about words.
#[derive(Debug, Default)]
pub(crate) struct Learner {
    counts: HashMap<Box<str>, u64, ahash::RandomState>,
    samples: u64,
    literals: Arc<Literals>,
}

impl Learner {
    /// One that takes these words for literal until it has learnt of others.
    pub(crate) fn knowing(words: impl IntoIterator<Item = Box<str>>) -> Self {
        Self {
            literals: Arc::new(words.into_iter().collect()),
            ..Self::default()
        }
    }

    /// The words that are frequent.
    pub(crate) fn literals(&self) -> Arc<Literals> {
        Arc::clone(&self.literals)
    }

    fn learn(&mut self, sample: Sample) {
        self.samples += sample.samples;
        for (word, count) in sample.counts {
            *self.counts.entry(word).or_default() += count;
        }
        if self.samples < SAMPLES_MIN {
            return;
        }
        if self.samples > SAMPLES_HALVED || self.counts.len() > COUNTED_MAX {
            self.samples /= 2;
            self.counts.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
        let frequent = |count: u64| count.saturating_mul(FREQUENT) >= self.samples;
        let words = self.counts.iter().filter(|(_, count)| frequent(**count));
        self.literals = Arc::new(words.map(|(word, _)| word.clone()).collect());
    }
}

/// Words of some events of one segment.
#[derive(Debug, Default)]
struct Sample {
    samples: u64,
    counts: HashMap<Box<str>, u64, ahash::RandomState>,
}

impl Sample {
    fn count(&mut self, word: &str) {
        if let Some(count) = self.counts.get_mut(word) {
            *count += 1;
        } else if self.counts.len() < COUNTED_MAX {
            self.counts.insert(word.into(), 1);
        }
    }
}

/// Finds the templates of one segment's lines.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    literals: Arc<Literals>,
    /// Identities by their skeletons.
    known: HashMap<Box<str>, Box<str>, ahash::RandomState>,
    skeleton: String,
    /// Literal words of the line in hand.
    words: u32,
    lines: u32,
    sample: Sample,
}

/// The terms of a line's template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateTerms {
    pub(crate) of_document: String,
    /// Where it is the first line of the segment.
    pub(crate) of_template: Option<String>,
}

impl Templates {
    pub(crate) fn new(literals: Arc<Literals>) -> Self {
        Self {
            literals,
            ..Self::default()
        }
    }

    /// Begins another line.
    pub(crate) fn begin(&mut self) {
        self.skeleton.clear();
        self.words = 0;
        self.lines = self.lines.wrapping_add(1);
        if self.is_sampled() {
            self.sample.samples += 1;
        }
    }

    fn is_sampled(&self) -> bool {
        self.lines.is_multiple_of(SAMPLED)
    }

    /// The next word of the line, folded; `true` where it is literal text of the template and must not be posted.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        if self.is_sampled() {
            self.sample.count(word);
        }
        let is_literal = self.literals.contains(word);
        if is_literal {
            self.skeleton.push(WORD);
            self.skeleton.push_str(word);
            self.words += 1;
        } else {
            self.skeleton.push(GAP);
        }
        is_literal
    }

    /// A position whose word is kept out of the postings.
    pub(crate) fn skip(&mut self) {
        self.skeleton.push(GAP);
    }

    /// Whether the line that is about to begin may have a template.
    pub(crate) fn are_in_use(&self) -> bool {
        !self.literals.is_empty() && self.known.len() < TEMPLATES_MAX
    }

    /// Ends the line: its terms, if it has literal words. `None` beside literal words, where the skeleton is too long.
    pub(crate) fn end(&mut self) -> Result<Option<TemplateTerms>, TooLong> {
        if self.words == 0 {
            return Ok(None);
        }
        if self.skeleton.len() > SKELETON_BYTES_MAX {
            return Err(TooLong);
        }
        if let Some(identity) = self.known.get(self.skeleton.as_str()) {
            return Ok(Some(TemplateTerms {
                of_document: format!("{TEMPLATE}{identity}"),
                of_template: None,
            }));
        }
        let identity = identity_of(&self.skeleton);
        let terms = TemplateTerms {
            of_document: format!("{TEMPLATE}{identity}"),
            of_template: Some(format!("{SKELETON}{identity}{}", self.skeleton)),
        };
        self.known
            .insert(self.skeleton.as_str().into(), identity.into());
        Ok(Some(terms))
    }

    /// The literal words of the line that ended last.
    pub(crate) fn literal_words(&self) -> impl Iterator<Item = &str> {
        words_of(&self.skeleton).map(|(_, word)| word)
    }

    /// Teaches what its lines were made of.
    pub(crate) fn teach(self, learner: &mut Learner) {
        learner.learn(self.sample);
    }
}

fn identity_of(skeleton: &str) -> String {
    let hash = Sha256::digest(skeleton.as_bytes());
    let mut identity = String::with_capacity(IDENTITY);
    for byte in hash.iter().take(IDENTITY / 2) {
        write!(identity, "{byte:02x}").expect("a String takes all that is written");
    }
    identity
}

/// The line is too long for a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// A template as a segment has it: the term of its documents, and its skeleton. `None` where the term is none of a
/// template.
pub(crate) fn read(term: &str) -> Option<(Box<str>, &str)> {
    let (identity, skeleton) = term.strip_prefix(SKELETON)?.split_at_checked(IDENTITY)?;
    Some((format!("{TEMPLATE}{identity}").into(), skeleton))
}

/// The literal words of a skeleton and their positions, ascending.
pub(crate) fn words_of(skeleton: &str) -> impl Iterator<Item = (u32, &str)> {
    let marks = skeleton.match_indices([WORD, GAP]);
    (0..).zip(marks).filter_map(|(position, (at, mark))| {
        let rest = skeleton.get(at + mark.len()..)?;
        let end = rest.find([WORD, GAP]).unwrap_or(rest.len());
        mark.starts_with(WORD)
            .then_some((position, rest.get(..end)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(templates: &mut Templates, words: &[&str]) -> Option<TemplateTerms> {
        templates.begin();
        for word in words {
            templates.take(word);
        }
        templates.end().unwrap()
    }

    #[test]
    fn a_template_is_written_out_once_and_reads_back() {
        let literals: Literals = ["failed", "for", "port"]
            .map(Box::from)
            .into_iter()
            .collect();
        let mut templates = Templates::new(Arc::new(literals));
        let first = line(
            &mut templates,
            &["failed", "for", "an", "port", "22", "for"],
        )
        .unwrap();
        let second = line(
            &mut templates,
            &["failed", "for", "binh", "port", "23", "for"],
        )
        .unwrap();
        assert_eq!(first.of_document, second.of_document);
        assert_eq!(second.of_template, None);
        assert_eq!(line(&mut templates, &["nothing", "known"]), None);
        let other = line(&mut templates, &["failed", "port"]).unwrap();
        assert_ne!(other.of_document, first.of_document);
        let of_template = first.of_template.unwrap();
        let (of_documents, skeleton) = read(&of_template).unwrap();
        assert_eq!(&*of_documents, first.of_document);
        let words: Vec<_> = words_of(skeleton).collect();
        assert_eq!(words, [(0, "failed"), (1, "for"), (3, "port"), (5, "for")]);
    }

    #[test]
    fn frequent_words_are_learnt_from_the_segments_before() {
        let mut learner = Learner::default();
        let mut templates = Templates::new(learner.literals());
        for number in 0..(SAMPLES_MIN as u32 + 1) * SAMPLED {
            line(&mut templates, &["login", &format!("user{number}")]);
        }
        assert!(!templates.are_in_use());
        templates.teach(&mut learner);
        assert_eq!(
            learner.literals().iter().collect::<Vec<_>>(),
            [&Box::from("login")]
        );
    }
}
