//! Sigma's values: wildcards, where a text must stand, and the rewritings that modifiers ask for
//! (<https://sigmahq.io/sigma-specification/specification/sigma-appendix-modifiers.html>).

use query::{Condition as Ask, Piece, Regex};

use crate::sigma_detection::whole;

/// Where in the field's value a text must stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Whole,
    Start,
    End,
    Anywhere,
}

/// What becomes of a value before it is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rewrite {
    /// Every way to write the dash of a Windows option.
    Windash,
    Base64,
    /// Base64 of the text at any of the three offsets in a longer text.
    Base64Offset,
    Utf16Le,
    Utf16Be,
}

/// The text with Sigma's wildcards, whatever its case.
pub(crate) fn like(text: &str, place: Place) -> Ask {
    let mut pieces = pieces(text);
    if matches!(place, Place::Start | Place::Anywhere) {
        pieces.push(Piece::Run);
    }
    if matches!(place, Place::End | Place::Anywhere) {
        pieces.insert(0, Piece::Run);
    }
    whole(pieces)
}

/// The same with its case, as a regular expression.
pub(crate) fn cased(text: &str, place: Place) -> Result<Ask, String> {
    let mut source = String::from("(?s)");
    if matches!(place, Place::Whole | Place::Start) {
        source.push('^');
    }
    for piece in pieces(text) {
        match piece {
            Piece::Run => source.push_str(".*"),
            Piece::One => source.push('.'),
            Piece::Text(text) => text.chars().for_each(|c| escape(c, &mut source)),
        }
    }
    if matches!(place, Place::Whole | Place::End) {
        source.push('$');
    }
    Regex::new(&source)
        .map(Ask::Regex)
        .map_err(|error| error.to_string())
}

fn escape(c: char, source: &mut String) {
    if c.is_ascii_punctuation() {
        source.push('\\');
    }
    source.push(c);
}

/// Cuts at wildcards. A backslash takes the meaning from `*`, `?` and `\` after it and stands for itself elsewhere.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let wildcard = match c {
            '*' => Some(Piece::Run),
            '?' => Some(Piece::One),
            '\\' => {
                let escaped = chars.next_if(|next| matches!(next, '*' | '?' | '\\'));
                plain.push(escaped.unwrap_or('\\'));
                None
            }
            c => {
                plain.push(c);
                None
            }
        };
        if let Some(wildcard) = wildcard {
            push_text(&mut plain, &mut pieces);
            pieces.push(wildcard);
        }
    }
    push_text(&mut plain, &mut pieces);
    pieces
}

fn push_text(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into_boxed_str()));
    }
}

impl Rewrite {
    /// The texts that stand for this one.
    pub(crate) fn apply(self, text: &str) -> Result<Vec<String>, String> {
        Ok(match self {
            Self::Windash => windash(text),
            Self::Base64 => vec![base64(text.as_bytes())],
            Self::Base64Offset => base64_offsets(text.as_bytes()),
            Self::Utf16Le => vec![utf16(text, u16::to_le_bytes)?],
            Self::Utf16Be => vec![utf16(text, u16::to_be_bytes)?],
        })
    }
}

/// The dashes that Windows programs take for the one of an option: hyphen, slash, en dash, em dash, horizontal bar.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// The text with the dash at its first option written in each way.
fn windash(text: &str) -> Vec<String> {
    let begins_option = |&(at, c): &(usize, char)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        DASHES.contains(&c) && before.is_none_or(char::is_whitespace)
    };
    let Some((at, dash)) = text.char_indices().find(begins_option) else {
        return vec![text.to_owned()];
    };
    let head = text.get(..at).unwrap_or_default();
    let tail = text.get(at + dash.len_utf8()..).unwrap_or_default();
    DASHES
        .iter()
        .map(|dash| format!("{head}{dash}{tail}"))
        .collect()
}

/// The bytes as a text of the same bytes, which base64 then reads. Only ASCII gives such a text.
fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Result<String, String> {
    if !text.is_ascii() {
        return Err("UTF-16 modifiers take ASCII only".to_owned());
    }
    Ok(text
        .encode_utf16()
        .flat_map(bytes)
        .map(char::from)
        .collect())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) as usize & 63;
            let known = digit <= chunk.len();
            text.push(if known {
                ALPHABET.get(six).map_or('=', |byte| char::from(*byte))
            } else {
                '='
            });
        }
    }
    text
}

/// Base64 of the text within a longer one, at each offset modulo 3, without the digits that its neighbours decide.
fn base64_offsets(bytes: &[u8]) -> Vec<String> {
    let encoded = |offset: usize| {
        let mut padded = vec![b' '; offset];
        padded.extend_from_slice(bytes);
        let text = base64(&padded);
        let start = [0, 2, 3].get(offset).copied().unwrap_or(0);
        let end = match padded.len() % 3 {
            0 => text.len(),
            1 => text.len().saturating_sub(3),
            _ => text.len().saturating_sub(2),
        };
        text.get(start..end).unwrap_or_default().to_owned()
    };
    (0..3)
        .map(encoded)
        .filter(|text| !text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let check = |text: &str, expected: &str| assert_eq!(base64(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg==");
        check("fo", "Zm8=");
        check("foo", "Zm9v");
        check("foobar", "Zm9vYmFy");
    }

    #[test]
    fn a_text_is_found_in_base64_at_any_offset() {
        for offset in 0..3 {
            let long = format!("{}needle{}", "x".repeat(offset), "y".repeat(5));
            let encoded = base64(long.as_bytes());
            assert!(
                base64_offsets(b"needle")
                    .iter()
                    .any(|piece| encoded.contains(piece)),
                "{offset}"
            );
        }
    }

    #[test]
    fn a_dash_is_written_in_every_way() {
        assert_eq!(
            windash(" -enc a-b"),
            [
                " -enc a-b",
                " /enc a-b",
                " \u{2013}enc a-b",
                " \u{2014}enc a-b",
                " \u{2015}enc a-b"
            ]
        );
        assert_eq!(windash("a-b"), ["a-b"]);
    }
}
