//! Detections to alerts, and alerts to people.
//!
//! [`Alerts`] groups detections of disposition `page` and `queue` into alerts, one for a rule and an entity until it is
//! closed, and carries out what people do to them; what a suppression holds for is stored and makes none. [`Courier`] delivers what the outbox holds to webhooks: at least once,
//! with an idempotency key that stays the same, repeated only if the process died between the receiver's reply and its
//! being noted. Not here: what makes a detection (`detect`), how things are kept (`registry`).
//!
//! ```
//! # use std::sync::Arc;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use alert::{AlertConfig, Alerts};
//! use event::{Detection, Disposition, Effect, Entity, Micros, Seq, SystemClock};
//! use registry::{Actor, Registry, Resolution};
//!
//! let folder = tempfile::tempdir()?;
//! let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(SystemClock::new())).await?;
//! let alerts = Alerts::new(Arc::new(registry), &AlertConfig::default());
//!
//! let detection = Detection {
//!     id: "0123456789abcdef0123456789abcdef".into(),
//!     rule: "login-failures-account".into(),
//!     rules_version: "1".into(),
//!     key: vec!["root".into()],
//!     entity: Entity::user("root"),
//!     disposition: Disposition::Queue,
//!     effect: Effect::Attempt,
//!     seq: Seq(10),
//!     first_at: Micros(1),
//!     last_at: Micros(10),
//!     count: 10,
//!     evidence: vec![Seq(1), Seq(10)],
//!     query: "user.name:root AND event.outcome:failure".into(),
//!     facts: Default::default(),
//! };
//! let applied = alerts.apply(&[detection], &[]).await?;
//! let alert = applied.created[0];
//! alerts.close(&Actor::cli(), alert, Resolution::FalsePositive, Some("a test")).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Always true: a detection counts once, however often it is applied; an alert, its history and the notifications of it
//! are written in one transaction; a closed alert stays closed until a person reopens it, what follows is a new alert; no
//! notification goes to an address that the configuration does not allow, whatever a name resolves to.
//!
//! What receivers get is described for people in `docs/alerts.md`.
//!
//! Whoever makes a [`Courier`] has installed rustls's provider before (`ring`).

mod address_guard;
mod alerts;
mod assignment;
mod backoff;
mod closing_together;
mod config;
mod courier;
mod life_cycle;
mod notification;
mod risk;
mod risk_alerts;
mod risk_view;
mod severity;
mod suppression;
mod view;
mod webhook;

pub use alerts::{Alerts, Applied};
pub use assignment::Assignee;
pub use closing_together::{Selection, ToClose, TogetherError};
pub use config::{AlertConfig, AlertConfigError, WebhookConfig};
pub use courier::{Courier, Delivered};
pub use life_cycle::TransitionError;
pub use notification::NotificationKind;
pub use risk::{RISK_RULE, RiskConfig, RiskConfigError, RiskPoints, RiskWeights};
pub use risk_view::{EntityRisk, Risks, RuleRisk};
pub use suppression::SuppressionError;
pub use view::AlertView;
pub use webhook::ChannelError;
