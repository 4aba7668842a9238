//! Conditions of messages and steps: `when` and `unless`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::frame::{Frame, Piece, Symbol, Symbols};

/// What a definition asks of one value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Wanted {
    /// `true`: there is a value; `false`: there is none.
    Present(bool),
    /// A number, compared as its text.
    Number(i64),
    /// The value is this text.
    Text(Box<str>),
    /// The value is one of these.
    OneOf(Vec<Box<str>>),
}

/// A table of a definition: what must hold of each name.
pub(crate) type Conditions = BTreeMap<String, Wanted>;

/// Compiled `when` and `unless`.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    when: Box<[(Symbol, Test)]>,
    unless: Box<[(Symbol, Test)]>,
}

#[derive(Debug)]
enum Test {
    Present(bool),
    OneOf(Box<[Expected]>),
}

/// A text, or with a `*` at its end the beginning of one.
#[derive(Debug)]
enum Expected {
    Whole(Box<str>),
    Prefix(Box<str>),
}

impl From<&str> for Expected {
    fn from(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.into()),
            None => Self::Whole(text.into()),
        }
    }
}

impl Guard {
    pub(crate) fn compile(when: &Conditions, unless: &Conditions, symbols: &mut Symbols) -> Self {
        let mut compile = |conditions: &Conditions| {
            conditions
                .iter()
                .map(|(name, wanted)| (symbols.intern(name), test(wanted)))
                .collect()
        };
        Self {
            when: compile(when),
            unless: compile(unless),
        }
    }

    /// Whether all of `when` and none of `unless` hold.
    pub(crate) fn holds(&self, frame: &Frame<'_>) -> bool {
        let is = |(symbol, test): &(Symbol, Test)| test.holds(frame, *symbol);
        self.when.iter().all(is) && !self.unless.iter().any(is)
    }
}

fn test(wanted: &Wanted) -> Test {
    match wanted {
        Wanted::Present(yes) => Test::Present(*yes),
        Wanted::Number(number) => Test::OneOf([Expected::Whole(number.to_string().into())].into()),
        Wanted::Text(text) => Test::OneOf([Expected::from(&**text)].into()),
        Wanted::OneOf(texts) => {
            Test::OneOf(texts.iter().map(|text| Expected::from(&**text)).collect())
        }
    }
}

impl Test {
    fn holds(&self, frame: &Frame<'_>, symbol: Symbol) -> bool {
        let value = frame.get(symbol);
        match self {
            Self::Present(yes) => value.is_some() == *yes,
            Self::OneOf(texts) => {
                value.is_some_and(|value| texts.iter().any(|expected| expected.fits(value)))
            }
        }
    }
}

impl Expected {
    fn fits(&self, value: &Piece<'_>) -> bool {
        match self {
            Self::Whole(text) => value.is(text),
            Self::Prefix(prefix) => value
                .to_text()
                .is_some_and(|value| value.starts_with(&**prefix)),
        }
    }
}
