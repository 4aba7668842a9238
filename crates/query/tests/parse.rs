//! What queries are read as, what is said of wrong ones, and that limits hold at the edge.

use event::Micros;
use query::{Code, Context, Limits, parse};

fn context() -> Context {
    Context::at(Micros::from_rfc3339("2026-10-11T22:14:15+07:00").expect("a date"))
}

/// The query is read without a word of complaint, and written in full it is `expected`.
fn check(text: &str, expected: &str) {
    let parsed = parse(text, &context());
    assert_eq!(parsed.diagnostics, [], "{text}");
    assert_eq!(parsed.expr.to_string(), expected, "{text}");
    assert_eq!(parse(expected, &context()), parsed, "{expected}");
}

/// The query is read as `expected` with these complaints.
fn check_wrong(text: &str, expected: &str, codes: &[(Code, &str)]) {
    let parsed = parse(text, &context());
    let found: Vec<_> = parsed
        .diagnostics
        .iter()
        .map(|found| {
            (
                found.code,
                text.get(found.span.start..found.span.end)
                    .expect("a place in the text"),
            )
        })
        .collect();
    assert_eq!(found, codes, "{text}");
    assert_eq!(parsed.expr.to_string(), expected, "{text}");
}

#[test]
fn words_and_phrases() {
    check("", "*");
    check("  ", "*");
    check("*", "*");
    check("failed", "failed");
    check("failed password", "failed AND password");
    check("\"failed password\"", "\"failed password\"");
    check("Nguyễn", "\"Nguyễn\"");
    check("fail* u?er *x", "fail* AND u?er AND *x");
    check("/var/log/auth.log", "\"/var/log/auth.log\"");
    check("sshd[123]", "\"sshd[123]\"");
    check("10.0.0.5", "10.0.0.5");
    check(
        "10.0.0.5:443 fe80::1 http://a.vn/b",
        "\"10.0.0.5:443\" AND \"fe80::1\" AND \"http://a.vn/b\"",
    );
    check("22:14:15", "\"22:14:15\"");
    check("a\\*b", "\"a*b\"");
    check("\"say \\\"x\\\" C:\\dir\"", "\"say \\\"x\\\" C:\\\\dir\"");
    check("\"=>\"", "/=>/");
    check("/fail(ed|ure)/", "/fail(ed|ure)/");
    check("/a\\/b c/ x", "/a\\/b c/ AND x");
}

#[test]
fn operators_bind_not_before_and_before_or() {
    check("a OR b c", "a OR b AND c");
    check("(a OR b) c", "(a OR b) AND c");
    check("a && b || c", "a AND b OR c");
    check("NOT a b", "NOT a AND b");
    check("NOT (a b)", "NOT (a AND b)");
    check("-a !b +c", "NOT a AND NOT b AND c");
    check("NOT NOT a", "a");
    check("NOT *", "NOT *");
    check("a OR (b OR (c))", "a OR b OR c");
    check("NOT (a OR NOT (b c))", "NOT (a OR NOT (b AND c))");
}

#[test]
fn fields() {
    check("user.name:root", "user.name:root");
    check("user.name: root", "user.name:root");
    check("user.name:CORP\\an", "user.name:\"CORP\\\\an\"");
    check("user.name:\"a b\"", "user.name:\"a b\"");
    check("user.name:adm*", "user.name:adm*");
    check("user.name:*", "user.name:*");
    check("user.name:[* TO *]", "user.name:*");
    check("user.name:/^a.*$/", "user.name:/^a.*$/");
    check("user.name:(a OR \"b c\")", "user.name:(a OR \"b c\")");
    check("user.name:(a OR b*)", "user.name:a OR user.name:b*");
    check("user.name:(NOT a)", "NOT user.name:a");
    check("user.name:((a))", "user.name:a");
    check("source.ip:10.1.2.3/8", "source.ip:10.0.0.0/8");
    check("source.ip:2001:db8::/32", "source.ip:2001:db8::/32");
    check("source.ip:::ffff:10.0.0.0/104", "source.ip:10.0.0.0/8");
    check("source.ip:fe80::1", "source.ip:\"fe80::1\"");
    check(
        "source.ip:[10.0.0.1 TO 10.0.0.9}",
        "source.ip:[10.0.0.1 TO 10.0.0.9}",
    );
    check("destination.port:>=1024", "destination.port:[1024 TO *]");
    check("destination.port:<1024", "destination.port:[* TO 1024}");
    check(
        "destination.port:(>=5 AND <10)",
        "destination.port:[5 TO *] AND destination.port:[* TO 10}",
    );
    check("event.severity:-5", "event.severity:\"-5\"");
    check(
        "event.severity:(-5 OR -6)",
        "event.severity:(\"-5\" OR \"-6\")",
    );
    check("url.path:/api/v1", "url.path:\"/api/v1\"");
    check(
        "\"odd. name: x\":y fortinet.vd:root",
        "\"odd. name: x\":y AND fortinet.vd:root",
    );
    check("user.full_name:Nguyễn*", "user.full_name:Nguyễn*");
    check("message:\"invalid user\"", "message:\"invalid user\"");
    check("event.original:\"invalid user\"", "\"invalid user\"");
    check("event.original:/x/", "/x/");
    check("-user.name:root", "NOT user.name:root");
    check(
        "source.ip:10.0.0.0/8 AND event.outcome:failure \"invalid user\"",
        "source.ip:10.0.0.0/8 AND event.outcome:failure AND \"invalid user\"",
    );
}

#[test]
fn dates_are_resolved() {
    let check = |text: &str, expected: &str| {
        check(
            &format!("@timestamp:{text}"),
            &format!("@timestamp:{expected}"),
        );
    };
    check(
        ">2026-10-11T00:00:00+07:00",
        "{\"2026-10-10T17:00:00Z\" TO *]",
    );
    check(">=now-15m", "[\"2026-10-11T14:59:15Z\" TO *]");
    check(
        "2026-10-11",
        "[\"2026-10-10T17:00:00Z\" TO \"2026-10-11T17:00:00Z\"}",
    );
    check(">2026-10-11", "[\"2026-10-11T17:00:00Z\" TO *]");
    check("<=2026-10-11", "[* TO \"2026-10-11T17:00:00Z\"}");
    check(
        "[2026-10-10 TO 2026-10-11]",
        "[\"2026-10-09T17:00:00Z\" TO \"2026-10-11T17:00:00Z\"}",
    );
    check(
        "[now-1d/d TO now/d}",
        "[\"2026-10-09T17:00:00Z\" TO \"2026-10-10T17:00:00Z\"}",
    );
    check("\"2026-10-11 22:14:15\"", "\"2026-10-11T15:14:15Z\"");
}

#[test]
fn a_mistake_is_told_with_its_place_and_the_rest_is_read() {
    check_wrong("(a OR b", "a OR b", &[(Code::UnclosedParenthesis, "(")]);
    check_wrong("a) b", "a AND b", &[(Code::UnexpectedClose, ")")]);
    check_wrong("a AND", "a", &[(Code::MissingOperand, "AND")]);
    check_wrong("OR a", "a", &[(Code::MissingOperand, "OR")]);
    check_wrong("a AND AND b", "a AND b", &[(Code::MissingOperand, "AND")]);
    check_wrong("a NOT", "a", &[(Code::MissingOperand, "NOT")]);
    check_wrong("()", "*", &[(Code::MissingOperand, "(")]);
    check_wrong("\"a b", "\"a b\"", &[(Code::UnclosedQuote, "\"a b")]);
    check_wrong("a user.name:", "a", &[(Code::MissingValue, "user.name:")]);
    check_wrong(
        "(a user.name:) b",
        "a AND b",
        &[(Code::MissingValue, "user.name:)")],
    );
    check_wrong("source.port:(>) b", "b", &[(Code::MissingValue, ">")]);
    check_wrong("source.port:[1 2] b", "b", &[(Code::BadRange, "[")]);
    check_wrong("source.port:[1 TO 2", "*", &[(Code::BadRange, "[")]);
    check_wrong("source.ip:>x b", "b", &[(Code::BadValue, "x")]);
    check_wrong("source.ip:x", "source.ip:x", &[(Code::BadValue, "x")]);
    check_wrong(
        "@timestamp:soon",
        "@timestamp:soon",
        &[(Code::BadValue, "soon")],
    );
    check_wrong("/a(/ b", "b", &[(Code::BadRegex, "/a(/")]);
    check_wrong(
        "a and b",
        "a AND and AND b",
        &[(Code::LowercaseOperator, "and")],
    );
    check_wrong(
        "error: disk",
        "error:disk",
        &[(Code::UnknownField, "error:")],
    );
    check_wrong("a - b", "a AND b", &[(Code::NoWords, "-")]);
    check_wrong("a | stats count() b", "a", &[(Code::Pipe, "|")]);
}

#[test]
fn limits_hold_at_the_edge() {
    let limits = Limits::default();
    let codes = |text: &str| -> Vec<Code> {
        parse(text, &context())
            .diagnostics
            .iter()
            .map(|found| found.code)
            .collect()
    };
    let check = |inside: &str, beyond: &str, code: Code| {
        assert_eq!(codes(inside), []);
        assert_eq!(codes(beyond), [code]);
    };
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    check(
        &nested(limits.depth),
        &nested(limits.depth + 1),
        Code::TooDeep,
    );
    let not_nested = |depth: usize| format!("{}a{}", "NOT (".repeat(depth), ")".repeat(depth));
    check(
        &not_nested(limits.depth),
        &not_nested(limits.depth + 1),
        Code::TooDeep,
    );
    let words = |count: usize| vec!["a"; count].join(" OR ");
    check(
        &words(limits.clauses),
        &words(limits.clauses + 1),
        Code::TooManyClauses,
    );
    let text = |bytes: usize| "a".repeat(bytes);
    check(
        &text(limits.text_bytes),
        &text(limits.text_bytes + 1),
        Code::TooLong,
    );
    let regexes = |count: usize| "/a/ ".repeat(count);
    check(
        &regexes(limits.regexes),
        &regexes(limits.regexes + 1),
        Code::TooManyRegexes,
    );
    let phrase = |words: usize| format!("\"{}\"", "a ".repeat(words));
    check(&phrase(64), &phrase(65), Code::PhraseTooLong);
    check("/a{1,1000}/", "/(a{1,1000}){1,1000}/", Code::BadRegex);
}

#[test]
fn long_hostile_texts_are_read_in_linear_time() {
    let limits = Limits {
        text_bytes: 1 << 18,
        clauses: 1 << 18,
        ..Limits::default()
    };
    let context = Context {
        limits,
        ..context()
    };
    for piece in [
        "a ", "a OR ", "NOT ", "-", "+", "!", "/", "/a ", "a:", "\"", "\\", "*", "* ", "[", "a:[",
        ")", "a:>", "a.b:(", "fe80:", "ữ", "&&", "|| ",
    ] {
        let text = piece.repeat((1 << 18) / piece.len());
        let parsed = parse(&text, &context);
        assert!(parsed.expr.clauses() <= limits.clauses);
    }
}
