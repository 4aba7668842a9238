//! Who may send over HTTP: what requests present, and who decides.

use std::fmt::Debug;
use std::net::SocketAddr;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use event::Identity;
use futures_util::future::BoxFuture;

/// Decides who may send; the binary wires it to the registry of tokens.
pub trait Authenticate: Debug + Send + Sync {
    /// The identity behind `token`, which a request from `peer` presents, or that it may not send.
    ///
    /// `Ok(None)` lets the request in without an identity, as is right for an open input on loopback.
    fn authenticate<'a>(
        &'a self,
        token: Option<&'a str>,
        peer: Option<SocketAddr>,
    ) -> BoxFuture<'a, Result<Option<Identity>, Refused>>;
}

/// Why a request may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no token, or an unknown one: 401.
    #[error(
        "a valid token is needed: send it as `Authorization: Bearer TOKEN`, as `ApiKey`, or as the password of `Basic`"
    )]
    Unknown,
    /// The token is known and may not send: 403.
    #[error("this token may not send records: it needs the role ingest or admin")]
    Forbidden,
    /// Nobody can tell now: 503.
    #[error("tokens cannot be checked now: send it again later")]
    Unavailable,
}

/// The token that a request presents, in whichever scheme its sender speaks.
///
/// `Bearer TOKEN`; `ApiKey` with the token, or with Elasticsearch's base64 of `ID:TOKEN`; `Basic` with the token as the
/// password.
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.trim().split_once(' ')?;
    let credentials = credentials.trim();
    let token = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.to_owned(),
        "apikey" => behind_colon(credentials).unwrap_or_else(|| credentials.to_owned()),
        "basic" => behind_colon(credentials)?,
        _ => return None,
    };
    (!token.is_empty()).then_some(token)
}

fn behind_colon(base64: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(base64).ok()?).ok()?;
    let (_, secret) = text.split_once(':')?;
    Some(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        assert_eq!(token(&headers).as_deref(), expected, "{value}");
    }

    #[test]
    fn every_scheme_carries_the_token() {
        check("Bearer nk_abc", Some("nk_abc"));
        check("bearer  nk_abc ", Some("nk_abc"));
        check(
            &format!("Basic {}", STANDARD.encode("elastic:nk_abc")),
            Some("nk_abc"),
        );
        check(
            &format!("ApiKey {}", STANDARD.encode("id:nk_abc")),
            Some("nk_abc"),
        );
        check("ApiKey nk_abc", Some("nk_abc"));
        check("Basic oops", None);
        check("Digest x", None);
        check("Bearer", None);
        check("Bearer ", None);
        assert_eq!(token(&HeaderMap::new()), None);
    }
}
