//! Samples of a rule: raw lines that must, and must not, fire it.

use std::net::IpAddr;

use serde::Deserialize;

use crate::Span;

/// A scene of raw lines and waiting, and how many detections of the rule it must give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// What the scene shows, in a few words.
    pub what: String,
    /// How many detections it must give; 0 for a scene that must stay quiet.
    pub fires: usize,
    /// When it begins, RFC 3339; by default Wednesday 2026-10-14, 09:00 in Việt Nam.
    #[serde(default)]
    pub at: Option<event::Micros>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step of a scene: a line, or waiting.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// A raw line as it arrives. `{n}` is the number of the repetition from 1, `{n+100}` that plus 100.
    pub line: Option<String>,
    /// How many times it arrives; once by default.
    pub repeat: Option<u32>,
    /// The time between repetitions; 1 s by default.
    pub every: Option<Span>,
    /// Time that passes, with the product's own heartbeats every 10 s.
    pub wait: Option<Span>,
    /// The sender's address; 192.0.2.10 by default.
    pub peer: Option<IpAddr>,
    /// The listener; `nhatky` for the product's own records.
    pub listener: Option<String>,
}
