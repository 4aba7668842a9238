//! The text of a pipeline to its stages: goes on after mistakes, says where they are and what to write.

use event::{Field, FieldKind};

use super::formula;
use super::{Aggregate, Enrichment, Function, Key, Pipeline, SortKey, SortOrder, Stage, Stats};
use crate::diagnostic::{Code, Diagnostic, Replacement, Severity, Span, keep_proven};
use crate::near::{field_meant, nearest};
use crate::parser::{Part, Subquery, parse_part};
use crate::{Context, Expr, FieldName, TimeStep};

/// Stages of a pipeline at most.
const STAGES_MAX: usize = 32;
/// Names in one stage at most.
const NAMES_MAX: usize = 64;
/// Rows of `top`, `rare`, `head` and `tail` where no number is given.
const ROWS: usize = 10;

const STAGES: &str = "where, eval, parse, lookup, stats, timechart, top, rare, fields, sort, head, tail, dedup, rename";
const FUNCTIONS: &str =
    "count, sum, avg, min, max, dc, values, first, last, rate, stddev, median, p1 to p99";

/// A pipeline as understood.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedPipeline {
    /// What could be read.
    pub pipeline: Pipeline,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Queries in brackets whose values are not yet known; the conditions with them match nothing.
    pub subqueries: Vec<Subquery>,
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
        subqueries: Vec::new(),
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
        subqueries: parser.subqueries,
    }
}

struct Parser<'t> {
    text: &'t str,
    context: &'t Context,
    /// With the places of their names.
    stages: Vec<(Stage, Span)>,
    diagnostics: Vec<Diagnostic>,
    subqueries: Vec<Subquery>,
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

    /// Whether a comma stands behind the next token.
    fn comma_follows(&self) -> bool {
        let second = self.tokens.as_slice().get(1);
        second.is_some_and(|token| token.kind == TokenKind::Comma)
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
            subqueries,
        } = parse_part(self.text, start, self.context);
        self.diagnostics.extend(diagnostics);
        self.subqueries.extend(subqueries);
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
            "eval" | "extend" => return self.eval(span),
            "parse" => return self.parse(span),
            "lookup" => self
                .lookup(&mut tokens)
                .map(|enrichment| vec![Stage::Enrich(enrichment)]),
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
        if field.is_none() && !matches!(function, Function::Count | Function::Rate) {
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
            let is_span = ["bucket", "bin", "span"]
                .iter()
                .any(|span| name.eq_ignore_ascii_case(span));
            if !is_span || !tokens.take_if(TokenKind::Open) {
                return Some(Key::Field(parser.field(name, span)));
            }
            let key = parser.span_of_values(tokens)?;
            let closed = parser.close(tokens, span, "write «)» behind the width");
            closed.then_some(key)
        })
    }

    /// What stands in `bucket(…)`: `1h`, `event.created, 1d`, or `source.bytes, 1000`.
    fn span_of_values(&mut self, tokens: &mut Tokens<'t>) -> Option<Key> {
        let mut field: FieldName = Field::TIMESTAMP.into();
        if tokens.comma_follows() {
            let (name, span) = tokens.word()?;
            field = self.field(name, span);
            tokens.take_if(TokenKind::Comma);
        }
        if field.kind() == FieldKind::Date {
            let step = self.step(tokens)?;
            return Some(Key::Time { field, step });
        }
        let here = tokens.here();
        let width: Option<f64> = tokens.word().and_then(|(word, _)| word.parse().ok());
        let Some(width) = width.filter(|width| *width > 0.0 && width.is_finite()) else {
            let fix = format!(
                "write a number above 0, such as «bin({}, 1000)»",
                field.name()
            );
            self.bad_stage(here, "this is no width", &fix);
            return None;
        };
        Some(Key::Number {
            field,
            width,
            offset: 0.0,
        })
    }

    fn timechart(&mut self, tokens: &mut Tokens<'t>) -> Option<Vec<Stage>> {
        let step = self.step(tokens)?;
        let mut stats = self.stats(tokens)?;
        let field = Field::TIMESTAMP.into();
        stats.by.insert(0, Key::Time { field, step });
        // Rows stand in the order of their keys, of which time is the first.
        Some(vec![Stage::Stats(stats)])
    }

    fn top(&mut self, tokens: &mut Tokens<'t>, order: SortOrder) -> Option<Vec<Stage>> {
        let count = self.number(tokens).unwrap_or(ROWS);
        let names = self.names(tokens)?;
        let stats = Stats::count_by(names.into_iter().map(Key::Field).collect());
        let column = Stats::COUNT.into();
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

    /// `eval NAME = FORMULA, …`, from behind its name on; gives where the next stage begins.
    fn eval(&mut self, stage: Span) -> Option<usize> {
        let mut at = stage.end;
        let mut formulas = Vec::new();
        loop {
            let Some((name, after)) = self.name_before_equals(at) else {
                return self.next_stage(at);
            };
            let read = formula::parse(self.text, after, self.context);
            let (formula, end) = match read {
                Ok(read) => read,
                Err(mistake) => {
                    self.diagnostics.push(mistake);
                    return self.next_stage(after);
                }
            };
            formulas.push((name, formula));
            let rest = self.text.get(end..).unwrap_or_default();
            match rest.chars().next() {
                Some(',') if formulas.len() < NAMES_MAX => at = end + 1,
                Some('|') => {
                    self.stages.push((Stage::Eval(formulas), stage));
                    return Some(end + 1);
                }
                None => {
                    self.stages.push((Stage::Eval(formulas), stage));
                    return None;
                }
                Some(other) => {
                    let span = Span {
                        start: end,
                        end: end + other.len_utf8(),
                    };
                    let message = "the formula ends before this";
                    let fix = "write an operator, «,» before the next formula, or «|» before the next stage";
                    self.error(Code::BadFormula, span, message, fix);
                    return self.next_stage(end);
                }
            }
        }
    }

    /// `parse FIELD "TEMPLATE"`, from behind its name on; gives where the next stage begins.
    fn parse(&mut self, stage: Span) -> Option<usize> {
        let rest = self.text.get(stage.end..).unwrap_or_default();
        let start = stage.end + rest.len() - rest.trim_start().len();
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let name = if name.is_empty() { "message" } else { name };
        let behind = start + length;
        let quoted = formula::quoted(self.text, behind, self.context);
        let (template, end) = match quoted {
            Ok(found) => found,
            Err(mistake) => {
                self.diagnostics.push(mistake);
                return self.next_stage(behind);
            }
        };
        let span = Span { start: behind, end };
        let read = match &self.context.resources {
            Some(resources) => resources.template(&template),
            None => Err("templates cannot be used here".to_owned()),
        };
        match read {
            Ok(source) => {
                let enrichment = Enrichment {
                    stage: "parse",
                    field: self.field(name, Span { start, end: behind }),
                    names: source
                        .names()
                        .iter()
                        .map(|name| FieldName::new(name))
                        .collect(),
                    source,
                };
                self.stages.push((Stage::Enrich(enrichment), stage));
            }
            Err(problem) => {
                let fix = "write it as in a parser definition: «Failed <x> for <user.name> from <source.ip>»";
                self.error(Code::BadStage, span, &problem, fix);
            }
        }
        let (mut tokens, next) = self.tokens(end);
        if tokens.peek().is_some() {
            let fix = "take it away, or write «|» before the next stage";
            self.bad_stage(tokens.here(), "«parse» ends before this", fix);
            tokens.word();
        }
        next
    }

    /// `lookup TABLE on FIELD with a, b`.
    fn lookup(&mut self, tokens: &mut Tokens<'t>) -> Option<Enrichment> {
        const FORM: &str = "write «lookup TABLE on FIELD», and «with a, b» for some of its columns";
        let here = tokens.here();
        let Some((name, span)) = tokens.word() else {
            self.bad_stage(here, "no table is named", FORM);
            return None;
        };
        let Some(tables) = &self.context.resources else {
            self.bad_stage(span, "tables cannot be used here", "ask in a search");
            return None;
        };
        let source = match tables.lookup(name) {
            Ok(source) => source,
            Err(problem) => {
                let fix = format!("name one of these: {}", tables.lookups().join(", "));
                self.bad_stage(span, &problem, &fix);
                return None;
            }
        };
        let key = if tokens.keyword("on") {
            tokens.word()
        } else {
            None
        };
        let Some((key, key_span)) = key else {
            self.bad_stage(tokens.here(), "the field is not named", FORM);
            return None;
        };
        let all = source.names();
        let mut names: Vec<FieldName> = all.iter().map(|name| FieldName::new(name)).collect();
        if tokens.keyword("with") {
            let here = tokens.here();
            let wanted = self.names(tokens)?;
            let under = |wanted: &FieldName| format!("{name}.{}", wanted.name());
            if let Some(unknown) = wanted.iter().find(|wanted| !all.contains(&under(wanted))) {
                let message = format!("«{name}» has no column «{}»", unknown.name());
                self.bad_stage(here, &message, &format!("it has {}", all.join(", ")));
                return None;
            }
            names = wanted
                .iter()
                .map(|wanted| FieldName::new(&under(wanted)))
                .collect();
        }
        Some(Enrichment {
            stage: "lookup",
            field: self.field(key, key_span),
            names,
            source,
        })
    }

    /// The name of what is computed, and where its formula begins; what is wrong is told.
    fn name_before_equals(&mut self, at: usize) -> Option<(Box<str>, usize)> {
        let rest = self.text.get(at..).unwrap_or_default();
        let start = at + rest.len() - rest.trim_start().len();
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let behind = rest.get(length..).unwrap_or_default();
        let equals = behind.trim_start().strip_prefix('=');
        match equals {
            Some(formula) if !name.is_empty() => {
                Some((name.into(), self.text.len() - formula.len()))
            }
            _ => {
                let span = Span {
                    start,
                    end: start + length,
                };
                let fix = "write «eval NAME = FORMULA», such as «eval mb = source.bytes / 1000000»";
                self.error(
                    Code::BadFormula,
                    span,
                    "a name and «=» are missing here",
                    fix,
                );
                None
            }
        }
    }

    /// Where the stage behind the next `|` begins.
    fn next_stage(&self, at: usize) -> Option<usize> {
        self.tokens(at).1
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

    /// A length of time such as `30s`, `5m`, `1h`, `7d` or `1M`, in the zone of the query.
    fn step(&mut self, tokens: &mut Tokens<'t>) -> Option<TimeStep> {
        let here = tokens.here();
        let word = tokens.word();
        let read = word.and_then(|(word, _)| TimeStep::parse(word, &self.context.zone));
        if read.is_none() {
            self.bad_stage(
                here,
                "this is no length of time",
                "write one such as 30s, 5m, 1h, 1d, 1w, 1M or 1y",
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
        subqueries: Vec::new(),
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
        "stddev" => Function::Deviation,
        "rate" => Function::Rate,
        "median" => Function::Percentile(5000),
        name => Function::Percentile(of_ten_thousand(name.strip_prefix('p')?)?),
    })
}

/// `95` and `99.9` as parts of ten thousand, above 0 and below all.
fn of_ten_thousand(percent: &str) -> Option<u16> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 2 {
        return None;
    }
    let hundredths: u16 = format!("{fraction:0<2}").parse().ok()?;
    let parts = whole
        .parse::<u16>()
        .ok()?
        .checked_mul(100)?
        .checked_add(hundredths)?;
    (1..10_000).contains(&parts).then_some(parts)
}
