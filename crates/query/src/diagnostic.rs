//! What is wrong with a query, where, and what to write instead.

use serde::Serialize;

/// A place in the text of a query, in bytes, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// One thing that is wrong, or likely not what was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the query can be run all the same.
    pub severity: Severity,
    /// What it is, for programs and for texts in other languages.
    pub code: Code,
    /// Where it is.
    pub span: Span,
    /// A sentence on what is wrong.
    pub message: String,
    /// A sentence on what to do.
    pub fix: String,
    /// What to write instead, where that can be known: it takes this mistake away and makes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Replacement>,
}

/// A change of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replacement {
    /// What is replaced; where it is empty, something is put in.
    pub span: Span,
    /// What stands there then.
    pub text: String,
}

impl Replacement {
    pub(crate) fn new(span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { span, text }
    }

    /// Puts `what` in there.
    pub(crate) fn insert(at: usize, what: impl Into<String>) -> Self {
        Self::new(Span { start: at, end: at }, what)
    }

    /// Puts the sign that closes something behind what stands before `end`. A `\` there would take its meaning away.
    pub(crate) fn close(text: &str, end: usize, sign: char) -> Self {
        let before = text.get(..end).unwrap_or_default().trim_end();
        let escapes = before.len() - before.trim_end_matches('\\').len();
        let escaped = if escapes % 2 == 1 { "\\" } else { "" };
        Self::insert(before.len(), format!("{escaped}{sign}"))
    }

    /// Takes away what stands there, and the spaces that would be left over.
    pub(crate) fn remove(text: &str, span: Span) -> Self {
        let before = text.get(..span.start).unwrap_or_default().trim_end();
        let after = text.get(span.end..).unwrap_or_default();
        let end = text.len() - after.trim_start().len();
        let between = if before.is_empty() || end == text.len() {
            ""
        } else {
            " "
        };
        let start = before.len();
        Self::new(Span { start, end }, between)
    }

    /// The text after the change; the text itself where the place is not one of it.
    #[must_use]
    pub fn applied(&self, text: &str) -> String {
        let (before, after) = (text.get(..self.span.start), text.get(self.span.end..));
        match (before, after) {
            (Some(before), Some(after)) => format!("{before}{}{after}", self.text),
            _ => text.to_owned(),
        }
    }
}

/// How many mistakes of one query are told with a replacement: each is tried.
const REPLACEMENTS_MAX: usize = 8;

/// Leaves a replacement only where the text, read again, then has fewer mistakes of that kind and no more errors.
pub(crate) fn keep_proven(
    text: &str,
    found: &mut [Diagnostic],
    read: impl Fn(&str) -> Vec<Diagnostic>,
) {
    let before = Tally::of(found);
    let mut room = REPLACEMENTS_MAX;
    for at in 0..found.len() {
        let Some(diagnostic) = found.get_mut(at) else {
            return;
        };
        let code = diagnostic.code;
        diagnostic.replacement = diagnostic.replacement.take().filter(|replacement| {
            if room == 0 {
                return false;
            }
            room -= 1;
            let after = Tally::of(&read(&replacement.applied(text)));
            after.of_code(code) < before.of_code(code) && after.errors <= before.errors
        });
    }
}

/// How many there are of what.
struct Tally {
    codes: Vec<Code>,
    errors: usize,
}

impl Tally {
    fn of(found: &[Diagnostic]) -> Self {
        let is_error = |found: &&Diagnostic| found.severity == Severity::Error;
        Self {
            codes: found.iter().map(|found| found.code).collect(),
            errors: found.iter().filter(is_error).count(),
        }
    }

    fn of_code(&self, code: Code) -> usize {
        self.codes.iter().filter(|found| **found == code).count()
    }
}

impl Diagnostic {
    /// Told of a text that stands so many bytes behind the beginning of another: its place in that one.
    pub(crate) fn shift(&mut self, bytes: usize) {
        let spans = self
            .replacement
            .iter_mut()
            .map(|replacement| &mut replacement.span);
        for span in spans.chain([&mut self.span]) {
            span.start += bytes;
            span.end += bytes;
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The query must not be run: it says less than was written.
    Error,
    /// It can be run, but hardly means what was meant.
    Warning,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The text is longer than [`Limits::text_bytes`](crate::Limits::text_bytes).
    TooLong,
    /// Parentheses and NOT are nested deeper than [`Limits::depth`](crate::Limits::depth).
    TooDeep,
    /// There are more tests than [`Limits::clauses`](crate::Limits::clauses).
    TooManyClauses,
    /// There are more regular expressions than [`Limits::regexes`](crate::Limits::regexes).
    TooManyRegexes,
    /// A phrase has more words than [`Phrase::WORDS_MAX`](crate::Phrase::WORDS_MAX).
    PhraseTooLong,
    /// A quote is not closed.
    UnclosedQuote,
    /// A parenthesis is not closed.
    UnclosedParenthesis,
    /// A parenthesis or bracket closes nothing.
    UnexpectedClose,
    /// AND, OR or NOT has nothing beside it.
    MissingOperand,
    /// A field has no value.
    MissingValue,
    /// A range is not of the form `[a TO b]`.
    BadRange,
    /// A regular expression is none, or too big.
    BadRegex,
    /// A value cannot be what the field holds.
    BadValue,
    /// A query in brackets cannot stand there, or is never closed.
    BadSubquery,
    /// Stages stand where only a condition can.
    Pipe,
    /// A stage is none, or not written as it should be.
    BadStage,
    /// There are too many stages.
    TooManyStages,
    /// A formula of `eval` is none.
    BadFormula,
    /// There is no such function.
    UnknownFunction,
    /// `and`, `or`, `not` in lower case are words.
    LowercaseOperator,
    /// There is no letter and no digit to be looked for.
    NoWords,
    /// No field has this name, nor does it look like a vendor's own.
    UnknownField,
}
