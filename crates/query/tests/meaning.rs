//! What queries mean: which events they match.

use bytes::Bytes;
use event::{Event, Field, Micros, Seq};
use query::{Context, matches, parse};

const RAW: &str = "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for invalid user Nguyễn from 10.0.0.5 port 50022 ssh2";

fn event() -> Event {
    let mut event = Event::new(Seq(7), Bytes::from_static(RAW.as_bytes()));
    event.set(Field::TIMESTAMP, "2026-10-11T22:14:15+07:00");
    event.set(Field::SOURCE_IP, "10.0.0.5");
    event.set(Field::SOURCE_PORT, "50022");
    event.set(Field::DESTINATION_PORT, "ssh");
    event.set(Field::USER_NAME, "Nguyễn");
    event.set(Field::EVENT_OUTCOME, "failure");
    event.set(Field::MESSAGE, "Failed password for invalid user Nguyễn");
    event.push(Field::EVENT_TYPE, "start");
    event.push(Field::EVENT_TYPE, "denied");
    event.set(Field::EVENT_CODE, "0042");
    event.set(Field::HTTP_VERSION, "1.10");
    event.push_named("acme.level", "9");
    event.push_named("acme.count", 12_i64);
    event.push_named("acme.ratio", "0.5");
    event.push_named("acme.peer", "192.0.2.7");
    event.push_named("acme.ok", true);
    event
}

fn check(text: &str, expected: bool) {
    let context = Context::at(Micros::from_rfc3339("2026-10-11T22:20:00+07:00").expect("a date"));
    let expr = parse(text, &context).into_result().expect("a query");
    assert_eq!(matches(&expr, &event()), expected, "{text}");
    assert_eq!(matches(&expr.not(), &event()), !expected, "NOT {text}");
}

fn yes(texts: &[&str]) {
    texts.iter().for_each(|text| check(text, true));
}

fn no(texts: &[&str]) {
    texts.iter().for_each(|text| check(text, false));
}

#[test]
fn words_phrases_and_regexes_are_asked_of_the_raw_text() {
    yes(&[
        "*", "failed", "FAILED", "sshd", "4711", "nguyen", "nguyễn", "fail*", "?sh2", "10.0.0.5",
        "10.0.*",
    ]);
    yes(&[
        "\"invalid user\"",
        "\"user nguyen from 10.0.0.5\"",
        "\"sshd 4711\"",
        "/port \\d+ ssh2$/",
        "/(?i)FAILED/",
        "event.original:*sshd*",
        "\"]: \"",
    ]);
    no(&[
        "NOT *",
        "fail",
        "Nguyên",
        "0.0.5.7",
        "10.0.0.50",
        "\"user invalid\"",
        "/FAILED/",
        "2026",
        "denied",
        "event.original:sshd*",
        "\"]; \"",
    ]);
}

#[test]
fn a_field_is_asked_for_its_whole_value() {
    yes(&[
        "user.name:nguyen",
        "user.name:NGUYỄN",
        "user.name:ng*n",
        "event.type:denied",
        "event.type:(end OR start)",
        "source.ip:10.0.0.5",
        "source.ip:::ffff:10.0.0.5",
        "source.port:50022.0",
        "destination.port:ssh",
        "acme.count:12.0",
        "acme.ok:true",
        "source.ip:10.0.*",
        "nhatky.seq:7",
        "event.code:0042",
        "event.original:*",
    ]);
    no(&[
        "user.name:nguy",
        "user.name:Nguyên",
        "event.type:allowed",
        "source.ip:10.0.0.50",
        "event.code:42",
        "acme.none:x",
        "user.id:*",
        "acme.ok:yes",
    ]);
    yes(&[
        "NOT event.action:x",
        "NOT acme.none:*",
        "message:\"invalid user\"",
        "message:failed*",
        "user.name:/^Ng/",
    ]);
    no(&[
        "message:user*",
        "message:\"user invalid\"",
        "user.name:/^ng/",
    ]);
}

#[test]
fn ranges_compare_what_the_field_holds() {
    yes(&[
        "source.port:>1024",
        "source.port:[50022 TO 50022]",
        "source.ip:[10.0.0.1 TO 10.0.0.9]",
        "source.ip:10.0.0.0/8",
        "acme.peer:192.0.2.0/24",
    ]);
    no(&[
        "source.port:{50022 TO *]",
        "source.ip:10.1.0.0/16",
        "source.ip:>=::1",
        "destination.port:>=0",
        "user.id:>a",
        "source.ip:::/0",
    ]);
    yes(&[
        "@timestamp:2026-10-11",
        "@timestamp:>now-15m",
        "@timestamp:<=2026-10-11T22:14:15+07:00",
        "@timestamp:\"2026-10-11 22:14\"",
    ]);
    no(&[
        "@timestamp:>=2026-10-12",
        "@timestamp:<now-1h",
        "@timestamp:>2026-10-11",
    ]);
    // A core keyword compares as text, other fields as numbers if both are.
    yes(&[
        "event.code:<1",
        "acme.level:<10",
        "acme.count:>9",
        "acme.ratio:<1",
        "http.version:<1.2",
        "acme.level:<a",
        "user.name:[m TO o]",
    ]);
    no(&["event.code:>41", "acme.level:>10", "acme.ok:>a"]);
}

#[test]
fn bytes_that_are_not_utf_8_are_text_with_replacements() {
    let event = Event::new(Seq(1), Bytes::from_static(b"user\xffname \xe1\xbb"));
    let asks = |text: &str| matches(&parse(text, &Context::at(Micros(0))).expr, &event);
    assert!(asks("\"user name\"") && asks("/user.name/") && !asks("username"));
}
