//! Pipelines: what each stage gives, compared with what is counted by hand, and that no text breaks them.

use std::collections::BTreeMap;

use bytes::Bytes;
use event::{Event, Field, Micros, Seq};
use proptest::prelude::*;
use query::{Context, Expr, Flow, Memory, PipeError, PipeRun, Severity, Table, parse_pipeline};

const MEMORY: usize = 64 << 20;

/// Log-ins, one a minute, oldest first: user, address, outcome, bytes.
const LOGINS: &[(&str, &str, &str, i64)] = &[
    ("an", "192.0.2.1", "success", 10),
    ("an", "192.0.2.2", "failure", 20),
    ("binh", "192.0.2.1", "failure", 30),
    ("chi", "192.0.2.3", "failure", 40),
    ("an", "192.0.2.2", "failure", 50),
];

fn logins() -> Vec<Event> {
    let mut events = Vec::new();
    for ((number, minute), (user, address, outcome, bytes)) in (0..).zip(0_i64..).zip(LOGINS) {
        let mut event = Event::new(Seq(number), Bytes::from_static(b"login"));
        event.set(Field::TIMESTAMP, Micros(minute * 60 * Micros::PER_SECOND));
        event.set(Field::USER_NAME, *user);
        event.set(Field::SOURCE_IP, *address);
        event.set(Field::EVENT_OUTCOME, *outcome);
        event.set(Field::SOURCE_BYTES, *bytes);
        event.push(Field::EVENT_CATEGORY, "authentication");
        if *outcome == "failure" {
            event.push(Field::EVENT_CATEGORY, "iam");
        }
        events.push(event);
    }
    events
}

/// The table of a pipeline over the log-ins, newest first.
fn table(text: &str) -> Table {
    run(text, &logins(), MEMORY).expect(text)
}

fn run(text: &str, events: &[Event], memory: usize) -> Result<Table, PipeError> {
    let (filter, mut run) = begun(text, memory);
    for event in events.iter().rev() {
        if query::matches(&filter, event) && run.push(event)? == Flow::Enough {
            break;
        }
    }
    run.finish()
}

/// The filter of a pipeline, and the rest of it at work.
fn begun(text: &str, memory: usize) -> (Expr, PipeRun) {
    let context = Context::at(Micros(0));
    let pipeline = parse_pipeline(text, &context).into_result().expect(text);
    let run = PipeRun::new(&pipeline.stages, Memory::new(memory)).expect("a table");
    (pipeline.filter, run)
}

fn rows(text: &str) -> Vec<String> {
    let table = table(text);
    let rows = table.rows.iter().map(|row| {
        let cells = row.iter().map(|cell| match serde_json::to_value(cell) {
            Ok(serde_json::Value::String(text)) => text,
            other => other.expect("JSON").to_string(),
        });
        cells.collect::<Vec<_>>().join(" ")
    });
    rows.collect()
}

fn columns(text: &str) -> Vec<String> {
    table(text)
        .columns
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn stats_gives_a_row_for_each_combination() {
    assert_eq!(
        rows("* | stats count() by user.name, event.outcome"),
        [
            "an failure 2",
            "an success 1",
            "binh failure 1",
            "chi failure 1"
        ]
    );
    assert_eq!(
        columns("* | stats count(), sum(source.bytes) as bytes by user.name"),
        ["user.name", "count", "bytes"]
    );
    // A list counts for each of its members.
    assert_eq!(
        rows("* | stats count() by event.category"),
        ["authentication 5", "iam 4"]
    );
    assert_eq!(rows("* | stats count() by no.such"), ["null 5"]);
    assert_eq!(
        rows("nothing | stats count(), sum(source.bytes)"),
        ["0 null"]
    );
    assert_eq!(rows("nothing | stats count() by user.name"), [""; 0]);
}

#[test]
fn functions_compute_what_they_say() {
    let one = |function: &str| rows(&format!("* | stats {function}")).remove(0);
    assert_eq!(one("count(source.bytes)"), "5");
    assert_eq!(one("sum(source.bytes)"), "150");
    assert_eq!(one("avg(source.bytes)"), "30.0");
    assert_eq!(one("min(source.bytes), max(source.bytes)"), "10 50");
    assert_eq!(one("dc(source.ip)"), "3");
    assert_eq!(one("values(user.name)"), r#"["an","binh","chi"]"#);
    assert_eq!(one("first(source.bytes), last(source.bytes)"), "10 50");
    assert_eq!(one("p50(source.bytes), p99(source.bytes)"), "30.0 50.0");
    assert_eq!(one("sum(user.name), avg(user.name)"), "null null");
}

#[test]
fn tables_are_sorted_cut_and_renamed() {
    assert_eq!(
        rows(
            "event.outcome:failure | stats count() by user.name | sort -count, user.name | head 2"
        ),
        ["an 2", "binh 1"]
    );
    assert_eq!(rows("* | top 1 source.ip"), ["192.0.2.1 2"]);
    assert_eq!(rows("* | rare 1 source.ip"), ["192.0.2.3 1"]);
    assert_eq!(
        columns(
            "* | stats sum(source.bytes) by user.name | rename sum(source.bytes) as total, user.name as ai"
        ),
        ["ai", "total"]
    );
    assert_eq!(
        rows("* | stats sum(source.bytes) by user.name | sort -sum(source.bytes) | head 1"),
        ["an 80"]
    );
    assert_eq!(
        rows("* | stats count() as n by user.name | where n:>1"),
        ["an 3"]
    );
    assert_eq!(
        rows(
            "* | stats count() by user.name, source.ip | stats count() by user.name | sort -count | head 1"
        ),
        ["an 2"]
    );
}

#[test]
fn fields_give_a_row_for_each_event_newest_first() {
    assert_eq!(
        rows("* | fields user.name, nhatky.seq | head 2"),
        ["an 4", "chi 3"]
    );
    assert_eq!(rows("* | fields user.name | tail 1"), ["an"]);
    assert_eq!(
        rows("* | dedup user.name | fields user.name, source.bytes"),
        ["an 50", "chi 40", "binh 30"]
    );
    assert_eq!(rows("* | head 2 | stats count()"), ["2"]);
    assert_eq!(
        rows("* | where event.outcome:failure AND user.name:(an OR chi) | stats count()"),
        ["3"]
    );
}

#[test]
fn time_is_cut_into_spans() {
    assert_eq!(
        rows("* | timechart 2m count() by event.outcome"),
        [
            "1970-01-01T00:00:00Z failure 1",
            "1970-01-01T00:00:00Z success 1",
            "1970-01-01T00:02:00Z failure 2",
            "1970-01-01T00:04:00Z failure 1",
        ]
    );
    assert_eq!(
        rows("* | stats max(source.bytes) by bucket(4m)"),
        ["1970-01-01T00:00:00Z 40", "1970-01-01T00:04:00Z 50"]
    );
}

#[test]
fn mistakes_are_told_where_they_are() {
    let context = Context::at(Micros(0));
    for (text, start, said) in [
        ("* | stats cuont() by user.name", 10, "no function «cuont»"),
        ("* | statz count()", 4, "no stage «statz»"),
        ("* |", 3, "no stage here"),
        ("* | stats count() by", 20, "no field is named"),
        ("* | stats sum()", 10, "needs a field"),
        ("* | sort -count", 4, "no table yet"),
        ("* | where user.name:an", 4, "which columns"),
        (
            "* | where user.name:(an | stats count()",
            20,
            "never closed",
        ),
        ("* | timechart soon count()", 14, "no length of time"),
        ("* | fields a ! b", 13, "ends before this"),
        ("* | top 10", 10, "no field is named"),
        ("* | fields a | rename a b", 22, "the new name is missing"),
        ("* | fields a | rename sum(a as b", 22, "never closed"),
        ("* | stats count() | sort -sum(a", 26, "never closed"),
        ("* | fields -a", 11, "no field is named"),
    ] {
        let parsed = parse_pipeline(text, &context);
        let found = parsed.diagnostics.iter().any(|found| {
            found.severity == Severity::Error
                && found.span.start == start
                && found.message.contains(said)
        });
        assert!(found, "{text}: {:?}", parsed.diagnostics);
    }
}

#[test]
fn a_pipe_inside_quotes_or_a_regex_is_text() {
    let context = Context::at(Micros(0));
    for text in [r#""a | b""#, "user.name:\"x|y\"", "/a|b/"] {
        let parsed = parse_pipeline(text, &context).into_result().unwrap();
        assert_eq!(parsed.stages, [], "{text}");
    }
    let parsed = parse_pipeline("user.name:an|stats count()", &context);
    assert_eq!(parsed.into_result().unwrap().stages.len(), 1);
}

#[test]
fn more_memory_than_allowed_is_refused_with_advice() {
    let mut events = Vec::new();
    for number in 0..10_000_u64 {
        let mut event = Event::new(Seq(number), Bytes::new());
        event.set(Field::USER_NAME, format!("user-{number}").as_str());
        events.push(event);
    }
    for text in [
        "* | stats count() by user.name",
        "* | fields user.name",
        "* | stats values(user.name) by user.name",
        "* | dedup user.name | stats count()",
    ] {
        let refused = run(text, &events, 100_000);
        assert!(matches!(refused, Err(PipeError::Memory { .. })), "{text}");
        assert!(run(text, &events, 64 << 20).is_ok(), "{text}");
    }
}

proptest! {
    /// Any text of these pieces is read, and what is read runs.
    #[test]
    fn any_text_is_survived(pieces in prop::collection::vec(prop::sample::select(vec![
        "*", "|", "stats", "count()", "by", "user.name", "sum(", ")", ",", "-", "sort", "head", "5", "where",
        "a:b", "top", "timechart", "1m", "fields", "rename", "as", "dedup", "\"", "(", "/", "đ", "tail", "p95(x)", "bucket(1h)",
    ]), 0..20)) {
        let text = pieces.join(" ");
        let parsed = parse_pipeline(&text, &Context::at(Micros(0)));
        for found in &parsed.diagnostics {
            prop_assert!(found.span.start <= found.span.end && found.span.end <= text.len());
        }
        if let Ok(pipeline) = parsed.into_result()
            && let Some(mut run) = PipeRun::new(&pipeline.stages, Memory::new(MEMORY))
        {
            for event in logins() {
                run.push(&event).unwrap();
            }
            let table = run.finish().unwrap();
            prop_assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
        }
    }

    /// Counting by a field gives what counting by hand gives.
    #[test]
    fn counts_are_exact(users in prop::collection::vec(prop::sample::select(vec!["an", "binh", "", "Đặng"]), 0..60)) {
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        let mut events = Vec::new();
        for (number, user) in (0..).zip(&users) {
            let mut event = Event::new(Seq(number), Bytes::new());
            event.set(Field::USER_NAME, *user);
            events.push(event);
            *expected.entry(user).or_default() += 1;
        }
        let table = run("* | stats count() by user.name", &events, MEMORY).unwrap();
        let found: BTreeMap<String, u64> = table.rows.iter().map(|row| {
            let text = serde_json::to_value(&row[0]).unwrap();
            let count = serde_json::to_value(&row[1]).unwrap();
            (text.as_str().unwrap_or_default().to_owned(), count.as_u64().unwrap())
        }).collect();
        let expected: BTreeMap<String, u64> = expected.into_iter().map(|(user, count)| (user.to_owned(), count)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// What a formula gives for the second log-in (an, 192.0.2.2, failure, 20 bytes, minute 1).
fn formula(text: &str) -> String {
    let query = format!("nhatky.seq:1 | eval x = {text} | fields x");
    rows(&query).remove(0)
}

#[test]
fn formulas_compute_numbers() {
    let check = |text: &str, expected: &str| assert_eq!(formula(text), expected, "{text}");
    check("1 + 2 * 3", "7");
    check("(1 + 2) * 3", "9");
    check("2 - 3 - 4", "-5");
    check("7 / 2", "3.5");
    check("7 % 2", "1");
    check("-source.bytes + 1", "-19");
    check("source.bytes / 0", "null");
    check("source.bytes / (5 - 5)", "null");
    check("9223372036854775807 + 1", "9.223372036854776e+18");
    check("no.such * 2", "null");
    check("round(7 / 3, 2)", "2.33");
    check("round(2.5)", "3.0");
    check("abs(-3)", "3");
    check("floor(2.7) + ceil(2.1)", "5.0");
    check("max(1, source.bytes, 3)", "20");
    check("min(1, source.bytes, no.such)", "1");
    check("sqrt(16) + pow(2, 3)", "12.0");
    check("log(100, 10)", "2.0");
    check("number(\"12\") + number(\"0.5\")", "12.5");
    check("number(\"abc\")", "null");
    check("source.bytes > 10 and not source.bytes > 20", "true");
    check("source.bytes == 20 or no.such == 1", "true");
    check("no.such == 1 or source.bytes == 1", "null");
    check("no.such == 1 and source.bytes == 1", "false");
    check("no.such = 1", "null");
}

#[test]
fn formulas_compute_texts() {
    let check = |text: &str, expected: &str| assert_eq!(formula(text), expected, "{text}");
    check("upper(user.name)", "AN");
    check("concat(user.name, \"@\", source.ip)", "an@192.0.2.2");
    check("user.name + \"!\"", "an!");
    check("len(\"đăng\")", "4");
    check("substr(\"Tiền Giang\", 6)", "Giang");
    check("substr(\"Tiền Giang\", -5, 2)", "Gi");
    check("substr(\"abc\", 2, 1)", "b");
    check("trim(\"  a \")", "a");
    check("contains(\"Tiền Giang\", \"GIANG\")", "true");
    check("startswith(user.name, \"b\")", "false");
    check("split(\"a,b\", \",\")", r#"["a","b"]"#);
    check("join(event.category, \"+\")", "authentication+iam");
    check("count_values(event.category)", "2");
    check("match(user.name, \"^a\")", "true");
    check("extract(\"sess=ab12 x\", \"sess=([0-9a-f]+)\")", "ab12");
    check("extract(\"x\", \"sess=([0-9a-f]+)\")", "null");
    check(r#"replace("a1b22", "[0-9]+", "<$0>")"#, "a<1>b<22>");
    check("event.outcome == \"FAILURE\"", "true");
    check(r#""say \"a\"""#, "say \"a\"");
    check("'a\"b'", "a\"b");
}

#[test]
fn formulas_compute_dates_addresses_and_choices() {
    let check = |text: &str, expected: &str| assert_eq!(formula(text), expected, "{text}");
    check("hour(@timestamp)", "8");
    check("weekday(@timestamp)", "4");
    check("format(@timestamp, \"%d/%m/%Y %H:%M\")", "01/01/1970 08:01");
    check("truncate(@timestamp + 3690, 1h)", "1970-01-01T01:00:00Z");
    check("@timestamp - date(\"1970-01-01\")", "28860.0");
    check("@timestamp + 60", "1970-01-01T00:02:00Z");
    check("unix(@timestamp) - 1", "59.0");
    check("now() - @timestamp", "-60.0");
    check("year(\"2026-12-31T23:59:59Z\")", "2027");
    check("is_private(source.ip)", "false");
    check("is_private(\"10.1.2.3\")", "true");
    check("is_private(\"100.64.0.1\")", "true");
    check("in_network(source.ip, 192.0.2.0/24)", "true");
    check(
        "in_network(source.ip, 10.0.0.0/8, \"2001:db8::/32\")",
        "false",
    );
    check("network(source.ip, 24)", "192.0.2.0/24");
    check("network(source.ip, 64)", "null");
    check("source.ip == \"192.0.2.2\"", "true");
    check("if(source.bytes > 10, \"big\", \"small\")", "big");
    check(
        "case(source.bytes > 100, \"a\", source.bytes > 10, \"b\")",
        "b",
    );
    check("case(source.bytes > 100, \"a\")", "null");
    check("coalesce(no.such, user.name)", "an");
    check("isnull(no.such) and exists(user.name)", "true");
}

#[test]
fn computed_values_are_used_by_the_stages_behind() {
    assert_eq!(
        rows(
            "* | eval kb = source.bytes / 10, big = kb > 2 | where big:true | stats sum(kb) by big"
        ),
        ["true 12.0"]
    );
    assert_eq!(
        rows(
            "* | stats sum(source.bytes) as b by user.name | eval kb = b / 10 | sort -kb | head 1"
        ),
        ["an 80 8.0"]
    );
    // A name that is there already is replaced.
    assert_eq!(
        rows(
            "* | eval user.name = upper(user.name), no.such = 1, no.such = no.such + 1 | stats max(no.such) by user.name"
        ),
        ["AN 2", "BINH 2", "CHI 2"]
    );
    let context = Context::at(Micros(0));
    let pipeline = parse_pipeline(
        "* | eval a = source.bytes | eval b = a + no.such | stats sum(b) by a",
        &context,
    );
    let fields = query::fields_of_events(&pipeline.into_result().expect("sound").stages);
    let names: Vec<&str> = fields.iter().map(query::FieldName::name).collect();
    assert_eq!(names, ["no.such", "source.bytes"]);
}

#[test]
fn mistakes_in_formulas_are_told_where_they_are() {
    let check = |text: &str, place: &str| {
        let query = format!("* | eval {text} | fields x");
        let parsed = parse_pipeline(&query, &Context::at(Micros(0)));
        let told = parsed
            .diagnostics
            .first()
            .unwrap_or_else(|| panic!("{text} is no mistake"));
        assert_eq!(
            query.get(told.span.start..told.span.end),
            Some(place),
            "{text}: {told:?}"
        );
        assert_eq!(
            parsed.pipeline.stages.len(),
            1,
            "the stages behind are read: {text}"
        );
    };
    check("x = 1 +", "|");
    check("x = (1", "(1 ");
    check("x = uper(user.name)", "uper(user.name)");
    check("x = upper()", "upper()");
    check("x = match(a, b)", "match(a, b)");
    check("x = match(a, \"(\")", "match(a, \"(\")");
    check("x = 1 2", "2");
    check("x 1", "x");
    check("= 1", "");
    check("x = 12abc", "12abc");
    let deep = format!("x = {}1", "1 + ".repeat(300));
    let parsed = parse_pipeline(
        &format!("* | eval {deep} | fields x"),
        &Context::at(Micros(0)),
    );
    assert!(
        parsed
            .diagnostics
            .iter()
            .any(|told| told.message.contains("more than 256"))
    );
    let nested = format!("* | eval x = {}1", "-(".repeat(5000));
    assert!(
        !parse_pipeline(&nested, &Context::at(Micros(0)))
            .diagnostics
            .is_empty()
    );
}

#[test]
fn the_first_rows_are_those_of_the_whole_table_sorted() {
    let context = Context::at(Micros(0));
    for order in [
        "sort -count",
        "sort count",
        "sort -sum(source.bytes), user.name",
        "sort source.ip",
        "sort -no.such",
        "",
    ] {
        for rows in [0, 1, 2, 3, 100] {
            let stats = "* | stats count(), sum(source.bytes) by user.name, source.ip";
            let text = match order {
                "" => format!("{stats} | head {rows}"),
                order => format!("{stats} | {order} | head {rows}"),
            };
            let pipeline = parse_pipeline(&text, &context)
                .into_result()
                .expect("sound");
            let [query::Stage::Stats(stats), rest @ ..] = pipeline.stages.as_slice() else {
                panic!("{text} begins with stats");
            };
            let mut groups = query::Groups::new(stats.clone(), Memory::new(MEMORY));
            for event in logins() {
                groups.push(&event).expect("small");
            }
            let (wish, left) = query::Wish::of(rest, usize::MAX);
            assert!(left.is_empty(), "{text}");
            assert_eq!(groups.first(&wish), table(&text), "{text}");
        }
    }
}
