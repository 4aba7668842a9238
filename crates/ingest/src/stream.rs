//! Listeners for connections: accepting, limits, TLS, and the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use event::Origin;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use crate::config::{ListenerConfig, Protocol};
use crate::context::Context;
use crate::metrics::add;
use crate::tls::{self, TlsHandle};
use crate::{relp_session, syslog_session};

/// Becomes true when it is time to stop.
pub(crate) type Stop = watch::Receiver<bool>;

/// After an accept that failed, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A peer that has vanished without a word is found out within about a minute.
const KEEPALIVE: Duration = Duration::from_secs(60);
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// Accepts connections until `stop`, then waits for the open ones to finish.
pub(crate) async fn serve(context: Arc<Context>, listener: TcpListener, mut stop: Stop) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = sessions.join_next() => {
                log_panic(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let session = session(Arc::clone(&context), stream, canonical(peer), stop.clone());
                sessions.spawn(session);
            }
            Err(error) => {
                tracing::warn!(listener = context.config.name, %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = sessions.join_next().await {
        log_panic(ended);
    }
}

/// Returns when it is time to stop.
pub(crate) async fn stopped(stop: &mut Stop) {
    // An error says that the owner is gone, which is as good a reason.
    drop(stop.wait_for(|stop| *stop).await);
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a session ended abnormally");
    }
}

/// An IPv4 address inside an IPv6 one is taken out.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

async fn session(context: Arc<Context>, stream: TcpStream, peer: SocketAddr, stop: Stop) {
    let admitted = context.config.allow.allows(peer.ip());
    let Some(_share) = admitted
        .then(|| context.connections.open(peer.ip()))
        .flatten()
    else {
        add(&context.metrics.rejected, 1);
        tracing::debug!(listener = context.config.name, %peer, admitted, "connection turned away");
        return;
    };
    let _open = context.metrics.open();
    let keepalive =
        SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    let nodelay = stream.set_nodelay(true);
    if let Err(error) = keepalive.and(nodelay) {
        tracing::debug!(%peer, %error, "cannot set socket options");
    }
    let tls = context.tls.clone();
    let ended = match tls {
        None => {
            let origin = context.origin(peer, None);
            run(&context, Box::new(stream), &origin, stop).await
        }
        Some(tls) => match handshake(&context, &tls, stream).await {
            Ok(stream) => {
                let identity = tls::identity(stream.get_ref().1);
                let origin = context.origin(peer, identity);
                run(&context, Box::new(stream), &origin, stop).await
            }
            Err(error) => {
                add(&context.metrics.rejected, 1);
                Err(error)
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(listener = context.config.name, %peer, %error, "connection ended");
    }
}

async fn handshake(
    context: &Context,
    tls: &TlsHandle,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let patience = context.config.message_time_max.0;
    tokio::time::timeout(patience, tls.acceptor().accept(stream)).await?
}

async fn run(
    context: &Context,
    stream: Box<dyn Stream>,
    origin: &Arc<Origin>,
    stop: Stop,
) -> io::Result<()> {
    match context.config.protocol {
        Protocol::Relp => relp_session::run(context, stream, origin, stop).await,
        Protocol::Tcp | Protocol::Tls | Protocol::Udp => {
            syslog_session::run(context, stream, origin, stop).await
        }
    }
}

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How long to wait for a peer's next bytes.
#[derive(Debug)]
pub(crate) struct Pace {
    idle_max: Duration,
    message_time_max: Duration,
    /// When the message began that has not ended, or else when something last came.
    since: Instant,
    inside: bool,
}

impl Pace {
    pub(crate) fn new(config: &ListenerConfig) -> Self {
        Self {
            idle_max: config.idle_max.0,
            message_time_max: config.message_time_max.0,
            since: Instant::now(),
            inside: false,
        }
    }

    /// Something came: whether it ended messages, and whether it leaves one begun.
    ///
    /// A byte now and then does not lengthen the time that a message may take.
    pub(crate) fn heard(&mut self, ended: usize, inside: bool) {
        if ended > 0 || !inside || !self.inside {
            self.since = Instant::now();
        }
        self.inside = inside;
    }

    pub(crate) fn deadline(&self) -> Instant {
        let patience = if self.inside {
            self.message_time_max
        } else {
            self.idle_max
        };
        self.since + patience
    }
}

/// Makes room for the next read: as much as the last one took, up to 64 KiB, so that quiet connections stay small.
pub(crate) fn make_room(buffer: &mut BytesMut, last_read: usize) {
    buffer.reserve((2 * last_read).clamp(READ_BYTES_MIN, READ_BYTES_MAX));
}
