//! `nhatky suppressions`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::listing::{self, Column, List, Show};
use crate::cli::{AddSuppression, Suppressions};
use crate::output;
use crate::terminal;
use crate::texts::Texts;

const PATH: &str = "/api/v1/suppressions";

const COLUMNS: &[Column] = &[
    Column("column.id", "/id", Show::Plain),
    Column("column.state", "/state", Show::Word("state")),
    Column("column.rule", "/rules", Show::Plain),
    Column("column.entity", "/entities", Show::Entities),
    Column("column.hosts", "/hosts", Show::Plain),
    Column("column.facts", "/facts", Show::Facts),
    Column("column.from", "/starts_at", Show::Time),
    Column("column.to", "/ends_at", Show::Time),
    Column("column.owner", "/owner", Show::Plain),
    Column("column.detail", "/reason", Show::Plain),
    Column("column.detections", "/detections", Show::Plain),
];

pub(crate) async fn run(command: Suppressions, texts: &Texts) -> Result<()> {
    match command {
        Suppressions::List { listing, all } => {
            let list = List {
                path: PATH,
                query: match all {
                    true => Vec::new(),
                    false => vec![("open", "true")],
                },
                columns: COLUMNS,
                none: "suppressions.none",
            };
            listing::run(&listing, list, texts).await
        }
        Suppressions::Add(args) => add(&args, texts).await,
        Suppressions::End { place, id, reason } => {
            let body = json!({ "reason": reason });
            let ended = listing::act(&place, &format!("{PATH}/{id}/end"), &body).await?;
            let detections = ended["detections"].as_u64().unwrap_or_default();
            let values: [(&str, &dyn std::fmt::Display); 2] =
                [("id", &id), ("detections", &detections)];
            output::note(&texts.say("suppressions.ended", &values))
        }
    }
}

async fn add(args: &AddSuppression, texts: &Texts) -> Result<()> {
    let body = json!({
        "rules": args.rule, "entities": args.entity, "hosts": args.host, "facts": facts(&args.fact)?,
        "pages": args.pages, "from": args.from, "until": args.until, "owner": args.owner, "reason": args.reason,
    });
    let made = listing::act(&args.place, PATH, &body).await?;
    let until = terminal::local_time(made["ends_at"].as_str().unwrap_or_default());
    let values: [(&str, &dyn std::fmt::Display); 2] = [("id", &made["id"]), ("until", &until)];
    output::note(&texts.say("suppressions.added", &values))
}

/// `FIELD=VALUE` each.
fn facts(given: &[String]) -> Result<BTreeMap<&str, &str>> {
    let each = given.iter().map(|text| {
        text.split_once('=').with_context(|| {
            format!("{text:?} is no fact: write FIELD=VALUE, such as source.ip=10.2.*")
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_its_field_and_the_rest() {
        let given = ["a=b=c".to_owned()];
        assert_eq!(facts(&given).unwrap(), BTreeMap::from([("a", "b=c")]));
        facts(&["a".to_owned()]).unwrap_err();
    }
}
