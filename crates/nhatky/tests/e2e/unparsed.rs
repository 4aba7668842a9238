//! From lines that nobody understands to a definition of the site, and to an index that knows it.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::Value;

use crate::process::Nhatky;

/// What a gate that no definition knows says.
fn lines() -> Vec<String> {
    (1..=40)
        .map(|i| {
            let head = format!("<{}>Oct 11 22:14:15 cong-1 cong-truy-cap:", 12 + i % 2);
            match i % 2 {
                0 => format!("{head} user nv{i} refused at door {i} from 192.0.2.{i}"),
                _ => format!("{head} door {i} held open for {} s", i * 3),
            }
        })
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_drafted_definition_is_applied_to_what_is_kept() {
    let mut nhatky = Nhatky::started();
    let mut stream = TcpStream::connect(nhatky.syslog).expect("it listens");
    for line in lines() {
        stream
            .write_all(format!("{line}\n").as_bytes())
            .expect("sent");
    }
    drop(stream);
    nhatky.wait_for_count("cong-truy-cap", 40);
    nhatky.post(
        "/api/v1/ingest",
        "{\"message\":\"others are understood\"}\n",
    );
    nhatky.wait_for_count("others", 1);

    let queue = nhatky.get("/api/v1/unparsed", &[]);
    assert_eq!(queue["lines"], 40);
    let templates: Vec<&str> = queue["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|item| item["template"].as_str())
        .collect();
    // What tells of an attempt comes first, though both are as frequent.
    assert_eq!(
        templates,
        [
            "user <word> refused at door <int> from <ip>",
            "door <int> held open for <int> s"
        ]
    );
    let ids: Vec<String> = queue["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["id"].as_str().expect("an id").to_owned())
        .collect();

    let server = nhatky.url("");
    let content = nhatky.data().join("content");
    let content = content.to_str().expect("a path");
    let on_server = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--server", &server]);
        let run = crate::process::binary()
            .args(&all)
            .output()
            .expect("it runs");
        assert!(run.status.success(), "{}", text(&run.stderr));
        text(&run.stdout)
    };
    let listed = on_server(&["parsers", "unparsed", "--json"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    on_server(&[
        "parsers",
        "draft",
        "so-nha.cong",
        "--cluster",
        &ids[0],
        "--cluster",
        &ids[1],
        "--content",
        content,
    ]);
    // The draft holds its own tests, and they pass.
    let tested = crate::process::binary()
        .args(["parsers", "test", "--content", content, "so-nha.cong"])
        .output()
        .expect("it runs");
    assert!(tested.status.success(), "{}", text(&tested.stdout));
    // Its lines are understood now, so that nothing is left to draft.
    let again = crate::process::binary()
        .args([
            "parsers",
            "draft",
            "so-nha.cong",
            "--content",
            content,
            "--cluster",
            &ids[0],
        ])
        .args(["--server", &server])
        .output()
        .expect("it runs");
    assert_eq!(again.status.code(), Some(2));

    nhatky.signal("HUP");
    nhatky.wait_until("the parser is in use", |nhatky| {
        let hits = nhatky.all("cong-truy-cap");
        hits.iter()
            .any(|hit| hit["nhatky.product"] == "so-nha.cong")
    });
    let reply = on_server(&["reindex", "--parser", "so-nha.cong", "--json"]);
    let reply: Value = serde_json::from_str(&reply).expect("JSON");
    let count = |levels: &Value, level: &str| {
        let mut levels = levels.as_array().into_iter().flatten();
        let found = levels.find(|one| one["level"] == level);
        found.map_or(0, |one| one["count"].as_u64().expect("a count"))
    };
    assert_eq!(count(&reply["before"], "header"), 40, "{reply}");
    assert_eq!(count(&reply["after"], "header"), 0, "{reply}");
    assert_eq!(nhatky.count("nhatky.product:so-nha.cong"), 40);
    assert_eq!(nhatky.count("user.name:nv2 AND source.ip:192.0.2.2"), 1);
    assert_eq!(nhatky.get("/api/v1/unparsed", &[])["lines"], 0);
    // Once is enough, and a parser that reads nothing here changes nothing.
    let none = on_server(&["reindex", "--parser", "cisco.asa", "--json"]);
    let none: Value = serde_json::from_str(&none).expect("JSON");
    assert_eq!(
        (&none["partitions"], &none["unchanged"]),
        (&0.into(), &1.into())
    );
    assert!(nhatky.stop().success());
}
