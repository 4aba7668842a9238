//! The text of a query to its tree: a Pratt parser that goes on after mistakes and says where they are.

use std::sync::Arc;

use crate::condition::{Read, ValueReader};
use crate::diagnostic::{Code, Diagnostic, Replacement, Severity, Span, keep_proven};
use crate::display::Quoted;
use crate::lexer::{Kind, Lexeme, Lexer, Mode, Quotes, Trail};
use crate::near::field_meant;
use crate::pattern::Piece;
use crate::{Condition, Context, Expr, FieldName, Literal, Pattern, Phrase, Regex, Test};

/// The most errors, and the most warnings, that are told of one query.
const DIAGNOSTICS_MAX: usize = 20;
/// Of how many unknown fields of one query it is asked which known one was meant.
const FIELDS_MEANT_MAX: usize = 20;

/// A query as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The condition; where there are errors, of those parts that could be read.
    pub expr: Expr,
    /// What is wrong, in the order of the text; the first 20 errors and the first 20 warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// The condition, if the whole text could be read.
    ///
    /// # Errors
    /// All that is wrong, warnings too.
    pub fn into_result(self) -> Result<Expr, Vec<Diagnostic>> {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        if self.diagnostics.iter().any(is_error) {
            return Err(self.diagnostics);
        }
        Ok(self.expr)
    }
}

/// Reads a query. Linear time, bounded memory and depth, no panic, whatever the text.
///
/// ```
/// let context = query::Context::at(event::Micros(0));
/// let parsed = query::parse("source.ip:10.0.0.0/8 event.outcome:failure \"invalid user\"", &context);
/// assert_eq!(parsed.expr.to_string(), "source.ip:10.0.0.0/8 AND event.outcome:failure AND \"invalid user\"");
///
/// let wrong = query::parse("user.name:(root OR admin", &context);
/// assert_eq!(wrong.diagnostics[0].span.start, 10);
/// ```
#[must_use]
pub fn parse(text: &str, context: &Context) -> Parsed {
    let mut part = read(text, 0, context, Pipes::Refused);
    keep_proven(text, &mut part.diagnostics, |text| {
        read(text, 0, context, Pipes::Refused).diagnostics
    });
    Parsed {
        expr: part.expr,
        diagnostics: part.diagnostics,
    }
}

/// A condition that is part of a longer text.
pub(crate) struct Part {
    pub(crate) expr: Expr,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The `|` that ends it; none where the text does.
    pub(crate) pipe: Option<Span>,
    /// Queries in it whose values are not yet known.
    pub(crate) subqueries: Vec<Subquery>,
}

/// A query in brackets: `source.ip in [search event.outcome:failure | top source.ip]`. Whoever runs the query around it
/// runs it first, and reads the whole text again with its [`Answer`] in the [`Context`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subquery {
    /// The byte of the whole text at which it begins.
    pub start: usize,
    /// The query.
    pub text: Box<str>,
    /// The field that is compared with what it gives.
    pub field: FieldName,
}

/// What a [`Subquery`] gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As [`Subquery::start`].
    pub start: usize,
    /// The values of the first column.
    pub values: Arc<[Box<str>]>,
}

/// Queries in brackets of one condition at most: each is a search.
const SUBQUERIES_MAX: usize = 4;
/// So deep may queries stand in each other.
const SUBQUERIES_DEEP: usize = 3;

/// Reads the condition from `start` to the next `|` between clauses.
pub(crate) fn parse_part(text: &str, start: usize, context: &Context) -> Part {
    read(text, start, context, Pipes::End)
}

/// Where a text that is still being written ends.
pub(crate) struct Ending {
    pub(crate) part: Part,
    /// What was read last.
    pub(crate) trail: Trail,
    /// The last field of a clause, and where its name begins.
    pub(crate) field: Option<(FieldName, usize)>,
    /// Whether AND and OR have something to join there.
    pub(crate) joins: bool,
}

/// Reads the condition from `start` to the next `|` between clauses or to the end, and tells what stands there.
pub(crate) fn parse_to_end(text: &str, start: usize, context: &Context) -> Ending {
    let mut parser = Parser::new(text, start, context, Pipes::End);
    let (expr, pipe) = parser.query();
    let (trail, field) = (parser.lexer.trail(), parser.field.take());
    Ending {
        joins: parser.joins.unwrap_or(false),
        part: parser.finish(expr, pipe),
        trail,
        field,
    }
}

/// What a `|` between clauses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pipes {
    /// A mistake.
    Refused,
    /// The end of the condition.
    End,
}

fn read(text: &str, start: usize, context: &Context, pipes: Pipes) -> Part {
    let span = Span {
        start,
        end: text.len(),
    };
    let mut parser = Parser::new(text, start, context, pipes);
    let limit = context.limits.text_bytes;
    if text.len() > limit {
        parser.stop(
            Code::TooLong,
            span,
            &format!("the query has {} bytes, more than {limit}", text.len()),
            "shorten it, or ask in several queries",
        );
        return parser.finish(Expr::All, None);
    }
    let (expr, pipe) = parser.query();
    parser.finish(expr, pipe)
}

/// Where a clause stands.
#[derive(Clone, Copy)]
enum Scope<'f> {
    /// In the query itself.
    Query,
    /// In `field:( … )`.
    Field(&'f FieldName),
}

impl Scope<'_> {
    fn mode(self) -> Mode {
        match self {
            Self::Query => Mode::Clause,
            Self::Field(_) => Mode::Member,
        }
    }
}

/// How tightly an operator binds; NOT binds tighter than both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    Lowest,
    Or,
    And,
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// A token read ahead. Every reader of it is in the same scope, and so would read it in the same mode.
    peeked: Option<Lexeme>,
    context: &'a Context,
    pipes: Pipes,
    depth: usize,
    clauses: usize,
    regexes: usize,
    /// The last field of a clause, and where its name begins.
    field: Option<(FieldName, usize)>,
    /// Whether a clause stood before the end when that was reached.
    joins: Option<bool>,
    /// How often it was asked which field was meant.
    fields_meant: usize,
    /// After a limit was passed everything else reads as the end.
    stopped: bool,
    diagnostics: Vec<Diagnostic>,
    subqueries: Vec<Subquery>,
    /// How many queries in brackets there were.
    brackets: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, start: usize, context: &'a Context, pipes: Pipes) -> Self {
        let mut lexer = Lexer::new(text);
        lexer.go_back(start);
        Self {
            lexer,
            peeked: None,
            context,
            pipes,
            depth: 0,
            clauses: 0,
            regexes: 0,
            field: None,
            joins: None,
            fields_meant: 0,
            stopped: false,
            diagnostics: Vec::new(),
            subqueries: Vec::new(),
            brackets: 0,
        }
    }

    fn finish(mut self, expr: Expr, pipe: Option<Span>) -> Part {
        let mut room = [DIAGNOSTICS_MAX; 2];
        self.diagnostics.retain(|found| {
            let [errors, warnings] = &mut room;
            let left = match found.severity {
                Severity::Error => errors,
                Severity::Warning => warnings,
            };
            let kept = *left > 0;
            *left = left.saturating_sub(1);
            kept
        });
        self.diagnostics.sort_by_key(|found| found.span.start);
        Part {
            expr,
            diagnostics: self.diagnostics,
            pipe,
            subqueries: self.subqueries,
        }
    }

    /// The condition, and the `|` that ends it.
    fn query(&mut self) -> (Expr, Option<Span>) {
        let mut parts = Vec::new();
        loop {
            parts.extend(self.joined(Scope::Query, Power::Lowest));
            let next = self.take(Mode::Clause);
            match next.kind {
                Kind::Close => {
                    self.error(
                        Code::UnexpectedClose,
                        next.span,
                        "this parenthesis closes none",
                        "take it away, or put it in quotes",
                    );
                    self.propose_to_remove(next.span);
                }
                Kind::Pipe => return (Expr::and(parts), Some(next.span)),
                _ => return (Expr::and(parts), None),
            }
        }
    }

    /// Clauses joined by operators that bind at least as tightly as `least`. `None` where there is no clause.
    fn joined(&mut self, scope: Scope<'_>, least: Power) -> Option<Expr> {
        let mut left = self.operand(scope);
        loop {
            let next = self.peek(scope.mode());
            let span = next.span;
            if next.kind == Kind::End {
                self.joins.get_or_insert(left.is_some());
            }
            let (power, written) = match next.kind {
                Kind::End | Kind::Close => return left,
                Kind::Pipe if self.pipes == Pipes::End => return left,
                Kind::Or => (Power::Or, true),
                Kind::And => (Power::And, true),
                _ => (Power::And, false),
            };
            if power < least {
                return left;
            }
            if written {
                self.take(scope.mode());
            }
            // The right side takes all that binds tighter; what binds as tightly goes on in this loop.
            let right = match power {
                Power::Or => self.joined(scope, Power::And),
                Power::And | Power::Lowest => self.operand(scope),
            };
            if written && (left.is_none() || right.is_none()) {
                self.error(
                    Code::MissingOperand,
                    span,
                    "this operator has nothing to join on one side",
                    "write a condition on both sides, or put the word in quotes",
                );
                self.propose_to_remove(span);
            }
            left = match (left, right) {
                (Some(left), Some(right)) if power == Power::Or => Some(Expr::or([left, right])),
                (Some(left), Some(right)) => Some(Expr::and([left, right])),
                (left, right) => left.or(right),
            };
        }
    }

    /// One clause with the NOTs before it. Takes nothing where an operator, a closing parenthesis or the end stands.
    fn operand(&mut self, scope: Scope<'_>) -> Option<Expr> {
        let mut negated = None;
        while self.peek(scope.mode()).kind == Kind::Not {
            let not = self.take(scope.mode());
            negated = match negated {
                None => Some(not.span),
                Some(_) => None,
            };
        }
        let clause = self.clause(scope);
        if let (Some(span), None) = (negated, &clause) {
            self.error(
                Code::MissingOperand,
                span,
                "NOT has nothing to negate",
                "write a condition after it, or put the word in quotes",
            );
            self.propose_to_remove(span);
        }
        clause.map(|clause| {
            if negated.is_some() {
                clause.not()
            } else {
                clause
            }
        })
    }

    fn clause(&mut self, scope: Scope<'_>) -> Option<Expr> {
        match self.peek(scope.mode()).kind {
            Kind::End => {
                self.joins.get_or_insert(false);
                return None;
            }
            Kind::Close | Kind::And | Kind::Or | Kind::Not => return None,
            Kind::Pipe if self.pipes == Pipes::End => return None,
            _ => {}
        }
        let next = self.take(scope.mode());
        if next.kind == Kind::Open {
            return self.group(scope, next.span);
        }
        match scope {
            Scope::Field(field) => self.value(field, next),
            Scope::Query => self.query_clause(next),
        }
    }

    fn query_clause(&mut self, next: Lexeme) -> Option<Expr> {
        let span = next.span;
        match next.kind {
            Kind::Field(name) => self.field_clause(&FieldName::new(&name), span),
            Kind::Word(pieces) => match self.subquery_behind(&pieces) {
                Some(open) => self.subquery(&pieces, span, open),
                None => self.bare_word(pieces, span),
            },
            Kind::Quoted(text, quotes) => {
                self.check_quotes(quotes, span);
                self.text_clause(&text, span)
            }
            Kind::Regex(source) => {
                let regex = self.regex(&source, span)?;
                self.test(Test::Regex(regex), span)
            }
            Kind::Pipe => {
                self.error(
                    Code::Pipe,
                    span,
                    "only a condition can stand here, no stages",
                    "put the sign in quotes, or leave out what follows it",
                );
                let end = self.lexer.text().len();
                self.propose_to_remove(Span { end, ..span });
                self.stopped = true;
                None
            }
            // Not given in this mode, or handled by the caller.
            _ => None,
        }
    }

    /// What stands in parentheses, after the first of them.
    fn group(&mut self, scope: Scope<'_>, open: Span) -> Option<Expr> {
        if !self.descend(open) {
            return None;
        }
        let reported = self.diagnostics.len();
        let inner = self.joined(scope, Power::Lowest);
        self.depth -= 1;
        let close = self.peek(scope.mode());
        if close.kind == Kind::Close {
            self.take(scope.mode());
        } else if !self.stopped {
            self.error(
                Code::UnclosedParenthesis,
                open,
                "this parenthesis is never closed",
                "write «)» where the group ends",
            );
            self.propose(Replacement::close(self.lexer.text(), close.span.start, ')'));
        }
        if inner.is_none() && self.diagnostics.len() == reported {
            self.error(
                Code::MissingOperand,
                open,
                "there is nothing in the parentheses",
                "write a condition in them, or take them away",
            );
            if close.kind == Kind::Close {
                self.propose_to_remove(Span {
                    end: close.span.end,
                    ..open
                });
            }
        }
        inner
    }

    fn descend(&mut self, at: Span) -> bool {
        let limit = self.context.limits.depth;
        if self.depth >= limit {
            self.stop(
                Code::TooDeep,
                at,
                &format!("parentheses are nested more than {limit} deep"),
                "write the query flatter",
            );
            return false;
        }
        self.depth += 1;
        true
    }

    fn field_clause(&mut self, field: &FieldName, name: Span) -> Option<Expr> {
        self.warn_of_unknown(field, name);
        self.field = Some((field.clone(), name.start));
        let next = self.take(Mode::Value);
        let span = Span {
            start: name.start,
            end: next.span.end,
        };
        match next.kind {
            Kind::Open => {
                let group = self.group(Scope::Field(field), next.span)?;
                Some(one_of(group))
            }
            Kind::End | Kind::Close | Kind::And | Kind::Or | Kind::Pipe => {
                self.error(
                    Code::MissingValue,
                    span,
                    "the field has no value",
                    "write one, or «*» for any",
                );
                self.propose(Replacement::insert(name.end, "*"));
                self.peeked = Some(next);
                None
            }
            _ => self.value(field, next),
        }
    }

    fn value(&mut self, field: &FieldName, first: Lexeme) -> Option<Expr> {
        let span = first.span;
        let mut reader = ValueReader {
            field,
            now: self.context.now,
            zone: &self.context.zone,
            lexer: &mut self.lexer,
            diagnostics: &mut self.diagnostics,
        };
        let condition = match reader.read(first)? {
            Read::Condition(condition) => condition,
            Read::Regex(source) => Condition::Regex(self.regex(&source, span)?),
        };
        self.condition(field, condition, span)
    }

    /// Words and regular expressions on `event.original` are what bare ones are.
    fn condition(&mut self, field: &FieldName, condition: Condition, span: Span) -> Option<Expr> {
        let original = field.known() == Some(event::Field::EVENT_ORIGINAL);
        let test = match condition {
            Condition::Holds(phrase) if original => Test::Text(phrase),
            Condition::Regex(regex) if original => Test::Regex(regex),
            condition => Test::Field(field.clone(), condition),
        };
        self.test(test, span)
    }

    /// Where the bracket of `field in [ … ]` opens, if that word is such a field.
    fn subquery_behind(&self, pieces: &[Piece]) -> Option<usize> {
        let ([Piece::Text(_)], None) = (pieces, &self.peeked) else {
            return None;
        };
        let rest = self.lexer.rest();
        let behind = rest.trim_start();
        let keyword = behind
            .get(..2)
            .filter(|word| word.eq_ignore_ascii_case("in"))?;
        let bracket = behind.get(keyword.len()..)?.trim_start();
        let is_spaced = rest.len() > behind.len();
        (is_spaced && bracket.starts_with('[')).then(|| self.lexer.end() - bracket.len())
    }

    /// `field in [ QUERY ]`: the values that the query gives, once they are known; no event before.
    fn subquery(&mut self, pieces: &[Piece], name: Span, open: usize) -> Option<Expr> {
        let [Piece::Text(field)] = pieces else {
            return None;
        };
        let field = FieldName::new(field);
        let start = self.lexer.behind_word("search", open + 1);
        let Some(length) = self.lexer.length_to_bracket(start) else {
            self.stop(
                Code::BadSubquery,
                Span {
                    start: open,
                    end: start,
                },
                "this bracket is never closed",
                "write «]» behind the query",
            );
            return None;
        };
        let span = Span {
            start: name.start,
            end: start + length + 1,
        };
        let text = self.lexer.slice(start, start + length);
        self.lexer.go_back(span.end);
        if self.pipes == Pipes::Refused {
            let fix = "ask in a search, or write the values: «field:(a OR b)»";
            self.error(
                Code::BadSubquery,
                span,
                "a condition alone holds no query",
                fix,
            );
            return None;
        }
        if self.context.subquery_depth >= SUBQUERIES_DEEP {
            let message = format!("queries stand more than {SUBQUERIES_DEEP} deep in each other");
            self.error(
                Code::BadSubquery,
                span,
                &message,
                "ask for the innermost one by itself",
            );
            return None;
        }
        self.brackets += 1;
        if self.brackets > SUBQUERIES_MAX {
            let message = format!("there are more than {SUBQUERIES_MAX} queries in brackets");
            self.error(Code::BadSubquery, span, &message, "ask in several queries");
            return None;
        }
        self.check_subquery(text, start);
        let answers = &self.context.answers;
        let answer = answers.iter().find(|answer| answer.start == start);
        let Some(answer) = answer else {
            self.subqueries.push(Subquery {
                start,
                text: text.into(),
                field,
            });
            return Some(Expr::None);
        };
        let values: Box<[Literal]> = answer
            .values
            .iter()
            .map(|value| Literal::new(value))
            .collect();
        let condition = match &*values {
            [] => return Some(Expr::None),
            [only] => Condition::Is(only.clone()),
            _ => Condition::OneOf(values),
        };
        self.condition(&field, condition, span)
    }

    /// Tells of mistakes inside the query in brackets.
    fn check_subquery(&mut self, text: &str, start: usize) {
        let inside = Context {
            subquery_depth: self.context.subquery_depth + 1,
            answers: Vec::new(),
            ..self.context.clone()
        };
        let read = crate::pipe::read(text, &inside);
        for mut mistake in read.diagnostics {
            mistake.shift(start);
            self.diagnostics.push(mistake);
        }
    }

    fn bare_word(&mut self, pieces: Vec<Piece>, span: Span) -> Option<Expr> {
        let pattern = Pattern::new(pieces);
        if pattern.is_any() {
            return Some(Expr::All);
        }
        if let [] | [Piece::Text(_)] = pattern.pieces() {
            let text = match pattern.pieces() {
                [Piece::Text(text)] => text.to_string(),
                _ => String::new(),
            };
            if text.chars().all(|c| !c.is_alphanumeric()) {
                self.warn(
                    Code::NoWords,
                    span,
                    "there is no letter and no digit to be looked for, so this is left out",
                    "put it in quotes to look for these very characters",
                );
                self.propose_to_remove(span);
                return None;
            }
            self.warn_of_lowercase(&text, span);
            return self.text_clause(&text, span);
        }
        let Some(phrase) = Phrase::like(pattern) else {
            self.error_of_long_phrase(span);
            return None;
        };
        self.test(Test::Text(phrase), span)
    }

    /// Text without wildcards: its words, or where it has none, its very characters.
    fn text_clause(&mut self, text: &str, span: Span) -> Option<Expr> {
        if let Some(phrase) = Phrase::new(text) {
            return self.test(Test::Text(phrase), span);
        }
        if crate::tokens(text).next().is_some() {
            self.error_of_long_phrase(span);
            return None;
        }
        if text.is_empty() {
            self.warn(
                Code::NoWords,
                span,
                "there is nothing in the quotes, so this is left out",
                "take the quotes away",
            );
            self.propose_to_remove(span);
            return None;
        }
        let regex = self.regex(&regex::escape(text), span)?;
        self.test(Test::Regex(regex), span)
    }

    fn regex(&mut self, source: &str, span: Span) -> Option<Regex> {
        let limit = self.context.limits.regexes;
        if self.regexes >= limit {
            self.stop(
                Code::TooManyRegexes,
                span,
                &format!("the query has more than {limit} regular expressions"),
                "join some with «|», or look for words",
            );
            return None;
        }
        self.regexes += 1;
        let error = match Regex::new(source) {
            Ok(regex) => return Some(regex),
            Err(error) => error,
        };
        let message = format!(
            "this is no regular expression that can be run: {}",
            reason(&error)
        );
        let fix = "correct it, or put the text in quotes to look for its words";
        self.error(Code::BadRegex, span, &message, fix);
        self.propose(Replacement::new(span, Quoted(source).to_string()));
        None
    }

    fn test(&mut self, test: Test, span: Span) -> Option<Expr> {
        let limit = self.context.limits.clauses;
        if self.clauses >= limit {
            self.stop(
                Code::TooManyClauses,
                span,
                &format!("the query has more than {limit} conditions"),
                "ask in several queries",
            );
            return None;
        }
        self.clauses += 1;
        Some(Expr::Test(test))
    }

    fn peek(&mut self, mode: Mode) -> Lexeme {
        let next = self.take(mode);
        self.peeked = Some(next.clone());
        next
    }

    fn take(&mut self, mode: Mode) -> Lexeme {
        let next = match self.peeked.take() {
            Some(peeked) => peeked,
            None => self.lexer.next(mode),
        };
        if self.stopped {
            return Lexeme {
                kind: Kind::End,
                span: next.span,
            };
        }
        next
    }

    fn check_quotes(&mut self, quotes: Quotes, span: Span) {
        if quotes == Quotes::Open {
            self.error(
                Code::UnclosedQuote,
                span,
                "this quote is never closed",
                "write «\"» where the text ends",
            );
            self.propose(Replacement::close(self.lexer.text(), span.end, '"'));
        }
    }

    fn warn_of_lowercase(&mut self, text: &str, span: Span) {
        if matches!(text, "and" | "or" | "not") {
            let fix = format!(
                "write {} to join conditions, or put the word in quotes",
                text.to_uppercase()
            );
            self.warn(
                Code::LowercaseOperator,
                span,
                "in lower case this is a word to be looked for",
                &fix,
            );
            self.propose(Replacement::new(span, text.to_uppercase()));
        }
    }

    /// A name that none has is a vendor's own, unless it is near one that is known, or has no dot.
    fn warn_of_unknown(&mut self, field: &FieldName, span: Span) {
        if field.known().is_some() {
            return;
        }
        let name = field.name();
        self.fields_meant += 1;
        let meant = field_meant(name).filter(|_| self.fields_meant <= FIELDS_MEANT_MAX);
        if let Some(meant) = meant {
            self.warn(
                Code::UnknownField,
                span,
                &format!("no known field is called «{name}»"),
                &format!("write «{meant}», unless a vendor's own field is called so"),
            );
            self.propose(Replacement::new(span, format!("{meant}:")));
        } else if !name.contains('.') {
            self.warn(
                Code::UnknownField,
                span,
                &format!("no field is called «{name}»"),
                "put the text in quotes to look for its words, or write the field's whole name",
            );
            if let Some(words) = as_words(self.lexer.text(), name, span) {
                self.propose(words);
            }
        }
    }

    fn error_of_long_phrase(&mut self, span: Span) {
        let message = format!("the phrase has more than {} words", Phrase::WORDS_MAX);
        self.error(
            Code::PhraseTooLong,
            span,
            &message,
            "shorten it, or join shorter ones with AND",
        );
    }

    fn error(&mut self, code: Code, span: Span, message: &str, fix: &str) {
        self.report(Severity::Error, code, span, message, fix);
    }

    fn warn(&mut self, code: Code, span: Span, message: &str, fix: &str) {
        self.report(Severity::Warning, code, span, message, fix);
    }

    /// Says that a limit is passed and reads no further.
    fn stop(&mut self, code: Code, span: Span, message: &str, fix: &str) {
        self.error(code, span, message, fix);
        self.stopped = true;
    }

    fn report(&mut self, severity: Severity, code: Code, span: Span, message: &str, fix: &str) {
        if self.stopped {
            return;
        }
        self.diagnostics.push(Diagnostic {
            severity,
            code,
            span,
            message: message.to_owned(),
            fix: fix.to_owned(),
            replacement: None,
        });
    }

    /// What to write instead of what was told last.
    fn propose(&mut self, replacement: Replacement) {
        if let Some(told) = self.diagnostics.last_mut().filter(|_| !self.stopped) {
            told.replacement = Some(replacement);
        }
    }

    fn propose_to_remove(&mut self, span: Span) {
        self.propose(Replacement::remove(self.lexer.text(), span));
    }
}

/// `error: disk` and `error:disk` as the words that they were meant to be.
fn as_words(text: &str, name: &str, span: Span) -> Option<Replacement> {
    let rest = text.get(span.end..)?;
    let run = rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"' | '|'));
    let value = rest.get(..run.unwrap_or(rest.len()))?;
    if value.is_empty() {
        return Some(Replacement::new(span, Quoted(name).to_string()));
    }
    let end = span.end + value.len();
    let both = Quoted(&format!("{name}:{value}")).to_string();
    Some(Replacement::new(Span { end, ..span }, both))
}

/// The last line of what `regex` says: the lines before it draw the place.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().next_back().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

/// `field:(a OR b)` of whole values alone is one test.
fn one_of(group: Expr) -> Expr {
    let Expr::Or(members) = &group else {
        return group;
    };
    let mut literals = Vec::with_capacity(members.len());
    let mut field = None;
    for member in members {
        let Expr::Test(Test::Field(name, Condition::Is(literal))) = member else {
            return group;
        };
        field = Some(name.clone());
        literals.push(literal.clone());
    }
    field.map_or(Expr::None, |field| {
        Expr::field(field, Condition::OneOf(literals.into()))
    })
}
