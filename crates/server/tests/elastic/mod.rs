//! Elasticsearch's read API over a real journal and index: shapes, pages, buckets, refusals.

mod agreement;
mod grafana;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry::Role;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::node::{Node, request, text};

const FAILED: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for invalid user admin from 198.51.100.7 port 50022 ssh2";
const ACCEPTED: &str = "<86>Oct 11 22:15:15 db1 sshd[4712]: Accepted password for an from 198.51.100.8 port 50023 ssh2";
const PLAIN: &str = "<13>Oct 11 22:16:15 db2 app: hello 10.0.0.5";

/// Sends a request, and gives the status and the JSON of the answer, which says who answers.
async fn send(node: &Node, request: Request<Body>) -> (StatusCode, Value) {
    send_to(node.routes(), request).await
}

/// The same for many requests: making the routes takes longer than a search.
async fn send_to(routes: Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = routes.oneshot(request).await.expect("an answer");
    let status = response.status();
    let product = response.headers().get("x-elastic-product").cloned();
    assert_eq!(
        product.as_ref().and_then(|product| product.to_str().ok()),
        Some("Elasticsearch")
    );
    let text = text(response).await;
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

async fn ask(node: &Node, path: &str, body: &Value) -> (StatusCode, Value) {
    send(node, request("POST", path, Some(body))).await
}

/// What a search gives that must succeed.
async fn search(node: &Node, body: Value) -> Value {
    let (status, found) = ask(node, "/any-index*/_search", &body).await;
    assert_eq!(status, StatusCode::OK, "{body}: {found}");
    assert_eq!(found["timed_out"], false);
    found
}

fn ids(found: &Value) -> Vec<u64> {
    let hits = found["hits"]["hits"].as_array().expect("hits");
    hits.iter()
        .map(|hit| hit["_id"].as_str().expect("an id").parse().expect("a Seq"))
        .collect()
}

#[tokio::test]
async fn a_search_answers_in_elasticsearchs_shape() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let found = search(
        &node,
        json!({"query": {"match_phrase": {"message": "invalid user"}}}),
    )
    .await;
    assert_eq!(
        found["hits"]["total"],
        json!({"value": 2, "relation": "eq"})
    );
    assert_eq!(found["hits"]["max_score"], 1.0);
    assert_eq!(
        found["_shards"],
        json!({"total": 1, "successful": 1, "skipped": 0, "failed": 0})
    );
    let hit = &found["hits"]["hits"][0];
    assert_eq!(
        (&hit["_index"], &hit["_id"]),
        (&json!("nhatky"), &json!("3"))
    );
    assert_eq!(hit["_source"]["source"]["ip"], "198.51.100.7");
    assert_eq!(hit["_source"]["event"]["original"], FAILED);
    assert_eq!(hit["_source"]["@timestamp"], "2026-10-11T15:14:15Z");
    assert!(hit.get("sort").is_none());
    // By the address alone, too; and a page without hits.
    let (_, found) = send(
        &node,
        request("GET", "/_search?q=user.name:an&size=1", None),
    )
    .await;
    assert_eq!(ids(&found), [2]);
    let (_, found) = send(
        &node,
        request("GET", "/_search?size=0&track_total_hits=false", None),
    )
    .await;
    assert_eq!(found["hits"], json!({"max_score": null, "hits": []}));
    let (_, found) = send(
        &node,
        request(
            "GET",
            "/_search?rest_total_hits_as_int=true&size=0&q=sshd",
            None,
        ),
    )
    .await;
    assert_eq!(found["hits"]["total"], 3);
}

#[tokio::test]
async fn hits_are_paged_in_any_order_and_new_events_do_not_disturb() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, PLAIN]);
    node.parts.index.flush().expect("committed");
    for sort in [
        json!([{"@timestamp": "desc"}]),
        json!([{"@timestamp": "asc"}]),
        json!([{"source.port": {"order": "desc", "missing": "_first"}}]),
        json!({"user.name.keyword": "asc"}),
        json!({"@timestamp": {"order": "desc", "unmapped_type": "boolean"}, "_doc": {"order": "desc"}}),
        json!(["_doc"]),
        json!([{"event.reason": "asc"}]),
        json!([{"vendor.unknown": "asc"}]),
    ] {
        let whole = search(
            &node,
            json!({"sort": sort, "query": {"range": {"nhatky.seq": {"lte": 4}}}}),
        )
        .await;
        let whole = ids(&whole);
        assert_eq!(whole.len(), 4, "{sort}");
        let (mut paged, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut body = json!({
                "size": 1, "sort": sort, "query": {"range": {"nhatky.seq": {"lte": 4}}},
            });
            if !after.is_null() {
                body["search_after"] = after.clone();
            }
            let page = search(&node, body).await;
            assert_eq!(page["hits"]["total"]["value"], 4);
            let Some(hit) = page["hits"]["hits"].get(0) else {
                break;
            };
            assert_eq!(hit["_score"], Value::Null);
            after = hit["sort"].clone();
            paged.extend(ids(&page));
            node.receive(&[ACCEPTED]);
        }
        assert_eq!(paged, whole, "{sort}");
        let page = search(
            &node,
            json!({"from": 1, "size": 2, "sort": sort, "query": {"range": {"nhatky.seq": {"lte": 4}}}}),
        )
        .await;
        assert_eq!(ids(&page), &whole[1..3], "{sort}");
    }
    let by_time = search(&node, json!({"size": 4, "sort": [{"@timestamp": "asc"}], "query": {"ids": {"values": ["1", "2", "3", "4"]}}})).await;
    assert_eq!(ids(&by_time), [1, 3, 2, 4]);
    assert_eq!(
        by_time["hits"]["hits"][0]["sort"],
        json!([1_791_731_655_000_i64, 1])
    );
}

#[tokio::test]
async fn everything_is_read_by_scrolling_and_nothing_that_arrives_meanwhile() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FAILED, ACCEPTED]);
    for sort in [json!(["_doc"]), json!([{"@timestamp": "asc"}])] {
        let body = json!({
            "size": 2, "sort": sort, "aggs": {"n": {"value_count": {"field": "@timestamp"}}},
            "query": {"bool": {"filter": [{"range": {"@timestamp": {"lte": "now"}}}, {"term": {"nhatky.product": "linux.sshd"}}]}},
        });
        let (status, mut page) = ask(&node, "/x/_search?scroll=5m", &body).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let total = page["hits"]["total"]["value"].clone();
        assert_eq!(page["aggregations"]["n"]["value"], total);
        let mut seen = Vec::new();
        while !ids(&page).is_empty() {
            seen.extend(ids(&page));
            node.receive(&[FAILED]);
            let next = json!({"scroll_id": page["_scroll_id"], "scroll": "5m"});
            (_, page) = ask(&node, "/_search/scroll", &next).await;
            assert_eq!(page["hits"]["total"]["value"], total, "{page}");
        }
        assert_eq!(json!(seen.len()), total);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(json!(seen.len()), total);
    }
    let request = request(
        "DELETE",
        "/_search/scroll",
        Some(&json!({"scroll_id": ["x"]})),
    );
    assert_eq!(send(&node, request).await.1["succeeded"], true);
    let (status, _) = ask(&node, "/_search/scroll", &json!({"scroll_id": "nonsense"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// The aggregations of a search without hits.
async fn aggregate(node: &Node, aggs: Value) -> Value {
    let found = search(
        node,
        json!({"size": 0, "query": {"term": {"host.name": "db1"}}, "aggs": aggs}),
    )
    .await;
    assert_eq!(found["hits"]["hits"], json!([]));
    found["aggregations"].clone()
}

#[tokio::test]
async fn buckets_hold_counts_numbers_and_buckets() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FAILED, PLAIN]);
    node.parts.index.flush().expect("committed");
    node.receive(&[FAILED]);
    let found = aggregate(
        &node,
        json!({
            "users": {
                "terms": {"field": "user.name.keyword", "size": 1},
                "aggs": {
                    "port": {"max": {"field": "source.port"}},
                    "over time": {
                        "date_histogram": {"field": "@timestamp", "fixed_interval": "1m", "time_zone": "Asia/Ho_Chi_Minh"},
                        "aggs": {"outcome": {"terms": {"field": "event.outcome"}}},
                    },
                },
                "meta": {"a": 1},
            },
            "all": {"stats": {"field": "source.port"}},
            "hosts": {"cardinality": {"field": "source.ip"}},
        }),
    )
    .await;
    assert_eq!(
        found["users"],
        json!({
            "doc_count_error_upper_bound": 0, "sum_other_doc_count": 1, "meta": {"a": 1},
            "buckets": [{
                "key": "admin", "doc_count": 4, "port": {"value": 50022.0},
                "over time": {"buckets": [{
                    "key": 1_791_731_640_000_i64, "key_as_string": "2026-10-11T22:14:00.000+07:00", "doc_count": 4,
                    "outcome": {
                        "doc_count_error_upper_bound": 0, "sum_other_doc_count": 0,
                        "buckets": [{"key": "failure", "doc_count": 4}],
                    },
                }]},
            }],
        })
    );
    assert_eq!(
        found["all"],
        json!({"count": 5, "min": 50022.0, "max": 50023.0, "avg": 50022.2, "sum": 250_111.0})
    );
    assert_eq!(found["hosts"], json!({"value": 2}));
}

#[tokio::test]
async fn terms_are_ordered_included_and_excluded() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FAILED]);
    let keys = async |terms: Value| {
        let found = aggregate(
            &node,
            json!({"t": {"terms": terms, "aggs": {"port": {"max": {"field": "source.port"}}, "p": {"percentiles": {"field": "source.port", "percents": [50]}}}}}),
        )
        .await;
        let buckets = found["t"]["buckets"].as_array().expect("buckets").clone();
        let keys: Vec<Value> = buckets.iter().map(|bucket| bucket["key"].clone()).collect();
        Value::Array(keys)
    };
    assert_eq!(
        keys(json!({"field": "user.name"})).await,
        json!(["admin", "an"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "order": {"_key": "desc"}})).await,
        json!(["an", "admin"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "order": {"_count": "asc"}})).await,
        json!(["an", "admin"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "order": {"port": "desc"}})).await,
        json!(["an", "admin"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "order": [{"p[50.0]": "asc"}, {"_key": "asc"}]})).await,
        json!(["admin", "an"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "min_doc_count": 2})).await,
        json!(["admin"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "include": ["an"]})).await,
        json!(["an"])
    );
    assert_eq!(
        keys(json!({"field": "user.name", "include": "a.*", "exclude": ".*n"})).await,
        json!([])
    );
    assert_eq!(
        keys(json!({"field": "source.port"})).await,
        json!([50022, 50023])
    );
    assert_eq!(
        keys(json!({"field": "source.ip", "size": "1"})).await,
        json!(["198.51.100.7"])
    );
    assert_eq!(
        keys(json!({"field": "event.reason", "missing": "none"})).await,
        json!(["none"])
    );
    assert_eq!(keys(json!({"field": "vendor.unknown"})).await, json!([]));
    assert_eq!(
        keys(json!({"field": "@timestamp", "order": {"_key": "desc"}})).await,
        json!([1_791_731_715_000_i64, 1_791_731_655_000_i64])
    );
}

#[tokio::test]
async fn histograms_have_their_empty_buckets_and_ranges_all_of_theirs() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let found = aggregate(
        &node,
        json!({
            "filled": {"date_histogram": {
                "field": "@timestamp", "fixed_interval": "30s", "format": "HH:mm:ss", "min_doc_count": 0,
                "extended_bounds": {"min": 1_791_731_625_000_i64, "max": 1_791_731_745_000_i64},
            }},
            "full": {"date_histogram": {"field": "@timestamp", "calendar_interval": "minute", "min_doc_count": 1, "order": {"_key": "desc"}}},
            "late days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day", "offset": "+6h"}},
            "bounded": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1m", "hard_bounds": {"min": 1_791_731_700_000_i64, "max": 1_791_731_760_000_i64}, "keyed": true}},
            "ports": {"histogram": {"field": "source.port", "interval": 10, "extended_bounds": {"min": 50_000, "max": 50_029}}},
            "few": {"range": {"field": "source.port", "ranges": [{"from": 50_023}, {"to": 50_023}, {"from": 1, "to": 2, "key": "none"}]}},
            "days": {"date_range": {"field": "@timestamp", "format": "yyyy-MM-dd", "ranges": [{"from": "2026-10-11", "to": "2026-10-11||+1d"}, {"to": "now-1y"}]}},
            "named": {"filters": {"other_bucket": true, "filters": {"failed": {"match": {"message": "failed"}}, "an": {"term": {"user.name": "an"}}}}},
            "listed": {"filters": {"filters": [{"match_none": {}}, {"match_all": {}}]}},
            "one": {"filter": {"exists": {"field": "source.port"}}, "aggs": {"users": {"terms": {"field": "user.name"}}}},
            "without": {"missing": {"field": "event.reason"}},
        }),
    )
    .await;
    let counts = |name: &str| -> Vec<Value> {
        let buckets = found[name]["buckets"].as_array().expect("buckets");
        buckets
            .iter()
            .map(|bucket| bucket["doc_count"].clone())
            .collect()
    };
    assert_eq!(counts("filled"), [0, 2, 0, 1, 0], "{found}");
    assert_eq!(found["filled"]["buckets"][1]["key_as_string"], "15:14:00");
    assert_eq!(counts("full"), [1, 2]);
    assert_eq!(counts("late days"), [3]);
    assert_eq!(
        found["late days"]["buckets"][0]["key_as_string"],
        "2026-10-11T06:00:00.000Z"
    );
    assert_eq!(
        found["bounded"]["buckets"],
        json!({"2026-10-11T15:15:00.000Z": {"key": 1_791_731_700_000_i64, "key_as_string": "2026-10-11T15:15:00.000Z", "doc_count": 1}})
    );
    assert_eq!(counts("ports"), [0, 0, 3]);
    assert_eq!(found["ports"]["buckets"][2]["key"], 50_020.0);
    assert_eq!(
        found["few"]["buckets"],
        json!([
            {"key": "*-50023.0", "to": 50_023.0, "doc_count": 2},
            {"key": "none", "from": 1.0, "to": 2.0, "doc_count": 0},
            {"key": "50023.0-*", "from": 50_023.0, "doc_count": 1},
        ])
    );
    assert_eq!(found["days"]["buckets"][1]["key"], "2026-10-11-2026-10-12");
    assert_eq!(counts("days"), [0, 3]);
    assert_eq!(
        found["named"]["buckets"],
        json!({"failed": {"doc_count": 2}, "an": {"doc_count": 1}, "_other_": {"doc_count": 0}})
    );
    assert_eq!(counts("listed"), [0, 3]);
    assert_eq!(found["one"]["users"]["buckets"][0]["doc_count"], 2);
    assert_eq!(found["without"]["doc_count"], 3);
}

#[tokio::test]
async fn numbers_of_buckets_and_of_their_neighbours_are_computed() {
    let node = Node::start().await;
    // One, three and two events in three minutes, none in a fourth between.
    let line = |minute: u32| FAILED.replace("22:14:15", &format!("22:{minute}:15"));
    let lines: Vec<String> = [10, 11, 11, 11, 13, 13].map(line).to_vec();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    node.receive(&lines);
    let found = aggregate(
        &node,
        json!({
            "m": {
                "date_histogram": {"field": "@timestamp", "fixed_interval": "1m"},
                "aggs": {
                    "sum": {"sum": {"field": "source.port"}},
                    "grown": {"derivative": {"buckets_path": "_count", "unit": "1s"}},
                    "so far": {"cumulative_sum": {"buckets_path": "_count"}},
                    "two back": {"serial_diff": {"buckets_path": "_count", "lag": 2}},
                    "mean": {"moving_fn": {"buckets_path": "_count", "window": 2, "script": "MovingFunctions.unweightedAvg(values)"}},
                    "each": {"bucket_script": {"buckets_path": {"s": "sum", "n": "_count"}, "script": "params.s / params.n"}},
                    "of sums": {"derivative": {"buckets_path": "so far"}},
                },
            },
            "more": {"extended_stats": {"field": "source.port"}},
            "p": {"percentiles": {"field": "source.port", "percents": [50, 99.9]}},
            "listed": {"percentiles": {"field": "source.port", "percents": [50], "keyed": false}},
            "first": {"min": {"field": "@timestamp"}},
            "none": {"avg": {"field": "source.bytes"}},
            "zero": {"sum": {"field": "source.bytes"}},
        }),
    )
    .await;
    let column = |name: &str| -> Vec<Value> {
        let buckets = found["m"]["buckets"].as_array().expect("buckets");
        buckets
            .iter()
            .map(|bucket| bucket[name]["value"].clone())
            .collect()
    };
    let null = Value::Null;
    assert_eq!(
        column("grown"),
        [null.clone(), json!(2.0), json!(-3.0), json!(2.0)],
        "{found}"
    );
    assert_eq!(
        found["m"]["buckets"][1]["grown"]["normalized_value"],
        2.0 / 60.0
    );
    assert_eq!(column("so far"), [1.0, 4.0, 4.0, 6.0]);
    assert_eq!(
        column("two back"),
        [null.clone(), null.clone(), json!(-1.0), json!(-1.0)]
    );
    assert_eq!(
        column("mean"),
        [null.clone(), json!(1.0), json!(2.0), json!(1.5)]
    );
    assert_eq!(
        column("each"),
        [json!(50022.0), json!(50022.0), null.clone(), json!(50022.0)]
    );
    assert_eq!(found["more"]["std_deviation"], 0.0);
    assert_eq!(found["more"]["std_deviation_bounds"]["upper"], 50022.0);
    assert_eq!(
        found["p"]["values"],
        json!({"50.0": 50022.0, "99.9": 50022.0})
    );
    assert_eq!(
        found["listed"]["values"],
        json!([{"key": 50.0, "value": 50022.0}])
    );
    assert_eq!(
        found["first"],
        json!({"value": 1_791_731_415_000.0, "value_as_string": "2026-10-11T15:10:15.000Z"})
    );
    assert_eq!(
        (&found["none"]["value"], &found["zero"]["value"]),
        (&null, &json!(0.0))
    );
}

#[tokio::test]
async fn what_is_not_supported_says_so_and_what_to_do() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let refused = async |body: Value, named: &str| {
        let (status, answer) = ask(&node, "/_search", &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
        assert_eq!(answer["status"], 400);
        let reason = answer["error"]["reason"].as_str().expect("a reason");
        assert!(reason.contains(named), "{body}: {reason}");
        assert_eq!(
            answer["error"]["root_cause"][0]["type"],
            answer["error"]["type"]
        );
    };
    refused(json!({"query": {"nope": {}}}), "nope").await;
    refused(json!({"query": {"script": {}}}), "scripts").await;
    let agg = |kind: &str, body: Value| json!({"aggs": {"a": {kind: body}}});
    refused(agg("geohash_grid", json!({})), "not supported").await;
    refused(agg("composite", json!({})), "terms").await;
    refused(agg("nonsense", json!({})), "nonsense").await;
    refused(agg("terms", json!({"field": "event.original"})), "raw text").await;
    refused(agg("terms", json!({"field": "a", "script": "x"})), "script").await;
    refused(
        agg("terms", json!({"field": "a", "order": {"b": "asc"}})),
        "b",
    )
    .await;
    refused(agg("avg", json!({"field": "user.name"})), "numbers").await;
    refused(
        agg(
            "percentiles",
            json!({"field": "source.port", "percents": [1.005]}),
        ),
        "percents",
    )
    .await;
    refused(
        agg(
            "date_histogram",
            json!({"field": "source.port", "fixed_interval": "1m"}),
        ),
        "dates",
    )
    .await;
    refused(
        agg(
            "date_histogram",
            json!({"field": "@timestamp", "fixed_interval": "1x"}),
        ),
        "interval",
    )
    .await;
    refused(
        agg(
            "date_histogram",
            json!({"field": "@timestamp", "calendar_interval": "2d"}),
        ),
        "interval",
    )
    .await;
    refused(agg("date_histogram", json!({"field": "@timestamp", "fixed_interval": "1s", "extended_bounds": {"min": 0, "max": 1_791_731_655_000_i64}})), "buckets").await;
    refused(
        agg(
            "histogram",
            json!({"field": "source.port", "interval": 1e-300}),
        ),
        "",
    )
    .await;
    refused(agg("derivative", json!({"buckets_path": "x"})), "histogram").await;
    refused(json!({"aggs": {"h": {"histogram": {"field": "source.port", "interval": 1}, "aggs": {"d": {"derivative": {"buckets_path": "x"}}}}}}), "x").await;
    refused(
        json!({"aggs": {"h": {"histogram": {"field": "source.port", "interval": 1}, "aggs": {
        "d": {"derivative": {"buckets_path": "e"}}, "e": {"derivative": {"buckets_path": "d"}}}}}}),
        "circle",
    )
    .await;
    let (status, answer) = send(&node, request("POST", "/x/_pit?keep_alive=1m", None)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer.to_string().contains("search_after"));
}

#[tokio::test]
async fn bodies_and_trees_are_bounded_at_their_edge() {
    let node = Node::start().await;
    let status = async |path: &str, body: Vec<u8>| {
        let mut request = request("POST", path, None);
        *request.body_mut() = Body::from(body);
        send(&node, request).await
    };
    let padded = |length: usize| {
        let mut body = br#"{"size":0}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    assert_eq!(status("/_search", padded(1 << 20)).await.0, StatusCode::OK);
    let (too_large, answer) = status("/_search", padded((1 << 20) + 1)).await;
    assert_eq!(too_large, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer["status"], 413);
    for body in [
        "{",
        "[]",
        "7",
        "{\"size\": 1} x",
        &"[".repeat(100_000),
        "\u{0}",
    ] {
        let (found, answer) = status("/_search", body.as_bytes().to_vec()).await;
        assert_eq!(found, StatusCode::BAD_REQUEST, "{answer}");
    }
    let nested = |depth: usize| {
        let mut aggs = json!({"n": {"avg": {"field": "source.port"}}});
        for _ in 0..depth {
            aggs = json!({"n": {"filter": {"match_all": {}}, "aggs": aggs}});
        }
        json!({"size": 0, "aggs": aggs})
    };
    assert_eq!(ask(&node, "/_search", &nested(10)).await.0, StatusCode::OK);
    assert_eq!(
        ask(&node, "/_search", &nested(11)).await.0,
        StatusCode::BAD_REQUEST
    );
    let many = |count: usize| {
        let names =
            (0..count).map(|number| (number.to_string(), json!({"avg": {"field": "source.port"}})));
        json!({"size": 0, "aggs": names.collect::<serde_json::Map<_, _>>()})
    };
    assert_eq!(ask(&node, "/_search", &many(100)).await.0, StatusCode::OK);
    assert_eq!(
        ask(&node, "/_search", &many(101)).await.0,
        StatusCode::BAD_REQUEST
    );
    let searches = |count: usize| "{}\n{\"size\":0}\n".repeat(count).into_bytes();
    assert_eq!(status("/_msearch", searches(100)).await.0, StatusCode::OK);
    assert_eq!(
        status("/_msearch", searches(101)).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        status("/_msearch", b"{}\n".to_vec()).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_search_that_runs_out_of_time_says_so() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    for flushed in [false, true] {
        if flushed {
            node.parts.index.flush().expect("committed");
        }
        for sort in [json!([]), json!([{"source.port": "asc"}])] {
            let body = json!({
                "timeout": "0ms", "sort": sort, "aggs": {"t": {"terms": {"field": "user.name"}}},
            });
            let (status, found) = ask(&node, "/_search", &body).await;
            assert_eq!(status, StatusCode::OK, "{found}");
            assert_eq!(found["timed_out"], true, "{found}");
            assert_eq!(found["hits"]["total"]["relation"], "gte");
            assert_eq!(found["_shards"]["failed"], 1);
            assert_eq!(found["_shards"]["successful"], 0);
            let path = "/_search?allow_partial_search_results=false";
            let (status, _) = ask(&node, path, &body).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}

#[tokio::test]
async fn several_searches_are_answered_each_for_itself() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    let lines = [
        json!({"index": "logs-*", "ignore_unavailable": true, "search_type": "query_then_fetch"}),
        json!({"query": {"term": {"user.name": "an"}}}),
        json!({}),
        json!({"query": {"nope": {}}}),
        json!({"size": 0}),
        json!({"query": {"match": {"message": "password"}}}),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut request = request("POST", "/_msearch?max_concurrent_shard_requests=5", None);
    *request.body_mut() = Body::from(body);
    let (status, found) = send(&node, request).await;
    assert_eq!(status, StatusCode::OK);
    let responses = found["responses"].as_array().expect("responses");
    assert_eq!(responses.len(), 3);
    assert_eq!(
        (&responses[0]["status"], ids(&responses[0])),
        (&json!(200), vec![2])
    );
    assert_eq!(responses[1]["status"], 400);
    assert_eq!(responses[1]["error"]["type"], "parsing_exception");
    assert_eq!(responses[2]["hits"]["total"]["value"], 2);
}

#[tokio::test]
async fn counts_fields_and_indices_are_told() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let (_, counted) = ask(
        &node,
        "/x/_count",
        &json!({"query": {"term": {"event.outcome": "failure"}}}),
    )
    .await;
    assert_eq!(counted["count"], 2, "{counted}");
    assert_eq!(counted["_shards"]["failed"], 0);
    let get = async |path: &str| send(&node, request("GET", path, None)).await;
    assert_eq!(get("/_count?q=user.name:an").await.1["count"], 1);
    let (_, caps) = get("/x*/_field_caps?fields=@timestamp,source.*").await;
    assert_eq!(caps["fields"]["@timestamp"]["date"]["aggregatable"], true);
    assert_eq!(caps["fields"]["source.port"]["long"]["searchable"], true);
    let (_, mapping) = get("/x/_mapping").await;
    assert_eq!(
        mapping["nhatky"]["mappings"]["properties"]["source"]["properties"]["ip"]["type"],
        "ip"
    );
    let (_, field) = get("/x/_mapping/field/@timestamp").await;
    assert_eq!(
        field["nhatky"]["mappings"]["@timestamp"]["mapping"]["@timestamp"]["type"],
        "date"
    );
    let (_, lines) = get("/_cat/indices?format=json").await;
    assert_eq!(lines[0]["index"], "nhatky-2026.10.11");
    assert!(
        lines[0]["docs.count"]
            .as_str()
            .is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count >= 3)),
        "{lines}"
    );
    let (_, text) = get("/_cat/indices?v&h=index,health").await;
    assert_eq!(text, "index             health\nnhatky-2026.10.11 green\n");
    assert_eq!(
        get("/_resolve/index/x*").await.1["indices"][0]["name"],
        "nhatky"
    );
    assert!(get("/_alias").await.1["nhatky"].is_object());
}

#[tokio::test]
async fn a_token_is_taken_in_every_scheme_that_clients_speak() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let read = node.token("grafana", Role::Read).await;
    let ingest = node.token("shipper", Role::Ingest).await;
    let with = async |authorization: Option<String>| {
        let mut request = request("POST", "/_search", Some(&json!({"size": 0})));
        if let Some(value) = authorization {
            request
                .headers_mut()
                .insert("authorization", value.parse().expect("a header"));
        }
        send(&node, request).await
    };
    let encoded = |name: &str| STANDARD.encode(format!("{name}:{read}"));
    for value in [
        format!("Bearer {read}"),
        format!("Basic {}", encoded("whoever")),
        format!("ApiKey {}", encoded("id")),
        format!("ApiKey {read}"),
    ] {
        assert_eq!(with(Some(value.clone())).await.0, StatusCode::OK, "{value}");
    }
    for value in [
        None,
        Some("Bearer nonsense".to_owned()),
        Some(format!("Basic {}", STANDARD.encode("a:nonsense"))),
        Some("Basic ?".to_owned()),
    ] {
        let (status, answer) = with(value).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer["error"]["type"], "security_exception");
    }
    let (status, answer) = with(Some(format!("Bearer {ingest}"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(answer["status"], 403);
    // Our own interface takes no password.
    let mut own = request("GET", "/api/v1/search", None);
    let basic = format!("Basic {}", encoded("whoever"));
    own.headers_mut()
        .insert("authorization", basic.parse().expect("a header"));
    assert_eq!(node.ask(own).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_search_is_on_record_and_not_found_by_its_own_words() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let body = json!({"query": {"match": {"message": "invalid"}}});
    for _ in 0..3 {
        assert_eq!(ids(&search(&node, body.clone()).await), [1]);
        node.publish();
    }
    let lines = format!(
        "{{}}\n{}\n",
        json!({"query": {"query_string": {"query": "invalid"}}})
    );
    let mut several = request("POST", "/_msearch", None);
    *several.body_mut() = Body::from(lines);
    send(&node, several).await;
    ask(&node, "/_count", &body).await;
    node.publish();
    let (_, audit) = node.get("/api/v1/audit").await;
    let items = audit["items"].as_array().expect("items");
    let elastic = items
        .iter()
        .filter(|item| item["action"] == "search-elastic");
    assert_eq!(elastic.count(), 5, "{audit}");
    assert!(audit.to_string().contains("query_string"), "{audit}");
}
