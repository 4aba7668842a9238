//! A request's body taken apart into items: NDJSON, or the elements of one JSON array.
//!
//! An item is a range of the body, its exact bytes. Nothing is refused for what an item says; one that is not JSON is
//! marked.

use std::ops::Range;

use event::Mark;
use memchr::memchr;
use serde::de::IgnoredAny;

/// One item of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where its bytes lie in the body.
    pub(crate) range: Range<usize>,
    /// [`Mark::NotJson`], or nothing amiss.
    pub(crate) mark: Option<Mark>,
}

/// How the sender said that the items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// One item a line.
    Lines,
    /// Whatever the body looks like: a JSON array, one JSON value, or lines.
    AsItLooks,
}

/// Why a body cannot be taken apart at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    #[error(
        "the body starts like a JSON array and is none: byte {at}: {reason}; send a whole array, or one item a line as application/x-ndjson"
    )]
    NotAnArray { at: usize, reason: &'static str },
    #[error("more than {items_max} items in one request: send them in several")]
    TooMany { items_max: usize },
}

/// Takes `body` apart into at most `items_max` items.
pub(crate) fn split(
    body: &[u8],
    written: Written,
    items_max: usize,
) -> Result<Vec<Item>, SplitError> {
    let content = trim(body, 0..body.len());
    let first = body.get(content.start).copied();
    match (written, first) {
        (Written::AsItLooks, Some(b'[')) => split_array(body, content, items_max),
        (Written::AsItLooks, Some(b'{')) if is_one_value(body, &content) => Ok(vec![Item {
            range: content,
            mark: None,
        }]),
        _ => split_lines(body, items_max),
    }
}

/// Whether `bytes` are one JSON value and nothing else.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// The lines of `body` without their terminators (LF or CR LF), and without blank ones.
pub(crate) fn lines(body: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = body.get(start..).filter(|rest| !rest.is_empty())?;
        let end = start + memchr(b'\n', rest).unwrap_or(rest.len());
        let line = start..end;
        start = end + 1;
        Some(line)
    })
    .map(|line| trim(body, line))
    .filter(|line| !line.is_empty())
}

fn split_lines(body: &[u8], items_max: usize) -> Result<Vec<Item>, SplitError> {
    let mut items = Vec::new();
    for range in lines(body) {
        admit(&items, items_max)?;
        items.push(item(body, range));
    }
    Ok(items)
}

/// A JSON object over several lines is one item; one whose first line is whole is the first of many.
fn is_one_value(body: &[u8], content: &Range<usize>) -> bool {
    let several_lines = lines(body).nth(1).is_some();
    let first_line_is_whole = lines(body)
        .next()
        .is_some_and(|line| is_json(body.get(line).unwrap_or_default()));
    several_lines && !first_line_is_whole && is_json(body.get(content.clone()).unwrap_or_default())
}

fn split_array(
    body: &[u8],
    content: Range<usize>,
    items_max: usize,
) -> Result<Vec<Item>, SplitError> {
    let mut items = Vec::new();
    let mut elements = Elements {
        body,
        at: content.start + 1,
    };
    let end = loop {
        let (element, closer) = elements.next()?;
        let range = trim(body, element);
        let only_brackets = closer == b']' && items.is_empty();
        if !(range.is_empty() && only_brackets) {
            if range.is_empty() {
                return Err(SplitError::NotAnArray {
                    at: range.start,
                    reason: "an element is missing",
                });
            }
            admit(&items, items_max)?;
            items.push(item(body, range));
        }
        if closer == b']' {
            break elements.at;
        }
    };
    if end != content.end {
        return Err(SplitError::NotAnArray {
            at: end,
            reason: "something follows the array",
        });
    }
    Ok(items)
}

/// Walks over the elements of an array, looking at brackets and strings alone.
struct Elements<'a> {
    body: &'a [u8],
    at: usize,
}

impl Elements<'_> {
    /// The next element, and the comma or bracket that ends it.
    fn next(&mut self) -> Result<(Range<usize>, u8), SplitError> {
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.body.get(self.at).copied() {
            match byte {
                b'"' => self.skip_string(),
                b'[' | b'{' => depth += 1,
                b',' | b']' if depth == 0 => {
                    let element = start..self.at;
                    self.at += 1;
                    return Ok((element, byte));
                }
                b'}' if depth == 0 => return Err(self.wrong("a brace closes that none opened")),
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        Err(self.wrong("the body ends inside the array"))
    }

    /// Goes to the quote that closes the string begun here, or to the end of the body.
    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.body.get(self.at) {
            match byte {
                b'"' => return,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    fn wrong(&self, reason: &'static str) -> SplitError {
        SplitError::NotAnArray {
            at: self.at.min(self.body.len()),
            reason,
        }
    }
}

fn item(body: &[u8], range: Range<usize>) -> Item {
    let sound = is_json(body.get(range.clone()).unwrap_or_default());
    Item {
        range,
        mark: (!sound).then_some(Mark::NotJson),
    }
}

fn admit(items: &[Item], items_max: usize) -> Result<(), SplitError> {
    if items.len() < items_max {
        Ok(())
    } else {
        Err(SplitError::TooMany { items_max })
    }
}

/// The range without JSON's white space at its ends.
fn trim(body: &[u8], range: Range<usize>) -> Range<usize> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let bytes = body.get(range.clone()).unwrap_or_default();
    let leading = bytes.iter().take_while(|byte| blank(byte)).count();
    let rest = bytes.get(leading..).unwrap_or_default();
    let trailing = rest.iter().rev().take_while(|byte| blank(byte)).count();
    range.start + leading..range.end - trailing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(body: &str, written: Written) -> Result<Vec<(&str, bool)>, SplitError> {
        let items = split(body.as_bytes(), written, 1000)?;
        Ok(items
            .into_iter()
            .map(|item| (body.get(item.range).unwrap(), item.mark.is_none()))
            .collect())
    }

    fn check(body: &str, expected: &[(&str, bool)]) {
        assert_eq!(texts(body, Written::AsItLooks), Ok(expected.to_vec()));
    }

    #[test]
    fn lines_are_items_and_blank_ones_are_none() {
        check(
            "{\"a\":1}\n\r\n {\"b\":2} \r\n",
            &[("{\"a\":1}", true), ("{\"b\":2}", true)],
        );
        check("oops\n{\"a\":1", &[("oops", false), ("{\"a\":1", false)]);
        check("", &[]);
        check("42", &[("42", true)]);
        check("\0\n{}", &[("\0", false), ("{}", true)]);
    }

    #[test]
    fn the_elements_of_an_array_are_items_byte_for_byte() {
        check(" [] ", &[]);
        check(
            "[ {\"a\": [1, {}]} ,\n\"x,]\\\"\", 3]",
            &[
                ("{\"a\": [1, {}]}", true),
                ("\"x,]\\\"\"", true),
                ("3", true),
            ],
        );
        check("[oops, {\"a\":}]", &[("oops", false), ("{\"a\":}", false)]);
    }

    #[test]
    fn an_object_over_several_lines_is_one_item() {
        check("{\n \"a\": 1\n}\n", &[("{\n \"a\": 1\n}", true)]);
        check("{\n \"a\": \n", &[("{", false), ("\"a\":", false)]);
    }

    #[test]
    fn lines_that_are_arrays_can_be_sent_by_saying_so() {
        let lines = texts("[1]\n[2]", Written::Lines);
        assert_eq!(lines, Ok(vec![("[1]", true), ("[2]", true)]));
        assert!(texts("[1]\n[2]", Written::AsItLooks).is_err());
    }

    #[test]
    fn what_cannot_be_taken_apart_is_refused_with_its_place() {
        let check = |body: &str, expected_at| match texts(body, Written::AsItLooks) {
            Err(SplitError::NotAnArray { at, .. }) => assert_eq!(at, expected_at, "{body}"),
            other => panic!("{body}: {other:?}"),
        };
        check("[", 1);
        check("[1,", 3);
        check("[1,]", 3);
        check("[,1]", 1);
        check("[1}", 2);
        check("[\"a", 3);
        check("[\"a\\", 4);
        check("[1] x", 3);
        let deep = "[".repeat(100_000);
        check(&deep, deep.len());
    }

    #[test]
    fn deep_json_is_walked_without_recursion() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(is_json(deep.as_bytes()));
    }

    #[test]
    fn the_number_of_items_has_a_limit() {
        assert!(split(b"1\n2\n", Written::Lines, 2).is_ok());
        let refused = Err(SplitError::TooMany { items_max: 2 });
        assert_eq!(split(b"1\n2\n3", Written::Lines, 2), refused);
        assert_eq!(split(b"[1,2,3]", Written::AsItLooks, 2), refused);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in "[\\[\\]{}\",:\\\\ \n0-9a]{0,80}") {
            if let Ok(items) = split(body.as_bytes(), Written::AsItLooks, 50) {
                prop_assert!(items.iter().all(|item| body.as_bytes().get(item.range.clone()).is_some()));
            }
        }

        #[test]
        fn an_array_of_json_gives_its_elements(elements in prop::collection::vec("[a-z\",\\[\\]{}\\\\]{0,12}", 0..10)) {
            let elements: Vec<String> = elements.iter().map(|text| serde_json::to_string(text).unwrap()).collect();
            let body = format!("[{}]", elements.join(" , "));
            let expected: Vec<(&str, bool)> = elements.iter().map(|text| (text.as_str(), true)).collect();
            prop_assert_eq!(texts(&body, Written::AsItLooks), Ok(expected));
        }
    }
}
