//! The query language: text to a typed tree ([`Expr`]), and its meaning ([`matches`]).
//!
//! ```
//! use bytes::Bytes;
//! use event::{Event, Field, Seq};
//! use query::{Condition, Expr, Literal, Phrase, Test};
//!
//! let mut event = Event::new(Seq(1), Bytes::from_static(b"Failed password for invalid user admin"));
//! event.set(Field::EVENT_OUTCOME, "failure");
//!
//! let failed = Expr::field(Field::EVENT_OUTCOME, Condition::Is(Literal::new("failure")));
//! let words = Phrase::new("invalid user").map(|phrase| Expr::Test(Test::Text(phrase)));
//! let both = Expr::and([Some(failed), words].into_iter().flatten());
//! assert_eq!(both.to_string(), "event.outcome:failure AND \"invalid user\"");
//! assert!(query::matches(&both, &event));
//! ```
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod condition;
mod date;
mod diagnostic;
mod display;
mod expr;
mod fold;
mod lexer;
mod literal;
mod matches;
mod parser;
mod pattern;
mod phrase;
mod term;
mod token;

pub use diagnostic::{Code, Diagnostic, Severity, Span};
pub use expr::{Bound, Condition, Expr, FieldName, Range, Regex, Test};
pub use fold::{TextKey, fold, fold_into, lower, lower_into};
pub use literal::{Literal, Number};
pub use matches::matches;
pub use parser::{Context, Limits, Parsed, parse};
pub use pattern::{Pattern, Piece};
pub use phrase::{Phrase, Word};
pub use term::{Term, TermKind, terms};
pub use token::{Token, Tokens, kept_out, tokens};
