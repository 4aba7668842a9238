//! What templates match, and what they must not.

use event::Micros;
use proptest::prelude::*;

use super::*;
use crate::Depth;
use crate::header::{Reference, Zone};

fn slots(template: &str, text: &str) -> Option<Vec<(String, String)>> {
    let mut symbols = Symbols::new("acme");
    let template = Template::compile(template, &mut symbols).unwrap();
    let zone = Zone::utc();
    let reference = Reference {
        time: Micros(0),
        zone: &zone,
    };
    let mut frame = Frame::new(reference, Depth::Full, symbols.len());
    template.apply(text, Ends::Whole, &mut frame)?;
    let value = |(name, symbol): (&str, _)| {
        Some((name.to_owned(), frame.get(symbol)?.to_text()?.into_owned()))
    };
    Some(symbols.iter().filter_map(value).collect())
}

fn check(template: &str, text: &str, expected: &[(&str, &str)]) {
    let expected = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    assert_eq!(
        slots(template, text),
        Some(expected.collect()),
        "{template} on {text}"
    );
}

#[test]
fn the_last_place_leaves_room_for_what_follows() {
    check(
        "query '<a:last>/<b:word>/<c:word>' denied",
        "query 'x.example/A/IN' denied",
        &[("a", "x.example"), ("b", "A"), ("c", "IN")],
    );
    let slashes = "/".repeat(1 << 16);
    assert_eq!(slots("<a:last>/<b:word>/<c:word>#", &slashes), None);
}

#[test]
fn a_word_that_white_space_ends_is_tried_further_on() {
    check(
        "[<$flags:hex><_:maybe> <$verdict:word>]",
        "[0001   D   NOERROR]",
        &[("$flags", "0001"), ("$verdict", "NOERROR")],
    );
    let spaces = "[1".to_owned() + &" ".repeat(1 << 16);
    assert_eq!(slots("[<$a:hex><_:maybe> <_:word>]", &spaces), None);
}

#[test]
fn slots_take_what_stands_between_literals() {
    let sshd = "Failed <$how> for {?invalid user }<user.name:last> from <source:address> port <source.port>{? <_>}";
    check(
        sshd,
        "Failed password for invalid user an from 192.0.2.1 port 22 ssh2",
        &[
            ("$how", "password"),
            ("user.name", "an"),
            ("source.ip", "192.0.2.1"),
            ("source.port", "22"),
        ],
    );
    check(
        sshd,
        "Failed none for x from 10.0.0.1 port 1 ssh2 from gw.example port 22",
        &[
            ("$how", "none"),
            ("user.name", "x from 10.0.0.1 port 1 ssh2"),
            ("source.domain", "gw.example"),
            ("source.port", "22"),
        ],
    );
    assert_eq!(slots(sshd, "Failed password for an from"), None);
}

#[test]
fn alternatives_and_optional_parts_give_way_to_what_follows() {
    check("{a|ab}c<$x>", "abcd", &[("$x", "d")]);
    check(
        "<$x>{? (<$y>)}",
        "one (two)",
        &[("$x", "one"), ("$y", "two")],
    );
    check("<$x>{? (<$y>)}", "one (two", &[("$x", "one (two")]);
    check("<$x:word> <$y>", "a b c", &[("$x", "a"), ("$y", "b c")]);
    check("<$x:maybe>|<$y>", "|b", &[("$y", "b")]);
    check("user=<~><$x><~>;", "user=  a b  ;", &[("$x", "a b")]);
    assert_eq!(slots("<$x:word>;", "a b;"), None);
    assert_eq!(slots("<$x>;", ";"), None);
}

#[test]
fn a_search_goes_on_while_what_follows_does_not_fit() {
    check(
        "<$x> port <source.port>",
        "a port b port 7",
        &[("$x", "a port b"), ("source.port", "7")],
    );
    check("<$x>:<$n:int>", "a:b:7", &[("$x", "a:b"), ("$n", "7")]);
}

#[test]
fn open_text_before_a_slot_is_refused() {
    let mut symbols = Symbols::new("acme");
    let refused = Template::compile("<$x><$n:int>", &mut symbols).unwrap_err();
    assert!(matches!(refused, TemplateError::Open { .. }));
}

#[test]
fn many_groups_on_a_hostile_line_end_in_time() {
    let template = format!("{}!", "{?<$a>,}{?<$b> }".repeat(12));
    assert_eq!(slots(&template, &"a, b ".repeat(20_000)), None);
}

proptest! {
    #[test]
    fn a_forged_address_in_a_name_never_becomes_the_source(
        name in "[a-z]{0,8}( from 203\\.0\\.113\\.[0-9] port [0-9]{1,4}( ssh2)?){0,3}[a-z]{1,8}",
    ) {
        let template = "Invalid user <user.name:last> from <source.ip> port <source.port>";
        let found = slots(template, &format!("Invalid user {name} from 192.0.2.1 port 22")).unwrap();
        prop_assert!(found.contains(&("source.ip".to_owned(), "192.0.2.1".to_owned())));
        prop_assert!(found.contains(&("user.name".to_owned(), name)));
    }

    #[test]
    fn any_template_on_any_text_ends(template in "[a<>{}|?$x:inty ]{0,40}", text in "\\PC{0,200}") {
        let mut symbols = Symbols::new("acme");
        if let Ok(template) = Template::compile(&template, &mut symbols) {
            let zone = Zone::utc();
            let reference = Reference { time: Micros(0), zone: &zone };
            let mut frame = Frame::new(reference, Depth::Full, symbols.len());
            template.apply(&text, Ends::Whole, &mut frame);
        }
    }
}
