//! What each listener counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event::Transport;

/// The counters of one listener. They only grow, but for `connections`.
#[derive(Debug)]
pub struct ListenerMetrics {
    /// The listener's name.
    pub name: Box<str>,
    /// Its protocol.
    pub transport: Transport,
    /// Records handed to the journal.
    pub received: AtomicU64,
    /// Their bytes, as stored.
    pub bytes: AtomicU64,
    /// Connections, datagrams, requests and items that were turned away by a limit, the allow list or a failed
    /// handshake or authentication.
    pub rejected: AtomicU64,
    /// Records known to be lost: dropped by the kernel or over a rate, or refused by a journal that has stopped.
    pub lost: AtomicU64,
    /// Frames that could not be understood.
    pub malformed: AtomicU64,
    /// Connections open now; for HTTP, requests.
    pub connections: AtomicU64,
    /// Connections ever opened; for HTTP, requests.
    pub connections_total: AtomicU64,
}

/// The counters of everything that this crate receives.
#[derive(Clone, Debug)]
pub struct IngestMetrics {
    /// Those of the listeners, in the order of the configuration, and last those of HTTP.
    pub listeners: Vec<Arc<ListenerMetrics>>,
}

impl ListenerMetrics {
    pub(crate) fn new(name: &str, transport: Transport) -> Self {
        Self {
            name: Box::from(name),
            transport,
            received: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            connections_total: AtomicU64::new(0),
        }
    }

    /// Counts a connection or a request as open until the guard is dropped.
    pub(crate) fn open(self: &Arc<Self>) -> OpenGuard {
        add(&self.connections, 1);
        add(&self.connections_total, 1);
        OpenGuard(Arc::clone(self))
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub(crate) struct OpenGuard(Arc<ListenerMetrics>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
