//! `make bench`: drives the release binary as a separate process and prints one table and a JSON file.

mod alerted;
mod detection;
mod found;
mod load;
mod micro;
mod pipeline;
mod process;
mod queries;
mod replay;
mod report;
mod udp;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

use crate::report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure, and with how much.
#[derive(Debug, Parser)]
struct Args {
    /// The binary.
    #[arg(long, default_value = "target/release/nhatky")]
    binary: PathBuf,
    /// Events of the pipeline's runs.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Events over which queries are measured.
    #[arg(long, default_value_t = 10_000_000)]
    query_events: u64,
    /// Runs of each measurement.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Only these measurements: micro, detection, pipeline, found, alerted, udp, queries.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A folder where the events of the queries are kept, so that the next run need not send them again.
    #[arg(long)]
    query_data: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a bench talks to its reader")]
async fn main() -> Result<()> {
    let args = Args::parse();
    // The client speaks no TLS here, but it wants a provider before it is made.
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody else installs one");
    let mut report = Report::new();
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    report.add(calibration(args.runs));
    if wanted("micro") {
        micro::measure(args.runs, &mut report)?;
    }
    if wanted("detection") {
        detection::measure(args.runs, &mut report)?;
    }
    if wanted("pipeline") {
        pipeline::measure(&args.binary, args.events, args.runs, &mut report).await?;
    }
    if wanted("found") {
        found::measure(&args.binary, &mut report).await?;
    }
    if wanted("alerted") {
        alerted::measure(&args.binary, &mut report).await?;
    }
    if wanted("udp") {
        udp::measure(&args.binary, args.runs, &mut report).await?;
    }
    if wanted("queries") {
        let kept = args.query_data.as_deref();
        queries::measure(&args.binary, args.query_events, kept, &mut report).await?;
    }
    println!("{}", report.table());
    report.save(&args.json)
}

/// A loop that never changes, so that figures of different days and machines can be compared.
fn calibration(runs: usize) -> report::Figure {
    let run = || {
        let mut random = simulate::Random::new(1);
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        for _ in 0..50_000_000 {
            sum = sum.wrapping_add(random.bits());
        }
        std::hint::black_box(sum);
        50.0 / start.elapsed().as_secs_f64()
    };
    report::Figure::new(
        "calibration: SplitMix64",
        "M/s",
        "",
        (0..runs).map(|_| run()).collect(),
    )
}
