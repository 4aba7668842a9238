//! Words of a text: the tokens that words and phrases of a query are compared with, and that the index keeps.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

/// A maximal run of letters and digits, marks on a letter counted with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The run as it stands in the text; [`fold`](crate::fold) it before comparing.
    pub text: &'a str,
    /// Its number among the tokens of the text, from 0. Every token counts, those kept out of the postings too.
    pub position: u32,
    /// Where it begins, in bytes.
    pub start: usize,
}

impl Token<'_> {
    /// Where it ends, in bytes.
    #[must_use]
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The tokens of a text, in order. No allocation; linear time.
///
/// ```
/// let words: Vec<&str> = query::tokens("user=Nguyễn from 10.0.0.5").map(|token| token.text).collect();
/// assert_eq!(words, ["user", "Nguyễn", "from", "10", "0", "0", "5"]);
/// ```
#[must_use]
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens {
        text,
        at: 0,
        position: 0,
    }
}

/// What [`tokens`] gives.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    position: u32,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.skip_to_letter()?;
        let end = self.skip_word(start);
        let token = Token {
            text: self.text.get(start..end)?,
            position: self.position,
            start,
        };
        self.at = end;
        self.position = self.position.saturating_add(1);
        Some(token)
    }
}

impl Tokens<'_> {
    fn skip_to_letter(&self) -> Option<usize> {
        let mut at = self.at;
        loop {
            let rest = self.text.as_bytes().get(at..)?;
            at += rest.iter().position(|&byte| sort(byte) != BETWEEN)?;
            if sort(*self.text.as_bytes().get(at)?) == IN_WORD {
                return Some(at);
            }
            let c = self.text.get(at..)?.chars().next()?;
            if c.is_alphanumeric() {
                return Some(at);
            }
            at += c.len_utf8();
        }
    }

    fn skip_word(&self, start: usize) -> usize {
        let mut at = start;
        loop {
            let rest = self.text.as_bytes().get(at..).unwrap_or_default();
            let letters = rest.iter().position(|&byte| sort(byte) != IN_WORD);
            at += letters.unwrap_or(rest.len());
            let next = self.text.get(at..).and_then(|rest| rest.chars().next());
            match next.filter(|&c| !c.is_ascii() && continues_token(c)) {
                Some(c) => at += c.len_utf8(),
                None => return at,
            }
        }
    }
}

/// A byte of ASCII that is no part of a word.
const BETWEEN: u8 = 0;
/// A letter or digit of ASCII.
const IN_WORD: u8 = 1;
/// A byte of a longer character, which decides.
const BEYOND_ASCII: u8 = 2;

/// What each byte is, looked up faster than compared.
static SORTS: [u8; 256] = sorts();

fn sort(byte: u8) -> u8 {
    SORTS.get(usize::from(byte)).copied().unwrap_or_default()
}

#[expect(
    clippy::indexing_slicing,
    reason = "run by the compiler, which stops at an index out of bounds"
)]
const fn sorts() -> [u8; 256] {
    let mut sorts = [BETWEEN; 256];
    let mut byte = 0_u8;
    loop {
        if byte.is_ascii_alphanumeric() {
            sorts[byte as usize] = IN_WORD;
        } else if !byte.is_ascii() {
            sorts[byte as usize] = BEYOND_ASCII;
        }
        if byte == u8::MAX {
            return sorts;
        }
        byte += 1;
    }
}

/// Where the token stands that the character at that place belongs to; none where it belongs to no token.
pub(crate) fn token_around(text: &str, at: usize) -> Option<Range<usize>> {
    let token = token_of_run(text, run_start(text, at))?;
    token.contains(&at).then_some(token)
}

/// Where the last token before that place stands, which is not within one.
pub(crate) fn token_before(text: &str, place: usize) -> Option<Range<usize>> {
    let mut end = place;
    loop {
        let before = text.get(..end)?;
        let (last, c) = before.char_indices().rfind(|(_, c)| continues_token(*c))?;
        let start = run_start(text, last);
        // Marks alone are no token.
        match token_of_run(text.get(..last + c.len_utf8())?, start) {
            Some(token) => return Some(token),
            None => end = start,
        }
    }
}

/// Where the characters begin that belong together with those before that place.
fn run_start(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    let between = before.char_indices().rfind(|(_, c)| !continues_token(*c));
    between.map_or(0, |(at, c)| at + c.len_utf8())
}

/// Where the token stands in the run of characters that begins there: marks before its first letter are not of it.
fn token_of_run(text: &str, start: usize) -> Option<Range<usize>> {
    let run = text.get(start..)?.char_indices();
    let (marks, _) = run
        .take_while(|(_, c)| continues_token(*c))
        .find(|(_, c)| c.is_alphanumeric())?;
    let start = start + marks;
    let end = tokens(text).skip_word(start);
    Some(start..end)
}

/// Whether the character, inside a token, belongs to it.
pub(crate) fn continues_token(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Whether the index keeps the word out of its postings, where it would cost much and single out little: numbers that
/// octets of addresses and parts of dates and times could be, and numbers of more than 6 digits.
///
/// It asks the word alone, not where it stands: a list of postings that leaves some places out answers nothing. So
/// kept out are numbers of 1 or 2 digits, of 3 digits up to 255, the years 1900 to 2199, numbers of 7 digits and more,
/// and `11T22` and `15Z` of RFC 3339.
#[must_use]
pub fn kept_out(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.iter().all(u8::is_ascii_digit) {
        return match bytes {
            [_, _, _] => bytes <= b"255".as_slice(),
            [century @ .., _, _] if bytes.len() == 4 => matches!(century, b"19" | b"20" | b"21"),
            _ => bytes.len() <= 2 || bytes.len() > 6,
        };
    }
    match bytes {
        [a, b, b't' | b'T', c, d] => [a, b, c, d].into_iter().all(u8::is_ascii_digit),
        [a, b, b'z' | b'Z'] => a.is_ascii_digit() && b.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::fold;

    #[test]
    fn a_token_is_a_run_of_letters_and_digits() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<&str> = tokens(text).map(|token| token.text).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[]);
        check("--- …", &[]);
        check("a_b-c.d", &["a", "b", "c", "d"]);
        check("%ASA-4-106023: Deny", &["ASA", "4", "106023", "Deny"]);
        check("Quye\u{302}\u{301}t định", &["Quye\u{302}\u{301}t", "định"]);
        check("=\u{338} x\u{fffd}y", &["x", "y"]);
    }

    #[test]
    fn numbers_that_dates_and_addresses_are_made_of_are_kept_out() {
        for word in [
            "0", "22", "255", "012", "2026", "1900", "1234567", "11T22", "15z",
        ] {
            assert!(kept_out(word), "{word}");
        }
        for word in [
            "256", "404", "4625", "2200", "49152", "106023", "ssh2", "a", "z", "5z",
        ] {
            assert!(!kept_out(word), "{word}");
        }
    }

    proptest! {
        #[test]
        fn tokens_are_where_they_say_and_do_not_depend_on_the_normal_form(text in "[ -~à-ỹĐđ\u{300}-\u{303}가-각]{0,40}") {
            let mut end = 0;
            for (number, token) in tokens(&text).enumerate() {
                prop_assert_eq!(text.get(token.start..token.end()), Some(token.text));
                prop_assert_eq!(token.position as usize, number);
                prop_assert!(token.start >= end && !token.text.is_empty());
                end = token.end();
            }
            let composed: String = text.nfc().collect();
            let one: Vec<_> = tokens(&text).map(|token| fold(token.text).into_owned()).collect();
            let other: Vec<_> = tokens(&composed).map(|token| fold(token.text).into_owned()).collect();
            prop_assert_eq!(one, other);
        }
    }
}
