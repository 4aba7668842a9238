//! CPU time of parsing, in lines per CPU-second: `cargo run --release -p parse --example parse_bench [-- FILE]`.
//!
//! Without a file, a generated mix: 40 % FortiGate traffic, 20 % sshd, 20 % Cisco ASA, 10 % nginx access, 10 %
//! systemd-logind. Five rounds over the same lines, one event reused; the median is the figure. `--each` takes each kind
//! by itself; `--tenfold` compares with ten times as many definitions, the least of five interleaved rounds.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use event::{Event, Micros, Origin, Record, Transport};
use parse::{Depth, ParseSettings, Parsers};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let lines = match arguments.next().as_deref() {
        Some("--each") => return each(),
        Some("--tenfold") => return tenfold(),
        Some(path) => std::fs::read_to_string(path).expect("a readable file"),
        None => mix(200_000, |place| place % 10),
    };
    report("mix", &records(&lines));
}

/// Each kind of line by itself.
fn each() {
    for (kind, name) in [
        (0, "fortigate"),
        (4, "sshd"),
        (6, "asa"),
        (8, "nginx"),
        (9, "logind"),
    ] {
        report(name, &records(&mix(100_000, |_| kind)));
    }
}

/// The same lines with the definitions that there are, and with ten times as many, interleaved: the least of five.
fn tenfold() {
    let content = tempfile::tempdir().expect("a temporary folder");
    let builtin = Parsers::builtin();
    let count = builtin.products().count();
    for number in 0..count * 9 {
        let folder = content.path().join(format!("parsers/acme.device{number}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("parser.toml"), definition(number)).expect("a file");
    }
    let many = Parsers::load(Some(content.path())).expect("the definitions compile");
    let records = records(&mix(200_000, |place| place % 10));
    let settings = ParseSettings::default();
    let mut least = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (least, parsers) in least.iter_mut().zip([&builtin, &many]) {
            *least = least.min(round(parsers, &settings, Depth::Core, &records));
        }
    }
    let [few_seconds, many_seconds] = least;
    println!(
        "{count} definitions {few_seconds:.3} s, {} definitions {many_seconds:.3} s: {:+.1} %",
        many.products().count(),
        (many_seconds / few_seconds - 1.0) * 100.0
    );
}

/// A definition as a vendor's might be, with anchors, tags and messages of its own.
fn definition(number: usize) -> String {
    let mut text = format!(
        "title = \"Acme {number}\"\ncategory = \"network\"\nvendor = \"acme\"\n[recognise]\n\
         apps = [\"acmed{number}\"]\nstart = [\"%ACME{number}-\", \"date={number}-\"]\n\
         anywhere = [\"devid=\\\"ACME{number}\", \"acme{number}_id=\"]\n"
    );
    for message in 0..20 {
        write!(
            text,
            "[[message]]\nname = \"m{message}\"\n\
             template = 'Event {message} of <user.name:last> from <source.ip> port <source.port>'\n"
        )
        .expect("writing to a string");
    }
    text
}

fn report(name: &str, records: &[Record]) {
    let parsers = Parsers::builtin();
    let settings = ParseSettings::default();
    let bytes: usize = records.iter().map(|record| record.raw.len()).sum();
    for depth in [Depth::Core, Depth::Full] {
        let mut seconds: Vec<f64> = (0..ROUNDS)
            .map(|_| round(&parsers, &settings, depth, records))
            .collect();
        seconds.sort_by(f64::total_cmp);
        let median = seconds.get(ROUNDS / 2).copied().unwrap_or_default();
        let count = records.len() as f64;
        println!(
            "{name:<10} {depth:?}: {:.0} k lines per CPU-second, {:.2} µs a line of {:.0} bytes (spread {:.2}–{:.2})",
            count / median / 1e3,
            median / count * 1e6,
            bytes as f64 / count,
            seconds.first().copied().unwrap_or_default() / count * 1e6,
            seconds.last().copied().unwrap_or_default() / count * 1e6,
        );
    }
}

/// Seconds of CPU that one pass takes.
fn round(parsers: &Parsers, settings: &ParseSettings, depth: Depth, records: &[Record]) -> f64 {
    let mut event = Event::default();
    let mut fields = 0;
    let start = cpu_seconds();
    for record in records {
        parsers.parse_into(record, settings, depth, &mut event);
        fields += event.iter_known().count();
    }
    let end = cpu_seconds();
    assert!(fields > records.len(), "something was understood");
    end - start
}

fn cpu_seconds() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn records(lines: &str) -> Vec<Record> {
    let origin = Arc::new(Origin {
        transport: Transport::Tcp,
        listener: Box::from("syslog-tcp"),
        peer: Some(SocketAddr::from(([10, 20, 0, 1], 50_000))),
        identity: None,
    });
    let now = Micros::from_rfc3339("2026-10-11T15:20:00Z").expect("a date");
    let record = |line: &str| Record::new(Arc::clone(&origin), now, Bytes::from(line.to_owned()));
    lines.lines().map(record).collect()
}

/// Lines of the mix: which of the ten kinds comes where is `kind`'s to say.
fn mix(count: u32, kind: impl Fn(u32) -> u32) -> String {
    let mut text = String::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for place in 0..count {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let [a, b, c, d, ..] = seed.to_le_bytes();
        let port = 1024 + u32::from(a) * 199;
        let second = place % 60;
        let line = match kind(place) {
            0..4 => format!(
                "<189>date=2026-10-11 time=22:14:{second:02} devname=\"TG-FW01\" devid=\"FG100FTK00000001\" \
                 eventtime=17917316550030001{a:02} tz=\"+0700\" logid=\"0000000013\" type=\"traffic\" \
                 subtype=\"forward\" level=\"notice\" vd=\"root\" srcip=10.20.{a}.{b} srcport={port} srcintf=\"lan\" \
                 dstip=203.0.{c}.{d} dstport=443 dstintf=\"wan1\" sessionid={place} proto=6 action=\"close\" \
                 policyid=12 policytype=\"policy\" service=\"HTTPS\" trandisp=\"snat\" transip=198.51.100.2 \
                 transport={port} duration={c} sentbyte={port} rcvdbyte=65211 sentpkt=22 rcvdpkt=61"
            ),
            4..6 => format!(
                "<86>Oct 11 22:14:{second:02} may{b} sshd[{port}]: Failed password for invalid user u{c} from \
                 198.51.{a}.{d} port {port} ssh2"
            ),
            6..8 => format!(
                "<166>Oct 11 2026 22:14:{second:02} asa1 : %ASA-6-302013: Built outbound TCP connection {place} for \
                 outside:203.0.{a}.{b}/443 (203.0.{a}.{b}/443) to inside:10.20.{c}.{d}/{port} (198.51.100.2/{port})"
            ),
            8 => format!(
                "<190>Oct 11 22:14:{second:02} web1 nginx: 192.0.{a}.{b} - - [11/Oct/2026:22:14:{second:02} +0700] \
                 \"GET /trang/{c}?id={d} HTTP/1.1\" 200 {port} \"https://cong.example.vn/\" \"Mozilla/5.0 (X11; Linux \
                 x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\""
            ),
            _ => format!(
                "<38>Oct 11 22:14:{second:02} may{b} systemd-logind[812]: New session {place} of user u{c}."
            ),
        };
        writeln!(text, "{line}").expect("writing to a string");
    }
    text
}
