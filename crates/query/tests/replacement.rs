//! A mistake is told with what to write instead, and that takes it away.

use event::Micros;
use proptest::prelude::*;
use query::{Code, Context, Diagnostic, Severity, parse, parse_pipeline};

fn context() -> Context {
    Context::at(Micros::from_rfc3339("2026-10-11T22:14:15+07:00").expect("a date"))
}

fn of_code(found: &[Diagnostic], code: Code) -> usize {
    found.iter().filter(|found| found.code == code).count()
}

fn errors(found: &[Diagnostic]) -> usize {
    let is_error = |found: &&Diagnostic| found.severity == Severity::Error;
    found.iter().filter(is_error).count()
}

#[test]
fn each_mistake_is_told_with_what_to_write_instead() {
    use Code::*;
    for (text, code, expected) in [
        ("user.name:\"an", UnclosedQuote, "user.name:\"an\""),
        ("\"C:\\", UnclosedQuote, "\"C:\\\\\""),
        ("(a OR b", UnclosedParenthesis, "(a OR b)"),
        (
            "(a OR b | stats count()",
            UnclosedParenthesis,
            "(a OR b) | stats count()",
        ),
        (
            "user.name:(a OR b",
            UnclosedParenthesis,
            "user.name:(a OR b)",
        ),
        ("a) b", UnexpectedClose, "a b"),
        ("a AND", MissingOperand, "a"),
        ("a AND AND b", MissingOperand, "a AND b"),
        ("OR a", MissingOperand, "a"),
        ("a NOT", MissingOperand, "a"),
        ("a () b", MissingOperand, "a b"),
        ("user.name: AND a", MissingValue, "user.name:* AND a"),
        ("source.port:(>)", MissingValue, "source.port:(*)"),
        ("source.port:[1 2] b", BadRange, "source.port:[1 TO 2] b"),
        ("source.port:[1 to 2]", BadRange, "source.port:[1 TO 2]"),
        ("source.port:[1-1024]", BadRange, "source.port:[1 TO 1024]"),
        ("source.port:[1, 2]", BadRange, "source.port:[1 TO 2]"),
        ("source.port:[1 TO 2 b", BadRange, "source.port:[1 TO 2] b"),
        ("source.port:[1]", BadRange, "source.port:[1 TO *]"),
        ("/a(/ b", BadRegex, "\"a(\" b"),
        ("source.ip:10.0.", BadValue, "source.ip:10.0.0.0/16"),
        ("source.ip:>=10", BadValue, "source.ip:>=10.0.0.0"),
        ("@timestamp:yesterday", BadValue, "@timestamp:now-1d/d"),
        ("a and b", LowercaseOperator, "a AND b"),
        ("a - b", NoWords, "a b"),
        ("error: disk", UnknownField, "error disk"),
        ("error:disk-full x", UnknownField, "\"error:disk-full\" x"),
        ("usr.name:an", UnknownField, "user.name:an"),
        ("src_ip:10.0.0.1", UnknownField, "source.ip:10.0.0.1"),
        ("* | statz count()", BadStage, "* | stats count()"),
        ("a |", BadStage, "a"),
        ("a | | stats count()", BadStage, "a | stats count()"),
        (
            "a | stats count() sort -count",
            UnknownFunction,
            "a | stats count() | sort -count",
        ),
        (
            "a | stats count() ! x | head 1",
            BadStage,
            "a | stats count() | head 1",
        ),
        ("a | stats", BadStage, "a | stats count()"),
        (
            "a | stats by user.name",
            BadStage,
            "a | stats count() by user.name",
        ),
        (
            "a | stats sum(source.bytes",
            BadStage,
            "a | stats sum(source.bytes)",
        ),
        (
            "a | timechart count()",
            BadStage,
            "a | timechart 1h count()",
        ),
        (
            "a | timechart soon count()",
            BadStage,
            "a | timechart 1h count()",
        ),
        (
            "a | where b",
            BadStage,
            "a | where b | fields @timestamp, message",
        ),
        ("a | stats cuont()", UnknownFunction, "a | stats count()"),
        (
            "a | stats count() by usr.name",
            UnknownField,
            "a | stats count() by user.name",
        ),
        ("a | fields soucre.ip", UnknownField, "a | fields source.ip"),
    ] {
        let told = parse_pipeline(text, &context()).diagnostics;
        let proposed: Vec<String> = told
            .iter()
            .filter(|found| found.code == code)
            .filter_map(|found| found.replacement.as_ref())
            .map(|replacement| replacement.applied(text))
            .collect();
        assert_eq!(
            proposed.first().map(String::as_str),
            Some(expected),
            "{text}: {told:?}"
        );
        assert!(told.iter().all(|found| !found.fix.is_empty()), "{text}");
        let again = parse_pipeline(expected, &context()).diagnostics;
        assert_eq!(of_code(&again, code), 0, "{expected}: {again:?}");
    }
}

#[test]
fn where_only_a_condition_can_stand_the_stages_are_to_be_left_out() {
    let text = "a | stats count()";
    let told = parse(text, &context()).diagnostics;
    let replacement = told[0].replacement.as_ref().expect("a replacement");
    assert_eq!(
        (told[0].code, replacement.applied(text)),
        (Code::Pipe, "a".to_owned())
    );
}

#[test]
fn a_vendors_own_field_is_no_mistake() {
    for text in [
        "fortinet.vd:root",
        "winlog.event_data.TargetUserName:an",
        "* | fields cisco.asa.rule",
        "* | stats count() | where count:>5",
        "* | stats count() as hosts | where hosts:>5 | sort -hosts",
    ] {
        assert_eq!(parse_pipeline(text, &context()).diagnostics, [], "{text}");
    }
}

#[test]
fn programs_read_a_replacement_as_a_span_and_a_text() {
    let told = parse("(a", &context()).diagnostics;
    let json = serde_json::to_value(&told).expect("JSON");
    let expected = serde_json::json!({"span": {"start": 2, "end": 2}, "text": ")"});
    assert_eq!(json[0]["replacement"], expected);
}

const PIECES: [&str; 44] = [
    "a",
    "(",
    ")",
    "\"",
    "AND",
    "or",
    "OR",
    "NOT",
    "-",
    "user.name:",
    "usr.name:x",
    "source.port:[",
    "1",
    "TO",
    "]",
    "}",
    "source.ip:10.",
    "/a(/",
    "/x/",
    "\\",
    "error:",
    "*",
    " ",
    "|",
    "stats",
    "count()",
    "cuont()",
    "by",
    "sum(",
    ",",
    "sort",
    "-count",
    "head",
    "5",
    "where",
    "timechart",
    "1h",
    "fields",
    "đ",
    "@timestamp:today",
    "user.name:(",
    "top",
    "rename",
    "as",
];

proptest! {
    #[test]
    fn a_replacement_takes_its_mistake_away_and_makes_none(
        pieces in prop::collection::vec((prop::sample::select(PIECES.to_vec()), prop::bool::ANY), 0..14),
    ) {
        let text: String = pieces.iter().map(|(piece, space)| format!("{piece}{}", if *space { " " } else { "" })).collect();
        let told = parse_pipeline(&text, &context()).diagnostics;
        for found in &told {
            let Some(replacement) = &found.replacement else { continue };
            prop_assert!(text.get(replacement.span.start..replacement.span.end).is_some());
            let replaced = replacement.applied(&text);
            let again = parse_pipeline(&replaced, &context()).diagnostics;
            prop_assert!(of_code(&again, found.code) < of_code(&told, found.code), "{text} -> {replaced}");
            prop_assert!(errors(&again) <= errors(&told), "{text} -> {replaced}");
        }
    }
}
