//! Bytes of which every matching text holds some: what a scan looks for in many texts at once before it asks each.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use event::Field;
use regex_syntax::hir::literal::{ExtractKind, Extractor};

use crate::{Condition, Expr, Test};

/// Shorter ones stand in most texts anyway.
const BYTES_MIN: usize = 3;
/// More of them are hardly faster to look for than the expression itself.
const COUNT_MAX: usize = 16;

/// Looks for the bytes of which every text that an expression matches holds some.
#[derive(Clone, Debug)]
pub struct Needles {
    finder: AhoCorasick,
}

impl Needles {
    /// The needles of an expression; none where there are none that would help.
    #[must_use]
    pub fn of(expr: &Expr) -> Option<Self> {
        let literals = literals(expr)?;
        let finder = AhoCorasick::new(literals).ok()?;
        Some(Self { finder })
    }

    /// Whether one of them stands in these bytes: no record whose raw bytes lie within them matches if not.
    #[must_use]
    pub fn stand_in(&self, bytes: &[u8]) -> bool {
        self.finder.is_match(bytes)
    }
}

fn literals(expr: &Expr) -> Option<Vec<Vec<u8>>> {
    match expr {
        Expr::And(members) => members
            .iter()
            .filter_map(literals)
            .max_by_key(|literals| shortest(literals)),
        Expr::Or(members) => {
            let mut all = Vec::new();
            for member in members {
                all.extend(literals(member)?);
            }
            (all.len() <= COUNT_MAX).then_some(all)
        }
        Expr::Test(Test::Regex(regex)) => of_regex(regex.source()),
        Expr::Test(Test::Field(field, Condition::Regex(regex)))
            if field.known() == Some(Field::EVENT_ORIGINAL) =>
        {
            of_regex(regex.source())
        }
        Expr::All | Expr::None | Expr::Not(_) | Expr::Test(_) => None,
    }
}

/// What each match begins with, or what it ends with: whichever is longer.
fn of_regex(source: &str) -> Option<Vec<Vec<u8>>> {
    let hir = regex_syntax::parse(source).ok()?;
    let of = |kind: ExtractKind| {
        let found = Extractor::new().kind(kind.clone()).extract(&hir);
        let longest = found.max_literal_len()?;
        if !found
            .literals()?
            .iter()
            .all(|one| stands_as_it_is(one.as_bytes()))
        {
            return None;
        }
        // Cut until they are few, as `port 5[0-9]{4}` is ten of `port 5x`, or one of `port 5`.
        (BYTES_MIN..=longest).rev().find_map(|bytes| {
            let mut cut = found.clone();
            match kind {
                ExtractKind::Suffix => cut.keep_last_bytes(bytes),
                _ => cut.keep_first_bytes(bytes),
            }
            let literals = cut.literals()?.iter();
            let literals: BTreeSet<Vec<u8>> = literals.map(|one| one.as_bytes().to_vec()).collect();
            let literals: Vec<Vec<u8>> = literals.into_iter().collect();
            let help = !literals.is_empty() && shortest(&literals) >= BYTES_MIN;
            (help && literals.len() <= COUNT_MAX).then_some(literals)
        })
    };
    let both: [Option<Vec<Vec<u8>>>; 2] = [of(ExtractKind::Prefix), of(ExtractKind::Suffix)];
    both.into_iter()
        .flatten()
        .max_by_key(|literals| shortest(literals))
}

/// Whether it is in the record where it is in the record's text.
fn stands_as_it_is(literal: &[u8]) -> bool {
    std::str::from_utf8(literal).is_ok_and(|text| !text.contains(char::REPLACEMENT_CHARACTER))
}

fn shortest(literals: &[Vec<u8>]) -> usize {
    literals.iter().map(Vec::len).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use event::Seq;
    use proptest::prelude::*;

    use super::*;
    use crate::{Context, Regex, matches_raw, parse};

    /// Each needle holds one of the texts expected; none where there is to be none.
    fn check(query: &str, expected: &[&str]) {
        let expr = parse(query, &Context::at(event::Micros(0))).expr;
        let found = literals(&expr).unwrap_or_default();
        let text = |literal: &Vec<u8>| String::from_utf8_lossy(literal).into_owned();
        let found: Vec<String> = found.iter().map(text).collect();
        let holds = |one: &String| expected.iter().any(|text| one.contains(text));
        assert!(found.iter().all(holds), "{query}: {found:?}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{query}");
    }

    #[test]
    fn needles_are_what_every_match_holds() {
        check("/port 5[0-9]{4}\\b/", &["port 5"]);
        check("/[0-9]+ bytes/", &[" bytes"]);
        check(
            "/(?i)abc/",
            &["abc", "abC", "aBc", "aBC", "Abc", "AbC", "ABc", "ABC"],
        );
        check("/(?:q[0-9]z){3}/", &["q"]);
        check("/abc/ OR /def/", &["abc", "def"]);
        check("/abc/ AND /longer/", &["longer"]);
        check("/abc/ OR /[0-9]+/", &[]);
        check("NOT /abc/", &[]);
        check("/a\u{FFFD}bc/", &[]);
        check("/[0-9]{4}/", &[]);
        check("word", &[]);
    }

    proptest! {
        #[test]
        fn no_match_is_without_one(
            source in r"[ab]{0,3}(c|dd|\[ef\])?[a-f]{0,3}(x\+|yz)?\.?(\\b)?",
            records in prop::collection::vec(prop::collection::vec(prop::sample::select(b"abcdefxyz\xff".to_vec()), 0..12), 1..6),
        ) {
            let Ok(regex) = Regex::new(&source) else { return Ok(()) };
            let expr = Expr::Test(Test::Regex(regex));
            let Some(needles) = Needles::of(&expr) else { return Ok(()) };
            let all = records.concat();
            let any = records.iter().any(|raw| matches_raw(&expr, Seq(1), raw));
            prop_assert!(!any || needles.stand_in(&all));
        }
    }
}
