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
    /// Stages stand where only a condition can.
    Pipe,
    /// A stage is none, or not written as it should be.
    BadStage,
    /// There are too many stages.
    TooManyStages,
    /// There is no such function.
    UnknownFunction,
    /// `and`, `or`, `not` in lower case are words.
    LowercaseOperator,
    /// There is no letter and no digit to be looked for.
    NoWords,
    /// No field has this name, nor does it look like a vendor's own.
    UnknownField,
}
