//! An explanation tells what is done, and what it costs.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::encoded;
use crate::node::{Node, request};
use crate::{ACCEPTED, FAILED};

const FORTI: &str = r#"<189>date=2026-10-11 time=22:16:15 devname="fw1" devid="FGT60F0000000001" eventtime=1791731775000000000 tz="+0700" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.1.1.5 srcport=50000 dstip=198.51.100.9 dstport=443 proto=6 action="accept" policyid=7"#;

async fn explained(node: &Node, body: &Value) -> Value {
    let (status, reply) = node.send("POST", "/api/v1/explain", body).await;
    assert_eq!(status, StatusCode::OK, "{body}: {reply}");
    reply
}

async fn node() -> Node {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FORTI]);
    node.parts.index.flush().expect("committed");
    node
}

#[tokio::test]
async fn each_test_is_told_with_what_answers_it() {
    let node = node().await;
    let q = r#"event.outcome:failure AND "invalid user" AND NOT fortinet.firewall.subtype:local"#;
    let reply = explained(&node, &json!({ "q": q, "run": true })).await;
    let way = |test: &str| {
        let tests = reply["tests"].as_array().expect("tests");
        let found = tests.iter().find(|one| one["test"] == test);
        found.map(|one| one["ways"][0].clone()).expect("told")
    };
    assert_eq!(way("event.outcome:failure")["means"], "column");
    assert_eq!(way("\"invalid user\"")["means"], "words");
    assert_eq!(way("\"invalid user\"")["surely"], true);
    let vendor = way("fortinet.firewall.subtype:local");
    assert_eq!(vendor["why"], json!([{"code": "vendor_field"}]), "{vendor}");
    assert_eq!(reply["run"]["total"], 2);
    assert_eq!(reply["run"]["events"], reply["foreseen"]["events"]);
    for language in ["vi", "en"] {
        let text = reply["text"][language].as_str().expect("a text");
        assert!(
            text.lines().any(|line| line == "event.outcome:failure"),
            "{text}"
        );
    }
    assert!(
        reply["text"]["en"]
            .as_str()
            .is_some_and(|text| text.contains("by its column"))
    );
}

#[tokio::test]
async fn a_vendors_field_is_read_from_events_in_full() {
    let node = node().await;
    let reply = explained(
        &node,
        &json!({ "q": "fortinet.firewall.subtype:forward", "run": true }),
    )
    .await;
    assert_eq!(reply["depth"], "full");
    assert_eq!(reply["run"]["events"], 1, "{reply}");
    assert_eq!(reply["run"]["bytes"], FORTI.len());
    assert_eq!(reply["run"]["total"], 1);
}

#[tokio::test]
async fn what_lies_outside_the_time_is_told_to_be_skipped() {
    let node = node().await;
    let body = json!({ "q": "sshd", "from": "2027-01-01" });
    let reply = explained(&node, &body).await;
    let partition = &reply["partitions"][0];
    assert_eq!(partition["skipped"], "time", "{reply}");
    assert_eq!(partition["segments"][0]["ruled_out"]["means"], "times");
    assert_eq!(reply["run"], Value::Null);
    let reply = explained(&node, &json!({ "q": "user.name:nobody" })).await;
    assert_eq!(reply["partitions"][0]["skipped"], "condition");
}

#[tokio::test]
async fn stages_are_told_with_where_their_values_come_from() {
    let node = node().await;
    let hows = async |q: &str| {
        let reply = explained(&node, &json!({ "q": q })).await;
        let stages = reply["stages"].as_array().expect("stages").clone();
        let how = |stage: &Value| {
            let text = |name: &str| stage[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("stage"), text("how"), text("depth"))
        };
        stages.iter().map(how).collect::<Vec<_>>()
    };
    assert_eq!(
        hows("sshd | stats count() by user.name | sort -count").await,
        ["stats columns ", "sort table "]
    );
    assert_eq!(
        hows("sshd | where source.port:>5 | stats count(), dc(source.ip) by user.name").await,
        ["where condition ", "stats columns "]
    );
    assert_eq!(
        hows("* | fields event.reason").await,
        ["fields events core"]
    );
    assert_eq!(
        hows("* | fields fortinet.firewall.subtype").await,
        ["fields events full"]
    );
    assert_eq!(hows("sshd").await, [] as [&str; 0]);
}

#[tokio::test]
async fn an_explanation_is_on_record_and_a_wrong_query_refused() {
    let node = node().await;
    let path = format!("/api/v1/explain?q={}&from=now-1h", encoded("user.name:an"));
    let (status, _) = node.ask(request("GET", &path, None)).await;
    assert_eq!(status, StatusCode::OK);
    node.publish();
    let (_, audit) = node.get("/api/v1/audit").await;
    assert_eq!(audit["items"][0]["action"], "search-explain", "{audit}");
    assert_eq!(audit["items"][0]["object"], "user.name:an [from now-1h]");
    let path = format!("/api/v1/explain?q={}", encoded("(user.name:an"));
    let (status, problem) = node.get(&path).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["errors"][0]["replacement"]["text"], ")");
}
