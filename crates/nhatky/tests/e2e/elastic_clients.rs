//! Elasticsearch's and OpenSearch's own client libraries, from PyPI, against the read API.

use std::process::Command;

use crate::process::{Nhatky, workspace};

#[test]
fn the_clients_of_elasticsearch_and_opensearch_find_what_they_stored() {
    let python = workspace().join("target/python-clients/bin/python");
    assert!(
        python.try_exists().expect("a folder"),
        "{} is missing: run `make setup`",
        python.display()
    );
    let mut nhatky = Nhatky::new();
    let token = |role: &str| {
        let created = nhatky.command(&["token", "create", "--role", role]);
        assert!(created.status.success(), "{created:?}");
        String::from_utf8_lossy(&created.stdout).trim().to_owned()
    };
    let [admin, read] = ["admin", "read"].map(token);
    nhatky.start();
    let script = workspace().join("crates/nhatky/tests/e2e/elastic_clients.py");
    let ran = Command::new(python)
        .arg(script)
        .arg(nhatky.url(""))
        .args([admin, read])
        .output()
        .expect("python runs");
    let (said, errors) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(ran.status.success(), "{said}\n{errors}");
    assert_eq!(said.trim(), "ok", "{errors}");
}
