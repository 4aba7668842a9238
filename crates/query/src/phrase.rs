//! Words and phrases that are looked for in a text.

use crate::pattern::{Pattern, Piece};
use crate::term::addresses;
use crate::token::continues_token;
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
    /// The longest word in ASCII, by which most texts are told apart quickly; empty where there is none.
    rarest: Box<str>,
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
            rarest: rarest(&words),
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
            rarest: rarest(&words),
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
        self.may_match(text)
            && self.has_words(text)
            && self
                .addresses
                .iter()
                .all(|wanted| addresses(text).any(|found| *found == **wanted))
    }

    /// Whether the text, if it is ASCII, holds the rarest word somewhere: much quicker than cutting it into tokens.
    fn may_match(&self, text: &str) -> bool {
        let Some(first) = self.rarest.bytes().next().filter(|_| text.is_ascii()) else {
            return true;
        };
        memchr::memchr2_iter(first, first.to_ascii_uppercase(), text.as_bytes()).any(|at| {
            let place = text.get(at..at + self.rarest.len());
            place.is_some_and(|place| place.eq_ignore_ascii_case(&self.rarest))
        })
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

fn rarest(words: &[Word]) -> Box<str> {
    let plain = words.iter().filter_map(|word| match word {
        Word::Is(key) if key.text().is_ascii() => Some(key.text()),
        Word::Is(_) | Word::Like(_) => None,
    });
    plain
        .max_by_key(|word| word.len())
        .unwrap_or_default()
        .into()
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
        fn the_quick_look_rules_out_no_match(phrase in "[abK ]{1,4}", text in "[abAB1 \u{212a}kKđ]{0,16}") {
            if let Some(phrase) = Phrase::new(&phrase) {
                prop_assert!(phrase.may_match(&text) || !phrase.has_words(&text));
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
