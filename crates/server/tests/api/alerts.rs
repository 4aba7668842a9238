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

#[tokio::test]
async fn an_alert_says_how_grave_it_is_and_why_in_both_languages() {
    let node = alerts_about(&["root"]).await;
    let (_, shown) = node.get("/api/v1/alerts/1").await;
    let severity = &shown["severity"];
    assert_eq!(
        (
            &severity["in_force"],
            &severity["proposed"],
            &severity["tier"]
        ),
        (&json!("low"), &json!("low"), &json!(2)),
        "{shown}"
    );
    let reason = &severity["reason"];
    assert!(reason["vi"].as_str().is_some_and(|vi| vi.contains("Thấp")));
    assert!(reason["en"].as_str().is_some_and(|en| en.contains("Low")));
    assert_eq!(severity["set"], Value::Null);
    assert!(shown["texts"]["vi"]["runbook"].is_string(), "{shown}");

    let (status, problem) = act(
        &node,
        "1/severity",
        json!({ "severity": "high", "reason": "" }),
    )
    .await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("reason"))
    );
    let set = json!({ "severity": "urgent", "reason": "the portal of the province" });
    assert_eq!(act(&node, "1/severity", set).await.0, StatusCode::OK);
    let (_, shown) = node.get("/api/v1/alerts/1").await;
    let severity = &shown["severity"];
    assert_eq!(
        (&severity["in_force"], &severity["proposed"]),
        (&json!("urgent"), &json!("low"))
    );
    assert_eq!(severity["set"]["reason"], "the portal of the province");
    let (_, list) = node.get("/api/v1/alerts?severity=urgent").await;
    assert_eq!(ids(&list), [1]);
}

const FAILED: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for root from 198.51.100.7 port 50022 ssh2";
const OTHERS: &[&str] = &[
    "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for an from 198.51.100.9 port 50022 ssh2",
    "<86>Oct 11 22:16:15 db1 sshd[4712]: Accepted password for root from 198.51.100.7 port 50023 ssh2",
    // A clock that is days off: correlation goes by when it was received.
    "<86>Oct 7 22:14:15 db1 sshd[4711]: Failed password for root from 198.51.100.7 port 50022 ssh2",
];

/// Runs the rules over everything that the node has received, and stores what they find.
async fn detect(node: &Node) -> Vec<event::Detection> {
    let mut detector = detect::Detector::new(node.parts.vitals.rules(), detect::Mode::Live);
    let to = node.parts.journal.durable();
    let events = node
        .parts
        .events
        .span(event::Seq(1), to, index::Depth::Full);
    let mut outputs = Vec::new();
    for event in events.expect("events") {
        detector.observe(&event, &mut outputs);
    }
    let found = outputs.into_iter().filter_map(|output| match output {
        detect::Output::Detection(detection) => Some(*detection),
        detect::Output::Update(_) | detect::Output::Evicted(_) | detect::Output::Day(_) => None,
    });
    let found: Vec<_> = found.collect();
    node.alerts
        .apply(&found, &[])
        .await
        .expect("they are stored");
    found
}

/// The Seqs that a query finds.
async fn found(node: &Node, query: &Value) -> Vec<u64> {
    let body = json!({ "q": query, "limit": 1000 });
    let (status, found) = node.send("POST", "/api/v1/search", &body).await;
    assert_eq!(status, StatusCode::OK, "{query}: {found}");
    let hits = found["hits"].as_array().expect("hits").iter();
    let mut seqs: Vec<u64> = hits.filter_map(|hit| hit["nhatky.seq"].as_u64()).collect();
    seqs.sort_unstable();
    seqs
}

#[tokio::test]
async fn the_evidence_query_of_an_alert_finds_its_evidence() {
    let node = Node::start().await;
    node.receive(OTHERS);
    node.receive(&[FAILED; 40]);
    let detections = detect(&node).await;
    assert!(!detections.is_empty(), "forty failures are some rule's");
    let (_, list) = node.get("/api/v1/alerts").await;
    let of_rules = ids(&list);
    assert!(!of_rules.is_empty(), "{list}");
    for id in of_rules {
        let (_, shown) = node.get(&format!("/api/v1/alerts/{id}")).await;
        let evidence = shown["evidence"].as_array().expect("evidence").iter();
        let evidence: Vec<u64> = evidence.filter_map(Value::as_u64).collect();
        let seqs = found(&node, &shown["evidence_query"]).await;
        assert!(!evidence.is_empty());
        for seq in &evidence {
            assert!(seqs.contains(seq), "{seq} by {}", shown["evidence_query"]);
        }
        // The other account and the success are not what the rule looked at.
        for seq in [1, 2].into_iter().filter(|seq| !evidence.contains(seq)) {
            assert!(!seqs.contains(&seq), "{seq} by {}", shown["evidence_query"]);
        }
    }
    for detection in detections {
        let path = format!("/api/v1/detections/{}", detection.id);
        let (_, shown) = node.get(&path).await;
        let seqs = found(&node, &shown["evidence_query"]).await;
        for seq in detection.evidence {
            assert!(
                seqs.contains(&seq.0),
                "{seq} by {}",
                shown["evidence_query"]
            );
        }
    }
}

#[tokio::test]
async fn risk_is_listed_shown_and_told_as_a_story_whose_query_finds_the_evidence() {
    let node = Node::start().await;
    node.receive(&[FAILED; 3]);
    let at = node.parts.clock.now();
    let batch = (0..30u64).map(|number| event::Detection {
        id: format!("{number:032x}").into(),
        rule: format!("r{}", number % 3).into(),
        disposition: event::Disposition::Signal,
        first_at: at,
        last_at: at,
        seq: event::Seq(number % 3 + 1),
        evidence: vec![event::Seq(number % 3 + 1)],
        query: format!("user.name:root AND nhatky.seq:{}", number % 3 + 1),
        ..detection("", "root")
    });
    let batch: Vec<_> = batch.collect();
    node.alerts.apply(&batch, &[]).await.expect("stored");

    let (status, list) = node.get("/api/v1/entities?order=risk").await;
    assert_eq!(
        (status, &list["items"][0]["score"], &list["complete"]),
        (StatusCode::OK, &json!(135.0), &json!(true)),
        "{list}"
    );
    let (status, problem) = node.get("/api/v1/entities?order=name").await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("order"))
    );
    let (_, entity) = node.get("/api/v1/entities/user:root").await;
    assert_eq!(entity["risk"]["limit"], 100.0, "{entity}");

    let (_, list) = node.get("/api/v1/alerts?rule=risk").await;
    let id = ids(&list)[0];
    let (_, shown) = node.get(&format!("/api/v1/alerts/{id}")).await;
    assert_eq!(shown["story"].as_array().map(Vec::len), Some(30), "{shown}");
    let detail = shown["texts"]["vi"]["detail"].as_str().expect("a text");
    assert!(
        detail.contains("r0, r1, r2") && detail.contains("100"),
        "{detail}"
    );
    assert_eq!(found(&node, &shown["evidence_query"]).await, [1, 2, 3]);

    // The identifier is one of a rule, as far as suppressions go.
    let body = json!({ "rules": ["risk"], "until": "now+1h", "reason": "a drill" });
    let (status, _) = node.send("POST", "/api/v1/suppressions", &body).await;
    assert_eq!(status, StatusCode::CREATED);
}
