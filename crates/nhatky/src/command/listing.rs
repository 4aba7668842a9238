//! Lists from the API as tables or NDJSON: `sources`, `losses`, `alerts list`, `token list`.

use anyhow::Result;
use serde_json::Value;

use crate::cli::{Listing, Place};
use crate::client::Client;
use crate::output;
use crate::terminal::{self, cell, severity_cell};
use crate::texts::Texts;

/// A column: the text of its head, the JSON pointer of its values, and how they are shown.
pub(crate) struct Column(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) Show,
);

/// How a column's values are shown.
#[derive(Clone, Copy)]
pub(crate) enum Show {
    Plain,
    Time,
    Severity,
    Clocks,
    Contacts,
    Entities,
    Facts,
    Points,
    /// Words of a section of the catalogue.
    Word(&'static str),
    /// A share from 0 to 1, in hundredths.
    Share,
}

/// What is listed.
pub(crate) struct List<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: Vec<(&'a str, &'a str)>,
    pub(crate) columns: &'a [Column],
    /// The key of the text that is said when there is nothing.
    pub(crate) none: &'a str,
}

/// Fetches every page and prints it.
pub(crate) async fn run(listing: &Listing, list: List<'_>, texts: &Texts) -> Result<()> {
    let client = Client::open(&listing.place).await?;
    let printed = print(&client, listing.json, &list, texts).await;
    client.close().await?;
    printed
}

async fn print(client: &Client, json: bool, list: &List<'_>, texts: &Texts) -> Result<()> {
    let items = all(client, list.path, &list.query).await?;
    if output::as_json(json) {
        return items.iter().try_for_each(output::json);
    }
    if items.is_empty() {
        return output::note(&texts.say(list.none, &[]));
    }
    table(&items, list.columns, texts)
}

/// Prints items as a table.
pub(crate) fn table(items: &[Value], columns: &[Column], texts: &Texts) -> Result<()> {
    let header = columns
        .iter()
        .map(|Column(head, _, _)| texts.say(head, &[]))
        .collect();
    let mut table = terminal::table(header);
    table.add_rows(items.iter().map(|item| row(item, columns, texts)));
    output::line(&table.trim_fmt())
}

/// The items of every page.
pub(crate) async fn all(client: &Client, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut query = query.to_vec();
        if !cursor.is_empty() {
            query.push(("cursor", &cursor));
        }
        let mut page = client.get(path, &query).await?;
        if let Value::Array(more) = page["items"].take() {
            items.extend(more);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return Ok(items),
        }
    }
}

fn row(item: &Value, columns: &[Column], texts: &Texts) -> Vec<comfy_table::Cell> {
    let shown = |Column(_, pointer, show): &Column| {
        let text = plain(item.pointer(pointer).unwrap_or(&Value::Null));
        match show {
            Show::Plain => cell(&text),
            Show::Time => cell(&terminal::local_time(&text)),
            Show::Severity => severity_cell(&text, &texts.word("severity", &text)),
            Show::Clocks => cell(&clocks(item.pointer(pointer), texts)),
            Show::Contacts => cell(&contacts(item.pointer(pointer))),
            Show::Entities => cell(&entities(item.pointer(pointer))),
            Show::Facts => cell(&facts(item.pointer(pointer))),
            Show::Points => cell(&points(item.pointer(pointer))),
            Show::Word(section) => cell(&words(section, item.pointer(pointer), texts)),
            Show::Share => cell(&share(item.pointer(pointer))),
        }
    };
    columns.iter().map(shown).collect()
}

/// The clocks that are off: whose, by how much, and what seems to be wrong.
fn clocks(findings: Option<&Value>, texts: &Texts) -> String {
    let findings = findings.and_then(Value::as_array).into_iter().flatten();
    let off = findings.filter_map(|finding| {
        let offset = finding["offset_us"]
            .as_i64()
            .filter(|offset| *offset != 0)?;
        let cause = texts.word("clock", finding["cause"].as_str().unwrap_or_default());
        let host = finding["host"].as_str().unwrap_or_default();
        Some(
            format!("{host} {} ({cause})", terminal::offset(offset))
                .trim_start()
                .to_owned(),
        )
    });
    off.collect::<Vec<_>>().join(", ")
}

/// How somebody is reached, first what is to be tried first.
fn contacts(given: Option<&Value>) -> String {
    let given = given.and_then(Value::as_array).into_iter().flatten();
    let each =
        given.map(|contact| format!("{} {}", plain(&contact["kind"]), plain(&contact["value"])));
    each.collect::<Vec<_>>().join(", ")
}

/// Each as `KIND:NAME`.
fn entities(given: Option<&Value>) -> String {
    let given = given.and_then(Value::as_array).into_iter().flatten();
    let each = given.map(|entity| format!("{}:{}", plain(&entity["kind"]), plain(&entity["name"])));
    each.collect::<Vec<_>>().join(", ")
}

/// Each as `FIELD=VALUE`.
fn facts(given: Option<&Value>) -> String {
    let given = given.and_then(Value::as_object).into_iter().flatten();
    let each = given.map(|(field, value)| format!("{field}={}", plain(value)));
    each.collect::<Vec<_>>().join(", ")
}

/// What each rule adds, most first.
fn points(given: Option<&Value>) -> String {
    let given = given.and_then(Value::as_array).into_iter().flatten();
    let each = given.map(|rule| format!("{} {}", plain(&rule["rule"]), plain(&rule["points"])));
    each.collect::<Vec<_>>().join(", ")
}

/// A word, or each of several.
fn words(section: &str, given: Option<&Value>, texts: &Texts) -> String {
    let word = |value: &Value| texts.word(section, value.as_str().unwrap_or_default());
    match given {
        Some(Value::Array(several)) => several.iter().map(word).collect::<Vec<_>>().join(", "),
        Some(one) => word(one),
        None => String::new(),
    }
}

/// Rounded down, so that 100 % is whole.
fn share(given: Option<&Value>) -> String {
    let share = given.and_then(Value::as_f64);
    share.map_or_else(String::new, |share| {
        format!("{} %", (share * 100.0).floor())
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(_) | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Does one thing through the API.
pub(crate) async fn act(place: &Place, path: &str, body: &Value) -> Result<Value> {
    let client = Client::open(place).await?;
    let reply = client.post(path, body).await;
    client.close().await?;
    reply
}
