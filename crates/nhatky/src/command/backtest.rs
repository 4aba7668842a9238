//! `nhatky rules backtest`: the rules over what the journal keeps, in this process or on a running server.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Result, bail};
use query::Context;
use serde_json::{Value, json};
use server::{Allowance, BacktestFigures};

use super::listing::{self, Column, Show};
use crate::cli::Backtest;
use crate::client::Client;
use crate::node::Node;
use crate::output;
use crate::texts::Texts;

const PATH: &str = "/api/v1/backtests";
/// How often a server is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Detections that a table shows: their columns are as wide as the widest, so that all of them are held.
const SHOWN_MAX: usize = 10_000;

const FOUND: &[Column] = &[
    Column("column.first", "/first_at", Show::Time),
    Column("column.rule", "/rule", Show::Plain),
    Column("column.entity", "/entity/name", Show::Plain),
    Column("column.detail", "/query", Show::Plain),
];

const RULES: &[Column] = &[
    Column("column.rule", "/rule", Show::Plain),
    Column("column.detections", "/detections", Show::Plain),
];

const SOURCES: &[Column] = &[
    Column("column.source", "/source", Show::Plain),
    Column("column.events", "/events", Show::Plain),
    Column("column.detections", "/detections", Show::Plain),
];

const EVICTED: &[Column] = &[
    Column("column.rule", "/rule", Show::Plain),
    Column("column.forgotten", "/keys", Show::Plain),
];

pub(crate) async fn run(args: &Backtest, texts: &Texts) -> Result<()> {
    if args.place.server.is_some() {
        return on_server(args, texts).await;
    }
    let node = Node::offline(&args.place.data).await?;
    let done = here(&node, args).await;
    node.close().await?;
    let (found, figures) = done?;
    report(args.json, &found, &serde_json::to_value(figures)?, texts)
}

/// Over the data directory that this process holds. As JSON each detection is printed as it arises.
async fn here(node: &Node, args: &Backtest) -> Result<(Vec<Value>, BacktestFigures)> {
    let rules = node.rules.load_full();
    let rule = args.rule.as_deref();
    if let Some(rule) = rule
        && rules.info(rule).is_none()
    {
        bail!("no rule {rule}: `nhatky rules list` names them all")
    }
    let context = Context::at(node.clock.now());
    let instant = |text: &Option<String>| {
        let read = text
            .as_deref()
            .map(|text| (text, query::instant(text, &context)));
        match read {
            Some((text, None)) => {
                bail!("{text:?} is no instant: write it like 2026-10-11T08:00:00+07:00, or now-7d")
            }
            Some((_, at)) => Ok(at),
            None => Ok(None),
        }
    };
    let replay = node.replay(instant(&args.span.from)?, instant(&args.span.to)?);
    let backtest = server::Backtest::new(replay, rules, rule.map(Box::from));
    let as_json = output::as_json(args.json);
    let work = tokio::task::spawn_blocking(move || {
        let (mut shown, mut printed) = (Vec::new(), Ok(()));
        let allowance = Allowance::default();
        let mut found = |detection| {
            let told = match serde_json::to_value(detection) {
                Ok(detection) if as_json => output::json(&detection),
                Ok(detection) => {
                    if shown.len() < SHOWN_MAX {
                        shown.push(detection);
                    }
                    Ok(())
                }
                Err(error) => Err(error.into()),
            };
            if told.is_err() && printed.is_ok() {
                // Nobody reads on: `nhatky rules backtest | head`.
                printed = told;
                allowance.cancel.cancel();
            }
        };
        let figures = backtest.run(&allowance, &mut found, &mut |_| {});
        printed.map(|()| (shown, figures))
    });
    work.await?
}

/// On a running server, which is asked until it is done. Ctrl-C stops it there, too.
async fn on_server(args: &Backtest, texts: &Texts) -> Result<()> {
    let client = Client::open(&args.place).await?;
    let body = json!({ "rule": args.rule, "from": args.span.from, "to": args.span.to });
    let begun = client.post(PATH, &body).await?;
    let path = format!("{PATH}/{}", begun["id"]);
    let mut reply = tokio::select! {
        reply = ended(&client, &path) => reply?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            client.post(&format!("{path}/cancel"), &json!({})).await?;
            ended(&client, &path).await?
        }
    };
    let mut figures = reply["result"].take();
    if figures.is_null() {
        bail!("the backtest broke: the server's log says why")
    }
    let found = match figures
        .as_object_mut()
        .and_then(|figures| figures.remove("found"))
    {
        Some(Value::Array(found)) => found,
        _ => Vec::new(),
    };
    if output::as_json(args.json) {
        found.iter().try_for_each(output::json)?;
    }
    report(args.json, &found, &figures, texts)
}

/// The job when it has ended; meanwhile a terminal sees how far it is.
async fn ended(client: &Client, path: &str) -> Result<Value> {
    let watched = std::io::stderr().is_terminal();
    loop {
        let reply = client.get(path, &[]).await?;
        if reply["state"] != "running" {
            if watched {
                output::progress("")?;
            }
            return Ok(reply);
        }
        if watched {
            output::progress(&format!("{} %", percent(&reply["progress"])))?;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn percent(progress: &Value) -> u64 {
    let seq = |name: &str| progress[name].as_u64().unwrap_or(0);
    let (first, last) = (seq("first_seq"), seq("last_seq"));
    let gone = seq("through_seq").saturating_sub(first);
    (100 * gone)
        .checked_div(last.saturating_sub(first))
        .unwrap_or(100)
        .min(100)
}

/// The figures; on a terminal behind the detections, which a pipe has been given already.
fn report(json: bool, found: &[Value], figures: &Value, texts: &Texts) -> Result<()> {
    if output::as_json(json) {
        return output::json(&json!({ "summary": figures }));
    }
    listing::table(found, FOUND, texts)?;
    let tables = [("rules", RULES), ("sources", SOURCES), ("evicted", EVICTED)];
    for (member, columns) in tables {
        if let Some(items) = figures[member].as_array().filter(|items| !items.is_empty()) {
            output::line("")?;
            listing::table(items, columns, texts)?;
        }
    }
    let values: [(&str, &dyn std::fmt::Display); 4] = [
        ("events", &figures["events"]),
        ("detections", &figures["detections"]),
        ("ns", &figures["detect_ns_per_event"]),
        ("shown", &found.len()),
    ];
    output::note(&texts.say("backtest.done", &values))?;
    for why in figures["because"].as_array().into_iter().flatten() {
        let why = texts.word("shortfall", why.as_str().unwrap_or_default());
        output::note(&texts.say("backtest.not_whole", &[("why", &why)]))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_hundredths_of_what_is_gone_through() {
        let check = |first, through, last, expected| {
            let progress = json!({ "first_seq": first, "through_seq": through, "last_seq": last });
            assert_eq!(percent(&progress), expected);
        };
        check(1, 1, 101, 0);
        check(1, 51, 101, 50);
        check(1, 101, 101, 100);
        check(0, 0, 0, 100);
    }
}
