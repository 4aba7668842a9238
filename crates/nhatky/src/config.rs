//! `config.toml`: listeners, paths, limits, default thresholds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mistakes::{self, Mistake};

/// The configuration of `nhatky serve`. Every part may be left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The one port for the API, the input over HTTP, and metrics.
    pub(crate) http: HttpConfig,
    /// How logs come in.
    pub(crate) ingest: ingest::IngestConfig,
    /// How long records are kept.
    pub(crate) retention: RetentionConfig,
    /// How records are understood.
    pub(crate) parse: ParseConfig,
    /// Thresholds of rules, by rule: `[detect.rules.login-failures-account] threshold = 15`.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(crate) detect: detect::Settings,
    /// Who is told of alerts.
    pub(crate) alert: alert::AlertConfig,
}

/// The HTTP port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HttpConfig {
    /// Address and port. Default 127.0.0.1:8080. Beyond loopback it needs `tls` and at least one token.
    pub(crate) address: SocketAddr,
    /// Certificate and key, in PEM. They are read again on SIGHUP.
    pub(crate) tls: Option<HttpTls>,
    /// Names under which this server is reached, beside its address; requests for other names are refused.
    pub(crate) names: Vec<String>,
}

/// Certificate and key of the HTTP port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTls {
    /// Our certificate, followed by the intermediate ones.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// How long records are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetentionConfig {
    /// Days that a record is kept at least, from 7 (Điều 7.1). Default 30, the floor of level 2 systems.
    ///
    /// Whole partitions of the oldest records are dropped, so some are kept a day longer. Only time during which this
    /// program ran counts.
    pub(crate) days: u32,
}

/// How records are understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ParseConfig {
    /// The zone of dates that name none, where neither the sender nor its product has a zone of its own: an IANA name,
    /// an abbreviation or an offset. Default Asia/Ho_Chi_Minh.
    pub(crate) zone: String,
    /// What is known of single senders.
    pub(crate) senders: Vec<SenderConfig>,
}

/// What is known of a sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SenderConfig {
    /// Its address, or `tls:NAME`, `token:NAME`, `import:NAME`.
    pub(crate) sender: String,
    /// The zone of its dates.
    #[serde(default)]
    pub(crate) zone: Option<String>,
    /// What it sends, where the lines alone leave it open: a folder under `parsers/`.
    #[serde(default)]
    pub(crate) product: Option<String>,
    /// The layout of its lines: nginx's `log_format`, PostgreSQL's `log_line_prefix`, by the product's name.
    #[serde(default)]
    pub(crate) layouts: std::collections::BTreeMap<String, String>,
    /// Whether it passes on the logs of others, which are then told apart by the host names they claim.
    #[serde(default)]
    pub(crate) relay: Relay,
}

/// Whether a sender passes on the logs of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Relay {
    /// It sends only its own.
    #[default]
    No,
    /// It passes on the logs of others.
    Yes,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        Self {
            address,
            tls: None,
            names: Vec::new(),
        }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { days: 30 }
    }
}

impl Default for ParseConfig {
    fn default() -> Self {
        Self {
            zone: "Asia/Ho_Chi_Minh".to_owned(),
            senders: Vec::new(),
        }
    }
}

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: check that it is there and readable")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is wrong.
    #[error("{path} has {} mistakes, the first {}: run `nhatky check --config {path}` for all", mistakes.len(), first(mistakes))]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All that is wrong.
        mistakes: Vec<Mistake>,
    },
}

fn first(mistakes: &[Mistake]) -> String {
    mistakes.first().map(Mistake::to_string).unwrap_or_default()
}

impl Config {
    /// Reads the file; the defaults where `path` is none.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::read(&text).map_err(|mistakes| ConfigError::Wrong {
            path: path.to_owned(),
            mistakes,
        })
    }

    /// Reads the text and checks what its shape alone cannot say.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Mistake>> {
        let config: Self = mistakes::read(text)?;
        let problems = config.problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    fn problems(&self) -> Vec<Mistake> {
        let mut problems: Vec<_> = self
            .ingest
            .problems()
            .iter()
            .map(|problem| Mistake::general(format!("ingest.{problem}")))
            .collect();
        problems.extend(
            self.alert
                .problems()
                .iter()
                .map(|problem| Mistake::general(format!("alert: {problem}"))),
        );
        if self.retention.days < 7 {
            problems.push(Mistake::general(
                "retention.days: at least 7 (Điều 7.1, Quyết định 17/2020/QĐ-UBND)".to_owned(),
            ));
        }
        if !self.http.address.ip().is_loopback() && self.http.tls.is_none() {
            problems.push(Mistake::general(format!(
                "http.address: {} can be reached from the network, so http.tls is needed",
                self.http.address
            )));
        }
        if let Err(error) = self.parse_settings() {
            problems.push(Mistake::general(format!("parse: {error}")));
        }
        problems
    }

    /// The settings of the parsers.
    pub(crate) fn parse_settings(&self) -> Result<parse::ParseSettings, parse::ZoneError> {
        let mut settings = parse::ParseSettings::default().with_zone(&self.parse.zone)?;
        for sender in &self.parse.senders {
            let known = parse::SenderSettings {
                zone: sender.zone.clone(),
                product: sender.product.clone(),
                layouts: sender.layouts.clone(),
            };
            settings = settings.with_sender(&sender.sender, known)?;
            if let (Relay::Yes, Ok(peer)) = (sender.relay, sender.sender.parse()) {
                settings = settings.with_relay(peer);
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        Config::read(text)
            .unwrap_err()
            .iter()
            .map(Mistake::to_string)
            .collect()
    }

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Config::read("").unwrap(), Config::default());
    }

    #[test]
    fn what_the_shape_cannot_say_is_checked_too() {
        let text =
            "[retention]\ndays = 6\n[http]\naddress = \"0.0.0.0:8080\"\n[parse]\nzone = \"Mars\"";
        let said = complaints(text).join("\n");
        assert!(
            said.contains("retention.days") && said.contains("http.tls") && said.contains("Mars"),
            "{said}"
        );
    }

    #[test]
    fn a_misspelt_setting_is_named_with_its_line() {
        let said = complaints("[retention]\nday = 8\n");
        assert!(
            said[0].starts_with("line 2, column 1:") && said[0].contains("days"),
            "{said:?}"
        );
    }
}
