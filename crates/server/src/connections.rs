//! How many connections the port takes, in all and from one peer: who opens many shuts out only himself.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tower::Service;

/// Takes connections up to a number.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    open: Arc<Mutex<Open>>,
    all_max: usize,
    peer_max: usize,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A connection that counts as open until it is dropped.
#[derive(Debug)]
struct Place {
    connections: Connections,
    peer: IpAddr,
}

/// The service of one connection, with its place.
#[derive(Clone, Debug)]
pub(crate) struct Placed<S> {
    service: S,
    _place: Arc<Place>,
}

impl Connections {
    pub(crate) fn new(all_max: usize, peer_max: usize) -> Self {
        Self {
            open: Arc::default(),
            all_max,
            peer_max,
        }
    }

    fn place(&self, peer: IpAddr) -> Option<Place> {
        let peer = peer.to_canonical();
        let mut open = self.lock();
        let from_peer = open.by_peer.get(&peer).copied().unwrap_or(0);
        if open.all >= self.all_max || from_peer >= self.peer_max {
            return None;
        }
        open.all += 1;
        open.by_peer.insert(peer, from_peer + 1);
        drop(open);
        Some(Place {
            connections: self.clone(),
            peer,
        })
    }

    /// A panic while the lock was held cannot have left the numbers half-changed: nothing in between can panic.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(count) = open.by_peer.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = TcpStream;
    type Service = Placed<S>;
    type Future = Ready<io::Result<(TcpStream, Placed<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(self.admit(stream, service))
    }
}

impl Connections {
    fn admit<S>(&self, stream: TcpStream, service: S) -> io::Result<(TcpStream, Placed<S>)> {
        stream.set_nodelay(true)?;
        let place = self.place(stream.peer_addr()?.ip());
        let place = place.ok_or_else(|| io::Error::other("too many connections"))?;
        let placed = Placed {
            service,
            _place: Arc::new(place),
        };
        Ok((stream, placed))
    }
}

impl<R, S: Service<R>> Service<R> for Placed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_takes_its_share_and_gives_it_back() {
        let connections = Connections::new(3, 2);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let first = connections.place(one).unwrap();
        let second = connections.place(mapped).unwrap();
        assert!(connections.place(one).is_none());
        let third = connections.place(other).unwrap();
        assert!(connections.place(other).is_none(), "no more in all");
        drop(first);
        assert!(connections.place(one).is_some());
        drop((second, third));
        assert!(connections.lock().by_peer.is_empty());
        assert_eq!(connections.lock().all, 0);
    }
}
