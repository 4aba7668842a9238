//! `bits`: the names of the bits that are set in a number.

use super::{Function, Scope, StepError, StepSource};
use crate::constant::Table;
use crate::frame::{Frame, Piece, Symbol};

#[derive(Debug)]
struct Bits {
    from: Symbol,
    to: Symbol,
    table: Table,
}

pub(super) fn compile(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Bits {
        from: source.operand(scope)?,
        to: source.result(scope)?,
        table: source.table(scope)?.clone(),
    }))
}

impl Function for Bits {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(number) = frame.get(self.from).and_then(Piece::to_integer) else {
            return;
        };
        let names = (0..63)
            .filter(|bit| number >> bit & 1 == 1)
            .filter_map(|bit: u32| self.table.find(&bit.to_string()))
            .map(crate::constant::Fixed::piece);
        frame.put(self.to, Piece::List(names.collect()));
    }
}
