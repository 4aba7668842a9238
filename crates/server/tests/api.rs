//! What the routes answer, over a real journal, index and registry.

#[path = "api/alerts.rs"]
mod alerts;
#[path = "api/around.rs"]
mod around;
mod asking;
#[path = "api/backtests.rs"]
mod backtests;
mod elastic;
#[path = "api/entities.rs"]
mod entities;
#[path = "api/export.rs"]
mod export;
#[path = "api/investigation.rs"]
mod investigation;
mod node;
#[path = "api/people.rs"]
mod people;
#[path = "api/recording.rs"]
mod recording;
#[path = "api/rule_days.rs"]
mod rule_days;
#[path = "api/rule_preview.rs"]
mod rule_preview;
#[path = "api/saved_searches.rs"]
mod saved_searches;
#[path = "api/suppressions.rs"]
mod suppressions;
#[path = "api/tail.rs"]
mod tail;

use axum::http::StatusCode;
use event::{Loss, LossCause, Micros, OwnRecord};
use http_body_util::BodyExt as _;
use node::{Node, request, text};
use registry::Role;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const FAILED: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for invalid user admin from 198.51.100.7 port 50022 ssh2";
const ACCEPTED: &str = "<86>Oct 11 22:15:15 db1 sshd[4712]: Accepted password for an from 198.51.100.8 port 50023 ssh2";

#[tokio::test]
async fn a_search_finds_events_newest_first_page_by_page() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FAILED]);
    let (status, found) = node
        .get("/api/v1/search?q=%22invalid+user%22&limit=2")
        .await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(found["total"], 3);
    assert_eq!(found["total_relation"], "eq");
    assert_eq!(found["hits"][0]["nhatky.seq"], 4);
    assert_eq!(found["hits"][1]["nhatky.seq"], 3);
    assert_eq!(found["hits"][0]["source.ip"], "198.51.100.7");
    assert_eq!(found["hits"][0]["event.original"], FAILED);
    assert_eq!(found["covered"]["through_seq"], 4);
    assert_eq!(found["covered"]["losses"], 0);
    let cursor = found["next_cursor"].as_str().expect("a cursor");
    // What arrives in between does not disturb the next page.
    node.receive(&[FAILED]);
    let (_, next) = node
        .get(&format!(
            "/api/v1/search?q=%22invalid+user%22&limit=2&cursor={cursor}"
        ))
        .await;
    assert_eq!(next["hits"].as_array().map(Vec::len), Some(1), "{next}");
    assert_eq!(next["hits"][0]["nhatky.seq"], 1);
    assert_eq!(next["next_cursor"], Value::Null);
    let (status, problem) = node
        .get(&format!("/api/v1/search?q=other&cursor={cursor}"))
        .await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("cursor"))
    );
}

/// The table of a query with stages.
async fn table(node: &Node, q: &str) -> Value {
    let (status, reply) = node
        .send("POST", "/api/v1/search", &json!({ "q": q }))
        .await;
    assert_eq!(status, StatusCode::OK, "{q}: {reply}");
    reply
}

#[tokio::test]
async fn stages_behind_a_condition_give_a_table() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FAILED]);
    let reply = table(
        &node,
        "sshd | stats count() by user.name, event.outcome | sort -count",
    )
    .await;
    assert_eq!(
        reply["columns"],
        json!(["user.name", "event.outcome", "count"])
    );
    assert_eq!(
        reply["rows"],
        json!([["admin", "failure", 3], ["an", "success", 1]])
    );
    assert_eq!(
        (&reply["total"], &reply["total_relation"]),
        (&json!(4), &json!("eq"))
    );
    assert_eq!(reply["covered"]["through_seq"], 4);
    assert!(reply.get("hits").is_none());
    let reply = table(&node, "sshd | fields nhatky.seq, source.ip | head 2").await;
    assert_eq!(
        reply["rows"],
        json!([[4, "198.51.100.7"], [3, "198.51.100.7"]])
    );
}

#[tokio::test]
async fn counting_by_a_column_gives_what_counting_events_gives() {
    let node = Node::start().await;
    let plain = "<13>Oct 11 22:16:15 db1 app: hello";
    node.receive(&[FAILED, ACCEPTED, plain, FAILED]);
    node.parts.index.flush().expect("committed");
    for field in [
        "source.ip",
        "source.port",
        "user.name",
        "event.category",
        "event.type",
        "@timestamp",
    ] {
        let rest = format!("stats count() by {field} | sort -count, {field}");
        let columns = table(&node, &format!("db1 | {rest}")).await;
        // A stage before it makes every event be looked at.
        let events = table(&node, &format!("db1 | dedup nhatky.seq | {rest}")).await;
        assert_eq!(columns["rows"], events["rows"], "{field}");
        // More than a count, and it is read from several columns.
        let rest = format!(
            "stats count(), max(source.port), values(user.name), min(@timestamp) by {field}, event.outcome"
        );
        let of_columns = table(&node, &format!("db1 | {rest}")).await;
        let of_events = table(&node, &format!("db1 | dedup nhatky.seq | {rest}")).await;
        assert_eq!(of_columns["rows"], of_events["rows"], "{field}");
        assert!(
            columns["rows"]
                .as_array()
                .is_some_and(|rows| rows.len() >= 2),
            "{field}: {columns}"
        );
    }
}

#[tokio::test]
async fn a_query_in_brackets_gives_the_values_that_are_looked_for() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED, FAILED]);
    let rows = async |q: &str| table(&node, q).await["rows"].clone();
    // The addresses from which somebody failed, and who came from there.
    assert_eq!(
        rows("source.ip in [search event.outcome:failure] | stats count() by event.outcome").await,
        json!([["failure", 3]])
    );
    assert_eq!(
        rows("NOT source.ip in [event.outcome:failure | top 1 source.ip] | fields user.name").await,
        json!([["an"]])
    );
    assert_eq!(
        rows("user.name in [user.name:nobody] | stats count()").await,
        json!([[0]])
    );
    // One in another, and a list in a stage behind.
    assert_eq!(
        rows("* | where user.name in [source.ip in [user.name:an] | fields user.name] | stats count()").await,
        json!([[1]])
    );
    // A page of events, too.
    let body = json!({ "q": "user.name in [search event.outcome:success | fields user.name]" });
    let (status, reply) = node.send("POST", "/api/v1/search", &body).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(reply["total"], 1);
    // Mistakes inside are told by their place in the whole.
    let body = json!({ "q": "user.name in [sshd | stats cuont()]" });
    let (status, problem) = node.send("POST", "/api/v1/search", &body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        problem["errors"][0]["span"],
        json!({"start": 27, "end": 32})
    );
    let deep = "a in [a in [a in [a in [x]]]]";
    let (status, problem) = node
        .send("POST", "/api/v1/search", &json!({ "q": deep }))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["errors"][0]["code"], "bad_subquery");
}

#[tokio::test]
async fn hits_come_as_they_are_found_and_the_end_says_what_was_looked_at() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let lines = async |query: &str| {
        let path = format!("/api/v1/search/stream?{query}");
        let reply = node.routes().oneshot(request("GET", &path, None)).await;
        let reply = reply.expect("an answer");
        let (status, body) = (reply.status(), text(reply).await);
        let lines = body
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        (status, lines.collect::<Vec<Value>>())
    };
    let (status, found) = lines("q=sshd&limit=2").await;
    assert_eq!(status, StatusCode::OK);
    let (end, pieces) = found.split_last().expect("an end");
    let seqs: Vec<u64> = pieces
        .iter()
        .flat_map(|piece| piece["hits"].as_array().expect("hits"))
        .filter_map(|hit| hit["nhatky.seq"].as_u64())
        .collect();
    assert_eq!(seqs, [3, 2]);
    assert_eq!(end["end"]["total"], 3);
    assert_eq!(end["end"]["total_relation"], "eq");
    assert!(end["end"]["next_cursor"].is_string(), "{end}");
    let (status, found) = lines("q=nothing-like-it").await;
    assert_eq!((status, found.len()), (StatusCode::OK, 1));
    // A table comes whole, and a mistake is a problem as elsewhere.
    let (status, _) = lines("q=sshd+%7C+top+user.name").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_table_is_cut_at_the_limit_and_says_how_many_rows_there_are() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    for q in [
        "sshd | stats count() by source.port, nhatky.seq",
        "sshd | dedup nhatky.seq | stats count() by nhatky.seq",
    ] {
        let body = json!({ "q": q, "limit": 2 });
        let (status, reply) = node.send("POST", "/api/v1/search", &body).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        assert_eq!(reply["rows"].as_array().map(Vec::len), Some(2), "{q}");
        assert_eq!(reply["rows_total"], 3, "{q}");
    }
    let top = table(
        &node,
        "sshd | stats count() by user.name | sort -count | head 1",
    )
    .await;
    assert_eq!(
        (&top["rows"], &top["rows_total"]),
        (&json!([["admin", 2]]), &json!(1))
    );
}

#[tokio::test]
async fn what_only_a_full_parse_gives_is_found_too() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    for q in [
        "message:accepted",
        "message:\"password for an\"",
        "source.address:198.51.100.8",
    ] {
        let (status, reply) = node
            .send("POST", "/api/v1/search", &json!({ "q": q }))
            .await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        assert_eq!(reply["total"], 1, "{q}");
        let counted = table(
            &node,
            &format!("{q} | stats count() by source.address, message"),
        )
        .await;
        assert_eq!(counted["rows"][0][0], "198.51.100.8", "{q}: {counted}");
    }
    let whole = table(&node, "sshd | fields event.original | head 1").await;
    assert_eq!(whole["rows"], json!([[ACCEPTED]]));
}

#[tokio::test]
async fn fields_are_added_by_templates_and_tables() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    node.put_table("assets.csv", "address,owner\n198.51.100.6/31,Phòng CNTT\n");
    let rows = async |q: &str| table(&node, q).await["rows"].clone();
    assert_eq!(
        rows("sshd | parse message \"from <from:ip> port <p:int>\" | fields from, p | sort p")
            .await,
        rows("sshd | fields source.ip, source.port | sort source.port").await
    );
    assert_eq!(
        rows("sshd | lookup assets on source.ip with owner | stats count() by assets.owner").await,
        json!([[null, 1], ["Phòng CNTT", 1]])
    );
    assert_eq!(
        rows("sshd | top source.ip | lookup assets on source.ip | where assets.owner:* | fields assets.owner, count").await,
        json!([["Phòng CNTT", 1]])
    );
    let (status, problem) = node
        .send(
            "POST",
            "/api/v1/search",
            &json!({ "q": "* | lookup aset on source.ip | fields x" }),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let fix = problem["errors"][0]["fix"].as_str().unwrap_or_default();
    assert!(fix.contains("assets, geo"), "{problem}");
}

#[tokio::test]
async fn a_wrong_stage_is_told_with_its_place() {
    let node = Node::start().await;
    let body = json!({ "q": "sshd | stats cuont() by user.name" });
    let (status, problem) = node.send("POST", "/api/v1/search", &body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["errors"][0]["code"], "unknown_function");
    assert_eq!(
        problem["errors"][0]["span"],
        json!({"start": 13, "end": 18})
    );
    // Stages are for searches; a tail or a histogram takes a condition.
    let (status, problem) = node.get("/api/v1/histogram?q=sshd+%7C+head").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["errors"][0]["code"], "pipe");
}

#[tokio::test]
async fn a_search_by_body_means_the_same_and_time_is_a_filter() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    let body = json!({"q": "sshd", "from": "2026-10-11T22:15:00+07:00", "to": "now"});
    let (_, found) = node.send("POST", "/api/v1/search", &body).await;
    assert_eq!(found["total"], 1, "{found}");
    let (_, found) = node
        .get("/api/v1/search?q=sshd&to=2026-10-11T22:15:00%2B07:00")
        .await;
    assert_eq!(found["total"], 1, "{found}");
    let (_, found) = node.get("/api/v1/search").await;
    assert!(found["total"].as_u64() >= Some(2), "{found}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_with_its_place() {
    let node = Node::start().await;
    let check = async |path: &str, field: &Value, kind: &str| {
        let (status, problem) = node.get(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {problem}");
        assert_eq!(&problem["field"], field, "{path}: {problem}");
        assert_eq!(problem["type"], format!("urn:nhatky:problem:{kind}"));
        assert_eq!(problem["status"], 400);
        problem
    };
    let problem = check("/api/v1/search?q=a+AND+(b", &json!("q"), "query").await;
    assert_eq!(problem["errors"][0]["code"], "unclosed_parenthesis");
    assert_eq!(problem["errors"][0]["span"], json!({"start": 6, "end": 7}));
    check("/api/v1/search?from=yesterday", &json!("from"), "field").await;
    check("/api/v1/search?limit=1001", &json!("limit"), "field").await;
    check("/api/v1/search?cursor=x", &json!("cursor"), "field").await;
    check("/api/v1/search?limit=many", &Value::Null, "request").await;
    check("/api/v1/search?nonsense=1", &Value::Null, "request").await;
    check("/api/v1/top", &json!("field"), "field").await;
    check("/api/v1/facets", &json!("fields"), "field").await;
    let many = format!("/api/v1/facets?fields={}", vec!["user.name"; 21].join(","));
    check(&many, &json!("fields"), "field").await;
    check(
        "/api/v1/histogram?split=user.name&series=51",
        &json!("series"),
        "field",
    )
    .await;
    check("/api/v1/histogram?interval=0m", &json!("interval"), "field").await;
    check(
        "/api/v1/histogram?interval=1s&from=2020",
        &json!("interval"),
        "field",
    )
    .await;
    check("/api/v1/alerts?state=x", &json!("state"), "field").await;
    check("/api/v1/detections?entity=x", &json!("entity"), "field").await;
}

#[tokio::test]
async fn whatever_is_not_there_is_a_problem_too() {
    let node = Node::start().await;
    let check = async |method: &str, path: &str, status: StatusCode| {
        let (found, problem) = node.ask(request(method, path, None)).await;
        assert_eq!(found, status, "{path}");
        assert_eq!(problem["status"], status.as_u16(), "{path}");
    };
    for path in [
        "/api/v1/nothing",
        "/api/v1/events/7",
        "/api/v1/events/x",
        "/api/v1/rules/x",
        "/api/v1/alerts/7",
        "/api/v1/detections/x",
    ] {
        check("GET", path, StatusCode::NOT_FOUND).await;
    }
    check("PUT", "/api/v1/search", StatusCode::METHOD_NOT_ALLOWED).await;
    check("DELETE", "/api/v1/tokens/x", StatusCode::NOT_FOUND).await;
    let (status, _) = node
        .send(
            "POST",
            "/api/v1/search",
            &json!({"q": "a".repeat(300 << 10)}),
        )
        .await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_token_opens_what_its_role_may() {
    let node = Node::start().await;
    let ask = async |token: &str, method: &str, path: &str| {
        let mut request = request(method, path, (method == "POST").then(|| json!({})).as_ref());
        request.headers_mut().insert(
            "authorization",
            format!("Bearer {token}").parse().expect("a header"),
        );
        node.ask(request).await.0
    };
    // Without any token, loopback is open.
    assert_eq!(node.get("/api/v1/tokens").await.0, StatusCode::OK);
    let tokens = [
        node.token("in", Role::Ingest).await,
        node.token("look", Role::Read).await,
        node.token("all", Role::Admin).await,
    ];
    assert_eq!(node.get("/api/v1/search").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        ask("nk_wrong", "GET", "/api/v1/search").await,
        StatusCode::UNAUTHORIZED
    );
    let (ok, no, gone) = (StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND);
    for (method, path, expected) in [
        ("GET", "/api/v1/search", [no, ok, ok]),
        ("GET", "/metrics", [no, ok, ok]),
        ("GET", "/healthz", [ok, ok, ok]),
        ("GET", "/api/v1/tokens", [no, no, ok]),
        ("GET", "/api/v1/audit", [no, no, ok]),
        ("POST", "/api/v1/alerts/1/ack", [no, no, gone]),
    ] {
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(ask(token, method, path).await, expected, "{path}");
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(node.get(path).await.0, ok, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_only_loopback_is_let_in() {
    let node = Node::start().await;
    let mut abroad = request("GET", "/api/v1/search", None);
    let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 1));
    abroad
        .extensions_mut()
        .insert(axum::extract::ConnectInfo(peer));
    assert_eq!(node.ask(abroad).await.0, StatusCode::UNAUTHORIZED);
    let mut forwarded = request("GET", "/api/v1/search", None);
    let from = "192.0.2.1".parse().expect("a header");
    forwarded.headers_mut().insert("x-forwarded-for", from);
    assert_eq!(node.ask(forwarded).await.0, StatusCode::UNAUTHORIZED);
    let mut nowhere = request("GET", "/api/v1/search", None);
    nowhere.extensions_mut().clear();
    assert_eq!(node.ask(nowhere).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn foreign_hosts_and_pages_are_refused_on_mounted_routes_too() {
    let node = Node::start().await;
    for path in ["/mounted", "/api/v1/search", "/healthz"] {
        let with = async |name: &'static str, value: &str| {
            let mut request = request("GET", path, None);
            request
                .headers_mut()
                .insert(name, value.parse().expect("a header"));
            node.ask(request).await.0
        };
        assert_eq!(
            with("host", "evil.example").await,
            StatusCode::MISDIRECTED_REQUEST
        );
        assert_eq!(with("host", "log.example.vn").await, StatusCode::OK);
        assert_eq!(
            with("origin", "https://evil.example").await,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            with("origin", "http://localhost:8080").await,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn events_are_counted_over_time_and_by_value() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let (_, counts) = node.get("/api/v1/histogram?q=sshd&from=2026-10-11T22:14:00%2B07:00&to=2026-10-11T22:17:00%2B07:00&interval=1m").await;
    let buckets: Vec<_> = counts["buckets"]
        .as_array()
        .expect("buckets")
        .iter()
        .map(|bucket| bucket["count"].as_u64())
        .collect();
    assert_eq!(buckets, [Some(2), Some(1), Some(0)], "{counts}");
    assert_eq!(counts["buckets"][0]["start"], "2026-10-11T15:14:00Z");
    assert_eq!(counts["total"], 3);
    // Without bounds, what a device dates before the first receipt is counted, too.
    let (_, counts) = node.get("/api/v1/histogram?q=sshd").await;
    assert_eq!(
        (&counts["total"], &counts["other"]),
        (&json!(3), &json!(3)),
        "{counts}"
    );
    let (_, top) = node.get("/api/v1/top?field=source.ip&q=sshd").await;
    assert_eq!(
        top["values"],
        json!([{"value": "198.51.100.7", "count": 2}, {"value": "198.51.100.8", "count": 1}]),
        "{top}"
    );
    assert_eq!(top["missing"], 0);
}

#[tokio::test]
async fn counts_over_time_can_be_split_and_several_fields_counted_at_once() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let span = "q=sshd&from=2026-10-11T22:14:00%2B07:00&to=2026-10-11T22:16:00%2B07:00&interval=1m";
    let path = format!("/api/v1/histogram?{span}&split=user.name&series=1");
    let (_, counts) = node.get(&path).await;
    assert_eq!(
        counts["series"],
        json!([
            {"of": "value", "value": "admin", "counts": [2, 0]},
            {"of": "others", "counts": [0, 1]},
        ]),
        "{counts}"
    );
    let (_, found) = node
        .get("/api/v1/facets?q=sshd&fields=source.ip,url.path,user.name&limit=1")
        .await;
    assert_eq!(
        found["facets"],
        json!([
            {"field": "source.ip", "values": [{"value": "198.51.100.7", "count": 2}], "other": 1, "missing": 0, "distinct": 2},
            {"field": "url.path", "values": [], "other": 0, "missing": 3, "distinct": 0},
            {"field": "user.name", "values": [{"value": "admin", "count": 2}], "other": 1, "missing": 0, "distinct": 2},
        ]),
        "{found}"
    );
    assert_eq!(found["total"], 3);
    let (_, ports) = node.get("/api/v1/fields/source.port/stats?q=sshd").await;
    assert_eq!(
        (
            &ports["kind"],
            &ports["min"],
            &ports["max"],
            &ports["distinct"]
        ),
        (&json!("number"), &json!(50022), &json!(50023), &json!(2)),
        "{ports}"
    );
    assert_eq!(ports["numbers"]["sum"], json!(150_067), "{ports}");
    assert_eq!(ports["values"][0], json!({"value": "50022", "count": 2}));
    let (_, users) = node.get("/api/v1/fields/user.name/stats?q=sshd").await;
    assert_eq!(
        (&users["kind"], &users["min"], &users["numbers"]),
        (&json!("keyword"), &json!("admin"), &Value::Null),
        "{users}"
    );
}

#[tokio::test]
async fn a_search_can_end_when_its_page_is_full() {
    let node = Node::start().await;
    node.receive(&[FAILED; 1000]);
    let (_, found) = node.get("/api/v1/search?q=sshd&limit=2&count=page").await;
    assert_eq!(found["total_relation"], "gte", "{found}");
    assert!(found["total"].as_u64() < Some(1000), "{found}");
    let cursor = found["next_cursor"].as_str().expect("a next page");
    let next = format!("/api/v1/search?q=sshd&limit=2&count=page&cursor={cursor}");
    let (_, rest) = node.get(&next).await;
    let seqs = |page: &Value| -> Vec<u64> {
        let hits = page["hits"].as_array().into_iter().flatten();
        hits.filter_map(|hit| hit["nhatky.seq"].as_u64()).collect()
    };
    let both = [seqs(&found), seqs(&rest)].concat();
    assert_eq!(both, [1000, 999, 998, 997], "{rest}");
    let (status, _) = node.get("/api/v1/search?count=some").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn settings_and_exceptions_of_rules_are_kept_with_their_reasons() {
    let node = Node::start().await;
    let ask = async |method: &str, path: &str, body: Value| {
        node.ask(request(method, path, Some(&body))).await
    };
    let rule = "/api/v1/rules/login-failures-address/settings";
    let set = json!({"name": "threshold", "value": 40, "reason": "our own scanner"});
    let (status, reply) = ask("PUT", rule, set).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(reply["settings"][0]["value"], 40, "{reply}");
    let wrong = json!({"name": "treshold", "value": 40, "reason": "x"});
    let (status, problem) = ask("PUT", rule, wrong).await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("value"))
    );
    let useless = json!({"name": "threshold", "value": 0, "reason": "x"});
    let (status, problem) = ask("PUT", rule, useless).await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("value"))
    );
    let back = json!({"name": "threshold", "reason": "the scanner is gone"});
    let (_, reply) = ask("PUT", rule, back).await;
    assert_eq!(reply["settings"], json!([]), "{reply}");

    let exception = json!({
        "rule": "login-failures-address", "query": "source.ip:10.0.0.7", "owner": "an", "reason": "a test of ours",
        "expires": "now+7d",
    });
    let (status, made) = ask("POST", "/api/v1/rule-exceptions", exception.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (_, listed) = node.get("/api/v1/rule-exceptions").await;
    assert_eq!(
        listed["items"][0]["query"], "source.ip:10.0.0.7",
        "{listed}"
    );
    for (field, value) in [
        ("query", json!("source.ip:")),
        ("query", json!("")),
        ("expires", json!("now+2y")),
        ("expires", json!("now-1d")),
        ("owner", json!(" ")),
        ("rule", json!("nobody")),
    ] {
        let mut wrong = exception.clone();
        wrong[field] = value;
        let (status, problem) = ask("POST", "/api/v1/rule-exceptions", wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {problem}");
    }
    let end = format!("/api/v1/rule-exceptions/{}/end", made["id"]);
    assert_eq!(ask("POST", &end, json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask("POST", &end, json!({})).await.0, StatusCode::NOT_FOUND);
    let (_, listed) = node.get("/api/v1/rule-exceptions").await;
    assert_eq!(listed["items"], json!([]), "{listed}");
}

#[tokio::test]
async fn one_event_is_shown_by_its_seq() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let (status, event) = node.get("/api/v1/events/1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(event["event.original"], FAILED);
    assert_eq!(event["user.name"], "admin", "{event}");
}

#[tokio::test]
async fn a_live_tail_shows_what_arrives_and_ends_with_the_server() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let response = node
        .routes()
        .oneshot(request("GET", "/api/v1/tail?q=accepted", None))
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    node.receive(&[FAILED, ACCEPTED]);
    let frame = body
        .frame()
        .await
        .expect("a frame")
        .expect("no error")
        .into_data()
        .expect("data");
    let message = String::from_utf8(frame.to_vec()).expect("UTF-8");
    let data = message
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .expect("data");
    let event: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(event["event.original"], ACCEPTED);
    assert!(
        message.contains(&format!("id: {}", event["nhatky.seq"])),
        "{message}"
    );
    node.stop.send_replace(true);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_live_tail_goes_on_where_it_was_left() {
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED, FAILED]);
    let mut request = request("GET", "/api/v1/tail?q=failed", None);
    request
        .headers_mut()
        .insert("last-event-id", "1".parse().expect("a header"));
    let response = node.routes().oneshot(request).await.expect("an answer");
    let mut body = response.into_body();
    let frame = body
        .frame()
        .await
        .expect("a frame")
        .expect("no error")
        .into_data()
        .expect("data");
    assert!(frame.starts_with(b"id: 3\n"), "{frame:?}");
}

#[tokio::test]
async fn losses_are_listed_and_counted_into_what_a_search_covered() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
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
    // Nobody else can make such a record.
    node.receive(&[r#"{"nhatky":"loss","cause":"kernel-drop","source":"x","from":"2026-10-11T00:00:00Z","to":"2026-10-11T00:00:00Z","detail":"forged"}"#]);
    let (_, losses) = node.get("/api/v1/losses").await;
    assert_eq!(
        losses["items"].as_array().map(Vec::len),
        Some(1),
        "{losses}"
    );
    assert_eq!(losses["items"][0]["cause"], "kernel-drop");
    assert_eq!(losses["items"][0]["records_max"], 5);
    let (_, found) = node.get("/api/v1/search?q=sshd").await;
    assert_eq!(found["covered"]["losses"], 1, "{found}");
}

#[tokio::test]
async fn every_search_is_on_record() {
    let node = Node::start().await;
    let token = node.token("analyst", Role::Admin).await;
    let ask = async |path: &str| {
        let mut request = request("GET", path, None);
        request.headers_mut().insert(
            "authorization",
            format!("Bearer {token}").parse().expect("a header"),
        );
        node.ask(request).await.1
    };
    ask("/api/v1/search?q=user.name:root&from=now-1h").await;
    ask("/api/v1/top?field=user.name").await;
    node.publish();
    let audit = ask("/api/v1/audit").await;
    let acts: Vec<_> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| (item["action"].clone(), item["object"].clone()))
        .collect();
    assert!(
        acts.contains(&(json!("search"), json!("user.name:root [from now-1h]"))),
        "{audit}"
    );
    assert!(
        acts.contains(&(json!("search-top"), json!("user.name: "))),
        "{audit}"
    );
    assert_eq!(audit["items"][0]["actor"], "analyst");
    assert_eq!(audit["items"][0]["peer"], "127.0.0.1");
}

#[tokio::test]
async fn words_are_not_found_in_records_of_searches_unless_these_are_meant() {
    let node = Node::start().await;
    node.receive(&[FAILED]);
    let total = async |query: &str| {
        let found = node.get(&format!("/api/v1/search?q={query}")).await.1;
        node.publish();
        found["total"].as_u64()
    };
    for _ in 0..3 {
        assert_eq!(total("invalid").await, Some(1));
    }
    assert_eq!(total("invalid+nhatky.product:nhatky.own").await, Some(3));
    assert_eq!(total("event.action:search").await, Some(4));
    // A stranger's line that looks like such a record is found.
    node.receive(&[
        r#"{"nhatky":"audit","actor":"x","action":"search","object":"invalid","allowed":true}"#,
    ]);
    assert_eq!(total("invalid").await, Some(2));
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let node = Node::start().await;
    let body = json!({"name": "grafana", "role": "admin", "expires_at": "now+90d"});
    let (status, made) = node.send("POST", "/api/v1/tokens", &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let ask = async |method: &str, path: &str, body: Option<&Value>| {
        let mut request = request(method, path, body);
        request.headers_mut().insert(
            "authorization",
            format!("Bearer {secret}").parse().expect("a header"),
        );
        node.ask(request).await
    };
    let (_, list) = ask("GET", "/api/v1/tokens", None).await;
    assert_eq!(list["items"][0]["name"], "grafana");
    assert!(!list.to_string().contains(&secret));
    let (status, problem) = ask("POST", "/api/v1/tokens", Some(&body)).await;
    assert_eq!(
        (status, &problem["type"]),
        (
            StatusCode::CONFLICT,
            &json!("urn:nhatky:problem:name-taken")
        )
    );
    let (status, _) = ask("DELETE", "/api/v1/tokens/grafana", None).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = ask("GET", "/api/v1/tokens", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn lists_show_what_there_is() {
    let node = Node::start().await;
    let (_, fields) = node.get("/api/v1/fields").await;
    let names: Vec<_> = fields["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|field| field["name"].clone())
        .collect();
    assert!(names.contains(&json!("source.ip")));
    assert_eq!(node.get("/api/v1/sources").await.1["items"], json!([]));
    let (status, rules) = node.get("/api/v1/rules").await;
    assert_eq!(status, StatusCode::OK);
    for rule in rules["items"].as_array().expect("items") {
        let id = rule["id"].as_str().expect("an id");
        assert_eq!(&node.get(&format!("/api/v1/rules/{id}")).await.1, rule);
    }
}

#[tokio::test]
async fn figures_are_shown_for_prometheus() {
    let node = Node::start().await;
    let own =
        prometheus::IntCounter::new("nhatky_ingest_received_total", "Records.").expect("a counter");
    node.parts
        .metrics
        .register(Box::new(own))
        .expect("a new name");
    node.receive(&[FAILED]);
    let response = node
        .routes()
        .oneshot(request("GET", "/metrics", None))
        .await
        .expect("an answer");
    let text = text(response).await;
    for line in [
        "nhatky_journal_up 1",
        "nhatky_index_searchable_seq 1",
        "nhatky_index_lag_seqs 0",
        "nhatky_ingest_received_total 0",
        "nhatky_outbox_dead 0",
        "# TYPE nhatky_journal_sync_seconds histogram",
        "nhatky_journal_records_total 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(
        text.contains("nhatky_journal_sync_seconds_bucket{le=\"+Inf\"}"),
        "{text}"
    );
}

#[tokio::test]
async fn the_description_names_every_route_and_every_type() {
    let node = Node::start().await;
    let (status, openapi) = node.get("/api/v1/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    let again: Value = serde_json::from_str(&server::openapi()).expect("JSON");
    assert_eq!(openapi, again);
    let paths: Vec<_> = openapi["paths"]
        .as_object()
        .expect("paths")
        .keys()
        .cloned()
        .collect();
    for path in [
        "/api/v1/search",
        "/api/v1/tail",
        "/api/v1/alerts/{id}/close",
        "/metrics",
        "/readyz",
    ] {
        assert!(paths.iter().any(|found| found == path), "{path}");
    }
    let mut references = Vec::new();
    collect_references(&openapi, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference within");
        assert!(openapi.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn imported_messages_are_taken_once_and_in_order() {
    let node = Node::start().await;
    let path = "/api/v1/imports/00112233445566778899aabb";
    let messages = |messages: Value| json!({"source": "old.log", "reference_time": "2026-10-11T22:14:15+07:00", "messages": messages});
    let one = json!({"offset": 0, "raw": FAILED});
    let two = json!({"offset": 200, "raw_b64": "b2xkIP8="});
    let (status, reply) = node.send("POST", path, &messages(json!([one, two]))).await;
    assert_eq!(
        (status, &reply["accepted"]),
        (StatusCode::OK, &json!(2)),
        "{reply}"
    );
    let three = json!({"offset": 300, "raw": "old three"});
    let (_, reply) = node
        .send("POST", path, &messages(json!([one, two, three])))
        .await;
    assert_eq!(reply["accepted"], 1, "what is there already is passed over");
    let (_, progress) = node.get(path).await;
    assert_eq!(progress, json!({"last_offset": 300, "durable_seq": 3}));
    for wrong in [
        json!([three, one]),
        json!([{"offset": 400}]),
        json!([{"offset": 400, "raw_b64": "?"}]),
    ] {
        let (status, _) = node.send("POST", path, &messages(wrong)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = node
        .send("POST", "/api/v1/imports/x", &messages(json!([one])))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name == "$ref") {
                    Some(reference) => found.push(reference),
                    None => collect_references(member, found),
                }
            }
        }
        Value::Array(members) => members
            .iter()
            .for_each(|member| collect_references(member, found)),
        _ => {}
    }
}

fn detection(rule: &str, user: &str) -> event::Detection {
    event::Detection {
        id: "0123456789abcdef0123456789abcdef".into(),
        rule: rule.into(),
        rules_version: "1".into(),
        key: vec![user.into()],
        entity: event::Entity::user(user),
        disposition: event::Disposition::Queue,
        effect: event::Effect::Attempt,
        seq: event::Seq(10),
        first_at: Micros(1),
        last_at: Micros(10),
        count: 10,
        evidence: vec![event::Seq(1), event::Seq(10)],
        query: format!("user.name:{user}"),
        facts: std::collections::BTreeMap::new(),
    }
}
