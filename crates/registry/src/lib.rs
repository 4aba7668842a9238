//! The control-plane store: access tokens, people, sources, their clocks and what is set for their senders, detections, alerts,
//! suppressions, the outbox of notifications, overrides and exceptions of rules, saved searches and what was searched for. SQLite in one file, `registry.sqlite`, through [`Registry`].
//!
//! Single changes are methods of [`Registry`]; changes that belong together go through one [`Write`] transaction.
//! Who authenticates and who is told about a change of an alert is decided elsewhere: this crate only keeps.
//!
//! ```
//! # use std::sync::Arc;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use event::SystemClock;
//! use registry::{Actor, NewToken, Registry, Role};
//!
//! let folder = tempfile::tempdir()?;
//! let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(SystemClock::new())).await?;
//! let created = registry
//!     .create_token(&Actor::cli(), NewToken { name: "web1".into(), role: Role::Ingest, expires_at: None })
//!     .await?;
//! let principal = registry.authenticate(created.secret.expose()).expect("it has just been created");
//! assert_eq!(principal.role, Role::Ingest);
//! registry.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Always true: what a method reports as done is on disk; a detection is stored once, whatever is replayed; at most one
//! alert that is not closed exists for a rule and an entity; an administrative change and the record that tells the
//! journal of it are written in one transaction ([`AuditSink`]); a token's secret is never stored, only its SHA-256.

mod actor;
mod alert;
mod audit;
mod day_seen;
mod detection;
mod detector_memory;
mod device_clock;
mod error;
mod migrations;
mod outbox;
mod person;
mod risk;
mod row;
mod rule;
mod saved_search;
mod search_history;
mod sender;
mod source;
mod source_tracker;
mod store;
mod suppression;
mod token;
mod write;

pub use actor::Actor;
pub use alert::{
    Alert, AlertChange, AlertFilter, AlertGrowth, AlertId, AlertState, Assigned, HistoryEntry,
    NewAlert, NewStep, Resolution, SeveritySet,
};
pub use audit::{AuditSink, HandOverError, PendingAudit, SinkError, SinkFuture};
pub use detection::{
    DetectionChanged, DetectionFilter, DetectionSummary, DetectionUpdate, StoredDetection,
};
pub use device_clock::DeviceClock;
pub use error::{OpenError, StoreError};
pub use outbox::{NewOutboxItem, OutboxCounts, OutboxItem, OutboxState};
pub use person::{Contact, Person, PersonError, PersonText, Removed, RemovedPerson};
pub use risk::{RiskStep, RiskyDetection};
pub use rule::{NewRuleException, RuleException, RuleOverride};
pub use saved_search::{Rights, SavedSearch, SavedSearchError, SearchText};
pub use search_history::{PastSearch, SearchDone};
pub use sender::SenderSettings;
pub use source::{Source, SourceFilter};
pub use source_tracker::{SourceChanges, SourceLimits, SourceTracker};
pub use store::{PrunedRows, Registry};
pub use suppression::{NewSuppression, Suppression, SuppressionState, Suppressions};
pub use token::{CreatedToken, NewToken, Principal, Role, Secret, Token, TokenError};
pub use write::Write;

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Hand this in as `before` to go on; `None` on the last page.
    pub next: Option<u64>,
}
