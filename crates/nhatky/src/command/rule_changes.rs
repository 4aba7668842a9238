//! `nhatky rules settings / set / unset / exceptions / except / end-exception`: what a site changes about rules.

use std::io::IsTerminal as _;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::listing::{self, Column, List, Show};
use super::rule_preview;
use crate::cli::{AddException, Asking, Listing, Place, SetRule, UnsetRule};
use crate::client::Client;
use crate::output;
use crate::terminal;
use crate::texts::Texts;

const EXCEPTIONS: &str = "/api/v1/rule-exceptions";

const SETTING_COLUMNS: &[Column] = &[
    Column("column.name", "/tunable", Show::Plain),
    Column("column.value", "/value", Show::Plain),
    Column("column.who", "/actor", Show::Plain),
    Column("column.time", "/updated_at", Show::Time),
    Column("column.detail", "/reason", Show::Plain),
];

const EXCEPTION_COLUMNS: &[Column] = &[
    Column("column.id", "/id", Show::Plain),
    Column("column.rule", "/rule", Show::Plain),
    Column("column.query", "/query", Show::Plain),
    Column("column.owner", "/owner", Show::Plain),
    Column("column.to", "/expires_at", Show::Time),
    Column("column.detail", "/reason", Show::Plain),
];

/// What is set about the rule, and its exceptions.
pub(crate) async fn settings(listing: &Listing, id: &str, texts: &Texts) -> Result<()> {
    let client = Client::open(&listing.place).await?;
    let reply = client.get(&path(id), &[]).await;
    client.close().await?;
    let reply = reply?;
    if output::as_json(listing.json) {
        return output::json(&reply);
    }
    let tables = [
        ("settings", SETTING_COLUMNS, "rules.no_settings"),
        ("exceptions", EXCEPTION_COLUMNS, "rules.no_exceptions"),
    ];
    for (member, columns, none) in tables {
        match reply[member].as_array().map(Vec::as_slice) {
            None | Some([]) => output::note(&texts.say(none, &[]))?,
            Some(items) => listing::table(items, columns, texts)?,
        }
    }
    Ok(())
}

pub(crate) async fn set(args: &SetRule, texts: &Texts) -> Result<()> {
    let value = value(&args.value);
    let change = Change {
        preview: preview_path(&args.id),
        tried: json!({ "settings": { &args.name: value } }),
        method: Method::Put,
        path: path(&args.id),
        body: json!({ "name": args.name, "value": value, "reason": args.reason }),
    };
    if change
        .run(&args.place, &args.asking, texts)
        .await?
        .is_none()
    {
        return Ok(());
    }
    let values: [(&str, &dyn std::fmt::Display); 3] = [
        ("rule", &args.id),
        ("name", &args.name),
        ("value", &args.value),
    ];
    output::note(&texts.say("rules.set", &values))
}

pub(crate) async fn unset(args: &UnsetRule, texts: &Texts) -> Result<()> {
    let change = Change {
        preview: preview_path(&args.id),
        tried: json!({ "settings": { &args.name: null } }),
        method: Method::Put,
        path: path(&args.id),
        body: json!({ "name": args.name, "reason": args.reason }),
    };
    if change
        .run(&args.place, &args.asking, texts)
        .await?
        .is_none()
    {
        return Ok(());
    }
    let values: [(&str, &dyn std::fmt::Display); 2] = [("rule", &args.id), ("name", &args.name)];
    output::note(&texts.say("rules.unset", &values))
}

/// The exceptions that hold, of every rule.
pub(crate) async fn exceptions(listing: &Listing, texts: &Texts) -> Result<()> {
    let list = List {
        path: EXCEPTIONS,
        query: Vec::new(),
        columns: EXCEPTION_COLUMNS,
        none: "rules.no_exceptions",
    };
    listing::run(listing, list, texts).await
}

pub(crate) async fn except(args: &AddException, texts: &Texts) -> Result<()> {
    let (preview, tried) = match &args.rule {
        Some(rule) => (preview_path(rule), json!({ "exception": args.query })),
        None => (
            format!("{EXCEPTIONS}/preview"),
            json!({ "query": args.query }),
        ),
    };
    let change = Change {
        preview,
        tried,
        method: Method::Post,
        path: EXCEPTIONS.to_owned(),
        body: json!({
            "rule": args.rule, "query": args.query, "owner": args.owner, "reason": args.reason, "expires": args.expires,
        }),
    };
    let Some(made) = change.run(&args.place, &args.asking, texts).await? else {
        return Ok(());
    };
    let until = terminal::local_time(made["expires_at"].as_str().unwrap_or_default());
    let values: [(&str, &dyn std::fmt::Display); 2] = [("id", &made["id"]), ("until", &until)];
    output::note(&texts.say("rules.excepted", &values))
}

pub(crate) async fn end_exception(place: &Place, number: u64, texts: &Texts) -> Result<()> {
    listing::act(place, &format!("{EXCEPTIONS}/{number}/end"), &json!({})).await?;
    output::note(&texts.say("rules.exception_ended", &[("id", &number)]))
}

/// A change, and how it is tried before it is made.
struct Change {
    preview: String,
    tried: Value,
    method: Method,
    path: String,
    body: Value,
}

enum Method {
    Put,
    Post,
}

impl Change {
    /// Makes it, where it is wanted after what was shown; what the server answers, or nothing where it was not made.
    async fn run(&self, place: &Place, asking: &Asking, texts: &Texts) -> Result<Option<Value>> {
        let attended = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if !asking.yes && !asking.preview && !attended {
            bail!(texts.say("rules.unattended", &[]))
        }
        let client = Client::open(place).await?;
        let made = self.shown_and_made(&client, asking, texts).await;
        client.close().await?;
        made
    }

    async fn shown_and_made(
        &self,
        client: &Client,
        asking: &Asking,
        texts: &Texts,
    ) -> Result<Option<Value>> {
        if !asking.yes {
            if std::io::stderr().is_terminal() {
                output::note(&texts.say("preview.looking", &[]))?;
            }
            let reply = client.post(&self.preview, &self.tried).await?;
            rule_preview::show(&reply, asking.json, texts)?;
            if asking.preview || !agreed(texts)? {
                return Ok(None);
            }
        }
        let reply = match self.method {
            Method::Put => client.put(&self.path, &self.body).await?,
            Method::Post => client.post(&self.path, &self.body).await?,
        };
        Ok(Some(reply))
    }
}

/// Asks whether to go on; everything but a yes is a no.
fn agreed(texts: &Texts) -> Result<bool> {
    output::ask(&texts.say("rules.ask", &[]))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    let answer = answer.trim().to_lowercase();
    Ok(["y", "yes", "c", "có"].contains(&answer.as_str()))
}

fn preview_path(id: &str) -> String {
    format!("/api/v1/rules/{id}/preview")
}

fn path(id: &str) -> String {
    format!("/api/v1/rules/{id}/settings")
}

/// `true`, `false` and numbers are what they are; everything else is text.
fn value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_what_the_setting_takes() {
        let values = ["true", "40", "10m", "queue"].map(value);
        assert_eq!(
            values,
            [json!(true), json!(40), json!("10m"), json!("queue")]
        );
    }
}
