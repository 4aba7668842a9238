//! The coach: which classes never came from a device, what to type in, and that it has come.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::Value;

use crate::process::{Nhatky, binary};

fn send(nhatky: &Nhatky, line: &str) {
    let mut stream = TcpStream::connect(nhatky.syslog).expect("it listens");
    stream
        .write_all(format!("{line}\n").as_bytes())
        .expect("sent");
}

fn class<'a>(item: &'a Value, name: &str) -> &'a Value {
    let mut classes = item["classes"].as_array().expect("six").iter();
    classes
        .find(|class| class["class"] == name)
        .expect("the class")
}

#[test]
fn the_coach_names_what_is_missing_and_sees_it_come() {
    let mut nhatky = Nhatky::started();
    send(
        &nhatky,
        "<189>57: sw-1: %SEC_LOGIN-5-LOGIN_SUCCESS: Login Success [user: an] [Source: 192.0.2.7] [localport: 22] at 22:14:15 ICT Sun Oct 11 2026",
    );
    nhatky.wait_for_count("nhatky.product:cisco.ios AND nhatky.class:login", 1);
    nhatky.wait_until("the source is saved", |nhatky| {
        nhatky.get("/api/v1/sources", &[("product", "cisco.ios")])["items"][0].is_object()
    });
    let coached = nhatky.get("/api/v1/coach", &[("sender", "127.0.0.1")]);
    let item = &coached["items"][0];
    assert_eq!(item["sender"], "127.0.0.1");
    assert_eq!(class(item, "login")["state"], "seen");
    assert_eq!(class(item, "login")["events"], 1);
    assert_eq!(class(item, "data-change")["state"], "never");
    let config = class(item, "config");
    assert_eq!(config["state"], "missing");
    let commands = config["steps"][0]["commands"].as_str().expect("commands");
    assert!(commands.contains("archive"), "{commands}");
    // The query finds what it says.
    let query = class(item, "login")["query"].as_str().expect("a query");
    assert_eq!(nhatky.count(query), 1);

    let server = nhatky.url("");
    let told = binary()
        .args(["coach", "127.0.0.1", "--json", "--server", &server])
        .output()
        .expect("it runs");
    assert_eq!(told.status.code(), Some(1), "something is missing");
    let mut waiting = binary()
        .args([
            "coach",
            "127.0.0.1",
            "--wait",
            "config",
            "--json",
            "--server",
            &server,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    // It may begin to listen only after the first of these.
    nhatky.wait_until("it has come", |nhatky| {
        send(
            nhatky,
            "<189>58: sw-1: %SYS-5-CONFIG_I: Configured from console by an on vty0 (192.0.2.7)",
        );
        waiting.try_wait().expect("it runs").is_some()
    });
    let seen = waiting.wait_with_output().expect("it ends");
    assert!(seen.status.success());
    let event: Value = serde_json::from_slice(&seen.stdout).expect("one event");
    assert_eq!(event["nhatky.class"], "config");
    assert!(nhatky.stop().success());
}
