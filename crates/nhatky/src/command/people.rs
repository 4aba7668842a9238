//! `nhatky people`.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::listing::{self, Column, List, Show};
use crate::cli::People;
use crate::client::Client;
use crate::output;
use crate::texts::Texts;

const PATH: &str = "/api/v1/people";

const COLUMNS: &[Column] = &[
    Column("column.id", "/id", Show::Plain),
    Column("column.name", "/name", Show::Plain),
    Column("column.contacts", "/contacts", Show::Contacts),
    Column("column.accounts", "/accounts", Show::Plain),
    Column("column.removed", "/removed_at", Show::Time),
];

pub(crate) async fn run(command: People, texts: &Texts) -> Result<()> {
    match command {
        People::List { listing, removed } => {
            let list = List {
                path: PATH,
                query: match removed {
                    true => vec![("removed", "true")],
                    false => Vec::new(),
                },
                columns: COLUMNS,
                none: "people.none",
            };
            listing::run(&listing, list, texts).await
        }
        People::Add {
            place,
            contact,
            account,
            name,
        } => {
            let body =
                json!({ "name": name, "contacts": contacts(&contact)?, "accounts": account });
            listing::act(&place, PATH, &body).await?;
            output::note(&texts.say("people.added", &[("name", &name)]))
        }
        People::Set {
            place,
            rename,
            contact,
            account,
            name,
        } => {
            let client = Client::open(&place).await?;
            let changed = set(&client, &name, rename, &contact, account).await;
            client.close().await?;
            changed?;
            output::note(&texts.say("people.changed", &[("name", &name)]))
        }
        People::Remove {
            place,
            reason,
            name,
        } => {
            let client = Client::open(&place).await?;
            let removed = remove(&client, &name, &reason).await;
            client.close().await?;
            let left = removed?["open_alerts"].as_u64().unwrap_or_default();
            output::note(&texts.say("people.removed", &[("name", &name)]))?;
            if left > 0 {
                let said = texts.say("people.open_alerts", &[("count", &left), ("name", &name)]);
                output::note(&said)?;
            }
            Ok(())
        }
    }
}

async fn set(
    client: &Client,
    name: &str,
    rename: Option<String>,
    contact: &[String],
    account: Vec<String>,
) -> Result<Value> {
    let kept = named(client, name).await?;
    let contacts = match contact {
        [] => kept["contacts"].clone(),
        given => contacts(given)?,
    };
    let accounts = match account.as_slice() {
        [] => kept["accounts"].clone(),
        _ => json!(account),
    };
    let name = rename.map_or_else(|| kept["name"].clone(), Value::from);
    let body = json!({ "name": name, "contacts": contacts, "accounts": accounts });
    client.put(&format!("{PATH}/{}", kept["id"]), &body).await
}

async fn remove(client: &Client, name: &str, reason: &str) -> Result<Value> {
    let kept = named(client, name).await?;
    let path = format!("{PATH}/{}/remove", kept["id"]);
    client.post(&path, &json!({ "reason": reason })).await
}

async fn named(client: &Client, name: &str) -> Result<Value> {
    let all = listing::all(client, PATH, &[]).await?;
    let found = all.into_iter().find(|person| person["name"] == name);
    found.with_context(|| format!("nobody is named {name:?}: see `nhatky people list`"))
}

/// `KIND:VALUE` each.
fn contacts(given: &[String]) -> Result<Value> {
    let contact = |text: &String| {
        let (kind, value) = text.split_once(':').with_context(|| {
            format!("{text:?} is no contact: write email:ADDRESS or phone:NUMBER")
        })?;
        Ok(json!({ "kind": kind, "value": value }))
    };
    given.iter().map(contact).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_its_kind_and_the_rest() {
        let read = contacts(&["phone:+84:1".to_owned()]).unwrap();
        assert_eq!(read, json!([{ "kind": "phone", "value": "+84:1" }]));
        contacts(&["an@b".to_owned()]).unwrap_err();
    }
}
