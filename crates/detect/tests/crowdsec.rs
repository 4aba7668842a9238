//! CrowdSec's own test logs: the rules catch whom it catches, and accuse nobody else.
//!
//! One configuration for all cases: the thresholds of failed log-ins are four, since those logs are short.

mod corpus;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use corpus::{Watch, accused, alerts, text, thresholds};
use detect::Rules;
use parse::Parsers;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    lines: Vec<String>,
    expected: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    sources: Vec<String>,
}

/// The pairs that are not caught: case, address, why.
const MISSED: &[(&str, &str, &str)] = &[
    (
        "http-technology-probing",
        "10.0.0.1",
        "one or two questions for a product's page: a survey, which no rule of ours tells",
    ),
    ("http-technology-probing", "10.0.0.2", "the same"),
    (
        "nginx-mail-bf",
        "154.250.207.69",
        "the definition of nginx does not read the lines of its mail proxy",
    ),
    ("nginx-mail-bf", "5.34.207.182", "the same"),
    (
        "sap-probing",
        "127.0.0.1",
        "two questions for a product's page: a survey",
    ),
    (
        "ssh-generic-test",
        "127.0.0.1",
        "one try, of a name that only CrowdSec's own test uses",
    ),
];

/// Addresses that CrowdSec does not name and we do: case, address, why.
const NAMED_BESIDES: &[(&str, &str, &str)] = &[];

fn rules() -> Arc<Rules> {
    let four = [
        "login-failures-account",
        "login-failures-address",
        "login-spraying",
        "login-unknown-accounts",
        "login-probing",
        "login-web-failures",
    ];
    let settings = thresholds(&four.map(|rule| (rule, 4)));
    let rules = Rules::load(None, &settings);
    assert_eq!(rules.problems(), []);
    Arc::new(rules)
}

/// Whom the rules accuse in each case, and by which of them.
fn accusations(cases: &[Case]) -> BTreeMap<(&str, IpAddr), BTreeSet<Box<str>>> {
    let (parsers, rules) = (Parsers::builtin(), rules());
    let mut named: BTreeMap<(&str, IpAddr), BTreeSet<Box<str>>> = BTreeMap::new();
    for case in cases {
        let mut watch = Watch::new(&parsers, &rules);
        for line in &case.lines {
            watch.receive(line);
        }
        for detection in watch.detections().filter(|detection| alerts(detection)) {
            if let Some(address) = accused(detection) {
                let by = named.entry((&case.name, address)).or_default();
                by.insert(detection.rule.clone());
            }
        }
    }
    named
}

fn cases() -> Option<Vec<Case>> {
    let text = text("detect/crowdsec.jsonl")?;
    let read = |line: &str| serde_json::from_str(line).expect("a case");
    Some(text.lines().map(read).collect())
}

#[test]
fn who_attacks_is_caught() {
    let (Some(cases), Some(pairs)) = (cases(), text("detect/pairs.txt")) else {
        return;
    };
    let named = accusations(&cases);
    let mut missed = Vec::new();
    let mut caught: BTreeMap<&str, usize> = BTreeMap::new();
    for pair in pairs.lines() {
        let fields: Vec<&str> = pair.split('\t').collect();
        let [kind, case, _, address] = fields.as_slice() else {
            panic!("a pair has four fields: {pair}");
        };
        let who = address.parse().expect("an address");
        if named.contains_key(&(*case, who)) {
            *caught.entry(kind).or_default() += 1;
        } else {
            missed.push((*case, *address));
        }
    }
    missed.sort_unstable();
    missed.dedup();
    let stated: Vec<(&str, &str)> = MISSED.iter().map(|(case, who, _)| (*case, *who)).collect();
    assert_eq!(missed, stated, "caught: {caught:?}");
    assert!(
        caught["login"] >= 20 && caught["web"] >= 25 && caught["scan"] == 3,
        "{caught:?}"
    );
}

#[test]
fn nobody_else_is_accused() {
    let Some(cases) = cases() else { return };
    let mut besides = Vec::new();
    for ((name, address), rules) in accusations(&cases) {
        let case = cases.iter().find(|case| case.name == name);
        let expected = case.iter().flat_map(|case| &case.expected);
        let mut sources = expected.flat_map(|expected| &expected.sources);
        let is_expected = sources.any(|source| source.parse() == Ok(address));
        let stated =
            |(case, who, _): &(&str, &str, &str)| *case == name && *who == address.to_string();
        if !is_expected && !NAMED_BESIDES.iter().any(stated) {
            besides.push(format!("{name}: {address} by {rules:?}"));
        }
    }
    assert!(besides.is_empty(), "{}", besides.join("\n"));
}
