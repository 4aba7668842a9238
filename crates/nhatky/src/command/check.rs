//! `nhatky check`: every mistake in a configuration, by file and line, before anything starts.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::cli::Check;
use crate::config::Config;
use crate::output;
use crate::texts::Texts;

/// Where `serve` looks without `--config`.
const DEFAULT_PATH: &str = "data/config.toml";

pub(crate) fn run(args: &Check, texts: &Texts) -> Result<ExitCode> {
    if args.schema {
        let schema = schemars::schema_for!(Config);
        output::line(&serde_json::to_string_pretty(&schema)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let default = Path::new(DEFAULT_PATH);
    let path = match &args.config {
        Some(path) => path,
        None if default.try_exists()? => default,
        None => {
            output::line(&texts.say("check.defaults", &[]))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let file = path.display();
    let Err(mistakes) = Config::read(&text) else {
        output::line(&texts.say("check.sound", &[("file", &file)]))?;
        return Ok(ExitCode::SUCCESS);
    };
    for mistake in &mistakes {
        output::line(&format!("{file}: {mistake}"))?;
    }
    output::note(&texts.say(
        "check.mistakes",
        &[("count", &mistakes.len()), ("file", &file)],
    ))?;
    Ok(ExitCode::from(1))
}
