//! The query language: text to a typed tree ([`parse`], [`Expr`]), its meaning ([`matches()`]), and what is done to the
//! events that match ([`parse_pipeline`], [`PipeRun`]).
//!
//! ```
//! use bytes::Bytes;
//! use event::{Event, Field, Micros, Seq};
//! use query::Context;
//!
//! let mut event = Event::new(Seq(1), Bytes::from_static(b"Failed password for invalid user admin"));
//! event.set(Field::EVENT_OUTCOME, "failure");
//! event.set(Field::SOURCE_IP, "10.0.0.5");
//!
//! let now = Micros::from_rfc3339("2026-10-11T22:14:15+07:00").expect("a date");
//! let parsed = query::parse("source.ip:10.0.0.0/8 AND event.outcome:failure \"invalid user\"", &Context::at(now));
//! let expr = parsed.into_result().expect("no mistakes");
//! assert!(query::matches(&expr, &event));
//! ```
//!
//! | written | matches |
//! | --- | --- |
//! | `word`, `"a phrase"`, `wor*` | consecutive tokens of the raw text; an address only as a whole one |
//! | `/regex/` | raw text with a match |
//! | `field:v`, `field:"v w"`, `field:v*`, `field:/re/` | the whole value; words of it where the field is text |
//! | `field:(a OR b)`, `field:*` | one of the values; any value |
//! | `field:[a TO b]`, `field:{a TO b}`, `field:>=a` | values in between; `{ }` without the bounds |
//! | `field:10.0.0.0/8` | addresses in the network |
//! | `@timestamp:2026-10-11`, `@timestamp:>now-15m` | by the [`Context`]'s zone and now |
//! | `a b`, `a AND b`, `a OR b`, `NOT a`, `-a`, `(…)` | as expected; AND binds tighter than OR |
//!
//! What texts are equal, what a token is and which are kept out of the index is said here once ([`TextKey`],
//! [`tokens`], [`terms`], [`kept_out`]), and used by the index too.
//!
//! Always true: `parse` reads any text in linear time and bounded memory; a tree written with `Display` is read back
//! as the same tree.
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod complete;
mod condition;
mod context;
mod date;
mod diagnostic;
mod display;
mod expr;
mod fold;
mod lexer;
mod literal;
mod matches;
mod near;
mod needles;
mod parser;
mod pattern;
mod phrase;
mod pipe;
mod term;
mod time_step;
mod token;

pub use complete::{Completion, Names, Offer, OfferKind, Place, ValuePart, complete};
pub use context::{Context, Limits};
pub use date::{instant, seconds};
pub use diagnostic::{Code, Diagnostic, Replacement, Severity, Span};
pub use expr::{Bound, Condition, Expr, FieldName, Range, Regex, Test};
pub use fold::{TextKey, fold, fold_into, lower, lower_into};
pub use literal::{Literal, Number};
pub use matches::{matches, matches_raw};
pub use near::{field_meant, nearest};
pub use needles::Needles;
pub use parser::{Answer, Parsed, Subquery, parse};
pub use pattern::{Pattern, Piece};
pub use phrase::{Phrase, Word};
pub use pipe::{
    Aggregate, COMBINATIONS_MAX, Cell, Enrich, Enrichment, FUNCTIONS, Flow, Formula, Function,
    FunctionInfo, Groups, Interval, Key, Memory, ParsedPipeline, PipeError, PipeRun, Pipeline,
    Resources, RowId, SortKey, SortOrder, Stage, Stats, Table, Wish, apply_to_table, ask_for_text,
    fields_of_events, measure, parse_pipeline,
};
pub use term::{Term, TermKind, addresses, terms};
pub use time_step::TimeStep;
pub use token::{Token, Tokens, kept_out, tokens};
