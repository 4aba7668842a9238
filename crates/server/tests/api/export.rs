//! Exports: every event once, in pages, whole or recognisably cut, and on record.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use event::Seq;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::node::{Node, request, text};

const FAILED: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for invalid user admin from 198.51.100.7 port 50022 ssh2";
const ACCEPTED: &str = "<86>Oct 11 22:15:15 db1 sshd[4712]: Accepted password for an from 198.51.100.8 port 50023 ssh2";

async fn export(node: &Node, query: &str) -> Response<Body> {
    let request = request("GET", &format!("/api/v1/export?{query}"), None);
    let response = node.routes().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK, "{query}");
    response
}

/// The lines of a whole NDJSON export, and its trailer.
async fn lines(node: &Node, query: &str) -> (Vec<Value>, Value) {
    let text = text(export(node, query).await).await;
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let trailer = lines.pop().expect("a trailer");
    assert_eq!(trailer["nhatky.export"]["complete"], true, "{trailer}");
    (lines, trailer["nhatky.export"].clone())
}

fn seqs(lines: &[Value]) -> Vec<u64> {
    let seq = |line: &Value| line["nhatky.seq"].as_u64().expect("a Seq");
    lines.iter().map(seq).collect()
}

/// A node with so many failed log-ins and as many others, some of them committed.
async fn with_events(pairs: usize) -> Node {
    let node = Node::start().await;
    let lines: Vec<&str> = [FAILED, ACCEPTED].repeat(pairs);
    for (at, batch) in lines.chunks(400).enumerate() {
        node.receive(batch);
        if at % 2 == 0 {
            node.parts.index.flush().expect("committed");
        }
    }
    node
}

/// What is on record about how exports ended, oldest first, once there are so many.
async fn ends(node: &Node, count: usize) -> Vec<String> {
    loop {
        node.publish();
        let audit = node.get("/api/v1/audit").await.1;
        let items = audit["items"].as_array().expect("items");
        let ends = items
            .iter()
            .rev()
            .filter(|item| item["action"] == "export-end");
        let ends: Vec<_> = ends
            .filter_map(|item| item["object"].as_str().map(str::to_owned))
            .collect();
        if ends.len() >= count {
            return ends;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_event_that_matches_is_exported_once_newest_first() {
    let node = with_events(900).await;
    let response = export(&node, "q=failed").await;
    let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/x-ndjson");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"nhatky-20261011T152000Z.ndjson\""
    );
    drop(response);
    let (events, trailer) = lines(&node, "q=failed").await;
    let expected: Vec<u64> = (1..=1800).rev().filter(|seq| seq % 2 == 1).collect();
    assert_eq!(seqs(&events), expected);
    assert_eq!(trailer["events"], 900);
    assert_eq!(trailer["covered"]["skipped"], json!([]));
    assert!(trailer["covered"]["through_seq"].as_u64() >= Some(1800));
    let found = node.get("/api/v1/search?q=failed&limit=1").await.1;
    assert_eq!(events[0], found["hits"][0], "a line is a hit");
}

#[tokio::test]
async fn an_export_that_was_cut_goes_on_without_a_gap_or_a_double() {
    let node = with_events(900).await;
    let mut body = export(&node, "q=sshd").await.into_body();
    let mut got = Vec::new();
    // Two pages, and then the connection is gone.
    for _ in 0..2 {
        let frame = body.frame().await.expect("a frame").expect("no error");
        got.extend_from_slice(&frame.into_data().expect("data"));
    }
    drop(body);
    let got = String::from_utf8(got).expect("UTF-8");
    let mut events: Vec<Value> = got
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(
        events.len() > 256 && events.len() < 1800,
        "{}",
        events.len()
    );
    // What arrives meanwhile is newer than everything that is missing.
    node.receive(&[FAILED; 10]);
    let last = seqs(&events)[events.len() - 1];
    let (rest, trailer) = lines(&node, &format!("q=sshd&before={last}")).await;
    assert_eq!(trailer["events"], rest.len());
    events.extend(rest);
    assert_eq!(seqs(&events), (1..=1800).rev().collect::<Vec<u64>>());
    let ends = ends(&node, 2).await;
    assert!(ends[0].starts_with("sshd [format ndjson] ["), "{ends:?}");
    assert!(ends[0].ends_with("cut: the client left]"), "{ends:?}");
    assert!(
        ends[1].ends_with(&format!("[{} lines, complete]", last - 1)),
        "{ends:?}"
    );
}

#[tokio::test]
async fn an_export_ends_with_an_error_when_the_server_does() {
    let node = with_events(600).await;
    for format in ["ndjson", "csv"] {
        node.stop.send_replace(false);
        let mut body = export(&node, &format!("format={format}")).await.into_body();
        body.frame().await.expect("a frame").expect("no error");
        node.stop.send_replace(true);
        body.frame().await.expect("a frame").expect_err("an error");
    }
    let ends = ends(&node, 2).await;
    assert!(
        ends[0].contains("256 lines, cut: the server stops"),
        "{ends:?}"
    );
}

#[tokio::test]
async fn csv_has_a_line_of_names_but_where_it_goes_on() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    let query = "format=csv&q=sshd&fields=user.name,source.ip";
    let response = export(&node, query).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/csv; charset=utf-8"
    );
    let names = "nhatky.seq,user.name,source.ip\r\n";
    let (first, second) = ("1,admin,198.51.100.7\r\n", "2,an,198.51.100.8\r\n");
    assert_eq!(text(response).await, format!("{names}{second}{first}"));
    let marked = text(export(&node, &format!("{query}&bom=true")).await).await;
    assert!(marked.starts_with("\u{feff}nhatky.seq,"), "{marked}");
    let rest = text(export(&node, &format!("{query}&bom=true&before=2")).await).await;
    assert_eq!(rest, first);
    let stages = "format=csv&q=sshd+%7C+where+failed+%7C+fields+user.name,source.ip";
    assert_eq!(
        text(export(&node, stages).await).await,
        format!("{names}{first}")
    );
    let all = text(export(&node, "format=csv&q=sshd").await).await;
    let header = all.lines().next().expect("a line");
    assert!(
        header.starts_with("nhatky.seq,@timestamp,event.ingested,"),
        "{header}"
    );
    assert!(all.contains(&format!(",{FAILED}\r\n")), "{all}");
}

#[tokio::test]
async fn the_table_of_stages_is_exported_in_both_forms() {
    let node = with_events(3).await;
    let q = "sshd+%7C+stats+count()+as+%22n%22+by+user.name+%7C+sort+-user.name";
    let q = q.replace("+as+%22n%22", "");
    let (rows, trailer) = lines(&node, &format!("q={q}")).await;
    assert_eq!(
        rows,
        [
            json!({"user.name": "an", "count": 3}),
            json!({"user.name": "admin", "count": 3})
        ]
    );
    assert_eq!(
        (&trailer["rows"], &trailer["events"]),
        (&json!(2), &json!(6))
    );
    let csv = text(export(&node, &format!("format=csv&q={q}")).await).await;
    assert_eq!(csv, "user.name,count\r\nan,3\r\nadmin,3\r\n");
    assert!(ends(&node, 2).await[1].contains("[2 lines, complete]"));
}

#[tokio::test]
async fn what_an_export_cannot_do_is_told_before_it_begins() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let table = "q=a+%7C+stats+count()";
    let too_many = format!("fields={}", vec!["a"; 65].join(","));
    for (query, field) in [
        ("format=xlsx", "format"),
        ("bom=true", "bom"),
        ("fields=a,,b", "fields"),
        (too_many.as_str(), "fields"),
        ("q=(", "q"),
        ("from=soon", "from"),
        (&format!("{table}&before=7"), "before"),
        (&format!("{table}&fields=a"), "fields"),
        ("q=a+%7C+fields+b&fields=c", "fields"),
    ] {
        let (status, problem) = node.get(&format!("/api/v1/export?{query}")).await;
        let said = (status, problem["field"].as_str());
        assert_eq!(
            said,
            (StatusCode::BAD_REQUEST, Some(field)),
            "{query}: {problem}"
        );
    }
    let (nothing, trailer) = lines(&node, "before=0").await;
    assert_eq!((nothing.len(), &trailer["events"]), (0, &json!(0)));
}

#[tokio::test]
async fn exports_beyond_their_number_are_refused_until_one_ends() {
    let node = with_events(400).await;
    let routes = node.routes();
    let ask = async || {
        let asked = request("GET", "/api/v1/export", None);
        routes.clone().oneshot(asked).await.expect("an answer")
    };
    let mut running = Vec::new();
    for _ in 0..node.parts.options.exports {
        running.push(ask().await);
    }
    assert!(
        running
            .iter()
            .all(|response| response.status() == StatusCode::OK)
    );
    assert_eq!(ask().await.status(), StatusCode::TOO_MANY_REQUESTS);
    // Searches go on beside them.
    let found = node.get("/api/v1/search?q=failed&limit=1").await.1;
    assert_eq!(found["total"], 400);
    running.pop();
    assert_eq!(ask().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_fields_named_are_those_that_a_search_shows() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    let body = json!({ "q": "sshd", "fields": "event.type,sshd.x,event.original,nhatky.seq" });
    let response = node
        .routes()
        .oneshot(request("POST", "/api/v1/export", Some(&body)))
        .await
        .expect("an answer");
    let text = text(response).await;
    let first: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    let whole = node.get(&format!("/api/v1/events/{}", Seq(2))).await.1;
    let names: BTreeSet<_> = first.as_object().expect("an object").keys().collect();
    for name in &names {
        assert_eq!(first[name.as_str()], whole[name.as_str()], "{name}");
    }
    assert!(
        names.iter().any(|name| *name == "event.original"),
        "{names:?}"
    );
}
