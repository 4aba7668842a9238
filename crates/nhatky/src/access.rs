//! Who may send over HTTP: the tokens of the registry.

use std::net::SocketAddr;
use std::sync::Arc;

use event::Identity;
use futures_util::future::BoxFuture;
use ingest::http::{Authenticate, Refused};
use registry::{Registry, Role};

/// Lets in whom the registry knows; everybody, on loopback, as long as there is no token at all.
#[derive(Debug)]
pub(crate) struct TokenAccess {
    registry: Arc<Registry>,
}

impl TokenAccess {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }

    fn decide(
        &self,
        token: Option<&str>,
        peer: Option<SocketAddr>,
    ) -> Result<Option<Identity>, Refused> {
        let Some(token) = token else {
            let open =
                !self.registry.has_tokens() && peer.is_none_or(|peer| peer.ip().is_loopback());
            return if open {
                Ok(None)
            } else {
                Err(Refused::Unknown)
            };
        };
        let principal = self.registry.authenticate(token).ok_or(Refused::Unknown)?;
        match principal.role {
            Role::Ingest | Role::Admin => Ok(Some(Identity::Token(Box::from(&*principal.name)))),
            Role::Read => Err(Refused::Forbidden),
        }
    }
}

impl Authenticate for TokenAccess {
    fn authenticate<'a>(
        &'a self,
        token: Option<&'a str>,
        peer: Option<SocketAddr>,
    ) -> BoxFuture<'a, Result<Option<Identity>, Refused>> {
        let decided = self.decide(token, peer);
        Box::pin(async move { decided })
    }
}
