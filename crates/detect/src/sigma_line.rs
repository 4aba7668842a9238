//! One line of a Sigma selection: what its modifiers say, and the question that comes of it
//! (<https://sigmahq.io/sigma-specification/specification/sigma-appendix-modifiers.html>).

use query::{Bound, Condition, Literal, Range, Regex};
use yaml_serde::Value;

use crate::clause::{Ask, Clause, Kept};
use crate::sigma_detection::Reading;
use crate::sigma_value::{self, Place, Rewrite, scalar};
use crate::time_part::TimePart;

/// What the modifiers of a line say.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each modifier stands by itself: any of them may go with any other"
)]
pub(crate) struct Line {
    how: How,
    all: bool,
    negated: bool,
    cased: bool,
    expand: bool,
    part: Option<TimePart>,
    /// What becomes of each value before it is compared.
    rewrites: Vec<Rewrite>,
    regex_flags: String,
}

/// A rule's expression may take this much memory: `\w{1,64}` takes 2 MiB, for all the letters that there are.
const REGEX_BYTES_MAX: usize = 4 << 20;

const WHOLE: How = How::Text(Place::Whole);

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Text(Place),
    Regex,
    Network,
    Exists,
    Compare(Order),
    Refer(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Below,
    UpTo,
    Above,
    From,
}

impl Line {
    /// Reads the modifiers; words without a field's name may stand anywhere in the text.
    pub(crate) fn read(
        modifiers: std::str::Split<'_, char>,
        anywhere: bool,
    ) -> Result<Self, String> {
        let mut line = Self {
            how: How::Text(Place::Whole),
            all: false,
            negated: false,
            cased: false,
            expand: false,
            part: None,
            rewrites: Vec::new(),
            regex_flags: String::new(),
        };
        for modifier in modifiers {
            line.apply(modifier)?;
        }
        if anywhere && line.how == How::Text(Place::Whole) {
            line.how = How::Text(Place::Anywhere);
        }
        line.check()?;
        Ok(line)
    }

    fn apply(&mut self, modifier: &str) -> Result<(), String> {
        match modifier {
            "contains" => self.stand(Place::Anywhere)?,
            "startswith" => self.stand(Place::Start)?,
            "endswith" => self.stand(Place::End)?,
            "re" => self.compare(How::Regex, modifier)?,
            "i" | "ignorecase" | "m" | "multiline" | "s" | "dotall" if self.how == How::Regex => {
                self.regex_flags.extend(modifier.chars().next().map(|c| {
                    // Sigma's long names begin with the flags of the engine, but for `dotall`.
                    if c == 'd' { 's' } else { c }
                }));
            }
            "cidr" => self.compare(How::Network, modifier)?,
            "exists" => self.compare(How::Exists, modifier)?,
            "lt" => self.compare(How::Compare(Order::Below), modifier)?,
            "lte" => self.compare(How::Compare(Order::UpTo), modifier)?,
            "gt" => self.compare(How::Compare(Order::Above), modifier)?,
            "gte" => self.compare(How::Compare(Order::From), modifier)?,
            "fieldref" => match self.how {
                How::Text(place) => self.how = How::Refer(place),
                _ => return Err("`fieldref` does not go with the modifier before it".to_owned()),
            },
            "all" => self.all = true,
            "neq" => self.negated = true,
            "cased" => self.cased = true,
            "expand" => self.expand = true,
            "windash" => self.rewrites.push(Rewrite::Windash),
            "base64" => self.rewrites.push(Rewrite::Base64),
            "base64offset" => self.rewrites.push(Rewrite::Base64Offset),
            "wide" | "utf16le" => self.rewrites.push(Rewrite::Utf16Le),
            "utf16be" => self.rewrites.push(Rewrite::Utf16Be),
            "utf16" => self.rewrites.push(Rewrite::Utf16),
            other => match TimePart::from_modifier(other) {
                Some(part) if self.part.is_none() => self.part = Some(part),
                Some(_) => return Err(format!("`{other}` is a second part of a date")),
                None => return Err(format!("there is no modifier `{other}` here")),
            },
        }
        Ok(())
    }

    fn stand(&mut self, place: Place) -> Result<(), String> {
        self.how = match self.how {
            How::Text(Place::Whole) => How::Text(place),
            How::Refer(Place::Whole) => How::Refer(place),
            _ => return Err("`contains`, `startswith` and `endswith` exclude each other and what compares otherwise".to_owned()),
        };
        Ok(())
    }

    fn compare(&mut self, how: How, modifier: &str) -> Result<(), String> {
        if self.how != How::Text(Place::Whole) {
            return Err(format!(
                "`{modifier}` does not go with the modifier before it"
            ));
        }
        self.how = how;
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let text = matches!(self.how, How::Text(_));
        if !text && !self.rewrites.is_empty() {
            return Err(
                "encodings and `windash` change texts: they go with no other way to compare"
                    .to_owned(),
            );
        }
        if self.cased && !matches!(self.how, How::Text(_) | How::Refer(_)) {
            return Err("`cased` goes with texts alone".to_owned());
        }
        let dated = matches!(self.how, How::Text(Place::Whole) | How::Compare(_));
        if self.part.is_some() && !dated {
            return Err("a part of a date is compared with numbers alone".to_owned());
        }
        if self.expand && !matches!(self.how, How::Text(_) | How::Regex | How::Network) {
            return Err(
                "`expand` goes with texts, regular expressions and networks alone".to_owned(),
            );
        }
        Ok(())
    }

    /// The question: any of the values, or all of them.
    pub(crate) fn clause(
        &self,
        field: &Kept,
        value: &Value,
        reading: Reading<'_>,
    ) -> Result<Clause, String> {
        let values = match value {
            Value::Sequence(values) if values.is_empty() => {
                return Err("has an empty list".to_owned());
            }
            Value::Sequence(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        let exists = || Clause::field(field.clone(), Condition::Exists);
        let mut of_values = Vec::new();
        let mut of_presence = Vec::new();
        for value in values {
            if self.how == How::Exists {
                let wanted = value.as_bool().ok_or("`exists` takes true or false")?;
                of_presence.push(if wanted { exists() } else { exists().not() });
                continue;
            }
            let text = scalar(value)?;
            match text.as_deref().filter(|text| !text.is_empty()) {
                Some(text) => {
                    of_values.push(self.asked(text, reading)?);
                    // A hyphen alone is how logs write that there is no value: most parsers leave it out.
                    if text == "-" && self.how == WHOLE {
                        of_presence.push(exists().not());
                    }
                }
                // An empty text stands in every value …
                None if text.is_some() && self.how != WHOLE => match self.how {
                    How::Text(_) => of_presence.push(exists()),
                    _ => return Err("takes a value".to_owned()),
                },
                // … and is never one of an event, so it asks for the same as null: that there is none.
                None if matches!(self.how, How::Text(_)) && self.part.is_none() => {
                    of_presence.push(exists().not());
                }
                None => return Err("takes a value".to_owned()),
            }
        }
        if !of_values.is_empty() {
            of_presence.push(self.of_field(field, &of_values));
        }
        let clause = if self.all {
            Clause::and(of_presence)
        } else {
            Clause::or(of_presence)
        };
        Ok(if self.negated { clause.not() } else { clause })
    }

    /// What is asked of one field: any of the values, or all of them, each in any of its forms.
    fn of_field(&self, field: &Kept, values: &[Vec<Asked>]) -> Clause {
        let value = |forms: &Vec<Asked>| {
            Clause::or(one_of(forms.iter().map(|asked| asked.of(field)).collect()))
        };
        if self.all {
            return Clause::and(values.iter().map(value));
        }
        let forms = values.iter().flatten();
        Clause::or(one_of(forms.map(|asked| asked.of(field)).collect()))
    }

    /// What one value asks, in any of its forms.
    fn asked(&self, text: &str, reading: Reading<'_>) -> Result<Vec<Asked>, String> {
        if let Some(part) = self.part {
            return Ok(vec![self.part(part, text, reading)?]);
        }
        if let How::Refer(place) = self.how {
            return Ok(vec![Asked::Refer {
                other: reading.fields.targets(text)?.into(),
                place,
                cased: self.cased,
            }]);
        }
        let texts = if self.expand {
            expanded(text, reading)?
        } else {
            vec![text.to_owned()]
        };
        let mut any = Vec::new();
        for text in &texts {
            match self.how {
                How::Text(place) => any.extend(self.text(text, place)?),
                How::Regex => any.push(Condition::Regex(self.regex(text)?)),
                How::Network => any.push(network(text)?),
                How::Compare(order) => any.push(range(text, order)?),
                How::Exists | How::Refer(_) => {}
            }
        }
        Ok(any.into_iter().map(Asked::Condition).collect())
    }

    fn text(&self, text: &str, place: Place) -> Result<Vec<Condition>, String> {
        let texts = sigma_value::rewritten(text, &self.rewrites)?;
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
        Regex::with_compiled_bytes(&source, REGEX_BYTES_MAX).map_err(|error| error.to_string())
    }

    fn part(&self, part: TimePart, text: &str, reading: Reading<'_>) -> Result<Asked, String> {
        let number: i64 = text
            .parse()
            .map_err(|_| format!("`{text}` is no whole number"))?;
        let (low, high) = match self.how {
            How::Compare(Order::Below) => (i64::MIN, number.saturating_sub(1)),
            How::Compare(Order::UpTo) => (i64::MIN, number),
            How::Compare(Order::Above) => (number.saturating_add(1), i64::MAX),
            How::Compare(Order::From) => (number, i64::MAX),
            _ => (number, number),
        };
        Ok(Asked::Part {
            part,
            low,
            high,
            utc_offset_minutes: reading.utc_offset_minutes,
        })
    }
}

/// What a value asks, whatever the field.
#[derive(Debug)]
enum Asked {
    Condition(Condition),
    Refer {
        other: Kept,
        place: Place,
        cased: bool,
    },
    Part {
        part: TimePart,
        low: i64,
        high: i64,
        utc_offset_minutes: i32,
    },
}

impl Asked {
    fn of(&self, field: &Kept) -> Clause {
        match self {
            Self::Condition(condition) => Clause::field(field.clone(), condition.clone()),
            Self::Refer {
                other,
                place,
                cased,
            } => Clause::Ask(Ask::Refer {
                field: field.clone(),
                other: other.clone(),
                place: *place,
                cased: *cased,
            }),
            Self::Part {
                part,
                low,
                high,
                utc_offset_minutes,
            } => Clause::Ask(Ask::Part {
                field: field.clone(),
                part: *part,
                low: *low,
                high: *high,
                utc_offset_minutes: *utc_offset_minutes,
            }),
        }
    }
}

/// The texts with each `%name%` replaced by each of its values.
fn expanded(text: &str, reading: Reading<'_>) -> Result<Vec<String>, String> {
    /// More texts than this come of no list that a person keeps.
    const TEXTS_MAX: usize = 10_000;
    let mut texts = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        let Some((name, after)) = after.split_once('%') else {
            break;
        };
        let values = reading.placeholders.get(name).ok_or_else(|| {
            format!("`%{name}%` is no placeholder that we know: name its values in [detect.placeholders]")
        })?;
        if texts.len().saturating_mul(values.len()) > TEXTS_MAX {
            return Err(format!(
                "more than {TEXTS_MAX} texts come of its placeholders"
            ));
        }
        texts = texts
            .iter()
            .flat_map(|head| {
                values
                    .iter()
                    .map(move |value| format!("{head}{before}{value}"))
            })
            .collect();
        rest = after;
    }
    texts.iter_mut().for_each(|text| text.push_str(rest));
    Ok(texts)
}

/// Joins equalities on one field into one list, which is one look at the field.
fn one_of(asked: Vec<Clause>) -> Vec<Clause> {
    let equality = |clause: &Clause| match clause {
        Clause::Ask(Ask::Field(field, Condition::Is(literal))) => {
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
            vec![Clause::field(field.clone(), Condition::OneOf(literals))]
        }
        _ => asked,
    }
}

/// A network, or an address alone.
fn network(text: &str) -> Result<Condition, String> {
    let length = match text.parse() {
        Ok(std::net::IpAddr::V4(_)) => "/32",
        Ok(std::net::IpAddr::V6(_)) => "/128",
        Err(_) => "",
    };
    format!("{text}{length}")
        .parse()
        .map(Condition::Network)
        .map_err(|_| format!("`{text}` is no network"))
}

fn range(text: &str, order: Order) -> Result<Condition, String> {
    let literal = Literal::new(text);
    if literal.number().is_none() && literal.date().is_none() {
        return Err(format!("`{text}` is no number"));
    }
    let (low, high) = match order {
        Order::Below => (Bound::Open, Bound::Without(literal)),
        Order::UpTo => (Bound::Open, Bound::With(literal)),
        Order::Above => (Bound::Without(literal), Bound::Open),
        Order::From => (Bound::With(literal), Bound::Open),
    };
    Ok(Condition::Range(Range { low, high }))
}
