//! The reference of rules in `docs/detectors.md` and `docs/vi/detectors.md` is what the rule files say.
//!
//! `NHATKY_BLESS=1 cargo nextest run -p detect --test reference` rewrites it.

use std::fmt::Write as _;
use std::path::Path;

use detect::{RuleInfo, RuleState, RuleText, Rules, Settings, TunableInfo};

const BEGIN: &str = "<!-- rules: made by a test from the rule files; do not edit below -->\n";

/// The words of one language around what the rules say.
struct Words {
    file: &'static str,
    becomes: &'static str,
    key: &'static str,
    text: fn(&RuleInfo) -> &RuleText,
    reason: fn(&TunableInfo) -> &str,
    kept_for_others: &'static str,
}

#[test]
fn the_reference_says_what_the_rules_say() {
    let languages = [
        Words {
            file: "detectors.md",
            becomes: "goes to",
            key: "one episode for each",
            text: |info| &info.en,
            reason: |tunable| &tunable.reason_en,
            kept_for_others: "Building blocks of other rules",
        },
        Words {
            file: "vi/detectors.md",
            becomes: "chuyển vào",
            key: "mỗi đợt theo",
            text: |info| &info.vi,
            reason: |tunable| &tunable.reason_vi,
            kept_for_others: "Quy tắc nền cho các quy tắc khác",
        },
    ];
    let rules = Rules::load(None, &Settings::default());
    for words in languages {
        check(&rules, &words);
    }
}

fn check(rules: &Rules, words: &Words) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(words.file);
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (head, below) = page.split_once(BEGIN).expect("the mark is in the page");
    let wanted = reference(rules, words);
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

fn reference(rules: &Rules, words: &Words) -> String {
    let mut text = String::new();
    let (mut blocks, mut active) = (Vec::new(), Vec::new());
    for info in rules.infos() {
        if info.state == RuleState::Active {
            active.push(info);
        } else {
            blocks.push(info);
        }
    }
    for info in active {
        rule(&mut text, info, words).expect("a String takes all that is written");
    }
    let names: Vec<String> = blocks.iter().map(|info| format!("`{}`", info.id)).collect();
    writeln!(text, "\n{}: {}.", words.kept_for_others, names.join(", "))
        .expect("a String takes all that is written");
    text
}

fn rule(text: &mut String, info: &RuleInfo, words: &Words) -> std::fmt::Result {
    let said = (words.text)(info);
    let key: Vec<String> = info.key.iter().map(|field| format!("`{field}`")).collect();
    writeln!(text, "\n### `{}`\n", info.id)?;
    writeln!(
        text,
        "{} ({}; {} `{}`; {} {})\n",
        plain(&said.title),
        info.kind.name(),
        words.becomes,
        info.disposition,
        words.key,
        key.join(", ")
    )?;
    writeln!(text, "{}\n", plain(&said.detail))?;
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

/// Facts as code: `{source.ip}`.
fn plain(template: &str) -> String {
    template.replace('{', "`{").replace('}', "}`")
}
