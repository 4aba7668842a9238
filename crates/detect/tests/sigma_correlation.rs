//! Every correlation of Sigma's specification, filters, and audit events matched as a whole: what fires, when, and that a
//! restart changes nothing.

use std::sync::Arc;

use bytes::Bytes;
use detect::{Detector, Mode, Output, RuleState, Rules, Settings};
use event::{Event, Field, Micros, Seq};

const BASES: &str = r"
title: Logon
name: logon
logsource: {product: windows, service: security}
detection: {s: {EventID: 4624}, condition: s}
---
title: Failure
name: failure
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625}, condition: s}
---
title: Sent
name: sent
logsource: {product: zeek}
detection: {s: {nhatky.message: conn}, condition: s}
---
";

fn rules(correlation: &str) -> Arc<Rules> {
    let text = format!("{BASES}{correlation}");
    let rules = Rules::from_texts(&[("c.yml", &text)], &Settings::default());
    assert_eq!(rules.problems(), [], "{correlation}");
    Arc::new(rules)
}

fn refused(correlation: &str) -> String {
    let text = format!("{BASES}{correlation}");
    let rules = Rules::from_texts(&[("c.yml", &text)], &Settings::default());
    let problems: Vec<String> = rules.problems().iter().map(ToString::to_string).collect();
    problems.join("\n")
}

/// An event: seconds, kind (`logon`, `failure`, `sent`), and values of the data.
type Told<'a> = (i64, &'a str, &'a [(&'a str, &'a str)]);

fn event(seq: u64, told: &Told<'_>) -> Event {
    let (at, kind, data) = told;
    let mut event = Event::new(Seq(seq), Bytes::new());
    let at = Micros(1_790_000_000_000_000 + at * 1_000_000);
    event.set(Field::EVENT_INGESTED, at);
    event.set(Field::TIMESTAMP, at);
    event.set(Field::HOST_NAME, "srv");
    if *kind == "sent" {
        event.push_named("nhatky.product", "zeek.zeek");
        event.push_named("nhatky.message", "conn");
    } else {
        event.push_named("nhatky.product", "microsoft.windows");
        event.push_named("winlog.channel", "Security");
        event.push_named("event.code", if *kind == "logon" { "4624" } else { "4625" });
    }
    for (name, value) in *data {
        let vendors = format!("winlog.event_data.{name}");
        event.push_named(if name.contains('.') { name } else { &vendors }, *value);
    }
    event
}

/// The Seqs at which the rule `c` fires; the same with a restart from a checkpoint after each event.
fn fired(rules: &Arc<Rules>, events: &[Told<'_>]) -> Vec<u64> {
    let seqs = |out: &[Output]| -> Vec<u64> {
        let of_rule = out.iter().filter_map(|output| match output {
            Output::Detection(found) if &*found.rule == "c" => Some(found.seq.0),
            _ => None,
        });
        of_rule.collect()
    };
    let mut detector = Detector::new(Arc::clone(rules), Mode::Live);
    let mut restarted = Detector::new(Arc::clone(rules), Mode::Live);
    let (mut out, mut again) = (Vec::new(), Vec::new());
    for (seq, told) in (1..).zip(events) {
        let event = event(seq, told);
        detector.observe(&event, &mut out);
        restarted.observe(&event, &mut again);
        let bytes = restarted.checkpoint();
        restarted = Detector::restore(&bytes, Arc::clone(rules), Mode::Live)
            .expect("sound")
            .detector;
    }
    assert_eq!(seqs(&out), seqs(&again), "a restart changes what fires");
    seqs(&out)
}

fn correlation(kind: &str, rest: &str) -> String {
    format!(
        "title: C\nname: c\nlevel: high\nstatus: test\ncorrelation:\n  type: {kind}\n  group-by: [IpAddress]\n  timespan: 1m\n  {rest}\n"
    )
}

const A: &[(&str, &str)] = &[("IpAddress", "192.0.2.1")];
const B: &[(&str, &str)] = &[("IpAddress", "192.0.2.2")];

fn user(name: &'static str) -> [(&'static str, &'static str); 2] {
    [("IpAddress", "192.0.2.1"), ("TargetUserName", name)]
}

#[test]
fn events_are_counted_within_bounds() {
    let failures: Vec<Told<'_>> = (0..6).map(|second| (second, "failure", A)).collect();
    let check = |condition: &str, expected: &[u64]| {
        let rest = format!("rules: [failure]\n  condition: {condition}");
        let rules = rules(&correlation("event_count", &rest));
        assert_eq!(fired(&rules, &failures), expected, "{condition}");
    };
    check("{gte: 3}", &[3]);
    check("{gt: 3}", &[4]);
    check("{eq: 2}", &[2]);
    check("{gt: 1, lte: 4}", &[2]);
    check("{gte: 7}", &[]);
    check("{neq: 1}", &[2]);
    check("{lt: 3}", &[1]);
    check("{lte: 1}", &[1]);
}

#[test]
fn a_count_is_of_one_group_and_one_window() {
    let rules = rules(&correlation(
        "event_count",
        "rules: [failure]\n  condition: {gte: 3}",
    ));
    let two = [
        (0, "failure", A),
        (1, "failure", B),
        (2, "failure", A),
        (3, "failure", B),
    ];
    assert_eq!(fired(&rules, &two), [0; 0]);
    let slow = [
        (0, "failure", A),
        (30, "failure", A),
        (61, "failure", A),
        (80, "failure", A),
    ];
    assert_eq!(fired(&rules, &slow), [4]);
    let without = [
        (0, "failure", &[][..]),
        (1, "failure", &[]),
        (2, "failure", &[]),
    ];
    assert_eq!(fired(&rules, &without), [0; 0]);
}

#[test]
fn values_are_counted_once() {
    let (an, binh, chi) = (user("an"), user("binh"), user("chi"));
    let events: Vec<Told<'_>> = vec![
        (0, "failure", &an),
        (1, "failure", &an),
        (2, "failure", &binh),
        (3, "failure", &chi),
    ];
    let check = |condition: &str, expected: &[u64]| {
        let rest = format!("rules: [failure]\n  condition: {condition}");
        let rules = rules(&correlation("value_count", &rest));
        assert_eq!(fired(&rules, &events), expected, "{condition}");
    };
    check("{field: TargetUserName, gte: 3}", &[4]);
    check("{field: TargetUserName, eq: 2}", &[3]);
    check("{field: [TargetUserName, IpAddress], gt: 1}", &[3]);
    check("{field: TargetUserName, gte: 2, lt: 3}", &[3]);
}

#[test]
fn numbers_are_summed_averaged_and_ranked() {
    let sizes = ["10", "20", "30", "x", "1000"];
    let data: Vec<[(&str, &str); 2]> = sizes
        .iter()
        .map(|size| [("source.ip", "192.0.2.1"), ("source.bytes", *size)])
        .collect();
    let events: Vec<Told<'_>> = (0..)
        .zip(&data)
        .map(|(at, data)| (at, "sent", &data[..]))
        .collect();
    let check = |kind: &str, condition: &str, expected: &[u64]| {
        let text = format!(
            "title: C\nname: c\ncorrelation:\n  type: {kind}\n  rules: sent\n  group-by: [id.orig_h]\n  timespan: 1m\n  condition: {{field: source.bytes, {condition}}}\n"
        );
        assert_eq!(
            fired(&rules(&text), &events),
            expected,
            "{kind} {condition}"
        );
    };
    check("value_sum", "gte: 60", &[3]);
    check("value_sum", "gt: 60", &[5]);
    check("value_avg", "gte: 15", &[2]);
    check("value_avg", "eq: 265", &[5]);
    check("value_median", "gte: 20", &[3]);
    check("value_median", "eq: 25", &[5]);
    check("value_percentile", "percentile: 100, gte: 1000", &[5]);
    check("value_percentile", "gte: 20", &[3]);
    check("value_percentile", "percentile: 0, lt: 10", &[]);
}

#[test]
fn rules_come_together_in_any_order_in_order_or_by_a_condition() {
    let there: &[Told<'_>] = &[(0, "failure", A), (5, "logon", A)];
    let back: &[Told<'_>] = &[(0, "logon", A), (5, "failure", A)];
    let check = |kind: &str, rest: &str, expected: [&[u64]; 2]| {
        let rest = format!("rules: [failure, logon]\n  {rest}");
        let rules = rules(&correlation(kind, &rest));
        assert_eq!(
            [&fired(&rules, there)[..], &fired(&rules, back)],
            expected,
            "{kind} {rest}"
        );
    };
    check("temporal", "", [&[2], &[2]]);
    check("temporal_ordered", "", [&[2], &[]]);
    check("temporal", "condition: {gte: 1}", [&[1], &[1]]);
    check("temporal", "condition: failure and logon", [&[2], &[2]]);
    check("temporal", "condition: failure or logon", [&[1], &[1]]);
    check("temporal", "condition: failure and not logon", [&[1], &[]]);
    check(
        "temporal_extended",
        "condition: failure and logon",
        [&[2], &[2]],
    );
}

#[test]
fn aliases_name_one_thing_by_different_fields() {
    let text = "title: C\nname: c\ncorrelation:\n  type: temporal\n  rules: [failure, logon]\n  aliases: {who: {failure: TargetUserName, logon: SubjectUserName}}\n  group-by: [who]\n  timespan: 1m\n";
    let rules = rules(text);
    let failure = [("TargetUserName", "an")];
    let (same, other) = ([("SubjectUserName", "an")], [("SubjectUserName", "binh")]);
    assert_eq!(
        fired(&rules, &[(0, "failure", &failure), (1, "logon", &same)]),
        [2]
    );
    assert_eq!(
        fired(&rules, &[(0, "failure", &failure), (1, "logon", &other)]),
        [0; 0]
    );
}

#[test]
fn what_a_correlation_refers_to_is_silent_unless_it_generates() {
    let rest = "rules: [failure]\n  condition: {gte: 2}";
    let quiet = rules(&correlation("event_count", rest));
    assert_eq!(quiet.info("failure").unwrap().state, RuleState::Base);
    assert_eq!(quiet.info("logon").unwrap().state, RuleState::Active);
    let loud = rules(&format!(
        "{}generate: true\n",
        correlation("event_count", rest)
    ));
    assert_eq!(loud.info("failure").unwrap().state, RuleState::Active);
}

#[test]
fn correlations_build_on_correlations() {
    let text = format!(
        "{}---\ntitle: Then a log-on\nname: c\ncorrelation:\n  type: temporal_ordered\n  rules: [many, logon]\n  group-by: [IpAddress]\n  timespan: 5m\n",
        correlation("event_count", "rules: [failure]\n  condition: {gte: 2}")
            .replace("name: c", "name: many")
    );
    let rules = rules(&text);
    let events = [
        (0, "failure", A),
        (1, "failure", A),
        (2, "logon", B),
        (3, "logon", A),
    ];
    assert_eq!(fired(&rules, &events), [4]);
}

#[test]
fn what_cannot_be_decided_is_refused() {
    let check = |kind: &str, rest: &str, reason: &str| {
        let problems = refused(&correlation(kind, rest));
        assert!(problems.contains(reason), "{kind} {rest}: {problems}");
    };
    check("event_count", "rules: [failure]", "needs one of gte, gt");
    check(
        "event_count",
        "rules: [failure]\n  condition: {}",
        "needs one of gte, gt",
    );
    check(
        "event_count",
        "rules: [failure]\n  condition: {gte: 1000000}",
        "must be 1 to 10000",
    );
    check(
        "event_count",
        "rules: [failure]\n  condition: failure",
        "for `temporal` alone",
    );
    check(
        "value_count",
        "rules: [failure]\n  condition: {gte: 1}",
        "condition.field is missing",
    );
    check(
        "value_sum",
        "rules: [failure]\n  condition: {gte: 1}",
        "condition.field is missing",
    );
    check(
        "value_percentile",
        "rules: [failure]\n  condition: {field: a.b, gte: 1, percentile: 101}",
        "from 0 to 100",
    );
    check("temporal", "rules: [failure]", "2 to 16 rules");
    check(
        "temporal",
        "rules: [failure, logon]\n  condition: {lt: 2}",
        "`gte`, from 1 to 2",
    );
    check(
        "temporal",
        "rules: [failure, logon]\n  condition: nothing",
        "no selection is called",
    );
    check(
        "temporal_ordered_extended",
        "rules: [failure, logon]",
        "not supported",
    );
    check(
        "value_median",
        "rules: [nobody]\n  condition: {field: a.b, gte: 1}",
        "which there is not",
    );
    check("shout", "rules: [failure]", "unknown variant");
}

#[test]
fn a_filter_is_added_to_the_rules_that_it_names() {
    let rule = "title: C\nname: c\nlogsource: {product: windows, service: security}\ndetection: {s: {EventID: 4624}, condition: s}\n---\n";
    let filter = |rules: &str, source: &str, condition: &str| {
        format!(
            "{rule}title: Known scanners\nlogsource: {source}\nfilter:\n  rules: {rules}\n  scanners: {{IpAddress: 192.0.2.1}}\n  condition: {condition}\n"
        )
    };
    let events = [(0, "logon", A), (1, "logon", B)];
    let check = |text: &str, expected: &[u64]| {
        let rules = Arc::new(Rules::from_texts(&[("f.yml", text)], &Settings::default()));
        assert_eq!(rules.problems(), [], "{text}");
        // Both events are of one episode, unless one is filtered.
        assert_eq!(fired(&rules, &events), expected, "{text}");
    };
    check(rule, &[1]);
    check(&filter("[c]", "{product: windows}", "not scanners"), &[2]);
    check(&filter("any", "{product: windows}", "not scanners"), &[2]);
    check(
        &filter("c", "{product: windows, service: security}", "scanners"),
        &[1],
    );
    check(&filter("any", "{product: linux}", "not scanners"), &[1]);
    let refused = |text: &str, reason: &str| {
        let rules = Rules::from_texts(&[("f.yml", text)], &Settings::default());
        let problems: Vec<String> = rules.problems().iter().map(ToString::to_string).collect();
        assert!(
            problems.iter().any(|problem| problem.contains(reason)),
            "{problems:?}"
        );
    };
    refused(
        &filter("[nobody]", "{product: windows}", "scanners"),
        "which there is not",
    );
    refused(
        &filter("[c]", "{product: linux}", "scanners"),
        "has another log source",
    );
    refused(
        &filter("[c]", "{product: windows}", "nothing"),
        "cannot be used",
    );
    refused(
        &filter("[]", "{product: windows}", "scanners"),
        "filter.rules is empty",
    );
}

fn audit(seq: u64, at_us: i64, serial: i64, kind: &str, data: &[(&str, &str)]) -> Event {
    let mut event = Event::new(Seq(seq), Bytes::from(format!("type={kind}")));
    event.set(Field::EVENT_INGESTED, Micros(1_790_000_000_000_000 + at_us));
    event.set(Field::TIMESTAMP, Micros(1_790_000_000_000_000));
    event.set(Field::HOST_NAME, "srv");
    event.set(Field::EVENT_SEQUENCE, serial);
    event.push_named("nhatky.product", "linux.auditd");
    event.push_named("auditd.record_type", kind);
    for (name, value) in data {
        event.push_named(name, *value);
    }
    event
}

#[test]
fn the_records_of_an_audit_event_are_matched_as_one() {
    let rule = "title: C\nname: c\nlogsource: {product: linux, service: auditd}\ndetection: {s: {type: EXECVE, a0: wget, exe|endswith: /wget, name: /tmp/x}, condition: s}\n";
    let rules = Arc::new(Rules::from_texts(&[("a.yml", rule)], &Settings::default()));
    assert_eq!(rules.problems(), []);
    let events = |wait_us: i64, other: i64| {
        [
            audit(
                1,
                0,
                7,
                "SYSCALL",
                &[
                    ("auditd.data.exe", "/usr/bin/wget"),
                    ("auditd.data.a0", "55"),
                ],
            ),
            audit(2, 1, 8, "SYSCALL", &[("auditd.data.exe", "/bin/true")]),
            audit(3, 2, 7, "EXECVE", &[("auditd.data.a0", "wget")]),
            audit(4, wait_us, other, "PATH", &[("auditd.data.name", "/tmp/x")]),
            audit(5, wait_us, other, "PROCTITLE", &[]),
        ]
    };
    let seqs = |events: &[Event]| {
        let mut detector = Detector::new(Arc::clone(&rules), Mode::Live);
        let mut out = Vec::new();
        for event in events {
            detector.observe(event, &mut out);
            let bytes = detector.checkpoint();
            detector = Detector::restore(&bytes, Arc::clone(&rules), Mode::Live)
                .expect("sound")
                .detector;
        }
        let found = out.into_iter().filter_map(|output| match output {
            Output::Detection(found) => Some((found.seq.0, found.count)),
            _ => None,
        });
        found.collect::<Vec<_>>()
    };
    assert_eq!(seqs(&events(3, 7)), [(4, 1)]);
    assert_eq!(seqs(&events(3, 9)), []);
    assert_eq!(seqs(&events(2_000_001, 7)), []);
}

#[test]
fn a_level_and_a_status_decide_what_becomes_of_a_detection() {
    let disposition = |rest: &str| {
        let text = format!(
            "title: C\nname: c\n{rest}logsource: {{product: windows, service: security}}\ndetection: {{s: {{EventID: 1}}, condition: s}}\n"
        );
        let rules = Rules::from_texts(&[("d.yml", &text)], &Settings::default());
        let info = rules.info("c").expect("compiled");
        (format!("{:?}", info.disposition), info.state.clone())
    };
    let check = |level: &str, status: &str, expected: &str| {
        let (found, state) = disposition(&format!("level: {level}\nstatus: {status}\n"));
        assert_eq!(
            (found.as_str(), state),
            (expected, RuleState::Active),
            "{level} {status}"
        );
    };
    check("critical", "stable", "Queue");
    check("high", "test", "Queue");
    check("high", "experimental", "Signal");
    check("medium", "experimental", "Digest");
    check("low", "stable", "Signal");
    check("informational", "stable", "Signal");
    assert_eq!(disposition("").0, "Signal");
    assert_eq!(
        disposition("level: high\nstatus: deprecated\n").1,
        RuleState::Disabled
    );
}
