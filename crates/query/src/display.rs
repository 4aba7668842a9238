//! A query as text: what the parser reads back as the same tree.

use std::fmt::{self, Display, Formatter, Write};

use crate::lexer::is_field_name;
use crate::{Bound, Condition, Expr, Literal, Phrase, Range, Regex, Test};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_expr(f, self, Place::Alone)
    }
}

/// Where an expression stands; what binds more loosely than the place needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Alone,
    InOr,
    InAnd,
    InNot,
}

fn write_expr(f: &mut Formatter<'_>, expr: &Expr, place: Place) -> fmt::Result {
    match expr {
        Expr::All => f.write_str("*"),
        Expr::None => f.write_str("NOT *"),
        Expr::Test(test) => test.fmt(f),
        Expr::Not(inner) => {
            f.write_str("NOT ")?;
            write_expr(f, inner, Place::InNot)
        }
        Expr::Or(members) => write_members(f, members, " OR ", place > Place::Alone, Place::InOr),
        Expr::And(members) => write_members(f, members, " AND ", place > Place::InOr, Place::InAnd),
    }
}

fn write_members(
    f: &mut Formatter<'_>,
    members: &[Expr],
    between: &str,
    enclosed: bool,
    place: Place,
) -> fmt::Result {
    f.write_str(if enclosed { "(" } else { "" })?;
    for (number, member) in members.iter().enumerate() {
        f.write_str(if number > 0 { between } else { "" })?;
        write_expr(f, member, place)?;
    }
    f.write_str(if enclosed { ")" } else { "" })
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(phrase) => phrase.fmt(f),
            Self::Regex(regex) => regex.fmt(f),
            Self::Field(field, condition) => write!(f, "{field}:{condition}"),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("*"),
            Self::Is(literal) => literal.fmt(f),
            Self::OneOf(literals) => {
                for (number, literal) in literals.iter().enumerate() {
                    f.write_str(if number > 0 { " OR " } else { "(" })?;
                    literal.fmt(f)?;
                }
                f.write_str(")")
            }
            Self::Like(pattern) => pattern.fmt(f),
            Self::Holds(phrase) => phrase.fmt(f),
            Self::Network(network) => network.fmt(f),
            Self::Range(range) => range.fmt(f),
            Self::Regex(regex) => regex.fmt(f),
        }
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self.low, Bound::Without(_)) {
            "{"
        } else {
            "["
        })?;
        self.low.fmt(f)?;
        f.write_str(" TO ")?;
        self.high.fmt(f)?;
        f.write_str(if matches!(self.high, Bound::Without(_)) {
            "}"
        } else {
            "]"
        })
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("*"),
            Self::With(literal) | Self::Without(literal) => literal.fmt(f),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_quoted(f, self.text())
    }
}

impl Display for Phrase {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.text(), self.pattern()) {
            (Some(text), _) => write_quoted(f, text),
            (None, Some(pattern)) => pattern.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl Display for Regex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('/')?;
        let mut escaped = false;
        for c in self.source().chars() {
            if c == '/' && !escaped {
                f.write_char('\\')?;
            }
            escaped = c == '\\' && !escaped;
            f.write_char(c)?;
        }
        f.write_char('/')
    }
}

/// A text as a value or phrase is written: in quotes, unless it is a plain word.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_quoted(f, self.0)
    }
}

/// A text in quotes, unless it is a plain word.
fn write_quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    let plain = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        && !matches!(text, "AND" | "OR" | "NOT" | "TO");
    if plain {
        f.write_str(text)
    } else {
        write_in_quotes(f, text)
    }
}

/// The name of a field, in quotes unless it is read as one without them.
pub(crate) fn write_name(f: &mut Formatter<'_>, name: &str) -> fmt::Result {
    if is_field_name(name) {
        f.write_str(name)
    } else {
        write_in_quotes(f, name)
    }
}

fn write_in_quotes(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

/// As part of an unquoted word: everything but letters, digits and `_ . @` gets a `\`.
pub(crate) fn write_bare(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@')) {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    Ok(())
}
