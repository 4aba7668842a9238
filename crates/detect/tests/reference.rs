//! The reference of rules in `docs/detectors.md` and `docs/vi/detectors.md` is what the rule files say.
//!
//! `NHATKY_BLESS=1 cargo nextest run -p detect --test reference` rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use detect::{RuleInfo, RuleState, RuleText, Rules, Settings, TunableInfo};
use event::{Event, Field, Micros, Origin, Record, Transport};
use parse::{Depth, ParseSettings, Parsers};

const BEGIN: &str = "<!-- rules: made by a test from the rule files; do not edit below -->\n";

/// The words of one language around what the rules say.
struct Words {
    file: &'static str,
    /// The heads of the table of all rules.
    heads: [&'static str; 4],
    becomes: &'static str,
    key: &'static str,
    effect: &'static str,
    /// What the declaration says in English alone is left out where this is `None`.
    sees: Option<&'static str>,
    quiet: Option<&'static str>,
    needs: &'static str,
    class: &'static str,
    fields: &'static str,
    whatever: &'static str,
    misses: &'static str,
    tried: &'static str,
    text: fn(&RuleInfo) -> &RuleText,
    reason: fn(&TunableInfo) -> &str,
    kept_for_others: &'static str,
}

const ENGLISH: Words = Words {
    file: "detectors.md",
    heads: ["rule", "goes to", "effect", "needs events of class"],
    becomes: "goes to",
    key: "one episode for each",
    effect: "effect",
    sees: Some("Sees"),
    quiet: Some("Quiet, tested"),
    needs: "Needs",
    class: "events of class",
    fields: "with",
    whatever: "any",
    misses: "Misses",
    tried: "Tried on",
    text: |info| &info.en,
    reason: |tunable| &tunable.reason_en,
    kept_for_others: "Building blocks of other rules",
};

const VIETNAMESE: Words = Words {
    file: "vi/detectors.md",
    heads: ["quy tắc", "chuyển vào", "hậu quả", "cần sự kiện thuộc lớp"],
    becomes: "chuyển vào",
    key: "mỗi đợt theo",
    effect: "hậu quả",
    sees: None,
    quiet: None,
    needs: "Cần",
    class: "sự kiện lớp",
    fields: "có",
    whatever: "bất kỳ",
    misses: "Không thấy",
    tried: "Đã thử với",
    text: |info| &info.vi,
    reason: |tunable| &tunable.reason_vi,
    kept_for_others: "Quy tắc nền cho các quy tắc khác",
};

/// The products whose lines are among a rule's samples that fire.
type Products = BTreeMap<Box<str>, BTreeSet<String>>;

#[test]
fn the_reference_says_what_the_rules_say() {
    let rules = Rules::load(None, &Settings::default());
    let products = products(&rules);
    for words in [ENGLISH, VIETNAMESE] {
        check(&rules, &products, &words);
    }
}

fn check(rules: &Rules, products: &Products, words: &Words) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(words.file);
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (head, below) = page.split_once(BEGIN).expect("the mark is in the page");
    let wanted = reference(rules, products, words);
    if std::env::var_os("NHATKY_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{wanted}")).expect("the page can be written");
        return;
    }
    assert!(
        below == wanted,
        "{} is out of date: run with NHATKY_BLESS=1",
        words.file
    );
}

fn products(rules: &Rules) -> Products {
    let (parsers, settings) = (Parsers::builtin(), ParseSettings::default());
    let from_syslog = Origin {
        transport: Transport::Tcp,
        listener: "syslog-tcp".into(),
        peer: None,
        identity: None,
    };
    let (from_syslog, own) = (Arc::new(from_syslog), Arc::new(Origin::own()));
    let mut products = Products::new();
    for info in rules.infos() {
        let firing = info.samples.iter().filter(|sample| sample.fires > 0);
        for step in firing.flat_map(|sample| &sample.steps) {
            let ours = step.listener.as_deref() == Some("nhatky");
            let origin = if ours { &own } else { &from_syslog };
            let Some(line) = step.lines().next() else {
                continue;
            };
            let record = Record::new(Arc::clone(origin), Micros(0), Bytes::from(line));
            let mut event = Event::default();
            parsers.parse_into(&record, &settings, Depth::Core, &mut event);
            if let Some(product) = event.text(Field::NHATKY_PRODUCT) {
                let of_rule = products.entry(info.id.clone()).or_default();
                of_rule.insert(product.to_owned());
            }
        }
    }
    products
}

fn reference(rules: &Rules, products: &Products, words: &Words) -> String {
    let mut text = String::new();
    let (mut blocks, mut active) = (Vec::new(), Vec::new());
    for info in rules.infos() {
        if info.state == RuleState::Active {
            active.push(info);
        } else {
            blocks.push(info);
        }
    }
    table(&mut text, &active, words).expect("a String takes all that is written");
    for info in active {
        let of_rule = products.get(&info.id);
        rule(&mut text, info, of_rule, words).expect("a String takes all that is written");
    }
    let names: Vec<String> = blocks.iter().map(|info| format!("`{}`", info.id)).collect();
    writeln!(text, "\n{}: {}.", words.kept_for_others, names.join(", "))
        .expect("a String takes all that is written");
    text
}

fn table(text: &mut String, active: &[&RuleInfo], words: &Words) -> std::fmt::Result {
    writeln!(
        text,
        "\n| {} |\n| --- | --- | --- | --- |",
        words.heads.join(" | ")
    )?;
    for info in active {
        writeln!(
            text,
            "| [`{id}`](#{id}) | {} | {} | {} |",
            info.disposition,
            info.effect,
            classes(info, words),
            id = info.id,
        )?;
    }
    Ok(())
}

fn rule(
    text: &mut String,
    info: &RuleInfo,
    products: Option<&BTreeSet<String>>,
    words: &Words,
) -> std::fmt::Result {
    let said = (words.text)(info);
    writeln!(text, "\n### `{}`\n", info.id)?;
    writeln!(
        text,
        "{} ({}; {} `{}`; {} `{}`; {} {})\n",
        plain(&said.title),
        info.kind.name(),
        words.becomes,
        info.disposition,
        words.effect,
        info.effect,
        words.key,
        code(&info.key)
    )?;
    writeln!(text, "{}\n", plain(&said.detail))?;
    if let Some(sees) = words.sees {
        writeln!(text, "- {sees}: {}", info.description.trim())?;
    }
    if !info.needs_classes.is_empty() || !info.needs_fields.is_empty() {
        let classes = classes(info, words);
        write!(text, "- {}: {} {classes}", words.needs, words.class)?;
        if !info.needs_fields.is_empty() {
            write!(text, " {} {}", words.fields, code(&info.needs_fields))?;
        }
        writeln!(text, ".")?;
    }
    if !said.misses.is_empty() {
        writeln!(text, "- {}: {}", words.misses, said.misses)?;
    }
    if let Some(products) = products {
        let products: Vec<&str> = products.iter().map(String::as_str).collect();
        writeln!(text, "- {}: {}.", words.tried, products.join(", "))?;
    }
    if let Some(quiet) = words.quiet {
        let scenes = info.samples.iter().filter(|sample| sample.fires == 0);
        let scenes: Vec<&str> = scenes.map(|sample| sample.what.as_str()).collect();
        writeln!(text, "- {quiet}: {}.", scenes.join("; "))?;
    }
    let techniques = info
        .tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("attack.t"));
    let techniques: Vec<String> = techniques.map(|number| format!("T{number}")).collect();
    if !techniques.is_empty() {
        writeln!(text, "- ATT&CK: {}.", techniques.join(", "))?;
    }
    for tunable in &info.tunables {
        writeln!(
            text,
            "- `{}` = `{}`: {}",
            tunable.name,
            tunable.default,
            (words.reason)(tunable)
        )?;
    }
    writeln!(text, "\n→ {}", said.runbook)
}

fn classes(info: &RuleInfo, words: &Words) -> String {
    if info.needs_classes.is_empty() {
        return words.whatever.to_owned();
    }
    let names = info.needs_classes.iter().map(ToString::to_string);
    names.collect::<Vec<_>>().join(", ")
}

fn code(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// Facts as code: `{source.ip}`.
fn plain(template: &str) -> String {
    template.replace('{', "`{").replace('}', "}`")
}
