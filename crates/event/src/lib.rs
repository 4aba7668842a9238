//! The words of the product as types: [`Record`], [`Seq`], [`Event`], [`EventClass`], [`Entity`], [`Detection`],
//! [`Clock`], and the table of fields. No I/O, no threads; every other crate speaks in these.
//!
//! A [`Record`] is what arrived; an [`Event`] is the same record understood, a flat ECS document; both carry the same
//! [`Seq`]. What the product says about itself is an [`OwnRecord`], which travels as a record like any other.
//!
//! ```
//! use bytes::Bytes;
//! use event::{Event, Field, Seq, Value};
//!
//! let raw = Bytes::from_static(b"Failed password for root from 10.0.0.5 port 4711 ssh2");
//! let mut event = Event::new(Seq(1), raw);
//! event.set(Field::SOURCE_IP, "10.0.0.5");
//! event.set(Field::USER_NAME, "root");
//! event.push_named("acme.color", "red");
//!
//! assert_eq!(event.text(Field::USER_NAME), Some("root"));
//! assert!(matches!(event.get(Field::SOURCE_IP), Some(Value::Address(_))));
//! assert_eq!(event.original(), "Failed password for root from 10.0.0.5 port 4711 ssh2");
//! ```
//!
//! Always true: a [`Value`] that is an address is canonical (no IPv4 inside IPv6); a float is finite; an empty text is
//! never a value.
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod class;
mod day_seen;
mod detection;
mod entity;
mod event;
mod field;
mod field_set;
mod field_table;
mod own;
mod record;
mod seq;
mod time;

pub use class::{EventClass, ParseLevel, SourceCategory};
pub use day_seen::{CalendarDay, DaySeen, RuleDay};
pub use detection::{AlertSeverity, Detection, Disposition, Effect};
pub use entity::{Entity, EntityKind, split_account};
pub use event::{Event, Value};
pub use field::{Field, FieldInfo, FieldKind};
pub use field_set::FieldSet;
pub use own::{Audit, ClockCause, ClockFinding, Loss, LossCause, OwnRecord};
pub use record::{BulkItem, Identity, Mark, Origin, Record, Transport, original};
pub use seq::Seq;
pub use time::{Clock, ManualClock, Micros, SystemClock};
