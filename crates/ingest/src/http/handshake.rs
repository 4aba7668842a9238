//! What shippers ask before they send: Filebeat, Winlogbeat, Logstash, Fluent Bit, Vector, rsyslog.
//!
//! They want to know that an Elasticsearch is there, that its licence suffices, and that their index templates, data
//! streams and life cycle policies exist. Those who search ask who is there, too. Here there is nothing to set up, so
//! everything asked for exists and everything put is acknowledged and forgotten.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::input::HttpInput;

/// The version of Elasticsearch whose interface we speak: what 7.x and 8.x shippers both accept.
const VERSION: &str = "8.17.0";
/// A fixed name for what Elasticsearch gives each cluster at random; shippers only print it.
const CLUSTER_UUID: &str = "bmhhdGt5LW5oYXRreS0wMQ";

/// Says who we are, or gives the web app to a browser.
pub(super) async fn root(State(input): State<HttpInput>, request: Request<Body>) -> Response {
    match &input.root_page {
        Some(page) if accepts_html(request.headers()) => page(),
        _ => guarded(&input, request, info()).await,
    }
}

pub(super) async fn license(State(input): State<HttpInput>, request: Request<Body>) -> Response {
    let license = json!({
        "status": "active",
        "uid": CLUSTER_UUID,
        "type": "basic",
        "issued_to": "nhatky",
        "issuer": "nhatky",
        "start_date_in_millis": -1,
    });
    guarded(&input, request, json!({ "license": license })).await
}

pub(super) async fn xpack(State(input): State<HttpInput>, request: Request<Body>) -> Response {
    let enabled = json!({ "available": true, "enabled": true });
    let answer = json!({
        "build": { "hash": "nhatky", "date": "2026-01-01T00:00:00.000Z" },
        "license": { "uid": CLUSTER_UUID, "type": "basic", "mode": "basic", "status": "active" },
        "features": { "ilm": enabled, "data_streams": enabled, "security": enabled },
        "tagline": "You know, for X",
    });
    guarded(&input, request, answer).await
}

pub(super) async fn cluster_health(
    State(input): State<HttpInput>,
    request: Request<Body>,
) -> Response {
    let answer = json!({
        "cluster_name": "nhatky",
        "status": "green",
        "timed_out": false,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 1,
        "active_shards": 1,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
    });
    guarded(&input, request, answer).await
}

/// What rsyslog asks for, wanting no more than an answer: epoch, time, cluster, status, nodes.
pub(super) async fn cat_health(State(input): State<HttpInput>, request: Request<Body>) -> Response {
    match input.greet(&request.into_parts().0).await {
        Ok(()) => "0 00:00:00 nhatky green 1 1 1 1 0 0 0 0 - 100.0%\n".into_response(),
        Err(problem) => problem.into_elasticsearch(),
    }
}

/// `_index_template/NAME`, and the older and newer kinds of template.
pub(super) async fn template(
    State(input): State<HttpInput>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    let template =
        json!({ "name": name, "index_template": { "index_patterns": [name], "composed_of": [] } });
    exists(&input, request, json!({ "index_templates": [template] })).await
}

/// `_ilm/policy/NAME`.
pub(super) async fn policy(
    State(input): State<HttpInput>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    let policy = json!({ "version": 1, "modified_date": "2026-01-01T00:00:00.000Z", "policy": { "phases": {} } });
    exists(&input, request, json!({ name: policy })).await
}

/// `_data_stream/NAME`.
pub(super) async fn data_stream(
    State(input): State<HttpInput>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    let stream = json!({
        "name": name,
        "timestamp_field": { "name": "@timestamp" },
        "indices": [],
        "generation": 1,
        "status": "GREEN",
        "template": name,
    });
    exists(&input, request, json!({ "data_streams": [stream] })).await
}

/// `_ingest/pipeline/NAME`.
pub(super) async fn pipeline(
    State(input): State<HttpInput>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    exists(&input, request, json!({ name: { "processors": [] } })).await
}

/// Elasticsearch's clients refuse to talk to a server that does not say this.
pub(super) async fn name_product(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let (name, product) = (
        HeaderName::from_static("x-elastic-product"),
        HeaderValue::from_static("Elasticsearch"),
    );
    response.headers_mut().insert(name, product);
    response
}

/// What is asked for exists; what is put or deleted is acknowledged.
async fn exists(input: &HttpInput, request: Request<Body>, found: Value) -> Response {
    let answer = match *request.method() {
        Method::GET | Method::HEAD => found,
        _ => json!({ "acknowledged": true }),
    };
    guarded(input, request, answer).await
}

async fn guarded(input: &HttpInput, request: Request<Body>, answer: Value) -> Response {
    let (head, _) = request.into_parts();
    let admitted = match head.method {
        Method::GET | Method::HEAD => input.greet(&head).await,
        _ => input.admit(&head).await.map(drop),
    };
    match admitted {
        Ok(()) => Json(answer).into_response(),
        Err(problem) => problem.into_elasticsearch(),
    }
}

fn info() -> Value {
    json!({
        "name": "nhatky",
        "cluster_name": "nhatky",
        "cluster_uuid": CLUSTER_UUID,
        "version": {
            "number": VERSION,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "nhatky",
            "build_date": "2026-01-01T00:00:00.000Z",
            "build_snapshot": false,
            "lucene_version": "9.12.0",
            "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    })
}

fn accepts_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.to_ascii_lowercase().contains("text/html"))
}
