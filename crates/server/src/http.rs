//! The port: connections, TLS, and the time that the head of a request may take.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use tokio::task::JoinHandle;
use tracing::{debug, info};

/// How long the head of a request, and a TLS handshake, may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes: a query of 16 KiB, percent-encoded, fits.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Certificate and key of the port, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Our certificate, followed by the intermediate ones.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why the port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be taken.
    #[error("cannot listen on {address}: {source}; is another server running there?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("cannot use {certificate} with {key}: {source}")]
    Tls {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The port, being served.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    tls: Option<(RustlsConfig, TlsFiles)>,
    task: JoinHandle<io::Result<()>>,
}

impl HttpServer {
    /// Takes the address and serves the routes there until [`Self::stop`].
    ///
    /// With TLS the caller has installed rustls's provider (`ring`) before.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn start(
        address: SocketAddr,
        tls: Option<TlsFiles>,
        routes: Router,
    ) -> Result<Self, ServeError> {
        let bind = |source| ServeError::Bind { address, source };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let listener = listener.into_std().map_err(bind)?;
        let handle = Handle::new();
        let service = routes.into_make_service_with_connect_info::<SocketAddr>();
        let mut server = axum_server::from_tcp(listener)
            .map_err(bind)?
            .handle(handle.clone())
            .http1_only()
            .first_request_timeout(HEAD_TIME)
            .accept_error_handler(|peer: Option<&SocketAddr>, error| {
                debug!(?peer, %error, "a connection was not accepted");
            });
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_BYTES_MAX);
        let tls = match tls {
            None => None,
            Some(files) => Some((load(&files).await?, files)),
        };
        let task = match &tls {
            None => tokio::spawn(server.serve(service)),
            Some((config, _)) => {
                let config = config.clone();
                let server = server.map(|accept| {
                    axum_server::tls_rustls::RustlsAcceptor::new(config)
                        .handshake_timeout(HEAD_TIME)
                        .acceptor(accept)
                });
                tokio::spawn(server.serve(service))
            }
        };
        Ok(Self {
            address: bound,
            handle,
            tls,
            task,
        })
    }

    /// Where it listens: with the port that it got, where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads certificate and key again; connections that are open keep theirs.
    ///
    /// # Errors
    /// When they cannot be used: then those in use stay.
    pub async fn reload_tls(&self) -> Result<(), ServeError> {
        let Some((config, files)) = &self.tls else {
            return Ok(());
        };
        let reloaded = config
            .reload_from_pem_file(&files.certificate, &files.key)
            .await;
        reloaded.map_err(|source| unusable(files, source))?;
        info!(certificate = %files.certificate.display(), "certificate reloaded");
        Ok(())
    }

    /// Takes no more requests, and waits for those that run, no longer than `patience`.
    ///
    /// # Errors
    /// When serving had failed before.
    pub async fn stop(self, patience: Duration) -> io::Result<()> {
        self.handle.graceful_shutdown(Some(patience));
        match self.task.await {
            Ok(served) => served,
            Err(panicked) => Err(io::Error::other(panicked)),
        }
    }
}

async fn load(files: &TlsFiles) -> Result<RustlsConfig, ServeError> {
    let loaded = RustlsConfig::from_pem_file(&files.certificate, &files.key).await;
    loaded.map_err(|source| unusable(files, source))
}

fn unusable(files: &TlsFiles, source: io::Error) -> ServeError {
    ServeError::Tls {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    }
}
