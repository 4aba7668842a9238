//! All scenarios through the real binary over real sockets: each is noticed by the rules that should, and in quiet
//! traffic nobody is woken.

use std::collections::BTreeSet;
use std::time::Duration;

use event::{Clock as _, SystemClock};
use simulate::{Mix, Protocol, Sender, scenario};

use crate::process::Nhatky;

/// The rules with an alert or a detection.
fn fired(nhatky: &Nhatky) -> BTreeSet<String> {
    let detections = nhatky.get("/api/v1/detections", &[("limit", "1000")]);
    let items = detections["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| item["rule"].as_str().expect("a rule").to_owned())
        .collect()
}

#[test]
fn every_scenario_is_noticed_by_the_rules_that_should() {
    let nhatky = Nhatky::started();
    let mut sender = Sender::new(nhatky.syslog, Protocol::Tcp);
    // A little in the past, so that no step lies in the future.
    let begin = SystemClock::new().now().before(Duration::from_secs(300));
    for scenario in scenario::all() {
        for step in scenario.steps(begin) {
            sender.send(&step.line).expect("sent");
        }
    }
    sender.flush().expect("sent");
    for scenario in scenario::all() {
        for rule in scenario.noticed_by {
            nhatky.wait_until(&format!("{rule} notices {}", scenario.name), |nhatky| {
                fired(nhatky).contains(*rule)
            });
        }
    }
}

#[test]
fn everyday_traffic_raises_no_alert() {
    let nhatky = Nhatky::started();
    let mut sender = Sender::new(nhatky.syslog, Protocol::Tcp);
    let (mut mix, begin) = (
        Mix::new(3),
        SystemClock::new().now().before(Duration::from_secs(600)),
    );
    for line in 0..20_000_u64 {
        sender
            .send(&mix.line(begin.after(Duration::from_millis(line * 20))))
            .expect("sent");
    }
    sender.flush().expect("sent");
    nhatky.wait_for_count("nhatky.transport:tcp", 20_000);
    nhatky.wait_until("the detector has caught up", |nhatky| {
        let metrics = nhatky
            .client()
            .get(nhatky.url("/metrics"))
            .send()
            .and_then(reqwest::blocking::Response::text);
        metrics
            .unwrap_or_default()
            .lines()
            .any(|line| line == "nhatky_detect_lag_seqs 0")
    });
    let alerts = nhatky.get("/api/v1/alerts", &[]);
    assert_eq!(
        alerts["items"].as_array().map(Vec::len),
        Some(0),
        "{alerts}"
    );
}
