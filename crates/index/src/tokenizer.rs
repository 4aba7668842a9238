//! Hands words that are already cut and folded to tantivy.
//!
//! The words of a document travel in one string, each after a mark that says at which position it stands. Marks are
//! control characters, which are neither letters nor digits and so never part of a word.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The word that follows stands at the next position.
pub(crate) const NEXT: char = '\u{1}';
/// The word that follows stands where the one before stands.
pub(crate) const SAME: char = '\u{2}';
/// A position whose word is kept out of the postings; nothing follows.
pub(crate) const SKIP: char = '\u{3}';

/// Takes the string apart again.
#[derive(Clone, Default)]
pub(crate) struct MarkedTokenizer {
    token: Token,
}

/// The words of one document.
pub(crate) struct MarkedStream<'a> {
    rest: &'a str,
    /// Position of the next word.
    next: usize,
    token: &'a mut Token,
}

impl Tokenizer for MarkedTokenizer {
    type TokenStream<'a> = MarkedStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> MarkedStream<'a> {
        self.token.reset();
        self.token.position_length = 1;
        MarkedStream {
            rest: text,
            next: 0,
            token: &mut self.token,
        }
    }
}

fn is_mark(byte: u8) -> bool {
    byte <= SKIP as u8
}

impl TokenStream for MarkedStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            let Some(mark) = self.rest.chars().next() else {
                return false;
            };
            let rest = self.rest.get(mark.len_utf8()..).unwrap_or_default();
            let end = rest.bytes().position(is_mark).unwrap_or(rest.len());
            let Some((word, rest)) = rest.split_at_checked(end) else {
                return false;
            };
            self.rest = rest;
            if mark == SKIP {
                self.next += 1;
                continue;
            }
            if mark == NEXT {
                self.next += 1;
            }
            self.token.position = self.next.saturating_sub(1);
            self.token.text.clear();
            self.token.text.push_str(word);
            return true;
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_where_their_marks_say() {
        let mut tokenizer = MarkedTokenizer::default();
        let text = "\u{1}user\u{3}\u{1}nguyen\u{2}nguyễn\u{3}\u{3}\u{1}x";
        let mut stream = tokenizer.token_stream(text);
        let mut found = Vec::new();
        stream.process(&mut |token| found.push((token.text.clone(), token.position)));
        let expected = [("user", 0), ("nguyen", 2), ("nguyễn", 2), ("x", 5)];
        assert_eq!(found, expected.map(|(word, at)| (word.to_owned(), at)));
    }
}
