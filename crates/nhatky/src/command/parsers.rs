//! `nhatky parsers`: the tools of those who write definitions. They need no server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use event::EventClass;
use parse::{Coverage, MessageCoverage, Parsers};
use serde_json::json;

use super::unparsed;
use crate::cli::{self, Content};
use crate::output;
use crate::terminal::{self, cell};
use crate::texts::Texts;

pub(crate) async fn run(command: &cli::Parsers, texts: &Texts) -> Result<ExitCode> {
    match command {
        cli::Parsers::List(content) => list(content, texts).map(|()| ExitCode::SUCCESS),
        cli::Parsers::Test {
            content,
            bless,
            unnoticed,
            products,
        } => {
            let folders = definition_folders(content, products)?;
            let parsers = Parsers::load(content.content.as_deref())?;
            if *bless {
                folders
                    .iter()
                    .try_for_each(|folder| parsers.bless(folder))?;
            }
            let tested = test(&parsers, &folders, texts)?;
            if *unnoticed && show_unnoticed(&folders)? {
                return Ok(ExitCode::from(1));
            }
            Ok(tested)
        }
        cli::Parsers::Coverage {
            content,
            markdown,
            products,
        } => coverage(content, *markdown, products, texts).map(|()| ExitCode::SUCCESS),
        cli::Parsers::Bench { content, products } => {
            bench(content, products, texts).map(|()| ExitCode::SUCCESS)
        }
        cli::Parsers::Schema => {
            output::line(&serde_json::to_string_pretty(&parse::definition_schema())?)?;
            Ok(ExitCode::SUCCESS)
        }
        cli::Parsers::Unparsed(args) => unparsed::list(args, texts).await,
        cli::Parsers::Draft(args) => unparsed::draft(args, texts).await,
    }
}

fn list(content: &Content, texts: &Texts) -> Result<()> {
    let parsers = Parsers::load(content.content.as_deref())?;
    if output::as_json(content.json) {
        return parsers.products().try_for_each(|product| {
            output::json(&json!({ "product": product.name, "title": product.title, "category": product.category }))
        });
    }
    let columns = ["column.product", "column.category", "column.name"];
    let mut table = terminal::table(columns.iter().map(|key| texts.say(key, &[])).collect());
    for product in parsers.products() {
        table.add_row([
            cell(&product.name),
            cell(product.category.name()),
            cell(&product.title),
        ]);
    }
    output::line(&table.trim_fmt())
}

fn test(parsers: &Parsers, folders: &[PathBuf], texts: &Texts) -> Result<ExitCode> {
    let (mut products, mut samples, mut failed) = (0_usize, 0, 0);
    for folder in folders {
        let report = parsers.test(folder)?;
        products += 1;
        samples += report.samples;
        failed += report.failed;
        for difference in report.differences {
            output::line(&format!("{}: {difference}", folder.display()))?;
        }
        for message in report.uncovered {
            output::note(&format!(
                "{}: no sample shows the message {message}",
                folder.display()
            ))?;
        }
    }
    if failed == 0 {
        output::note(&texts.say(
            "parsers.good",
            &[("products", &products), ("samples", &samples)],
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&texts.say("parsers.bad", &[("failed", &failed), ("samples", &samples)]))?;
    Ok(ExitCode::from(1))
}

/// What each definition knows, as its samples show it.
fn coverage(content: &Content, markdown: bool, products: &[String], texts: &Texts) -> Result<()> {
    let parsers = Parsers::load(content.content.as_deref())?;
    let mut all = Vec::new();
    for folder in definition_folders(content, products)? {
        all.extend(parsers.coverage(&folder)?);
    }
    if markdown {
        return output::line(as_markdown(&all).trim_end());
    }
    if output::as_json(content.json) {
        return all
            .iter()
            .try_for_each(|coverage| output::json(&serde_json::to_value(coverage)?));
    }
    let mut columns = vec![
        texts.say("column.product", &[]),
        texts.say("column.count", &[]),
    ];
    columns.extend(EventClass::ALL.iter().map(|class| class.name().to_owned()));
    let mut table = terminal::table(columns);
    for coverage in &all {
        let mut row = vec![cell(&coverage.product), cell(&coverage.samples.to_string())];
        row.extend(
            EventClass::ALL
                .iter()
                .map(|class| cell(&of_class(coverage, *class))),
        );
        table.add_row(row);
    }
    output::line(&table.trim_fmt())
}

/// How many kinds of message give the class; a dash for none.
fn of_class(coverage: &Coverage, class: EventClass) -> String {
    let gives = |message: &&MessageCoverage| message.classes.contains(&class);
    match coverage.messages.iter().filter(gives).count() {
        0 => "–".to_owned(),
        count => count.to_string(),
    }
}

/// The page `docs/parser-coverage.md`.
fn as_markdown(all: &[Coverage]) -> String {
    let names: Vec<_> = EventClass::ALL.iter().map(|class| class.name()).collect();
    let mut page = format!(
        "# Parser coverage\n\nWritten by `nhatky parsers coverage --markdown` from the samples beside each definition. \
         A number says how many kinds of message give that class of Điều 7.2; – none.\n\n\
         | product | | category | messages | samples | {} |\n| --- | --- | --- | ---: | ---: |{}\n",
        names.join(" | "),
        " ---: |".repeat(names.len())
    );
    for coverage in all {
        let classes = EventClass::ALL
            .iter()
            .map(|class| of_class(coverage, *class));
        let classes: Vec<_> = classes.collect();
        page.push_str(&format!(
            "| [{0}](../parsers/{0}) | {1} | {2} | {3} | {4} | {5} |\n",
            coverage.product,
            coverage.title,
            coverage.category.name(),
            coverage.messages.len(),
            coverage.samples,
            classes.join(" | ")
        ));
    }
    page.push_str("\n## Messages\n\nEach with its class, and how many samples show it.\n");
    for coverage in all {
        page.push_str(&format!("\n**{}**: ", coverage.product));
        let messages = coverage.messages.iter().map(|message| {
            let classes: Vec<_> = message.classes.iter().map(|class| class.name()).collect();
            let classes = if classes.is_empty() {
                "–".to_owned()
            } else {
                classes.join(", ")
            };
            format!("{} ({classes}; {})", message.name, message.samples)
        });
        page.push_str(&messages.collect::<Vec<_>>().join(" · "));
        page.push('\n');
    }
    page
}

/// How long each definition's samples are parsed again and again.
const BENCH_TIME: Duration = Duration::from_millis(200);

/// What a line costs, by product, among all definitions.
fn bench(content: &Content, products: &[String], texts: &Texts) -> Result<()> {
    let start = Instant::now();
    let parsers = Parsers::load(content.content.as_deref())?;
    let loaded_ms = start.elapsed().as_millis();
    let mut table = terminal::table(vec![
        texts.say("column.product", &[]),
        "ns/line".to_owned(),
        "MB/s".to_owned(),
        "lines/s".to_owned(),
    ]);
    for folder in definition_folders(content, products)? {
        let samples = parsers.sample_run(&folder)?;
        let mut rounds = 0_u32;
        let start = Instant::now();
        while start.elapsed() < BENCH_TIME {
            samples.run(&parsers);
            rounds += 1;
        }
        let lines = f64::from(rounds) * samples.lines() as f64;
        let seconds = start.elapsed().as_secs_f64();
        let bytes = f64::from(rounds) * samples.bytes() as f64;
        let product = folder.file_name().unwrap_or_default().to_string_lossy();
        if output::as_json(content.json) {
            output::json(
                &json!({ "product": product, "ns_per_line": seconds * 1e9 / lines, "mb_per_second": bytes / seconds / 1e6 }),
            )?;
            continue;
        }
        table.add_row([
            cell(&product),
            cell(&format!("{:.0}", seconds * 1e9 / lines)),
            cell(&format!("{:.0}", bytes / seconds / 1e6)),
            cell(&format!("{:.0}", lines / seconds)),
        ]);
    }
    if !output::as_json(content.json) {
        output::line(&table.trim_fmt())?;
    }
    let definitions = parsers.products().count();
    output::note(&texts.say(
        "parsers.loaded",
        &[("products", &definitions), ("ms", &loaded_ms)],
    ))
}

/// Names what the samples do not notice; whether there is any.
fn show_unnoticed(folders: &[PathBuf]) -> Result<bool> {
    let mut any = false;
    for folder in folders {
        for slot in Parsers::unnoticed(folder)? {
            any = true;
            output::line(&format!("{}: no sample notices {slot}", folder.display()))?;
        }
    }
    Ok(any)
}

/// The folders of those products, or of all.
///
/// Samples stand beside their definitions: in the site's `content/parsers`, or in `parsers/` of the source tree.
fn definition_folders(content: &Content, products: &[String]) -> Result<Vec<PathBuf>> {
    let top = content
        .content
        .as_deref()
        .unwrap_or(Path::new("."))
        .join("parsers");
    let missing = |product: &&String| !top.join(product).join("parser.toml").is_file();
    if let Some(missing) = products.iter().find(missing) {
        bail!("no parser {missing} in {}", top.display());
    }
    if !products.is_empty() {
        return Ok(products.iter().map(|product| top.join(product)).collect());
    }
    let entries = std::fs::read_dir(&top).with_context(|| {
        format!(
            "{} cannot be read: run it in the source tree, or give --content",
            top.display()
        )
    })?;
    let mut folders = Vec::new();
    for entry in entries {
        let folder = entry?.path();
        if folder.join("parser.toml").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}
