//! What goes to standard output: one place, so that a closed pipe ends a command quietly.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use serde_json::Value;

/// Prints a line.
pub(crate) fn line(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Prints a JSON value on a line of its own.
pub(crate) fn json(value: &Value) -> Result<()> {
    line(&value.to_string())
}

/// Whether records go out as JSON: asked for, or standard output is a pipe or a file.
pub(crate) fn as_json(asked: bool) -> bool {
    asked || !std::io::stdout().is_terminal()
}

/// Says something to the person at the terminal that is not the command's result.
pub(crate) fn note(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "{text}")?)
}

/// Whether an error is only that nobody reads our output any more, as with `nhatky search | head`.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter()
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Asks something of the person at the terminal, who answers on the same line.
pub(crate) fn ask(text: &str) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{text} ")?;
    Ok(stderr.flush()?)
}

/// Shows how far a long job is, on a line that is written over and over.
pub(crate) fn progress(text: &str) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "\r\x1b[K{text}")?;
    Ok(stderr.flush()?)
}
