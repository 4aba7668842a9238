//! The built-in rules: without mistakes, explained in both languages, and right about their own samples.

use std::collections::BTreeSet;
use std::sync::Arc;

use detect::{RuleInfo, RuleState, Rules, Settings, test_rules};
use event::Event;
use parse::{Depth, ParseSettings, Parsers};

fn builtin() -> Arc<Rules> {
    Arc::new(Rules::load(None, &Settings::default()))
}

#[test]
fn the_built_in_rules_have_no_mistakes() {
    let rules = builtin();
    let problems: Vec<String> = rules.problems().iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for info in rules.infos() {
        assert!(
            !matches!(info.state, RuleState::Blind(_)),
            "{}: {:?}",
            info.id,
            info.state
        );
    }
}

#[test]
fn every_rule_is_explained_in_both_languages() {
    for info in builtin().infos() {
        if info.state != RuleState::Active {
            continue;
        }
        for text in [&info.vi, &info.en] {
            let parts = [&text.title, &text.detail, &text.runbook];
            assert!(parts.iter().all(|part| !part.is_empty()), "{}", info.id);
        }
        for tunable in &info.tunables {
            let reasons = [&tunable.reason_vi, &tunable.reason_en];
            assert!(
                reasons.iter().all(|reason| !reason.is_empty()),
                "{}: {}",
                info.id,
                tunable.name
            );
        }
    }
}

#[test]
fn the_built_in_rules_need_no_more_than_the_core_fields() {
    assert!(!builtin().needs_full_depth());
}

#[test]
fn every_rule_is_right_about_its_samples() {
    let rules = builtin();
    let parsers = Parsers::builtin();
    let settings = ParseSettings::default();
    let mut parse = |record: &event::Record| {
        let mut event = Event::default();
        parsers.parse_into(record, &settings, Depth::Core, &mut event);
        event
    };
    let report = test_rules(&rules, &mut parse);
    let wrong: Vec<String> = report
        .trials
        .iter()
        .filter(|trial| !trial.passed())
        .map(|trial| {
            let detect::Trial {
                rule,
                what,
                expected,
                found,
                last_event,
                ..
            } = trial;
            format!("{rule}: {what}: {found} detections instead of {expected}\n  {last_event}")
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        report.untested.is_empty(),
        "rules without both kinds of samples: {:?}",
        report.untested
    );
}

/// Different raw lines in the samples that fire, or in those that do not.
fn sample_lines(info: &RuleInfo, fires: bool) -> usize {
    let samples = info.samples.iter();
    let samples = samples.filter(|sample| (sample.fires > 0) == fires);
    let lines = samples.flat_map(|sample| &sample.steps);
    let lines: BTreeSet<&str> = lines.filter_map(|step| step.line.as_deref()).collect();
    lines.len()
}

#[test]
fn every_rule_has_three_lines_that_fire_it_and_five_that_do_not() {
    let rules = builtin();
    let active = rules.infos().into_iter();
    let active = active.filter(|info| info.state == RuleState::Active);
    let poor: Vec<String> = active
        .map(|info| {
            (
                &info.id,
                sample_lines(info, true),
                sample_lines(info, false),
            )
        })
        .filter(|(_, positive, negative)| *positive < 3 || *negative < 5)
        .map(|(id, positive, negative)| format!("{id}: {positive} and {negative}"))
        .collect();
    assert!(poor.is_empty(), "{}", poor.join("\n"));
}
