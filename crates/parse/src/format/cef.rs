//! ArcSight's Common Event Format (*Implementing ArcSight CEF*, revision 26).
//!
//! `CEF:Version|Vendor|Product|Device Version|Class ID|Name|Severity|extension`: `\|` and `\\` in the head, `\=`, `\\`,
//! `\n` and `\r` in the extension, whose values may hold spaces.

use std::borrow::Cow;

use super::pairs::{Bare, Quotes, Spec, next_key_start};
use super::unescape::backslashes;

/// The head of a message, and its extension as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cef<'a> {
    /// Version of the format, 0 or 1.
    pub(crate) version: &'a str,
    /// Device Vendor.
    pub(crate) vendor: Cow<'a, str>,
    /// Device Product.
    pub(crate) product: Cow<'a, str>,
    /// Device Version.
    pub(crate) device_version: Cow<'a, str>,
    /// Device Event Class ID.
    pub(crate) class_id: Cow<'a, str>,
    /// Name.
    pub(crate) name: Cow<'a, str>,
    /// Severity: 0 to 10, or a word.
    pub(crate) severity: Cow<'a, str>,
    /// What [`extension`] reads.
    pub(crate) extension: &'a str,
}

/// Reads the message whose `CEF:` stands anywhere in `text`; `None` where there is none or a part of its head lacks.
pub(crate) fn read(text: &str) -> Option<Cef<'_>> {
    let (_, mut rest) = text.split_once("CEF:")?;
    rest = rest.trim_start_matches(' ');
    let mut part = || {
        let (part, after) = head_part(rest)?;
        rest = after;
        Some(part)
    };
    let (version, _) = text
        .split_once("CEF:")?
        .1
        .trim_start_matches(' ')
        .split_once('|')?;
    part()?;
    let (vendor, product, device_version) = (part()?, part()?, part()?);
    let (class_id, name) = (part()?, part()?);
    // The last part may end the line: some senders leave the extension and its `|` out.
    let severity = part();
    let (severity, extension) = match severity {
        Some(severity) => (severity, rest),
        None => (head_text(rest), ""),
    };
    Some(Cef {
        version,
        vendor,
        product,
        device_version,
        class_id,
        name,
        severity,
        extension,
    })
}

/// A part of the head up to the `|` that no backslash disarms, and what follows it.
fn head_part(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = super::slot::closing_quote(text.as_bytes(), b'|')?;
    Some((head_text(text.get(..end)?), text.get(end + 1..)?))
}

fn head_text(text: &str) -> Cow<'_, str> {
    backslashes(text.trim_ascii(), |c| matches!(c, '|' | '\\').then_some(c))
}

const EXTENSION: Spec = Spec {
    assign: b'=',
    between: b' ',
    quotes: Quotes::None,
    bare: Bare::UpToNextKey,
};

/// Hands each pair of an extension to `each`; a value ends where the next key starts, spaces at its end dropped.
pub(crate) fn extension<'a>(text: &'a str, mut each: impl FnMut(&'a str, Cow<'a, str>)) {
    let mut rest = text.trim_start();
    let mut start = key_start(rest);
    while let Some((key, after)) = rest.get(start..).and_then(|pair| pair.split_once('=')) {
        let end = next_key_start(after, EXTENSION);
        let value = after.get(..end).unwrap_or(after).trim_ascii_end();
        let meaning = |c| match c {
            '=' | '\\' | '|' => Some(c),
            'n' => Some('\n'),
            'r' => Some('\r'),
            _ => None,
        };
        each(key, backslashes(value, meaning));
        rest = after;
        start = end;
    }
}

/// Where the first key starts: words before it are dropped.
fn key_start(text: &str) -> usize {
    let Some((before, _)) = text.split_once('=') else {
        return text.len();
    };
    before.rfind(' ').map_or(0, |space| space + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        extension(text, |key, value| {
            found.push((key.to_owned(), value.into_owned()));
        });
        found
    }

    #[test]
    fn the_head_is_read_with_its_escapes() {
        let cef = read(
            r"Oct 11 22:14:15 fw CEF:0|Acme\|Co|Fire \\ Wall|1.2|100|Link = down|7|src=192.0.2.1",
        )
        .unwrap();
        assert_eq!(
            (cef.version, cef.vendor.as_ref(), cef.product.as_ref()),
            ("0", "Acme|Co", r"Fire \ Wall")
        );
        assert_eq!(
            (
                cef.class_id.as_ref(),
                cef.name.as_ref(),
                cef.severity.as_ref()
            ),
            ("100", "Link = down", "7")
        );
        assert_eq!(cef.extension, "src=192.0.2.1");
        assert_eq!(read("CEF:0|a|b|c|d|e|High").unwrap().severity, "High");
        assert_eq!(read("CEF: 1|a|b|c|d|e|5|").unwrap().version, "1");
        assert!(read("CEF:0|a|b|c|d").is_none() && read("no").is_none());
    }

    #[test]
    fn values_hold_spaces_and_escapes() {
        let check = |text, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            assert_eq!(pairs(text), expected, "{text}");
        };
        check(
            "src=192.0.2.1 msg=Two words here act=block",
            &[
                ("src", "192.0.2.1"),
                ("msg", "Two words here"),
                ("act", "block"),
            ],
        );
        check(
            r"msg=a \= b\nc request=http://x/?a\=1&b\=2 end=1",
            &[
                ("msg", "a = b\nc"),
                ("request", "http://x/?a=1&b=2"),
                ("end", "1"),
            ],
        );
        check(
            "request=http://x/?a=1&b=2 end=1",
            &[("request", "http://x/?a=1&b=2"), ("end", "1")],
        );
        check(
            "cs1Label=Rule cs1=allow all  empty= x=1",
            &[
                ("cs1Label", "Rule"),
                ("cs1", "allow all"),
                ("empty", ""),
                ("x", "1"),
            ],
        );
        check(
            "ad.field[0]=v path=C:\\Temp x=1",
            &[("ad.field[0]", "v"), ("path", "C:\\Temp"), ("x", "1")],
        );
        check("words only", &[]);
        check("", &[]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(CEF:)?[0a|=\\\\ é]{0,80}") {
            if let Some(cef) = read(&text) {
                pairs(cef.extension);
            }
            pairs(&text);
        }

        #[test]
        fn what_is_written_is_read_back(written in proptest::collection::vec(("[a-z]{1,8}", "[a-z|=\\\\é]{1,10}( [a-z=]{1,5})?"), 0..8)) {
            let text: Vec<String> = written.iter().map(|(k, v)| format!("{k}={}", v.replace('\\', "\\\\").replace('=', "\\="))).collect();
            prop_assert_eq!(pairs(&text.join(" ")), written);
        }
    }
}
