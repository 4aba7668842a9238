//! How long after its acknowledgement a record has raised an alert that people can see, at 10,000 events a second.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::load;
use crate::process::Server;
use crate::report::Report;

const PROBES: u32 = 100;
const PER_SECOND: u64 = 10_000;
/// Between two probes.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn measure(binary: &Path, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(binary, &folder.path().join("data")).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (to, stop) = (server.syslog, Arc::clone(&stop));
        std::thread::spawn(move || load::send_steadily(to, PER_SECOND, &stop))
    };
    let millis = probe(&server).await;
    stop.store(true, Ordering::Relaxed);
    if load.join().is_err() {
        bail!("the sender panicked");
    }
    report.add_latency("acknowledged → alert, at 10 k/s", "≤ 1000", millis?);
    server.stop()
}

/// Milliseconds from each acknowledgement to the first list of alerts that has what the record raised.
async fn probe(server: &Server) -> Result<Vec<f64>> {
    let mut millis = Vec::new();
    for number in 0..PROBES {
        let host = format!("probe{number}x");
        let reply = server.post("/_bulk", log_cleared(&host)).await?;
        if reply["errors"] != false {
            bail!("a probe was not accepted: {reply}");
        }
        let acknowledged = Instant::now();
        loop {
            let alerts = server.get("/api/v1/alerts", &[]).await?;
            if alerts.to_string().contains(&host) {
                break;
            }
            if acknowledged.elapsed() > Duration::from_secs(60) {
                bail!("{host} has raised no alert within a minute");
            }
        }
        millis.push(acknowledged.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(millis)
}

/// What Winlogbeat sends of a host whose security log was cleared.
fn log_cleared(host: &str) -> Vec<u8> {
    let document = serde_json::json!({
        "agent": {"type": "winlogbeat", "version": "8.15.0"},
        "host": {"name": host},
        "message": "The audit log was cleared.",
        "winlog": {
            "channel": "Security",
            "computer_name": host,
            "event_id": "1102",
            "provider_name": "Microsoft-Windows-Eventlog",
            "user_data": {"SubjectUserName": "quantri"},
        },
    });
    format!("{{\"create\":{{}}}}\n{document}\n").into_bytes()
}
