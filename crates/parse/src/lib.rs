//! Turns records into events: syslog headers, then the product's definition out of `parsers/`.
//!
//! [`Parsers`] holds every definition, compiled into one recogniser whose cost does not grow with their number;
//! [`Parsers::parse_into`] is a pure function of the record and of [`ParseSettings`]. What a definition may say is told
//! in `docs/parser-definitions.md`. Not here: reading the journal, the meaning of queries, what is worth an alert.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use event::{Event, Field, Micros, Origin, Record, Transport};
//! use parse::{Depth, ParseSettings, Parsers};
//!
//! let line = r#"192.0.2.7 - an [11/Oct/2026:22:14:15 +0700] "GET /a?b=c HTTP/1.1" 404 571 "-" "curl/8""#;
//! let origin = Origin { transport: Transport::Udp, listener: "syslog".into(), peer: None, identity: None };
//! let record = Record::new(Arc::new(origin), Micros(0), Bytes::from(line));
//!
//! let mut event = Event::default();
//! Parsers::builtin().parse_into(&record, &ParseSettings::default(), Depth::Full, &mut event);
//! assert_eq!(event.text(Field::USER_NAME), Some("an"));
//! assert_eq!(event.text(Field::URL_PATH), Some("/a"));
//! ```
//!
//! Always true: any bytes give an event, without a panic, in time linear in their length; equal records under equal
//! settings and definitions give equal events; a message cannot set what is ours under `nhatky.`.
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]
#![warn(clippy::iter_over_hash_type)]

mod body;
mod builtin;
mod class;
mod clocks;
mod constant;
mod content;
mod coverage;
mod definition;
mod ecs_values;
mod enabling;
mod explain;
mod extractor;
mod format;
mod frame;
mod framing;
mod function;
mod geo;
mod gives;
mod guard;
mod header;
mod mapping;
mod parsers;
mod recognise;
mod settings;
mod template;
mod testing;
mod unnoticed;
mod unparsed;

pub use clocks::Clocks;
pub use coverage::{Coverage, MessageCoverage, SampleRun};
pub use definition::definition_schema;
pub use enabling::{EnableClass, Enabling};
pub use explain::{Attempt, Explanation, Reason, Verdict};
pub use extractor::Extractor;
pub use framing::{parse_framed, parse_line};
pub use geo::{GEO_FACTS, Geo};
pub use gives::Gives;
pub use parsers::{Depth, LoadError, Parsers, ProductInfo};
pub use settings::{ParseSettings, SenderSettings, ZoneError};
pub use testing::TestReport;
pub use unparsed::{Cluster, Draft, DraftError, Sample, Unparsed};
