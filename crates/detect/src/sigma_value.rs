//! Sigma's values: wildcards, where a text must stand, and the rewritings that modifiers ask for
//! (<https://sigmahq.io/sigma-specification/specification/sigma-appendix-modifiers.html>).

use event::Value;
use query::{Condition as Ask, Literal, Pattern, Piece, Regex};
use yaml_serde::Value as Yaml;

/// Where in the field's value a text must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Little-endian behind a byte order mark.
    Utf16,
}

/// Whether the text of one value stands in that place of another's.
pub(crate) fn stands_in(text: Value<'_>, value: Value<'_>, place: Place, cased: bool) -> bool {
    let (text, value) = (text.to_text(), value.to_text());
    let (text, value) = if cased {
        (text, value)
    } else {
        (
            query::lower(&text).into_owned().into(),
            query::lower(&value).into_owned().into(),
        )
    };
    match place {
        Place::Whole => value == text,
        Place::Start => value.starts_with(&*text),
        Place::End => value.ends_with(&*text),
        Place::Anywhere => value.contains(&*text),
    }
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

/// The texts that stand for this one, by these rewritings in their order.
///
/// Encodings work on bytes: what comes of the last of them must be text again, so that UTF-16 of other than ASCII goes
/// on to base64.
pub(crate) fn rewritten(text: &str, rewrites: &[Rewrite]) -> Result<Vec<String>, String> {
    let encodes = rewrites
        .iter()
        .any(|rewrite| !matches!(rewrite, Rewrite::Windash));
    if !encodes {
        let mut texts = vec![text.to_owned()];
        for _ in rewrites {
            texts = texts
                .iter()
                .map(|text| windash(text))
                .collect::<Result<Vec<_>, _>>()?
                .concat();
        }
        return Ok(texts);
    }
    let mut values = vec![plain(text)?.into_bytes()];
    for rewrite in rewrites {
        values = values
            .iter()
            .map(|bytes| rewrite.apply(bytes))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
    }
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).map_err(
            |_| "UTF-16 of such a text is no text: let `base64` or `base64offset` follow",
        )?;
        Ok(escaped(&text))
    };
    values.into_iter().map(text).collect()
}

/// The text without its escapes; wildcards cannot be encoded.
fn plain(text: &str) -> Result<String, String> {
    match pieces(text).as_slice() {
        [] => Ok(String::new()),
        [Piece::Text(text)] => Ok(text.to_string()),
        _ => Err("a text with wildcards cannot be encoded".to_owned()),
    }
}

/// The text with escapes, so that it stands for itself.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl Rewrite {
    /// The bytes that stand for these.
    fn apply(self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
        let text = || {
            std::str::from_utf8(bytes)
                .map_err(|_| "what is encoded already is no text to be encoded again".to_owned())
        };
        let utf16 = |bytes: fn(u16) -> [u8; 2]| {
            Ok::<_, String>(text()?.encode_utf16().flat_map(bytes).collect::<Vec<u8>>())
        };
        Ok(match self {
            Self::Windash => windash(text()?)?
                .into_iter()
                .map(String::into_bytes)
                .collect(),
            Self::Base64 => vec![base64(bytes).into_bytes()],
            Self::Base64Offset => base64_offsets(bytes)
                .into_iter()
                .map(String::into_bytes)
                .collect(),
            Self::Utf16Le => vec![utf16(u16::to_le_bytes)?],
            Self::Utf16Be => vec![utf16(u16::to_be_bytes)?],
            Self::Utf16 => vec![[&[0xff, 0xfe], utf16(u16::to_le_bytes)?.as_slice()].concat()],
        })
    }
}

/// The dashes that Windows programs take for the one of an option: hyphen, slash, en dash, em dash, horizontal bar.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// Each dash multiplies the texts by five.
const DASHES_MAX: usize = 5;

/// The text with the dash of each of its options written in each way, all combinations of them.
///
/// As the reference implementation has it, a hyphen or slash begins an option where no letter or digit stands before it
/// and one follows.
fn windash(text: &str) -> Result<Vec<String>, String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut texts = vec![String::new()];
    let mut options = 0;
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let begins = matches!(c, '-' | '/')
            && !before.is_some_and(is_word)
            && chars.peek().copied().is_some_and(is_word);
        before = Some(c);
        if !begins {
            texts.iter_mut().for_each(|text| text.push(c));
            continue;
        }
        options += 1;
        if options > DASHES_MAX {
            return Err(format!(
                "`windash` of more than {DASHES_MAX} options gives too many texts"
            ));
        }
        texts = texts
            .iter()
            .flat_map(|head| DASHES.iter().map(move |dash| format!("{head}{dash}")))
            .collect();
    }
    Ok(texts)
}

/// The text of a scalar; `None` for null.
pub(crate) fn scalar(value: &Yaml) -> Result<Option<String>, String> {
    match value {
        Yaml::Null => Ok(None),
        Yaml::String(text) => Ok(Some(text.clone())),
        Yaml::Number(number) => Ok(Some(number.to_string())),
        Yaml::Bool(yes) => Ok(Some(yes.to_string())),
        Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
            Err("a value must be text, a number, true, false or null".to_owned())
        }
    }
}

/// A pattern without wildcards is an equality, which can be looked up, and `*` alone asks for any value.
fn whole(pieces: Vec<Piece>) -> Ask {
    let pattern = Pattern::new(pieces);
    match pattern.pieces() {
        [Piece::Text(text)] => Ask::Is(Literal::new(text)),
        [Piece::Run] => Ask::Exists,
        _ => Ask::Like(pattern),
    }
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
            windash(" -enc a-b").unwrap(),
            [
                " -enc a-b",
                " /enc a-b",
                " \u{2013}enc a-b",
                " \u{2014}enc a-b",
                " \u{2015}enc a-b"
            ]
        );
        assert_eq!(windash("a-b - /").unwrap(), ["a-b - /"]);
        assert_eq!(windash("-a /b").unwrap().len(), 25);
        assert!(windash(&"-a ".repeat(6)).is_err());
    }
}
