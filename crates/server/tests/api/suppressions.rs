//! Suppressions and maintenance windows through the API.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::node::{Node, at_time};

const PATH: &str = "/api/v1/suppressions";

fn detection(user: &str) -> event::Detection {
    event::Detection {
        last_at: at_time("2026-10-11T22:20:00+07:00"),
        ..crate::detection("login-failures-account", user)
    }
}

#[tokio::test]
async fn a_suppression_is_made_marks_what_it_holds_for_and_is_ended() {
    let node = Node::start().await;
    let body = json!({
        "rules": ["login-failures-account"], "entities": ["user:ROOT"], "until": "now+7d",
        "reason": "the backup script has an old password",
    });
    let (status, made) = node.send("POST", PATH, &body).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(
        (&made["state"], &made["owner"], &made["ends_at"]),
        (
            &json!("active"),
            &json!("local"),
            &json!("2026-10-18T15:20:00Z")
        )
    );
    node.alerts
        .apply(&[detection("root")], &[])
        .await
        .expect("it is stored");
    let (_, alerts) = node.get("/api/v1/alerts").await;
    assert_eq!(alerts["items"], json!([]));
    let (_, marked) = node.get("/api/v1/detections?suppressed_by=1").await;
    assert_eq!(marked["items"][0]["suppressed_by"], 1, "{marked}");
    let (_, list) = node.get(&format!("{PATH}?open=true")).await;
    assert_eq!(list["items"][0]["detections"], 1);

    let end = format!("{PATH}/1/end");
    let reason = json!({ "reason": "the script was corrected" });
    let (status, ended) = node.send("POST", &end, &reason).await;
    assert_eq!(
        (status, &ended["state"]),
        (StatusCode::OK, &json!("ended")),
        "{ended}"
    );
    assert_eq!(
        node.send("POST", &end, &reason).await.0,
        StatusCode::NOT_FOUND
    );
    let (_, list) = node.get(&format!("{PATH}?open=true")).await;
    assert_eq!(list["items"], json!([]));
    let (_, list) = node.get(PATH).await;
    assert_eq!(list["items"][0]["ended_reason"], "the script was corrected");
    assert_eq!(
        node.get(&format!("{PATH}/9")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_suppression_is_told() {
    let node = Node::start().await;
    let good = json!({ "hosts": ["db1"], "until": "now+2h", "reason": "disks are changed" });
    for (member, value, field) in [
        ("rules", json!(["no-such-rule"]), "rules"),
        ("hosts", json!([]), "rules"),
        ("hosts", json!([""]), "hosts"),
        ("entities", json!(["planet:mars"]), "entity"),
        ("until", json!("now+91d"), "until"),
        ("until", json!(""), "until"),
        ("from", json!("now+3h"), "until"),
        ("owner", json!("nobody"), "owner"),
        ("reason", json!(" "), "reason"),
    ] {
        let mut body = good.clone();
        body[member] = value;
        let (status, problem) = node.send("POST", PATH, &body).await;
        assert_eq!(
            (status, problem["field"].as_str()),
            (StatusCode::BAD_REQUEST, Some(field)),
            "{body}: {problem}"
        );
    }
    let (status, made): (StatusCode, Value) = node.send("POST", PATH, &good).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
}
