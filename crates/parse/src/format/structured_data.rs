//! STRUCTURED-DATA of RFC 5424: `[id name="value" …][…]`.

use std::borrow::Cow;

use memchr::memchr2;

use super::pairs::{Bare, Quotes, Spec, pairs};
use super::slot::closing_quote;

/// Splits the structured data off the start of `text`; `None` where none starts or an element is not closed.
pub(crate) fn span(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    while rest.starts_with('[') {
        let (_, after) = element(rest)?;
        rest = after;
    }
    let data = text.get(..text.len() - rest.len())?;
    (!data.is_empty()).then_some((data, rest))
}

/// Hands each parameter to `each`: the element's id, the name, the value. An element without parameters gives none.
pub(crate) fn params<'a>(data: &'a str, mut each: impl FnMut(&'a str, &'a str, Cow<'a, str>)) {
    let mut rest = data;
    while let Some((inner, after)) = element(rest) {
        let (id, parameters) = inner.split_once(' ').unwrap_or((inner, ""));
        pairs(parameters, PARAMETERS, |name, value| {
            each(id, name, unbracket(value));
        });
        rest = after;
    }
}

const PARAMETERS: Spec = Spec {
    assign: b'=',
    between: b' ',
    quotes: Quotes::Double,
    bare: Bare::UpToSeparator,
};

/// `\]` is the one escape that other formats lack.
fn unbracket(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.contains("\\]") {
        return Cow::Owned(value.replace("\\]", "]"));
    }
    value
}

/// What stands in the brackets that `text` starts with, and what follows them.
///
/// It begins with an SD-ID, which holds neither `=` nor `"` (RFC 5424 §6.3.2): Check Point's `[action:"Drop"; …]` is text.
fn element(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let id = inner.split([' ', ']']).next()?;
    if id.is_empty() || id.contains(['=', '"']) {
        return None;
    }
    let bytes = inner.as_bytes();
    let mut at = 0;
    loop {
        let stop = at + memchr2(b'"', b']', bytes.get(at..)?)?;
        if bytes.get(stop) == Some(&b']') {
            return Some((inner.get(..stop)?, inner.get(stop + 1..)?));
        }
        at = stop + 2 + closing_quote(bytes.get(stop + 1..)?, b'"')?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(data: &str) -> Vec<String> {
        let mut found = Vec::new();
        params(data, |id, name, value| {
            found.push(format!("{id}.{name}={value}"));
        });
        found
    }

    #[test]
    fn elements_are_told_from_the_message() {
        let check = |text, expected| assert_eq!(span(text), expected, "{text}");
        check("[a x=\"1\"][b] rest", Some(("[a x=\"1\"][b]", " rest")));
        check("[a x=\"]\"] [not]", Some(("[a x=\"]\"]", " [not]")));
        check(r#"[a x="\"]"]"#, Some((r#"[a x="\"]"]"#, "")));
        check("[a x=\"1", None);
        check("[a", None);
        check(r#"[action:"Drop"; src:"192.0.2.1"]"#, None);
        check("[=x]", None);
        check("- x", None);
        check("", None);
    }

    #[test]
    fn parameters_are_read_with_their_escapes() {
        assert_eq!(
            read(r#"[meta sequenceId="7"][x@32473 a="b\]c" d="e \"f\" \\"][empty]"#),
            ["meta.sequenceId=7", "x@32473.a=b]c", r#"x@32473.d=e "f" \"#]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[\\[\\]a=\"\\\\ é]{0,60}") {
            if let Some((data, rest)) = span(&text) {
                prop_assert_eq!(format!("{data}{rest}"), text.clone());
            }
            read(&text);
        }
    }
}
