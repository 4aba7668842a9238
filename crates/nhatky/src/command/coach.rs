//! `nhatky coach`: which of the six classes never came, what to switch on, and whether it has come.

use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::Value;

use super::listing;
use crate::cli;
use crate::client::Client;
use crate::output;
use crate::terminal::harmless;
use crate::texts::Texts;

pub(crate) async fn run(args: cli::Coach, texts: &Texts) -> Result<ExitCode> {
    let client = Client::open(&args.place).await?;
    let done = match &args.wait {
        Some(class) => wait(&client, &args, class, texts).await,
        None => show(&client, &args, texts).await,
    };
    client.close().await?;
    done
}

async fn ask(client: &Client, args: &cli::Coach) -> Result<Vec<Value>> {
    let days = args.days.to_string();
    let mut query = vec![("days", days.as_str())];
    query.extend(args.sender.as_deref().map(|sender| ("sender", sender)));
    listing::all(client, "/api/v1/coach", &query).await
}

/// Status 1 where a class is missing that could be switched on.
async fn show(client: &Client, args: &cli::Coach, texts: &Texts) -> Result<ExitCode> {
    let items = ask(client, args).await?;
    if items.is_empty() {
        output::note(&texts.say("search.none", &[]))?;
    }
    let is_missing = |class: &Value| class["state"] == "missing";
    let missing = items.iter().any(|item| classes(item).any(is_missing));
    for item in &items {
        if output::as_json(args.json) {
            output::json(item)?;
        } else {
            print(item, texts)?;
        }
    }
    Ok(ExitCode::from(u8::from(missing)))
}

fn classes(item: &Value) -> impl Iterator<Item = &Value> {
    item["classes"].as_array().into_iter().flatten()
}

fn print(item: &Value, texts: &Texts) -> Result<()> {
    let text = |value: &Value| harmless(value.as_str().unwrap_or_default());
    let products = item["products"].as_array().into_iter().flatten();
    let products: Vec<String> = products.map(text).collect();
    let products = match products.as_slice() {
        [] => texts.word("coach", "unknown"),
        known => known.join(", "),
    };
    output::line(&format!("{}  ({products})", text(&item["sender"])))?;
    for class in classes(item) {
        let name = text(&class["class"]);
        let state = texts.word("coach", &text(&class["state"]));
        let said = texts.word("class", &name);
        let count = class["events"].as_u64().filter(|events| *events > 0);
        let count = count.map_or(String::new(), |events| format!(" {events}"));
        output::line(&format!("  {name:<17}  {state}{count}  {said}"))?;
        for step in class["steps"].as_array().into_iter().flatten() {
            let told = text(&step[texts.language().code()]);
            output::line(&format!("      {}: {told}", text(&step["product"])))?;
            for command in step["commands"].as_str().unwrap_or_default().lines() {
                output::line(&format!("          {}", harmless(command)))?;
            }
            if let Some(source) = step["source"].as_str() {
                output::line(&format!("      [{}]", harmless(source)))?;
            }
        }
    }
    output::line("")
}

/// Returns when the first event of the class has come from the sender.
async fn wait(client: &Client, args: &cli::Coach, class: &str, texts: &Texts) -> Result<ExitCode> {
    let Some(sender) = &args.sender else {
        bail!("name the sender that is to be waited for: see `nhatky sources`");
    };
    let items = ask(client, args).await?;
    let Some(item) = items.first() else {
        bail!("nothing has come from {sender:?} yet: see `nhatky sources`");
    };
    let Some(class) = classes(item).find(|one| one["class"] == class) else {
        bail!("{class:?} is none of the six classes: see `nhatky coach {sender}`");
    };
    let query = class["query"].as_str().unwrap_or_default();
    output::note(&texts.say(
        "coach.waiting",
        &[("class", &class["class"]), ("sender", sender)],
    ))?;
    let json = output::as_json(args.json);
    let query = [("q", query)];
    let followed = client.follow("/api/v1/tail", &query, |message| {
        let Ok(event) = serde_json::from_str::<Value>(&message.data) else {
            return Ok(ControlFlow::Continue(()));
        };
        let raw = event["event.original"].as_str().unwrap_or_default();
        if json {
            output::line(&message.data)?;
        } else {
            output::line(&texts.say("coach.came", &[("raw", &harmless(raw))]))?;
        }
        Ok(ControlFlow::Break(()))
    });
    followed.await?;
    Ok(ExitCode::SUCCESS)
}
