//! `key=value` pairs, with any separators and quotes.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::slot::closing_quote;
use super::unescape::backslashes;

/// How pairs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Between a key and its value.
    pub(crate) assign: u8,
    /// Between pairs; a space stands for any number of spaces and tabs. Spaces around other separators are dropped.
    pub(crate) between: u8,
    /// What may enclose a value; a backslash inside takes the meaning from a quote or a backslash.
    pub(crate) quotes: Quotes,
    /// What an unquoted value may hold.
    pub(crate) bare: Bare,
}

/// What may enclose a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    /// Nothing: quotes are text.
    None,
    /// `"…"`.
    Double,
    /// `"…"` or `'…'`.
    Both,
}

/// What an unquoted value may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Anything but the separator.
    UpToSeparator,
    /// Separators too: the value ends where the last word before the next `key=` starts (CEF does so).
    UpToNextKey,
}

/// Hands each pair of `text` to `each`, in order. Words that are no pair are skipped; an unclosed quote is text.
pub(crate) fn pairs<'a>(text: &'a str, spec: Spec, mut each: impl FnMut(&'a str, Cow<'a, str>)) {
    let mut rest = text;
    while let Some((key, value)) = next_key(&mut rest, spec) {
        let value = take_value(value, spec, &mut rest);
        each(key, value);
    }
}

/// The next key and what follows its assignment; words without one are skipped.
fn next_key<'a>(rest: &mut &'a str, spec: Spec) -> Option<(&'a str, &'a str)> {
    loop {
        let text = skip_separators(rest, spec);
        let stop = memchr2(spec.assign, spec.between, text.as_bytes())?;
        let (word, after) = text.split_at_checked(stop)?;
        let after_stop = after.get(1..)?;
        let is_assign = after.as_bytes().first() == Some(&spec.assign);
        let key = match spec.between {
            b' ' => word.rsplit(['\t', '\n', '\r']).next().unwrap_or(word),
            _ => word.trim_ascii(),
        };
        if is_assign && !key.is_empty() {
            return Some((key, after_stop));
        }
        *rest = after_stop;
    }
}

fn skip_separators(rest: &str, spec: Spec) -> &str {
    let separator = char::from(spec.between);
    rest.trim_start_matches([' ', '\t', '\r', '\n', separator])
}

fn take_value<'a>(text: &'a str, spec: Spec, rest: &mut &'a str) -> Cow<'a, str> {
    let text = match spec.between {
        b' ' => text,
        _ => text.trim_start_matches(' '),
    };
    if let Some((value, after)) = quoted(text, spec) {
        *rest = after;
        return value;
    }
    let end = match spec.bare {
        Bare::UpToSeparator => separator(text, spec),
        Bare::UpToNextKey => next_key_start(text, spec),
    };
    let (value, after) = text.split_at_checked(end).unwrap_or((text, ""));
    *rest = after;
    Cow::Borrowed(value.trim_ascii_end())
}

fn separator(text: &str, spec: Spec) -> usize {
    let end = match spec.between {
        b' ' => memchr::memchr3(b' ', b'\t', b'\n', text.as_bytes()),
        byte => memchr(byte, text.as_bytes()),
    };
    end.unwrap_or(text.len())
}

fn quoted<'a>(text: &'a str, spec: Spec) -> Option<(Cow<'a, str>, &'a str)> {
    let quote = *text.as_bytes().first()?;
    let allowed = match spec.quotes {
        Quotes::None => false,
        Quotes::Double => quote == b'"',
        Quotes::Both => matches!(quote, b'"' | b'\''),
    };
    let inner = text.get(1..).filter(|_| allowed)?;
    let end = closing_quote(inner.as_bytes(), quote)?;
    let plain = backslashes(inner.get(..end)?, |c| {
        matches!(c, '"' | '\'' | '\\').then_some(c)
    });
    Some((plain, inner.get(end + 1..)?))
}

/// Where the word starts that the next assignment belongs to; the end of the text where there is none.
pub(super) fn next_key_start(text: &str, spec: Spec) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr2(spec.assign, b'\\', bytes.get(at..).unwrap_or_default()) {
        let stop = at + found;
        if bytes.get(stop) == Some(&b'\\') {
            at = stop + 2;
            continue;
        }
        let before = bytes.get(..stop).unwrap_or_default();
        let key_bytes = before.iter().rev().take_while(|b| is_key_byte(**b)).count();
        let start = stop - key_bytes;
        let separated = start.checked_sub(1).is_some_and(|at| {
            bytes
                .get(at)
                .is_some_and(|b| *b == spec.between || b.is_ascii_whitespace())
        });
        if key_bytes > 0 && separated {
            return start;
        }
        at = stop + 1;
    }
    text.len()
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPACES: Spec = Spec {
        assign: b'=',
        between: b' ',
        quotes: Quotes::Double,
        bare: Bare::UpToSeparator,
    };

    fn read(text: &str, spec: Spec) -> Vec<(String, String)> {
        let mut found = Vec::new();
        pairs(text, spec, |key, value| {
            found.push((key.to_owned(), value.into_owned()));
        });
        found
    }

    fn check(spec: Spec, text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        assert_eq!(read(text, spec), expected, "{text}");
    }

    #[test]
    fn pairs_are_read_with_their_separators_and_quotes() {
        check(
            SPACES,
            r#"date=2026-10-11 msg="a b=c \"d\"" empty= n="" last=x"#,
            &[
                ("date", "2026-10-11"),
                ("msg", "a b=c \"d\""),
                ("empty", ""),
                ("n", ""),
                ("last", "x"),
            ],
        );
        check(
            SPACES,
            "word a=1  other\tb=2 =3 c==4",
            &[("a", "1"), ("b", "2"), ("c", "=4")],
        );
        check(SPACES, r#"a="open b=2"#, &[("a", "\"open"), ("b", "2")]);
        check(
            Spec {
                between: b',',
                ..SPACES
            },
            r#"a=1, b = x y ,c="p,q""#,
            &[("a", "1"), ("b", "x y"), ("c", "p,q")],
        );
        check(
            Spec {
                assign: b':',
                between: b';',
                ..SPACES
            },
            "k:1;l: a b;m",
            &[("k", "1"), ("l", "a b")],
        );
        check(
            Spec {
                quotes: Quotes::Both,
                ..SPACES
            },
            "a='x y' b=\"z\"",
            &[("a", "x y"), ("b", "z")],
        );
        check(
            Spec {
                quotes: Quotes::None,
                ..SPACES
            },
            "a='x y' b=\"z\"",
            &[("a", "'x"), ("b", "\"z\"")],
        );
        check(
            Spec {
                bare: Bare::UpToNextKey,
                ..SPACES
            },
            "a=x y z b=1 c=p = q",
            &[("a", "x y z"), ("b", "1"), ("c", "p = q")],
        );
        check(SPACES, "", &[]);
        check(SPACES, "===", &[]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-c=\"'\\\\ ,;\té]{0,80}", assign in "[=:]", between in "[ ,;]") {
            let assign = assign.as_bytes()[0];
            let between = between.as_bytes()[0];
            for bare in [Bare::UpToSeparator, Bare::UpToNextKey] {
                let spec = Spec { assign, between, quotes: Quotes::Both, bare };
                for (key, value) in read(&text, spec) {
                    prop_assert!(!key.is_empty() && key.len() + value.len() < text.len() + 1);
                }
            }
        }

        #[test]
        fn what_is_written_is_read_back(written in proptest::collection::vec(("[a-z_]{1,8}", "[a-z=\", \\\\é]{0,12}"), 0..8)) {
            let quote = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
            let text: Vec<String> = written.iter().map(|(k, v)| format!("{k}=\"{}\"", quote(v))).collect();
            prop_assert_eq!(read(&text.join(" "), SPACES), written);
        }
    }
}
