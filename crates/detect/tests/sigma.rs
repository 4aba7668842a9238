//! Sigma as its community writes it: the rules of SigmaHQ, of Hayabusa, of pySigma's and the specification's own tests
//! compile or are refused with the reason, and fire on the events that belong to them.

mod sigma_corpus;

use std::collections::BTreeMap;
use std::path::Path;

use detect::{RuleState, Rules, Settings};
use sigma_corpus::{Reader, corpus, files, regression, unpacked, windows_lines, winlogbeat};

fn load(content: &Path) -> Rules {
    Rules::load(Some(content), &Settings::default())
}

fn problems(rules: &Rules) -> Vec<String> {
    rules.problems().iter().map(ToString::to_string).collect()
}

/// Holds the problems against a table of (part of the file's name, part of the message), each of which must occur.
fn check_problems(rules: &Rules, expected: &[(&str, &str)]) {
    let mut found = problems(rules);
    for (file, message) in expected {
        let place = found
            .iter()
            .position(|problem| problem.contains(file) && problem.contains(message));
        assert!(
            place.is_some(),
            "{file}: not refused because of «{message}»: {found:?}"
        );
        place.map(|place| found.remove(place));
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_rules_of_sigmahq_compile_as_published() {
    let Some(archive) = corpus("sigma/rules.tar.gz") else {
        return;
    };
    let content = unpacked(&archive);
    let rules = load(content.path());
    let mut blind: BTreeMap<&str, usize> = BTreeMap::new();
    let mut active = 0;
    for info in rules.infos() {
        match &info.state {
            RuleState::Blind(reason) => *blind.entry(reason).or_default() += 1,
            RuleState::Active => active += 1,
            RuleState::Base | RuleState::Disabled => {}
        }
    }
    for (reason, count) in &blind {
        eprintln!("{count} blind: {reason}");
    }
    let blind: usize = blind.values().sum();
    let size = rules.matcher_size();
    eprintln!("{active} active, {blind} blind, {size:?}");
    check_problems(
        &rules,
        &[
            ("cdc_chase_request", "`%known_cdcs%` is no placeholder"),
            ("cert_issued_via_chase", "`%known_cdcs%` is no placeholder"),
        ],
    );
    assert!(active >= 3_200, "{active}");
    let unknown = |info: &&detect::RuleInfo| matches!(&info.state, RuleState::Blind(reason) if reason.contains("not in the table"));
    let unknown: Vec<&str> = rules
        .infos()
        .into_iter()
        .filter(unknown)
        .map(|info| &*info.id)
        .collect();
    assert_eq!(unknown, Vec::<&str>::new());
}

/// Refused: the old counting conditions, and a rule without a condition.
#[test]
fn the_rules_of_hayabusa_compile() {
    let Some(archive) = corpus("sigma/hayabusa-rules.tar.gz") else {
        return;
    };
    let content = unpacked(&archive);
    let refused = [
        ("Logon-Type-4-Batch.yml", "condition: is missing"),
        ("UserGuessing_Cnt_Deprecated.yml", "timeframe is obsolete"),
        ("PW-Guessing_Cnt_Deprecated.yml", "timeframe is obsolete"),
        ("PW-Spray_Cnt_Deprecated.yml", "timeframe is obsolete"),
    ];
    check_problems(&load(content.path()), &refused);
}

#[test]
fn pysigmas_valid_rules_compile_and_broken_ones_are_refused_with_the_reason() {
    let Some(archive) = corpus("sigma/pysigma-test-rules.tar.gz") else {
        return;
    };
    let content = unpacked(&archive);
    let all = files(&content.path().join("rules/tests/files"), ".yml");
    // Folders that are one set of rules, and what is wrong in them.
    let sets: [(&[&str], &[(&str, &str)]); 7] = [
        (&["rule_valid/"], &[]),
        (&["rule_filename_errors/"], &[]),
        (&["ruleset_nonduplicate/"], &[]),
        (&["correlation_rule_valid/"], &[]),
        (
            &["ruleset/"],
            &[("test_rule.yml", "no selection is called `selection`")],
        ),
        (
            &["ruleset_duplicate/"],
            &[
                ("sub1/test_rule.yml", "no selection is called `selection`"),
                ("sub2/test_rule.yml", "its id or name is taken"),
            ],
        ),
        (
            &["ruleset_with_errors/"],
            &[("with_error.yml", "there is no modifier `foobar`")],
        ),
    ];
    // A filter is for rules of its log source alone.
    let filter: (&[&str], &[(&str, &str)]) = (
        &["filter_valid/", "rule_valid/", "correlation_rule_valid/"],
        &[(
            "filter_out_domain_controllers.yml",
            "has another log source",
        )],
    );
    for (folders, refused) in sets.into_iter().chain([filter]) {
        let of_set = |name: &str| folders.iter().any(|folder| name.starts_with(folder));
        let texts: Vec<(&str, &str)> = all
            .iter()
            .filter(|(name, _)| of_set(name))
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        assert!(!texts.is_empty(), "{folders:?}");
        check_problems(&Rules::from_texts(&texts, &Settings::default()), refused);
    }
}

#[test]
fn the_specifications_rules_compile() {
    let Some(archive) = corpus("sigma/spec-test-rules.tar.gz") else {
        return;
    };
    let content = unpacked(&archive);
    let own: Vec<(String, String)> = files(content.path(), ".yml");
    // The rules that these refer to are not in the set.
    let names = [
        "5638f7c0-ac70-491d-8465-2a65075e0d86",
        "recon_cmd_a",
        "recon_cmd_b",
        "recon_cmd_c",
        "website_access",
        "rule_a_id",
        "process_creation",
        "6f3e2987-db24-4c78-a860-b4f4095a7095",
        "df0841c0-9846-4e9f-ad8a-7df91571771b",
    ];
    let mut bases: Vec<(String, String)> = Vec::new();
    for name in names {
        bases.push((
            format!("{name}.yml"),
            format!(
                "title: Base {name}\nname: {name}\nlogsource: {{product: windows, category: process_creation}}\ndetection: {{a: {{Image: x}}, condition: a}}\n"
            ),
        ));
    }
    for (name, text) in &own {
        let mut texts: Vec<(&str, &str)> = vec![(name, text)];
        texts.extend(
            bases
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        let rules = Rules::from_texts(&texts, &Settings::default());
        let ecs = name.ends_with("filter_ecs.yml");
        let mut found = problems(&rules);
        // A filter for the log source of DNS, while the bases here are of another.
        found.retain(|problem| !(ecs && problem.contains("has another log source")));
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
    assert!(own.len() >= 12, "{}", own.len());
}

/// Cases that hold, beside those that fire their rule, events that do not.
const ODD_CASES: &[&str] = &[
    "0b9ad457-2554-44c1-82c2-d56a99c42377",
    "8fbf3271-1ef6-4e94-8210-03c2317947f6",
];

#[test]
fn at_least_one_event_of_each_regression_case_fires_its_rule() {
    let (Some(archive), Some(cases)) = (corpus("sigma/rules.tar.gz"), regression()) else {
        return;
    };
    let content = unpacked(&archive);
    let rules = load(content.path());
    let mut reader = Reader::new();
    let mut missed = Vec::new();
    let mut silent = Vec::new();
    for (rule, dumps) in &cases {
        let events: Vec<_> = dumps
            .iter()
            .map(|dump| reader.event(&winlogbeat(dump).to_string()))
            .collect();
        let fires = |event: &&event::Event| rules.matched_by(event).contains(&rule.as_str());
        let firing = events.iter().filter(fires).count();
        if firing == 0 {
            let state = rules.info(rule).map(|info| info.state.clone());
            missed.push(format!("{rule}: {state:?}"));
        }
        if firing < events.len() {
            silent.push(rule.as_str());
        }
    }
    eprintln!("{} cases, all events fire but in {silent:?}", cases.len());
    assert!(missed.is_empty(), "{}: {}", missed.len(), missed.join("\n"));
    assert_eq!(silent, ODD_CASES);
}

/// The evidence query of a rule, and a search for it, mean what the rule means.
#[test]
fn a_rule_matches_what_its_query_matches() {
    let (Some(archive), Some(cases), Some(lines)) =
        (corpus("sigma/rules.tar.gz"), regression(), windows_lines())
    else {
        return;
    };
    let content = unpacked(&archive);
    let rules = load(content.path());
    let mut reader = Reader::new();
    let dumps = cases.iter().flat_map(|(_, events)| events);
    let mut events: Vec<event::Event> = dumps
        .step_by(3)
        .map(|dump| reader.event(&winlogbeat(dump).to_string()))
        .collect();
    events.extend(lines.iter().step_by(10).map(|line| reader.event(line)));
    let mut context =
        query::Context::at(event::Micros::from_rfc3339("2026-10-14T09:00:00+07:00").unwrap());
    context.limits.text_bytes = 1 << 20;
    context.limits.clauses = 100_000;
    context.limits.regexes = 1_000;
    // What no query can ask: a query then finds more than the rule.
    let approximate: Vec<String> = files(content.path(), ".yml")
        .into_iter()
        .filter(|(_, text)| text.contains("fieldref"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(approximate.len(), 5);
    let queries: Vec<(&str, query::Expr)> = rules
        .infos()
        .into_iter()
        .filter(|info| info.kind == detect::RuleKind::Sigma)
        .filter(|info| !approximate.iter().any(|name| name.ends_with(&info.file)))
        .filter(|info| matches!(info.state, RuleState::Active | RuleState::Base))
        .filter_map(|info| {
            let expr = query::parse(&info.query, &context).into_result().ok()?;
            Some((&*info.id, expr))
        })
        .collect();
    assert!(queries.len() >= 3_200, "{}", queries.len());
    let mut wrong = Vec::new();
    for event in &events {
        let matched = rules.matched_by(event);
        for (id, expr) in &queries {
            let fast = matched.contains(id);
            if query::matches(expr, event) != fast {
                wrong.push(format!(
                    "{id}: the matcher says {fast} of {}",
                    event.seq().0
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}
