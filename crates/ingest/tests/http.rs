//! Records over HTTP: what is acknowledged is on disk, limits have clear answers, shippers find what they ask for.

mod node;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use event::{Identity, Mark};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use ingest::http::{Authenticate, Refused, router};
use ingest::{ByteSize, HttpConfig, IngestConfig, Lapse};
use journal::Options;
use node::{Node, foreign, texts};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

/// Lets in whoever presents the token `good`; without a token everybody when it is open.
#[derive(Debug)]
struct Tokens {
    open: bool,
}

impl Authenticate for Tokens {
    fn authenticate<'a>(
        &'a self,
        token: Option<&'a str>,
        _: Option<SocketAddr>,
    ) -> BoxFuture<'a, Result<Option<Identity>, Refused>> {
        Box::pin(async move {
            match token {
                Some("good") => Ok(Some(Identity::Token("shipper".into()))),
                Some("read-only") => Err(Refused::Forbidden),
                None if self.open => Ok(None),
                _ => Err(Refused::Unknown),
            }
        })
    }
}

struct Api {
    node: Node,
    router: Router,
}

/// An answer: its status, headers and JSON.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Api {
    async fn start() -> Self {
        Self::with(HttpConfig::default(), Tokens { open: true }).await
    }

    async fn with(http: HttpConfig, tokens: Tokens) -> Self {
        let config = IngestConfig {
            listeners: Vec::new(),
            http,
            ..IngestConfig::default()
        };
        let node = Node::with(config, Options::default()).await;
        let router = router(node.ingest.http_input(Arc::new(tokens)));
        Self { node, router }
    }

    async fn send(&self, mut request: Request<Body>) -> Answer {
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711));
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        self.send(request(Method::POST, path, &[], body)).await
    }
}

fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).expect("a request")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).expect("packed")
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_arrays_become_records_byte_for_byte() {
    let api = Api::start().await;
    let answer = api
        .post(
            "/api/v1/ingest",
            "{\"a\": 1}\r\n\noops\n{\"b\":\"\u{1ec7}\"}",
        )
        .await;
    assert_eq!(
        (answer.status, answer.body),
        (StatusCode::OK, json!({"accepted": 3, "errors": []}))
    );
    let answer = api
        .post("/api/v1/ingest", " [ {\"c\": [1, 2]} , \"d\" ] ")
        .await;
    assert_eq!(answer.body, json!({"accepted": 2, "errors": []}));
    let records = api.node.received(5).await;
    assert_eq!(
        texts(&records),
        [
            "{\"a\": 1}",
            "oops",
            "{\"b\":\"ệ\"}",
            "{\"c\": [1, 2]}",
            "\"d\""
        ]
    );
    let marks: Vec<_> = records.iter().map(|record| record.mark).collect();
    assert_eq!(marks, [None, Some(Mark::NotJson), None, None, None]);
    let peer = records[0].origin.peer.expect("a peer");
    assert_eq!(peer.ip().to_string(), "192.0.2.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_waits_for_the_disk() {
    let api = Api::start().await;
    api.post("/api/v1/ingest", "{}").await;
    api.node.gate.shut();
    let pending = api.post("/api/v1/ingest", "{}");
    let mut pending = std::pin::pin!(pending);
    let early = tokio::time::timeout(Duration::from_millis(200), &mut pending).await;
    assert!(early.is_err(), "acknowledged without a sync");
    api.node.gate.open();
    assert_eq!(pending.await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_never_acknowledged() {
    let api = Api::start().await;
    api.post("/api/v1/ingest", "{}").await;
    api.node.gate.break_disk();
    for _ in 0..2 {
        let answer = api.post("/api/v1/ingest", "{}").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let answer = api.post("/_bulk", "{\"index\":{}}\n{}\n").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.body["status"], json!(503));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_over_the_limit_has_an_error_of_its_own() {
    let http = HttpConfig {
        item_bytes_max: ByteSize(100),
        ..HttpConfig::default()
    };
    let api = Api::with(http, Tokens { open: true }).await;
    let long = "x".repeat(101);
    let answer = api
        .post(
            "/api/v1/ingest",
            format!("{{}}\n\"{long}\"\n1\n{}", "x".repeat(100)),
        )
        .await;
    assert_eq!(
        (answer.status, &answer.body["accepted"]),
        (StatusCode::OK, &json!(3))
    );
    let errors = answer.body["errors"].as_array().expect("errors").clone();
    assert_eq!(
        (errors.len(), &errors[0]["index"], &errors[0]["status"]),
        (1, &json!(1), &json!(413))
    );

    let bulk = format!("{{\"index\":{{}}}}\n\"{long}\"\n{{\"create\":{{}}}}\n{{}}\n");
    let answer = api.post("/_bulk", bulk).await;
    assert_eq!(answer.body["errors"], json!(true));
    assert_eq!(answer.body["items"][0]["index"]["status"], json!(413));
    assert_eq!(answer.body["items"][1]["create"]["status"], json!(201));
    assert_eq!(api.node.received(4).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_answers_item_by_item_as_elasticsearch_does() {
    let api = Api::start().await;
    let body = "{\"create\":{\"_index\":\"logs-a\",\"_id\":\"7\"}}\n{\"m\":1}\n{\"delete\":{\"_id\":\"1\"}}\n{\"index\":{}}\noops\n{\"update\":{\"_id\":\"2\"}}\n{\"doc\":{}}\n";
    let answer = api.post("/logs-b/_bulk", body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["x-elastic-product"], "Elasticsearch");
    assert_eq!(answer.body["errors"], json!(true));
    let items = answer.body["items"].as_array().expect("items");
    let statuses: Vec<_> = items
        .iter()
        .map(|item| {
            let (verb, result) = item
                .as_object()
                .and_then(|item| item.iter().next())
                .expect("one verb");
            format!(
                "{verb} {} {}",
                result["_index"].as_str().unwrap_or("-"),
                result["status"]
            )
        })
        .collect();
    assert_eq!(
        statuses,
        [
            "create logs-a 201",
            "delete logs-b 400",
            "index logs-b 201",
            "update logs-b 400"
        ]
    );
    assert_eq!(items[0]["create"]["_id"], json!("7"));
    assert_eq!(items[0]["create"]["result"], json!("created"));
    assert!(
        items[1]["delete"]["error"]["reason"]
            .as_str()
            .expect("a reason")
            .contains("never changed")
    );

    let records = api.node.received(2).await;
    assert_eq!(texts(&records), ["{\"m\":1}", "oops"]);
    let item = records[0].item.as_ref().expect("receipt data");
    assert_eq!(
        (item.index.as_deref(), item.id.as_deref()),
        (Some("logs-a"), Some("7"))
    );
    assert_eq!(records[1].mark, Some(Mark::NotJson));
    assert_eq!(json!(records[0].seq), items[0]["create"]["_seq_no"]);
    assert_eq!(json!(records[1].seq), items[2]["index"]["_seq_no"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_split_stores_nothing() {
    let api = Api::start().await;
    let answer = api.post("/api/v1/ingest", "[{\"a\":1}, {").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["type"], json!("urn:nhatky:problem:not-items"));
    let answer = api
        .post("/_bulk", "{\"index\":{}}\n{}\n{\"a\":1}\n{}\n")
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.body["error"]["type"],
        json!("illegal_argument_exception")
    );
    assert!(
        answer.body["error"]["reason"]
            .as_str()
            .expect("a reason")
            .contains("line [3]")
    );
    assert_eq!(foreign(&api.node.stop().await).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_bodies_are_unpacked_and_bombs_are_refused() {
    let api = Api::start().await;
    for (name, packed) in [("gzip", gzip(b"{\"a\":1}")), ("zstd", zstd(b"{\"a\":1}"))] {
        let headers = [("content-encoding", name)];
        let answer = api
            .send(request(Method::POST, "/api/v1/ingest", &headers, packed))
            .await;
        assert_eq!(answer.body, json!({"accepted": 1, "errors": []}), "{name}");
    }
    let zeros = vec![0; 100 << 20];
    for (name, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        assert!(bomb.len() < 200_000);
        for path in ["/api/v1/ingest", "/_bulk"] {
            let headers = [("content-encoding", name)];
            let answer = api
                .send(request(Method::POST, path, &headers, bomb.clone()))
                .await;
            assert_eq!(
                answer.status,
                StatusCode::PAYLOAD_TOO_LARGE,
                "{name} {path}"
            );
        }
    }
    let damaged = [("content-encoding", "gzip")];
    let answer = api
        .send(request(Method::POST, "/_bulk", &damaged, "not packed"))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let unknown = [("content-encoding", "br")];
    let answer = api
        .send(request(Method::POST, "/_bulk", &unknown, "x"))
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(
        texts(&api.node.received(2).await),
        ["{\"a\":1}", "{\"a\":1}"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_whether_announced_or_not() {
    let http = HttpConfig {
        body_bytes_max: ByteSize(1000),
        ..HttpConfig::default()
    };
    let api = Api::with(http, Tokens { open: true }).await;
    let announced = [("content-length", "100000000")];
    let answer = api
        .send(request(Method::POST, "/api/v1/ingest", &announced, "x"))
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 300]));
    let endless = Body::from_stream(stream::repeat_with(chunk));
    let answer = api.post("/api/v1/ingest", endless).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let whole = Body::from_stream(stream::repeat_with(chunk).take(3));
    assert_eq!(
        api.post("/api/v1/ingest", whole).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_dawdles_is_given_up() {
    let http = HttpConfig {
        body_idle_max: Lapse(Duration::from_millis(50)),
        ..HttpConfig::default()
    };
    let api = Api::with(http, Tokens { open: true }).await;
    let start = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
    let answer = api
        .post("/_bulk", Body::from_stream(start.chain(stream::pending())))
        .await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);

    let http = HttpConfig {
        body_time_max: Lapse(Duration::from_millis(200)),
        ..HttpConfig::default()
    };
    let api = Api::with(http, Tokens { open: true }).await;
    let drip = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
    });
    let answer = api.post("/api/v1/ingest", Body::from_stream(drip)).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_cannot_take_all_the_memory_and_is_told_to_come_again() {
    let http = HttpConfig {
        bodies_bytes_max: ByteSize::kib(8),
        unpacked_bytes_max: ByteSize::kib(4),
        ..HttpConfig::default()
    };
    let api = Api::with(http, Tokens { open: true }).await;
    let answer = api.post("/_bulk", vec![b' '; 5000]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(
        api.post("/api/v1/ingest", vec![b' '; 4000]).await.status,
        StatusCode::OK
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_over_its_rate_is_told_to_come_again() {
    let http = HttpConfig {
        peer_records_per_second_max: Some(1),
        ..HttpConfig::default()
    };
    let api = Api::with(http, Tokens { open: true }).await;
    assert_eq!(
        api.post("/api/v1/ingest", "1\n2\n3\n4\n5").await.status,
        StatusCode::OK
    );
    assert_eq!(
        api.post("/api/v1/ingest", "6").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_is_answered() {
    let api = Api::with(HttpConfig::default(), Tokens { open: false }).await;
    for path in [
        "/",
        "/_license",
        "/_xpack",
        "/_cluster/health",
        "/_ilm/policy/x",
        "/_data_stream/x",
    ] {
        let answer = api.send(request(Method::GET, path, &[], "")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for path in ["/api/v1/ingest", "/_bulk", "/x/_bulk"] {
        assert_eq!(
            api.post(path, "{}").await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
        let read_only = [("authorization", "Bearer read-only")];
        let answer = api
            .send(request(Method::POST, path, &read_only, "{}"))
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    // Who may only read may ask what there is.
    for path in ["/", "/_cluster/health", "/_cat/health"] {
        let read_only = [("authorization", "Bearer read-only")];
        let answer = api.send(request(Method::GET, path, &read_only, "")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let read_only = [("authorization", "Bearer read-only")];
    let put = request(Method::PUT, "/_index_template/x", &read_only, "{}");
    assert_eq!(api.send(put).await.status, StatusCode::FORBIDDEN);
    // base64 of `id:good`.
    for value in ["Bearer good", "Basic aWQ6Z29vZA==", "ApiKey aWQ6Z29vZA=="] {
        let headers = [("authorization", value)];
        let answer = api
            .send(request(Method::POST, "/api/v1/ingest", &headers, "{}"))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{value}");
    }
    let records = api.node.received(3).await;
    assert!(
        records
            .iter()
            .all(|record| record.origin.sender() == "token:shipper")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shippers_find_what_they_ask_for() {
    let api = Api::start().await;
    let get = |path| api.send(request(Method::GET, path, &[], ""));
    let answer = get("/").await;
    assert_eq!(answer.headers["x-elastic-product"], "Elasticsearch");
    assert_eq!(answer.body["version"]["number"], json!("8.17.0"));
    assert_eq!(answer.body["tagline"], json!("You Know, for Search"));
    assert_eq!(
        get("/_license").await.body["license"]["status"],
        json!("active")
    );
    assert_eq!(
        get("/_xpack?filter_path=features.ilm").await.body["features"]["ilm"]["enabled"],
        json!(true)
    );
    assert_eq!(get("/_cluster/health").await.body["status"], json!("green"));
    assert_eq!(
        get("/_data_stream/logs-x").await.body["data_streams"][0]["name"],
        json!("logs-x")
    );
    assert_eq!(get("/_cat/health").await.status, StatusCode::OK);
    for path in [
        "/_index_template/x",
        "/_template/x",
        "/_component_template/x",
        "/_ilm/policy/x",
        "/_data_stream/x",
        "/_ingest/pipeline/x",
    ] {
        let head = api.send(request(Method::HEAD, path, &[], "")).await;
        assert_eq!(head.status, StatusCode::OK, "{path}");
        let put = api.send(request(Method::PUT, path, &[], "{}")).await;
        assert_eq!(put.body, json!({"acknowledged": true}), "{path}");
    }
    let head = api.send(request(Method::HEAD, "/", &[], "")).await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_the_page_and_a_shipper_does_not() {
    let node = Node::start(Vec::new()).await;
    let input = node.ingest.http_input(Arc::new(Tokens { open: true }));
    let page = Arc::new(|| (StatusCode::IM_A_TEAPOT, "page").into_response());
    let router = router(input.with_root_page(page));
    for (accept, expected) in [
        ("text/html,*/*", StatusCode::IM_A_TEAPOT),
        ("application/json", StatusCode::OK),
    ] {
        let request = request(Method::GET, "/", &[("accept", accept)], "");
        let response = router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), expected, "{accept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_items_come_back_in_order_with_their_own_seqs() {
    let api = Api::start().await;
    let body: String = (0..20_000)
        .map(|number| format!("{{\"create\":{{}}}}\n{{\"n\":{number}}}\n"))
        .collect();
    let answer = api.post("/_bulk", body).await;
    assert_eq!(answer.body["errors"], json!(false));
    let items = answer.body["items"].as_array().expect("items");
    let records = api.node.received(20_000).await;
    for (number, (item, record)) in items.iter().zip(&records).enumerate() {
        assert_eq!(record.raw, format!("{{\"n\":{number}}}").as_bytes());
        assert_eq!(item["create"]["_seq_no"], json!(record.seq));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_socket_carries_it_all() {
    let api = Api::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("bound");
    let service = api
        .router
        .clone()
        .into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("a server");
    let request = "POST /api/v1/ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"accepted\":1"),
        "{answer}"
    );
    let record = &api.node.received(1).await[0];
    assert_eq!(
        record.origin.peer,
        Some(stream.local_addr().expect("bound"))
    );
    server.abort();
}
