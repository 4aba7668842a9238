//! Takes logs from the network and hands them to the journal: wire → [`Record`](event::Record) → acknowledgement.
//!
//! [`Ingest::start`] opens the listeners of an [`IngestConfig`]: syslog over UDP, TCP and TLS, and RELP.
//! [`http::router`] gives the routes that take records over HTTP, ours and Elasticsearch's `_bulk`, for the server to
//! mount. Here messages are only *framed*; what they say is `parse`'s business. Not here: serving HTTP, tokens (see
//! [`http::Authenticate`]), files (`import` frames its lines with [`SyslogDecoder`] and [`LineJoiner`]).
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use disk::RealDisk;
//! use event::{Clock, SystemClock};
//! use ingest::{Ingest, IngestConfig, ListenerConfig, Protocol, Stopped};
//! use journal::{Journal, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
//! let journal = Journal::open(Arc::new(RealDisk), dir.path(), Options::default(), clock.clone())?;
//! let config = IngestConfig {
//!     listeners: vec![ListenerConfig::new("syslog", Protocol::Tcp, "127.0.0.1:0".parse()?)],
//!     ..IngestConfig::default()
//! };
//! let ingest = Ingest::start(&config, journal.appender(), journal.reader(), clock).await?;
//! for (name, _, address) in ingest.addresses() {
//!     assert_eq!((name, address.ip().is_loopback()), ("syslog", true));
//! }
//! assert_eq!(ingest.stop(Duration::from_secs(10)).await, Stopped::Drained);
//! # Ok(()) })
//! # }
//! ```
//!
//! # Always true
//!
//! - What is acknowledged is durable: HTTP's 2xx and RELP's `200 OK` come after the journal's sync.
//! - Nothing is refused for what it says. Over-long syslog is cut and marked; a broken frame is kept and marked, and
//!   noted as a loss; an HTTP item over the limit alone gets a 413.
//! - Over UDP, sent = stored + recorded as lost + turned away by the allow list. The kernel's own count of drops is
//!   read every 100 ms, so that the last ones count even when no datagram follows.
//! - Over plain TCP and TLS a full journal stops the reading; each connection's records are stored in their order.
//! - Every queue and buffer has a bound. Bytes on their way to the disk share one ([`IngestConfig`]
//!   `in_flight_bytes_max`), and who waits for it is served in turn, so that one loud sender does not starve the others.
//! - No thread of the runtime ever waits for the journal.
//!
//! # How
//!
//! ```text
//! UDP sockets ── a thread each, recvmmsg ──┐
//! TCP, TLS ── SyslogDecoder ── LineJoiner ─┤
//! RELP ── RelpDecoder ◄── answers ─────────┼── Intake (bytes in flight) ── journal::Appender
//! HTTP ── budget ── unpack ── split ───────┤                                   │ durable
//! losses, heartbeat, clock jumps ──────────┘◄──────────── receipts ────────────┘
//! ```
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]

mod allow;
mod certificate;
mod config;
mod context;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod http;
mod intake;
mod losses;
mod metrics;
mod own_records;
mod peers;
mod relp_session;
mod service;
mod stream;
mod syslog_session;
mod tls;
mod udp;
mod udp_system;
mod units;

pub use allow::{AllowList, NetworkError};
pub use config::{
    ClientCertificate, ConfigProblem, HttpConfig, IngestConfig, ListenerConfig, Protocol, TlsConfig,
};
pub use frame::Frame;
pub use frame::multiline::LineJoiner;
pub use frame::syslog::{Framing, SyslogDecoder};
pub use metrics::{IngestMetrics, ListenerMetrics};
pub use service::{Ingest, ReloadError, StartError, Stopped};
pub use tls::TlsError;
pub use units::{ByteSize, Lapse, UnitError};
