//! Backslash escapes, undone.

use std::borrow::Cow;

use memchr::memchr;

/// `text` with `meaning(c)` in the place of each `\c`; where `meaning` gives none, both characters stay.
pub(super) fn backslashes(text: &str, meaning: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    let Some(first) = memchr(b'\\', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(text.get(..first).unwrap_or_default());
    let mut characters = text.get(first..).unwrap_or_default().chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some(escaped) => match meaning(escaped) {
                Some(meant) => plain.push(meant),
                None => plain.extend(['\\', escaped]),
            },
            None => plain.push('\\'),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_escapes_are_undone_and_others_stay() {
        let known = |c| matches!(c, '=' | '\\').then_some(c);
        assert_eq!(backslashes(r"a\=b\\c\nd\", known), r"a=b\c\nd\");
        assert!(matches!(
            backslashes("plain", known),
            Cow::Borrowed("plain")
        ));
    }
}
