//! Sigma's `detection`: selections and their condition, compiled to one clause.

use std::collections::BTreeMap;

use event::Field;
use yaml_serde::{Mapping, Value};

use crate::clause::{Clause, Kept};
use crate::field_map::FieldMap;
use crate::sigma_condition::{self, Condition};
use crate::sigma_line::Line;
use crate::sigma_value::{self, Place};

/// Rules with more tests than this are no rules that a person wrote.
const CLAUSES_MAX: usize = 20_000;
/// Selections nested deeper than this are no rules that a person wrote.
const DEPTH_MAX: usize = 16;

/// What a detection is read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// The names of its log source.
    pub(crate) fields: &'a FieldMap<'a>,
    /// What `%name%` stands for in values with the modifier `expand`.
    pub(crate) placeholders: &'a BTreeMap<String, Vec<String>>,
    /// Minutes by which local time, in which hours and days are meant, is ahead of UTC.
    pub(crate) utc_offset_minutes: i32,
}

/// Compiles a `detection` block.
pub(crate) fn compile(detection: &Mapping, reading: Reading<'_>) -> Result<Clause, String> {
    if detection.contains_key("timeframe") {
        return Err("detection.timeframe is obsolete: write a correlation rule".to_owned());
    }
    let not_selections = ["condition"];
    joined(detection, &not_selections, reading).map_err(|error| format!("detection.{error}"))
}

/// The selections of a map, all but those keys, joined by its `condition`.
pub(crate) fn joined(
    map: &Mapping,
    not_selections: &[&str],
    reading: Reading<'_>,
) -> Result<Clause, String> {
    let mut names = Vec::new();
    let mut selections = Vec::new();
    for (name, selection) in map {
        let name = name.as_str().ok_or("a selection's name must be text")?;
        if not_selections.contains(&name) {
            continue;
        }
        names.push(name);
        let compiled = self::selection(selection, reading, 0);
        selections.push(compiled.map_err(|error| format!("{name}: {error}"))?);
    }
    if names.is_empty() {
        return Err("has no selection".to_owned());
    }
    let condition = condition(map, &names).map_err(|error| format!("condition: {error}"))?;
    let clause = join(&condition, &selections);
    if clause.len() > CLAUSES_MAX {
        return Err(format!("has more than {CLAUSES_MAX} tests"));
    }
    Ok(clause)
}

/// The condition; a list of conditions means any of them.
fn condition(detection: &Mapping, names: &[&str]) -> Result<Condition, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("is no text");
    match detection.get("condition") {
        None => Err("is missing".to_owned()),
        Some(Value::Sequence(several)) if several.is_empty() => Err("is an empty list".to_owned()),
        Some(Value::Sequence(several)) => {
            let read = several
                .iter()
                .map(|one| sigma_condition::parse(&text(one)?, names));
            Ok(Condition::Or(read.collect::<Result<_, _>>()?))
        }
        Some(one) => sigma_condition::parse(&text(one)?, names),
    }
}

fn join(condition: &Condition, selections: &[Clause]) -> Clause {
    match condition {
        Condition::Selection(place) => selections.get(*place).cloned().unwrap_or(Clause::None),
        Condition::Not(inner) => join(inner, selections).not(),
        Condition::And(members) => {
            Clause::and(members.iter().map(|member| join(member, selections)))
        }
        Condition::Or(members) => Clause::or(members.iter().map(|member| join(member, selections))),
    }
}

/// One selection: a map (all of its lines), a list of maps (any of them) or a list of words to find in the raw text.
pub(crate) fn selection(
    selection: &Value,
    reading: Reading<'_>,
    depth: usize,
) -> Result<Clause, String> {
    if depth > DEPTH_MAX {
        return Err(format!("is nested deeper than {DEPTH_MAX}"));
    }
    match selection {
        Value::Mapping(lines) if lines.is_empty() => Err("is empty".to_owned()),
        Value::Mapping(lines) => {
            let lines = lines.iter().map(|(key, value)| {
                let key = key.as_str().ok_or("a field's name must be text")?;
                line(key, value, reading).map_err(|error| format!("{key}: {error}"))
            });
            Ok(Clause::and(lines.collect::<Result<Vec<_>, String>>()?))
        }
        Value::Sequence(members) if members.is_empty() => Err("is an empty list".to_owned()),
        Value::Sequence(members) => {
            let members = members.iter().map(|member| match member {
                Value::Mapping(_) | Value::Sequence(_) => {
                    self::selection(member, reading, depth + 1)
                }
                word => keyword(word),
            });
            Ok(Clause::or(members.collect::<Result<Vec<_>, _>>()?))
        }
        word => keyword(word),
    }
}

/// A word anywhere in the raw text.
fn keyword(word: &Value) -> Result<Clause, String> {
    let text = sigma_value::scalar(word)?.ok_or("a keyword must not be null")?;
    let ask = sigma_value::like(&text, Place::Anywhere);
    Ok(Clause::field(Field::EVENT_ORIGINAL, ask))
}

/// One line of a map: `field|modifier|modifier: value or values`.
fn line(key: &str, value: &Value, reading: Reading<'_>) -> Result<Clause, String> {
    let mut parts = key.split('|');
    let name = parts.next().unwrap_or_default();
    let field = match name {
        "" => Kept::from(Field::EVENT_ORIGINAL),
        name => reading.fields.targets(name)?.into(),
    };
    let line = Line::read(parts, name.is_empty())?;
    line.clause(&field, value, reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule_file::LogSource;

    /// The expression of a detection, as query text.
    fn compiled(yaml: &str) -> Result<String, String> {
        let detection: Mapping = yaml_serde::from_str(yaml).map_err(|error| error.to_string())?;
        let fields = FieldMap::of(&LogSource::default());
        let placeholders = [("admins".to_owned(), vec!["an".to_owned(), "b*".to_owned()])].into();
        let reading = Reading {
            fields: &fields,
            placeholders: &placeholders,
            utc_offset_minutes: 420,
        };
        compile(&detection, reading).map(|clause| clause.query().to_string())
    }

    fn check(yaml: &str, expected: &str) {
        assert_eq!(compiled(yaml).as_deref(), Ok(expected), "{yaml}");
    }

    #[test]
    fn a_map_means_all_a_list_means_any() {
        check(
            "{sel: {event.outcome: failure, user.name: [root, admin]}, condition: sel}",
            "event.outcome:failure AND user.name:(root OR admin)",
        );
        check(
            "{sel: [{user.name: a}, {user.name: b, source.port: 22}], condition: not sel}",
            "NOT (user.name:a OR user.name:b AND source.port:22)",
        );
        check(
            "{sel: {'process.args|all': [a, b]}, condition: sel}",
            "process.args:a AND process.args:b",
        );
        check("{k: [one two], condition: k}", r"event.original:*one\ two*");
    }

    #[test]
    fn modifiers_say_how_values_compare() {
        let check = |line: &str, expected: &str| {
            check(&format!("{{s: {{{line}}}, condition: s}}"), expected);
        };
        check("'user.name|contains': adm", "user.name:*adm*");
        check("'user.name|startswith': adm", "user.name:adm*");
        check("'user.name|endswith': adm", "user.name:*adm");
        check("user.name: a*b", "user.name:a*b");
        check(r"user.name: a\*b", "user.name:\"a*b\"");
        check("'user.name|re': ^a+$", "user.name:/^a+$/");
        check("'user.name|re|i': a", "user.name:/(?i)a/");
        check("'source.ip|cidr': 10.0.0.0/8", "source.ip:10.0.0.0/8");
        check("user.name: null", "NOT user.name:*");
        check("'user.name|exists': true", "user.name:*");
        check("'user.name|neq': root", "NOT user.name:root");
        check(
            "'user.name|base64offset|contains': foobar",
            "user.name:*Zm9vYmFy* OR user.name:*Zvb2Jhc* OR user.name:*mb29iYX*",
        );
    }

    #[test]
    fn mistakes_name_their_place() {
        let check = |yaml: &str, part: &str| {
            let error = compiled(yaml).unwrap_err();
            assert!(error.contains(part), "{error}");
        };
        check(
            "{s: {user.name|shout: a}, condition: s}",
            "detection.s: user.name|shout: there is no modifier `shout`",
        );
        check("{s: {Nonsense: a}, condition: s}", "Nonsense");
        check("{s: {source.ip|cidr: ten}, condition: s}", "no network");
        check("{s: {user.name|re: '('}, condition: s}", "regex");
        check("{s: {user.name: []}, condition: s}", "empty list");
        check("{s: {user.name: a}}", "detection.condition: is missing");
    }
}
