//! Bodies with keys: key=value, JSON, CEF, LEEF, CSV. Each pair goes through the definition's mapping.

use std::borrow::Cow;

use crate::definition::source::BodySource;
use crate::format::json::{Limits, Scalar};
use crate::format::pairs::{Bare, Quotes, Spec};
use crate::format::{cef, csv, json, leef, pairs};
use crate::frame::{Frame, Piece};
use crate::mapping::Mapping;

/// How the text of a message is taken apart before its templates are asked.
#[derive(Debug)]
pub(crate) enum Body {
    Pairs(Spec, usize),
    Json,
    Cef,
    Leef,
    Csv {
        separator: u8,
        columns: Box<[Box<str>]>,
    },
}

/// What is wrong with a `[body]`.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("no body format {0:?}: kv, json, cef, leef or csv")]
    Format(String),
    #[error("no quotes {0:?}: empty, '\"' or '\"' with '")]
    Quotes(String),
    #[error("{0:?} must be one byte")]
    Byte(String),
}

/// How key=value text is written: defaults are `key=value key="a value"`.
pub(crate) fn spec(
    pair: Option<&str>,
    separator: Option<&str>,
    quotes: Option<&str>,
) -> Result<Spec, BodyError> {
    let byte = |text: Option<&str>, default| match text.map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) => Ok(*byte),
        Some(_) => Err(BodyError::Byte(text.unwrap_or_default().to_owned())),
    };
    Ok(Spec {
        assign: byte(pair, b'=')?,
        between: byte(separator, b' ')?,
        quotes: match quotes.unwrap_or("\"") {
            "" => Quotes::None,
            "\"" => Quotes::Double,
            "\"'" | "'\"" => Quotes::Both,
            other => return Err(BodyError::Quotes(other.to_owned())),
        },
        bare: Bare::UpToSeparator,
    })
}

impl Body {
    pub(crate) fn compile(source: &BodySource) -> Result<Self, BodyError> {
        let (pair, separator) = (source.pair.as_deref(), source.separator.as_deref());
        Ok(match source.format.as_str() {
            "kv" => {
                let mut spec = spec(pair, separator, source.quotes.as_deref())?;
                if source.spaces {
                    spec.bare = Bare::UpToNextKey;
                }
                Self::Pairs(spec, source.pairs_min.unwrap_or(1))
            }
            "json" => Self::Json,
            "cef" => Self::Cef,
            "leef" => Self::Leef,
            "csv" => Self::Csv {
                separator: spec(None, Some(separator.unwrap_or(",")), None)?.between,
                columns: source
                    .columns
                    .iter()
                    .map(|name| name.as_str().into())
                    .collect(),
            },
            other => return Err(BodyError::Format(other.to_owned())),
        })
    }

    /// Takes the text apart. Whether it is of this format.
    pub(crate) fn apply<'a>(
        &self,
        text: &'a str,
        mapping: &Mapping,
        frame: &mut Frame<'a>,
    ) -> bool {
        match self {
            Self::Pairs(spec, pairs_min) => {
                let mut count = 0;
                pairs::pairs(text, *spec, |key, value| {
                    count += 1;
                    mapping.take(key, Piece::Text(value), frame);
                });
                count >= *pairs_min
            }
            Self::Json => {
                let each = |key: &str, value: Scalar<'_>| {
                    mapping.take_one_of(key, scalar(value), frame);
                };
                json::flatten(text, Limits::DEFAULT, each).is_ok()
            }
            Self::Cef => take_cef(text, mapping, frame),
            Self::Leef => take_leef(text, mapping, frame),
            Self::Csv { separator, columns } => {
                let mut count = 0;
                csv::fields(text, *separator, |place, value| {
                    count += 1;
                    if let Some(column) = columns.get(place) {
                        mapping.take(column, Piece::Text(value), frame);
                    }
                });
                count > 1
            }
        }
    }
}

pub(crate) fn scalar(value: Scalar<'_>) -> Piece<'static> {
    match value {
        Scalar::Text(text) => Piece::Text(Cow::Owned(text.to_owned())),
        Scalar::Integer(number) => Piece::Integer(number),
        Scalar::Float(number) => Piece::Float(number),
        Scalar::Bool(yes) => Piece::Bool(yes),
    }
}

/// The parts of the head are the keys `head.vendor`, `head.product`, `head.version`, `head.code`, `head.name`,
/// `head.severity`.
fn take_cef<'a>(text: &'a str, mapping: &Mapping, frame: &mut Frame<'a>) -> bool {
    let Some(cef) = cef::read(text) else {
        return false;
    };
    for (key, value) in [
        ("head.vendor", cef.vendor),
        ("head.product", cef.product),
        ("head.version", cef.device_version),
        ("head.code", cef.class_id),
        ("head.name", cef.name),
        ("head.severity", cef.severity),
    ] {
        mapping.take(key, Piece::Text(value), frame);
    }
    cef::extension(cef.extension, |key, value| {
        mapping.take(key, Piece::Text(value), frame);
    });
    true
}

fn take_leef<'a>(text: &'a str, mapping: &Mapping, frame: &mut Frame<'a>) -> bool {
    let Some(leef) = leef::read(text) else {
        return false;
    };
    for (key, value) in [
        ("head.vendor", leef.vendor),
        ("head.product", leef.product),
        ("head.version", leef.product_version),
        ("head.code", leef.event_id),
    ] {
        mapping.take(key, Piece::Text(Cow::Borrowed(value)), frame);
    }
    leef.attributes(|key, value| mapping.take(key, Piece::Text(value), frame));
    true
}
