//! Takes a line apart into what is probably fixed text and what is probably a value.

use std::sync::LazyLock;

use event::Micros;

use crate::format::slot;
use crate::header::{Reference, Zone, read_time};

/// Which zone a date is read in does not matter: only that it is one.
static ZONE: LazyLock<Zone> = LazyLock::new(Zone::vietnam);

/// Tokens of a line beyond these are one value of any text.
pub(super) const TOKENS_MAX: usize = 256;
/// The shortest run of hexadecimal digits that is taken for an identifier.
const HEX_MIN: usize = 8;
/// The shortest text that is taken for a date: `22:14:15`.
const DATE_MIN: usize = 8;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// A word, as it stands.
    Word(Box<str>),
    /// White space or punctuation, as it stands.
    Between(Box<str>),
    /// A value.
    Slot(Slot),
}

/// What kind of value: a slot type of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Ip,
    Mac,
    Date,
    Quoted,
    Int,
    Float,
    Hex,
    /// No white space.
    Word,
    /// Anything, to the end of the line.
    Text,
}

impl Slot {
    /// Its name in templates.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Date => "date",
            Self::Quoted => "quoted",
            Self::Int => "int",
            Self::Float => "float",
            Self::Hex => "hex",
            Self::Word => "word",
            Self::Text => "text",
        }
    }

    /// The narrowest kind that takes what either takes; both stand where a word stands.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (one, two) if one == two => one,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            (Self::Int, Self::Hex) | (Self::Hex, Self::Int) => Self::Hex,
            _ => Self::Word,
        }
    }
}

impl Token {
    /// Whether it is a word or a value, not what stands between them.
    pub(super) fn counts(&self) -> bool {
        !matches!(self, Self::Between(_))
    }
}

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if tokens.len() == TOKENS_MAX {
            tokens.push(Token::Slot(Slot::Text));
            break;
        }
        let (token, after) = next(rest);
        tokens.push(token);
        rest = after;
    }
    tokens
}

fn next(text: &str) -> (Token, &str) {
    let until = |wanted: fn(char) -> bool| {
        let end = text.find(|c| !wanted(c)).unwrap_or(text.len());
        text.split_at_checked(end).unwrap_or((text, ""))
    };
    let (space, after) = until(|c| matches!(c, ' ' | '\t'));
    if !space.is_empty() {
        return (Token::Between(space.into()), after);
    }
    if let Some((slot, after)) = value(text) {
        return (Token::Slot(slot), after);
    }
    let (mut run, mut after) = until(|c| !is_between(c));
    // What ends a sentence is not part of its last word.
    let word = run.trim_end_matches(['.', '!', '?']);
    if !word.is_empty() && word.len() < run.len() {
        (run, after) = text.split_at_checked(word.len()).unwrap_or((text, ""));
    }
    if run.is_empty() {
        let end = text.chars().next().map_or(0, char::len_utf8);
        let (between, after) = text.split_at_checked(end).unwrap_or((text, ""));
        return (Token::Between(between.into()), after);
    }
    let token = if !run.contains(|c: char| c.is_ascii_digit()) {
        Token::Word(run.into())
    } else if run.len() >= HEX_MIN && run.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Token::Slot(Slot::Hex)
    } else {
        Token::Slot(Slot::Word)
    };
    (token, after)
}

/// A value that is known by its form.
fn value(text: &str) -> Option<(Slot, &str)> {
    let reference = Reference {
        time: Micros(0),
        zone: &ZONE,
    };
    let starts_like_a_date = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_like_a_date && let Some((_, rest)) = read_time(text, reference) {
        let date = text.get(..text.len().saturating_sub(rest.len()));
        let date = date.unwrap_or_default();
        if date.len() >= DATE_MIN && date.contains([':', '-', '/', ' ']) {
            return Some((Slot::Date, rest));
        }
    }
    if let Ok((rest, _)) = slot::ip(text) {
        return Some((Slot::Ip, rest));
    }
    if let Ok((rest, _)) = slot::mac(text) {
        return Some((Slot::Mac, rest));
    }
    if text.starts_with('"')
        && let Ok((rest, _)) = slot::quoted(text)
    {
        return Some((Slot::Quoted, rest));
    }
    let (rest, _) = slot::float(text).ok()?;
    // `10.2.1` or `5-3` is no number.
    let sentence_ends = rest.strip_prefix('.').unwrap_or(rest);
    if sentence_ends.starts_with(|c: char| !is_between(c) && c != '%') {
        return None;
    }
    let number = text.get(..text.len().saturating_sub(rest.len()))?;
    let slot = if number.contains('.') {
        Slot::Float
    } else if number.bytes().all(|byte| byte.is_ascii_digit()) {
        Slot::Int
    } else {
        return None;
    };
    Some((slot, rest))
}

fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '=' | ','
                | ';'
                | ':'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | '"'
                | '\''
                | '|'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let show = |token: &Token| match token {
            Token::Word(text) | Token::Between(text) => text.to_string(),
            Token::Slot(slot) => format!("<{}>", slot.name()),
        };
        tokens(text).iter().map(show).collect()
    }

    #[test]
    fn values_are_told_from_words() {
        for (text, expected) in [
            (
                "User an01 logged in from 192.0.2.7:5060 after 12.5 s.",
                "User <word> logged in from <ip>:<int> after <float> s.",
            ),
            (
                "2026-10-11 22:14:15 WARN [main] id=7f3a9c0d11 took 15 ms",
                "<date> WARN [main] id=<hex> took <int> ms",
            ),
            (
                "mac 00:00:5e:00:53:23 name \"máy số 5\" ok",
                "mac <mac> name <quoted> ok",
            ),
            ("version 10.2.1 of 5-3", "version <word> of <word>"),
            ("không tìm thấy 3 tệp", "không tìm thấy <int> tệp"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn a_line_without_end_has_bounded_tokens() {
        let text = "a ".repeat(100_000);
        assert_eq!(tokens(&text).len(), TOKENS_MAX + 1);
    }
}
