//! The settings of this crate: listeners and limits.

use std::net::SocketAddr;
use std::path::PathBuf;

use event::Transport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::allow::AllowList;
use crate::frame::syslog::Framing;
use crate::units::{ByteSize, Lapse};

/// How logs come in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IngestConfig {
    /// The listeners for syslog and RELP, each with a name of its own.
    ///
    /// Default: `syslog-udp` and `syslog-tcp` on 127.0.0.1, port 5514, so that nothing is open to the network unasked.
    pub listeners: Vec<ListenerConfig>,
    /// Limits on records that come over HTTP.
    pub http: HttpConfig,
    /// Bytes of records that may be on their way to the disk at once, from 1 MiB; beyond it, reading stops.
    ///
    /// Default 32 MiB: half a second of the fastest disks' writing, and little beside the rest of the process.
    pub in_flight_bytes_max: ByteSize,
}

/// One listener for syslog or RELP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Its name: kept with every record that it receives, and shown in metrics and losses.
    pub name: String,
    /// What is spoken on it.
    pub protocol: Protocol,
    /// The address and port it listens on; port 0 lets the system choose one.
    pub address: SocketAddr,
    /// Who may send; an empty list lets everybody. Default: empty.
    #[serde(default)]
    pub allow: AllowList,
    /// The longest record kept whole, in bytes, from 480 to 16 MiB. Longer ones are cut and marked.
    ///
    /// Default 64 KiB: RFC 5425 recommends 8 KiB or more, and applications send whole stack traces.
    #[serde(default = "defaults::record_bytes_max")]
    pub record_bytes_max: ByteSize,
    /// Records a second that one peer may send; UDP beyond it is dropped and counted as a loss, streams are read no
    /// faster. Default: no limit.
    #[serde(default)]
    pub peer_records_per_second_max: Option<u32>,
    /// Connections that may be open at once. Default 4096. Not for UDP.
    #[serde(default = "defaults::connections_max")]
    pub connections_max: u32,
    /// Connections that one peer may have open at once. Default 256. Not for UDP.
    #[serde(default = "defaults::peer_connections_max")]
    pub peer_connections_max: u32,
    /// A connection on which nothing comes for so long is closed. Default 24 h, since a sender learns of the closing
    /// only by losing a message. Not for UDP.
    #[serde(default = "defaults::idle_max")]
    pub idle_max: Lapse,
    /// A message begun, or a TLS handshake, must be finished within so long. Default 60 s. Not for UDP.
    #[serde(default = "defaults::message_time_max")]
    pub message_time_max: Lapse,
    /// How messages are told apart on TCP and TLS. Default: found out for each connection.
    #[serde(default)]
    pub framing: Framing,
    /// A regular expression that matches the first line of each message: the lines that follow belong to it.
    /// For TCP and TLS whose messages end with a line feed. Default: each line is a message.
    #[serde(default)]
    pub multiline: Option<String>,
    /// Certificate and key. Needed for TLS; RELP with it speaks TLS, too.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// UDP: how many sockets share the port, each with its own thread and buffer, from 1 to 64. The kernel spreads
    /// peers over them. Default 2.
    #[serde(default = "defaults::sockets")]
    pub sockets: u8,
    /// UDP: the kernel's buffer for each socket. Default 16 MiB: some 20,000 short messages, a quarter of a second at
    /// 80,000 a second. Without the right CAP_NET_ADMIN the kernel caps it at `net.core.rmem_max`.
    #[serde(default = "defaults::receive_buffer")]
    pub receive_buffer: ByteSize,
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Syslog over UDP, one datagram a message.
    Udp,
    /// Syslog over TCP.
    Tcp,
    /// Syslog over TLS.
    Tls,
    /// RELP: syslog that is acknowledged once it is on disk.
    Relp,
}

/// Files for TLS, in PEM. They are read again on SIGHUP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Our certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities whose client certificates are accepted. Default: none is asked for.
    #[serde(default)]
    pub client_authorities: Option<PathBuf>,
    /// Whether a client may come without a certificate, when `client_authorities` is given. Default: no.
    #[serde(default)]
    pub client_certificate: ClientCertificate,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificate {
    /// It must.
    #[default]
    Required,
    /// It may; without one the peer's address is all that is known.
    Optional,
}

/// Limits on records that come over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The longest item, in bytes; a longer one is refused alone, with 413. Default 1 MiB.
    pub item_bytes_max: ByteSize,
    /// Items in one request at most. Default 100,000.
    pub items_max: u32,
    /// The longest body as it comes over the wire. Default 32 MiB.
    pub body_bytes_max: ByteSize,
    /// The longest body after unpacking. Default 64 MiB.
    pub unpacked_bytes_max: ByteSize,
    /// Bytes of all bodies being worked on at once; beyond it, 429. Default 192 MiB.
    pub bodies_bytes_max: ByteSize,
    /// The share of it, in percent, that one peer may have. Default 50.
    pub peer_share_percent: u8,
    /// A body on which nothing comes for so long is given up. Default 10 s.
    pub body_idle_max: Lapse,
    /// A body must be there as a whole within so long. Default 2 min.
    pub body_time_max: Lapse,
    /// Items a second that one peer may send; beyond it, 429. Default: no limit.
    pub peer_records_per_second_max: Option<u32>,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct ConfigProblem {
    /// Where, as in `listeners[0].tls`.
    pub path: String,
    /// What, and what to do.
    pub problem: String,
}

mod defaults {
    use super::{ByteSize, Lapse};

    pub(super) fn record_bytes_max() -> ByteSize {
        ByteSize::kib(64)
    }
    pub(super) fn connections_max() -> u32 {
        4096
    }
    pub(super) fn peer_connections_max() -> u32 {
        256
    }
    pub(super) fn idle_max() -> Lapse {
        Lapse::seconds(24 * 3600)
    }
    pub(super) fn message_time_max() -> Lapse {
        Lapse::seconds(60)
    }
    pub(super) fn sockets() -> u8 {
        2
    }
    pub(super) fn receive_buffer() -> ByteSize {
        ByteSize::mib(16)
    }
}

impl Default for IngestConfig {
    fn default() -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 5514));
        Self {
            listeners: vec![
                ListenerConfig::new("syslog-udp", Protocol::Udp, loopback),
                ListenerConfig::new("syslog-tcp", Protocol::Tcp, loopback),
            ],
            http: HttpConfig::default(),
            in_flight_bytes_max: ByteSize::mib(32),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            item_bytes_max: ByteSize::mib(1),
            items_max: 100_000,
            body_bytes_max: ByteSize::mib(32),
            unpacked_bytes_max: ByteSize::mib(64),
            bodies_bytes_max: ByteSize::mib(192),
            peer_share_percent: 50,
            body_idle_max: Lapse::seconds(10),
            body_time_max: Lapse::seconds(120),
            peer_records_per_second_max: None,
        }
    }
}

impl Protocol {
    /// The transport of the records that come by it.
    #[must_use]
    pub fn transport(self) -> Transport {
        match self {
            Self::Udp => Transport::Udp,
            Self::Tcp => Transport::Tcp,
            Self::Tls => Transport::Tls,
            Self::Relp => Transport::Relp,
        }
    }
}

impl ListenerConfig {
    /// A listener with the default limits.
    #[must_use]
    pub fn new(name: &str, protocol: Protocol, address: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            protocol,
            address,
            allow: AllowList::default(),
            record_bytes_max: defaults::record_bytes_max(),
            peer_records_per_second_max: None,
            connections_max: defaults::connections_max(),
            peer_connections_max: defaults::peer_connections_max(),
            idle_max: defaults::idle_max(),
            message_time_max: defaults::message_time_max(),
            framing: Framing::Auto,
            multiline: None,
            tls: None,
            sockets: defaults::sockets(),
            receive_buffer: defaults::receive_buffer(),
        }
    }

    fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut check = |sound: bool, field, problem: &str| {
            if !sound {
                problems.push((field, problem.to_owned()));
            }
        };
        let reserved = matches!(self.name.as_str(), "" | "nhatky" | "http");
        check(
            !reserved,
            "name",
            "a name is needed, other than nhatky and http",
        );
        let record = (480..=16 << 20).contains(&self.record_bytes_max.0);
        check(
            record,
            "record_bytes_max",
            "must be from 480 bytes to 16MiB",
        );
        check(
            (1..=64).contains(&self.sockets),
            "sockets",
            "must be from 1 to 64",
        );
        let connections = self.connections_max > 0 && self.peer_connections_max > 0;
        check(
            connections,
            "connections_max",
            "at least one connection must be possible",
        );
        let rate = self.peer_records_per_second_max != Some(0);
        check(
            rate,
            "peer_records_per_second_max",
            "must be at least 1; leave it out for no limit",
        );
        let needs = self.protocol != Protocol::Tls || self.tls.is_some();
        check(needs, "tls", "protocol tls needs a certificate and a key");
        let takes = self.tls.is_none() || matches!(self.protocol, Protocol::Tls | Protocol::Relp);
        check(
            takes,
            "tls",
            "only the protocols tls and relp use a certificate",
        );
        if let Some(pattern) = &self.multiline {
            let lines = matches!(self.protocol, Protocol::Tcp | Protocol::Tls);
            check(
                lines,
                "multiline",
                "only the protocols tcp and tls join lines",
            );
            if let Err(error) = multiline_pattern(pattern) {
                problems.push(("multiline", error.to_string()));
            }
        }
        problems
    }
}

/// The compiled pattern of a listener's `multiline`.
pub(crate) fn multiline_pattern(pattern: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build()
}

impl IngestConfig {
    /// Everything that is wrong with these settings; empty when nothing is. Looks at no file and opens no socket.
    #[must_use]
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut push =
            |path: String, problem: String| problems.push(ConfigProblem { path, problem });
        for (at, listener) in self.listeners.iter().enumerate() {
            for (field, problem) in listener.problems() {
                push(format!("listeners[{at}].{field}"), problem);
            }
            let earlier = self.listeners.iter().take(at);
            if earlier.into_iter().any(|other| other.name == listener.name) {
                let problem = format!("another listener is called {:?}, too", listener.name);
                push(format!("listeners[{at}].name"), problem);
            }
        }
        if self.in_flight_bytes_max < ByteSize::mib(1) {
            push(
                "in_flight_bytes_max".to_owned(),
                "must be at least 1MiB".to_owned(),
            );
        }
        if self.http.bodies_bytes_max < self.http.unpacked_bytes_max {
            let problem = "must be at least as much as http.unpacked_bytes_max";
            push("http.bodies_bytes_max".to_owned(), problem.to_owned());
        }
        if !(1..=100).contains(&self.http.peer_share_percent) {
            push(
                "http.peer_share_percent".to_owned(),
                "must be from 1 to 100".to_owned(),
            );
        }
        if self.http.item_bytes_max > ByteSize::mib(16) {
            push(
                "http.item_bytes_max".to_owned(),
                "must be at most 16MiB".to_owned(),
            );
        }
        if self.http.peer_records_per_second_max == Some(0) {
            let problem = "must be at least 1; leave it out for no limit";
            push(
                "http.peer_records_per_second_max".to_owned(),
                problem.to_owned(),
            );
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> IngestConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_defaults_are_sound_and_loopback_only() {
        let config = read("");
        assert_eq!(config, IngestConfig::default());
        assert_eq!(config.problems(), []);
        assert!(
            config
                .listeners
                .iter()
                .all(|listener| listener.address.ip().is_loopback())
        );
    }

    #[test]
    fn a_listener_is_read_with_its_limits() {
        let config = read(
            r#"
            in_flight_bytes_max = "8MiB"
            [[listeners]]
            name = "firewalls"
            protocol = "tls"
            address = "[::]:6514"
            allow = ["10.0.0.0/8"]
            record_bytes_max = "128KiB"
            framing = "octet-counting"
            idle_max = "2h"
            tls = { certificate = "a.pem", key = "a.key", client_authorities = "ca.pem" }
            "#,
        );
        assert_eq!(config.problems(), []);
        let listener = &config.listeners[0];
        assert_eq!(listener.record_bytes_max, ByteSize::kib(128));
        assert_eq!(listener.idle_max, Lapse::seconds(7200));
        let tls = listener.tls.as_ref().unwrap();
        assert_eq!(tls.client_certificate, ClientCertificate::Required);
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error = toml::from_str::<IngestConfig>("[http]\nbody_max = 5").unwrap_err();
        assert!(error.to_string().contains("body_max"), "{error}");
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let config = read(
            r#"
            in_flight_bytes_max = 5
            [[listeners]]
            name = "a"
            protocol = "udp"
            address = "127.0.0.1:0"
            record_bytes_max = 10
            multiline = "("
            [[listeners]]
            name = "a"
            protocol = "tls"
            address = "127.0.0.1:0"
            sockets = 0
            "#,
        );
        let paths: Vec<String> = config
            .problems()
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(
            paths,
            [
                "listeners[0].record_bytes_max",
                "listeners[0].multiline",
                "listeners[0].multiline",
                "listeners[1].sockets",
                "listeners[1].tls",
                "listeners[1].name",
                "in_flight_bytes_max",
            ]
        );
    }
}
