//! Saved searches and histories: each their own, shared where that is wanted, changes on record.

use axum::http::StatusCode;
use registry::Role;
use serde_json::{Value, json};

use crate::node::{Node, request};

const FAILED: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for invalid user admin from 198.51.100.7 port 50022 ssh2";
const PATH: &str = "/api/v1/saved-searches";

/// Somebody with a token.
struct Person<'n> {
    node: &'n Node,
    secret: String,
}

impl<'n> Person<'n> {
    async fn new(node: &'n Node, name: &str, role: Role) -> Self {
        let secret = node.token(name, role).await;
        Self { node, secret }
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = request(method, path, body);
        let bearer = format!("Bearer {}", self.secret).parse().expect("a header");
        request.headers_mut().insert("authorization", bearer);
        self.node.ask(request).await
    }

    async fn save(&self, name: &str, shared: bool) -> u64 {
        let body = json!({
            "name": name, "query": "sshd | top 10 user.name", "from": "now-24h", "shared": shared,
        });
        let (status, made) = self.ask("POST", PATH, Some(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made["id"].as_u64().expect("a number")
    }

    async fn names(&self) -> Vec<(String, bool)> {
        let (_, list) = self.ask("GET", PATH, None).await;
        let items = list["items"].as_array().expect("items").iter();
        let named = |item: &Value| {
            let name = item["name"].as_str().unwrap_or_default().to_owned();
            (name, item["own"] == true)
        };
        items.map(named).collect()
    }

    /// The history, once it has so many entries.
    async fn history(&self, count: usize) -> Vec<Value> {
        loop {
            let (_, list) = self.ask("GET", "/api/v1/search-history", None).await;
            let items = list["items"].as_array().expect("items").clone();
            if items.len() >= count {
                return items;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_saved_search_is_its_owners_and_seen_by_others_where_it_is_shared() {
    let node = Node::start().await;
    let an = Person::new(&node, "an", Role::Read).await;
    let binh = Person::new(&node, "binh", Role::Read).await;
    let admin = Person::new(&node, "admin", Role::Admin).await;
    let own = an.save("own", false).await;
    let shared = an.save("shared", true).await;
    let pair = |name: &str, own| (name.to_owned(), own);
    assert_eq!(an.names().await, [pair("shared", true), pair("own", true)]);
    assert_eq!(binh.names().await, [pair("shared", false)]);
    assert_eq!(
        admin.names().await,
        [pair("shared", false), pair("own", false)]
    );

    let (_, shown) = binh.ask("GET", &format!("{PATH}/{shared}"), None).await;
    assert_eq!(
        (
            &shown["query"],
            &shown["from"],
            &shown["to"],
            &shown["owner"]
        ),
        (
            &json!("sshd | top 10 user.name"),
            &json!("now-24h"),
            &Value::Null,
            &json!("an")
        )
    );
    let body = json!({ "name": "mine", "query": "sshd" });
    for (id, status) in [
        (shared, StatusCode::FORBIDDEN),
        (own, StatusCode::NOT_FOUND),
    ] {
        let path = format!("{PATH}/{id}");
        assert_eq!(binh.ask("PUT", &path, Some(&body)).await.0, status);
        assert_eq!(binh.ask("DELETE", &path, None).await.0, status);
    }
    let (status, changed) = admin
        .ask("PUT", &format!("{PATH}/{shared}"), Some(&body))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&changed["owner"], &changed["shared"]),
        (&json!("an"), &json!(false))
    );
    let (status, _) = an.ask("DELETE", &format!("{PATH}/{own}"), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(an.names().await, [pair("mine", true)]);

    node.registry
        .hand_over_audits(&*node.parts.audit)
        .await
        .expect("a journal that works");
    node.publish();
    let (_, audit) = admin.ask("GET", "/api/v1/audit", None).await;
    let acts: Vec<_> = audit["items"].as_array().expect("items").iter().collect();
    for (actor, action, object) in [
        (
            "an",
            "saved-search-created",
            format!("{shared} \"shared\" (an, shared): sshd | top 10 user.name"),
        ),
        (
            "admin",
            "saved-search-changed",
            format!("{shared} \"mine\" (an): sshd"),
        ),
        (
            "an",
            "saved-search-deleted",
            format!("{own} \"own\" (an): sshd | top 10 user.name"),
        ),
    ] {
        let told = |act: &&&Value| {
            act["actor"] == actor && act["action"] == action && act["object"] == object.as_str()
        };
        assert!(acts.iter().any(|act| told(&act)), "{action}: {audit}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_not_saved() {
    let node = Node::start().await;
    for (body, field) in [
        (json!({ "name": "a", "query": "(" }), "q"),
        (json!({ "name": "a", "query": "a | stats cuont()" }), "q"),
        (
            json!({ "name": "a", "query": "user.name in [search b | stats cuont()]" }),
            "q",
        ),
        (json!({ "name": "a", "from": "soon" }), "from"),
        (json!({ "name": "a", "to": "9".repeat(1000) }), "to"),
        (json!({ "name": "a\nb" }), "name"),
        (
            json!({ "name": "a", "description": "x".repeat(2001) }),
            "description",
        ),
    ] {
        let (status, problem) = node.send("POST", PATH, &body).await;
        let said = (status, problem["field"].as_str());
        assert_eq!(
            said,
            (StatusCode::BAD_REQUEST, Some(field)),
            "{body}: {problem}"
        );
    }
    let (_, problem) = node
        .send("POST", PATH, &json!({ "name": "a", "query": "(" }))
        .await;
    assert!(problem["errors"][0]["fix"].is_string(), "{problem}");
    let body = json!({ "name": "a", "query": "sshd" });
    assert_eq!(node.send("POST", PATH, &body).await.0, StatusCode::CREATED);
    let (status, problem) = node.send("POST", PATH, &body).await;
    let taken = json!("urn:nhatky:problem:name-taken");
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &taken));
    assert_eq!(
        node.get(&format!("{PATH}/99")).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn each_has_a_history_of_what_they_searched_for() {
    let node = Node::start().await;
    node.receive(&[FAILED, FAILED, FAILED]);
    let an = Person::new(&node, "an", Role::Read).await;
    let binh = Person::new(&node, "binh", Role::Read).await;
    let search = async |who: &Person<'_>, query: &str, entries: usize| {
        let path = format!("/api/v1/search?limit=1&{query}");
        let reply = who.ask("GET", &path, None).await.1;
        who.history(entries).await;
        reply
    };
    let found = search(&an, "q=sshd&from=now-1h", 1).await;
    // The next page is no search of its own, and neither is one that cannot be read.
    let cursor = found["next_cursor"].as_str().expect("a cursor");
    search(&an, &format!("q=sshd&from=now-1h&cursor={cursor}"), 1).await;
    search(&an, "q=(", 1).await;
    search(&an, "q=sshd+%7C+stats+count()", 2).await;
    search(&binh, "q=other", 1).await;
    search(&an, "q=admin", 3).await;
    search(&an, "q=admin", 3).await;
    let times = loop {
        let newest = an.history(3).await[0]["times"].as_u64();
        if newest == Some(2) {
            break newest;
        }
    };
    assert_eq!(times, Some(2));
    let history = an.history(3).await;
    let texts: Vec<_> = history.iter().map(|past| past["query"].clone()).collect();
    assert_eq!(texts, ["admin", "sshd | stats count()", "sshd"]);
    assert_eq!(
        (&history[2]["from"], &history[2]["to"]),
        (&json!("now-1h"), &Value::Null)
    );
    assert_eq!(
        (&history[2]["total"], &history[2]["total_relation"]),
        (&json!(3), &json!("eq"))
    );
    assert!(history[2]["took_ms"].is_u64() && history[2]["at"].is_string());

    let page = an
        .ask("GET", "/api/v1/search-history?limit=2", None)
        .await
        .1;
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let path = format!("/api/v1/search-history?limit=2&cursor={cursor}");
    assert_eq!(
        an.ask("GET", &path, None).await.1["items"],
        json!([history[2]])
    );
    let (_, cleared) = an.ask("DELETE", "/api/v1/search-history", None).await;
    assert_eq!(cleared, json!({ "removed": 3 }));
    assert_eq!(an.history(0).await.len(), 0);
    assert_eq!(binh.history(1).await.len(), 1);
}
