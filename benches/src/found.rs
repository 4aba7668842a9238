//! How long after its acknowledgement a record is found by search: idle, and at 20,000 events a second.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::load;
use crate::process::Server;
use crate::report::Report;

const PROBES: u32 = 200;

pub(crate) async fn measure(binary: &Path, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data")).await?;
    let idle = probe(&server, "idle").await?;
    report.add_latency("acknowledged → found, idle", "≤ 200", idle);
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (to, stop) = (server.syslog, Arc::clone(&stop));
        std::thread::spawn(move || steady_load(to, &stop))
    };
    let loaded = probe(&server, "loaded").await;
    stop.store(true, Ordering::Relaxed);
    if load.join().is_err() {
        bail!("the sender panicked");
    }
    report.add_latency("acknowledged → found, at 20 k/s", "≤ 200", loaded?);
    server.stop()
}

/// Milliseconds from each acknowledgement to the first search that finds the record.
async fn probe(server: &Server, name: &str) -> Result<Vec<f64>> {
    let mut millis = Vec::new();
    for number in 0..PROBES {
        let word = format!("probe{name}x{number}");
        let reply = server
            .post(
                "/api/v1/ingest",
                format!("{{\"message\":\"{word}\"}}\n").into_bytes(),
            )
            .await?;
        if reply["accepted"] != 1 {
            bail!("a probe was not accepted: {reply}");
        }
        let acknowledged = Instant::now();
        loop {
            let found = server
                .get("/api/v1/search", &[("q", word.as_str()), ("limit", "1")])
                .await?;
            if found["total"] == 1 {
                break;
            }
            if acknowledged.elapsed() > Duration::from_secs(60) {
                bail!("{word} is not found within a minute");
            }
        }
        millis.push(acknowledged.elapsed().as_secs_f64() * 1e3);
    }
    Ok(millis)
}

/// 20,000 events a second in slices of 20 ms, until told to stop.
fn steady_load(to: std::net::SocketAddr, stop: &AtomicBool) -> Result<()> {
    use std::io::Write as _;
    let slice = load::frames(5, 400);
    let mut connection = std::net::TcpStream::connect(to)?;
    let start = Instant::now();
    for sent in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        connection.write_all(&slice.bytes)?;
        let due = Duration::from_millis(20) * sent;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    Ok(())
}
