//! The program's own log: English, structured, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The variable that chooses what is logged, such as `info,ingest=debug`.
const FILTER: &str = "NHATKY_LOG";

/// Starts the log: lines for people on a terminal, JSON elsewhere; `warn` unless [`FILTER`] says otherwise.
pub(crate) fn start(default: &str) {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(default));
    let terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal);
    // A second start, as in tests, keeps the first log.
    let started = if terminal {
        log.try_init()
    } else {
        log.json().try_init()
    };
    drop(started);
}
