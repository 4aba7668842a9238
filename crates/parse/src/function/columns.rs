//! `csv` and `json`: a value that is a line of columns, or a JSON object.

use std::borrow::Cow;

use super::{Function, Scope, StepError, StepSource};
use crate::body;
use crate::format::csv;
use crate::format::json::{self, Limits};
use crate::frame::{Frame, Piece, Symbol};
use crate::mapping::Mapping;

#[derive(Debug)]
struct Columns {
    from: Symbol,
    to: Box<[Option<Symbol>]>,
    separator: u8,
}

/// The columns of `from`, one after another → the names in `to`; `_` leaves one out.
pub(super) fn columns(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let names = source.to.as_slice().iter();
    let to = names.map(|name| (name != "_").then(|| scope.symbols.intern_output(name)));
    let to = to.collect();
    Ok(Box::new(Columns {
        from: source.operand(scope)?,
        to,
        separator: body::spec(None, Some(source.separator.as_deref().unwrap_or(",")), None)?
            .between,
    }))
}

impl Function for Columns {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        let mut put = |place: usize, value: Cow<'a, str>| {
            if let Some(Some(symbol)) = self.to.get(place) {
                frame.put(*symbol, Piece::Text(value));
            }
        };
        match text {
            Cow::Borrowed(text) => csv::fields(text, self.separator, put),
            Cow::Owned(text) => csv::fields(&text, self.separator, |place, value| {
                put(place, Cow::Owned(value.into_owned()));
            }),
        }
    }
}

#[derive(Debug)]
struct Object {
    from: Symbol,
    mapping: Mapping,
}

/// The keys of the JSON object in `from` go through `[map]`.
pub(super) fn object(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Object {
        from: source.operand(scope)?,
        mapping: Mapping::compile(scope.map, None, scope.symbols),
    }))
}

impl Function for Object {
    fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        Some(&mut self.mapping)
    }

    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        let each = |key: &str, value: json::Scalar<'_>| {
            self.mapping.take_one_of(key, body::scalar(value), frame);
        };
        // What an object that ends too early has given is kept: the rest of the message stands.
        drop(json::flatten(&text, Limits::DEFAULT, each));
    }
}
