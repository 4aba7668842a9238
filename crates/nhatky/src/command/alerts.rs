//! `nhatky alerts`.

use anyhow::Result;
use serde_json::{Value, json};

use super::listing::{self, Column, List, Show};
use crate::cli::{Alerts, Listing};
use crate::client::Client;
use crate::output;
use crate::texts::Texts;

const COLUMNS: &[Column] = &[
    Column("column.id", "/id", Show::Plain),
    Column("column.severity", "/severity", Show::Severity),
    Column("column.state", "/state", Show::Plain),
    Column("column.rule", "/rule", Show::Plain),
    Column("column.entity", "/entity/name", Show::Plain),
    Column("column.count", "/events", Show::Plain),
    Column("column.first", "/first_at", Show::Time),
    Column("column.last", "/last_at", Show::Time),
];

pub(crate) async fn run(command: Alerts, texts: &Texts) -> Result<()> {
    match command {
        Alerts::List { listing, all } => {
            let query = if all {
                Vec::new()
            } else {
                vec![("open", "true")]
            };
            let list = List {
                path: "/api/v1/alerts",
                query,
                columns: COLUMNS,
                none: "alert.none",
            };
            listing::run(&listing, list, texts).await
        }
        Alerts::Show { listing, id } => show(&listing, id).await,
        Alerts::Ack { place, id } => {
            listing::act(&place, &format!("/api/v1/alerts/{id}/ack"), &json!({})).await?;
            output::note(&texts.say("alert.acknowledged", &[("id", &id)]))
        }
        Alerts::Close {
            place,
            id,
            resolution,
            comment,
        } => {
            let mut body = json!({ "resolution": resolution });
            if !comment.is_empty() {
                body["comment"] = Value::from(comment);
            }
            listing::act(&place, &format!("/api/v1/alerts/{id}/close"), &body).await?;
            output::note(&texts.say("alert.closed", &[("id", &id), ("resolution", &resolution)]))
        }
    }
}

async fn show(listing: &Listing, id: i64) -> Result<()> {
    let client = Client::open(&listing.place).await?;
    let shown = async {
        let alert = client.get(&format!("/api/v1/alerts/{id}"), &[]).await?;
        if output::as_json(listing.json) {
            output::json(&alert)
        } else {
            // Pretty JSON escapes control characters, so that evidence cannot steer the terminal.
            output::line(&serde_json::to_string_pretty(&alert)?)
        }
    };
    let shown = shown.await;
    client.close().await?;
    shown
}
