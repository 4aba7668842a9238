//! IBM's Log Event Extended Format, versions 1.0 and 2.0.
//!
//! `LEEF:1.0|Vendor|Product|Version|EventID|` and tab-separated pairs; 2.0 adds a delimiter: one character, or its
//! code as `x09` or `0x5E`, or nothing (a tab).

use std::borrow::Cow;

use super::pairs::{self, Bare, Quotes, Spec};

/// The head of a message, and its attributes as they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leef<'a> {
    /// `1.0` or `2.0`.
    pub(crate) version: &'a str,
    /// Vendor.
    pub(crate) vendor: &'a str,
    /// Product.
    pub(crate) product: &'a str,
    /// The product's version.
    pub(crate) product_version: &'a str,
    /// EventID.
    pub(crate) event_id: &'a str,
    attributes: &'a str,
    delimiter: u8,
}

/// Reads the message whose `LEEF:` stands anywhere in `text`; `None` where there is none or a part of its head lacks.
pub(crate) fn read(text: &str) -> Option<Leef<'_>> {
    let (_, head) = text.split_once("LEEF:")?;
    let mut parts = head.trim_start_matches(' ').splitn(6, '|');
    let version = parts.next()?;
    let (vendor, product) = (parts.next()?, parts.next()?);
    let (product_version, event_id) = (parts.next()?, parts.next()?);
    let rest = parts.next().unwrap_or_default();
    let (delimiter, attributes) = match version.starts_with('2').then(|| rest.split_once('|')) {
        Some(Some((sign, attributes))) if sign.len() <= 4 => (delimiter(sign)?, attributes),
        _ => (b'\t', rest),
    };
    Some(Leef {
        version,
        vendor,
        product,
        product_version,
        event_id,
        attributes,
        delimiter,
    })
}

/// The delimiter that a head names.
fn delimiter(sign: &str) -> Option<u8> {
    let code = sign.strip_prefix("0x").or_else(|| sign.strip_prefix('x'));
    match (sign.as_bytes(), code) {
        ([], _) => Some(b'\t'),
        ([byte], _) => Some(*byte),
        (_, Some(code)) => u8::from_str_radix(code, 16).ok(),
        _ => None,
    }
}

impl<'a> Leef<'a> {
    /// Hands each attribute to `each`. Where a sender wrote spaces for the tabs, values end at the next key.
    pub(crate) fn attributes(&self, each: impl FnMut(&'a str, Cow<'a, str>)) {
        let spaces = !self.attributes.as_bytes().contains(&self.delimiter);
        let spec = Spec {
            assign: b'=',
            between: if spaces { b' ' } else { self.delimiter },
            quotes: Quotes::None,
            bare: if spaces {
                Bare::UpToNextKey
            } else {
                Bare::UpToSeparator
            },
        };
        pairs::pairs(self.attributes, spec, each);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, event_id: &str, expected: &[(&str, &str)]) {
        let leef = read(text).unwrap_or_else(|| panic!("{text} is LEEF"));
        let mut found = Vec::new();
        leef.attributes(|key, value| found.push((key, value.into_owned())));
        let expected: Vec<_> = expected
            .iter()
            .map(|(k, v)| (*k, (*v).to_owned()))
            .collect();
        assert_eq!((leef.event_id, found), (event_id, expected), "{text}");
    }

    #[test]
    fn both_versions_and_every_delimiter_are_read() {
        check(
            "LEEF:1.0|Acme|Fw|3|login|src=192.0.2.1\tusrName=an\tmsg=a b=c",
            "login",
            &[("src", "192.0.2.1"), ("usrName", "an"), ("msg", "a b=c")],
        );
        check(
            "x LEEF:2.0|Acme|Fw|3|login|^|src=192.0.2.1^msg=a b",
            "login",
            &[("src", "192.0.2.1"), ("msg", "a b")],
        );
        check(
            "LEEF:2.0|Acme|Fw|3|login|x7C|src=192.0.2.1|msg=a b",
            "login",
            &[("src", "192.0.2.1"), ("msg", "a b")],
        );
        check(
            "LEEF:2.0|Acme|Fw|3|login|0x09|src=1\tdst=2",
            "login",
            &[("src", "1"), ("dst", "2")],
        );
        check(
            "LEEF:2.0|Acme|Fw|3|login||src=1\tdst=2",
            "login",
            &[("src", "1"), ("dst", "2")],
        );
        check(
            "LEEF:1.0|Acme|Fw|3|7|src=1 msg=two words dst=2",
            "7",
            &[("src", "1"), ("msg", "two words"), ("dst", "2")],
        );
        check("LEEF:1.0|Acme|Fw|3|7", "7", &[]);
        assert!(read("LEEF:1.0|a|b").is_none() && read("x").is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "LEEF:[12]?[.0|^x7a=\t é]{0,60}") {
            if let Some(leef) = read(&text) {
                leef.attributes(|_, _| ());
            }
        }
    }
}
