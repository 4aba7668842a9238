//! `nhatky search` and `nhatky tail`.

use std::ops::ControlFlow;

use anyhow::Result;
use serde_json::Value;

use crate::cli::{Search, Tail};
use crate::client::Client;
use crate::output;
use crate::terminal::{self, cell, severity_cell};
use crate::texts::Texts;

pub(crate) async fn run(args: Search, texts: &Texts) -> Result<()> {
    let client = Client::open(&args.place).await?;
    let shown = show(&client, &args, texts).await;
    client.close().await?;
    shown
}

/// The most events that the server gives at a time.
const PAGE: usize = 1000;

/// Asks and prints.
pub(crate) async fn show(client: &Client, args: &Search, texts: &Texts) -> Result<()> {
    let mut query = vec![("q", args.query.as_str())];
    query.extend(args.span.from.as_deref().map(|from| ("from", from)));
    query.extend(args.span.to.as_deref().map(|to| ("to", to)));
    if args.explain {
        return explain(client, query, args, texts).await;
    }
    let (hits, reply) = fetch(client, &query, args.limit).await?;
    if let Some(columns) = reply["columns"].as_array() {
        return show_table(columns, &reply, args, texts);
    }
    if output::as_json(args.json) {
        return hits.iter().try_for_each(output::json);
    }
    // Oldest on top, newest at the prompt, as people read logs.
    let mut table = events_table(texts);
    table.add_rows(hits.iter().rev().map(event_row));
    if !hits.is_empty() {
        output::line(&table.trim_fmt())?;
    }
    summary(client, &query, &reply, hits.len(), texts).await
}

/// How the query is answered, and what it costs.
async fn explain(
    client: &Client,
    mut query: Vec<(&str, &str)>,
    args: &Search,
    texts: &Texts,
) -> Result<()> {
    query.push(("run", "true"));
    let reply = client.get("/api/v1/explain", &query).await?;
    if args.json {
        return output::json(&reply);
    }
    let said = reply["text"][texts.language().code()].as_str();
    let lines = said.unwrap_or_default().lines().map(terminal::harmless);
    lines.into_iter().try_for_each(|line| output::line(&line))
}

/// What a query with stages gives: a table, or an object a row.
fn show_table(columns: &[Value], reply: &Value, args: &Search, texts: &Texts) -> Result<()> {
    let names: Vec<&str> = columns.iter().filter_map(Value::as_str).collect();
    let rows: Vec<&Value> = reply["rows"].as_array().into_iter().flatten().collect();
    if output::as_json(args.json) {
        return rows.iter().try_for_each(|row| {
            let cells = row.as_array().into_iter().flatten().cloned();
            let named = names.iter().map(|name| (*name).to_owned());
            output::json(&Value::Object(named.zip(cells).collect()))
        });
    }
    let mut table = terminal::table(names.iter().map(|name| terminal::harmless(name)).collect());
    for row in &rows {
        let cells = row.as_array().into_iter().flatten();
        table.add_row(cells.map(|value| cell(&shown(value))));
    }
    output::line(&table.trim_fmt())?;
    output::note(&total_said(reply, texts))?;
    let all = reply["rows_total"].as_u64().unwrap_or(0);
    if all > rows.len() as u64 {
        let said = texts.say("search.more_rows", &[("shown", &rows.len()), ("all", &all)]);
        output::note(&said)?;
    }
    Ok(())
}

/// How many events were found, or how many at least.
fn total_said(reply: &Value, texts: &Texts) -> String {
    let key = if reply["total_relation"] == "eq" {
        "search.total"
    } else {
        "search.total_at_least"
    };
    texts.say(key, &[("count", &reply["total"])])
}

/// A value of a table for people: times in this machine's zone, members of a list one after another.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => terminal::local_time(text),
        Value::Array(members) => members.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The newest events, page by page, and what the first page said of them all.
async fn fetch(
    client: &Client,
    query: &[(&str, &str)],
    limit: usize,
) -> Result<(Vec<Value>, Value)> {
    let (mut hits, mut first, mut cursor) = (Vec::new(), Value::Null, None::<String>);
    loop {
        let size = (limit - hits.len()).min(PAGE).to_string();
        let mut page_query = query.to_vec();
        page_query.push(("limit", &size));
        page_query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let mut page = client.get("/api/v1/search", &page_query).await?;
        hits.extend(
            page["hits"]
                .as_array_mut()
                .map(std::mem::take)
                .unwrap_or_default(),
        );
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if first.is_null() {
            first = page;
        }
        if cursor.is_none() || hits.len() >= limit {
            return Ok((hits, first));
        }
    }
}

async fn summary(
    client: &Client,
    query: &[(&str, &str)],
    reply: &Value,
    shown: usize,
    texts: &Texts,
) -> Result<()> {
    let total = reply["total"].as_u64().unwrap_or(0);
    if total == 0 {
        output::note(&texts.say("search.none", &[]))?;
        return why_nothing(client, query, texts).await;
    }
    let mut said = total_said(reply, texts);
    if let Ok(counts) = client.get("/api/v1/histogram", query).await {
        let counts = counts["buckets"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let counts: Vec<u64> = counts
            .iter()
            .filter_map(|bucket| bucket["count"].as_u64())
            .collect();
        said = format!("{said}  {}", terminal::sparkline(&counts));
    }
    output::note(&said)?;
    if total > shown as u64 {
        output::note(&texts.say("search.more", &[("shown", &shown)]))?;
    }
    let skipped = reply["covered"]["skipped"]
        .as_array()
        .filter(|skipped| !skipped.is_empty());
    if let Some(skipped) = skipped {
        let what = skipped
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        output::note(&texts.say("search.skipped", &[("what", &what)]))?;
    }
    Ok(())
}

/// How many reasons are told why nothing was found.
const REASONS: usize = 3;

/// Why nothing was found, and what to ask instead. A server that cannot say is no error.
async fn why_nothing(client: &Client, query: &[(&str, &str)], texts: &Texts) -> Result<()> {
    let Ok(why) = client.get("/api/v1/why-nothing", query).await else {
        return Ok(());
    };
    let reasons = why["reasons"].as_array().into_iter().flatten();
    reasons
        .take(REASONS)
        .flat_map(|reason| reason_lines(reason, texts))
        .try_for_each(|line| output::note(&line))
}

/// A reason, and the query that has hits where there is one.
fn reason_lines(reason: &Value, texts: &Texts) -> Vec<String> {
    let said = reason[texts.language().code()].as_str().unwrap_or_default();
    let mut lines = vec![format!("- {}", terminal::harmless(said))];
    let suggestion = &reason["suggestion"];
    if let Some(q) = suggestion["q"].as_str() {
        let mut query = format!("«{}»", terminal::harmless(q));
        for bound in ["from", "to"] {
            if let Some(at) = suggestion[bound].as_str() {
                query.push_str(&format!(" --{bound} {}", terminal::harmless(at)));
            }
        }
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("query", &query), ("hits", &suggestion["hits"])];
        lines.push(format!("  {}", texts.say("search.try", &values)));
    }
    lines
}

pub(crate) async fn tail(args: Tail, texts: &Texts) -> Result<()> {
    let client = Client::open(&args.place).await?;
    let json = output::as_json(args.json);
    let rate = args.rate.to_string();
    let query = [("q", args.query.as_str()), ("rate", &rate)];
    let followed = client.follow("/api/v1/tail", &query, |message| {
        let is_gap = message.event == "left-out";
        if json && !is_gap {
            return output::line(&message.data).map(ControlFlow::Continue);
        }
        let Ok(event) = serde_json::from_str::<Value>(&message.data) else {
            return Ok(ControlFlow::Continue(()));
        };
        if is_gap {
            let said = texts.say("tail.left_out", &[("count", &event["events"])]);
            return output::note(&said).map(ControlFlow::Continue);
        }
        let mut table = events_table(texts);
        table.add_row(event_row(&event));
        let printed = table.trim_fmt();
        // The header is for tables, not for a stream.
        let row = printed.split_once('\n').map_or("", |(_, row)| row);
        output::line(row).map(ControlFlow::Continue)
    });
    let followed = followed.await;
    client.close().await?;
    followed
}

pub(crate) fn events_table(texts: &Texts) -> comfy_table::Table {
    let columns = [
        "column.time",
        "column.severity",
        "column.source",
        "column.message",
    ];
    terminal::table(columns.iter().map(|key| texts.say(key, &[])).collect())
}

/// Time in this machine's zone, level, who speaks, and what was said.
pub(crate) fn event_row(event: &Value) -> Vec<comfy_table::Cell> {
    let text = |names: &[&str]| {
        let mut values = names.iter().map(|name| &event[*name]);
        values
            .find_map(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let level = match text(&["log.level", "log.syslog.severity.name"]) {
        level if level.is_empty() => event["log.syslog.severity.code"]
            .as_u64()
            .map_or(String::new(), |code| code.to_string()),
        level => level,
    };
    vec![
        cell(&terminal::local_time(&text(&["@timestamp"]))),
        severity_cell(&level, &level),
        cell(&text(&[
            "host.name",
            "observer.name",
            "nhatky.peer",
            "nhatky.listener",
        ])),
        cell(&text(&["message", "event.original"])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_with_the_query_that_has_hits() {
        let reason = serde_json::json!({
            "code": "hits-outside", "vi": "ở ngoài", "en": "out\u{1b}side",
            "suggestion": {"q": "user.name:an", "from": "2026-10-11T00:00:00Z", "to": null, "hits": 4},
        });
        let lines = reason_lines(&reason, &Texts::new(crate::texts::Language::En));
        assert_eq!(lines[0], "- out␛side");
        assert!(
            lines[1].contains("«user.name:an» --from 2026-10-11T00:00:00Z"),
            "{lines:?}"
        );
        assert!(lines[1].contains('4'), "{lines:?}");
        let alone = serde_json::json!({"code": "loss", "vi": "mất", "en": "lost"});
        assert_eq!(
            reason_lines(&alone, &Texts::new(crate::texts::Language::Vi)),
            ["- mất"]
        );
    }

    #[test]
    fn a_row_shows_what_is_there_and_nothing_dangerous() {
        let event = serde_json::json!({
            "@timestamp": "2026-10-11T08:00:00Z",
            "log.syslog.severity.code": 3,
            "nhatky.peer": "10.0.0.1",
            "event.original": "a\u{1b}[31mb",
        });
        let row = event_row(&event);
        let content: Vec<_> = row.iter().map(comfy_table::Cell::content).collect();
        assert_eq!(content[1], "3");
        assert_eq!(content[2], "10.0.0.1");
        assert_eq!(content[3], "a␛[31mb");
    }
}
