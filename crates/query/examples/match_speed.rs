//! How fast events are matched: nanoseconds of one core an event of the bench mix's size, by kind of query.
//!
//! `cargo run --release -p query --example match_speed`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use event::{Event, Field, Micros, Seq};
use query::{Context, addresses, matches, parse, terms, tokens};

const LINE: &str = "<134>date=2026-10-11 time=22:14:15 devname=\"FW1\" devid=\"FG100\" type=\"traffic\" subtype=\"forward\" level=\"notice\" srcip=10.0.0.5 srcport=50022 dstip=192.0.2.7 dstport=443 action=\"accept\" policyid=7 sentbyte=1200 rcvdbyte=4711 service=\"HTTPS\"";
const ROUNDS: u32 = 200_000;

fn main() {
    let mut event = Event::new(Seq(1), Bytes::from_static(LINE.as_bytes()));
    event.set(Field::SOURCE_IP, "10.0.0.5");
    event.set(Field::SOURCE_PORT, "50022");
    event.set(Field::DESTINATION_PORT, "443");
    event.set(Field::EVENT_ACTION, "accept");
    event.set(Field::USER_NAME, "an");
    report("tokens", || tokens(black_box(LINE)).count() > 0);
    report("terms", || terms(black_box(LINE)).count() > 0);
    report("addresses", || addresses(black_box(LINE)).count() > 0);
    let context = Context::at(Micros(0));
    for text in [
        "absent",
        "\"subtype forward\"",
        "192.0.2.8",
        "serv*x",
        "/rcvdbyte=9\\d+/",
        "event.action:deny",
        "source.ip:192.0.2.0/24",
        "destination.port:>1024 user.name:x",
    ] {
        let expr = parse(text, &context).expr;
        report(text, || matches(black_box(&expr), black_box(&event)));
    }
}

fn report(name: &str, run: impl Fn() -> bool) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(run());
    }
    let nanos = start.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("{nanos:>6} ns  {name}");
}
