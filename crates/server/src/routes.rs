//! All routes in one router, with what stands before each.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Access;
use crate::app::App;
use crate::parts::Parts;
use crate::problem::Problem;
use crate::{api, elastic, guard, health, metrics};

/// What the description of the API begins with.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Nhật Ký",
        description = "Search, detections, alerts and administration. Send a token as `Authorization: Bearer TOKEN`.",
    ),
    tags(
        (name = "events", description = "What was received"),
        (name = "sources", description = "Who sends it"),
        (name = "detection", description = "Rules, and what they found"),
        (name = "alerts", description = "What people handle"),
        (name = "operation", description = "How the server is doing"),
        (name = "administration", description = "Who may do what"),
    ),
)]
struct Description;

/// All routes of the server, and with them `mounted`: routers of others, which see to their own authentication.
///
/// With [`Access::Tokens`] it must be served with `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn routes(parts: Parts, access: Access, mounted: Router) -> Router {
    let request_time = parts.options.request_time;
    let app = App::new(parts, access);
    let operation = OpenApiRouter::new()
        .routes(routes!(metrics::metrics))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz));
    let bounded = api::routes()
        .merge(operation)
        .layer(from_fn_with_state(request_time, within));
    let (own, openapi) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(bounded)
        .merge(api::streams())
        .split_for_parts();
    let openapi = openapi
        .to_json()
        .expect("a description of the API is always JSON");
    let openapi = bytes::Bytes::from(openapi);
    let describe = get(async move || ([(header::CONTENT_TYPE, "application/json")], openapi));
    // Elasticsearch's own description is theirs.
    let elastic = elastic::routes(request_time);
    own.route("/api/v1/openapi.json", describe)
        .merge(elastic)
        .layer(axum::middleware::map_response(not_stored))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(app.clone())
        .merge(mounted)
        .layer(from_fn_with_state(app, guard::check))
        .layer(CatchPanicLayer::custom(panicked))
}

/// The description of the API, as JSON: what `/api/v1/openapi.json` gives.
#[must_use]
pub fn openapi() -> String {
    let operation = OpenApiRouter::new()
        .routes(routes!(metrics::metrics))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz));
    let router = OpenApiRouter::with_openapi(Description::openapi())
        .merge(api::routes())
        .merge(operation)
        .merge(api::streams());
    let openapi = router.into_openapi();
    openapi
        .to_pretty_json()
        .expect("a description of the API is always JSON")
}

/// Ends a request that takes too long, such as one whose body never comes.
async fn within(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = "the request took too long";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).into_response()
        }
    }
}

/// What is shown here is for those who may see it, not for caches.
async fn not_stored(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(value);
    response
}

async fn unknown(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "there is nothing at {}: see /api/v1/openapi.json",
        uri.path()
    ))
}

async fn not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{} does not take {method}: see /api/v1/openapi.json",
        uri.path()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over so")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    error!(panic = said.unwrap_or("?"), "a request panicked");
    let detail = "the server could not do this: its log says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).into_response()
}
