//! Wildcards: `*` is any run of characters, `?` any one.

use std::fmt;

use crate::TextKey;
use crate::fold::{fold, lower};

/// One piece of a [`Pattern`], as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Characters that stand for themselves. Never empty.
    Text(Box<str>),
    /// `*`: any run of characters, also none.
    Run,
    /// `?`: any one character.
    One,
}

impl Piece {
    /// The characters that stand for themselves.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Run | Self::One => None,
        }
    }
}

/// A text with wildcards, compared with a whole value as [`TextKey`] is: whatever the case, diacritics only if written.
#[derive(Clone, Debug)]
pub struct Pattern {
    pieces: Box<[Piece]>,
    /// The pieces in the form in which values are compared.
    marks: Box<[Mark]>,
    marked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Char(char),
    Run,
    One,
}

impl Pattern {
    /// The pattern of these pieces; texts beside each other are joined and `**` is `*`.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => {
                    *before = format!("{before}{text}").into_boxed_str();
                }
                (Some(Piece::Run), Piece::Run) => {}
                (_, Piece::Text(text)) if text.is_empty() => {}
                (_, piece) => joined.push(piece),
            }
        }
        let texts = || {
            joined.iter().filter_map(|piece| match piece {
                Piece::Text(text) => Some(text),
                Piece::Run | Piece::One => None,
            })
        };
        let marked = texts().any(|text| TextKey::new(text).is_marked());
        let mut marks = Vec::new();
        for piece in &joined {
            match piece {
                Piece::Text(text) if marked => marks.extend(lower(text).chars().map(Mark::Char)),
                Piece::Text(text) => marks.extend(fold(text).chars().map(Mark::Char)),
                Piece::Run => marks.push(Mark::Run),
                Piece::One => marks.push(Mark::One),
            }
        }
        Self {
            pieces: joined.into(),
            marks: marks.into(),
            marked,
        }
    }

    /// The pattern of a text: `\` takes the meaning from a `*`, `?` or `\` after it, and is itself before others.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let mut chars = text.chars().peekable();
        let mut pieces = Vec::new();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Run,
                '?' => Piece::One,
                '\\' => {
                    let escaped = chars.next_if(|c| matches!(c, '*' | '?' | '\\'));
                    Piece::Text(escaped.unwrap_or(c).to_string().into())
                }
                c => Piece::Text(c.to_string().into()),
            });
        }
        Self::new(pieces)
    }

    /// Its pieces, as written: no two texts and no two `*` beside each other.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether it is `*` alone.
    #[must_use]
    pub fn is_any(&self) -> bool {
        matches!(*self.pieces, [Piece::Run])
    }

    /// Whether it has diacritics, and so is compared with [`lower`] of a value, not with [`fold`].
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// The text before the first wildcard, in the form in which values are compared: a range of sorted terms.
    #[must_use]
    pub fn prefix(&self) -> String {
        let literal = |mark: &Mark| match mark {
            Mark::Char(c) => Some(*c),
            Mark::Run | Mark::One => None,
        };
        self.marks.iter().map_while(literal).collect()
    }

    /// Whether the whole value is like the pattern. At worst the lengths of both multiplied.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        if value.is_ascii() {
            return self.is_like(value.chars().map(|c| c.to_ascii_lowercase()));
        }
        let value = if self.marked {
            lower(value)
        } else {
            fold(value)
        };
        self.is_like(value.chars())
    }

    /// Goes on from the last `*` with one character more whenever what follows it does not fit.
    fn is_like(&self, value: impl Iterator<Item = char> + Clone) -> bool {
        let mut rest = value;
        let mut at = 0;
        let mut last_run = None;
        loop {
            let fits = match self.marks.get(at) {
                Some(Mark::Run) if at + 1 == self.marks.len() => return true,
                Some(Mark::Run) => {
                    last_run = Some((at + 1, rest.clone()));
                    true
                }
                Some(Mark::One) => rest.next().is_some(),
                Some(Mark::Char(c)) => rest.next() == Some(*c),
                None if rest.clone().next().is_none() => return true,
                None => false,
            };
            if fits {
                at += 1;
                continue;
            }
            let Some((after_run, run_end)) = &mut last_run else {
                return false;
            };
            if run_end.next().is_none() {
                return false;
            }
            at = *after_run;
            rest = run_end.clone();
        }
    }
}

/// The pieces are all that there is; the rest is made from them.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.pieces == other.pieces
    }
}

impl Eq for Pattern {}

impl std::hash::Hash for Pattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.pieces.hash(state);
    }
}

/// As it is written in a query, unquoted.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => crate::display::write_bare(f, text)?,
                Piece::Run => f.write_str("*")?,
                Piece::One => f.write_str("?")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_stand_for_any_characters_of_the_whole_value() {
        let check = |pattern: &str, value: &str, expected| {
            let found = Pattern::from_text(pattern).matches(value);
            assert_eq!(found, expected, "{pattern} {value}");
        };
        check("adm*", "ADMIN", true);
        check("adm*", "sysadm", false);
        check("*adm*", "sysadmin", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("a*b*c", "aXbXbXc", true);
        check("a*b*c", "aXbXbX", false);
        check("*", "", true);
        check("?", "", false);
        check("nguy?n*", "Nguyễn Văn An", true);
        check("nguyễ*", "nguyen", false);
        check("nguyễ*", "NGUYỄN", true);
        check("a\\*b", "a*b", true);
        check("a\\*b", "axb", false);
    }

    #[test]
    fn many_runs_do_not_explode() {
        let pattern = Pattern::from_text(&"a*".repeat(500));
        assert!(!pattern.matches(&format!("{}b", "a".repeat(499)).replace('b', "")));
        assert!(pattern.matches(&"a".repeat(2000)));
    }

    proptest! {
        #[test]
        fn a_pattern_means_what_the_regex_of_it_means(pattern in "[ab*?]{0,8}", value in "[abAB]{0,10}") {
            let regex = pattern.replace('?', ".").replace('*', ".*");
            let regex = regex::Regex::new(&format!("(?is)^{regex}$")).unwrap();
            prop_assert_eq!(Pattern::from_text(&pattern).matches(&value), regex.is_match(&value));
        }
    }
}
