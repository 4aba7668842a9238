//! What is around an event: the nearest on both sides that share something with it.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::node::Node;

fn login(user: &str, address: &str) -> String {
    format!(
        "<86>Oct 11 22:14:15 db1 sshd[4711]: Accepted password for {user} from {address} port 50022 ssh2"
    )
}

const OTHER: &str = "<13>Oct 11 22:14:16 web2 app: hello";
const LATER: &str = "<86>Oct 11 22:19:15 db1 sshd[4711]: Accepted password for an from 198.51.100.1 port 50022 ssh2";

async fn around(node: &Node, seq: u64, query: &str) -> Value {
    let (status, reply) = node
        .get(&format!("/api/v1/events/{seq}/around?{query}"))
        .await;
    assert_eq!(status, StatusCode::OK, "{query}: {reply}");
    reply
}

fn seqs(side: &Value) -> Vec<u64> {
    let events = side["events"].as_array().expect("events").iter();
    events
        .map(|event| event["nhatky.seq"].as_u64().expect("a Seq"))
        .collect()
}

/// Both sides: their Seqs and totals.
fn sides(reply: &Value) -> (Vec<u64>, u64, Vec<u64>, u64) {
    let total = |side: &Value| {
        assert_eq!(side["total_relation"], "eq", "{side}");
        side["total"].as_u64().expect("a total")
    };
    let (before, after) = (&reply["before"], &reply["after"]);
    (seqs(before), total(before), seqs(after), total(after))
}

#[tokio::test]
async fn the_nearest_on_both_sides_are_shown_in_order() {
    let node = Node::start().await;
    let an = login("an", "198.51.100.1");
    let lines: Vec<&str> = (0..1500).flat_map(|_| [an.as_str(), OTHER]).collect();
    for (at, batch) in lines.chunks(500).enumerate() {
        node.receive(batch);
        if at < 4 {
            node.parts.index.flush().expect("committed");
        }
    }
    // Every log-in has an odd Seq, up to 2999.
    let reply = around(&node, 1001, "before=3&after=4").await;
    assert_eq!(
        sides(&reply),
        (vec![995, 997, 999], 500, vec![1003, 1005, 1007, 1009], 999)
    );
    assert_eq!(reply["event"]["nhatky.seq"], 1001);
    assert_eq!(
        (&reply["absent"], &reply["before"]["events"][0]["user.name"]),
        (&json!([]), &json!("an"))
    );
    let query = reply["query"].as_str().expect("a query");
    assert!(query.starts_with("nhatky.source:"), "{query}");
    let (before, _, after, _) = sides(&around(&node, 3, "").await);
    assert_eq!(
        (before.as_slice(), after.len(), after[0], after[19]),
        (&[1][..], 20, 5, 43)
    );
    let (before, _, after, total) = sides(&around(&node, 2999, "after=200&before=200").await);
    assert_eq!(
        (before.len(), before[0], after.len(), total),
        (200, 2599, 0, 0)
    );
    let none = sides(&around(&node, 1001, "before=0&after=0").await);
    assert_eq!(none, (vec![], 500, vec![], 999));
}

#[tokio::test]
async fn any_thing_shared_is_enough_unless_all_are_wanted() {
    let node = Node::start().await;
    node.receive(&[
        &login("binh", "198.51.100.1"),
        &login("an", "198.51.100.2"),
        &login("an", "198.51.100.1"),
        &login("an", "198.51.100.1"),
        &login("chi", "198.51.100.3"),
        OTHER,
    ]);
    let shown = async |query: &str| {
        let (before, _, after, _) = sides(&around(&node, 3, query).await);
        (before, after)
    };
    assert_eq!(shown("same=user").await, (vec![2], vec![4]));
    assert_eq!(shown("same=address").await, (vec![1], vec![4]));
    assert_eq!(shown("same=user,address").await, (vec![1, 2], vec![4]));
    assert_eq!(shown("same=user,address&join=and").await, (vec![], vec![4]));
    assert_eq!(shown("same=host").await, (vec![1, 2], vec![4, 5]));
}

#[tokio::test]
async fn what_the_event_has_not_is_told() {
    let node = Node::start().await;
    node.receive(&[OTHER, &login("an", "198.51.100.1"), OTHER]);
    let reply = around(&node, 1, "same=user,address").await;
    assert_eq!(reply["absent"], json!(["user", "address"]));
    assert_eq!(sides(&reply), (vec![], 0, vec![], 0));
    assert_eq!(reply["query"], Value::Null);
    let reply = around(&node, 1, "same=user,host&join=and").await;
    assert_eq!(reply["absent"], json!(["user"]));
    assert_eq!(sides(&reply), (vec![], 0, vec![3], 1));
}

#[tokio::test]
async fn the_span_bounds_both_sides_by_the_time_of_the_event() {
    let node = Node::start().await;
    node.receive(&[LATER, &login("an", "198.51.100.1"), LATER]);
    assert_eq!(
        sides(&around(&node, 2, "span=1m").await),
        (vec![], 0, vec![], 0)
    );
    let reply = around(&node, 2, "span=5m").await;
    assert_eq!(sides(&reply), (vec![1], 1, vec![3], 1));
    assert_eq!(reply["from"], "2026-10-11T15:09:15Z");
}

#[tokio::test]
async fn what_cannot_be_around_is_told() {
    let node = Node::start().await;
    node.receive(&[OTHER]);
    for (query, field) in [
        ("same=mother", "same"),
        ("same=user,,host", "same"),
        ("join=xor", "join"),
        ("before=201", "before"),
        ("span=wide", "span"),
    ] {
        let (status, problem) = node.get(&format!("/api/v1/events/1/around?{query}")).await;
        let said = (status, problem["field"].as_str());
        assert_eq!(
            said,
            (StatusCode::BAD_REQUEST, Some(field)),
            "{query}: {problem}"
        );
    }
    for seq in ["99", "0", "18446744073709551615", "x"] {
        let (status, _) = node.get(&format!("/api/v1/events/{seq}/around")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{seq}");
    }
}
