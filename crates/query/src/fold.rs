//! Case and diacritics: what makes two texts the same.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// The text in lower case and NFC. Borrowed where it is so already and ASCII.
#[must_use]
pub fn lower(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(lower_chars(text).collect());
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

/// The text in lower case, NFC and without diacritics: `Đặng` gives `dang`. Borrowed where it is so already and ASCII.
#[must_use]
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return lower(text);
    }
    Cow::Owned(fold_chars(text).collect())
}

/// Appends [`lower`] of the text, without an allocation of its own.
pub fn lower_into(text: &str, buffer: &mut String) {
    if text.is_ascii() {
        append_ascii_lower(text, buffer);
    } else {
        buffer.extend(lower_chars(text));
    }
}

/// Appends [`fold`] of the text, without an allocation of its own.
pub fn fold_into(text: &str, buffer: &mut String) {
    if text.is_ascii() {
        append_ascii_lower(text, buffer);
    } else {
        buffer.extend(fold_chars(text));
    }
}

fn append_ascii_lower(text: &str, buffer: &mut String) {
    let start = buffer.len();
    buffer.push_str(text);
    if let Some(appended) = buffer.get_mut(start..) {
        appended.make_ascii_lowercase();
    }
}

fn lower_chars(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase).nfc()
}

/// Decomposed, marks dropped, composed again: the last step keeps Hangul in one piece.
fn fold_chars(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .flat_map(char::to_lowercase)
        .nfd()
        .filter(|&c| canonical_combining_class(c) == 0)
        .map(|c| if c == 'đ' { 'd' } else { c })
        .nfc()
}

/// A text to be found whatever its case: without diacritics it equals any, with diacritics only itself.
///
/// ```
/// use query::TextKey;
///
/// assert!(TextKey::new("nguyen").matches("NGUYỄN"));
/// assert!(TextKey::new("Nguyễn").matches("nguyễn"));
/// assert!(!TextKey::new("Nguyễn").matches("nguyen"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextKey {
    text: Box<str>,
    marked: bool,
}

impl TextKey {
    /// The key of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let lower = lower(text);
        let marked = fold(&lower) != lower;
        Self {
            text: lower.into(),
            marked,
        }
    }

    /// The text in lower case and NFC; without diacritics unless it is [`marked`](Self::is_marked). The term to look
    /// up in postings that hold both [`fold`] and [`lower`] of each word.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has diacritics, and so is compared with [`lower`] of a text, not with [`fold`].
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.marked
    }

    /// Whether the whole value is this text.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        if value.is_ascii() {
            return value.eq_ignore_ascii_case(&self.text);
        }
        if self.marked {
            lower_chars(value).eq(self.text.chars())
        } else {
            fold_chars(value).eq(self.text.chars())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_without_diacritics_equals_any_and_one_with_them_only_itself() {
        let check = |key: &str, value: &str, expected| {
            assert_eq!(TextKey::new(key).matches(value), expected, "{key} {value}");
        };
        check("dang", "Đặng", true);
        check("đặng", "ĐẶNG", true);
        check("đang", "đặng", false);
        check("đặng", "dang", false);
        check("Quyết", "Quye\u{302}\u{301}t", true);
        check("Quye\u{302}\u{301}t", "QUYẾT", true);
        check("Root", "rOOT", true);
        check("root", "roots", false);
        check("", "", true);
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,12}") {
            let once = fold(&text).into_owned();
            prop_assert_eq!(fold(&once), once.as_str());
            let mut appended = String::from("x");
            fold_into(&text, &mut appended);
            prop_assert_eq!(appended, format!("x{once}"));
        }

        #[test]
        fn every_text_equals_itself_in_any_normal_form(text in "[ -~à-ỹĐđ]{0,12}") {
            let decomposed: String = text.nfd().collect();
            prop_assert!(TextKey::new(&text).matches(&decomposed));
            prop_assert!(TextKey::new(&fold(&text)).matches(&text));
        }
    }
}
