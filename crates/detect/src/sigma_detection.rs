//! Sigma's `detection`: selections and their condition, compiled to the one tree of queries.

use event::Field;
use query::{Bound, Condition as Ask, Expr, FieldName, Literal, Pattern, Piece, Range, Regex};
use yaml_serde::{Mapping, Value};

use crate::field_map::FieldMap;
use crate::sigma_condition::{self, Condition};
use crate::sigma_value;

/// Rules with more tests than this are no rules that a person wrote.
const CLAUSES_MAX: usize = 20_000;

/// Compiles a `detection` block.
pub(crate) fn compile(detection: &Mapping, fields: &FieldMap<'_>) -> Result<Expr, String> {
    let mut names = Vec::new();
    let mut selections = Vec::new();
    for (name, selection) in detection {
        let name = name.as_str().ok_or("a selection's name must be text")?;
        if matches!(name, "condition" | "timeframe") {
            continue;
        }
        names.push(name);
        let compiled = self::selection(selection, fields);
        selections.push(compiled.map_err(|error| format!("detection.{name}: {error}"))?);
    }
    if detection.contains_key("timeframe") {
        return Err("detection.timeframe is obsolete: write a correlation rule".to_owned());
    }
    let condition =
        condition(detection, &names).map_err(|error| format!("detection.condition: {error}"))?;
    let expr = join(&condition, &selections);
    if expr.clauses() > CLAUSES_MAX {
        return Err(format!("detection has more than {CLAUSES_MAX} tests"));
    }
    Ok(expr)
}

/// The condition; a list of conditions means any of them.
fn condition(detection: &Mapping, names: &[&str]) -> Result<Condition, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("is no text");
    match detection.get("condition") {
        None => Err("is missing".to_owned()),
        Some(Value::Sequence(several)) => {
            let read = several
                .iter()
                .map(|one| sigma_condition::parse(&text(one)?, names));
            Ok(Condition::Or(read.collect::<Result<_, _>>()?))
        }
        Some(one) => sigma_condition::parse(&text(one)?, names),
    }
}

fn join(condition: &Condition, selections: &[Expr]) -> Expr {
    match condition {
        Condition::Selection(place) => selections.get(*place).cloned().unwrap_or(Expr::None),
        Condition::Not(inner) => join(inner, selections).not(),
        Condition::And(members) => Expr::and(members.iter().map(|member| join(member, selections))),
        Condition::Or(members) => Expr::or(members.iter().map(|member| join(member, selections))),
    }
}

/// One selection: a map (all of its lines), a list of maps (any of them) or a list of words to find in the raw text.
pub(crate) fn selection(selection: &Value, fields: &FieldMap<'_>) -> Result<Expr, String> {
    match selection {
        Value::Mapping(lines) => {
            let lines = lines.iter().map(|(key, value)| {
                let key = key.as_str().ok_or("a field's name must be text")?;
                line(key, value, fields).map_err(|error| format!("{key}: {error}"))
            });
            Ok(Expr::and(lines.collect::<Result<Vec<_>, _>>()?))
        }
        Value::Sequence(members) => {
            let members = members.iter().map(|member| match member {
                Value::Mapping(_) => self::selection(member, fields),
                word => keyword(word),
            });
            Ok(Expr::or(members.collect::<Result<Vec<_>, _>>()?))
        }
        word => keyword(word),
    }
}

/// A word anywhere in the raw text.
fn keyword(word: &Value) -> Result<Expr, String> {
    let text = scalar(word)?.ok_or("a keyword must not be null")?;
    let ask = sigma_value::like(&text, sigma_value::Place::Anywhere);
    Ok(Expr::field(Field::EVENT_ORIGINAL, ask))
}

/// One line of a map: `field|modifier|modifier: value or values`.
fn line(key: &str, value: &Value, fields: &FieldMap<'_>) -> Result<Expr, String> {
    let mut parts = key.split('|');
    let name = parts.next().unwrap_or_default();
    let mut how = How::default();
    for modifier in parts {
        how.apply(modifier)?;
    }
    let targets = match name {
        "" => vec![FieldName::from(Field::EVENT_ORIGINAL)],
        name => fields.targets(name)?,
    };
    if name.is_empty() && matches!(how.ask, Kind::Text(sigma_value::Place::Whole)) {
        how.ask = Kind::Text(sigma_value::Place::Anywhere);
    }
    let values = match value {
        Value::Sequence(values) if values.is_empty() => return Err("has an empty list".to_owned()),
        Value::Sequence(values) => values.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut asked = Vec::new();
    for value in values {
        asked.push(how.expr(&targets, value)?);
    }
    let expr = if how.all {
        Expr::and(asked)
    } else {
        Expr::or(one_of(asked))
    };
    Ok(if how.negated { expr.not() } else { expr })
}

/// Joins equalities on one field into one list, which is one look at the field.
fn one_of(asked: Vec<Expr>) -> Vec<Expr> {
    let equality = |expr: &Expr| match expr {
        Expr::Test(query::Test::Field(field, Ask::Is(literal))) => {
            Some((field.clone(), literal.clone()))
        }
        _ => None,
    };
    let Some(equalities) = asked.iter().map(equality).collect::<Option<Vec<_>>>() else {
        return asked;
    };
    match equalities.first() {
        Some((field, _))
            if equalities.len() > 1 && equalities.iter().all(|(other, _)| other == field) =>
        {
            let literals: Box<[Literal]> = equalities
                .iter()
                .map(|(_, literal)| literal.clone())
                .collect();
            vec![Expr::field(field.clone(), Ask::OneOf(literals))]
        }
        _ => asked,
    }
}

/// What the modifiers of a line say.
#[derive(Debug)]
struct How {
    ask: Kind,
    all: bool,
    negated: bool,
    cased: bool,
    /// What becomes of each value before it is compared.
    rewrites: Vec<sigma_value::Rewrite>,
    regex_flags: String,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text(sigma_value::Place),
    Regex,
    Network,
    Exists,
    Below { with: bool },
    Above { with: bool },
}

impl Default for How {
    fn default() -> Self {
        Self {
            ask: Kind::Text(sigma_value::Place::Whole),
            all: false,
            negated: false,
            cased: false,
            rewrites: Vec::new(),
            regex_flags: String::new(),
        }
    }
}

impl How {
    fn apply(&mut self, modifier: &str) -> Result<(), String> {
        use sigma_value::{Place, Rewrite};
        match modifier {
            "contains" => self.ask = Kind::Text(Place::Anywhere),
            "startswith" => self.ask = Kind::Text(Place::Start),
            "endswith" => self.ask = Kind::Text(Place::End),
            "re" => self.ask = Kind::Regex,
            "i" | "m" | "s" if matches!(self.ask, Kind::Regex) => {
                self.regex_flags.push_str(modifier);
            }
            "cidr" => self.ask = Kind::Network,
            "exists" => self.ask = Kind::Exists,
            "lt" => self.ask = Kind::Below { with: false },
            "lte" => self.ask = Kind::Below { with: true },
            "gt" => self.ask = Kind::Above { with: false },
            "gte" => self.ask = Kind::Above { with: true },
            "all" => self.all = true,
            "neq" => self.negated = true,
            "cased" => self.cased = true,
            "windash" => self.rewrites.push(Rewrite::Windash),
            "base64" => self.rewrites.push(Rewrite::Base64),
            "base64offset" => self.rewrites.push(Rewrite::Base64Offset),
            "wide" | "utf16le" => self.rewrites.push(Rewrite::Utf16Le),
            "utf16be" => self.rewrites.push(Rewrite::Utf16Be),
            "fieldref" | "expand" | "utf16" => {
                return Err(format!("modifier `{modifier}` is not supported"));
            }
            unknown => return Err(format!("there is no modifier `{unknown}`")),
        }
        Ok(())
    }

    fn expr(&self, targets: &[FieldName], value: &Value) -> Result<Expr, String> {
        let anywhere = |ask: &Ask| {
            Expr::or(
                targets
                    .iter()
                    .map(|target| Expr::field(target.clone(), ask.clone())),
            )
        };
        if matches!(self.ask, Kind::Exists) {
            let wanted = value.as_bool().ok_or("`exists` takes true or false")?;
            let exists = anywhere(&Ask::Exists);
            return Ok(if wanted { exists } else { exists.not() });
        }
        // An empty text is never a value of an event, so it asks for the same as null: that there is none.
        let Some(text) = scalar(value)?.filter(|text| !text.is_empty()) else {
            return Ok(anywhere(&Ask::Exists).not());
        };
        let asked = match self.ask {
            Kind::Text(place) => {
                return self
                    .text(&text, place)
                    .map(|asks| Expr::or(asks.iter().map(anywhere)));
            }
            Kind::Regex => Ask::Regex(self.regex(&text)?),
            Kind::Network => Ask::Network(
                text.parse()
                    .map_err(|_| format!("`{text}` is no network"))?,
            ),
            Kind::Exists => Ask::Exists,
            Kind::Below { with } => range(Bound::Open, bound(&text, with)?),
            Kind::Above { with } => range(bound(&text, with)?, Bound::Open),
        };
        Ok(anywhere(&asked))
    }

    fn text(&self, text: &str, place: sigma_value::Place) -> Result<Vec<Ask>, String> {
        let mut texts = vec![text.to_owned()];
        for rewrite in &self.rewrites {
            texts = texts
                .iter()
                .map(|text| rewrite.apply(text))
                .collect::<Result<Vec<_>, _>>()?
                .concat();
        }
        let ask = |text: &String| match self.cased {
            true => sigma_value::cased(text, place),
            false => Ok(sigma_value::like(text, place)),
        };
        texts.iter().map(ask).collect()
    }

    fn regex(&self, source: &str) -> Result<Regex, String> {
        let source = match self.regex_flags.as_str() {
            "" => source.to_owned(),
            flags => format!("(?{flags}){source}"),
        };
        Regex::new(&source).map_err(|error| error.to_string())
    }
}

fn range(low: Bound, high: Bound) -> Ask {
    Ask::Range(Range { low, high })
}

fn bound(text: &str, with: bool) -> Result<Bound, String> {
    let literal = Literal::new(text);
    if literal.number().is_none() && literal.date().is_none() {
        return Err(format!("`{text}` is no number"));
    }
    Ok(if with {
        Bound::With(literal)
    } else {
        Bound::Without(literal)
    })
}

/// The text of a scalar; `None` for null.
fn scalar(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(yes) => Ok(Some(yes.to_string())),
        Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => {
            Err("a value must be text, a number, true, false or null".to_owned())
        }
    }
}

/// Kept with the pieces so that a pattern without wildcards is an equality, which can be looked up.
pub(crate) fn whole(pieces: Vec<Piece>) -> Ask {
    match pieces.as_slice() {
        [Piece::Text(text)] => Ask::Is(Literal::new(text)),
        _ => Ask::Like(Pattern::new(pieces)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule_file::LogSource;

    /// The expression of a detection, as query text.
    fn compiled(yaml: &str) -> Result<String, String> {
        let detection: Mapping = yaml_serde::from_str(yaml).map_err(|error| error.to_string())?;
        let map = FieldMap::of(&LogSource::default());
        compile(&detection, &map).map(|expr| expr.to_string())
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
