//! The requests of Grafana's Elasticsearch data source, as `grafana/*.json` keeps them: a head and a body each.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{ACCEPTED, FAILED, PLAIN, ids, send};
use crate::node::{Node, request};

/// Sends a kept request to `_msearch` as Grafana does, and gives its only response.
async fn panel(node: &Node, kept: &str) -> Value {
    let lines: Vec<Value> = serde_json::from_str(kept).expect("a list");
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut asking = request("POST", "/_msearch?max_concurrent_shard_requests=5", None);
    *asking.body_mut() = Body::from(lines);
    asking.headers_mut().insert(
        "content-type",
        "application/x-ndjson".parse().expect("a header"),
    );
    let (status, answer) = send(node, asking).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let response = answer["responses"][0].clone();
    assert_eq!(response["status"], 200, "{response}");
    response
}

async fn node() -> Node {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, PLAIN]);
    node.parts.index.flush().expect("committed");
    node
}

#[tokio::test]
async fn the_data_source_is_tested_and_its_fields_are_listed() {
    let node = node().await;
    let get = async |path: &str| send(&node, request("GET", path, None)).await;
    let (status, mapping) = get("/logs-*/_mapping").await;
    assert_eq!(status, StatusCode::OK);
    let properties = &mapping["nhatky"]["mappings"]["properties"];
    assert_eq!(properties["@timestamp"]["type"], "date");
    assert_eq!(properties["user"]["properties"]["name"]["type"], "keyword");
    let (status, caps) = get("/logs-*/_field_caps?fields=@timestamp").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(caps["fields"]["@timestamp"]["date"]["type"], "date");
}

#[tokio::test]
async fn log_lines_come_with_a_histogram_and_the_lines_around_one() {
    let node = node().await;
    let response = panel(&node, include_str!("../grafana/logs.json")).await;
    assert_eq!(ids(&response), [2, 3, 1]);
    let hit = &response["hits"]["hits"][0];
    assert_eq!(hit["sort"], json!([1_791_731_715_000_i64, 2]));
    assert_eq!(
        hit["fields"]["@timestamp"],
        json!(["2026-10-11T15:15:15.000Z"])
    );
    assert_eq!(hit["_source"]["event"]["original"], ACCEPTED);
    let buckets = &response["aggregations"]["1"]["buckets"];
    let counts: Vec<&Value> = (0..4).map(|at| &buckets[at]["doc_count"]).collect();
    assert_eq!(counts, [0, 2, 1, 0]);
    assert_eq!(buckets[0]["key"], 1_791_731_580_000_i64);
    assert_eq!(buckets[0]["key_as_string"], "1791731580000");
    let around = panel(&node, include_str!("../grafana/logs_context.json")).await;
    assert_eq!(ids(&around), [3, 2]);
}

#[tokio::test]
async fn a_metric_by_terms_over_time_has_the_numbers_of_the_events() {
    let node = node().await;
    let response = panel(&node, include_str!("../grafana/metric.json")).await;
    assert_eq!(response["hits"]["total"]["value"], 3);
    let users = response["aggregations"]["3"]["buckets"]
        .as_array()
        .expect("buckets");
    assert_eq!(
        (&users[0]["key"], &users[1]["key"]),
        (&json!("an"), &json!("admin"))
    );
    assert_eq!(
        users[1]["1"]["values"],
        json!({"25.0": 50022.0, "50.0": 50022.0, "99.0": 50022.0})
    );
    let minutes = users[1]["2"]["buckets"].as_array().expect("buckets");
    assert_eq!(minutes.len(), 4);
    let full = &minutes[1];
    assert_eq!(full["doc_count"], 2);
    assert_eq!(full["4"]["value"], 50022.0);
    assert_eq!(full["5"]["std_deviation_bounds"]["lower"], 50022.0);
    assert_eq!(full["6"]["value"], 1);
    assert_eq!(full["8"]["value"], 100_044.0);
    assert_eq!(full["9"]["value"], 2.0);
    // The minute before is empty: there is nothing to be above of.
    assert_eq!(full["7"]["value"], Value::Null);
    assert!(minutes[0].get("7").is_none());
    assert_eq!(minutes[0]["4"]["value"], Value::Null);
    assert_eq!(full["10"]["value"], 2.0);
}

#[tokio::test]
async fn filters_raw_data_annotations_and_variables_are_answered() {
    let node = node().await;
    let response = panel(&node, include_str!("../grafana/filters.json")).await;
    let buckets = &response["aggregations"]["2"]["buckets"];
    assert_eq!(buckets["failures"]["doc_count"], 2);
    assert_eq!(buckets["user.name:an"]["3"]["buckets"][0]["doc_count"], 1);
    let response = panel(&node, include_str!("../grafana/raw_data.json")).await;
    let hit = &response["hits"]["hits"][0];
    assert_eq!(ids(&response), [2]);
    assert_eq!(
        hit["fields"]["@timestamp"],
        json!(["2026-10-11T15:15:15.000Z"])
    );
    assert_eq!(hit["_source"]["source"]["port"], 50023);
    let response = panel(&node, include_str!("../grafana/annotations.json")).await;
    assert_eq!(ids(&response), [3, 1]);
    assert_eq!(
        response["hits"]["hits"][0]["_source"]["@timestamp"],
        "2026-10-11T15:14:15Z"
    );
    let response = panel(&node, include_str!("../grafana/variable_terms.json")).await;
    let users = response["aggregations"]["1"]["buckets"]
        .as_array()
        .expect("buckets");
    let users: Vec<&Value> = users.iter().map(|bucket| &bucket["key"]).collect();
    assert_eq!(users, ["admin", "an"]);
}
