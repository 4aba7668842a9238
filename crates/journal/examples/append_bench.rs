//! Records per CPU-second of appending with group commit, on a real directory.
//!
//! `cargo run --release -p journal --example append_bench [RECORDS] [BATCH] [DIR]`: several threads hand over batches,
//! as listeners do; the figure is for the whole process, without sealing, and then with it.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use disk::{RealDisk, SimRandom};
use event::{Clock, Origin, Record, SystemClock, Transport};
use journal::{AppendError, Journal, Options, SeqRange};

const THREADS: u64 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| -> Result<u64, std::num::ParseIntError> {
        arguments.next().map_or(Ok(default), |text| text.parse())
    };
    let (records, batch) = (number(2_000_000)?, number(500)?);
    let dir = match arguments.next() {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from("target").join("append_bench"),
    };
    if dir.try_exists()? {
        std::fs::remove_dir_all(&dir)?;
    }
    let lines = lines(50_000);
    let bytes: usize = lines.iter().map(Bytes::len).sum();
    println!("lines of {} bytes on average", bytes / lines.len());

    let options = Options {
        // So large that nothing is sealed before the first figure is taken.
        segment_bytes: 16 << 30,
        ..Options::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let journal = Journal::open(Arc::new(RealDisk), &dir, options, clock)?;
    let before = (cpu(), Instant::now());
    append(&journal, &lines, records, batch);
    let (user, wall) = (cpu() - before.0, before.1.elapsed());
    let status = journal.status();
    report("append", records, user, wall);
    println!(
        "syncs {}, mean {:?}; stored {:.3} of raw",
        status.sync.count,
        status.sync.sum / u32::try_from(status.sync.count.max(1))?,
        status.stored_bytes as f64 / (records as f64 * bytes as f64 / lines.len() as f64)
    );
    journal.close()?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let before = (cpu(), Instant::now());
    let journal = Journal::open(Arc::new(RealDisk), &dir, Options::default(), clock)?;
    println!("opened in {:?}", before.1.elapsed());
    let before = (cpu(), Instant::now());
    while journal.status().segments_to_seal > 0 {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let raw = records as f64 * bytes as f64 / lines.len() as f64;
    report("seal", records, cpu() - before.0, before.1.elapsed());
    println!(
        "sealed {:.3} of raw",
        journal.status().file_bytes as f64 / raw
    );

    let before = (cpu(), Instant::now());
    let reader = journal.reader();
    let mut tail = reader.tail(event::Seq(1));
    let mut read = 0;
    while tail.position() <= reader.durable() {
        read += tail
            .next(Duration::ZERO)?
            .map_or(0, |records| records.len() as u64);
    }
    report("read back", read, cpu() - before.0, before.1.elapsed());
    journal.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn append(journal: &Journal, lines: &[Bytes], records: u64, batch: u64) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let appender = journal.appender();
            scope.spawn(move || {
                let origin = Arc::new(Origin {
                    transport: Transport::Tcp,
                    listener: "syslog-tcp".into(),
                    peer: Some(([192, 0, 2, 7], 40_000).into()),
                    identity: None,
                });
                let clock = SystemClock::new();
                let mut line = lines.iter().cycle();
                let batches = records / THREADS / batch;
                for _ in 0..batches {
                    let now = clock.now();
                    let record = |raw: &Bytes| Record::new(Arc::clone(&origin), now, raw.clone());
                    let records = line.by_ref().take(batch as usize).map(record).collect();
                    let done = |result: Result<SeqRange, AppendError>| {
                        result.expect("the disk of a bench works");
                    };
                    appender.submit(records, Box::new(done));
                }
                let flushed = appender.append(Vec::new());
                flushed.expect("the disk of a bench works");
            });
        }
    });
}

/// About the bench mix: firewall traffic, sshd, an ASA, a web server, systemd; about 250 bytes a line.
fn lines(count: u64) -> Vec<Bytes> {
    let mut random = SimRandom::new(7);
    let mut line = || {
        let kind = random.below(10);
        let (a, b, port, session) = (
            random.below(60_000),
            random.below(250),
            1024 + random.below(60_000),
            random.below(1 << 31),
        );
        let source = format!("10.{}.{}.{b}", a >> 8, a & 255);
        let second = random.below(60);
        match kind {
            0..4 => format!(
                "<189>date=2026-03-05 time=10:11:{second:02} devname=\"fw-hn-01\" devid=\"FG100E0000000001\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" level=\"notice\" vd=\"root\" srcip={source} srcport={port} srcintf=\"lan\" dstip=198.51.100.{b} dstport=443 dstintf=\"wan1\" policyid=12 sessionid={session} proto=6 action=\"close\" service=\"HTTPS\" duration={second} sentbyte={a} rcvdbyte={session}"
            ),
            4..6 => format!(
                "<38>Mar  5 10:11:{second:02} web-01 sshd[{port}]: Failed password for invalid user admin{b} from {source} port {port} ssh2"
            ),
            6..8 => format!(
                "<166>Mar 05 2026 10:11:{second:02}: %ASA-6-302013: Built inbound TCP connection {session} for outside:{source}/{port} ({source}/{port}) to inside:192.0.2.{b}/443 (203.0.113.{b}/443)"
            ),
            8 => format!(
                "{source} - - [05/Mar/2026:10:11:{second:02} +0700] \"GET /api/items/{session}?page={b} HTTP/1.1\" 200 {a} \"https://www.example.vn/\" \"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36\""
            ),
            _ => format!(
                "<30>Mar  5 10:11:{second:02} app-02 systemd-logind[{b}]: New session {session} of user deploy{b}."
            ),
        }
    };
    (0..count).map(|_| Bytes::from(line())).collect()
}

/// CPU time of this process, user and system.
fn cpu() -> Duration {
    let usage = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, in ticks of 10 ms; the name before them may hold spaces but ends with a parenthesis.
    let after_name = usage.rsplit(") ").next().unwrap_or_default();
    let fields = after_name.split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn report(what: &str, records: u64, cpu: Duration, wall: Duration) {
    println!(
        "{what}: {:.0} k records per CPU-second, {:.2} us each; wall {:.2} s, CPU {:.2} s",
        records as f64 / cpu.as_secs_f64() / 1000.0,
        cpu.as_secs_f64() * 1e6 / records as f64,
        wall.as_secs_f64(),
        cpu.as_secs_f64()
    );
}
