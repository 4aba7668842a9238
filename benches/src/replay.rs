//! The rules once more over everything that is kept: how fast, and whether they find what they found as it arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::process::Server;
use crate::report::{Figure, Report};

pub(crate) async fn measure(server: &Server, millions: &str, report: &mut Report) -> Result<()> {
    let live = live(server).await?;
    let before = server.cpu()?;
    let started = server
        .post_json("/api/v1/backtests", &serde_json::json!({}))
        .await?;
    let path = format!("/api/v1/backtests/{}", started["id"]);
    let ended = loop {
        let backtest = server.get(&path, &[]).await?;
        match backtest["state"].as_str() {
            Some("running") => tokio::time::sleep(Duration::from_millis(200)).await,
            Some("done") => break backtest,
            _ => bail!("the replay has not come to its end: {backtest}"),
        }
    };
    let cpu = server.cpu()? - before;
    let result = &ended["result"];
    let events = result["events"].as_f64().unwrap_or(0.0);
    report.add(Figure::new(
        &format!("{millions}, replay (parsed, detected), events per CPU-second"),
        "k/s",
        "≥ 120",
        vec![events / cpu / 1e3],
    ));
    report.add(Figure::new(
        "· detection alone, all built-in rules",
        "µs/event",
        "≤ 4",
        vec![result["detect_ns_per_event"].as_f64().unwrap_or(0.0) / 1e3],
    ));
    let replayed = counted(&result["rules"]);
    let rules: BTreeSet<&String> = live.keys().chain(replayed.keys()).collect();
    let differ = rules.into_iter().map(|rule| {
        let count = |counts: &BTreeMap<String, u64>| counts.get(rule).copied().unwrap_or(0);
        count(&live).abs_diff(count(&replayed))
    });
    report.add(Figure::new(
        "· detections that only the one or the other has",
        "detections",
        "0",
        vec![differ.sum::<u64>() as f64],
    ));
    Ok(())
}

/// How many detections each rule had as the events arrived.
async fn live(server: &Server) -> Result<BTreeMap<String, u64>> {
    let (mut counts, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let query = [("limit", "1000"), ("cursor", cursor.as_str())];
        let page = server.get("/api/v1/detections", &query).await?;
        for detection in page["items"].as_array().into_iter().flatten() {
            if let Some(rule) = detection["rule"].as_str() {
                *counts.entry(rule.to_owned()).or_default() += 1;
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return Ok(counts),
        }
    }
}

/// How many detections each rule has in the replay.
fn counted(rules: &Value) -> BTreeMap<String, u64> {
    let rules = rules.as_array().into_iter().flatten();
    let counts = rules.filter_map(|rule| {
        let name = rule["rule"].as_str()?;
        Some((name.to_owned(), rule["detections"].as_u64()?))
    });
    counts.collect()
}
