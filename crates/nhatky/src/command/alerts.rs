//! `nhatky alerts`.

use anyhow::Result;
use serde_json::{Value, json};

use super::listing::{self, Column, List, Show};
use super::search::{event_row, events_table};
use crate::cli::{Alerts, CloseMany, Listing};
use crate::client::Client;
use crate::output;
use crate::terminal::{self, cell, severity_cell};
use crate::texts::Texts;

const COLUMNS: &[Column] = &[
    Column("column.id", "/id", Show::Plain),
    Column("column.severity", "/severity", Show::Severity),
    Column("column.state", "/state", Show::Word("state")),
    Column("column.rule", "/rule", Show::Plain),
    Column("column.entity", "/entity/name", Show::Plain),
    Column("column.assignee", "/assignee", Show::Plain),
    Column("column.count", "/events", Show::Plain),
    Column("column.first", "/first_at", Show::Time),
    Column("column.last", "/last_at", Show::Time),
];

/// The detections that an alert about risk is made of.
const STORY: &[Column] = &[
    Column("column.time", "/at", Show::Time),
    Column("column.rule", "/rule", Show::Plain),
    Column("column.points", "/points", Show::Plain),
];

pub(crate) async fn run(command: Alerts, texts: &Texts) -> Result<()> {
    match command {
        Alerts::List {
            listing,
            all,
            assignee,
            unassigned,
        } => {
            let mut query = Vec::new();
            if !all {
                query.push(("open", "true"));
            }
            if let Some(name) = &assignee {
                query.push(("assignee", name));
            }
            if unassigned {
                query.push(("unassigned", "true"));
            }
            let list = List {
                path: "/api/v1/alerts",
                query,
                columns: COLUMNS,
                none: "alert.none",
            };
            listing::run(&listing, list, texts).await
        }
        Alerts::Show { listing, id } => show(&listing, id, texts).await,
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
        Alerts::CloseMany(args) => close_many(&args, texts).await,
        Alerts::Reopen { place, id, reason } => {
            let body = json!({ "reason": reason });
            listing::act(&place, &format!("/api/v1/alerts/{id}/reopen"), &body).await?;
            output::note(&texts.say("alert.reopened", &[("id", &id)]))
        }
        Alerts::Assign {
            place,
            id,
            name,
            comment,
        } => {
            let body = json!({ "assignee": name, "comment": comment });
            let path = format!("/api/v1/alerts/{id}/assign");
            let alert = listing::act(&place, &path, &body).await?;
            let name = terminal::harmless(alert["assignee"].as_str().unwrap_or_default());
            output::note(&texts.say("alert.assigned", &[("id", &id), ("name", &name)]))
        }
        Alerts::Severity {
            place,
            id,
            level,
            reason,
        } => {
            let body = json!({ "severity": level, "reason": reason });
            listing::act(&place, &format!("/api/v1/alerts/{id}/severity"), &body).await?;
            let level = texts.word("severity", &level);
            output::note(&texts.say("alert.regraded", &[("id", &id), ("level", &level)]))
        }
        Alerts::Release { place, id } => {
            listing::act(&place, &format!("/api/v1/alerts/{id}/release"), &json!({})).await?;
            output::note(&texts.say("alert.released", &[("id", &id)]))
        }
    }
}

/// Shows what would be closed, or closes what was shown.
async fn close_many(args: &CloseMany, texts: &Texts) -> Result<()> {
    let mut body = json!({
        "resolution": args.resolution, "comment": args.comment, "confirm": args.confirm,
    });
    if args.ids.is_empty() {
        body["filter"] = json!({
            "rule": args.rule, "entity": args.entity, "state": args.state,
            "severity": args.severity, "before": args.before,
        });
    } else {
        body["ids"] = json!(args.ids);
    }
    let reply = listing::act(&args.place, "/api/v1/alerts/close", &body).await?;
    if output::as_json(args.json) {
        return output::json(&reply);
    }
    let count = reply["count"].as_u64().unwrap_or_default();
    if reply["closed"] == true {
        return output::note(&texts.say("alert.closed_many", &[("count", &count)]));
    }
    let first = reply["first"].as_array().map(Vec::as_slice);
    listing::table(first.unwrap_or_default(), COLUMNS, texts)?;
    let confirm = terminal::harmless(reply["confirm"].as_str().unwrap_or_default());
    output::note(&texts.say(
        "alert.close_many",
        &[("count", &count), ("confirm", &confirm)],
    ))
}

async fn show(listing: &Listing, id: i64, texts: &Texts) -> Result<()> {
    let client = Client::open(&listing.place).await?;
    let shown = async {
        let page = client.get(&format!("/api/v1/alerts/{id}"), &[]).await?;
        if output::as_json(listing.json) {
            output::json(&page)
        } else {
            print(&client, &page, texts).await
        }
    };
    let shown = shown.await;
    client.close().await?;
    shown
}

/// Events of the evidence that are shown; the query shows the others.
const EVIDENCE_SHOWN: usize = 10;

/// What happened, to whom, what to do, and the evidence: for somebody who was just woken.
async fn print(client: &Client, page: &Value, texts: &Texts) -> Result<()> {
    let alert = &page["alert"];
    let word = |value: &Value| terminal::harmless(value.as_str().unwrap_or_default());
    let language = texts.language().code();
    let told = |name: &str| word(&page["texts"][language][name]);
    let severity = word(&alert["severity"]);
    let mut table = terminal::table(vec![texts.say("column.id", &[]), alert["id"].to_string()]);
    let mut row = |key: &str, value: comfy_table::Cell| {
        table.add_row(vec![cell(&texts.say(key, &[])), value]);
    };
    row(
        "column.severity",
        severity_cell(&severity, &texts.word("severity", &severity)),
    );
    row("column.why", cell(&why(page, language)));
    row(
        "column.state",
        cell(&texts.word("state", &word(&alert["state"]))),
    );
    row("column.message", cell(&told("title")));
    row("column.detail", cell(&told("detail")));
    row("column.todo", cell(&told("runbook")));
    row("column.entity", cell(&word(&alert["entity"]["name"])));
    row("column.assignee", cell(&word(&alert["assignee"])));
    row("column.count", cell(&alert["events"].to_string()));
    row(
        "column.first",
        cell(&terminal::local_time(&word(&alert["first_at"]))),
    );
    row(
        "column.last",
        cell(&terminal::local_time(&word(&alert["last_at"]))),
    );
    row("column.query", cell(&word(&page["evidence_query"])));
    output::line(&table.trim_fmt())?;
    if let Some(story) = page["story"].as_array() {
        output::line("")?;
        listing::table(story, STORY, texts)?;
    }
    let mut events = events_table(texts);
    let seqs = page["evidence"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for seq in seqs.iter().rev().take(EVIDENCE_SHOWN).rev() {
        // What retention has dropped meanwhile is no longer there to be shown.
        if let Ok(event) = client.get(&format!("/api/v1/events/{seq}"), &[]).await {
            events.add_row(event_row(&event));
        }
    }
    output::line(&format!("\n{}", events.trim_fmt()))
}

/// Why the severity is proposed, and who has set another and why.
fn why(page: &Value, language: &str) -> String {
    let severity = &page["severity"];
    let mut why = severity["reason"][language]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if let (Some(by), Some(reason)) = (
        severity["set"]["by"].as_str(),
        severity["set"]["reason"].as_str(),
    ) {
        why.push_str(&format!("; {by}: {reason}"));
    }
    terminal::harmless(&why)
}
