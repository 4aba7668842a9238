//! `match` and `pairs`: a value taken apart by templates, or as key=value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Function, Scope, StepError, StepSource};
use crate::body;
use crate::format::pairs::{self, Spec};
use crate::frame::{Frame, Piece, Symbol};
use crate::mapping::Mapping;
use crate::template::{Ends, Template};

#[derive(Debug)]
struct Match {
    from: Symbol,
    templates: Box<[Template]>,
}

/// The first of the templates that matches the whole of `from` fills its slots.
///
/// Text that was made (unescaped, joined) rather than found in the message is matched too, at the price of a copy.
pub(super) fn matching(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let texts = source.template.iter().chain(&source.templates);
    let templates: Box<[Template]> = texts
        .map(|text| Template::compile(text, scope.symbols))
        .collect::<Result<_, _>>()?;
    if templates.is_empty() {
        return Err(source.needs("`template` or `templates`"));
    }
    Ok(Box::new(Match {
        from: source.operand(scope)?,
        templates,
    }))
}

impl Function for Match {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        apply_first(&self.templates, self.from, frame);
    }

    fn templates_mut(&mut self) -> &mut [Template] {
        &mut self.templates
    }
}

/// Whether one of the templates matches the whole value.
pub(crate) fn apply_first<'a>(
    templates: &'a [Template],
    from: Symbol,
    frame: &mut Frame<'a>,
) -> bool {
    match frame.get(from).and_then(Piece::text) {
        Some(Cow::Borrowed(text)) => templates
            .iter()
            .any(|template| template.apply(text, Ends::Whole, frame).is_some()),
        Some(Cow::Owned(text)) => templates
            .iter()
            .any(|template| template.apply_made(&text, frame)),
        None => false,
    }
}

#[derive(Debug)]
struct Pairs {
    from: Symbol,
    spec: Spec,
    mapping: Mapping,
}

pub(super) fn pairs(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let map: &BTreeMap<_, _> = scope.map;
    Ok(Box::new(Pairs {
        from: source.operand(scope)?,
        spec: body::spec(
            source.pair.as_deref(),
            source.separator.as_deref(),
            source.quotes.as_deref(),
        )?,
        mapping: Mapping::compile(map, None, scope.symbols),
    }))
}

impl Function for Pairs {
    fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        Some(&mut self.mapping)
    }

    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        match frame.get(self.from).and_then(Piece::text) {
            Some(Cow::Borrowed(text)) => pairs::pairs(text, self.spec, |key, value| {
                self.mapping.take(key, Piece::Text(value), frame);
            }),
            Some(Cow::Owned(text)) => pairs::pairs(&text, self.spec, |key, value| {
                let value = Cow::Owned(value.into_owned());
                self.mapping.take(key, Piece::Text(value), frame);
            }),
            None => {}
        }
    }
}
