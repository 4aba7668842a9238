//! A burst of 200,000 datagrams in a second: what is stored and what is counted as lost must add up to what was sent.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::load;
use crate::process::Server;
use crate::report::{Figure, Report};

const DATAGRAMS: u64 = 200_000;

pub(crate) async fn measure(binary: &Path, runs: usize, report: &mut Report) -> Result<()> {
    let (mut stored, mut unexplained) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let folder = tempfile::tempdir()?;
        let server = Server::start(binary, &folder.path().join("data")).await?;
        let to = server.syslog;
        if std::thread::spawn(move || load::burst_udp(to, DATAGRAMS))
            .join()
            .is_err()
        {
            bail!("the sender panicked");
        }
        let (kept, lost) = account(&server).await?;
        stored.push(kept / DATAGRAMS as f64 * 100.0);
        unexplained.push(DATAGRAMS as f64 - kept - lost);
        server.stop()?;
    }
    report.add(Figure::new(
        "UDP burst of 200 k in a second: stored",
        "%",
        "",
        stored,
    ));
    report.add(Figure::new(
        "· sent − stored − counted as lost",
        "datagrams",
        "0",
        unexplained,
    ));
    Ok(())
}

/// Received and lost datagrams, once both stand still.
async fn account(server: &Server) -> Result<(f64, f64)> {
    let (start, mut before) = (Instant::now(), (-1.0, -1.0));
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = (
            server.metric("nhatky_ingest_received_total").await?,
            server.metric("nhatky_ingest_lost_total").await?,
        );
        let still = (now.0 - before.0).abs() + (now.1 - before.1).abs() < 0.5;
        if still || start.elapsed() > Duration::from_secs(120) {
            return Ok(now);
        }
        before = now;
    }
}
