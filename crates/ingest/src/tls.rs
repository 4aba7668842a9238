//! TLS for listeners: certificates from files, read again while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use event::Identity;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::certificate;
use crate::config::{ClientCertificate, TlsConfig};

/// Why certificates and keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("cannot read {path}: {source}: a PEM file is expected")]
    Read {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// A file of certificates holds none.
    #[error("no certificate in {path}")]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, or are of a kind that cannot be used.
    #[error("cannot use {certificate} with {key}: {source}", certificate = .certificate.display(), key = .key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The authorities for client certificates cannot be used.
    #[error("cannot use the client authorities in {path}: {source}")]
    Authorities {
        /// Their file.
        path: PathBuf,
        /// What rustls says.
        source: VerifierBuilderError,
    },
}

/// The certificate that a listener shows now.
#[derive(Debug)]
pub(crate) struct TlsHandle {
    files: TlsConfig,
    current: ArcSwap<ServerConfig>,
}

impl TlsHandle {
    /// Reads the files for the first time.
    pub(crate) fn load(files: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self {
            files: files.clone(),
            current: ArcSwap::from_pointee(server_config(files)?),
        })
    }

    /// Reads the files again, for the connections to come; on an error the old ones stay in use.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(server_config(&self.files)?));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }
}

/// Who the other side proved to be.
pub(crate) fn identity(connection: &rustls::ServerConnection) -> Option<Identity> {
    let certificate = connection.peer_certificates()?.first()?;
    certificate::name(certificate).map(Identity::Tls)
}

fn server_config(files: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |source| TlsError::Unusable {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &files.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let authorities = |source| TlsError::Authorities {
                path: path.clone(),
                source,
            };
            let roots = Arc::new(roots(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match files.client_certificate {
                ClientCertificate::Required => verifier,
                ClientCertificate::Optional => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build().map_err(authorities)?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Read {
        path: files.key.clone(),
        source,
    })?;
    builder
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(unusable)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(read)?.collect();
    let certificates = certificates.map_err(read)?;
    if certificates.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(roots)
}
