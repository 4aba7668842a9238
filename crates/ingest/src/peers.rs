//! What one peer may take: connections and records a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many connections each peer has open.
#[derive(Debug)]
pub(crate) struct PeerConnections {
    all_max: u32,
    peer_max: u32,
    open: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection that counts against its peer's share until it is dropped.
#[derive(Debug)]
pub(crate) struct PeerGuard {
    connections: Arc<PeerConnections>,
    peer: IpAddr,
}

impl PeerConnections {
    pub(crate) fn new(all_max: u32, peer_max: u32) -> Arc<Self> {
        Arc::new(Self {
            all_max,
            peer_max,
            open: Mutex::default(),
        })
    }

    /// One more connection for `peer`; `None` when it, or all together, have enough.
    pub(crate) fn open(self: &Arc<Self>, peer: IpAddr) -> Option<PeerGuard> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = open.values().sum();
        let of_peer = open.get(&peer).copied().unwrap_or(0);
        if all >= self.all_max || of_peer >= self.peer_max {
            return None;
        }
        open.insert(peer, of_peer + 1);
        Some(PeerGuard {
            connections: Arc::clone(self),
            peer,
        })
    }
}

impl Drop for PeerGuard {
    fn drop(&mut self) {
        let open = &self.connections.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_peer) = open.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

/// The rate that each peer may send at: a token bucket that holds one second's worth.
#[derive(Debug)]
pub(crate) struct PeerRates {
    record_takes: Duration,
    /// When each peer would be done, had it sent at just the rate (monotonic time).
    done_at: Mutex<HashMap<IpAddr, Duration>>,
}

/// What a peer may run ahead of its rate.
const BURST: Duration = Duration::from_secs(1);
/// Peers remembered before those that are within their rate are forgotten.
const PEERS_MAX: usize = 16 * 1024;

impl PeerRates {
    pub(crate) fn new(records_per_second: u32) -> Self {
        Self {
            record_takes: Duration::from_secs(1) / records_per_second.max(1),
            done_at: Mutex::default(),
        }
    }

    /// Counts `records` that have come already; how long to wait before taking more.
    pub(crate) fn spend(&self, peer: IpAddr, records: usize, now: Duration) -> Duration {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let mut done_at = self.done_at.lock().unwrap_or_else(PoisonError::into_inner);
        let done = done_at.get(&peer).copied().unwrap_or(now).max(now);
        let done = done.saturating_add(self.record_takes.saturating_mul(records));
        remember(&mut done_at, peer, done, now);
        done.saturating_sub(now.saturating_add(BURST))
    }

    /// Whether `records` more are within the rate; only then they are counted.
    pub(crate) fn admits(&self, peer: IpAddr, records: usize, now: Duration) -> bool {
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let mut done_at = self.done_at.lock().unwrap_or_else(PoisonError::into_inner);
        let done = done_at.get(&peer).copied().unwrap_or(now).max(now);
        // What was admitted before must have been worked off to within the burst; a batch of any size may follow.
        if done.saturating_sub(now) >= BURST {
            return false;
        }
        let done = done.saturating_add(self.record_takes.saturating_mul(records));
        remember(&mut done_at, peer, done, now);
        true
    }
}

fn remember(done_at: &mut HashMap<IpAddr, Duration>, peer: IpAddr, done: Duration, now: Duration) {
    if done_at.len() >= PEERS_MAX && !done_at.contains_key(&peer) {
        done_at.retain(|_, done| *done > now);
    }
    // Peers beyond twice the bound all run ahead at once: they go unlimited rather than take the memory.
    if done_at.len() < 2 * PEERS_MAX || done_at.contains_key(&peer) {
        done_at.insert(peer, done);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn connections_are_limited_for_each_peer_and_for_all() {
        let connections = PeerConnections::new(3, 2);
        let first = connections.open(PEER).unwrap();
        let second = connections.open(PEER).unwrap();
        assert!(connections.open(PEER).is_none());
        let third = connections.open(OTHER).unwrap();
        assert!(connections.open(OTHER).is_none(), "three are open");
        drop(first);
        let again = connections.open(PEER).unwrap();
        drop((second, third, again));
        assert!(connections.open.lock().unwrap().is_empty());
    }

    #[test]
    fn a_peer_gets_a_burst_then_its_rate() {
        let rates = PeerRates::new(10);
        let second = Duration::from_secs;
        let admitted = |now| (0..100).filter(|_| rates.admits(PEER, 1, now)).count();
        assert_eq!(admitted(second(5)), 10);
        assert_eq!(admitted(second(5)), 0);
        assert_eq!(admitted(second(6)), 10);
        assert!(rates.admits(OTHER, 1, second(6)), "others are not touched");
    }

    #[test]
    fn a_stream_waits_for_what_it_ran_ahead() {
        let rates = PeerRates::new(10);
        let second = Duration::from_secs;
        assert_eq!(rates.spend(PEER, 10, second(0)), second(0));
        assert_eq!(rates.spend(PEER, 20, second(0)), second(2));
        assert_eq!(rates.spend(PEER, 0, second(3)), second(0));
    }
}
