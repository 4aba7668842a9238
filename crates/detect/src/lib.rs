//! Rules to detections: events in, in the order of their Seqs; [`Detection`](event::Detection)s out.
//!
//! A rule is a file of Sigma, of Sigma correlation, or of one of our own correlation types (`first_seen`, `absence`,
//! `rate`, `regular`, `list`); [`Rules`] reads, checks and compiles them all. A [`Detector`] runs them: it is fed by one thread and
//! says what it found as [`Output`]s. Not here: storing detections, making alerts of them, parsing.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use detect::{Detector, Mode, Output, Rules, Settings};
//! use event::{Event, Field, Micros, Seq};
//!
//! let rule = "
//! title: Three failures of an account
//! name: three-failures
//! correlation: {type: event_count, rules: failed, group-by: user.name, timespan: 5m, condition: {gte: 3}}
//! ---
//! title: A failed log-in
//! name: failed
//! logsource: {product: nhatky, category: login}
//! detection: {failure: {event.outcome: failure}, condition: failure}
//! nhatky: {base: true}
//! ";
//! let rules = Rules::from_texts(&[("three.yml", rule)], &Settings::default());
//! assert_eq!(rules.problems(), []);
//!
//! let mut detector = Detector::new(Arc::new(rules), Mode::Live);
//! let mut found = Vec::new();
//! for seq in 1..=4 {
//!     let mut event = Event::new(Seq(seq), Bytes::new());
//!     event.set(Field::EVENT_INGESTED, Micros(1_000_000 * seq as i64));
//!     event.set(Field::NHATKY_CLASS, "login");
//!     event.set(Field::EVENT_OUTCOME, "failure");
//!     event.set(Field::USER_NAME, "CORP\\An");
//!     detector.observe(&event, &mut found);
//! }
//! let [Output::Detection(detection)] = found.as_slice() else { panic!("one detection") };
//! assert_eq!((detection.seq, &*detection.key[0]), (Seq(3), "an"));
//! ```
//!
//! Always true: the same events under the same rules and settings give the same detections, live or replayed, with or
//! without a restart from a [checkpoint](Detector::checkpoint) between them; memory stays within
//! [`Settings::state_bytes_max`], and what had to be forgotten before its time is told ([`Output::Evicted`]); a log
//! source that is not known matches nothing.
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]
#![warn(clippy::iter_over_hash_type)]

mod absence;
mod audit;
mod checkpoint;
mod clause;
mod codec;
mod compile;
mod detector;
mod episode;
mod exception;
mod field_map;
mod folded;
mod indicator_list;
mod key;
mod load;
mod logsource;
mod matcher;
mod measure;
mod needs;
mod output;
mod places;
mod progress;
mod rate;
mod regular;
mod report;
mod rule;
mod rule_file;
mod rules;
mod sample;
mod scan;
mod seen;
mod servers;
mod settings;
mod shares;
mod sight;
mod sigma_condition;
mod sigma_detection;
mod sigma_filter;
mod sigma_line;
mod sigma_value;
mod span;
mod status;
mod store;
mod time_part;
mod today;
mod trial;
mod usual;
mod view;
mod work;

pub use checkpoint::{RestoreError, Restored};
pub use detector::{Counters, Detector, Mode};
pub use load::RuleProblem;
pub use matcher::MatcherSize;
pub use output::{Evicted, Output, Update};
pub use rule::{RuleInfo, RuleKind, RuleOrigin, RuleState, RuleText, TunableInfo};
pub use rules::Rules;
pub use sample::{Sample, Step};
pub use servers::Servers;
pub use settings::{Day, RuleException, RuleSettings, Settings, TimeOfDay, WorkingHours};
pub use sight::Sight;
pub use span::Span;
pub use status::{Coverage, RuleStatus, Status};
pub use trial::{Trial, TrialReport, test_rules};
