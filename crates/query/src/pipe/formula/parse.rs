//! The text of a formula to its tree.

use super::function::Call;
use super::{Formula, Node, Operator};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::pipe::table::Cell;
use crate::{Context, FieldName};

/// Operators and functions of one formula at most: its tree is no deeper.
const PARTS_MAX: usize = 256;

/// Reads a formula from there on, up to what cannot belong to it; gives where that is.
pub(in crate::pipe) fn parse(
    text: &str,
    start: usize,
    context: &Context,
) -> Result<(Formula, usize), Diagnostic> {
    let mut parser = Parser {
        text,
        at: start,
        context,
        parts: 0,
    };
    let node = parser.joined(0)?;
    parser.skip_spaces();
    Ok((node.into(), parser.at))
}

/// Reads a text in quotes from there on; gives where it ends.
pub(in crate::pipe) fn quoted(
    text: &str,
    start: usize,
    context: &Context,
) -> Result<(String, usize), Diagnostic> {
    let mut parser = Parser {
        text,
        at: start,
        context,
        parts: 0,
    };
    parser.skip_spaces();
    match parser.rest().chars().next() {
        Some(quote @ ('"' | '\'')) => Ok((parser.quoted(quote)?, parser.at)),
        _ => Err(parser.mistake(
            parser.at,
            "a text in quotes is missing here",
            "write one: \"…\"",
        )),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    context: &'t Context,
    parts: usize,
}

/// Operators of two operands, the longer ones first, and how tightly they bind.
const OPERATORS: &[(&str, Operator, u8)] = &[
    ("==", Operator::Equal, 3),
    ("!=", Operator::Unequal, 3),
    ("<=", Operator::LessOrEqual, 3),
    (">=", Operator::GreaterOrEqual, 3),
    ("=", Operator::Equal, 3),
    ("<", Operator::Less, 3),
    (">", Operator::Greater, 3),
    ("+", Operator::Add, 4),
    ("-", Operator::Subtract, 4),
    ("*", Operator::Multiply, 5),
    ("/", Operator::Divide, 5),
    ("%", Operator::Remainder, 5),
];
/// How tightly NOT binds: between AND and comparisons.
const NOT: u8 = 2;
const NEGATIVE: u8 = 6;

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn mistake(
        &self,
        start: usize,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Diagnostic {
        let here = self.rest().chars().next().map_or(0, char::len_utf8);
        Diagnostic {
            severity: Severity::Error,
            code: Code::BadFormula,
            span: Span {
                start,
                end: self.at.max(start + here),
            },
            message: message.into(),
            fix: fix.into(),
            replacement: None,
        }
    }

    /// Counts a part of the formula.
    fn count(&mut self) -> Result<(), Diagnostic> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            let message = format!("the formula has more than {PARTS_MAX} operators and functions");
            return Err(self.mistake(self.at, message, "split it into several"));
        }
        Ok(())
    }

    /// Operands and the operators between them that bind at least so tightly.
    fn joined(&mut self, least: u8) -> Result<Node, Diagnostic> {
        let mut left = self.operand()?;
        while let Some((operator, power)) = self.operator(least) {
            self.count()?;
            let right = self.joined(power + 1)?;
            left = Node::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// Takes the next operator, if it binds at least so tightly.
    fn operator(&mut self, least: u8) -> Option<(Operator, u8)> {
        self.skip_spaces();
        let start = self.at;
        let word = [("or", Operator::Or, 0), ("and", Operator::And, 1)];
        for (name, operator, power) in word {
            if power >= least && self.keyword(name) {
                return Some((operator, power));
            }
        }
        let rest = self.rest();
        let found = OPERATORS.iter().find(|(text, ..)| rest.starts_with(text));
        let (text, operator, power) = found.filter(|(_, _, power)| *power >= least)?;
        self.at = start + text.len();
        Some((*operator, *power))
    }

    /// Takes that word, whatever its case.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_spaces();
        let word = self.name_here();
        let found = word.eq_ignore_ascii_case(keyword);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn name_here(&self) -> &'t str {
        let rest = self.rest();
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@');
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn operand(&mut self) -> Result<Node, Diagnostic> {
        self.count()?;
        self.skip_spaces();
        let start = self.at;
        if self.keyword("not") || self.take("!") {
            let inner = self.joined(NOT)?;
            return Ok(Node::Not(Box::new(inner)));
        }
        match self.rest().chars().next() {
            Some('-') => {
                self.at += 1;
                let inner = self.joined(NEGATIVE)?;
                Ok(Node::Negative(Box::new(inner)))
            }
            Some('(') => {
                self.at += 1;
                let inner = self.joined(0)?;
                self.close(start)?;
                Ok(inner)
            }
            Some(quote @ ('"' | '\'')) => Ok(Node::Value(Cell::Text(self.quoted(quote)?.into()))),
            Some('`') => Ok(Node::Field(FieldName::new(&self.quoted('`')?))),
            Some(c) if c.is_ascii_digit() => self.constant(),
            Some(c) if c.is_alphabetic() || matches!(c, '_' | '@') => self.named(),
            _ => Err(self.mistake(
                start,
                "a value is missing here",
                "write a field, a number, a text in quotes, or a function",
            )),
        }
    }

    fn close(&mut self, open: usize) -> Result<(), Diagnostic> {
        if self.take(")") {
            return Ok(());
        }
        Err(self.mistake(open, "this parenthesis is never closed", "write «)»"))
    }

    /// A text in quotes; a backslash takes the next character as it stands.
    fn quoted(&mut self, quote: char) -> Result<String, Diagnostic> {
        let start = self.at;
        let mut chars = self.rest().char_indices().skip(1);
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.at += at + quote.len_utf8();
                return Ok(text);
            }
            match (c, quote) {
                // Regular expressions keep their own backslashes.
                ('\\', '"' | '\'') => match chars.next() {
                    Some((_, next)) if next == quote || next == '\\' => text.push(next),
                    Some((_, next)) => text.extend([c, next]),
                    None => {}
                },
                _ => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.mistake(
            start,
            "these quotes are never closed",
            format!("write «{quote}» behind the text"),
        ))
    }

    /// A number; else an address, a network or a length of time, which are texts here.
    fn constant(&mut self) -> Result<Node, Diagnostic> {
        let start = self.at;
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let mut word = rest.get(..end).unwrap_or_default();
        if word.parse::<std::net::IpAddr>().is_ok() {
            let behind = rest.get(end..).unwrap_or_default();
            let bits = behind.strip_prefix('/').map_or(0, |bits| {
                bits.find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(bits.len())
            });
            let with_bits = end + if bits > 0 { bits + 1 } else { 0 };
            word = rest.get(..with_bits).unwrap_or(word);
        }
        self.at += word.len();
        if let Ok(whole) = word.parse() {
            return Ok(Node::Value(Cell::Integer(whole)));
        }
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        if let Some(number) = number {
            return Ok(Node::Value(Cell::Float(number)));
        }
        let is_known =
            crate::TimeStep::parse(word, &self.context.zone).is_some() || word.contains(['.', ':']);
        if is_known {
            return Ok(Node::Value(Cell::Text(word.into())));
        }
        Err(self.mistake(
            start,
            format!("«{word}» is no number"),
            "write a text in quotes",
        ))
    }

    /// A field, a function or a word of the language.
    fn named(&mut self) -> Result<Node, Diagnostic> {
        let start = self.at;
        let name = self.name_here();
        self.at += name.len();
        self.skip_spaces();
        if !self.rest().starts_with('(') {
            return Ok(match name {
                "true" => Node::Value(Cell::Bool(true)),
                "false" => Node::Value(Cell::Bool(false)),
                "null" => Node::Value(Cell::Null),
                name => Node::Field(FieldName::new(name)),
            });
        }
        self.at += 1;
        let mut arguments = Vec::new();
        while !self.take(")") {
            if !arguments.is_empty() && !self.take(",") {
                return Err(self.mistake(
                    start,
                    format!("«{name}(» is never closed"),
                    "write «)» behind the last value",
                ));
            }
            arguments.push(self.joined(0)?);
        }
        match name.to_ascii_lowercase().as_str() {
            "if" | "case" => self.case(start, name, arguments),
            _ => Call::node(name, arguments, self.context)
                .map_err(|(message, fix)| self.mistake(start, message, fix)),
        }
    }

    fn case(&self, start: usize, name: &str, mut arguments: Vec<Node>) -> Result<Node, Diagnostic> {
        if arguments.len() < 2 {
            let fix =
                "write «if(condition, value, otherwise)» or «case(condition, value, …, otherwise)»";
            return Err(self.mistake(
                start,
                format!("«{name}» needs a condition and a value"),
                fix,
            ));
        }
        let otherwise = if arguments.len() % 2 == 1 {
            arguments.pop()
        } else {
            None
        };
        let mut cases = Vec::new();
        let mut arguments = arguments.into_iter();
        while let (Some(condition), Some(value)) = (arguments.next(), arguments.next()) {
            cases.push((condition, value));
        }
        let otherwise = otherwise.unwrap_or(Node::Value(Cell::Null));
        Ok(Node::Case(cases, Box::new(otherwise)))
    }
}
