//! Where nothing was found the reasons hold, and what is suggested has hits.

use axum::http::StatusCode;
use event::{Loss, LossCause, Micros, OwnRecord};
use registry::SourceLimits;
use serde_json::{Value, json};

use super::encoded;
use crate::node::{Node, at_time};
use crate::{ACCEPTED, FAILED};

const FORTI: &str = r#"<189>date=2026-10-11 time=22:18:15 devname="fw1" devid="FGT60F0000000001" eventtime=1791731895000000000 tz="+0700" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.1.1.5 srcport=50000 dstip=198.51.100.9 dstport=443 proto=6 action="accept" policyid=7 sessionid=9001"#;

async fn node() -> Node {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FORTI]);
    node.parts.index.flush().expect("committed");
    node
}

async fn why(node: &Node, q: &str, span: &str) -> Value {
    let path = format!("/api/v1/why-nothing?q={}{span}", encoded(q));
    let (status, reply) = node.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{q}: {reply}");
    reply
}

fn codes(reply: &Value) -> Vec<&str> {
    let reasons = reply["reasons"].as_array().expect("reasons").iter();
    reasons
        .filter_map(|reason| reason["code"].as_str())
        .collect()
}

fn reason<'r>(reply: &'r Value, code: &str) -> &'r Value {
    let mut reasons = reply["reasons"].as_array().expect("reasons").iter();
    let found = reasons.find(|reason| reason["code"] == code);
    assert!(found.is_some(), "no {code} in {reply}");
    found.expect("it is there")
}

/// What is suggested for that reason, which has as many hits as it says.
async fn suggested(node: &Node, reply: &Value, code: &str) -> String {
    let suggestion = &reason(reply, code)["suggestion"];
    assert!(suggestion["q"].is_string(), "none in {reply}");
    let q = suggestion["q"].as_str().expect("a query");
    let mut body = json!({ "q": q, "limit": 0 });
    for bound in ["from", "to"] {
        if suggestion[bound].is_string() {
            body[bound] = suggestion[bound].clone();
        }
    }
    let (_, found) = node.send("POST", "/api/v1/search", &body).await;
    assert_eq!(found["total"], suggestion["hits"], "{reply}");
    assert_ne!(found["total"], 0);
    q.to_owned()
}

#[tokio::test]
async fn where_there_are_hits_no_reason_is_invented() {
    let node = node().await;
    for q in ["sshd", "*", "user.name:an", "NOT user.name:an", ""] {
        let reply = why(&node, q, "").await;
        assert_eq!(reply["reasons"], json!([]), "{q}");
        assert!(
            reply["total"].as_u64().is_some_and(|total| total > 0),
            "{q}"
        );
    }
}

#[tokio::test]
async fn a_field_that_no_event_has_is_told_with_the_one_that_was_meant() {
    let node = node().await;
    let reply = why(&node, "sshd user.nmae:admin", "").await;
    assert_eq!(codes(&reply), ["field-unknown"], "{reply}");
    assert_eq!(
        suggested(&node, &reply, "field-unknown").await,
        "sshd AND user.name:admin"
    );
    let reply = why(&node, "fortinet.firewall.sesionid:9001", "").await;
    assert_eq!(
        suggested(&node, &reply, "field-unknown").await,
        "fortinet.firewall.sessionid:9001"
    );
    let reply = why(&node, "file.path:x", "").await;
    assert_eq!(codes(&reply), ["field-unknown"], "{reply}");
}

#[tokio::test]
async fn a_field_that_other_products_give_is_told_with_these() {
    let node = node().await;
    let span = format!("&from={}", encoded("2026-10-11T22:18:00+07:00"));
    let reply = why(&node, "user.name:zed", &span).await;
    assert_eq!(codes(&reply), ["field-absent", "partly-kept"], "{reply}");
    let said = reason(&reply, "field-absent")["en"]
        .as_str()
        .expect("a text");
    assert!(said.contains("linux.sshd"), "{said}");
}

#[tokio::test]
async fn a_value_that_never_occurs_is_told_with_near_ones() {
    let node = node().await;
    let reply = why(&node, "event.outcome:failure user.name:amdin", "").await;
    assert_eq!(codes(&reply), ["value-absent"], "{reply}");
    assert_eq!(
        suggested(&node, &reply, "value-absent").await,
        "event.outcome:failure AND user.name:admin"
    );
    let reply = why(&node, "source.ip:198.51.100.77", "").await;
    assert_eq!(
        suggested(&node, &reply, "value-absent").await,
        "source.ip:198.51.100.0/24"
    );
}

#[tokio::test]
async fn words_that_no_event_holds_are_told_with_what_some_hold() {
    let node = node().await;
    let reply = why(&node, "\"password failed\"", "").await;
    assert_eq!(codes(&reply), ["words-absent"], "{reply}");
    assert_eq!(
        suggested(&node, &reply, "words-absent").await,
        "password AND failed"
    );
    let reply = why(&node, "passw", "").await;
    assert_eq!(suggested(&node, &reply, "words-absent").await, "passw*");
    let reply = why(&node, "/FAILED/", "").await;
    assert_eq!(
        suggested(&node, &reply, "words-absent").await,
        "/(?i)FAILED/"
    );
    let reply = why(&node, "fáiled", "").await;
    assert_eq!(suggested(&node, &reply, "words-absent").await, "failed");
}

#[tokio::test]
async fn a_test_that_is_never_met_or_excludes_the_rest_is_told() {
    let node = node().await;
    let reply = why(&node, "sshd source.port:>60000", "").await;
    assert_eq!(codes(&reply), ["test-unmet"], "{reply}");
    let reply = why(&node, "user.name:an event.outcome:failure", "").await;
    assert_eq!(codes(&reply), ["test-excludes", "test-excludes"], "{reply}");
    let said = reason(&reply, "test-excludes")["vi"]
        .as_str()
        .expect("a text");
    assert!(said.contains("user.name:an"), "{said}");
    assert_eq!(
        suggested(&node, &reply, "test-excludes").await,
        "event.outcome:failure"
    );
    let q = "user.name:an user.name:admin nhatky.product:fortinet.fortigate";
    let reply = why(&node, q, "").await;
    assert_eq!(codes(&reply), ["never-together"], "{reply}");
}

#[tokio::test]
async fn hits_at_other_times_are_told_and_those_seven_hours_away() {
    let node = node().await;
    node.clock.set_wall(at_time("2026-10-12T08:00:00+07:00"));
    let (from, to) = ("2026-10-12T05:00:00+07:00", "2026-10-12T05:30:00+07:00");
    let span = format!("&from={}&to={}", encoded(from), encoded(to));
    let reply = why(&node, "sshd user.name:an", &span).await;
    assert_eq!(
        codes(&reply),
        ["hits-outside", "zone-off", "nothing-received"],
        "{reply}"
    );
    let said = reason(&reply, "hits-outside")["en"]
        .as_str()
        .expect("a text");
    assert!(said.contains("2026-10-11T22:15:15+07:00"), "{said}");
    suggested(&node, &reply, "hits-outside").await;
    suggested(&node, &reply, "zone-off").await;
    let suggestion = &reason(&reply, "zone-off")["suggestion"];
    assert_eq!(suggestion["from"], "2026-10-11T15:00:00Z");
    // A part that is met at another time is told, without others that were not meant.
    let span = format!("&from={}", encoded("2026-10-11T22:18:00+07:00"));
    let reply = why(&node, "nhatky.parse:* user.name:an", &span).await;
    assert_eq!(
        codes(&reply),
        ["hits-outside", "test-unmet", "partly-kept"],
        "{reply}"
    );
}

#[tokio::test]
async fn a_span_without_events_is_told_as_what_it_is() {
    let node = node().await;
    let check = async |span: &str, expected: &[&str]| {
        let reply = why(&node, "user.name:zed", span).await;
        assert_eq!(codes(&reply), expected, "{span}: {reply}");
    };
    check("&from=2020-01-01&to=2020-01-02", &["before-kept"]).await;
    check("&from=2027-01-01", &["future-span"]).await;
    check("&from=2026-10-12&to=2026-10-11", &["empty-span"]).await;
    check("&from=2020-01-01", &["value-absent", "partly-kept"]).await;
}

#[tokio::test]
async fn a_source_that_is_silent_or_unknown_is_told() {
    let node = node().await;
    let events = node
        .parts
        .events
        .events(&[event::Seq(1), event::Seq(4)], index::Depth::Core);
    let events = events.expect("events");
    let tracker = node.registry.source_tracker(SourceLimits::default()).await;
    let mut tracker = tracker.expect("a tracker");
    events.iter().for_each(|event| tracker.observe(event));
    node.registry
        .save_sources(&tracker.changes())
        .await
        .expect("saved");
    let span = format!("&from={}", encoded("2026-10-12T08:00:00+07:00"));
    let reply = why(&node, "nhatky.product:linux.sshd", &span).await;
    let silent = reason(&reply, "source-silent");
    assert!(
        silent["en"]
            .as_str()
            .is_some_and(|said| said.contains("2026-10-11T22:20:00+07:00")),
        "{reply}"
    );
    suggested(&node, &reply, "source-silent").await;
    let reply = why(&node, "nhatky.product:linux.shd", "").await;
    assert_eq!(codes(&reply).first(), Some(&"source-unknown"), "{reply}");
    assert_eq!(
        suggested(&node, &reply, "source-unknown").await,
        "nhatky.product:linux.sshd"
    );
}

#[tokio::test]
async fn losses_in_the_span_are_told() {
    let node = node().await;
    node.tell(&OwnRecord::Loss(Loss {
        cause: LossCause::KernelDrop,
        source: "syslog-udp".to_owned(),
        from: Micros(0),
        to: Micros(1),
        records_max: Some(5),
        bytes: None,
        last_good: None,
        detail: "socket buffer full".to_owned(),
    }));
    let reply = why(&node, "user.name:zed", "").await;
    assert_eq!(codes(&reply), ["value-absent", "loss"], "{reply}");
    let span = format!("&to={}", encoded("2026-10-11T22:19:00+07:00"));
    let reply = why(&node, "user.name:zed", &span).await;
    assert_eq!(
        codes(&reply),
        ["value-absent"],
        "the loss lies after the span: {reply}"
    );
}

#[tokio::test]
async fn what_was_not_looked_at_is_told_and_nothing_else_is_claimed() {
    let mut node = node().await;
    node.parts.options.search_time = std::time::Duration::ZERO;
    let reply = why(&node, "user.name:zed", "").await;
    assert_eq!(codes(&reply), ["not-searched"], "{reply}");
}

#[tokio::test]
async fn what_older_parsers_indexed_is_told() {
    let node = node().await;
    let products = [("linux.sshd".to_owned(), 7)].into_iter().collect();
    node.parts.index.set_fingerprints(products);
    let reply = why(&node, "user.name:zed", "").await;
    assert_eq!(codes(&reply), ["value-absent", "stale"], "{reply}");
}

#[tokio::test]
async fn asking_why_is_on_record_and_a_wrong_query_refused() {
    let node = node().await;
    why(&node, "user.name:zed | stats count()", "&from=now-1d").await;
    node.publish();
    let (_, audit) = node.get("/api/v1/audit").await;
    assert_eq!(audit["items"][0]["action"], "search-why-nothing", "{audit}");
    let (status, problem) = node.get("/api/v1/why-nothing?q=(a").await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("q"))
    );
}
