//! Entities: everything about a user, an address or a host at once.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::node::Node;

const FAILED: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for admin from 198.51.100.7 port 50022 ssh2";
const ACCEPTED: &str = "<86>Oct 11 22:15:15 db1.tiengiang.gov.vn sshd[4712]: Accepted password for Admin from 198.51.100.8 port 50023 ssh2";
const ANOTHER: &str = "<86>Oct 11 22:16:15 db2 sshd[4712]: Accepted password for an from 198.51.100.7 port 50023 ssh2";

fn counts(values: &Value) -> Vec<(String, u64)> {
    let values = values.as_array().expect("values").iter();
    let pair = |value: &Value| {
        let name = value["value"].as_str().expect("text").to_owned();
        (name, value["count"].as_u64().expect("a count"))
    };
    values.map(pair).collect()
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    let pairs = expected.iter();
    pairs
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

async fn history(node: &Node, entity: &str) -> Value {
    let (status, reply) = node.get(&format!("/api/v1/entities/{entity}")).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(reply["total_relation"], "eq", "{reply}");
    reply
}

#[tokio::test]
async fn a_users_history_says_when_where_from_and_with_what_outcome() {
    let node = Node::start().await;
    node.receive(&[FAILED, FAILED, ANOTHER]);
    node.parts.index.flush().expect("committed");
    node.receive(&[ACCEPTED]);
    let detection = crate::detection("login-failures-account", "admin");
    node.alerts
        .apply(&[detection], &[])
        .await
        .expect("an alert");
    let reply = history(&node, "user:CORP%5CADMIN").await;
    assert_eq!(reply["entity"], json!({ "kind": "user", "name": "admin" }));
    assert_eq!(reply["total"], 3);
    assert_eq!(
        (&reply["first_seen"], &reply["last_seen"]),
        (
            &json!("2026-10-11T15:14:15Z"),
            &json!("2026-10-11T15:15:15Z")
        )
    );
    assert_eq!(
        counts(&reply["outcomes"]),
        pairs(&[("failure", 2), ("success", 1)])
    );
    assert_eq!(counts(&reply["classes"]), pairs(&[("login", 3)]));
    assert_eq!(counts(&reply["sources"]).len(), 1);
    let with = &reply["counterparts"];
    assert_eq!(
        counts(&with["addresses"]),
        pairs(&[("198.51.100.7", 2), ("198.51.100.8", 1)])
    );
    assert_eq!(counts(&with["users"]), []);
    let hosts: u64 = counts(&with["hosts"]).iter().map(|(_, count)| count).sum();
    assert_eq!(hosts, 3, "{with}");
    let buckets = reply["over_time"]["buckets"].as_array().expect("buckets");
    let in_buckets: u64 = buckets
        .iter()
        .filter_map(|bucket| bucket["count"].as_u64())
        .sum();
    assert_eq!(
        (in_buckets, &reply["over_time"]["interval_s"]),
        (3, &json!(1))
    );
    let seqs: Vec<_> = reply["events"].as_array().expect("events").iter().collect();
    let seqs: Vec<_> = seqs
        .iter()
        .map(|event| event["nhatky.seq"].as_u64())
        .collect();
    assert_eq!(seqs, [Some(4), Some(2), Some(1)]);
    assert_eq!(reply["detections"][0]["rule"], "login-failures-account");
    assert_eq!(reply["alerts"][0]["state"], "new");
    // The query that is told finds the same events.
    let body = json!({ "q": reply["query"] });
    assert_eq!(
        node.send("POST", "/api/v1/search", &body).await.1["total"],
        3
    );
}

#[tokio::test]
async fn an_address_and_a_host_have_histories_too() {
    let node = Node::start().await;
    node.receive(&[FAILED, FAILED, ACCEPTED, ANOTHER]);
    let reply = history(&node, "address:198.51.100.7").await;
    assert_eq!(reply["total"], 3);
    assert_eq!(
        counts(&reply["counterparts"]["users"]),
        pairs(&[("admin", 2), ("an", 1)])
    );
    assert_eq!(counts(&reply["counterparts"]["addresses"]), []);
    let reply = history(&node, "host:DB1").await;
    assert_eq!(reply["total"], 3);
    assert_eq!(counts(&reply["counterparts"]["hosts"]), []);
    let reply = history(&node, "host:db1?to=2026-10-11T22:15:00%2B07:00").await;
    assert_eq!(
        (&reply["total"], &reply["last_seen"]),
        (&json!(2), &json!("2026-10-11T15:14:15Z"))
    );
}

#[tokio::test]
async fn an_entity_that_was_never_seen_has_an_empty_history() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let reply = history(&node, "user:nobody").await;
    assert_eq!(
        (&reply["total"], &reply["first_seen"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(
        reply["over_time"],
        json!({ "interval_s": 0, "buckets": [] })
    );
    for wrong in ["user", "user:", "user:-", "address:x", "planet:mars"] {
        let (status, problem) = node.get(&format!("/api/v1/entities/{wrong}")).await;
        let said = (status, problem["field"].as_str());
        assert_eq!(
            said,
            (StatusCode::BAD_REQUEST, Some("entity")),
            "{wrong}: {problem}"
        );
    }
}

#[tokio::test]
async fn looking_at_an_entity_and_around_an_event_is_on_record() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    history(&node, "user:admin?from=2026-10-11").await;
    node.get("/api/v1/events/1/around?same=user,host").await;
    node.publish();
    let audit = node.get("/api/v1/audit").await.1;
    let acts = audit["items"].as_array().expect("items").iter();
    let acts: Vec<_> = acts
        .map(|act| (act["action"].clone(), act["object"].clone()))
        .collect();
    for (action, object) in [
        ("show-entity", "user:admin [from 2026-10-11]"),
        ("show-around", "1 [same user,host]"),
    ] {
        assert!(acts.contains(&(json!(action), json!(object))), "{audit}");
    }
}
