//! `copy`, `move`, `set`, `remove`, `guessed`.

use super::{Function, Scope, StepError, StepSource};
use crate::constant::Fixed;
use crate::frame::{Frame, Piece, Symbol};

#[derive(Debug)]
struct Copy {
    from: Symbol,
    to: Box<[Symbol]>,
    leave: bool,
}

pub(super) fn copy(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Copy {
        from: source.operand(scope)?,
        to: source.results(scope),
        leave: true,
    }))
}

pub(super) fn moving(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Copy {
        from: source.operand(scope)?,
        to: source.results(scope),
        leave: false,
    }))
}

impl Function for Copy {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let piece = if self.leave {
            frame.get(self.from).cloned()
        } else {
            frame.remove(self.from)
        };
        let Some(piece) = piece else { return };
        for to in &self.to {
            frame.put(*to, piece.clone());
        }
    }
}

#[derive(Debug)]
struct Fill {
    from: Box<[Symbol]>,
    to: Symbol,
}

/// The first of `from` that is there → `to`, if that is not there yet.
pub(super) fn fill(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Fill {
        from: source.operands(scope)?,
        to: source.result(scope)?,
    }))
}

impl Function for Fill {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        if frame.has(self.to) {
            return;
        }
        let first = self.from.iter().find_map(|from| frame.get(*from).cloned());
        if let Some(piece) = first {
            frame.put(self.to, piece);
        }
    }
}

#[derive(Debug)]
struct Set {
    to: Box<[Symbol]>,
    value: Fixed,
}

pub(super) fn set(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let value = source
        .value
        .as_ref()
        .ok_or_else(|| source.needs("`value`"))?;
    Ok(Box::new(Set {
        to: source.results(scope),
        value: value.into(),
    }))
}

/// `nhatky.direction: guessed`.
pub(super) fn guessed(
    _: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let to = scope.symbols.intern(event::Field::NHATKY_DIRECTION.name());
    Ok(Box::new(Set {
        to: [to].into(),
        value: Fixed::Texts([Box::from("guessed")].into()),
    }))
}

impl Function for Set {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        for to in &self.to {
            frame.put(*to, self.value.piece());
        }
    }
}

#[derive(Debug)]
struct Remove(Box<[Symbol]>);

pub(super) fn remove(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Remove(source.operands(scope)?)))
}

impl Function for Remove {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        for symbol in &self.0 {
            let _: Option<Piece<'a>> = frame.remove(*symbol);
        }
    }
}
