//! `nhatky saved`.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::listing::{self, Column, List, Show};
use super::search;
use crate::cli::{Listing, Saved, Search, Span};
use crate::client::Client;
use crate::output;
use crate::terminal::{self, cell};
use crate::texts::Texts;

const PATH: &str = "/api/v1/saved-searches";

const COLUMNS: &[Column] = &[
    Column("column.name", "/name", Show::Plain),
    Column("column.query", "/query", Show::Plain),
    Column("column.from", "/from", Show::Plain),
    Column("column.to", "/to", Show::Plain),
    Column("column.owner", "/owner", Show::Plain),
    Column("column.shared", "/shared", Show::Plain),
    Column("column.detail", "/description", Show::Plain),
];

pub(crate) async fn run(command: Saved, texts: &Texts) -> Result<()> {
    match command {
        Saved::List(listing) => {
            let list = List {
                path: PATH,
                query: Vec::new(),
                columns: COLUMNS,
                none: "saved.none",
            };
            listing::run(&listing, list, texts).await
        }
        Saved::Show { listing, name } => {
            let client = Client::open(&listing.place).await?;
            let found = named(&client, &name, Whose::Anybody).await;
            client.close().await?;
            show(&found?, listing.json, texts)
        }
        Saved::Run {
            listing,
            limit,
            name,
        } => {
            let client = Client::open(&listing.place).await?;
            let asked = ask(&client, listing, limit, &name, texts).await;
            client.close().await?;
            asked
        }
        Saved::Save {
            place,
            span,
            description,
            shared,
            name,
            query,
        } => {
            let body = json!({
                "name": name, "query": query, "from": span.from, "to": span.to,
                "description": description, "shared": shared,
            });
            let client = Client::open(&place).await?;
            let kept = save(&client, &name, &body).await;
            client.close().await?;
            kept?;
            output::note(&texts.say("saved.saved", &[("name", &name)]))
        }
        Saved::Delete { place, name } => {
            let client = Client::open(&place).await?;
            let deleted = delete(&client, &name).await;
            client.close().await?;
            deleted?;
            output::note(&texts.say("saved.deleted", &[("name", &name)]))
        }
    }
}

/// Whose searches a name is looked for among.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// One's own alone.
    Own,
    /// One's own first, then those of others.
    Anybody,
}

/// The search of that name, if there is one.
async fn find(client: &Client, name: &str, whose: Whose) -> Result<Option<Value>> {
    let all = listing::all(client, PATH, &[("limit", "1000")]).await?;
    let mut named: Vec<Value> = all
        .into_iter()
        .filter(|one| one["name"] == name && (whose == Whose::Anybody || one["own"] == true))
        .collect();
    named.sort_by_key(|one| one["own"] != true);
    if let [first, second, ..] = named.as_slice()
        && first["own"] != true
    {
        let owners = [first, second].map(|one| one["owner"].as_str().unwrap_or_default());
        bail!(
            "{} and {} share a search of that name: save a copy of one with another name",
            owners[0],
            owners[1]
        );
    }
    Ok(named.into_iter().next())
}

async fn named(client: &Client, name: &str, whose: Whose) -> Result<Value> {
    let found = find(client, name, whose).await?;
    found.with_context(|| format!("no search named {name:?}: see `nhatky saved list`"))
}

async fn ask(
    client: &Client,
    listing: Listing,
    limit: usize,
    name: &str,
    texts: &Texts,
) -> Result<()> {
    let found = named(client, name, Whose::Anybody).await?;
    let text = |member: &str| found[member].as_str().map(str::to_owned);
    let args = Search {
        place: listing.place,
        span: Span {
            from: text("from"),
            to: text("to"),
        },
        limit,
        json: listing.json,
        explain: false,
        query: text("query").unwrap_or_default(),
    };
    search::show(client, &args, texts).await
}

async fn save(client: &Client, name: &str, body: &Value) -> Result<Value> {
    match find(client, name, Whose::Own).await? {
        Some(kept) => client.put(&format!("{PATH}/{}", kept["id"]), body).await,
        None => client.post(PATH, body).await,
    }
}

async fn delete(client: &Client, name: &str) -> Result<Value> {
    let kept = named(client, name, Whose::Own).await?;
    client.delete(&format!("{PATH}/{}", kept["id"])).await
}

fn show(found: &Value, json: bool, texts: &Texts) -> Result<()> {
    if output::as_json(json) {
        return output::json(found);
    }
    let name = found["name"].as_str().unwrap_or_default();
    let head = [texts.say("column.name", &[]), terminal::harmless(name)];
    let mut table = terminal::table(head.into());
    for Column(head, pointer, _) in COLUMNS.iter().skip(1) {
        let said = match found.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        table.add_row(vec![cell(&texts.say(head, &[])), cell(&said)]);
    }
    output::line(&table.trim_fmt())
}
