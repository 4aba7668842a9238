//! While a query is being written it is told what may come.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::encoded;
use crate::node::Node;
use crate::{ACCEPTED, FAILED};

const FORTI: &str = r#"<189>date=2026-10-11 time=22:16:15 devname="fw1" devid="FGT60F0000000001" eventtime=1791731775000000000 tz="+0700" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.1.1.5 srcport=50000 dstip=198.51.100.9 dstport=443 proto=6 action="accept" policyid=7 sessionid=9001"#;
const OTHER: &str = "<86>Oct 11 22:16:16 db1 sshd[4713]: Failed password for alice from 198.51.100.9 port 50022 ssh2";

async fn node() -> Node {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FORTI, OTHER]);
    node.parts.index.flush().expect("committed");
    node
}

/// What is told at the «^».
async fn at(node: &Node, marked: &str) -> Value {
    let place = marked.find('^').expect("a place");
    let q = encoded(&marked.replace('^', ""));
    let path = format!("/api/v1/complete?q={q}&at={place}");
    let (status, reply) = node.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{marked}: {reply}");
    reply
}

/// The texts of one kind that are told at the «^».
async fn texts(node: &Node, marked: &str, kind: &str) -> Vec<String> {
    let reply = at(node, marked).await;
    let items = reply["items"].as_array().expect("items").clone();
    assert!(items.len() <= 20);
    let of_kind = items.iter().filter(|item| item["kind"] == kind);
    let text = |item: &Value| item["text"].as_str().unwrap_or_default().to_owned();
    of_kind.map(text).collect()
}

#[tokio::test]
async fn fields_are_told_the_most_frequent_first() {
    let node = node().await;
    let fields = texts(&node, "us^", "field").await;
    assert_eq!(
        fields.first().map(String::as_str),
        Some("user.name:"),
        "{fields:?}"
    );
    let reply = at(&node, "us^er.na").await;
    assert_eq!((&reply["from"], &reply["to"]), (&json!(0), &json!(7)));
    assert_eq!(reply["items"][0]["count"], 4);
    assert!(
        reply["items"][0]["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty())
    );
    // A vendor's own field is known from the events that have it.
    let vendors = texts(&node, "fortinet.firewall.sess^", "field").await;
    assert_eq!(vendors, ["fortinet.firewall.sessionid:"]);
    // A part of a name finds it, too.
    assert!(
        texts(&node, "sessionid^", "field")
            .await
            .contains(&vendors[0])
    );
    // Of events that the rest of the query asks for.
    let few = at(&node, "nhatky.product:fortinet.fortigate source.i^").await;
    assert_eq!(
        (&few["items"][0]["text"], &few["items"][0]["count"]),
        (&json!("source.ip:"), &json!(1))
    );
}

#[tokio::test]
async fn values_are_those_of_the_events_asked_for() {
    let node = node().await;
    assert_eq!(
        texts(&node, "user.name:^", "value").await,
        ["admin", "alice", "an"]
    );
    assert_eq!(
        texts(&node, "user.name:A^", "value").await,
        ["admin", "alice", "an"]
    );
    assert_eq!(texts(&node, "user.name:al^", "value").await, ["alice"]);
    assert_eq!(
        texts(&node, "event.outcome:success user.name:^", "value").await,
        ["an"]
    );
    assert_eq!(
        texts(&node, "event.outcome:success OR user.name:^", "value")
            .await
            .len(),
        3
    );
    assert_eq!(
        texts(&node, "sshd | where user.name:(an OR ^", "value")
            .await
            .len(),
        3
    );
    let vendors = texts(&node, "fortinet.firewall.sessionid:^", "value").await;
    assert_eq!(vendors, ["9001"]);
    let counted = at(&node, "user.name:adm^").await;
    assert_eq!(
        counted["items"][0],
        json!({"text": "admin", "kind": "value", "detail": "", "count": 2})
    );
    let port = texts(&node, "destination.port:^", "keyword").await;
    assert!(port.contains(&">=".to_owned()), "{port:?}");
    let old = format!(
        "/api/v1/complete?q={}&to=2020-01-01",
        encoded("user.name:a")
    );
    assert_eq!(node.get(&old).await.1["items"], json!([]));
}

#[tokio::test]
async fn a_value_with_spaces_is_put_in_quotes() {
    let node = Node::start().await;
    node.receive(&["<86>Oct 11 22:16:16 db1 sshd[4713]: Failed password for invalid user john doe from 198.51.100.9 port 50022 ssh2"]);
    let values = texts(&node, "user.name:\"john^", "value").await;
    assert_eq!(values, ["\"john doe\""]);
    let (_, found) = node
        .send(
            "POST",
            "/api/v1/search",
            &json!({"q": format!("user.name:{}", values[0])}),
        )
        .await;
    assert_eq!(found["total"], 1);
}

#[tokio::test]
async fn stages_functions_and_columns_are_told_where_they_may_stand() {
    let node = node().await;
    assert_eq!(texts(&node, "sshd | st^", "stage").await, ["stats"]);
    assert!(
        texts(&node, "sshd | stats ^", "function")
            .await
            .contains(&"count()".to_owned())
    );
    assert_eq!(
        texts(&node, "sshd | stats count() b^", "keyword").await,
        ["by"]
    );
    let keys = texts(&node, "sshd | stats count() by source.^", "field").await;
    assert!(keys.contains(&"source.ip".to_owned()), "{keys:?}");
    assert_eq!(
        texts(
            &node,
            "sshd | stats count() as n by user.name | sort -^",
            "field"
        )
        .await,
        ["n", "user.name"]
    );
    assert_eq!(texts(&node, "sshd A^", "keyword").await, ["AND"]);
}

#[tokio::test]
async fn only_who_looks_up_values_goes_on_record() {
    let node = node().await;
    at(&node, "us^").await;
    at(&node, "user.name:a^").await;
    node.publish();
    let (_, audit) = node.get("/api/v1/audit").await;
    let items = audit["items"].as_array().expect("items");
    assert_eq!(items.len(), 1, "{audit}");
    assert_eq!(items[0]["action"], "search-complete");
    assert_eq!(items[0]["object"], "user.name:a");
}
