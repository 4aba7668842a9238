//! `lookup`: a text to a constant of a table.

use super::{Function, Scope, StepError, StepSource};
use crate::constant::Table;
use crate::frame::{Frame, Symbol};

#[derive(Debug)]
struct Lookup {
    from: Symbol,
    to: Symbol,
    table: Table,
}

pub(super) fn compile(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Lookup {
        from: source.operand(scope)?,
        to: source.result(scope)?,
        table: source.table(scope)?.clone(),
    }))
}

impl Function for Lookup {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let text = frame.get(self.from).and_then(|piece| piece.to_text());
        if let Some(found) = text.and_then(|text| self.table.find(&text)) {
            frame.put(self.to, found.piece());
        }
    }
}
