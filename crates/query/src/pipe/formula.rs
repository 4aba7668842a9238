//! Formulas of `eval`: values computed from the fields of an event or the columns of a row.
//!
//! What cannot be computed is no value: a number of a text that is none, a division by zero, anything of nothing. Of a
//! field with several values a formula takes the first, unless a function takes them all.

mod function;
mod parse;

pub use function::{FUNCTIONS, FunctionInfo};
pub(super) use parse::{parse, quoted};

use event::{Event, Micros, Value};

use self::function::Call;
use super::run::cells_of_field;
use super::table::Cell;
use crate::FieldName;

/// A formula, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula(Node);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Value(Cell),
    Field(FieldName),
    Not(Box<Self>),
    Negative(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    /// The first value whose condition holds, else the last.
    Case(Vec<(Self, Self)>, Box<Self>),
    Call(Box<Call>, Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Formula {
    /// Its value for an event.
    #[must_use]
    pub fn of(&self, event: &Event) -> Cell {
        self.0.of(event)
    }

    /// The fields that it asks about.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldName> {
        let mut fields = Vec::new();
        self.0.add_fields(&mut fields);
        fields
    }
}

impl Node {
    fn of(&self, event: &Event) -> Cell {
        match self {
            Self::Value(cell) => cell.clone(),
            Self::Field(field) => {
                let first = cells_of_field(field, event).into_iter().next();
                first.unwrap_or(Cell::Null)
            }
            Self::Not(inner) => match truth(&inner.of(event)) {
                Some(yes) => Cell::Bool(!yes),
                None => Cell::Null,
            },
            Self::Negative(inner) => {
                arithmetic(Operator::Subtract, &Cell::Integer(0), &inner.of(event))
            }
            Self::Binary(operator, left, right) => binary(*operator, left, right, event),
            Self::Case(cases, otherwise) => {
                let met = cases
                    .iter()
                    .find(|(condition, _)| truth(&condition.of(event)) == Some(true));
                met.map_or_else(|| otherwise.of(event), |(_, value)| value.of(event))
            }
            Self::Call(call, arguments) => {
                let all = |node: &Self| match node {
                    Self::Field(field) if call.takes_lists() => {
                        Cell::of_cells(cells_of_field(field, event))
                    }
                    node => node.of(event),
                };
                let cells: Vec<Cell> = arguments.iter().map(all).collect();
                call.of(&cells)
            }
        }
    }

    fn add_fields(&self, fields: &mut Vec<FieldName>) {
        match self {
            Self::Value(_) => {}
            Self::Field(field) => fields.push(field.clone()),
            Self::Not(inner) | Self::Negative(inner) => inner.add_fields(fields),
            Self::Binary(_, left, right) => {
                left.add_fields(fields);
                right.add_fields(fields);
            }
            Self::Case(cases, otherwise) => {
                for (condition, value) in cases {
                    condition.add_fields(fields);
                    value.add_fields(fields);
                }
                otherwise.add_fields(fields);
            }
            Self::Call(_, arguments) => {
                arguments
                    .iter()
                    .for_each(|argument| argument.add_fields(fields));
            }
        }
    }
}

fn binary(operator: Operator, left: &Node, right: &Node, event: &Event) -> Cell {
    let left = left.of(event);
    match operator {
        Operator::And if truth(&left) == Some(false) => return Cell::Bool(false),
        Operator::Or if truth(&left) == Some(true) => return Cell::Bool(true),
        _ => {}
    }
    let right = right.of(event);
    match operator {
        // What is not known does not matter where the other side decides.
        Operator::And if truth(&right) == Some(false) => Cell::Bool(false),
        Operator::Or if truth(&right) == Some(true) => Cell::Bool(true),
        Operator::And => known(truth(&left).zip(truth(&right)).map(|(one, two)| one && two)),
        Operator::Or => known(truth(&left).zip(truth(&right)).map(|(one, two)| one || two)),
        Operator::Equal => known(compare(&left, &right).map(|order| order.is_eq())),
        Operator::Unequal => known(compare(&left, &right).map(|order| order.is_ne())),
        Operator::Less => known(compare(&left, &right).map(|order| order.is_lt())),
        Operator::LessOrEqual => known(compare(&left, &right).map(|order| order.is_le())),
        Operator::Greater => known(compare(&left, &right).map(|order| order.is_gt())),
        Operator::GreaterOrEqual => known(compare(&left, &right).map(|order| order.is_ge())),
        Operator::Add
        | Operator::Subtract
        | Operator::Multiply
        | Operator::Divide
        | Operator::Remainder => arithmetic(operator, &left, &right),
    }
}

fn known(yes: Option<bool>) -> Cell {
    yes.map_or(Cell::Null, Cell::Bool)
}

/// Whether a condition holds; not known of what is neither yes nor no.
fn truth(cell: &Cell) -> Option<bool> {
    match cell {
        Cell::Bool(yes) => Some(*yes),
        _ => None,
    }
}

/// The order of two values of a kind; texts that are numbers, dates or addresses compare as such with one. Texts among
/// themselves are equal whatever their case.
fn compare(one: &Cell, two: &Cell) -> Option<std::cmp::Ordering> {
    match (one, two) {
        (Cell::Null, _) | (_, Cell::Null) => None,
        (Cell::Text(one), Cell::Text(two)) => Some(crate::lower(one).cmp(&crate::lower(two))),
        (Cell::Text(text), other) => Some(typed_as(text, other)?.order(other)),
        (other, Cell::Text(text)) => Some(other.order(&typed_as(text, other)?)),
        (one, two) => Some(one.order(two)),
    }
}

/// The text as a value of the other's kind.
fn typed_as(text: &str, other: &Cell) -> Option<Cell> {
    match other {
        Cell::Integer(_) | Cell::Float(_) => Cell::Text(text.into()).number().map(Cell::Float),
        Cell::Address(_) => text.parse().ok().map(Cell::Address),
        Cell::Date(_) => Micros::from_rfc3339(text).map(Cell::Date),
        _ => None,
    }
}

/// Whole numbers stay whole but for division; a date and a number of seconds make a date, two dates a number of seconds.
fn arithmetic(operator: Operator, one: &Cell, two: &Cell) -> Cell {
    match (operator, one, two) {
        (Operator::Add, Cell::Text(one), Cell::Text(two)) => {
            let numbers = (numeric(one), numeric(two));
            match numbers {
                (Some(one), Some(two)) => arithmetic(operator, &one, &two),
                _ => Cell::Text(format!("{one}{two}").into()),
            }
        }
        (Operator::Subtract, Cell::Date(later), Cell::Date(earlier)) => {
            float(micros(*later) / SECOND - micros(*earlier) / SECOND)
        }
        (Operator::Add, Cell::Date(at), seconds) | (Operator::Add, seconds, Cell::Date(at)) => {
            moved(*at, seconds, 1.0)
        }
        (Operator::Subtract, Cell::Date(at), seconds) => moved(*at, seconds, -1.0),
        (_, Cell::Integer(one), Cell::Integer(two)) => whole(operator, *one, *two),
        (_, one, two) => match (one.number(), two.number()) {
            (Some(one), Some(two)) => fraction(operator, one, two),
            _ => Cell::Null,
        },
    }
}

const SECOND: f64 = 1e6;

fn numeric(text: &str) -> Option<Cell> {
    let whole = text.parse().ok().map(Cell::Integer);
    whole.or_else(|| Cell::Text(text.into()).number().map(Cell::Float))
}

#[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
fn micros(at: Micros) -> f64 {
    at.0 as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "an `as` of a float saturates"
)]
fn moved(at: Micros, seconds: &Cell, sign: f64) -> Cell {
    match seconds.number() {
        Some(seconds) => Cell::Date(Micros(
            at.0.saturating_add((seconds * sign * SECOND) as i64),
        )),
        None => Cell::Null,
    }
}

fn whole(operator: Operator, one: i64, two: i64) -> Cell {
    let exact = match operator {
        Operator::Add => one.checked_add(two),
        Operator::Subtract => one.checked_sub(two),
        Operator::Multiply => one.checked_mul(two),
        Operator::Remainder if two == 0 => return Cell::Null,
        Operator::Remainder => one.checked_rem(two),
        _ => None,
    };
    match exact {
        Some(exact) => Cell::Integer(exact),
        #[expect(clippy::cast_precision_loss, reason = "a quotient is approximate")]
        None => fraction(operator, one as f64, two as f64),
    }
}

fn fraction(operator: Operator, one: f64, two: f64) -> Cell {
    float(match operator {
        Operator::Add => one + two,
        Operator::Subtract => one - two,
        Operator::Multiply => one * two,
        Operator::Divide => one / two,
        Operator::Remainder => one % two,
        _ => f64::NAN,
    })
}

/// A number, where it is one: not of a division by zero.
fn float(number: f64) -> Cell {
    if number.is_finite() {
        Cell::Float(number)
    } else {
        Cell::Null
    }
}

impl Cell {
    /// The cell as a value, none of [`Cell::Null`]; of a list its first member.
    #[must_use]
    pub fn value(&self) -> Option<Value<'_>> {
        Some(match self {
            Self::Null => return None,
            Self::Text(text) => Value::Text(text),
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Address(address) => Value::Address(*address),
            Self::Date(at) => Value::Date(*at),
            Self::List(cells) => return cells.first().and_then(Self::value),
        })
    }
}
