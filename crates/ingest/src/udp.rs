//! Syslog over UDP: several sockets on one port, each with a thread of its own.
//!
//! What the kernel drops is counted by the kernel and noted as a loss, so that datagrams sent = records stored +
//! records noted as lost (but for what an allow list turns away, which is counted as rejected).

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use event::{LossCause, Mark, Micros, Origin, Record};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;

use crate::config::ListenerConfig;
use crate::context::Context;
use crate::frame::wide;
use crate::losses::Noted;
use crate::metrics::add;
use crate::udp_system::{self, Datagrams, Wait};

/// Datagrams taken by one system call at most.
const SLOTS: usize = 128;
/// Records and bytes handed over at once, about.
const BATCH_RECORDS: usize = 1024;
const BATCH_BYTES: usize = 512 * 1024;
/// How long a thread waits for a datagram before it looks at the drops and at whether to stop.
const LOOK_AROUND: Duration = Duration::from_millis(100);
/// Peers whose origin is remembered.
const ORIGINS_MAX: usize = 4096;
/// Calls that empty the socket at the end, at most: a sender that never pauses cannot hold up the stop.
const LAST_CALLS_MAX: usize = 2000;

/// Opens the sockets of a listener; all of them, before any datagram is read, so that peers stay where they are.
pub(crate) fn bind(config: &ListenerConfig) -> io::Result<Vec<Socket>> {
    let mut address = config.address;
    let mut sockets = Vec::new();
    for _ in 0..config.sockets {
        let socket = open(config, address)?;
        let bound = socket.local_addr()?.as_socket();
        address = bound.ok_or_else(|| io::Error::other("the socket has no address"))?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn open(config: &ListenerConfig, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    let wanted = config.receive_buffer.in_memory();
    if udp_system::force_receive_buffer(socket.as_fd(), wanted).is_err() {
        socket.set_recv_buffer_size(wanted)?;
        // The kernel says twice what it was asked for.
        let got = socket.recv_buffer_size()? / 2;
        if got < wanted {
            tracing::warn!(
                listener = config.name,
                wanted,
                got,
                "receive buffer is smaller than asked for: raise net.core.rmem_max or grant CAP_NET_ADMIN"
            );
        }
    }
    socket.set_read_timeout(Some(LOOK_AROUND))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Starts the thread that empties one socket until `stop`.
pub(crate) fn spawn(
    context: Arc<Context>,
    socket: Socket,
    stop: Arc<AtomicBool>,
    runtime: Handle,
) -> io::Result<JoinHandle<()>> {
    udp_system::dropped(socket.as_fd()).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot count dropped datagrams (SO_MEMINFO): {error}"),
        )
    })?;
    let checked_at = context.clock.now();
    thread::Builder::new()
        .name("ingest-udp".to_owned())
        .spawn(move || {
            let worker = Worker {
                datagrams: Datagrams::new(SLOTS),
                origins: HashMap::new(),
                batch: Batch::default(),
                // The socket is new: what was dropped before this moment counts, too.
                dropped: 0,
                checked_at,
                context,
                socket,
                runtime,
            };
            worker.run(&stop);
        })
}

/// The state of one thread.
struct Worker {
    context: Arc<Context>,
    socket: Socket,
    runtime: Handle,
    datagrams: Datagrams,
    origins: HashMap<SocketAddr, Arc<Origin>>,
    batch: Batch,
    /// The kernel's count of drops when it was last read, and when that was.
    dropped: u32,
    checked_at: Micros,
}

/// Records on their way, whose bytes lie in one piece of memory.
#[derive(Default)]
struct Batch {
    bytes: BytesMut,
    heads: Vec<Head>,
}

/// A record whose bytes are the next `bytes` of the batch.
struct Head {
    origin: Arc<Origin>,
    received_at: Micros,
    bytes: usize,
    mark: Option<Mark>,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if let Err(error) = self.take_turn(Wait::ForOne) {
                tracing::error!(listener = self.context.config.name, %error, "cannot receive datagrams");
                // An error that lasts must not turn into a busy loop.
                thread::sleep(LOOK_AROUND);
            }
        }
        for _ in 0..LAST_CALLS_MAX {
            match self.take_turn(Wait::No) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }

    /// Takes what is there, up to a batch, hands it over, and reads the kernel's count of drops.
    fn take_turn(&mut self, wait: Wait) -> io::Result<usize> {
        let mut received = self.receive(wait);
        while matches!(received, Ok(())) && self.datagrams.is_full() && self.batch.has_room() {
            received = self.receive(Wait::No);
        }
        let records = self.batch.heads.len();
        if records > 0 {
            self.hand_over();
        }
        self.note_drops();
        received.map(|()| records)
    }

    fn receive(&mut self, wait: Wait) -> io::Result<()> {
        self.datagrams.receive(self.socket.as_fd(), wait)?;
        if self.datagrams.len() == 0 {
            return Ok(());
        }
        let (context, now) = (&self.context, self.context.clock.now());
        let limit = context.config.record_bytes_max.in_memory();
        let monotonic = context.clock.monotonic();
        for datagram in self.datagrams.iter() {
            let peer = datagram.peer;
            if !context.config.allow.allows(peer.ip()) {
                add(&context.metrics.rejected, 1);
                continue;
            }
            let within = |rates: &crate::peers::PeerRates| rates.admits(peer.ip(), 1, monotonic);
            if !context.rates.as_ref().is_none_or(within) {
                note_over_rate(context, peer, now);
                continue;
            }
            if self.origins.len() >= ORIGINS_MAX && !self.origins.contains_key(&peer) {
                self.origins.clear();
            }
            let origin = self
                .origins
                .entry(peer)
                .or_insert_with(|| context.origin(peer, None));
            self.batch.push(origin, now, datagram.bytes, limit);
        }
        Ok(())
    }

    /// Waits while the journal has no room: the kernel's buffer then fills, and what it drops is counted.
    fn hand_over(&mut self) {
        let records = self.batch.take();
        let count = wide(records.len());
        if self
            .runtime
            .block_on(self.context.hand_over_records(records))
            .is_err()
        {
            let (context, now) = (&self.context, self.context.clock.now());
            context.losses.note(Noted {
                cause: LossCause::QueueOverflow,
                source: &context.config.name,
                from: now,
                to: now,
                records_max: Some(count),
                bytes: None,
                detail: "the journal has stopped",
            });
        }
    }

    fn note_drops(&mut self) {
        let now = self.context.clock.now();
        // The option was there at the start; should reading fail now, the next reading has the sum.
        if let Ok(dropped) = udp_system::dropped(self.socket.as_fd()) {
            let more = u64::from(dropped.wrapping_sub(self.dropped));
            if more > 0 {
                add(&self.context.metrics.lost, more);
                self.context.losses.note(Noted {
                    cause: LossCause::KernelDrop,
                    source: &self.context.config.name,
                    from: self.checked_at,
                    to: now,
                    records_max: Some(more),
                    bytes: None,
                    detail: "datagrams came faster than they were taken: raise receive_buffer or sockets",
                });
            }
            self.dropped = dropped;
        }
        self.checked_at = now;
    }
}

fn note_over_rate(context: &Context, peer: SocketAddr, now: Micros) {
    add(&context.metrics.lost, 1);
    context.losses.note(Noted {
        cause: LossCause::RateLimit,
        source: &peer.ip().to_string(),
        from: now,
        to: now,
        records_max: Some(1),
        bytes: None,
        detail: "over peer_records_per_second_max",
    });
}

impl Batch {
    fn has_room(&self) -> bool {
        self.heads.len() < BATCH_RECORDS && self.bytes.len() < BATCH_BYTES
    }

    fn push(&mut self, origin: &Arc<Origin>, received_at: Micros, datagram: &[u8], limit: usize) {
        let kept = datagram.get(..limit).unwrap_or(datagram);
        let cut = kept.len() < datagram.len();
        self.bytes.extend_from_slice(kept);
        self.heads.push(Head {
            origin: Arc::clone(origin),
            received_at,
            bytes: kept.len(),
            mark: cut.then_some(Mark::Truncated {
                original_bytes: wide(datagram.len()),
            }),
        });
    }

    fn take(&mut self) -> Vec<Record> {
        let mut bytes: Bytes = self.bytes.split().freeze();
        self.heads
            .drain(..)
            .map(|head| Record {
                mark: head.mark,
                ..Record::new(head.origin, head.received_at, bytes.split_to(head.bytes))
            })
            .collect()
    }
}
