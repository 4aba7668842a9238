//! The raw bytes of one log message, and how they arrived.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Micros, Seq};

/// One log message exactly as received, with how it arrived. Never altered.
///
/// Before the journal has appended it, `seq` is [`Seq::ZERO`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the journal.
    pub seq: Seq,
    /// What it shares with the other records of its connection or listener.
    pub origin: Arc<Origin>,
    /// When we received it.
    pub received_at: Micros,
    /// The time against which a date without a year is read: the receipt time, for an import the file's own.
    pub reference_time: Micros,
    /// What went wrong in framing, if anything did.
    pub mark: Option<Mark>,
    /// `_index` and `_id` of an item of `_bulk`, as sent.
    pub item: Option<Box<BulkItem>>,
    /// The bytes of the message: a syslog frame without its framing, or exactly one HTTP item.
    pub raw: Bytes,
}

impl Record {
    /// A record just received: no Seq, nothing amiss, the reference time being the receipt time.
    #[must_use]
    pub fn new(origin: Arc<Origin>, received_at: Micros, raw: Bytes) -> Self {
        Self {
            seq: Seq::ZERO,
            origin,
            received_at,
            reference_time: received_at,
            mark: None,
            item: None,
            raw,
        }
    }
}

/// The text of a record's bytes ([`Event::original`](crate::Event::original)): where they are not UTF-8 with U+FFFD in their place.
#[must_use]
pub fn original(raw: &[u8]) -> Cow<'_, str> {
    // Mostly it is UTF-8, which is checked many times faster than it is looked through for what to replace.
    match std::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// How records arrived: what all records of one connection, or of one listener and peer, share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// By which protocol.
    pub transport: Transport,
    /// The listener's name in the configuration; `nhatky` for the product's own records.
    pub listener: Box<str>,
    /// The address at the other end of the socket; none for imports and our own records.
    pub peer: Option<SocketAddr>,
    /// Who the sender proved to be, by TLS certificate or token; for an import, the name it was given.
    pub identity: Option<Identity>,
}

impl Origin {
    /// The origin of the product's own records.
    #[must_use]
    pub fn own() -> Self {
        Self {
            transport: Transport::Internal,
            listener: Box::from("nhatky"),
            peer: None,
            identity: None,
        }
    }

    /// Who sent this: the TLS identity, else the token, else the peer's address (DESIGN: *sender*).
    ///
    /// Text that is stable over restarts: `tls:NAME`, `token:NAME`, `import:NAME`, an address, or `nhatky`.
    #[must_use]
    pub fn sender(&self) -> String {
        match (&self.identity, self.peer) {
            (Some(Identity::Tls(name)), _) => format!("tls:{name}"),
            (Some(Identity::Token(name)), _) => format!("token:{name}"),
            (Some(Identity::Import(name)), _) => format!("import:{name}"),
            (None, Some(peer)) => peer.ip().to_canonical().to_string(),
            (None, None) => self.listener.to_string(),
        }
    }
}

/// Who a sender proved to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The common name or first DNS name of a verified client certificate.
    Tls(Box<str>),
    /// The name of the token presented.
    Token(Box<str>),
    /// `nhatky import --source NAME`.
    Import(Box<str>),
}

/// The protocol by which a record arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Syslog over UDP (RFC 5426), one datagram a record.
    Udp,
    /// Syslog over TCP (RFC 6587), either framing.
    Tcp,
    /// Syslog over TLS (RFC 5425).
    Tls,
    /// RELP.
    Relp,
    /// NDJSON, a JSON array, or `_bulk` over HTTP.
    Http,
    /// `nhatky import`.
    Import,
    /// The product's own records.
    Internal,
}

impl Transport {
    /// All transports, in the order of their codes in the journal.
    pub const ALL: [Self; 7] = [
        Self::Udp,
        Self::Tcp,
        Self::Tls,
        Self::Relp,
        Self::Http,
        Self::Import,
        Self::Internal,
    ];

    /// Its name in lower case, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Relp => "relp",
            Self::Http => "http",
            Self::Import => "import",
            Self::Internal => "internal",
        }
    }
}

/// What went wrong while a message was framed; the bytes that arrived are kept all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The message was longer than the limit and was cut: its length on the wire, in bytes, as far as known.
    Truncated {
        /// Bytes that the sender sent or announced.
        original_bytes: u64,
    },
    /// What should have been JSON was not.
    NotJson,
    /// The framing was broken here: these bytes are what lay before the next sound frame.
    BadFrame,
    /// The connection ended in the middle of this message.
    Unfinished,
}

/// The address of an item of Elasticsearch's `_bulk`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkItem {
    /// `_index`, as sent.
    pub index: Option<Box<str>>,
    /// `_id`, as sent.
    pub id: Option<Box<str>>,
}
