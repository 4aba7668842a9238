//! The investigation that the documents tell: its log lines through the real parsers, its queries as they stand there.

use std::path::Path;

use axum::http::StatusCode;
use serde_json::json;

use crate::node::Node;

/// What the devices sent, oldest first: passwords guessed, a log-in, rights, an account, and what went outside.
const STORY: &[&str] = &[
    "<86>Oct 11 08:02:11 may-chu-05 sshd[2101]: Accepted password for quantri from 10.1.9.20 port 50110 ssh2",
    "<86>Oct 11 22:01:05 may-chu-05 sshd[4711]: Failed password for invalid user admin from 198.51.100.7 port 50022 ssh2",
    "<86>Oct 11 22:01:09 may-chu-05 sshd[4711]: Failed password for root from 198.51.100.7 port 50024 ssh2",
    "<86>Oct 11 22:01:14 may-chu-05 sshd[4712]: Failed password for quantri from 198.51.100.7 port 50026 ssh2",
    "<86>Oct 11 22:06:40 may-chu-05 sshd[4719]: Accepted password for quantri from 198.51.100.7 port 50031 ssh2",
    "<86>Oct 11 22:07:02 may-chu-05 sudo:  quantri : TTY=pts/0 ; PWD=/home/quantri ; USER=root ; COMMAND=/usr/sbin/useradd svc-sao-luu",
    "<86>Oct 11 22:07:02 may-chu-05 useradd[4802]: new user: name=svc-sao-luu, UID=1007, GID=1007, home=/home/svc-sao-luu, shell=/bin/bash, from=/dev/pts/0",
    "<189>date=2026-10-11 time=22:09:41 devname=\"fw-1\" devid=\"FGT60F0000000001\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" level=\"notice\" vd=\"root\" eventtime=1791731381000000000 tz=\"+0700\" srcip=10.1.2.5 srcport=40412 srcintf=\"lan\" srcintfrole=\"lan\" dstip=203.0.113.9 dstport=443 dstintf=\"wan1\" dstintfrole=\"wan\" sessionid=77 proto=6 action=\"close\" policyid=1 policytype=\"policy\" service=\"HTTPS\" trandisp=\"snat\" duration=120 sentbyte=734003200 rcvdbyte=51200 sentpkt=500000 rcvdpkt=800",
    "<189>date=2026-10-11 time=22:12:10 devname=\"fw-1\" devid=\"FGT60F0000000001\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" level=\"notice\" vd=\"root\" eventtime=1791731530000000000 tz=\"+0700\" srcip=10.1.2.31 srcport=40500 srcintf=\"lan\" srcintfrole=\"lan\" dstip=203.0.113.9 dstport=443 dstintf=\"wan1\" dstintfrole=\"wan\" sessionid=78 proto=6 action=\"close\" policyid=1 policytype=\"policy\" service=\"HTTPS\" trandisp=\"snat\" duration=5 sentbyte=900 rcvdbyte=1200 sentpkt=6 rcvdpkt=8",
];

/// The queries of a page, in its order.
fn queries(language: &str) -> Vec<String> {
    let page = format!("../../docs/{language}/investigation.md");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = std::fs::read_to_string(page).expect("the page is part of the repository");
    let blocks = page.split("```query\n").skip(1);
    let queries = blocks.filter_map(|block| block.split("\n```").next());
    queries.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_investigation_of_the_documents_finds_what_happened() {
    let node = Node::start().await;
    node.receive(STORY);
    let asked = queries("vi");
    assert_eq!(asked, queries("en"), "both pages have the same queries");
    assert_eq!(asked.len(), 8);
    let mut answers = Vec::new();
    for q in asked {
        let (status, reply) = node
            .send("POST", "/api/v1/search", &json!({ "q": q }))
            .await;
        assert_eq!(status, StatusCode::OK, "{q}: {reply}");
        assert_ne!(reply["rows_total"], 0, "{q}: {reply}");
        answers.push(reply["rows"].clone());
    }
    let has = |number: usize, cell: serde_json::Value| {
        let rows = answers.get(number - 1).and_then(|rows| rows.as_array());
        let found = rows.is_some_and(|rows| {
            let cells = rows
                .iter()
                .flat_map(|row| row.as_array().into_iter().flatten());
            cells.into_iter().any(|found| *found == cell)
        });
        assert!(
            found,
            "{cell} is in the answer of query {number}: {answers:#?}"
        );
    };
    has(1, json!("quantri"));
    has(2, json!("failure"));
    has(3, json!("10.1.9.20"));
    has(5, json!("svc-sao-luu"));
    has(5, json!(1007));
    has(6, json!(734_003_200));
    has(7, json!("10.1.2.31"));
    has(8, json!("198.51.100.7"));
}
