//! Measures the index: CPU-seconds to index a mix of events, bytes on disk, and how long queries take.
//!
//! `cargo run --release -p index --example index_bench -- [EVENTS] [FOLDER]`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use event::{Event, Field, Micros, Seq};
use index::{
    Depth, EventSource, HistogramRequest, Index, IndexOptions, PartitionSpan, Scope, SearchRequest,
    SourceError, TopRequest,
};
use jiff::tz::TimeZone;
use query::{Condition, Expr, Literal, Phrase, Test, TimeStep};

/// Events a batch, as the journal's tail gives them.
const BATCH: u64 = 1000;

/// Every event can be made again from its Seq, so that nothing needs to be kept.
#[derive(Debug)]
struct Made {
    events: u64,
}

impl EventSource for Made {
    fn events(&self, seqs: &[Seq], _depth: Depth) -> Result<Vec<Event>, SourceError> {
        Ok(seqs.iter().map(|seq| made(*seq)).collect())
    }

    fn span(&self, from: Seq, to: Seq, _depth: Depth) -> Result<Vec<Event>, SourceError> {
        Ok((from.0..=to.0.min(self.events))
            .map(|seq| made(Seq(seq)))
            .collect())
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        vec![PartitionSpan {
            first: Seq(1),
            last: Seq(self.events),
            sealed: false,
        }]
    }
}

/// The event of a Seq: 40 % FortiGate traffic, 20 % sshd, 20 % Cisco ASA, 10 % nginx access, 10 % systemd-logind.
fn made(seq: Seq) -> Event {
    let mut chance = Chance(seq.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let at = Micros(1_790_000_000_000_000 + seq.0.cast_signed() * 50);
    let mut event = match chance.below(10) {
        0..4 => fortigate(seq, &mut chance),
        4 | 5 => sshd(seq, &mut chance),
        6 | 7 => asa(seq, &mut chance),
        8 => nginx(seq, &mut chance),
        _ => logind(seq, &mut chance),
    };
    event.set(Field::TIMESTAMP, at);
    event.set(Field::EVENT_INGESTED, at.after(Duration::from_millis(2)));
    event.set(Field::NHATKY_PEER, "10.9.0.1");
    event.set(Field::EVENT_KIND, "event");
    event
}

fn common(event: &mut Event, product: &str, category: &str, class: &str, level: &str) {
    event.set(Field::NHATKY_PRODUCT, product);
    event.set(Field::NHATKY_CATEGORY, category);
    event.set(Field::NHATKY_CLASS, class);
    event.set(Field::NHATKY_PARSE, "full");
    event.set(Field::NHATKY_SOURCE, format!("10.9.0.1/{product}").as_str());
    event.set(Field::LOG_LEVEL, level);
}

fn fortigate(seq: Seq, chance: &mut Chance) -> Event {
    let (source, destination) = (chance.inside(), chance.outside());
    let (port, session) = (
        1024 + chance.below(60_000),
        1_000_000 + chance.below(90_000_000),
    );
    let (sent, received) = (chance.below(20_000), chance.below(200_000));
    let policy = chance.below(60);
    let raw = format!(
        "<189>date=2026-10-11 time=22:14:{:02} devname=\"fw-tg-{}\" devid=\"FGT60E4Q16000{:03}\" logid=\"0000000013\" \
         type=\"traffic\" subtype=\"forward\" level=\"notice\" vd=\"root\" srcip={source} srcport={port} \
         srcintf=\"port3\" dstip={destination} dstport=443 dstintf=\"wan1\" sessionid={session} proto=6 \
         action=\"accept\" policyid={policy} service=\"HTTPS\" sentbyte={sent} rcvdbyte={received}",
        chance.below(60),
        chance.below(4),
        chance.below(4),
    );
    let mut event = Event::new(seq, Bytes::from(raw));
    common(
        &mut event,
        "fortinet.fortigate",
        "security",
        "connection",
        "notice",
    );
    event.push(Field::EVENT_CATEGORY, "network");
    event.push(Field::EVENT_TYPE, "connection");
    event.push(Field::EVENT_TYPE, "allowed");
    event.set(Field::EVENT_ACTION, "accept");
    event.set(Field::EVENT_OUTCOME, "success");
    event.set(Field::EVENT_CODE, "0000000013");
    event.set(Field::OBSERVER_NAME, "fw-tg-1");
    event.set(Field::SOURCE_IP, source.as_str());
    event.set(Field::SOURCE_PORT, port.cast_signed());
    event.set(Field::DESTINATION_IP, destination.as_str());
    event.set(Field::DESTINATION_PORT, 443_i64);
    event.set(Field::SOURCE_BYTES, sent.cast_signed());
    event.set(Field::DESTINATION_BYTES, received.cast_signed());
    event.set(Field::NETWORK_TRANSPORT, "tcp");
    event.set(Field::NETWORK_PROTOCOL, "https");
    event.set(Field::RULE_ID, policy.to_string().as_str());
    event.set(Field::OBSERVER_SERIAL_NUMBER, "FGT60E4Q16000001");
    event.set(Field::NHATKY_MESSAGE, "traffic");
    event
}

fn sshd(seq: Seq, chance: &mut Chance) -> Event {
    let (source, port) = (chance.outside(), 1024 + chance.below(60_000));
    let user = ["root", "admin", "oracle", "test", "nguyenvana", "backup"][chance.index(6)];
    let (host, process) = (format!("srv-{}", chance.below(50)), chance.below(30_000));
    let raw = format!(
        "<38>Oct 11 22:14:{:02} {host} sshd[{process}]: Failed password for invalid user {user} from {source} \
         port {port} ssh2",
        chance.below(60)
    );
    let mut event = Event::new(seq, Bytes::from(raw));
    common(&mut event, "linux.sshd", "os", "login", "info");
    event.push(Field::EVENT_CATEGORY, "authentication");
    event.push(Field::EVENT_TYPE, "start");
    event.set(Field::EVENT_ACTION, "ssh_login");
    event.set(Field::EVENT_OUTCOME, "failure");
    event.set(Field::HOST_NAME, host.as_str());
    event.set(Field::USER_NAME, user);
    event.set(Field::SOURCE_IP, source.as_str());
    event.set(Field::SOURCE_PORT, port.cast_signed());
    event.set(Field::PROCESS_NAME, "sshd");
    event.set(Field::PROCESS_PID, process.cast_signed());
    event.set(Field::NETWORK_PROTOCOL, "ssh");
    event.set(Field::NHATKY_MESSAGE, "failed-password");
    event.set(
        Field::MESSAGE,
        format!("Failed password for invalid user {user} from {source} port {port} ssh2").as_str(),
    );
    event
}

fn asa(seq: Seq, chance: &mut Chance) -> Event {
    let (source, destination) = (chance.outside(), chance.inside());
    let (port, target) = (
        1024 + chance.below(60_000),
        [22, 23, 80, 443, 445, 3389][chance.index(6)],
    );
    let raw = format!(
        "<164>Oct 11 2026 22:14:{:02} asa-{}: %ASA-4-106023: Deny tcp src outside:{source}/{port} dst \
         inside:{destination}/{target} by access-group \"OUTSIDE_IN\" [0x{:08x}, 0x0]",
        chance.below(60),
        chance.below(3),
        chance.below(4_000_000_000),
    );
    let mut event = Event::new(seq, Bytes::from(raw));
    common(&mut event, "cisco.asa", "network", "connection", "warning");
    event.push(Field::EVENT_CATEGORY, "network");
    event.push(Field::EVENT_TYPE, "denied");
    event.set(Field::EVENT_ACTION, "deny");
    event.set(Field::EVENT_OUTCOME, "failure");
    event.set(Field::EVENT_CODE, "106023");
    event.set(Field::OBSERVER_NAME, "asa-1");
    event.set(Field::SOURCE_IP, source.as_str());
    event.set(Field::SOURCE_PORT, port.cast_signed());
    event.set(Field::DESTINATION_IP, destination.as_str());
    event.set(Field::DESTINATION_PORT, i64::from(target));
    event.set(Field::NETWORK_TRANSPORT, "tcp");
    event.set(Field::RULE_NAME, "OUTSIDE_IN");
    event.set(Field::NHATKY_MESSAGE, "106023");
    event
}

fn nginx(seq: Seq, chance: &mut Chance) -> Event {
    let source = chance.outside();
    let (path, status) = (
        format!("/cong/ho-so/{}", chance.below(5000)),
        [200, 200, 200, 304, 404, 500][chance.index(6)],
    );
    let bytes = chance.below(60_000);
    let raw = format!(
        "<190>Oct 11 22:14:{:02} web-1 nginx: {source} - - [11/Oct/2026:22:14:15 +0700] \"GET {path} HTTP/1.1\" \
         {status} {bytes} \"-\" \"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36\"",
        chance.below(60)
    );
    let mut event = Event::new(seq, Bytes::from(raw));
    common(
        &mut event,
        "nginx.access",
        "application",
        "connection",
        "info",
    );
    event.push(Field::EVENT_CATEGORY, "web");
    event.push(Field::EVENT_TYPE, "access");
    event.set(
        Field::EVENT_OUTCOME,
        if status < 400 { "success" } else { "failure" },
    );
    event.set(Field::HOST_NAME, "web-1");
    event.set(Field::SOURCE_IP, source.as_str());
    event.set(Field::URL_PATH, path.as_str());
    event.set(Field::HTTP_REQUEST_METHOD, "GET");
    event.set(Field::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
    event.set(Field::HTTP_RESPONSE_BODY_BYTES, bytes.cast_signed());
    event.set(Field::PROCESS_NAME, "nginx");
    event.set(
        Field::USER_AGENT_ORIGINAL,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36",
    );
    event
}

fn logind(seq: Seq, chance: &mut Chance) -> Event {
    let (host, session) = (format!("srv-{}", chance.below(50)), chance.below(100_000));
    let user = ["root", "nguyenvana", "tranthib", "backup"][chance.index(4)];
    let raw = format!(
        "<38>Oct 11 22:14:{:02} {host} systemd-logind[{}]: New session {session} of user {user}.",
        chance.below(60),
        chance.below(2000)
    );
    let mut event = Event::new(seq, Bytes::from(raw));
    common(&mut event, "linux.systemd-logind", "os", "login", "info");
    event.push(Field::EVENT_CATEGORY, "session");
    event.push(Field::EVENT_TYPE, "start");
    event.set(Field::EVENT_ACTION, "session-start");
    event.set(Field::HOST_NAME, host.as_str());
    event.set(Field::USER_NAME, user);
    event.set(Field::PROCESS_NAME, "systemd-logind");
    event
}

/// Numbers by chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or(0)
    }

    fn inside(&mut self) -> String {
        format!(
            "10.{}.{}.{}",
            self.below(4),
            self.below(30),
            1 + self.below(250)
        )
    }

    fn outside(&mut self) -> String {
        format!("203.0.{}.{}", self.below(100), 1 + self.below(250))
    }
}

/// User and system time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn main() -> Result<(), SourceError> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = arguments.next().map_or_else(
        || std::env::temp_dir().join("nhatky-index-bench"),
        Into::into,
    );
    let source = Arc::new(Made { events });
    let index = Index::open(&folder, IndexOptions::default(), source)?;
    let first = index.committed_through().next();
    if first.0 <= events {
        build(&index, first, events)?;
    }
    let status = index.status();
    for partition in &status.partitions {
        println!(
            "{} events in {} segments, {:.3} of raw",
            partition.events,
            partition.segments,
            ratio(partition.bytes, partition.raw_bytes),
        );
    }
    for (name, expr) in queries()? {
        time(&index, name, &expr)?;
    }
    times(&index)
}

fn build(index: &Index, first: Seq, events: u64) -> Result<(), SourceError> {
    let mut spent_making = Duration::ZERO;
    let (cpu_before, started) = (cpu(), Instant::now());
    let mut next = first.0;
    while next <= events {
        let making = Instant::now();
        let seqs = next..(next + BATCH).min(events + 1);
        let made: Vec<Event> = seqs.map(|seq| made(Seq(seq))).collect();
        // A copy has no spare room: more events fit into the memory of the fresh ones.
        let batch: Arc<[Event]> = made.iter().cloned().collect();
        spent_making += making.elapsed();
        index.publish(batch)?;
        next += BATCH;
    }
    index.flush()?;
    let mut merges = u64::MAX;
    while index.status().merges != merges {
        merges = index.status().merges;
        std::thread::sleep(Duration::from_secs(2));
    }
    let spent = (cpu() - cpu_before).saturating_sub(spent_making);
    let count = events + 1 - first.0;
    println!(
        "indexed {count} events in {:.1} s of CPU, {:.1} µs an event ({:.0} k events per CPU-second), {:.1} s elapsed, \
         {merges} merges; making them ({:.1} s elapsed) is left out",
        spent.as_secs_f64(),
        ratio(u64::try_from(spent.as_micros())?, count),
        ratio(count, u64::try_from(spent.as_micros())?.max(1)) * 1000.0,
        started.elapsed().as_secs_f64(),
        spent_making.as_secs_f64(),
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to.max(1) as f64
}

fn queries() -> Result<Vec<(&'static str, Expr)>, SourceError> {
    let text = |text: &str| {
        Phrase::new(text)
            .map(|phrase| Expr::Test(Test::Text(phrase)))
            .ok_or("no words")
    };
    let is = |field: Field, value: &str| Expr::field(field, Condition::Is(Literal::new(value)));
    Ok(vec![
        ("50 newest of all", Expr::All),
        ("needle: an address", text("10.3.29.250")?),
        ("needle: source.ip", is(Field::SOURCE_IP, "10.3.29.250")),
        ("phrase of two words", text("invalid user")?),
        ("one frequent word", text("accept")?),
        ("phrase with a number", text("port 4711")?),
        ("event.outcome:failure", is(Field::EVENT_OUTCOME, "failure")),
        (
            "user.name:root AND NOT source.ip:203.0.0.0/18",
            Expr::and([
                is(Field::USER_NAME, "root"),
                Expr::field(
                    Field::SOURCE_IP,
                    Condition::Network("203.0.0.0/18".parse()?),
                )
                .not(),
            ]),
        ),
        (
            "url.path:/cong/ho-so/77",
            is(Field::URL_PATH, "/cong/ho-so/77"),
        ),
    ])
}

/// Runs the query 21 times: median and greatest.
fn time(index: &Index, name: &str, expr: &Expr) -> Result<(), SourceError> {
    let mut times = Vec::new();
    let mut total = 0;
    for _ in 0..21 {
        let request = SearchRequest::new(Scope::new(expr.clone()), 50);
        let started = Instant::now();
        let result = index.search(&request)?;
        times.push(started.elapsed());
        total = result.total.count();
    }
    report(name, &mut times, total);
    Ok(())
}

fn times(index: &Index) -> Result<(), SourceError> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        index.histogram(&HistogramRequest {
            scope: Scope::new(Expr::All),
            step: TimeStep::micros(Micros::PER_SECOND, TimeZone::UTC),
            split: None,
        })?;
        times.push(started.elapsed());
    }
    report("counts over time of all", &mut times, 0);
    times.clear();
    for _ in 0..5 {
        let started = Instant::now();
        index.top(&TopRequest {
            scope: Scope::new(Expr::All),
            fields: vec![Field::SOURCE_IP.into()],
            limit: 10,
        })?;
        times.push(started.elapsed());
    }
    report("top source.ip of all", &mut times, 0);
    Ok(())
}

fn report(name: &str, times: &mut [Duration], total: u64) {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    println!("{name}: p50 {median:.1?}, greatest {most:.1?}, total {total}");
}
