//! What a change of a rule would have done, through the API.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use event::{Event, Seq};
use index::{Depth, EventSource, PartitionSpan, SourceError};
use registry::Role;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::node::{Node, at_time, request};

const ACCOUNT: &str = "login-failures-account";

/// So many failures of the account, a second apart.
fn fail(node: &Node, user: &str, times: u16) {
    for port in 0..times {
        node.receive(&[&format!(
            "<86>db1 sshd[4711]: Failed password for {user} from 198.51.100.7 port {} ssh2",
            50_000 + port
        )]);
        node.clock.advance(Duration::from_secs(1));
    }
}

/// An account that fails six times, one twelve times and one fifteen times.
async fn attacked() -> Node {
    let node = Node::start().await;
    fail(&node, "an", 6);
    fail(&node, "binh", 12);
    fail(&node, "root", 15);
    node
}

async fn preview(node: &Node, rule: &str, body: &Value) -> Value {
    let path = format!("/api/v1/rules/{rule}/preview");
    let (status, reply) = node.send("POST", &path, body).await;
    assert_eq!(status, StatusCode::OK, "{body}: {reply}");
    assert_eq!(
        (&reply["whole"], &reply["because"]),
        (&json!(true), &json!([])),
        "{body}: {reply}"
    );
    reply
}

/// Whose detections are among those.
fn accounts(reply: &Value, member: &str) -> Vec<String> {
    let rows = reply[member].as_array().into_iter().flatten();
    rows.map(|row| row["key"][0].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn detections_that_a_change_makes_vanish_or_arise_are_named() {
    let node = attacked().await;
    // Once from the events not yet committed, once from the index.
    for committed in [false, true] {
        if committed {
            node.parts.index.flush().expect("committed");
        }
        let raised = preview(&node, ACCOUNT, &json!({ "settings": { "threshold": 14 } })).await;
        assert_eq!(raised["rules"], json!([ACCOUNT]));
        assert_eq!(raised["before"]["detections"], 2, "{raised}");
        assert_eq!(
            raised["before"]["days"],
            json!([{ "day": "2026-10-11", "detections": 2 }])
        );
        assert_eq!(raised["after"]["detections"], 1, "{raised}");
        assert_eq!(
            (&raised["vanished"], &raised["new"]),
            (&json!(1), &json!(0)),
            "{raised}"
        );
        assert_eq!(accounts(&raised, "vanished_first"), ["binh"]);
        let row = &raised["vanished_first"][0];
        assert_eq!(
            (&row["rule"], &row["entity"]["name"], &row["count"]),
            (&json!(ACCOUNT), &json!("binh"), &json!(12))
        );
        assert!(
            row["query"]
                .as_str()
                .is_some_and(|query| query.contains("binh")),
            "{row}"
        );
        assert_eq!(row["at"], "2026-10-11T15:20:15Z");
        // Only the events that decide were looked at.
        assert_eq!(raised["events"], 33, "{raised}");

        let lowered = preview(&node, ACCOUNT, &json!({ "settings": { "threshold": 5 } })).await;
        assert_eq!(
            (&lowered["vanished"], &lowered["new"]),
            (&json!(0), &json!(1)),
            "{lowered}"
        );
        assert_eq!(accounts(&lowered, "new_first"), ["an"]);

        let excepted = preview(&node, ACCOUNT, &json!({ "exception": "user.name:root" })).await;
        assert_eq!(accounts(&excepted, "vanished_first"), ["root"]);
        assert_eq!(excepted["new"], 0, "{excepted}");

        let off = preview(&node, ACCOUNT, &json!({ "settings": { "enabled": false } })).await;
        assert_eq!(
            (&off["after"]["detections"], &off["vanished"]),
            (&json!(0), &json!(2)),
            "{off}"
        );

        let same = preview(
            &node,
            ACCOUNT,
            &json!({ "settings": { "threshold": null } }),
        )
        .await;
        assert_eq!(
            (&same["vanished"], &same["new"]),
            (&json!(0), &json!(0)),
            "{same}"
        );
    }
    let (_, stored) = node.get("/api/v1/detections").await;
    assert_eq!(stored["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_built_on_the_changed_one_are_compared_too() {
    let node = attacked().await;
    let off = preview(
        &node,
        "login-failed",
        &json!({ "exception": "user.name:root" }),
    )
    .await;
    let rules = off["rules"].as_array().expect("rules");
    assert!(rules.contains(&json!(ACCOUNT)), "{rules:?}");
    assert!(
        accounts(&off, "vanished_first").contains(&"root".to_owned()),
        "{off}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_for_every_rule_is_tried_on_every_event() {
    let node = attacked().await;
    let path = "/api/v1/rule-exceptions/preview";
    let (status, reply) = node
        .send("POST", path, &json!({ "query": "user.name:binh" }))
        .await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let rows = reply["vanished_first"].as_array().expect("rows");
    let is_theirs = |row: &&Value| row["rule"] == ACCOUNT && row["key"] == json!(["binh"]);
    assert_eq!(rows.iter().filter(is_theirs).count(), 1, "{reply}");
    let (_, rest) = node.send("POST", path, &json!({ "query": "" })).await;
    assert_eq!(rest["field"], "exception", "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_received_in_the_span_counts() {
    let node = Node::start().await;
    fail(&node, "an", 12);
    node.clock.set_wall(at_time("2026-10-21T08:00:00+07:00"));
    fail(&node, "binh", 12);
    let off = json!({ "settings": { "enabled": false } });
    let lately = preview(&node, ACCOUNT, &off).await;
    assert_eq!(accounts(&lately, "vanished_first"), ["binh"]);
    assert_eq!(lately["from"], "2026-10-14T01:00:12Z", "{lately}");
    let mut before = off.clone();
    before["from"] = json!("2026-10-01");
    before["to"] = json!("2026-10-12");
    let before = preview(&node, ACCOUNT, &before).await;
    assert_eq!(accounts(&before, "vanished_first"), ["an"]);
    // Nothing older is kept, and nothing was dropped.
    assert_eq!(before["from"], "2026-10-11T15:20:00Z", "{before}");
    assert_eq!(before["events"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_takes_the_right_to_make_the_change_and_a_change_that_can_be_made() {
    let node = Node::start().await;
    let path = format!("/api/v1/rules/{ACCOUNT}/preview");
    for (body, field) in [
        (json!({}), "settings"),
        (json!({ "settings": { "treshold": 5 } }), "settings"),
        (json!({ "settings": { "threshold": "many" } }), "settings"),
        (json!({ "settings": { "threshold": 0 } }), "settings"),
        (json!({ "exception": "" }), "exception"),
        (
            json!({ "exception": "user.name:a", "seconds": 61 }),
            "seconds",
        ),
        (
            json!({ "exception": "user.name:a", "from": "soon" }),
            "from",
        ),
    ] {
        let (status, problem) = node.send("POST", &path, &body).await;
        assert_eq!(
            (status, problem["field"].as_str()),
            (StatusCode::BAD_REQUEST, Some(field)),
            "{body}: {problem}"
        );
    }
    let good = json!({ "settings": { "threshold": 5 } });
    let (status, _) = node
        .send("POST", "/api/v1/rules/nobody/preview", &good)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let token = node.token("an", Role::Read).await;
    let mut asked = request("POST", &path, Some(&good));
    let bearer = format!("Bearer {token}").parse().expect("a header");
    asked.headers_mut().insert("authorization", bearer);
    assert_eq!(node.ask(asked).await.0, StatusCode::FORBIDDEN);
}

/// Events whose reading waits until it is let through.
#[derive(Debug)]
struct Held {
    events: Arc<dyn EventSource>,
    begun: watch::Sender<u64>,
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Held {
    fn of(node: &mut Node) -> Arc<Self> {
        let held = Arc::new(Self {
            events: Arc::clone(&node.parts.events),
            begun: watch::channel(0).0,
            is_open: Mutex::new(false),
            opened: Condvar::new(),
        });
        node.parts.events = Arc::<Self>::clone(&held);
        held
    }

    fn open(&self) {
        *self.is_open.lock().expect("a lock") = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        self.begun.send_modify(|begun| *begun += 1);
        let is_open = self.is_open.lock().expect("a lock");
        let is_open = self.opened.wait_while(is_open, |is_open| !*is_open);
        drop(is_open.expect("a lock"));
    }

    /// How many have begun since then.
    fn since(&self, before: u64) -> u64 {
        *self.begun.borrow() - before
    }
}

impl EventSource for Held {
    fn events(&self, seqs: &[Seq], depth: Depth) -> Result<Vec<Event>, SourceError> {
        self.wait();
        self.events.events(seqs, depth)
    }

    fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError> {
        self.wait();
        self.events.span(from, to, depth)
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        self.events.partitions()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_ends_and_gives_its_place_back_when_its_asker_has_left() {
    let mut node = attacked().await;
    let held = Held::of(&mut node);
    let routes = node.routes();
    let body = json!({ "query": "user.name:root" });
    let path = "/api/v1/rule-exceptions/preview";
    let ask = || node.ask_of(&routes, request("POST", path, Some(&body)));
    {
        let mut begun = held.begun.subscribe();
        tokio::select! {
            _ = ask() => panic!("it reads nothing"),
            begun = begun.wait_for(|begun| *begun > 0) => { begun.expect("a sender"); }
        }
    }
    // It has left; who asks again at once is told to wait until that one has ended.
    assert_eq!(ask().await.0, StatusCode::TOO_MANY_REQUESTS);
    held.open();
    while ask().await.0 == StatusCode::TOO_MANY_REQUESTS {
        tokio::task::yield_now().await;
    }
    let left_and_whole = held.since(0);
    let (status, reply) = ask().await;
    assert_eq!((status, &reply["whole"]), (StatusCode::OK, &json!(true)));
    let whole = held.since(left_and_whole);
    assert!(whole > 10, "each line is a block of its own: {whole}");
    // Of the first it has read what it had in hand; of the others each has one more record of its own to read.
    assert!(left_and_whole <= whole + 1, "{left_and_whole} {whole}");
}
