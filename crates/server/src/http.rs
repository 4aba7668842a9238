//! The port: connections, TLS, and the time that the head of a request may take.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::task::JoinHandle;
use tracing::{debug, info};

use crate::connections::Connections;

/// How long the head of a request, and a TLS handshake, may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The longest head of a request, in bytes: a query of 16 KiB, percent-encoded, fits.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Connections in all: each may hold a request's body in memory.
const CONNECTIONS_MAX: usize = 1024;
/// Connections of one peer: a proxy or a shipper opens tens.
const PEER_CONNECTIONS_MAX: usize = 256;

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
        Self::start_with(address, tls, routes, HEAD_TIME).await
    }

    async fn start_with(
        address: SocketAddr,
        tls: Option<TlsFiles>,
        routes: Router,
        head_time: Duration,
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
            .acceptor(Connections::new(CONNECTIONS_MAX, PEER_CONNECTIONS_MAX))
            .first_request_timeout(head_time)
            .accept_error_handler(|peer: Option<&SocketAddr>, error| {
                debug!(?peer, %error, "a connection was not accepted");
            });
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(head_time)
            .max_buf_size(HEAD_BYTES_MAX);
        let tls = match tls {
            None => None,
            Some(files) => Some((RustlsConfig::from_config(read(&files)?), files)),
        };
        let task = match &tls {
            None => tokio::spawn(server.serve(service)),
            Some((config, _)) => {
                let config = config.clone();
                let server = server.map(|accept| {
                    axum_server::tls_rustls::RustlsAcceptor::new(config)
                        .handshake_timeout(head_time)
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
        config.reload_from_config(read(files)?);
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

/// Offers HTTP/1.1 alone: what is offered must be spoken, and HTTP/2 is not.
fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, ServeError> {
    let other = |error| unusable(files, io::Error::other(error));
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(files, io::Error::other(error)))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unusable(files, io::Error::other(error)))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(other)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn unusable(files: &TlsFiles, source: io::Error) -> ServeError {
    ServeError::Tls {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn start(head_time: Duration) -> HttpServer {
        let routes = Router::new().route("/", axum::routing::get(async || "here"));
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        HttpServer::start_with(loopback, None, routes, head_time)
            .await
            .unwrap()
    }

    async fn answer(server: &HttpServer, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A reset, as of what was sent beyond the limit, ends it too.
        let _read = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_not_waited_for() {
        let server = start(Duration::from_millis(100)).await;
        for request in [&b""[..], b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:"] {
            let answer = answer(&server, request).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
        server.stop(Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused() {
        let server = start(HEAD_TIME).await;
        let long = format!(
            "GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
            "a".repeat(200 << 10)
        );
        let refused = answer(&server, long.as_bytes()).await;
        assert!(
            refused.is_empty() || refused.starts_with("HTTP/1.1 431"),
            "{refused}"
        );
        let ok = answer(
            &server,
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        .await;
        assert!(
            ok.starts_with("HTTP/1.1 200") && ok.ends_with("here"),
            "{ok}"
        );
        server.stop(Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_told() {
        let server = start(HEAD_TIME).await;
        let again = HttpServer::start(server.address(), None, Router::new()).await;
        assert!(
            matches!(again, Err(ServeError::Bind { address, .. }) if address == server.address())
        );
    }
}
