//! `nhatky parsers unparsed`, `nhatky parsers draft`: what is not understood, and the beginning of its definition.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use event::{Clock as _, Event, Field, ParseLevel, SystemClock};
use parse::{Draft, ParseSettings, Parsers, Unparsed};
use serde_json::Value;

use crate::cli;
use crate::client::Client;
use crate::output;
use crate::terminal::{self, cell};
use crate::texts::Texts;

const PATH: &str = "/api/v1/unparsed";
/// Templates are cut to this many characters in a table.
const TEMPLATE_SHOWN: usize = 100;

pub(crate) async fn list(args: &cli::Unparsed, texts: &Texts) -> Result<ExitCode> {
    let limit = args.limit.to_string();
    let reply = ask(&args.place, &args.asked, &limit).await?;
    if output::as_json(args.json) {
        let items = reply["items"].as_array().into_iter().flatten();
        return items
            .into_iter()
            .try_for_each(output::json)
            .map(|()| ExitCode::SUCCESS);
    }
    let columns = [
        "id", "count", "class", "product", "sources", "last", "template",
    ];
    let heads = columns.map(|key| texts.say(&format!("column.{key}"), &[]));
    let mut table = terminal::table(heads.into());
    for item in reply["items"].as_array().into_iter().flatten() {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let speaker = if item["product"].is_null() {
            text("app")
        } else {
            text("product")
        };
        table.add_row([
            cell(&text("id")),
            cell(&item["events"].to_string()),
            cell(&text("class")),
            cell(&speaker),
            cell(&item["sources"].as_array().map_or(0, Vec::len).to_string()),
            cell(&terminal::local_time(&text("last_seen"))),
            cell(&shortened(&text("template"))),
        ]);
    }
    output::line(&table.trim_fmt())?;
    for level in reply["levels"].as_array().into_iter().flatten() {
        let name = level["level"].as_str().unwrap_or_default();
        let said = texts.word("level", name);
        output::note(&format!("{said}: {}", level["count"]))?;
    }
    output::note(&texts.say(
        "unparsed.looked",
        &[
            ("lines", &reply["lines"]),
            ("total", &reply["total"]),
            ("clusters", &reply["clusters"]),
        ],
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(place: &cli::Place, asked: &cli::UnparsedAsked, limit: &str) -> Result<Value> {
    let lines = asked.lines.to_string();
    let mut query = vec![("limit", limit), ("lines", &lines)];
    let bounds = [
        ("q", &asked.query),
        ("from", &asked.span.from),
        ("to", &asked.span.to),
    ];
    for (name, value) in bounds {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    let client = Client::open(place).await?;
    let reply = client.get(PATH, &query).await;
    client.close().await?;
    reply
}

fn shortened(template: &str) -> String {
    let mut shown: String = template.chars().take(TEMPLATE_SHOWN).collect();
    if shown.len() < template.len() {
        shown.push('…');
    }
    shown
}

pub(crate) async fn draft(args: &cli::Draft, texts: &Texts) -> Result<ExitCode> {
    check_name(&args.name)?;
    let content = args
        .content
        .clone()
        .unwrap_or_else(|| args.place.data.join("content"));
    let folder = content.join("parsers").join(&args.name);
    let lines = if args.cluster.is_empty() {
        read_lines(args.file.as_deref())?
    } else {
        samples_of(args).await?
    };
    let known = content.try_exists()?.then_some(content.as_path());
    let parsers = Parsers::load(known)?;
    let mut unparsed = Unparsed::default();
    for line in &lines {
        let event = read(line, &parsers);
        if !is_understood(&event) {
            unparsed.add(&event);
        }
    }
    let clusters = unparsed.ranked();
    let draft = match parsers.definition_text(&args.name) {
        Some(text) => Draft::extending(text, &clusters)?,
        None => Draft::new(&args.name, &clusters)?,
    };
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    fs::write(folder.join("parser.toml"), &draft.definition)?;
    append(&folder.join("samples.jsonl"), &draft.samples)?;
    let parsers = Parsers::load(Some(&content))?;
    parsers.bless(&folder)?;
    let is_read = |line: &&String| is_understood(&read(line, &parsers));
    let understood = lines.iter().filter(is_read).count();
    output::line(&texts.say(
        "draft.done",
        &[
            ("folder", &folder.display()),
            ("messages", &draft.messages),
            ("understood", &understood),
            ("lines", &lines.len()),
        ],
    ))?;
    output::note(&texts.say(
        "draft.next",
        &[("name", &args.name), ("content", &content.display())],
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn append(path: &Path, lines: &[String]) -> Result<()> {
    let mut file = fs::File::options().create(true).append(true).open(path)?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(())
}

/// A product's name becomes a folder's.
fn check_name(name: &str) -> Result<()> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match name.split_once('.') {
        Some((vendor, product)) if part(vendor) && part(product) => Ok(()),
        _ => bail!(
            "{name:?} is no name of a product: write VENDOR.PRODUCT in small letters, digits and hyphens"
        ),
    }
}

fn read_lines(file: Option<&Path>) -> Result<Vec<String>> {
    let mut bytes = Vec::new();
    match file {
        Some(path) => {
            bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        }
        None => {
            std::io::stdin().lock().read_to_end(&mut bytes)?;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(str::to_owned).collect())
}

async fn samples_of(args: &cli::Draft) -> Result<Vec<String>> {
    let reply = ask(&args.place, &args.asked, "1000").await?;
    let mut lines = Vec::new();
    for wanted in &args.cluster {
        let mut items = reply["items"].as_array().into_iter().flatten();
        let Some(item) = items.find(|item| item["id"] == wanted.as_str()) else {
            bail!("there is no cluster {wanted} any more: see `nhatky parsers unparsed`");
        };
        let samples = item["samples"].as_array().into_iter().flatten();
        lines.extend(samples.filter_map(|sample| sample["raw"].as_str().map(str::to_owned)));
    }
    Ok(lines)
}

fn read(line: &str, parsers: &Parsers) -> Event {
    let line = Bytes::from(line.to_owned());
    let now = SystemClock::new().now();
    parse::parse_line(line, parsers, &ParseSettings::default(), now)
}

fn is_understood(event: &Event) -> bool {
    let level = event
        .text(Field::NHATKY_PARSE)
        .and_then(ParseLevel::from_name);
    matches!(level, Some(ParseLevel::Full | ParseLevel::Generic))
}
