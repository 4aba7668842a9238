//! Live tails: so many events a second, a gap that is told, and going on behind it.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::node::{Node, request};

const ACCEPTED: &str = "<86>Oct 11 22:15:15 db1 sshd[4712]: Accepted password for an from 198.51.100.8 port 50023 ssh2";
const OTHER: &str = "<13>Oct 11 22:16:15 db1 app: hello";

/// One server-sent event.
#[derive(Debug, PartialEq)]
struct Message {
    event: Option<String>,
    id: u64,
    data: Value,
}

/// Somebody who listens.
struct Listener(Body);

impl Listener {
    async fn open(node: &Node, query: &str, last: Option<u64>) -> Self {
        let mut request = request("GET", &format!("/api/v1/tail?{query}"), None);
        if let Some(last) = last {
            let last = last.to_string().parse().expect("a header");
            request.headers_mut().insert("last-event-id", last);
        }
        let response = node.routes().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        Self(response.into_body())
    }

    async fn next(&mut self) -> Message {
        let frame = self.0.frame().await.expect("a frame").expect("no error");
        let frame = frame.into_data().expect("data").to_vec();
        let text = String::from_utf8(frame).expect("UTF-8");
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        Message {
            event: line("event: ").map(str::to_owned),
            id: line("id: ").expect("an id").parse().expect("a Seq"),
            data: serde_json::from_str(line("data: ").expect("data")).expect("JSON"),
        }
    }

    async fn next_id(&mut self) -> u64 {
        let message = self.next().await;
        assert_eq!(message.event, None, "{message:?}");
        message.id
    }
}

#[tokio::test]
async fn what_a_second_has_too_much_is_left_out_and_told() {
    let node = Node::start().await;
    node.receive(&[OTHER]);
    let mut listener = Listener::open(&node, "q=accepted&rate=2&after=1", None).await;
    // The record that somebody listens comes before them.
    let first = node.parts.journal.durable().0 + 1;
    node.receive(&[ACCEPTED, ACCEPTED, ACCEPTED, OTHER, ACCEPTED, OTHER]);
    assert_eq!(listener.next_id().await, first);
    assert_eq!(listener.next_id().await, first + 1);
    // The clock stands still, so that all of them lie in one second.
    node.clock.advance(Duration::from_secs(1));
    let gap = Message {
        event: Some("left-out".to_owned()),
        id: first + 4,
        data: json!({ "events": 2, "through_seq": first + 4 }),
    };
    assert_eq!(listener.next().await, gap);
    node.receive(&[ACCEPTED]);
    let after_gap = listener.next_id().await;
    assert_eq!(after_gap, first + 6);

    // Whoever comes back goes on behind what was shown, and behind the gap that was told.
    let mut again = Listener::open(&node, "q=accepted&rate=2&after=1", Some(after_gap - 1)).await;
    assert_eq!(again.next_id().await, after_gap);
    let mut again = Listener::open(&node, "q=accepted&rate=2", Some(gap.id)).await;
    assert_eq!(again.next_id().await, after_gap);
    // A gap that was not told yet is looked at again.
    let mut again = Listener::open(&node, "q=accepted&rate=2", Some(first + 1)).await;
    assert_eq!(again.next_id().await, first + 2);
}

#[tokio::test]
async fn a_wrong_place_to_go_on_is_told_and_not_passed_over() {
    let node = Node::start().await;
    node.receive(&[OTHER]);
    for last in ["x", "-1", "", "1.5", "9999"] {
        let mut request = request("GET", "/api/v1/tail", None);
        let header = last.parse().expect("a header");
        request.headers_mut().insert("last-event-id", header);
        let (status, problem) = node.ask(request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{last}: {problem}");
    }
    for (query, field) in [
        ("after=9999", "after"),
        ("rate=0", "rate"),
        ("rate=1001", "rate"),
        ("q=a+%7C+stats+count()", "q"),
    ] {
        let (status, problem) = node.get(&format!("/api/v1/tail?{query}")).await;
        let said = (status, problem["field"].as_str());
        assert_eq!(said, (StatusCode::BAD_REQUEST, Some(field)), "{problem}");
    }
}
