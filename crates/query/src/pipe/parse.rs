//! The text of a pipeline to its stages: goes on after mistakes, says where they are and what to write.

use super::{Aggregate, Function, Key, Pipeline, SortKey, SortOrder, Stage, Stats};
use crate::date::seconds;
use crate::diagnostic::{Code, Diagnostic, Replacement, Severity, Span, keep_proven};
use crate::near::{field_meant, nearest};
use crate::parser::{Part, parse_part};
use crate::{Context, Expr, FieldName};

/// Stages of a pipeline at most.
const STAGES_MAX: usize = 32;
/// Names in one stage at most.
const NAMES_MAX: usize = 64;
/// Rows of `top`, `rare`, `head` and `tail` where no number is given.
const ROWS: usize = 10;

const STAGES: &str = "where, stats, timechart, top, rare, fields, sort, head, tail, dedup, rename";
const FUNCTIONS: &str = "count, sum, avg, min, max, dc, values, first, last, p1 to p99";

/// A pipeline as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedPipeline {
    /// What could be read.
    pub pipeline: Pipeline,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl ParsedPipeline {
    /// The pipeline, if the whole text could be read.
    ///
    /// # Errors
    /// All that is wrong, warnings too.
    pub fn into_result(self) -> Result<Pipeline, Vec<Diagnostic>> {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        if self.diagnostics.iter().any(is_error) {
            return Err(self.diagnostics);
        }
        Ok(self.pipeline)
    }
}

/// Reads a filter and the stages behind it. Linear time, bounded memory and depth, no panic, whatever the text.
///
/// ```
/// use query::{Stage, parse_pipeline};
///
/// let context = query::Context::at(event::Micros(0));
/// let text = "event.outcome:failure | stats count() by user.name | sort -count | head 10";
/// let pipeline = parse_pipeline(text, &context).into_result().unwrap();
/// assert_eq!(pipeline.filter.to_string(), "event.outcome:failure");
/// assert_eq!(pipeline.stages[2], Stage::Head(10));
///
/// let wrong = parse_pipeline("* | stats cuont() by user.name", &context);
/// assert_eq!(wrong.diagnostics[0].span.start, 10);
/// ```
#[must_use]
pub fn parse_pipeline(text: &str, context: &Context) -> ParsedPipeline {
    let mut parsed = read(text, context);
    keep_proven(text, &mut parsed.diagnostics, |text| {
        read(text, context).diagnostics
    });
    parsed
}

/// [`parse_pipeline`], without trying what is proposed.
pub(crate) fn read(text: &str, context: &Context) -> ParsedPipeline {
    let mut parser = Parser {
        text,
        context,
        stages: Vec::new(),
        diagnostics: Vec::new(),
    };
    let (filter, mut next) = parser.condition(0);
    while let Some(start) = next {
        next = parser.stage(start);
        if parser.stages.len() > STAGES_MAX {
            let span = Span {
                start,
                end: text.len(),
            };
            parser.error(
                Code::TooManyStages,
                span,
                &format!("there are more than {STAGES_MAX} stages"),
                "ask in several queries",
            );
            break;
        }
    }
    parser.check_order();
    parser.diagnostics.sort_by_key(|found| found.span.start);
    ParsedPipeline {
        pipeline: Pipeline {
            filter,
            stages: parser.stages.into_iter().map(|(stage, _)| stage).collect(),
        },
        diagnostics: parser.diagnostics,
    }
}

struct Parser<'t> {
    text: &'t str,
    context: &'t Context,
    /// With the places of their names.
    stages: Vec<(Stage, Span)>,
    diagnostics: Vec<Diagnostic>,
}

/// A piece of a stage and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token<'t> {
    kind: TokenKind<'t>,
    span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenKind<'t> {
    /// A name or a number.
    Word(&'t str),
    Open,
    Close,
    Comma,
    Minus,
    /// What no stage knows.
    Other(char),
}

/// The tokens of one stage, read from left to right.
struct Tokens<'t> {
    tokens: std::vec::IntoIter<Token<'t>>,
    /// Where the stage ends.
    end: usize,
}

impl<'t> Tokens<'t> {
    fn peek(&self) -> Option<TokenKind<'t>> {
        self.tokens.as_slice().first().map(|token| token.kind)
    }

    fn take_if(&mut self, kind: TokenKind<'_>) -> bool {
        let found = self.peek() == Some(kind);
        if found {
            self.tokens.next();
        }
        found
    }

    /// The next word, if there is one, and it is that.
    fn keyword(&mut self, word: &str) -> bool {
        let found =
            matches!(self.peek(), Some(TokenKind::Word(next)) if next.eq_ignore_ascii_case(word));
        if found {
            self.tokens.next();
        }
        found
    }

    fn word(&mut self) -> Option<(&'t str, Span)> {
        match self.tokens.as_slice().first() {
            Some(Token {
                kind: TokenKind::Word(word),
                span,
            }) => {
                let found = (*word, *span);
                self.tokens.next();
                Some(found)
            }
            _ => None,
        }
    }

    /// Where the next token is; a place at the end where there is none.
    fn here(&self) -> Span {
        let next = self.tokens.as_slice().first();
        next.map_or(
            Span {
                start: self.end,
                end: self.end,
            },
            |token| token.span,
        )
    }
}

impl<'t> Parser<'t> {
    fn error(&mut self, code: Code, span: Span, message: &str, fix: &str) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            code,
            span,
            message: message.to_owned(),
            fix: fix.to_owned(),
            replacement: None,
        });
    }

    /// What to write instead of what was told last.
    fn propose(&mut self, replacement: Replacement) {
        if let Some(told) = self.diagnostics.last_mut() {
            told.replacement = Some(replacement);
        }
    }

    /// A field of events, with a warning where a known one was probably meant.
    fn field(&mut self, name: &str, span: Span) -> FieldName {
        let field = FieldName::new(name);
        let of_events = !self.stages.iter().any(|(stage, _)| stage.makes_table());
        let asked = of_events && field.known().is_none();
        if let Some(meant) = asked.then(|| field_meant(name)).flatten() {
            self.diagnostics.push(Diagnostic {
                severity: Severity::Warning,
                code: Code::UnknownField,
                span,
                message: format!("no known field is called «{name}»"),
                fix: format!("write «{meant}», unless a vendor's own field is called so"),
                replacement: Some(Replacement::new(span, meant)),
            });
        }
        field
    }

    fn bad_stage(&mut self, span: Span, message: &str, fix: &str) {
        self.error(Code::BadStage, span, message, fix);
    }

    /// A condition from there on, and where the next stage begins.
    fn condition(&mut self, start: usize) -> (Expr, Option<usize>) {
        let Part {
            expr,
            diagnostics,
            pipe,
        } = parse_part(self.text, start, self.context);
        self.diagnostics.extend(diagnostics);
        (expr, pipe.map(|pipe| pipe.end))
    }

    /// Reads the stage that begins there; gives where the next one does.
    fn stage(&mut self, start: usize) -> Option<usize> {
        let (mut tokens, next) = self.tokens(start);
        let Some((name, span)) = tokens.word() else {
            self.bad_stage(
                tokens.here(),
                "there is no stage here",
                &format!("write one of {STAGES}, or take the «|» away"),
            );
            let pipe = Span {
                start: start.saturating_sub(1),
                end: tokens.here().start,
            };
            self.propose(Replacement::remove(self.text, pipe));
            return next;
        };
        let lower = name.to_ascii_lowercase();
        if lower == "where" {
            let told = self.diagnostics.len();
            let (expr, next) = self.condition(span.end);
            if self.stages.iter().any(|(stage, _)| stage.makes_table()) {
                // The names of columns are not those of fields.
                let of_condition = self.diagnostics.split_off(told);
                let kept = of_condition.into_iter();
                self.diagnostics
                    .extend(kept.filter(|found| found.code != Code::UnknownField));
            }
            self.stages.push((Stage::Where(expr), span));
            return next;
        }
        let stages = match lower.as_str() {
            "stats" => self
                .stats(&mut tokens)
                .map(|stats| vec![Stage::Stats(stats)]),
            "timechart" => self.timechart(&mut tokens),
            "top" => self.top(&mut tokens, SortOrder::Descending),
            "rare" => self.top(&mut tokens, SortOrder::Ascending),
            "fields" => self
                .names(&mut tokens)
                .map(|names| vec![Stage::Fields(names)]),
            "dedup" => self
                .names(&mut tokens)
                .map(|names| vec![Stage::Dedup(names)]),
            "sort" => self.sort(&mut tokens).map(|keys| vec![Stage::Sort(keys)]),
            "head" => Some(vec![Stage::Head(self.number(&mut tokens).unwrap_or(ROWS))]),
            "tail" => Some(vec![Stage::Tail(self.number(&mut tokens).unwrap_or(ROWS))]),
            "rename" => self
                .rename(&mut tokens)
                .map(|names| vec![Stage::Rename(names)]),
            _ => {
                let meant = nearest(name, STAGES.split(", "));
                let fix = meant.map_or_else(
                    || format!("write one of {STAGES}"),
                    |meant| format!("write «{meant}», or another of {STAGES}"),
                );
                self.bad_stage(span, &format!("there is no stage «{name}»"), &fix);
                if let Some(meant) = meant {
                    self.propose(Replacement::new(span, meant));
                }
                return next;
            }
        };
        if let Some(stages) = stages {
            if tokens.peek().is_some() {
                self.bad_stage(
                    tokens.here(),
                    &format!("«{lower}» ends before this"),
                    "take it away, or write «|» before the next stage",
                );
                self.propose(self.ended(&tokens, next));
            }
            self.stages
                .extend(stages.into_iter().map(|stage| (stage, span)));
        }
        next
    }

    /// The tokens up to the next `|`, and where the stage behind it begins.
    fn tokens(&self, start: usize) -> (Tokens<'t>, Option<usize>) {
        let mut tokens = Vec::new();
        let mut at = start;
        let mut next = None;
        while let Some(c) = self.text.get(at..).and_then(|rest| rest.chars().next()) {
            let from = at;
            at += c.len_utf8();
            let kind = match c {
                '|' => {
                    next = Some(at);
                    at = from;
                    break;
                }
                c if c.is_whitespace() => continue,
                '(' => TokenKind::Open,
                ')' => TokenKind::Close,
                ',' => TokenKind::Comma,
                '-' => TokenKind::Minus,
                c if is_name(c) => {
                    let rest = self.text.get(from..).unwrap_or_default();
                    let len = rest.find(|c| !is_name(c) && c != '-').unwrap_or(rest.len());
                    at = from + len;
                    TokenKind::Word(rest.get(..len).unwrap_or_default())
                }
                other => TokenKind::Other(other),
            };
            tokens.push(Token {
                kind,
                span: Span {
                    start: from,
                    end: at,
                },
            });
        }
        let tokens = Tokens {
            tokens: tokens.into_iter(),
            end: at,
        };
        (tokens, next)
    }

    /// The stage without what is too much behind it; where that begins like a stage, with the «|» before it.
    fn ended(&self, tokens: &Tokens<'t>, next: Option<usize>) -> Replacement {
        let here = tokens.here();
        if self.text.get(here.start..here.end).is_some_and(is_stage) {
            return Replacement::insert(here.start, "| ");
        }
        let end = next.map_or(self.text.len(), |next| next - 1);
        Replacement::remove(
            self.text,
            Span {
                start: here.start,
                end,
            },
        )
    }

    fn stats(&mut self, tokens: &mut Tokens<'t>) -> Option<Stats> {
        let mut aggregates = Vec::new();
        while let Some(TokenKind::Word(word)) = tokens.peek() {
            if word.eq_ignore_ascii_case("by") {
                break;
            }
            aggregates.push(self.aggregate(tokens)?);
            tokens.take_if(TokenKind::Comma);
        }
        if aggregates.is_empty() {
            self.bad_stage(
                tokens.here(),
                "nothing is computed",
                "write «count()», or another function of a field",
            );
            let at = tokens.here().start;
            let before = self.text.get(..at).unwrap_or_default();
            let (before, after) = match before.ends_with(char::is_whitespace) {
                true => ("", " "),
                false => (" ", ""),
            };
            self.propose(Replacement::insert(at, format!("{before}count(){after}")));
            return None;
        }
        let mut by = Vec::new();
        if tokens.keyword("by") {
            by = self.keys(tokens)?;
        }
        Some(Stats { aggregates, by })
    }

    fn aggregate(&mut self, tokens: &mut Tokens<'t>) -> Option<Aggregate> {
        let (name, span) = tokens.word()?;
        let Some(function) = function(name) else {
            let meant = nearest(name, FUNCTIONS.split(", "));
            let (fix, replacement) = match meant {
                Some(meant) => (
                    format!("write «{meant}», or another of {FUNCTIONS}"),
                    Some(Replacement::new(span, meant)),
                ),
                None if is_stage(name) => (
                    "write «|» before the next stage".to_owned(),
                    Some(Replacement::insert(span.start, "| ")),
                ),
                None => (format!("write one of {FUNCTIONS}"), None),
            };
            let message = format!("there is no function «{name}»");
            self.error(Code::UnknownFunction, span, &message, &fix);
            replacement.into_iter().for_each(|one| self.propose(one));
            return None;
        };
        let mut field = None;
        if tokens.take_if(TokenKind::Open) {
            field = tokens.word().map(|(name, span)| self.field(name, span));
            let here = tokens.here();
            if !self.close(tokens, here, "write «)» behind the field") {
                return None;
            }
        }
        if field.is_none() && function != Function::Count {
            self.bad_stage(
                span,
                &format!("«{name}» needs a field"),
                &format!("write «{name}(FIELD)»"),
            );
            return None;
        }
        let mut column = match &field {
            Some(field) => format!("{}({})", name.to_ascii_lowercase(), field.name()),
            None => name.to_ascii_lowercase(),
        };
        if tokens.keyword("as") {
            let Some((name, _)) = tokens.word() else {
                self.bad_stage(
                    tokens.here(),
                    "the column has no name",
                    "write one behind «as»",
                );
                return None;
            };
            name.clone_into(&mut column);
        }
        Some(Aggregate {
            function,
            field,
            name: column.into(),
        })
    }

    fn keys(&mut self, tokens: &mut Tokens<'t>) -> Option<Vec<Key>> {
        let nothing = (
            "no field is named",
            "write one behind «by», or take «by» away",
        );
        self.list(tokens, nothing, |parser, tokens| {
            let (name, span) = tokens.word()?;
            let is_bucket =
                name.eq_ignore_ascii_case("bucket") || name.eq_ignore_ascii_case("span");
            if !is_bucket || !tokens.take_if(TokenKind::Open) {
                return Some(Key::Field(parser.field(name, span)));
            }
            let length = parser.length(tokens)?;
            let closed = parser.close(tokens, span, "write «)» behind the length of time");
            closed.then_some(Key::Bucket(length))
        })
    }

    fn timechart(&mut self, tokens: &mut Tokens<'t>) -> Option<Vec<Stage>> {
        let width = self.length(tokens)?;
        let mut stats = self.stats(tokens)?;
        stats.by.insert(0, Key::Bucket(width));
        // Rows stand in the order of their keys, of which time is the first.
        Some(vec![Stage::Stats(stats)])
    }

    fn top(&mut self, tokens: &mut Tokens<'t>, order: SortOrder) -> Option<Vec<Stage>> {
        let count = self.number(tokens).unwrap_or(ROWS);
        let names = self.names(tokens)?;
        let stats = Stats {
            aggregates: vec![Aggregate {
                function: Function::Count,
                field: None,
                name: "count".into(),
            }],
            by: names.into_iter().map(Key::Field).collect(),
        };
        let column = "count".into();
        Some(vec![
            Stage::Stats(stats),
            Stage::Sort(vec![SortKey { column, order }]),
            Stage::Head(count),
        ])
    }

    fn sort(&mut self, tokens: &mut Tokens<'t>) -> Option<Vec<SortKey>> {
        let nothing = (
            "no column is named",
            "write one, with «-» before it for the greatest first",
        );
        self.list(tokens, nothing, |parser, tokens| {
            let order = if tokens.take_if(TokenKind::Minus) {
                SortOrder::Descending
            } else {
                SortOrder::Ascending
            };
            let column = parser.column(tokens)?;
            Some(SortKey { column, order })
        })
    }

    fn names(&mut self, tokens: &mut Tokens<'t>) -> Option<Vec<FieldName>> {
        let nothing = ("no field is named", "write at least one");
        self.list(tokens, nothing, |parser, tokens| {
            tokens.word().map(|(name, span)| parser.field(name, span))
        })
    }

    fn rename(&mut self, tokens: &mut Tokens<'t>) -> Option<Vec<(Box<str>, Box<str>)>> {
        let nothing = ("no column is named", "write «OLD as NEW»");
        self.list(tokens, nothing, |parser, tokens| {
            let span = tokens.here();
            let old = parser.column(tokens)?;
            let new = if tokens.keyword("as") {
                tokens.word()
            } else {
                None
            };
            if new.is_none() {
                parser.bad_stage(span, "the new name is missing", "write «OLD as NEW»");
            }
            Some((old, new?.0.into()))
        })
    }

    /// What `one` reads again and again, with commas between or not, until it gives nothing; `nothing` is said where it
    /// gives nothing at all. `None` where it has told of a mistake.
    fn list<T>(
        &mut self,
        tokens: &mut Tokens<'t>,
        nothing: (&str, &str),
        mut one: impl FnMut(&mut Self, &mut Tokens<'t>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::new();
        loop {
            let (span, told) = (tokens.here(), self.diagnostics.len());
            match one(self, tokens) {
                Some(item) => list.push(item),
                None if self.diagnostics.len() > told => return None,
                None => break,
            }
            if list.len() > NAMES_MAX {
                self.bad_stage(span, &format!("more than {NAMES_MAX} names"), "name fewer");
                return None;
            }
            tokens.take_if(TokenKind::Comma);
        }
        if list.is_empty() {
            self.bad_stage(tokens.here(), nothing.0, nothing.1);
            return None;
        }
        Some(list)
    }

    /// The name of a column: a field's, or such as `sum(f)`.
    fn column(&mut self, tokens: &mut Tokens<'t>) -> Option<Box<str>> {
        let (name, span) = tokens.word()?;
        if !tokens.take_if(TokenKind::Open) {
            return Some(name.into());
        }
        let field = tokens.word().map_or("", |(field, _)| field);
        if !self.close(tokens, span, "write «)» behind the field") {
            return None;
        }
        if field.is_empty() {
            Some(name.into())
        } else {
            Some(format!("{name}({field})").into())
        }
    }

    /// Takes the parenthesis that closes; where there is none, that is told of `span`.
    fn close(&mut self, tokens: &mut Tokens<'t>, span: Span, fix: &str) -> bool {
        let closed = tokens.take_if(TokenKind::Close);
        if !closed {
            self.bad_stage(span, "this parenthesis is never closed", fix);
            let end = tokens.here().start;
            self.propose(Replacement::close(self.text, end, ')'));
        }
        closed
    }

    /// A number, if the next word is one.
    fn number(&mut self, tokens: &mut Tokens<'t>) -> Option<usize> {
        let Some(TokenKind::Word(word)) = tokens.peek() else {
            return None;
        };
        let number = word.parse().ok()?;
        tokens.word();
        Some(number)
    }

    /// A length of time such as `30s`, `5m`, `1h` or `7d`, in seconds.
    fn length(&mut self, tokens: &mut Tokens<'t>) -> Option<u64> {
        let here = tokens.here();
        let read = tokens.word().and_then(|(word, _)| seconds(word));
        if read.is_none() {
            self.bad_stage(
                here,
                "this is no length of time",
                "write one such as 30s, 5m, 1h or 7d",
            );
            let written = self.text.get(here.start..here.end).unwrap_or_default();
            self.propose(match function(written) {
                Some(_) => Replacement::insert(here.start, "1h "),
                None => Replacement::new(here, "1h"),
            });
        }
        read
    }

    /// Sorting, counting from the end and renaming need a table; a pipeline must give one.
    fn check_order(&mut self) {
        let is_table = |(stage, _): &(Stage, Span)| stage.makes_table();
        let table_at = self.stages.iter().position(is_table);
        let before = self.stages.iter().take(table_at.unwrap_or(usize::MAX));
        let too_early = before.filter(|(stage, _)| {
            matches!(stage, Stage::Sort(_) | Stage::Tail(_) | Stage::Rename(_))
        });
        let too_early: Vec<Span> = too_early.map(|(_, span)| *span).collect();
        for span in &too_early {
            self.bad_stage(
                *span,
                "there is no table yet",
                "write «fields …» or «stats …» before it",
            );
        }
        if let (None, Some((_, span)), true) = (table_at, self.stages.last(), too_early.is_empty())
        {
            let span = *span;
            self.bad_stage(
                span,
                "nothing says which columns are wanted",
                "end with «fields …», «stats …» or «top …»",
            );
            let end = self.text.trim_end().len();
            self.propose(Replacement::insert(end, " | fields @timestamp, message"));
        }
    }
}

pub(crate) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '%' | '*')
}

/// The names of the stages.
pub(crate) fn stage_names() -> impl Iterator<Item = &'static str> {
    STAGES.split(", ")
}

/// The names of the functions of `stats`, but for percentiles.
pub(crate) fn function_names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.split(", ").filter(|name| !name.contains(' '))
}

/// Where the stage behind the one that begins there begins.
pub(crate) fn next_stage(text: &str, start: usize, context: &Context) -> Option<usize> {
    let parser = Parser {
        text,
        context,
        stages: Vec::new(),
        diagnostics: Vec::new(),
    };
    parser.tokens(start).1
}

fn is_stage(word: &str) -> bool {
    stage_names().any(|stage| word.eq_ignore_ascii_case(stage))
}

fn function(name: &str) -> Option<Function> {
    Some(match name.to_ascii_lowercase().as_str() {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "avg" | "mean" => Function::Avg,
        "min" => Function::Min,
        "max" => Function::Max,
        "dc" | "distinct" | "count_distinct" => Function::Distinct,
        "values" => Function::Values,
        "first" | "earliest" => Function::First,
        "last" | "latest" => Function::Last,
        "median" => Function::Percentile(50),
        name => {
            let hundredths: u8 = name.strip_prefix('p')?.parse().ok()?;
            Function::Percentile(Some(hundredths).filter(|p| (1..=99).contains(p))?)
        }
    })
}
