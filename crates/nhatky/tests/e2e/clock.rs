//! Clocks of devices that are off: a finding on record changes how what follows is read, now and after every start.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use disk::RealDisk;
use event::{Clock as _, ClockCause, ClockFinding, Micros, OwnRecord, SystemClock};
use journal::{Journal, Options};
use serde_json::Value;

use crate::process::Nhatky;

const AHEAD: i64 = 400 * Micros::PER_SECOND;

/// Puts a finding on record, as a node that watched the device for some minutes does.
fn record_finding(data: &Path) {
    let clock = Arc::new(SystemClock::new());
    let journal = Journal::open(
        Arc::new(RealDisk),
        &data.join("journal"),
        Options::default(),
        Arc::clone(&clock) as _,
    )
    .expect("a journal");
    let finding = OwnRecord::Clock(ClockFinding {
        source: "127.0.0.1/unknown".to_owned(),
        host: "sw1".to_owned(),
        cause: ClockCause::Clock,
        offset_us: AHEAD,
        spread_us: 0,
        minutes: 5,
        events: 5,
    });
    let record = finding.to_record(clock.now());
    journal.appender().append(vec![record]).expect("appended");
    journal.close().expect("closed");
}

fn send(nhatky: &Nhatky, host: &str, claimed: Micros) {
    let mut stream = TcpStream::connect(nhatky.syslog).expect("it listens");
    let line = format!("<13>1 {claimed} {host} thu - - - doorbell\n");
    stream.write_all(line.as_bytes()).expect("sent");
}

/// `@timestamp` and `nhatky.device_time` of what that host sent.
fn times(nhatky: &Nhatky, host: &str) -> Vec<(Value, Value)> {
    let hits = nhatky.all(&format!("doorbell AND log.syslog.hostname:{host}"));
    let times = |hit: &Value| (hit["@timestamp"].clone(), hit["nhatky.device_time"].clone());
    hits.iter().map(times).collect()
}

#[test]
fn times_of_a_clock_that_is_off_are_corrected_from_the_finding_on() {
    let mut nhatky = Nhatky::new();
    record_finding(&nhatky.data());
    nhatky.start();
    let now = SystemClock::new().now();
    let claimed = Micros((now.0 + AHEAD) / Micros::PER_SECOND * Micros::PER_SECOND);
    send(&nhatky, "sw1", claimed);
    send(&nhatky, "sw2", claimed);
    nhatky.wait_for_count("doorbell", 2);
    let text = |at: Micros| Value::from(at.to_string());
    let corrected = (text(Micros(claimed.0 - AHEAD)), text(claimed));
    let check = |nhatky: &Nhatky| {
        assert_eq!(times(nhatky, "sw1"), std::slice::from_ref(&corrected));
        assert_eq!(times(nhatky, "sw2"), [(text(claimed), Value::Null)]);
        // The columns hold what the events show.
        let past = [("q", "doorbell"), ("to", "now")];
        assert_eq!(nhatky.get("/api/v1/search", &past)["total"], 1);
        let sources = nhatky.get("/api/v1/sources", &[]);
        let source = sources["items"].as_array().and_then(|items| {
            let mut items = items.iter();
            items
                .find(|item| item["id"] == "127.0.0.1/unknown")
                .cloned()
        });
        let clock = source.expect("a source")["clocks"][0].clone();
        assert_eq!(
            (&clock["cause"], &clock["offset_us"]),
            (&"clock".into(), &AHEAD.into())
        );
    };
    nhatky.wait_until("the source is saved", |nhatky| {
        let sources = nhatky.get("/api/v1/sources", &[]);
        sources.to_string().contains("offset_us")
    });
    check(&nhatky);
    nhatky.signal("HUP");
    check(&nhatky);
    nhatky.kill();
    nhatky.start();
    nhatky.wait_for_count("doorbell", 2);
    check(&nhatky);
    assert!(nhatky.stop().success());
    let listed = nhatky.command(&["sources", "--lang", "en"]);
    assert!(listed.status.success());
}
