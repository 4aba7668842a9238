//! `nhatky rules`: the tools of those who write rules. Only the backtest needs a data directory.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use detect::{Detector, Mode, Output, RuleInfo, RuleText, Rules, TunableInfo};
use event::Event;
use parse::{Depth, ParseSettings, Parsers};
use serde_json::{Value, json};

use super::verify::instant;
use crate::cli::{self, Content, Place, Span};
use crate::config::Config;
use crate::node::Node;
use crate::output;
use crate::terminal::{self, cell};
use crate::texts::{Language, Texts};

pub(crate) async fn run(command: cli::Rules, texts: &Texts) -> Result<ExitCode> {
    match command {
        cli::Rules::List(content) => list_rules(&content, texts).map(|()| ExitCode::SUCCESS),
        cli::Rules::Show { content, id } => show_rule(&content, &id).map(|()| ExitCode::SUCCESS),
        cli::Rules::Days {
            place,
            id,
            days,
            json,
        } => super::rule_days::run(&place, &id, days, json, texts)
            .await
            .map(|()| ExitCode::SUCCESS),
        cli::Rules::Test(content) => test_rules(&content, texts),
        cli::Rules::Backtest {
            place,
            span,
            rule,
            json,
        } => backtest(&place, &span, rule.as_deref(), json, texts)
            .await
            .map(|()| ExitCode::SUCCESS),
    }
}

/// The rules with the settings of the site, if there are any.
fn load_rules(content: Option<&Path>) -> Result<Arc<Rules>> {
    let file = content
        .and_then(Path::parent)
        .map(|data| data.join("config.toml"));
    let file = file.filter(|file| file.is_file());
    let config = Config::load(file.as_deref())?;
    let rules = Rules::load(content, &config.detect);
    for problem in rules.problems() {
        output::note(&problem.to_string())?;
    }
    Ok(Arc::new(rules))
}

fn list_rules(content: &Content, texts: &Texts) -> Result<()> {
    let rules = load_rules(content.content.as_deref())?;
    if output::as_json(content.json) {
        return rules
            .infos()
            .into_iter()
            .try_for_each(|info| output::json(&described(info)));
    }
    let columns = [
        "column.rule",
        "column.state",
        "column.class",
        "column.detail",
    ];
    let mut table = terminal::table(columns.iter().map(|key| texts.say(key, &[])).collect());
    for info in rules.infos() {
        let disposition = info.disposition.name();
        let classes = info
            .needs_classes
            .iter()
            .map(|class| class.name())
            .collect::<Vec<_>>()
            .join(", ");
        table.add_row([
            cell(&info.id),
            cell(disposition),
            cell(&classes),
            cell(&text(info, texts).title),
        ]);
    }
    output::line(&table.trim_fmt())
}

/// What people are told of the rule, in their language.
fn text<'a>(info: &'a RuleInfo, texts: &Texts) -> &'a RuleText {
    match texts.language() {
        Language::Vi => &info.vi,
        Language::En => &info.en,
    }
}

/// A rule as JSON, for scripts and for `rules show`.
fn described(info: &RuleInfo) -> Value {
    let tunable = |tunable: &TunableInfo| {
        let from = if tunable.changed { "config" } else { "rule" };
        json!({
            "name": tunable.name,
            "value": tunable.value,
            "from": from,
            "default": tunable.default,
            "reason": { "vi": tunable.reason_vi, "en": tunable.reason_en },
        })
    };
    let tunables = info.tunables.iter().map(tunable).collect::<Vec<_>>();
    let told = |text: &RuleText| json!({ "title": text.title, "detail": text.detail, "runbook": text.runbook, "misses": text.misses });
    json!({
        "id": info.id,
        "title": info.title,
        "description": info.description,
        "file": info.file,
        "disposition": info.disposition,
        "effect": info.effect,
        "entity": info.entity,
        "key": info.key,
        "tunables": tunables,
        "needs": { "classes": info.needs_classes, "fields": info.needs_fields },
        "tags": info.tags,
        "query": info.query,
        "vi": told(&info.vi),
        "en": told(&info.en),
    })
}

fn show_rule(content: &Content, id: &str) -> Result<()> {
    let rules = load_rules(content.content.as_deref())?;
    let Some(info) = rules.info(id) else {
        bail!("no rule {id}: `nhatky rules list` names them all")
    };
    output::line(&serde_json::to_string_pretty(&described(info))?)
}

fn test_rules(content: &Content, texts: &Texts) -> Result<ExitCode> {
    let rules = load_rules(content.content.as_deref())?;
    let parsers = Parsers::load(content.content.as_deref())?;
    let settings = ParseSettings::default();
    let report = detect::test_rules(&rules, &mut |record| {
        let mut event = Event::default();
        parsers.parse_into(record, &settings, Depth::Full, &mut event);
        event
    });
    let failed: Vec<_> = report
        .trials
        .iter()
        .filter(|trial| !trial.passed())
        .collect();
    for trial in &failed {
        output::line(&format!(
            "{}: {}: {} detections instead of {}; the last line gives {}",
            trial.rule, trial.what, trial.found, trial.expected, trial.last_event
        ))?;
    }
    for rule in &report.untested {
        output::line(&format!(
            "{rule}: has not both a sample that fires it and one that does not"
        ))?;
    }
    let samples = report.trials.len();
    if failed.is_empty() && report.untested.is_empty() && rules.problems().is_empty() {
        output::note(&texts.say(
            "rules.good",
            &[("rules", &rules.infos().len()), ("samples", &samples)],
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::note(&texts.say(
        "rules.bad",
        &[("failed", &failed.len()), ("samples", &samples)],
    ))?;
    Ok(ExitCode::from(1))
}

/// The rules over what the journal keeps, as if it were arriving now; nothing is stored.
async fn backtest(
    place: &Place,
    span: &Span,
    rule: Option<&str>,
    json: bool,
    texts: &Texts,
) -> Result<()> {
    if place.server.is_some() {
        bail!("backtest reads a data directory: stop the server, or run it on a copy");
    }
    let from = span.from.as_deref().map(instant).transpose()?;
    let to = span.to.as_deref().map(instant).transpose()?;
    let node = Node::offline(&place.data).await?;
    let reader = node.journal.reader();
    let mut detector = Detector::new(node.rules.load_full(), Mode::Live);
    let mut outputs = Vec::new();
    for block in reader.blocks(event::Seq(1), reader.durable()) {
        let understanding = node.understanding.load();
        for record in reader.read_block(&block)? {
            let inside = from.is_none_or(|from| record.received_at >= from)
                && to.is_none_or(|to| record.received_at < to);
            if inside {
                detector.observe(
                    &understanding.event(&record, index::Depth::Full),
                    &mut outputs,
                );
            }
        }
    }
    node.close().await?;
    let found = outputs.into_iter().filter_map(|output| match output {
        Output::Detection(detection) if rule.is_none_or(|rule| *detection.rule == *rule) => {
            Some(detection)
        }
        Output::Detection(_) | Output::Update(_) | Output::Evicted(_) | Output::Day(_) => None,
    });
    if output::as_json(json) {
        return found
            .into_iter()
            .try_for_each(|detection| output::json(&serde_json::to_value(detection)?));
    }
    let columns = [
        "column.first",
        "column.rule",
        "column.entity",
        "column.detail",
    ];
    let mut table = terminal::table(columns.iter().map(|key| texts.say(key, &[])).collect());
    for detection in found {
        let entity = detection
            .entity
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let first = terminal::local_time(&detection.first_at.to_string());
        table.add_row([
            cell(&first),
            cell(&detection.rule),
            cell(&entity),
            cell(&detection.query),
        ]);
    }
    output::line(&table.trim_fmt())
}
