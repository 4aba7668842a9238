//! `nhatky rules`: the tools of those who write rules. What needs a
//! server or a data directory is in `backtest` and `rule_changes`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use detect::{RuleInfo, RuleText, Rules, TunableInfo};
use event::Event;
use parse::{Depth, ParseSettings, Parsers};
use serde_json::{Value, json};

use super::{backtest, rule_changes};
use crate::cli::{self, Content};
use crate::config::Config;
use crate::output;
use crate::terminal::{self, cell};
use crate::texts::{Language, Texts};

pub(crate) async fn run(command: cli::Rules, texts: &Texts) -> Result<ExitCode> {
    match command {
        cli::Rules::List(content) => done(list_rules(&content, texts)),
        cli::Rules::Show { content, id } => done(show_rule(&content, &id)),
        cli::Rules::Days {
            place,
            id,
            days,
            json,
        } => done(super::rule_days::run(&place, &id, days, json, texts).await),
        cli::Rules::Test(content) => test_rules(&content, texts),
        cli::Rules::Backtest(args) => done(backtest::run(&args, texts).await),
        cli::Rules::Settings { listing, id } => {
            done(rule_changes::settings(&listing, &id, texts).await)
        }
        cli::Rules::Set(args) => done(rule_changes::set(&args, texts).await),
        cli::Rules::Unset(args) => done(rule_changes::unset(&args, texts).await),
        cli::Rules::Exceptions(listing) => done(rule_changes::exceptions(&listing, texts).await),
        cli::Rules::Except(args) => done(rule_changes::except(&args, texts).await),
        cli::Rules::EndException { place, number } => {
            done(rule_changes::end_exception(&place, number, texts).await)
        }
    }
}

fn done(done: Result<()>) -> Result<ExitCode> {
    done.map(|()| ExitCode::SUCCESS)
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
