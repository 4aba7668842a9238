//! `nhatky rules days`: what a rule saw on each day, and what it could not see.

use anyhow::Result;
use serde_json::Value;

use super::listing::{self, Column, Show};
use crate::cli::Place;
use crate::client::Client;
use crate::output;
use crate::texts::Texts;

const DAYS: &[Column] = &[
    Column("column.day", "/date", Show::Plain),
    Column("column.verdict", "/verdict", Show::Word("verdict")),
    Column("column.why", "/reasons", Show::Word("reason")),
    Column("column.watched", "/watched_share", Show::Share),
    Column("column.events", "/events", Show::Plain),
    Column("column.evaluated", "/evaluated_share", Show::Share),
    Column("column.matched", "/matched", Show::Plain),
    Column("column.detections", "/detections", Show::Plain),
];

const SPANS: &[Column] = &[
    Column("column.missing", "/kind", Show::Word("missing")),
    Column("column.source", "/source", Show::Plain),
    Column("column.from", "/from", Show::Time),
    Column("column.to", "/to", Show::Time),
    Column("column.detail", "/detail", Show::Plain),
];

pub(crate) async fn run(
    place: &Place,
    id: &str,
    days: u32,
    json: bool,
    texts: &Texts,
) -> Result<()> {
    let client = Client::open(place).await?;
    let path = format!("/api/v1/rules/{id}/days");
    let reply = client.get(&path, &[("days", &days.to_string())]).await;
    client.close().await?;
    let reply = reply?;
    if output::as_json(json) {
        return output::json(&reply);
    }
    let needs = &reply["needs"];
    let counted = |list: &str| needs[list].as_array().map_or(0, Vec::len);
    let values: [(&str, &dyn std::fmt::Display); 2] = [
        ("given", &counted("given_by")),
        ("arriving", &counted("arriving")),
    ];
    output::note(&texts.say("rules.needs", &values))?;
    let items = |list: &Value| list.as_array().cloned().unwrap_or_default();
    listing::table(&items(&reply["days"]), DAYS, texts)?;
    let spans = items(&reply["blind_spans"]);
    if spans.is_empty() {
        return Ok(());
    }
    output::note(&texts.say("rules.blind_spans", &[]))?;
    listing::table(&spans, SPANS, texts)?;
    match reply["more_spans"].as_bool() {
        Some(true) => output::note(&texts.say("rules.more_spans", &[])),
        _ => Ok(()),
    }
}
