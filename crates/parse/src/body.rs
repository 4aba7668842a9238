//! Bodies with keys: key=value, JSON, CEF, LEEF, CSV. Each pair goes through the definition's mapping.

use std::borrow::Cow;

use crate::definition::source::BodySource;
use crate::frame::Frame;
use crate::mapping::Mapping;

/// How the text of a message is taken apart before its templates are asked.
#[derive(Debug)]
pub(crate) enum Body {
    Pairs(PairSpec),
}

/// What is wrong with a `[body]`.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("no body format {0:?}: kv, json, cef, leef or csv")]
    Format(String),
}

impl Body {
    pub(crate) fn compile(source: &BodySource) -> Result<Self, BodyError> {
        Ok(match source.format.as_str() {
            "kv" => Self::Pairs(PairSpec::new(
                source.pair.as_deref(),
                source.separator.as_deref(),
                source.quotes.as_deref(),
            )),
            other => return Err(BodyError::Format(other.to_owned())),
        })
    }

    /// Takes the text apart. Whether it is of this format.
    pub(crate) fn apply<'a>(&self, text: &'a str, mapping: &Mapping, frame: &mut Frame<'a>) -> bool {
        match self {
            Self::Pairs(spec) => {
                let mut pairs = 0;
                spec.read(text, |key, value| {
                    pairs += 1;
                    mapping.take(key, value, frame);
                });
                pairs > 0
            }
        }
    }
}

/// How key=value text is written.
#[derive(Clone, Debug)]
pub(crate) struct PairSpec {
    pair: u8,
    separator: u8,
    quote: u8,
}

impl PairSpec {
    /// Defaults: `key=value key="a value"`.
    pub(crate) fn new(pair: Option<&str>, separator: Option<&str>, quotes: Option<&str>) -> Self {
        let first = |text: Option<&str>, default| {
            text.and_then(|text| text.bytes().next()).unwrap_or(default)
        };
        Self {
            pair: first(pair, b'='),
            separator: first(separator, b' '),
            quote: first(quotes, b'"'),
        }
    }

    /// Every pair in turn.
    pub(crate) fn read<'a>(&self, text: &'a str, mut each: impl FnMut(&'a str, Cow<'a, str>)) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr(self.pair, rest)) {
            let equals = at + found;
            let key_start = bytes
                .get(at..equals)
                .and_then(|before| memchr::memrchr(self.separator, before))
                .map_or(at, |place| at + place + 1);
            let key = text.get(key_start..equals).unwrap_or_default().trim();
            let start = equals + 1;
            let (value, next) = if bytes.get(start) == Some(&self.quote) {
                self.quoted(text, start + 1)
            } else {
                let rest = bytes.get(start..).unwrap_or_default();
                let end = memchr::memchr(self.separator, rest).map_or(bytes.len(), |n| start + n);
                (text.get(start..end).unwrap_or_default().trim_end(), end)
            };
            if !key.is_empty() {
                each(key, Cow::Borrowed(value));
            }
            at = next;
        }
    }

    fn quoted<'a>(&self, text: &'a str, start: usize) -> (&'a str, usize) {
        let bytes = text.as_bytes();
        let mut at = start;
        while let Some(found) =
            bytes.get(at..).and_then(|rest| memchr::memchr2(self.quote, b'\\', rest))
        {
            let place = at + found;
            if bytes.get(place) == Some(&self.quote) {
                return (text.get(start..place).unwrap_or_default(), place + 1);
            }
            at = place + 2;
        }
        (text.get(start..).unwrap_or_default(), text.len())
    }
}
