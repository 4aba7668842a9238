//! Records over HTTP: our own interface, and Elasticsearch's as far as shippers need it.
//!
//! [`router`] is merged into the server's router. The server must serve it with
//! `into_make_service_with_connect_info::<SocketAddr>()`, so that the peer is known, and must bound the time and size
//! of request heads; everything about bodies is bounded here.

mod auth;
mod body;
mod budget;
mod bulk;
pub(crate) mod bulk_body;
mod handshake;
mod inflate;
mod ingest;
mod input;
pub(crate) mod items;
mod problem;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{any, get, post};

pub use auth::{Authenticate, Refused};
pub use input::{HttpInput, RootPage};

/// The routes that take records, and those by which shippers make sure that there is somebody to send to.
pub fn router(input: HttpInput) -> Router {
    let elasticsearch = Router::new()
        .route("/", get(handshake::root))
        .route("/_license", get(handshake::license))
        .route("/_xpack", get(handshake::xpack))
        .route("/_cluster/health", get(handshake::cluster_health))
        .route("/_cat/health", get(handshake::cat_health))
        .route("/_index_template/{name}", any(handshake::template))
        .route("/_component_template/{name}", any(handshake::template))
        .route("/_template/{name}", any(handshake::template))
        .route("/_ilm/policy/{name}", any(handshake::policy))
        .route("/_data_stream/{name}", any(handshake::data_stream))
        .route("/_ingest/pipeline/{name}", any(handshake::pipeline))
        .route("/_bulk", post(bulk::bulk).put(bulk::bulk))
        .route(
            "/{index}/_bulk",
            post(bulk::bulk_of_index).put(bulk::bulk_of_index),
        )
        .layer(from_fn(handshake::name_product));
    Router::new()
        .route("/api/v1/ingest", post(ingest::ingest))
        .merge(elasticsearch)
        // The limits are ours, with a clear answer each.
        .layer(DefaultBodyLimit::disable())
        .with_state(input)
}
