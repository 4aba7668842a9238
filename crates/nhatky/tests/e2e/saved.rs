//! Saved searches on the command line.

use serde_json::Value;

use crate::process::Nhatky;

#[test]
fn a_search_is_saved_run_changed_and_deleted_by_its_name() {
    let nhatky = Nhatky::started();
    nhatky.post("/api/v1/ingest", "{\"message\":\"needle\"}\n");
    nhatky.wait_for_count("needle", 1);
    let run = |arguments: &[&str]| {
        let mut command = crate::process::binary();
        command.arg("saved").args(arguments);
        command.args(["--server", &nhatky.url("")]);
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said)
    };
    let mine = "của tôi";
    assert!(run(&["save", mine, "hay", "--from", "now-1h"]).0);
    assert!(run(&["save", mine, "needle", "--from", "now-1d", "--shared"]).0);
    let (_, list) = run(&["list"]);
    let lines: Vec<Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 1, "saved again it is changed: {list}");
    assert_eq!(
        (lines[0]["query"].as_str(), lines[0]["from"].as_str()),
        (Some("needle"), Some("now-1d"))
    );
    let (_, shown) = run(&["show", mine]);
    assert!(shown.contains("\"shared\":true"), "{shown}");
    let (_, found) = run(&["run", mine]);
    assert!(found.contains("needle"), "{found}");
    assert!(run(&["delete", mine]).0);
    assert!(!run(&["run", mine]).0);
}
