//! Words and phrases that are looked for in a text.

use crate::pattern::{Pattern, Piece};
use crate::term::addresses;
use crate::token::{continues_token, token_around, token_before};
use crate::{TextKey, tokens};

/// One or more consecutive tokens of a text: a bare word is a phrase of the tokens that it is made of.
///
/// An address in it (`10.0.0.5`) must stand in the text as a whole address, so that `110.0.0.5.7` is not one; this is
/// asked beside its tokens, which are consecutive ones like any other.
#[derive(Clone, Debug)]
pub struct Phrase {
    source: Source,
    words: Box<[Word]>,
    addresses: Box<[Box<str>]>,
    /// Where a text is looked at; none where no word has letters in ASCII.
    landmark: Option<Landmark>,
}

/// Letters of a word that every text with the phrase has: found much quicker than a text is cut into tokens.
#[derive(Clone, Debug)]
struct Landmark {
    /// In small letters, and in ASCII.
    text: Box<str>,
    /// The number of the word that they belong to.
    word: usize,
    /// Its byte that texts have least often, and where that stands in it.
    rarest: (u8, usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Text(Box<str>),
    Pattern(Pattern),
}

/// What one token must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// This word.
    Is(TextKey),
    /// A word like this: no separators in it, so that it stays within one token.
    Like(Pattern),
}

impl Word {
    /// Whether the token, as it stands in the text, is such a word.
    #[must_use]
    pub fn matches(&self, token: &str) -> bool {
        match self {
            Self::Is(key) => key.matches(token),
            Self::Like(pattern) => pattern.matches(token),
        }
    }
}

impl Phrase {
    /// The most tokens that a phrase has.
    pub const WORDS_MAX: usize = 64;

    /// The phrase of the tokens of a text. `None` without a token or with more than [`Self::WORDS_MAX`].
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let words: Box<[Word]> = tokens(text)
            .map(|token| Word::Is(TextKey::new(token.text)))
            .collect();
        (1..=Self::WORDS_MAX).contains(&words.len()).then(|| Self {
            source: Source::Text(text.into()),
            landmark: Landmark::of(&words),
            words,
            addresses: addresses(text).map(|text| text.as_ref().into()).collect(),
        })
    }

    /// The phrase of a bare word with wildcards: cut into tokens at separators; `10.0.*` is `10`, `0` and any token.
    /// `None` without a token or with more than [`Self::WORDS_MAX`].
    #[must_use]
    pub fn like(pattern: Pattern) -> Option<Self> {
        let words = words_of(&pattern);
        (1..=Self::WORDS_MAX).contains(&words.len()).then(|| Self {
            source: Source::Pattern(pattern),
            landmark: Landmark::of(&words),
            words,
            addresses: Box::default(),
        })
    }

    /// What the consecutive tokens must be; 1 to [`Self::WORDS_MAX`].
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The addresses that the text must hold, in the form of [`crate::terms`].
    #[must_use]
    pub fn addresses(&self) -> &[Box<str>] {
        &self.addresses
    }

    /// The text as written, where it has no wildcards.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.source {
            Source::Text(text) => Some(text),
            Source::Pattern(_) => None,
        }
    }

    /// The pattern as written, where it has wildcards.
    #[must_use]
    pub fn pattern(&self) -> Option<&Pattern> {
        match &self.source {
            Source::Text(_) => None,
            Source::Pattern(pattern) => Some(pattern),
        }
    }

    /// Whether the text holds the phrase. Linear in the text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let has_words = match &self.landmark {
            Some(landmark) => self.has_words_at(landmark, text),
            None => self.has_words(text),
        };
        has_words
            && self
                .addresses
                .iter()
                .all(|wanted| addresses(text).any(|found| *found == **wanted))
    }

    /// The same as [`Self::has_words`]: only the tokens that may be the landmark's word, and those around them, are looked
    /// at, each of the former once.
    fn has_words_at(&self, landmark: &Landmark, text: &str) -> bool {
        let (before, from) = self.words.split_at(landmark.word);
        let mut places = Places::of(landmark, text);
        let mut done = 0;
        while let Some(at) = places.next(done) {
            let Some(token) = token_around(text, at) else {
                // Punctuation, or marks without a letter before them.
                let rest = text.get(at..).unwrap_or_default().chars();
                let none: usize = rest
                    .take_while(|&c| !c.is_alphanumeric())
                    .map(char::len_utf8)
                    .sum();
                done = at + none.max(1);
                continue;
            };
            done = token.end;
            let mut start = token.start;
            let fits_before = |word: &Word| {
                token_before(text, start).is_some_and(|found| {
                    start = found.start;
                    text.get(found).is_some_and(|found| word.matches(found))
                })
            };
            let fits = || {
                let mut tokens = text.get(token.start..).into_iter().flat_map(tokens);
                from.iter()
                    .all(|word| tokens.next().is_some_and(|found| word.matches(found.text)))
            };
            if before.iter().rev().all(fits_before) && fits() {
                return true;
            }
        }
        false
    }

    /// All places at once: bit i says that the last i + 1 tokens were the first i + 1 words.
    fn has_words(&self, text: &str) -> bool {
        let last = 1_u64 << (self.words.len() - 1);
        let mut places = 0_u64;
        for token in tokens(text) {
            let mut asked = (places << 1) | 1;
            places = 0;
            while asked != 0 {
                let bit = asked.trailing_zeros();
                asked &= asked - 1;
                let fits = self
                    .words
                    .get(bit as usize)
                    .is_some_and(|word| word.matches(token.text));
                places |= u64::from(fits) << bit;
            }
            if places & last != 0 {
                return true;
            }
        }
        false
    }
}

impl Landmark {
    /// The longest run of letters of all words.
    fn of(words: &[Word]) -> Option<Self> {
        let mut longest: Option<(usize, &str)> = None;
        for (number, word) in words.iter().enumerate() {
            let texts: Vec<&str> = match word {
                Word::Is(key) => vec![key.text()],
                Word::Like(pattern) => pattern.pieces().iter().filter_map(Piece::text).collect(),
            };
            for text in texts.into_iter().filter(|text| text.is_ascii()) {
                if longest.is_none_or(|(_, known)| known.len() < text.len()) {
                    longest = Some((number, text));
                }
            }
        }
        let (word, text) = longest?;
        let text = text.to_ascii_lowercase();
        let bytes = text.bytes().enumerate();
        let (at, byte) = bytes.max_by_key(|(_, byte)| rarity(*byte))?;
        Some(Self {
            text: text.into(),
            word,
            rarest: (byte, at),
        })
    }

    /// Where it stands in the text, from there on, letter for letter.
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let (byte, offset) = self.rarest;
        let places = text.get(from + offset..)?;
        let mut places = memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), places);
        places.find_map(|place| {
            let start = from + place;
            let found = text.get(start..start + self.text.len())?;
            found
                .eq_ignore_ascii_case(self.text.as_bytes())
                .then_some(start)
        })
    }
}

/// Places of a text at which a landmark may stand: where it stands letter for letter, and at letters beyond ASCII, which
/// may be the same without their marks.
struct Places<'a> {
    landmark: &'a Landmark,
    text: &'a [u8],
    /// The next ones of both sorts, as far as they have been looked for.
    letters: Option<usize>,
    beyond_ascii: Option<usize>,
}

impl<'a> Places<'a> {
    fn of(landmark: &'a Landmark, text: &'a str) -> Self {
        let text = text.as_bytes();
        Self {
            landmark,
            text,
            letters: landmark.find(text, 0),
            beyond_ascii: beyond_ascii(text, 0),
        }
    }

    /// The next one from there on, which never goes back.
    fn next(&mut self, from: usize) -> Option<usize> {
        if self.letters.is_some_and(|at| at < from) {
            self.letters = self.landmark.find(self.text, from);
        }
        if self.beyond_ascii.is_some_and(|at| at < from) {
            self.beyond_ascii = beyond_ascii(self.text, from);
        }
        self.letters.into_iter().chain(self.beyond_ascii).min()
    }
}

fn beyond_ascii(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    if rest.is_ascii() {
        return None;
    }
    Some(from + rest.iter().position(|byte| !byte.is_ascii())?)
}

/// How seldom logs have the letter or digit, as a number to compare.
fn rarity(byte: u8) -> usize {
    const COMMON_FIRST: &[u8] = b"0123456789etaoinsrdlcumpfghywbvkxjqz";
    let place = COMMON_FIRST.iter().position(|common| *common == byte);
    place.unwrap_or(0)
}

fn words_of(pattern: &Pattern) -> Box<[Word]> {
    let mut words = Vec::new();
    let mut word: Vec<Piece> = Vec::new();
    for piece in pattern.pieces() {
        let Piece::Text(text) = piece else {
            word.push(piece.clone());
            continue;
        };
        for c in text.chars() {
            let belongs = if word.is_empty() {
                c.is_alphanumeric()
            } else {
                continues_token(c)
            };
            if belongs {
                word.push(Piece::Text(c.to_string().into()));
            } else {
                words.extend(finish_word(&mut word));
            }
        }
    }
    words.extend(finish_word(&mut word));
    words.into()
}

fn finish_word(word: &mut Vec<Piece>) -> Option<Word> {
    let pattern = Pattern::new(word.drain(..));
    match pattern.pieces() {
        [] => None,
        [Piece::Text(text)] => Some(Word::Is(TextKey::new(text))),
        _ => Some(Word::Like(pattern)),
    }
}

/// What was written is all that there is; the rest is made from it.
impl PartialEq for Phrase {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Phrase {}

impl std::hash::Hash for Phrase {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn looking_at_landmarks_finds_what_cutting_into_tokens_finds(
            phrase in "[abáK*?. ]{1,6}", text in "[abABk1 .\u{212a}đáÁ–\u{301}]{0,16}",
        ) {
            let phrase = if phrase.contains(['*', '?']) {
                Phrase::like(Pattern::from_text(&phrase))
            } else {
                Phrase::new(&phrase)
            };
            if let Some(phrase) = phrase {
                prop_assert_eq!(phrase.matches(&text), phrase.has_words(&text));
            }
        }
    }

    #[test]
    fn a_phrase_is_consecutive_tokens() {
        let check = |phrase: &str, text: &str, expected| {
            let phrase = if phrase.contains(['*', '?']) {
                Phrase::like(Pattern::from_text(phrase))
            } else {
                Phrase::new(phrase)
            };
            assert_eq!(phrase.unwrap().matches(text), expected, "{text}");
        };
        check("invalid user", "Failed password for Invalid-User x", true);
        check("invalid user", "invalid the user", false);
        check("a a b", "a a a b", true);
        check("port 22", "port 2222", false);
        check("10.0.0.5", "from 10.0.0.5 port 1", true);
        check("10.0.0.5", "from 10.0.0.5.7 or 10-0-0-5", false);
        check("from 10.0.0.5", "from 10.0.0.5:22", true);
        check("10.0.*", "src=10.0.44.5", true);
        check("10.0.*", "src=10.0", false);
        check("fail*", "auth FAILED", true);
        check("/var/log/*", "open /var/log/auth.log", true);
        check("nguyen van", "Nguyễn  Văn An", true);
        check("nguyễn van", "Nguyễn Văn", true);
        check("nguyễn van", "Nguyen Văn", false);
    }

    #[test]
    fn a_phrase_has_one_to_64_tokens() {
        assert_eq!(Phrase::new("--"), None);
        assert_eq!(Phrase::new(&"a ".repeat(65)), None);
        let longest = Phrase::new(&"a ".repeat(64)).unwrap();
        assert!(longest.matches(&"a ".repeat(100)));
        assert!(!longest.matches(&"a ".repeat(63)));
    }
}
