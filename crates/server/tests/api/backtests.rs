//! Backtests through the API.

use axum::http::StatusCode;
use event::{OwnRecord, Seq};
use serde_json::{Value, json};
use server::{Allowance, Backtest, Replay, Shortfall};

use crate::node::{Node, at_time};

const PATH: &str = "/api/v1/backtests";

fn failed(user: &str, port: u16) -> String {
    format!(
        "<86>Oct 11 22:20:00 db1 sshd[4711]: Failed password for {user} from 198.51.100.7 port {port} ssh2"
    )
}

/// The job when it has ended.
async fn ended(node: &Node, routes: &axum::Router, id: u64) -> Value {
    loop {
        let request = crate::node::request("GET", &format!("{PATH}/{id}"), None);
        let (status, reply) = node.ask_of(routes, request).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        if reply["state"] != "running" {
            return reply;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_tells_what_the_rules_find_of_which_source_and_stores_nothing() {
    let node = Node::start().await;
    let routes = node.routes();
    let lines: Vec<String> = (0..12).map(|at| failed("root", 50_000 + at)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    node.receive(&lines);
    let start = async |body: Value| {
        let request = crate::node::request("POST", PATH, Some(&body));
        node.ask_of(&routes, request).await
    };
    let (status, begun) = start(json!({ "rule": "login-failures-account" })).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{begun}");
    assert_eq!((&begun["id"], &begun["by"]), (&json!(1), &json!("local")));
    let reply = ended(&node, &routes, 1).await;
    assert_eq!(reply["state"], "done", "{reply}");
    let result = &reply["result"];
    // The record that it was asked for is one of them.
    assert_eq!(result["events"], 13, "{result}");
    assert_eq!(result["whole"], true, "{result}");
    assert_eq!(result["detections"], 1, "{result}");
    assert_eq!(
        result["rules"],
        json!([{ "rule": "login-failures-account", "detections": 1 }])
    );
    assert_eq!(result["found"][0]["rule"], "login-failures-account");
    let source = &result["sources"][0];
    assert_eq!(
        (&source["events"], &source["detections"]),
        (&json!(12), &json!(1)),
        "{result}"
    );
    let (_, stored) = node.get("/api/v1/detections").await;
    assert_eq!(stored["items"], json!([]));
    let (_, alerts) = node.get("/api/v1/alerts").await;
    assert_eq!(alerts["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ends_of_the_span_are_receipt_times_also_inside_a_block() {
    let node = Node::start().await;
    let routes = node.routes();
    for minute in 0..6_u16 {
        node.clock
            .set_wall(at_time(&format!("2026-10-11T22:2{minute}:00+07:00")));
        node.receive(&[&failed("root", 50_000 + minute)]);
    }
    let body = json!({ "from": "2026-10-11T22:21:00+07:00", "to": "2026-10-11T22:24:00+07:00" });
    let request = crate::node::request("POST", PATH, Some(&body));
    assert_eq!(node.ask_of(&routes, request).await.0, StatusCode::ACCEPTED);
    let reply = ended(&node, &routes, 1).await;
    let result = &reply["result"];
    assert_eq!(result["events"], 3, "{result}");
    assert_eq!(
        (&result["from"], &result["to"]),
        (
            &json!("2026-10-11T15:21:00Z"),
            &json!("2026-10-11T15:24:00Z")
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_is_asked_after_and_stopped_by_its_number() {
    let node = Node::start().await;
    let routes = node.routes();
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        let request = crate::node::request(method, path, body.as_ref());
        node.ask_of(&routes, request).await
    };
    let (status, problem) = ask("POST", PATH, Some(json!({ "rule": "nobody" }))).await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("rule"))
    );
    assert_eq!(
        ask("POST", PATH, Some(json!({}))).await.0,
        StatusCode::ACCEPTED
    );
    let cancel = format!("{PATH}/1/cancel");
    assert_eq!(ask("POST", &cancel, None).await.0, StatusCode::NO_CONTENT);
    ended(&node, &routes, 1).await;
    let (_, list) = ask("GET", PATH, None).await;
    assert_eq!(
        (&list["items"][0]["id"], &list["items"][0]["result"]),
        (&json!(1), &Value::Null)
    );
    for path in [format!("{PATH}/9/cancel"), format!("{PATH}/x/cancel")] {
        assert_eq!(ask("POST", &path, None).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(
        ask("GET", &format!("{PATH}/9"), None).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_backtest_that_is_stopped_says_how_far_it_came() {
    let node = Node::start().await;
    for uptime_s in 0..4 {
        node.tell(&OwnRecord::Heartbeat {
            uptime_s,
            durable_seq: Seq(uptime_s),
        });
    }
    let replay = Replay {
        journal: node.parts.journal.clone(),
        events: node.parts.events.clone(),
        depth: index::Depth::Core,
        from: None,
        to: None,
    };
    let backtest = Backtest::new(replay, node.parts.vitals.rules(), None);
    let allowance = Allowance::default();
    let figures = backtest.run(&allowance, &mut |_| {}, &mut |passage| {
        if passage.events == 2 {
            allowance.cancel.cancel();
        }
    });
    assert_eq!((figures.events, figures.through_seq), (2, 2));
    assert_eq!(figures.because, [Shortfall::Cancelled]);
    let bounded = Allowance {
        bytes: Some(1),
        ..Allowance::default()
    };
    let figures = backtest.run(&bounded, &mut |_| {}, &mut |_| {});
    assert_eq!((figures.events, figures.whole), (1, false));
    assert_eq!(figures.because, [Shortfall::Bytes]);
}
