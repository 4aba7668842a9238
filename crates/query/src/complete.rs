//! What may stand at a place of a query that is being written.
//!
//! The text before the place is read by the parser itself; what it last read and what it wanted at the end says what
//! may come, and which part of the text that replaces. Not here: which fields and values there are.

use event::FieldKind;

use crate::diagnostic::Span;
use crate::lexer::{Kind, Lexer, Mode, Quotes};
use crate::parser::{Ending, parse_to_end};
use crate::pattern::Piece;
use crate::pipe::{function_names, is_name, next_stage, read_pipeline, stage_names};
use crate::{Condition, Context, Expr, FieldName, Key, Pattern, Stage, Test};

/// What may stand at a place, and what is there already.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What may stand there.
    pub place: Place,
    /// What of the text is replaced; empty where something is put in.
    pub replaced: Span,
    /// What is typed of it, without quotes.
    pub typed: String,
    /// What the events meet that the rest of the text, up to here, asks for.
    pub condition: Expr,
}

/// What may stand at a place.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// A clause: a name with a colon, NOT; where a clause stands before it, AND and OR too.
    Clause {
        /// Of what it asks.
        names: Names,
        /// Whether a clause stands before it.
        joins: bool,
    },
    /// A value of that field.
    Value {
        /// The field, or the column.
        field: FieldName,
        /// What of a condition the value is.
        part: ValuePart,
    },
    /// A stage.
    Stage,
    /// A function of `stats`; where one stands before it, `as` and `by` too.
    Function {
        /// Whether a function stands before it.
        joins: bool,
    },
    /// A name alone.
    Name {
        /// Of what.
        names: Names,
        /// Whether `bucket(…)` may stand there, too.
        bucket: bool,
    },
    /// A length of time.
    Length,
    /// What nobody can foresee.
    Free,
}

/// What of a condition a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuePart {
    /// All of it, or a member of a list.
    Whole,
    /// The lower bound of a range, or what is compared with.
    Low,
    /// What stands behind the lower bound: `TO`, the upper bound.
    High,
}

/// Whose names may stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those of events' fields.
    Fields,
    /// These columns of a table.
    Columns(Vec<Box<str>>),
}

/// Something that the language itself offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What is written.
    pub text: &'static str,
    /// What it is.
    pub kind: OfferKind,
    /// What it does.
    pub detail: &'static str,
}

/// What an [`Offer`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferKind {
    /// A word or sign of the language.
    Keyword,
    /// A function.
    Function,
    /// A stage.
    Stage,
}

/// What may stand at that byte of the text. Linear time, no panic, whatever the text and the byte; a byte inside a
/// character is the one where that begins.
///
/// ```
/// use query::{Context, Place, complete};
///
/// let found = complete("event.outcome:failure user.name:ad", 34, &Context::at(event::Micros(0)));
/// assert!(matches!(found.place, Place::Value { ref field, .. } if field.name() == "user.name"));
/// assert_eq!((found.replaced.start, &*found.typed), (32, "ad"));
/// assert_eq!(found.condition.to_string(), "event.outcome:failure");
/// ```
#[must_use]
pub fn complete(text: &str, at: usize, context: &Context) -> Completion {
    let at = text.floor_char_boundary(at);
    let written = text.get(..at).unwrap_or_default();
    let nothing = Completion {
        place: Place::Free,
        replaced: Span { start: at, end: at },
        typed: String::new(),
        condition: Expr::All,
    };
    if text.len() > context.limits.text_bytes {
        return nothing;
    }
    let mut ending = parse_to_end(written, 0, context);
    let mut begins = 0;
    for _ in 0..STAGES_MAX {
        let Some(mut pipe) = ending.part.pipe else {
            let before = Before::new(written, begins, context);
            let found = in_condition(written, begins, &ending, &before.names, context);
            return finish(text, found, before.condition, &nothing);
        };
        // Stages up to the next condition, or the last one.
        loop {
            let stage = written.get(pipe.end..).unwrap_or_default();
            let word = stage.trim_start();
            let name: String = word.chars().take_while(|c| is_name(*c)).collect();
            let name_end = pipe.end + (stage.len() - word.len()) + name.len();
            if name.eq_ignore_ascii_case("where") && name_end < written.len() {
                begins = name_end;
                ending = parse_to_end(written, name_end, context);
                break;
            }
            let Some(next) = next_stage(written, pipe.end, context) else {
                let before = Before::new(written, pipe.end, context);
                let found = in_stage(stage, pipe.end, &before.names);
                return finish(text, found, before.condition, &nothing);
            };
            pipe = Span {
                start: next - 1,
                end: next,
            };
        }
    }
    nothing
}

/// How many conditions are gone through at most.
const STAGES_MAX: usize = 40;

/// What the part before a stage means.
struct Before {
    /// What events meet that come to it.
    condition: Expr,
    /// What the stage can name.
    names: Names,
}

impl Before {
    /// Of the text before the last `|` that stands before `begins`; there is none where that is the beginning.
    fn new(text: &str, begins: usize, context: &Context) -> Self {
        let mut found = Self {
            condition: Expr::All,
            names: Names::Fields,
        };
        let before = text.get(..begins).unwrap_or_default();
        let Some(pipe) = before.rfind('|') else {
            return found;
        };
        let before = before.get(..pipe).unwrap_or_default();
        let pipeline = read_pipeline(before, context).pipeline;
        let mut conditions = vec![pipeline.filter];
        for stage in pipeline.stages {
            found.names = after(&stage, found.names);
            match stage {
                Stage::Where(expr) if found.names == Names::Fields => conditions.push(expr),
                _ => {}
            }
        }
        found.condition = Expr::and(conditions);
        found
    }
}

/// What is found in the text before the place.
struct Found {
    place: Place,
    start: usize,
    typed: String,
    /// Whether the text that is replaced begins with a quote that is open.
    quoted: bool,
    /// The condition that the place stands in, where it does.
    condition: Option<Expr>,
}

impl Found {
    fn new(place: Place, start: usize, typed: &str) -> Self {
        Self {
            place,
            start,
            typed: typed.to_owned(),
            quoted: false,
            condition: None,
        }
    }
}

/// Takes into what is replaced what goes on behind the place: the rest of a word, its closing quote, its colon.
fn finish(text: &str, found: Found, before: Expr, nothing: &Completion) -> Completion {
    let at = nothing.replaced.end;
    let rest = text.get(at..).unwrap_or_default();
    let run = rest.find(|c| !is_name(c) && c != '-').unwrap_or(rest.len());
    let mut end = at;
    let behind = rest.get(run..).unwrap_or_default();
    let touches = run > 0 && (at > found.start || found.quoted);
    if found.quoted {
        if behind.starts_with('"') {
            end = at + run + 1;
        }
    } else if touches {
        end = at + run;
    }
    let behind = text.get(end..).unwrap_or_default();
    if matches!(found.place, Place::Clause { .. }) && end > found.start && behind.starts_with(':') {
        end += 1;
    }
    let condition = Expr::and(std::iter::once(before).chain(found.condition));
    Completion {
        place: found.place,
        replaced: Span {
            start: found.start,
            end,
        },
        typed: found.typed,
        condition,
    }
}

/// What can be named behind the stage, given what could before it.
fn after(stage: &Stage, names: Names) -> Names {
    match stage {
        Stage::Stats(stats) => {
            let keys = stats.by.iter().map(Key::column);
            let aggregates = stats.aggregates.iter().map(|aggregate| &*aggregate.name);
            Names::Columns(keys.chain(aggregates).map(Box::from).collect())
        }
        Stage::Eval(formulas) => with(names, formulas.iter().map(|(name, _)| name.clone())),
        Stage::Enrich(enrichment) => with(
            names,
            enrichment.names.iter().map(|name| name.name().into()),
        ),
        Stage::Fields(fields) => {
            Names::Columns(fields.iter().map(|field| field.name().into()).collect())
        }
        Stage::Rename(renamed) => match names {
            Names::Fields => Names::Fields,
            Names::Columns(mut columns) => {
                for column in &mut columns {
                    if let Some((_, new)) = renamed.iter().find(|(old, _)| old == column) {
                        column.clone_from(new);
                    }
                }
                Names::Columns(columns)
            }
        },
        _ => names,
    }
}

/// The names, and those of further columns where there are columns.
fn with(names: Names, further: impl Iterator<Item = Box<str>>) -> Names {
    match names {
        Names::Fields => Names::Fields,
        Names::Columns(mut columns) => {
            for name in further {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
            Names::Columns(columns)
        }
    }
}

// ---- conditions -----------------------------------------------------------------------------------------------------

fn in_condition(
    text: &str,
    begins: usize,
    ending: &Ending,
    names: &Names,
    context: &Context,
) -> Found {
    let at = text.len();
    let trail = ending.trail;
    let is_last = |(_, span): (Mode, Span)| span.end == at && span.start >= begins;
    let last = trail.last.filter(|last| is_last(*last));
    let kind = last.map(|(mode, span)| kind_at(text, span.start, mode));
    let (mode, start, typed, quoted) = match (last, kind) {
        (Some((mode, span)), Some(Kind::Word(_) | Kind::And | Kind::Or | Kind::Not))
            if is_word(text, span) =>
        {
            let typed = text.get(span.start..span.end).unwrap_or_default();
            (mode, span.start, typed.to_owned(), false)
        }
        (Some((mode, span)), Some(Kind::Quoted(typed, Quotes::Open))) if mode != Mode::Clause => {
            (mode, span.start, typed, true)
        }
        (Some((_, span)), Some(Kind::Quoted(..) | Kind::Regex(_) | Kind::Word(_)))
            if !is_sign(text, span) =>
        {
            return Found::new(Place::Free, at, "");
        }
        _ => (
            trail.wanted.unwrap_or(Mode::Clause),
            at,
            String::new(),
            false,
        ),
    };
    let before = if start < at { trail.before } else { trail.last };
    let before = before.filter(|(_, span)| span.start >= begins && span.end <= start);
    let before = before.map(|(mode, span)| kind_at(text, span.start, mode));
    let field = ending.field.as_ref().filter(|(_, start)| *start >= begins);
    let (place, clause) = match (mode, field) {
        (Mode::Clause, _) => {
            let before = text.get(..start).unwrap_or_default();
            // A sign at the end is read as a word; with something behind it, it negates that.
            let negated = before.ends_with(['-', '!', '+']);
            let joins = !negated && parse_to_end(before, begins, context).joins;
            (
                Place::Clause {
                    names: names.clone(),
                    joins,
                },
                start,
            )
        }
        (Mode::Value | Mode::Member | Mode::Bound, Some((field, clause))) => {
            let part = match (mode, before) {
                (Mode::Bound, Some(Kind::BracketOpen(_))) | (_, Some(Kind::Compare(_))) => {
                    ValuePart::Low
                }
                (Mode::Bound, _) => ValuePart::High,
                _ => ValuePart::Whole,
            };
            let field = field.clone();
            (Place::Value { field, part }, *clause)
        }
        (Mode::Value | Mode::Member | Mode::Bound, None) => (Place::Free, start),
    };
    let condition = match names {
        Names::Fields => Some(beside(text, begins, clause, context)),
        Names::Columns(_) => None,
    };
    Found {
        place,
        start,
        typed,
        quoted,
        condition,
    }
}

fn kind_at(text: &str, start: usize, mode: Mode) -> Kind {
    let mut lexer = Lexer::new(text);
    lexer.go_back(start);
    lexer.next(mode).kind
}

/// Whether it is a sign that negates or asks for what will stand behind it.
fn is_sign(text: &str, span: Span) -> bool {
    matches!(text.get(span.start..span.end), Some("-" | "!" | "+"))
}

/// Whether what stands there is of letters, and not a sign such as `&&` or `-`; nor ends with one that escapes.
fn is_word(text: &str, span: Span) -> bool {
    let written = text.get(span.start..span.end).unwrap_or_default();
    written
        .chars()
        .all(|c| is_name(c) || matches!(c, '-' | ':' | '/'))
        && !written.starts_with('-')
}

/// The name of a clause that stands for the one that is being written.
const UNFINISHED: &str = "the clause that is being written";

/// What every event meets in which the clause from there on is asked: the clauses that AND joins to it.
fn beside(text: &str, begins: usize, clause: usize, context: &Context) -> Expr {
    let before = text.get(begins..clause).unwrap_or_default();
    let marked = format!("{before} \"{UNFINISHED}\":*");
    joined(parse_to_end(&marked, 0, context).part.expr)
}

fn joined(expr: Expr) -> Expr {
    match expr {
        Expr::And(mut members) => {
            let last = members.pop().map_or(Expr::All, joined);
            members.push(last);
            Expr::and(members)
        }
        Expr::Or(mut members) => members.pop().map_or(Expr::All, joined),
        Expr::Not(inner) => joined(*inner),
        Expr::All | Expr::None | Expr::Test(_) => Expr::All,
    }
}

// ---- stages ---------------------------------------------------------------------------------------------------------

/// A piece of a stage: a word or a sign, and where it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Sign(char),
}

fn in_stage(stage: &str, start: usize, names: &Names) -> Found {
    let at = start + stage.len();
    let word_at = stage.rfind(|c| !is_name(c)).map_or(0, |before| {
        before
            + stage
                .get(before..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8)
    });
    let (before, typed) = stage.split_at_checked(word_at).unwrap_or((stage, ""));
    let tokens = tokens(before);
    let place = place_in_stage(&tokens, names);
    match place {
        Place::Free => Found::new(Place::Free, at, ""),
        place => Found::new(place, start + word_at, typed),
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let len = if is_name(c) {
            let len = rest.find(|c| !is_name(c) && c != '-').unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..len).unwrap_or_default()));
            len
        } else {
            tokens.push(Token::Sign(c));
            c.len_utf8()
        };
        rest = rest.get(len..).unwrap_or_default().trim_start();
    }
    tokens
}

fn place_in_stage(tokens: &[Token<'_>], names: &Names) -> Place {
    let [Token::Word(stage), rest @ ..] = tokens else {
        return if tokens.is_empty() {
            Place::Stage
        } else {
            Place::Free
        };
    };
    let is = |token: &Token<'_>, word: &str| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
    // What it is an argument of.
    let mut open: Vec<Option<&str>> = Vec::new();
    let mut previous = None;
    for token in rest {
        match token {
            Token::Sign('(') => open.push(previous),
            Token::Sign(')') => {
                open.pop();
            }
            Token::Word(_) | Token::Sign(_) => {}
        }
        previous = match token {
            Token::Word(word) => Some(*word),
            Token::Sign(_) => None,
        };
    }
    let last = rest.last();
    if last.is_some_and(|last| is(last, "as") || matches!(last, Token::Sign('"' | '\''))) {
        return Place::Free;
    }
    let callee = open
        .last()
        .copied()
        .flatten()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if matches!(callee.as_str(), "bucket" | "span") {
        return Place::Length;
    }
    let name = |bucket| Place::Name {
        names: names.clone(),
        bucket,
    };
    if !open.is_empty() {
        return name(false);
    }
    let ends_function = |last: &Token<'_>| matches!(last, Token::Sign(')') | Token::Word(_));
    match stage.to_ascii_lowercase().as_str() {
        "stats" | "timechart" if rest.iter().any(|token| is(token, "by")) => name(true),
        "timechart" if rest.is_empty() => Place::Length,
        "timechart" => Place::Function {
            joins: rest.len() > 1 && last.is_some_and(ends_function),
        },
        "stats" => Place::Function {
            joins: last.is_some_and(ends_function),
        },
        "head" | "tail" => Place::Free,
        // The name of what is made stands before the sign.
        "eval" if !rest.contains(&Token::Sign('=')) => Place::Free,
        known if stage_names().any(|name| name == known) => name(false),
        _ => Place::Free,
    }
}

// ---- what the language offers ------------------------------------------------------------------------------------------

const AND: Offer = keyword("AND", "both conditions");
const OR: Offer = keyword("OR", "one of the conditions");
const NOT: Offer = keyword("NOT", "events that the next condition does not match");
const ANY: Offer = keyword("*", "any value");

const fn keyword(text: &'static str, detail: &'static str) -> Offer {
    Offer {
        text,
        kind: OfferKind::Keyword,
        detail,
    }
}

const NUMBERS: [Offer; 4] = [
    keyword(">=", "at least"),
    keyword("<=", "at most"),
    keyword(">", "more than"),
    keyword("<", "less than"),
];
const NETWORKS: [Offer; 3] = [
    keyword("10.0.0.0/8", "a private network"),
    keyword("172.16.0.0/12", "a private network"),
    keyword("192.168.0.0/16", "a private network"),
];
const DATES: [Offer; 5] = [
    keyword(">=now-15m", "the last quarter of an hour"),
    keyword(">=now-1h", "the last hour"),
    keyword(">=now-24h", "the last 24 hours"),
    keyword("now/d", "today"),
    keyword("now-1d/d", "yesterday"),
];
const BOUNDS_OF_DATES: [Offer; 4] = [
    keyword("now", "this moment"),
    keyword("now-1h", "an hour ago"),
    keyword("now/d", "today"),
    keyword("now-1d/d", "yesterday"),
];
const LENGTHS: [&str; 6] = ["1m", "5m", "15m", "1h", "1d", "7d"];
const PERCENTILES: [&str; 4] = ["p50(", "p90(", "p95(", "p99("];

impl Completion {
    /// What the language itself has for the place, whatever is typed.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        match &self.place {
            Place::Clause { joins: true, .. } => vec![AND, OR, NOT],
            Place::Clause { joins: false, .. } => vec![NOT],
            Place::Value { field, part } => values(field, *part),
            Place::Stage => stage_names().map(stage).collect(),
            Place::Function { joins } => {
                let joining = [
                    keyword("by", "a row for each value"),
                    keyword("as", "a name for the column"),
                ];
                let joining = joining.into_iter().filter(|_| *joins);
                joining.chain(functions()).collect()
            }
            Place::Name { bucket: true, .. } => vec![Offer {
                text: "bucket(",
                kind: OfferKind::Function,
                detail: "spans of time",
            }],
            Place::Length => LENGTHS
                .map(|text| keyword(text, "a length of time"))
                .to_vec(),
            Place::Name { .. } | Place::Free => Vec::new(),
        }
    }

    /// What is written in the place for a name; `None` where it cannot be.
    #[must_use]
    pub fn name_written(&self, name: &str) -> Option<String> {
        match self.place {
            Place::Clause { .. } => Some(format!("{}:", FieldName::new(name))),
            Place::Name { .. } => {
                let plain =
                    name.starts_with(is_name) && name.chars().all(|c| is_name(c) || c == '-');
                plain.then(|| name.to_owned())
            }
            Place::Value { .. }
            | Place::Stage
            | Place::Function { .. }
            | Place::Length
            | Place::Free => None,
        }
    }

    /// What is written in the place for a value.
    #[must_use]
    pub fn value_written(&self, value: &str) -> Option<String> {
        matches!(self.place, Place::Value { .. }).then(|| crate::display::Quoted(value).to_string())
    }

    /// What values of the field must meet to begin with what is typed; `None` where nothing is.
    #[must_use]
    pub fn begins_with_typed(&self) -> Option<Condition> {
        let typed = self.typed.trim_end_matches('*');
        (!typed.is_empty()).then(|| {
            let pieces = [Piece::Text(typed.into()), Piece::Run];
            Condition::Like(Pattern::new(pieces))
        })
    }

    /// The condition, and that the field has a value that begins with what is typed.
    #[must_use]
    pub fn narrowed(&self, field: &FieldName) -> Expr {
        let typed = self.begins_with_typed().unwrap_or(Condition::Exists);
        let typed = Expr::Test(Test::Field(field.clone(), typed));
        Expr::and([self.condition.clone(), typed])
    }
}

fn values(field: &FieldName, part: ValuePart) -> Vec<Offer> {
    if part != ValuePart::Whole {
        let to = (part == ValuePart::High).then(|| keyword("TO", "up to"));
        let dates = BOUNDS_OF_DATES.into_iter();
        let dates = dates.filter(|_| field.kind() == FieldKind::Date);
        return to.into_iter().chain(dates).collect();
    }
    let of_kind: &[Offer] = match field.kind() {
        FieldKind::Number => &NUMBERS,
        FieldKind::Address => &NETWORKS,
        FieldKind::Date => &DATES,
        FieldKind::Keyword | FieldKind::Text => &[],
    };
    of_kind.iter().copied().chain([ANY]).collect()
}

fn stage(text: &'static str) -> Offer {
    let detail = match text {
        "where" => "only what meets the condition",
        "stats" => "a row for each combination of values",
        "timechart" => "the same over time",
        "top" => "the most frequent values",
        "rare" => "the least frequent values",
        "fields" => "a row for each event, with these columns",
        "sort" => "rows in that order",
        "head" => "the first rows",
        "tail" => "the last rows",
        "dedup" => "the first row for each value",
        "rename" => "another name for a column",
        _ => "",
    };
    Offer {
        text,
        kind: OfferKind::Stage,
        detail,
    }
}

fn functions() -> impl Iterator<Item = Offer> {
    let function = |text, detail| Offer {
        text,
        kind: OfferKind::Function,
        detail,
    };
    let named = function_names().filter_map(move |name| {
        let (text, detail) = match name {
            "count" => ("count()", "how many"),
            "sum" => ("sum(", "numbers added up"),
            "avg" => ("avg(", "their mean"),
            "min" => ("min(", "the least"),
            "max" => ("max(", "the greatest"),
            "dc" => ("dc(", "how many different ones"),
            "values" => ("values(", "the different ones"),
            "first" => ("first(", "the one received first"),
            "last" => ("last(", "the one received last"),
            _ => return None,
        };
        Some(function(text, detail))
    });
    let percentiles = PERCENTILES.into_iter();
    named.chain(percentiles.map(move |text| function(text, "so many hundredths are below")))
}
