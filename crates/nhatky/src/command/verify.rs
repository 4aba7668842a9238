//! `nhatky verify`: is what is kept what was received?

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use event::Micros;
use serde_json::json;

use crate::cli::Verify;
use crate::output;
use crate::texts::Texts;

pub(crate) fn run(args: &Verify, texts: &Texts) -> Result<ExitCode> {
    let since = args.since.as_deref().map(instant).transpose()?;
    let disk: Arc<dyn disk::Disk> = Arc::new(disk::RealDisk);
    let report = journal::verify(&*disk, &args.data.join("journal"), since)?;
    let head = report
        .head
        .map_or_else(|| "–".to_owned(), |head| head.to_string());
    if args.json {
        output::json(&json!({
            "intact": report.is_intact(),
            "partitions": report.partitions,
            "partitions_skipped": report.partitions_skipped,
            "records": report.records,
            "bytes": report.bytes,
            "head": head,
            "gaps": report.gaps,
            "unfinished_bytes": report.unfinished_bytes,
            "failures": report.failures.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "failure_count": report.failure_count,
        }))?;
    } else if report.is_intact() {
        let said = [
            ("records", &report.records as &dyn std::fmt::Display),
            ("partitions", &report.partitions),
            ("head", &head),
        ];
        output::line(&texts.say("verify.sound", &said))?;
    } else {
        let failures = report.failures.iter().map(ToString::to_string);
        let gaps = report
            .gaps
            .iter()
            .map(|(first, last)| format!("records {first} to {last}"));
        for what in failures.chain(gaps) {
            output::line(&texts.say("verify.broken", &[("what", &what)]))?;
        }
    }
    Ok(if report.is_intact() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// An instant of the command line, in RFC 3339.
pub(crate) fn instant(text: &str) -> Result<Micros> {
    Micros::from_rfc3339(text)
        .ok_or_else(|| anyhow!("{text:?} is no instant: write it like 2026-10-11T08:00:00+07:00"))
}
