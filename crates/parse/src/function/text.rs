//! `lower`, `upper`, `trim`, `undouble`, `basename`, `argv`, `hex`, `list` (`split`), `join`.

use std::borrow::Cow;

use super::{Function, Scope, StepError, StepSource};
use crate::frame::{Frame, Piece, Symbol};

/// A function of one text.
struct OfText {
    from: Symbol,
    to: Symbol,
    detail: String,
    compute: for<'a> fn(Cow<'a, str>, &str) -> Option<Piece<'a>>,
}

impl std::fmt::Debug for OfText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfText")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

impl Function for OfText {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let text = frame.get(self.from).and_then(Piece::text);
        if let Some(piece) = text.and_then(|text| (self.compute)(text, &self.detail)) {
            frame.put(self.to, piece);
        }
    }
}

fn of_text(
    source: &StepSource,
    scope: &mut Scope<'_>,
    detail: &str,
    compute: for<'a> fn(Cow<'a, str>, &str) -> Option<Piece<'a>>,
) -> Result<Box<dyn Function>, StepError> {
    let from = source.operand(scope)?;
    let to = match source.to.as_slice() {
        [] => from,
        _ => source.result(scope)?,
    };
    Ok(Box::new(OfText {
        from,
        to,
        detail: detail.to_owned(),
        compute,
    }))
}

type Compiled = Result<Box<dyn Function>, StepError>;

pub(super) fn lower(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| {
        let lower = text.chars().any(char::is_uppercase);
        let text = if lower {
            Cow::Owned(text.to_lowercase())
        } else {
            text
        };
        Some(Piece::Text(text))
    })
}

pub(super) fn upper(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| {
        Some(Piece::Text(Cow::Owned(text.to_uppercase())))
    })
}

pub(super) fn trim(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    let chars = source.chars.as_deref().unwrap_or(" \t\r\n");
    of_text(source, scope, chars, |text, chars| {
        let is = |letter: char| chars.contains(letter);
        Some(Piece::Text(part(text, |text| text.trim_matches(is))))
    })
}

/// A hardware address as ECS writes it: `00-00-5E-00-53-23`.
pub(super) fn mac(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| {
        let digits = text
            .bytes()
            .filter(u8::is_ascii_hexdigit)
            .map(|byte| byte.to_ascii_uppercase());
        let mut written = String::with_capacity(17);
        for (place, digit) in digits.enumerate() {
            if place > 0 && place % 2 == 0 {
                written.push('-');
            }
            written.push(char::from(digit));
        }
        (written.len() == 17).then_some(Piece::Text(Cow::Owned(written)))
    })
}

/// `""` → `"`: what stands inside a quoted value of CSV.
pub(super) fn undouble(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| {
        let doubled = text.contains("\"\"");
        let text = if doubled {
            Cow::Owned(text.replace("\"\"", "\""))
        } else {
            text
        };
        Some(Piece::Text(text))
    })
}

pub(super) fn basename(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| {
        Some(Piece::Text(part(text, |text| {
            let path = text.trim_end_matches(['/', '\\']);
            path.rsplit(['/', '\\']).next().unwrap_or(path)
        })))
    })
}

pub(super) fn hex(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| unhex_text(&text))
}

/// Bytes written in hexadecimal → text; NUL between arguments becomes a space. `None` if it is not hexadecimal.
fn unhex_text(text: &str) -> Option<Piece<'static>> {
    let digits = text.trim().as_bytes();
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    let value = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    let (pairs, _) = digits.as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(value(*high)? << 4 | value(*low)?))
        .map(|byte| byte.map(|byte| if byte == 0 { b' ' } else { byte }))
        .collect();
    let text = String::from_utf8_lossy(&bytes?).trim_end().to_owned();
    Some(Piece::Text(Cow::Owned(text)))
}

/// Arguments beyond these are left out.
const ARGUMENTS_MAX: usize = 256;

pub(super) fn argv(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    of_text(source, scope, "", |text, _| {
        let arguments = arguments(&text);
        let pieces = arguments
            .into_iter()
            .map(|text| Piece::Text(Cow::Owned(text)));
        Some(Piece::List(pieces.collect()))
    })
}

/// A command line taken apart as a shell does, without expansions.
fn arguments(text: &str) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut argument: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '"' | '\'') => {
                quote = Some(letter);
                argument.get_or_insert_default();
            }
            (Some(open), _) if letter == open => quote = None,
            (None | Some('"'), '\\') => argument.get_or_insert_default().extend(letters.next()),
            (None, _) if letter.is_whitespace() => arguments.extend(argument.take()),
            _ => argument.get_or_insert_default().push(letter),
        }
        if arguments.len() >= ARGUMENTS_MAX {
            return arguments;
        }
    }
    arguments.extend(argument);
    arguments
}

pub(super) fn list(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    let separator = source.separator.as_deref().unwrap_or(",");
    of_text(source, scope, separator, |text, separator| {
        let pieces = text
            .split(separator)
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .take(ARGUMENTS_MAX)
            .map(|part| Piece::Text(Cow::Owned(part.to_owned())));
        Some(Piece::List(pieces.collect()))
    })
}

#[derive(Debug)]
struct Hash {
    from: Symbol,
    md5: Symbol,
    sha1: Symbol,
    sha256: Symbol,
}

/// A hash, told by its length → `to`.md5, `to`.sha1 or `to`.sha256.
pub(super) fn hash(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    let [base] = source.to.as_slice() else {
        return Err(source.needs("one name in `to`"));
    };
    let mut member = |name: &str| scope.symbols.intern_output(&format!("{base}.{name}"));
    let (md5, sha1, sha256) = (member("md5"), member("sha1"), member("sha256"));
    Ok(Box::new(Hash {
        from: source.operand(scope)?,
        md5,
        sha1,
        sha256,
    }))
}

impl Function for Hash {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        let to = match text.len() {
            32 => self.md5,
            40 => self.sha1,
            64 => self.sha256,
            _ => return,
        };
        if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            frame.put(to, Piece::Text(text));
        }
    }
}

#[derive(Debug)]
struct Join {
    from: Box<[Symbol]>,
    to: Symbol,
    separator: Box<str>,
}

pub(super) fn join(source: &StepSource, scope: &mut Scope<'_>) -> Compiled {
    Ok(Box::new(Join {
        from: source.operands(scope)?,
        to: source.result(scope)?,
        separator: source.separator.as_deref().unwrap_or(" ").into(),
    }))
}

impl Function for Join {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let texts = self
            .from
            .iter()
            .filter_map(|from| frame.get(*from)?.to_text());
        let joined = texts.collect::<Vec<_>>().join(&self.separator);
        frame.put(self.to, Piece::Text(Cow::Owned(joined)));
    }
}

/// A part of a text, borrowed where the text is.
pub(super) fn part<'a>(text: Cow<'a, str>, cut: impl Fn(&str) -> &str) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text)),
        Cow::Owned(text) => Cow::Owned(cut(&text).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_taken_apart_as_a_shell_does() {
        assert_eq!(
            arguments(r#"sh -c 'a b' "c \"d" e\ f ''"#),
            ["sh", "-c", "a b", "c \"d", "e f", ""]
        );
        assert_eq!(arguments(&"x ".repeat(1000)).len(), ARGUMENTS_MAX);
    }

    #[test]
    fn hexadecimal_bytes_become_text() {
        assert_eq!(unhex_text("6C73002D6C"), Some(Piece::Text("ls -l".into())));
        assert_eq!(unhex_text("6C7"), None);
        assert_eq!(unhex_text("zz"), None);
    }
}
