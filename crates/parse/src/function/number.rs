//! `sum`, `minus`, `times`, `unhex`: whole numbers, saturating.

use super::{Function, Scope, StepError, StepSource};
use crate::frame::{Frame, Piece, Symbol};

#[derive(Debug)]
struct Arithmetic {
    from: Box<[Symbol]>,
    to: Symbol,
    operation: Operation,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Sum,
    Minus,
    Times(i64),
}

fn compile(
    source: &StepSource,
    scope: &mut Scope<'_>,
    operation: Operation,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Arithmetic {
        from: source.operands(scope)?,
        to: source.result(scope)?,
        operation,
    }))
}

pub(super) fn sum(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    compile(source, scope, Operation::Sum)
}

pub(super) fn minus(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    compile(source, scope, Operation::Minus)
}

pub(super) fn times(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let by = source.by.ok_or_else(|| source.needs("`by`"))?;
    compile(source, scope, Operation::Times(by))
}

impl Function for Arithmetic {
    /// A sum and a difference need all their operands.
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let number = |symbol: &Symbol| frame.get(*symbol).and_then(Piece::to_integer);
        let mut numbers = self.from.iter().map(number);
        let Some(mut result) = numbers.next().flatten() else {
            return;
        };
        for operand in numbers {
            let Some(operand) = operand else { return };
            result = match self.operation {
                Operation::Minus => result.saturating_sub(operand),
                Operation::Sum | Operation::Times(_) => result.saturating_add(operand),
            };
        }
        if let Operation::Times(by) = self.operation {
            result = result.saturating_mul(by);
        }
        frame.put(self.to, Piece::Integer(result));
    }
}

#[derive(Debug)]
struct Unhex {
    from: Symbol,
    to: Symbol,
}

/// `0x1f4` → 500.
pub(super) fn unhex(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Unhex {
        from: source.operand(scope)?,
        to: source.result(scope)?,
    }))
}

impl Function for Unhex {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let text = frame.get(self.from).and_then(Piece::to_text);
        let number = text.and_then(|text| {
            let digits = text
                .trim()
                .trim_start_matches("0x")
                .trim_start_matches("0X");
            i64::from_str_radix(digits, 16).ok()
        });
        if let Some(number) = number {
            frame.put(self.to, Piece::Integer(number));
        }
    }
}
