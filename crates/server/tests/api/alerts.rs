//! Alerts: what people do to them through the API.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::detection;
use crate::node::Node;

/// A node with an alert about each of those users.
async fn alerts_about(users: &[&str]) -> Node {
    let node = Node::start().await;
    let batch = users.iter().enumerate().map(|(at, user)| event::Detection {
        id: format!("{at:032x}").into(),
        ..detection("login-failures-account", user)
    });
    let batch: Vec<_> = batch.collect();
    node.alerts.apply(&batch, &[]).await.expect("alerts");
    node
}

async fn act(node: &Node, path: &str, body: Value) -> (StatusCode, Value) {
    node.send("POST", &format!("/api/v1/alerts/{path}"), &body)
        .await
}

fn ids(list: &Value) -> Vec<u64> {
    let items = list["items"].as_array().expect("items").iter();
    items.filter_map(|alert| alert["id"].as_u64()).collect()
}

#[tokio::test]
async fn an_alert_is_seen_taken_and_closed() {
    let node = Node::start().await;
    node.alerts
        .apply(&[detection("login-failures-account", "root")], &[])
        .await
        .expect("an alert");
    let (_, list) = node.get("/api/v1/alerts?open=true&entity=user:root").await;
    let id = list["items"][0]["id"].as_u64().expect("an alert");
    let (_, shown) = node.get(&format!("/api/v1/alerts/{id}")).await;
    assert_eq!(shown["alert"]["state"], "new", "{shown}");
    assert_eq!(shown["evidence"], json!([1, 10]));
    let (_, alert) = node
        .send(
            "POST",
            &format!("/api/v1/alerts/{id}/ack"),
            &json!({"comment": "looking"}),
        )
        .await;
    assert_eq!(alert["state"], "acknowledged", "{alert}");
    let (status, _) = node
        .send(
            "POST",
            &format!("/api/v1/alerts/{id}/comments"),
            &json!({"comment": "a test"}),
        )
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let close = format!("/api/v1/alerts/{id}/close");
    let (status, problem) = node
        .send("POST", &close, &json!({"resolution": "bored"}))
        .await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("resolution"))
    );
    let (_, alert) = node
        .send("POST", &close, &json!({"resolution": "false_positive"}))
        .await;
    assert_eq!(alert["state"], "closed", "{alert}");
    let (status, problem) = node
        .send("POST", &close, &json!({"resolution": "resolved"}))
        .await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:nhatky:problem:state"))
    );
    let (_, list) = node.get("/api/v1/alerts?open=true").await;
    assert_eq!(list["items"], json!([]));
    let (_, detections) = node
        .get("/api/v1/detections?rule=login-failures-account")
        .await;
    let of = detections["items"][0]["id"].as_str().expect("a detection");
    assert_eq!(
        node.get(&format!("/api/v1/detections/{of}")).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn alerts_are_given_to_people_and_listed_by_whose_they_are() {
    let node = alerts_about(&["root", "admin"]).await;
    let an = json!({ "name": "Nguyễn Văn An", "accounts": ["an"] });
    node.send("POST", "/api/v1/people", &an).await;
    let (status, alert) = act(&node, "1/assign", json!({ "assignee": "an" })).await;
    assert_eq!(
        (status, &alert["assignee"]),
        (StatusCode::OK, &json!("Nguyễn Văn An")),
        "{alert}"
    );
    let (_, alert) = act(&node, "2/assign", json!({})).await;
    assert_eq!(alert["assignee"], "local");
    for (asked, expected) in [("assignee=an", vec![1]), ("assignee=local", vec![2])] {
        let (_, list) = node.get(&format!("/api/v1/alerts?{asked}")).await;
        assert_eq!(ids(&list), expected, "{asked}");
    }
    act(&node, "2/release", json!({})).await;
    let (_, list) = node.get("/api/v1/alerts?unassigned=true").await;
    assert_eq!(ids(&list), [2]);
    let (status, problem) = act(&node, "1/assign", json!({ "assignee": "x" })).await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("assignee"))
    );
    let (status, _) = node.get("/api/v1/alerts?unassigned=true&assignee=an").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_closed_alert_is_reopened_with_a_reason() {
    let node = alerts_about(&["root"]).await;
    let reason = json!({ "reason": "it goes on" });
    assert_eq!(
        act(&node, "1/reopen", reason.clone()).await.0,
        StatusCode::CONFLICT
    );
    act(&node, "1/close", json!({ "resolution": "resolved" })).await;
    let (status, problem) = act(&node, "1/reopen", json!({ "reason": "" })).await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("reason"))
    );
    let (status, alert) = act(&node, "1/reopen", reason).await;
    assert_eq!(
        (status, &alert["state"], &alert["resolution"]),
        (StatusCode::OK, &json!("acknowledged"), &Value::Null)
    );
    let (_, shown) = node.get("/api/v1/alerts/1").await;
    let history = shown["history"].as_array().expect("a history");
    assert_eq!(history[1]["detail"], "resolved");
    assert_eq!(history[2]["comment"], "it goes on");
}

#[tokio::test]
async fn many_alerts_are_shown_and_then_exactly_these_are_closed() {
    let node = alerts_about(&["root", "admin", "an"]).await;
    let mut body = json!({ "filter": { "severity": "low" }, "resolution": "false_positive" });
    let (status, seen) = act(&node, "close", body.clone()).await;
    assert_eq!(
        (status, &seen["count"], &seen["closed"]),
        (StatusCode::OK, &json!(3), &json!(false)),
        "{seen}"
    );
    assert_eq!(ids(&json!({ "items": seen["first"] })), [1, 2, 3]);
    act(&node, "2/close", json!({ "resolution": "resolved" })).await;
    body["confirm"] = seen["confirm"].clone();
    let (status, problem) = act(&node, "close", body.clone()).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::CONFLICT, &json!("urn:nhatky:problem:changed"))
    );
    body["confirm"] = Value::Null;
    let (_, seen) = act(&node, "close", body.clone()).await;
    body["confirm"] = seen["confirm"].clone();
    let (_, done) = act(&node, "close", body).await;
    assert_eq!(
        (&done["count"], &done["closed"]),
        (&json!(2), &json!(true)),
        "{done}"
    );
    let (_, list) = node.get("/api/v1/alerts?open=true").await;
    assert_eq!(list["items"], json!([]));

    for wrong in [
        json!({ "resolution": "resolved" }),
        json!({ "resolution": "resolved", "ids": [1], "filter": {} }),
        json!({ "resolution": "bored", "ids": [1] }),
        json!({ "resolution": "resolved", "filter": { "before": "soon" } }),
    ] {
        let (status, problem) = act(&node, "close", wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}
