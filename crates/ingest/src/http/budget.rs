//! Memory for bodies: a bound for all, and a share of it for each peer.
//!
//! Taking never waits, since requests that each hold a part and wait for more would wait for each other for ever; who
//! gets nothing is told to come again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The bytes that bodies may take.
#[derive(Debug)]
pub(crate) struct Budget {
    all_max: usize,
    peer_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    peers: HashMap<IpAddr, usize>,
}

/// What one request has taken; given back when dropped.
#[derive(Debug)]
pub(crate) struct Allowance {
    budget: Arc<Budget>,
    peer: IpAddr,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(all_max: usize, peer_max: usize) -> Arc<Self> {
        Arc::new(Self {
            all_max,
            peer_max,
            taken: Mutex::default(),
        })
    }

    /// An allowance of nothing yet, for a request of `peer`.
    pub(crate) fn open(self: &Arc<Self>, peer: IpAddr) -> Allowance {
        Allowance {
            budget: Arc::clone(self),
            peer,
            bytes: 0,
        }
    }
}

impl Allowance {
    /// Takes `bytes` more; false when the peer, or all together, would have too many.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let mut taken = self
            .budget
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.peers.get(&self.peer).copied().unwrap_or(0);
        let (all, of_peer) = (
            taken.all.saturating_add(bytes),
            of_peer.saturating_add(bytes),
        );
        if all > self.budget.all_max || of_peer > self.budget.peer_max {
            return false;
        }
        taken.all = all;
        taken.peers.insert(self.peer, of_peer);
        self.bytes += bytes;
        true
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        let mut taken = self
            .budget
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all -= self.bytes;
        if let Some(of_peer) = taken.peers.get_mut(&self.peer) {
            *of_peer -= self.bytes;
            if *of_peer == 0 {
                taken.peers.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_it_all() {
        let budget = Budget::new(10, 6);
        let peer = |last| IpAddr::from([192, 0, 2, last]);
        let mut first = budget.open(peer(1));
        assert!(first.take(4));
        let mut second = budget.open(peer(1));
        assert!(!second.take(3));
        assert!(second.take(2));
        let mut other = budget.open(peer(2));
        assert!(!other.take(5));
        assert!(other.take(4));
        drop(first);
        assert!(second.take(4));
        drop((second, other));
        let taken = budget.taken.lock().unwrap();
        assert!(taken.all == 0 && taken.peers.is_empty());
    }
}
