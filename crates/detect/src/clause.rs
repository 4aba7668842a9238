//! What a rule asks of one event: a query, and beside it the two questions of Sigma that no query can put.

use std::sync::Arc;

use event::Field;
use query::{Condition, Expr, FieldName, Test};

use crate::sigma_value::Place;
use crate::time_part::TimePart;

/// A condition on one event, in the simple form of [`Expr`]: built by [`Clause::and`], [`Clause::or`] and
/// [`Clause::not`] alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Clause {
    All,
    None,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Ask(Ask),
}

/// Where a value is kept: in the first of these fields that the event has. One or more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kept(pub(crate) Arc<[FieldName]>);

impl Kept {
    /// The condition on the field that counts, as a query.
    fn query(&self, condition: &Condition) -> Expr {
        let ask = |field: &FieldName| Expr::field(field.clone(), condition.clone());
        if *condition == Condition::Exists {
            return Expr::or(self.0.iter().map(ask));
        }
        let Some((last, before)) = self.0.split_last() else {
            return Expr::None;
        };
        let mut whole = ask(last);
        for field in before.iter().rev() {
            let there = Expr::field(field.clone(), Condition::Exists);
            whole = Expr::or([ask(field), Expr::and([there.not(), whole])]);
        }
        whole
    }
}

impl From<FieldName> for Kept {
    fn from(field: FieldName) -> Self {
        Self([field].into())
    }
}

impl From<Field> for Kept {
    fn from(field: Field) -> Self {
        FieldName::from(field).into()
    }
}

impl From<Vec<FieldName>> for Kept {
    fn from(fields: Vec<FieldName>) -> Self {
        Self(fields.into())
    }
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    /// Some value of the field meets the condition. Words of the raw text are asked of `event.original`.
    Field(Kept, Condition),
    /// Some value of the field has a value of the other field in that place (`fieldref`).
    Refer {
        field: Kept,
        other: Kept,
        place: Place,
        cased: bool,
    },
    /// The part of some date in the field lies in the range, both ends included (`hour`, `day`, …).
    Part {
        field: Kept,
        part: TimePart,
        low: i64,
        high: i64,
        utc_offset_minutes: i32,
    },
}

impl Ask {
    pub(crate) fn field(&self) -> &Kept {
        match self {
            Self::Field(field, _) | Self::Refer { field, .. } | Self::Part { field, .. } => field,
        }
    }
}

impl Clause {
    pub(crate) fn and(members: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for member in members {
            match member {
                Self::All => {}
                Self::None => return Self::None,
                Self::And(members) => all.extend(members),
                member @ (Self::Or(_) | Self::Not(_) | Self::Ask(_)) => all.push(member),
            }
        }
        match all.len() {
            0 => Self::All,
            1 => all.swap_remove(0),
            _ => Self::And(all),
        }
    }

    pub(crate) fn or(members: impl IntoIterator<Item = Self>) -> Self {
        let mut any = Vec::new();
        for member in members {
            match member {
                Self::None => {}
                Self::All => return Self::All,
                Self::Or(members) => any.extend(members),
                member @ (Self::And(_) | Self::Not(_) | Self::Ask(_)) => any.push(member),
            }
        }
        match any.len() {
            0 => Self::None,
            1 => any.swap_remove(0),
            _ => Self::Or(any),
        }
    }

    pub(crate) fn not(self) -> Self {
        match self {
            Self::All => Self::None,
            Self::None => Self::All,
            Self::Not(inner) => *inner,
            inner @ (Self::And(_) | Self::Or(_) | Self::Ask(_)) => Self::Not(Box::new(inner)),
        }
    }

    pub(crate) fn field(field: impl Into<Kept>, condition: Condition) -> Self {
        Self::Ask(Ask::Field(field.into(), condition))
    }

    /// How many questions it asks.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::All | Self::None => 0,
            Self::And(members) | Self::Or(members) => members.iter().map(Self::len).sum(),
            Self::Not(inner) => inner.len(),
            Self::Ask(_) => 1,
        }
    }

    /// The query that finds its events; also some others, where it asks what no query can ask.
    pub(crate) fn query(&self) -> Expr {
        self.approximately(Side::More)
    }

    fn approximately(&self, side: Side) -> Expr {
        match self {
            Self::All => Expr::All,
            Self::None => Expr::None,
            Self::And(members) => {
                Expr::and(members.iter().map(|member| member.approximately(side)))
            }
            Self::Or(members) => Expr::or(members.iter().map(|member| member.approximately(side))),
            Self::Not(inner) => inner.approximately(side.other()).not(),
            Self::Ask(Ask::Field(field, condition)) => field.query(condition),
            Self::Ask(_) if side == Side::Fewer => Expr::None,
            Self::Ask(Ask::Part { field, .. }) => field.query(&Condition::Exists),
            Self::Ask(Ask::Refer { field, other, .. }) => Expr::and([
                field.query(&Condition::Exists),
                other.query(&Condition::Exists),
            ]),
        }
    }
}

/// On which side of the truth an approximation may lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    More,
    Fewer,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::More => Self::Fewer,
            Self::Fewer => Self::More,
        }
    }
}

impl From<&Expr> for Clause {
    fn from(expr: &Expr) -> Self {
        match expr {
            Expr::All => Self::All,
            Expr::None => Self::None,
            Expr::And(members) => Self::and(members.iter().map(Self::from)),
            Expr::Or(members) => Self::or(members.iter().map(Self::from)),
            Expr::Not(inner) => Self::from(&**inner).not(),
            Expr::Test(Test::Field(field, condition)) => {
                Self::field(field.clone(), condition.clone())
            }
            Expr::Test(Test::Text(phrase)) => {
                Self::field(Field::EVENT_ORIGINAL, Condition::Holds(phrase.clone()))
            }
            Expr::Test(Test::Regex(regex)) => {
                Self::field(Field::EVENT_ORIGINAL, Condition::Regex(regex.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_finds_all_events_of_what_it_cannot_ask() {
        let refer = Clause::Ask(Ask::Refer {
            field: FieldName::new("a.x").into(),
            other: FieldName::new("a.y").into(),
            place: Place::Whole,
            cased: false,
        });
        let plain = Clause::field(Field::USER_NAME, Condition::Exists);
        let check = |clause: Clause, expected: &str| {
            assert_eq!(clause.query().to_string(), expected);
        };
        check(
            Clause::and([plain.clone(), refer.clone()]),
            "user.name:* AND a.x:* AND a.y:*",
        );
        check(
            Clause::and([plain.clone(), refer.clone().not()]),
            "user.name:*",
        );
        check(Clause::or([plain, refer]).not(), "NOT user.name:*");
    }

    #[test]
    fn the_first_field_that_is_there_counts() {
        let two = vec![FieldName::new("a.x"), FieldName::new("user.name")];
        let check = |condition: Condition, expected: &str| {
            let clause = Clause::field(two.clone(), condition);
            assert_eq!(clause.query().to_string(), expected);
        };
        let root = query::Literal::new("root");
        check(
            Condition::Is(root),
            "a.x:root OR NOT a.x:* AND user.name:root",
        );
        check(Condition::Exists, "a.x:* OR user.name:*");
    }
}
