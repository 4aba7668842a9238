//! What people do to alerts, on the command line.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

use crate::process::Nhatky;

/// Runs a command on the running server: whether it succeeded, and what it said.
fn run(nhatky: &Nhatky, arguments: &[&str]) -> (bool, Vec<Value>) {
    let mut command = crate::process::binary();
    command.args(arguments).args(["--server", &nhatky.url("")]);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    (output.status.success(), lines.collect())
}

/// A server with at least one alert.
fn with_an_alert() -> Nhatky {
    let nhatky = Nhatky::started();
    let mut stream = TcpStream::connect(nhatky.syslog).expect("a connection");
    for port in 50_000..50_040 {
        let line = format!(
            "<86>db1 sshd[4711]: Failed password for root from 198.51.100.7 port {port} ssh2"
        );
        writeln!(stream, "{line}").expect("sent");
    }
    drop(stream);
    nhatky.wait_until("an alert arises", |nhatky| {
        let alerts = nhatky.get("/api/v1/alerts", &[]);
        alerts["items"]
            .as_array()
            .is_some_and(|items| !items.is_empty())
    });
    nhatky
}

#[test]
fn an_alert_is_assigned_graded_closed_with_others_and_reopened() {
    let nhatky = with_an_alert();
    let name = "Nguyễn Văn An";
    let contact = "phone:+842733873222";
    assert!(
        run(
            &nhatky,
            &[
                "people",
                "add",
                name,
                "--contact",
                contact,
                "--account",
                "an"
            ]
        )
        .0
    );
    let (_, people) = run(&nhatky, &["people", "list"]);
    assert_eq!(people[0]["contacts"][0]["value"], "+842733873222");
    assert!(run(&nhatky, &["alerts", "assign", "1", "an"]).0);
    assert!(!run(&nhatky, &["alerts", "assign", "1", "nobody"]).0);
    let (_, theirs) = run(&nhatky, &["alerts", "list", "--assignee", name]);
    assert_eq!(theirs[0]["id"], 1);

    let why = ["--reason", "the portal"];
    assert!(
        run(
            &nhatky,
            &["alerts", "severity", "1", "urgent", why[0], why[1]]
        )
        .0
    );
    let (_, shown) = run(&nhatky, &["alerts", "show", "1"]);
    let severity = &shown[0]["severity"];
    assert_eq!(severity["set"]["reason"], "the portal");
    assert!(shown[0]["evidence_query"].is_string());

    let many = ["alerts", "close-many", "--before", "now+1d"];
    let (_, seen) = run(&nhatky, &many);
    assert_eq!(seen[0]["closed"], false, "{seen:?}");
    let confirm = seen[0]["confirm"].as_str().expect("a confirmation");
    assert!(!run(&nhatky, &["alerts", "close-many", "--confirm", "1-0"]).0);
    let (_, done) = run(
        &nhatky,
        &[
            "alerts",
            "close-many",
            "--before",
            "now+1d",
            "--confirm",
            confirm,
        ],
    );
    assert_eq!(done[0]["closed"], true, "{done:?}");
    assert_eq!(run(&nhatky, &["alerts", "list"]).1.len(), 0);
    assert!(run(&nhatky, &["alerts", "reopen", "1", "--reason", "again"]).0);
    let (_, open) = run(&nhatky, &["alerts", "list"]);
    assert_eq!(open[0]["state"], "acknowledged");

    let left = ["people", "remove", name, "--reason", "moved"];
    assert!(run(&nhatky, &left).0);
    assert!(!run(&nhatky, &left).0);
}

#[test]
fn a_suppression_is_added_listed_and_ended() {
    let nhatky = Nhatky::started();
    let add = |arguments: &[&str]| {
        let mut whole = vec!["suppressions", "add", "--reason", "disks are changed"];
        whole.extend(arguments);
        run(&nhatky, &whole).0
    };
    assert!(add(&[
        "--host",
        "db1",
        "--fact",
        "source.ip=10.2.*",
        "--until",
        "now+2h"
    ]));
    assert!(!add(&["--until", "now+2h"]), "it names nothing");
    assert!(
        !add(&["--host", "db1", "--until", "now+91d"]),
        "it lasts too long"
    );
    let (_, list) = run(&nhatky, &["suppressions", "list"]);
    assert_eq!(
        (&list[0]["state"], &list[0]["facts"]["source.ip"]),
        (&Value::from("active"), &Value::from("10.2.*"))
    );
    assert!(run(&nhatky, &["suppressions", "end", "1", "--reason", "done"]).0);
    assert_eq!(run(&nhatky, &["suppressions", "list"]).1.len(), 0);
    let (_, all) = run(&nhatky, &["suppressions", "list", "--all"]);
    assert_eq!(all[0]["state"], "ended");
    assert!(run(&nhatky, &["risk"]).0);
}
