//! People: added, changed and removed by administrators, on record.

use axum::http::StatusCode;
use registry::Role;
use serde_json::{Value, json};

use crate::node::{Node, request};

const PATH: &str = "/api/v1/people";

fn an() -> Value {
    json!({
        "name": "Nguyễn Văn An",
        "contacts": [{ "kind": "email", "value": "an@tiengiang.gov.vn" }],
        "accounts": ["an"],
    })
}

#[tokio::test]
async fn a_person_is_added_changed_and_removed_and_the_journal_says_so() {
    let node = Node::start().await;
    let (status, added) = node.send("POST", PATH, &an()).await;
    assert_eq!(status, StatusCode::CREATED, "{added}");
    let path = format!("{PATH}/{}", added["id"]);
    assert_eq!(node.get(&path).await.1, added);
    let changed = json!({ "name": "Nguyễn Văn An", "accounts": ["an", "an-laptop"] });
    let (status, changed) = node.send("PUT", &path, &changed).await;
    assert_eq!(
        (status, &changed["contacts"]),
        (StatusCode::OK, &json!([])),
        "{changed}"
    );
    let remove = format!("{path}/remove");
    let (status, problem) = node.send("POST", &remove, &json!({ "reason": " " })).await;
    assert_eq!(
        (status, &problem["field"]),
        (StatusCode::BAD_REQUEST, &json!("reason"))
    );
    let (status, removed) = node
        .send("POST", &remove, &json!({ "reason": "retired" }))
        .await;
    assert_eq!(
        (status, &removed["open_alerts"]),
        (StatusCode::OK, &json!(0))
    );
    assert_eq!(node.get(PATH).await.1["items"], json!([]));
    let (_, all) = node.get(&format!("{PATH}?removed=true")).await;
    assert_eq!(all["items"][0]["removed_reason"], "retired");

    node.registry
        .hand_over_audits(&*node.parts.audit)
        .await
        .expect("a journal that works");
    node.publish();
    let audit = node.get("/api/v1/audit").await.1.to_string();
    for action in ["person-added", "person-changed", "person-removed"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_person_is_told() {
    let node = Node::start().await;
    node.send("POST", PATH, &an()).await;
    for (body, status, field) in [
        (
            json!({ "name": " " }),
            StatusCode::BAD_REQUEST,
            json!("name"),
        ),
        (
            json!({ "name": "B", "contacts": [{ "kind": "phone", "value": "x" }] }),
            StatusCode::BAD_REQUEST,
            json!("contacts"),
        ),
        (
            json!({ "name": "B", "accounts": [""] }),
            StatusCode::BAD_REQUEST,
            json!("accounts"),
        ),
        (
            json!({ "name": "B", "accounts": ["AN"] }),
            StatusCode::CONFLICT,
            Value::Null,
        ),
    ] {
        let (found, problem) = node.send("POST", PATH, &body).await;
        assert_eq!((found, &problem["field"]), (status, &field), "{problem}");
    }
    assert_eq!(
        node.get(&format!("{PATH}/99")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn whoever_may_only_read_changes_nobody() {
    let node = Node::start().await;
    let secret = node.token("viewer", Role::Read).await;
    for (method, path, expected) in [
        ("GET", PATH.to_owned(), StatusCode::OK),
        ("POST", PATH.to_owned(), StatusCode::FORBIDDEN),
        ("PUT", format!("{PATH}/1"), StatusCode::FORBIDDEN),
        ("POST", format!("{PATH}/1/remove"), StatusCode::FORBIDDEN),
    ] {
        let body = (method != "GET").then(an);
        let mut request = request(method, &path, body.as_ref());
        let bearer = format!("Bearer {secret}").parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        let (status, reply) = node.ask(request).await;
        assert_eq!(status, expected, "{method} {path}: {reply}");
    }
}
