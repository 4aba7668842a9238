//! Who asks, and what they may.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry::{Actor, Rights, Role};

use crate::app::App;
use crate::problem::Problem;

/// Who may use the routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever presents a token that the registry knows; from loopback anybody, as long as there is no living token
    /// at all and no proxy says that it passes the request on.
    ///
    /// The routes must be served with `into_make_service_with_connect_info::<SocketAddr>()`: who comes from nowhere is
    /// not on loopback.
    Tokens,
    /// Everybody: the routes are called within the process, on a data directory that it holds.
    InProcess,
}

/// Somebody who may see everything.
#[derive(Debug)]
pub(crate) struct MayRead(pub(crate) Actor);

/// Somebody who may change everything.
#[derive(Debug)]
pub(crate) struct MayChange(pub(crate) Actor);

/// Somebody who may see everything and keep things of their own; with which rights over what others keep.
#[derive(Debug)]
pub(crate) struct MayKeep(pub(crate) Actor, pub(crate) Rights);

impl FromRequestParts<App> for MayKeep {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match caller(parts, app, token(&parts.headers))? {
            (actor, Role::Read) => Ok(Self(actor, Rights::Own)),
            (actor, Role::Admin) => Ok(Self(actor, Rights::All)),
            (_, Role::Ingest) => Err(forbidden("read or admin")),
        }
    }
}

impl FromRequestParts<App> for MayRead {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        reader(parts, app, token(&parts.headers)).map(Self)
    }
}

/// Whoever presents the token, if they may see everything.
pub(crate) fn reader(parts: &Parts, app: &App, token: Option<&str>) -> Result<Actor, Problem> {
    match caller(parts, app, token)? {
        (actor, Role::Read | Role::Admin) => Ok(actor),
        (_, Role::Ingest) => Err(forbidden("read or admin")),
    }
}

impl FromRequestParts<App> for MayChange {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match caller(parts, app, token(&parts.headers))? {
            (actor, Role::Admin) => Ok(Self(actor)),
            (_, Role::Ingest | Role::Read) => Err(forbidden("admin")),
        }
    }
}

fn caller(parts: &Parts, app: &App, token: Option<&str>) -> Result<(Actor, Role), Problem> {
    if app.access == Access::InProcess {
        return Ok((Actor::cli(), Role::Admin));
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer: Option<IpAddr> = peer.map(|peer| peer.0.ip().to_canonical());
    let registry = &app.parts.registry;
    let Some(secret) = token else {
        let open = !registry.has_tokens()
            && peer.is_some_and(|peer| peer.is_loopback())
            && !is_forwarded(&parts.headers);
        return if open {
            Ok((Actor::new("local", peer), Role::Admin))
        } else {
            Err(unauthorized(
                "a token is needed: send it as `Authorization: Bearer TOKEN`",
            ))
        };
    };
    let principal = registry
        .authenticate(secret)
        .ok_or_else(|| unauthorized("this token is not known, has expired or was revoked"))?;
    Ok((Actor::new(&*principal.name, peer), principal.role))
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.trim().split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

/// The token that a client of Elasticsearch presents: `Bearer TOKEN`; `ApiKey` with the token, or with the base64 of
/// `ID:TOKEN`; `Basic` with the token as the password.
pub(crate) fn token_of_any_scheme(headers: &HeaderMap) -> Option<String> {
    if let Some(token) = token(headers) {
        return Some(token.to_owned());
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.trim().split_once(' ')?;
    let credentials = credentials.trim();
    let behind_colon = || {
        let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        let (_, secret) = text.split_once(':')?;
        Some(secret.to_owned())
    };
    let token = match scheme.to_ascii_lowercase().as_str() {
        "apikey" => behind_colon().unwrap_or_else(|| credentials.to_owned()),
        "basic" => behind_colon()?,
        _ => return None,
    };
    Some(token)
}

/// Whether a proxy on this machine passes on a request from elsewhere.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for")
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn forbidden(needed: &str) -> Problem {
    let detail = format!("this token may not do that: it needs the role {needed}");
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}
