//! `nhatky reindex`: the index anew, with today's parsers, and what that has changed.

use anyhow::Result;
use serde_json::{Value, json};

use super::listing;
use crate::cli::Reindex;
use crate::output;
use crate::terminal::{self, cell};
use crate::texts::Texts;

pub(crate) async fn run(args: Reindex, texts: &Texts) -> Result<()> {
    let body = json!({ "parser": args.parser, "from": args.span.from, "to": args.span.to });
    let reply = listing::act(&args.place, "/api/v1/reindex", &body).await?;
    if output::as_json(args.json) {
        return output::json(&reply);
    }
    output::note(&texts.say(
        "reindex.done",
        &[
            ("events", &reply["events"]),
            ("partitions", &reply["partitions"]),
            ("unchanged", &reply["unchanged"]),
        ],
    ))?;
    let heads = ["level", "before", "after"].map(|key| texts.say(&format!("column.{key}"), &[]));
    let mut table = terminal::table(heads.into());
    for level in event::ParseLevel::ALL {
        let (before, after) = (
            count(&reply["before"], level.name()),
            count(&reply["after"], level.name()),
        );
        if before + after > 0 {
            let said = texts.word("level", level.name());
            table.add_row([
                cell(&said),
                cell(&before.to_string()),
                cell(&after.to_string()),
            ]);
        }
    }
    output::line(&table.trim_fmt())
}

fn count(levels: &Value, name: &str) -> u64 {
    let mut levels = levels.as_array().into_iter().flatten();
    let level = levels.find(|level| level["level"] == name);
    level.and_then(|level| level["count"].as_u64()).unwrap_or(0)
}
