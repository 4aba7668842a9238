//! Everything that listens, started and stopped together.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use event::{Clock, Transport};
use journal::{Appender, Reader};
use socket2::Socket;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{
    ConfigProblem, HttpConfig, IngestConfig, ListenerConfig, Protocol, multiline_pattern,
};
use crate::context::Context;
use crate::http::{Authenticate, HttpInput};
use crate::intake::Intake;
use crate::losses::LossBook;
use crate::metrics::{IngestMetrics, ListenerMetrics};
use crate::peers::{PeerConnections, PeerRates};
use crate::tls::{TlsError, TlsHandle};
use crate::{own_records, stream, udp};

/// Why listening could not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict themselves.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigProblem>),
    /// A listener's address cannot be used.
    #[error("listener {name} cannot listen on {address}: {source}")]
    Bind {
        /// The listener.
        name: String,
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A listener's certificate cannot be used.
    #[error("listener {name}: {source}")]
    Tls {
        /// The listener.
        name: String,
        /// What is wrong.
        source: Box<TlsError>,
    },
}

/// Why some certificates stay the old ones.
#[derive(Debug, thiserror::Error)]
#[error("listener {name} keeps its old certificate: {source}")]
pub struct ReloadError {
    /// The listener.
    pub name: String,
    /// What is wrong with the new one.
    pub source: TlsError,
}

/// How a stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything received is durable.
    Drained,
    /// The journal did not take everything in time.
    GaveUp,
}

/// Everything that listens.
#[derive(Debug)]
pub struct Ingest {
    intake: Intake,
    losses: Arc<LossBook>,
    clock: Arc<dyn Clock>,
    listeners: Vec<Running>,
    http: HttpConfig,
    http_metrics: Arc<ListenerMetrics>,
    stop: watch::Sender<bool>,
    stop_threads: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    threads: Vec<JoinHandle<()>>,
}

/// A listener that runs.
#[derive(Debug)]
struct Running {
    context: Arc<Context>,
    address: SocketAddr,
}

/// The sockets of a listener that is about to run.
enum Sockets {
    Stream(TcpListener),
    Datagram(Vec<Socket>),
}

impl Ingest {
    /// Opens every listener and begins to receive; when one cannot be opened, none receives anything.
    ///
    /// Must be called within a tokio runtime with timers and I/O.
    ///
    /// # Errors
    ///
    /// What is wrong with the settings, an address or a certificate.
    pub async fn start(
        config: &IngestConfig,
        appender: Appender,
        reader: Reader,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(StartError::Config(problems));
        }
        let (stop, stopping) = watch::channel(false);
        let mut ingest = Self {
            intake: Intake::new(appender, reader, config.in_flight_bytes_max.0),
            losses: Arc::default(),
            clock,
            listeners: Vec::new(),
            http: config.http.clone(),
            http_metrics: Arc::new(ListenerMetrics::new("http", Transport::Http)),
            stop,
            stop_threads: Arc::default(),
            tasks: JoinSet::new(),
            threads: Vec::new(),
        };
        let mut opened = Vec::new();
        for listener in &config.listeners {
            opened.push((ingest.context(listener)?, open(listener).await?));
        }
        for (context, sockets) in opened {
            ingest.run(context, sockets, &stopping)?;
        }
        let own = own_records::run(
            ingest.intake.clone(),
            Arc::clone(&ingest.losses),
            Arc::clone(&ingest.clock),
            stopping,
        );
        ingest.tasks.spawn(own);
        Ok(ingest)
    }

    /// Where each listener listens, with the port that the system chose.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, Protocol, SocketAddr)> {
        self.listeners.iter().map(|running| {
            let config = &running.context.config;
            (config.name.as_str(), config.protocol, running.address)
        })
    }

    /// The counters of every listener.
    #[must_use]
    pub fn metrics(&self) -> IngestMetrics {
        let listeners = self
            .listeners
            .iter()
            .map(|running| &running.context.metrics);
        IngestMetrics {
            listeners: listeners
                .chain([&self.http_metrics])
                .map(Arc::clone)
                .collect(),
        }
    }

    /// What takes records over HTTP, for [`crate::http::router`].
    #[must_use]
    pub fn http_input(&self, authenticate: Arc<dyn Authenticate>) -> HttpInput {
        HttpInput::new(
            &self.http,
            self.intake.clone(),
            Arc::clone(&self.clock),
            Arc::clone(&self.http_metrics),
            authenticate,
        )
    }

    /// Reads every certificate again; connections that are open keep theirs.
    ///
    /// # Errors
    ///
    /// One for each listener whose new certificate cannot be used: it keeps the old one.
    pub fn reload_tls(&self) -> Result<(), Vec<ReloadError>> {
        let mut errors = Vec::new();
        for running in &self.listeners {
            let reloaded = running
                .context
                .tls
                .as_ref()
                .map_or(Ok(()), |tls| tls.reload());
            if let Err(source) = reloaded {
                let name = running.context.config.name.clone();
                errors.push(ReloadError { name, source });
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// Stops listening, takes what senders have sent already, and waits until it is durable.
    ///
    /// HTTP must have been stopped before: its requests hand over, too.
    pub async fn stop(mut self, patience: Duration) -> Stopped {
        self.stop.send_replace(true);
        self.stop_threads.store(true, Ordering::Relaxed);
        let finishing = self.finish();
        match tokio::time::timeout(patience, finishing).await {
            Ok(()) => Stopped::Drained,
            Err(_) => Stopped::GaveUp,
        }
    }

    async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        for thread in self.threads.drain(..) {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("a listener's thread ended abnormally");
            }
        }
        own_records::write_losses(&self.intake, &self.losses, self.clock.as_ref()).await;
        self.intake.drained().await;
    }

    fn context(&self, listener: &ListenerConfig) -> Result<Arc<Context>, StartError> {
        let tls = listener.tls.as_ref().map(TlsHandle::load).transpose();
        let tls = tls.map_err(|source| StartError::Tls {
            name: listener.name.clone(),
            source: Box::new(source),
        })?;
        // The pattern was checked with the rest of the settings.
        let multiline = listener
            .multiline
            .as_deref()
            .and_then(|pattern| multiline_pattern(pattern).ok());
        Ok(Arc::new(Context {
            metrics: Arc::new(ListenerMetrics::new(
                &listener.name,
                listener.protocol.transport(),
            )),
            intake: self.intake.clone(),
            losses: Arc::clone(&self.losses),
            clock: Arc::clone(&self.clock),
            tls: tls.map(Arc::new),
            multiline,
            rates: listener.peer_records_per_second_max.map(PeerRates::new),
            connections: PeerConnections::new(
                listener.connections_max,
                listener.peer_connections_max,
            ),
            config: listener.clone(),
        }))
    }

    fn run(
        &mut self,
        context: Arc<Context>,
        sockets: Sockets,
        stopping: &watch::Receiver<bool>,
    ) -> Result<(), StartError> {
        let bind = |source| bind_error(&context.config, source);
        let address = match sockets {
            Sockets::Stream(listener) => {
                let address = listener.local_addr().map_err(bind)?;
                self.tasks.spawn(stream::serve(
                    Arc::clone(&context),
                    listener,
                    stopping.clone(),
                ));
                address
            }
            Sockets::Datagram(sockets) => {
                let addresses = sockets
                    .iter()
                    .filter_map(|socket| socket.local_addr().ok()?.as_socket());
                let addresses: BTreeSet<SocketAddr> = addresses.collect();
                for socket in sockets {
                    let stop = Arc::clone(&self.stop_threads);
                    let runtime = tokio::runtime::Handle::current();
                    let thread =
                        udp::spawn(Arc::clone(&context), socket, stop, runtime).map_err(bind)?;
                    self.threads.push(thread);
                }
                addresses.first().copied().unwrap_or(context.config.address)
            }
        };
        tracing::info!(listener = context.config.name, %address, protocol = ?context.config.protocol, "listening");
        self.listeners.push(Running { context, address });
        Ok(())
    }
}

/// A start that fails half-way must not leave threads behind.
impl Drop for Ingest {
    fn drop(&mut self) {
        self.stop_threads.store(true, Ordering::Relaxed);
    }
}

async fn open(listener: &ListenerConfig) -> Result<Sockets, StartError> {
    let sockets = match listener.protocol {
        Protocol::Udp => udp::bind(listener).map(Sockets::Datagram),
        Protocol::Tcp | Protocol::Tls | Protocol::Relp => TcpListener::bind(listener.address)
            .await
            .map(Sockets::Stream),
    };
    sockets.map_err(|source| bind_error(listener, source))
}

fn bind_error(listener: &ListenerConfig, source: io::Error) -> StartError {
    StartError::Bind {
        name: listener.name.clone(),
        address: listener.address,
        source,
    }
}
