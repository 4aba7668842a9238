//! Every modifier of Sigma's specification, and its values, on events.

use bytes::Bytes;
use detect::{Rules, Settings};
use event::{Event, Seq};

/// An event of Windows with these data.
fn event(data: &[(&str, &str)]) -> Event {
    let mut event = Event::new(Seq(1), Bytes::from_static(b"raw text of C:\\Windows"));
    event.push_named("nhatky.product", "microsoft.windows");
    event.push_named("winlog.channel", "Security");
    for (name, value) in data {
        event.push_named(&format!("winlog.event_data.{name}"), *value);
    }
    event
}

fn rules(selection: &str) -> Rules {
    let rule = format!(
        "title: T\nid: t\nlogsource: {{product: windows, service: security}}\ndetection:\n  s:\n    {selection}\n  condition: s\n"
    );
    let settings = Settings {
        placeholders: [(
            "admins".to_owned(),
            vec!["an".to_owned(), "binh*".to_owned()],
        )]
        .into(),
        ..Settings::default()
    };
    Rules::from_texts(&[("t.yml", &rule)], &settings)
}

/// Holds a selection against values of the field `F` that must, and must not, match.
fn check(selection: &str, matching: &[&str], others: &[&str]) {
    let rules = rules(selection);
    assert_eq!(rules.problems(), [], "{selection}");
    for (values, expected) in [(matching, true), (others, false)] {
        for value in values {
            let found = !rules.matched_by(&event(&[("F", value)])).is_empty();
            assert_eq!(found, expected, "{selection} on «{value}»");
        }
    }
}

fn check_event(selection: &str, data: &[(&str, &str)], expected: bool) {
    let rules = rules(selection);
    assert_eq!(rules.problems(), [], "{selection}");
    let found = !rules.matched_by(&event(data)).is_empty();
    assert_eq!(found, expected, "{selection} on {data:?}");
}

fn check_refused(selection: &str, reason: &str) {
    let rules = rules(selection);
    let problems: Vec<String> = rules.problems().iter().map(ToString::to_string).collect();
    assert!(
        problems.iter().any(|problem| problem.contains(reason)),
        "{selection}: {problems:?}"
    );
}

#[test]
fn a_value_is_compared_as_a_whole_whatever_its_case() {
    check("F: Abc", &["abc", "ABC"], &["abcd", "xabc", ""]);
    check("F: 4624", &["4624"], &["46240"]);
    check("F: true", &["true", "True"], &["false"]);
    check("F: [a, b]", &["A", "b"], &["c"]);
    check("F: Nguyễn", &["nguyễn", "NGUYỄN"], &["nguyen"]);
    check("F: nguyen", &["Nguyễn", "nguyen"], &["nguyens"]);
}

#[test]
fn wildcards_and_escapes_are_sigmas() {
    check("F: 'a*c'", &["ac", "abbc"], &["ab"]);
    check("F: 'a?c'", &["abc"], &["ac", "abbc"]);
    check(r"F: 'a\*c'", &["a*c"], &["abc"]);
    check(r"F: 'a\?c'", &["a?c"], &["abc"]);
    check(r"F: 'C:\Win*'", &[r"C:\Windows"], &["C:/Windows"]);
    check(r"F: '\\*\share'", &[r"\srv\share"], &["share"]);
    check("F: '*'", &["x"], &[""]);
}

#[test]
fn nothing_is_null_or_an_empty_text_or_a_hyphen() {
    check("F: null", &[""], &["x"]);
    check("F: ''", &[""], &["x"]);
    check("F: '-'", &["", "-"], &["x"]);
    check("F: [null, x]", &["", "x"], &["y"]);
    check("F|exists: true", &["x"], &[""]);
    check("F|exists: false", &[""], &["x"]);
    check("F|contains: ''", &["x"], &[""]);
    check_refused("F|exists: maybe", "`exists` takes true or false");
    check_refused("F: []", "empty list");
    check_refused("F|re: null", "takes a value");
}

#[test]
fn texts_stand_where_they_are_said_to() {
    check("F|contains: bc", &["ABCD", "bc"], &["b-c"]);
    check("F|startswith: ab", &["ABx"], &["xab"]);
    check("F|endswith: yz", &["xYZ"], &["yzx"]);
    check("F|contains: 'b*d'", &["abxxde"], &["adxxb"]);
    check("F|contains|all: [ab, cd]", &["cd ab"], &["ab", "cd"]);
    check("F|contains: [ab, cd]", &["ab", "cd"], &["ac"]);
    check("F|contains: 'é'", &["CAFÉ"], &["cafe"]);
    check("F|contains: cafe", &["CAFÉ au lait"], &["caf"]);
    check_refused("F|contains|startswith: a", "exclude each other");
}

#[test]
fn neq_is_not_and_cased_is_cased() {
    check("F|neq: a", &["b", ""], &["a", "A"]);
    check("F|contains|neq: a", &["b"], &["cat"]);
    check("F|cased: Ab", &["Ab"], &["ab", "AB"]);
    check("F|contains|cased: 'b.C'", &["xb.Cy"], &["xbxCy", "xb.cy"]);
    check("F|startswith|cased: Ab", &["Abc"], &["abc", "xAb"]);
    check_refused("F|re|cased: a", "`cased` goes with texts alone");
}

#[test]
fn regular_expressions_have_their_flags() {
    check("F|re: '^a.c$'", &["abc"], &["ABC", "xabc"]);
    check("F|re|i: '^a.c$'", &["ABC"], &["x"]);
    check("F|re|s: 'a.b'", &["a\nb"], &["ab"]);
    check("F|re: 'a.b'", &["axb"], &["a\nb"]);
    check("F|re|m: '^b$'", &["a\nb"], &["ab"]);
    check("F|re|i|s: 'A.B'", &["a\nb"], &["ab"]);
    check_refused("F|re: '('", "regex");
    check_refused("F|i: a", "there is no modifier `i` here");
    check_refused("F|re: '(a{1,1000}){1,1000}'", "size limit");
}

#[test]
fn networks_are_of_both_families() {
    check(
        "F|cidr: 10.0.0.0/8",
        &["10.1.2.3", "::ffff:10.1.2.3"],
        &["11.0.0.1", "x"],
    );
    check(
        "F|cidr: [10.0.0.0/8, 'fe80::/10']",
        &["fe80::1"],
        &["2001:db8::1"],
    );
    check("F|cidr: 192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]);
    check_refused("F|cidr: ten", "is no network");
}

#[test]
fn numbers_compare_as_numbers() {
    check("F|lt: 10", &["9", "9.5", "-1"], &["10", "100", "x"]);
    check("F|lte: 10", &["10"], &["10.1"]);
    check("F|gt: 10", &["11"], &["9", "10"]);
    check("F|gte: 10.5", &["10.5", "11"], &["10"]);
    check_refused("F|gt: ten", "is no number");
}

#[test]
fn encodings_are_found_in_what_is_encoded() {
    check("F|base64: foobar", &["Zm9vYmFy"], &["foobar"]);
    check(
        "F|base64offset|contains: '/bin/bash'",
        &["xL2Jpbi9iYXNo", "yAvYmluL2Jhc2gg", "ziAgL2Jpbi9iYXNoICAg"],
        &["/bin/bash"],
    );
    // "IEX" in UTF-16, as PowerShell's encoded commands have it.
    check(
        "F|wide|base64offset|contains: IEX",
        &["JABhACAASQBFAFgA"],
        &["SUVY"],
    );
    check("F|utf16le|base64: IEX", &["SQBFAFgA"], &["AEkARQBY"]);
    check("F|utf16be|base64: IEX", &["AEkARQBY"], &["SQBFAFgA"]);
    check("F|utf16|base64: IEX", &["//5JAEUAWAA="], &["SQBFAFgA"]);
    check("F|wide|base64: 'Việt'", &["VgBpAMcedAA="], &["Việt"]);
    check_refused("F|base64: 'a*'", "wildcards cannot be encoded");
    check_refused("F|wide: 'ế'", "is no text");
    check_refused("F|re|base64: a", "go with no other way to compare");
}

#[test]
fn an_option_is_found_with_any_dash() {
    check(
        "F|windash|contains: ' -enc '",
        &[
            "ps -enc x",
            "ps /enc x",
            "ps \u{2013}enc x",
            "ps \u{2014}enc x",
            "ps \u{2015}enc x",
        ],
        &["ps enc x", "ps --enc x"],
    );
    check(
        "F|contains|windash: [' -a', ' -b']",
        &["x /a", "x /b"],
        &["x a"],
    );
    check(
        "F|windash|contains|all: [' -a', ' -b']",
        &["x /a -b"],
        &["x /a"],
    );
}

#[test]
fn a_field_may_refer_to_another() {
    check_event("F|fieldref: G", &[("F", "An"), ("G", "an")], true);
    check_event("F|fieldref: G", &[("F", "an"), ("G", "binh")], false);
    check_event("F|fieldref: G", &[("F", "an")], false);
    check_event(
        "F|fieldref|startswith: G",
        &[("F", "anh"), ("G", "an")],
        true,
    );
    check_event("F|endswith|fieldref: G", &[("F", "tan"), ("G", "an")], true);
    check_event(
        "F|fieldref|contains: G",
        &[("F", "xany"), ("G", "an")],
        true,
    );
    check_event("F|fieldref|neq: G", &[("F", "an"), ("G", "an")], false);
    check_event("F|cased|fieldref: G", &[("F", "An"), ("G", "an")], false);
}

#[test]
fn placeholders_are_the_sites() {
    check("F|expand: '%admins%'", &["an", "binhx"], &["admins"]);
    check("F|contains|expand: 'x%admins%y'", &["axany"], &["any"]);
    check_refused("F|expand: '%others%'", "`%others%` is no placeholder");
    check("F: '%admins%'", &["%admins%"], &["an"]);
}

#[test]
fn parts_of_dates_are_in_local_time() {
    let evening = "2026-10-14T15:30:00Z";
    check("F|hour: 22", &[evening], &["2026-10-14T22:30:00Z", "x"]);
    check("F|minute: 30", &[evening], &[]);
    check("F|hour|gte: 20", &[evening], &["2026-10-14T12:59:59Z"]);
    check("F|day: 15", &["2026-10-14T17:00:00Z"], &[evening]);
    check("F|week: 42", &[evening], &[]);
    check("F|month: [9, 10]", &[evening], &["2026-11-14T15:30:00Z"]);
    check("F|year|lt: 2026", &["2025-10-14T15:30:00Z"], &[evening]);
    check_refused("F|hour: ten", "is no whole number");
    check_refused("F|hour|contains: 1", "compared with numbers alone");
}

#[test]
fn words_are_found_in_the_raw_text() {
    for (selection, expected) in [
        ("'|all': [raw, text]", true),
        ("'|all': [raw, texts]", false),
        (r"'|contains': 'of C:\Win'", true),
        ("'|re': 'r.w'", true),
    ] {
        check_event(selection, &[], expected);
    }
}

#[test]
fn an_unknown_modifier_is_refused() {
    check_refused("F|shout: a", "there is no modifier `shout`");
    check_refused("F|: a", "there is no modifier ``");
}
