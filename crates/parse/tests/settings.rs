//! What the site says of its sources changes how their lines are read, and nothing else does.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Field, Micros, Origin, Record, Transport, Value};
use parse::{Depth, ParseSettings, Parsers, SenderSettings};

fn record(line: &str) -> Record {
    let origin = Origin {
        transport: Transport::Udp,
        listener: Box::from("syslog-udp"),
        peer: Some(SocketAddr::from(([10, 20, 0, 1], 514))),
        identity: None,
    };
    let now = Micros::from_rfc3339("2026-10-11T15:20:00Z").expect("a date");
    Record::new(Arc::new(origin), now, Bytes::from(line.to_owned()))
}

fn parse(line: &str, settings: &ParseSettings) -> Event {
    let mut event = Event::default();
    Parsers::builtin().parse_into(&record(line), settings, Depth::Full, &mut event);
    event
}

fn with(sender: SenderSettings) -> ParseSettings {
    let settings = ParseSettings::default().with_sender("10.20.0.1", sender);
    settings.expect("the zone is one")
}

fn time(event: &Event) -> String {
    event
        .get(Field::TIMESTAMP)
        .map_or_else(String::new, |value| value.to_text().into_owned())
}

#[test]
fn the_zone_in_the_line_comes_before_the_senders_and_that_before_the_default() {
    let line = "<13>Oct 11 22:14:15 may1 x: y";
    let utc = with(SenderSettings {
        zone: Some("UTC".to_owned()),
        ..SenderSettings::default()
    });
    assert_eq!(
        time(&parse(line, &ParseSettings::default())),
        "2026-10-11T15:14:15Z"
    );
    assert_eq!(time(&parse(line, &utc)), "2026-10-11T22:14:15Z");
    let zoned = "<13>1 2026-10-11T22:14:15+09:00 may1 x - - - y";
    assert_eq!(time(&parse(zoned, &utc)), "2026-10-11T13:14:15Z");
    assert!(ParseSettings::default().with_zone("Nowhere/Land").is_err());
}

#[test]
fn a_hint_names_the_product_of_a_shared_shape() {
    let line = r#"192.0.2.7 - - [11/Oct/2026:22:14:15 +0700] "GET / HTTP/1.1" 200 12"#;
    let product = |settings: &ParseSettings| {
        parse(line, settings)
            .text(Field::NHATKY_PRODUCT)
            .map(str::to_owned)
    };
    let hinted = with(SenderSettings {
        product: Some("nginx.nginx".to_owned()),
        ..SenderSettings::default()
    });
    assert_eq!(
        product(&ParseSettings::default()).as_deref(),
        Some("web.access")
    );
    assert_eq!(product(&hinted).as_deref(), Some("nginx.nginx"));
}

#[test]
fn a_sites_own_log_format_is_read() {
    let format = r#"$time_iso8601|$remote_addr:$remote_port|$status|"$request"|$request_time"#;
    let settings = with(SenderSettings {
        product: Some("nginx.nginx".to_owned()),
        layouts: [("nginx.nginx".to_owned(), format.to_owned())].into(),
        ..SenderSettings::default()
    });
    assert_eq!(Parsers::builtin().problems(&settings), Vec::<String>::new());
    let line = r#"2026-10-11T22:14:15+07:00|192.0.2.7:40000|404|"GET /a HTTP/1.1"|0.003"#;
    let event = parse(line, &settings);
    assert_eq!(event.text(Field::NHATKY_MESSAGE), Some("access"));
    assert_eq!(event.get(Field::SOURCE_PORT), Some(Value::Integer(40_000)));
    assert_eq!(event.text(Field::URL_PATH), Some("/a"));
    assert_eq!(time(&event), "2026-10-11T15:14:15Z");
}

#[test]
fn wrong_settings_are_told() {
    let settings = with(SenderSettings {
        product: Some("acme.none".to_owned()),
        layouts: [("fortinet.fortigate".to_owned(), "x".to_owned())].into(),
        ..SenderSettings::default()
    });
    let problems = Parsers::builtin().problems(&settings).join("\n");
    assert!(problems.contains("acme.none"), "{problems}");
    assert!(problems.contains("takes no layout"), "{problems}");
}

#[test]
fn sources_behind_a_relay_are_told_apart_by_host_name() {
    let line = "<13>Oct 11 22:14:15 may1 x: y";
    let source = |settings: &ParseSettings| {
        parse(line, settings)
            .text(Field::NHATKY_SOURCE)
            .map(str::to_owned)
    };
    let relay = ParseSettings::default().with_relay([10, 20, 0, 1].into());
    assert_eq!(
        source(&ParseSettings::default()).as_deref(),
        Some("10.20.0.1/unknown")
    );
    assert_eq!(source(&relay).as_deref(), Some("10.20.0.1>may1/unknown"));
}

#[test]
fn an_explanation_names_what_was_asked_and_what_it_said() {
    let line = r#"<190>Oct 11 22:14:15 web1 nginx: 192.0.2.7 - - [11/Oct/2026:22:14:15 +0700] "GET / HTTP/1.1" 200 12"#;
    let explanation = Parsers::builtin().explain(&record(line), &ParseSettings::default());
    let text = explanation.to_string();
    assert!(
        text.contains("asked    nginx.nginx (tag or beginning): message access"),
        "{text}"
    );
    assert!(
        text.ends_with("result   nginx.nginx access, parse level full"),
        "{text}"
    );
}

#[test]
fn a_sites_own_definition_takes_the_place_of_a_built_in_one() {
    let content = tempfile::tempdir().expect("a temporary folder");
    let folder = content.path().join("parsers/web.access");
    std::fs::create_dir_all(&folder).expect("a folder");
    let definition =
        "title = \"x\"\ncategory = \"application\"\nvendor = \"x\"\n[recognise]\nalways = true\n";
    std::fs::write(folder.join("parser.toml"), definition).expect("a file");
    let parsers = Parsers::load(Some(content.path())).expect("it compiles");
    let fingerprint = |parsers: &Parsers| {
        let mut products = parsers.products();
        products
            .find(|product| &*product.name == "web.access")
            .map(|product| product.fingerprint)
    };
    assert_ne!(fingerprint(&parsers), fingerprint(&Parsers::builtin()));
    std::fs::write(folder.join("parser.toml"), "title = 1").expect("a file");
    let error = Parsers::load(Some(content.path()))
        .expect_err("a title is text")
        .to_string();
    assert!(error.contains("web.access"), "{error}");
}
