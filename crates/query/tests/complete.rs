//! What may stand at a place of a query is found by the grammar, and what is put in there makes it no worse.

use event::Micros;
use proptest::prelude::*;
use query::{
    Completion, Context, Names, OfferKind, Place, Severity, ValuePart, complete, parse_pipeline,
};

fn context() -> Context {
    Context::at(Micros::from_rfc3339("2026-10-11T22:14:15+07:00").expect("a date"))
}

/// The place of the «^» in the text.
fn at(marked: &str) -> (String, Completion) {
    let place = marked.find('^').expect("a place");
    let text = marked.replace('^', "");
    let found = complete(&text, place, &context());
    (text, found)
}

/// What may stand at the «^», and what it replaces.
fn check(marked: &str, place: &str, replaced: &str) {
    let (text, found) = at(marked);
    let columns = |names: &Names| match names {
        Names::Fields => "fields".to_owned(),
        Names::Columns(columns) => columns.join(","),
    };
    let shown = match &found.place {
        Place::Clause { names, joins } => {
            format!(
                "clause {}{}",
                columns(names),
                if *joins { " joins" } else { "" }
            )
        }
        Place::Value { field, part } => match part {
            ValuePart::Whole => format!("value {}", field.name()),
            ValuePart::Low => format!("low {}", field.name()),
            ValuePart::High => format!("high {}", field.name()),
        },
        Place::Stage => "stage".to_owned(),
        Place::Function { joins } => format!("function{}", if *joins { " joins" } else { "" }),
        Place::Name { names, bucket } => {
            format!(
                "name {}{}",
                columns(names),
                if *bucket { " bucket" } else { "" }
            )
        }
        Place::Length => "length".to_owned(),
        Place::Free => "free".to_owned(),
    };
    assert_eq!(shown, place, "{marked}");
    let span = found.replaced;
    assert_eq!(text.get(span.start..span.end), Some(replaced), "{marked}");
}

#[test]
fn in_a_condition_a_clause_or_a_value_may_stand() {
    check("^", "clause fields", "");
    check("us^", "clause fields", "us");
    check("us^er.name:x", "clause fields", "user.name:");
    check("a ^", "clause fields joins", "");
    check("a A^", "clause fields joins", "A");
    check("a AND ^", "clause fields", "");
    check("NOT ^", "clause fields", "");
    check("(a OR ^", "clause fields", "");
    check("(a) ^", "clause fields joins", "");
    check("-^", "clause fields", "");
    check("user.name:^", "value user.name", "");
    check("user.name:ad^", "value user.name", "ad");
    check("user.name:a^d b", "value user.name", "ad");
    check("user.name:\"ad^", "value user.name", "\"ad");
    check("user.name:\"a^d\" b", "value user.name", "\"ad\"");
    check("user.name:(a OR ^", "value user.name", "");
    check("user.name:(a OR b) ^", "clause fields joins", "");
    check("source.port:[^", "low source.port", "");
    check("source.port:[1 ^", "high source.port", "");
    check("source.port:[1 TO 2^", "high source.port", "2");
    check("source.port:>=^", "low source.port", "");
    check("source.port:(>5 AND <^", "low source.port", "");
    check("user.name: ^", "value user.name", "");
    check("\"some text^", "free", "");
    check("\"some text\"^", "free", "");
    check("/a b^", "clause fields joins", "b");
    check("Đặng^", "clause fields", "Đặng");
}

#[test]
fn in_a_stage_it_depends_on_the_stage() {
    check("a |^", "stage", "");
    check("a | st^", "stage", "st");
    check("a | stats ^", "function", "");
    check("a | stats co^", "function", "co");
    check("a | stats count() ^", "function joins", "");
    check("a | stats sum(^", "name fields", "");
    check("a | stats sum(source.b^) by x", "name fields", "source.b");
    check("a | stats count() by ^", "name fields bucket", "");
    check(
        "a | stats count() by user.name, us^",
        "name fields bucket",
        "us",
    );
    check("a | stats count() by bucket(^", "length", "");
    check("a | stats count() as ^", "free", "");
    check("a | timechart ^", "length", "");
    check("a | timechart 1h ^", "function", "");
    check("a | timechart 1h count() by ^", "name fields bucket", "");
    check("a | top 10 ^", "name fields", "");
    check("a | head ^", "free", "");
    check("a | where us^", "clause fields", "us");
    check("a | where user.name:^", "value user.name", "");
    check(
        "a | stats count() as n by user.name | sort -^",
        "name user.name,n",
        "",
    );
    check(
        "a | stats count() by user.name | where cou^",
        "clause user.name,count",
        "cou",
    );
    check(
        "a | fields user.name | rename user.name as who | sort ^",
        "name who",
        "",
    );
    check("a | nonsense ^", "free", "");
}

#[test]
fn values_are_those_of_events_that_the_rest_asks_for() {
    let check = |marked: &str, condition: &str| {
        assert_eq!(at(marked).1.condition.to_string(), condition, "{marked}");
    };
    check("user.name:^", "*");
    check("event.outcome:failure user.name:^", "event.outcome:failure");
    check("event.outcome:failure OR user.name:^", "*");
    check("a AND (b OR user.name:x^", "a");
    check("a (b user.name:(x OR y^", "a AND b");
    check("a NOT user.name:^", "a");
    check("a | where b | stats count() by ^", "a AND b");
    check("a | where b user.name:^", "a AND b");
    check("a | stats count() by b | where count:^", "a");
}

#[test]
fn the_language_offers_what_fits_the_kind_of_field() {
    let check = |marked: &str, some: &[&str], none: &[&str]| {
        let offers = at(marked).1.offers();
        let has = |text: &&str| offers.iter().any(|offer| offer.text == *text);
        assert!(some.iter().all(has), "{marked}: {offers:?}");
        assert!(!none.iter().any(has), "{marked}: {offers:?}");
    };
    check("^", &["NOT"], &["AND", "OR"]);
    check("a ^", &["AND", "OR", "NOT"], &[]);
    check("source.port:^", &[">=", "*"], &["10.0.0.0/8"]);
    check("source.ip:^", &["10.0.0.0/8", "*"], &[">="]);
    check("@timestamp:^", &[">=now-1h", "now/d"], &["10.0.0.0/8"]);
    check("@timestamp:[^", &["now-1h"], &[">=now-1h", "TO"]);
    check("source.port:[1 ^", &["TO"], &[">="]);
    check("a | ^", &["stats", "where", "sort"], &["AND"]);
    check("a | stats ^", &["count()", "dc(", "p95("], &["by"]);
    check("a | stats count() ^", &["by", "as"], &[]);
}

#[test]
fn names_and_values_are_written_so_that_they_are_read_back() {
    let (_, clause) = at("^");
    assert_eq!(
        clause.name_written("user.name").as_deref(),
        Some("user.name:")
    );
    assert_eq!(
        clause.name_written("odd name").as_deref(),
        Some("\"odd name\":")
    );
    let (_, name) = at("a | fields ^");
    assert_eq!(
        name.name_written("winlog.event_data.X").as_deref(),
        Some("winlog.event_data.X")
    );
    assert_eq!(name.name_written("odd name"), None);
    let (_, value) = at("user.name:^");
    assert_eq!(value.value_written("an").as_deref(), Some("an"));
    assert_eq!(
        value.value_written("say \"x\" | *").as_deref(),
        Some("\"say \\\"x\\\" | *\"")
    );
    assert_eq!(value.value_written("OR").as_deref(), Some("\"OR\""));
}

fn errors(text: &str) -> usize {
    let found = parse_pipeline(text, &context()).diagnostics;
    let errors = found
        .iter()
        .filter(|found| found.severity == Severity::Error);
    errors.count()
}

/// All that can be put in, with what finishes it where it is only a beginning.
fn insertions(found: &Completion) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    for name in ["user.name", "odd name", "acme.x-y"] {
        let finished = if matches!(found.place, Place::Clause { .. }) {
            "x"
        } else {
            ""
        };
        all.extend(found.name_written(name).map(|text| (text, finished)));
    }
    for value in ["an", "two words", "a\"b\\", "OR", "(|)", "10.0.0.1"] {
        all.extend(found.value_written(value).map(|text| (text, "")));
    }
    for offer in found.offers() {
        let finished = match (offer.kind, offer.text) {
            (OfferKind::Function, text) if text.starts_with("bucket") => "1h)",
            (OfferKind::Function, text) if text.ends_with('(') => "x)",
            (OfferKind::Keyword, "AND" | "OR" | "NOT") => " x",
            (OfferKind::Keyword, "TO") => " 2]",
            (OfferKind::Keyword, ">=" | "<=" | ">" | "<") => "1",
            (OfferKind::Keyword, "by" | "as") => " x",
            (OfferKind::Keyword, _) => "",
            // A stage alone is hardly ever finished.
            _ => continue,
        };
        all.push((offer.text.to_owned(), finished));
    }
    all
}

proptest! {
    #[test]
    fn any_text_and_any_byte_are_survived(text in "\\PC{0,60}", at in 0_usize..200) {
        let found = complete(&text, at, &context());
        prop_assert!(text.get(found.replaced.start..found.replaced.end).is_some());
        prop_assert!(found.replaced.start <= at.min(text.len()));
        prop_assert!(found.offers().len() < 30);
    }

    #[test]
    fn what_is_put_in_makes_the_text_no_worse(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "user.name:", "ad", "source.port:[", "1", " TO ", "2", "]", " ", " ", " AND ", " OR ", "NOT ", "(", ")", "\"", "|", "where ",
        "stats ", "count()", " by ", "sum(", ",", "fields ", "sort ", "-", "head 5", "timechart ", "1h ", ">", "/x/", "đ", ":", "*", "as ",
    ]), 0..10)) {
        // At the end, where people write.
        let text = pieces.concat();
        let found = complete(&text, text.len(), &context());
        let before = errors(&text);
        for (insertion, finished) in insertions(&found) {
            let kept = text.get(..found.replaced.start).unwrap_or_default();
            let completed = format!("{kept}{insertion}{finished}");
            prop_assert!(errors(&completed) <= before, "{text:?} -> {completed:?}");
        }
    }
}
