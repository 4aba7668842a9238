//! Lines of values between separators, quoted as in RFC 4180.

use std::borrow::Cow;

use memchr::memchr;

/// Hands each value of `text` to `each` with its place, from 0.
///
/// A value in double quotes may hold separators, newlines and doubled quotes; after its closing quote everything up to
/// the next separator is dropped. An unclosed quote is text.
pub(crate) fn fields<'a>(text: &'a str, delimiter: u8, mut each: impl FnMut(usize, Cow<'a, str>)) {
    let mut rest = text;
    for place in 0.. {
        let (value, after) = field(rest, delimiter);
        each(place, value);
        match after {
            Some(after) => rest = after,
            None => return,
        }
    }
}

/// The first value, and what follows its separator if one follows.
fn field(text: &str, delimiter: u8) -> (Cow<'_, str>, Option<&str>) {
    let trimmed = text.trim_start_matches(' ');
    if let Some((value, after)) = trimmed.strip_prefix('"').and_then(quoted) {
        return (value, past(after, delimiter));
    }
    let end = memchr(delimiter, text.as_bytes()).unwrap_or(text.len());
    let (value, after) = text.split_at_checked(end).unwrap_or((text, ""));
    (Cow::Borrowed(value), past(after, delimiter))
}

fn past(text: &str, delimiter: u8) -> Option<&str> {
    let at = memchr(delimiter, text.as_bytes())?;
    text.get(at + 1..)
}

/// What stands before the closing quote, and what follows it.
fn quoted(inner: &str) -> Option<(Cow<'_, str>, &str)> {
    let bytes = inner.as_bytes();
    let mut at = 0;
    let mut doubled = false;
    loop {
        let quote = at + memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(quote + 1) != Some(&b'"') {
            let value = inner.get(..quote)?;
            let value = if doubled {
                Cow::Owned(value.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(value)
            };
            return Some((value, inner.get(quote + 1..)?));
        }
        doubled = true;
        at = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, delimiter: u8) -> Vec<String> {
        let mut found = Vec::new();
        fields(text, delimiter, |place, value| {
            assert_eq!(place, found.len());
            found.push(value.into_owned());
        });
        found
    }

    #[test]
    fn values_are_read_with_their_quotes() {
        let check = |text, expected: &[&str]| assert_eq!(read(text, b','), expected, "{text}");
        check("a,b,,d", &["a", "b", "", "d"]);
        check("\"a,b\",\"c\"\"d\", \"e\" x,f", &["a,b", "c\"d", "e", "f"]);
        check("\"two\nlines\",x", &["two\nlines", "x"]);
        check("\"open,x", &["\"open", "x"]);
        check("", &[""]);
        check(",", &["", ""]);
        assert_eq!(read("a\tb", b'\t'), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec("[a-z\", é\n]{0,12}", 1..8)) {
            let written: Vec<String> = values.iter().map(|v| format!("\"{}\"", v.replace('"', "\"\""))).collect();
            prop_assert_eq!(read(&written.join(","), b','), values);
        }

        #[test]
        fn any_text_is_survived(text in "[a\",é \n]{0,60}") {
            prop_assert!(read(&text, b',').len() <= text.len() + 1);
        }
    }
}
