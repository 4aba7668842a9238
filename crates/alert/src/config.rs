//! The section `[alert]` of the configuration.

use std::collections::HashSet;
use std::path::PathBuf;

use event::AlertSeverity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ChannelError, NotificationKind, RiskConfig, RiskConfigError, webhook};

/// Who is told of alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertConfig {
    /// Where people reach this server, such as `https://logs.example.vn`: notifications link to it.
    pub base_url: Option<String>,
    /// Receivers of notifications by HTTP.
    pub webhooks: Vec<WebhookConfig>,
    /// How detections add up to the risk of an entity.
    pub risk: RiskConfig,
}

/// A mistake in the section.
#[derive(Debug, thiserror::Error)]
pub enum AlertConfigError {
    /// In a webhook.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// In the settings of risk.
    #[error(transparent)]
    Risk(#[from] RiskConfigError),
}

/// A receiver of notifications by HTTP `POST`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Its name, by which the outbox knows it: renamed, it gets nothing that waits under the old name.
    pub name: String,
    /// `http` or `https`, without a user or a password in it.
    pub url: String,
    /// What it is told of. Default: a new alert, one that has become graver, in whose hand it was put, which severity a person has set,
    /// that it was closed or reopened.
    #[serde(default = "told_by_default")]
    #[schemars(with = "Vec<String>")]
    pub on: Vec<NotificationKind>,
    /// The least severity that it is told of: `low`, `medium`, `high` or `urgent`. Default: every one.
    #[serde(default = "every_severity")]
    #[schemars(with = "String")]
    pub severity_min: AlertSeverity,
    /// How many notifications it gets in an hour, from 1. Beyond it comes one that says so, then only alerts that call
    /// someone (disposition `page`) until the hour is over; the others are in the list of alerts as ever. Default 60:
    /// nobody reads more, and whoever makes up addresses cannot bury what matters.
    #[serde(default = "per_hour_max")]
    pub per_hour_max: u16,
    /// A file with the secret that signs each request (`X-Nhatky-Signature`). Default: requests are not signed.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// A file with the token for the header `Authorization: Bearer`. Default: none is sent.
    #[serde(default)]
    pub bearer_file: Option<PathBuf>,
    /// A file with the certificates (PEM) of a certificate authority of your own, believed beside the machine's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one attempt may take, in seconds, 1 to 60. Default 10.
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
    /// After how many hours a notification that nobody takes is given up, 1 to 720. Default 72: over a weekend.
    #[serde(default = "give_up_after_h")]
    pub give_up_after_h: u16,
    /// Whether it may be on this machine (127.0.0.0/8, ::1). Default no: what listens there often trusts whoever can reach it.
    #[serde(default)]
    pub allow_loopback: bool,
    /// Whether it may have a link-local address or that of a cloud's metadata service. Default no.
    #[serde(default)]
    pub allow_link_local: bool,
}

impl AlertConfig {
    /// Everything that is wrong with it, as far as that shows without connecting to anybody.
    #[must_use]
    pub fn problems(&self) -> Vec<AlertConfigError> {
        let mut names = HashSet::new();
        let mut problems: Vec<AlertConfigError> = Vec::new();
        problems.extend(self.risk.problems().into_iter().map(Into::into));
        for webhook in &self.webhooks {
            if !names.insert(&webhook.name) {
                let channel = webhook.name.clone();
                problems.push(ChannelError::NameTwice { channel }.into());
            }
            problems.extend(webhook::mistakes(webhook).into_iter().map(Into::into));
        }
        problems
    }
}

fn told_by_default() -> Vec<NotificationKind> {
    vec![
        NotificationKind::Created,
        NotificationKind::Escalated,
        NotificationKind::Assigned,
        NotificationKind::Regraded,
        NotificationKind::Closed,
        NotificationKind::Reopened,
    ]
}

fn every_severity() -> AlertSeverity {
    AlertSeverity::Low
}

fn per_hour_max() -> u16 {
    60
}

fn timeout_s() -> u16 {
    10
}

fn give_up_after_h() -> u16 {
    72
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told() {
        let text = r#"{"webhooks":[
            {"name":"chat","url":"https://chat.example/hook","timeout_s":0,"secret_file":"/no/file"},
            {"name":"chat","url":"ftp://chat.example/hook"}]}"#;
        let config: AlertConfig = serde_json::from_str(text).unwrap();
        let told: Vec<_> = config.problems().iter().map(ToString::to_string).collect();
        let expected = ["timeout_s", "/no/file", "two webhooks", "https://"];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_webhook_needs_only_a_name_and_an_address() {
        let text = r#"{"webhooks":[{"name":"chat","url":"https://chat.example/hook"}]}"#;
        let config: AlertConfig = serde_json::from_str(text).unwrap();
        let [webhook] = config.webhooks.as_slice() else {
            panic!("there is one");
        };
        assert_eq!((webhook.timeout_s, webhook.give_up_after_h), (10, 72));
        assert_eq!(webhook.severity_min, AlertSeverity::Low);
        assert!(!webhook.allow_loopback && !webhook.allow_link_local);
        serde_json::from_str::<AlertConfig>(r#"{"webhook":[]}"#).unwrap_err();
    }
}
